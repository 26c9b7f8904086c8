import asyncio
import logging
import traceback

import pytest

from tapewire.errors import ConfigurationError, CredentialsError, CredentialsRefused, HttpError
from tapewire.secrets import Secret
from tapewire.session.credentials import Credentials


class Provider:
    """Answers `token-1`, `token-2`, … after `seconds` each, and remembers what it was asked."""

    def __init__(
        self, seconds: float = 1.0, error: BaseException | None = None, *, cleanup: float = 0.0
    ) -> None:
        self.seconds = seconds
        self.cleanup = cleanup
        self.error = error
        self.asked: list[bool] = []
        self.cancelled = self.running = self.most_running = 0

    async def __call__(self, fresh: bool) -> Secret | str:
        self.asked.append(fresh)
        answer = f"token-{len(self.asked)}"
        self.running += 1
        self.most_running = max(self.running, self.most_running)
        try:
            await asyncio.sleep(self.seconds)
        except asyncio.CancelledError:
            self.cancelled += 1
            await asyncio.sleep(self.cleanup)
            raise
        finally:
            self.running -= 1
        if self.error is not None:
            raise self.error
        return answer


def ask(credentials: Credentials, *, fresh: bool = False) -> asyncio.Task[Secret]:
    return asyncio.ensure_future(credentials.token(fresh=fresh))


async def test_all_who_ask_at_once_wait_for_one_request(clock):
    provider = Provider()
    credentials = Credentials(provider)
    tokens = await asyncio.gather(*[credentials.token() for _ in range(50)])
    assert {token.reveal() for token in tokens} == {"token-1"}
    assert provider.asked == [False]
    assert credentials.requests == 1


async def test_the_provider_is_asked_on_every_attempt(clock):
    credentials = Credentials(Provider())
    assert [(await credentials.token()).reveal() for _ in range(3)] == ["token-1", "token-2", "token-3"]


async def test_who_wants_a_fresh_token_waits_for_the_older_request_and_then_asks_anew(clock):
    provider = Provider()
    credentials = Credentials(provider)
    older = ask(credentials)
    await asyncio.sleep(0.5)
    fresh = [ask(credentials, fresh=True) for _ in range(3)]
    assert (await older).reveal() == "token-1"
    assert {(await token).reveal() for token in fresh} == {"token-2"}
    assert provider.asked == [False, True]
    assert provider.most_running == 1


async def test_who_wants_any_token_takes_a_fresh_one_that_is_under_way(clock):
    provider = Provider()
    credentials = Credentials(provider)
    fresh = ask(credentials, fresh=True)
    await asyncio.sleep(0.5)
    assert (await credentials.token()).reveal() == "token-1"
    await fresh
    assert provider.asked == [True]


async def test_a_provider_that_does_not_answer_is_left_after_the_deadline(clock):
    provider = Provider(seconds=3600)
    started = clock.monotonic()
    with pytest.raises(CredentialsError, match="no answer within 15 s") as caught:
        await Credentials(provider).token()
    assert clock.monotonic() - started == pytest.approx(15)
    assert caught.value.retryable
    assert (provider.cancelled, provider.running) == (1, 0)


async def test_a_timeout_inside_the_provider_is_not_called_ours(clock):
    with pytest.raises(CredentialsError, match="the token provider failed: TimeoutError"):
        await Credentials(Provider(error=TimeoutError("read"))).token()


@pytest.mark.parametrize("error", [ValueError("no such user"), OSError("no route"), KeyError("token")])
async def test_whatever_a_provider_raises_becomes_an_error_that_may_be_retried(clock, error):
    with pytest.raises(CredentialsError, match=type(error).__name__) as caught:
        await Credentials(Provider(error=error)).token()
    assert caught.value.retryable
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("error", [TypeError("Unauthorized() takes no arguments"), AttributeError("tokn")])
async def test_an_error_of_programming_is_raised_as_it_is_and_no_retry_hides_it(clock, error):
    with pytest.raises(type(error)) as caught:
        await Credentials(Provider(error=error)).token()
    assert caught.value is error


@pytest.mark.parametrize(
    "error",
    [
        CredentialsRefused("the key was revoked"),
        CredentialsError("busy"),
        HttpError("POST", "https://venue.test/login", status=401, detail="bad key"),
        ConfigurationError("key", "", "a text"),
    ],
)
async def test_our_own_errors_pass_through_with_their_verdict(clock, error):
    with pytest.raises(type(error)) as caught:
        await Credentials(Provider(error=error)).token()
    assert caught.value is error


@pytest.mark.parametrize("token", ["", None, Secret(""), 5, b"bytes"])
async def test_what_is_no_token_is_refused_for_good(clock, token):
    async def provider(fresh):
        return token

    with pytest.raises(CredentialsRefused) as caught:
        await Credentials(provider).token()
    assert caught.value.terminal


async def test_a_provider_that_raises_before_it_awaits_is_no_defect(clock):
    def provider(fresh):
        raise RuntimeError("not configured")

    with pytest.raises(CredentialsError, match="not configured"):
        await Credentials(provider).token()


async def test_an_error_reaches_all_who_wait_and_the_next_one_asks_anew(clock):
    provider = Provider(error=OSError("no route"))
    credentials = Credentials(provider)
    outcomes = await asyncio.gather(*[credentials.token() for _ in range(3)], return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [CredentialsError] * 3
    provider.error = None
    assert (await credentials.token()).reveal() == "token-2"


async def test_one_who_gives_up_waiting_disturbs_nobody_else(clock):
    provider = Provider()
    credentials = Credentials(provider)
    first, second = ask(credentials), ask(credentials)
    await asyncio.sleep(0.5)
    first.cancel()
    assert (await second).reveal() == "token-1"
    assert first.cancelled()
    assert (provider.cancelled, provider.asked) == (0, [False])


async def test_when_all_have_given_up_the_request_is_cancelled(clock):
    provider = Provider(seconds=3600)
    credentials = Credentials(provider, timeout=7200)
    waiting = [ask(credentials) for _ in range(3)]
    await asyncio.sleep(1)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    await asyncio.sleep(0)
    assert (provider.cancelled, provider.running) == (1, 0)


async def test_who_asks_while_an_abandoned_request_is_being_cancelled_gets_a_token(clock):
    credentials = Credentials(Provider(cleanup=5))
    left = ask(credentials)
    await asyncio.sleep(0.5)
    left.cancel()
    await asyncio.wait([left])
    assert (await credentials.token()).reveal() == "token-2"


async def test_a_provider_that_is_cancelled_by_itself_is_an_error_and_not_a_silence(clock):
    with pytest.raises(CredentialsError, match="cancelled"):
        await Credentials(Provider(error=asyncio.CancelledError())).token()


async def test_a_token_is_never_seen(clock, caplog):
    secret = "a-token-nobody-may-see"

    async def provider(fresh):
        if fresh:
            raise ValueError(f"GET https://venue.test/?token={secret} failed")
        return secret

    credentials = Credentials(provider)
    token = await credentials.token()
    assert isinstance(token, Secret)
    logging.getLogger("tests").warning("%s %r %r", token, token, credentials)
    with pytest.raises(CredentialsError) as caught:
        await credentials.token(fresh=True)
    assert secret not in str(caught.value) + repr(caught.value) + caplog.text
    assert secret not in "".join(traceback.format_exception_only(caught.value))


async def test_an_error_nobody_waits_for_any_more_is_not_complained_about(clock):
    complaints = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, what: complaints.append(what))
    credentials = Credentials(Provider(error=OSError("no route")))
    waiting = ask(credentials)
    await asyncio.sleep(1)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    del credentials, waiting
    await asyncio.sleep(1)
    assert complaints == []


@pytest.mark.parametrize("provider", [Provider(seconds=3600), Provider(error=OSError("no route"))])
async def test_who_watches_is_told_of_each_request_that_failed_once(clock, provider):
    told = []
    credentials = Credentials(provider, on_failed=told.append)
    outcomes = await asyncio.gather(*[credentials.token() for _ in range(3)], return_exceptions=True)
    assert told == outcomes[:1]
    assert isinstance(told[0], CredentialsError)


async def test_who_watches_is_told_nothing_of_tokens_that_come_or_that_nobody_wants_any_more(clock):
    told = []
    credentials = Credentials(Provider(), on_failed=told.append)
    await credentials.token()
    left = ask(credentials)
    await asyncio.sleep(0.5)
    left.cancel()
    await asyncio.sleep(1)
    assert told == []


async def test_a_watcher_that_raises_harms_nobody(clock, caplog):
    def watcher(error):
        raise RuntimeError("no")

    with pytest.raises(CredentialsError, match="no route"):
        await Credentials(Provider(error=OSError("no route")), on_failed=watcher).token()
    assert "on_failed of credentials raised" in caplog.text

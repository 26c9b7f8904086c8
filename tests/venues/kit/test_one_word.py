"""One word for one thing: what is asked of one venue's realtime class is asked of every other's in the same words.

Nothing here names a venue: each brings a way to make its class and its words for what documents dictate (`OneVenue`).
What every realtime class owes, and a venue's author has to be told of, is asked by `tapewire.testing.check_venue`.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Any

import pytest

from tapewire.errors import ConfigurationError, ConnectFailed, GaveUp
from tapewire.marks import Mark
from tapewire.retry import RetryPolicy
from tapewire.sandbox import Sandbox
from tapewire.session import Statistics
from tapewire.testing import VirtualClock
from tapewire.testing.venue import ADDRESSES, WRONG, VenueCheck
from tapewire.transport import Endpoint, Receiver, Transport
from tests.faults.played import until
from tests.venues.kit.one_of_each import ONCE, VENUES, OneVenue
from tests.venues.under_test import EACH

each = pytest.mark.parametrize("venue", VENUES, ids=str)

NOWHERE = "http://127.0.0.1:1"

OF_CALLS: dict[str, tuple[Any, ...]] = {
    "host": ADDRESSES,
    "timeout": (-1, 0, math.nan, "soon"),
    **{name: WRONG[name] for name in ("clock", "proxy", "ssl", "http_transport")},
}
"""By argument of every class that makes calls, values that are none. Their tries are `retry=` where no document has
another word."""


def refused(venue: OneVenue, caught: pytest.ExceptionInfo[Exception], argument: str) -> None:
    """It is the venue's one error for wrong arguments, and names this one and what is allowed."""
    error = caught.value
    assert isinstance(error, ConfigurationError)
    assert type(error) is venue.refusal
    assert isinstance(error, venue.root)
    assert error.argument == argument
    assert error.allowed
    assert error.allowed in str(error)


def cases(wrong: dict[str, tuple[Any, ...]]) -> list[Any]:
    return [
        pytest.param(name, value, id=f"{name}={value!r}"[:40])
        for name, values in wrong.items()
        for value in values
    ]


@each
@pytest.mark.parametrize(("argument", "value"), cases(OF_CALLS))
async def test_a_wrong_argument_of_a_class_that_calls_has_the_same_answer(
    venue: OneVenue, argument: str, value: Any
) -> None:
    named = venue.host if argument == "host" else argument
    with pytest.raises(venue.root) as caught:
        venue.calling(**{named: value})
    refused(venue, caught, named)


@each
async def test_a_wrong_policy_of_calls_is_named_where_the_class_has_one(venue: OneVenue) -> None:
    for argument, value in venue.tries.items():
        with pytest.raises(venue.root) as caught:
            venue.calling(**{argument: value})
        refused(venue, caught, argument)


@each
async def test_a_secret_that_is_no_text_is_named_and_not_shown(venue: OneVenue) -> None:
    for name in venue.secrets:
        with pytest.raises(venue.root) as caught:
            venue.streaming(**{name: b"hunter-2"})
        refused(venue, caught, name)
        assert "hunter-2" not in str(caught.value)
        assert "hunter-2" not in repr(caught.value)


@each
@pytest.mark.parametrize("empty", ["", None])
async def test_an_empty_secret_counts_as_none_and_where_one_is_needed_the_call_says_so(
    venue: OneVenue, empty: str | None
) -> None:
    with pytest.raises(venue.root) as caught:
        await venue.without_secret(**dict.fromkeys(venue.secrets, empty) | {venue.host: NOWHERE})
    assert not caught.value.retryable  # type: ignore[attr-defined]
    assert venue.secret_hint in str(caught.value)


@each
async def test_an_environment_that_nobody_knows_is_named(venue: OneVenue) -> None:
    for name, value in venue.unknown_place.items():
        with pytest.raises(venue.root) as caught:
            venue.streaming(**{name: value})
        refused(venue, caught, name)


not_for_one = pytest.mark.parametrize(
    "value", [5, lambda: None, lambda one, two: None], ids=["5", "none", "two"]
)


@each
@not_for_one
async def test_what_cannot_be_called_with_one_argument_is_no_handler(venue: OneVenue, value: Any) -> None:
    if venue.handle is None:
        return
    client = venue.streaming(**{venue.host: NOWHERE})
    with pytest.raises(venue.root) as caught:
        await venue.handle(client, venue.topic, value)
    refused(venue, caught, venue.handler_argument)
    await client.close()


@each
@not_for_one
async def test_what_cannot_be_called_with_one_argument_is_told_no_marks(venue: OneVenue, value: Any) -> None:
    client = venue.streaming(**{venue.host: NOWHERE})
    with pytest.raises(venue.root) as caught:
        await venue.subscribe(client, venue.topic, on_mark=value)
    refused(venue, caught, "on_mark")
    await client.close()


async def entered(venue: OneVenue, sandbox: Sandbox, **fields: Any) -> Any:
    client = venue.streaming(**({venue.host: sandbox.url} | dict(venue.of_the_sandbox) | fields))
    await getattr(client, venue.open)()
    return client


@each
async def test_a_line_says_of_itself_the_same_in_each_venue(venue: OneVenue) -> None:
    async with Sandbox(rate=50, venues=[venue.name]) as sandbox:
        client = venue.streaming(**({venue.host: sandbox.url} | dict(venue.of_the_sandbox)))
        assert (bool(client.is_connected), client.state) == (False, venue.states[0])
        assert client.statistics().connections == 0
        await getattr(client, venue.open)()
        assert (bool(client.is_connected), client.state) == (True, venue.states[1])
        client.reconnect()
        await until(lambda: client.statistics().reconnections == 1 and client.is_connected, "the next one")
        await client.close()
        await client.close()
        assert (bool(client.is_connected), client.state) == (False, venue.states[2])


@each
async def test_run_forever_waits_until_all_is_closed_on_every_venue(venue: OneVenue) -> None:
    async with Sandbox(rate=50, venues=[venue.name]) as sandbox:
        client = await entered(venue, sandbox)
        running = asyncio.ensure_future(client.run_forever())
        client.reconnect()
        await until(lambda: client.statistics().reconnections == 1 and client.is_connected, "the next one")
        assert not running.done()
        await client.close()
        assert await running is None
        assert await client.run_forever() is None


@each
async def test_run_forever_raises_what_the_line_gave_up_for(venue: OneVenue) -> None:
    async with Sandbox(rate=50, venues=[venue.name]) as sandbox:
        client = await entered(venue, sandbox, retry=ONCE)
        running = asyncio.ensure_future(client.run_forever())
        await asyncio.sleep(0)
        sandbox.inject("unavailable", status=503, times=100)
        client.reconnect()
        with pytest.raises(venue.root) as caught:
            await asyncio.wait_for(running, 10)
        assert isinstance(caught.value, GaveUp)
        await client.close()


@each
async def test_statistics_are_one_value_with_those_of_every_session_inside(venue: OneVenue) -> None:
    async with Sandbox(rate=50, venues=[venue.name]) as sandbox:
        client = await entered(venue, sandbox)
        figures = client.statistics()
        assert type(figures) is Statistics
        assert figures.name == venue.name
        assert figures.state == "up"
        assert [type(part) for part in figures.sessions] == [Statistics]
        assert figures.sessions[0].sessions == ()
        assert figures.connections == sum(part.connections for part in figures.sessions) == 1
        assert figures.since_heard == figures.sessions[0].since_heard
        with pytest.raises(AttributeError):
            figures.connections = 2
        await client.close()


@each
async def test_a_clock_and_a_connector_of_ones_own_are_used(venue: OneVenue, clock: VirtualClock) -> None:
    tried = 0

    class Deaf:
        async def connect(self, endpoint: Endpoint, receiver: Receiver) -> Transport:
            nonlocal tried
            tried += 1
            raise ConnectFailed(endpoint.host, "nobody is there")

    client = venue.streaming(
        **{venue.host: NOWHERE},
        **venue.without_sign_in(),
        clock=clock,
        connector=Deaf(),
        connect_timeout=5.0,
        retry=RetryPolicy(max_attempts=None, initial_backoff=1.0, max_backoff=1.0, jitter=False),
    )
    began = clock.monotonic()
    with pytest.raises(venue.root, match="5 s"):
        await getattr(client, venue.open)()
    assert clock.monotonic() - began == pytest.approx(5.0, abs=1.0)
    assert tried >= 4
    await client.close()


@pytest.mark.parametrize("venue", EACH, ids=str)
async def test_on_mark_that_raises_ends_nothing(venue: Any, caplog: pytest.LogCaptureFixture) -> None:
    messages, wrong = [], []

    def fail(mark: Mark) -> None:
        wrong.append(mark)
        raise LookupError("of on_mark")

    async def heard(message: Any) -> None:
        messages.append(message)

    check = VenueCheck(venue, venue.face)
    async with venue.face() as sandbox, check.make(sandbox) as client:
        await venue.handle(client, heard, fail)
        sandbox.inject("abort")
        await until(stepping(sandbox, lambda: wrong), "a mark")
        before = len(messages)
        await until(stepping(sandbox, lambda: len(messages) > before), "the next message")
    assert "of on_mark" in caplog.text


def stepping(sandbox: Sandbox, condition: Callable[[], Any]) -> Callable[[], Any]:
    """Let something happen before each look."""

    def looked() -> Any:
        sandbox.step()
        return condition()

    return looked

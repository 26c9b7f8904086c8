import copy
import gc
import io
import json
import logging
import pickle
import sys
import traceback

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tapewire.secrets import MASK, RedactingFilter, Secret, host_of, redact, redact_url

LEAK = "hunter2-Zq8"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl"


@pytest.fixture(autouse=True)
def nobody_else_holds_a_secret():
    """What earlier tests dropped, in circles too, is no secret any more."""
    gc.collect()


def raised_text(call) -> str:
    try:
        call()
    except Exception as error:
        return "".join(traceback.format_exception(error))
    pytest.fail("it showed the secret or something else instead of raising")


@pytest.mark.parametrize(
    "show",
    [
        str,
        repr,
        lambda s: f"{s}",
        lambda s: f"{s!r}",
        lambda s: f"{s:>40}",
        lambda s: f"{s:s}",
        "{}".format,
        lambda s: "%s %r" % (s, s),  # noqa: UP031
        lambda s: repr([s, {"a": s}, (s,)]),
        lambda s: str(ValueError(s)),
        lambda s: repr(KeyError(s)),
        lambda s: ascii(s),
    ],
)
def test_a_secret_shows_nothing_of_itself(show):
    shown = show(Secret(LEAK))
    assert LEAK not in shown
    assert MASK in shown


@pytest.mark.parametrize(
    "write",
    [
        pickle.dumps,
        lambda s: pickle.dumps({"a": s}, protocol=0),
        copy.deepcopy,
        json.dumps,
        msgspec.json.encode,
        msgspec.msgpack.encode,
        lambda s: MASK.join([s, s]),
        bytes,
        vars,
    ],
)
def test_a_secret_is_written_nowhere(write):
    assert LEAK not in raised_text(lambda: write(Secret(LEAK)))


def test_reveal_gives_it_and_equal_secrets_are_equal():
    secret = Secret(LEAK)
    assert secret.reveal() == LEAK
    assert secret == Secret(LEAK)
    assert secret != Secret("another")
    assert secret != LEAK
    assert len({secret, Secret(LEAK)}) == 1
    assert hash(secret) != hash(LEAK)
    assert bool(secret)
    assert not Secret("")


@pytest.mark.parametrize(
    "text",
    [
        f"https://venue.test/socket?token={LEAK}&vsn=2.0.0",
        f"wss://user:{LEAK}@venue.test/socket",
        f"Authorization: Bearer {LEAK}",
        f"authorization: Basic {LEAK}==",
        f"Authorization: Token {LEAK}",
        f"{{'Authorization': 'Bearer {LEAK}', 'n': 1}}",
        f"[(b'Set-Cookie', b'session={LEAK}; Path=/'), (b'a', b'b')]",
        f"('x-api-key', '{LEAK}')",
        f"Cookie: a=1; session={LEAK}",
        f'{{"password": "{LEAK}"}}',
        f'{{"password" : "a\\"{LEAK}"}}',
        f'{{"token": "{LEAK}',
        f'b\'{{"accessToken":"{LEAK}"}}\'',
        json.dumps(json.dumps({"refresh_token": LEAK, "n": 1})),
        f"secret_key='{LEAK}'",
        f"client_secret={LEAK}",
        f"authToken: {LEAK}",
        f"ACCESS-SIGN: {LEAK}",
        f"ACCESS-PASSPHRASE: {LEAK}",
        f"api-key={LEAK};",
        f"apiKey={LEAK}",
        f"lockdown-token: {LEAK}",
    ],
)
def test_what_looks_like_a_secret_is_redacted_though_nobody_declared_it(text):
    assert LEAK not in redact(text)
    assert MASK in redact(text)


def test_a_jwt_is_redacted_wherever_it_stands():
    for text in (
        JWT,
        f"login failed for {JWT}!",
        f'["1","1","room","phx_join",{{"t":"{JWT}"}}]',
        f"/ws/{JWT}/x",
    ):
        redacted = redact(text)
        assert not any(part in redacted for part in JWT.split("."))


@pytest.mark.parametrize(
    "text",
    [
        "the token is short, and the secret of it is patience",
        "max_tokens=5 price=1.25",
        '{"topic":"market:1","payload":{"bids":[["1.5","20"]]}}',
        "connection lost: no reason given (code 1006)",
        "https://venue.test:8443/socket",
    ],
)
def test_what_is_no_secret_stays_readable(text):
    assert redact(text) == text


def test_what_stands_beside_a_secret_stays_readable():
    assert redact(f"GET /orders?token={LEAK}&side=buy 401") == f"GET /orders?token={MASK}&side=buy 401"
    assert redact(f'{{"password": "{LEAK}", "side": "buy"}}') == f'{{"password": {MASK}, "side": "buy"}}'


def test_a_living_secret_is_redacted_from_any_text():
    secret = Secret("plain words and/or +signs")
    assert redact(f"nothing marks {secret.reveal()} here") == f"nothing marks {MASK} here"
    assert redact("/ws/plain%20words%20and%2For%20%2Bsigns/x") == f"/ws/{MASK}/x"


def test_a_secret_that_begins_like_another_leaves_no_rest():
    shorter, longer = Secret("abcd-1234"), Secret("abcd-1234-rest")
    assert redact("x abcd-1234-rest y abcd-1234 z") == f"x {MASK} y {MASK} z"
    del shorter, longer


@pytest.mark.parametrize(
    ("living", "text"),
    [
        ("token", "token=undeclared-1"),
        ("oken", '{"access_token": "undeclared-1"}'),
        ("Bearer", "Authorization: Bearer undeclared-1"),
        ("Author", "Authorization: undeclared-1"),
        ("cookie", "cookie: undeclared-1"),
        ("eyJh", "eyJhbGciOi.eyJzdWIi.undeclared-1"),
        ("wss://", "wss://undeclared-1@venue.test"),
    ],
)
def test_a_living_secret_that_is_a_word_marking_others_hides_none_of_them(living, text):
    secret = Secret(living)
    assert "undeclared" not in redact(text)
    del secret


def test_one_of_two_equal_secrets_may_go_and_the_other_is_still_redacted():
    first = Secret("the same token twice")
    second = Secret("the same token twice")
    del first
    gc.collect()
    assert redact("the same token twice") == MASK
    del second
    gc.collect()
    assert redact("the same token twice") == "the same token twice"


@given(st.text(min_size=4).filter(lambda value: value not in MASK))
def test_no_living_secret_survives_redaction(value):
    """redact(text) contains no living Secret, whatever its value and whatever surrounds it."""
    secret = Secret(value)
    assert value not in redact(f"<{value}>{value}") or value in f"<{MASK}>{MASK}"
    assert secret


SHAPES = [
    "token=@&n=1",
    '{"api_key": "@", "n": 1}',
    "('cookie', '@')",
    "Authorization: Basic @",
    "secret: '@",
]


@given(st.sampled_from(SHAPES), st.text("abcXYZ0189-_+/=.~", min_size=8), st.text(), st.text())
def test_whatever_stands_in_the_place_of_a_secret_is_redacted(shape, value, before, behind):
    """Any token's text in any known shape is gone after redact, whatever surrounds it, and redact never raises."""
    assume(value not in before)
    assert value not in redact(f"{before}\n{shape.replace('@', value)}\n")
    assert redact(before + shape + behind) is not None


@pytest.mark.parametrize(
    ("url", "shown", "host"),
    [
        (
            f"wss://u:{LEAK}@venue.test:8443/ws?token={LEAK}#{LEAK}",
            "wss://venue.test:8443/ws",
            "venue.test:8443",
        ),
        ("https://venue.test", "https://venue.test", "venue.test"),
        (f"wss://venue.test/ws/{JWT}", f"wss://venue.test/ws/{MASK}", "venue.test"),
        (f"wss://a@b:{LEAK}@venue.test/", "wss://venue.test/", "venue.test"),
        (f"wss://[::1/{LEAK}", "<unreadable URL>", "<unreadable URL>"),
    ],
)
def test_a_url_is_shown_without_what_may_be_secret_in_it(url, shown, host):
    assert redact_url(url) == shown
    assert host_of(url) == host


@pytest.fixture
def log():
    """A logger of its own, and what its redacting handler has written."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.addFilter(RedactingFilter())
    logger = logging.getLogger("tests.secrets")
    logger.propagate = False
    logger.addHandler(handler)
    yield logger, written
    logger.handlers.clear()


def fail() -> None:
    try:
        raise KeyError(f"token={LEAK}")
    except KeyError as error:
        raise ValueError(f"password={LEAK}") from error


def test_the_filter_redacts_message_and_arguments(log):
    logger, written = log
    secret = Secret(LEAK)
    logger.error("login with %s and %s failed: %s", secret, LEAK, {"token": LEAK})
    assert LEAK not in written.getvalue()
    assert written.getvalue().startswith(f"login with {MASK} and {MASK} failed")


def test_the_filter_redacts_tracebacks_and_their_causes(log):
    logger, written = log
    try:
        fail()
    except ValueError:
        logger.exception("failed", stack_info=True)
    assert "Traceback" in written.getvalue()
    assert "KeyError" in written.getvalue()
    assert LEAK not in written.getvalue()


def test_a_traceback_that_another_handler_has_written_before_is_redacted_too(log):
    logger, written = log
    logger.handlers.insert(0, logging.StreamHandler(io.StringIO()))
    seen = []

    class Keeping(logging.Handler):
        def emit(self, record):
            seen.append(record)

    logger.addHandler(Keeping())
    try:
        fail()
    except ValueError:
        logger.exception("failed")
    assert LEAK not in written.getvalue()
    assert seen[0].exc_info is None, "a handler that formats by itself would show it"


def test_a_wrong_format_is_logged_and_raises_nothing(log):
    logger, written = log
    logger.error(f"%d orders, token={LEAK}", "three")  # noqa: G004
    assert "arguments do not fit" in written.getvalue()
    assert LEAK not in written.getvalue()
    assert sys.exc_info() == (None, None, None)

import inspect
import re

import pytest

from tapewire import errors
from tapewire.errors import (
    BufferOverflow,
    ConfigurationError,
    ConnectFailed,
    ConnectionFailure,
    ConnectionLost,
    CredentialsError,
    CredentialsRefused,
    ForeignTape,
    GaveUp,
    HandshakeRefused,
    HttpError,
    IllegalTransition,
    MissingExtra,
    NeverConnected,
    NewerTape,
    NotSubscribed,
    NotSupported,
    OwnerCancelled,
    RequestError,
    RequestLost,
    RequestRefused,
    RequestTimeout,
    SessionClosed,
    SubscriptionEnded,
    SubscriptionError,
    SubscriptionRefused,
    TapeCorrupt,
    TapeError,
    TapewireError,
    UndecodableFrame,
    UnknownInstrument,
    WrongLoop,
)
from tapewire.marks import ContinuityState


def tree_of_the_docstring() -> dict[str, str]:
    """Each error's parent, by the indentation of the drawing."""
    parents: dict[str, str] = {}
    above = ["TapewireError"]
    for line in (errors.__doc__ or "").splitlines():
        if found := re.match(r"\s{4}((?:\|\s{3}|\s{4})*)\+-- (\w+)", line):
            depth = len(found[1]) // 4 + 1
            parents[found[2]] = above[depth - 1]
            above[depth:] = [found[2]]
    return parents


def defined_errors() -> dict[str, type[TapewireError]]:
    return {
        name: kind
        for name, kind in vars(errors).items()
        if inspect.isclass(kind) and issubclass(kind, TapewireError) and not name.startswith("_")
    }


def http_error(status: int | None) -> HttpError:
    return HttpError("GET", "https://venue.test/", status=status, detail="no")


CASES: list[tuple[TapewireError, bool]] = [
    (TapewireError("?"), False),
    (ConfigurationError("size", -1, "from 1"), False),
    (UnknownInstrument("weex", "BTCUSD", ["BTCUSDT"]), False),
    (NotSupported("watch_trades", "stake", "watch_balance"), False),
    (IllegalTransition(ContinuityState.LIVE, ContinuityState.LIVE), False),
    (TapeError("a.tape", "?"), False),
    (ForeignTape("a.tape"), False),
    (NewerTape("a.tape", 2, 1), False),
    (TapeCorrupt("a.tape", 40, "cut", since_ns=1, until_ns=2), False),
    (MissingExtra("the sandbox", "sandbox", "graphql"), False),
    (ConnectionFailure("?"), False),
    (ConnectFailed("venue.test", "no route"), True),
    (ConnectFailed("venue.test", "certificate not trusted", retryable=False), False),
    (HandshakeRefused("venue.test", 400), False),
    (HandshakeRefused("venue.test", 401), False),
    (HandshakeRefused("venue.test", 404), False),
    (HandshakeRefused("venue.test", 408), True),
    (HandshakeRefused("venue.test", 429), True),
    (HandshakeRefused("venue.test", 500), True),
    (HandshakeRefused("venue.test", 503), True),
    (ConnectionLost("reset"), True),
    (GaveUp(3, ConnectionLost("reset")), False),
    (NeverConnected(30, 3, ConnectFailed("venue.test", "no route")), False),
    (SessionClosed(), False),
    (CredentialsError("?"), True),
    (CredentialsRefused("?"), False),
    (SubscriptionError("t", "?"), False),
    (SubscriptionRefused("t", "no"), False),
    (SubscriptionRefused("t", "busy", retryable=True), True),
    (SubscriptionEnded("t", "over"), False),
    (BufferOverflow("t", 10), False),
    (NotSubscribed("t"), False),
    (RequestError("t", "e", "?", sent=True), False),
    (RequestTimeout("t", "e", 1, sent=True), False),
    (RequestTimeout("t", "e", 1, sent=False), True),
    (RequestLost("t", "e", sent=True), False),
    (RequestLost("t", "e", sent=False), True),
    (RequestRefused("t", "e", {"reason": "no"}), False),
    (UndecodableFrame("not JSON", b"{"), False),
    (OwnerCancelled("snapshot"), True),
    (WrongLoop("HttpClient('https://venue.test')"), False),
    (http_error(None), True),
    (HttpError("GET", "https://venue.test/", status=None, detail="not trusted", final=True), False),
    (http_error(400), False),
    (http_error(401), False),
    (http_error(425), True),
    (http_error(429), True),
    (http_error(502), True),
]


def test_the_tree_in_the_docstring_is_the_real_tree():
    real = {
        name: kind.__bases__[0].__name__ for name, kind in defined_errors().items() if name != "TapewireError"
    }
    assert tree_of_the_docstring() == real


def test_every_error_is_listed_for_export():
    assert set(errors.__all__) == set(defined_errors())


def test_every_error_stands_in_the_table_of_these_tests():
    assert {type(error).__name__ for error, _ in CASES} == set(defined_errors())


@pytest.mark.parametrize(("error", "retryable"), CASES, ids=lambda value: str(value)[:60])
def test_an_error_says_whether_a_retry_may_help(error, retryable):
    assert error.retryable is retryable
    assert error.terminal is not retryable


def test_a_wrong_argument_is_a_value_error_that_names_it_and_what_is_allowed():
    with pytest.raises(ValueError, match=r"policy='sieve' is not valid; allowed: block, fail") as caught:
        raise ConfigurationError("policy", "sieve", ["block", "fail"])
    assert caught.value.argument == "policy"
    assert caught.value.value == "sieve"
    assert caught.value.allowed == "block, fail"


@pytest.mark.parametrize(
    ("error", "facts"),
    [
        (ConnectFailed("venue.test:443", "refused"), {"host": "venue.test:443", "cause": "refused"}),
        (
            HandshakeRefused("venue.test", 429, 7.5),
            {"host": "venue.test", "status": 429, "retry_after": 7.5, "unauthorized": False},
        ),
        (HandshakeRefused("venue.test", 401), {"unauthorized": True, "retry_after": None}),
        (HandshakeRefused("venue.test", 403), {"unauthorized": True}),
        (ConnectionLost("bye", 4001), {"reason": "bye", "code": 4001}),
        (ConnectionLost(""), {"reason": "", "code": 1006}),
        (
            SubscriptionRefused("t", "full", code=106, reply={"a": 1}),
            {"topic": "t", "reason": "full", "code": 106, "reply": {"a": 1}},
        ),
        (BufferOverflow("t", 10), {"topic": "t", "capacity": 10}),
        (
            RequestTimeout("t", "e", 2.5, sent=True),
            {"topic": "t", "event": "e", "seconds": 2.5, "sent": True},
        ),
        (RequestRefused("t", "e", {"reason": "no"}), {"sent": True, "reply": {"reason": "no"}}),
        (UndecodableFrame("half", b"{", "t"), {"detail": "half", "topic": "t", "excerpt": "b'{'"}),
    ],
    ids=lambda value: str(value)[:60],
)
def test_facts_are_fields(error, facts):
    assert {name: getattr(error, name) for name in facts} == facts


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (RequestTimeout("t", "e", 2.5, sent=True), "e on t: no reply within 2.5 s (sent, outcome unknown)"),
        (RequestTimeout("t", "e", 2.0, sent=False), "e on t: no reply within 2 s (never sent)"),
        (
            RequestLost("t", "e", sent=True),
            "e on t: the connection dropped before the reply; it had been sent, outcome unknown",
        ),
        (
            RequestLost("t", "e", sent=False),
            "e on t: the connection dropped before the reply; it was never sent",
        ),
        (GaveUp(1, ConnectionLost("reset")), "gave up after 1 attempt: connection lost: reset (code 1006)"),
        (GaveUp(3, None), "gave up after 3 attempts"),
        (ConnectionLost(""), "connection lost: no reason given (code 1006)"),
        (http_error(None), "GET https://venue.test/: no"),
        (http_error(503), "GET https://venue.test/: HTTP 503: no"),
    ],
)
def test_a_text_says_what_the_reader_must_know(error, text):
    assert str(error) == text


def test_what_a_peer_sent_is_bounded_in_an_error():
    assert len(str(UndecodableFrame("huge", b"\x00" * 10_000_000))) < 500
    assert len(str(RequestRefused("t", "e", {"reason": "x" * 10_000_000}))) < 500
    error = HttpError("GET", "https://venue.test/", status=500, detail="no", body=b"x" * 10_000_000)
    assert len(error.body) == 4096
    assert len(str(error)) < 500


EVERY_ERROR = (
    errors.BufferOverflow("t", 5),
    errors.GaveUp(3, errors.HandshakeRefused("host", 401)),
    errors.HandshakeRefused("host", 401, 2.0),
    errors.SubscriptionRefused("t", "no", code=103, reply={"a": 1}, retryable=True),
    KeyError("x"),
)


@pytest.mark.parametrize("error", EVERY_ERROR, ids=lambda error: type(error).__name__)
def test_an_error_told_to_several_is_an_object_of_its_own_for_each(error):
    error.__cause__ = ValueError("why")
    told = errors.fresh_copy(error)
    assert told is not error
    assert (type(told), str(told), told.__dict__) == (type(error), str(error), error.__dict__)
    assert told.__cause__ is error.__cause__
    try:
        raise error
    except type(error):
        assert told.__traceback__ is None


def test_a_refusal_of_credentials_says_so():
    assert "check its credentials" in str(errors.HandshakeRefused("host", 403))
    assert "credentials" not in str(errors.HandshakeRefused("host", 503))


@pytest.mark.parametrize(
    "error",
    [
        ConnectFailed("venue.test", ""),
        GaveUp(2, TimeoutError()),
        GaveUp(2, None),
        SubscriptionError("t", ""),
        SubscriptionRefused("t", ""),
        SubscriptionEnded("t", ""),
        HttpError("GET", "https://venue.test/", status=None, detail=""),
        HttpError("GET", "https://venue.test/", status=500, detail=""),
    ],
    ids=repr,
)
def test_no_text_ends_in_a_bare_colon(error):
    assert not str(error).rstrip().endswith(":")
    assert "None" not in str(error)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (SubscriptionRefused("nope", "not today"), "nope: refused: not today"),
        (SubscriptionEnded("nope", "market resulted"), "nope: ended by the venue: market resulted"),
    ],
)
def test_reasons_are_the_venues_own_words_and_the_topic_is_said_once(error, text):
    assert error.reason in ("not today", "market resulted")
    assert str(error) == text

"""Every error tapewire raises, in one tree.

::

    TapewireError
    +-- ConfigurationError         an argument is wrong: names it and what is allowed (also a ValueError)
    |   +-- UnknownInstrument      no such instrument or market: lists near ones
    +-- NotSupported               the venue cannot do that: names the verb that comes nearest
    +-- MissingExtra               a part whose dependencies are not installed: names the command (also an ImportError)
    +-- WrongLoop                  used from another event loop than the one it belongs to (also a RuntimeError)
    +-- ConnectionFailure          something about the connection to the venue
    |   +-- ConnectFailed          no connection: host and cause
    |   +-- HandshakeRefused       the venue answered the upgrade with an HTTP status
    |   +-- ConnectionLost         a connection ended: close code and reason
    |   +-- GaveUp                 the retry policy is exhausted, or the refusal is final
    |   |   +-- NeverConnected     no first connection came in time: look at the address
    |   +-- SessionClosed          used after close(), or closed while waiting
    +-- CredentialsError           no usable token
    |   +-- CredentialsRefused     the venue refused the credentials for good
    +-- SubscriptionError          one subscription; names its topic
    |   +-- SubscriptionRefused    the venue said no; carries its reason
    |   +-- SubscriptionEnded      the venue ended it, and it will not be joined again
    |   +-- BufferOverflow         policy `fail`, and the consumer was too slow
    |   +-- NotSubscribed          a push or request on a topic that was never subscribed
    +-- RequestError               one request; `sent` says whether it may have reached the venue
    |   +-- RequestTimeout         no reply within the deadline
    |   +-- RequestLost            the connection or the topic was lost first: outcome unknown if `sent`
    |   +-- RequestRefused         the venue replied with an error
    +-- TapeError                  a recorded tape cannot be read; names the file
    |   +-- ForeignTape            the file is no tape
    |   +-- NewerTape              its format is of a later version
    |   +-- TapeCorrupt            bytes of it are not as they were written: names the span that is lost
    +-- OwnerCancelled             a function of yours ended with CancelledError, and nobody had cancelled it
    +-- IllegalTransition          a defect of ours: a state table has no such pair
    +-- UndecodableFrame           bytes that are not what the protocol says
    +-- HttpError                  an HTTP call failed; `status` is None when no answer came

Facts are fields; `retryable` and `terminal` are properties. `retryable` means that the same call may succeed later
without a change by the caller; `terminal` means that the session will not try again by itself. No error text ever
contains a token, a key or a password.

Every one of them can be copied and pickled, with the same fields and text: a worker of a process pool may raise it.
What of its fields cannot travel (a lambda, a secret) is its `repr` on the other side.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from enum import Enum
from types import MemberDescriptorType
from typing import Any, Self, TypeVar

__all__ = [
    "BufferOverflow",
    "ConfigurationError",
    "ConnectFailed",
    "ConnectionFailure",
    "ConnectionLost",
    "CredentialsError",
    "CredentialsRefused",
    "ForeignTape",
    "GaveUp",
    "HandshakeRefused",
    "HttpError",
    "IllegalTransition",
    "MissingExtra",
    "NeverConnected",
    "NewerTape",
    "NotSubscribed",
    "NotSupported",
    "OwnerCancelled",
    "RequestError",
    "RequestLost",
    "RequestRefused",
    "RequestTimeout",
    "SessionClosed",
    "SubscriptionEnded",
    "SubscriptionError",
    "SubscriptionRefused",
    "TapeCorrupt",
    "TapeError",
    "TapewireError",
    "UndecodableFrame",
    "UnknownInstrument",
    "WrongLoop",
]

_E = TypeVar("_E", bound=BaseException)

_TRANSIENT_STATUSES = frozenset({408, 425, 429})


def is_transient(status: int) -> bool:
    """True for an HTTP status that may be another one later, with nothing changed: 5xx, 408, 425, 429."""
    return status >= 500 or status in _TRANSIENT_STATUSES


class TapewireError(Exception):
    """The root: catch this to catch everything tapewire raises on purpose."""

    @property
    def retryable(self) -> bool:
        """True if the same call may succeed later without a change by the caller."""
        return False

    @property
    def terminal(self) -> bool:
        """True if nothing will be tried again by itself."""
        return not self.retryable

    # Exception's own way is to call the class with `args`, which are the text here: it would be said twice, or the call
    # would lack arguments.

    def __copy__(self) -> Self:
        return fresh_copy(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        copied = fresh_copy(self)
        memo[id(self)] = copied
        for name, value in list(_fields(self)):
            with suppress(Exception):  # what cannot be copied (a lock, a secret) is shared
                setattr(copied, name, copy.deepcopy(value, memo))
        return copied

    def __reduce__(self) -> tuple[Any, ...]:
        return rebuilt, (type(self), self.args, {name: _portable(value) for name, value in _fields(self)})


class ConfigurationError(TapewireError, ValueError):
    """An argument is wrong. Correct it: the text names it and lists what is allowed."""

    def __init__(self, argument: str, value: object, allowed: Iterable[object] | str) -> None:
        self.argument = argument
        self.value = value
        self.allowed: str = allowed if isinstance(allowed, str) else ", ".join(str(item) for item in allowed)
        super().__init__(f"{argument}={value!r} is not valid; allowed: {self.allowed}")


class IllegalTransition(TapewireError):
    """A pair that is not in a state table: a defect of ours, never of the peer or the caller. Report it."""

    def __init__(self, state: Enum, received: Enum) -> None:
        self.state = state
        self.input = received
        super().__init__(f"no transition from {state.value!r} on {received.value!r}")


class UnknownInstrument(ConfigurationError):
    """The venue has no such instrument. Choose one of `near`, or list all with the venue's `instruments()`.

    `why`: what the id names, where it does name something.
    """

    def __init__(self, venue: str, instrument_id: str, near: Iterable[str] = (), why: str = "") -> None:
        self.venue = venue
        self.near: tuple[str, ...] = tuple(near)
        self.why = why
        nearness = f", perhaps {' or '.join(self.near)}" if self.near else ""
        reason = f" ({why})" if why else ""
        super().__init__("instrument_id", instrument_id, f"an instrument of {venue}{nearness}{reason}")


class NotSupported(TapewireError):
    """`venue` has nothing for `verb`. Use `nearest` where there is one; `venue.capabilities` lists what there is."""

    def __init__(self, verb: str, venue: str, nearest: str | None = None, why: str = "") -> None:
        self.verb = verb
        self.venue = venue
        self.nearest = nearest
        self.why = why
        reason = f": {why}" if why else ""
        instead = f"; the nearest there is: {nearest}" if nearest else ""
        super().__init__(f"{venue} does not support {verb}{reason}{instead}")


class MissingExtra(TapewireError, ImportError):
    """`part` of tapewire needs `module`, which only `extra` brings. Install it by the command that the text names."""

    def __init__(self, part: str, extra: str, module: str) -> None:
        self.part = part
        self.extra = extra
        super().__init__(
            f'{part} needs {module}, which is not installed: pip install "tapewire[{extra}]"', name=module
        )


class WrongLoop(TapewireError, RuntimeError):
    """`what` belongs to the event loop that it was first used on, and to that loop's thread.

    Make another one for this loop; from another thread, hand the coroutine over to the loop it belongs to.
    """

    def __init__(self, what: str) -> None:
        self.what = what
        super().__init__(
            f"{what} belongs to another event loop: make one inside each asyncio.run() and use it there only; from"
            " another thread, use asyncio.run_coroutine_threadsafe()"
        )


class ConnectionFailure(TapewireError):
    """Something about the line to the venue."""


class ConnectFailed(ConnectionFailure):
    """No connection could be made to `host`, for `cause`."""

    def __init__(self, host: str, cause: str, *, retryable: bool = True) -> None:
        self.host = host
        self.cause = cause
        self._retryable = retryable
        super().__init__(_text(f"cannot connect to {host}", cause))

    @property
    def retryable(self) -> bool:
        """False for what time does not heal: a certificate that is not trusted, a URL that is none."""
        return self._retryable


class HandshakeRefused(ConnectionFailure):
    """The venue answered the WebSocket upgrade with `status`; `retry_after` is in seconds where it gave one."""

    def __init__(self, host: str, status: int, retry_after: float | None = None) -> None:
        self.host = host
        self.status = status
        self.retry_after = retry_after
        why = ": it does not let this client in; check its credentials" if self.unauthorized else ""
        super().__init__(f"{host} refused the connection with HTTP {status}{why}")

    @property
    def unauthorized(self) -> bool:
        """True for 401 and 403: worth one fresh token, then final."""
        return self.status in (401, 403)

    @property
    def retryable(self) -> bool:
        return is_transient(self.status)


class ConnectionLost(ConnectionFailure):
    """A connection ended. `code` is the WebSocket close code, 1006 where there was no close frame.

    `ours`: this side ended it, because the peer broke a rule; `code` is then our word and not the peer's.
    """

    def __init__(self, reason: str, code: int = 1006, *, ours: bool = False) -> None:
        self.reason = reason
        self.code = code
        self.ours = ours
        super().__init__(f"connection lost: {reason or 'no reason given'} (code {code})")

    @property
    def retryable(self) -> bool:
        return True


class GaveUp(ConnectionFailure):
    """The session stopped trying. `attempts` counts this outage; `last` is the last failure (also `__cause__`)."""

    def __init__(self, attempts: int, last: BaseException | None) -> None:
        self.attempts = attempts
        self.last = last
        super().__init__(_text(f"gave up after {attempts} attempt{'' if attempts == 1 else 's'}", last))


class NeverConnected(GaveUp):
    """The first connection did not come within `seconds`. `last` is what went wrong last: look at the address."""

    def __init__(self, seconds: float, attempts: int, last: BaseException | None) -> None:
        super().__init__(attempts, last)
        self.seconds = seconds
        why = "no answer yet" if last is None else last
        self.args: tuple[Any, ...] = (
            f"no connection within {seconds:g} s ({attempts} attempt{'' if attempts == 1 else 's'}): {why}",
        )


class SessionClosed(ConnectionFailure):
    """The session was closed by its owner."""

    def __init__(self, text: str = "the session is closed") -> None:
        super().__init__(text)


class CredentialsError(TapewireError):
    """No usable token could be had this time."""

    @property
    def retryable(self) -> bool:
        return True


class CredentialsRefused(CredentialsError):
    """The venue refused the credentials. Correct them: no retry will help."""

    @property
    def retryable(self) -> bool:
        return False


class SubscriptionError(TapewireError):
    """Something about one subscription."""

    def __init__(self, topic: str, reason: str) -> None:
        self.topic = topic
        self.reason = reason
        super().__init__(_text(topic, reason))


class SubscriptionRefused(SubscriptionError):
    """The venue refused the subscription. `reply` is what it answered, decoded, if anything."""

    def __init__(
        self, topic: str, reason: str, *, code: int | None = None, reply: Any = None, retryable: bool = False
    ) -> None:
        self.code = code
        self.reply = reply
        self._retryable = retryable
        super().__init__(topic, _text("refused", reason))
        self.reason = reason

    @property
    def retryable(self) -> bool:
        return self._retryable


class SubscriptionEnded(SubscriptionError):
    """The venue ended the subscription and it is not joined again. Subscribe anew if you still want it.

    `reason` is the venue's own word, or why it cannot go on.
    """

    def __init__(self, topic: str, reason: str) -> None:
        super().__init__(topic, _text("ended by the venue", reason))
        self.reason = reason


class BufferOverflow(SubscriptionError):
    """The consumer fell behind by more than the buffer holds and the policy is `fail`."""

    def __init__(self, topic: str, capacity: int) -> None:
        self.capacity = capacity
        super().__init__(topic, f"the consumer fell {capacity} publications behind and the policy is 'fail'")


class NotSubscribed(SubscriptionError):
    """A push or a request on a topic that is not subscribed. Subscribe first."""

    def __init__(self, topic: str) -> None:
        super().__init__(topic, "not subscribed; subscribe before pushing to it")


class RequestError(TapewireError):
    """One request failed. `sent` says whether it may have reached the venue."""

    def __init__(self, topic: str, event: str, text: str, *, sent: bool) -> None:
        self.topic = topic
        self.event = event
        self.sent = sent
        super().__init__(f"{event} on {topic}: {text}")


class RequestTimeout(RequestError):
    """No reply came in time. Where `sent` is true the outcome is unknown: look it up before you repeat it."""

    def __init__(self, topic: str, event: str, seconds: float, *, sent: bool) -> None:
        self.seconds = seconds
        outcome = "sent, outcome unknown" if sent else "never sent"
        super().__init__(topic, event, f"no reply within {seconds:g} s ({outcome})", sent=sent)

    @property
    def retryable(self) -> bool:
        return not self.sent


class RequestLost(RequestError):
    """The reply can no longer come, for `why`. Where `sent` is true the outcome is unknown: look it up first."""

    def __init__(
        self, topic: str, event: str, *, sent: bool, why: str = "the connection dropped before the reply"
    ) -> None:
        self.why = why
        outcome = "it had been sent, outcome unknown" if sent else "it was never sent"
        super().__init__(topic, event, f"{why}; {outcome}", sent=sent)

    @property
    def retryable(self) -> bool:
        return not self.sent


class RequestRefused(RequestError):
    """The venue replied with an error. `reply` is its decoded answer."""

    def __init__(self, topic: str, event: str, reply: Any) -> None:
        self.reply = reply
        super().__init__(topic, event, f"refused: {reply!r:.300}", sent=True)


class TapeError(TapewireError):
    """The tape `path` cannot be read."""

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        super().__init__(f"{path}: {text}")


class ForeignTape(TapeError):
    """`path` is no tape: look whether it is the file that you mean."""

    def __init__(self, path: str) -> None:
        super().__init__(path, "this is no tape")


class NewerTape(TapeError):
    """The tape is of format `version`, of which this version of tapewire does not know: take a newer one."""

    def __init__(self, path: str, version: int, known: int) -> None:
        self.version = version
        self.known = known
        super().__init__(
            path, f"a tape of format {version}; this version of tapewire reads formats to {known}"
        )


class TapeCorrupt(TapeError):
    """Bytes of the tape are not as they were written. What stood between the two times is lost; the rest can be read.

    `offset`: where in the file. `since_ns`, `until_ns`: wall clock, the last moment before and the first behind what is
    lost; None where nothing that can be read is on that side.
    """

    def __init__(
        self,
        path: str,
        offset: int,
        why: str,
        *,
        since_ns: int | None = None,
        until_ns: int | None = None,
    ) -> None:
        self.offset = offset
        self.why = why
        self.since_ns = since_ns
        self.until_ns = until_ns
        super().__init__(path, f"corrupt at byte {offset}: {why}")


class OwnerCancelled(TapewireError):
    """A function of yours, in the role of `role`, ended with CancelledError: what it waited for had been cancelled."""

    def __init__(self, role: str) -> None:
        self.role = role
        super().__init__(f"{role} ended with CancelledError, and nobody had cancelled it")

    @property
    def retryable(self) -> bool:
        return True


class UndecodableFrame(TapewireError):
    """Bytes that are not what the protocol says. `excerpt` is bounded and safe to log."""

    def __init__(self, detail: str, payload: bytes | str = b"", topic: str | None = None) -> None:
        self.detail = detail
        self.topic = topic
        self.excerpt: str = repr(payload[:80])
        super().__init__(f"{detail}: {self.excerpt}")


class HttpError(TapewireError):
    """An HTTP call failed. `status` is None when no answer came; `body` is bounded.

    `sent` is False only where the request provably never left: then it may be repeated, whatever it was. `request_id`
    is the venue's own number of the call, for its support. `final` is True where no answer came for a reason that time
    does not heal: a certificate that is not trusted, a proxy that does not let us through.
    `passing` is None, but for a refusal under a status of success: then it says whether the same call may do later.
    """

    def __init__(
        self,
        method: str,
        url: str,
        *,
        status: int | None,
        detail: str,
        retry_after: float | None = None,
        body: bytes = b"",
        sent: bool = True,
        request_id: str | None = None,
        final: bool = False,
        passing: bool | None = None,
    ) -> None:
        self.method = method
        self.url = url
        self.status = status
        self.detail = detail
        self.retry_after = retry_after
        self.body: bytes = body[:4096]
        self.sent = sent
        self.request_id = request_id
        self.final = final
        self.passing = passing
        super().__init__(_text(f"{method} {url}", _text(f"HTTP {status}", detail) if status else detail))

    @property
    def retryable(self) -> bool:
        if self.passing is not None:
            return self.passing
        return not self.final and (self.status is None or is_transient(self.status))


def _text(head: str, tail: object) -> str:
    """`head: tail`, and no bare colon where there is nothing to say: of an exception without text its kind is said."""
    said = str(tail) or (type(tail).__name__ if isinstance(tail, BaseException) else "")
    return head if tail is None or not said else f"{head}: {said}"


def fresh_copy(error: _E) -> _E:
    """The same error as an object of its own, for one of several who are told it.

    One object that is raised in several tasks carries the traceback of whichever raised it last: a user would not find
    a line of theirs in it.
    """
    copied = rebuilt(type(error), error.args, dict(_fields(error)))
    copied.__cause__, copied.__suppress_context__ = error.__cause__, error.__suppress_context__
    return copied


def rebuilt(kind: type[_E], args: tuple[Any, ...], fields: Mapping[str, Any]) -> _E:
    """An error of that text with those fields, without a call of its `__init__`."""
    made = kind.__new__(kind, *args)
    made.args = args
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def _fields(error: BaseException) -> Iterator[tuple[str, Any]]:
    """The error's own fields, and those that a built-in parent keeps elsewhere (`name` of an ImportError)."""
    yield from list(error.__dict__.items())
    for kind in type(error).__mro__:
        for name, member in vars(kind).items():
            if (
                isinstance(member, MemberDescriptorType)
                and not name.startswith("__")
                and hasattr(error, name)
            ):
                yield name, getattr(error, name)


def _portable(value: Any) -> Any:
    """`value` if it comes back from a pickle; else what can be said of it: an error here would be another's trouble."""
    import pickle  # seldom needed, and this module always

    try:
        pickle.loads(pickle.dumps(value))  # noqa: S301 - our own object, dumped in this very line
    except Exception:
        text = f"{type(value).__name__}: {value}" if isinstance(value, BaseException) else repr(value)
        return TapewireError(text[:300]) if isinstance(value, BaseException) else text[:300]
    return value

"""The one shape every client protocol has. Pure: no socket, no clock, no task; `now` is an argument, in seconds.

One protocol object lives as long as one connection. The driver of a session

1. calls `hello(now)` when the transport is open, then sends what `data_to_send()` returns;
2. hands each read's payloads to `receive(payloads, now)` and walks the list it returns, in order: *publications*
   (objects whose class is `protocol.publication`, with a `topic`) and *events* (the structs below);
3. sends what `data_to_send()` returns after every call of any method, and says so with `sent(now)`;
4. calls `handle_timer(now)` when `next_deadline()` has passed, and walks what it returns.

A protocol says what the peer said: `Confirmed`, `Refused`, `Interrupted`, `Ended`. It answers control itself (pongs,
heartbeats) and drops what is provably stale. It never decides whether to join again: `session/subscriptions.py` alone
does. It raises nothing for bytes of the peer: whatever they are, the answer is a list, with `Undecodable` or `Failed`
in it where they were bad.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Protocol, TypeAlias

import msgspec

from ..errors import ConfigurationError
from ..payload import Binary, Payload
from ..secrets import Secret

__all__ = [
    "Binary",
    "ClientProtocol",
    "Command",
    "Confirmed",
    "CredentialsExpiring",
    "Ended",
    "Event",
    "Failed",
    "Interrupted",
    "Payload",
    "Publication",
    "Ready",
    "Refused",
    "Replied",
    "Skipped",
    "StreamPosition",
    "Undecodable",
    "Unnumbered",
]


class StreamPosition(msgspec.Struct, frozen=True):
    """The resume point of a numbered stream: the offset last delivered and the lifetime of the numbering.

    Save it, and give it back when you subscribe in a later process, to continue where you were.
    """

    offset: int
    epoch: str


class Command(msgspec.Struct, frozen=True):
    """Something to tell the peer about `topic`. `event` names it in errors. Protocols add their own fields."""

    topic: str
    event: str


class Publication(Protocol):
    """One delivered message. Each protocol has one class for it, the decoded envelope itself."""

    topic: str


class _Event(msgspec.Struct, frozen=True):
    pass


class Ready(_Event, frozen=True):
    """The connection is usable: subscriptions may be sent now."""


class Confirmed(_Event, frozen=True):
    """The peer confirmed the subscription of `topic`.

    `recovering` says that a position was given, `recovered` that the peer replays all since (the `replayed`
    publications that follow at once). `position` is where the stream stands before the first publication that follows.
    `reply` is the peer's answer, raw.
    """

    topic: str
    reply: Any = None
    position: StreamPosition | None = None
    recovering: bool = False
    recovered: bool = False
    replayed: int = 0


class Refused(_Event, frozen=True):
    """The peer refused the subscription. `retryable` is False where asking again unchanged cannot help.

    `full` says that this connection holds no more topics: another connection may take it. `spent`: it may ask for
    nothing more, whatever it holds, and said so itself without asking. `unauthorized`: the topic's own token was not
    accepted (any more); ask again with a fresh one.
    """

    topic: str
    reason: str
    code: int | None = None
    retryable: bool = False
    reply: Any = None
    full: bool = False
    spent: bool = False
    unauthorized: bool = False


class Interrupted(_Event, frozen=True):
    """A confirmed (or asked for) subscription stopped at the peer; asking again is expected of us.

    `unauthorized`: the topic's own token is not accepted any more; ask again with a fresh one.
    """

    topic: str
    reason: str
    code: int | None = None
    unauthorized: bool = False


class Ended(_Event, frozen=True):
    """The peer ended the subscription for good; asking again is not expected of us."""

    topic: str
    reason: str
    code: int | None = None


class Replied(_Event, frozen=True):
    """The answer to the command that `send()` numbered `ref`. `reply` is raw or decoded, as the protocol says."""

    ref: str
    ok: bool
    reply: Any = None


class Undecodable(_Event, frozen=True):
    """A frame that could not be decoded. `topic` where it can be known, else it may have belonged to any."""

    detail: str
    topic: str | None = None
    excerpt: str = ""


class Skipped(_Event, frozen=True):
    """The numbering of `topic` jumped: `expected` should have come, `got` did, and follows. Mark the gap here.

    `missed` is how many are missing, None where the numbering itself began anew.
    """

    topic: str
    expected: int
    got: int
    missed: int | None = None


class CredentialsExpiring(_Event, frozen=True):
    """Give the peer a fresh token within `seconds`; of the connection, or of `topic` where one is named.

    `reason` and `code` say why the peer did not take the last one, where that is why it asks.
    """

    seconds: float
    topic: str | None = None
    reason: str = ""
    code: int | None = None


class Failed(_Event, frozen=True):
    """The connection must be dropped. `terminal` where the peer forbids to come back.

    `unauthorized`: the token was not accepted (any more); come back with a fresh one. `expired`: for no other reason
    than that it had ended, so that a fresh one heals it, if not the first then a later one.
    """

    reason: str
    code: int | None = None
    terminal: bool = False
    unauthorized: bool = False
    expired: bool = False


Event: TypeAlias = (
    Ready
    | Confirmed
    | Refused
    | Interrupted
    | Ended
    | Replied
    | Skipped
    | CredentialsExpiring
    | Undecodable
    | Failed
)


class Unnumbered:
    """What a protocol answers that numbers nothing, keeps no history and sends each subscription at once."""

    def queued(self, topic: str) -> bool:
        """Never: each goes out at once."""
        return False

    def position(self, topic: str) -> StreamPosition | None:
        """None: nothing is numbered."""
        return None

    def rewind(self, undelivered: Sequence[Any]) -> None:
        """Nothing to take back."""

    def history(self, topic: str, since: StreamPosition) -> Command | None:
        """None: there is none to ask for."""
        return None

    def excuse(self, now: float) -> None:
        """No silence of the peer's is judged."""

    def refresh(self, token: Secret, topic: str | None = None) -> None:
        """A token is for the handshake only."""

    def sent(self, now: float) -> None:
        """No deadline of what was sent is counted here."""

    def too_big(self) -> None:
        """Nothing is asked for that could be asked for by smaller parts."""

    def with_token(self, params: Any, token: Secret) -> Any:
        """Raises ConfigurationError: a topic has no token of its own."""
        allowed = "none: in this protocol topics have no tokens of their own"
        raise ConfigurationError("credentials", type(token).__name__, allowed)

    def closed(self, code: int, reason: str) -> Failed:
        """No code forbids to come back."""
        return Failed(reason, code)


class ClientProtocol(Protocol):
    """What a session asks of a protocol; see the head of this file for the order of calls."""

    publication: ClassVar[type]

    def hello(self, now: float) -> list[Any]:
        """The transport is open. Returns events (`[Ready()]` where the protocol has no greeting to wait for)."""
        ...

    def receive(self, payloads: Sequence[Payload], now: float) -> list[Any]:
        """One read's payloads, in order. Returns publications and events, in order."""
        ...

    def subscribe(self, topic: str, params: Any = None, position: StreamPosition | None = None) -> None:
        """Ask for `topic`. The answer comes as `Confirmed` or `Refused`. An older attempt's frames are then stale."""
        ...

    def unsubscribe(self, topic: str) -> None:
        """Leave `topic`. From now on nothing of it comes out of `receive`; no answer needs to be awaited."""
        ...

    def send(self, command: Command) -> str:
        """Queue one command; returns the ref that its `Replied` will carry. Raises NotSubscribed where it must."""
        ...

    def was_sent(self, ref: str) -> bool:
        """True if the command of `ref` was handed out by `data_to_send`: it may have reached the peer."""
        ...

    def withdraw(self, ref: str) -> bool:
        """Give up a command that is still held, so that it is never written. False where it is too late for that."""
        ...

    def queued(self, topic: str) -> bool:
        """True while the subscription of `topic` waits for its turn: it has not gone out, judge no deadline."""
        ...

    def position(self, topic: str) -> StreamPosition | None:
        """Behind the last publication parsed of `topic`, or where it was when it stopped; None where nothing counts."""
        ...

    def rewind(self, undelivered: Sequence[Any]) -> None:
        """The connection is given up in the middle of a read: these items of it will not be dispatched."""
        ...

    def history(self, topic: str, since: StreamPosition) -> Command | None:
        """The command that asks for one page after `since`; its reply has `publications` and `epoch`. None: no such."""
        ...

    def refresh(self, token: Secret, topic: str | None = None) -> None:
        """Give the peer a fresh token, as `CredentialsExpiring` asked for: the connection's, or that of `topic`."""
        ...

    def with_token(self, params: Any, token: Secret) -> Any:
        """The parameters of a subscription whose topic has a token of its own. Raises ConfigurationError: none such."""
        ...

    def too_big(self) -> None:
        """A message of the peer was larger than we take, which ends the connection: ask for less on the next one."""
        ...

    def closed(self, code: int, reason: str) -> Failed:
        """The transport was closed with `code`: what that means for coming back. The last call."""
        ...

    def data_to_send(self) -> list[Payload]:
        """What must go to the peer now, in order. Clears it: call it after every other call, and send all of it."""
        ...

    def sent(self, now: float) -> None:
        """What `data_to_send` returned last was handed to the transport: the deadlines of its commands begin."""
        ...

    def next_deadline(self) -> float | None:
        """When `handle_timer` wants to be called, on the scale of `now`, or None."""
        ...

    def excuse(self, now: float) -> None:
        """Nothing was read until `now`, by our own doing: judge no silence of before, wait as long anew."""
        ...

    def handle_timer(self, now: float) -> list[Any]:
        """The deadline has passed: send what is due, return `Failed` where the peer has proven dead."""
        ...

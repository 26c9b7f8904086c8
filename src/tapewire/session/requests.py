"""Requests of a session: sent once, answered by ref, failed at once when their answer can no longer come.

Rules: a pending request ends exactly once: by its reply, its deadline, the loss of its connection, or the end of its
topic. `sent` is a fact of the moment it is asked, not of the moment it was made. Nothing is ever sent again. A ref is
one connection's, a request is known by itself: what a cancelled one takes back is never that of a later connection
which happens to have the same ref.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Protocol

import msgspec

from ..errors import ConfigurationError, RequestLost, RequestRefused, RequestTimeout, UndecodableFrame
from ..protocols.base import ClientProtocol, Command, Replied
from .loop import Loop

__all__ = ["MAX_PENDING", "PendingRequest", "PendingRequests", "Requests"]

MAX_PENDING = 10_000
"""Requests that may await replies on one connection at a time."""


class PendingRequest(msgspec.Struct, frozen=True):
    """One request awaiting its reply. `waiter` is the driver's; `seconds` is the deadline's length, for the error."""

    ref: str
    command: Command
    waiter: Any
    seconds: float


class PendingRequests:
    """The pending requests of one connection, by ref."""

    def __init__(self, capacity: int = MAX_PENDING) -> None:
        self._pending: dict[str, PendingRequest] = {}
        self._capacity = capacity

    def check_room(self) -> None:
        """Raises ConfigurationError where too many are pending. Ask before you send: await some replies first."""
        if len(self._pending) >= self._capacity:
            raise ConfigurationError(
                "pending requests", len(self._pending) + 1, f"at most {self._capacity} at a time"
            )

    def add(self, request: PendingRequest) -> None:
        """Remember one. Raises ConfigurationError as `check_room` does."""
        self.check_room()
        self._pending[request.ref] = request

    def take(self, ref: str) -> PendingRequest | None:
        """Forget and return the request of `ref`; None if nobody waits for it (any more)."""
        return self._pending.pop(ref, None)

    def discard(self, request: PendingRequest) -> bool:
        """Forget this one; False where nobody waits for it any more, whoever may have its ref by now."""
        if self._pending.get(request.ref) is not request:
            return False
        del self._pending[request.ref]
        return True

    def take_topic(self, topic: str) -> list[PendingRequest]:
        """Forget and return all requests on `topic`."""
        refs = [ref for ref, request in self._pending.items() if request.command.topic == topic]
        return [self._pending.pop(ref) for ref in refs]

    def take_all(self) -> list[PendingRequest]:
        """Forget and return everything: the connection is gone."""
        pending, self._pending = list(self._pending.values()), {}
        return pending

    def __len__(self) -> int:
        return len(self._pending)


class Sender(Protocol):
    """What requests ask of whoever owns the connection."""

    @property
    def protocol(self) -> ClientProtocol | None:
        """That of the present connection."""
        ...

    @property
    def connected(self) -> bool:
        """True while something can be sent."""
        ...

    def check_usable(self) -> None:
        """Raise what the session gave up for, or SessionClosed."""
        ...

    def flush(self) -> None:
        """Send what the protocol has to send."""
        ...


class Requests:
    """Pushes and requests over the present connection. Nothing is queued for a later one, nothing is sent twice.

    `on_awaited` is called whenever somebody begins to wait for a reply, or ceases to.
    """

    def __init__(self, sender: Sender, loop: Loop, on_awaited: Callable[[], None]) -> None:
        self.pending = PendingRequests()
        self._sender = sender
        self._loop = loop
        self._on_awaited = on_awaited

    def push(self, command: Command) -> str:
        """Send one command. Raises RequestLost(sent=False) while the line is down, NotSubscribed, SessionClosed."""
        self._loop.check()
        sender = self._sender
        if not sender.connected or sender.protocol is None:
            sender.check_usable()
            raise RequestLost(command.topic, command.event, sent=False, why="the connection is down")
        ref = sender.protocol.send(command)
        sender.flush()
        return ref

    async def request(self, command: Command, seconds: float) -> Any:
        """Send one command and await its reply, decoded. Raises RequestTimeout, RequestLost, RequestRefused."""
        request = self._start(command, seconds)
        try:
            return await _waiter(request)
        finally:
            self._over(request)

    def ask(self, command: Command, seconds: float) -> asyncio.Future[Any]:
        """The same, sent before this returns: the future has the reply, or the error."""
        request = self._start(command, seconds)
        _waiter(request).add_done_callback(lambda done: self._over(request))
        return _waiter(request)

    def _start(self, command: Command, seconds: float) -> PendingRequest:
        self.pending.check_room()
        ref = self.push(command)
        request = PendingRequest(ref, command, self._loop.future(), seconds)
        self.pending.add(request)
        self._loop.after(("request", request.waiter), seconds, partial(self._expire, request))
        self._on_awaited()
        return request

    def _over(self, request: PendingRequest) -> None:
        if self.pending.discard(request):
            self._withdraw(request.ref)  # cancelled: what is not written yet never shall be
        self._loop.timers.cancel(("request", request.waiter))
        self._on_awaited()

    def reply(self, event: Replied) -> None:
        """The peer answered."""
        request = self.pending.take(event.ref)
        if request is None or _waiter(request).done():
            return
        try:
            reply = _decoded(event.reply)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            _waiter(request).set_exception(UndecodableFrame(f"a reply that cannot be decoded: {error}"[:200]))
            return
        if event.ok:
            _waiter(request).set_result(reply)
        else:
            refused = RequestRefused(request.command.topic, request.command.event, reply)
            _waiter(request).set_exception(refused)

    def lose_topic(self, topic: str) -> None:
        """The topic is not served any more: replies on it can no longer come."""
        self._lose(self.pending.take_topic(topic), "the topic was lost before the reply")

    def lose_all(self, why: str = "the connection dropped before the reply") -> None:
        """The connection is gone: no reply can come any more."""
        if lost := self.pending.take_all():
            self._lose(lost, why)

    def _lose(self, requests: Iterable[PendingRequest], why: str) -> None:
        for request in requests:
            if not _waiter(request).done():
                command = request.command
                error = RequestLost(command.topic, command.event, sent=self._was_sent(request.ref), why=why)
                _waiter(request).set_exception(error)

    def _expire(self, request: PendingRequest) -> None:
        if self.pending.discard(request) and not _waiter(request).done():
            command, sent = request.command, self._was_sent(request.ref)
            self._withdraw(request.ref)
            error = RequestTimeout(command.topic, command.event, request.seconds, sent=sent)
            _waiter(request).set_exception(error)

    def _withdraw(self, ref: str) -> None:
        if self._sender.protocol is not None:
            self._sender.protocol.withdraw(ref)

    def _was_sent(self, ref: str) -> bool:
        protocol = self._sender.protocol
        return protocol is None or protocol.was_sent(ref)


def _waiter(request: PendingRequest) -> asyncio.Future[Any]:
    waiter: asyncio.Future[Any] = request.waiter
    return waiter


def _decoded(reply: Any) -> Any:
    return msgspec.json.decode(reply) if isinstance(reply, msgspec.Raw) else reply

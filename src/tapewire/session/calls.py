"""Requests of a session: sent once, answered by ref, failed at once when their answer can no longer come."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import msgspec

from ..errors import RequestLost, RequestRefused, RequestTimeout, SessionClosed, UndecodableFrame
from ..protocols.base import Command, Replied
from .requests import PendingRequest, Requests

if TYPE_CHECKING:
    from .driver import Driver

__all__ = ["Calls"]

BRIDGES_AT_A_TIME = 4
"""Topics of one session that page their history at once."""


class Calls:
    """Pushes and requests over the present connection. Nothing is queued for a later one, nothing is sent twice."""

    def __init__(self, driver: Driver) -> None:
        self.pending = Requests()
        self.bridges = asyncio.Semaphore(BRIDGES_AT_A_TIME)
        self._driver = driver

    def push(self, command: Command) -> str:
        """Send one command. Raises RequestLost(sent=False) while the line is down, NotSubscribed, SessionClosed."""
        driver = self._driver
        if driver.failure is not None and driver.over.is_set() and not driver.line_up:
            raise driver.failure
        if not driver.line_up or driver.protocol is None:
            if driver.over.is_set():
                raise SessionClosed
            raise RequestLost(command.topic, command.event, sent=False)
        ref = driver.protocol.send(command)
        driver.flush()
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
        request = PendingRequest(ref, command, self._driver.future(), seconds)
        self.pending.add(request)
        self._driver.timers.set(("request", ref), self._driver.now() + seconds)
        self._driver.rearm()
        return request

    def _over(self, request: PendingRequest) -> None:
        if self.pending.discard(request):
            self._withdraw(request.ref)  # cancelled: what is not written yet never shall be
        if request.ref not in self.pending:  # else the number is that of another, on a later connection
            self._driver.timers.cancel(("request", request.ref))

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

    def expire(self, ref: str) -> None:
        """The deadline of `ref` has passed."""
        request = self.pending.take(ref)
        if request is not None and not _waiter(request).done():
            command = request.command
            sent = self._was_sent(ref)
            self._withdraw(ref)
            error = RequestTimeout(command.topic, command.event, request.seconds, sent=sent)
            _waiter(request).set_exception(error)

    def lose(self, requests: Iterable[PendingRequest]) -> None:
        """Their answers can no longer come."""
        for request in requests:
            if not _waiter(request).done():
                command = request.command
                error = RequestLost(command.topic, command.event, sent=self._was_sent(request.ref))
                _waiter(request).set_exception(error)

    def _withdraw(self, ref: str) -> None:
        if self._driver.protocol is not None:
            self._driver.protocol.withdraw(ref)

    def _was_sent(self, ref: str) -> bool:
        protocol = self._driver.protocol
        return protocol is None or protocol.was_sent(ref)


def _waiter(request: PendingRequest) -> asyncio.Future[Any]:
    waiter: asyncio.Future[Any] = request.waiter
    return waiter


def _decoded(reply: Any) -> Any:
    return msgspec.json.decode(reply) if isinstance(reply, msgspec.Raw) else reply

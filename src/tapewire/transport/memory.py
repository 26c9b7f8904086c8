"""A network in memory: a `Connector` for the client, and for the test the peer's end of each connection.

`MemoryNetwork()` is given to a session as its connector; `await network.accept()` yields the `MemoryPeer` of the next
connection. Both directions take faults (`LinkFaults`). It uses only the running loop's time, so that it works in
virtual time, and it keeps every duty of `transport.base`. It knows no frames: a message here is a message.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from ..errors import ConfigurationError, ConnectFailed, ConnectionLost, HandshakeRefused
from ..payload import Binary, Payload
from .base import Endpoint, Receiver
from .link import Link, LinkFaults
from .outcomes import checked_close

__all__ = ["LinkFaults", "MemoryNetwork", "MemoryPeer", "MemoryTransport"]

MAX_UNREAD = 16 * 1024 * 1024
"""Bytes on the way to a client, or held while it reads nothing; beyond, the peer resets it as a venue would."""

MAX_NOT_ACCEPTED = 1024
"""Connections that nobody has accepted; beyond, connecting fails as it does with a full backlog."""


class _Ping:
    """A ping, on its way."""


class _Pong:
    """A pong, on its way back."""


class _Close:
    """A close frame on its way; `echo` where it answers one."""

    def __init__(self, code: int, reason: str, *, echo: bool = False) -> None:
        self.code = code
        self.reason = reason
        self.echo = echo


class _Reset:
    """A TCP reset, on its way."""


class MemoryTransport:
    """The client's end. Made by `MemoryNetwork.connect`."""

    def __init__(self, endpoint: Endpoint, receiver: Receiver, peer: MemoryPeer, faults: LinkFaults) -> None:
        self._endpoint = endpoint
        self._receiver = receiver
        self._peer = peer
        self._paused = False
        self._ended = False
        self._lost: ConnectionLost | None = None
        self._closed = asyncio.Event()
        self._closing = False
        self._discard_messages = False
        # Nothing is delivered before connect() has returned: the network resumes it then.
        self._incoming = Link(faults, self._read, self._controlled, paused=True)

    def send(self, payloads: Sequence[Payload]) -> None:
        """Hand over messages, in order. Does nothing after the end."""
        if self._ended or self._closing or not payloads:
            return
        link = self._peer._incoming
        link.carry(list(payloads))
        if link.waiting + self._peer._unread > self._endpoint.send_buffer:
            self._abort("the peer does not read: the send buffer is full")

    def ping(self) -> None:
        """Send one ping; its pong is reported by `ponged`."""
        if not self._ended:
            self._peer._incoming.control(_Ping())

    def pause_reading(self) -> None:
        """Stop reading until `resume_reading`: neither messages nor pongs arrive. Idempotent."""
        if not self._closing:
            self._paused = True
            self._incoming.pause()

    def resume_reading(self) -> None:
        """Read again. Idempotent."""
        self._paused = False
        if not self._ended:
            self._incoming.resume()

    async def close(self, code: int = 1000, reason: str = "", *, timeout: float = 2.0) -> None:
        """Close politely; after `timeout` seconds abort. Returns when `lost` has been called."""
        code, reason = checked_close(code, reason)
        if not self._ended and not self._closing:
            self._closing = True
            # A paused line must still end: the answer to the close is read, the messages before it are not delivered.
            self._discard_messages = self._paused
            self._incoming.resume()
            self._peer._incoming.control(_Close(code, reason))
        try:
            async with asyncio.timeout(timeout):
                await self._closed.wait()
        except TimeoutError:
            self._abort("the peer did not answer the close")
            await self._closed.wait()

    def abort(self) -> None:
        """Drop the connection at once, without a close frame."""
        self._abort("aborted")

    def __repr__(self) -> str:
        return f"<MemoryTransport {self._endpoint.host} {'ended' if self._ended else 'open'}>"

    def _start(self) -> None:
        if not self._paused:
            self.resume_reading()

    def _abort(self, reason: str) -> None:
        if not self._ended:
            self._peer._incoming.control(_Reset())
            self._end(ConnectionLost(reason))

    def _read(self, payloads: list[Payload]) -> None:
        if self._discard_messages:
            return
        for index, payload in enumerate(payloads):
            fault = self._fault_of(payload)
            if fault is not None:
                if payloads[:index]:
                    self._receiver.received(payloads[:index])
                if not self._ended:
                    self._peer._incoming.control(_Close(fault.code, fault.reason))
                    self._end(fault)
                return
        self._receiver.received(payloads)

    def _fault_of(self, payload: Payload) -> ConnectionLost | None:
        size = len(payload.encode()) if isinstance(payload, str) else len(payload)
        if size > self._endpoint.max_size:
            return ConnectionLost(
                f"a message of {size} bytes is over the limit of {self._endpoint.max_size}", 1009, ours=True
            )
        if isinstance(payload, bytes) and not isinstance(payload, Binary) and not payload.isascii():
            try:
                payload.decode()
            except UnicodeDecodeError:
                return ConnectionLost("text that is not UTF-8", 1007, ours=True)
        return None

    def _controlled(self, item: object) -> None:
        if isinstance(item, _Ping):
            self._peer._incoming.control(_Pong())
        elif isinstance(item, _Pong):
            self._receiver.ponged()
        elif isinstance(item, _Close):
            if not item.echo and not self._closing:
                self._peer._incoming.control(_Close(item.code, item.reason, echo=True))
            self._end(ConnectionLost(item.reason, item.code))
        else:
            self._end(ConnectionLost("reset by the peer"))

    def _end(self, lost: ConnectionLost) -> None:
        self._ended = True
        self._lost = lost
        self._incoming.cut()
        asyncio.get_running_loop().call_soon(self._tell, lost)

    def _tell(self, lost: ConnectionLost) -> None:
        self._closed.set()
        self._receiver.lost(lost)


class MemoryPeer:
    """The peer's end of one connection: what a test's venue does. Made by `MemoryNetwork.accept`.

    `to_client` and `to_server` are this connection's faults; assign another `LinkFaults`, or share the network's.
    `pings` and `pongs` count what the client sent.
    """

    def __init__(self, endpoint: Endpoint, receiver: Receiver, network: MemoryNetwork) -> None:
        self.endpoint = endpoint
        self.pings: int = 0
        self.pongs: int = 0
        self._answers_pings = True
        self._pong: asyncio.Future[None] | None = None
        self._inbox: deque[Payload] = deque()
        self._unread = 0
        self._arrived = asyncio.Event()
        self._ended: ConnectionLost | None = None
        self._incoming = Link(network.to_server, self._read, self._controlled)
        self._transport = MemoryTransport(endpoint, receiver, self, network.to_client)

    @property
    def to_client(self) -> LinkFaults:
        """The faults of what this peer sends."""
        return self._transport._incoming.faults

    @to_client.setter
    def to_client(self, faults: LinkFaults) -> None:
        self._transport._incoming.faults = faults

    @property
    def to_server(self) -> LinkFaults:
        """The faults of what the client sends."""
        return self._incoming.faults

    @to_server.setter
    def to_server(self, faults: LinkFaults) -> None:
        self._incoming.faults = faults

    @property
    def ended(self) -> ConnectionLost | None:
        """How the connection ended, as this end saw it; None while it is open."""
        return self._ended

    async def receive(self) -> Payload:
        """The client's next message. Raises ConnectionLost once the connection is over and all of it was taken."""
        while not self._inbox:
            if self._ended is not None:
                raise self._ended
            self._arrived.clear()
            await self._arrived.wait()
        payload = self._inbox.popleft()
        self._unread -= len(payload)
        return payload

    def send(self, *payloads: Payload) -> None:
        """Send messages that the client receives in one read. Does nothing after the end."""
        link = self._transport._incoming
        if self._ended is not None or not payloads:
            return
        link.carry(list(payloads))
        if link.waiting > MAX_UNREAD and not link.is_cut:
            self.abort()

    def ping(self) -> asyncio.Future[None]:
        """Send a ping. The client's answer counts in `pongs`; await what this returns to wait for the next one."""
        if self._pong is None or self._pong.done():
            self._pong = asyncio.get_running_loop().create_future()
        if self._ended is None:
            self._transport._incoming.control(_Ping())
        return self._pong

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Send a close frame. The client's `lost` gets code and reason."""
        self._finish(_Close(code, reason), ConnectionLost(reason, code))

    def abort(self) -> None:
        """Reset the connection: the client's `lost` gets code 1006. What was on its way to it is lost."""
        link = self._transport._incoming
        if self._ended is None and not link.is_cut:
            link.discard()
        self._finish(_Reset(), ConnectionLost("reset by this peer"))

    def half_open(self) -> None:
        """From now on nothing passes in either direction, pongs included, and nobody is told."""
        self._transport._incoming.cut()
        self._incoming.cut()

    def deafen(self) -> None:
        """From now on nothing of the client arrives, and nobody is told; what this peer sends still does."""
        self._incoming.cut()

    def mute_pongs(self) -> None:
        """Stop answering pings; everything else goes on."""
        self._answers_pings = False

    def __repr__(self) -> str:
        return f"<MemoryPeer of {self.endpoint.host} {'ended' if self._ended else 'open'}>"

    def _read(self, payloads: list[Payload]) -> None:
        self._inbox.extend(payloads)
        self._unread += sum(map(len, payloads))
        self._arrived.set()

    def _controlled(self, item: object) -> None:
        if isinstance(item, _Ping):
            self.pings += 1
            if self._answers_pings and self._ended is None:
                self._transport._incoming.control(_Pong())
        elif isinstance(item, _Pong):
            self.pongs += 1
            if self._pong is not None and not self._pong.done():
                self._pong.set_result(None)
        elif isinstance(item, _Close):
            if not item.echo and self._ended is None:
                self._transport._incoming.control(_Close(item.code, item.reason, echo=True))
            self._end(ConnectionLost(item.reason, item.code))
        else:
            self._end(ConnectionLost("reset by the client"))

    def _finish(self, item: object, lost: ConnectionLost) -> None:
        if self._ended is None:
            self._transport._incoming.control(item)
            self._end(lost)

    def _end(self, lost: ConnectionLost) -> None:
        if self._ended is None:
            self._ended = lost
            self._arrived.set()


class MemoryNetwork:
    """A `Connector` whose other side is in the test's hands.

    `to_client` and `to_server` are the faults of every connection, living ones included, that was not given its own.
    `attempts` counts calls of `connect`. What `refuse`, `unreachable` and `hang` order is used up in that order, one
    per attempt, before connections succeed again.
    """

    def __init__(self, *, to_client: LinkFaults | None = None, to_server: LinkFaults | None = None) -> None:
        self.to_client: LinkFaults = to_client or LinkFaults()
        self.to_server: LinkFaults = to_server or LinkFaults()
        self.attempts: int = 0
        self._outcomes: deque[tuple[Callable[[str], Exception] | None, int]] = deque()
        self._backlog: deque[MemoryPeer] = deque()
        self._connected = asyncio.Event()

    async def connect(self, endpoint: Endpoint, receiver: Receiver) -> MemoryTransport:
        """Open one connection; see `transport.base.Connector`."""
        self.attempts += 1
        fails, failure = self._next_outcome(endpoint.host)
        round_trip = self.to_client.delay + self.to_server.delay
        if (fails and failure is None) or round_trip > endpoint.open_timeout:
            await asyncio.sleep(endpoint.open_timeout)
            raise ConnectFailed(endpoint.host, f"timed out after {endpoint.open_timeout:g} s")
        await asyncio.sleep(round_trip)
        if failure is not None:
            raise failure
        if len(self._backlog) >= MAX_NOT_ACCEPTED:
            raise ConnectFailed(endpoint.host, f"{MAX_NOT_ACCEPTED} connections wait to be accepted")
        peer = MemoryPeer(endpoint, receiver, self)
        self._backlog.append(peer)
        self._connected.set()
        asyncio.get_running_loop().call_soon(peer._transport._start)
        return peer._transport

    async def accept(self) -> MemoryPeer:
        """The peer's end of the next connection. Waits for one."""
        while not self._backlog:
            self._connected.clear()
            await self._connected.wait()
        return self._backlog.popleft()

    def refuse(self, status: int, retry_after: float | None = None, *, times: int = 1) -> None:
        """The next `times` attempts raise HandshakeRefused with this HTTP status."""
        self._order(lambda host: HandshakeRefused(host, status, retry_after), times)

    def unreachable(self, cause: str = "connection refused", *, times: int = 1) -> None:
        """The next `times` attempts raise ConnectFailed."""
        self._order(lambda host: ConnectFailed(host, cause), times)

    def hang(self, *, times: int = 1) -> None:
        """The next `times` attempts wait out `Endpoint.open_timeout` and raise ConnectFailed."""
        self._order(None, times)

    def restore(self) -> None:
        """Forget what was ordered: the next attempt succeeds."""
        self._outcomes.clear()

    def __repr__(self) -> str:
        return f"<MemoryNetwork attempts={self.attempts} not_accepted={len(self._backlog)}>"

    def _order(self, failure: Callable[[str], Exception] | None, times: int) -> None:
        if times < 1:
            raise ConfigurationError("times", times, "a whole number from 1")
        self._outcomes.append((failure, times))

    def _next_outcome(self, host: str) -> tuple[bool, Exception | None]:
        if not self._outcomes:
            return False, None
        failure, times = self._outcomes.popleft()
        if times > 1:
            self._outcomes.appendleft((failure, times - 1))
        return True, failure(host) if failure is not None else None

"""The duties of a transport, as a suite that any `Connector` can be held to.

::

    await check_transport(FastConnector(), server)

`server` plays the other side: `SocketServer` (real sockets on 127.0.0.1) and `MemoryServer` are in
`tapewire.testing.transport_servers`; for a connector of another kind write the few methods of `TransportServer`.
Each duty is a coroutine function in `DUTIES` whose docstring is the duty; a broken one raises AssertionError with it.
No duty sleeps for time to pass: what must not happen is looked for after a whole round trip on a second connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

import msgspec

from ..errors import ConnectFailed, ConnectionLost, HandshakeRefused
from ..protocols.base import Binary, Payload
from ..transport.base import Connector, Endpoint, Transport

__all__ = ["DUTIES", "Duty", "RecordingReceiver", "ServerConnection", "TransportServer", "check_transport"]

E = TypeVar("E", bound=Exception)

PATIENCE = 10.0
"""Seconds after which something that must happen counts as broken."""

AT_ONCE = 0.5
"""Seconds within which something must happen that waits for nothing."""


class ServerConnection(Protocol):
    """The server's end of one connection."""

    async def receive(self) -> Payload:
        """The client's next message: text or `Binary`. Raises ConnectionLost at the end."""
        ...

    async def send(self, *payloads: Payload) -> None:
        """Send messages, in one write where that is possible. Plain `bytes` are text, and may be invalid UTF-8."""
        ...

    async def ping(self) -> None:
        """Send a ping and return when its pong has come."""
        ...

    async def close(self, code: int, reason: str) -> None:
        """Close politely."""
        ...

    def close_and_stay(self, code: int, reason: str, *payloads: Payload) -> None:
        """Send messages and a close frame behind them, then neither answer nor let go of the connection."""
        ...

    def abort(self) -> None:
        """Drop the connection without a close frame."""
        ...

    def freeze(self) -> None:
        """From now on neither read nor answer anything."""
        ...


class TransportServer(Protocol):
    """The other side of `check_transport`."""

    endpoint: Endpoint
    unreachable: Endpoint

    async def accept(self) -> ServerConnection:
        """The next connection."""
        ...

    def refuse(self, status: int, retry_after: float | None = None) -> None:
        """Answer the next upgrade with this HTTP status."""
        ...

    def hang(self) -> None:
        """Never answer the next upgrade."""
        ...


class RecordingReceiver:
    """A `Receiver` that keeps what it was told, and can be waited for."""

    def __init__(self) -> None:
        self.payloads: list[Payload] = []
        self.reads = 0
        self.pongs = 0
        self.ends: list[ConnectionLost] = []
        self._changed = asyncio.Event()

    def received(self, payloads: list[Payload]) -> None:
        assert not self.ends, "received was called after lost"
        assert isinstance(payloads, list), f"received got {type(payloads).__name__}, not a list"
        assert payloads, "received was called with nothing"
        self.reads += 1
        self.payloads += payloads
        payloads.clear()  # The list is ours: a transport that still uses it will be found out.
        self._changed.set()

    def ponged(self) -> None:
        assert not self.ends, "ponged was called after lost"
        self.pongs += 1
        self._changed.set()

    def lost(self, error: ConnectionLost) -> None:
        self.ends.append(error)
        self._changed.set()

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until `condition()` is true; it is looked at whenever something was reported."""
        async with asyncio.timeout(PATIENCE):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def until_lost(self) -> ConnectionLost:
        """Wait for the end."""
        await self.until(lambda: self.ends)
        return self.ends[0]


class _Line:
    """One connection, both ends."""

    def __init__(self, transport: Transport, receiver: RecordingReceiver, server: ServerConnection) -> None:
        self.transport = transport
        self.receiver = receiver
        self.server = server


async def check_transport(connector: Connector, server: TransportServer) -> None:
    """Hold `connector` to every duty of `transport.base`. Raises AssertionError that names the broken one."""
    for duty in DUTIES:
        try:
            async with asyncio.timeout(2 * PATIENCE):
                await duty(connector, server)
        except (AssertionError, TimeoutError, ConnectionLost) as error:
            raise AssertionError(f"broken duty: {duty.__doc__} ({type(error).__name__}: {error})") from error


async def _open(connector: Connector, server: TransportServer, **options: object) -> _Line:
    receiver = RecordingReceiver()
    transport = await connector.connect(msgspec.structs.replace(server.endpoint, **options), receiver)
    return _Line(transport, receiver, await server.accept())


async def _failure(kind: type[E], awaitable: Awaitable[object]) -> E:
    """The error of that kind that `awaitable` must raise."""
    try:
        await awaitable
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__} was raised")


async def _barrier(connector: Connector, server: TransportServer) -> None:
    """A round trip on a connection of its own: whatever was on its way on another has had its time."""
    line = await _open(connector, server)
    for _ in range(3):
        line.transport.send(["there"])
        await line.server.receive()
        await line.server.send("and back")
        await line.receiver.until(lambda: line.receiver.payloads)
        line.receiver.payloads.clear()
    await line.transport.close()


async def _text_and_binary_arrive_in_order(connector: Connector, server: TransportServer) -> None:
    """Messages arrive whole and in order; text as str or bytes, binary as Binary, empty ones too."""
    line = await _open(connector, server)
    await line.server.send("plain", "snow ☃", Binary(b"\x00\xff"), "", Binary(b""), "x" * 70_000, "last")
    await line.receiver.until(lambda: len(line.receiver.payloads) == 7)
    got = line.receiver.payloads
    assert [isinstance(payload, Binary) for payload in got] == [False, False, True, False, True, False, False]
    texts = [payload if isinstance(payload, str) else bytes(payload) for payload in got]
    texts = [text.encode() if isinstance(text, str) else text for text in texts]
    assert texts == [b"plain", "snow ☃".encode(), b"\x00\xff", b"", b"", b"x" * 70_000, b"last"]
    await line.transport.close()


async def _a_burst_loses_nothing(connector: Connector, server: TransportServer) -> None:
    """A burst of messages of every length arrives complete and in order."""
    line = await _open(connector, server)
    sent = [f"{number}:" + "y" * (number * 37 % 400) for number in range(2000)]
    await line.server.send(*sent)
    await line.receiver.until(lambda: len(line.receiver.payloads) == len(sent))
    assert [p if isinstance(p, str) else p.decode() for p in line.receiver.payloads] == sent
    await line.transport.close()


async def _what_is_sent_arrives_in_order(connector: Connector, server: TransportServer) -> None:
    """`send` keeps order and kind: str and bytes are text, Binary is binary."""
    line = await _open(connector, server)
    line.transport.send(["one", b"two", Binary(b"\xfe")])
    line.transport.send(["z" * 70_000])
    got = [await line.server.receive() for _ in range(4)]
    assert [isinstance(payload, Binary) for payload in got] == [False, False, True, False]
    assert [p.encode() if isinstance(p, str) else bytes(p) for p in got] == [
        b"one",
        b"two",
        b"\xfe",
        b"z" * 70_000,
    ]
    await line.transport.close()


async def _nothing_is_reported_before_connect_returns(connector: Connector, server: TransportServer) -> None:
    """What the server sends at once is not reported before connect has returned, and is not lost."""

    async def greet() -> ServerConnection:
        connection = await server.accept()
        await connection.send("hello")
        return connection

    greeting = asyncio.ensure_future(greet())
    receiver = RecordingReceiver()
    transport = await connector.connect(server.endpoint, receiver)
    assert not receiver.reads, "received before connect returned"
    await receiver.until(lambda: receiver.payloads)
    await greeting
    await transport.close()


async def _sending_never_delivers(connector: Connector, server: TransportServer) -> None:
    """`received` is never called from within `send`."""
    line = await _open(connector, server)
    await line.server.send("waiting")
    before = line.receiver.reads
    line.transport.send(["x"])
    assert line.receiver.reads == before
    await line.transport.close()


async def _the_peers_close_is_told_once(connector: Connector, server: TransportServer) -> None:
    """The peer's close gives `lost` its code and reason, once, after the last message."""
    line = await _open(connector, server)
    await line.server.send("last words")
    await line.server.close(4321, "go away")
    lost = await line.receiver.until_lost()
    assert (lost.code, lost.reason) == (4321, "go away"), f"got {lost.code} {lost.reason!r}"
    assert not lost.ours, "the peer's own word"
    assert len(line.receiver.payloads) == 1, "the last message was lost"
    await line.transport.close()
    line.transport.abort()
    await _barrier(connector, server)
    assert len(line.receiver.ends) == 1


async def _the_peers_close_is_told_at_once(connector: Connector, server: TransportServer) -> None:
    """A close frame is the end when it is read, though the peer keeps the connection open: nothing is sent any more."""
    line = await _open(connector, server)
    loop = asyncio.get_running_loop()
    began = loop.time()
    line.server.close_and_stay(4001, "enough", "last words")
    lost = await line.receiver.until_lost()
    assert loop.time() - began < AT_ONCE, "lost was called long after the close frame"
    assert (lost.code, lost.reason, len(line.receiver.payloads)) == (4001, "enough", 1)
    line.transport.send(["too late"])
    line.transport.abort()
    await line.transport.close()
    await _barrier(connector, server)
    assert len(line.receiver.ends) == 1, "lost was called again"


async def _a_dropped_connection_is_1006(connector: Connector, server: TransportServer) -> None:
    """A connection that drops without a close frame is lost with code 1006."""
    line = await _open(connector, server)
    line.server.abort()
    assert (await line.receiver.until_lost()).code == 1006


async def _our_close_is_polite(connector: Connector, server: TransportServer) -> None:
    """`close` tells the peer code and reason behind what was sent, returns after `lost`, and is idempotent."""
    line = await _open(connector, server)
    line.transport.send(["before"])
    await asyncio.gather(line.transport.close(4001, "done"), line.transport.close())
    assert len(line.receiver.ends) == 1, "close returned before lost"
    assert line.receiver.ends[0].code == 4001, line.receiver.ends[0]
    assert await line.server.receive() in ("before", b"before")
    told = await _failure(ConnectionLost, line.server.receive())
    assert (told.code, told.reason) == (4001, "done")


async def _close_is_bounded(connector: Connector, server: TransportServer) -> None:
    """`close` gives up after its timeout on a peer that does not answer, and `lost` is called with 1006."""
    line = await _open(connector, server)
    line.server.freeze()
    await line.transport.close(timeout=0.05)
    assert [end.code for end in line.receiver.ends] == [1006]


async def _a_paused_line_still_closes(connector: Connector, server: TransportServer) -> None:
    """`close` while reading is paused is as polite, and delivers nothing more."""
    line = await _open(connector, server)
    line.transport.pause_reading()
    await line.server.send("unread")
    await line.transport.close(4002, timeout=5.0)
    assert [end.code for end in line.receiver.ends] == [4002]
    assert not line.receiver.reads


async def _abort_is_the_end(connector: Connector, server: TransportServer) -> None:
    """After `abort` nothing is received; `lost` comes once, with 1006, and not from within `abort`."""
    line = await _open(connector, server)
    await line.server.send("too late")
    reads = line.receiver.reads
    line.transport.abort()
    assert not line.receiver.ends
    line.transport.abort()
    lost = await line.receiver.until_lost()
    await _barrier(connector, server)
    assert (lost.code, len(line.receiver.ends), line.receiver.reads) == (1006, 1, reads)


async def _after_the_end_nothing_happens(connector: Connector, server: TransportServer) -> None:
    """After the end every method does nothing and raises nothing."""
    line = await _open(connector, server)
    line.transport.abort()
    line.transport.send(["x"])
    await line.receiver.until_lost()
    line.transport.send(["x", Binary(b"y")])
    line.transport.ping()
    line.transport.pause_reading()
    line.transport.resume_reading()
    line.transport.abort()
    await line.transport.close()
    assert len(line.receiver.ends) == 1


async def _sending_is_bounded(connector: Connector, server: TransportServer) -> None:
    """`send` never blocks; beyond `send_buffer` the connection is aborted."""
    line = await _open(connector, server, send_buffer=100_000)
    line.server.freeze()
    for _ in range(64):
        line.transport.send(["x" * 1_000_000])
    assert (await line.receiver.until_lost()).code == 1006


async def _a_large_message_is_1009(connector: Connector, server: TransportServer) -> None:
    """A message over `max_size` ends the connection with a 1009 of ours; one of just that size does not."""
    line = await _open(connector, server, max_size=1000)
    await line.server.send("x" * 1000)
    await line.receiver.until(lambda: line.receiver.payloads)
    await line.server.send("x" * 1001)
    lost = await line.receiver.until_lost()
    assert (lost.code, lost.ours) == (1009, True)
    assert len(line.receiver.payloads) == 1


async def _invalid_text_is_1007(connector: Connector, server: TransportServer) -> None:
    """Text that is not UTF-8 ends the connection with a 1007 of ours, and what came before it is delivered."""
    line = await _open(connector, server)
    await line.server.send("good", b"bad \xff")
    lost = await line.receiver.until_lost()
    assert (lost.code, lost.ours) == (1007, True)
    assert len(line.receiver.payloads) == 1


async def _pings_are_answered(connector: Connector, server: TransportServer) -> None:
    """The peer's pings are answered; ours are sent, and their pongs reported."""
    line = await _open(connector, server)
    await line.server.ping()
    line.transport.ping()
    await line.receiver.until(lambda: line.receiver.pongs == 1)
    assert not line.receiver.reads
    await line.transport.close()


async def _reading_can_be_paused(connector: Connector, server: TransportServer) -> None:
    """Between `pause_reading` and `resume_reading` nothing is received; afterwards all of it, in order."""
    line = await _open(connector, server)
    line.transport.pause_reading()
    line.transport.pause_reading()
    await line.server.send("held", "back")
    await _barrier(connector, server)
    assert not line.receiver.reads, "received while paused"
    line.transport.resume_reading()
    line.transport.resume_reading()
    await line.receiver.until(lambda: len(line.receiver.payloads) == 2)
    await line.transport.close()


async def _refusals_carry_status_and_wait(connector: Connector, server: TransportServer) -> None:
    """An HTTP answer to the upgrade is HandshakeRefused with its status and Retry-After, a redirect too."""
    for status, wait in ((401, None), (429, 7.0), (302, None), (503, None)):
        server.refuse(status, wait)
        receiver = RecordingReceiver()
        refused = await _failure(HandshakeRefused, connector.connect(server.endpoint, receiver))
        assert (refused.status, refused.retry_after) == (status, wait), (
            f"{refused.status}, {refused.retry_after}"
        )
        assert not receiver.ends, "lost was called for a connection that never was"


async def _failures_to_connect_are_told(connector: Connector, server: TransportServer) -> None:
    """No connection is ConnectFailed with the host; so is a handshake that outlasts `open_timeout`."""
    server.hang()
    hanging = msgspec.structs.replace(server.endpoint, open_timeout=0.1)
    for endpoint in (hanging, server.unreachable):
        receiver = RecordingReceiver()
        failed = await _failure(ConnectFailed, connector.connect(endpoint, receiver))
        assert endpoint.host in str(failed)
        assert failed.cause
        assert not receiver.ends, "lost was called for a connection that never was"


async def _the_query_stays_secret(connector: Connector, server: TransportServer) -> None:
    """Neither a repr nor an error shows the URL's query or a header."""
    token = "tok3n"
    headers = {"Authorization": f"Bearer {token}"}
    url = f"{server.endpoint.url}?token={token}"
    line = await _open(connector, server, url=url, headers=headers)
    texts = [repr(line.transport), repr(connector)]
    line.server.abort()
    texts.append(str(await line.receiver.until_lost()))
    server.refuse(403)
    unreachable = f"{server.unreachable.url}?token={token}"
    for address, kind in ((url, HandshakeRefused), (unreachable, ConnectFailed)):
        endpoint = msgspec.structs.replace(server.endpoint, url=address, headers=headers)
        error = await _failure(kind, connector.connect(endpoint, RecordingReceiver()))
        texts += [str(error), repr(error), repr(error.__cause__)]
    assert token not in "".join(texts)


Duty = Callable[[Connector, TransportServer], Awaitable[None]]

DUTIES: tuple[Duty, ...] = (
    _text_and_binary_arrive_in_order,
    _a_burst_loses_nothing,
    _what_is_sent_arrives_in_order,
    _nothing_is_reported_before_connect_returns,
    _sending_never_delivers,
    _the_peers_close_is_told_once,
    _the_peers_close_is_told_at_once,
    _a_dropped_connection_is_1006,
    _our_close_is_polite,
    _close_is_bounded,
    _a_paused_line_still_closes,
    _abort_is_the_end,
    _after_the_end_nothing_happens,
    _sending_is_bounded,
    _a_large_message_is_1009,
    _invalid_text_is_1007,
    _pings_are_answered,
    _reading_can_be_paused,
    _refusals_carry_status_and_wait,
    _failures_to_connect_are_told,
    _the_query_stays_secret,
)
"""Every duty of a transport; a test may also be parametrized with them."""

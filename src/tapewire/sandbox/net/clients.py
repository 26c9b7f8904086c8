"""One client's connection, HTTP first and perhaps a WebSocket after: the raw transport in our hands.

HTTP is h11's, WebSocket framing the sans-IO core of `websockets`; the bytes between them and the wire are ours, so that
a connection can be reset, left half open, fed a byte at a time, muted. What waits to be sent waits here, and not in the
kernel, and is bounded by `MAX_OUTGOING`: of a client that reads too slowly it is dropped, as a real server drops its
queue, so that the close with its venue's code comes next. Whoever does not read that either is aborted.
"""

from __future__ import annotations

import asyncio
import logging
import socket as socket_module
import struct
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, cast

from websockets.frames import Frame, Opcode
from websockets.http11 import Request as UpgradeRequest
from websockets.protocol import State
from websockets.server import ServerProtocol

from ...protocols.base import Binary, Payload
from ..core.faults import Injected
from ..core.ledger import Entry
from ..face import FaceContext, MessageKind, Socket, SocketHandler
from ..play import TopicFace
from .http import HttpLane, Request, Response

__all__ = ["MAX_INBOUND", "MAX_OUTGOING", "SLOW_TIMEOUT", "Client", "Port"]

MAX_INBOUND = 64 * 1024
"""Bytes of one WebSocket message of a client."""

MAX_OUTGOING = 4 * 1024 * 1024
"""Bytes that may wait for one client, where the sandbox is not told otherwise."""

MAX_WAITING = 1000
"""Messages of one client that may wait while a join takes long."""

CLOSE_TIMEOUT = 1.0
"""Seconds a client has to answer our close frame."""

SLOW_TIMEOUT = 30.0
"""Seconds a client that reads too slowly has to come to the close frame that says so."""

WIRE_BUFFER = 64 * 1024
"""Bytes that may lie between our queue and the wire, in transport and kernel each: they cannot be dropped."""

DEAD_UP = frozenset({"half_open", "dead_uplink"})
DEAD_DOWN = frozenset({"half_open", "dead_downlink"})
"""Faults for which nothing comes from the client, and for which nothing goes to it."""

_MUTING: Mapping[str, MessageKind] = {"mute": "publication", "mute_heartbeats": "heartbeat"}
_RESET = struct.pack("ii", 1, 0)
_log = logging.getLogger("tapewire.sandbox")
_wire_log = logging.getLogger("tapewire.sandbox.wire")
_wire_log.setLevel(logging.WARNING)  # the library logs request lines below that, and they hold tokens


class Port(Protocol):
    """Who listens, as its connections see it.

    `admit` counts a new one in, False where there are too many; `respond` answers HTTP; `accept` has the face and
    handler of a socket, or the response that refuses it; `opened`, `slowed` and `ended` hear what has become of it.
    """

    def admit(self, client: Client) -> bool: ...
    async def respond(self, request: Request) -> Response: ...
    def accept(
        self, request: Request, socket: Socket
    ) -> tuple[TopicFace[Any] | None, SocketHandler | Response]: ...
    def opened(self, client: Client) -> None: ...
    def slowed(self, client: Client) -> None: ...
    def ended(self, client: Client) -> None: ...


class Client(asyncio.Protocol):
    """One connection. `number` names it in faults; its `venue` is known once it is a WebSocket.

    `max_outgoing`: bytes that may wait for it; `slow_timeout`: seconds that it then has to read why it is closed.
    """

    def __init__(
        self, number: int, port: Port, context: FaceContext, *, max_outgoing: int, slow_timeout: float
    ) -> None:
        self.number = number
        self.face: TopicFace[Any] | None = None
        self.sent: int = 0
        self.received: int = 0
        self._port = port
        self._context = context
        self._faults, self._carriage, self._clock = context.faults, context.carriage, context.clock
        self._max_outgoing = max_outgoing
        self._slow_timeout = slow_timeout
        self._has_queue = False
        self._transport: asyncio.Transport
        self._lane = HttpLane()
        self._task: asyncio.Task[None] | None = None
        self._ws: ServerProtocol | None = None
        self._handler: SocketHandler | None = None
        self._fragments: list[bytes] = []
        self._fragments_are_text = False
        self._over = False
        self._closing = False
        # What faults have done to it.
        self._dead: set[str] = set()  # the faults for which a way of the line is dead
        self._is_oversized = False
        self._muted_until: dict[MessageKind, float] = {}
        self._muted_by: dict[MessageKind, Injected] = {}
        self._queue: deque[bytes] = deque()
        self._queued = 0
        self._is_full = False
        self._drip: bytearray | None = None
        self._held: Payload | None = None
        self._stalled_until = 0.0
        self._waiting: list[Payload] = []
        self._timers: set[asyncio.TimerHandle] = set()

    @property
    def venue(self) -> str | None:
        """The venue whose socket it is; None while it speaks HTTP."""
        return self.face.name if self.face else None

    @property
    def is_socket(self) -> bool:
        """True from the upgrade on."""
        return self._ws is not None and not self._over

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A TCP connection was accepted."""
        # No assertion of a class: other loops have transports of their own.
        self._transport = transport = cast("asyncio.Transport", transport)
        transport.set_write_buffer_limits(WIRE_BUFFER)
        connection = transport.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket_module.SOL_SOCKET, socket_module.SO_SNDBUF, WIRE_BUFFER)
        self._loop = asyncio.get_running_loop()
        self.opened_at: float = self._loop.time()
        self.last_data_at: float = self.opened_at
        if not self._port.admit(self):
            self.abort()

    def data_received(self, data: bytes) -> None:
        """Bytes of the client."""
        if self._over or (self._closing and self._ws is None):
            return
        self.last_data_at = self._loop.time()
        if self._ws is None:
            self._lane.feed(data)
            self._next_request()
        else:
            self._ws.receive_data(data)
            self._walk_frames()

    def eof_received(self) -> bool:
        """The client has said all: so have we."""
        if self._ws is not None and not self._dead:
            self._ws.receive_eof()
            self._flush(self._ws)
        return bool(self._dead)

    def connection_lost(self, exc: Exception | None) -> None:
        """The TCP connection is over."""
        self._over = True
        while self._timers:
            self._timers.pop().cancel()
        if self._task is not None:
            self._task.cancel()
        handler, self._handler = self._handler, None
        if handler is not None:
            handler.lost()
        self._port.ended(self)

    def pause_writing(self) -> None:
        """The client reads more slowly than we write: what follows waits in our queue."""
        self._is_full = True

    def resume_writing(self) -> None:
        """The client has read on."""
        self._is_full = False
        self._send_queued()

    def _send_queued(self) -> None:
        while self._queue and not self._is_full and not self._dead & DEAD_DOWN:
            data = self._queue.popleft()
            self._queued -= len(data)
            if not self._transport.is_closing():
                self._transport.write(data)

    # HTTP

    def _next_request(self) -> None:
        if self._task is not None or self._ws is not None:
            return
        found = self._lane.next_request()
        if isinstance(found, Response):
            self._write(self._encoded(found)[0])
            self._hang_up()
        elif found is not None and found.is_upgrade:
            self._upgrade(found)
        elif found is not None:
            self._transport.pause_reading()
            responding = self._loop.create_task(self._respond(found))
            if not responding.done():  # an eager task may be, and has gone on by itself
                self._task = responding

    async def _respond(self, request: Request) -> None:
        try:
            response = await self._port.respond(request)
        except Exception:
            _log.exception("%r failed", request)
            response = Response.error(500, "the sandbox failed; its log says why")
        self._task = None
        if self._over:
            return
        data, reusable = self._encoded(response)
        self._write(data)
        if not reusable:
            self._hang_up()
            return
        self.last_data_at = self._loop.time()
        self._transport.resume_reading()
        self._next_request()

    def _encoded(self, response: Response) -> tuple[bytes, bool]:
        return self._lane.encode(response, self._context.venue_time_ns())

    def _upgrade(self, request: Request) -> None:
        face, outcome = self._port.accept(request, self)
        if face is None or isinstance(outcome, Response):
            assert isinstance(outcome, Response)
            self._write(self._encoded(outcome)[0])
            self._hang_up()
            return
        self._handler = outcome  # it is told when the connection is over, though the handshake may fail
        offered = face.subprotocols
        ws = ServerProtocol(
            max_size=MAX_INBOUND,
            logger=_wire_log,
            subprotocols=list(offered) or None,  # type: ignore[arg-type] # str is what they are
            select_subprotocol=lambda _, wanted: next((name for name in wanted if name in offered), None),
        )
        ws.receive_data(self._lane.raw_head)
        events = ws.events_received()
        if not events or not isinstance(events[0], UpgradeRequest):
            self._flush(ws)
            self._hang_up()
            return
        response = ws.accept(events[0])
        ws.send_response(response)
        self._flush(ws)
        if response.status_code != 101:
            self._hang_up()
            return
        self._ws, self.face = ws, face
        self._port.opened(self)
        rest = self._lane.rest
        if rest:
            ws.receive_data(rest)
            self._walk_frames()

    # WebSocket, inwards

    def _walk_frames(self) -> None:
        ws = self._ws
        assert ws is not None
        for event in ws.events_received():
            if isinstance(event, Frame) and event.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
                if event.opcode is not Opcode.CONT:
                    self._fragments_are_text = event.opcode is Opcode.TEXT
                self._fragments.append(bytes(event.data))
                if event.fin:
                    self._take_message(ws)
            elif isinstance(event, Frame) and event.opcode is Opcode.CLOSE and self._closes_slowly(ws):
                return
        self._flush(ws)
        if ws.close_expected() and not self._closing:
            self._cut_off_soon()

    def _closes_slowly(self, ws: ServerProtocol) -> bool:
        """True if a fault holds back the answer to the client's close frame."""
        faults, now_ns = self._faults, self._clock.time_ns()
        slow = None if self._closing else faults.meet("slow_close", now_ns, connection=self.number)
        if slow is None:
            return False
        self._closing = True
        self.later(slow.params["seconds"], self._say_goodbye, ws)
        return True

    def _say_goodbye(self, ws: ServerProtocol) -> None:
        self._flush(ws)
        self._cut_off_soon()

    def _take_message(self, ws: ServerProtocol) -> None:
        data = b"".join(self._fragments)
        self._fragments.clear()
        payload: Payload = Binary(data)
        if self._fragments_are_text:
            try:
                payload = data.decode()
            except UnicodeDecodeError:
                ws.fail(1007, "invalid UTF-8")
                return
        self.received += 1
        if self._waiting or self._loop.time() < self._stalled_until:
            self._waiting.append(payload)
            if len(self._waiting) > MAX_WAITING:
                self.abort()
            return
        if self._handler is not None and not self._closing:
            self._handler.received(payload)

    def limit_outgoing(self, size: int) -> None:
        """Let no more than `size` bytes wait, in one message or many: the venue's server has a queue of that size."""
        self._has_queue = True
        self._max_outgoing = min(self._max_outgoing, size)

    def stall(self, seconds: float) -> None:
        """Give the handler nothing for so long."""
        self._stalled_until = self._loop.time() + seconds
        self.later(seconds, self._go_on)

    def later(self, seconds: float, call: Callable[..., object], *arguments: object) -> None:
        """Call it then, unless the connection is over before."""

        def due() -> None:
            self._timers.discard(timer)
            call(*arguments)

        if not self._over:
            timer = self._loop.call_later(seconds, due)
            self._timers.add(timer)

    def _go_on(self) -> None:
        if self._over or self._loop.time() < self._stalled_until - 0.001:
            return
        waiting, self._waiting = self._waiting, []
        self._stalled_until = 0.0
        for index, payload in enumerate(waiting):
            if self._handler is None:
                return
            self._handler.received(payload)
            if self._stalled_until:
                self._waiting = waiting[index + 1 :]
                return

    # WebSocket, outwards

    def send(
        self, payloads: Sequence[Payload], kind: MessageKind = "control", entry: Entry | None = None
    ) -> None:
        """Send messages, in order, through whatever fault is in force."""
        ws = self._ws
        if ws is None or self._over or ws.state is not State.OPEN:
            return
        if self._muted_until and self._is_muted(kind, len(payloads), entry):
            return
        if kind == "publication" and (self._faults.any_standing or self._held is not None):
            payloads = self._distorted(payloads, entry)
        for payload in payloads:
            if isinstance(payload, Binary):
                ws.send_binary(payload)
            else:
                ws.send_text(payload.encode() if isinstance(payload, str) else payload)
        self.sent += len(payloads)
        self._flush(ws)

    def _is_muted(self, kind: MessageKind, count: int, entry: Entry | None) -> bool:
        until = self._muted_until.get(kind)
        if until is None:
            return False
        if self._loop.time() >= until:
            del self._muted_until[kind]
            return False
        self._faults.met(self._muted_by[kind], self._clock.time_ns(), count)
        self._lose(self._muted_by[kind], entry)
        return True

    def _distorted(self, payloads: Sequence[Payload], entry: Entry | None) -> list[Payload]:
        faults, now_ns = self._faults, self._clock.time_ns()
        sent: list[Payload] = []
        for payload in payloads:
            if order := faults.meet("malformed", now_ns, connection=self.number):
                payload = payload[: len(payload) // 2]
                self._carriage.disturb(order, self.number)  # nobody can know whose it was
                self._lose(order, entry)
            if self._held is not None:
                sent += (payload, self._held)
                self._held = None
            elif order := faults.meet("reorder", now_ns, connection=self.number):
                self._held = payload
                self._lose(order, entry)
            elif order := faults.meet("duplicate", now_ns, connection=self.number):
                sent += (payload, payload)
                self._carriage.disturb(order, self.number)
            else:
                sent.append(payload)
        return sent

    def _lose(self, order: Injected, entry: Entry | None) -> None:
        if entry is not None:
            self._carriage.lose(order, entry.venue, entry.topic, entry.sequence, self.number)

    def close(self, code: int, reason: str = "") -> None:
        """Close with a code; a client that does not answer is aborted."""
        ws = self._ws
        if ws is None:
            self._hang_up()
        elif ws.state is State.OPEN:
            ws.send_close(code, reason)
            self._flush(ws)
            self._cut_off_soon()

    def abort(self) -> None:
        """Reset the TCP connection."""
        connection = self._transport.get_extra_info("socket")
        if connection is not None and not self._over:
            connection.setsockopt(socket_module.SOL_SOCKET, socket_module.SO_LINGER, _RESET)
        self._transport.abort()

    def close_if_silent(self, now: float, http_idle: float) -> None:
        """End it if it has been silent for longer than its venue, or HTTP, allows."""
        silent = now - self.last_data_at
        if self._dead & DEAD_DOWN or self._closing or self._task is not None:
            return
        if self.face is None:
            if silent > http_idle:
                self._hang_up()
        elif silent > self.face.idle_timeout:
            self.close(self.face.idle_code)

    # Faults; each is told the order that it plays.

    def go_dead(self, fault: str, seconds: float) -> None:
        """Read nothing any more, or write nothing, or neither, until it recovers; reset after `seconds`.

        What the client sends, and what it would be sent, waits: as where every packet on one way is lost, and sent
        anew.
        """
        if self._over:
            return
        self._dead.add(fault)
        if fault in DEAD_UP:
            self._transport.pause_reading()  # so its end is not seen either: hence the reset
        self.later(seconds, self._reset_if_dead, fault)

    def _reset_if_dead(self, fault: str) -> None:
        if fault in self._dead:
            self.abort()

    def oversized(self, size: int) -> None:
        """Send one message of so many bytes, whatever may wait."""
        self._is_oversized = True
        self.send(["x" * size])
        self._is_oversized = False

    def mute(self, kind: MessageKind, seconds: float | None, injected: Injected) -> None:
        """Send nothing of that kind."""
        self._muted_until[kind] = float("inf") if seconds is None else self._loop.time() + seconds
        self._muted_by[kind] = injected

    def drip(self, interval: float, seconds: float | None) -> None:
        """Send one byte each `interval`."""
        if self._drip is None:
            self._drip = bytearray()
            self.later(interval, self._drip_one, interval)
        if seconds is not None:
            self.later(seconds, self._drip_no_more)

    def lasting_faults(self) -> list[str]:
        """The names of the faults that it still suffers from, sorted."""
        now = self._loop.time()
        found = [name for name, kind in _MUTING.items() if self._muted_until.get(kind, 0) > now]
        found += ["drip"] * (self._drip is not None) + list(self._dead)
        return sorted(found)

    def recover(self, fault: str | None = None) -> int:
        """Send again what a fault mutes, at full speed, and on both ways; returns how many faults ended."""
        ended = [name for name in self.lasting_faults() if fault in (None, name)]
        for name in ended:
            if name == "drip":
                self._drip_no_more()
            elif name in self._dead:
                self._come_alive(name)
            else:
                del self._muted_until[_MUTING[name]]
        return len(ended)

    def _come_alive(self, fault: str) -> None:
        self._dead.discard(fault)
        if not self._dead & DEAD_UP:
            self._transport.resume_reading()
        self._send_queued()

    def _drip_one(self, interval: float) -> None:
        if self._drip is None or self._over:
            return
        if self._drip:
            self._transport.write(bytes(self._drip[:1]))
            del self._drip[:1]
        self.later(interval, self._drip_one, interval)

    def _drip_no_more(self) -> None:
        waiting, self._drip = self._drip, None
        if waiting and not self._over:
            self._transport.write(bytes(waiting))

    # The wire

    def _flush(self, ws: ServerProtocol) -> None:
        for data in ws.data_to_send():
            if data:
                self._write(data)
            elif not self._dead:
                self._end()  # both have said goodbye

    def _write(self, data: bytes) -> None:
        if self._over or self._transport.is_closing() or not data:
            return
        waiting = self._queued + self._transport.get_write_buffer_size() + len(self._drip or b"")
        if not self._closing and self._is_too_much(waiting, len(data)):
            self._too_slow()  # and what was too much is never sent
        elif self._drip is not None:
            self._drip += data
        elif self._is_full or self._dead & DEAD_DOWN:
            self._queue.append(data)
            self._queued += len(data)
        else:
            self._transport.write(data)

    def _is_too_much(self, waiting: int, more: int) -> bool:
        """True where more waits than may, `more` with it; one message alone is too much where a queue is played."""
        if self._is_oversized:
            return False
        faults, now_ns = self._faults, self._clock.time_ns()
        order = (
            faults.standing_order("small_queue", now_ns, connection=self.number) if self.is_socket else None
        )
        if order is not None and waiting + more > order.params["size"]:
            return True
        return (waiting + more if self._has_queue else waiting) > self._max_outgoing

    def _too_slow(self) -> None:
        order = self._faults.meet("small_queue", self._clock.time_ns(), connection=self.number)
        if order is not None:
            self._carriage.cut(order, self.number)
        self._port.slowed(self)
        self._closing = True
        self._queue.clear()
        self._queued = 0
        if self._ws is not None and self._ws.state is State.OPEN and self.face is not None:
            self._ws.send_close(self.face.slow_consumer_code, "slow")
            self._flush(self._ws)
        self._cut_off_soon(self._slow_timeout)

    def _hang_up(self) -> None:
        """Nothing more is to be said over HTTP."""
        if not self._over:
            self._end()
            self._cut_off_soon()

    def _end(self) -> None:
        """Close, behind what waits."""
        if self._queue and not self._transport.is_closing():
            self._transport.write(b"".join(self._queue))
        self._queue.clear()
        self._queued = 0
        self._transport.close()

    def _cut_off_soon(self, seconds: float = CLOSE_TIMEOUT) -> None:
        self._closing = True
        self.later(seconds, self._cut_off)

    def _cut_off(self) -> None:
        if not self._over and not self._dead & DEAD_DOWN:  # the reset would not come through either
            self._transport.abort()

    def state(self) -> dict[str, Any]:
        """What the admin endpoint says of it."""
        return {
            "connection": self.number,
            "venue": self.venue,
            "sent": self.sent,
            "received": self.received,
            "half_open": bool(self._dead),
            "faults": self.lasting_faults(),
        }

    def __repr__(self) -> str:
        return f"<Client {self.number} {self.venue or 'http'} sent={self.sent} received={self.received}>"

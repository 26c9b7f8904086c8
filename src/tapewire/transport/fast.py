"""The default transport: plain data frames are cut out of each read here, the rest is judged by `websockets`' core.

One fixed buffer takes every read (`asyncio.BufferedProtocol`: no allocation per read). `frames.cut_frames` takes the
plain frames; any other frame (control, fragment, reserved bit, masked, too large, larger than the buffer), and each
one while a fragmented message is in progress, goes to the library's sans-IO `ClientProtocol` through its public
methods: that frame's bytes, not one more, so the fast path is never left for good. So does the handshake. Strictness
is therefore the library's, and a property test compares the two for any bytes in any split.

How a read is cut. The buffer holds what is not taken yet, from its beginning. Of each frame `measure` tells header and
length as soon as they are there, and whether it is plain:

* plain, whole: `cut_frames` takes it and all that follow it, one payload each, in one loop;
* plain, cut off by the end of the read: it stays, moved to the front; `_needed` says how much must come before it is
  worth looking again;
* anything else: `_core_bytes` counts down the bytes of this one frame that belong to the core, over as many reads as
  they take. What the core makes of it (a pong to send, a close, a piece of a message) is taken from it at once, so that
  the order of the wire is kept. While a message is in pieces every frame goes there.

The core sees no plain frame, so it needs none: RFC 6455 gives unfragmented data frames no state.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State

from ..payload import Binary, Payload
from .base import Endpoint, Receiver, Transport
from .frames import cut_frames, measure
from .loop_end import LoopEnd
from .outcomes import FAILURES, SILENT, checked_close, checked_uri, ending, handshake_failure, request_headers
from .tunnel import open_stream

__all__ = ["FastConnector", "FastTransport"]

READ_BUFFER = 128 * 1024
"""Bytes of one connection's read buffer. A frame that does not fit is put together by the core, within max_size."""

MAX_FRAGMENTS = 4096
"""Frames of one fragmented message: empty ones cost memory too. The limit of `websockets`."""

LINGER = 1.0
"""Seconds that a connection which is already decided (a close frame was sent or answered) may take to go away."""


class FastConnector:
    """Connects fast; with compression it leaves the whole connection to `WebsocketsConnector`."""

    async def connect(self, endpoint: Endpoint, receiver: Receiver) -> Transport:
        """Open one connection. Raises ConnectFailed, HandshakeRefused, or ConfigurationError for a wrong endpoint."""
        if endpoint.compression:
            from .websockets import WebsocketsConnector

            return await WebsocketsConnector().connect(endpoint, receiver)
        line = FastTransport(endpoint, receiver)
        try:
            async with asyncio.timeout(endpoint.open_timeout):
                await line._open()
        except FAILURES as error:
            raise handshake_failure(endpoint, error) from None
        finally:
            if not line._is_open:
                line._abandon()
        asyncio.get_running_loop().call_soon(line._start)
        return line

    def __repr__(self) -> str:
        return "FastConnector()"


class FastTransport(asyncio.BufferedProtocol):
    """One connection. Made by `FastConnector`; also the asyncio protocol of its socket."""

    def __init__(self, endpoint: Endpoint, receiver: Receiver) -> None:
        self._endpoint = endpoint
        self._receiver = receiver
        self._uri = checked_uri(endpoint)
        self._core = ClientProtocol(
            self._uri,
            subprotocols=list(endpoint.subprotocols) or None,  # type: ignore[arg-type]
            max_size=endpoint.max_size,
            logger=SILENT,
        )
        self._max_size = endpoint.max_size
        self._loop = asyncio.get_running_loop()
        self._socket: Any = None
        # Two bytes behind the end, because frames.cut_frames reads a header in one step.
        self._buffer = bytearray(READ_BUFFER + 2)
        self._view = memoryview(self._buffer)
        self._room = self._view[:READ_BUFFER]
        self._filled = 0
        self._needed = 0
        self._core_bytes = 0
        self._fragments: list[bytes] = []
        self._fragments_are_text = False
        self._pings = self._pongs = 0
        self._awaited = b""
        self._is_open = False
        self._started = False
        self._paused = False
        self._discard_messages = False
        self._ignore_input = False
        self._failed = False
        self._told = False
        self._aborted = ""
        self._linger_timer: asyncio.TimerHandle | None = None
        self._handshake: asyncio.Future[None] = self._loop.create_future()
        self._closed: asyncio.Future[None] = self._loop.create_future()

    # ------------------------------------------------------------------ what the session calls

    def send(self, payloads: Sequence[Payload]) -> None:
        """Hand over messages, in order. Does nothing after the end."""
        core = self._core
        if core.state is not State.OPEN or self._aborted:
            return
        for payload in payloads:
            if isinstance(payload, Binary):
                core.send_binary(payload)
            else:
                core.send_text(payload.encode() if isinstance(payload, str) else payload)
        self._write()

    def ping(self) -> None:
        """Send one ping; its pong is reported by `ponged`."""
        if self._core.state is State.OPEN and not self._aborted:
            self._pings += 1
            self._awaited = b"%d" % self._pings
            self._core.send_ping(self._awaited)
            self._write()

    def pause_reading(self) -> None:
        """Stop reading until `resume_reading`: neither messages nor pongs arrive. Idempotent."""
        if self._core.state is State.OPEN:
            self._paused = True
            self._socket.pause_reading()

    def resume_reading(self) -> None:
        """Read again. Idempotent."""
        if self._paused:
            self._paused = False
            if self._started:
                self._socket.resume_reading()
            else:
                self._loop.call_soon(self._start)

    async def close(self, code: int = 1000, reason: str = "", *, timeout: float = 2.0) -> None:
        """Close politely; after `timeout` seconds abort. Returns when `lost` has been called."""
        code, reason = checked_close(code, reason)
        if self._core.state is State.OPEN and not self._aborted:
            # A paused line must still end: the answer to the close is read, the messages before it are not delivered.
            self._discard_messages = self._paused
            self.resume_reading()
            self._core.send_close(code, reason)
            self._write()
        try:
            async with asyncio.timeout(timeout):
                await asyncio.shield(self._closed)
        except TimeoutError:
            self._abort("the peer did not answer the close")
            await asyncio.shield(self._closed)

    def abort(self) -> None:
        """Drop the connection at once, without a close frame."""
        if self._told and not self._closed.done():
            self._socket.close()  # our answer to the peer's close may still be in its buffer
        else:
            self._abort("aborted")

    def __repr__(self) -> str:
        return f"<FastTransport {self._endpoint.host} {'ended' if self._closed.done() else 'open'}>"

    # ------------------------------------------------------------------ opening

    async def _open(self) -> None:
        request = self._core.connect()
        request.headers.update(request_headers(self._endpoint))
        await open_stream(self, self._endpoint, self._uri.host, self._uri.port)
        self._core.send_request(request)
        self._write()
        await self._handshake
        if self._closed.done():
            raise EOFError
        self._is_open = True

    def _abandon(self) -> None:
        """The connection was never handed over: end it and tell nobody."""
        self._ignore_input = True
        if not self._handshake.cancel() and not self._handshake.cancelled():
            self._handshake.exception()  # seen: asyncio would report it as forgotten
        if self._socket is not None:
            self._socket.abort()

    def _end_silently(self) -> None:
        """The loop is being shut down: nobody is left who could be told."""
        self._told = True
        self._socket.abort()

    def _start(self) -> None:
        """connect() has returned: what came with the handshake, and whatever follows, may be delivered."""
        if not (self._started or self._paused or self._ignore_input):
            self._started = True
            if self._filled:
                self._take_read()
            if not self._paused:
                self._socket.resume_reading()

    def _shake(self) -> None:
        """Feed the core the answer to the upgrade up to its end, and keep what is behind it."""
        core = self._core
        data = bytes(self._view[: self._filled])
        self._filled = 0
        end_of_lines = data.find(b"\n")
        while end_of_lines >= 0 and core.state is State.CONNECTING and core.handshake_exc is None:
            core.receive_data(data[: end_of_lines + 1])
            data = data[end_of_lines + 1 :]
            end_of_lines = data.find(b"\n")
        if core.state is State.CONNECTING:
            core.receive_data(data)
            data = b""
        self._write()
        if core.handshake_exc is not None:
            self._fail_handshake(core.handshake_exc)
        elif core.state is State.OPEN and not self._handshake.done():
            core.events_received()
            self._filled = len(data)
            self._buffer[: self._filled] = data
            self._socket.pause_reading()
            self._handshake.set_result(None)

    def _fail_handshake(self, error: BaseException) -> None:
        self._ignore_input = True
        if not self._handshake.done():
            self._handshake.set_exception(error)

    # ------------------------------------------------------------------ asyncio's protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio has a socket for us (with TCP_NODELAY, which it sets by itself)."""
        self._socket = transport
        self._loop_end = LoopEnd(self._end_silently)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the next read goes: never empty, for a frame that would fill the buffer goes to the core."""
        return self._room[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        """`nbytes` more were read."""
        self._filled += nbytes
        if self._filled < self._needed:
            return
        if self._ignore_input:
            self._filled = 0
        elif self._started:
            self._take_read()
        elif self._core.state is State.CONNECTING:
            self._shake()

    def eof_received(self) -> None:
        """The peer ends without more to say: what we still have to write finds no reader, so nothing waits for it."""
        self._core.receive_eof()
        if self._core.handshake_exc is not None:
            self._fail_handshake(self._core.handshake_exc)
        if self._is_open:
            self._ignore_input = True
            self._tell(None)
        self._socket.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone."""
        core = self._core
        core.receive_eof()
        if self._linger_timer is not None:
            self._linger_timer.cancel()
        self._ignore_input = True
        self._loop_end.forget()
        self._closed.set_result(None)
        if not self._is_open:
            self._fail_handshake(exc or core.handshake_exc or EOFError())
            return
        self._tell(exc)

    def _tell(self, error: Exception | None) -> None:
        """It is over, once, whoever still holds the socket."""
        if self._told:
            return
        self._told = True
        lost = ending(
            received=self._core.close_rcvd,
            sent=self._core.close_sent,
            failed=self._failed,
            error=error,
            aborted=self._aborted,
        )
        self._receiver.lost(lost)

    # ------------------------------------------------------------------ a read

    def _take_read(self) -> None:
        end = self._filled
        data = bytes(self._view[: end + 2])
        payloads: list[Payload] = []
        self._needed = 0
        try:
            position = self._cut(data, end, payloads)
        except UnicodeDecodeError as error:
            self._fail(1007, f"{error.reason} at position {error.start}")
            position = end
        self._filled = left = end - position
        if left:
            self._buffer[:left] = data[position:end]
        if payloads and not self._discard_messages:
            self._receiver.received(payloads)
        while self._pongs and not self._aborted:
            self._pongs -= 1
            self._receiver.ponged()
        if self._linger_timer is not None and not self._aborted:
            self._tell(None)

    def _cut(self, data: bytes, end: int, payloads: list[Payload]) -> int:
        """Take what is complete in `data[:end]`; return where the rest begins, which stays in the buffer."""
        position = 0
        while True:
            if self._core_bytes:
                piece = min(self._core_bytes, end - position)
                self._core_bytes -= piece
                self._give_to_core(data[position : position + piece], payloads)
                position += piece
            elif not self._fragments:
                position = cut_frames(data, position, end, self._max_size, payloads)
            if self._ignore_input:
                return end
            measured = measure(data, position, end)
            if measured is None:
                return position
            header, length, plain = measured
            size = header + length
            if plain and not self._fragments and size <= READ_BUFFER and length <= self._max_size:
                if position + size > end:
                    self._needed = size
                    return position
            else:
                self._core_bytes = size

    def _give_to_core(self, data: bytes, payloads: list[Payload]) -> None:
        core = self._core
        was_open = core.state is State.OPEN
        core.receive_data(data)
        if core.parser_exc is not None or core.close_rcvd is not None:
            # Once we have said why we close ourselves, no fault of the peer changes that.
            self._failed = core.parser_exc is not None and was_open
            self._ignore_input = True
        for frame in core.events_received():
            if isinstance(frame, Frame):
                if frame.opcode is Opcode.PONG:
                    if self._awaited and frame.data == self._awaited:
                        self._awaited = b""
                        self._pongs += 1
                elif frame.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
                    self._assemble(frame, payloads)
        self._write()

    def _assemble(self, frame: Frame, payloads: list[Payload]) -> None:
        fragments = self._fragments
        if frame.opcode is not Opcode.CONT:
            self._fragments_are_text = frame.opcode is Opcode.TEXT
        elif len(fragments) >= MAX_FRAGMENTS:
            self._fail(1009, "too many fragments")
            return
        fragments.append(bytes(frame.data))
        if frame.fin:
            self._fragments = []
            message = b"".join(fragments)
            if not self._fragments_are_text:
                message = Binary(message)
            elif not message.isascii():
                message.decode()
            payloads.append(message)

    # ------------------------------------------------------------------ writing and ending

    def _fail(self, code: int, reason: str) -> None:
        """The peer broke the protocol in a way that the core leaves to its caller."""
        self._failed = self._core.state is State.OPEN
        self._ignore_input = True
        self._core.fail(code, reason)
        self._write()

    def _write(self) -> None:
        core = self._core
        data = b"".join(core.data_to_send())
        if data and not self._aborted:
            self._socket.write(data)
            if self._socket.get_write_buffer_size() > self._endpoint.send_buffer:
                self._abort("the peer does not read: the send buffer is full")
        if self._ignore_input and self._linger_timer is None and core.close_expected():
            # Both sides know; a peer that does not let go of the socket is not waited for.
            self._linger_timer = self._loop.call_later(
                LINGER, self._abort, "the peer did not end the connection"
            )

    def _abort(self, reason: str) -> None:
        if not self._aborted and not self._closed.done():
            self._aborted = reason
            self._discard_messages = self._ignore_input = True
            self._socket.abort()

"""The whole `websockets` library behind the transport's interface: for compression, and to compare with.

Its own pings are off (the session judges liveness), the proxy is the one that `proxies` names, redirects are refused
(no credential ever goes to another origin). One task reads: it hands over everything that is already there before it
waits again, so one wakeup is one `received`. One task writes, from a queue bounded by `Endpoint.send_buffer`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Generator, Sequence
from functools import partial
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.protocol import State

from ..errors import ConnectionLost
from ..payload import Binary, Payload
from .base import DEFAULT_SEND_BUFFER, Endpoint, Receiver
from .outcomes import FAILURES, SILENT, checked_close, checked_uri, ending, handshake_failure, request_headers

__all__ = ["WebsocketsConnector", "WebsocketsTransport"]

LINGER = 1.0
"""Seconds that a connection which is already decided (a close frame was sent or answered) may take to go away."""


class WebsocketsConnector:
    """Connects with the `websockets` library. See `transport.base.Connector`."""

    async def connect(self, endpoint: Endpoint, receiver: Receiver) -> WebsocketsTransport:
        """Open one connection. Raises ConnectFailed, HandshakeRefused, or ConfigurationError for a wrong endpoint."""
        headers = request_headers(endpoint)
        _ = checked_uri(endpoint)
        proxy = endpoint.proxy_address
        secret: dict[str, Any] = (
            {"proxy_ssl": endpoint.trust} if proxy is not None and proxy.is_secret else {}
        )
        try:
            connection = await _Connect(
                endpoint.url,
                additional_headers=headers,
                user_agent_header=None,
                subprotocols=list(endpoint.subprotocols) or None,  # type: ignore[arg-type]
                compression="deflate" if endpoint.compression else None,
                proxy=None if proxy is None else proxy.url,
                open_timeout=endpoint.open_timeout,
                ping_interval=None,
                close_timeout=LINGER,
                max_size=endpoint.max_size,
                logger=SILENT,
                ssl=endpoint.ssl_context,
                create_connection=_BoundedConnection,
                **secret,
            )
        except (*FAILURES, UnicodeError, ImportError) as error:
            raise handshake_failure(endpoint, error) from None
        assert isinstance(connection, _BoundedConnection)
        connection.send_buffer = endpoint.send_buffer
        return WebsocketsTransport(endpoint, receiver, connection)

    def __repr__(self) -> str:
        return "WebsocketsConnector()"


class _Connect(connect):
    def process_redirect(self, exc: Exception) -> Exception | str:
        """A redirect is a refusal like any other: following one would carry the token elsewhere."""
        return exc


class _BoundedConnection(ClientConnection):
    """Bounds what waits to be sent, and tells at once when the peer has closed or broken the protocol.

    Pongs go round our queue: a peer that sends pings and reads no answers must not fill our memory. The library itself
    tells of a close only when the socket is gone.
    """

    send_buffer = DEFAULT_SEND_BUFFER

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.on_decided: Callable[[], None] = lambda: None

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        core = self.protocol
        if core.close_rcvd is not None or core.parser_exc is not None:
            self.on_decided()
        if self.transport.get_write_buffer_size() > self.send_buffer:
            self.transport.abort()


class _FlushBeforeWaiting:
    """Awaits a coroutine, but calls `flush` each time before that has to wait."""

    def __init__(self, coroutine: Any, flush: Callable[[], None]) -> None:
        self._coroutine = coroutine
        self._flush = flush

    def __await__(self) -> Generator[Any, Any, Any]:
        steps = self._coroutine.__await__()
        step = partial(steps.send, None)
        while True:
            try:
                waits_for = step()
            except StopIteration as done:
                return done.value
            try:
                self._flush()
            except BaseException:  # not the coroutine's, and none of its business
                steps.close()
                raise
            try:
                yield waits_for
            except BaseException as error:
                step = partial(steps.throw, error)
            else:
                step = partial(steps.send, None)


class _Over(Exception):
    """All that there will ever be has been received."""


class WebsocketsTransport:
    """One connection of the `websockets` library. Made by `WebsocketsConnector`."""

    def __init__(self, endpoint: Endpoint, receiver: Receiver, connection: _BoundedConnection) -> None:
        self._endpoint = endpoint
        self._receiver = receiver
        self._connection = connection
        self._queue: deque[Payload | None] = deque()
        self._queued = 0
        self._to_write = asyncio.Event()
        self._may_read = asyncio.Event()
        self._may_read.set()
        self._aborted = ""
        self._closing = False
        self._discard_messages = False
        self._waits = self._woken = False
        self._batch: list[Payload] = []
        self._ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        self._writer = loop.create_task(self._write(), name=f"write to {endpoint.host}")
        self._reader = loop.create_task(self._read(), name=f"read from {endpoint.host}")
        connection.on_decided = self._wake

    def send(self, payloads: Sequence[Payload]) -> None:
        """Hand over messages, in order. Does nothing after the end."""
        if self._aborted or self._closing or self._ended.is_set():
            return
        for payload in payloads:
            encoded = payload.encode() if isinstance(payload, str) else payload
            self._queue.append(encoded)
            self._queued += len(encoded)
        if self._queued + self._connection.transport.get_write_buffer_size() > self._endpoint.send_buffer:
            self._abort("the peer does not read: the send buffer is full")
        self._to_write.set()

    def ping(self) -> None:
        """Send one ping; its pong is reported by `ponged`."""
        if not self._aborted and not self._closing and not self._ended.is_set():
            self._queue.append(None)  # stands for a ping, in order with the messages
            self._to_write.set()

    def pause_reading(self) -> None:
        """Stop reading until `resume_reading`. What the library has read by then waits in its own bounded queue."""
        if not self._closing:
            self._may_read.clear()

    def resume_reading(self) -> None:
        """Read again. Idempotent."""
        self._may_read.set()

    async def close(self, code: int = 1000, reason: str = "", *, timeout: float = 2.0) -> None:
        """Close politely, behind what `send` took; after `timeout` seconds abort. Returns after `lost`."""
        code, reason = checked_close(code, reason)
        if not self._closing:
            self._closing = True
            # A paused line must still end: the answer to the close is read, the messages before it are not delivered.
            self._discard_messages = not self._may_read.is_set()
            self._may_read.set()
        try:
            async with asyncio.timeout(timeout):
                self._to_write.set()
                await asyncio.wait([self._writer])
                self._connection.close_timeout = timeout
                await self._connection.close(code, reason)
                await self._ended.wait()
        except TimeoutError:
            self._abort("the peer did not answer the close")
            await self._ended.wait()

    def abort(self) -> None:
        """Drop the connection at once, without a close frame."""
        if self._ended.is_set():
            if (
                not self._connection.transport.is_closing()
            ):  # asyncio of 3.11 cannot be told so twice over TLS
                self._connection.transport.close()  # our answer to the peer's close may still be in its buffer
        else:
            self._abort("aborted")

    def __repr__(self) -> str:
        return f"<WebsocketsTransport {self._endpoint.host} {'ended' if self._ended.is_set() else 'open'}>"

    def _abort(self, reason: str) -> None:
        if not self._aborted:
            self._aborted = reason
            self._may_read.set()
            self._writer.cancel()
            self._connection.transport.abort()

    async def _read(self) -> None:
        connection = self._connection
        await asyncio.sleep(0)  # a task may start eagerly, and connect() returns before anything is reported
        try:
            while True:
                # A str is text, checked and decoded by the library; bytes are binary.
                try:
                    message = await _FlushBeforeWaiting(connection.recv(), self._before_waiting)
                except asyncio.CancelledError:
                    if not self._woken:
                        raise
                    self._woken = False
                    self._reader.uncancel()
                    continue
                finally:
                    self._waits = False
                if not self._may_read.is_set():
                    await self._may_read.wait()
                self._batch.append(message if isinstance(message, str) else Binary(message))
        except _Over:
            core = connection.protocol
            failed = core.close_rcvd is None and core.close_sent is not None
            lost = ending(received=core.close_rcvd, sent=core.close_sent, failed=failed, error=None)
        except ConnectionClosed as end:
            lost = self._ending(end)
        except asyncio.CancelledError:
            connection.transport.abort()  # nobody but the end of the loop cancels this task
            raise
        except Exception as error:
            # The receiver raised: its fault ends the line, not the process.
            connection.transport.abort()
            lost = ConnectionLost(f"the receiver failed ({type(error).__name__})")
            asyncio.get_running_loop().call_exception_handler(
                {"message": "a receiver raised", "exception": error, "transport": self}
            )
        self._writer.cancel()
        self._queue.clear()
        try:
            self._flush()
        finally:
            self._ended.set()
            self._receiver.lost(lost)

    def _flush(self) -> None:
        payloads, self._batch = self._batch, []
        if payloads and not self._aborted and not self._discard_messages:
            self._receiver.received(payloads)

    def _before_waiting(self) -> None:
        """Hand over what is there. Raises _Over where nothing will follow, whoever still holds the socket."""
        self._flush()
        core = self._connection.protocol
        if core.close_rcvd is not None or (core.state is not State.OPEN and not self._closing):
            raise _Over
        self._waits = True

    def _wake(self) -> None:
        """The peer closed, or broke the protocol: take what is still there and see that it is over."""
        if self._waits and not self._woken:
            self._woken = True
            self._reader.cancel()

    def _ending(self, end: ConnectionClosed) -> ConnectionLost:
        cause = end.__cause__
        # The library chains what its parser or the assembly of a message choked on; the network's errors are OSErrors.
        failed = (
            isinstance(cause, Exception) and not isinstance(cause, (OSError, EOFError)) and not self._aborted
        )
        return ending(received=end.rcvd, sent=end.sent, failed=failed, error=cause, aborted=self._aborted)

    async def _write(self) -> None:
        connection = self._connection
        try:
            while self._queue or not self._closing:
                if not self._queue:
                    self._to_write.clear()
                    await self._to_write.wait()
                    continue
                payload = self._queue.popleft()
                if payload is None:
                    (await connection.ping()).add_done_callback(self._ponged)  # type: ignore[attr-defined]
                    continue
                self._queued -= len(payload)
                await connection.send(payload, text=not isinstance(payload, Binary))
        except ConnectionClosed:
            self._queue.clear()

    def _ponged(self, pong: asyncio.Future[float]) -> None:
        if (
            not pong.cancelled()
            and pong.exception() is None
            and not self._aborted
            and not self._ended.is_set()
        ):
            self._receiver.ponged()

"""Taps: they stand where bytes enter, pass everything on unchanged, and note it on a tape.

Give `RecordingConnector` as `connector=` and `http.RecordingHttp` as `http_transport=` to a venue's own classes. One
record is written for each read, with its messages; dials, refusals, what was sent, pongs, losses and pauses are records
of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import ConnectionFailure, ConnectionLost
from ..payload import Payload
from ..transport.base import Connector, Endpoint, Receiver, Transport
from .format import Kind
from .recorder import Recorder

__all__ = ["RecordingConnector", "facts_of"]


class RecordingConnector:
    """Makes the transports of `inner`, and notes what they carry. `recorder` is the caller's to close, behind them."""

    def __init__(self, inner: Connector, recorder: Recorder) -> None:
        self._inner = inner
        self._recorder = recorder

    async def connect(self, endpoint: Endpoint, receiver: Receiver) -> Transport:
        """As `inner` does. Raises what that raises."""
        recorder = self._recorder
        number = recorder.new_connection()
        dial = {
            "url": endpoint.url,
            "headers": dict(endpoint.headers),
            "subprotocols": list(endpoint.subprotocols),
        }
        recorder.note(Kind.DIAL, number, dial, len(endpoint.url))
        try:
            transport = await self._inner.connect(endpoint, _Heard(receiver, recorder, number))
        except ConnectionFailure as error:
            recorder.note(Kind.REFUSED, number, facts_of(error))
            raise
        recorder.note(Kind.OPENED, number)
        return _Tapped(transport, recorder, number)


class _Heard:
    """What the peer says, on its way to the receiver."""

    __slots__ = ("_note", "_number", "_receiver")

    def __init__(self, receiver: Receiver, recorder: Recorder, number: int) -> None:
        self._receiver = receiver
        self._note = recorder.note
        self._number = number

    def received(self, payloads: list[Payload]) -> None:
        size = len(payloads[0]) if len(payloads) == 1 else sum(map(len, payloads))
        self._note(Kind.READ, self._number, payloads.copy(), size)  # the list is the receiver's from then on
        self._receiver.received(payloads)

    def ponged(self) -> None:
        self._note(Kind.PONG, self._number)
        self._receiver.ponged()

    def lost(self, error: ConnectionLost) -> None:
        self._note(Kind.LOST, self._number, facts_of(error))
        self._receiver.lost(error)


class _Tapped:
    """What is said to the peer."""

    def __init__(self, transport: Transport, recorder: Recorder, number: int) -> None:
        self._transport = transport
        self._recorder = recorder
        self._number = number

    def send(self, payloads: Sequence[Payload]) -> None:
        self._recorder.note(Kind.SENT, self._number, list(payloads), sum(map(len, payloads)))
        self._transport.send(payloads)

    def ping(self) -> None:
        self._recorder.note(Kind.PING, self._number)
        self._transport.ping()

    def pause_reading(self) -> None:
        self._recorder.note(Kind.PAUSED, self._number)
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._recorder.note(Kind.RESUMED, self._number)
        self._transport.resume_reading()

    async def close(self, code: int = 1000, reason: str = "", *, timeout: float = 2.0) -> None:
        self._recorder.note(Kind.CLOSING, self._number, [code, reason])
        await self._transport.close(code, reason, timeout=timeout)

    def abort(self) -> None:
        self._recorder.note(Kind.ABORTED, self._number)
        self._transport.abort()


def facts_of(error: ConnectionFailure) -> dict[str, Any]:
    """What a replay needs to raise the same error again."""
    plain = (str, int, float, bool, type(None))
    facts = {name: value for name, value in vars(error).items() if isinstance(value, plain)}
    return {"error": type(error).__name__, "facts": facts}

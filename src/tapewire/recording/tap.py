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
        recorder.note(Kind.DIAL, number, dial)
        tapped = _Tapped(recorder, number)
        try:
            transport = await self._inner.connect(endpoint, _Heard(receiver, recorder, number, tapped))
        except ConnectionFailure as error:
            recorder.note(Kind.REFUSED, number, facts_of(error))
            raise
        recorder.note(Kind.OPENED, number)
        tapped.open(transport)
        return tapped


class _Heard:
    """What the peer says, on its way to the receiver. `received` is called for each read: it is one function."""

    __slots__ = ("_note", "_number", "_receiver", "_tapped", "received")

    def __init__(self, receiver: Receiver, recorder: Recorder, number: int, tapped: _Tapped) -> None:
        self._receiver = receiver
        self._tapped = tapped
        self._note = recorder.note
        self._number = number
        self.received = recorder.tap(number, receiver.received)

    def ponged(self) -> None:
        self._note(Kind.PONG, self._number)
        self._receiver.ponged()

    def lost(self, error: ConnectionLost) -> None:
        self._note(Kind.LOST, self._number, facts_of(error))
        self._tapped.over()
        self._receiver.lost(error)


class _Tapped:
    """What is said to the peer. Reading pauses while its owner wants that, or the recorder's brake does (`hold`)."""

    _transport: Transport

    def __init__(self, recorder: Recorder, number: int) -> None:
        self._recorder = recorder
        self._brake = recorder.brake
        self._number = number
        self._is_over = self._is_held = self._is_paused = False

    def open(self, transport: Transport) -> None:
        """It is open from now on."""
        self._transport = transport
        if self._brake is not None and not self._is_over:  # it may be lost before whoever dialled goes on
            self._brake.enter(self)

    def over(self) -> None:
        """It is lost."""
        self._is_over = True
        if self._brake is not None:
            self._brake.leave(self)

    def hold(self, *, held: bool) -> None:
        """The brake."""
        self._wanted(held or self._is_paused, self._is_held or self._is_paused)
        self._is_held = held

    def _wanted(self, paused: bool, before: bool) -> None:
        if paused and not before:
            self._recorder.note(Kind.PAUSED, self._number)
            self._transport.pause_reading()
        elif before and not paused:
            self._recorder.note(Kind.RESUMED, self._number)
            self._transport.resume_reading()

    def send(self, payloads: Sequence[Payload]) -> None:
        self._recorder.note(Kind.SENT, self._number, tuple(payloads))
        self._transport.send(payloads)

    def ping(self) -> None:
        self._recorder.note(Kind.PING, self._number)
        self._transport.ping()

    def pause_reading(self) -> None:
        self._wanted(True, self._is_held or self._is_paused)
        self._is_paused = True

    def resume_reading(self) -> None:
        self._wanted(self._is_held, self._is_held or self._is_paused)
        self._is_paused = False

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

"""The frames of Phoenix Channels on the wire: V2 text, V2 binary and V1, as both sides write and read them.

A `Frame` is the decoded envelope; its payload stays raw JSON, or is `Binary` where the message was binary. A `Codec`
knows one version and one side, for a client and a server write binary frames (and V1) differently. Source: the official
client's serializer, its test vectors, and what a Phoenix 1.7 server was seen to send.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias, cast, get_args

import msgspec
from msgspec import Raw

from ...errors import ConfigurationError, UndecodableFrame
from ..base import Binary, Payload

__all__ = ["DECODE_ERRORS", "BinaryResponse", "Codec", "Frame", "Ref", "Side", "Version", "as_payload"]

Ref: TypeAlias = str | int | None
Version: TypeAlias = Literal["2.0.0", "1.0.0"]
Side: TypeAlias = Literal["client", "server"]

if TYPE_CHECKING:
    FramePayload: TypeAlias = Raw | Binary
else:
    FramePayload = Raw  # what the JSON decoder fills in; binary frames are made by hand

DECODE_ERRORS = (msgspec.MsgspecError, ValueError, RecursionError)
"""What the bytes of a peer can raise while they are decoded: bad JSON, bad shape, bad UTF-8, too deep a nesting."""

MAX_FIELD_BYTES = 255

_PUSH, _REPLY, _BROADCAST = 0, 1, 2


class BinaryResponse(Binary):
    """The payload of a binary `phx_reply`: the response's bytes, and the `status` that came beside them."""

    status: str

    def __new__(cls, status: str, response: bytes = b"") -> Self:
        made = super().__new__(cls, response)
        made.status = status
        return made


class Frame(msgspec.Struct, array_like=True, gc=False):
    """One frame: `[join_ref, ref, topic, event, payload]`. Elements behind these five are ignored.

    Refs are strings as we send them; a peer may echo integers. Decode `payload` when you need it, with
    `msgspec.json.decode(frame.payload)`, unless it is `Binary`.
    """

    join_ref: Ref
    ref: Ref
    topic: str
    event: str
    payload: FramePayload


class _V1FromClient(msgspec.Struct, omit_defaults=True, gc=False):
    topic: str
    event: str
    payload: Raw
    ref: Ref
    join_ref: Ref = None


class _V1FromServer(msgspec.Struct, kw_only=True, gc=False):
    event: str
    payload: Raw
    ref: Ref = None
    topic: str


class Codec:
    """How one side encodes what it sends and decodes what it receives.

    Raises ConfigurationError for a version or a side that does not exist.
    """

    def __init__(self, version: Version = "2.0.0", side: Side = "client") -> None:
        if version not in get_args(Version):
            raise ConfigurationError("version", version, get_args(Version))
        if side not in get_args(Side):
            raise ConfigurationError("side", side, get_args(Side))
        self.version: Version = version
        self.side: Side = side
        self._v1 = msgspec.json.Decoder(_V1FromServer if side == "client" else _V1FromClient)
        # For V2 this is msgspec's own decoder and nothing around it: the hot path.
        self.decode_text: Callable[[Payload], Frame] = (
            msgspec.json.Decoder(Frame).decode if version == "2.0.0" else self._decode_v1
        )

    def encode(self, frame: Frame) -> Payload:
        """The message for `frame`: `bytes` of UTF-8, or `Binary` where the payload is.

        Raises ConfigurationError, naming the field, where a binary frame's field is over 255 bytes or V1 has no form.
        """
        if isinstance(frame.payload, Binary):
            return self._encode_binary(frame, frame.payload)
        if self.version == "2.0.0":
            return msgspec.json.encode(frame)
        if self.side == "client":
            return msgspec.json.encode(
                _V1FromClient(frame.topic, frame.event, frame.payload, frame.ref, frame.join_ref)
            )
        return msgspec.json.encode(
            _V1FromServer(event=frame.event, payload=frame.payload, ref=frame.ref, topic=frame.topic)
        )

    def decode(self, payload: Payload) -> Frame:
        """The frame in one message. Raises UndecodableFrame."""
        try:
            return self.decode_binary(payload) if isinstance(payload, Binary) else self.decode_text(payload)
        except DECODE_ERRORS as error:
            raise UndecodableFrame(str(error)[:200], payload) from None

    def decode_binary(self, payload: bytes) -> Frame:
        """The frame in one binary message. Raises one of DECODE_ERRORS."""
        if self.version != "2.0.0":
            raise ValueError("V1 has no binary frames")
        kind = payload[0] if payload else -1
        if self.side == "server":
            if kind != _PUSH:
                raise ValueError(f"a client sends no binary frame of kind {kind}")
            (join_ref, ref, topic, event), data = _unpack(payload, 4)
            return Frame(join_ref or None, ref or None, topic, event, Binary(data))
        if kind == _PUSH:
            (join_ref, topic, event), data = _unpack(payload, 3)
            return Frame(join_ref or None, None, topic, event, Binary(data))
        if kind == _REPLY:
            (join_ref, ref, topic, status), data = _unpack(payload, 4)
            return Frame(join_ref or None, ref or None, topic, "phx_reply", BinaryResponse(status, data))
        if kind == _BROADCAST:
            (topic, event), data = _unpack(payload, 2)
            return Frame(None, None, topic, event, Binary(data))
        raise ValueError(f"a server sends no binary frame of kind {kind}")

    def __repr__(self) -> str:
        return f"Codec({self.version!r}, {self.side!r})"

    def _decode_v1(self, payload: Payload) -> Frame:
        # V1 servers never send a join_ref, so what calls itself one in their frames is not looked at.
        v1 = cast("_V1FromClient", self._v1.decode(payload))
        return Frame(v1.join_ref if self.side == "server" else None, v1.ref, v1.topic, v1.event, v1.payload)

    def _encode_binary(self, frame: Frame, data: Binary) -> Binary:
        if self.version != "2.0.0":
            raise ConfigurationError("payload", "binary", "JSON only, in version 1.0.0")
        join_ref = ("join_ref", "" if frame.join_ref is None else str(frame.join_ref))
        ref = ("ref", "" if frame.ref is None else str(frame.ref))
        topic, event = ("topic", frame.topic), ("event", frame.event)
        if self.side == "client":
            return _pack(_PUSH, (join_ref, ref, topic, event), data)
        if isinstance(data, BinaryResponse):
            return _pack(_REPLY, (join_ref, ref, topic, ("status", data.status)), data)
        if frame.join_ref is None:
            return _pack(_BROADCAST, (topic, event), data)
        return _pack(_PUSH, (join_ref, topic, event), data)


def as_payload(value: Any) -> FramePayload:
    """`value` as the payload of a frame: bytes stay binary, `Raw` stays as it is, all else becomes JSON.

    Raises ConfigurationError for what JSON cannot say.
    """
    if isinstance(value, Binary | Raw):
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return Binary(value)
    try:
        return Raw(msgspec.json.encode(value))
    except (TypeError, ValueError, RecursionError) as error:
        # The value itself may hold a secret: only its type is named.
        raise ConfigurationError("payload", type(value).__name__, f"JSON or bytes ({error})"[:300]) from None


def _pack(kind: int, fields: tuple[tuple[str, str], ...], data: bytes) -> Binary:
    encoded = [value.encode() for _, value in fields]
    for (name, value), field in zip(fields, encoded, strict=True):
        if len(field) > MAX_FIELD_BYTES:
            allowed = f"at most {MAX_FIELD_BYTES} bytes of UTF-8 in a binary frame, not {len(field)}"
            raise ConfigurationError(name, value, allowed)
    return Binary(b"".join((bytes((kind, *map(len, encoded))), *encoded, data)))


def _unpack(payload: bytes, count: int) -> tuple[list[str], bytes]:
    """`count` fields, whose byte lengths stand in front of them, and the rest."""
    position = 1 + count
    lengths = payload[1:position]
    if len(lengths) < count or len(payload) < position + sum(lengths):
        raise ValueError("the binary frame is cut short")
    fields = []
    for length in lengths:
        fields.append(payload[position : position + length].decode())
        position += length
    return fields, payload[position:]

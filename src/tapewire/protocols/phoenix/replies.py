"""Reading what a peer says about a topic: the answer in a `phx_reply`, reasons, and the topic of a broken frame.

Everything here takes bytes of the peer and never raises for them.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec
from msgspec import Raw

from ...secrets import redact
from ..base import Binary, Payload
from .frames import DECODE_ERRORS, BinaryResponse, Frame, FramePayload, Version

__all__ = ["Answer", "answer_in", "decoded", "excerpt_of", "reason_in", "ref_number", "topic_of_broken"]

MAX_REASON = 200
MAX_EXCERPT = 80
MAX_PREFIX = 1024
"""Characters at the head of a broken frame in which its topic is looked for."""

_STRING = r'"(?:[^"\\]|\\.)*"'
_V2_HEAD = re.compile(
    rf"\s*\[\s*(?:{_STRING}|-?\d+|null)\s*,\s*(?:{_STRING}|-?\d+|null)\s*,\s*({_STRING})\s*,"
)


class _Reply(msgspec.Struct, gc=False):
    status: str
    response: Raw = Raw(b"null")


class Answer(msgspec.Struct, gc=False):
    """What a `phx_reply` answers: `response` is raw JSON, or `Binary`."""

    status: str
    response: FramePayload


_decode_reply = msgspec.json.Decoder(_Reply).decode
_decode_v1_object = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_string = msgspec.json.Decoder(str).decode


def answer_in(frame: Frame) -> Answer | None:
    """The answer in a `phx_reply`, or None where its payload is not one."""
    payload = frame.payload
    if isinstance(payload, BinaryResponse):
        return Answer(payload.status, Binary(payload))
    try:
        reply = _decode_reply(payload)
    except (TypeError, *DECODE_ERRORS):  # TypeError: a plain Binary, which a server does not send
        return None
    return Answer(reply.status, reply.response)


def decoded(payload: FramePayload) -> Any:
    """The payload decoded; as text where it is no JSON that can be decoded; unchanged where it is binary."""
    if isinstance(payload, Binary):
        return payload
    try:
        return msgspec.json.decode(payload)
    except DECODE_ERRORS:
        return bytes(payload)[:MAX_REASON].decode(errors="replace")


def reason_in(payload: Any, default: str) -> str:
    """The reason a decoded response or payload gives: its `reason`, or itself as text; bounded."""
    reason = payload.get("reason", payload) if isinstance(payload, dict) else payload
    if isinstance(reason, str):
        return reason[:MAX_REASON] or default
    if reason is None or reason == {}:
        return default
    if isinstance(reason, bytes):
        return repr(reason[:MAX_EXCERPT])
    return msgspec.json.encode(reason)[:MAX_REASON].decode(errors="replace")


def ref_number(ref: str | int | None) -> int:
    """The number in a ref that we may have sent; -1 for anything else."""
    text = str(ref)
    return int(text) if len(text) < 20 and text.isascii() and text.isdigit() else -1


def topic_of_broken(payload: Payload, version: Version) -> str | None:
    """The topic of a message that is no valid frame, where its head still says it."""
    try:
        if isinstance(payload, Binary):
            return None
        if version == "1.0.0":
            return _decode_string(_decode_v1_object(payload)["topic"])
        head = payload[:MAX_PREFIX]
        match = _V2_HEAD.match(head if isinstance(head, str) else head.decode(errors="ignore"))
        return _decode_string(match[1]) if match else None
    except (KeyError, *DECODE_ERRORS):
        return None


def excerpt_of(payload: Payload) -> str:
    """The head of a broken message: bounded, printable, without anything that looks like a secret."""
    return redact(ascii(payload[:MAX_EXCERPT]))[: 4 * MAX_EXCERPT]

"""What can still be said of a message that cannot be decoded: its channel, and a harmless excerpt."""

from __future__ import annotations

import re

import msgspec

from ...secrets import redact
from ..base import Binary, Payload
from .frames import DECODE_ERRORS

__all__ = ["excerpt_of", "topic_of_broken"]

MAX_EXCERPT = 80
MAX_PREFIX = 1024
"""Characters at the head of a broken message in which its channel is looked for."""

_HEAD = re.compile(r'\s*\{\s*"push"\s*:\s*\{\s*"channel"\s*:\s*("(?:[^"\\]|\\.)*")')
_decode_string = msgspec.json.Decoder(str).decode


def topic_of_broken(payload: Payload) -> str | None:
    """The channel of a push that is no valid message, where its head still says it."""
    if isinstance(payload, Binary):
        return None
    head = payload[:MAX_PREFIX]
    match = _HEAD.match(head if isinstance(head, str) else head.decode(errors="ignore"))
    try:
        return _decode_string(match[1]) if match else None
    except DECODE_ERRORS:
        return None


def excerpt_of(payload: Payload) -> str:
    """The head of a broken message: bounded, printable, without anything that looks like a secret."""
    return redact(ascii(payload[:MAX_EXCERPT]))[: 4 * MAX_EXCERPT]

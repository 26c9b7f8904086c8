"""The payload of one message: the only thing that transports and protocols share, so it lies below both."""

from __future__ import annotations

from typing import TypeAlias

__all__ = ["Binary", "Payload"]


class Binary(bytes):
    """The payload of one binary message. A text message is plain `str` or `bytes` of valid UTF-8."""

    __slots__ = ()


Payload: TypeAlias = str | bytes

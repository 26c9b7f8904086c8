"""What stands in the frames of this venue."""

from __future__ import annotations

import msgspec

__all__ = ["Frame", "Update", "decode"]


class Update(msgspec.Struct, gc=False):
    """One publication. `data` is its payload, raw: it is decoded when somebody takes it."""

    topic: str
    number: int
    data: msgspec.Raw


class Frame(msgspec.Struct):
    """Anything that the venue says. Without an `op` it is a publication; `id` is that of the request it answers."""

    channel: str
    op: str = ""
    id: int = 0
    seq: int = 0
    data: msgspec.Raw = msgspec.Raw(b"null")
    reason: str = "no reason given"


decode = msgspec.json.Decoder(Frame).decode
"""Of one frame. Raises msgspec.MsgspecError, ValueError or RecursionError."""

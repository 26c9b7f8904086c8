"""What a handler receives: the documented `ChannelMessage`, made of a Phoenix frame when it is taken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import MethodType
from typing import Any

import msgspec

from ...protocols.phoenix import BinaryResponse, Frame
from ..kit.fields import exact_json

__all__ = ["ChannelMessage", "decoder_for"]


@dataclass(slots=True)
class ChannelMessage:
    """One frame of a channel (documents 000 and 001).

    `channel`: the wire's name without the user's id. `event`: the venue's, or `phx_reply`, `phx_error`, `phx_close`.
    `payload`: the raw payload, its numbers exact (a fraction is a Decimal); of a reply
    `{"status": ..., "response": ...}`; None for control events without one.
    """

    channel: str
    event: str
    payload: dict[str, Any] | None
    join_ref: str | None = None
    msg_ref: str | None = None

    @property
    def is_reply(self) -> bool:
        """True for `phx_reply`: the answer to a join or a push."""
        return self.event == "phx_reply"

    @property
    def is_error(self) -> bool:
        """True for `phx_error`: the channel crashed at the venue, and is being joined again."""
        return self.event == "phx_error"

    @property
    def reply_status(self) -> str | None:
        """`"ok"` or `"error"` of a reply; None for everything else."""
        if self.event != "phx_reply" or not isinstance(self.payload, dict):
            return None
        return self.payload.get("status")

    @property
    def response(self) -> Any:
        """What a reply answers, without its status; None for everything else."""
        return self.payload.get("response") if self.is_reply and self.payload else None


_CONTROL = ("phx_error", "phx_close")


def decoder_for(channel: str) -> Callable[[Frame], ChannelMessage]:
    """What turns the frames of one subscription into messages; raises ValueError for no JSON."""
    # A method of the name: a closure or a partial costs thrice its memory, and each channel has one.
    return MethodType(_message, channel)


def _message(channel: str, frame: Frame) -> ChannelMessage:
    payload: Any = frame.payload
    if payload.__class__ is msgspec.Raw:
        payload = exact_json(payload)
    elif isinstance(payload, BinaryResponse):
        payload = {"status": payload.status, "response": bytes(payload)}
    join_ref: Any = frame.join_ref
    ref: Any = frame.ref
    if not payload and frame.event in _CONTROL:
        payload = None
    if join_ref.__class__ is int:
        join_ref = str(join_ref)
    if ref.__class__ is int:
        ref = str(ref)
    return ChannelMessage(channel, frame.event, payload, join_ref, ref)

"""What a handler or an iteration receives: `StakeMessage`, and the page's plain dict, on either wire.

A payload is checked when it comes and read when it is first asked for: most are passed on, counted or told by their
channel alone. The check is of the bytes, and says that reading them will raise nothing; what it is not sure of is read
at once, so that a corrupt one is a gap at its place.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, ClassVar, Final

import msgspec

from ...model.fields import InvalidField
from ...protocols.graphql_ws import Next
from ..kit.fields import exact_json, number
from .protocol import PageFrame

__all__ = ["StakeMessage", "data_of", "exact", "message_of", "with_amounts"]


AMOUNTS: Final = frozenset(
    ["amount", "betAmount", "crashpoint", "multiplier", "payout", "payoutMultiplier", "progress", "rate"]
)
"""The names of what may have a fraction. It is a Decimal where it has none too, on the socket as over HTTP."""

_has_none = AMOUNTS.isdisjoint

_other_amount = re.compile(
    rf'"(?:{"|".join(sorted(AMOUNTS))})"\s*:\s*(?:"|-?[0-9]+(?![0-9.eE]))'.encode()
).search
"""Finds an amount that was written without a fraction, or as text: whatever has one is exact as it is decoded."""


def exact(text: bytes | msgspec.Raw) -> Any:
    """JSON, amounts and every other number with a fraction as exact Decimals. Raises ValueError or RecursionError."""
    return _completed(exact_json(text), bytes(text))


def _completed(value: Any, written: bytes) -> Any:
    """What was decoded of `written`; only a name that is written with an escape cannot be found in that."""
    return with_amounts(value) if b"\\" in written or _other_amount(written) else value


def with_amounts(value: Any) -> Any:
    """The same decoded value, the amounts in it, however deep, as Decimals: its dicts are changed."""
    found = [value]
    for inner in found:
        if inner.__class__ is dict:
            if not _has_none(inner):
                for name in AMOUNTS & inner.keys():
                    if inner[name].__class__ is not Decimal:
                        inner[name] = _amount(inner[name])
            inner = inner.values()
        elif inner.__class__ is not list:
            continue
        found += [value for value in inner if value.__class__ is dict or value.__class__ is list]
    return value


def _amount(value: Any) -> Any:
    try:
        return number(value, "amount")
    except InvalidField:  # null, an object: whatever it is, it is no amount
        return value


# --- reading later ------------------------------------------------------------------------------------------------

_MAX_UNCOUNTED: Final = 512
"""Bytes of a payload that is not nested too deep for the decoder, whatever is in it."""
_MAX_NESTED: Final = 200
_LONG_RUN: Final = b"0" * 64
_FAR_EXPONENT: Final = b"0e000"
_SHAPES: Final = bytes(
    ord("0") if byte in b"0123456789+-" else ord("e") if byte in b"eE" else ord("x") for byte in range(256)
)
"""A table for `translate`: what a number is written with looks alike, and nothing else like it."""

_is_far_exponent = re.compile(rb"[eE][+-]?[0-9]{3,}(?=[\s,\]}]|\Z)").match
"""True where a number ends so; an id has the shape of that often, and ends otherwise."""

_read_plain = msgspec.json.Decoder(float_hook=Decimal).decode


def _is_plain(written: bytes) -> bool:
    """True if this JSON, whose grammar was checked, surely reads: every number of it is within the bounds."""
    if not written.isascii():
        written.decode()  # raises for what no text may hold
    if len(written) > _MAX_UNCOUNTED and written.count(b"[") + written.count(b"{") > _MAX_NESTED:
        return False
    shape = written.translate(_SHAPES)
    at = shape.find(_FAR_EXPONENT)
    while at >= 0:
        if _is_far_exponent(written, at + 1):
            return False
        at = shape.find(_FAR_EXPONENT, at + 1)
    return _LONG_RUN not in shape


class _Payload:
    """Reads a message's payload when it is first asked for; from then on it is an attribute of the message."""

    def __get__(self, message: StakeMessage | None, owner: type[StakeMessage] | None = None) -> Any:
        if message is None:
            return self
        kept = message.__dict__
        written = kept.pop("_unread", None)
        payload = exact(message.raw) if written is None else _completed(_read_plain(written), written)
        kept["payload"] = payload
        return payload


class StakeMessage(msgspec.Struct, frozen=True, dict=True):
    """One message of a channel. `raw` is its payload as JSON, untouched."""

    channel: str
    raw: msgspec.Raw

    payload: ClassVar[_Payload] = _Payload()
    """The payload, amounts and every other number with a fraction as exact Decimals. It is read once."""

    @property
    def data(self) -> dict[str, Any]:
        """As the page's handlers read it: `{"channel": ..., "payload": ...}`."""
        return {"channel": self.channel, "payload": self.payload}


def message_of(publication: PageFrame | Next) -> StakeMessage:
    """The message of a publication. Raises ValueError or RecursionError for one that cannot be read.

    msgspec.DecodeError, which is a ValueError, for a result without data.
    """
    if isinstance(publication, PageFrame):
        raw = publication.payload
        written = bytes(raw)
    else:
        result = publication.payload
        raw = result.data
        written = bytes(raw)
        if written == b"null":
            raise msgspec.DecodeError(f"a result without data: {bytes(result.errors)[:200]!r}")
    message = StakeMessage(publication.topic, raw)
    if _is_plain(written):
        message.__dict__["_unread"] = written
    else:
        message.__dict__["payload"] = exact(written)
    return message


def data_of(publication: PageFrame | Next) -> dict[str, Any]:
    """What `on_message` gets: the page's whole message, or the same shape made of a GraphQL result."""
    if isinstance(publication, PageFrame):
        found: dict[str, Any] = exact(publication.text)
        return found
    return message_of(publication).data

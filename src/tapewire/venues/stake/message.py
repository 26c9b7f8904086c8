"""What a handler or an iteration receives: `StakeMessage`, and the page's plain dict, on either wire.

A payload is decoded when it is taken, so that a corrupt one is a gap at its place: a look at its bytes that would prove
that it can wait costs as much. Amounts that were written without a fraction are made exact when it is first asked for,
which raises nothing.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, ClassVar, Final

import msgspec

from ...model.fields import InvalidField
from ...protocols.graphql_ws import Next
from ..kit.fields import bounded, number
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
    return _completed(_decoded(text), bytes(text))


_decode: Final = msgspec.json.Decoder(float_hook=bounded).decode


def _decoded(text: bytes | msgspec.Raw) -> Any:
    """As `exact_json` does, but that no function is called for each number."""
    try:
        return _decode(text)
    except ArithmeticError:
        raise ValueError("a number beyond all bounds") from None


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


# --- messages -----------------------------------------------------------------------------------------------------


class _Payload:
    """A message's payload; what stands under an amount's name is looked for when it is first asked for."""

    def __get__(self, message: StakeMessage | None, owner: type[StakeMessage] | None = None) -> Any:
        if message is None:
            return self
        kept = message.__dict__
        decoded = kept.pop("_decoded", msgspec.UNSET)
        written = bytes(message.raw)
        payload = exact(written) if decoded is msgspec.UNSET else _completed(decoded, written)
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
    else:
        raw = publication.payload.data
        if raw == _NULL:
            raise msgspec.DecodeError(f"a result without data: {bytes(publication.payload.errors)[:200]!r}")
    message = StakeMessage(publication.topic, raw)
    message.__dict__["_decoded"] = _decoded(raw)
    return message


_NULL: Final = msgspec.Raw(b"null")


def data_of(publication: PageFrame | Next) -> dict[str, Any]:
    """What `on_message` gets: the page's whole message, or the same shape made of a GraphQL result."""
    if isinstance(publication, PageFrame):
        found: dict[str, Any] = exact(publication.text)
        return found
    return message_of(publication).data

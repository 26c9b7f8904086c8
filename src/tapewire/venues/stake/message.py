"""What a handler or an iteration receives: `StakeMessage`, and the page's plain dict, on either wire."""

from __future__ import annotations

from typing import Any, Final

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


def exact(text: bytes | msgspec.Raw) -> Any:
    """JSON, amounts and every other number with a fraction as exact Decimals. Raises ValueError or RecursionError."""
    return with_amounts(exact_json(text))


def with_amounts(value: Any) -> Any:
    """A decoded value, the amounts in it as Decimals. Raises RecursionError for one that is nested without end."""
    if isinstance(value, list):
        return [with_amounts(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    return {name: _amount(inner) if name in AMOUNTS else with_amounts(inner) for name, inner in value.items()}


def _amount(value: Any) -> Any:
    try:
        return number(value, "amount")
    except InvalidField:  # null, an object: whatever it is, it is no amount
        return with_amounts(value)


class StakeMessage(msgspec.Struct, frozen=True):
    """One message of a channel. `raw` is its payload as JSON, untouched; decode it as often as you like."""

    channel: str
    raw: msgspec.Raw

    @property
    def payload(self) -> Any:
        """The payload, amounts and every other number with a fraction as exact Decimals."""
        return exact(self.raw)

    @property
    def data(self) -> dict[str, Any]:
        """As the page's handlers read it: `{"channel": ..., "payload": ...}`."""
        return {"channel": self.channel, "payload": self.payload}


def message_of(publication: PageFrame | Next) -> StakeMessage:
    """The message of a publication. Raises msgspec.DecodeError for a result without data."""
    if isinstance(publication, PageFrame):
        return StakeMessage(publication.topic, publication.payload)
    if bytes(publication.data) == b"null":
        raise msgspec.DecodeError(f"a result without data: {bytes(publication.payload.errors)[:200]!r}")
    return StakeMessage(publication.topic, publication.data)


def data_of(publication: PageFrame | Next) -> dict[str, Any]:
    """What `on_message` gets: the page's whole message, or the same shape made of a GraphQL result."""
    if isinstance(publication, PageFrame):
        found: dict[str, Any] = exact(publication.text)
        return found
    return message_of(publication).data

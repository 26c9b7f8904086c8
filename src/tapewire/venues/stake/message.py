"""What a handler or an iteration receives: `StakeMessage`, and the page's plain dict, on either wire."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from ...protocols.graphql_ws import Next
from .protocol import PageFrame

__all__ = ["StakeMessage", "data_of", "exact", "message_of"]


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except ArithmeticError:
        raise ValueError("a number beyond all bounds") from None


_exact = msgspec.json.Decoder(float_hook=_decimal)


def exact(text: bytes | msgspec.Raw) -> Any:
    """JSON, every number with a fraction as an exact Decimal. Raises ValueError or RecursionError for what is none."""
    return _exact.decode(text)


class StakeMessage(msgspec.Struct, frozen=True):
    """One message of a channel. `raw` is its payload as JSON, untouched; decode it as often as you like."""

    channel: str
    raw: msgspec.Raw

    @property
    def payload(self) -> Any:
        """The payload, with every number that has a fraction as an exact Decimal."""
        return exact(self.raw)

    @property
    def data(self) -> dict[str, Any]:
        """As the page's handlers read it: `{"channel": ..., "payload": ...}`, numbers as `json.loads` gives them."""
        return {"channel": self.channel, "payload": msgspec.json.decode(self.raw)}


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
        found: dict[str, Any] = msgspec.json.decode(publication.text)
        return found
    return message_of(publication).data

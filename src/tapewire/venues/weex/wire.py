"""What a frame of either wire is once it is read: a `Frame` (something published), or one of the control messages.

The readers (`wire_v3.py`, `wire_v2.py`) raise `DECODE_ERRORS` for whatever is none of these. Rows stay raw until a
consumer takes them.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final, TypeAlias

import msgspec

from ...payload import Binary, Payload

__all__ = [
    "ACCOUNT_CHANNELS",
    "DECODE_ERRORS",
    "MAX_ORDERED",
    "Answer",
    "Depth",
    "Frame",
    "Greeting",
    "Heard",
    "Ping",
    "Side",
    "text_of",
]

DECODE_ERRORS: Final = (msgspec.MsgspecError, ValueError, TypeError, RecursionError)

ACCOUNT_CHANNELS: Final = ("account", "orders", "fill", "positions")
"""The private channels; their topics are these words on both wires."""

Side: TypeAlias = list[tuple[Decimal, Decimal]]
"""One side of a book: price and size of each level."""

NOTHING: Final = msgspec.Raw(b"[]")

MAX_ORDERED: Final = 15
"""Digits of a number that a double tells apart from every other of as many."""


class Depth(msgspec.Struct, gc=False):
    """The levels of both sides of a frame: `told` as they are read, the others what orders them.

    Those are doubles, which are searched and compared in a third of the time; where a number has more than
    `MAX_ORDERED` digits (`is_wide`), they are what is told. `is_checked`: decoding them has seen to it that they are
    positive, and no more than a book holds.
    """

    bids: list[tuple[Any, Any]]
    offers: list[tuple[Any, Any]]
    told: tuple[list[tuple[Any, Any]], list[tuple[Any, Any]]]
    is_wide: bool = False
    is_checked: bool = False

    @classmethod
    def of(cls, bids: Side, offers: Side) -> Depth:
        """Of exact numbers."""
        told = bids, offers
        if any(
            len(number.as_tuple().digits) > MAX_ORDERED for side in told for level in side for number in level
        ):
            return cls(bids, offers, told, is_wide=True)
        return cls(_each(float, bids), _each(float, offers), told)

    def widened(self) -> Depth:
        """The same, ordered by what is told."""
        bids, offers = self.told
        told = _each(Decimal, bids), _each(Decimal, offers)
        return Depth(*told, told, is_wide=True)


def _each(number: type[Any], side: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    return [(number(price), number(size)) for price, size in side]


class Frame(msgspec.Struct, gc=False):
    """One publication. `channel` is ticker, trade, depth, kline or one of the private ones.

    `first` and `last` number a depth frame (the wire's U and u), `version` a private one. `rows`, `bids` and `asks` are
    raw; `raw` is the whole frame as it came.
    """

    topic: str
    channel: str
    symbol: str
    is_snapshot: bool
    venue_time_ms: int | None
    raw: bytes
    rows: msgspec.Raw = NOTHING
    bids: msgspec.Raw = NOTHING
    asks: msgspec.Raw = NOTHING
    first: int | None = None
    last: int | None = None
    version: int | None = None
    reason: str = ""
    received_at_ns: int = 0


class Greeting(msgspec.Struct, frozen=True):
    """The connection is usable."""


class Ping(msgspec.Struct, frozen=True):
    """Answer it; `time` is the venue's own word, to be repeated where the wire wants it."""

    time: str


class Answer(msgspec.Struct, frozen=True):
    """The answer to the request `id`, or (on a wire without ids) about `topics`."""

    ok: bool
    id: int | None = None
    topics: tuple[str, ...] = ()
    text: str = ""


Heard: TypeAlias = Frame | Greeting | Ping | Answer


def text_of(payload: Payload) -> bytes:
    """The text of one message as bytes. Raises ValueError for a binary one: this venue sends none."""
    if isinstance(payload, Binary):
        raise ValueError("a binary message")
    return payload.encode() if isinstance(payload, str) else payload

"""Order books, pure: one side, a whole book, the numbers of a stream, and a book of single orders.

Only a book whose state is "live" may be traded on; every call that feeds one returns a verdict to act on.
"""

from __future__ import annotations

from .book import BookState, DepthSnapshot, OrderBook
from .orders import RestingOrder, RestingOrderBook
from .sequence import (
    CHAINED,
    CONSECUTIVE,
    UNNUMBERED,
    VERSIONED,
    Applied,
    Held,
    Ignored,
    Numbering,
    Resync,
    Sequencer,
    Verdict,
)
from .side import BookSide, Number

__all__ = [
    "CHAINED",
    "CONSECUTIVE",
    "UNNUMBERED",
    "VERSIONED",
    "Applied",
    "BookSide",
    "BookState",
    "DepthSnapshot",
    "Held",
    "Ignored",
    "Number",
    "Numbering",
    "OrderBook",
    "RestingOrder",
    "RestingOrderBook",
    "Resync",
    "Sequencer",
    "Verdict",
]

"""One market: the same verbs for every venue, and continuity that can be asked.

`tapewire.connect(name)` gives a `Venue`. Knows the nouns (`model`), marks, books and streams; no venue and no session.
What a venue has to bring is in `venues/kit/market.py`.
"""

from .capabilities import VERBS, Capability, Verb
from .continuity import Continuity, Proof
from .feed import Feed, WatchOptions
from .reconcile import BalanceMemory, FillMemory, OrderMemory, PositionMemory
from .venue import Venue
from .view import BookView, Levels

__all__ = [
    "VERBS",
    "BalanceMemory",
    "BookView",
    "Capability",
    "Continuity",
    "Feed",
    "FillMemory",
    "Levels",
    "OrderMemory",
    "PositionMemory",
    "Proof",
    "Venue",
    "Verb",
    "WatchOptions",
]

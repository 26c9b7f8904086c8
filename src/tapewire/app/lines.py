"""What commands say as JSON lines, for pipes: of a feed one shape, live (`watch`, `book`) and from a tape (`replay`).

```
{"at_ns", "venue", "instrument_id", "kind", "event", "state", "data"}
```

`at_ns`: when it was taken, in nanoseconds since the epoch, of a replay by the tape's clock; `kind`: the feed's;
`event`: the noun (`book`, `trade`, `ticker`, `order`, `fill`, `position`, `balance`) or the mark (`gap`, `reconnected`,
`resynced`, `lagged`, `continuity`); `state`: what the feed was worth when the line was written; `data`: the fields of
the noun or mark. Numbers that are exact are texts. What the venue sent (`raw`) and snapshots are not repeated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from ..market import BookView, Feed
from ..marks import ContinuityChanged
from .wanted import KIND_OF

if TYPE_CHECKING:
    from .watching import Listed

__all__ = ["event_of", "line_of", "listing_of"]

_LEFT_OUT: Final = ("raw", "snapshot", "venue", "instrument_id", "type")


def line_of(feed: Feed[Any], item: Any, at_ns: int, depth: int | None = None) -> bytes:
    """The line of what came of a feed, with its end. `depth`: levels of a book's side."""
    told = {
        "at_ns": at_ns,
        "venue": feed.venue,
        "instrument_id": getattr(item, "instrument_id", None) or feed.instrument_id,
        "kind": KIND_OF[feed.verb],
        "event": event_of(item),
        "state": feed.continuity.state,
        "data": _book(item, depth) if isinstance(item, BookView) else _plain(item),
    }
    return msgspec.json.encode(told) + b"\n"


def listing_of(listed: Listed) -> bytes:
    """The line of a market of a venue's list, with its end: `{"venue", "market", "instruments"}`.

    Each instrument has the `target` that other commands take, and the fields of the noun, as `data` has them elsewhere.
    """
    instruments = [
        {"target": f"{each.venue}:{each.instrument_id}", "instrument_id": each.instrument_id, **_plain(each)}
        for each in listed.instruments
    ]
    market = None if listed.market is None else _plain(listed.market)
    told = {"venue": listed.venue, "market": market, "instruments": instruments}
    return msgspec.json.encode(told) + b"\n"


def _book(view: BookView, depth: int | None) -> dict[str, Any]:
    return {
        "bids": view.bids(depth),
        "offers": view.offers(depth),
        "mid": view.mid,
        "spread": view.spread,
        "last": view.last,
        "venue_time_ns": view.venue_time_ns,
        "received_at_ns": view.received_at_ns,
    }


def _plain(item: Any) -> dict[str, Any]:
    names = (name for name in item.__struct_fields__ if name not in _LEFT_OUT)
    return {name: getattr(item, name) for name in names}


def event_of(item: Any) -> str:
    """What a thing that is heard is called: the noun, or the mark."""
    if isinstance(item, BookView):
        return "book"
    if isinstance(item, ContinuityChanged):
        return "continuity"
    return type(item).__name__.lower()

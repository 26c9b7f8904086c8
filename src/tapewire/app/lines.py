"""What feeds say as JSON lines, for pipes: one object a line, with the same outer fields whatever it is.

```
{"at_ns", "venue", "instrument_id", "kind", "event", "state", "data"}
```

`at_ns`: when it was taken, in nanoseconds since the epoch; `kind`: the feed's; `event`: the noun (`book`, `trade`,
`ticker`, `order`, `fill`, `position`, `balance`) or the mark (`gap`, `reconnected`, `resynced`, `lagged`,
`continuity`); `state`: what the feed was worth when the line was written; `data`: the fields of the noun or mark.
Numbers that are exact are texts. What the venue sent (`raw`) and snapshots are not repeated.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from ..market import BookView
from ..marks import ContinuityChanged
from .view import Track

__all__ = ["book_of", "line_of", "plain_of"]

_LEFT_OUT: Final = ("raw", "snapshot", "venue", "instrument_id", "type")


def line_of(track: Track, item: Any, at_ns: int, depth: int | None = None) -> bytes:
    """The line, with its end. `depth`: levels of a book's side."""
    feed = track.feed
    told = {
        "at_ns": at_ns,
        "venue": feed.venue,
        "instrument_id": getattr(item, "instrument_id", None) or feed.instrument_id,
        "kind": track.kind,
        "event": _event(item),
        "state": feed.continuity.state,
        "data": book_of(item, depth) if isinstance(item, BookView) else plain_of(item),
    }
    return msgspec.json.encode(told) + b"\n"


def book_of(view: BookView, depth: int | None = None) -> dict[str, Any]:
    """The book as it stands now."""
    return {
        "bids": view.bids(depth),
        "offers": view.offers(depth),
        "mid": view.mid,
        "spread": view.spread,
        "last": view.last,
        "venue_time_ns": view.venue_time_ns,
        "received_at_ns": view.received_at_ns,
    }


def plain_of(item: Any) -> dict[str, Any]:
    """The fields of a noun or a mark."""
    names = (name for name in item.__struct_fields__ if name not in _LEFT_OUT)
    return {name: getattr(item, name) for name in names}


def _event(item: Any) -> str:
    if isinstance(item, BookView):
        return "book"
    if isinstance(item, ContinuityChanged):
        return "continuity"
    return type(item).__name__.lower()

"""What is on tapes as tables, for whoever asks with SQL: `tapewire tape export`.

Frames are read as they stand. Trades, books and marks are what the feeds say that `tapewire record` watched: they are
replayed for it, so that it is the venues' own classes that read the frames, and nothing else here knows how.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, TypeAlias

import msgspec

from ..errors import ConfigurationError, TapeCorrupt
from ..market import BookView, Feed
from ..marks import Gap, Lagged, Reconnected, is_mark
from ..model import Trade
from ..payload import Binary
from ..recording import Table, Tape
from ..recording.format import Kind, decoded
from ..recording.parquet import ParquetFile
from .lines import event_of
from .taping import PlannedReplay
from .wanted import KIND_OF

__all__ = ["TABLES", "Export"]

_OF: Final[dict[str, type]] = {"at_ns": int, "venue": str, "instrument_id": str}
"""What each row of a feed begins with. `at_ns`: when it came, nanoseconds since the epoch by the tape's clock."""

TABLES: Final = (
    Table(
        "frames",
        {
            "at_ns": int,
            "venue": str,
            "recording": str,
            "connection": int,
            "is_ours": bool,
            "is_binary": bool,
            "payload": bytes,
        },
    ),
    Table(
        "trades",
        {
            **_OF,
            "trade_id": str,
            "price": Decimal,
            "size": Decimal,
            "taker_side": str,
            "venue_time_ns": int,
        },
    ),
    Table(
        "book_tops",
        {
            **_OF,
            "book": int,
            "is_live": bool,
            "bid": Decimal,
            "bid_size": Decimal,
            "offer": Decimal,
            "offer_size": Decimal,
            "last": str,
            "venue_time_ns": int,
        },
    ),
    Table("book_deltas", {**_OF, "book": int, "side": str, "price": Decimal, "size": Decimal}),
    Table(
        "marks",
        {
            **_OF,
            "kind": str,
            "mark": str,
            "state": str,
            "reason": str,
            "since_ns": int,
            "until_ns": int,
            "missed": int,
            "detail": str,
        },
    ),
    Table("refused", {**_OF, "table_name": str, "why": str, "row": str}),
)
"""The files. A delta is a level that a book has otherwise than its state before, `book` the number of the state."""

Advance: TypeAlias = Callable[[int], None]
"""Told how far it is: the time of a record or of what was heard, on the clock of whoever asked."""

ADVANCE_RECORDS: Final = 10_000
"""How often whoever waits is told how far it is."""


class _Book:
    """The levels that a feed's book had when it was looked at last."""

    def __init__(self) -> None:
        self.number = 0
        self._sides: dict[str, dict[Decimal, Decimal]] = {"bid": {}, "offer": {}}

    def look(self, view: BookView) -> list[tuple[str, Decimal, Decimal]]:
        """Side, price and size of the levels that changed since; a size of 0 is one that is gone."""
        self.number += 1
        changed = []
        for side, levels in (("bid", view.bids()), ("offer", view.offers())):
            before, now = self._sides[side], dict(levels)
            changed += [(side, price, size) for price, size in now.items() if before.get(price) != size]
            changed += [(side, price, Decimal(0)) for price in before if price not in now]
            self._sides[side] = now
        return changed


class Export:
    """Parquet files of `TABLES` in `folder`. Give it frames and feeds, then `close` it, or `abandon` it.

    `refused`: rows that are in no table for a number does not fit; they stand in `refused.parquet`, with the reason.
    Raises MissingExtra; FileExistsError where a file is there already; OSError where the disk refuses.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._files: dict[str, ParquetFile] = {}
        self._books: dict[tuple[str, str | None], _Book] = {}
        try:
            for table in TABLES:
                self._files[table.name] = ParquetFile(folder, table)
        except BaseException:
            self.abandon()
            raise

    @property
    def counts(self) -> dict[str, int]:
        """Rows, file by file."""
        return {str(file.path): file.rows for file in self._files.values()}

    @property
    def refused(self) -> int:
        """Rows that are in no other table."""
        return self._files["refused"].rows

    def add_frames(
        self, tape: Tape, advance: Advance, on_corrupt: Callable[[TapeCorrupt], None] | None = None
    ) -> None:
        """Every message that came and went, as it stands on the tape. Raises TapeCorrupt without `on_corrupt`."""
        add, venue, recording = self._files["frames"].add, tape.head.venue, tape.head.recording
        for number, record in enumerate(tape.read(on_corrupt=on_corrupt)):
            if not number % ADVANCE_RECORDS:
                advance(record.at_ns)
            if record.kind not in (Kind.READ, Kind.SENT):
                continue
            where = (tape.wall_ns(record.at_ns), venue, recording, record.connection)
            for payload in decoded(record.data):
                raw = payload.encode() if isinstance(payload, str) else bytes(payload)
                add((*where, record.kind == Kind.SENT, isinstance(payload, Binary), raw))

    def add_feeds(self, planned: PlannedReplay, advance: Advance) -> None:
        """What the feeds of a recording say, replayed. Raises what `PlannedReplay.run` raises."""
        clock = planned.replay.clock

        def tell(feed: Feed[Any], item: Any, row: dict[str, Any]) -> None:
            at_ns = clock.time_ns()
            advance(at_ns)
            self.take(feed, item, at_ns)

        planned.run(tell)

    def close(self) -> None:
        """Write what waits, and give the files their names."""
        for file in self._files.values():
            file.close()

    def abandon(self) -> None:
        """Leave no file."""
        for file in self._files.values():
            file.abandon()

    # --- inside -----------------------------------------------------------------------------------------------------

    def take(self, feed: Feed[Any], item: Any, at_ns: int) -> None:
        of = (at_ns, feed.venue, getattr(item, "instrument_id", None) or feed.instrument_id)
        if is_mark(item):
            self._add("marks", (*of, KIND_OF[feed.verb], event_of(item), *_mark_facts(feed, item)))
        elif isinstance(item, Trade):
            facts = (item.trade_id, item.price, item.size, item.taker_side, item.venue_time_ns)
            self._add("trades", (*of, *facts))
        elif isinstance(item, BookView):
            book = self._books.setdefault(of[1:], _Book())
            changed = book.look(item)
            bid, offer = item.best_bid or (None, None), item.best_offer or (None, None)
            last = None if item.last is None else str(item.last)
            self._add("book_tops", (*of, book.number, item.is_live, *bid, *offer, last, item.venue_time_ns))
            for level in changed:
                self._add("book_deltas", (*of, book.number, *level))

    def _add(self, name: str, row: Sequence[Any]) -> None:
        file = self._files[name]
        try:
            file.add(row)
        except ConfigurationError as error:
            told = dict(zip(file.table.columns, row, strict=True))
            why = f"{name}.{error}"
            self._files["refused"].add((*row[:3], name, why, msgspec.json.encode(told).decode()))


def _mark_facts(feed: Feed[Any], mark: Any) -> tuple[Any, ...]:
    """State, reason, since, until, missed and detail, where a mark has them."""
    state = str(getattr(mark, "state", feed.continuity.state))
    missed = mark.dropped if isinstance(mark, Lagged) else getattr(mark, "missed", None)
    since, until = (mark.since_ns, mark.until_ns) if isinstance(mark, Gap | Reconnected) else (None, None)
    return state, getattr(mark, "reason", ""), since, until or None, missed, getattr(mark, "detail", "")

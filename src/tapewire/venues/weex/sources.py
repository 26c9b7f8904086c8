"""What the market's feeds are made of: frames in, nouns of the model out, each once.

Rules: a book is looked at where `BookFeed` keeps it, proven, inside the read; nothing of it is copied before somebody
asks. A frame is translated when it is taken; a row that cannot be is a gap in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from ...book import BookSide
from ...market.continuity import ContinuityInput
from ...marks import ContinuityState, Mark, Subscribed
from ...model import InvalidField, Level
from ...session.consumer import Consumer, Items
from ...session.consumer import Feed as Feeding
from ..kit.feeds import Port
from .books import BookFeed
from .message import NewTrades, rows_of
from .profile import Profile
from .translate import to_ticker, to_trade
from .unread import Levels
from .wire import Frame

__all__ = ["BookWatch", "RowReader", "TickerRows", "TradeRows"]

T = TypeVar("T")


# --- books ----------------------------------------------------------------------------------------------------------


class BookWatch(Feeding):
    """What feeds the port of a book, and its levels: those of the `BookFeed` that keeps it."""

    def __init__(self, make_feed: Callable[[], BookFeed]) -> None:
        self._make_feed = make_feed
        self._feed: BookFeed | None = None
        self._port: Port | None = None

    def begin(self, port: Port) -> None:
        """Watch from now on."""
        self._port, self._feed = port, self._make_feed()
        port.consumer.add(self)
        assert port.source.quiet is not None
        port.silent_before = self._feed.silent_seconds
        self._feed.watch(self, port.source.quiet)

    # It is the levels of a view.

    def bids(self, depth: int | None = None) -> Sequence[Level]:
        """The best `depth` bids, or all."""
        return () if self._feed is None else _best(self._feed.book.bids, depth)

    def offers(self, depth: int | None = None) -> Sequence[Level]:
        """The best `depth` offers, or all."""
        return () if self._feed is None else _best(self._feed.book.offers, depth)

    @property
    def last(self) -> int | None:
        """The venue's number of this state, None while it is not proven."""
        return None if self._feed is None else self._feed.book.last

    @property
    def venue_time_ns(self) -> int | None:
        """The venue's clock at the last change."""
        venue_time_ms = None if self._feed is None else self._feed.venue_time_ms
        return None if venue_time_ms is None else venue_time_ms * 1_000_000

    @property
    def received_at_ns(self) -> int:
        """This machine's clock at the last change."""
        return 0 if self._feed is None else self._feed.received_at_ns

    # It is a viewer of the book.

    def changed(self) -> None:
        """The book is another one, and proven."""
        assert self._port is not None
        self._port.changed(is_right=True)

    def mark(self, mark: Mark) -> None:
        """It takes its place, and says what the feed is worth."""
        assert self._port is not None
        self._port.mark(mark)
        if isinstance(mark, Subscribed) and self._port.continuity.state is ContinuityState.GAP:
            # It was broken when the line was lost; the gap was told then.
            self._port.handle(ContinuityInput.REBUILDING, "the book of a new connection is awaited")

    def end(self, error: BaseException) -> None:
        """Nothing more comes."""
        assert self._port is not None
        self._port.consumer.end(error)

    def reaches(self, last: int) -> bool:
        """True if it is as new as the state of that number, or says itself that it is not proven."""
        return self.last is None or self.last >= last

    # It is what feeds the port.

    async def confirmed(self) -> None:
        """Wait until the venue serves it."""
        if self._feed is not None:
            await self._feed.confirmed()

    def unsubscribe(self) -> None:
        """Watch it no more."""
        if self._feed is not None and self._port is not None:
            self._feed.unwatch(self)
            self._port.consumer.part(self)

    def resync(self) -> None:
        """Have it built anew."""
        if self._feed is not None:
            self._feed.resync(self)


def _best(side: BookSide[Any], depth: int | None) -> Sequence[Level]:
    return Levels(side.top(len(side) if depth is None else depth))


# --- rows -----------------------------------------------------------------------------------------------------------


class RowReader:
    """What reads the frames of one feed. `serve` says which, before anything is taken."""

    _consumer: Consumer[Any]

    def __init__(self, profile: Profile, instrument_id: str | None = None) -> None:
        self._profile = profile
        self._instrument_id = instrument_id

    def serve(self, port: Port) -> None:
        """It reads for that feed."""
        self._consumer = port.consumer

    def items(self, rows: Sequence[T], translate: Callable[[T, int], Any]) -> Any:
        """What rows are, one by one; `translate` is given the place of each, and gives None for one that is no news."""
        items = Items()
        for place, row in enumerate(rows):
            try:
                item = translate(row, place)
            except InvalidField as error:
                self._consumer.spoiled(error)
            else:
                if item is not None:
                    items.append(item)
        return items[0] if len(items) == 1 and not self._consumer.made else items

    def wanted(self, frame: Frame) -> list[dict[str, Any]]:
        """The rows of a frame, but for those of other instruments."""
        rows = rows_of(frame, self._profile, self._consumer.spoiled)
        wanted = self._instrument_id
        return rows if wanted is None else [row for row in rows if row.get("symbol", wanted) == wanted]


class TradeRows(RowReader):
    """Public trades, each once. Those of before the subscription are not told, those that a gap hid are."""

    def __init__(self, profile: Profile) -> None:
        super().__init__(profile)
        self._new = NewTrades(profile)

    def decode(self, frame: Frame) -> Any:
        """The trades of one frame."""
        at_ns = frame.received_at_ns
        rows = self._new(frame, self._consumer.spoiled)
        if len(rows) == 1 and not self._consumer.made:  # nearly always
            return to_trade(rows[0], at_ns)
        return self.items(rows, lambda row, place: to_trade(row, at_ns, place))


class TickerRows(RowReader):
    """Tickers."""

    def decode(self, frame: Frame) -> Any:
        """The ticker of one frame."""
        at_ns, venue_time_ms = frame.received_at_ns, frame.venue_time_ms
        rows = rows_of(frame, self._profile, self._consumer.spoiled)
        if len(rows) == 1 and not self._consumer.made:  # nearly always
            return to_ticker(rows[0], at_ns, venue_time_ms)
        return self.items(rows, lambda row, _: to_ticker(row, at_ns, venue_time_ms))

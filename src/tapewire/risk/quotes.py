"""The data that orders are decided on: of each instrument the book, and every feed that the strategy was given.

An order is as good as the worst of them: a strategy that quotes on a ticker which fell silent does not pass because the
book beside it is live.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from weakref import WeakSet

from ..errors import TapewireError
from ..market.feed import Feed
from ..market.venue import Venue
from ..market.view import BookView
from ..marks import ContinuityState
from ..trading import Quoted

__all__ = ["Quotes"]


class Quotes:
    """Over a venue that is connected. `patience`: seconds for the first book of an instrument."""

    def __init__(
        self, venue: Venue, patience: float, on_trouble: Callable[[BaseException, Any], Any]
    ) -> None:
        self._venue = venue
        self._patience = patience
        self._on_trouble = on_trouble
        self._books: dict[str, Feed[BookView]] = {}
        self._views: dict[str, BookView] = {}
        self._given: defaultdict[str, WeakSet[Feed[Any]]] = defaultdict(WeakSet)

    def remember(self, feed: Feed[Any]) -> None:
        """The strategy decides by it."""
        if feed.instrument_id is not None:
            self._given[feed.instrument_id].add(feed)

    async def quoted(self, instrument_id: str) -> Quoted:
        """What an order of it is decided on, now. The first time this waits for its book."""
        feed = self._books.get(instrument_id)
        if feed is None or feed.continuity.state is ContinuityState.ENDED:
            feed = self._follow(instrument_id)
        if instrument_id not in self._views:
            try:
                await feed.wait_live(self._patience)
                await asyncio.sleep(0)  # its first view is handed over behind that
            except (TimeoutError, TapewireError) as error:
                return Quoted(bid=None, offer=None, is_live=False, received_at_ns=0, reason=str(error))
        return self._as_it_stands(instrument_id, feed)

    def price(self, instrument_id: str) -> Decimal | None:
        """What the instrument is worth: the middle of a live book, or the side that it has. None where nobody knows."""
        view = self._views.get(instrument_id)
        if view is None or not view.is_live:
            return None
        bid, offer = view.best_bid, view.best_offer
        if bid is None or offer is None:
            only = bid or offer
            return None if only is None else only[0]
        return view.mid

    async def close(self) -> None:
        """Leave the books."""
        for feed in self._books.values():
            await feed.aclose()
        self._books.clear()
        self._views.clear()

    def _follow(self, instrument_id: str) -> Feed[BookView]:
        def keep(view: BookView) -> None:
            self._views[instrument_id] = view

        self._views.pop(instrument_id, None)
        feed = self._venue.watch_order_book(instrument_id, depth=1, handler=keep, on_error=self._on_trouble)
        self._books[instrument_id] = feed
        return feed

    def _as_it_stands(self, instrument_id: str, book: Feed[BookView]) -> Quoted:
        view = self._views.get(instrument_id)
        if view is None:
            return Quoted(
                bid=None, offer=None, is_live=False, received_at_ns=0, reason="its book has not come"
            )
        bid, offer = view.best_bid, view.best_offer
        worst = self._not_live(instrument_id, book)
        return Quoted(
            bid=None if bid is None else bid[0],
            offer=None if offer is None else offer[0],
            is_live=worst is None,
            received_at_ns=view.received_at_ns,
            reason=""
            if worst is None
            else f"{worst.verb}: {worst.continuity.reason or worst.continuity.state}",
        )

    def _not_live(self, instrument_id: str, book: Feed[BookView]) -> Feed[Any] | None:
        """One that the decision rests on and that is not live. What the strategy has left does not count."""
        for feed in (book, *self._given[instrument_id]):
            if feed.continuity.state is ContinuityState.ENDED and feed is not book:
                continue
            if not feed.continuity.is_live:
                return feed
        return None

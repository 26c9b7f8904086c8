"""One watched book: what seeds it, what changes it, what is said against it.

One feeds it, in a consumer's task or inside the read: the publications and marks of its channel, in order. Beside that
only `told` is called, by whoever follows the market's status; it changes no level.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final, Protocol

import msgspec

from ...book import Resync, Verdict
from ...errors import TapewireError, UndecodableFrame
from ...marks import Errored, Gap, Lagged, Mark, Reconnected, Resynced, Subscribing, Unsubscribed
from ...protocols.centrifugo import Publication, SeenIds
from ...session.subscription import Subscription
from .book import MarketBook
from .errors import SXBetRequestError, UnauthorizedError, UnknownMarket
from .history_overlap import Seed
from .levels import LevelBook
from .market_status import closure_of, is_over
from .wire import MarketRow, OrderRow, Rows, read_rows
from .wire_v3 import BookV3Row, plain_book

__all__ = ["LevelsWatched", "OrdersWatched", "Sought", "Watched", "message_id"]

logger = logging.getLogger("tapewire.venues.sxbet")

SEEN: Final = 1_000


class Sought(msgspec.Struct, frozen=True):
    """What a book needs beside its stream, from the line that there is when it is asked for.

    `snapshot` of a market by its hash, in its own kind of rows; `market`: its status, None where the venue knows none;
    `overlap`: what its channel said shortly before, as the function given reads it (`overlap.HistoryOverlap.of`).
    """

    snapshot: Callable[[str], Awaitable[Any]]
    market: Callable[[str], Awaitable[MarketRow | None]]
    overlap: Callable[[Subscription | None, Callable[[Publication], Any]], Awaitable[list[Any]]]


class Watched(Protocol):
    """A book and what changes it. `subscription` is set as soon as there is one, before anything is fetched."""

    book: Any
    subscription: Subscription | None = None
    error: TapewireError | None = None
    """Why there is no such book."""
    is_over: bool = False
    """True once the market has ended: nothing more changes it."""
    is_proven: bool = False
    """True once there has been a snapshot."""
    sought: Sought

    def attach(self, subscription: Subscription) -> None:
        """This is what feeds it."""
        self.subscription = subscription
        self.book.fed_by(self._doubt)

    def _doubt(self) -> str:
        subscription = self.subscription
        if subscription is None or subscription.state != "subscribed":
            return "the channel is not subscribed now"
        # The session goes on asking for one, and holds what comes each time: also from a book that healed meanwhile.
        is_held_back = not subscription.seeded and self.book.levels.state == "live"
        return "its snapshot could not be had" if is_held_back else ""

    def told(self, row: MarketRow) -> None:
        """The market's status: the book is not tradable at once; the snapshot that is asked for wakes the consumer.

        Nor is it before that is there when the market opens: what comes meanwhile is held.
        """
        self.is_over = self.is_over or is_over(row)
        if self.book.close_market(closure_of(row)) and self.subscription is not None:
            self.book.suspend("its market has opened, and it is seeded anew")
            self.subscription.resync()

    async def fetch(self) -> Seed:
        """The snapshot, and behind it what the stream said shortly before: HTTP may lag.

        Where there is no such market, `error` says so, for the session takes a failure here for a passing one.
        """
        if self.is_over:
            return Seed(None, [])
        try:
            snapshot = await self.sought.snapshot(self.book.market_hash)
        except (SXBetRequestError, UnauthorizedError) as error:
            if self.is_proven:
                raise
            self.error = error
            if not isinstance(error, UnauthorizedError) and await self._is_unknown():
                self.error = UnknownMarket(self.book.market_hash)
            return Seed(None, [])
        if not self.is_proven or self.is_bare(snapshot):
            await self._look_up(needed=self.is_bare(snapshot))
        if self.error is not None or self.is_over:
            return Seed(None, [])
        return Seed(snapshot, await self.sought.overlap(self.subscription, self._read_whole))

    def take_mark(self, mark: Mark) -> bool:
        """What the stream says about itself; False where the book is as before."""
        match mark:
            case Resynced():
                self._seed(mark.snapshot)
            case Gap():
                self._invalidate(f"{mark.reason}: {mark.detail}" if mark.detail else mark.reason)
            case Lagged():
                self._invalidate("the local buffer overflowed")
            case Reconnected():
                self.book.resume(mark.recovered)
            case Subscribing() if self.is_proven:
                return bool(self.book.suspend(mark.reason or "the channel is asked for again"))
            case Errored() if self.is_proven and not self.book.is_tradable:
                return bool(self.book.suspend(f"the channel is asked for again: {mark.reason}"))
            case Unsubscribed():
                self.book.suspend(f"unsubscribed: {mark.reason}")
            case _:
                return False
        return True

    def take(self, publication: Publication) -> bool:
        """One publication; False where the book needs a snapshot again."""
        self.book.advance()
        try:
            verdict = self.apply(self.read(publication), message_id(publication))
        except UndecodableFrame as error:
            self.book.invalidate(f"an update that cannot be read: {error.detail}")
            return False
        return not isinstance(verdict, Resync)

    def _seed(self, seed: Seed) -> None:
        self.book.resume()
        if seed.snapshot is None:
            return  # there is no such book, or none any more
        self.is_proven = True
        self.book.seed(seed.snapshot)
        for rows in seed.updates:
            self.apply(rows, None)

    def _invalidate(self, reason: str) -> None:
        self.book.resume()
        self.book.invalidate(reason)

    async def _look_up(self, *, needed: bool) -> None:
        """Ask for the market's status. `needed`: without it nobody knows what an empty snapshot means."""
        market_hash = self.book.market_hash
        try:
            row = await self.sought.market(market_hash)
        except TapewireError as error:
            if needed and not isinstance(error, SXBetRequestError | UnauthorizedError):
                raise
            logger.warning("market %s could not be looked up: %s", market_hash, error)
            return
        if row is None:
            if needed:  # what has orders is a market, whatever the look-up says
                self.error = UnknownMarket(market_hash)
            return
        self.is_over = self.is_over or is_over(row)
        self.book.close_market(closure_of(row))

    async def _is_unknown(self) -> bool:
        with suppress(TapewireError):
            return await self.sought.market(self.book.market_hash) is None
        return False

    def _read_whole(self, publication: Publication) -> Rows[Any]:
        rows = self.read(publication)
        if rows.unreadable:
            raise UndecodableFrame(rows.fault, bytes(publication.data))
        return rows

    # Each kind of book has its own:

    def is_bare(self, snapshot: Any) -> bool: ...
    def read(self, publication: Publication) -> Rows[Any]: ...
    def apply(self, rows: Rows[Any], message_id: str | None) -> Verdict: ...


class OrdersWatched(Watched):
    """A book of single orders: seeded with a market's orders, changed by updates."""

    def __init__(self, market_hash: str, decimals: int, sought: Sought) -> None:
        self.book = MarketBook(market_hash, decimals=decimals, seen=SeenIds(SEEN))
        self.sought = sought

    def is_bare(self, snapshot: tuple[OrderRow, ...]) -> bool:
        return not snapshot

    def read(self, publication: Publication) -> Rows[OrderRow]:
        return read_rows(publication.data, OrderRow)

    def apply(self, rows: Rows[OrderRow], message_id: str | None) -> Verdict:
        return self.book.apply(rows, message_id)


class LevelsWatched(Watched):
    """A book that comes whole each time, with a version that only grows: what was lost heals with the next."""

    def __init__(self, market_hash: str, decimals: int, sought: Sought) -> None:
        self.book = LevelBook(market_hash, decimals=decimals)
        self.sought = sought

    def take(self, publication: Publication) -> bool:
        told = plain_book(publication.data)
        if told is None or not self.book.renew(told):
            return super().take(publication)
        self.book.advance()
        return True

    def is_bare(self, snapshot: BookV3Row) -> bool:
        return not snapshot.outcome_one and not snapshot.outcome_two

    def read(self, publication: Publication) -> Rows[BookV3Row]:
        rows = read_rows(publication.data, BookV3Row)
        ours = tuple(row for row in rows.rows if row.market_hash == self.book.market_hash)
        return Rows(ours, rows.unreadable or not ours, rows.fault or "no book of this market")

    def apply(self, rows: Rows[BookV3Row], message_id: str | None) -> Verdict:
        if rows.unreadable:
            self.book.invalidate(f"a book that cannot be read: {rows.fault}"[:200])
            return Resync(rows.fault)
        verdicts = [self.book.apply(row) for row in rows.rows]
        return verdicts[-1]


def message_id(publication: Publication) -> str | None:
    """The id that the venue gives a message; None where it gave none."""
    return publication.tags.get("messageId") if publication.tags else None

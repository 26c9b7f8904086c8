"""Whether the markets of watched books are open: each is looked up once, and the channel of all markets tells changes.

A snapshot of orders does not tell a market that nobody quotes from one that has ended, or that never was. One
subscription serves all books of a client. It steps aside for whoever asks for that channel with flags of their own,
and then shares theirs. Where it cannot be had, endings are told when a book is seeded the next time, and the log says
so.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from ...errors import ConfigurationError, TapewireError, UndecodableFrame
from ...marks import Gap, Lagged, is_mark
from ...protocols.centrifugo import Publication, SubscribeParams
from .seeding import MarketBatcher
from .symbols import channel_for
from .wire import MarketRow, read_rows

if TYPE_CHECKING:
    from ...session.pool import Pool
    from ...session.subscription import Subscription
    from .api import AsyncSXBet
    from .profile import Profile

__all__ = ["MarketStatusFeed", "closure_of", "is_over"]

logger = logging.getLogger("tapewire.venues.sxbet")

FIND_MARKETS: Final = 30
"""Markets of one look-up (NOTES.md)."""

CAPACITY: Final = 5_000


def is_over(row: MarketRow) -> bool:
    """True for a market with a result: it does not open again."""
    return row.outcome is not None or row.reported_date is not None


def closure_of(row: MarketRow) -> str:
    """Why a market is not open; empty where it is."""
    if is_over(row):
        result = {0: "void", 1: row.outcome_one_name, 2: row.outcome_two_name}.get(row.outcome or 0)
        return f"the market has ended: {result or f'outcome {row.outcome}'}"
    return "" if row.status == "ACTIVE" else f"the market is suspended ({row.status[:40]})"


class MarketStatusFeed:
    """Follows markets by their hashes. `told` of each gets every row that says something of that market."""

    def __init__(self, pool: Pool, http: AsyncSXBet, profile: Profile) -> None:
        self.lookups: MarketBatcher[MarketRow] = MarketBatcher(self._find, max_batch=FIND_MARKETS)
        self.channel: str = channel_for("markets", profile=profile)
        self._pool = pool
        self._http = http
        self._followers: dict[str, list[Callable[[MarketRow], None]]] = {}
        self._subscription: Subscription | None = None
        self._task: asyncio.Task[None] | None = None

    async def row_of(self, market_hash: str) -> MarketRow | None:
        """The market as it is now, None where the venue knows none. Raises what the request raises."""
        rows = await self.lookups.rows_of(market_hash)
        return rows[0] if rows else None

    def follow(self, market_hash: str, told: Callable[[MarketRow], None]) -> None:
        """Tell `told` of changes from now on, until `leave`."""
        self._followers.setdefault(market_hash, []).append(told)
        self._join()

    def leave(self, market_hash: str, told: Callable[[MarketRow], None]) -> None:
        """Tell it no more; with the last one the channel is left."""
        followers = self._followers.get(market_hash, [])
        with suppress(ValueError):
            followers.remove(told)
        if not followers:
            self._followers.pop(market_hash, None)
        if not self._followers:
            self._part()

    @contextmanager
    def stepping_aside(self) -> Iterator[None]:
        """While somebody asks for its channel with flags of their own, which this one takes over."""
        parted = self._part()
        try:
            yield
        finally:
            if parted:
                self._join()

    async def aclose(self) -> None:
        """Stop looking up and listening. Idempotent."""
        self._followers.clear()
        self._part()
        await self.lookups.aclose()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    # --- inside -----------------------------------------------------------------------------------------------------

    async def _find(self, market_hashes: Sequence[str]) -> dict[str, tuple[MarketRow, ...]]:
        rows = await self._http.markets(market_hashes)
        return {row.market_hash: (row,) for row in rows}

    def _join(self) -> None:
        if self._subscription is not None:
            return
        params = SubscribeParams(positioned=True, recoverable=True)
        try:
            try:
                self._subscription = self._pool.subscribe(self.channel, params, capacity=CAPACITY)
            except ConfigurationError:  # somebody has it, with other flags
                self._subscription = self._pool.subscribe(self.channel, capacity=CAPACITY)
        except TapewireError as error:
            self._unheard(error)
            return
        self._task = asyncio.get_running_loop().create_task(
            self._listen(self._subscription), name="tapewire sxbet market status"
        )

    def _part(self) -> bool:
        """Leave the channel; False where it was not joined."""
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            subscription.unsubscribe()
        return subscription is not None

    async def _listen(self, subscription: Subscription) -> None:
        try:
            await subscription.confirmed()  # a refusal is raised here, and then ends nobody else's waiting
            await self._look_up_all()  # what changed between the first look-ups and now
            async for item in subscription:
                whole = not isinstance(item, Gap | Lagged) if is_mark(item) else self._hear(item)
                if not whole:
                    await self._look_up_all()
            reason: object = "the session ended"
        except TapewireError as error:
            reason = error
        if self._subscription is subscription:  # else it was left
            self._subscription = None  # the next book that is watched asks for it again
            self._unheard(reason)

    def _hear(self, publication: Publication) -> bool:
        """Tell of all rows that can be read; False where some cannot."""
        try:
            rows = read_rows(publication.data, MarketRow)
        except UndecodableFrame:
            return False
        for row in rows.rows:
            self._tell(row)
        return not rows.unreadable

    async def _look_up_all(self) -> None:
        found = await asyncio.gather(*map(self.row_of, tuple(self._followers)), return_exceptions=True)
        for row in found:
            if isinstance(row, MarketRow):
                self._tell(row)
            elif isinstance(row, TapewireError):
                logger.info("a market was not looked up: %s", row)

    def _tell(self, row: MarketRow) -> None:
        for told in tuple(self._followers.get(row.market_hash, ())):
            told(row)

    def _unheard(self, reason: object) -> None:
        logger.warning(
            "%s: that a market ends is told when its book is seeded next: %s", self.channel, reason
        )

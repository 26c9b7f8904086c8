"""What feeds the verbs of one market: its book, which is changed inside the read, its prints, its best odds.

Prints and best odds of all markets come in one channel. What is of other markets is passed over inside the read, before
it takes anybody's place in a buffer; what is ours is translated when it is taken.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ...clock import Clock
from ...errors import TapewireError
from ...market.continuity import ContinuityInput
from ...marks import ContinuityState, Gap, Mark, Reconnected, Resynced
from ...model import InvalidField, Level, Ticker, Trade
from ...protocols.centrifugo import Publication
from ...session.subscription import Subscription
from ..kit.intake import Intake
from ..kit.market import Fed, Items, Port
from .book import MarketBook
from .errors import UnknownMarket
from .history_overlap import Seed
from .levels import LevelBook, contract_side
from .market_status import closure_of, is_over
from .symbols import OutcomeNumber, channel_for
from .translate import PlainPrints, to_ticker, to_ticker_v3, to_trade, to_trade_v3
from .watched import Watched
from .wire import (
    BestOddsRow,
    MarketRow,
    PlainOdds,
    PlainTrade,
    Rows,
    TradeRow,
    plain_odds,
    plain_trade,
    read_rows,
)
from .wire_v3 import BestOddsMarketRow, BestOddsV3Row, OddsRow, TradeV3Row

if TYPE_CHECKING:
    from .socket import SXBetClient

__all__ = [
    "MOST_REMEMBERED",
    "BestOdds",
    "BookFeed",
    "OneMarketFeed",
    "OutcomeLevels",
    "Prints",
    "Reader",
    "RowFeed",
]

MOST_REMEMBERED: Final = 10_000
"""Ids of one feed that are remembered at least, so that each is told once."""


class OutcomeLevels:
    """A market's book as the one of an outcome: probabilities and contracts. It is `tapewire.market.Levels`."""

    def __init__(self, book: MarketBook | LevelBook, outcome: OutcomeNumber) -> None:
        self.received_at_ns: int = 0
        self._book = book
        self._outcome: OutcomeNumber = outcome

    def bids(self, depth: int | None = None) -> Sequence[Level]:
        """Makers who back the outcome."""
        levels = self._book.levels
        return self._side(levels.bids if self._outcome == 1 else levels.offers, depth)

    def offers(self, depth: int | None = None) -> Sequence[Level]:
        """Makers who back the other one."""
        levels = self._book.levels
        return self._side(levels.offers if self._outcome == 1 else levels.bids, depth)

    @property
    def last(self) -> int | None:
        """The version, where the books of this generation have one."""
        return self._book.levels.last

    @property
    def venue_time_ns(self) -> int | None:
        """The venue's clock at the last change, where it tells it."""
        updated_at = self._book.updated_at
        return None if updated_at is None else updated_at * 1_000_000

    def _side(self, side: Any, depth: int | None) -> Sequence[Level]:
        return contract_side(side, outcome=self._outcome, depth=depth, decimals=self._book.decimals)


class InsideFeed(Fed):
    """Feeds a port from one channel, whose publications it looks at inside the read."""

    def __init__(self, client: SXBetClient, port: Port, clock: Clock) -> None:
        self.port = port
        self.clock = clock
        self._client = client
        self._intake = Intake(
            port.consumer.name,
            self.take,
            self.take_mark,
            on_failed=self._failed,
            on_ended=self.ended,
            clock=clock,
        )
        self._subscription: Subscription[Any] | None = None

    def begin(self, channel: str, snapshot: Callable[[], Awaitable[Any]] | None = None) -> None:
        """Ask for the channel."""
        fields = {} if snapshot is None else {"snapshot": snapshot}
        self._subscription = self._client.feed(channel, self._intake, **fields)

    async def confirmed(self) -> None:
        """Wait until the venue serves it."""
        await self._intake.confirmed()

    def unsubscribe(self) -> None:
        """Leave it."""
        self._intake.end()

    def resync(self) -> None:
        """Ask for the state anew."""
        if self._subscription is not None:
            self._subscription.resync()

    # --- inside the read --------------------------------------------------------------------------------------------

    def take(self, publication: Publication) -> None:
        """A publication."""
        raise NotImplementedError  # pragma: no cover - of each kind

    def take_mark(self, mark: Mark) -> None:
        """A mark: it is the feed's own."""
        self.port.mark(mark)

    def ended(self) -> None:
        """The channel has ended, or was left."""
        self.port.consumer.part(self, self._intake.error)

    def spoil(self, detail: str) -> None:
        """Something of ours came and cannot be read: it may have been anything."""
        now_ns = self.clock.time_ns()
        self.port.mark(
            Gap(reason="undecodable", since_ns=now_ns, until_ns=now_ns, missed=1, detail=detail[:200])
        )
        if self.port.source.is_state:
            self.resync()

    def _failed(self, error: Exception) -> None:
        self.spoil(f"{type(error).__name__}: {error}")


class BookFeed(InsideFeed):
    """Feeds a port with the book of one market, until that has ended.

    `unknown`: makes the error for an instrument of no market.
    """

    def __init__(
        self,
        client: SXBetClient,
        port: Port,
        clock: Clock,
        watched: Watched,
        levels: OutcomeLevels,
        unknown: Callable[[], Awaitable[TapewireError]],
    ) -> None:
        super().__init__(client, port, clock)
        self._watched = watched
        self._levels = levels
        self._unknown = unknown
        self._status = client.market_status

    def begin_book(self) -> BookFeed:
        """Ask for the book, and whether its market is open."""
        market_hash = self._watched.book.market_hash
        self.begin(channel_for("order_book", market_hash, self._client.profile), self._fetch)
        assert self._subscription is not None
        self._watched.attach(self._subscription)
        self._status.follow(market_hash, self._told)
        return self

    async def _fetch(self) -> Seed:
        seed = await self._watched.fetch()
        if isinstance(self._watched.error, UnknownMarket):
            self._watched.error = await self._unknown()
        return seed

    def take(self, publication: Publication) -> None:
        self._levels.received_at_ns = self.clock.time_ns()
        if self._watched.take(publication):
            self._say()
        else:
            self.spoil(self._watched.book.reason)

    def take_mark(self, mark: Mark) -> None:
        if isinstance(mark, Resynced):
            self._levels.received_at_ns = self.clock.time_ns()
        self._watched.take_mark(mark)
        self.port.mark(mark)
        if isinstance(mark, Resynced | Reconnected):
            self._say()

    def ended(self) -> None:
        self._status.leave(self._watched.book.market_hash, self._told)
        self._watched.book.suspend("it is not watched any more")
        super().ended()

    def _told(self, row: Any) -> None:
        """The market's status, of another channel."""
        self._watched.told(row)
        if self._watched.book.closure:
            self.port.handle(ContinuityInput.LOST, self._watched.book.closure)

    def _say(self) -> None:
        """How the book stands now."""
        watched, book = self._watched, self._watched.book
        if watched.error is not None or watched.is_over:
            if watched.error is not None:
                self.port.consumer.end(watched.error)
            else:
                self.port.consumer.put(self.port.view)
                self.port.finish(book.closure or "the market has ended")
        elif book.is_tradable:
            self.port.changed(is_right=True, is_crossed=book.levels.is_crossed)
        elif book.closure:
            self.port.handle(ContinuityInput.LOST, book.closure)
            self.port.consumer.put(self.port.view)
        else:
            self.port.changed(is_right=False, reason=book.reason)


class RowFeed(InsideFeed):
    """Feeds a port with those publications of a channel that speak of `needle`, undecoded."""

    def __init__(self, client: SXBetClient, port: Port, clock: Clock, needle: str) -> None:
        super().__init__(client, port, clock)
        self._needle = needle.lower().encode()
        self._last: Publication | None = None  # of whatever market
        self._began_s = clock.time_ns() // 10**9

    def take(self, publication: Publication) -> None:
        self._last = publication
        if self._needle in bytes(publication.data) or self.is_ours(publication):
            self.port.consumer.put(publication)
        else:
            self.port.heard()

    def is_ours(self, publication: Publication) -> bool:
        """True unless it surely says nothing of ours: what is escaped cannot be found, and is looked at."""
        written = bytes(publication.data)
        return self._needle in written or b"\\" in written or self._needle in written.lower()

    async def has_last_trade(self) -> bool:
        """True if the venue has no trade later than the last of this channel (the earlier generation's)."""
        since_s = self._began_s
        if self._last is not None:
            told = read_rows(self._last.data, TradeRow).rows
            since_s = max([since_s, *(row.bet_time for row in told if isinstance(row.bet_time, int))])
        async for row in self._client.http.trades(start_date=since_s + 1):
            if row.trade_status != "FAILED":
                return False
        return True


class OneMarketFeed(RowFeed):
    """Feeds a port with what a channel says of one market, until that has ended."""

    def __init__(self, client: SXBetClient, port: Port, clock: Clock, market_hash: str) -> None:
        super().__init__(client, port, clock, market_hash)
        self._market_hash = market_hash
        self._ending = ""

    def begin(self, channel: str, snapshot: Callable[[], Awaitable[Any]] | None = None) -> None:
        super().begin(channel, snapshot)
        self._client.market_status.follow(self._market_hash, self.told)

    def take_mark(self, mark: Mark) -> None:
        super().take_mark(mark)
        if self._ending:  # what is replayed comes behind the mark, and within the read
            asyncio.get_running_loop().call_soon(self._end_if_whole)

    def ended(self) -> None:
        self._client.market_status.leave(self._market_hash, self.told)
        super().ended()

    def told(self, row: MarketRow) -> None:
        """The market's status, of another channel, or as it was looked up."""
        if is_over(row):
            self._ending = closure_of(row)
            self._end_if_whole()

    def _end_if_whole(self) -> None:
        """What was missed meanwhile is told before."""
        if self.port.continuity.state in (ContinuityState.LIVE, ContinuityState.SYNCING):
            self.port.finish(self._ending)


class Told:
    """Ids that were told: the last `MOST_REMEMBERED`, and no more than twice as many."""

    def __init__(self) -> None:
        self._ids: set[str] = set()
        self._earlier: set[str] = set()

    def add(self, identity: str) -> bool:
        """True if it is new."""
        ids = self._ids
        if identity in ids or identity in self._earlier:
            return False
        ids.add(identity)
        if len(ids) >= MOST_REMEMBERED:  # to drop all at once costs half of forgetting the oldest each time
            self._ids, self._earlier = set(), ids
        return True


class Reader:
    """What the sources of rows do alike: rows of a publication into items, each that cannot be read into a hole."""

    port: Port | None = None

    def items(self, rows: Rows[Any], make: Callable[[Any], Any], clock: Clock) -> Any:
        """What `make` makes of each row, without what it makes None of: the one that it is, or `Items`."""
        made, faults = Items(), [rows.fault] * rows.unreadable
        for row in rows.rows:
            try:
                item = make(row)
            except InvalidField as error:
                faults.append(str(error))
            else:
                if item is not None:
                    made.append(item)
        if not faults:
            return made[0] if len(made) == 1 else made  # which costs a queue
        assert self.port is not None
        now_ns = clock.time_ns()
        gap = Gap(
            reason="undecodable", since_ns=now_ns, until_ns=now_ns, missed=len(faults), detail=faults[0][:200]
        )
        return Items([*self.port.hole(gap, f"a row cannot be read: {faults[0]}"[:200], len(faults)), *made])


class Prints(Reader):
    """Trades of one market as prints of an outcome, each once: a fill is told by both of its sides, and again later."""

    def __init__(self, client: SXBetClient, market_hash: str, outcome: OutcomeNumber, clock: Clock) -> None:
        self._client = client
        self._market_hash = market_hash
        self._outcome: OutcomeNumber = outcome
        self._clock = clock
        self._decimals = client.http.endpoints.network.usdc.decimals
        self._is_later = client.profile.book == "levels"
        self._plain = PlainPrints(outcome, self._decimals)
        self._told = Told()
        self._feed: OneMarketFeed | None = None

    def feed(self, port: Port) -> OneMarketFeed:
        """Ask for the channel of all trades."""
        self.port = port
        self._feed = feed = OneMarketFeed(self._client, port, self._clock, self._market_hash)
        feed.begin(channel_for("trades", profile=self._client.profile))
        return feed

    async def is_current(self) -> bool:
        """True if the venue has no later trade, of any market, than was heard of."""
        return self._feed is None or await self._feed.has_last_trade()

    def decode(self, publication: Publication, received_at_ns: int) -> Any:
        """The prints of a publication that were not told yet."""
        rows: Rows[Any]
        if self._is_later:
            rows = read_rows(publication.data, TradeV3Row, "trade")
        else:
            row = plain_trade(publication.data)  # nearly always it is one
            if row is not None and (row.market_hash != self._market_hash or _is_told_elsewhere(row)):
                return _NO_ITEMS
            trade = None if row is None else self._plain.make(row, received_at_ns)
            if trade is not None:
                return trade if self._told.add(trade.trade_id) else _NO_ITEMS
            rows = read_rows(publication.data, TradeRow)
        return self.items(rows, partial(self._print, received_at_ns=received_at_ns), self._clock)

    def _print(self, row: TradeRow | TradeV3Row, received_at_ns: int) -> Trade | None:
        if row.market_hash != self._market_hash:
            return None
        if isinstance(row, TradeV3Row):
            trade: Trade | None = to_trade_v3(row, received_at_ns, self._decimals, outcome=self._outcome)
        elif _is_told_elsewhere(row):
            return None
        else:
            trade = to_trade(row, received_at_ns, self._decimals, outcome=self._outcome)
        return trade if trade is not None and self._told.add(trade.trade_id) else None


_NO_ITEMS: Final = Items()


def _is_told_elsewhere(row: TradeRow | PlainTrade) -> bool:
    """By the taker's row, or a settled one when it was placed; one that failed is none."""
    return row.maker or row.settled or row.trade_status == "FAILED"


_Quote: TypeAlias = BestOddsRow | PlainOdds | OddsRow | None
_Best: TypeAlias = tuple[_Quote, _Quote, BestOddsRow | PlainOdds] | BestOddsV3Row


def _read(quote: _Quote) -> BestOddsRow | OddsRow | None:
    """With its numbers."""
    return quote.row() if isinstance(quote, PlainOdds) else quote


class BestOdds:
    """The best odds of one market as the ticker of an outcome. What is put is known of both: the last of it counts."""

    def __init__(self, client: SXBetClient, market_hash: str, outcome: OutcomeNumber, clock: Clock) -> None:
        self._client = client
        self._market_hash = market_hash
        self._outcome: OutcomeNumber = outcome
        self._clock = clock
        usdc = client.http.endpoints.network.usdc
        self._decimals, self._token = usdc.decimals, usdc.address.lower()
        self._is_later = client.profile.book == "levels"
        self._quotes: list[_Quote] = [None, None]
        self._levels: BestOddsV3Row | None = None

    def feed(self, port: Port) -> BestOddsFeed:
        """Ask for the channel of all best odds."""
        feed = BestOddsFeed(self._client, port, self._clock, self._market_hash, self)
        feed.begin(channel_for("best_odds", profile=self._client.profile), self.look_up)
        return feed

    async def look_up(self) -> BestOddsMarketRow | BestOddsV3Row | None:
        """Over HTTP, None where the venue says nothing of the market."""
        http, market = self._client.http, [self._market_hash]
        found: Sequence[Any] = await (
            http.best_odds_v3(market) if self._is_later else http.best_odds(market_hashes=market)
        )
        return next((row for row in found if row.market_hash == self._market_hash), None)

    def replace(self, found: BestOddsMarketRow | BestOddsV3Row | None) -> None:
        """What was looked up counts from here on."""
        self._quotes = [None, None]
        self._levels = found if isinstance(found, BestOddsV3Row) else None
        if isinstance(found, BestOddsMarketRow):
            self._quotes = [found.outcome_one, found.outcome_two]

    async def is_current(self) -> bool:
        """True if the venue says the same over HTTP as was told last."""
        found = await self.look_up()
        if self._is_later:
            return found == self._levels
        ones = () if found is None else (found.outcome_one, found.outcome_two)
        said = [None if one is None else one.percentage_odds or None for one in ones]
        return (said or [None, None]) == [
            None if one is None else one.percentage_odds or None for one in map(_read, self._quotes)
        ]

    def hear(self, publication: Publication) -> tuple[_Best | None, str]:
        """What is known of the market behind the last row of it; why a row of the publication cannot be read."""
        fault, known = "", None
        told: Sequence[Any] | None = None if self._is_later else plain_odds(publication.data)
        if told is None:
            rows: Rows[Any] = read_rows(publication.data, BestOddsV3Row if self._is_later else BestOddsRow)
            told, fault = rows.rows, rows.fault
        quotes = self._quotes
        for row in told:
            if row.market_hash != self._market_hash:
                continue
            if self._is_later:
                self._levels = known = row
                continue
            place = 0 if row.is_maker_betting_outcome_one else 1
            if self._is_newer(row, quotes[place]):
                quotes[place] = row
                known = quotes[0], quotes[1], row
        return known, fault

    def decode(self, known: _Best, received_at_ns: int) -> Ticker:
        """The ticker."""
        if isinstance(known, BestOddsV3Row):
            return to_ticker_v3(known, received_at_ns, self._decimals, outcome=self._outcome)
        one, two = map(_read, known[:2])
        raw: Any = one if known[2] is known[0] else two
        return to_ticker(self._market_hash, one, two, received_at_ns, outcome=self._outcome, raw=raw)

    def decode_snapshot(self, found: BestOddsMarketRow | BestOddsV3Row | None) -> list[Ticker]:
        """The ticker of what was looked up."""
        now_ns = self._clock.time_ns()
        if isinstance(found, BestOddsV3Row):
            return [self.decode(found, now_ns)]
        one, two = (None, None) if found is None else (found.outcome_one, found.outcome_two)
        return [to_ticker(self._market_hash, one, two, now_ns, outcome=self._outcome, raw=found)]

    def _is_newer(self, row: BestOddsRow | PlainOdds, known: _Quote) -> bool:
        token = row.base_token
        if token and token != self._token and token.lower() != self._token:
            return False
        if known is None:
            return True
        at, before = row.updated_at, known.updated_at
        if at.__class__ is not int or before.__class__ is not int:  # perhaps they are written as text
            at, before = (None if each is None else each.updated_at for each in map(_read, (row, known)))
        return not (isinstance(at, int) and isinstance(before, int) and at < before)


class BestOddsFeed(OneMarketFeed):
    """Feeds a port with what is known of a market's best odds, behind each change."""

    def __init__(
        self, client: SXBetClient, port: Port, clock: Clock, market_hash: str, odds: BestOdds
    ) -> None:
        super().__init__(client, port, clock, market_hash)
        self._odds = odds

    def take(self, publication: Publication) -> None:
        if not self.is_ours(publication):
            self.port.heard()
            return
        best, fault = self._odds.hear(publication)
        if fault:
            self.spoil(fault)
        if best is not None:
            self.port.consumer.put(best)

    def take_mark(self, mark: Mark) -> None:
        if isinstance(mark, Resynced):
            self._odds.replace(mark.snapshot)
        super().take_mark(mark)

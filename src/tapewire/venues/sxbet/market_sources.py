"""What feeds the market's verbs: a book that is changed inside the read, prints, best odds, own orders and fills.

Prints and best odds of all markets come in one channel. What is of other markets is passed over inside the read, before
it takes anybody's place in a buffer; what is ours is translated when it is taken.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec

from ...clock import Clock
from ...errors import TapewireError
from ...market.continuity import ContinuityInput
from ...market.reconcile import FillMemory, OrderMemory
from ...marks import Gap, Mark, Reconnected, Resynced
from ...model import Fill, InvalidField, Level, Order, OrderStatus, Ticker, Trade
from ...protocols.centrifugo import Publication, SeenIds
from ...session.subscription import Subscription
from ..kit.errors import AnswerFault
from ..kit.intake import Intake
from ..kit.market import Fed, Items, Port
from .book import MarketBook
from .errors import SXBetAnswerError, UnknownMarket
from .history_overlap import Seed
from .levels import LevelBook, contract_side
from .symbols import OutcomeNumber, channel_for
from .translate import (
    contract_units,
    nominal,
    order_state,
    to_fill,
    to_order,
    to_ticker,
    to_ticker_v3,
    to_trade,
    to_trade_v3,
    trade_key,
    trade_key_v3,
)
from .watched import Watched, message_id
from .wire import BestOddsRow, OrderRow, Rows, TradeRow, read_rows
from .wire_v3 import BestOddsMarketRow, BestOddsV3Row, OddsRow, TradeV3Row

if TYPE_CHECKING:
    from .socket import SXBetClient

__all__ = ["BestOdds", "BookFeed", "OutcomeLevels", "OwnFills", "OwnOrders", "Prints"]

logger = logging.getLogger("tapewire.venues.sxbet")

MOST_REMEMBERED: Final = 10_000
"""Prints of one market that are remembered, so as to be told once."""

FULL: Final = 100_000
"""An order counts as filled though this part of it is missing: the venue rounds (NOTES.md)."""

_MAY_RETURN: Final[frozenset[OrderStatus]] = frozenset({"canceled"})
"""An order is canceled too while its maker's balance is too small, and comes back under its hash (NOTES.md)."""

LATE_SECONDS: Final = 600
"""How long the chain may take to confirm a bet: a look-up begins so much earlier."""


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
            if watched.error is None:
                self.port.consumer.put(self.port.view)
            self.port.consumer.end(watched.error)
        elif book.closure:
            self.port.handle(ContinuityInput.LOST, book.closure)
            self.port.consumer.put(self.port.view)
        elif book.is_tradable:
            self.port.changed(is_right=True, is_crossed=book.levels.is_crossed)
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
        if self.is_ours(publication):
            self.port.consumer.put(publication)
        else:
            self.port.heard()

    def is_ours(self, publication: Publication) -> bool:
        """True unless it surely says nothing of ours: what is escaped cannot be found, and is looked at."""
        written = bytes(publication.data)
        return self._needle in written.lower() or b"\\" in written

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


class Told:
    """Ids that were told, a bounded number of them."""

    def __init__(self) -> None:
        self._ids: OrderedDict[str, None] = OrderedDict()

    def add(self, identity: str) -> bool:
        """True if it is new."""
        if identity in self._ids:
            return False
        self._ids[identity] = None
        if len(self._ids) > MOST_REMEMBERED:
            self._ids.popitem(last=False)
        return True


class Reader:
    """What the sources of rows do alike: rows of a publication into items, each that cannot be read into a hole."""

    port: Port | None = None

    def items(self, rows: Rows[Any], make: Callable[[Any], Any], clock: Clock) -> Items:
        """What `make` makes of each row, without what it makes None of."""
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
            return made
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
        self._told = Told()
        self._feed: RowFeed | None = None

    def feed(self, port: Port) -> RowFeed:
        """Ask for the channel of all trades."""
        self.port = port
        self._feed = feed = RowFeed(self._client, port, self._clock, self._market_hash)
        feed.begin(channel_for("trades", profile=self._client.profile))
        return feed

    async def is_current(self) -> bool:
        """True if the venue has no later trade, of any market, than was heard of."""
        return self._feed is None or await self._feed.has_last_trade()

    def decode(self, publication: Publication, received_at_ns: int) -> Items:
        """The prints of a publication that were not told yet."""
        rows: Rows[Any]
        if self._is_later:
            rows = read_rows(publication.data, TradeV3Row, "trade")
        else:
            rows = read_rows(publication.data, TradeRow)
        return self.items(rows, lambda row: self._print(row, received_at_ns), self._clock)

    def _print(self, row: TradeRow | TradeV3Row, received_at_ns: int) -> Trade | None:
        if row.market_hash != self._market_hash:
            return None
        if isinstance(row, TradeV3Row):
            trade: Trade | None = to_trade_v3(row, received_at_ns, self._decimals, outcome=self._outcome)
            key = trade_key_v3(row)
        elif row.maker or row.settled:  # the taker's row tells it; a settled one was told when it was placed
            return None
        else:
            trade = to_trade(row, received_at_ns, self._decimals, outcome=self._outcome)
            key = trade_key(row)
        return trade if trade is not None and self._told.add(key) else None


_Quote: TypeAlias = BestOddsRow | OddsRow | None
_Best: TypeAlias = tuple[_Quote, _Quote, BestOddsRow | BestOddsMarketRow] | BestOddsV3Row


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
            None if one is None else one.percentage_odds or None for one in self._quotes
        ]

    def hear(self, publication: Publication) -> tuple[list[_Best], Rows[Any]]:
        """What is known of the market behind each row of it, and all rows of the publication."""
        rows: Rows[Any] = read_rows(publication.data, BestOddsV3Row if self._is_later else BestOddsRow)
        known: list[_Best] = []
        for row in rows.rows:
            if row.market_hash != self._market_hash:
                continue
            if isinstance(row, BestOddsV3Row):
                self._levels = row
                known.append(row)
            elif self._is_newer(row):
                self._quotes[0 if row.is_maker_betting_outcome_one else 1] = row
                known.append((self._quotes[0], self._quotes[1], row))
        return known, rows

    def decode(self, known: _Best, received_at_ns: int) -> Ticker:
        """The ticker."""
        if isinstance(known, BestOddsV3Row):
            return to_ticker_v3(known, received_at_ns, self._decimals, outcome=self._outcome)
        one, two, raw = known
        return to_ticker(self._market_hash, one, two, received_at_ns, outcome=self._outcome, raw=raw)

    def decode_snapshot(self, found: BestOddsMarketRow | BestOddsV3Row | None) -> list[Ticker]:
        """The ticker of what was looked up."""
        now_ns = self._clock.time_ns()
        if isinstance(found, BestOddsV3Row):
            return [self.decode(found, now_ns)]
        one, two = (None, None) if found is None else (found.outcome_one, found.outcome_two)
        return [to_ticker(self._market_hash, one, two, now_ns, outcome=self._outcome, raw=found)]

    def _is_newer(self, row: BestOddsRow) -> bool:
        if row.base_token and row.base_token.lower() != self._token:
            return False
        known = self._quotes[0 if row.is_maker_betting_outcome_one else 1]
        return not (
            known is not None
            and isinstance(row.updated_at, int)
            and isinstance(known.updated_at, int)
            and row.updated_at < known.updated_at
        )


class BestOddsFeed(RowFeed):
    """Feeds a port with what is known of a market's best odds, behind each change."""

    def __init__(self, client: SXBetClient, port: Port, clock: Clock, needle: str, odds: BestOdds) -> None:
        super().__init__(client, port, clock, needle)
        self._odds = odds

    def take(self, publication: Publication) -> None:
        if not self.is_ours(publication):
            self.port.heard()
            return
        known, rows = self._odds.hear(publication)
        if rows.unreadable:
            self.spoil(rows.fault)
        for best in known:
            self.port.consumer.put(best)

    def take_mark(self, mark: Mark) -> None:
        if isinstance(mark, Resynced):
            self._odds.replace(mark.snapshot)
        super().take_mark(mark)


class OwnOrders(Reader):
    """The orders of one maker: as the channel tells them, and after each gap as they are listed.

    An order that is listed no more is looked for among the trades: what was filled of it says how it ended.
    """

    def __init__(self, client: SXBetClient, maker: str, instrument_id: str | None, clock: Clock) -> None:
        self._client = client
        self._maker = maker
        self._instrument_id = instrument_id
        self._clock = clock
        self._decimals = client.http.endpoints.network.usdc.decimals
        self._is_later = client.profile.book == "levels"
        self._memory = OrderMemory(may_return=_MAY_RETURN)
        self._seen = SeenIds(MOST_REMEMBERED)
        self._updated_at: OrderedDict[str, int] = OrderedDict()
        self._subscription: Subscription[Any] | None = None

    def feed(self, port: Port) -> Subscription[Any]:
        """Ask for the maker's channel."""
        self.port = port
        channel = channel_for("own_orders", self._maker, self._client.profile)
        fields: dict[str, Any] = {} if self._is_later else {"snapshot": self._look_up}
        self._subscription = self._client.feed(channel, port.consumer, **fields)
        return self._subscription

    def decode(self, publication: Publication, received_at_ns: int) -> Items:
        """The orders of a publication, as far as they are news."""
        if not self._seen.add(message_id(publication)):
            return Items()
        rows = read_rows(publication.data, OrderRow, "order" if self._is_later else "")
        return self.items(_in_time(rows), lambda row: self._news(row, received_at_ns), self._clock)

    async def decode_snapshot(self, seed: Seed) -> list[Order]:
        """What the list of open orders, and what the channel said shortly before, say that was not told."""
        now_ns = self._clock.time_ns()
        before = {order.venue_order_id: order for order in self._memory.open}
        listed = [order for row in seed.snapshot if self._is_ours(order := self._order(row, now_ns))]
        news, lost = self._memory.reconcile(listed, now_ns, self._instrument_id)
        for rows in seed.updates:
            news += filter(None, (self._news(row, now_ns) for row in _in_time(rows).rows))
        for order in lost:
            if order in self._memory.unknown:  # else it was heard of since
                fate = await self._fate_of(before[order.venue_order_id], now_ns)
                news.append(order if fate is None else self._memory.hear(fate) or order)
        told: dict[str | None, Order] = before
        changed: list[Order] = []
        for order in news:
            if _state(told.get(order.venue_order_id)) != _state(order):
                told[order.venue_order_id] = order
                changed.append(order)
        return changed

    async def is_current(self) -> bool:
        """True if the venue lists what was told last, or that is still to be taken."""
        rows = await open_orders_of(self._client, self._maker)
        if self.port is None or self.port.consumer.buffer:
            return True
        now_ns = self._clock.time_ns()
        listed = {
            order.venue_order_id: order.filled_size
            for row in rows
            if self._is_ours(order := self._order(row, now_ns))
        }
        known = {order.venue_order_id: order.filled_size for order in self._memory.open}
        return all(known.get(each) == filled for each, filled in listed.items())

    async def _look_up(self) -> Seed:
        rows = await open_orders_of(self._client, self._maker)
        return Seed(rows, await self._client.history_overlap.of(self._subscription, _whole_orders))

    def _order(self, row: OrderRow, now_ns: int) -> Order:
        return to_order(row, now_ns, self._decimals)

    def _is_ours(self, order: Order) -> bool:
        return self._instrument_id in (None, order.instrument_id)

    def _news(self, row: OrderRow, now_ns: int) -> Order | None:
        order = self._order(row, now_ns)
        if not self._is_ours(order) or not self._is_in_time(row):
            return None
        return self._memory.hear(order)

    def _is_in_time(self, row: OrderRow) -> bool:
        """False for what was true before what was told already."""
        if not isinstance(row.update_time, int):
            return True
        if row.update_time < self._updated_at.get(row.order_hash, 0):
            return False
        self._updated_at[row.order_hash] = row.update_time
        self._updated_at.move_to_end(row.order_hash)
        if len(self._updated_at) > MOST_REMEMBERED:
            self._updated_at.popitem(last=False)
        return True

    async def _fate_of(self, order: Order, now_ns: int) -> Order | None:
        """How an order stands that is not listed any more, None where the venue does not say.

        The same where a fill of it is pending: such a one is not listed, and may be filled yet or come back.
        """
        row = order.raw
        if not isinstance(row, OrderRow):
            return None
        state, filled = order_state(row, self._decimals), 0
        try:
            trades = self._client.http.trades(
                bettor=self._maker, market_hashes=[row.market_hash], maker="true"
            )
            async for trade in trades:
                if (trade.order_hash or trade.fill_order_hash) != row.order_hash:
                    continue
                if trade.trade_status == "PENDING":
                    return order
                if trade.trade_status == "SUCCESS":
                    filled += int(trade.stake)
        except (TapewireError, ValueError) as error:
            logger.warning("order %s: how it ended could not be looked up: %s", row.order_hash, error)
            return None
        filled = max(filled, state.filled)
        return msgspec.structs.replace(
            order,
            status="filled" if (state.total - filled) * FULL <= state.total else "canceled",
            filled_size=nominal(contract_units(filled, state.odds), self._decimals),
            received_at_ns=now_ns,
            is_reconciled=True,
            reason="not listed any more; of its trades",
        )


class OwnFills(Reader):
    """The bets of one account that the chain has confirmed: as all trades are told, and after each gap looked up."""

    def __init__(self, client: SXBetClient, account: str, instrument_id: str | None, clock: Clock) -> None:
        self._client = client
        self._account = account.lower()
        self._address = account
        self._instrument_id = instrument_id
        self._clock = clock
        self._decimals = client.http.endpoints.network.usdc.decimals
        self._memory = FillMemory()
        self._began_s = clock.time_ns() // 10**9
        self._looked_at_s = self._began_s
        self._is_primed = False
        self._feed: RowFeed | None = None

    def feed(self, port: Port) -> RowFeed:
        """Ask for the channel of all trades."""
        self.port = port
        self._feed = feed = RowFeed(self._client, port, self._clock, self._address)
        feed.begin(channel_for("trades", profile=self._client.profile), self._look_up)
        return feed

    async def is_current(self) -> bool:
        """True if the venue has no later trade, of anybody, than was heard of."""
        return self._feed is None or await self._feed.has_last_trade()

    def decode(self, publication: Publication, received_at_ns: int) -> Items:
        """The fills of a publication that were not told yet; one that is settled is of long ago."""
        rows = read_rows(publication.data, TradeRow)
        return self.items(
            rows, lambda row: None if row.settled else self._news(row, received_at_ns), self._clock
        )

    def decode_snapshot(self, rows: Iterable[TradeRow]) -> list[Fill]:
        """What was looked up and was not told; the first time what was filled before this feed began is not its."""
        now_ns = self._clock.time_ns()
        news = self._memory.reconcile(fill for row in rows if (fill := self._fill(row, now_ns)) is not None)
        is_first, self._is_primed = not self._is_primed, True
        began_ns = self._began_s * 10**9
        return [fill for fill in news if not is_first or (fill.venue_time_ns or 0) >= began_ns]

    async def _look_up(self) -> list[TradeRow]:
        since_s, now_s = self._looked_at_s - LATE_SECONDS, self._clock.time_ns() // 10**9
        listing = self._client.http.trades(bettor=self._address, start_date=since_s)
        rows = [row async for row in listing]
        _check_list("GET /trades", rows, listing.unreadable, lambda row: self._fill(row, 0))
        self._looked_at_s = now_s
        return rows

    def _fill(self, row: TradeRow, now_ns: int) -> Fill | None:
        if row.bettor.lower() != self._account:
            return None
        fill = to_fill(row, now_ns, self._decimals)
        return fill if fill is not None and self._instrument_id in (None, fill.instrument_id) else None

    def _news(self, row: TradeRow, now_ns: int) -> Fill | None:
        fill = self._fill(row, now_ns)
        return None if fill is None else self._memory.hear(fill)


async def open_orders_of(client: SXBetClient, maker: str) -> list[OrderRow]:
    """A maker's open orders over HTTP. Raises SXBetAnswerError where one cannot be read: a list short of it lies."""
    rows = await client.http.orders(maker=maker)
    decimals = client.http.endpoints.network.usdc.decimals
    _check_list("GET /orders", rows, rows.unreadable, lambda row: to_order(row, 0, decimals))
    return list(rows)


def _check_list(
    operation: str, rows: Iterable[Any], unreadable: int, translate: Callable[[Any], Any]
) -> None:
    """Raise SXBetAnswerError unless every row of a list of our own can be translated."""
    try:
        for row in rows:
            translate(row)
    except InvalidField as error:
        fault = AnswerFault(operation, error.argument, error.allowed, repr(error.value)[:80], "")
        raise SXBetAnswerError(fault) from None
    if unreadable:
        fault = AnswerFault(operation, "", "rows that can be read", f"{unreadable} that cannot", "")
        raise SXBetAnswerError(fault)


def _state(order: Order | None) -> Any:
    return None if order is None else (order.status, order.filled_size, order.size)


def _whole_orders(publication: Publication) -> Rows[OrderRow]:
    return read_rows(publication.data, OrderRow)


def _in_time(rows: Rows[OrderRow]) -> Rows[OrderRow]:
    """Updates of one message in the order of their time."""

    def moment(row: OrderRow) -> int:
        return row.update_time if isinstance(row.update_time, int) else 1 << 62

    return msgspec.structs.replace(rows, rows=tuple(sorted(rows.rows, key=moment)))

"""What the played SX Bet publishes of what happened: which payloads on which channels, in which order. Pure.

What was pending is confirmed first, then the new events are told, in one message for each channel concerned. Order
updates of a market go to its own and its event's channel alike. Every payload says something that no other of its
channel says: `updateTime` and `updatedAt` grow for each order and each outcome, `version` for each book, a score's
minute for each event.
"""

from __future__ import annotations

import random
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from ...core.events import BookChanged, Event, MarketClosed, MarketCreated, OrderChanged, Settled
from ...core.exchange import Exchange, Market
from ...core.matching import Side
from .bets import Bet, Tape, bets_in
from .orders import MakerOrders
from .units import address_of, derived_hash, odds_of, side_levels
from .words import (
    OUTCOMES,
    best_levels,
    best_odds_row,
    fixture_record,
    live_score,
    market_record,
    parlay_request,
    refund_record,
)

__all__ = ["Message", "Published", "SxBetMessages"]

MAX_REMEMBERED = 5000
"""Markets and events of which versions and scores are remembered."""

SCORE_EVERY = 10
PARLAY_EVERY = 25
"""Calls between two live scores, and between two requests for a parlay."""

VERSION_DIGITS = 23


class Message(msgspec.Struct, frozen=True):
    """One message, and the channels that carry it."""

    channels: tuple[str, ...]
    payload: Any


class Published:
    """What was published last, as far as the next message goes on from it: versions, best odds, scores."""

    def __init__(self, seed: str) -> None:
        self._chance = random.Random(f"news-{seed}")  # the name decides what is drawn
        self._versions: OrderedDict[str, int] = OrderedDict()
        self._best: OrderedDict[tuple[str, Side], tuple[int | None, int]] = OrderedDict()
        self._scores: OrderedDict[str, tuple[int, int, int]] = OrderedDict()
        self._calls = 0

    def whole_book(self, market: Market) -> dict[str, Any]:
        """The later generation's book, with the version that it has now."""
        return {
            "marketHash": market.market_id,
            "eventId": market.facts["event_id"],
            "version": self._version(market),
            "outcomeOne": side_levels(market, "buy"),
            "outcomeTwo": side_levels(market, "sell"),
        }

    def best_levels(self, market: Market) -> dict[str, Any]:
        """The row of `best_odds_v3:global`. The version is ours: without it two rows could say the same."""
        return {**best_levels(market), "version": self._version(market)}

    def next_book(self, market: Market) -> dict[str, Any]:
        """The same, after a change."""
        _remember(self._versions, market.market_id, self._versions.get(market.market_id, 0) + 1)
        return self.whole_book(market)

    def best_odds(self, market: Market, side: Side) -> dict[str, Any]:
        """The best odds of one outcome's makers, and since when."""
        odds, updated_ms = self._best.get((market.market_id, side), (None, 0))
        return {"percentageOdds": None if odds is None else str(odds), "updatedAt": updated_ms}

    def changed_odds(self, market: Market, now_ms: int) -> Iterator[dict[str, Any]]:
        """The rows of `best_odds:global` for the outcomes whose best odds are others than before."""
        for side, price in (("buy", market.book.best_bid), ("sell", market.book.best_offer)):
            odds = None if price is None else odds_of(side, price)  # type: ignore[arg-type]
            key: tuple[str, Side] = (market.market_id, side)  # type: ignore[assignment]
            before, updated_ms = self._best.get(key, (None, 0))
            if odds == before:
                continue
            _remember(self._best, key, (odds, max(now_ms, updated_ms + 1)))
            yield best_odds_row(market, outcome_one=side == "buy", odds=odds, updated_ms=self._best[key][1])

    def by_the_way(self, markets: Sequence[Market]) -> Iterator[Message]:
        """Scores, and requests for parlays: every so often."""
        self._calls += 1
        if not self._calls % SCORE_EVERY and markets:
            words = self._chance.choice(markets).facts
            minute, one, two = self._scores.get(words["event_id"], (0, 0, 0))
            scorer = self._chance.randrange(20)
            score = (minute + 1, one + (scorer == 0), two + (scorer == 1))
            _remember(self._scores, words["event_id"], score)
            yield Message(("fixtures:live_scores",), live_score(words, score[0], score[1:]))
        if not self._calls % PARLAY_EVERY and len(markets) > 1:
            legs = [
                (market.market_id, self._chance.random() < 0.5) for market in self._chance.sample(markets, 2)
            ]
            size = self._chance.choice((None, 10_000_000, 100_000_000))
            parlay = parlay_request(derived_hash("parlay", str(self._calls)), legs, size)
            yield Message(("parlay_markets:global",), parlay)

    def _version(self, market: Market) -> str:
        return f"{self._versions.get(market.market_id, 0):0{VERSION_DIGITS}d}"


class SxBetMessages:
    """The messages of one exchange."""

    def __init__(self, exchange: Exchange, orders: MakerOrders, tape: Tape, published: Published) -> None:
        self._exchange = exchange
        self._orders = orders
        self._tape = tape
        self._published = published

    def of(self, events: Sequence[Event], now_ns: int) -> list[Message]:
        """What is published of `events`, in order."""
        now_ms = now_ns // 1_000_000
        confirmed = self._tape.confirm()
        placed = [self._place(fills) for fills in bets_in(events)]
        return [
            *self._listed(events),
            *self._order_updates(events, now_ms),
            *self._books(events, now_ms),
            *self._bets(confirmed),
            *self._bets(placed),
            *self._public_bets(placed),
            *self._ended(events),
            *self._refunds(events),
            *self._published.by_the_way(list(self._exchange.markets.values())),
        ]

    def _market(self, market_id: str) -> Market:
        market = self._exchange.find_market(market_id)
        assert market is not None
        return market

    def _place(self, fills: Sequence[Any]) -> Bet:
        market = self._market(fills[0][1].fill.market_id)
        return self._tape.place(fills, market.facts["event_id"], dict(market.facts))

    def _listed(self, events: Iterable[Event]) -> Iterator[Message]:
        created = [self._market(event.market_id) for event in events if isinstance(event, MarketCreated)]
        if created:
            yield Message(("markets:global",), [market_record(market) for market in created])
        for market in created:
            words = market.facts
            if int(words["number"]) % 3 == 0:
                yield Message(("fixtures:global",), fixture_record(words, 2))
            if words["line"]:
                line = {
                    "marketHash": market.market_id,
                    "marketType": int(words["type"]),
                    "sportXEventId": words["event_id"],
                }
                yield Message(("main_line:global",), line)

    def _order_updates(self, events: Iterable[Event], now_ms: int) -> Iterator[Message]:
        updates = self._orders.confirm(now_ms)
        for event in events:
            if isinstance(event, OrderChanged):
                market = self._exchange.find_market(event.order.market_id)
                event_id = market.facts["event_id"] if market else ""
                changed = self._orders.changed(event.order, event_id, now_ms)
                updates += [] if changed is None else [changed]
        by_market: dict[tuple[str, str], list[dict[str, Any]]] = {}
        by_maker: dict[str, list[dict[str, Any]]] = {}
        for update in updates:
            row = update.update()
            by_market.setdefault((update.order.market_id, update.event_id), []).append(row)
            by_maker.setdefault(row["maker"], []).append(row)
        for (market_id, event_id), rows in by_market.items():
            yield Message((f"order_book:market_{market_id}", f"order_book:event_{event_id}"), rows)
        for maker, rows in by_maker.items():
            yield Message((f"active_orders:{maker}",), rows)
            for row in rows:
                yield Message((f"account:orders_v3_#{maker}",), {"order": row})

    def _books(self, events: Iterable[Event], now_ms: int) -> Iterator[Message]:
        changed = dict.fromkeys(event.market_id for event in events if isinstance(event, BookChanged))
        markets = [self._market(market_id) for market_id in changed]
        odds = [row for market in markets for row in self._published.changed_odds(market, now_ms)]
        for market in markets:
            book = self._published.next_book(market)
            yield Message(
                (f"orderbook_v3:{market.market_id}", f"orderbook_v3_event:{market.facts['event_id']}"), book
            )
        if odds:
            yield Message(("best_odds:global",), odds)
            moved = dict.fromkeys(row["marketHash"] for row in odds)
            yield Message(
                ("best_odds_v3:global",),
                [self._published.best_levels(self._market(market_id)) for market_id in moved],
            )

    def _bets(self, bets: Iterable[Bet]) -> Iterator[Message]:
        for bet in bets:
            for row in bet.trades():
                yield Message(("recent_trades:global",), row)
            yield Message(("recent_trades_consolidated:global",), bet.consolidated())

    def _public_bets(self, bets: Iterable[Bet]) -> Iterator[Message]:
        for bet in bets:
            yield Message(("recent_trades_v3:global",), {"trade": bet.public()})

    def _ended(self, events: Iterable[Event]) -> Iterator[Message]:
        ended = [event for event in events if isinstance(event, MarketClosed)]
        if ended:
            records = [market_record(self._market(event.market_id)) for event in ended]
            yield Message(("markets:global",), records)
        for event in ended:
            yield from self._bets(self._tape.settle(event.market_id, OUTCOMES[event.outcome]))
            words = self._market(event.market_id).facts
            going_on = (market.facts["event_id"] for market in self._exchange.markets.values())
            if words["event_id"] not in going_on:
                yield Message(("fixtures:global",), fixture_record(words, 3))

    def _refunds(self, events: Iterable[Event]) -> Iterator[Message]:
        for event in events:
            if isinstance(event, Settled) and event.settlement.kind == "voided":
                refund = refund_record(event.account, event.settlement)
                yield Message((f"ce_refunds:{address_of(event.account)}",), [refund])


def _remember(memory: OrderedDict[Any, Any], key: Any, value: Any) -> None:
    memory[key] = value
    memory.move_to_end(key)
    if len(memory) > MAX_REMEMBERED:
        memory.popitem(last=False)

"""What the played STX publishes of what happened: the markets first, one message for each, then the accounts. Pure.

Every message is stamped, so that no two of a topic say the same. What a topic begins with, when it is joined, is here,
too.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ...core.events import (
    BalanceChanged,
    BookChanged,
    Event,
    Filled,
    MarketClosed,
    MarketCreated,
    OrderChanged,
    PositionChanged,
    Settled,
    Traded,
)
from ...core.exchange import Exchange
from ...core.times import Stamps, iso
from ...play import Message
from .credentials import StxUser
from .words import (
    book_side,
    market_fields,
    order_record,
    portfolio_record,
    position_record,
    recent_trades,
    settlement_record,
    trade_record,
    unrealized,
)

__all__ = ["MARKETS", "MARKET_INFO", "StxMessages"]

MARKETS = "markets"
MARKET_INFO = "market_info"

MAX_RULES = 10_000
"""Markets whose rule is remembered, for filters."""

SNAPSHOT_TRADES = 50


class StxMessages:
    """The messages of one exchange. `find_user(uid)` knows the account holders; `rules` has each market's rule."""

    def __init__(self, exchange: Exchange, find_user: Callable[[str], StxUser | None]) -> None:
        self._exchange = exchange
        self._find_user = find_user
        self.rules: OrderedDict[str, str] = OrderedDict()
        self._stamps = Stamps(1_000)
        self._published: OrderedDict[str, int] = OrderedDict()  # when each market was last, in microseconds
        self._profits: dict[str, int] = {}  # as they were published last

    def of(self, events: Sequence[Event], now_ns: int) -> Iterator[Message]:
        """What is published of that, in order."""
        for market_id, (event, content) in self._market_changes(events).items():
            for topic, named in ((MARKETS, event), (MARKET_INFO, "market_update")):
                stamps = {"market_id": market_id, **self._stamp(now_ns)}
                yield Message(topic, named, {market_id: {**content, **stamps}})
            self._published[market_id] = self._stamps.last()
            self._published.move_to_end(market_id)
            if len(self._published) > MAX_RULES:
                self._published.popitem(last=False)
        published: set[str] = set()
        for item in events:
            message = self._account_change(item)
            if message is not None:
                published.add(message.topic)
                yield self._stamped(message, now_ns)
        moved = {event.market_id for event in events if isinstance(event, BookChanged | Traded)}
        yield from self._moved_profits(moved, published, now_ns)

    def user_updated(self, user: StxUser, now_ns: int) -> Message:
        """What is known of a user, on their own topic."""
        content = {**_user_fields(user), "current_login_at": iso(now_ns)}
        return self._stamped(Message(f"user_info:{user.uid}", "user_updated", content), now_ns)

    def snapshot(self, name: str, uid: str) -> tuple[str, Any] | None:
        """Event and payload of what a topic begins with; None where it begins with nothing."""
        account = self._exchange.accounts.get(uid)
        if account is None:  # an admin may watch whom nobody knows
            return None
        orders = list(account.open_orders.values())
        if name == "active_orders":
            return "all_orders", {"orders": [order_record(order) for order in orders]}
        if name == "active_trades":
            latest = list(account.fills)[-SNAPSHOT_TRADES:]
            return "all_trades", {"trades": [trade_record(fill) for fill in reversed(latest)]}
        if name == "active_positions":
            records = [
                position_record(position, self._exchange.find_market(position.market_id), orders)
                for position in account.positions.values()
            ]
            return "all_positions", {"positions": records}
        if name == "portfolio":
            return "summary", portfolio_record(account, self._profit_of(uid))
        user = self._find_user(uid)
        return ("user_updated", _user_fields(user)) if name == "user_info" and user else None

    def published_us(self, market_id: str) -> int | None:
        """When that of a market was published that it is now; None where nobody remembers."""
        return self._published.get(market_id)

    def _stamp(self, now_ns: int) -> dict[str, Any]:
        stamp_us = self._stamps.next(now_ns)
        return {"timestamp": iso(stamp_us * 1000), "unix_timestamp": stamp_us // 1000}

    def _stamped(self, message: Message, now_ns: int) -> Message:
        return Message(message.topic, message.event, {**message.payload, **self._stamp(now_ns)})

    def _moved_profits(self, moved: set[str], published: set[str], now_ns: int) -> Iterator[Message]:
        """To whoever holds contracts of a market that moved: what they would bring now, where that has changed."""
        for uid, account in self._exchange.accounts.items():
            if not account.watched or f"portfolio:{uid}" in published:
                continue
            has_moved = any(each.net and each.market_id in moved for each in account.positions.values())
            if has_moved and self._profits.get(uid) != self._profit_of(uid):
                yield self._stamped(self._portfolio(uid), now_ns)

    def _portfolio(self, uid: str) -> Message:
        profit = self._profits[uid] = self._profit_of(uid)
        return Message(f"portfolio:{uid}", "update", portfolio_record(self._exchange.accounts[uid], profit))

    def _profit_of(self, uid: str) -> int:
        """What the account's positions would bring now, beyond what they cost, in cents."""
        held = (
            (position, self._exchange.markets.get(position.market_id))
            for position in self._exchange.accounts[uid].positions.values()
            if position.net
        )
        return sum(unrealized(position, market) for position, market in held if market)

    def _market_changes(self, events: Sequence[Event]) -> dict[str, tuple[str, dict[str, Any]]]:
        """Event and fields for each market that something happened to, in the order in which it did."""
        happened: dict[str, set[type | str]] = {}
        for event in events:
            if isinstance(event, BookChanged):
                happened.setdefault(event.market_id, set()).add(event.side)
            elif isinstance(event, MarketCreated | MarketClosed | Traded):
                happened.setdefault(event.market_id, set()).add(type(event))
        return {market_id: self._market_change(market_id, what) for market_id, what in happened.items()}

    def _market_change(self, market_id: str, happened: set[type | str]) -> tuple[str, dict[str, Any]]:
        market = self._exchange.find_market(market_id)
        assert market is not None
        if MarketCreated in happened:
            self.rules[market_id] = market.facts["rules"]
            if len(self.rules) > MAX_RULES:
                self.rules.popitem(last=False)
            return "market_created", market_fields(market)
        changed: dict[str, Any] = {}
        if MarketClosed in happened:
            fields = market_fields(market)
            changed = {name: fields[name] for name in ("status", "trading", "result", "bids", "offers")}
        if "buy" in happened:
            changed["bids"] = book_side(market, "buy")
        if "sell" in happened:
            changed["offers"] = book_side(market, "sell")
        if Traded in happened:
            changed["price"] = changed["last_traded_price"] = market.last_price
            changed["volume_24h"] = market.volume
            changed["recent_trades"] = recent_trades(market)
        return "market_updated", changed

    def _account_change(self, event: Event) -> Message | None:
        if isinstance(event, OrderChanged):
            return Message(f"active_orders:{event.account}", "order_update", order_record(event.order))
        if isinstance(event, Filled):
            return Message(f"active_trades:{event.account}", "trade", trade_record(event.fill))
        if isinstance(event, PositionChanged):
            market = self._exchange.find_market(event.position.market_id)
            orders = list(self._exchange.accounts[event.account].open_orders.values())
            records = {"positions": [position_record(event.position, market, orders)]}
            return Message(f"active_positions:{event.account}", "updated_positions", records)
        if isinstance(event, Settled):
            records = {"settlements": [settlement_record(event.settlement)]}
            return Message(f"active_settlements:{event.account}", "new_settlements", records)
        return self._portfolio(event.account) if isinstance(event, BalanceChanged) else None


def _user_fields(user: StxUser) -> dict[str, Any]:
    return {
        "uid": user.uid,
        "user_id": user.user_id,
        "email": user.email,
        "two_factor_auth": user.two_factor is not None,
    }

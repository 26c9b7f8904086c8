"""What the played Stake publishes of what happened: at the tables, at the fixtures' markets, to accounts. Pure.

Every message is stamped, so that no two of a topic say the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ...core.events import BalanceChanged, BookChanged, Event, MarketClosed, MarketCreated, Traded
from ...core.exchange import Exchange
from ...play import Message
from .tables import StakeFlow

__all__ = ["BALANCES", "CURRENCY", "TICKS", "StakeMessages"]

BALANCES = "user:balances"
"""The channel of the token's own account; its name in the ledger ends with the account."""

CURRENCY = "usdt"
TICKS = 100
"""The exchange's ticks in one unit of the currency."""

_OF_MARKETS = (MarketCreated, MarketClosed, BookChanged, Traded)


class StakeMessages:
    """The messages of one exchange and its tables. `deposit` is what a new account has."""

    def __init__(self, exchange: Exchange, flow: StakeFlow, deposit: int) -> None:
        self._exchange = exchange
        self._flow = flow
        self._deposit = deposit
        self._cash: dict[str, int] = {}  # as it was published last

    def of(self, events: Sequence[Event], now_ns: int) -> Iterator[Message]:
        """What is published of that, and of what went on at the tables, in order."""
        while self._flow.happened:
            yield self._flow.happened.popleft()
        touched = (event for event in events if isinstance(event, _OF_MARKETS))
        for market_id in dict.fromkeys(event.market_id for event in touched):
            market = self._exchange.find_market(market_id)
            assert market is not None
            event_id, live = market.facts["event_id"], market.status == "open"
            price = (market.book.best_bid or market.last_price) if live else None
            fixture = self._flow.fixture(event_id, price, now_ns, live=live)
            yield Message(f"sports:event:{event_id}", "update", fixture)
        for account in dict.fromkeys(event.account for event in events if isinstance(event, BalanceChanged)):
            yield from self.balance(account, now_ns)

    def balance(self, account: str, now_ns: int) -> Iterator[Message]:
        """An account's balance, where it has changed since it was published last."""
        cash = self._exchange.accounts[account].cash
        change, self._cash[account] = cash - self._cash.get(account, self._deposit), cash
        if change:
            yield self._wallet(account, "available", change, cash, now_ns)

    def vault(self, account: str, change: int, total: int, now_ns: int) -> Message:
        """An account's vault holds more or less."""
        return self._wallet(account, "vault", change, total, now_ns)

    def _wallet(self, account: str, wallet: str, change: int, total: int, now_ns: int) -> Message:
        payload: dict[str, Any] = {
            "wallet": wallet,
            "amount": change / TICKS,
            "identifier": self._flow.new_id(),
            "balance": {"amount": total / TICKS, "currency": CURRENCY},
            "createdAt": self._flow.stamp(now_ns),
        }
        return Message(f"{BALANCES}:{account}", "update", payload)

"""What the played WEEX publishes to an account of itself: one frame of each kind for whatever happened at once. Pure.

An order, a position and the balance are told as they stand in the end, each once; fills are told one by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ...core.events import AccountEvent, BalanceChanged, Filled, OrderChanged, PositionChanged
from ...core.exchange import Exchange
from ...core.matching import Order
from .margin import MarginPosition, position_key, terms_of
from .markets import WeexMarkets
from .words import balance_row, fill_row, number_of, order_row, position_row

__all__ = ["AccountMessages"]


class AccountMessages:
    """The messages of the accounts of one exchange, and what they are about."""

    def __init__(self, exchange: Exchange, markets: WeexMarkets) -> None:
        self._exchange = exchange
        self._markets = markets
        self._frames: dict[str, int] = {}

    def order(self, account: str, *, number: str = "", client_order_id: str = "") -> Order | None:
        """The account's order of that number, or else of that client order id; a rejected one is none."""
        for order in self._exchange.accounts[account].orders():
            if order.status == "rejected":
                continue
            if (number and str(number_of(order.order_id)) == number) or (
                not number and order.client_order_id == client_order_id
            ):
                return order
        return None

    def position_side(self, account: str, order_id: str) -> str:
        """The position side that an order was placed with."""
        owner = self._exchange.accounts[account]
        found = owner.open_orders.get(order_id) or next(
            (order for order in reversed(owner.closed_orders) if order.order_id == order_id), None
        )
        return terms_of(found)[0] if found else "LONG"

    def next_version(self, account: str) -> int:
        """The number of the account's next frame."""
        self._frames[account] = self._frames.get(account, 0) + 1
        return self._frames[account]

    def of(
        self, events: Sequence[AccountEvent], now_ms: int
    ) -> Iterator[tuple[str, str, list[dict[str, Any]]]]:
        """Account, topic and rows of each frame, in the order in which things happened."""
        frames: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
        for event in events:
            found = self._row(event, now_ms)
            if found is not None:
                topic, key, row = found
                rows = frames.setdefault((event.account, topic), {})
                rows.pop(key, None)
                rows[key] = row
        for (account, topic), rows in frames.items():
            yield account, topic, list(rows.values())

    def _row(self, event: AccountEvent, now_ms: int) -> tuple[str, str, dict[str, Any]] | None:
        if isinstance(event, BalanceChanged):
            return "account", "", balance_row(self._exchange.accounts[event.account], now_ms)
        if isinstance(event, OrderChanged):
            return self._order_row(event, now_ms)
        if isinstance(event, Filled):
            contract = self._markets.contract_of(event.fill.market_id)
            if contract is None:
                return None
            side = self.position_side(event.account, event.fill.order_id)
            return "fill", event.fill.fill_id, fill_row(event.fill, contract, side)
        if isinstance(event, PositionChanged):
            contract = self._markets.contract_of(event.position.market_id)
            if contract is None:
                return None
            position = event.position
            assert isinstance(position, MarginPosition)
            version = self._markets.versions[contract.symbol]
            key = position_key(contract.symbol, is_short=position.is_short)
            return "positions", key, position_row(position, contract, version)
        return None

    def _order_row(self, event: OrderChanged, now_ms: int) -> tuple[str, str, dict[str, Any]] | None:
        order = event.order
        contract = self._markets.contract_of(order.market_id)
        if contract is None or order.status == "rejected":  # whoever placed it has been told
            return None
        fills = [
            fill for fill in self._exchange.accounts[event.account].fills if fill.order_id == order.order_id
        ]
        return "orders", order.order_id, order_row(order, contract, fills, now_ms)

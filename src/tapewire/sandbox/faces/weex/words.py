"""How WEEX words what the exchange knows of an account: orders, fills, positions, balances, on V3. Pure.

Field names: weex.md 3.3 and 3.6. On sockets numbers are texts; REST has ids and times as numbers. WEEX knows no state
"partially filled": it shows in `cumFillSize`. What accounts hold and pay is settled by `margin`.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from ...core.accounts import Account
from ...core.events import Fill
from ...core.matching import Order
from .contracts import UNIT_PLACES, Contract, fixed
from .margin import (
    FINE,
    LEVERAGE,
    MAKER_FEE,
    TAKER_FEE,
    MarginPosition,
    margin_of,
    money,
    position_key,
    rate,
    terms_of,
)

__all__ = [
    "STATUSES",
    "balance_rest",
    "balance_row",
    "fill_rest",
    "fill_row",
    "number_of",
    "order_rest",
    "order_row",
    "position_rest",
    "position_row",
]

STATUSES: Mapping[str, str] = {
    "open": "NEW",
    "filled": "FILLED",
    "cancelled": "CANCELED",
    "partly_cancelled": "CANCELED",
    "rejected": "CANCELED",
}


def number_of(identifier: str) -> int:
    """The venue's number of what the exchange gave a UUID: up to eighteen digits, always the same."""
    return uuid.UUID(identifier).int >> 69


def client_id_of(order: Order) -> str:
    """The order's client order id; one that had none is given its number."""
    return order.client_order_id or f"auto-{number_of(order.order_id)}"


def order_row(order: Order, contract: Contract, fills: Sequence[Fill], now_ms: int) -> dict[str, Any]:
    """An order as the topic `orders` has it; `fills` are its own."""
    position_side, time_in_force, reduce_only = terms_of(order)
    prices = [fill.price for fill in fills]
    cancelled = order.status in ("cancelled", "partly_cancelled")
    return {
        "id": str(number_of(order.order_id)),
        "coin": "USDT",
        "symbol": contract.symbol,
        "marginMode": "CROSSED",
        "separatedMode": "COMBINED",
        "separatedOpenOrderId": "0",
        "positionSide": position_side,
        "orderSide": order.side.upper(),
        "price": _price(order, contract),
        "size": contract.size(order.quantity),
        "clientOrderId": client_id_of(order),
        "type": "MARKET" if order.price is None else "LIMIT",
        "timeInForce": time_in_force,
        "reduceOnly": reduce_only,
        "triggerPrice": "0",
        "orderSource": "API",
        "leverage": str(LEVERAGE),
        "takerFeeRate": rate(TAKER_FEE),
        "makerFeeRate": rate(MAKER_FEE),
        "status": STATUSES[order.status],
        "cancelReason": "USER_CANCELED" if cancelled else "UNKNOWN_ORDER_CANCEL_REASON",
        "latestFillPrice": contract.price(prices[-1]) if prices else "0",
        "maxFillPrice": contract.price(max(prices)) if prices else "0",
        "minFillPrice": contract.price(min(prices)) if prices else "0",
        "cumFillSize": contract.size(order.filled),
        "cumFillValue": _fill_value(order, contract),
        "cumFillFee": money(sum(fill.fee for fill in fills)),
        "cumRealizePnl": money(sum(fill.realized for fill in fills)),
        "createdTime": str(order.placed_at_ns // 1_000_000),
        "updatedTime": str(now_ms),
    }


def order_rest(order: Order, contract: Contract, fills: Sequence[Fill]) -> dict[str, Any]:
    """An order as REST has it."""
    position_side, time_in_force, reduce_only = terms_of(order)
    average = order.average_price
    changed_at_ns = fills[-1].at_ns if fills else order.placed_at_ns
    return {
        "avgPrice": "0" if average is None else contract.price(round(average)),
        "clientOrderId": client_id_of(order),
        "cumQuote": _fill_value(order, contract),
        "executedQty": contract.size(order.filled),
        "orderId": number_of(order.order_id),
        "origQty": contract.size(order.quantity),
        "price": _price(order, contract),
        "reduceOnly": reduce_only,
        "side": order.side.upper(),
        "positionSide": position_side,
        "status": STATUSES[order.status],
        "stopPrice": "0",
        "symbol": contract.symbol,
        "time": order.placed_at_ns // 1_000_000,
        "timeInForce": time_in_force,
        "type": "MARKET" if order.price is None else "LIMIT",
        "updateTime": changed_at_ns // 1_000_000,
        "workingType": "UNKNOWN_PRICE_TYPE",
    }


def _price(order: Order, contract: Contract) -> str:
    return "0" if order.price is None else contract.price(order.price)


def _fill_value(order: Order, contract: Contract) -> str:
    return fixed(contract.value(order.value, order.filled), UNIT_PLACES) if order.filled else "0"


def fill_row(fill: Fill, contract: Contract, position_side: str) -> dict[str, Any]:
    """A fill as the topic `fill` has it: its price is value by size."""
    return {
        "id": str(number_of(fill.fill_id)),
        "coin": "USDT",
        "symbol": contract.symbol,
        "orderId": str(number_of(fill.order_id)),
        "clientOrderId": fill.client_order_id or f"auto-{number_of(fill.order_id)}",
        "marginMode": "CROSSED",
        "separatedMode": "COMBINED",
        "positionSide": position_side,
        "orderSide": fill.side.upper(),
        "fillSize": contract.size(fill.quantity),
        "fillValue": _worth(fill, contract),
        "fillFee": money(fill.fee),
        "liquidateFee": "0",
        "realizePnl": money(fill.realized),
        "direction": "MAKER" if fill.is_maker else "TAKER",
        "createdTime": str(fill.at_ns // 1_000_000),
        "updatedTime": str(fill.at_ns // 1_000_000),
    }


def fill_rest(fill: Fill, contract: Contract, position_side: str) -> dict[str, Any]:
    """A fill as REST has it."""
    return {
        "id": number_of(fill.fill_id),
        "orderId": number_of(fill.order_id),
        "symbol": contract.symbol,
        "buyer": fill.side == "buy",
        "commission": money(fill.fee),
        "commissionAsset": "USDT",
        "maker": fill.is_maker,
        "price": contract.price(fill.price),
        "qty": contract.size(fill.quantity),
        "quoteQty": _worth(fill, contract),
        "realizedPnl": money(fill.realized),
        "side": fill.side.upper(),
        "positionSide": position_side,
        "time": fill.at_ns // 1_000_000,
    }


def _worth(fill: Fill, contract: Contract) -> str:
    return fixed(contract.value(fill.price * fill.quantity, fill.quantity), UNIT_PLACES)


def unrealized(position: MarginPosition, contract: Contract, doubled_middle: int) -> int:
    """Its profit at the middle of the book, in fine parts."""
    lots = abs(position.net)
    marked = contract.value(doubled_middle * lots, 2 * lots) * FINE // 2
    return position.cost - marked if position.is_short else marked - position.cost


def position_row(position: MarginPosition, contract: Contract, version: int) -> dict[str, Any]:
    """A position as the topic `positions` has it: no mark price, no profit. A closed one has size `0`."""
    return {
        "id": str(number_of(_position_id(contract, position))),
        "coin": "USDT",
        "symbol": contract.symbol,
        "side": "SHORT" if position.is_short else "LONG",
        "marginMode": "CROSSED",
        "separatedMode": "COMBINED",
        "separatedOpenOrderId": "0",
        "leverage": str(LEVERAGE),
        "size": contract.size(abs(position.net)),
        "openValue": money(position.cost),
        "openFee": money(position.open_fee),
        "fundingFee": "0",
        "isolatedMargin": money(margin_of(position)),
        "autoAppendIsolatedMargin": False,
        "cumOpenSize": contract.size(position.opened),
        "cumOpenValue": money(position.opened_value),
        "cumOpenFee": money(position.opened_fee),
        "cumCloseSize": contract.size(position.closed),
        "cumCloseValue": money(position.closed_value),
        "cumCloseFee": money(position.closed_fee),
        "cumFundingFee": "0",
        "cumLiquidateFee": "0",
        "createdMatchSequenceId": str(version),
        "updatedMatchSequenceId": str(version),
        "createdTime": str(position.opened_at_ns // 1_000_000),
        "updatedTime": str(position.changed_at_ns // 1_000_000),
    }


def position_rest(
    position: MarginPosition, contract: Contract, version: int, doubled_middle: int
) -> dict[str, Any]:
    """A position as REST has it, with its profit."""
    row = position_row(position, contract, version)
    for name in ("id", "separatedOpenOrderId", "createdMatchSequenceId", "updatedMatchSequenceId"):
        row[name] = int(row[name])
    for name in ("createdTime", "updatedTime"):
        row[name] = int(row[name])
    row["asset"], row["marginType"] = row.pop("coin"), row.pop("marginMode")
    row["isAutoAppendIsolatedMargin"] = row.pop("autoAppendIsolatedMargin")
    row["marginSize"] = money(margin_of(position))
    row["unrealizePnl"] = money(unrealized(position, contract, doubled_middle))
    row["liquidatePrice"] = "0"
    return row


def _position_id(contract: Contract, position: MarginPosition) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, position_key(contract.symbol, is_short=position.is_short)))


def balance_row(account: Account, now_ms: int) -> dict[str, Any]:
    """A balance as the topic `account` has it: what is available it does not say."""
    row: dict[str, Any] = {
        "coin": "USDT",
        "marginMode": "CROSSED",
        "crossSymbol": "0",
        "isolatedPositionId": "0",
        "amount": money(account.cash + account.escrow),
    }
    for name in ("DepositAmount", "WithdrawAmount", "TransferInAmount", "TransferOutAmount"):
        row[f"pending{name}"] = "0"
    row |= {"liquidating": False, "legacyAmount": "0"}
    row["cumDepositAmount"] = money(account.deposited)
    for name in ("WithdrawAmount", "TransferInAmount", "TransferOutAmount"):
        row[f"cum{name}"] = "0"
    row["cumPositionFillFeeAmount"] = money(account.fees)
    return row | {"createdTime": "0", "updatedTime": str(now_ms)}


def balance_rest(account: Account, unrealized_profit: int) -> dict[str, Any]:
    """A balance as REST has it: available is what neither orders nor positions hold back."""
    held_back = sum(margin_of(position) for position in account.positions.values())
    return {
        "asset": "USDT",
        "balance": money(account.cash + account.escrow),
        "availableBalance": money(account.cash - held_back),
        "frozen": money(account.escrow),
        "unrealizePnl": money(unrealized_profit),
    }

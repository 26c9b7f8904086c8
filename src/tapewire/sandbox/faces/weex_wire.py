"""How WEEX words what the exchange knows of an account: orders, fills, positions, balances, on V3. Pure.

Field names: weex.md 3.3 and 3.6. On sockets numbers are texts; REST has ids and times as numbers. WEEX knows no state
"partially filled": it shows in `cumFillSize`. The sandbox takes no fees. A position is netted: above zero it is LONG.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from ..accounts import Account
from ..events import Fill, Position
from ..matching import Order
from .weex_symbols import RANGE, UNIT_PLACES, Contract, fixed

__all__ = [
    "LEVERAGE",
    "STATUSES",
    "TIMES_IN_FORCE",
    "balance_rest",
    "balance_row",
    "fill_rest",
    "fill_row",
    "number_of",
    "open_value",
    "order_rest",
    "order_row",
    "position_rest",
    "position_row",
    "terms_of",
]

STATUSES: Mapping[str, str] = {
    "open": "NEW",
    "filled": "FILLED",
    "cancelled": "CANCELED",
    "partly_cancelled": "CANCELED",
    "rejected": "CANCELED",
}

TIMES_IN_FORCE = ("GTC", "IOC", "FOK", "POST_ONLY")
LEVERAGE = "20"


def number_of(identifier: str) -> int:
    """The venue's number of what the exchange gave a UUID: up to eighteen digits, always the same."""
    return uuid.UUID(identifier).int >> 69


def terms_of(order: Order) -> tuple[str, str, bool]:
    """Position side, time in force and reduce-only of an order: its tag, where the venue's own API placed it."""
    words = order.tag.split()
    if len(words) == 3 and words[1] in TIMES_IN_FORCE:
        return words[0], words[1], words[2] == "reduce"
    return "LONG", "IOC" if order.price is None else "GTC", False


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
        "leverage": LEVERAGE,
        "takerFeeRate": "0",
        "makerFeeRate": "0",
        "status": STATUSES[order.status],
        "cancelReason": "USER_CANCELED" if cancelled else "UNKNOWN_ORDER_CANCEL_REASON",
        "latestFillPrice": contract.price(prices[-1]) if prices else "0",
        "maxFillPrice": contract.price(max(prices)) if prices else "0",
        "minFillPrice": contract.price(min(prices)) if prices else "0",
        "cumFillSize": contract.size(order.filled),
        "cumFillValue": _fill_value(order, contract),
        "cumFillFee": "0",
        "cumRealizePnl": "0",
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
        "fillFee": "0",
        "liquidateFee": "0",
        "realizePnl": "0",
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
        "commission": "0",
        "commissionAsset": "USDT",
        "maker": fill.is_maker,
        "price": contract.price(fill.price),
        "qty": contract.size(fill.quantity),
        "quoteQty": _worth(fill, contract),
        "realizedPnl": "0",
        "side": fill.side.upper(),
        "positionSide": position_side,
        "time": fill.at_ns // 1_000_000,
    }


def _worth(fill: Fill, contract: Contract) -> str:
    return fixed(contract.value(fill.price * fill.quantity, fill.quantity), UNIT_PLACES)


def open_value(position: Position, contract: Contract) -> int:
    """What the position was opened for, in units. The exchange knows a short as what its seller has set aside."""
    lots = abs(position.net)
    ticks = position.cost if position.net >= 0 else lots * RANGE - position.cost
    return contract.value(ticks, lots)


def unrealized(position: Position, contract: Contract, doubled_middle: int) -> int:
    """Its profit at the middle of the book, in units."""
    marked = contract.value(abs(position.net) * doubled_middle // 2, abs(position.net))
    profit = marked - open_value(position, contract)
    return profit if position.net >= 0 else -profit


def position_row(position: Position, contract: Contract, version: int) -> dict[str, Any]:
    """A position as the topic `positions` has it: no mark price, no profit. A closed one has size `0`."""
    size, value = contract.size(abs(position.net)), fixed(open_value(position, contract), UNIT_PLACES)
    changed = str(position.changed_at_ns // 1_000_000)
    return {
        "id": str(number_of(_position_id(contract))),
        "coin": "USDT",
        "symbol": contract.symbol,
        "side": "LONG" if position.net >= 0 else "SHORT",
        "marginMode": "CROSSED",
        "separatedMode": "COMBINED",
        "separatedOpenOrderId": "0",
        "leverage": LEVERAGE,
        "size": size,
        "openValue": value if position.net else "0",
        "openFee": "0",
        "fundingFee": "0",
        "isolatedMargin": "0",
        "autoAppendIsolatedMargin": False,
        "cumOpenSize": size,
        "cumOpenValue": value if position.net else "0",
        "cumOpenFee": "0",
        "cumCloseSize": "0",
        "cumCloseValue": "0",
        "cumCloseFee": "0",
        "cumFundingFee": "0",
        "cumLiquidateFee": "0",
        "createdMatchSequenceId": str(version),
        "updatedMatchSequenceId": str(version),
        "createdTime": changed,
        "updatedTime": changed,
    }


def position_rest(
    position: Position, contract: Contract, version: int, doubled_middle: int
) -> dict[str, Any]:
    """A position as REST has it, with its profit."""
    row = position_row(position, contract, version)
    for name in ("id", "separatedOpenOrderId", "createdMatchSequenceId", "updatedMatchSequenceId"):
        row[name] = int(row[name])
    for name in ("createdTime", "updatedTime"):
        row[name] = int(row[name])
    row["asset"], row["marginType"] = row.pop("coin"), row.pop("marginMode")
    row["isAutoAppendIsolatedMargin"] = row.pop("autoAppendIsolatedMargin")
    row["marginSize"] = fixed(open_value(position, contract) // int(LEVERAGE), UNIT_PLACES)
    row["unrealizePnl"] = fixed(unrealized(position, contract, doubled_middle), UNIT_PLACES)
    row["liquidatePrice"] = "0"
    return row


def _position_id(contract: Contract) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, contract.symbol))


def _balance(account: Account) -> int:
    return account.cash + account.escrow + sum(position.cost for position in account.positions.values())


def balance_row(account: Account, now_ms: int) -> dict[str, Any]:
    """A balance as the topic `account` has it: what is available it does not say."""
    row: dict[str, Any] = {
        "coin": "USDT",
        "marginMode": "CROSSED",
        "crossSymbol": "0",
        "isolatedPositionId": "0",
        "amount": fixed(_balance(account), UNIT_PLACES),
    }
    for name in ("DepositAmount", "WithdrawAmount", "TransferInAmount", "TransferOutAmount"):
        row[f"pending{name}"] = "0"
    row |= {"liquidating": False, "legacyAmount": "0"}
    row["cumDepositAmount"] = fixed(account.deposited, UNIT_PLACES)
    for name in ("WithdrawAmount", "TransferInAmount", "TransferOutAmount", "PositionFillFeeAmount"):
        row[f"cum{name}"] = "0"
    return row | {"createdTime": "0", "updatedTime": str(now_ms)}


def balance_rest(account: Account, unrealized_profit: int) -> dict[str, Any]:
    """A balance as REST has it."""
    return {
        "asset": "USDT",
        "balance": fixed(_balance(account), UNIT_PLACES),
        "availableBalance": fixed(account.cash, UNIT_PLACES),
        "frozen": fixed(account.escrow, UNIT_PLACES),
        "unrealizePnl": fixed(unrealized_profit, UNIT_PLACES),
    }

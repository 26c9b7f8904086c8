"""How STX words what the exchange knows: market fields, orders, trades, positions, settlements, balances. Pure.

Market fields and balances are in snake_case, as on the venue's socket; orders, trades and positions in camelCase, as
document 001 reads them (`orderId`). Prices and amounts are whole cents. Field names: stx.md 1.2 to 1.5.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from ...core.accounts import Account
from ...core.events import Fill, Position, Settlement
from ...core.exchange import Market
from ...core.matching import Order, Side
from ...core.times import iso
from ..teams import two_teams
from .filters import RULES

__all__ = [
    "ORDER_STATUSES",
    "book_side",
    "market_facts",
    "market_fields",
    "order_record",
    "portfolio_record",
    "position_record",
    "recent_trades",
    "settlement_record",
    "trade_record",
    "unrealized",
]

ORDER_STATUSES: Mapping[str, str] = {
    "open": "OPEN",
    "filled": "FILLED",
    "cancelled": "CANCELLED",
    "partly_cancelled": "PARTIALLY_CANCELLED",
    "rejected": "REJECTED",
}

_SPORTS = (("Soccer", "Northern League"), ("Basketball", "Coastal Cup"), ("Hockey", "Lakes Conference"))
_FIRST_DAY = datetime(2026, 1, 3, 18, tzinfo=UTC)


def market_facts(number: int, chance: random.Random) -> dict[str, str]:
    """The words of a new market."""
    home, away = two_teams(chance)
    sport, competition = chance.choice(_SPORTS)
    rule = RULES[number % len(RULES)]
    line = chance.randint(1, 9)
    questions = {
        "home_winner": f"Will {home} win?",
        "draw_no_bet": f"Will {home} win, a draw being void?",
        "spread": f"Will {home} win by more than {line}?",
        "total_points": f"Will more than {20 + line} points be scored?",
    }
    return {
        "title": f"{home} vs {away}: {questions[rule]}",
        "short_title": f"{home} vs {away}",
        "question": questions[rule],
        "rules": rule,
        "specifier": f"line={line}" if rule in ("spread", "total_points") else "",
        "symbol": f"{sport[:3].upper()}-{number + 1:05d}",
        "position": home,
        "sport": sport,
        "competition": competition,
        "event_id": f"event-{number + 1:05d}",
        "event_brief": f"{home} vs {away}",
        "event_type": "match",
        "event_status": "scheduled",
        "event_start": (_FIRST_DAY + timedelta(hours=number)).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def book_side(market: Market, side: Side) -> list[dict[str, int]]:
    """Bids or offers, the best first."""
    return [{"price": price, "quantity": quantity} for price, quantity in market.book.levels(side)]


def recent_trades(market: Market) -> list[dict[str, Any]]:
    """The latest trades, the latest first."""
    return [
        {
            "price": trade.price,
            "quantity": trade.quantity,
            "liquidity_taker": "buyer" if trade.taker_side == "buy" else "seller",
            "timestamp": iso(trade.at_ns),
            "timestamp_int": trade.at_ns // 1000,
        }
        for trade in market.trades
    ]


def market_fields(market: Market) -> dict[str, Any]:
    """Everything about a market, without its time stamps."""
    bid, offer = market.book.best_bid, market.book.best_offer
    quoted = (bid + offer) / 2 if bid is not None and offer is not None else None
    price = market.last_price if market.last_price is not None else quoted
    return {
        **market.facts,
        "market_id": market.market_id,
        "status": market.status.upper(),
        "trading": market.status == "open",
        "bids": book_side(market, "buy"),
        "offers": book_side(market, "sell"),
        "price": price,
        "probability": None if price is None else round(price / market.payout, 4),
        "last_traded_price": market.last_price,
        "max_price": market.payout - 1,
        "recent_trades": recent_trades(market),
        "volume_24h": market.volume,
        "result": _result(market),
    }


def _result(market: Market) -> str | None:
    return None if market.outcome is None else ("yes", "no")[market.outcome]


def order_record(order: Order) -> dict[str, Any]:
    """An order, with its id under both of the names that clients look for."""
    return {
        "id": order.order_id,
        "orderId": order.order_id,
        "clientOrderId": order.client_order_id,
        "marketId": order.market_id,
        "orderType": "MARKET" if order.price is None else "LIMIT",
        "action": order.side.upper(),
        "price": order.price,
        "quantity": order.quantity,
        "filled": order.filled,
        "filledPercentage": order.filled * 100 // order.quantity if order.quantity > 0 else 0,
        "avgPrice": None if order.average_price is None else round(order.average_price, 2),
        "totalValue": order.spent,
        "status": ORDER_STATUSES[order.status],
        "time": iso(order.placed_at_ns),
        "insertedAt": order.placed_at_ns // 1000,
    }


def trade_record(fill: Fill) -> dict[str, Any]:
    """An execution of the user's own."""
    return {
        "id": fill.fill_id,
        "orderId": fill.order_id,
        "clientOrderId": fill.client_order_id,
        "marketId": fill.market_id,
        "action": fill.side.upper(),
        "price": fill.price,
        "filled": fill.quantity,
        "quantity": fill.quantity,
        "remaining": fill.quantity,
        "premium": -fill.cost,
        "grossPnl": fill.realized,
        "totalFee": fill.fee,
        "liquidityAction": "provider" if fill.is_maker else "taker",
        "time": iso(fill.at_ns),
        "insertedAt": fill.at_ns // 1000,
    }


def unrealized(position: Position, market: Market) -> int:
    """The profit of what is held, at the middle of the book, in whole cents."""
    bid, offer = market.book.best_bid, market.book.best_offer
    if bid is not None and offer is not None:
        doubled = bid + offer
    else:
        doubled = 2 * (bid or offer or market.last_price or market.payout // 2)
    if position.net < 0:
        doubled = 2 * market.payout - doubled
    return (abs(position.net) * doubled - 2 * position.cost) // 2


def position_record(
    position: Position, market: Market | None, orders: Sequence[Order] = ()
) -> dict[str, Any]:
    """A position; `position` is above zero for the first outcome. Its profit is what was closed, and what is held."""
    payout = market.payout if market else 100
    held = abs(position.net)
    liability = sum(order.escrow for order in orders if order.market_id == position.market_id)
    return {
        "marketId": position.market_id,
        "title": market.facts.get("title") if market else None,
        "status": market.status.upper() if market else None,
        "position": position.net,
        "availablePosition": position.net,
        "averageOpenPremium": round(position.cost / held, 2) if held else None,
        "openPremium": -position.cost,
        "openRisk": position.cost,
        "openPotentialProfit": held * payout - position.cost,
        "orderLiability": liability,
        "positionPremiumLiability": position.cost,
        "totalNetPnl": position.realized + (unrealized(position, market) if market and held else 0),
        "totalFees": 0,
        "updatedAt": position.changed_at_ns // 1000,
    }


def settlement_record(settlement: Settlement, payout: int = 100) -> dict[str, Any]:
    """What the end of a market paid. A price is that of the first outcome."""
    held = abs(settlement.net)
    paid = settlement.cost / held if held else 0
    opening = paid if settlement.net > 0 else payout - paid
    closing = settlement.paid / held if held else 0
    return {
        "id": settlement.settlement_id,
        "type": "void" if settlement.kind == "voided" else "expired",
        "marketId": settlement.market_id,
        "quantity": held,
        "openingPrice": round(opening),
        "closingPrice": round(closing if settlement.net > 0 else payout - closing),
        "grossPnl": settlement.paid - settlement.cost,
        "realizedPnl": settlement.paid - settlement.cost,
        "fee": 0,
        "openingTradeId": None,
        "closingTradeId": None,
        "time": iso(settlement.at_ns),
        "insertedAt": settlement.at_ns // 1000,
    }


def portfolio_record(account: Account, profit: int = 0) -> dict[str, Any]:
    """Balances, in cents; `profit` is that of what is held, at present prices: its name is ours, no page has one."""
    orders = account.open_orders.values()
    premium = sum(position.cost for position in account.positions.values())
    return {
        "account_balance": account.cash + account.escrow + premium,
        "available_balance": account.cash,
        "escrow": account.escrow,
        "buy_order_liability": sum(order.escrow for order in orders if order.side == "buy"),
        "sell_order_liability": sum(order.escrow for order in orders if order.side == "sell"),
        "position_premium_liability": premium,
        "total_deposits": account.deposited,
        "total_withdrawals": 0,
        "unrealized_pnl": profit,
        "total_settlement_pnl": account.settled_profit,
        "total_fees": 0,
    }

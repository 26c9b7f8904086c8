"""The nouns of the domain, frozen, and exact prices. Imports nothing above floor 1; every other floor may use it.

`raw`, where a noun has it, is what the venue sent for it, as its SDK decoded it; None where nobody sent it.
`is_reconciled`: it was not heard on the stream but looked up after a gap, so that it may be older than it looks.
"""

from __future__ import annotations

from .account import Balance, Fill, Liquidity, Position, PositionSide
from .fees import Fees
from .fields import EXACT, MAX_DECIMALS, Exact, InvalidField, parse_decimal
from .instrument import Instrument, InstrumentKind, Market, MarketStatus, Outcome
from .market import MAX_LEVELS, BookSnapshot, Level, Ticker, Trade
from .order import (
    FINAL_STATUSES,
    Order,
    OrderKind,
    OrderRequest,
    OrderStatus,
    TimeInForce,
    check_on_grid,
)
from .price import (
    ODDS_SCALE,
    OrderSide,
    QuoteSide,
    american_odds,
    contracts_for,
    decimal_odds,
    liability,
    on_axis,
    opposite,
    parse_scaled_odds,
    probability_from_american,
    probability_from_decimal,
    probability_from_scaled,
    probability_from_stakes,
    scaled_from_probability,
)
from .ticks import Rounding, is_on_tick, round_to_tick, rounded

__all__ = [
    "EXACT",
    "FINAL_STATUSES",
    "MAX_DECIMALS",
    "MAX_LEVELS",
    "ODDS_SCALE",
    "Balance",
    "BookSnapshot",
    "Exact",
    "Fees",
    "Fill",
    "Instrument",
    "InstrumentKind",
    "InvalidField",
    "Level",
    "Liquidity",
    "Market",
    "MarketStatus",
    "Order",
    "OrderKind",
    "OrderRequest",
    "OrderSide",
    "OrderStatus",
    "Outcome",
    "Position",
    "PositionSide",
    "QuoteSide",
    "Rounding",
    "Ticker",
    "TimeInForce",
    "Trade",
    "american_odds",
    "check_on_grid",
    "contracts_for",
    "decimal_odds",
    "is_on_tick",
    "liability",
    "on_axis",
    "opposite",
    "parse_decimal",
    "parse_scaled_odds",
    "probability_from_american",
    "probability_from_decimal",
    "probability_from_scaled",
    "probability_from_stakes",
    "round_to_tick",
    "rounded",
    "scaled_from_probability",
]

"""Wire to model, pure and exact: integers inside (odds times 10^20, amounts in the token's units), Decimal at the edge.

Perspectives. Everything on the wire is the *maker's*: odds are the implied probability of what the maker backs, amounts
what the maker stakes. The one axis (`model/price.py`) is the book of outcome one: a maker who backs outcome one at p is
a bid at p, a maker who backs outcome two at p is an offer at 1 - p. Sizes on the axis are contracts (units of payout),
stake / p, rounded down to the token's unit; less the stake they are what a taker may put against it (the venue's
"taker space"). A contract costs its buyer the price, so price times size is money on both sides.

Which orders count (the venue's order life cycle; `status` and `pendingFillAmount` together):

    ACTIVE   0   live        totalBetSize - fillAmount
    ACTIVE   >0  filling     the same less pendingFillAmount, which somebody has taken already
    INACTIVE >0  held        as filling, and not a cancel: it is filled, or the pending part comes back
    INACTIVE 0   cancelled   nothing
    FILLED       filled      nothing, whatever the amounts say: they may differ by a rounding
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Final, Literal, TypeAlias

import msgspec

from ...book import RestingOrder
from ...model import (
    EXACT,
    ODDS_SCALE,
    InvalidField,
    Market,
    MarketStatus,
    Order,
    OrderSide,
    OrderStatus,
    Outcome,
    Ticker,
    Trade,
    opposite,
    parse_scaled_odds,
    probability_from_scaled,
)
from ..kit.fields import sequence, time_ms, time_s
from .symbols import outcome_id
from .wire import BestOddsRow, Digits, MarketRow, OrderRow, TradeRow
from .wire_v3 import LevelRow, TradeV3Row

__all__ = [
    "USDC_DECIMALS",
    "VENUE",
    "OrderPhase",
    "OrderState",
    "axis_price",
    "best_odds_key",
    "contract_units",
    "level_of",
    "nominal",
    "order_state",
    "parse_amount",
    "phase_of",
    "resting_order",
    "taker_odds",
    "taker_space",
    "to_market",
    "to_order",
    "to_ticker",
    "to_trade",
    "to_trade_v3",
    "trade_key",
    "trade_key_v3",
]

VENUE: Final = "sxbet"
USDC_DECIMALS: Final = 6

MAX_PAYOUT: Final = 10**15
"""What no order pays, in whole tokens: so that the sums of a book stay within the model's digits."""

_MAX_AMOUNT_DIGITS: Final = 34
_AMOUNT_BOUND: Final = 10**_MAX_AMOUNT_DIGITS

OrderPhase: TypeAlias = Literal["live", "filling", "held", "cancelled", "filled"]


class OrderState(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One maker's order, checked. Odds times 10^20 of what the maker backs; amounts are the maker's, in token units."""

    order_hash: str
    market_hash: str
    maker: str
    backs_outcome_one: bool
    odds: int
    total: int
    filled: int
    pending: int
    phase: OrderPhase
    updated_at: int | None
    """The venue's `updateTime` in milliseconds; None for a row of a snapshot."""
    base_token: str | None = None
    event_id: str | None = None
    expires_at: int | None = None

    @property
    def remaining(self) -> int:
        """What may still be taken, as the maker's stake: 0 once cancelled or filled."""
        if self.phase in ("cancelled", "filled"):
            return 0
        return max(0, self.total - self.filled - self.pending)


def parse_amount(value: Digits, field: str) -> int:
    """A whole number from the wire, zero or more. Raises InvalidField."""
    amount = sequence(value, field)
    if amount >= _AMOUNT_BOUND:
        raise InvalidField(field, value, f"a whole number of at most {_MAX_AMOUNT_DIGITS} digits")
    return amount


def phase_of(status: str, pending: int) -> OrderPhase:
    """What `status` and `pendingFillAmount` mean together. Raises InvalidField for a status that is none."""
    if status == "ACTIVE":
        return "filling" if pending else "live"
    if status == "INACTIVE":
        return "held" if pending else "cancelled"
    if status == "FILLED":
        return "filled"
    raise InvalidField("status", status, "ACTIVE, INACTIVE or FILLED")


def order_state(row: OrderRow, decimals: int = USDC_DECIMALS) -> OrderState:
    """A row of a stream or of a snapshot, checked. Raises InvalidField naming what is corrupt in it."""
    odds = parse_scaled_odds(row.percentage_odds, "percentageOdds")
    total = parse_amount(row.total_bet_size, "totalBetSize")
    if contract_units(total, odds) >= MAX_PAYOUT * 10**decimals:
        raise InvalidField("totalBetSize", row.total_bet_size, f"paying less than {MAX_PAYOUT} at its odds")
    pending = parse_amount(row.pending_fill_amount or 0, "pendingFillAmount")
    updated_at = None if row.update_time is None else time_ms(row.update_time, "updateTime")
    # A snapshot holds active orders only, and its older form says no status.
    status = row.status or row.order_status or ("ACTIVE" if updated_at is None else "")
    return OrderState(
        order_hash=row.order_hash,
        market_hash=row.market_hash,
        maker=row.maker,
        backs_outcome_one=row.is_maker_betting_outcome_one,
        odds=odds,
        total=total,
        filled=parse_amount(row.fill_amount, "fillAmount"),
        pending=pending,
        phase=phase_of(status, pending),
        updated_at=updated_at,
        base_token=row.base_token,
        event_id=row.event_id,
        expires_at=row.api_expiry,
    )


def resting_order(state: OrderState) -> RestingOrder[int]:
    """The order in the book of outcome one: price times 10^20 on the axis, size in the *maker's stake*."""
    return RestingOrder(
        order_id=state.order_hash,
        side="bid" if state.backs_outcome_one else "offer",
        price=axis_price(state.odds, state.backs_outcome_one),
        size=state.remaining,
        updated_at=state.updated_at,
    )


def axis_price(odds: int, backs_outcome_one: bool) -> int:
    """The price of outcome one, times 10^20, at which money that backs either outcome at `odds` stands."""
    return odds if backs_outcome_one else ODDS_SCALE - odds


def taker_odds(odds: int) -> int:
    """What a taker gets on the other outcome, times 10^20."""
    return ODDS_SCALE - odds


def contract_units(stake: int, odds: int) -> int:
    """Units of payout behind a maker's stake, rounded down: `stake` of the maker and the rest of the taker."""
    return stake * ODDS_SCALE // odds


def taker_space(stake: int, odds: int) -> int:
    """What a taker may stake against a maker's `stake` (what remains of it) at the maker's `odds`, rounded down."""
    return contract_units(stake, odds) - stake


def nominal(amount: int, decimals: int = USDC_DECIMALS) -> Decimal:
    """An amount in whole tokens, exactly."""
    return EXACT.scaleb(Decimal(amount), -decimals)


def level_of(row: LevelRow, decimals: int = USDC_DECIMALS) -> tuple[int, int]:
    """Odds and size of a level of the later generation's books. Raises InvalidField."""
    odds = parse_scaled_odds(row.percentage_odds, "percentageOdds")
    size = parse_amount(row.size, "size")
    if contract_units(size, odds) >= MAX_PAYOUT * 10**decimals:
        raise InvalidField("size", row.size, f"paying less than {MAX_PAYOUT} at its odds")
    return odds, size


def to_order(state: OrderState, received_at_ns: int, decimals: int = USDC_DECIMALS) -> Order:
    """A maker's order as the model has it: buying the outcome that the maker backs, in contracts."""
    filled = contract_units(state.filled, state.odds)
    resting: OrderStatus = "partially_filled" if filled else "accepted"
    said: dict[OrderPhase, OrderStatus] = {"cancelled": "canceled", "filled": "filled"}
    return Order(
        venue=VENUE,
        instrument_id=outcome_id(state.market_hash, 1 if state.backs_outcome_one else 2),
        client_order_id=None,
        venue_order_id=state.order_hash,
        side="buy",
        size=nominal(contract_units(state.total, state.odds), decimals),
        price=probability_from_scaled(state.odds),
        filled_size=nominal(filled, decimals),
        status=said.get(state.phase, resting),
        venue_time_ns=None if state.updated_at is None else state.updated_at * 1_000_000,
        received_at_ns=received_at_ns,
        reason="a fill is being confirmed" if state.phase in ("filling", "held") else "",
    )


def trade_key(row: TradeRow) -> str:
    """Which trade this is: rows with the same key say the same one again (placed, then settled). The later counts."""
    return f"{row.fill_hash}:{row.order_hash or row.fill_order_hash}:{'maker' if row.maker else 'taker'}"


def to_trade(row: TradeRow, received_at_ns: int, decimals: int = USDC_DECIMALS) -> Trade | None:
    """The print on the axis of outcome one; None for one that failed. Raises InvalidField.

    Each fill is told twice, by its maker's row and its taker's: count rows with `maker` False.
    """
    if row.trade_status == "FAILED":
        return None
    side: OrderSide = "buy" if row.betting_outcome_one != row.maker else "sell"
    return _trade(
        row.market_hash,
        trade_key(row),
        parse_scaled_odds(row.odds, "odds"),
        parse_amount(row.stake, "stake"),
        row.betting_outcome_one,
        side,
        None if row.bet_time is None else time_s(row.bet_time, "betTime") * 1_000_000_000,
        received_at_ns,
        decimals,
    )


def trade_key_v3(row: TradeV3Row) -> str:
    """Which trade this is, in the later generation."""
    return row.trade_id


def to_trade_v3(row: TradeV3Row, received_at_ns: int, decimals: int = USDC_DECIMALS) -> Trade:
    """The print of a taker's bet on the axis of outcome one. Raises InvalidField."""
    odds = parse_scaled_odds(row.weighted_average_odds, "weightedAverageOdds")
    if row.total_stake is not None:
        stake = parse_amount(row.total_stake, "totalStake")
    elif row.total_return is not None:  # stake and winnings: what the contracts pay
        stake = parse_amount(row.total_return, "totalReturn") * odds // ODDS_SCALE
    else:
        raise InvalidField("totalStake", None, "totalStake or totalReturn")
    return _trade(
        row.market_hash,
        trade_key_v3(row),
        odds,
        stake,
        row.is_betting_outcome_one,
        "buy" if row.is_betting_outcome_one else "sell",
        _iso_ns(row.bet_time, "betTime"),
        received_at_ns,
        decimals,
    )


def _trade(
    market_hash: str,
    trade_id: str,
    odds: int,
    stake: int,
    on_outcome_one: bool,
    taker_side: OrderSide,
    venue_time_ns: int | None,
    received_at_ns: int,
    decimals: int,
) -> Trade:
    price = probability_from_scaled(odds)
    return Trade(
        venue=VENUE,
        instrument_id=outcome_id(market_hash, 1),
        trade_id=trade_id,
        price=price if on_outcome_one else opposite(price),
        size=nominal(contract_units(stake, odds), decimals),
        taker_side=taker_side,
        venue_time_ns=venue_time_ns,
        received_at_ns=received_at_ns,
    )


def best_odds_key(row: BestOddsRow) -> tuple[str, str, bool]:
    """What a row of best odds replaces: of one market, token and outcome only the last counts."""
    return row.market_hash, row.base_token or "", row.is_maker_betting_outcome_one


def to_ticker(
    market_hash: str,
    outcome_one: Digits | None,
    outcome_two: Digits | None,
    received_at_ns: int,
    updated_at_ms: Digits | None = None,
) -> Ticker:
    """Best bid and offer of outcome one, of the best makers' odds on each outcome (None or 0: nobody).

    Raises InvalidField.
    """

    def price(odds: Digits | None) -> Decimal | None:
        if odds is None or odds in (0, "", "0"):
            return None
        return probability_from_scaled(parse_scaled_odds(odds, "percentageOdds"))

    bid, other = price(outcome_one), price(outcome_two)
    return Ticker(
        venue=VENUE,
        instrument_id=outcome_id(market_hash, 1),
        bid=bid,
        offer=None if other is None else opposite(other),
        venue_time_ns=None if updated_at_ms is None else time_ms(updated_at_ms, "updatedAt") * 1_000_000,
        received_at_ns=received_at_ns,
    )


def to_market(row: MarketRow, received_at_ns: int) -> Market:
    """The market and its two outcomes. Raises InvalidField. INACTIVE without a result is "suspended" (NOTES.md)."""
    status: MarketStatus = "open" if row.status == "ACTIVE" else "suspended"
    result = None
    if row.outcome == 0:
        status = "voided"
    elif row.outcome in (1, 2):
        status, result = "settled", outcome_id(row.market_hash, 1 if row.outcome == 1 else 2)
    teams = " - ".join(team for team in (row.team_one_name, row.team_two_name) if team)
    line = "" if row.line is None else f" {row.line}"
    return Market(
        venue=VENUE,
        market_id=row.market_hash,
        outcomes=(
            Outcome(outcome_id=outcome_id(row.market_hash, 1), name=row.outcome_one_name),
            Outcome(outcome_id=outcome_id(row.market_hash, 2), name=row.outcome_two_name),
        ),
        status=status,
        name=(teams or row.outcome_one_name) + line,
        starts_at_ns=None if row.game_time is None else time_s(row.game_time, "gameTime") * 1_000_000_000,
        result=result,
        venue_time_ns=None,
        received_at_ns=received_at_ns,
    )


def _iso_ns(text: str | None, field: str) -> int | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidField(field, text, "a time in ISO 8601") from None
    if moment.tzinfo is None:
        raise InvalidField(field, text, "a time with its zone")
    return round(moment.timestamp() * 1000) * 1_000_000

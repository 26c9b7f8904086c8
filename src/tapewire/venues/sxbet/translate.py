"""Wire to model, pure and exact: integers inside (odds times 10^20, amounts in the token's units), Decimal at the edge.

What is made of a row has it as `raw`. A row whose values cannot be raises InvalidField.

Perspectives. Everything on the wire is the *maker's*: odds are the implied probability of what the maker backs, amounts
what the maker stakes. The one axis (`model/price.py`) is the book of outcome one: a maker who backs outcome one at p is
a bid at p, a maker who backs outcome two at p is an offer at 1 - p. Sizes on the axis are contracts (units of payout),
stake / p, rounded down to the token's unit; less the stake they are what a taker may put against it (the venue's
"taker space"). A contract costs its buyer the price, so price times size is money on both sides. Seen from outcome two
all of that is mirrored: prices are one minus those of outcome one, buying is selling, sizes stay.

Which orders count (the venue's order life cycle; `status` and `pendingFillAmount` together):

    ACTIVE   0   live        totalBetSize - fillAmount
    ACTIVE   >0  filling     the same less pendingFillAmount, which somebody has taken already
    INACTIVE >0  held        as filling, and not a cancel: it is filled, or the pending part comes back
    INACTIVE 0   cancelled   nothing
    FILLED       filled      nothing, whatever the amounts say: they may differ by a rounding
"""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache
from typing import Final, Literal, TypeAlias

import msgspec

from ...book import RestingOrder
from ...model import (
    EXACT,
    ODDS_SCALE,
    Fill,
    Instrument,
    InvalidField,
    Market,
    MarketStatus,
    Order,
    OrderSide,
    OrderStatus,
    Outcome,
    Ticker,
    Trade,
    parse_scaled_odds,
    probability_from_scaled,
)
from ...model.fields import MAX_IDENTIFIER
from ...model.market import trade_like
from ..kit.fields import sequence, time_iso, time_ms, time_s
from .symbols import OutcomeNumber, outcome_id
from .wire import BestOddsRow, Digits, MarketRow, OrderRow, PlainTrade, TradeRow
from .wire_v3 import BestOddsMarketRow, BestOddsV3Row, LevelRow, OddsRow, TradeV3Row

__all__ = [
    "USDC_DECIMALS",
    "VENUE",
    "OrderPhase",
    "OrderState",
    "PlainPrints",
    "axis_price",
    "contract_units",
    "level_of",
    "nominal",
    "order_state",
    "parse_amount",
    "phase_of",
    "resting_order",
    "taker_odds",
    "taker_space",
    "to_fill",
    "to_instruments",
    "to_market",
    "to_order",
    "to_ticker",
    "to_ticker_v3",
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
    if value.__class__ is int and 0 <= value < _AMOUNT_BOUND:
        return value
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
    said, size = row.percentage_odds, row.size
    if (
        isinstance(said, int)
        and isinstance(size, int)
        and 0 < said < ODDS_SCALE
        and 0 <= size * ODDS_SCALE < MAX_PAYOUT * 10**decimals * said
    ):  # nearly always; else it is looked for what is wrong
        return said, size
    odds = parse_scaled_odds(row.percentage_odds, "percentageOdds")
    size = parse_amount(row.size, "size")
    if contract_units(size, odds) >= MAX_PAYOUT * 10**decimals:
        raise InvalidField("size", row.size, f"paying less than {MAX_PAYOUT} at its odds")
    return odds, size


BEING_FILLED: Final = "a fill is being confirmed"
"""Why an order is not listed that has not ended."""


def to_order(
    row: OrderRow, received_at_ns: int, decimals: int = USDC_DECIMALS, *, is_reconciled: bool = False
) -> Order:
    """A maker's order as the model has it: buying the outcome that the maker backs, in contracts."""
    state = order_state(row, decimals)
    filled = contract_units(state.filled, state.odds)
    resting: OrderStatus = "partially_filled" if filled else "accepted"
    said: dict[OrderPhase, OrderStatus] = {"cancelled": "canceled", "filled": "filled"}
    return Order(
        venue=VENUE,
        instrument_id=_instrument_id(state.market_hash, 1 if state.backs_outcome_one else 2),
        client_order_id=None,
        venue_order_id=state.order_hash,
        side="buy",
        size=nominal(contract_units(state.total, state.odds), decimals),
        price=probability_from_scaled(state.odds),
        filled_size=nominal(filled, decimals),
        status=said.get(state.phase, resting),
        venue_time_ns=None if state.updated_at is None else state.updated_at * 1_000_000,
        received_at_ns=received_at_ns,
        reason=BEING_FILLED if state.phase in ("filling", "held") else "",
        is_reconciled=is_reconciled,
        raw=row,
    )


def trade_key(row: TradeRow) -> str:
    """Which trade this is: rows with the same key say the same one again (placed, then settled). The later counts."""
    return f"{row.fill_hash}:{row.order_hash or row.fill_order_hash}:{'maker' if row.maker else 'taker'}"


def to_trade(
    row: TradeRow, received_at_ns: int, decimals: int = USDC_DECIMALS, *, outcome: OutcomeNumber = 1
) -> Trade | None:
    """The print on the axis of an outcome; None for one that failed.

    Each fill is told twice, by its maker's row and its taker's: count rows with `maker` False.
    """
    if row.trade_status == "FAILED":
        return None
    return _trade(
        row,
        trade_key(row),
        parse_scaled_odds(row.odds, "odds"),
        parse_amount(row.stake, "stake"),
        row.betting_outcome_one,
        row.betting_outcome_one != row.maker,
        _bet_time_ns(row),
        received_at_ns,
        decimals,
        outcome,
    )


class PlainPrints:
    """Makes what `to_trade` makes, of rows of one market as they nearly always come, on the axis of one outcome.

    What is alike in all of them is checked once: the instrument, and each price of the ladder.
    """

    __slots__ = ("_decimals", "_like", "_outcome", "_prices")

    def __init__(self, outcome: OutcomeNumber, decimals: int) -> None:
        self._outcome: OutcomeNumber = outcome
        self._decimals = decimals
        self._like: Trade | None = None
        self._prices: dict[str, tuple[int, Decimal, Decimal]] = {}

    def make(self, row: PlainTrade, received_at_ns: int) -> Trade | None:
        """The print of a taker's row; None where it is to be read with care."""
        stake_digits, odds_digits, like = row.stake_digits, row.odds_digits, self._like
        priced = self._prices.get(odds_digits)
        if priced is None or like is None:
            return self._first(row, received_at_ns)
        trade_id = f"{row.fill_hash}:{row.order_hash or row.fill_order_hash}:taker"
        if not (stake_digits.isdigit() and stake_digits.isascii() and trade_id.isprintable()):
            return None
        odds, backed, laid = priced
        units = int(stake_digits) * ODDS_SCALE // odds
        if not 0 < units < _MOST_PLAIN_UNITS or len(trade_id) > MAX_IDENTIFIER:
            return None
        backs, bet_time = row.betting_outcome_one == (self._outcome == 1), row.bet_time
        return trade_like(
            like,
            trade_id,
            backed if backs else laid,
            nominal(units, self._decimals),
            "buy" if backs else "sell",
            None if bet_time is None else bet_time * 1_000_000_000,
            received_at_ns,
            row,
        )

    def _first(self, row: PlainTrade, received_at_ns: int) -> Trade | None:
        """Of its odds, or of all: checked as any other, and remembered as what others are like."""
        try:
            trade = to_trade(row.row(), received_at_ns, self._decimals, outcome=self._outcome)
        except InvalidField:
            return None
        if trade is not None:
            if len(self._prices) >= MOST_PRICES:
                self._prices.clear()
            odds = parse_scaled_odds(row.odds_digits, "odds")
            self._prices[row.odds_digits] = odds, _probability(odds), _probability(taker_odds(odds))
            self._like = trade_like(trade, "0", trade.price, trade.size, "buy", None, 0, None)
        return trade


MOST_PRICES: Final = 4_096
"""Texts of odds of which a feed remembers the price: the ladder has less."""

_MOST_PLAIN_UNITS: Final = 10**19
"""Below it a size has so few digits, before and behind the point, that it is one of the model's."""


def trade_key_v3(row: TradeV3Row) -> str:
    """Which trade this is, in the later generation."""
    return row.trade_id


def to_trade_v3(
    row: TradeV3Row, received_at_ns: int, decimals: int = USDC_DECIMALS, *, outcome: OutcomeNumber = 1
) -> Trade:
    """The print of a taker's bet on the axis of an outcome."""
    odds = parse_scaled_odds(row.weighted_average_odds, "weightedAverageOdds")
    if row.total_stake is not None:
        stake = parse_amount(row.total_stake, "totalStake")
    elif row.total_return is not None:  # stake and winnings: what the contracts pay
        stake = parse_amount(row.total_return, "totalReturn") * odds // ODDS_SCALE
    else:
        raise InvalidField("totalStake", None, "totalStake or totalReturn")
    return _trade(
        row,
        trade_key_v3(row),
        odds,
        stake,
        row.is_betting_outcome_one,
        row.is_betting_outcome_one,
        time_iso(row.bet_time, "betTime") if row.bet_time else None,
        received_at_ns,
        decimals,
        outcome,
    )


_probability: Final = lru_cache(maxsize=4_096)(probability_from_scaled)
"""Of odds of the ladder, which has less of them."""


def _trade(
    row: TradeRow | TradeV3Row,
    trade_id: str,
    odds: int,
    stake: int,
    on_outcome_one: bool,
    taker_backs_one: bool,
    venue_time_ns: int | None,
    received_at_ns: int,
    decimals: int,
    outcome: OutcomeNumber,
) -> Trade:
    taker_side: OrderSide = "buy" if taker_backs_one == (outcome == 1) else "sell"
    price = _probability(axis_price(odds, on_outcome_one == (outcome == 1)))
    return Trade(
        venue=VENUE,
        instrument_id=_instrument_id(row.market_hash, outcome),
        trade_id=trade_id,
        price=price,
        size=nominal(contract_units(stake, odds), decimals),
        taker_side=taker_side,
        venue_time_ns=venue_time_ns,
        received_at_ns=received_at_ns,
        raw=row,
    )


def _bet_time_ns(row: TradeRow) -> int | None:
    return None if row.bet_time is None else time_s(row.bet_time, "betTime") * 1_000_000_000


def to_fill(
    row: TradeRow, received_at_ns: int, decimals: int = USDC_DECIMALS, *, is_reconciled: bool = False
) -> Fill | None:
    """What the bettor of a row bought: the outcome that they back; None until the chain has confirmed it.

    A bet may fail while it is pending (`tradeStatus`), and what has failed was never a fill. One that is settled is
    told again, with the same `fill_id`. A maker's fill is of the order that rested, a taker's of the bet itself. The
    wire says nothing of fees.
    """
    if row.trade_status != "SUCCESS":
        return None
    odds = parse_scaled_odds(row.odds, "odds")
    return Fill(
        venue=VENUE,
        instrument_id=_instrument_id(row.market_hash, 1 if row.betting_outcome_one else 2),
        fill_id=trade_key(row),
        client_order_id=None,
        venue_order_id=(row.order_hash or row.fill_order_hash) if row.maker else row.fill_hash,
        side="buy",
        price=probability_from_scaled(odds),
        size=nominal(contract_units(parse_amount(row.stake, "stake"), odds), decimals),
        venue_time_ns=_bet_time_ns(row),
        received_at_ns=received_at_ns,
        liquidity="maker" if row.maker else "taker",
        is_reconciled=is_reconciled,
        raw=row,
    )


def to_ticker(
    market_hash: str,
    outcome_one: BestOddsRow | OddsRow | None,
    outcome_two: BestOddsRow | OddsRow | None,
    received_at_ns: int,
    *,
    outcome: OutcomeNumber = 1,
    raw: BestOddsRow | BestOddsMarketRow | None = None,
) -> Ticker:
    """Best bid and offer of an outcome, of the best makers' odds on each of the two; None: nobody offers.

    `raw` is what was heard last. The time is that of the later of the two.
    """
    times = [
        time_ms(row.updated_at, "updatedAt") * 1_000_000
        for row in (outcome_one, outcome_two)
        if row is not None and row.updated_at  # 0 where there was never any
    ]
    return _ticker(
        market_hash,
        None if outcome_one is None else _best_odds(outcome_one.percentage_odds),
        None if outcome_two is None else _best_odds(outcome_two.percentage_odds),
        max(times, default=None),
        received_at_ns,
        outcome,
        raw,
    )


def to_ticker_v3(
    row: BestOddsV3Row, received_at_ns: int, decimals: int = USDC_DECIMALS, *, outcome: OutcomeNumber = 1
) -> Ticker:
    """Best bid and offer of an outcome, with sizes, as the later generation tells them: both in one row."""
    ones, twos = (
        None if level is None else level_of(level, decimals) for level in (row.outcome_one, row.outcome_two)
    )
    bid, offer = (ones, twos) if outcome == 1 else (twos, ones)
    return _ticker(
        row.market_hash,
        None if ones is None else ones[0],
        None if twos is None else twos[0],
        None,
        received_at_ns,
        outcome,
        row,
        bid_size=None if bid is None else nominal(contract_units(bid[1], bid[0]), decimals),
        offer_size=None if offer is None else nominal(contract_units(offer[1], offer[0]), decimals),
    )


def _best_odds(odds: Digits | None) -> int | None:
    """None where nobody offers, which is told as null or as 0."""
    if odds is None or odds in (0, "", "0"):
        return None
    return parse_scaled_odds(odds, "percentageOdds")


def _ticker(
    market_hash: str,
    one: int | None,
    two: int | None,
    venue_time_ns: int | None,
    received_at_ns: int,
    outcome: OutcomeNumber,
    raw: BestOddsRow | BestOddsMarketRow | BestOddsV3Row | None,
    bid_size: Decimal | None = None,
    offer_size: Decimal | None = None,
) -> Ticker:
    backs, lays = (one, two) if outcome == 1 else (two, one)
    return Ticker(
        venue=VENUE,
        instrument_id=_instrument_id(market_hash, outcome),
        bid=None if backs is None else _probability(backs),
        bid_size=bid_size,
        offer=None if lays is None else _probability(taker_odds(lays)),
        offer_size=offer_size,
        venue_time_ns=venue_time_ns,
        received_at_ns=received_at_ns,
        raw=raw,
    )


def to_market(row: MarketRow, received_at_ns: int) -> Market:
    """The market and its two outcomes. INACTIVE without a result is "suspended" (NOTES.md)."""
    teams = " - ".join(team for team in (row.team_one_name, row.team_two_name) if team)
    line = "" if row.line is None else f" {row.line}"
    return Market(
        venue=VENUE,
        market_id=row.market_hash,
        outcomes=(
            Outcome(outcome_id=_instrument_id(row.market_hash, 1), name=row.outcome_one_name),
            Outcome(outcome_id=_instrument_id(row.market_hash, 2), name=row.outcome_two_name),
        ),
        status=_market_status(row),
        name=(teams or row.outcome_one_name) + line,
        starts_at_ns=None if row.game_time is None else time_s(row.game_time, "gameTime") * 1_000_000_000,
        result=_instrument_id(row.market_hash, 1 if row.outcome == 1 else 2) if row.outcome else None,
        venue_time_ns=None,
        received_at_ns=received_at_ns,
        raw=row,
    )


def _market_status(row: MarketRow) -> MarketStatus:
    if row.outcome is not None:
        if row.outcome not in (0, 1, 2):
            raise InvalidField("outcome", row.outcome, "0 (void), 1 or 2")
        return "settled" if row.outcome else "voided"
    if row.reported_date is not None:
        return "closed"
    return "open" if row.status == "ACTIVE" else "suspended"


def to_instruments(row: MarketRow, currency: str) -> tuple[Instrument, Instrument]:
    """The two outcomes of a market as what can be traded, in `currency`. A contract pays one of it.

    Grid and minimum are the venue's for all markets, and are told with none: see its metadata.
    """

    def instrument(outcome: OutcomeNumber, name: str) -> Instrument:
        return Instrument(
            venue=VENUE,
            instrument_id=_instrument_id(row.market_hash, outcome),
            kind="outcome",
            currency=currency,
            market_id=row.market_hash,
            name=name,
            raw=row,
        )

    return instrument(1, row.outcome_one_name), instrument(2, row.outcome_two_name)


@lru_cache(maxsize=1_024)
def _instrument_id(market_hash: str, outcome: OutcomeNumber) -> str:
    if not market_hash:
        raise InvalidField("marketHash", market_hash, "a market hash")
    return outcome_id(market_hash, outcome)

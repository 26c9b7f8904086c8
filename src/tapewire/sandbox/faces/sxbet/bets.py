"""Bets as SX Bet publishes them: each fill once for its maker and once for its taker, and once for the whole bet. Pure.

A bet is published when it is placed (`PENDING`), when the chain has confirmed it (`SUCCESS`), and, for the latest of a
market, when the market ends (`settled`). Rows of one fill share `fillHash`, `orderHash` and `maker`. Source: sxbet.md
1.3 and 1.4; which of these moments the venue tells is not documented exactly.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, TypeAlias

import msgspec

from ...core.events import Event, Fill, Filled
from ...core.times import iso
from .units import BASE_TOKEN, ODDS_SCALE, PAYOUT, UNITS_PER_TICK, address_of, derived_hash, odds_of

__all__ = ["Bet", "Tape", "TradeStatus", "bets_in"]

TradeStatus: TypeAlias = Literal["PENDING", "SUCCESS"]

TAPE_LENGTH = 5000
"""Bets remembered for GET /trades."""

MAX_ROWS = 10_000
"""Rows of one bet, by which the rows of all are numbered."""

SETTLED_TOLD = 20
"""Bets of one market whose settlement is told."""


class _Part(msgspec.Struct, frozen=True):
    """One maker's order that a bet met."""

    maker: str
    maker_fill: Fill
    taker_fill: Fill


class Bet(msgspec.Struct, kw_only=True):
    """What one taker took at one time, from one or more makers' orders. `outcome` is 0, 1 or 2 once settled."""

    number: int
    fill_hash: str
    market_id: str
    event_id: str
    words: dict[str, str]
    taker: str
    parts: tuple[_Part, ...]
    status: TradeStatus = "PENDING"
    outcome: int | None = None

    @property
    def backs_outcome_one(self) -> bool:
        """What the taker bets on."""
        return self.parts[0].taker_fill.side == "buy"

    @property
    def stake(self) -> int:
        """What the taker staked, in USDC units."""
        return sum(part.taker_fill.cost for part in self.parts) * UNITS_PER_TICK

    @property
    def contracts(self) -> int:
        """What is paid if the taker wins, in USDC."""
        return sum(part.taker_fill.quantity for part in self.parts)

    @property
    def odds(self) -> int:
        """The taker's mean implied probability times 10^20."""
        return sum(part.taker_fill.cost for part in self.parts) * ODDS_SCALE // (self.contracts * PAYOUT)

    @property
    def placed_at_ns(self) -> int:
        """When."""
        return self.parts[0].taker_fill.at_ns

    def trades(self) -> Iterator[dict[str, Any]]:
        """The rows of `recent_trades`: of each part the maker's, then the taker's."""
        for part in self.parts:
            for fill, bettor in ((part.maker_fill, part.maker), (part.taker_fill, self.taker)):
                yield {
                    "baseToken": BASE_TOKEN,
                    "bettor": address_of(bettor),
                    "stake": str(fill.cost * UNITS_PER_TICK),
                    "odds": str(odds_of(fill.side, fill.price)),
                    "orderHash": part.maker_fill.order_id,
                    "marketHash": self.market_id,
                    "maker": fill.is_maker,
                    "betTime": fill.at_ns // 1_000_000_000,
                    "settled": self.outcome is not None,
                    "bettingOutcomeOne": fill.side == "buy",
                    "fillHash": self.fill_hash,
                    "status": self.status,
                    "tradeStatus": self.status,
                    "sportXeventId": self.event_id,
                }

    def rows(self) -> Iterator[dict[str, Any]]:
        """The rows of GET /trades."""
        for number, row in enumerate(self.trades()):
            amount = f"{int(row['stake']) / 1e6:.6f}"
            settled = {} if self.outcome is None else {"outcome": self.outcome, "settleValue": "1.0"}
            yield {
                **row,
                "_id": str(self.number * MAX_ROWS + number),
                "normalizedStake": amount,
                "betTimeValue": float(amount),
                "fillOrderHash": row["orderHash"],
                "valid": True,
                "betType": 0,
                **settled,
            }

    def consolidated(self) -> dict[str, Any]:
        """The row of `recent_trades_consolidated`. Its stake is nominal, unlike all other amounts."""
        return {
            "baseToken": BASE_TOKEN,
            "tradeStatus": self.status,
            "bettor": address_of(self.taker),
            "totalStake": f"{self.stake / 1e6:.6f}",
            "weightedAverageOdds": str(self.odds),
            "marketHash": self.market_id,
            "maker": False,
            "settled": self.outcome is not None,
            "fillHash": self.fill_hash,
            "gameLabel": self.words["game"],
            "sportXeventId": self.event_id,
            "gameTime": iso(int(self.words["game_time"]) * 1_000_000_000, digits=3),
            "leagueLabel": self.words["league"],
            "bettingOutcomeLabel": self.words["one" if self.backs_outcome_one else "two"],
            "bettingOutcome": 1 if self.backs_outcome_one else 2,
            "chainVersion": "SXR",
        }

    def public(self) -> dict[str, Any]:
        """The row of the later generation's tape: anonymous."""
        return {
            "tradeId": self.fill_hash,
            "marketHash": self.market_id,
            "isBettingOutcomeOne": self.backs_outcome_one,
            "totalStake": str(self.stake),
            "totalReturn": str(self.contracts * 10**6),
            "weightedAverageOdds": str(self.odds),
            "betTime": iso(self.placed_at_ns, digits=3),
            "isParlay": False,
        }


def bets_in(events: Iterable[Event]) -> list[list[tuple[Filled, Filled]]]:
    """The fills of each bet, maker's and taker's together: both come one after the other, for all are watched."""
    bets: dict[str, list[tuple[Filled, Filled]]] = {}
    makers: dict[str, Filled] = {}
    for event in events:
        if not isinstance(event, Filled):
            continue
        if event.fill.is_maker:
            makers[event.fill.trade_id] = event
        else:
            bets.setdefault(event.fill.order_id, []).append((makers.pop(event.fill.trade_id), event))
    return list(bets.values())


class Tape:
    """The latest bets, oldest first, and which of them are not confirmed yet."""

    def __init__(self) -> None:
        self.bets: deque[Bet] = deque(maxlen=TAPE_LENGTH)
        self._pending: list[Bet] = []
        self._placed = 0

    def place(self, fills: Sequence[tuple[Filled, Filled]], event_id: str, words: dict[str, str]) -> Bet:
        """A bet was placed."""
        self._placed += 1
        taken = fills[0][1]
        bet = Bet(
            number=self._placed,
            fill_hash=derived_hash("fill", taken.fill.order_id),
            market_id=taken.fill.market_id,
            event_id=event_id,
            words=words,
            taker=taken.account,
            parts=tuple(_Part(maker.account, maker.fill, taker.fill) for maker, taker in fills),
        )
        self.bets.append(bet)
        self._pending.append(bet)
        return bet

    def confirm(self) -> list[Bet]:
        """What was pending has succeeded."""
        confirmed, self._pending = self._pending, []
        for bet in confirmed:
            bet.status = "SUCCESS"
        return confirmed

    def settle(self, market_id: str, outcome: int) -> list[Bet]:
        """The market ended; returns the bets that are told of."""
        settled = [bet for bet in self.bets if bet.market_id == market_id]
        for bet in settled:
            bet.outcome = outcome
        return settled[-SETTLED_TOLD:]

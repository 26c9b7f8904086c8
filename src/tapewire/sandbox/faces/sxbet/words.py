"""How SX Bet words markets, fixtures, scores, parlays and refunds. Pure. Field names: sxbet.md 1.3 and 1.4.

The words that a market is listed with are text, as the exchange keeps them; numbers are made of them here.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import msgspec

from ...core.events import Settlement
from ...core.exchange import Market
from ...core.times import iso
from ..teams import two_teams
from .units import BASE_TOKEN, UNITS_PER_TICK, address_of, side_levels

__all__ = [
    "OUTCOMES",
    "EventWords",
    "best_levels",
    "best_odds_row",
    "fixture_record",
    "live_score",
    "market_record",
    "outcome_of",
    "parlay_request",
    "refund_record",
    "sports",
]

MONEYLINE, TOTAL, SPREAD = "52", "2", "3"
_TYPES = (MONEYLINE, SPREAD, TOTAL)
_GROUPS = {MONEYLINE: "game-lines", SPREAD: "game-lines", TOTAL: "game-lines"}

_SPORTS = (("5", "Soccer", "29", "Northern League"), ("1", "Basketball", "1", "Coastal Cup"),
           ("2", "Hockey", "2", "Lakes Conference"))  # fmt: skip
_FIRST_GAME = 1767463200

OUTCOMES = {0: 1, 1: 2, None: 0}
"""The exchange's outcomes in the venue's numbers; 0 is void."""


class EventWords:
    """The words of new markets: three in a row belong to one event, of three kinds."""

    def __init__(self) -> None:
        self._event: dict[str, str] = {}

    def __call__(self, number: int, chance: random.Random) -> dict[str, str]:
        """The words of market `number`."""
        event, kind = divmod(number, len(_TYPES))
        if not kind or not self._event:
            home, away = two_teams(chance)
            sport_id, sport, league_id, league = chance.choice(_SPORTS)
            self._event = {
                "event_id": f"L{7_000_001 + event}", "game": f"{home} vs {away}", "home": home, "away": away,
                "sport_id": sport_id, "sport": sport, "league_id": league_id, "league": league,
                "game_time": str(_FIRST_GAME + 3600 * event),
            }  # fmt: skip
        words = self._event
        line = f"{chance.randint(1, 9)}.5"
        outcomes = {
            MONEYLINE: (words["home"], words["away"]),
            SPREAD: (f"{words['home']} -{line}", f"{words['away']} +{line}"),
            TOTAL: (f"Over {line}", f"Under {line}"),
        }
        of_type = _TYPES[kind]
        one, two = outcomes[of_type]
        lined = "" if of_type == MONEYLINE else f"-{line}" if of_type == SPREAD else line
        return {**words, "number": str(number), "type": of_type, "line": lined, "one": one, "two": two}


def outcome_of(market: Market) -> int | None:
    """1 or 2 has won, 0 is void; None while it is open."""
    return None if market.status == "open" else OUTCOMES[market.outcome]


def market_record(market: Market) -> dict[str, Any]:
    """A market, as `markets:global` and GET /markets have it."""
    words = market.facts
    record: dict[str, Any] = {
        "status": "ACTIVE" if market.status == "open" else "INACTIVE",
        "marketHash": market.market_id,
        "outcomeOneName": words["one"],
        "outcomeTwoName": words["two"],
        "outcomeVoidName": "NO_CONTEST",
        "teamOneName": words["home"],
        "teamTwoName": words["away"],
        "type": int(words["type"]),
        "gameTime": int(words["game_time"]),
        "sportXEventId": words["event_id"],
        "liveEnabled": True,
        "sportLabel": words["sport"],
        "sportId": int(words["sport_id"]),
        "leagueId": int(words["league_id"]),
        "leagueLabel": words["league"],
        "group1": _GROUPS[words["type"]],
        "chainVersion": "SXR",
    }
    if words["line"]:
        record |= {"line": float(words["line"]), "mainLine": True}
    if market.closed_at_ns is not None:
        record |= {"outcome": outcome_of(market), "reportedDate": market.closed_at_ns // 1_000_000_000}
    return record


def best_levels(market: Market) -> dict[str, Any]:
    """The best level of each outcome, as the later generation has it; None where no maker backs it."""
    ones, twos = side_levels(market, "buy"), side_levels(market, "sell")
    return {
        "marketHash": market.market_id,
        "outcomeOne": ones[0] if ones else None,
        "outcomeTwo": twos[0] if twos else None,
    }


def best_odds_row(market: Market, *, outcome_one: bool, odds: int | None, updated_ms: int) -> dict[str, Any]:
    """A row of `best_odds:global`; no odds where no maker backs that outcome."""
    return {
        "baseToken": BASE_TOKEN,
        "marketHash": market.market_id,
        "isMakerBettingOutcomeOne": outcome_one,
        "percentageOdds": None if odds is None else str(odds),
        "updatedAt": updated_ms,
        "sportId": int(market.facts["sport_id"]),
        "leagueId": int(market.facts["league_id"]),
    }


def fixture_record(words: Mapping[str, str], status: int) -> dict[str, Any]:
    """A fixture, as GET /fixture/active has it. Status 2 is in progress, 3 is finished."""
    return {
        "participantOneName": words["home"],
        "participantTwoName": words["away"],
        "startDate": iso(int(words["game_time"]) * 1_000_000_000, digits=3),
        "status": status,
        "leagueId": int(words["league_id"]),
        "leagueLabel": words["league"],
        "sportId": int(words["sport_id"]),
        "eventId": words["event_id"],
    }


def live_score(words: Mapping[str, str], minute: int, scores: tuple[int, int]) -> dict[str, Any]:
    """A score. `extra` is text that holds JSON, which holds text that holds JSON."""
    one, two = scores
    half = "1st Half" if minute < 45 else "2nd Half"
    inner = msgspec.json.encode({"minute": minute}).decode()
    return {
        "teamOneScore": one,
        "teamTwoScore": two,
        "sportXEventId": words["event_id"],
        "currentPeriod": half,
        "periodTime": str(minute),
        "sportId": int(words["sport_id"]),
        "leagueId": int(words["league_id"]),
        "periods": [{"label": half, "isFinished": False, "teamOneScore": str(one), "teamTwoScore": str(two)}],
        "extra": msgspec.json.encode({"clock": inner}).decode(),
    }


def parlay_request(parlay_hash: str, legs: list[tuple[str, bool]], size: int | None) -> dict[str, Any]:
    """A request for odds of a parlay; it may come without a size."""
    request: dict[str, Any] = {
        "channelName": "markets:parlay",
        "marketHash": parlay_hash,
        "baseToken": BASE_TOKEN,
        "legs": [{"marketHash": leg, "bettingOutcomeOne": outcome_one} for leg, outcome_one in legs],
    }
    return request if size is None else {**request, "requestSize": str(size)}


def refund_record(account: str, settlement: Settlement) -> dict[str, Any]:
    """What the end of a void market gave back to a bettor; nominal amounts."""
    amount = settlement.paid * UNITS_PER_TICK / 1e6
    bettor = address_of(account)
    event = {
        "maker": bettor,
        "amount": f"{amount:.6f}",
        "bettor": bettor,
        "baseToken": BASE_TOKEN,
        "createdAt": iso(settlement.at_ns, digits=3),
        "marketHash": settlement.market_id,
        "fillOrderHash": settlement.settlement_id,
    }
    return {
        "marketHash": settlement.market_id,
        "baseToken": BASE_TOKEN,
        "totalRefunded": amount,
        "events": [event],
    }


def sports() -> list[dict[str, Any]]:
    """Every sport and its league."""
    return [
        {"sportId": int(sport_id), "label": sport, "leagueId": int(league_id), "leagueLabel": league}
        for sport_id, sport, league_id, league in _SPORTS
    ]

"""Rows as SX Bet's HTTP has them, made up, and orders and trades in numbers at the played venue."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from tapewire.sandbox.core.matching import Side
from tapewire.sandbox.faces.sxbet.units import PAYOUT
from tests.venues.threaded import Answer, Threaded

KEY = "3f0c2d1e-key-of-the-tests"
MARKET = "0x" + "a1" * 32
OTHER = "0x" + "b2" * 32


def order_row(number: int = 1, market_hash: str = MARKET, **changes: Any) -> dict[str, Any]:
    """A row of GET /orders, made up."""
    return {
        "marketHash": market_hash,
        "fillAmount": "0",
        "pendingFillAmount": "0",
        "orderHash": f"0x{number:064x}",
        "maker": "0x6F75bA6c90E3da79b7ACAfc0fb9cf3968aa4ee39",
        "totalBetSize": "50000000",
        "percentageOdds": "52500000000000000000",
        "baseToken": "0x6629Ce1Cf35Cc1329ebB4F63202F3f197b3F050B",
        "executor": "0x52adf738AAD93c31f798a30b2C74D658e1E9a562",
        "salt": "6941540281676",
        "isMakerBettingOutcomeOne": True,
        "signature": "0xd0de",
        "expiry": 2209006800,
        "apiExpiry": 1773511660,
        "sportXeventId": "L18272453",
        "orderStatus": "ACTIVE",
        **changes,
    }


def market_row(number: int) -> dict[str, Any]:
    return {
        "status": "ACTIVE",
        "marketHash": f"0x{number:064x}",
        "outcomeOneName": "Home",
        "outcomeTwoName": "Away",
        "type": 52,
        "gameTime": 1773511660,
        "sportXEventId": f"L{number}",
    }


def success(data: Any) -> Answer:
    """An answer with these data."""
    return 200, {}, json.dumps({"status": "success", "data": data}).encode()


def rest(venue: Threaded, market_hash: str, count: int) -> None:
    """Have so many orders rest in a market, behind all others."""
    _place(venue, (("resting", market_hash, "buy", 1 + number % 20) for number in range(count)))


def bet(venue: Threaded, market_hash: str, count: int) -> None:
    """Have so many bets made in a market: each is two trades."""
    best = venue.face.exchange.markets[market_hash].book.levels("sell", 1)[0][0] - 1
    _place(venue, [("maker", market_hash, "sell", best), ("taker", market_hash, "buy", best)] * count)


def _place(venue: Threaded, orders: Iterable[tuple[str, str, Side, int]]) -> None:
    def place() -> None:
        exchange, now_ns, events = venue.face.exchange, venue.clock.time_ns(), []
        for account, *order in orders:
            if account not in exchange.accounts:
                exchange.open_account(account, 1000 * PAYOUT)
                exchange.accounts[account].watched = True
            events += exchange.place(account, *order, 1, now_ns)[1]
        venue.face.publish(events, now_ns)

    venue.do(place)

"""What goes on at the played Stake's tables: crash and slide rounds, others' bets, chat, scores. Pure and seeded.

`StakeFlow` is the exchange's flow (one market for each fixture: "the home side wins", in percent), and beside it the
tables. What happened there waits in `happened` for the face to publish.
"""

from __future__ import annotations

import random
import uuid
from collections import deque
from collections.abc import Mapping
from typing import Any

from ...core.events import Event
from ...core.exchange import Exchange
from ...core.flow import Flow, FlowSettings
from ...core.times import Stamps, iso
from ...play import Message

__all__ = ["CHAT_ROOMS", "FIXTURES", "GAMES", "ROUND_GAMES", "StakeFlow"]

ROUND_GAMES = ("crash", "slide")
"""Games whose rounds everybody shares."""

GAMES = ("dice", "limbo", "mines", "plinko", "keno", "blackjack", "hilo", "wheel")
"""Games that everybody plays alone: their channel has other people's bets."""

CHAT_ROOMS = ("english", "sports")

FIXTURES: Mapping[str, tuple[str, str]] = {
    "1": ("Harbour City", "Northgate"),
    "2": ("Old Mill", "Riverside"),
    "3": ("Falcons", "Herons"),
    "4": ("Saltmarsh", "Kingsbridge"),
    "5": ("Westport", "Ash Valley"),
    "6": ("Lakeside", "Stonehill"),
}
"""The sports events there are, by id: home and away."""

MAX_HAPPENED = 10_000

_PEOPLE = ("ada", "bertil", "chiyo", "dmitri", "esi", "farid", "grete", "hidden")
_CURRENCIES = (("btc", 8), ("eth", 8), ("ltc", 8), ("usdt", 2), ("doge", 2))
_LINES = (
    "good luck all",
    "what a round",
    "anyone on the late game?",
    "crash at 1.00 again",
    "gg",
    "rain please",
)
_COUNTDOWN = 3


class _Round:
    """A shared game: counts down, rises, ends, and begins again; one stage a step."""

    def __init__(self, game: str, chance: random.Random, new_id: Any) -> None:
        self.game = game
        self._chance = chance
        self._new_id = new_id
        self._begin()

    def _begin(self) -> None:
        self.round_id: str = self._new_id()
        self.ticks = -_COUNTDOWN
        draw = self._chance.random()
        self.end = min(100.0, max(1.0, round(0.99 / (1 - draw), 2)))

    def step(self) -> dict[str, Any]:
        """The round's next state, as its channel words it."""
        state: dict[str, Any]
        if self.ticks < 0:
            state = {
                "status": "starting",
                "multiplier": None,
                "nextRoundIn": -self.ticks * 1000,
                "crashpoint": None,
            }
        else:
            multiplier = round(1.06**self.ticks, 2)
            over = multiplier >= self.end
            state = {
                "status": "crash" if over else "in_progress",
                "multiplier": self.end if over else multiplier,
                "nextRoundIn": None,
                "crashpoint": self.end if over else None,
            }
        state |= {"id": self.round_id, "elapsed": max(0, self.ticks) * 100}
        self.ticks += 1
        if state["status"] == "crash":
            self._begin()
        return state


class StakeFlow(Flow):
    """The exchange's flow, and the tables. `step` moves one of them."""

    def __init__(self, exchange: Exchange, seed: int | str) -> None:
        settings = FlowSettings(markets=len(FIXTURES), churn_every=0)
        self._free = deque(FIXTURES)
        super().__init__(exchange, lambda *_: {"event_id": self._free.popleft()}, seed, settings)
        self.happened: deque[Message] = deque(maxlen=MAX_HAPPENED)
        self.scores = {event_id: [0, 0] for event_id in FIXTURES}
        self._tables = random.Random(f"tables-{seed}")
        self._stamps = Stamps(1_000)
        self._bets = 0
        self._rounds = [_Round(game, self._tables, self.new_id) for game in ROUND_GAMES]

    def new_id(self) -> str:
        """The next id of the tables."""
        return str(uuid.UUID(int=self._tables.getrandbits(128), version=4))

    def stamp(self, now_ns: int) -> str:
        """The time, never the same twice: no two publications say the same."""
        return iso(self._stamps.next(now_ns) * 1000)

    def step(self, now_ns: int) -> list[Event]:
        """One thing happens: at a fixture's market, at a shared round, at somebody's own table, or in the chat."""
        draw = self._tables.random()
        if draw < 0.25:
            return super().step(now_ns)
        self.steps += 1
        if draw < 0.65:
            played = self._rounds[0 if self._tables.random() < 0.7 else 1]
            self._happen(f"game:{played.game}", {**played.step(), "timestamp": self.stamp(now_ns)})
        elif draw < 0.95:
            self._bet(now_ns)
        else:
            self._say(now_ns)
        return []

    def replace_market(self, market_id: str, now_ns: int) -> list[Event]:
        """A fixture ends, and the next one of the same sides begins."""
        market = self._exchange.markets.get(market_id)
        if market is None:
            return []
        event_id = market.facts["event_id"]
        self._free.append(event_id)
        self.scores[event_id] = [0, 0]
        return super().replace_market(market_id, now_ns)

    def _happen(self, channel: str, payload: dict[str, Any]) -> None:
        self.happened.append(Message(channel, "update", payload))

    def _bet(self, now_ns: int) -> None:
        chance = self._tables
        game = chance.choice(GAMES)
        currency, digits = chance.choice(_CURRENCIES)
        amount = round(chance.uniform(0.1, 20) / (1 if digits == 2 else 1000), digits)
        multiplier = round(0.99 / chance.uniform(0.05, 1), 2) if chance.random() < 0.45 else 0.0
        self._bets += 1
        bet = {
            "id": self.new_id(),
            "iid": f"house:{self._bets}",
            "type": "casino",
            "scope": "house",
            "game": {"name": game},
            "bet": {
                "id": self.new_id(),
                "amount": amount,
                "currency": currency,
                "payout": round(amount * multiplier, digits),
                "payoutMultiplier": multiplier,
                "nonce": self._bets,
                "createdAt": self.stamp(now_ns),
                "user": {"name": chance.choice(_PEOPLE)},
            },
        }
        self._happen(f"game:{game}", bet)
        self._happen("bets", bet)

    def _say(self, now_ns: int) -> None:
        chance = self._tables
        message = {
            "id": self.new_id(),
            "createdAt": self.stamp(now_ns),
            "user": {"name": chance.choice(_PEOPLE)},
            "data": {"message": chance.choice(_LINES)},
        }
        self._happen(f"chat:{chance.choice(CHAT_ROOMS)}", message)

    def fixture(self, event_id: str, price: int | None, now_ns: int, *, live: bool = True) -> dict[str, Any]:
        """A fixture as its channel words it: the score, now and then with a goal in it, and odds by the market."""
        score = self.scores[event_id]
        if self._tables.random() < 0.05:
            score[self._tables.randrange(2)] += 1
        home, away = FIXTURES[event_id]
        odds = (
            None if price is None else {"home": round(100 / price, 2), "away": round(100 / (100 - price), 2)}
        )
        return {
            "id": event_id,
            "name": f"{home} - {away}",
            "status": "live" if live else "ended",
            "score": {"home": score[0], "away": score[1]},
            "odds": odds,
            "timestamp": self.stamp(now_ns),
        }

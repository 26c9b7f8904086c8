"""Each venue's market against the venue as the sandbox plays it, on virtual time and over memory: for what all share.

::

    async with played(clock, "weex") as at:
        feed = at.market.watch_order_book(at.instruments[0])
        at.step()                       # something happens there
        at.publications.lose()          # ... and the next publication reaches nobody
        at.truth(at.instruments[0])     # the exchange's own book, on the axis
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from functools import cache
from typing import Any, ClassVar, Self, TypeAlias

import httpx2

import tapewire
from tapewire.clock import Clock
from tapewire.market import Venue
from tapewire.retry import RetryPolicy
from tapewire.sandbox.core.flow import HOUSE
from tapewire.sandbox.faces.sxbet.units import PAYOUT
from tapewire.sandbox.faces.weex.credentials import DEFAULT as WEEX_KEY
from tapewire.transport.memory import MemoryNetwork
from tests.venues.in_memory import Connection, InMemory

Side: TypeAlias = tuple[tuple[Decimal, Decimal], ...]
Book: TypeAlias = tuple[Side, Side]

SWEEP_SECONDS = 0.25
"""How often a face looks at its sockets' deadlines."""

SXBET_KEY = "key"
SXBET_MAKER = "0x6F75bA6c90E3da79b7ACAfc0fb9cf3968aa4ee39"

_ports = itertools.count(4000)  # budgets are shared by address: each market has its own


class Publications:
    """What becomes of the publications that come next, on whatever connection: orders are met in turn."""

    def __init__(self) -> None:
        self.on_lost: Callable[[str], Any] = lambda topic: None
        """Called with the topic of each that somebody was not given as it is."""
        self.on_passed: Callable[[str], Any] = lambda topic: None
        """Called with the topic of each that came as it is."""
        self._orders: deque[str] = deque()
        self._kept: list[Any] = []
        self._is_mute = False

    def mute(self, is_mute: bool) -> None:
        """None reaches anybody, until that is over."""
        self._is_mute = is_mute

    def lose(self, count: int = 1) -> None:
        """They are published, and reach nobody."""
        self._orders.extend(["lose"] * count)

    def duplicate(self) -> None:
        """It comes twice."""
        self._orders.append("duplicate")

    def reorder(self) -> None:
        """It comes after the one that follows."""
        self._orders.append("reorder")

    def halve(self) -> None:
        """The first half of it comes."""
        self._orders.append("halve")

    @property
    def are_ordered(self) -> bool:
        """True while something is still to be met, or kept back."""
        return bool(self._orders or self._kept)

    def clear(self) -> None:
        """From now on each comes as it is."""
        self._orders.clear()
        self._is_mute = False

    def through(self, payloads: Sequence[Any], topic: str, *, is_heard: bool) -> list[Any]:
        """What is sent in their place. `is_heard`: False where the line carries nothing any more."""
        if self._is_mute:
            return []
        sent: list[Any] = []
        for payload in payloads:
            order = self._orders.popleft() if self._orders else ""
            if order or is_heard:
                (self.on_lost if order else self.on_passed)(topic)
            if order == "reorder":
                self._kept.append(payload)
                continue
            if order == "halve":
                sent.append(payload[: len(payload) // 2])
            elif order != "lose":
                sent += [payload, payload] if order == "duplicate" else [payload]
            sent += self._kept
            self._kept.clear()
        return sent


class FaultyConnection(Connection):
    """One whose publications may be lost, and which may be held up by a slow join."""

    _venue: PlayedVenue

    def __init__(self, number: int, link: Any, venue: InMemory) -> None:
        super().__init__(number, link, venue)
        self._stalled_until = 0.0

    def send(self, payloads: Sequence[Any], kind: str = "control", entry: Any = None) -> None:
        sent = list(payloads)
        if kind == "publication" and entry is not None:
            is_heard = not self.link._transport._incoming.is_cut
            sent = self._venue.publications.through(payloads, entry.topic, is_heard=is_heard)
        self.link.send(
            *(bytes(each).decode() if isinstance(each, bytes | memoryview) else each for each in sent)
        )

    def stall(self, seconds: float) -> None:
        self._stalled_until = asyncio.get_running_loop().time() + seconds

    async def ready(self) -> None:
        """What the client sends is read no sooner."""
        left = self._stalled_until - asyncio.get_running_loop().time()
        if left > 0:
            await asyncio.sleep(left)


class PlayedVenue(InMemory):
    """A venue that sweeps its sockets, and whose publications and HTTP answers are in the test's hands.

    `http_delay`: seconds that an answer takes. `http_fault(request)`: the answer instead, None for the venue's own.
    """

    made = FaultyConnection

    def __init__(self, network: MemoryNetwork, clock: Clock, venue: str, **settings: Any) -> None:
        self.publications = Publications()
        self.http_delay: Callable[[], float] = lambda: 0.0
        self.http_fault: Callable[[httpx2.Request], httpx2.Response | None] = lambda request: None
        super().__init__(network, clock, venue, **settings)

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self._tasks.append(asyncio.create_task(self._sweep()))
        return self

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            self.face.tick(asyncio.get_running_loop().time(), self.sandbox.clock.time_ns())

    async def _answer(self, request: httpx2.Request) -> httpx2.Response:
        await asyncio.sleep(self.http_delay())
        fault = self.http_fault(request)
        return fault if fault is not None else await super()._answer(request)

    async def _serve(self, connection: Connection) -> None:
        assert isinstance(connection, FaultyConnection)
        receive = connection.link.receive

        async def when_ready() -> Any:
            await connection.ready()
            return await receive()

        connection.link.receive = when_ready  # type: ignore[method-assign]
        await super()._serve(connection)


class PlayedMarket:
    """A connected market, the venue that it is of, and the truth. A subclass knows one venue, or a generation of it."""

    name = ""
    venue_name = ""
    settings: ClassVar[dict[str, Any]] = {}
    """The face's."""
    dead_line_seconds: float = 17.0
    """Within which a silent line must be noticed: pings every ten seconds, a deadline of five, a late look."""

    def __init__(self, market: Venue, venue: PlayedVenue) -> None:
        self.market = market
        self.venue = venue
        self.publications = venue.publications
        self.exchange = venue.face.exchange

    @classmethod
    def credentials(cls) -> dict[str, Any]:
        return {}

    @classmethod
    def chance(cls, fraction: Callable[[], float]) -> dict[str, Any]:
        """The settings that decide by chance, decided by that."""
        return {"session_options": {"fraction": fraction}}

    @property
    def instruments(self) -> list[str]:
        """Their ids, as the venue has them."""
        return list(self.exchange.markets)

    def step(self, count: int = 1) -> None:
        """So many things happen at the exchange, and are published."""
        for _ in range(count):
            self.venue.publish(self.venue.face.flow.step(self.now_ns()))

    def move(self, instrument_id: str) -> None:
        """The book of an instrument changes, for sure."""
        raise NotImplementedError

    def truth(self, instrument_id: str, depth: int | None = None) -> Book:
        """The exchange's own book: bids and offers, best first, on the axis."""
        raise NotImplementedError

    def now_ns(self) -> int:
        return self.venue.sandbox.clock.time_ns()


class PlayedSTX(PlayedMarket):
    name = venue_name = "stx"

    @classmethod
    def credentials(cls) -> dict[str, Any]:
        return {"email": "ann@example.com", "password": "pw"}

    def move(self, instrument_id: str) -> None:
        moved(self, self.exchange.find_market(instrument_id))

    def truth(self, instrument_id: str, depth: int | None = None) -> Book:
        return levels_of(
            self.exchange.find_market(instrument_id).book, depth, lambda tick: Decimal(tick) / 100, Decimal
        )


class PlayedSXBet(PlayedMarket):
    name = venue_name = "sxbet"
    settings: ClassVar[dict[str, Any]] = {"call_limits": False, "churn_every": 0}
    dead_line_seconds = 42.0  # the server pings, every 30 s, and ten more are borne

    @classmethod
    def credentials(cls) -> dict[str, Any]:
        return {"api_key": SXBET_KEY, "maker": SXBET_MAKER}

    @property
    def instruments(self) -> list[str]:
        return [f"{market_hash}:1" for market_hash in self.exchange.markets]

    def move(self, instrument_id: str) -> None:
        moved(self, self.exchange.find_market(instrument_id.partition(":")[0]))

    def truth(self, instrument_id: str, depth: int | None = None) -> Book:
        book = self.exchange.find_market(instrument_id.partition(":")[0]).book
        return levels_of(book, depth, lambda price: Decimal(price) / PAYOUT, Decimal)


class PlayedSXBetV3(PlayedSXBet):
    name = "sxbet-v3"

    @classmethod
    def credentials(cls) -> dict[str, Any]:
        return {**super().credentials(), "profile": "v3"}


class PlayedWEEX(PlayedMarket):
    name = venue_name = "weex"
    settings: ClassVar[dict[str, Any]] = {
        "symbols": ("BTCUSDT", "ETHUSDT"),
        "depth_interval": 0,
        "max_weight": 10**6,
    }

    @classmethod
    def credentials(cls) -> dict[str, Any]:
        return {
            "api_key": WEEX_KEY.key,
            "secret_key": WEEX_KEY.secret.reveal(),
            "passphrase": WEEX_KEY.passphrase.reveal(),
        }

    @classmethod
    def chance(cls, fraction: Callable[[], float]) -> dict[str, Any]:
        return {"fraction": fraction}

    @property
    def instruments(self) -> list[str]:
        return list(self.venue.face.markets.open)

    def move(self, instrument_id: str) -> None:
        moved(self, self.venue.face.markets.open[instrument_id])

    def truth(self, instrument_id: str, depth: int | None = None) -> Book:
        contract = self.venue.face.markets.contracts[instrument_id]
        book = self.venue.face.markets.open[instrument_id].book
        price, size = cached(contract.price), cached(contract.size)
        return levels_of(book, 200 if depth is None else depth, price, size)


VENUES: dict[str, type[PlayedMarket]] = {
    each.name: each for each in (PlayedSTX, PlayedSXBet, PlayedSXBetV3, PlayedWEEX)
}
"""Those with books."""


def levels_of(
    book: Any, depth: int | None, price: Callable[[int], Decimal], size: Callable[[int], Decimal]
) -> Book:
    """The levels of an exchange's book, best first."""
    sides = (book.levels(side) for side in ("buy", "sell"))
    bids, offers = (tuple((price(tick), size(lots)) for tick, lots in side)[:depth] for side in sides)
    return bids, offers


@cache
def cached(exact: Callable[[int], str]) -> Callable[[int], Decimal]:
    """What is asked for again and again, as an exact number."""
    return cache(lambda number: Decimal(exact(number)))


def moved(at: PlayedMarket, market: Any) -> None:
    """A little more at the best bid, or a little less."""
    best = market.book.best_bid
    _, events = at.exchange.place(HOUSE[0], market.market_id, "buy", best, 1, at.now_ns())
    at.venue.publish(events)


def shown(view: Any, depth: int | None = None) -> Book:
    """What a view shows."""
    return tuple(map(tuple, view.bids(depth))), tuple(map(tuple, view.offers(depth)))


def is_half(payload: Any) -> bool:
    """True for what no JSON reader takes."""
    try:
        json.loads(payload)
    except ValueError:
        return True
    return False


@asynccontextmanager
async def played(
    clock: Any, name: str, *, network: MemoryNetwork | None = None, **settings: Any
) -> AsyncIterator[Any]:
    """The market of one venue, connected. `settings`: as of `tapewire.connect`."""
    kind = VENUES[name]
    network = network or MemoryNetwork()
    async with PlayedVenue(network, clock, kind.venue_name, **kind.settings) as venue:
        given: dict[str, Any] = {
            "host": f"http://127.0.0.1:{next(_ports)}",
            "connector": network,
            "clock": clock,
            "http_transport": venue.http,
            "retry": RetryPolicy(None, 0.5, jitter=False),
        }
        async with tapewire.connect(kind.venue_name, **(given | kind.credentials() | settings)) as market:
            yield kind(market, venue)

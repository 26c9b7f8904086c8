"""Each venue's market against the venue as the sandbox plays it, on virtual time and over memory: for what all share.

::

    async with played(clock, "weex") as at:
        feed = at.watch("watch_order_book")
        at.step()                       # something happens there
        at.happen("watch_order_book")   # ... of which that feed has an item, for sure
        at.publications.lose()          # ... and the next publication reaches nobody
        at.truth(at.instruments[0])     # the exchange's own book, on the axis
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from functools import cache
from typing import Any, ClassVar, Self, TypeAlias

import httpx2

import tapewire
from tapewire.clock import Clock
from tapewire.market import VERBS, Capability, Feed, Venue, Verb
from tapewire.recording import Recorder, recorded
from tapewire.retry import RetryPolicy
from tapewire.sandbox.core.flow import HOUSE
from tapewire.sandbox.face import ReplayingFace
from tapewire.sandbox.faces.sxbet.units import PAYOUT
from tapewire.sandbox.faces.weex.credentials import DEFAULT as WEEX_KEY
from tapewire.sandbox.faces.weex.words import number_of
from tapewire.transport.memory import MemoryNetwork
from tapewire.venues.template.market import connect as connect_template
from tests.venues.in_memory import Connection, InMemory, answered

Side: TypeAlias = tuple[tuple[Decimal, Decimal], ...]
Book: TypeAlias = tuple[Side, Side]

SWEEP_SECONDS = 0.25
"""How often a face looks at its sockets' deadlines."""

FOREVER = 1e6
"""Seconds, which no test waits for."""

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
        self.is_spared: Callable[[str], bool] = lambda topic: False
        """True for a topic that nothing happens to."""
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
        if self.is_spared(topic):
            return list(payloads)
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
        sent = [each for each in sent if not self._venue.is_withheld(each)]
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

    `http_delay`: seconds that an answer takes. `http_fault(request)`: the answer instead, None for the venue's own;
    `http_altered(request, body)`: what its body is instead, None where it stays.
    `is_withheld(payload)`: True for what is sent to nobody.
    """

    made = FaultyConnection

    def __init__(self, network: MemoryNetwork, clock: Clock, venue: str, **settings: Any) -> None:
        self.publications = Publications()
        self.http_delay: Callable[[], float] = lambda: 0.0
        self.http_fault: Callable[[httpx2.Request], httpx2.Response | None] = lambda request: None
        self.http_altered: Callable[[httpx2.Request, bytes], bytes | None] = lambda request, body: None
        self.is_withheld: Callable[[Any], bool] = lambda payload: False
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
        seconds = self.http_delay()
        await asyncio.sleep(seconds / 2)
        fault = self.http_fault(request)
        answer = fault if fault is not None else await super()._answer(request)
        if (altered := self.http_altered(request, await answer.aread())) is not None:
            answer = httpx2.Response(answer.status_code, content=altered)
        await asyncio.sleep(seconds / 2)  # and is not of the moment any more when it is there
        return answer

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
    silences: ClassVar[int] = 1
    """How often a book may be silent for as long as its class allows before it is asked about."""

    answers_joins: ClassVar[bool] = True
    """False where nothing says that a channel is served: it counts as served as soon as it is asked for."""
    tells_ended_orders: ClassVar[bool] = True
    """False where nobody can know of an order that never rested, or ended before it was told of."""
    lots: ClassVar[int] = 1
    """What an order of ours is for, in the exchange's own units."""
    tag = ""
    """What the face says of an order of ours beside its words."""

    def __init__(self, market: Venue, venue: PlayedVenue) -> None:
        self.market = market
        self.venue = venue
        self.publications = venue.publications
        self.exchange = venue.face.exchange

    @classmethod
    def credentials(cls) -> dict[str, Any]:
        return {}

    @classmethod
    def connect(cls, **settings: Any) -> Venue:
        """The market. `settings`: as of `tapewire.connect`."""
        return tapewire.connect(cls.venue_name, **settings)

    @classmethod
    def capabilities(cls) -> Mapping[Verb, Capability]:
        """Its own, as it says them before anything is connected."""
        return cls.connect(host="http://127.0.0.1:4000", **cls.credentials()).capabilities

    @classmethod
    def watched(cls) -> dict[Verb, Capability]:
        """What it has for each verb that watches something."""
        capabilities = cls.capabilities()
        return {
            verb: capabilities[verb]
            for verb in WATCHED
            if verb in capabilities and capabilities[verb].supported
        }

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

    # --- what goes wrong --------------------------------------------------------------------------------------------

    def kill(self) -> None:
        """Every socket is killed. There is one to kill."""
        assert self.venue.open, "no socket is up"
        self.venue.drop()

    def ignore_joins(self) -> None:
        """No join is answered any more."""
        self.venue.sandbox.inject("ignore_join", times=1_000_000)

    def withhold_snapshots(self) -> None:
        """No snapshot comes any more, and nobody says so."""
        self.venue.http_delay = lambda: FOREVER
        self.venue.is_withheld = self._is_snapshot

    def refuse_snapshots(self) -> None:
        """No snapshot can be had, and nothing that was missed is replayed."""
        self.venue.is_withheld = self._is_snapshot
        self.refuse_http()
        if isinstance(self.venue.face, ReplayingFace):
            self.venue.face.prune_history(None, 0)

    def refuse_http(self) -> None:
        """Whatever is asked over HTTP is refused for now, but for what a socket needs to open."""
        self.venue.http_fault = lambda request: None if "token" in request.url.path else answered({}, 503)

    def heal(self) -> None:
        """Everything that was ordered is over."""
        self.venue.http_delay = lambda: 0.0
        self.venue.http_fault = lambda request: None
        self.venue.http_altered = lambda request, body: None
        self.venue.is_withheld = lambda payload: False
        self.publications.clear()
        self.venue.sandbox.lift()

    @staticmethod
    def _is_snapshot(payload: Any) -> bool:
        """True for a snapshot that comes on a socket."""
        return False

    # --- what is watched, and what happens to it --------------------------------------------------------------------

    @property
    def account(self) -> str:
        """Ours, as the exchange names it."""
        raise NotImplementedError

    def watch(self, verb: Verb, **options: Any) -> Feed[Any]:
        """The feed of a verb: of the first instrument where it is of one, of all that is our own else."""
        named = () if verb in OWN else (self.instruments[0],)
        feed: Feed[Any] = getattr(self.market, verb)(*named, **options)
        return feed

    def happen(self, verb: Verb) -> None:
        """Something of which the feed of that verb has an item, for sure."""
        happenings = {"watch_order_book": self.take, "watch_trades": self.take, "watch_ticker": self.take}
        happenings |= {"watch_orders": self.order, "watch_fills": self.fill}
        happenings |= {"watch_positions": self.fill, "watch_balance": self.fill}
        happenings[verb]()

    def take(self) -> None:
        """Somebody takes the whole of the best bid: another book, another ticker, a trade."""
        best = self._first.book.best_bid
        self._place(HOUSE[1], "sell", best, self._first.book.quantity_at("buy", best))

    def order(self) -> None:
        """We have one more order that rests."""
        self._place(self.account, "buy", self._first.book.best_bid, self.lots, tag=self.tag)

    def fill(self) -> None:
        """We take of the best offer: a fill, another position, another balance."""
        self._place(self.account, "buy", self._first.book.best_offer, self.lots, tag=self.tag)

    def cancel(self, order_id: str) -> None:
        """We take an order back, by the exchange's own id."""
        self.venue.publish(self.exchange.cancel(self.account, order_id, self.now_ns())[1])

    def known_as(self, each: Any) -> str:
        """What the venue calls an order of the exchange, or a fill."""
        return str(each.fill_id if hasattr(each, "fill_id") else each.order_id)

    @property
    def _first(self) -> Any:
        return next(iter(self.exchange.markets.values()))

    def _place(self, account: str, side: str, price: int, quantity: int, **words: Any) -> None:
        market_id, now_ns = self._first.market_id, self.now_ns()
        placed, events = self.exchange.place(account, market_id, side, price, quantity, now_ns, **words)
        assert placed.status != "rejected", placed.reason
        self.venue.publish(events)

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
    settings: ClassVar[dict[str, Any]] = {"churn_every": 0}
    silences = 2  # once others of its channel may have spoken for it

    @classmethod
    def credentials(cls) -> dict[str, Any]:
        return {"email": "ann@example.com", "password": "pw"}

    @property
    def account(self) -> str:
        return str(self.market.http.user.uid)  # type: ignore[attr-defined]

    def move(self, instrument_id: str) -> None:
        moved(self, self.exchange.find_market(instrument_id))

    def truth(self, instrument_id: str, depth: int | None = None) -> Book:
        return levels_of(
            self.exchange.find_market(instrument_id).book, depth, lambda tick: Decimal(tick) / 100, Decimal
        )


class PlayedSXBet(PlayedMarket):
    name = venue_name = "sxbet"
    settings: ClassVar[dict[str, Any]] = {"call_limits": False, "churn_every": 0}
    tells_ended_orders = False
    dead_line_seconds = 42.0  # the server pings, every 30 s, and ten more are borne

    @classmethod
    def credentials(cls) -> dict[str, Any]:
        return {"api_key": SXBET_KEY, "maker": SXBET_MAKER}

    @property
    def instruments(self) -> list[str]:
        return [f"{market_hash}:1" for market_hash in self.exchange.markets]

    @property
    def account(self) -> str:
        self.exchange.open_account(SXBET_MAKER, 10_000 * PAYOUT)
        return SXBET_MAKER

    def fill(self) -> None:
        super().fill()
        self.venue.publish([])  # with whatever happens next the chain has confirmed it

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
    lots = 100
    tag = "LONG GTC open"

    @staticmethod
    def _is_snapshot(payload: Any) -> bool:
        written = payload if isinstance(payload, str) else bytes(payload).decode()
        return "depthSnapshot" in written or '"SNAPSHOT"' in written  # of both generations

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

    @property
    def account(self) -> str:
        self.exchange.open_account("trader", self.venue.face._deposit)
        return "trader"

    def known_as(self, each: Any) -> str:
        return str(number_of(super().known_as(each)))

    def move(self, instrument_id: str) -> None:
        moved(self, self.venue.face.markets.open[instrument_id])

    def truth(self, instrument_id: str, depth: int | None = None) -> Book:
        contract = self.venue.face.markets.contracts[instrument_id]
        book = self.venue.face.markets.open[instrument_id].book
        price, size = cached(contract.price), cached(contract.size)
        return levels_of(book, 200 if depth is None else depth, price, size)


class PlayedWEEXV2(PlayedWEEX):
    name = "weex-v2"

    @classmethod
    def credentials(cls) -> dict[str, Any]:
        return {**super().credentials(), "version": "v2"}


class PlayedStake(PlayedMarket):
    name = venue_name = "stake"
    answers_joins = False

    @classmethod
    def credentials(cls) -> dict[str, Any]:
        return {"access_token": "tok"}

    @classmethod
    def connect(cls, **settings: Any) -> Venue:
        return tapewire.connect("stake", base_url=settings.pop("host"), **settings)

    @property
    def account(self) -> str:
        return str(self.venue.face.account_of("tok"))

    def fill(self) -> None:
        """It has no orders of ours: the balance changes."""
        self.exchange.accounts[self.account].cash += 1
        self.venue.face.publish_balance(self.account, self.now_ns())


class PlayedStakeGraphQL(PlayedStake):
    name = "stake-graphql"

    @classmethod
    def credentials(cls) -> dict[str, Any]:
        return {**super().credentials(), "wire": "graphql"}


class PlayedTemplate(PlayedMarket):
    name = venue_name = "template"
    account = "ann"

    @classmethod
    def connect(cls, **settings: Any) -> Venue:
        settings.pop("http_transport", None)
        return connect_template("ann", **settings)


VENUES: dict[str, type[PlayedMarket]] = {
    each.name: each for each in (PlayedSTX, PlayedSXBet, PlayedSXBetV3, PlayedWEEX)
}
"""Those with books."""

PLAYED: dict[str, type[PlayedMarket]] = VENUES | {
    each.name: each for each in (PlayedWEEXV2, PlayedStake, PlayedStakeGraphQL, PlayedTemplate)
}
"""All, and the template."""

WATCHED: list[Verb] = [verb for verb in VERBS if verb.startswith("watch_")]
OWN: frozenset[Verb] = frozenset({"watch_orders", "watch_fills", "watch_positions", "watch_balance"})


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
    clock: Any,
    name: str,
    *,
    network: MemoryNetwork | None = None,
    on: Callable[[Venue], Venue] = lambda market: market,
    recorder: Recorder | None = None,
    **settings: Any,
) -> AsyncIterator[Any]:
    """The market of one venue, connected. `settings`: as of `tapewire.connect`. `on`: makes what is connected of it.

    `recorder`: whose tape its lines are on.
    """
    kind = PLAYED[name]
    network = network or MemoryNetwork()
    async with PlayedVenue(network, clock, kind.venue_name, **kind.settings) as venue:
        given: dict[str, Any] = {
            "host": f"http://127.0.0.1:{next(_ports)}",
            "connector": network,
            "clock": clock,
            "http_transport": venue.http,
            "retry": RetryPolicy(None, 0.5, jitter=False),
        }
        if recorder is not None:
            given |= recorded(recorder, connector=network, http_transport=venue.http)
        async with on(kind.connect(**(given | kind.credentials() | settings))) as market:
            yield kind(market, venue)

"""What the tests of the market share: it, the played venue and the network between them, on virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import tapewire
from tapewire.marks import ContinuityChanged, is_mark
from tapewire.retry import RetryPolicy
from tapewire.sandbox.faces.sxbet.units import PAYOUT
from tapewire.testing import VirtualClock
from tapewire.transport.memory import MemoryNetwork
from tests.venues.in_memory import InMemory
from tests.venues.sxbet.rows import KEY

MAKER = "0x6F75bA6c90E3da79b7ACAfc0fb9cf3968aa4ee39"


class Played:
    """The venue, of which only a test makes anything happen."""

    def __init__(self, market: Any, venue: InMemory, network: MemoryNetwork) -> None:
        self.market, self.venue, self.network = market, venue, network
        self.face = venue.face
        self.exchange = venue.face.exchange
        self.hashes = list(venue.face.exchange.markets)
        self._said = 0
        for account in (MAKER, "taker"):
            self.exchange.open_account(account, 10_000 * PAYOUT)
            self.exchange.accounts[account].watched = True

    @property
    def now_ns(self) -> int:
        return self.venue.sandbox.clock.time_ns()

    async def settle(self) -> None:
        """Let what is on the wire arrive."""
        await asyncio.sleep(0.01)

    def publish(self, events: Any) -> None:
        self.face.publish(events, self.now_ns)

    def order(self, side: str, price: int, quantity: int = 1, market: int = 0, account: str = MAKER) -> str:
        """Place an order of so many 400ths; returns its hash."""
        placed, events = self.exchange.place(account, self.hashes[market], side, price, quantity, self.now_ns)
        self.publish(events)
        return str(placed.order_id)

    def stands(self, order_id: str) -> tuple[str, int]:
        """How an order of the maker stands at the exchange, in the model's words, and what of it is filled."""
        owner = self.exchange.accounts[MAKER]
        closed = {order.order_id: order for order in owner.closed_orders}
        order = owner.open_orders.get(order_id) or closed[order_id]
        words = {"open": "partially_filled" if order.filled else "accepted", "filled": "filled"}
        return words.get(order.status, "canceled"), order.filled

    def cancel(self, order_id: str) -> None:
        self.publish(self.exchange.cancel(MAKER, order_id, self.now_ns)[1])

    def close_market(self, market: int = 0, outcome: int = 0) -> None:
        self.publish(self.exchange.close_market(self.hashes[market], self.now_ns, outcome=outcome))

    def step(self, count: int = 1) -> None:
        self.venue.sandbox.step(count)

    def tops(self, market: int = 0) -> tuple[int, int]:
        book = self.exchange.markets[self.hashes[market]].book
        return book.best_bid, book.best_offer

    def truth(self, market: int = 0, outcome: int = 1) -> tuple[list[Any], list[Any]]:
        """The exchange's own book of an outcome: probabilities and contracts."""
        book = self.exchange.find_market(self.hashes[market]).book
        one = [
            [(Decimal(price) / PAYOUT, Decimal(size)) for price, size in book.levels(side)]
            for side in ("buy", "sell")
        ]
        if outcome == 1:
            return one[0], one[1]
        bids, offers = ([(1 - price, size) for price, size in side] for side in (one[1], one[0]))
        return bids, offers

    async def say(self, channel: str, payload: Any) -> None:
        """Publish something of the test's own, and let it arrive."""
        entry = self.venue.sandbox.ledger.append("sxbet", channel, "publication", payload, self.now_ns)
        self._said += 1
        self.face.push(entry, f"said-{self._said}", self.now_ns / 1e9)
        await self.settle()

    def swallow(self, channel: str) -> Callable[[], bool]:
        """Drop the next publication of a channel on its way; returns what says whether that has happened."""
        dropped: list[Any] = []

        def altered(frame: dict[str, Any]) -> dict[str, Any] | None:
            push = frame.get("push", {})
            if not dropped and push.get("channel") == channel and "pub" in push:
                dropped.append(frame)
                return None
            return frame

        self.venue.altered = altered
        return lambda: bool(dropped)


@asynccontextmanager
async def played(clock: VirtualClock, **settings: Any) -> AsyncIterator[Played]:
    network = MemoryNetwork()
    async with InMemory(network, clock, "sxbet", call_limits=False, churn_every=0) as venue:
        defaults: dict[str, Any] = {
            "host": "http://127.0.0.1:1", "api_key": KEY, "maker": MAKER, "connector": network, "clock": clock,
            "http_transport": venue.http, "retry": RetryPolicy(None, 2.0, 2.0, jitter=False),
            "session_options": {"fraction": lambda: 1.0},
        }  # fmt: skip
        ticking = asyncio.ensure_future(_tick(venue))
        try:
            async with asyncio.timeout(36_000), tapewire.connect("sxbet", **(defaults | settings)) as market:
                yield Played(market, venue, network)
        finally:
            ticking.cancel()


async def _tick(venue: InMemory) -> None:
    """The venue pings, and judges pongs."""
    while True:
        await asyncio.sleep(1)
        venue.face.tick(asyncio.get_running_loop().time(), venue.sandbox.clock.time_ns())


async def heard(feed: Any, seconds: float = 1.0) -> list[Any]:
    """What comes of a feed within a while."""
    items: list[Any] = []
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while (left := until - loop.time()) > 0:
        try:
            items.append(await asyncio.wait_for(anext(feed), left))
        except (TimeoutError, StopAsyncIteration):
            break
    return items


def way(items: list[Any]) -> list[Any]:
    """Marks by their kind, changes by their states, others as they are."""
    return [
        f"{item.before} > {item.state}"
        if isinstance(item, ContinuityChanged)
        else type(item).__name__
        if is_mark(item)
        else item
        for item in items
    ]


def shown(view: Any) -> tuple[list[Any], list[Any]]:
    return list(view.bids()), list(view.offers())

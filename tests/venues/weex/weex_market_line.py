"""The market of the played WEEX in virtual time: what its tests share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import httpx2

import tapewire
from tapewire.marks import ContinuityChanged, Gap, is_mark
from tapewire.retry import RetryPolicy
from tapewire.sandbox.core.flow import HOUSE
from tapewire.testing import VirtualClock
from tapewire.transport.memory import MemoryNetwork
from tests.venues.weex.weex_peer import KEY, WeexPeer, next_port

BTC = "BTCUSDT"
ACCOUNT = "trader"
KEYS = {"api_key": KEY.key, "secret_key": KEY.secret.reveal(), "passphrase": KEY.passphrase.reveal()}


@asynccontextmanager
async def market_line(clock: VirtualClock, *symbols: str, **settings: Any) -> AsyncIterator[tuple[Any, Any]]:
    """A connected market and the venue that it is of."""
    network = MemoryNetwork()
    async with WeexPeer(network, clock, *symbols) as peer:
        given: dict[str, Any] = {
            "host": f"http://127.0.0.1:{next_port()}",
            "connector": network,
            "clock": clock,
            "http_transport": peer.http,
            "fraction": lambda: 0.5,
            "retry": RetryPolicy(None, 0.5, jitter=False),
        }
        async with asyncio.timeout(7200), tapewire.connect("weex", **(given | KEYS | settings)) as market:
            yield market, peer


async def taken(feed: Any, seconds: float = 1.0) -> list[Any]:
    """What comes of a feed in so many seconds."""
    items = []
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while (left := until - loop.time()) > 0:
        try:
            items.append(await asyncio.wait_for(anext(feed), left))
        except (TimeoutError, StopAsyncIteration):
            break
    return items


def items_of(heard: list[Any]) -> list[Any]:
    """Without marks."""
    return [item for item in heard if not is_mark(item)]


def way(heard: list[Any]) -> list[str]:
    """In short: marks by kind (a gap with its reason), states by name, everything else as `.`."""
    return [
        str(item.state)
        if isinstance(item, ContinuityChanged)
        else f"Gap {item.reason}"
        if isinstance(item, Gap)
        else type(item).__name__
        if is_mark(item)
        else "."
        for item in heard
    ]


class States(list[str]):
    """What `on_continuity` was told."""

    def __call__(self, change: ContinuityChanged) -> None:
        self.append(str(change.state))


class House:
    """The other side of the market: what it does to the account's orders."""

    def __init__(self, peer: WeexPeer, symbol: str = BTC) -> None:
        self.peer, self.symbol = peer, symbol
        self.contract = peer.face.markets.contracts[symbol]

    @property
    def market(self) -> Any:
        return self.peer.face.markets.open[self.symbol]

    @property
    def inside(self) -> Decimal:
        """The tick above the best bid, which must be free: a buyer at that price is the first to be met."""
        bid, offer = self.market.book.best_bid, self.market.book.best_offer
        assert bid + 1 < offer
        return Decimal(self.contract.price(bid + 1))

    @property
    def low(self) -> Decimal:
        """A price that nobody meets."""
        return Decimal(self.contract.price(self.market.book.best_bid - 500))

    def sell(self, price: Decimal, size: str) -> None:
        """Somebody sells so much at that price."""
        self._place("sell", price, size)

    def buy(self, price: Decimal, size: str) -> None:
        self._place("buy", price, size)

    def _place(self, side: str, price: Decimal, size: str) -> None:
        tick, lots = self.contract.tick(str(price)), self.contract.lots(size)
        now_ns = self.peer.sandbox.clock.time_ns()
        _, events = self.peer.face.exchange.place(HOUSE[1], self.market.market_id, side, tick, lots, now_ns)
        self.peer.publish(events)

    def cancel(self, client_order_id: str) -> None:
        """The account's order goes, by another hand."""
        order = self.peer.face.messages.order(ACCOUNT, client_order_id=client_order_id)
        now_ns = self.peer.sandbox.clock.time_ns()
        self.peer.publish(self.peer.face.exchange.cancel(ACCOUNT, order.order_id, now_ns)[1])

    def place_for_account(self, price: Decimal, size: str, client_order_id: str) -> None:
        """The account buys, by another hand."""
        tick, lots = self.contract.tick(str(price)), self.contract.lots(size)
        now_ns = self.peer.sandbox.clock.time_ns()
        _, events = self.peer.face.exchange.place(
            ACCOUNT,
            self.market.market_id,
            "buy",
            tick,
            lots,
            now_ns,
            client_order_id=client_order_id,
            tag="LONG GTC open",
        )
        self.peer.publish(events)


def cut_private(peer: WeexPeer) -> None:
    """The account's connection is lost."""
    for connection in peer.open:
        if connection.path.endswith("private"):
            connection.drop()


def lose_answers(peer: WeexPeer, path: str, method: str, *, reaches: bool = True) -> None:
    """Calls are carried out (unless they do not reach the venue), and their answers are lost."""

    async def lost(request: httpx2.Request) -> httpx2.Response:
        response = await own_answer(peer, request) if request.method != method or reaches else None
        if request.method == method or response is None:
            raise httpx2.ReadError("reset by the peer", request=request)
        return response

    peer.answer(path, lost)


async def own_answer(peer: WeexPeer, request: httpx2.Request) -> httpx2.Response:
    """What the venue itself answers, whatever a path is given in a test."""
    scripted = peer.http_answers.pop(request.url.path)
    try:
        response: httpx2.Response = await peer.http.handle_async_request(request)
    finally:
        peer.http_answers[request.url.path] = scripted
    peer.http_calls.pop()  # it was noted when it came
    return response

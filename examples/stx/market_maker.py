"""How does a market maker hang together: prices in, quotes out, fills back?

A skeleton, not a strategy. Start `tapewire sandbox --port 4000` in another shell, then run
`python examples/stx/market_maker.py`. It ends after three quotes. STX_HOST leads it elsewhere.
"""

import asyncio
import os
from typing import Any

from tapewire import Gap, Mark
from tapewire.venues.stx import AsyncSTX, ChannelMessage, Channels, STXWebSocket

HOST = os.environ.get("STX_HOST", "http://127.0.0.1:4000")
QUOTES = 3
QUANTITY = 20


class MarketMaker:
    """Quotes one market. Handlers only note what they learn; `run` acts on it, one step at a time."""

    def __init__(self, client: AsyncSTX) -> None:
        self.client = client
        self.market_id = ""
        self.best_bid: int | None = None
        self.quotes: set[str] = set()
        self.orders: dict[str, dict[str, Any]] = {}
        self.moved = asyncio.Event()
        self.heard = asyncio.Event()

    def on_market(self, message: ChannelMessage) -> None:
        fields = (message.payload or {}).get(self.market_id)
        if message.event == "market_updated" and fields and fields.get("bids"):
            self.best_bid = fields["bids"][0]["price"]
            self.moved.set()

    def on_order(self, message: ChannelMessage) -> None:
        if message.event == "order_update" and message.payload:
            # Its `filled` is of the whole life of that order: the latest update counts, and no sum of updates.
            self.orders[message.payload["orderId"]] = message.payload
            self.heard.set()

    def on_mark(self, mark: Mark) -> None:
        if isinstance(mark, Gap):
            self.best_bid = None  # not proven any more: quote again when it is

    @property
    def filled(self) -> int:
        """What our own quotes were filled: the account may have orders of somebody else."""
        return sum(self.orders[quote]["filled"] for quote in self.quotes & self.orders.keys())

    async def run(self) -> None:
        for number in range(1, QUOTES + 1):
            self.best_bid = None  # what we know may be our own last quote: wait for the market without it
            price = await self.bid() + 1
            placed = await self.client.place_order(
                market_id=self.market_id, order_type="LIMIT", action="BUY", price=price, quantity=QUANTITY
            )
            if placed.order is None:
                raise SystemExit(f"the quote was refused: {placed.errors}")
            self.quotes.add(placed.order.id)
            print(f"quote {number}: buy {QUANTITY} at {price}; filled so far: {self.filled}")
            while await self.bid() == price:  # until it is filled, or another one is better
                self.moved.clear()
                await self.moved.wait()
            await self.client.cancel_order(placed.order.id)  # does nothing where it is filled
            await self.ended(placed.order.id)
        print(f"filled in all: {self.filled}")

    async def bid(self) -> int:
        """The best bid, once it is known."""
        while self.best_bid is None:
            self.moved.clear()
            await self.moved.wait()
        return self.best_bid

    async def ended(self, order_id: str) -> None:
        """Wait until nothing can happen to the order any more: its number is the last word then."""
        while self.orders.get(order_id, {}).get("status", "OPEN") == "OPEN":
            self.heard.clear()
            await self.heard.wait()


async def main() -> None:
    async with AsyncSTX(host=HOST, email="maker@example.com", password="any") as client:
        maker = MarketMaker(client)
        [*_, market] = await client.markets(status="OPEN")  # the first in the list ends first
        maker.market_id = market.market_id
        async with STXWebSocket(host=HOST) as ws:
            await ws.join(Channels.MARKETS, on_message=maker.on_market, on_mark=maker.on_mark)
            await ws.join(Channels.ORDERS, on_message=maker.on_order, cancel_on_disconnect=10)
            await maker.run()


asyncio.run(main())

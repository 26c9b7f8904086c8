"""How does a market maker hang together: prices in, quotes out, fills back?

A skeleton, not a strategy. Start `tapewire sandbox --port 4000` in another shell, then run
`python examples/stx/market_maker.py`. It ends after three quotes. STX_HOST leads it elsewhere.
"""

import asyncio
import os

from tapewire import Gap, Mark
from tapewire.venues.stx import AsyncSTX, ChannelMessage, Channels, STXWebSocket

HOST = os.environ.get("STX_HOST", "http://127.0.0.1:4000")
QUOTES = 3
AWAY = 5  # cents below the best bid


class MarketMaker:
    """Quotes one market. Handlers only note what they learn; `run` acts on it, one step at a time."""

    def __init__(self, client: AsyncSTX) -> None:
        self.client = client
        self.market_id = ""
        self.best_bid: int | None = None
        self.filled = 0
        self.moved = asyncio.Event()

    def on_market(self, message: ChannelMessage) -> None:
        fields = (message.payload or {}).get(self.market_id)
        if message.event == "market_updated" and fields and fields.get("bids"):
            self.best_bid = fields["bids"][0]["price"]
            self.moved.set()

    def on_order(self, message: ChannelMessage) -> None:
        if message.event == "order_update" and message.payload:
            self.filled += message.payload["filled"]

    def on_mark(self, mark: Mark) -> None:
        if isinstance(mark, Gap):
            self.best_bid = None  # not proven any more: quote again when it is

    async def run(self) -> None:
        quote: str | None = None
        for number in range(1, QUOTES + 1):
            await self.moved.wait()
            self.moved.clear()
            if quote is not None:
                await self.client.cancel_order(quote)
            if self.best_bid is None:
                continue
            price = max(1, self.best_bid - AWAY)
            placed = await self.client.place_order(
                market_id=self.market_id, order_type="LIMIT", action="BUY", price=price, quantity=1
            )
            quote = placed.order.id if placed.order else None
            print(f"quote {number}: buy 1 at {price}; filled so far: {self.filled}")


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

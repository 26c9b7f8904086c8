"""My bot uses the earlier names (MARKET_INFO, ACTIVE_ORDERS): do they still work?

They do, on the same class. Start `tapewire sandbox --port 4000` in another shell, then run
`python examples/stx/earlier_names.py`. It ends after one market and one order of its own. STX_HOST leads it
elsewhere.
"""

import asyncio
import os

from tapewire.venues.stx import AsyncSTX, ChannelMessage, Channels, STXWebSocket

HOST = os.environ.get("STX_HOST", "http://127.0.0.1:4000")


async def main() -> None:
    market, order = asyncio.Event(), asyncio.Event()

    def on_market(message: ChannelMessage) -> None:
        if message.event == "market_update" and not market.is_set():
            print("market:", *(message.payload or {}))
            market.set()

    def on_order(message: ChannelMessage) -> None:
        if message.event == "order_update" and message.payload and not order.is_set():
            print("order:", message.payload["orderId"], message.payload["status"])
            order.set()

    async with (
        AsyncSTX(host=HOST, email="you@example.com", password="any") as client,
        STXWebSocket(host=HOST) as ws,  # the client's login is the process's
    ):
        await ws.join(Channels.MARKET_INFO, on_message=on_market)
        await ws.join(Channels.ACTIVE_ORDERS, on_message=on_order)
        await market.wait()
        [*_, newest] = await client.markets(status="OPEN")
        await client.place_order(
            market_id=newest.market_id, order_type="LIMIT", action="BUY", price=1, quantity=10
        )
        await order.wait()


asyncio.run(main())

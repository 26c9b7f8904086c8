"""How do I have my orders cancelled when my bot dies?

With `cancel_on_disconnect` the venue cancels them when the socket goes silent for that many seconds; the socket pings
by itself while it lives. Start `tapewire sandbox --port 4000` in another shell, then run
`python examples/stx/protect_orders.py`. It ends with an order cancelled by the venue. STX_HOST leads it elsewhere.
"""

import asyncio
import os

from tapewire.venues.stx import AsyncSTX, Channels, STXWebSocket

HOST = os.environ.get("STX_HOST", "http://127.0.0.1:4000")


async def main() -> None:
    async with AsyncSTX(host=HOST, email="careful@example.com", password="any") as client:
        async with STXWebSocket(host=HOST) as ws:
            await ws.join(Channels.ORDERS, on_message=lambda message: None, cancel_on_disconnect=5)
            [*_, market] = await client.markets(status="OPEN")  # the first in the list ends first
            placed = await client.place_order(
                market_id=market.market_id, order_type="LIMIT", action="BUY", price=1, quantity=1
            )
            print("while the socket lives:", placed.order.status)
        while True:
            [order] = await client.orders(order_ids=[placed.order.id])
            if order.status != "OPEN":
                break
            await asyncio.sleep(0.1)
        print("after it:", order.status)


asyncio.run(main())

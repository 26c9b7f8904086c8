"""How do I learn what became of my order without asking again and again?

Start `tapewire sandbox --port 4000` in another shell, then run `python examples/stx/follow_orders.py`. It places an
order, cancels it, and ends when both have been heard of. STX_HOST leads it elsewhere.
"""

import asyncio
import os
from typing import Any

from tapewire.venues.stx import AsyncSTX, ChannelMessage, Channels, STXWebSocket

HOST = os.environ.get("STX_HOST", "http://127.0.0.1:4000")


async def main() -> None:
    updates: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    def on_order(message: ChannelMessage) -> None:
        if message.event == "order_update" and message.payload:
            updates.put_nowait(message.payload)

    async with (
        AsyncSTX(host=HOST, email="you@example.com", password="any") as client,
        STXWebSocket(host=HOST) as ws,  # the client's login is the process's
    ):
        await ws.join(Channels.ORDERS, on_message=on_order)
        [*_, market] = await client.markets(status="OPEN")  # the first in the list ends first
        placed = await client.place_order(
            market_id=market.market_id, order_type="LIMIT", action="BUY", price=1, quantity=10
        )
        await client.cancel_order(placed.order.id)
        status = ""
        while status != "CANCELLED":
            update = await updates.get()
            if update["orderId"] == placed.order.id:
                status = update["status"]
                print("the order is", status)


asyncio.run(main())

"""How do I know all my orders after a reconnection, when the venue replays nothing?

With `reconcile=True` they are fetched over HTTP after every join, and come before what is live. Start
`tapewire sandbox --port 4000` in another shell, then run `python examples/stx/reconcile_orders.py`. It breaks its own
line once, and ends when it knows its orders again. STX_HOST leads it elsewhere.
"""

import asyncio
import os

from tapewire.venues.stx import AsyncSTX, ChannelMessage, Channels, STXWebSocket

HOST = os.environ.get("STX_HOST", "http://127.0.0.1:4000")


async def main() -> None:
    orders: dict[str, str] = {}
    snapshots: asyncio.Queue[int] = asyncio.Queue()

    def on_order(message: ChannelMessage) -> None:
        payload = message.payload or {}
        if message.event == "snapshot":
            orders.clear()
            orders.update({order["id"]: order["status"] for order in payload["orders"]})
            snapshots.put_nowait(len(orders))
        elif message.event == "order_update":
            orders[payload["orderId"]] = payload["status"]

    async with (
        AsyncSTX(host=HOST, email="you@example.com", password="any") as client,
        STXWebSocket(host=HOST) as ws,
    ):
        [*_, market] = await client.markets(status="OPEN")  # the first in the list ends first
        await ws.join(Channels.ORDERS, on_message=on_order, reconcile=True)
        print("orders at first:", await snapshots.get())
        await client.place_order(
            market_id=market.market_id, order_type="LIMIT", action="BUY", price=1, quantity=1
        )
        ws.reconnect()
        print("orders after the line was lost:", await snapshots.get())


asyncio.run(main())

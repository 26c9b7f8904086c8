"""How do I place an order and learn what became of it?

Start `tapewire sandbox --port 4000` in another shell, then run `python examples/weex/follow_orders.py`. It ends when
the order is cancelled. WEEX_HOST leads it elsewhere.
"""

import asyncio
import os
import uuid
from decimal import Decimal

from tapewire.venues.weex import Stream, WeexConfig, WeexWebSocketClient

CONFIG = WeexConfig(
    host=os.environ.get("WEEX_HOST", "http://127.0.0.1:4000"),
    api_key=os.environ.get("WEEX_API_KEY", "sandbox-weex-key"),
    secret_key=os.environ.get("WEEX_SECRET_KEY", "sandbox-weex-secret"),
    passphrase=os.environ.get("WEEX_PASSPHRASE", "sandbox-weex-passphrase"),
)


async def main() -> None:
    async with WeexWebSocketClient(CONFIG) as client:
        identifier = uuid.uuid4().hex  # ours: by it the order is found even if the venue's answer is lost
        orders = client.stream_orders()
        await orders.confirmed()  # from here on no change is missed
        following = asyncio.create_task(follow(orders, identifier))
        bid, _ = (await client.http.get_order_book("BTCUSDT"))["bids"][0]
        price = Decimal(bid) - 50  # far enough not to be filled
        placed = await client.http.place_order(
            "BTCUSDT", "buy", "0.01", price=price, client_order_id=identifier
        )
        found = await client.http.get_order(placed["order_id"])
        print("looked up:", found["status"])
        await client.http.cancel_order(client_order_id=identifier)
        await following


async def follow(orders: Stream, client_order_id: str) -> None:
    async for message in orders:
        if message.data["client_order_id"] == client_order_id:
            print("the order is", message.data["status"])
            if message.data["status"] in ("canceled", "filled"):
                return


asyncio.run(main())

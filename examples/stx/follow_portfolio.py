"""How do I keep an eye on my balance?

Start `tapewire sandbox --port 4000` in another shell, then run `python examples/stx/follow_portfolio.py`. It ends after
two changes, which its own order makes. STX_HOST leads it elsewhere. Amounts are whole cents.
"""

import asyncio
import os
from typing import Any

from tapewire.venues.stx import AsyncSTX, ChannelMessage, Channels, STXWebSocket

HOST = os.environ.get("STX_HOST", "http://127.0.0.1:4000")


async def main() -> None:
    balances: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    def on_portfolio(message: ChannelMessage) -> None:
        if message.event in ("summary", "update") and message.payload:
            balances.put_nowait(message.payload)

    async def say() -> None:
        balance = await balances.get()
        available, total = balance["available_balance"], balance["account_balance"]
        print(f"available: ${available / 100:.2f} of ${total / 100:.2f}")

    async with (
        AsyncSTX(host=HOST, email="you@example.com", password="any") as client,
        STXWebSocket(host=HOST) as ws,  # the client's login is the process's
    ):
        await ws.join(Channels.PORTFOLIO, on_message=on_portfolio)
        await say()  # what it is
        [*_, market] = await client.markets(status="OPEN")
        placed = await client.place_order(
            market_id=market.market_id, order_type="LIMIT", action="BUY", price=1, quantity=500
        )
        await say()  # what the order may cost is set aside
        await client.cancel_order(placed.order.id)
        await say()


asyncio.run(main())

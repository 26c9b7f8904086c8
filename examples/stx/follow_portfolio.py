"""How do I keep an eye on my balance?

Start `tapewire sandbox --port 4000` in another shell, then run `python examples/stx/follow_portfolio.py`. It ends after
three changes, which the sandbox makes in your name. STX_HOST leads it elsewhere. Amounts are whole cents.
"""

import asyncio
import os

from tapewire.venues.stx import ChannelMessage, Channels, STXWebSocket

HOST = os.environ.get("STX_HOST", "http://127.0.0.1:4000")
CHANGES = 3


async def main() -> None:
    balances: asyncio.Queue[dict] = asyncio.Queue()

    def on_portfolio(message: ChannelMessage) -> None:
        if message.event in ("summary", "update") and message.payload:
            balances.put_nowait(message.payload)

    async with STXWebSocket(host=HOST, email="you@example.com", password="any") as ws:
        await ws.join(Channels.PORTFOLIO, on_message=on_portfolio)
        for _ in range(CHANGES):
            balance = await balances.get()
            print(
                f"available: ${balance['available_balance'] / 100:.2f} of ${balance['account_balance'] / 100:.2f}"
            )


asyncio.run(main())

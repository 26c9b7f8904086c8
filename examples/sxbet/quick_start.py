"""How do I connect with my API key and see the market move?

The client fetches its realtime token by itself, and a fresh one before that ends. Start `tapewire sandbox --port
4000` in another shell, then run `python examples/sxbet/quick_start.py`. It ends after ten trades. SXBET_HOST leads it
elsewhere.
"""

import asyncio
import os

from tapewire.venues.sxbet import PublicationContext, SXBetClient

HOST = os.environ.get("SXBET_HOST", "http://127.0.0.1:4000")

TRADES = 10


async def main() -> None:
    enough = asyncio.Event()
    seen = 0

    def on_trade(context: PublicationContext) -> None:
        nonlocal seen
        seen += 1
        print(f"trade {seen}: {context.data['stake']} at {context.data['odds']}")
        if seen == TRADES:
            enough.set()

    async with SXBetClient(host=HOST, api_key="any") as client:
        print("the client is", client.state)
        trades = client.new_subscription("recent_trades:global")
        trades.on("publication", on_trade)
        trades.subscribe()
        await enough.wait()


asyncio.run(main())

"""How do I learn of markets that are listed or settled?

Start `tapewire sandbox --port 4000` in another shell, then run `python examples/sxbet/watch_markets.py`. It ends
after the first news of a market, which may take half a minute. SXBET_HOST leads it elsewhere.
"""

import asyncio
import os

from tapewire.venues.sxbet import PublicationContext, SXBetClient

HOST = os.environ.get("SXBET_HOST", "http://127.0.0.1:4000")


async def main() -> None:
    heard = asyncio.Event()

    def on_markets(context: PublicationContext) -> None:
        for market in context.data:  # several at once
            print(f"{market['marketHash']}: status={market['status']}")
        heard.set()

    async with SXBetClient(host=HOST, api_key="any") as client:
        markets = client.new_subscription("markets:global")
        markets.on("publication", on_markets)
        markets.subscribe()
        await heard.wait()


asyncio.run(main())

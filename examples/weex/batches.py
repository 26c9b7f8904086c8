"""How do I handle messages by the batch, and never wait long for a full one?

Start `tapewire sandbox --port 4000` in another shell, then run `python examples/weex/batches.py`. It ends after three
batches. WEEX_HOST leads it elsewhere.
"""

import asyncio
import os

from tapewire.streams import batched
from tapewire.venues.weex import WeexConfig, WeexWebSocketClient

HOST = os.environ.get("WEEX_HOST", "http://127.0.0.1:4000")


async def main() -> None:
    done = 0
    async with WeexWebSocketClient(WeexConfig(host=HOST)) as client:
        async with batched(client.stream_tickers(["BTCUSDT"]), size=5, seconds=0.6) as batches:
            async for batch in batches:
                prices = [message.data["last"] for message in batch]
                print(f"{len(batch)} prices between {min(prices)} and {max(prices)}")
                done += 1
                if done == 3:
                    break
        print(f"read and not handled: {len(batches.rest())}")


asyncio.run(main())

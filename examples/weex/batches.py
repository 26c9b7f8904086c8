"""How do I handle messages by the batch, and never wait long for a full one?

Start `tapewire sandbox --port 4000` in another shell, then run `python examples/weex/batches.py`. It ends after three
batches. WEEX_HOST leads it elsewhere.
"""

import asyncio
import os
from collections.abc import AsyncIterator

from tapewire.venues.weex import Stream, WeexConfig, WeexMessage, WeexWebSocketClient

HOST = os.environ.get("WEEX_HOST", "http://127.0.0.1:4000")


async def batches(stream: Stream, size: int, seconds: float) -> AsyncIterator[list[WeexMessage]]:
    """Up to `size` messages, or what came within `seconds` of the first: whichever is sooner."""
    loop, batch, deadline = asyncio.get_running_loop(), [], 0.0
    waiting = asyncio.ensure_future(anext(stream))  # a cancelled iteration would be over: wait for it instead
    try:
        while True:
            left = max(0.0, deadline - loop.time()) if batch else None
            await asyncio.wait({waiting}, timeout=left)
            if waiting.done():
                deadline = deadline if batch else loop.time() + seconds
                batch.append(waiting.result())
                waiting = asyncio.ensure_future(anext(stream))
            if batch and (len(batch) >= size or loop.time() >= deadline):
                yield batch
                batch = []
    finally:
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)


async def main() -> None:
    done = 0
    async with WeexWebSocketClient(WeexConfig(host=HOST)) as client:
        async for batch in batches(client.stream_tickers(["BTCUSDT"]), size=5, seconds=0.6):
            prices = [message.data["last"] for message in batch]
            print(f"{len(batch)} prices between {min(prices)} and {max(prices)}")
            done += 1
            if done == 3:
                break


asyncio.run(main())

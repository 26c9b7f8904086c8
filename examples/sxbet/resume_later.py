"""How does my next process go on where the last one stopped?

Start `tapewire sandbox --port 4000` in another shell, then run `python examples/sxbet/resume_later.py`. It follows
trades for a moment with one client and goes on with another, and ends. SXBET_HOST leads it elsewhere.
"""

import asyncio
import os

from tapewire import is_mark
from tapewire.venues.sxbet import StreamPosition, SXBetClient

HOST = os.environ.get("SXBET_HOST", "http://127.0.0.1:4000")


async def follow(since: StreamPosition | None) -> StreamPosition | None:
    taken: list[int] = []
    async with SXBetClient(host=HOST, api_key="any") as client:
        trades = client.new_subscription(
            "recent_trades:global", positioned=True, recoverable=True, since=since
        )
        async for item in trades:
            if not is_mark(item):
                taken.append(item.offset)
            if len(taken) == 5:
                break
        print(f"took offsets {taken[0]} to {taken[-1]}")
        return trades.position


async def main() -> None:
    position = await follow(None)
    print("save this:", position)
    await follow(position)


asyncio.run(main())

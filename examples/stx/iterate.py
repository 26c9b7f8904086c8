"""How do I read a channel with `async for` instead of a handler?

Start `tapewire sandbox --port 4000` in another shell, then run `python examples/stx/iterate.py`. It ends after five
changes. STX_HOST leads it elsewhere.
"""

import asyncio
import os

from tapewire import is_mark
from tapewire.venues.stx import Channels, STXWebSocket

HOST = os.environ.get("STX_HOST", "http://127.0.0.1:4000")
CHANGES = 5


async def main() -> None:
    async with STXWebSocket(host=HOST, email="you@example.com", password="any") as ws:
        changes = 0
        async for item in await ws.join(Channels.MARKETS):
            if is_mark(item):
                print("the stream says of itself:", item)
            elif item.event == "market_updated":
                for market_id, fields in (item.payload or {}).items():
                    print("changed:", market_id, sorted(fields))
                changes += 1
            if changes == CHANGES:
                break


asyncio.run(main())

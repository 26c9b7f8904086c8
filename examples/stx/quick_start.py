"""How do I see the market move?

Start `tapewire sandbox --port 4000` in another shell, then run `python examples/stx/quick_start.py`. It ends after ten
messages. STX_HOST leads it elsewhere.
"""

import asyncio
import os

from tapewire.venues.stx import ChannelMessage, Channels, STXWebSocket

HOST = os.environ.get("STX_HOST", "http://127.0.0.1:4000")
MESSAGES = 10


async def main() -> None:
    seen = 0
    enough = asyncio.Event()

    async def on_market(message: ChannelMessage) -> None:
        nonlocal seen
        print(f"{message.event}: {message.payload}")
        seen += 1
        if seen == MESSAGES:
            enough.set()

    async with STXWebSocket(host=HOST, email="you@example.com", password="any") as ws:
        await ws.join(Channels.MARKETS, on_message=on_market)
        await enough.wait()


asyncio.run(main())

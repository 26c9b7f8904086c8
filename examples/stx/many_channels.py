"""How do I follow several channels over one connection?

Start `tapewire sandbox --port 4000` in another shell, then run `python examples/stx/many_channels.py`. It ends when
each channel has brought something. STX_HOST leads it elsewhere.
"""

import asyncio
import os
from collections.abc import Callable

from tapewire.venues.stx import ChannelMessage, Channels, STXWebSocket

HOST = os.environ.get("STX_HOST", "http://127.0.0.1:4000")
FOLLOWED = (Channels.MARKETS, Channels.ORDERS, Channels.TRADES, Channels.POSITIONS, Channels.PORTFOLIO)


async def main() -> None:
    waiting = set(FOLLOWED)
    all_heard = asyncio.Event()

    def handler(channel: Channels) -> Callable[[ChannelMessage], None]:
        def on_message(message: ChannelMessage) -> None:
            if message.is_reply or channel not in waiting:
                return
            print(f"{channel.name} brought {message.event}")
            waiting.discard(channel)
            if not waiting:
                all_heard.set()

        return on_message

    async with STXWebSocket(host=HOST, email="you@example.com", password="any") as ws:
        for channel in FOLLOWED:
            await ws.join(channel, on_message=handler(channel))
        await all_heard.wait()


asyncio.run(main())

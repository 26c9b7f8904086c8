"""What can I show of a socket on a dashboard?

Start `tapewire sandbox --port 4000` in another shell, then run `python examples/stx/read_statistics.py`. It breaks its
own line once, prints the figures, and ends. STX_HOST leads it elsewhere.
"""

import asyncio
import os

from tapewire import Mark
from tapewire.venues.stx import ChannelMessage, Channels, STXWebSocket

HOST = os.environ.get("STX_HOST", "http://127.0.0.1:4000")


async def main() -> None:
    news, back = asyncio.Event(), asyncio.Event()

    def on_market(message: ChannelMessage) -> None:
        if not message.is_reply:
            news.set()

    def on_mark(mark: Mark) -> None:
        back.set()  # the mark of a lost line comes when the channel is joined again

    async with STXWebSocket(host=HOST, email="you@example.com", password="any") as ws:
        await ws.join(Channels.MARKETS, on_message=on_market, on_mark=on_mark)
        await news.wait()
        ws.reconnect()
        await back.wait()
        figures = ws.statistics()
        print(f"{figures.state}: connection {figures.connections}, {figures.reconnections} reconnection(s)")
        for channel in figures.details:
            print(f"{channel.topic}: {channel.state}, {channel.delivered} delivered, {channel.marks} mark(s)")


asyncio.run(main())

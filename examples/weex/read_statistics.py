"""What can I show of the client on a dashboard?

Start `tapewire sandbox --port 4000` in another shell, then run `python examples/weex/read_statistics.py`. It ends
after one look. WEEX_HOST leads it elsewhere.
"""

import asyncio
import os

from tapewire.venues.weex import WeexConfig, WeexWebSocketClient

HOST = os.environ.get("WEEX_HOST", "http://127.0.0.1:4000")


async def main() -> None:
    async with WeexWebSocketClient(WeexConfig(host=HOST)) as client:
        stream = client.stream_trades("BTCUSDT")
        await anext(stream)
        for figures in client.statistics().sessions:
            print(f"{figures.state}: {figures.connections} connection, {figures.subscriptions} subscription")
        print(f"taken {stream.delivered}, dropped {stream.dropped}, marks {stream.marks}")


asyncio.run(main())

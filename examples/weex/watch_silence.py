"""How do I notice that a stream has fallen silent, and whether it is the line or the market?

Start `tapewire sandbox --port 4000` in another shell, then run `python examples/weex/watch_silence.py`. It ends after
the first silence. WEEX_HOST leads it elsewhere.
"""

import asyncio
import os

from tapewire.venues.weex import WeexConfig, WeexWebSocketClient

HOST = os.environ.get("WEEX_HOST", "http://127.0.0.1:4000")
SILENT = 0.3  # books come at most twice a second: here every pause is a silence


async def main() -> None:
    heard_at = asyncio.get_running_loop().time()

    async def watch(client: WeexWebSocketClient) -> None:
        while True:
            await asyncio.sleep(0.05)
            silent = asyncio.get_running_loop().time() - heard_at
            if silent > SILENT:
                where = "the market is quiet" if client.is_connected else "the line is down"
                print(f"nothing for {silent:.1f} s: {where}")
                return

    async with WeexWebSocketClient(WeexConfig(host=HOST)) as client:
        watching = asyncio.create_task(watch(client))
        async for _ in client.stream_order_book("BTCUSDT"):
            heard_at = asyncio.get_running_loop().time()
            if watching.done():
                break
        await watching


asyncio.run(main())

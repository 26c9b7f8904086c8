"""How do I notice that a stream has fallen silent, and whether it is the line or the market?

Start `tapewire sandbox --port 4000` in another shell, then run `python examples/weex/watch_silence.py`. It ends when
the first silence is over. WEEX_HOST leads it elsewhere.
"""

import asyncio
import os

from tapewire.streams import Stale, StalenessWatch
from tapewire.venues.weex import WeexConfig, WeexWebSocketClient

HOST = os.environ.get("WEEX_HOST", "http://127.0.0.1:4000")
SILENT = 0.3  # books come at most twice a second: here every pause is a silence


async def main() -> None:
    async with WeexWebSocketClient(WeexConfig(host=HOST)) as client:
        watch = StalenessWatch(lively=SILENT, connection=15.0)
        watch.follow_connection("line", lambda: client.statistics().since_heard)
        watch.follow("book", connection="line")

        async def read() -> None:
            async for _ in watch.listening(client.stream_order_book("BTCUSDT"), "book"):
                pass  # what a program does with a book is no matter here

        reading = asyncio.create_task(read())
        async for change in watch:
            if isinstance(change, Stale):
                where = "the line is down" if change.connection_stale else "the market is quiet"
                print(f"nothing for {change.silent:.1f} s: {where}")
            else:
                print(f"heard again after {change.silent:.1f} s")
                break
        reading.cancel()


asyncio.run(main())

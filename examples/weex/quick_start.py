"""How do I see a price move?

Start `tapewire sandbox --port 4000` in another shell, then run `python examples/weex/quick_start.py`. It ends after
five prices. WEEX_HOST leads it elsewhere.
"""

import asyncio
import os

from tapewire.venues.weex import WeexConfig, WeexWebSocketClient

HOST = os.environ.get("WEEX_HOST", "http://127.0.0.1:4000")


async def main() -> None:
    async with WeexWebSocketClient(WeexConfig(host=HOST)) as client:
        prices = 0
        async for message in client.stream_tickers(["BTCUSDT"]):
            data = message.data
            print(f"{message.timestamp:.3f} {data['last']} ({data['change']:+.2f} % in a day)")
            prices += 1
            if prices == 5:
                break


asyncio.run(main())

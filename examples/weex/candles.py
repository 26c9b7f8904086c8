"""How do I begin with candles of the past and go on with live ones?

Start `tapewire sandbox --port 4000` in another shell, then run `python examples/weex/candles.py`. It ends with the
first live candle. WEEX_HOST leads it elsewhere.
"""

import asyncio
import os

from tapewire.venues.weex import WeexConfig, WeexWebSocketClient

HOST = os.environ.get("WEEX_HOST", "http://127.0.0.1:4000")


async def main() -> None:
    async with WeexWebSocketClient(WeexConfig(host=HOST)) as client:
        live = client.stream_klines("BTCUSDT", "1m")
        candles = {
            candle["start"]: candle for candle in await client.http.get_kline("BTCUSDT", "1m", limit=10)
        }
        print(f"{len(candles)} candles of the past")
        async for message in live:
            candles[message.data["start"]] = message.data  # the same candle again, or the next
            print(f"the latest closes at {message.data['close']}")
            break


asyncio.run(main())

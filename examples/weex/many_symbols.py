"""How do I follow many symbols at once over one connection?

Start `tapewire sandbox --port 4000` in another shell, then run `python examples/weex/many_symbols.py`. It ends when
each has moved three times. WEEX_HOST leads it elsewhere.
"""

import asyncio
import os

from tapewire.venues.weex import WeexConfig, WeexWebSocketClient

HOST = os.environ.get("WEEX_HOST", "http://127.0.0.1:4000")
SYMBOLS = ("BTCUSDT", "ETHUSDT", "ADAUSDT")


async def follow(client: WeexWebSocketClient, symbol: str) -> None:
    moves = 0
    async for message in client.stream_tickers([symbol]):
        moves += 1
        if moves == 3:
            print(f"{symbol}: {message.data['last']}")
            return


async def main() -> None:
    async with WeexWebSocketClient(WeexConfig(host=HOST)) as client:
        async with asyncio.TaskGroup() as group:
            for symbol in SYMBOLS:
                group.create_task(follow(client, symbol))
        print(f"{len(client.statistics().sessions)} connection for {len(SYMBOLS)} symbols")


asyncio.run(main())

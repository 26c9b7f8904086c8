"""How do I see who pushes the price, buyers or sellers?

Start `tapewire sandbox --port 4000` in another shell, then run `python examples/weex/trades.py`. It ends after ten
trades. WEEX_HOST leads it elsewhere.
"""

import asyncio
import os
from decimal import Decimal

from tapewire.venues.weex import WeexConfig, WeexWebSocketClient

HOST = os.environ.get("WEEX_HOST", "http://127.0.0.1:4000")


async def main() -> None:
    pushed = {"buy": Decimal(0), "sell": Decimal(0)}
    trades = 0
    async with WeexWebSocketClient(WeexConfig(host=HOST)) as client:
        async for message in client.stream_trades("ETHUSDT"):
            pushed[message.data["side"]] += message.data["size"]
            trades += 1
            if trades == 10:
                break
    print(f"bought {pushed['buy']}, sold {pushed['sell']}")


asyncio.run(main())

"""How do I act on large moves only?

Start `tapewire sandbox --port 4000` in another shell, then run `python examples/weex/filter_moves.py`. It ends after
three. WEEX_HOST leads it elsewhere.
"""

import asyncio
import os
from decimal import Decimal

from tapewire.venues.weex import WeexConfig, WeexWebSocketClient

HOST = os.environ.get("WEEX_HOST", "http://127.0.0.1:4000")
STEP = Decimal("0.000001")


async def main() -> None:
    seen, passed_over = 0, 0
    last: dict[str, Decimal] = {}
    async with WeexWebSocketClient(WeexConfig(host=HOST)) as client:
        async for message in client.stream_tickers(["BTCUSDT", "ETHUSDT", "ADAUSDT"]):
            price, previous = message.data["last"], last.get(message.symbol)
            last[message.symbol] = price
            if previous is None or abs(price / previous - 1) < STEP:
                passed_over += 1
                continue
            print(f"{message.symbol} from {previous} to {price}")
            seen += 1
            if seen == 3:
                break
    print(f"passed over: {passed_over}")


asyncio.run(main())

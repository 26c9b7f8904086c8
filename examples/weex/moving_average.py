"""How do I compare the price with its average, without keeping all prices?

Start `tapewire sandbox --port 4000` in another shell, then run `python examples/weex/moving_average.py`. It ends
after the first five signals. WEEX_HOST leads it elsewhere.
"""

import asyncio
import os
from decimal import Decimal

from tapewire.trading import SimpleAverage, compared
from tapewire.venues.weex import WeexConfig, WeexWebSocketClient

HOST = os.environ.get("WEEX_HOST", "http://127.0.0.1:4000")
PERIOD = 8
BAND = Decimal("0.00001")


async def main() -> None:
    average: SimpleAverage[Decimal] = SimpleAverage(
        PERIOD
    )  # for a signal only where they cross: see Crossing
    signals = 0
    async with WeexWebSocketClient(WeexConfig(host=HOST)) as client:
        async for message in client.stream_tickers(["BTCUSDT"]):
            price = message.data["last"]
            mean = average.update(price)
            if mean is None:  # there are fewer than PERIOD prices yet
                continue
            print(f"{compared(price, mean, BAND)}: {price} against {mean:.2f}")
            signals += 1
            if signals == 5:
                break


asyncio.run(main())

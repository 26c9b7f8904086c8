"""How do I compare the price with its average, without keeping all prices?

Start `tapewire sandbox --port 4000` in another shell, then run `python examples/weex/moving_average.py`. It ends
after the first five signals. WEEX_HOST leads it elsewhere.
"""

import asyncio
import os
from collections import deque
from decimal import Decimal

from tapewire.venues.weex import WeexConfig, WeexWebSocketClient

HOST = os.environ.get("WEEX_HOST", "http://127.0.0.1:4000")
PERIOD = 8
BAND = Decimal("0.00001")


def signal(price: Decimal, average: Decimal) -> str:
    if price > average * (1 + BAND):
        return "buy"
    return "sell" if price < average * (1 - BAND) else "hold"


async def main() -> None:
    prices: deque[Decimal] = deque(maxlen=PERIOD)  # the oldest falls out by itself
    total, signals = Decimal(0), 0
    async with WeexWebSocketClient(WeexConfig(host=HOST)) as client:
        async for message in client.stream_tickers(["BTCUSDT"]):
            price = message.data["last"]
            total += price - (prices[0] if len(prices) == PERIOD else 0)
            prices.append(price)
            if len(prices) < PERIOD:
                continue
            average = total / PERIOD
            print(f"{signal(price, average)}: {price} against {average:.2f}")
            signals += 1
            if signals == 5:
                break


asyncio.run(main())

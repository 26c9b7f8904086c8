"""How does my bot learn that it missed something, and what should it do then?

Start `tapewire sandbox --port 4000` in another shell, then run `python examples/weex/react_to_gaps.py`. It breaks its
own line once, and ends when prices come again. WEEX_HOST leads it elsewhere.
"""

import asyncio
import os
from decimal import Decimal

from tapewire import Gap, Mark, Subscribing
from tapewire.venues.weex import WeexConfig, WeexWebSocketClient

HOST = os.environ.get("WEEX_HOST", "http://127.0.0.1:4000")


async def main() -> None:
    price: Decimal | None = None
    asked = broken = False

    def on_mark(mark: Mark) -> None:
        nonlocal price, broken
        if isinstance(mark, Subscribing) and price is not None:
            price = None  # told at once, however long the outage will be: quote nothing unproven
            print(f"{mark.reason}: the price is not known")
        elif isinstance(mark, Gap):
            broken = True  # told when the stream goes on: what was missed lies here
            seconds = (mark.until_ns - mark.since_ns) / 1e9
            print(f"gap ({mark.reason}) of {seconds:.2f} s")

    async with WeexWebSocketClient(WeexConfig(host=HOST)) as client:
        async for message in client.stream_tickers(["BTCUSDT"], announce=True, on_mark=on_mark):
            price = message.data["last"]
            print("the price is", price)
            if broken:
                break
            if not asked:
                asked = True
                client.reconnect()


asyncio.run(main())

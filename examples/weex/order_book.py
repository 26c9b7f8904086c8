"""How do I keep a book of a few levels that is right?

Start `tapewire sandbox --port 4000` in another shell, then run `python examples/weex/order_book.py`. It ends after
four states. WEEX_HOST leads it elsewhere.
"""

import asyncio
import os

from tapewire import Mark
from tapewire.venues.weex import WeexConfig, WeexWebSocketClient

HOST = os.environ.get("WEEX_HOST", "http://127.0.0.1:4000")


def on_mark(mark: Mark) -> None:
    print("not proven until the next state:", mark)


async def main() -> None:
    async with WeexWebSocketClient(WeexConfig(host=HOST)) as client:
        states = 0
        async for message in client.stream_order_book("BTCUSDT", level=5, on_mark=on_mark):
            (bid, bid_size), (ask, ask_size) = message.data["bids"][0], message.data["asks"][0]
            print(f"state {message.sequence}: {bid_size} at {bid} | {ask_size} at {ask}")
            states += 1
            if states == 4:
                break


asyncio.run(main())

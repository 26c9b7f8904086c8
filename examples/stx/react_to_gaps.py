"""How does my bot learn that it missed something, and what should it do then?

Start `tapewire sandbox --port 4000` in another shell, then run `python examples/stx/react_to_gaps.py`. It breaks its
own line once, and ends when prices are known again. STX_HOST leads it elsewhere.
"""

import asyncio
import os

from tapewire import Gap, Mark, Subscribing
from tapewire.venues.stx import ChannelMessage, Channels, STXWebSocket

HOST = os.environ.get("STX_HOST", "http://127.0.0.1:4000")


async def main() -> None:
    prices: dict[str, float] = {}
    known, known_again = asyncio.Event(), asyncio.Event()
    broken = False

    def on_market(message: ChannelMessage) -> None:
        if message.event != "market_updated":
            return
        for market_id, fields in (message.payload or {}).items():
            if fields.get("price") is not None:
                prices[market_id] = fields["price"]
                (known_again if broken else known).set()

    def on_mark(mark: Mark) -> None:
        nonlocal broken
        if isinstance(mark, Subscribing) and prices:  # told at once, however long the outage will be
            print(f"{mark.reason}: {len(prices)} prices are no longer known")
            prices.clear()  # quote nothing that you cannot prove
        elif isinstance(mark, Gap):  # told when the stream goes on: what was missed lies here
            print(f"gap ({mark.reason}) of {(mark.until_ns - mark.since_ns) / 1e9:.2f} s")
            broken = True

    async with STXWebSocket(host=HOST, email="you@example.com", password="any") as ws:
        await ws.join(Channels.MARKETS, on_message=on_market, on_mark=on_mark, announce=True)
        await known.wait()
        print("prices are known")
        ws.reconnect()
        await known_again.wait()
        print("prices are known again")


asyncio.run(main())

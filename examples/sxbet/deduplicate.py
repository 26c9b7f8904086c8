"""The same message may come twice: how do I apply it once?

Within one channel the client drops repetitions by `messageId` itself. A market's channel and its event's channel tell
the same too: what came by one is known by its id when it comes by the other. Start `tapewire sandbox --port 4000` in
another shell, then run `python examples/sxbet/deduplicate.py`. It ends when five orders came by both. SXBET_HOST
leads it elsewhere.
"""

import asyncio
import os

from tapewire.venues.sxbet import PublicationContext, SXBetClient

HOST = os.environ.get("SXBET_HOST", "http://127.0.0.1:4000")

MAX_SEEN = 1_000
TWICE = 5


async def main() -> None:
    seen: dict[str, None] = {}  # in the order of arrival, so that the oldest can be forgotten
    applied = repeated = 0
    enough = asyncio.Event()

    def on_orders(context: PublicationContext) -> None:
        nonlocal applied, repeated
        message_id = (context.tags or {}).get("messageId")
        if message_id is not None:
            if message_id in seen:
                repeated += 1
                if repeated == TWICE:
                    enough.set()
                return
            seen[message_id] = None
            if len(seen) > MAX_SEEN:
                del seen[next(iter(seen))]
        applied += 1  # here is what you do with context.data

    async with SXBetClient(host=HOST, api_key="any") as client:
        listed = [row async for row in client.http.active_markets()]
        market = listed[-1]  # any will do; the one listed last stays open for longest
        names = (f"order_book:market_{market.market_hash}", f"order_book:event_{market.event_id}")
        for name in names:
            channel = client.new_subscription(name, positioned=True, recoverable=True)
            channel.on("publication", on_orders)
            channel.subscribe()
        await enough.wait()
        print(f"applied {applied} messages, passed over {repeated} that came twice")


asyncio.run(main())

"""How do I miss nothing while my line is down?

With both flags the venue replays what was missed, and offsets go on without a hole. Until then `subscribing` says that
nothing comes: act on nothing that may have changed. Start `tapewire sandbox --port 4000` in another shell, then run
`python examples/sxbet/both_flags.py`. It breaks its own line once, and ends some trades later. SXBET_HOST leads it
elsewhere.
"""

import asyncio
import os
from itertools import pairwise

from tapewire import Reconnected, is_mark
from tapewire.venues.sxbet import SubscribingContext, SXBetClient

HOST = os.environ.get("SXBET_HOST", "http://127.0.0.1:4000")

BEFORE, AFTER = 5, 20


async def main() -> None:
    offsets: list[int] = []
    async with SXBetClient(host=HOST, api_key="any") as client:
        trades = client.new_subscription("recent_trades:global", positioned=True, recoverable=True)

        @trades.on("subscribing")
        def on_subscribing(context: SubscribingContext) -> None:
            if offsets:
                print(f"{context.reason}: from here on you know of no trade")

        async for item in trades:
            if is_mark(item):
                filled = isinstance(item, Reconnected)
                print("the line broke;", "nothing is missing" if filled else "something is missing")
                continue
            offsets.append(item.offset)
            if len(offsets) == BEFORE:
                client.reconnect()
            elif len(offsets) == BEFORE + AFTER:
                break
    holes = sum(later != earlier + 1 for earlier, later in pairwise(offsets))
    print(f"{len(offsets)} trades from offset {offsets[0]} on, {holes} holes")


asyncio.run(main())

"""How do I keep an order book that is right, whatever becomes of the line?

`watch_order_book` is the venue's recommended pattern done once: subscribe, hold what comes, seed over HTTP, put what
was held behind it, and fetch anew only where the replay cannot fill a hole. As soon as the line is lost the book comes
with `is_tradable` False: withdraw your quotes then, and quote again when it is True. Start `tapewire sandbox --port
4000` in another shell, then run `python examples/sxbet/order_book.py`. It breaks its own line once, and ends when the
book is proven again. SXBET_HOST leads it elsewhere.
"""

import asyncio
import os
from decimal import Decimal

from tapewire.venues.sxbet import SXBetClient

HOST = os.environ.get("SXBET_HOST", "http://127.0.0.1:4000")

CHANGES = 5


def text_of(level: tuple[Decimal, Decimal]) -> str:
    probability, contracts = level
    return f"{contracts:.0f} at {probability:.4f}"


async def main() -> None:
    async with SXBetClient(host=HOST, api_key="any") as client:
        listed = [row async for row in client.http.active_markets()]
        market = listed[-1]  # any will do; the one listed last stays open for longest
        print("the market:", market.outcome_one_name, "or", market.outcome_two_name)
        shown = 0
        async for book in client.watch_order_book(market.market_hash):
            if not book.is_tradable:  # the line is down, something is missing, or the market is not open
                print("no quotes:", book.reason)
                continue
            best = book.snapshot(0, depth=1)
            print("bid", *map(text_of, best.bids), "offer", *map(text_of, best.offers))
            shown += 1
            if shown == CHANGES:
                client.reconnect()
            elif shown == 2 * CHANGES:
                break


asyncio.run(main())

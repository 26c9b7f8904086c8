"""How do I write a strategy once, and run it on any venue?

Start `tapewire sandbox --port 4000` in another shell and paste its exports here, then run
`python examples/market/quote.py weex` (or stx, sxbet). It ends after five quotes. On a venue without order books it
says what comes nearest.
"""

import asyncio
import sys

import tapewire
from tapewire import is_mark
from tapewire.market import Venue


async def first_instrument(venue: Venue) -> str:
    async for market in venue.markets():
        return market.outcomes[0].outcome_id
    raise SystemExit(f"{venue.name} has no open market")


async def quote(venue: Venue, quotes: int) -> None:
    feed = venue.watch_order_book(await first_instrument(venue), depth=5)
    async for item in feed:
        if not feed.continuity.is_live:  # whatever it holds is not proven: withdraw
            print(f"no quotes: {feed.continuity.reason}")
        elif not is_mark(item) and item.mid is not None and item.spread is not None:
            print(
                f"around {item.mid.normalize():f}, {item.spread.normalize():f} apart ({feed.continuity.proof})"
            )
            quotes -= 1
        if not quotes:
            break


async def main(name: str) -> None:
    async with tapewire.connect(name) as venue:
        try:
            await quote(venue, 5)
        except tapewire.NotSupported as error:
            print(error)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))

"""How do I price one event on two venues at once?

Start `tapewire sandbox --port 4000` in another shell and paste its exports here, then run
`python examples/market/two_venues.py sxbet:INSTRUMENT stx:INSTRUMENT` with an instrument of each: `tapewire markets
VENUE` lists them. That the two are the same event is for you to know. It ends after ten prices.
"""

import asyncio
import sys

import tapewire
from tapewire import is_mark
from tapewire.market import BookView


async def main(first: str, second: str) -> None:
    (one, here), (two, there) = (name.split(":", 1) for name in (first, second))
    async with tapewire.connect(one) as home, tapewire.connect(two) as away:
        feeds = (home.watch_order_book(here), away.watch_order_book(there))
        views: dict[str, BookView] = {}
        prices = 0
        async with tapewire.merge(*feeds) as books:
            async for feed, item in books:
                if not is_mark(item):
                    views[feed.venue] = item  # the living book: later it shows what stands then
                if len(views) < 2 or not all(feed.continuity.is_live for feed in feeds):
                    continue  # a price of one venue beside an old one of the other is no comparison
                bids = {name: view.best_bid[0] for name, view in views.items() if view.best_bid}
                print(", ".join(f"{name} bids {bid:f}" for name, bid in sorted(bids.items())))
                prices += 1
                if prices == 10:
                    break


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:3]))

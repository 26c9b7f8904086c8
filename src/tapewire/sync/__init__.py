"""The market without asyncio: for scripts, shells and notebooks. The verbs are those of `tapewire.market.Venue`.

::

    with tapewire.sync.connect(name, api_key="...") as venue:
        feed = venue.watch_order_book(instrument_id)
        feed.wait_live(timeout=5)
        for item in feed:
            ...

Whatever is connected so shares one event loop in a thread of its own, which begins with the first and ends with the
last. Errors are of the same classes; feeds say where they broke by the same marks, and are bounded as there. Ctrl-C
ends any wait, and the `with` block then leaves within two seconds. It may be used where an event loop runs already, as
in a notebook: that one waits meanwhile. In a cell, `venue.connect()` and `venue.close()` do what the block does.
"""

from .connecting import PaperVenue, connect, paper
from .feeds import MOST_AHEAD, Feed, Merged, merge
from .venue import Venue

__all__ = ["MOST_AHEAD", "Feed", "Merged", "PaperVenue", "Venue", "connect", "merge", "paper"]

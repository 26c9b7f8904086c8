"""How a tape of this venue can begin in its midst: what its messages are, and a snapshot for each book.

The depth that HTTP gives has the number of the socket's own state, so that it can stand for the snapshot with which a
topic begins. Of the generation before (V2) there are no seed points.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from .market import WeexMarket
from .profile import V3
from .symbols import DEPTHS
from .wire_v3 import topic_in

__all__ = ["Seeding"]


class Seeding:
    """It is `tapewire.venues.VenueSeeding`."""

    def split(self, message: bytes) -> tuple[bytes | None, Sequence[tuple[str, bytes]]]:
        """Each publication says what it is of. Of a symbol's trades the last tells which are later."""
        if message.find(b'"e":', 0, 400) < 0:
            return message, ()
        topic = topic_in(message) if message.find(b'"e":"trade"', 0, 400) >= 0 else None
        return None, ((topic, message),) if topic else ()

    def is_beat(self, message: bytes) -> bool:
        """The answer to a ping."""
        return b'"PONG"' in message

    def begun(
        self, said: Sequence[tuple[bool, bytes]], last: Mapping[str, bytes]
    ) -> list[tuple[bool, bytes]]:
        """As it was, and the last trades."""
        return [*said, *((False, message) for message in last.values())]

    def is_state(self, url: str) -> bool:
        """What is looked up is of listings and limits."""
        return False

    async def snapshots(
        self, market: WeexMarket, wanted: Mapping[str, Sequence[str]]
    ) -> list[tuple[str, bytes]] | None:
        """What would begin each book, of the deepest kind. None where there is none. Raises WEEXError."""
        if market.socket.config.profile is not V3:
            return None
        depth, found = DEPTHS[-1], []
        for symbol in wanted.get("watch_order_book", ()):
            bids, asks, last = await market.http.fetch_depth(symbol, depth)
            facts = {"e": "depthSnapshot", "E": market.clock.time_ns() // 1_000_000, "s": symbol}
            facts |= {"U": last, "u": last, "l": depth, "d": "SNAPSHOT"}
            facts |= {
                "b": [list(map(str, each)) for each in bids],
                "a": [list(map(str, each)) for each in asks],
            }
            found.append((V3.symbol_topic("depth", symbol, depth), msgspec.json.encode(facts)))
        return found

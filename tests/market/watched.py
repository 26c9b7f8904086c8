"""A feed of the played market, whatever it told at once, and whatever came in its place."""

from __future__ import annotations

import asyncio
from typing import Any

from tapewire.market import Verb
from tapewire.marks import ContinuityChanged, ContinuityState, is_mark
from tests.market.played import PlayedMarket, shown

MOMENT = 0.2
"""Seconds within which what happens on the wire is known here."""

BACK_SECONDS = 100.0
"""Within which a feed is live again: calls that hang are given up by then."""


class Watched:
    """A feed, whatever it told at once, and whatever came in its place."""

    def __init__(self, at: PlayedMarket, verb: Verb) -> None:
        self.at, self.verb = at, verb
        self.told: list[ContinuityChanged] = []
        self.items: list[Any] = []
        self.feed: Any = at.watch(verb, on_continuity=self.told.append)
        self.source = self.feed._port.source
        self.taking = asyncio.ensure_future(self._take())

    async def _take(self) -> None:
        async for item in self.feed:
            self.items.append(item)

    @property
    def state(self) -> ContinuityState:
        return self.feed.continuity.state  # type: ignore[no-any-return]

    async def stands(self, state: ContinuityState, within: float) -> None:
        """Wait for a state, so long at most."""
        for _ in range(int(within / MOMENT)):
            if self.state is state:
                return
            await asyncio.sleep(MOMENT)

    async def live(self) -> None:
        await self.feed.wait_live(BACK_SECONDS)
        await asyncio.sleep(1.0)  # and what it begins with has come

    async def check_it_goes_on(self) -> None:
        """What happens now is told and nothing else, and a book is the exchange's own."""
        heard = len(self.items)
        self.at.happen(self.verb)
        await asyncio.sleep(2.0)
        news = self.items[heard:]
        assert news
        assert not any(map(is_mark, news))
        if self.verb == "watch_order_book":
            assert shown(news[-1]) == self.at.truth(self.feed.instrument_id)

"""The template under the verbs of all venues: that the contract of `venues/kit/market.py` is enough for a venue."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from tapewire.errors import NotSupported
from tapewire.marks import ContinuityChanged, Gap, is_mark
from tapewire.model import Balance, Trade
from tapewire.sandbox import Sandbox
from tapewire.sandbox.faces.template import TemplateFace
from tapewire.venues.template import TemplateArgumentError
from tapewire.venues.template.market import connect


def sandbox() -> Sandbox:
    return Sandbox(rate=0, venues=["template"], faces={"template": TemplateFace})


def trade(played: Sandbox) -> None:
    """`ann` sells to the house in its first market."""
    face = played.faces["template"]
    market = next(iter(face.exchange.markets))
    _, events = face.exchange.place("ann", market, "sell", 1, 5, played.clock.time_ns())
    face.publish(events, played.clock.time_ns())


def lose(played: Sandbox) -> None:
    """A trade is published and reaches nobody."""
    played.faces["template"].context.ledger.append("template", "trades", "trade", {}, played.clock.time_ns())


async def test_its_verbs_give_nouns_and_what_it_has_not_is_refused():
    async with sandbox() as played, connect("ann", host=played.url) as venue:
        market = next(iter(played.faces["template"].exchange.markets))
        trades, balance = venue.watch_trades(market), venue.watch_balance()
        await trades.wait_live(5)
        await balance.wait_live(5)
        trade(played)
        printed = [item async for item in first(trades, 1) if not is_mark(item)]
        told = [item async for item in first(balance, 1) if not is_mark(item)]
        assert isinstance(printed[0], Trade)
        assert (printed[0].size, printed[0].taker_side) == (Decimal(5), "sell")
        assert isinstance(told[0], Balance)
        with pytest.raises(NotSupported, match="nearest there is: watch_trades"):
            venue.watch_order_book(market)


async def test_one_frame_that_is_lost_on_the_wire_is_a_mark_before_the_next_trade():
    async with sandbox() as played, connect("ann", host=played.url) as venue:
        market = next(iter(played.faces["template"].exchange.markets))
        trades = venue.watch_trades(market)
        await trades.wait_live(5)
        trade(played)
        lose(played)
        trade(played)
        items = [item async for item in first(trades, 2)]
        kinds = [type(item) for item in items if not isinstance(item, ContinuityChanged)]
        assert kinds == [Trade, Gap, Trade]
        assert trades.continuity.missed == 1


async def test_a_wrong_argument_is_the_venues_own_error():
    with pytest.raises(TemplateArgumentError, match="token"):
        connect("")


async def first(feed: Any, count: int) -> Any:
    """Items and marks until so many items have come."""
    async with asyncio.timeout(5):
        async for item in feed:
            yield item
            count -= not is_mark(item)
            if not count:
                return

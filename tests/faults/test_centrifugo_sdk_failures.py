"""What of Centrifugo's failures takes a client long to find: held by the documented client, in virtual time."""

from __future__ import annotations

import asyncio

from tests.venues.sxbet.test_sxbet_client import CHANNEL, Told
from tests.venues.sxbet.test_sxbet_document import BOTH, TRADES, venue_and_client


async def test_a_subscription_that_is_never_answered_costs_a_new_line_which_recovers_the_others(clock):
    async with venue_and_client(clock) as (venue, client):
        await client.connect()
        trades = client.new_subscription(TRADES, **BOTH)
        told = Told(trades, *CHANNEL)
        await trades.ready()
        venue.publish(TRADES, 1)
        venue.ignore_subscribe("markets:global", 2)
        started = clock.monotonic()
        await client.new_subscription("markets:global").ready()
        assert clock.monotonic() - started < 30
        venue.publish(TRADES, 2)
        await asyncio.sleep(1)
        assert [context.offset for context in told.of("publication")] == [1, 2]
        assert len(venue.connections) == 3
        assert {type(mark).__name__ for mark in told.of("mark")} == {"Reconnected"}

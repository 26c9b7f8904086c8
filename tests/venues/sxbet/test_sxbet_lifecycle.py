"""A client that is connected again, one that is over, and what its channels say meanwhile: in virtual time."""

import asyncio

import pytest

from tapewire.errors import GaveUp, SubscriptionEnded
from tapewire.venues.sxbet import NotConnected
from tests.venues.sxbet.test_sxbet_client import CHANNEL, CLIENT, Told
from tests.venues.sxbet.test_sxbet_document import BOTH, TRADES, settled, venue_and_client


async def test_a_client_that_was_disconnected_connects_again_and_its_channels_go_on_from_where_they_were(
    clock,
):
    async with venue_and_client(clock) as (venue, client):
        told = Told(client, *CLIENT)
        channel = client.new_subscription(TRADES, **BOTH)
        heard = Told(channel, *CHANNEL)
        await client.connect()
        await channel.ready()
        venue.publish(TRADES, 1)
        await settled()
        await client.disconnect()
        assert (client.state, channel.state) == ("disconnected", "subscribing")
        assert heard.names() == ["subscribing", "subscribed", "publication", "subscribing"]
        assert heard.of("subscribing")[-1].reason == "disconnect called"
        venue.publish(TRADES, 2)
        with pytest.raises(NotConnected):
            await channel.ready()
        await client.connect()
        await channel.ready()
        await settled()
        assert (client.state, channel.state) == ("connected", "subscribed")
        assert heard.names()[4:] == ["subscribed", "mark", "publication"]
        last = heard.of("subscribed")[-1]
        assert (last.was_recovering, last.recovered) == (True, True)
        assert [context.data for context in heard.of("publication")] == [1, 2]
        assert told.names() == ["connecting", "connected", "disconnected", "connecting", "connected"]
        await client.disconnect()
        await client.connect()
        assert client.state == "connected"


async def test_a_client_that_was_ended_for_good_serves_nothing_until_it_is_connected_again(clock):
    async with venue_and_client(clock) as (venue, client):
        told = Told(client, *CLIENT)
        await client.connect()
        known = client.new_subscription(TRADES, **BOTH)
        heard = Told(known, *CHANNEL)
        await known.ready()
        venue.drop(3500)
        await settled()
        assert (client.state, known.state) == ("disconnected", "subscribing")
        assert heard.names()[:3] == ["subscribing", "subscribed", "subscribing"]
        late = client.new_subscription("markets:global")
        told_late = Told(late, *CHANNEL)
        late.subscribe()
        await asyncio.sleep(600)
        assert (late.state, told_late.names()) == ("subscribing", ["subscribing"])
        assert len(venue.connections) == 1, "no second session while the client says disconnected"
        with pytest.raises(GaveUp):
            await late.ready()
        with pytest.raises(GaveUp):
            await anext(client.watch_trades())
        await client.connect()
        await asyncio.gather(known.ready(), late.ready())
        await settled()
        assert told.names()[-3:] == ["disconnected", "connecting", "connected"]
        assert told_late.names() == ["subscribing", "subscribed"]
        assert heard.names()[-2:] == ["subscribed", "mark"]


async def test_a_first_try_that_was_refused_can_be_made_again(clock):
    async with venue_and_client(clock) as (venue, client):
        venue.refuse_connect(3500)
        with pytest.raises(GaveUp):
            await client.connect()
        assert client.state == "disconnected"
        await client.connect()
        assert client.state == "connected"


async def test_connecting_again_in_the_handler_of_the_end_works(clock):
    async with venue_and_client(clock) as (venue, client):
        ends = []

        async def again(context):
            ends.append(context.code)
            await client.connect()

        client.on("disconnected", again)
        await client.connect()
        channel = client.new_subscription(TRADES, **BOTH)
        channel.on("publication", print)
        await channel.ready()
        venue.drop(3503)
        await venue.subscribed(TRADES, 2)
        await settled()
        assert (ends, client.state, channel.state) == ([3503], "connected", "subscribed")


async def test_a_channel_that_was_left_while_disconnected_says_so_and_is_not_asked_for(clock):
    async with venue_and_client(clock) as (venue, client):
        await client.connect()
        channel = client.new_subscription(TRADES, **BOTH)
        heard = Told(channel, *CHANNEL)
        await channel.ready()
        await client.disconnect()
        channel.unsubscribe()
        await settled()
        assert (channel.state, heard.names()[-1]) == ("unsubscribed", "unsubscribed")
        await client.connect()
        await settled()
        assert len(venue.of("subscribe")) == 1


async def test_whoever_iterates_a_channel_is_raised_its_end_by_the_venue(clock):
    async with venue_and_client(clock) as (venue, client):
        await client.connect()
        channel = client.new_subscription(TRADES, **BOTH)
        heard = Told(channel, "subscribing", "subscribed", "unsubscribed")
        items = aiter(channel)
        for _ in range(3):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(items), 0.02)
        venue.publish(TRADES, 1)
        assert (await anext(items)).data == 1
        venue.unsubscribe(TRADES, 2000)
        with pytest.raises(SubscriptionEnded, match="server unsubscribe"):
            await anext(items)
        assert heard.names() == ["subscribing", "subscribed", "unsubscribed"]
        assert channel.state == "unsubscribed"


@pytest.mark.parametrize("heeded", [False, True])
async def test_a_channel_that_the_venue_ends_is_told_and_the_client_goes_on(clock, caplog, heeded):
    async with venue_and_client(clock) as (venue, client):
        await client.connect()
        ended, other = client.new_subscription(TRADES, **BOTH), client.new_subscription("markets:global")
        events = ("publication", "unsubscribed") if heeded else ("publication",)
        told, heard = Told(ended, *events), Told(other, "publication")
        await ended.ready()
        await other.ready()
        running = asyncio.ensure_future(client.run_forever())
        venue.unsubscribe(TRADES, 2000)
        await settled()
        venue.publish("markets:global", 1)
        await settled()
        assert not running.done()
        assert [context.data for context in heard.of("publication")] == [1]
        assert ended.state == "unsubscribed"
        assert told.names() == ["unsubscribed"] * heeded
        warned = f"{TRADES}: ended by the venue: server unsubscribe (code 2000)" in caplog.text
        assert warned is not heeded, "whoever is not told by the event is told by the log"
        await client.disconnect()
        await running


async def test_an_iteration_ends_with_disconnect_and_its_channel_says_that_it_is_not_subscribed(clock):
    async with venue_and_client(clock) as (_, client):
        await client.connect()
        channel = client.new_subscription(TRADES, **BOTH)
        heard = Told(channel, "subscribing", "subscribed", "unsubscribed")
        items = aiter(channel)
        waiting = asyncio.ensure_future(anext(items, "over"))
        await settled()
        await client.disconnect()
        assert await waiting == "over"
        assert heard.names() == ["subscribing", "subscribed", "unsubscribed"]
        assert channel.state == "unsubscribed"


async def test_a_channel_whose_buffer_overflows_under_fail_says_that_it_is_unsubscribed(clock):
    async with venue_and_client(clock) as (venue, client):
        await client.connect()
        channel = client.new_subscription(TRADES, **BOTH, policy="fail", capacity=2)
        heard = Told(channel, "subscribing", "subscribed", "unsubscribed", "error")
        channel.on("publication", lambda context: asyncio.sleep(1))
        await channel.ready()
        venue.publish_many(TRADES, 9)
        await asyncio.sleep(60)
        assert heard.names() == ["subscribing", "subscribed", "unsubscribed", "error"]
        assert channel.state == "unsubscribed"
        await client.disconnect()
        await client.connect()
        await settled()
        assert len(venue.of("subscribe")) == 1, "it is not wanted any more"

"""One channel of the documented client, on a scripted venue in virtual time: its own token, its errors, its bridges."""

import asyncio
import sys
from decimal import Decimal

import pytest

from tapewire.venues.sxbet import NotConnected, UnauthorizedError
from tests.venues.sxbet.test_sxbet_client import CHANNEL, Told
from tests.venues.sxbet.test_sxbet_document import BOTH, TRADES, settled, venue_and_client

# A token of the channel's own.


def channel_tokens(**spoiled):
    """A `get_token` for channels, and what it was asked; `spoiled` maps a turn ("turn_2") to what it raises."""
    asked = []

    async def get_token(channel):
        asked.append(channel)
        if error := spoiled.get(f"turn_{len(asked)}"):
            raise error
        return f"channel-token-{len(asked)}"

    return get_token, asked


async def test_a_channel_with_a_token_of_its_own_asks_for_it_by_the_channels_name(clock):
    get_token, asked = channel_tokens(turn_1=OSError("busy"))
    async with venue_and_client(clock) as (venue, client):
        await client.connect()
        channel = client.new_subscription(TRADES, get_token=get_token)
        told = Told(channel, *CHANNEL)
        await channel.ready()
        await settled()
        assert asked == [TRADES, TRADES]
        assert [command.command.token for command in venue.of("subscribe")] == ["channel-token-2"]
        assert told.names() == ["subscribing", "error", "subscribing", "subscribed"]
        assert "busy" in told.of("error")[0].reason


async def test_a_channel_whose_token_is_refused_is_unsubscribed_and_the_client_goes_on(clock):
    get_token, asked = channel_tokens(turn_1=UnauthorizedError("not yours"))
    async with venue_and_client(clock) as (venue, client):
        await client.connect()
        channel = client.new_subscription(TRADES, get_token=get_token)
        told = Told(channel, *CHANNEL)
        with pytest.raises(UnauthorizedError, match="not yours"):
            await channel.ready()
        await asyncio.sleep(600)
        assert told.names() == ["subscribing", "unsubscribed", "error"]
        assert told.of("unsubscribed")[0].code == 1
        assert asked == [TRADES]
        assert client.state == "connected"
        assert venue.of("subscribe") == []


async def test_a_channel_tells_its_errors_to_whoever_iterates_it_too(clock):
    async with venue_and_client(clock) as (venue, client):
        await client.connect()
        venue.refuse_subscribe(TRADES, 100)
        channel = client.new_subscription(TRADES)
        told = Told(channel, "subscribing", "error", "subscribed")
        items = aiter(channel)
        first = asyncio.ensure_future(anext(items))
        await venue.subscribed(TRADES)
        venue.publish(TRADES, 1)
        assert (await first).data == 1
        assert told.names() == ["subscribing", "error", "subscribing", "subscribed"]
        assert told.of("error")[0].code == 100
        await items.aclose()


async def test_a_fraction_that_is_published_is_exact_and_can_be_added_to_one_from_http(clock):
    async with venue_and_client(clock) as (venue, client):
        await client.connect()
        channel = client.new_subscription(TRADES)
        items = aiter(channel)
        first = asyncio.ensure_future(anext(items))
        await venue.subscribed(TRADES)
        venue.publish(TRADES, {"totalRefunded": 2.346033, "odds": 5})
        data = (await first).data
        assert (str(data["totalRefunded"]), type(data["totalRefunded"])) == ("2.346033", Decimal)
        assert type(data["odds"]) is int
        await items.aclose()


# What `subscribed` says.


@pytest.mark.parametrize(("kept", "recovered"), [(5000, True), (100, False)])
async def test_a_gap_filled_from_history_is_said_to_be_recovered(clock, kept, recovered):
    async with venue_and_client(clock) as (venue, client):
        await client.connect()
        channel = client.new_subscription(TRADES, **BOTH, capacity=10_000)
        told = Told(channel, *CHANNEL)
        await channel.ready()
        venue.publish(TRADES, 1)
        await settled()
        venue.abort()
        venue.publish_many(TRADES, 1500)
        venue.prune(TRADES, kept)
        await venue.subscribed(TRADES, 2)
        await settled()
        said = told.of("subscribed")[-1]
        assert (said.was_recovering, said.recovered) == (True, recovered)
        offsets = [context.offset for context in told.of("publication")]
        assert offsets == (list(range(1, 1502)) if recovered else [1])
        names = told.names()
        assert names.index("mark") > len(names) - 1 - names[::-1].index("subscribed"), (
            "announced before the mark"
        )


# What is said where nothing would come.


async def test_a_channel_with_handlers_that_is_never_subscribed_says_so(clock, caplog):
    async with venue_and_client(clock) as (venue, client):
        channel = client.new_subscription(TRADES)
        channel.on("publication", print)
        await client.connect()
        await asyncio.sleep(10)
        assert f"{TRADES} has handlers and is not subscribed: call its subscribe()" in caplog.text
        assert caplog.text.count("is not subscribed") == 1
        assert venue.of("subscribe") == []


async def test_a_channel_that_is_subscribed_in_time_says_nothing(clock, caplog):
    async with venue_and_client(clock) as (_, client):
        channel = client.new_subscription(TRADES)
        channel.on("publication", print)
        await client.connect()
        await channel.ready()
        channel.unsubscribe()
        await asyncio.sleep(10)
        assert "is not subscribed" not in caplog.text


async def test_waiting_for_a_channel_of_a_client_that_was_never_connected_says_what_to_do(clock):
    async with venue_and_client(clock) as (_, client):
        channel = client.new_subscription(TRADES)
        with pytest.raises(NotConnected, match=r"await client.connect\(\)"):
            await channel.ready()
        with pytest.raises(NotConnected):
            await anext(aiter(channel))
        channel.subscribe()  # which may be asked for before
        await client.connect()
        await channel.ready()


# Handlers that fail.


async def test_a_handler_that_always_fails_costs_one_traceback_and_then_counted_lines(clock, caplog):
    async with venue_and_client(clock) as (venue, client):
        heard = []

        def broken(context):
            heard.append(context.data)
            raise ValueError(f"a bug at {context.data}")

        await client.connect()
        channel = client.new_subscription(TRADES)
        channel.on("publication", broken)
        await channel.ready()
        for number in range(1000):
            venue.publish(TRADES, number)
        await settled()
        lines = [record for record in caplog.records if "raised" in record.getMessage()]
        assert len(heard) == 1000
        assert len(lines) == 10, "the first, and 2, 4, 8 ... 512"
        assert [record.exc_info is not None for record in lines] == [True] + [False] * 9
        assert "broken" in lines[-1].getMessage()
        assert "512 times; the last: ValueError: a bug at 511" in lines[-1].getMessage()


# What a channel costs.


class Calls:
    """Counts what is called while it is open: work, and not time, which depends on the machine."""

    def __enter__(self):
        self.count = 0
        sys.setprofile(self._count)
        return self

    def _count(self, frame, event, argument):
        self.count += event in ("call", "c_call")

    def __exit__(self, *exc_info):
        sys.setprofile(None)


async def test_what_a_subscription_costs_does_not_grow_with_those_that_there_are(clock):
    async with venue_and_client(clock) as (_, client):

        def subscribe(numbers):
            for number in numbers:
                channel = client.new_subscription(f"order_book:market_{number}", **BOTH)
                channel.on("publication", print)
                channel.subscribe()

        def cost(numbers):
            with Calls() as calls:
                subscribe(numbers)
            return calls.count / len(numbers)

        await client.connect()
        first = cost(range(200))
        subscribe(range(200, 3000))
        await settled()
        assert cost(range(3000, 3200)) < 1.5 * first

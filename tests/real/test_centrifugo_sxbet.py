"""The documented client of SX Bet on real sockets against a real Centrifugo, and against our own venue."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tapewire.errors import SubscriptionEnded
from tapewire.marks import Gap, Lagged, Reconnected, is_mark
from tapewire.retry import RetryPolicy
from tapewire.venues.sxbet import SXBetClient
from tests.real.test_centrifugo_server import BOOK, BOTH, Line, line

pytestmark = [pytest.mark.real, pytest.mark.timeout(1000)]  # a first run builds the server

QUICK = RetryPolicy(None, 0.05, 0.3)
FLAGS = {"positioned": True, "recoverable": True}


@asynccontextmanager
async def client_of(place: Line) -> AsyncIterator[SXBetClient]:
    async def token() -> str:
        return str(place.server.token(3600))

    client = SXBetClient(
        get_token=token,
        api_url="http://127.0.0.1:9",
        realtime_url=place.server.url,
        retry=QUICK,
        session_options={"admit": place._admit},
    )
    try:
        yield client
    finally:
        await client.disconnect()


class Heard:
    """What the handlers of a channel were told."""

    def __init__(self, channel: Any) -> None:
        self.numbers: list[int] = []
        self.marks: list[Any] = []
        self.told: list[Any] = []
        channel.on("publication", lambda context: self.numbers.append(context.data["n"]))
        channel.on("mark", self.marks.append)
        channel.on("subscribed", self.told.append)

    async def until(self, last: int) -> None:
        async with asyncio.timeout(30):
            while self.numbers[-1:] != [last]:  # noqa: ASYNC110 - handlers of several channels are looked at
                await asyncio.sleep(0.02)


@BOTH
@pytest.mark.parametrize("missed", [1000, 2500])
async def test_what_was_missed_is_recovered_with_every_default(
    venue: str, tmp_path: Path, missed: int
) -> None:
    async with line(venue, tmp_path) as place, client_of(place) as client:
        channel = client.new_subscription(BOOK, **FLAGS)
        heard = Heard(channel)
        await client.connect()
        await channel.ready()
        await place.server.publish(BOOK, [0])
        await heard.until(0)
        async with place.outage(*client.pool.sessions):
            await place.server.publish(BOOK, range(1, missed + 1))
        await heard.until(missed)
        assert heard.numbers == list(range(missed + 1))
        assert [type(mark) for mark in heard.marks] == [Reconnected]
        assert (heard.told[-1].was_recovering, heard.told[-1].recovered) == (True, True)


@BOTH
async def test_a_channel_ended_by_the_servers_api_is_raised_to_whoever_iterates(
    venue: str, tmp_path: Path
) -> None:
    async with line(venue, tmp_path) as place, client_of(place) as client:
        await client.connect()
        channel = client.new_subscription(BOOK, **FLAGS)
        items = aiter(channel)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(items), 0.3)
        await place.server.publish(BOOK, [1])
        context = await asyncio.wait_for(anext(items), 10)
        assert not is_mark(context)
        await place.server.unsubscribe(BOOK)
        with pytest.raises(SubscriptionEnded):
            await asyncio.wait_for(anext(items), 10)
        assert (channel.state, client.state) == ("unsubscribed", "connected")


@BOTH
async def test_a_second_connect_goes_on_where_the_first_one_ended(venue: str, tmp_path: Path) -> None:
    async with line(venue, tmp_path) as place, client_of(place) as client:
        channel = client.new_subscription(BOOK, **FLAGS)
        heard = Heard(channel)
        for start in (0, 10, 20):
            await client.connect()
            await channel.ready()
            await place.server.publish(BOOK, range(start, start + 5))
            await heard.until(start + 4)
            await client.disconnect()
            assert client.state == "disconnected"
            await place.server.publish(BOOK, range(start + 5, start + 10))
        await client.connect()
        await heard.until(29)
        assert heard.numbers == list(range(30))
        assert {type(mark) for mark in heard.marks} == {Reconnected}


@BOTH
async def test_five_thousand_channels_by_the_documents_own_loop(venue: str, tmp_path: Path) -> None:
    async with line(venue, tmp_path) as place, client_of(place) as client:
        await client.connect()
        channels, heard, longest = [], [], 0.0
        for number in range(5000):
            began = time.perf_counter()
            channel = client.new_subscription(f"order_book:market_{number}", **FLAGS)
            heard.append(Heard(channel))
            channel.subscribe()
            channels.append(channel)
            longest = max(longest, time.perf_counter() - began)
        async with asyncio.timeout(120):
            await asyncio.gather(*(channel.ready() for channel in channels))
        assert longest < 1
        for number in (0, 2500, 4999):
            await place.server.publish(f"order_book:market_{number}", [number])
            await heard[number].until(number)
        assert not any(isinstance(mark, Gap) for each in heard for mark in each.marks)


@BOTH
async def test_three_outages_in_a_row_lose_nothing(venue: str, tmp_path: Path) -> None:
    names = [f"order_book:market_{number}" for number in range(600)]
    async with line(venue, tmp_path) as place, client_of(place) as client:
        await client.connect()
        channels = [client.new_subscription(name, **FLAGS) for name in names]
        heard = [Heard(channel) for channel in channels]
        for channel in channels:
            channel.subscribe()
        async with asyncio.timeout(60):
            await asyncio.gather(*(channel.ready() for channel in channels))
        watched = (0, 1, 299, 599)
        for outage in range(3):
            async with place.outage(*client.pool.sessions):
                for number in watched:
                    await place.server.publish(names[number], range(20 * outage, 20 * outage + 10))
                await asyncio.sleep(1)
            for number in watched:
                await heard[number].until(20 * outage + 9)
                await place.server.publish(names[number], range(20 * outage + 10, 20 * outage + 20))
                await heard[number].until(20 * outage + 19)
        for number in watched:
            assert heard[number].numbers == list(range(60))
        assert not any(isinstance(mark, Gap | Lagged) for each in heard for mark in each.marks)

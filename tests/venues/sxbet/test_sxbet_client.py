"""The documented client against the played venue, on real sockets."""

import asyncio

import pytest

from tapewire.errors import GaveUp
from tapewire.marks import Gap, Reconnected, is_mark
from tapewire.retry import RetryPolicy
from tapewire.sandbox import Sandbox
from tapewire.venues.sxbet.errors import SXBetInvalidParameter, SXBetRequestError, UnauthorizedError
from tapewire.venues.sxbet.socket import SXBetClient
from tests.waiting import until

QUICK = RetryPolicy(max_attempts=None, initial_backoff=0.05, max_backoff=0.2)


def played(**fields):
    settings = {"sxbet": {"ping_interval": 1, "pong_timeout": 0.8} | fields.pop("settings", {})}
    return Sandbox(rate=fields.pop("rate", 60), venues=("sxbet",), settings=settings, **fields)


def client_of(sandbox, **fields):
    return SXBetClient(host=sandbox.url, api_key="key", retry=QUICK, **fields)


class Told:
    """Every event of a client or a channel, in order."""

    def __init__(self, source, *names):
        self.events = []
        for name in names:
            source.on(name, lambda context, name=name: self.events.append((name, context)))

    def names(self):
        return [name for name, _ in self.events]

    def of(self, name):
        return [context for known, context in self.events if known == name]


CLIENT = ("connecting", "connected", "disconnected", "error")
CHANNEL = ("subscribing", "subscribed", "unsubscribed", "publication", "error", "mark")


async def test_the_client_fires_connecting_connected_and_disconnected():
    async with played() as sandbox:
        client = client_of(sandbox)
        told = Told(client, *CLIENT)
        assert client.state == "disconnected"
        await client.connect()
        assert client.state == "connected"
        await client.disconnect()
        assert told.names() == ["connecting", "connected", "disconnected"]
        assert told.events[0][1].code == 0
        assert client.state == "disconnected"


async def test_a_lost_transport_moves_the_client_back_to_connecting_and_the_channel_to_subscribing():
    async with played() as sandbox, client_of(sandbox) as client:
        told = Told(client, *CLIENT)
        subscription = client.new_subscription("markets:global")
        channel = Told(subscription, "subscribing", "subscribed")
        await subscription.ready()
        sandbox.inject("abort")
        await until(lambda: channel.names() == ["subscribing", "subscribed"] * 2)
        await until(lambda: told.names()[-1:] == ["connected"])
        assert told.names()[:2] == ["error", "connecting"]


async def test_a_recoverable_channel_tells_a_fresh_start_from_a_filled_gap():
    async with played() as sandbox, client_of(sandbox) as client:
        subscription = client.new_subscription("recent_trades:global", positioned=True, recoverable=True)
        told = Told(subscription, *CHANNEL)
        await subscription.ready()
        await until(lambda: told.of("publication"))
        first = told.of("subscribed")[0]
        assert (first.was_recovering, first.recovered) == (False, False)
        assert (first.positioned, first.recoverable) == (True, True)
        sandbox.inject("abort")
        await until(lambda: len(told.of("subscribed")) == 2)
        second = told.of("subscribed")[1]
        assert (second.was_recovering, second.recovered) == (True, True)
        await until(lambda: told.of("mark"))
        assert isinstance(told.of("mark")[0], Reconnected)
        offsets = [context.offset for context in told.of("publication")]
        assert offsets == list(range(offsets[0], offsets[0] + len(offsets))), "each once and none skipped"


async def test_a_pruned_history_is_said_with_was_recovering_and_a_gap():
    async with played(rate=200) as sandbox, client_of(sandbox) as client:
        subscription = client.new_subscription("recent_trades:global", positioned=True, recoverable=True)
        told = Told(subscription, *CHANNEL)
        await subscription.ready()
        await until(lambda: told.of("publication"))
        sandbox.inject("new_epoch")
        await until(lambda: told.of("mark"))
        assert isinstance(told.of("mark")[0], Gap)
        assert told.of("subscribed")[-1].was_recovering
        assert not told.of("subscribed")[-1].recovered


async def test_without_the_two_flags_nothing_is_recovered_and_the_gap_is_said():
    async with played() as sandbox, client_of(sandbox) as client:
        subscription = client.new_subscription("best_odds:global")
        told = Told(subscription, *CHANNEL)
        await subscription.ready()
        sandbox.inject("abort")
        await until(lambda: told.of("mark"))
        assert told.of("mark")[0].reason == "connection lost"
        assert not told.of("subscribed")[-1].was_recovering


async def test_positioned_alone_tracks_the_place_and_recovers_nothing():
    async with played() as sandbox, client_of(sandbox) as client:
        subscription = client.new_subscription("markets:global", positioned=True)
        told = Told(subscription, *CHANNEL)
        await subscription.ready()
        await until(lambda: told.of("subscribed"))
        assert told.of("subscribed")[0].positioned
        assert not told.of("subscribed")[0].was_recovering
    with pytest.raises(SXBetInvalidParameter, match="positioned"):
        client.new_subscription("order_book:x", recoverable=True)


async def test_async_handlers_are_awaited_in_order_and_one_that_raises_harms_nobody(caplog):
    heard = []

    async def slow(context):
        await asyncio.sleep(0.001)
        heard.append(context.offset)
        if len(heard) == 2:
            raise ValueError("a bug in a handler")

    async with played() as sandbox, client_of(sandbox) as client:
        subscription = client.new_subscription("recent_trades:global")
        subscription.on("publication")(slow)
        subscription.subscribe()
        await until(lambda: len(heard) > 10)
    assert heard == sorted(heard)
    assert "a bug in a handler" in caplog.text


async def test_publications_come_as_an_async_iteration_with_marks():
    async with played() as sandbox, client_of(sandbox) as client:
        subscription = client.new_subscription("recent_trades:global", positioned=True, recoverable=True)
        offsets, marks = [], []
        async for item in subscription:
            if is_mark(item):
                marks.append(item)
            else:
                offsets.append(item.offset)
                if len(offsets) == 5:
                    sandbox.inject("abort")
            if len(offsets) > 20 and marks:
                break
        assert offsets == list(range(offsets[0], offsets[0] + len(offsets)))
        assert isinstance(marks[0], Reconnected)


async def test_unsubscribing_keeps_the_position_and_subscribing_again_recovers_from_it():
    async with played() as sandbox, client_of(sandbox) as client:
        subscription = client.new_subscription("recent_trades:global", positioned=True, recoverable=True)
        told = Told(subscription, *CHANNEL)
        await subscription.ready()
        await until(lambda: len(told.of("publication")) > 3)
        subscription.unsubscribe()
        await until(lambda: told.of("unsubscribed"))
        assert subscription.state == "unsubscribed"
        last = told.of("publication")[-1].offset
        assert subscription.position.offset == last
        before = len(told.of("publication"))
        sandbox.step(20)
        subscription.subscribe()
        await until(lambda: len(told.of("publication")) > before + 3)
        offsets = [context.offset for context in told.of("publication")]
        assert offsets == list(range(offsets[0], offsets[0] + len(offsets)))
        assert told.of("subscribed")[-1].recovered


async def test_a_saved_position_continues_in_another_client():
    async with played() as sandbox:
        async with client_of(sandbox) as client:
            subscription = client.new_subscription("recent_trades:global", positioned=True, recoverable=True)
            async for item in subscription:
                saved = subscription.position
                if not is_mark(item) and item.offset >= 3:
                    break
        sandbox.step(20)
        async with client_of(sandbox) as client:
            later = client.new_subscription(
                "recent_trades:global", positioned=True, recoverable=True, since=saved
            )
            async for item in later:
                if not is_mark(item):
                    break
            assert item.offset == saved.offset + 1


async def test_history_gives_entries_with_data_offset_tags_and_info():
    async with played() as sandbox, client_of(sandbox) as client:
        sandbox.step(50)
        subscription = client.new_subscription("recent_trades:global", positioned=True, recoverable=True)
        await subscription.ready()
        top = await subscription.history()
        assert (top.publications, top.offset > 0, bool(top.epoch)) == ([], True, True)
        latest = await subscription.history(3, reverse=True)
        assert [entry.offset for entry in latest.publications] == [latest.offset - n for n in range(3)]
        assert latest.publications[0].data["marketHash"].startswith("0x")
        assert latest.publications[0].tags["messageId"]
        everything = await subscription.history(5_000)
        assert everything.clamped
        assert not latest.clamped


async def test_history_of_a_channel_without_any_is_error_108():
    async with played() as sandbox, client_of(sandbox) as client:
        subscription = client.new_subscription("best_odds:global")
        await subscription.ready()
        with pytest.raises(SXBetRequestError) as caught:
            await subscription.history(10)
        assert caught.value.code == "108"
        with pytest.raises(SXBetInvalidParameter, match="limit"):
            await subscription.history(-2)


async def test_a_refused_key_is_terminal_and_raised():
    async with played() as sandbox:
        client = SXBetClient(host=sandbox.url, api_key="refused-key", retry=QUICK)
        told = Told(client, *CLIENT)
        with pytest.raises(UnauthorizedError):
            await client.connect()
        await client.disconnect()
        assert told.names()[-1] == "disconnected"


async def test_get_token_is_asked_again_after_a_passing_failure_and_stops_on_unauthorized():
    asked = []

    async with played() as sandbox:
        async with client_of(sandbox) as helper:
            token = await helper.http.realtime_token()

        async def flaky():
            asked.append(1)
            if len(asked) < 3:
                raise OSError("busy")
            return token

        async with SXBetClient(host=sandbox.url, get_token=flaky, retry=QUICK) as client:
            assert client.state == "connected"
            assert len(asked) == 3

        async def refused():
            raise UnauthorizedError("no")

        client = SXBetClient(host=sandbox.url, get_token=refused, retry=QUICK)
        with pytest.raises(UnauthorizedError):
            await client.connect()
        await client.disconnect()


async def test_a_terminal_code_stops_the_client_and_a_reconnectable_one_does_not():
    async with played() as sandbox, client_of(sandbox) as client:
        told = Told(client, *CLIENT)
        sandbox.inject("close", code=3008, reason="slow")
        await until(lambda: "connected" in told.names())
        sandbox.inject("close", code=3500, reason="invalid token")
        with pytest.raises(GaveUp, match="invalid token"):
            await client.run_forever()
        await until(lambda: "disconnected" in told.names())
        assert told.of("disconnected")[0].code == 3500


async def test_the_token_is_renewed_before_it_ends():
    async with played(settings={"token_lifetime": 2}) as sandbox, client_of(sandbox) as client:
        subscription = client.new_subscription("recent_trades:global", positioned=True, recoverable=True)
        told = Told(subscription, *CHANNEL)
        await subscription.ready()
        asked = client._credentials.requests
        await until(lambda: client._credentials.requests >= asked + 2)
        assert client.statistics().reconnections == 0
        assert not told.of("mark")


async def test_wrong_arguments_are_named():
    async with played() as sandbox:
        client = client_of(sandbox)
        with pytest.raises(SXBetInvalidParameter, match="event"):
            client.on("publication", print)
        with pytest.raises(SXBetInvalidParameter, match="channel"):
            client.new_subscription("")
        with pytest.raises(SXBetInvalidParameter, match="since"):
            client.new_subscription("markets:global", since=object())
        with pytest.raises(SXBetInvalidParameter, match="event"):
            client.new_subscription("markets:global").on("nothing")
        await client.disconnect()

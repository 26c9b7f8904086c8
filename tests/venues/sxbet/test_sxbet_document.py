"""What document 002 says of the client, where no other test says it: in virtual time, or on real sockets."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from tapewire.errors import GaveUp, SubscriptionRefused
from tapewire.marks import Gap
from tapewire.retry import RetryPolicy
from tapewire.testing import CentrifugoPeer
from tapewire.transport.memory import MemoryNetwork
from tapewire.venues.sxbet import SXBetClient, UnauthorizedError
from tests.venues.sxbet.test_sxbet_client import CHANNEL, CLIENT, QUICK, Told, client_of, played
from tests.waiting import until

BOTH = {"positioned": True, "recoverable": True}
TRADES = "recent_trades:global"


async def token():
    return "a-token"


@asynccontextmanager
async def venue_and_client(clock, *, get_token=token, retry=QUICK, peer=None, **fields):
    """A scripted venue, and a client that is not connected yet, on virtual time."""
    network = MemoryNetwork()
    async with CentrifugoPeer(network, **(peer or {})) as venue:
        client = SXBetClient(
            get_token=get_token,
            retry=retry,
            connector=network,
            session_options={"clock": clock, "fraction": lambda: 1.0},
            **fields,
        )
        try:
            yield venue, client
        finally:
            await client.disconnect()


async def settled():
    """Until everything that was said has been heard."""
    await asyncio.sleep(1)


# One connection, many channels.


async def test_all_channels_share_one_connection(clock):
    async with venue_and_client(clock) as (venue, client):
        await client.connect()
        for number in range(100):
            await client.new_subscription(f"order_book:market_{number}").ready()
        assert len(venue.connections) == 1


async def test_beyond_what_one_connection_carries_another_is_made(clock):
    async with venue_and_client(clock) as (venue, client):
        await client.connect()
        channels = [client.new_subscription(f"order_book:market_{number}") for number in range(600)]
        for channel in channels:
            channel.subscribe()
        for channel in channels:
            await channel.ready()
        assert len(venue.connections) == 2
        assert {channel.state for channel in channels} == {"subscribed"}


async def test_a_channel_is_subscribed_with_the_flags_it_was_given(clock):
    async with venue_and_client(clock) as (venue, client):
        await client.connect()
        for name, flags in (("a:1", {}), ("a:2", {"positioned": True}), ("a:3", BOTH)):
            await client.new_subscription(name, **flags).ready()
        said = {command.channel: command.command for command in venue.of("subscribe")}
        flags = {name: (command.positioned, command.recoverable) for name, command in said.items()}
        assert flags == {"a:1": (False, False), "a:2": (True, False), "a:3": (True, True)}


async def test_a_channel_that_is_subscribed_again_says_its_last_position(clock):
    async with venue_and_client(clock) as (venue, client):
        await client.connect()
        channel = client.new_subscription(TRADES, **BOTH)
        channel.on("publication", lambda context: None)
        channel.on("mark", lambda mark: None)
        await channel.ready()
        for number in (1, 2, 3):
            venue.publish(TRADES, number)
        await settled()
        venue.drop(3001)
        await venue.subscribed(TRADES, 2)
        again = venue.of("subscribe", TRADES)[-1].command
        assert (again.recover, again.offset) == (True, 3)


# Recovery.


@pytest.mark.parametrize(("minutes", "recovered"), [(4, True), (6, False)])
async def test_the_recovery_window_is_five_minutes(clock, minutes, recovered):
    async with venue_and_client(clock, peer={"history_ttl": 300.0}) as (venue, client):
        await client.connect()
        channel = client.new_subscription(TRADES, **BOTH)
        told = Told(channel, *CHANNEL)
        await channel.ready()
        venue.publish(TRADES, 1)
        await settled()
        channel.unsubscribe()
        venue.publish(TRADES, 2)
        await asyncio.sleep(minutes * 60)
        venue.publish(TRADES, 3)
        channel.subscribe()
        await settled()
        last = told.of("subscribed")[-1]
        assert (last.was_recovering, last.recovered) == (True, recovered)
        assert any(isinstance(mark, Gap) for mark in told.of("mark")) is not recovered


async def test_the_window_is_shorter_where_more_is_published_than_is_kept(clock):
    async with venue_and_client(clock, peer={"history_size": 10}) as (venue, client):
        await client.connect()
        channel = client.new_subscription(TRADES, **BOTH)
        told = Told(channel, *CHANNEL)
        await channel.ready()
        venue.publish(TRADES, 1)
        await settled()
        channel.unsubscribe()
        for number in range(2, 20):
            venue.publish(TRADES, number)
        channel.subscribe()
        await settled()
        assert (told.of("subscribed")[-1].was_recovering, told.of("subscribed")[-1].recovered) == (
            True,
            False,
        )


async def test_a_message_with_an_id_that_came_before_is_dropped(clock):
    async with venue_and_client(clock) as (venue, client):
        await client.connect()
        channel = client.new_subscription(TRADES)
        told = Told(channel, "publication")
        await channel.ready()
        for identity in ("a", "b", "a", "c"):
            venue.publish(TRADES, identity, tags={"messageId": identity})
        await settled()
        assert [context.data for context in told.of("publication")] == ["a", "b", "c"]
        assert channel.duplicates == 1


async def test_ids_are_remembered_for_the_last_thousand_messages(clock):
    async with venue_and_client(clock) as (venue, client):
        await client.connect()
        channel = client.new_subscription(TRADES, capacity=5_000)
        told = Told(channel, "publication")
        await channel.ready()
        for number in range(1_001):
            venue.publish(TRADES, number, tags={"messageId": str(number)})
        for number in (1_000, 1, 0):
            venue.publish(TRADES, number, tags={"messageId": str(number)})
        await settled()
        assert [context.data for context in told.of("publication")[1_001:]] == [0]


async def test_every_publication_has_a_message_id():
    async with played(rate=300) as sandbox, client_of(sandbox) as client:
        channels = [client.new_subscription(name) for name in (TRADES, "best_odds:global", "markets:global")]
        told = [Told(channel, "publication") for channel in channels]
        for channel in channels:
            await channel.ready()
        await until(lambda: all(one.events for one in told))
        assert all(context.tags["messageId"] for one in told for context in one.of("publication"))


async def test_what_a_recovery_brings_twice_is_handed_on_once():
    async with played() as sandbox, client_of(sandbox) as client:
        channel = client.new_subscription(TRADES, **BOTH)
        told = Told(channel, *CHANNEL)
        await channel.ready()
        await until(lambda: told.of("publication"))
        channel.unsubscribe()
        injected = sandbox.inject("duplicate_recovered", topic=TRADES)
        sandbox.step(20)
        channel.subscribe()
        await until(lambda: injected.hits and len(told.of("publication")) > 20)
        identities = [context.tags["messageId"] for context in told.of("publication")]
        assert len(set(identities)) == len(identities)


# The events.


async def test_a_venue_that_cannot_be_reached_is_an_error_while_connecting(clock):
    async with venue_and_client(clock) as (venue, client):
        told = Told(client, *CLIENT)
        venue.network.unreachable(times=2)
        await client.connect()
        await settled()
        assert told.names() == ["connecting", "error", "error", "connected"]
        assert (told.of("connecting")[0].code, told.of("connecting")[0].reason) == (0, "connect called")


async def test_a_renewal_of_the_token_that_fails_is_an_error_and_the_client_stays_connected(clock):
    asked = 0

    async def get_token():
        nonlocal asked
        asked += 1
        if asked == 2:
            raise OSError("busy")
        return f"token-{asked}"

    async with venue_and_client(clock, get_token=get_token, peer={"token_ttl": 60}) as (venue, client):
        told = Told(client, *CLIENT)
        await client.connect()
        await asyncio.sleep(90)
        assert told.names() == ["connecting", "connected", "error"]
        assert str(told.of("error")[0].error) == "busy"
        assert client.state == "connected"
        assert len(venue.connections) == 1


async def test_a_token_that_never_comes_is_an_error_at_its_deadline(clock):
    asked = 0

    async def get_token():
        nonlocal asked
        asked += 1
        if asked in (1, 3):
            await asyncio.sleep(3600)
        return f"token-{asked}"

    async with venue_and_client(clock, get_token=get_token, peer={"token_ttl": 60}) as (venue, client):
        told = Told(client, *CLIENT)
        await client.connect()
        await settled()
        assert told.names() == ["connecting", "error", "connected"]
        await asyncio.sleep(75)
        assert told.names() == ["connecting", "error", "connected", "error"]
        assert [context.reason for context in told.of("error")] == [
            "the token provider gave no answer within 15 s"
        ] * 2
        assert client.state == "connected"
        assert len(venue.connections) == 1


@pytest.mark.parametrize("code", [109, 111])
async def test_a_fresh_token_that_the_venue_does_not_take_this_time_is_an_error_with_its_code(clock, code):
    asked = 0

    async def get_token():
        nonlocal asked
        asked += 1
        return f"token-{asked}"

    async with venue_and_client(clock, get_token=get_token, peer={"token_ttl": 60}) as (venue, client):
        told = Told(client, *CLIENT)
        await client.connect()
        venue.refuse_token("token-2", code)
        await asyncio.sleep(70)
        assert told.names() == ["connecting", "connected", "error"]
        assert f"(code {code})" in told.of("error")[0].reason
        assert len(venue.connections) == 1


async def test_a_terminal_state_is_never_left_by_itself(clock):
    async with venue_and_client(clock) as (venue, client):
        told = Told(client, *CLIENT)
        await client.connect()
        await client.disconnect()
        await asyncio.sleep(3600)
        assert len(venue.connections) == 1
        assert told.names() == ["connecting", "connected", "disconnected"]


async def test_an_interruption_moves_the_channel_back_to_subscribing_and_an_end_does_not(clock):
    async with venue_and_client(clock) as (venue, client):
        await client.connect()
        channel = client.new_subscription(TRADES, **BOTH)
        told = Told(channel, *CHANNEL)
        await channel.ready()
        venue.unsubscribe(TRADES, 2500)
        await venue.subscribed(TRADES, 2)
        await settled()
        assert [name for name in told.names() if name != "mark"] == ["subscribing", "subscribed"] * 2
        venue.unsubscribe(TRADES, 2000)
        await asyncio.sleep(3600)
        assert told.names()[-1] == "unsubscribed"
        assert told.of("unsubscribed")[0].code == 2000
        assert channel.state == "unsubscribed"
        assert len(venue.of("subscribe", TRADES)) == 2


async def test_nothing_is_published_to_a_channel_that_was_left(clock):
    async with venue_and_client(clock) as (venue, client):
        await client.connect()
        channel = client.new_subscription(TRADES)
        told = Told(channel, *CHANNEL)
        await channel.ready()
        venue.publish(TRADES, 1)
        await settled()
        channel.unsubscribe()
        venue.publish(TRADES, 2)
        await settled()
        assert [context.data for context in told.of("publication")] == [1]
        assert told.names()[-1] == "unsubscribed"


async def test_a_channel_that_is_refused_for_good_is_an_error_and_unsubscribed(clock):
    async with venue_and_client(clock) as (venue, client):
        await client.connect()
        venue.refuse_subscribe(TRADES, 103)
        channel = client.new_subscription(TRADES)
        told = Told(channel, *CHANNEL)
        with pytest.raises(SubscriptionRefused, match="permission denied"):
            await channel.ready()
        await settled()
        assert told.names() == ["subscribing", "unsubscribed", "error"]
        assert told.of("error")[0].code == 103


async def test_a_channel_that_is_refused_for_now_is_asked_for_again(clock):
    async with venue_and_client(clock) as (venue, client):
        await client.connect()
        venue.refuse_subscribe(TRADES, 100, times=2)
        channel = client.new_subscription(TRADES)
        told = Told(channel, *CHANNEL)
        await channel.ready()
        await settled()
        asked, failed = ("subscribing", "error"), told.of("error")
        assert told.names() == [*asked, *asked, "subscribing", "subscribed"]
        assert [(context.code, context.reason) for context in failed] == [(100, "internal server error")] * 2
        assert channel.state == "subscribed"


# Failures.


@pytest.mark.parametrize("status", [401, 403])
async def test_a_token_endpoint_that_refuses_ends_the_client(status):
    async with played() as sandbox:
        sandbox.inject("refuse_http", status=status, times=100)
        client = client_of(sandbox)
        told = Told(client, *CLIENT)
        with pytest.raises(UnauthorizedError):
            await client.connect()
        await client.disconnect()
        assert told.names()[-1] == "disconnected"
        assert client.state == "disconnected"


@pytest.mark.parametrize(
    ("fault", "params"),
    [("http_429", {"retry_after": 0}), ("refuse_http", {"status": 500}), ("unavailable", {"status": 503})],
)
async def test_a_token_endpoint_that_fails_for_now_is_asked_again(fault, params):
    async with played() as sandbox:
        sandbox.inject(fault, times=2, **params)
        client = client_of(sandbox)
        told = Told(client, *CLIENT)
        await client.connect()
        await until(lambda: told.names()[-1:] == ["connected"])
        assert told.names() == ["connecting", "error", "error", "connected"]
        await client.disconnect()


@pytest.mark.parametrize("code", [3500, 3501, 3503, 3507, 3999])
async def test_a_terminal_disconnect_is_not_tried_again(clock, code):
    async with venue_and_client(clock) as (venue, client):
        told = Told(client, *CLIENT)
        await client.connect()
        venue.drop(code, "no more")
        with pytest.raises(GaveUp):
            await client.run_forever()
        await asyncio.sleep(3600)
        assert len(venue.connections) == 1
        assert (told.names()[-1], told.of("disconnected")[0].code) == ("disconnected", code)


async def test_a_supervised_client_comes_back_from_a_terminal_disconnect_slowly_and_with_an_alarm(
    clock, caplog
):
    slowly = RetryPolicy(max_attempts=None, initial_backoff=60.0, max_backoff=600.0, jitter=False)
    async with venue_and_client(clock, supervise=slowly) as (venue, client):
        told = Told(client, *CLIENT)
        await client.connect()
        started = clock.monotonic()
        venue.drop(3500)
        await venue.connected(2)
        assert clock.monotonic() - started == pytest.approx(60, abs=1)
        await settled()
        assert told.names() == ["connecting", "connected", "error", "connecting", "connected"]
        assert [record.levelname for record in caplog.records if "3500" in record.message] == ["ERROR"]


@pytest.mark.parametrize("code", [1000, 1006, 3000, 3001, 3005, 3008, 3010, 3499, 4000, 4499])
async def test_any_other_disconnect_is_tried_again(clock, code):
    async with venue_and_client(clock) as (venue, client):
        await client.connect()
        channel = client.new_subscription(TRADES, **BOTH)
        told = Told(channel, *CHANNEL)
        await channel.ready()
        if code == 1006:
            venue.abort()
        else:
            venue.drop(code)
        await venue.subscribed(TRADES, 2)
        await settled()
        assert (told.of("subscribed")[-1].was_recovering, told.of("subscribed")[-1].recovered) == (True, True)


@pytest.mark.parametrize("topic", [TRADES, None], ids=["2500 on the channel", "3010 on the connection"])
@pytest.mark.parametrize("kept", [True, False])
async def test_insufficient_state_is_not_terminal_and_the_next_subscribed_says_how_it_went(topic, kept):
    async with played(rate=0) as sandbox, client_of(sandbox) as client:
        channel = client.new_subscription(TRADES, **BOTH)
        told = Told(channel, *CHANNEL)
        await channel.ready()
        sandbox.step(50)
        await until(lambda: told.of("publication"))
        if kept:
            sandbox.inject("insufficient_state", topic=topic)
        else:
            sandbox.inject("new_epoch", topic=TRADES)
        await until(lambda: len(told.of("subscribed")) == 2)
        second = told.of("subscribed")[1]
        assert (second.was_recovering, second.recovered) == (True, kept)


async def test_a_handler_that_takes_its_time_leaves_the_line_to_be_read(clock):
    async with venue_and_client(clock, retry=RetryPolicy(max_attempts=None)) as (venue, client):
        await client.connect()
        slow, quick = client.new_subscription("a:slow"), client.new_subscription("a:quick")
        heard = []

        @slow.on("publication")
        async def dawdle(context):
            await asyncio.sleep(120)

        quick.on("publication", lambda context: heard.append(context.data))
        await slow.ready()
        await quick.ready()
        venue.publish("a:slow", 1)
        venue.publish("a:quick", 2)
        await settled()
        assert heard == [2]
        await asyncio.sleep(300)
        assert len(venue.connections) == 1, "pings are answered meanwhile"


# The venue's own words.


async def test_a_plain_unauthorized_error_from_get_token_stops_all_attempts(clock):
    asked = []

    async def refuse():
        asked.append(1)
        raise UnauthorizedError()  # noqa: RSE102 - as the document writes it

    async with venue_and_client(clock, get_token=refuse) as (venue, client):
        told = Told(client, *CLIENT)
        with pytest.raises(UnauthorizedError):
            await client.connect()
        await asyncio.sleep(3600)
        assert (len(asked), venue.connections) == (1, [])
        assert told.names() == ["connecting", "error", "disconnected"]
        assert told.of("disconnected")[0].reason == "unauthorized"


async def test_reasons_are_the_words_of_the_venue(clock):
    async with venue_and_client(clock) as (venue, client):
        told = Told(client, *CLIENT)
        await client.connect()
        channel = client.new_subscription(TRADES, **BOTH)
        heard = Told(channel, *CHANNEL)
        await channel.ready()
        venue.unsubscribe(TRADES, 2500)
        await venue.subscribed(TRADES, 2)
        venue.drop(3010)
        await venue.subscribed(TRADES, 3)
        await settled()
        again = heard.of("subscribing")[1]
        assert (again.code, again.reason) == (2500, "insufficient state")
        lost = told.of("connecting")[-1]
        assert (lost.code, lost.reason) == (3010, "insufficient state")
        venue.drop(3500)
        await settled()
        over = told.of("disconnected")[0]
        assert (over.code, over.reason) == (3500, "invalid token")


async def test_an_error_in_the_answer_to_connect_is_told_in_its_own_words(clock):
    async with venue_and_client(clock) as (venue, client):
        told = Told(client, *CLIENT)
        venue.refuse_connect(101)
        with pytest.raises(GaveUp):
            await client.connect()
        await settled()
        assert [(ctx.code, ctx.reason) for ctx in told.of("disconnected")] == [(101, "unauthorized")]


async def test_tokens_that_had_ended_are_renewed_until_one_is_good(clock):
    async with venue_and_client(clock) as (venue, client):
        venue.refuse_connect(109, times=4)
        await client.connect()
        assert client.state == "connected"
        assert len(venue.tokens) == 5

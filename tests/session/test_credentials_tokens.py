"""The tokens of a line: the connection's own, and those of single topics."""

import asyncio
import logging

import pytest

from tapewire.errors import ConfigurationError, CredentialsRefused, GaveUp, SubscriptionEnded
from tapewire.marks import Errored, Subscribed, Subscribing, Unsubscribed, is_mark
from tapewire.protocols.base import CredentialsExpiring
from tapewire.protocols.centrifugo import SubscribeParams
from tapewire.session.credentials import REFRESH_SHARE, Credentials
from tapewire.session.pool import Pool
from tapewire.session.session import Session
from tapewire.testing import CentrifugoPeer
from tapewire.transport.memory import MemoryNetwork
from tests.session.line import line
from tests.session.numbered_line import (
    RECOVERABLE,
    Tokens,
    buffered,
    make_options,
    numbered_line,
    publish,
)
from tests.session.token_peer import given, token_line

# --- the connection's -----------------------------------------------------------------------------------------------


async def test_a_token_is_renewed_before_it_ends_and_the_line_stays(clock):
    tokens = Tokens()
    async with numbered_line(clock, peer={"token_ttl": 600}, credentials=Credentials(tokens)) as (
        session,
        peer,
    ):
        await session.subscribe("book", RECOVERABLE).confirmed()
        await asyncio.sleep(3600)
        assert len(peer.connections) == 1
        assert peer.tokens == [f"token-{n + 1}" for n in range(len(peer.tokens))]
        assert 6 <= len(peer.tokens) - 1 <= 3600 / (600 * REFRESH_SHARE * 0.8) + 1
        assert tokens.asked == [False, *[True] * (len(tokens.asked) - 1)]


async def test_many_lines_ask_for_their_tokens_at_different_times(clock):
    network, tokens = MemoryNetwork(), Tokens()
    credentials = Credentials(tokens)
    async with CentrifugoPeer(network, token_ttl=600) as peer:
        sessions = [Session(make_options(clock, network, credentials=credentials)) for _ in range(20)]
        await asyncio.gather(*(session.open() for session in sessions))
        await asyncio.sleep(590)
        moments = sorted(command.at for command in peer.of("refresh"))
        assert len(moments) == 20, "each before its token has ended"
        assert moments[-1] - moments[0] > 20
        assert len(peer.connections) == 20
        await asyncio.gather(*(session.close() for session in sessions))


async def test_a_token_endpoint_that_fails_costs_nothing_until_the_token_ends(clock):
    tokens = Tokens()
    async with numbered_line(clock, peer={"token_ttl": 600}, credentials=Credentials(tokens)) as (
        _,
        peer,
    ):
        tokens.errors = [OSError("no route"), OSError("no route"), OSError("no route")]
        await asyncio.sleep(1200)
        assert len(peer.connections) == 1
        assert len(tokens.asked) > 4


async def test_a_token_endpoint_that_hangs_is_left_at_its_deadline_and_asked_again(clock):
    tokens = Tokens()
    tokens.hang = 2
    network = MemoryNetwork()
    async with CentrifugoPeer(network) as peer:
        started = clock.monotonic()
        async with Session(make_options(clock, network, credentials=Credentials(tokens, timeout=5.0))):
            assert peer.tokens == ["token-3"]
            assert 10 < clock.monotonic() - started < 12


async def test_a_refresh_that_hangs_is_left_and_asked_again_before_the_token_ends(clock):
    tokens = Tokens()
    async with numbered_line(clock, peer={"token_ttl": 600}, credentials=Credentials(tokens)) as (_, peer):
        tokens.hang = 1
        await asyncio.sleep(600)
        assert len(peer.connections) == 1
        assert len(peer.tokens) == 2


async def test_a_refresh_that_the_venue_does_not_take_this_time_is_repeated(clock):
    async with numbered_line(clock, peer={"token_ttl": 600}, credentials=Credentials(Tokens())) as (_, peer):
        peer.refuse_token("token-2", 111)
        peer.refuse_token("token-3", 109)
        await asyncio.sleep(620)
        assert peer.tokens == ["token-1", "token-2", "token-3", "token-4"]
        assert len(peer.connections) == 1


async def test_a_refresh_that_the_venue_refuses_for_good_is_raised(clock):
    async with numbered_line(clock, peer={"token_ttl": 600}, credentials=Credentials(Tokens())) as (
        session,
        peer,
    ):
        peer.refuse_token("token-2", 101)
        with pytest.raises(GaveUp, match="unauthorized"):
            await session.run_forever()


async def test_a_renewal_that_the_line_does_not_outlive_begins_no_second_chain(clock):
    tokens = Tokens(seconds=5.0)
    fields = {"credentials": Credentials(tokens), "fraction": lambda: 0.0}  # nothing by chance
    async with numbered_line(clock, peer={"token_ttl": 60}, **fields) as (session, peer):
        await asyncio.sleep(60 * REFRESH_SHARE + 1.0)
        assert len(tokens.asked) == 2
        assert not peer.of("refresh")
        peer.abort()
        await peer.connected(2)
        await asyncio.sleep(600)
        assert session.connected
        assert len(peer.connections) == 2
        assert {command.connection for command in peer.of("refresh")} == {2}
        assert len(peer.of("refresh")) <= 600 / (60 * REFRESH_SHARE * 0.8) + 1
        assert len(set(peer.tokens)) == len(peer.tokens) == len(tokens.asked)


@pytest.mark.parametrize("error", [None, CredentialsRefused("the account is closed")])
async def test_what_comes_of_a_renewal_for_a_line_that_is_gone_is_not_the_next_ones(clock, error):
    tokens = Tokens(seconds=5.0)
    credentials = Credentials(tokens)
    fields = {"credentials": credentials, "fraction": lambda: 0.0}  # nothing by chance
    async with numbered_line(clock, peer={"token_ttl": 60}, **fields) as (session, peer):
        await asyncio.sleep(60 * REFRESH_SHARE - 1)
        other = asyncio.create_task(credentials.token())  # of another line that shares the provider
        await asyncio.sleep(2)  # our renewal waits for that to end: it wants a fresh one
        peer.abort()
        await peer.connected(2)
        await other  # what that brought was good enough for our new line
        tokens.errors = [] if error is None else [error]
        await asyncio.sleep(20)
        assert tokens.asked == [False, False, True]
        assert session.connected
        assert not peer.of("refresh")


async def test_an_expired_connection_comes_back_with_a_fresh_token(clock):
    tokens = Tokens()
    async with numbered_line(clock, credentials=Credentials(tokens)) as (session, peer):
        book = session.subscribe("book", RECOVERABLE)
        await book.confirmed()
        peer.drop(3005)
        publish(peer, "book", [1])
        await peer.subscribed("book", 2)
        await asyncio.sleep(0.1)
        assert tokens.asked == [False, True]
        assert buffered(book) == ["reconnected 1", 1]


async def test_an_expired_token_at_connecting_is_replaced_at_once(clock):
    tokens = Tokens()
    network = MemoryNetwork()
    async with CentrifugoPeer(network) as peer:
        peer.refuse_token("token-1", 109)
        started = clock.monotonic()
        async with Session(make_options(clock, network, credentials=Credentials(tokens))):
            assert tokens.asked == [False, True]
            assert peer.tokens == ["token-1", "token-2"]
            assert clock.monotonic() - started < 1
            assert len(peer.connections) == 2, "nothing is sent after a refused connect"


@pytest.mark.parametrize("expired", [2, 5])
async def test_several_expired_tokens_in_a_row_are_not_final(clock, expired):
    """A venue's HTTP may hand out what has ended already: the next token may be good."""
    network = MemoryNetwork()
    async with CentrifugoPeer(network) as peer:
        for n in range(expired):
            peer.refuse_token(f"token-{n + 1}", 109)
        async with Session(make_options(clock, network, credentials=Credentials(Tokens()))) as session:
            assert session.connected
            assert peer.tokens == [f"token-{n + 1}" for n in range(expired + 1)]


async def test_without_a_provider_an_expired_connection_is_tried_again(clock):
    async with numbered_line(clock) as (_, peer):
        peer.drop(3005)
        await peer.connected(2)


async def test_the_shards_of_a_pool_share_one_flight(clock):
    network, tokens = MemoryNetwork(), Tokens(seconds=1.0)
    credentials = Credentials(tokens)
    async with (
        CentrifugoPeer(network) as peer,
        Pool(lambda number: make_options(clock, network, credentials=credentials), capacity=1) as pool,
    ):
        topics = [pool.subscribe(f"t{n}", RECOVERABLE) for n in range(8)]
        await asyncio.gather(*(topic.confirmed() for topic in topics))
        asked = len(tokens.asked)
        for connection in tuple(peer.connections):
            peer.drop(3005, connection=connection)
        await peer.connected(16)
        assert len(tokens.asked) - asked <= 2
        assert all(tokens.asked[asked:])


# --- a topic's ------------------------------------------------------------------------------------------------------


def subscribe(session, provider, topic="private", **fields):
    return session.subscribe(topic, RECOVERABLE, credentials=Credentials(provider, timeout=5.0), **fields)


def marks(subscription):
    """Every mark that can be taken now."""
    items = []
    while subscription.buffer:
        items.append(subscription.buffer.take())
    return [item for item in items if is_mark(item)]


async def test_a_topic_is_asked_for_with_a_token_of_its_own(clock):
    tokens = Tokens(seconds=1.0)
    async with token_line(clock) as (session, peer):
        private, public = subscribe(session, tokens), session.subscribe("public", RECOVERABLE)
        await public.confirmed()
        assert given(peer) == [], "no other topic waits for it"
        await private.confirmed()
        assert given(peer) == [("subscribe", "token-1")]
        assert tokens.asked == [False]
        publish(peer, "private", [1])
        await asyncio.sleep(0.1)
        assert buffered(private) == [1]
        peer.abort()
        publish(peer, "private", [2])
        await peer.subscribed("private", 2)
        await asyncio.sleep(0.1)
        assert buffered(private) == ["reconnected 1", 2]
        assert given(peer)[1:] == [("subscribe", "token-2")], "each attempt asks"


async def test_a_topics_token_is_renewed_before_it_ends(clock):
    tokens = Tokens()
    async with token_line(clock, ttl=60) as (session, peer):
        private = subscribe(session, tokens)
        await private.confirmed()
        await asyncio.sleep(600)
        renewals = peer.of("sub_refresh", "private")
        assert 10 <= len(renewals) <= 600 / (60 * REFRESH_SHARE * 0.8) + 1
        assert tokens.asked == [False, *[True] * len(renewals)]
        assert [token for _, token in given(peer)] == [f"token-{n + 1}" for n in range(len(given(peer)))]
        assert len(peer.of("subscribe", "private")) == len(peer.connections) == 1
        assert buffered(private) == []


async def test_tokens_of_many_topics_are_renewed_at_different_times(clock):
    async with token_line(clock, ttl=600) as (session, peer):
        topics = [subscribe(session, Tokens(), f"private:{n}") for n in range(20)]
        await asyncio.gather(*(topic.confirmed() for topic in topics))
        await asyncio.sleep(590)
        moments = sorted(command.at for command in peer.of("sub_refresh"))
        assert len(moments) == 20
        assert moments[-1] - moments[0] > 20


async def test_a_topics_token_that_never_comes_is_left_at_its_deadline_and_asked_for_again(clock):
    tokens = Tokens()
    tokens.hang = 2
    async with token_line(clock, subscribe_timeout=1.0) as (session, peer):
        private = subscribe(session, tokens, announce=True)
        started = clock.monotonic()
        await private.confirmed()
        assert 10 < clock.monotonic() - started < 13
        assert given(peer) == [("subscribe", "token-3")]
        assert [type(mark) for mark in marks(private)] == [Errored, Subscribing, Subscribed], "merged by kind"
        assert len(peer.connections) == 1


async def test_a_topics_token_that_cannot_be_had_this_time_is_announced_each_time(clock):
    tokens = Tokens()
    tokens.errors = [OSError("no route"), OSError("no route")]
    seen = []
    async with token_line(clock) as (session, _):
        private = subscribe(
            session, tokens, handler=lambda item: None, on_mark=lambda mark: seen.append(mark), announce=True
        )
        await private.confirmed()
        await asyncio.sleep(0.1)
        assert [type(mark) for mark in seen] == [
            Subscribing,
            Errored,
            Subscribing,
            Errored,
            Subscribing,
            Subscribed,
        ]
        assert "no route" in seen[1].reason
        assert private.state == "subscribed"


async def test_a_renewal_that_fails_is_repeated_and_announced_and_costs_nothing(clock):
    tokens = Tokens()
    async with token_line(clock, ttl=60) as (session, peer):
        private = subscribe(session, tokens, announce=True)
        await private.confirmed()
        tokens.errors, tokens.hang = [OSError("no route"), OSError("no route")], 1
        await asyncio.sleep(75)
        assert len(peer.of("sub_refresh")) == 1
        assert [type(mark) for mark in marks(private)] == [Subscribing, Subscribed, Errored]
        assert len(peer.of("subscribe")) == 1


async def test_a_topic_whose_token_is_refused_ends_alone(clock):
    async def refuse(fresh):
        raise CredentialsRefused("not yours")

    async with token_line(clock) as (session, peer):
        private, public = subscribe(session, refuse, announce=True), session.subscribe("public", RECOVERABLE)
        with pytest.raises(CredentialsRefused, match="not yours"):
            await private.confirmed()
        await public.confirmed()
        assert marks(private) == [Subscribing(), Unsubscribed(code=1, reason="not yours")]
        assert peer.of("subscribe", "private") == []
        assert session.connected


async def test_a_topic_whose_renewal_is_refused_ends_alone_and_is_left(clock):
    tokens = Tokens()
    async with token_line(clock, ttl=60) as (session, peer):
        private, public = subscribe(session, tokens, announce=True), session.subscribe("public", RECOVERABLE)
        await asyncio.gather(private.confirmed(), public.confirmed())
        tokens.errors = [CredentialsRefused("not yours any more")]
        with pytest.raises(CredentialsRefused):
            await session.run_forever()
        await peer.received("unsubscribe", "private")
        assert marks(private)[-1] == Unsubscribed(code=1, reason="not yours any more")
        assert private.state == "unsubscribed"
        assert public.state == "subscribed"
        await asyncio.sleep(600)
        assert len(tokens.asked) == 2


async def test_a_token_that_the_venue_finds_expired_is_replaced_by_a_fresh_one(clock):
    tokens = Tokens()
    async with token_line(clock) as (session, peer):
        peer.refuse_token("token-1", 109)
        private = subscribe(session, tokens, announce=True)
        await private.confirmed()
        assert tokens.asked == [False, True]
        assert given(peer) == [("subscribe", "token-1"), ("subscribe", "token-2")]
        errored = [mark for mark in marks(private) if isinstance(mark, Errored)]
        assert errored == [Errored(code=109, reason="token expired")]
        peer.unsubscribe("private", 2500)
        await peer.subscribed("private", 2)
        assert tokens.asked == [False, True, False], "one that was accepted is believed again"


@pytest.mark.parametrize("code", [109, 111])
async def test_a_fresh_token_that_the_venue_does_not_take_this_time_is_followed_by_another(clock, code):
    tokens = Tokens()
    async with token_line(clock, ttl=60) as (session, peer):
        peer.refuse_token("token-2", code)
        private = subscribe(session, tokens, announce=True)
        await private.confirmed()
        await asyncio.sleep(70)
        assert [token for _, token in given(peer)][:3] == ["token-1", "token-2", "token-3"]
        assert [mark.code for mark in marks(private) if isinstance(mark, Errored)] == [code]
        assert len(peer.of("subscribe")) == 1


async def test_a_fresh_token_that_the_venue_refuses_for_good_ends_the_topic(clock):
    async with token_line(clock, ttl=60) as (session, peer):
        peer.refuse_token("token-2", 101)
        private = subscribe(session, Tokens(), announce=True)
        await private.confirmed()
        await asyncio.sleep(70)
        assert marks(private)[-1] == Unsubscribed(code=101, reason="unauthorized")
        await peer.received("unsubscribe", "private")
        with pytest.raises(SubscriptionEnded):
            await private.confirmed()
        assert session.connected


@pytest.mark.parametrize(
    ("code", "fresh", "mark"),
    [
        (2500, False, "reconnected 1"),  # insufficient state
        (2501, True, "reconnected 1"),  # expired
        (2502, True, "gap unrecovered"),  # state invalidated: token and position
        (2503, False, "reconnected 1"),  # a code of tomorrow: from 2500 on we are expected back
    ],
)
async def test_an_interruption_by_code_is_followed_by_what_that_code_asks_for(clock, code, fresh, mark):
    tokens = Tokens()
    async with token_line(clock) as (session, peer):
        private = subscribe(session, tokens)
        await private.confirmed()
        publish(peer, "private", [1])
        await asyncio.sleep(0.1)
        peer.unsubscribe("private", code)
        publish(peer, "private", [2])
        await peer.subscribed("private", 2)
        await asyncio.sleep(0.1)
        assert tokens.asked == [False, fresh]
        assert buffered(private)[:2] == [1, mark]
        assert len(peer.connections) == 1


@pytest.mark.parametrize(("code", "fresh"), [(3001, False), (3005, True), (3014, True)])
async def test_after_a_disconnect_that_voids_tokens_topics_ask_for_fresh_ones_too(clock, code, fresh):
    tokens, own = Tokens(), Tokens()
    async with token_line(clock, credentials=Credentials(own)) as (session, peer):
        private = subscribe(session, tokens)
        await private.confirmed()
        peer.drop(code)
        await peer.subscribed("private", 2)
        assert tokens.asked == own.asked == [False, fresh]


async def test_a_token_that_comes_for_a_line_that_is_gone_is_dropped(clock):
    tokens = Tokens(seconds=3.0)
    async with token_line(clock) as (session, peer):
        private = subscribe(session, tokens)
        await asyncio.sleep(1)
        peer.abort()
        await private.confirmed()
        await asyncio.sleep(10)
        assert [(command.connection, command.kind) for command in peer.of("subscribe")] == [(2, "subscribe")]
        assert len(tokens.asked) == 1, "one flight at a time: the second attempt waits for the first one's"


async def test_leaving_while_the_token_is_fetched_asks_for_nothing(clock):
    async with token_line(clock) as (session, peer):
        private = subscribe(session, Tokens(seconds=3.0))
        await asyncio.sleep(1)
        private.unsubscribe()
        await asyncio.sleep(10)
        assert peer.of("subscribe") == peer.of("unsubscribe") == []


async def test_leaving_ends_the_renewals(clock):
    tokens = Tokens()
    async with token_line(clock, ttl=60) as (session, _):
        private = subscribe(session, tokens)
        await private.confirmed()
        timers = session._driver.loop.timers
        before = len(timers)
        private.unsubscribe()
        assert len(timers) == before - 1
        await asyncio.sleep(600)
        assert tokens.asked == [False]


async def test_a_renewal_that_was_due_for_an_interrupted_topic_is_not_made_for_the_next_attempt(clock):
    tokens = Tokens()
    async with token_line(clock, ttl=60) as (session, peer):
        await subscribe(session, tokens).confirmed()
        peer.channel_token_ttl = 0  # from now on tokens do not end
        peer.unsubscribe("private", 2500)
        await peer.subscribed("private", 2)
        await asyncio.sleep(600)
        assert tokens.asked == [False, False]
        assert not peer.of("sub_refresh")


async def test_a_token_that_takes_long_is_no_missing_answer(clock):
    tokens = Tokens(seconds=40.0)
    async with token_line(clock, subscribe_timeout=15) as (session, _):
        credentials = Credentials(tokens, timeout=60)
        private = session.subscribe("private", RECOVERABLE, credentials=credentials, announce=True)
        await private.confirmed()
        assert tokens.asked == [False]
        assert [type(mark) for mark in marks(private)] == [Subscribing, Subscribed]


async def test_a_late_word_on_a_former_attempts_token_takes_no_deadlines_place(clock, caplog):
    async with token_line(clock, subscribe_timeout=5) as (session, peer):
        peer.ignore_subscribe("private")
        private = session.subscribe("private", RECOVERABLE, credentials=Credentials(Tokens()))
        await asyncio.sleep(1)
        session._driver.topics.expect(CredentialsExpiring(600, topic="private"))
        await asyncio.sleep(4.5)
        assert "private: no answer to the subscription within its deadline" in caplog.text
        await private.confirmed()


async def test_consumers_of_one_topic_share_its_token(clock):
    tokens = Tokens()
    async with token_line(clock) as (session, _):
        credentials = Credentials(tokens)
        first = session.subscribe("private", RECOVERABLE, credentials=credentials)
        second = session.subscribe("private", credentials=credentials)
        third = session.subscribe("private")
        await asyncio.gather(first.confirmed(), second.confirmed(), third.confirmed())
        assert tokens.asked == [False]
        with pytest.raises(ConfigurationError, match="credentials"):
            session.subscribe("private", credentials=Credentials(tokens))


async def test_a_topic_that_moves_to_another_connection_takes_its_token_source_along(clock):
    network, tokens = MemoryNetwork(), Tokens()
    async with (
        CentrifugoPeer(network, channel_limit=1) as peer,
        Pool(lambda number: make_options(clock, network), capacity=10) as pool,
    ):
        await pool.subscribe("public", RECOVERABLE).confirmed()
        private = pool.subscribe("private", RECOVERABLE, credentials=Credentials(tokens))
        await private.confirmed()
        assert len(pool.sessions) == 2
        assert given(peer)[-1] == ("subscribe", f"token-{len(tokens.asked)}")


async def test_a_protocol_whose_topics_have_no_tokens_says_so(clock):
    async with line(clock) as (session, _):
        with pytest.raises(ConfigurationError, match="credentials"):
            await session.subscribe("markets", credentials=Credentials(Tokens())).confirmed()
        assert session.connected


async def test_no_log_line_holds_a_topics_token(clock, caplog):
    async def provider(fresh):
        return "secret-token-of-ours"

    caplog.set_level(logging.DEBUG)
    async with token_line(clock, ttl=60) as (session, peer):
        private = subscribe(session, provider, announce=True)
        await private.confirmed()
        peer.refuse_token("secret-token-of-ours", 111)
        await asyncio.sleep(100)
        assert len(given(peer)) > 2
        assert "secret-token" not in caplog.text + repr(session) + repr(private) + repr(marks(private))


async def test_a_token_given_in_the_parameters_still_goes_along(clock):
    from tapewire.secrets import Secret

    async with token_line(clock) as (session, peer):
        params = SubscribeParams(token=Secret("given-once"))
        await session.subscribe("private", params).confirmed()
        assert given(peer) == [("subscribe", "given-once")]

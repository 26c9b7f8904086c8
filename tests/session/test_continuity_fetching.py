import asyncio
import logging

import pytest

from tapewire.errors import ConnectionLost, CredentialsRefused, GaveUp, SubscriptionRefused
from tapewire.retry import RetryPolicy
from tapewire.session.continuity import BRIDGES_AT_A_TIME
from tapewire.session.credentials import Credentials
from tapewire.session.pool import Pool
from tapewire.session.session import Session
from tapewire.testing import CentrifugoPeer
from tapewire.transport.memory import MemoryNetwork
from tests.session.numbered_line import (
    RECOVERABLE,
    Tokens,
    buffered,
    make_options,
    numbered_line,
    publish,
    take,
)

# --- history --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [108, 112, 103, 100])
async def test_a_history_that_is_refused_leaves_the_hole_marked(clock, code):
    async with numbered_line(clock) as (session, peer):
        book = session.subscribe("book", RECOVERABLE)
        await book.confirmed()
        publish(peer, "book", [1])
        await asyncio.sleep(0.1)
        peer.abort()
        peer.publish_many("book", 1500)
        peer.refuse_history(code)
        await peer.subscribed("book", 2)
        peer.publish("book")
        await asyncio.sleep(0.1)
        assert buffered(book) == [1, "gap unrecovered", 1502]


async def test_a_history_of_another_shape_leaves_the_hole_marked_and_the_stream_alive(clock, caplog):
    async with numbered_line(clock) as (session, peer):
        book = session.subscribe("book", RECOVERABLE)
        await book.confirmed()
        peer.abort()
        peer.publish_many("book", 1500)
        peer.hold_subscribes()
        await peer.received("subscribe", "book", 2)
        peer.network.to_server.delay = 1.0  # what we answer by hand comes first
        peer.newest.link.to_server = peer.network.to_server
        peer.release_subscribes()
        request = peer.newest.server
        await asyncio.sleep(0.1)
        peer.raw(b'{"id":3,"history":null}')
        await asyncio.sleep(5)
        assert request.subscribed == {"book"}
        peer.publish("book")
        await asyncio.sleep(2)
        assert buffered(book) == ["gap unrecovered", 1501]
        assert "its history could not be had" in caplog.text


async def test_a_history_that_never_comes_is_given_up_at_its_deadline(clock):
    async with numbered_line(clock, request_timeout=3.0) as (session, peer):
        book = session.subscribe("book", RECOVERABLE)
        await book.confirmed()
        peer.abort()
        peer.publish_many("book", 1500)
        await peer.subscribed("book", 2)
        peer.newest.server.refuse = lambda *_: None  # say nothing
        peer.refuse_history(108)
        started = clock.monotonic()
        items = []
        while not items:
            await asyncio.sleep(0.1)
            items = buffered(book)
        assert items == ["gap unrecovered"]
        assert clock.monotonic() - started == pytest.approx(3, abs=0.3)


async def test_few_topics_page_their_history_at_once(clock):
    async with numbered_line(clock) as (session, peer):
        names = [f"t{n}" for n in range(20)]
        topics = [session.subscribe(name, RECOVERABLE, capacity=10_000) for name in names]
        await asyncio.gather(*(topic.confirmed() for topic in topics))
        peer.abort()
        for name in names:
            peer.publish_many(name, 1200)
        peer.network.to_server.delay = 0.5
        await asyncio.gather(*(peer.subscribed(name, 2) for name in names))
        await asyncio.sleep(30)
        asked = [command.at for command in peer.of("history")]
        assert len(asked) == 2 * len(names)
        assert max(asked.count(at) for at in asked) <= BRIDGES_AT_A_TIME
        for topic in topics:
            assert buffered(topic) == ["reconnected 1200", *range(1, 1201)]


# --- what is final --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [3500, 3503, 3507, 4501])
async def test_what_the_venue_forbids_is_raised_in_everything_that_waits(clock, code):
    network = MemoryNetwork()
    async with CentrifugoPeer(network) as peer:
        session = Session(make_options(clock, network))
        await session.open()
        peer.ignore_subscribe("book", 9)
        book, other = session.subscribe("book", RECOVERABLE), session.subscribe("other", RECOVERABLE)
        await other.confirmed()
        waits = [
            asyncio.ensure_future(wait) for wait in (session.run_forever(), book.confirmed(), take(other, 2))
        ]
        await asyncio.sleep(0.1)
        peer.drop(code)
        await asyncio.wait(waits)
        for wait in waits:
            assert isinstance(wait.exception(), GaveUp)
            assert isinstance(wait.exception().__cause__, ConnectionLost)
            assert wait.exception().__cause__.code == code
        with pytest.raises(GaveUp):
            await session.open()
        assert len(peer.connections) == 1
        await session.close()


async def test_a_terminal_refusal_of_connecting_is_final(clock):
    network = MemoryNetwork()
    async with CentrifugoPeer(network) as peer:
        peer.refuse_connect(3500)
        session = Session(make_options(clock, network))
        with pytest.raises(GaveUp, match="invalid token"):
            await session.open()
        await session.close()


async def test_what_ends_a_shard_made_later_is_raised_by_the_pool_too(clock):
    network = MemoryNetwork()
    async with CentrifugoPeer(network) as peer:
        pool = Pool(lambda number: make_options(clock, network), capacity=1)
        await pool.open()
        waiting = asyncio.ensure_future(pool.run_forever())
        await asyncio.gather(*(pool.subscribe(name, RECOVERABLE).confirmed() for name in "abc"))
        peer.drop(3500)
        with pytest.raises(GaveUp):
            await asyncio.wait_for(waiting, 5)
        await pool.close()


# --- supervised -----------------------------------------------------------------------------------------------------

SLOWLY = RetryPolicy(max_attempts=None, initial_backoff=60.0, max_backoff=600.0, jitter=False)


def alarms(caplog):
    return [record for record in caplog.records if record.levelno == logging.ERROR]


async def test_a_supervised_session_comes_back_slowly_with_a_fresh_token_and_an_alarm(clock, caplog):
    tokens = Tokens()
    fields = {"credentials": Credentials(tokens), "supervise": SLOWLY}
    async with numbered_line(clock, **fields) as (session, peer):
        book = session.subscribe("book", RECOVERABLE)
        await book.confirmed()
        publish(peer, "book", [1])
        await asyncio.sleep(0.1)
        peer.refuse_connect(3500, times=2)
        started = clock.monotonic()
        peer.drop(3500)
        publish(peer, "book", [2])
        await peer.subscribed("book", 2)
        assert clock.monotonic() - started == pytest.approx(60 + 120 + 240, abs=1)
        assert tokens.asked == [False, True, True, True]
        await asyncio.sleep(0.1)
        assert [record.getMessage() for record in alarms(caplog)] == [
            f"test: connection lost: invalid token (code 3500); trying again in {seconds:.2f} s"
            for seconds in (60, 120, 240)
        ]
        assert session.state == "up"
        publish(peer, "book", [3])
        await asyncio.sleep(0.1)
        assert buffered(book) == [1, "gap unrecovered", 3], "the history keeps five minutes"


async def test_a_supervised_session_waits_out_refused_credentials(clock, caplog):
    tokens = Tokens()
    tokens.errors = [CredentialsRefused("the key was revoked"), CredentialsRefused("the key was revoked")]
    async with numbered_line(clock, credentials=Credentials(tokens), supervise=SLOWLY):
        assert tokens.asked == [False, True, True]
        assert len(alarms(caplog)) == 2


async def test_a_supervised_session_that_may_not_try_for_ever_gives_up_at_last(clock, caplog):
    network = MemoryNetwork()
    async with CentrifugoPeer(network) as peer:
        peer.refuse_connect(3500, times=9)
        patience = RetryPolicy(max_attempts=3, initial_backoff=60.0, max_backoff=60.0)
        session = Session(make_options(clock, network, supervise=patience))
        with pytest.raises(GaveUp):
            await session.open()
        assert len(peer.connections) == 3
        assert len(alarms(caplog)) == 3
        await session.close()


async def test_a_line_that_was_stable_forgets_its_alarms(clock):
    async with numbered_line(clock, supervise=RetryPolicy(2, 60.0, 60.0)) as (session, peer):
        for n in range(1, 4):
            await asyncio.sleep(60)
            peer.drop(3503)
            await peer.connected(n + 1)
        await asyncio.sleep(1)
        assert session.connected


async def test_a_supervised_session_can_be_closed_while_it_waits(clock):
    async with numbered_line(clock, supervise=SLOWLY) as (session, peer):
        peer.drop(3500)
        await asyncio.sleep(1)
        started = clock.monotonic()
        await session.close()
        assert clock.monotonic() - started < 1


async def test_a_topic_refused_for_good_is_no_matter_of_supervision(clock):
    async with numbered_line(clock, supervise=SLOWLY) as (session, peer):
        peer.refuse_subscribe("secret", 103)
        with pytest.raises(SubscriptionRefused):
            await session.subscribe("secret").confirmed()

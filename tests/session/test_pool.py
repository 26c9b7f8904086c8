import asyncio
import gc
import weakref

import pytest

from tapewire.errors import (
    ConfigurationError,
    CredentialsRefused,
    GaveUp,
    HandshakeRefused,
    SubscriptionRefused,
)
from tapewire.marks import Gap
from tapewire.protocols.phoenix import PhoenixClient
from tapewire.session.credentials import Credentials
from tapewire.session.options import SessionOptions, state_of
from tapewire.session.pool import Pool
from tapewire.testing import CentrifugoPeer, PhoenixPeer
from tapewire.transport.base import Endpoint
from tapewire.transport.memory import MemoryNetwork
from tests.session.line import Spent, said, take
from tests.session.numbered_line import make_options as numbered_options


def options(clock, network, **fields):
    defaults = {
        "endpoint": lambda token: Endpoint(url="ws://venue.test/?vsn=2.0.0"),
        "protocol": lambda token: PhoenixClient(),
        "connector": network,
        "clock": clock,
    }
    return lambda number: SessionOptions(**(defaults | fields), name=f"shard {number}")


async def limit_channels(peer, most):
    """Every connection of the peer takes at most so many channels."""

    def take_up_to(peer_, connection, join):
        if len(connection.server.joined) >= most and join.topic not in connection.server.joined:
            connection.server.refuse(join, {"reason": "too many channels joined"})
        else:
            peer_.accept(connection, join)

    peer.on_join = take_up_to


async def test_topics_are_spread_over_sessions_by_their_capacity(clock):
    network = MemoryNetwork()
    async with PhoenixPeer(network) as peer, Pool(options(clock, network), capacity=10) as pool:
        subscriptions = [pool.subscribe(f"t{n}") for n in range(25)]
        await asyncio.gather(*(subscription.confirmed() for subscription in subscriptions))
        assert [session.statistics().confirmed for session in pool.sessions] == [10, 10, 5]
        assert len(peer.connections) == 3
        assert repr(pool) == "<Pool topics=25 sessions=3/3>"


async def test_a_topic_subscribed_twice_stays_on_its_session(clock):
    network = MemoryNetwork()
    async with PhoenixPeer(network), Pool(options(clock, network), capacity=1) as pool:
        await pool.subscribe("a").confirmed()
        await pool.subscribe("b").confirmed()
        await pool.subscribe("a").confirmed()
        assert len(pool.sessions) == 2


async def test_room_that_was_left_is_used_again(clock):
    network = MemoryNetwork()
    async with PhoenixPeer(network), Pool(options(clock, network), capacity=2) as pool:
        first = pool.subscribe("a")
        pool.subscribe("b")
        first.unsubscribe()
        await pool.subscribe("c").confirmed()
        assert len(pool.sessions) == 1


@pytest.mark.parametrize("topics", [1, 1_000])
async def test_what_was_left_is_not_kept_however_often_that_happens(clock, topics):
    network = MemoryNetwork()
    async with PhoenixPeer(network), Pool(options(clock, network), capacity=100_000) as pool:
        await pool.subscribe("held").confirmed()
        left = weakref.WeakSet()
        for number in range(1_000):
            subscription = pool.subscribe(f"t{number % topics}")
            left.add(subscription)
            subscription.unsubscribe()
        del subscription
        await asyncio.sleep(1)
        gc.collect()
        assert len(left) < 250


async def test_a_topic_refused_by_a_full_connection_moves_with_whoever_waits_for_it(clock):
    network = MemoryNetwork()
    async with PhoenixPeer(network) as peer, Pool(options(clock, network), capacity=100) as pool:
        await limit_channels(peer, 3)
        subscriptions = [pool.subscribe(f"t{n}") for n in range(8)]
        await asyncio.gather(*(subscription.confirmed() for subscription in subscriptions))
        assert [session.statistics().confirmed for session in pool.sessions] == [3, 3, 2]
        for n, subscription in enumerate(subscriptions):
            peer.broadcast(f"t{n}", "tick", {"n": n})
            assert (await take(subscription, 1)) == [("tick", {"n": n})]
            assert pool.session_of(f"t{n}").connected


async def test_a_topic_that_moves_after_a_reconnection_says_where_it_broke_once(clock):
    network = MemoryNetwork()
    async with PhoenixPeer(network) as peer, Pool(options(clock, network), capacity=100) as pool:
        subscriptions = [pool.subscribe(f"t{n}") for n in range(3)]
        await asyncio.gather(*(subscription.confirmed() for subscription in subscriptions))
        for n in range(3):
            peer.broadcast(f"t{n}", "tick", {"n": 1})
        await asyncio.sleep(0.1)
        await limit_channels(peer, 2)
        peer.abort()
        await peer.joined("t2", 2)
        await asyncio.sleep(1)
        for n in range(3):
            peer.broadcast(f"t{n}", "tick", {"n": 2})
        for subscription in subscriptions:
            items = await take(subscription, 3)
            assert items[0] == ("tick", {"n": 1})
            assert isinstance(items[1], Gap)
            assert items[1].reason == "connection lost"
            assert items[2] == ("tick", {"n": 2})
        assert len(pool.sessions) == 2


async def test_where_no_session_may_be_added_the_refusal_stands(clock):
    network = MemoryNetwork()
    async with PhoenixPeer(network) as peer, Pool(options(clock, network), max_sessions=1) as pool:
        await limit_channels(peer, 1)
        await pool.subscribe("a").confirmed()
        with pytest.raises(SubscriptionRefused, match="too many"):
            await pool.subscribe("b").confirmed()


async def test_more_topics_than_the_pool_may_hold_are_an_error_that_names_the_argument(clock):
    network = MemoryNetwork()
    async with PhoenixPeer(network), Pool(options(clock, network), capacity=1, max_sessions=1) as pool:
        pool.subscribe("a")
        with pytest.raises(ConfigurationError, match="max_sessions"):
            pool.subscribe("b")


async def test_all_sessions_share_the_token_and_the_budget_of_connections(clock):
    network = MemoryNetwork()
    asked, admitted = [], []

    async def provider(fresh):
        asked.append(fresh)
        await asyncio.sleep(1)
        return "token"

    async def admit():
        admitted.append(clock.monotonic())
        await asyncio.sleep(2)

    make = options(clock, network, credentials=Credentials(provider))
    async with PhoenixPeer(network) as peer, Pool(make, capacity=1, admit=admit) as pool:
        await asyncio.gather(*(pool.subscribe(topic).confirmed() for topic in "abc"))
        assert len(admitted) == 3
        for connection in peer.connections:
            connection.link.abort()
        before = len(asked)
        await peer.connected(6)
        assert len(asked) - before <= 3


async def test_handlers_go_on_after_a_move(clock):
    network, got = MemoryNetwork(), []
    async with PhoenixPeer(network) as peer, Pool(options(clock, network)) as pool:
        await limit_channels(peer, 1)
        await pool.subscribe("a").confirmed()
        await pool.subscribe("b", handler=lambda item: got.append(said(item))).confirmed()
        peer.broadcast("b", "tick", {})
        await asyncio.sleep(0.1)
    assert got[-1] == ("tick", {})


async def test_five_thousand_topics_survive_a_reconnection_of_every_connection(clock):
    network = MemoryNetwork()
    async with (
        PhoenixPeer(network, max_channels=512) as peer,
        Pool(options(clock, network), capacity=480) as pool,
    ):
        subscriptions = [pool.subscribe(f"t{n}", capacity=10) for n in range(5_000)]
        await asyncio.gather(*(subscription.confirmed() for subscription in subscriptions))
        assert len(pool.sessions) == 11
        for connection in peer.connections:
            connection.link.abort()
        await asyncio.sleep(120)
        assert sum(session.statistics().confirmed for session in pool.sessions) == 5_000
        assert len(pool.sessions) == 11
        assert all(session.statistics().reconnections == 1 for session in pool.sessions)


async def test_sessions_come_back_at_different_times(clock):
    network = MemoryNetwork()
    async with PhoenixPeer(network) as peer, Pool(options(clock, network), capacity=1) as pool:
        await asyncio.gather(*(pool.subscribe(f"t{n}").confirmed() for n in range(20)))
        moments = []
        for connection in peer.connections:
            connection.link.abort()
        for number in range(21, 41):
            await peer.connected(number)
            moments.append(clock.monotonic())
        assert len(set(moments)) > 15
        assert moments[-1] - moments[0] > 0.2


@pytest.mark.skipif(not hasattr(asyncio, "eager_task_factory"), reason="this Python has no eager tasks")
async def test_opening_that_fails_at_once_is_raised_with_eager_tasks_too(clock):
    async def refused(fresh):
        raise CredentialsRefused("no")

    asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
    pool = Pool(options(clock, MemoryNetwork(), credentials=Credentials(refused)))
    with pytest.raises(CredentialsRefused):
        await pool.open()
    await pool.close()


# A topic that is refused everywhere, and what moves with one that is not.


@pytest.mark.parametrize("others", [0, 3])
async def test_a_topic_that_is_refused_as_too_many_everywhere_is_refused_in_the_end(clock, others):
    network = MemoryNetwork()
    async with (
        CentrifugoPeer(network) as peer,
        Pool(lambda number: numbered_options(clock, network), capacity=4) as pool,
    ):
        await asyncio.gather(*(pool.subscribe(f"t{n}").confirmed() for n in range(others)))
        peer.refuse_subscribe("a", 106, times=100_000)
        with pytest.raises(SubscriptionRefused, match="limit exceeded"):
            async with asyncio.timeout(60):
                await pool.subscribe("a").confirmed()
        await asyncio.sleep(60)
        assert len(peer.of("subscribe", "a")) <= 2
        assert len(pool.sessions) <= 2
        await pool.subscribe("b").confirmed()


async def test_a_session_whose_topics_are_still_asked_for_is_full_and_not_empty(clock):
    network = MemoryNetwork()
    async with (
        CentrifugoPeer(network, channel_limit=2) as peer,
        Pool(lambda number: numbered_options(clock, network), capacity=3) as pool,
    ):
        await asyncio.gather(*(pool.subscribe(topic).confirmed() for topic in "ab"))
        peer.hold_subscribes()
        peer.drop(3001)
        third = pool.subscribe("c")  # asked for together with the two others, and answered before them
        await asyncio.sleep(1)
        assert pool.session_of("a") is not pool.session_of("c")
        peer.release_subscribes()
        await third.confirmed()


async def test_the_handler_of_a_topic_that_moved_outlives_the_session_that_it_came_from(clock):
    network = MemoryNetwork()
    got = []
    async with (
        CentrifugoPeer(network, channel_limit=1) as peer,
        Pool(lambda number: numbered_options(clock, network), capacity=4) as pool,
    ):
        await pool.subscribe("a").confirmed()
        moved = pool.subscribe("b", handler=lambda item: got.append(item.offset or 1))
        await moved.confirmed()
        first, second = pool.sessions
        assert pool.session_of("b") is second
        await first.close()
        peer.publish("b")
        await asyncio.sleep(1)
        assert got == [1]
        await second.close()
        assert not [task for task in asyncio.all_tasks() if "handler b" in task.get_name()]


async def test_no_session_is_made_beside_one_that_was_refused_for_good(clock):
    network = MemoryNetwork()
    async with (
        CentrifugoPeer(network) as peer,
        Pool(lambda number: numbered_options(clock, network), capacity=1, one_end=True) as pool,
    ):
        await pool.subscribe("a").confirmed()
        peer.drop(3500)
        await asyncio.sleep(1)
        with pytest.raises(GaveUp, match="invalid token"):
            pool.subscribe("b")
        await asyncio.sleep(60)
        assert len(peer.connections) == 1


async def test_a_connection_that_may_ask_for_nothing_more_is_made_anew_and_leaves_no_empty_session_behind(
    clock,
):
    network = MemoryNetwork()
    made = iter([Spent] * 5)
    pool_options = options(clock, network, protocol=lambda token: next(made, PhoenixClient)())
    async with PhoenixPeer(network) as peer, Pool(pool_options, capacity=4) as pool:
        await pool.subscribe("a", announce=True).confirmed()
        await pool.subscribe("b").confirmed()
        assert len(pool.sessions) == 1
        assert len(peer.connections) == 6


async def test_a_topic_that_moved_is_never_asked_for_again_where_it_was_refused(clock):
    network = MemoryNetwork()
    async with PhoenixPeer(network) as peer, Pool(options(clock, network), capacity=10) as pool:
        await limit_channels(peer, 1)
        await pool.subscribe("a").confirmed()
        await pool.subscribe("b").confirmed()
        await asyncio.sleep(120)
        assert peer.events("b") == ["phx_join", "phx_join"]
        assert [session.statistics().confirmed for session in pool.sessions] == [1, 1]


class Slow:
    """A way to the venue that takes a second; it counts how many are on it at once."""

    def __init__(self, network):
        self.under_way = self.most = 0
        self._network = network

    async def connect(self, endpoint, receiver):
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await asyncio.sleep(1)
            return await self._network.connect(endpoint, receiver)
        finally:
            self.under_way -= 1


async def test_sessions_are_opened_one_after_the_other(clock):
    network = MemoryNetwork()
    slow = Slow(network)
    async with PhoenixPeer(network), Pool(options(clock, slow), capacity=1) as pool:
        await asyncio.gather(*(pool.subscribe(f"t{n}").confirmed() for n in range(5)))
        assert len(pool.sessions) == 5
        assert slow.most == 1


async def test_an_opening_that_nobody_waits_for_any_more_goes_on_for_the_next_who_waits(clock):
    network = MemoryNetwork()
    async with PhoenixPeer(network) as peer:
        pool = Pool(options(clock, Slow(network)))
        first = asyncio.create_task(pool.open())
        await asyncio.sleep(0.5)
        first.cancel()
        await pool.open()
        assert [session.connected for session in pool.sessions] == [True]
        assert len(peer.connections) == 1
        await pool.close()


async def test_a_session_that_was_closed_by_itself_holds_no_place(clock):
    network = MemoryNetwork()
    async with PhoenixPeer(network), Pool(options(clock, network), max_sessions=1) as pool:
        await pool.sessions[0].close()
        await pool.subscribe("a").confirmed()
        assert [session.state for session in pool.sessions] == ["up"]


async def test_a_session_made_while_its_pool_runs_is_heard_when_it_gives_up(clock):
    network = MemoryNetwork()
    async with PhoenixPeer(network), Pool(options(clock, network), capacity=1) as pool:
        await pool.subscribe("a").confirmed()
        running = asyncio.create_task(pool.run_forever())
        await asyncio.sleep(1)
        network.refuse(403)
        pool.subscribe("b")
        with pytest.raises(HandshakeRefused):
            await asyncio.wait_for(running, 60)


async def test_a_pool_whose_sessions_are_all_closed_one_by_one_still_runs_until_it_is_closed(clock):
    network = MemoryNetwork()
    async with PhoenixPeer(network), Pool(options(clock, network)) as pool:
        running = asyncio.create_task(pool.run_forever())
        for topic in "abc":
            await pool.sessions[0].close()
            await asyncio.sleep(1)
            assert not running.done()
            await pool.subscribe(topic).confirmed()
        await pool.close()
        assert await running is None


async def test_a_pool_without_sessions_runs_until_it_is_closed(clock):
    pool = Pool(options(clock, MemoryNetwork()))
    running = asyncio.create_task(pool.run_forever())
    await asyncio.sleep(1)
    assert not running.done()
    await pool.close()
    assert await asyncio.wait_for(running, 1) is None


async def test_the_figures_of_a_pool_are_those_of_its_sessions_as_one(clock):
    network = MemoryNetwork()
    async with PhoenixPeer(network), Pool(options(clock, network), capacity=10) as pool:
        subscriptions = [pool.subscribe(f"t{n}") for n in range(15)]
        await asyncio.gather(*(subscription.confirmed() for subscription in subscriptions))
        figures = pool.statistics()
        parts = [session.statistics() for session in pool.sessions]
        assert (figures.name, figures.state, figures.sessions) == ("pool", "up", tuple(parts))
        assert (figures.subscriptions, figures.confirmed, figures.connections) == (15, 15, 2)
        assert len(figures.details) == 15
        assert figures.since_heard == max(part.since_heard for part in parts)
        pool.sessions[1].reconnect()
        assert (pool.state, pool.statistics().state) == (pool.sessions[1].state,) * 2 != ("up", "up")
    assert pool.statistics().state == "closed"


@pytest.mark.parametrize(
    ("states", "one"),
    [
        ([], "new"),
        (["up", "up"], "up"),
        (["up", "waiting", "new"], "waiting"),
        (["closed", "up", "failed"], "up"),
        (["closed", "failed"], "failed"),
        (["closed", "closing", "failed"], "closing"),
        (["closed"], "closed"),
    ],
)
def test_one_word_stands_for_the_states_of_many(states, one):
    assert state_of(states) == one

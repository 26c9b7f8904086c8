"""Whatever happens to the line, a consumer can tell where its stream broke."""

import asyncio
from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from tapewire.errors import NotSubscribed
from tapewire.marks import Gap, is_mark
from tapewire.retry import RetryPolicy
from tapewire.session.session import Session
from tapewire.testing import PhoenixPeer, VirtualClock
from tapewire.transport.memory import MemoryNetwork
from tests.session.line import make_session, payload

TOPICS = ("a", "b", "c")

STEPS = st.one_of(
    st.tuples(st.just("publish"), st.sampled_from(TOPICS)),
    st.tuples(st.just("publish"), st.sampled_from(TOPICS)),
    st.tuples(st.just("wait"), st.sampled_from([0.0, 0.01, 0.3, 2.0, 40.0])),
    st.tuples(st.just("abort"), st.just(None)),
    st.tuples(st.just("drop"), st.sampled_from([1000, 1001, 1012])),
    st.tuples(st.just("half open"), st.just(None)),
    st.tuples(st.just("crash"), st.sampled_from(TOPICS)),
    st.tuples(st.just("refuse"), st.sampled_from(TOPICS)),
    st.tuples(st.just("ignore"), st.sampled_from(TOPICS)),
    st.tuples(st.just("garbage"), st.just(None)),
    st.tuples(st.just("unreachable"), st.integers(1, 4)),
    st.tuples(st.just("suspend"), st.sampled_from([5.0, 600.0])),
)


class Venue:
    """The peer, and the truth: what was published on each topic, whoever heard it."""

    def __init__(self, clock, peer):
        self.clock, self.peer = clock, peer
        self.log = {topic: [] for topic in TOPICS}

    async def step(self, what, value):
        peer = self.peer
        with suppress(NotSubscribed, IndexError):
            if what == "publish":
                self.log[value].append(len(self.log[value]))
                peer.broadcast(value, "tick", {"n": self.log[value][-1]})
            elif what == "wait":
                await asyncio.sleep(value)
            elif what == "drop":
                peer.drop(value)
            elif what == "refuse":
                peer.refuse_join(value, {"reason": "join crashed"})
            elif what == "ignore":
                peer.ignore_join(value)
            elif what == "garbage":
                peer.raw(b'{"half":')
            elif what == "unreachable":
                peer.network.unreachable(times=value)
            elif what == "suspend":
                self.clock.suspend(value)
            elif what == "crash":
                peer.crash(value)
            else:
                {"abort": peer.abort, "half open": peer.half_open}[what]()


async def play(clock: VirtualClock, steps) -> tuple[dict, dict]:
    network = MemoryNetwork()
    async with PhoenixPeer(network) as peer:
        session: Session = make_session(clock, network, retry=RetryPolicy(None, 0.2, 1.0))
        async with session:
            subscriptions = {topic: session.subscribe(topic, capacity=100_000) for topic in TOPICS}
            await asyncio.gather(*(subscription.confirmed() for subscription in subscriptions.values()))
            venue = Venue(clock, peer)
            for what, value in steps:
                await venue.step(what, value)
            await asyncio.sleep(200)  # every outage is over
            for topic in TOPICS:
                await venue.step("publish", topic)
            await asyncio.sleep(1)
            for subscription in subscriptions.values():
                subscription.unsubscribe()
            received = {topic: [item async for item in subscriptions[topic]] for topic in TOPICS}
            return venue.log, received


@settings(max_examples=120)
@given(st.lists(STEPS, max_size=40))
def test_every_message_is_delivered_once_and_in_order_or_lies_where_a_gap_stands(steps):
    """Invariant: between two deliveries without a Gap nothing is missing; nothing comes twice; the line recovers."""
    clock = VirtualClock()
    log, received = clock.run(play(clock, steps))
    for topic in TOPICS:
        expected, gap = 0, False
        for item in received[topic]:
            if is_mark(item):
                gap = gap or isinstance(item, Gap)
            elif item.event == "tick":
                n = payload(item)["n"]
                assert n >= expected, f"{topic}: {n} came twice or out of order"
                assert n == expected or gap, f"{topic}: {expected} to {n - 1} are missing in silence"
                expected, gap = n + 1, False
        assert expected == len(log[topic]), f"{topic}: the last message must have come"

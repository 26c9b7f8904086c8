"""Whatever a numbered venue does to its streams and to the line, a consumer can tell where its stream broke."""

import asyncio

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from tapewire.marks import Gap, is_mark
from tapewire.protocols.base import StreamPosition
from tapewire.retry import RetryPolicy
from tapewire.session.consumer import Consumer as OfMany
from tapewire.session.session import Session
from tapewire.testing import CentrifugoPeer, VirtualClock
from tapewire.transport.memory import MemoryNetwork
from tests.session.numbered_line import RECOVERABLE, make_options

CHANNELS = ("a", "b", "c")

channel = st.sampled_from(CHANNELS)
STEPS = st.one_of(
    st.tuples(st.just("publish"), channel, st.sampled_from([1, 1, 3])),
    st.tuples(st.just("publish"), channel, st.sampled_from([1, 2, 12, 30])),
    st.tuples(st.just("wait"), st.none(), st.just(0.01)),
    st.tuples(st.just("wait"), st.none(), st.sampled_from([0.0, 0.01, 0.3, 2.0, 40.0])),
    st.tuples(st.just("abort"), st.none(), st.none()),
    st.tuples(st.just("drop"), st.none(), st.sampled_from([1000, 1009, 3001, 3005, 3008, 3010, 3012, 3014])),
    st.tuples(st.just("half open"), st.none(), st.none()),
    st.tuples(st.just("unsubscribe"), channel, st.sampled_from([2500, 2501, 2502])),
    st.tuples(st.just("refuse"), channel, st.sampled_from([100, 111, 109])),
    st.tuples(st.just("ignore"), channel, st.none()),
    st.tuples(st.just("prune"), channel, st.integers(0, 12)),
    st.tuples(st.just("restart"), channel, st.none()),
    st.tuples(st.just("lose"), channel, st.none()),
    st.tuples(st.just("repeat"), channel, st.none()),
    st.tuples(st.just("duplicate"), st.none(), st.none()),
    st.tuples(st.just("refuse history"), st.none(), st.sampled_from([100, 108, 112])),
    st.tuples(st.just("garbage"), st.none(), st.none()),
    st.tuples(st.just("unreachable"), st.none(), st.integers(1, 4)),
    st.tuples(st.just("lag"), st.none(), st.sampled_from([0.0, 0.05, 0.4])),
    st.tuples(st.just("suspend"), st.none(), st.sampled_from([5.0, 600.0])),
    st.tuples(st.just("new process"), channel, st.booleans()),
    st.tuples(st.just("new process"), channel, st.booleans()),
)


class Venue:
    """The peer, and the truth: the epoch and number of everything published on each channel, in order."""

    def __init__(self, clock, peer):
        self.clock, self.peer = clock, peer
        self.log = {name: [] for name in CHANNELS}
        self.epochs = dict.fromkeys(CHANNELS, 1)

    def noted(self, name, publication):
        self.log[name].append((self.peer.history(name).epoch, publication.offset))

    def publish(self, name, count):
        for _ in range(count):
            self.noted(name, self.peer.publish(name, None))

    def fault(self, what, name, value):
        peer = self.peer
        if what == "restart":
            self.epochs[name] += 1
            peer.restart(name, f"{name}-{self.epochs[name]}")
        elif what == "lose":
            self.noted(name, peer.lose(name))
        elif what == "repeat" and peer.log(name):
            peer.repeat(name)
        elif what == "lag":
            peer.network.to_client.delay = value
        elif what == "suspend":
            self.clock.suspend(value)
        elif peer.connections:
            orders = {
                "abort": lambda: peer.abort(),
                "drop": lambda: peer.drop(value),
                "half open": lambda: peer.half_open(),
                "unsubscribe": lambda: peer.unsubscribe(name, value),
                "refuse": lambda: peer.refuse_subscribe(name, value),
                "ignore": lambda: peer.ignore_subscribe(name),
                "prune": lambda: peer.prune(name, value),
                "duplicate": lambda: peer.duplicate_next_recovery(),
                "refuse history": lambda: peer.refuse_history(value),
                "garbage": lambda: peer.raw(b'{"push":{"channel":'),
                "unreachable": lambda: peer.network.unreachable(times=value),
            }
            if what in orders:
                orders[what]()


class Consumer:
    """One channel's consumer over several processes: what it has taken, and the position it has saved."""

    def __init__(self, session: Session, name: str) -> None:
        self.name, self.session = name, session
        self.received: list = []
        self.subscription = session.subscribe(name, RECOVERABLE, capacity=100_000)

    def take(self) -> None:
        buffer = self.subscription.buffer
        while buffer:
            self.received.append(self.subscription.taken(buffer.take()))

    def restart(self) -> None:
        """A new process: what was taken and its position are all that is left of the old one."""
        position = self.subscription.position
        self.subscription.unsubscribe()
        if position is None:  # nothing was ever known: a new beginning, which the consumer knows of
            self.received.append(Gap(reason="interrupted", since_ns=1))
        self.subscription = self.session.subscribe(
            self.name, RECOVERABLE, capacity=100_000, position=position
        )


class Shared:
    """One consumer of all channels: what it has taken of each, with the marks that name it."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.consumer = OfMany("all", capacity=100_000)
        self.received: dict[str, list] = {name: [] for name in CHANNELS}
        self.subscriptions = {name: self._subscribe(name, None) for name in CHANNELS}

    def _subscribe(self, name: str, position: StreamPosition | None):
        return self.session.subscribe(name, RECOVERABLE, into=self.consumer, position=position)

    def take(self) -> None:
        buffer = self.consumer.buffer
        while buffer:
            item = self.consumer.taken(buffer.take())
            if not is_mark(item):
                self.received[item.topic].append(item)
            elif isinstance(item, Gap):
                self._take_gap(item)

    def _take_gap(self, gap: Gap) -> None:
        parts = gap.detail.split("; ")
        named = [name for name in CHANNELS if any(part.split(":")[0] == name for part in parts)]
        missed = gap.missed if len(named) == 1 else None  # of all of them together
        for name in named if len(gap.detail) < 200 else CHANNELS:
            self.received[name].append(msgspec.structs.replace(gap, missed=missed))

    def restart(self, name: str) -> None:
        """One channel is left, and asked for again from where it was."""
        self.take()
        position = self.subscriptions[name].position
        self.subscriptions[name].unsubscribe()
        if position is None:
            self.received[name].append(Gap(reason="interrupted", since_ns=1))
        self.subscriptions[name] = self._subscribe(name, position)


async def play_shared(clock: VirtualClock, steps) -> tuple[dict, dict]:
    network = MemoryNetwork()
    async with CentrifugoPeer(network, recovery_limit=10, page_limit=7, history_size=40) as peer:
        options = make_options(clock, network, retry=RetryPolicy(None, 0.2, 1.0))
        async with Session(options) as session:
            venue, shared = Venue(clock, peer), Shared(session)
            await shared.consumer.confirmed()
            for what, name, value in steps:
                if what == "publish":
                    venue.publish(name, value)
                elif what == "wait":
                    await asyncio.sleep(value)
                elif what == "new process":
                    shared.restart(name)
                else:
                    venue.fault(what, name, value)
            for seconds in (200, 60, 5):  # every outage is over
                await asyncio.sleep(seconds)
                for name in CHANNELS:
                    venue.publish(name, 1)
            await asyncio.sleep(5)
            shared.take()
            return venue.log, shared.received


async def play(clock: VirtualClock, steps) -> tuple[dict, dict]:
    network = MemoryNetwork()
    async with CentrifugoPeer(network, recovery_limit=10, page_limit=7, history_size=40) as peer:
        options = make_options(clock, network, retry=RetryPolicy(None, 0.2, 1.0))
        async with Session(options) as session:
            venue = Venue(clock, peer)
            consumers = {name: Consumer(session, name) for name in CHANNELS}
            await asyncio.gather(*(consumer.subscription.confirmed() for consumer in consumers.values()))
            for what, name, value in steps:
                if what == "publish":
                    venue.publish(name, value)
                elif what == "wait":
                    await asyncio.sleep(value)
                elif what == "new process":
                    if value:
                        consumers[name].take()
                    consumers[name].restart()
                else:
                    venue.fault(what, name, value)
            await asyncio.sleep(200)  # every outage is over
            for name in CHANNELS:
                venue.publish(name, 1)
            await asyncio.sleep(60)
            for name in CHANNELS:
                venue.publish(name, 1)
            await asyncio.sleep(5)
            for consumer in consumers.values():
                consumer.take()
            return venue.log, {name: consumer.received for name, consumer in consumers.items()}


def check(name, log, received) -> None:
    place = {entry: n for n, entry in enumerate(log)}
    expected, gap, missed = 0, False, 0
    for item in received:
        if is_mark(item):
            if isinstance(item, Gap):
                gap = True
                missed = None if item.missed is None or missed is None else missed + item.missed
            continue
        entry = (item.epoch, item.offset)
        assert entry in place, f"{name}: {entry} was never published"
        n = place[entry]
        assert n >= expected, f"{name}: {entry} came twice or out of order"
        assert n == expected or gap, f"{name}: {log[expected:n]} are missing in silence"
        if gap and missed is not None and log[expected:n]:
            assert missed == n - expected or log[expected][0] != log[n][0]
        expected, gap, missed = n + 1, False, 0
    assert expected == len(log), f"{name}: the last publication must have come"


@settings(max_examples=100)
@given(st.lists(STEPS, max_size=40))
def test_a_consumer_of_many_topics_sees_the_log_of_each_and_its_gaps_name_it(steps):
    """Invariant: as for a consumer of one topic, for each of three in one buffer; a Gap names whose it is."""
    clock = VirtualClock()
    log, received = clock.run(play_shared(clock, steps))
    for name in CHANNELS:
        check(name, log[name], received[name])


@settings(max_examples=150)
@given(st.lists(STEPS, max_size=40))
def test_a_consumer_sees_the_venues_log_in_order_and_each_hole_has_its_gap(steps):
    """Invariant: taken is the log, in order, without repetition; what is missing lies where a Gap stands."""
    clock = VirtualClock()
    log, received = clock.run(play(clock, steps))
    for name in CHANNELS:
        check(name, log[name], received[name])


@settings(max_examples=60)
@given(st.lists(st.tuples(st.sampled_from(["publish", "drop", "take"]), st.integers(1, 9)), max_size=30))
def test_while_the_history_holds_everything_nothing_is_ever_missing(steps):
    """Invariant: without a fault of the history there is no Gap, however often the line breaks."""

    async def play_whole():
        network = MemoryNetwork()
        options = make_options(clock, network, retry=RetryPolicy(None, 0.2, 1.0))
        async with (
            CentrifugoPeer(network, recovery_limit=10, page_limit=7) as peer,
            Session(options) as session,
        ):
            consumer = Consumer(session, "a")
            await consumer.subscription.confirmed()
            for what, count in steps:
                if what == "publish":
                    for _ in range(count):
                        peer.publish("a")
                elif what == "drop":
                    peer.drop(3000 + count)
                    await asyncio.sleep(0.1 * count)
                else:
                    await asyncio.sleep(0.02)
                    consumer.take()
                    consumer.restart()
            await asyncio.sleep(100)
            consumer.take()
            return peer.log("a"), consumer.received

    clock = VirtualClock()
    log, received = clock.run(play_whole())
    assert [item.offset for item in received if not is_mark(item)] == [entry.offset for entry in log]
    assert not [item for item in received if isinstance(item, Gap)]
    assert all(StreamPosition(item.offset, item.epoch) for item in received if not is_mark(item))

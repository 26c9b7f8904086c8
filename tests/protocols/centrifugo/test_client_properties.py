"""Any bytes, any grouping, and any fate of a connection: what must hold in all of them."""

from __future__ import annotations

import json
from collections import deque
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tapewire.protocols.base import (
    Binary,
    Confirmed,
    Failed,
    Interrupted,
    Payload,
    Refused,
    Skipped,
    StreamPosition,
    Undecodable,
)
from tapewire.protocols.centrifugo import (
    CentrifugoClient,
    CentrifugoServer,
    ChannelHistory,
    ConnectRequested,
    Disconnected,
    Pacing,
    Publication,
    SubscribeParams,
    SubscribeRequested,
    encode_publication,
)
from tests.protocols.centrifugo.wires import CONNECTED, PING, RECOVERABLE, error, line, pub, push, reply

CHANNELS = ["a", "b"]
KEYS = [
    *(
        "id",
        "push",
        "pub",
        "channel",
        "offset",
        "epoch",
        "data",
        "error",
        "code",
        "subscribe",
        "publications",
    ),
    *("recovered", "connect", "ping", "pong", "unsubscribe", "disconnect", "history", "rpc", "tags", "delta"),
]

values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 2**65) | st.text(max_size=6) | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5),
    max_leaves=12,
)
channels = st.sampled_from([*CHANNELS, "other", ""])
offsets = st.integers(0, 30)
numbers = st.integers(0, 9)
epochs = st.sampled_from(["", "e", "f"])
subscribed = st.fixed_dictionaries(
    {
        "offset": offsets,
        "positioned": st.booleans(),
        "epoch": epochs,
        "recovered": st.booleans(),
        "publications": st.lists(st.fixed_dictionaries({"offset": offsets}), max_size=3),
    }
)
shaped: st.SearchStrategy[bytes] = st.one_of(
    st.builds(lambda c, n, e: pub(c, n, **({"epoch": e} if e else {})), channels, offsets, epochs),
    st.builds(lambda c, n: pub(c, n, "3\nx", delta=True), channels, offsets),
    st.builds(lambda c, n: push(c, "unsubscribe", code=n), channels, st.sampled_from([0, 2000, 2500, 2502])),
    st.builds(lambda n, body: reply(n, "subscribe", **body), numbers, subscribed),
    st.builds(error, numbers, st.sampled_from([100, 103, 105, 109, 112])),
    st.builds(lambda n: reply(n, "unsubscribe"), numbers),
    st.builds(lambda n: reply(n, "history", publications=None), numbers),
    st.just(PING),
    st.just(b'{"push":{"disconnect":{"code":3001}}}'),
)
messages = shaped | values.map(line)
anything: st.SearchStrategy[Payload] = (
    messages
    | st.lists(messages, max_size=4).map(b"\n".join)
    | st.text()
    | st.binary()
    | st.binary().map(Binary)
    | st.tuples(messages, st.integers(0, 60)).map(lambda pair: pair[0][: pair[1]])
)


def talkative() -> CentrifugoClient:
    client = CentrifugoClient(pacing=Pacing(subscribe_window=2))
    client.hello(0.0)
    client.data_to_send(0.0)
    client.receive([CONNECTED], 0.0)
    client.subscribe("a", RECOVERABLE, StreamPosition(5, "e"))
    client.subscribe("b", SubscribeParams(delta="fossil"))
    client.data_to_send(0.0)
    client.receive([reply(3, "subscribe", delta=True)], 0.0)
    return client


def handed_out(client: CentrifugoClient) -> list[bytes]:
    """Pongs first: where in one frame a ping stood is not kept."""
    messages = [text for frame in client.data_to_send() for text in bytes(frame).split(b"\n")]
    return sorted(messages, key=lambda text: text != PING)


@given(st.lists(anything, max_size=8))
def test_whatever_the_bytes_nothing_is_raised(payloads: list[Payload]) -> None:
    """receive returns a list for any bytes; every publication in it has a live topic; the session goes on or fails."""
    client = talkative()
    for number, payload in enumerate(payloads):
        now = number / 10
        items = client.receive([payload], now)
        assert all(item.topic in CHANNELS for item in items if isinstance(item, Publication))
        assert all(
            len(item.detail) + len(item.excerpt) < 1000 for item in items if isinstance(item, Undecodable)
        )
        for frame in client.data_to_send(now):
            assert all(isinstance(json.loads(text), dict) for text in bytes(frame).split(b"\n"))
        deadline = client.next_deadline()
        assert deadline is None or deadline > now
    client.unsubscribe("a")
    client.subscribe("b")
    client.handle_timer(1e6)


@given(st.lists(shaped, max_size=12), st.data())
def test_however_messages_are_grouped_the_same_comes_out(wire: list[bytes], data: st.DataObject) -> None:
    """Splitting messages into frames and frames into reads changes no item, and no pong."""
    alone, grouped = talkative(), talkative()
    # What a reply makes us send must be the same too, so both hand out only at the end.
    expected = [item for text in wire for item in alone.receive([text], 1.0)]
    frames: list[Payload] = []
    rest = list(wire)
    while rest:
        size = data.draw(st.integers(1, len(rest)))
        text = b"\n".join(rest[:size]) + data.draw(st.sampled_from([b"", b"\n"]))
        frames.append(data.draw(st.sampled_from([text, text.decode()])))
        del rest[:size]
    got: list[Any] = []
    while frames:
        size = data.draw(st.integers(1, len(frames)))
        got += grouped.receive(frames[:size], 1.0)
        del frames[:size]
    assert got == expected
    assert handed_out(grouped) == handed_out(alone)


class Continuity(RuleBasedStateMachine):
    """Two channels, one server process whose connections break, whose logs are pruned and begun anew.

    The test plays the session: it resubscribes with the position it reads from the old connection, and notes what
    it delivers and every word that allows a hole.
    """

    @initialize(lazy=st.booleans(), window=st.integers(1, 2))
    def begin(self, lazy: bool, window: int) -> None:
        self.now = 0.0
        self.epochs = 1
        self.logs = {
            channel: ChannelHistory(size=6, epoch=f"{channel}1", lazy=lazy, recovery_limit=4)
            for channel in CHANNELS
        }
        self.published: dict[str, list[str]] = {channel: [] for channel in CHANNELS}
        self.delivered: dict[str, list[str | None]] = {channel: [] for channel in CHANNELS}
        self.positions: dict[str, StreamPosition | None] = dict.fromkeys(CHANNELS)
        self.wanted: set[str] = set()
        self.pacing = Pacing(subscribe_window=window)
        self.connect()
        for channel in CHANNELS:
            self.subscribe(channel)
        self.carry(100)

    def connect(self) -> None:
        self.client, self.server = CentrifugoClient(pacing=self.pacing), CentrifugoServer()
        self.to_server: deque[Payload] = deque()
        self.to_client: deque[Payload] = deque()
        self.client.hello(self.now)
        self.flush()
        self.carry(100)
        for channel in sorted(self.wanted):
            self.client.subscribe(channel, RECOVERABLE, self.positions[channel])
        self.flush()

    def flush(self) -> None:
        self.to_server += self.client.data_to_send(self.now)
        self.to_client += self.server.data_to_send()

    def carry_to_server(self) -> None:
        while self.to_server:
            for request in self.server.receive(self.to_server.popleft(), self.now):
                assert not isinstance(request, Disconnected), "our client broke the protocol"
                if isinstance(request, ConnectRequested):
                    self.server.accept(request, self.now)
                elif isinstance(request, SubscribeRequested):
                    self.server.grant(request, self.now, self.logs[request.channel])
            self.flush()

    def carry(self, count: int) -> None:
        """Both directions, at most `count` text frames to the client."""
        self.carry_to_server()
        taken = [self.to_client.popleft() for _ in range(min(count, len(self.to_client)))]
        self.hear(self.client.receive(taken, self.now))
        self.flush()

    def hear(self, items: list[Any]) -> None:
        replays = {"": 0}
        for item in items:
            if isinstance(item, Confirmed):
                if not item.recovered:
                    self.delivered[item.topic].append(None)
                replays = {item.topic: item.replayed}
            elif isinstance(item, Skipped):
                self.delivered[item.topic].append(None)
            elif isinstance(item, Publication):
                assert item.replayed == (replays.get(item.topic, 0) > 0)
                replays[item.topic] = replays.get(item.topic, 0) - 1
                self.delivered[item.topic].append(json.loads(bytes(item.data)))
            elif isinstance(item, Interrupted):
                self.positions[item.topic] = self.client.position(item.topic)
                if item.topic in self.wanted:
                    self.client.subscribe(item.topic, RECOVERABLE, self.positions[item.topic])
            else:
                assert not isinstance(item, Refused | Undecodable | Failed), item

    def reconnect(self) -> None:
        for channel in self.wanted:
            self.positions[channel] = self.client.position(channel)
        self.connect()

    @rule(channel=st.sampled_from(CHANNELS))
    def subscribe(self, channel: str) -> None:
        if channel not in self.wanted:
            self.wanted.add(channel)
            self.client.subscribe(channel, RECOVERABLE, self.positions[channel])
            self.flush()

    @rule(channel=st.sampled_from(CHANNELS))
    def unsubscribe(self, channel: str) -> None:
        if channel in self.wanted:
            self.wanted.discard(channel)
            self.client.unsubscribe(channel)
            self.positions[channel] = self.client.position(channel)
            self.flush()

    @rule(
        channel=st.sampled_from(CHANNELS),
        fates=st.lists(
            st.sampled_from(["sent", "sent", "lost", "twice", "unchecked"]), min_size=1, max_size=8
        ),
        carried=st.integers(0, 20),
    )
    def publish(self, channel: str, fates: list[str], carried: int = 0) -> None:
        for fate in fates:
            name = f"{self.logs[channel].epoch}/{len(self.published[channel])}"
            self.published[channel].append(name)
            publication = self.logs[channel].publish(name, self.now)
            if fate in ("sent", "twice"):
                self.server.publish(channel, publication)
            if fate in ("twice", "unchecked") and channel in self.server.subscribed:
                self.server.forward(encode_publication(channel, publication))
        self.flush()
        self.carry(carried)

    @rule(count=st.integers(1, 30))
    def time_passes(self, count: int) -> None:
        self.now += 0.001
        self.carry(count)

    @rule()
    def the_connection_breaks(self) -> None:
        self.reconnect()

    @rule(
        channel=st.sampled_from(CHANNELS),
        count=st.integers(0, 4),
        part=st.integers(0, 3),
        again=st.booleans(),
    )
    def the_connection_breaks_in_the_middle_of_a_read(
        self, channel: str, count: int, part: int, again: bool
    ) -> None:
        if again and channel in self.wanted:  # so that a confirmation is in the read
            self.client.subscribe(channel, RECOVERABLE, self.client.position(channel))
            self.flush()
            self.carry_to_server()
        self.publish(channel, ["sent"] * count)
        taken, self.to_client = list(self.to_client), deque()
        items = self.client.receive(taken, self.now)
        dispatched = len(items) * part // 4
        self.hear([item for item in items[:dispatched] if not isinstance(item, Interrupted)])
        self.client.rewind(items[dispatched:])
        self.reconnect()

    @rule(code=st.sampled_from([3001, 3008, 3010, 3014]))
    def the_server_closes(self, code: int) -> None:
        self.client.closed(code)
        self.reconnect()

    @rule(channel=st.sampled_from(CHANNELS), keep=st.integers(0, 3))
    def the_log_is_pruned(self, channel: str, keep: int) -> None:
        self.logs[channel].prune(keep)

    @rule(channel=st.sampled_from(CHANNELS))
    @precondition(lambda self: any(log.offset for log in self.logs.values()))
    def the_log_begins_anew(self, channel: str) -> None:
        """As when the server's process ends: every connection goes with it."""
        self.epochs += 1
        self.logs[channel].restart(f"{channel}{self.epochs}")
        self.reconnect()

    @rule(channel=st.sampled_from(CHANNELS), code=st.sampled_from([2500, 2502]))
    def the_server_interrupts(self, channel: str, code: int) -> None:
        self.server.unsubscribe(channel, code)
        self.flush()

    @invariant()
    def nothing_is_skipped_or_repeated_in_silence(self) -> None:
        """Between two words that allow a hole, what was delivered is a run of the server's log."""
        if not hasattr(self, "delivered"):
            return
        for channel in CHANNELS:
            log, last = self.published[channel], -1
            whole = True
            for name in self.delivered[channel]:
                if name is None:
                    whole = False
                    continue
                place = log.index(name)
                assert place > last, f"{channel}: {name} came again"
                assert place == last + 1 or not whole, f"{channel}: a hole before {name} was not said"
                last, whole = place, True

    def teardown(self) -> None:
        """Left alone, everything that is wanted is delivered up to the last one."""
        if not hasattr(self, "client"):
            return
        for _ in range(50):
            self.time_passes(100)
        for channel in self.wanted:
            assert channel in self.client.subscribed
            self.publish(channel, ["sent"])
        for _ in range(10):
            self.carry(100)
        for channel in self.wanted:
            assert self.delivered[channel][-1] == self.published[channel][-1]
        self.nothing_is_skipped_or_repeated_in_silence()


TestContinuity = Continuity.TestCase
TestContinuity.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)

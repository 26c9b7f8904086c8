"""Phoenix Channels against any bytes, and a client against a server with frames in flight in both directions."""

from __future__ import annotations

import json
from collections import deque
from typing import Any, ClassVar

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tapewire.protocols.base import Binary, Confirmed, Ended, Interrupted, Payload, Refused, Replied
from tapewire.protocols.phoenix import (
    Codec,
    Frame,
    JoinRequested,
    PhoenixClient,
    PhoenixServer,
    Presence,
    Push,
    PushReceived,
    Version,
)
from tapewire.protocols.phoenix.frames import as_payload

VERSIONS = st.sampled_from(["2.0.0", "1.0.0"])
TOPICS = ["a", "b"]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["status", "response", "reason", "joins", "leaves", "metas", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)
refs = st.none() | st.sampled_from(["0", "1", "2", "3", "x", ""]) | st.integers()
events = st.sampled_from(["phx_reply", "phx_error", "phx_close", "phx_join", "presence_diff", "tick"])
topics = st.sampled_from([*TOPICS, "phoenix", "other"])
v2_frames = st.tuples(refs, refs, topics, events, json_values).map(json.dumps)
v1_frames = st.fixed_dictionaries(
    {"event": events, "payload": json_values, "ref": refs, "topic": topics}
).map(json.dumps)
anything: st.SearchStrategy[Payload] = (
    v2_frames | v1_frames | json_values.map(json.dumps) | st.text() | st.binary() | st.binary().map(Binary)
)


def client_with_topics(version: Version) -> PhoenixClient:
    client = PhoenixClient(version=version)
    client.hello(0.0)
    for topic in TOPICS:
        client.subscribe(topic)
    client.send(Push("a", "held"))
    client.data_to_send()
    return client


@given(VERSIONS, st.lists(anything, max_size=8))
def test_any_bytes_give_the_client_a_list(version: Version, payloads: list[Payload]) -> None:
    """Whatever the bytes, the client returns a list and raises nothing, and so do its timers afterwards."""
    client = client_with_topics(version)
    for payload in payloads:
        assert isinstance(client.receive([payload], 1.0), list)
    client.handle_timer(30.0)
    client.data_to_send()


@given(VERSIONS, st.lists(anything, max_size=12), st.lists(st.integers(1, 5), min_size=12, max_size=12))
def test_grouping_does_not_matter(version: Version, payloads: list[Payload], sizes: list[int]) -> None:
    """How messages are grouped into reads does not change what comes out."""
    whole = client_with_topics(version).receive(payloads, 1.0)
    client, parts, rest = client_with_topics(version), [], payloads
    for size in sizes:
        parts += client.receive(rest[:size], 1.0)
        rest = rest[size:]
    assert parts == whole


@given(VERSIONS, st.lists(anything, max_size=8))
def test_any_bytes_give_the_server_a_list(version: Version, payloads: list[Payload]) -> None:
    """Whatever the bytes, the server returns requests or Failed, and raises nothing when it answers them."""
    server = PhoenixServer(version)
    for payload in payloads:
        for request in server.receive(payload):
            if isinstance(request, JoinRequested):
                server.accept(request)
            elif isinstance(request, PushReceived):
                server.reply(request, "ok", {})
    server.data_to_send()


@given(
    st.sampled_from(["client", "server"]),
    st.none() | st.text(min_size=1, max_size=60),
    st.none() | st.text(min_size=1, max_size=60),
    st.text(max_size=60),
    st.text(max_size=60),
    json_values | st.binary(),
)
def test_v2_frames_survive_the_wire(
    side: Any, join_ref: str | None, ref: str | None, topic: str, event: str, content: Any
) -> None:
    """What one side encodes the other decodes to the same frame; server pushes have no ref in binary."""
    other: Any = "server" if side == "client" else "client"
    frame = Frame(join_ref, ref, topic, event, as_payload(content))
    seen = Codec("2.0.0", other).decode(Codec("2.0.0", side).encode(frame))
    if side == "server" and isinstance(content, bytes):
        frame.ref = None
    assert seen == frame


held_refs = st.lists(st.sampled_from("123"), unique=True, max_size=3)
presence_steps = st.tuples(
    st.sampled_from(["presence_state", "presence_diff"]),
    st.dictionaries(st.sampled_from("uvw"), held_refs, max_size=3),
)


@given(st.lists(presence_steps, max_size=8))
def test_presence_never_keeps_a_meta_twice(steps: list[tuple[str, dict[str, list[str]]]]) -> None:
    """However states and diffs follow each other, no key holds the same meta twice."""
    presence = Presence()
    for event, content in steps:
        entries = {key: {"metas": [{"phx_ref": ref} for ref in held]} for key, held in content.items()}
        payload = entries if event == "presence_state" else {"joins": entries, "leaves": {}}
        presence.receive(Frame("1", None, "a", event, as_payload(payload)))
    for entry in presence.list():
        held = [meta["phx_ref"] for meta in entry["metas"]]
        assert len(held) == len(set(held))


class ClientAgainstServer(RuleBasedStateMachine):
    """Joins, leaves, pushes, crashes, closes and duplicate joins in any order, with frames in flight both ways."""

    version: ClassVar[Version] = "2.0.0"

    def __init__(self) -> None:
        super().__init__()
        self.client = PhoenixClient(version=self.version)
        self.server = PhoenixServer(self.version, max_channels=len(TOPICS))
        self.to_server: deque[Payload] = deque()
        self.to_client: deque[Payload] = deque()
        self.wanted: set[str] = set()
        self.latest_join: dict[str, str] = {}
        self.number = 0
        self.seen: dict[str, int] = {}
        self.unanswered: set[str] = set()
        self.client.hello(0.0)

    def flush(self) -> None:
        self.to_server += self.client.data_to_send()
        self.to_client += self.server.data_to_send()

    @rule(topic=st.sampled_from(TOPICS))
    def subscribe(self, topic: str) -> None:
        self.client.subscribe(topic)
        payload = self.client.data_to_send()[0]
        join = Codec(self.version, "server").decode(payload)
        self.latest_join[topic] = str(join.join_ref)
        self.to_server.append(payload)
        self.wanted.add(topic)

    @rule(topic=st.sampled_from(TOPICS))
    def unsubscribe(self, topic: str) -> None:
        self.client.unsubscribe(topic)
        self.wanted.discard(topic)
        self.flush()

    @precondition(lambda self: self.wanted)
    @rule(data=st.data())
    def push(self, data: st.DataObject) -> None:
        topic = data.draw(st.sampled_from(sorted(self.wanted)))
        self.unanswered.add(self.client.send(Push(topic, "ask", {"n": 1})))
        self.flush()

    @precondition(lambda self: self.server.joined)
    @rule(data=st.data(), what=st.sampled_from(["push", "push", "broadcast", "crash", "close"]))
    def speak(self, data: st.DataObject, what: str) -> None:
        topic = data.draw(st.sampled_from(sorted(self.server.joined)))
        self.number += 1
        content = {"number": self.number, "join_ref": self.server._channels[topic]}
        if what == "push":
            self.server.push(topic, "pushed", content)
        elif what == "broadcast":
            self.server.broadcast(topic, "broadcast", content)
        elif what == "crash":
            self.server.crash(topic)
        else:
            self.server.close(topic)
        self.flush()

    @precondition(lambda self: self.to_server)
    @rule(accepts=st.booleans())
    def arrive_at_the_server(self, accepts: bool) -> None:
        for request in self.server.receive(self.to_server.popleft()):
            if isinstance(request, JoinRequested):
                if accepts:
                    self.server.accept(request)
                else:
                    self.server.refuse(request, {"reason": "busy"})
            elif isinstance(request, PushReceived):
                self.server.reply(request, "ok" if accepts else "error")
        self.flush()

    @precondition(lambda self: self.to_client)
    @rule(count=st.integers(1, 4))
    def arrive_at_the_client(self, count: int) -> None:
        read = [self.to_client.popleft() for _ in range(min(count, len(self.to_client)))]
        before = set(self.wanted)
        for item in self.client.receive(read, 0.0):
            self.check(item, before)
        self.flush()

    def check(self, item: Any, before: set[str]) -> None:
        if isinstance(item, Replied):
            assert item.ref in self.unanswered, "a reply to nothing, or twice"
            self.unanswered.discard(item.ref)
        elif isinstance(item, Confirmed):
            assert item.topic in self.wanted
        elif isinstance(item, Refused | Interrupted | Ended):
            assert item.topic in self.wanted
            self.wanted.discard(item.topic)
        else:
            assert isinstance(item, Frame), f"unexpected: {item}"
            assert item.topic in before, "a frame of a left topic"
            if item.event in ("pushed", "broadcast"):
                assert item.topic in self.wanted
                content = json.loads(bytes(item.payload))
                assert content["number"] > self.seen.get(item.topic, 0), "out of order, or twice"
                self.seen[item.topic] = content["number"]
                assert str(content["join_ref"]) == self.latest_join[item.topic], "a stale publication"

    @invariant()
    def the_client_never_thinks_more_than_it_asked(self) -> None:
        assert self.client.joined <= self.wanted

    @precondition(lambda self: self.to_server or self.to_client)
    @rule(accepts=st.booleans())
    def settle(self, accepts: bool) -> None:
        while self.to_server or self.to_client:
            while self.to_server:
                self.arrive_at_the_server(accepts)
            while self.to_client:
                self.arrive_at_the_client(4)
        assert self.client.joined == self.server.joined
        assert self.wanted == self.server.joined
        assert self.client.undecodable == 0
        assert self.client._former._joins == {}

    def teardown(self) -> None:
        if self.to_server or self.to_client:
            self.settle(True)


class V1ClientAgainstServer(ClientAgainstServer):
    """The same in V1, where no frame names its join."""

    version: ClassVar[Version] = "1.0.0"


TestClientAgainstServer = ClientAgainstServer.TestCase
TestV1ClientAgainstServer = V1ClientAgainstServer.TestCase

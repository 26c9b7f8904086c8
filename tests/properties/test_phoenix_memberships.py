"""A topic that is left and joined anew, against the order in which a real Phoenix socket writes.

A socket is one process: it answers a join at once, and only then comes to what waits in its mailbox, the broadcasts and
the end of the membership before it among them. (`Phoenix.Socket`, 1.7.)
"""

from __future__ import annotations

from collections import deque
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tapewire.protocols.base import Confirmed, Payload, Undecodable
from tapewire.protocols.phoenix import Codec, Frame, PhoenixClient, Version
from tapewire.protocols.phoenix.frames import as_payload

TOPIC = "a"
OK: dict[str, Any] = {"status": "ok", "response": {}}


class Socket:
    """One socket process of the server, and the membership of one topic."""

    def __init__(self, version: Version, *, binary: bool, closes_name_joins: bool) -> None:
        self.closes_name_joins = closes_name_joins
        self.codec = Codec(version, "server")
        self.binary = binary
        self.from_client: deque[Payload] = deque()
        self.mailbox: deque[Frame] = deque()
        self.wire: deque[Payload] = deque()
        self.member: str | None = None
        self.leaving: str | None = None  # the ref of the leave that its channel has yet to come to
        self.published = 0
        self.of_join: dict[str, list[int]] = {}

    def publish(self) -> None:
        """A broadcast, which reaches the socket's mailbox where the topic is joined."""
        self.published += 1
        if self.member is not None:
            self.of_join[self.member].append(self.published)
            content = str(self.published).encode() if self.binary else {"n": self.published}
            self.mailbox.append(Frame(None, None, TOPIC, "tick", as_payload(content)))

    def channel(self) -> None:
        """The channel comes to the leave that was asked of it."""
        if self.leaving is not None and self.member is not None:
            self.mailbox.append(Frame(self.member, self.leaving, TOPIC, "phx_reply", as_payload(OK)))
            self.stop()

    def stop(self) -> None:
        ref = self.member if self.closes_name_joins else None
        self.mailbox.append(Frame(self.member, ref, TOPIC, "phx_close", as_payload({})))
        self.member = self.leaving = None

    def take(self) -> None:
        """The socket takes what its client sent next."""
        if not self.from_client:
            return
        frame = self.codec.decode(self.from_client.popleft())
        if frame.event == "phx_leave":
            if self.member == str(frame.join_ref):
                self.leaving = str(frame.ref)
            else:
                self.write(Frame(frame.join_ref, frame.ref, TOPIC, "phx_reply", as_payload(OK)))
            return
        if self.member is not None:
            self.stop()
        self.published += 1  # between the two memberships: nobody is told
        self.member = str(frame.join_ref)
        self.of_join[self.member] = []
        self.write(Frame(frame.join_ref, frame.ref, TOPIC, "phx_reply", as_payload(OK)))

    def write(self, frame: Frame) -> None:
        self.wire.append(self.codec.encode(frame))

    def post(self) -> None:
        """The socket takes what is next in its mailbox."""
        if self.mailbox:
            self.write(self.mailbox.popleft())


WIRES: list[tuple[Version, bool, bool]] = [
    ("2.0.0", False, True), ("2.0.0", True, True), ("1.0.0", False, True), ("1.0.0", False, False),
]  # fmt: skip
STEPS = ("join", "leave", "publish", "publish", "channel", "take", "take", "post", "post", "read", "read")


class Run:
    """A client, a socket, and what came of each join."""

    def __init__(self, version: Version, *, binary: bool, closes_name_joins: bool) -> None:
        self.version = version
        self.client = PhoenixClient(version=version)
        self.socket = Socket(version, binary=binary, closes_name_joins=closes_name_joins)
        self.client.hello(0.0)
        self.joins: list[str] = []
        self.heard: dict[str, list[int]] = {}

    def join(self) -> None:
        self.client.subscribe(TOPIC)
        self.socket.from_client.extend(self.client.data_to_send())
        self.joins.append(str(Codec(self.version, "server").decode(self.socket.from_client[-1]).join_ref))

    def leave(self) -> None:
        self.client.unsubscribe(TOPIC)
        self.socket.from_client.extend(self.client.data_to_send())

    def read(self, count: int = 2) -> None:
        wire = self.socket.wire
        for item in self.client.receive([wire.popleft() for _ in range(min(count, len(wire)))], 0.0):
            assert not isinstance(item, Undecodable)
            if isinstance(item, Confirmed):
                self.heard[self.joins[-1]] = []
            elif isinstance(item, Frame) and item.event == "tick":
                self.heard[self.joins[-1]].append(number_of(item))

    def settle(self) -> None:
        socket = self.socket
        while socket.from_client or socket.mailbox or socket.wire or socket.leaving:
            socket.take()
            socket.channel()
            socket.post()
            self.read(1)


@given(st.sampled_from(WIRES), st.lists(st.sampled_from(STEPS), min_size=5, max_size=60))
def test_a_membership_delivers_its_own_publications_and_no_others(
    wire: tuple[Version, bool, bool], steps: list[str]
) -> None:
    """Of each join exactly what was published from its reply on, in order, and nothing of a join before it."""
    version, binary, closes_name_joins = wire
    run = Run(version, binary=binary, closes_name_joins=closes_name_joins)
    for step in steps:
        getattr(run if step in ("join", "leave", "read") else run.socket, step)()
    run.settle()
    run.socket.publish()  # whatever came before, what is published now arrives
    run.settle()
    of_join = run.socket.of_join
    for join, numbers in run.heard.items():
        assert numbers == of_join[join][: len(numbers)], "another membership's, or one is missing"
    if run.client.joined:
        assert run.heard[run.joins[-1]] == of_join[run.joins[-1]]


def number_of(frame: Frame) -> int:
    text = bytes(frame.payload)
    return int(text.removeprefix(b'{"n":').removesuffix(b"}"))

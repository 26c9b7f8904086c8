"""The duties of a client protocol, as a suite that any `ClientProtocol` can be held to.

::

    check_protocol(PhoenixClient, PhoenixScript)

Both arguments are called anew for every duty: the one makes the protocol under test, the other the `PeerScript` that
knows how the peer's side looks on the wire. Write the script from recorded frames or an independent encoder, never
from the decoder under test. Each duty is a function in `PROTOCOL_DUTIES` whose docstring is the duty; a broken one
raises AssertionError with it. Nothing here sleeps: time is an argument.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from ..protocols.base import (
    Binary,
    ClientProtocol,
    Command,
    Confirmed,
    Failed,
    Payload,
    Ready,
    Refused,
    Replied,
    Undecodable,
)

__all__ = ["GARBAGE", "PROTOCOL_DUTIES", "PeerScript", "check_protocol"]

GARBAGE: tuple[Payload, ...] = (
    "",
    "null",
    "{",
    "[[[",
    '"text"',
    "[" * 50_000,
    '{"a":' * 50_000,
    "[null,null",
    "\ud800",
    b"\xff\xfe\xfd",
    b"\x00\x01\x02",
    "9" * 5_000,
    '{"number": NaN}',
    Binary(b""),
    Binary(b"\x00"),
    Binary(b"\xff" * 300),
)
"""Messages that are no frame of any JSON protocol. A script may add its own in `garbage`."""

MAX_TIMER_STEPS = 100
"""Deadlines after which a peer that never answers must have been found dead."""

FUZZ_ROUNDS = 300


class PeerScript(Protocol):
    """The peer's side of one connection, as bytes. One object per connection: it may count and remember refs."""

    delivers_early: bool
    """True if publications may come before the confirmation (Phoenix), False if the peer never sends them so."""

    def read(self, payloads: Sequence[Payload]) -> None:
        """What the client just sent: find its refs in it."""
        ...

    def greet(self) -> list[Payload]:
        """What the peer answers to the client's `hello`; empty where it needs none."""
        ...

    def confirm(self, topic: str) -> list[Payload]:
        """The last subscription of `topic` that was read is granted."""
        ...

    def refuse(self, topic: str) -> list[Payload]:
        """The last subscription of `topic` that was read is refused."""
        ...

    def publish(self, topic: str, number: int) -> list[Payload]:
        """One publication on `topic` that carries `number`, which counts from 1 on each topic."""
        ...

    def number_of(self, publication: Any) -> int | None:
        """The number that `publish` put in; None for publications that are control and carry none."""
        ...

    def garbage(self) -> list[Payload]:
        """Messages that are no frames of this protocol, beyond `GARBAGE`."""
        ...

    def command(self, topic: str) -> Command | None:
        """A command that the peer answers, or None where the protocol has none."""
        ...

    def answer(self) -> list[Payload]:
        """The answer to the last command that was read."""
        ...


class _Talk:
    """One connection: the client, its peer, and everything that came out, in order."""

    def __init__(
        self, make_client: Callable[[], ClientProtocol], make_peer: Callable[[], PeerScript]
    ) -> None:
        self.client = make_client()
        self.peer = make_peer()
        self.now = 1000.0
        self.items: list[Any] = self.client.hello(self.now)
        self.flush()
        self.hear(self.peer.greet())

    def flush(self) -> None:
        self.peer.read(self.client.data_to_send())

    def hear(self, payloads: Sequence[Payload]) -> list[Any]:
        """One read."""
        items = self.client.receive(list(payloads), self.now)
        assert isinstance(items, list), f"receive returned {type(items).__name__}, not a list"
        self.items += items
        self.flush()
        return items

    def subscribe(self, topic: str) -> None:
        self.client.subscribe(topic)
        self.flush()

    def confirmed(self, *topics: str) -> None:
        for topic in topics:
            self.subscribe(topic)
            self.hear(self.peer.confirm(topic))

    def publications(self, items: Sequence[Any] | None = None) -> list[Any]:
        """(topic, number) of those that carry one."""
        heard = self.items if items is None else items
        kind = self.client.publication
        published: list[Any] = [item for item in heard if type(item) is kind]
        pairs = [(item.topic, self.peer.number_of(item)) for item in published]
        return [pair for pair in pairs if pair[1] is not None]

    def of(self, kind: type, items: Sequence[Any] | None = None) -> list[Any]:
        return [item for item in (self.items if items is None else items) if isinstance(item, kind)]


Open = Callable[[], _Talk]


def check_protocol(make_client: Callable[[], ClientProtocol], make_peer: Callable[[], PeerScript]) -> None:
    """Hold a protocol to every duty of `protocols.base`. Raises AssertionError that names the broken one."""
    for duty in PROTOCOL_DUTIES:
        try:
            duty(lambda: _Talk(make_client, make_peer))
        except Exception as error:
            raise AssertionError(f"broken duty: {duty.__doc__} ({type(error).__name__}: {error})") from error


def _hello_leads_to_ready(open_: Open) -> None:
    """Hello and the peer's greeting lead to exactly one Ready."""
    talk = open_()
    assert len(talk.of(Ready)) == 1, f"got {talk.items}"
    assert talk.items == talk.of(Ready)


def _a_subscription_is_confirmed_and_delivers_in_order(open_: Open) -> None:
    """A granted subscription gives Confirmed once, then its publications, in order, each with its topic."""
    talk = open_()
    talk.confirmed("a")
    assert [event.topic for event in talk.of(Confirmed)] == ["a"]
    for number in range(1, 6):
        talk.hear(talk.peer.publish("a", number))
    assert talk.publications() == [("a", number) for number in range(1, 6)]
    assert len(talk.of(Confirmed)) == 1


def _early_publications_are_delivered(open_: Open) -> None:
    """Where a peer sends publications before the confirmation, they are delivered."""
    talk = open_()
    if talk.peer.delivers_early:
        talk.subscribe("a")
        items = talk.hear([*talk.peer.publish("a", 1), *talk.peer.confirm("a"), *talk.peer.publish("a", 2)])
        assert talk.publications(items) == [("a", 1), ("a", 2)]
        assert len(talk.of(Confirmed, items)) == 1


def _a_refusal_says_why_and_silences(open_: Open) -> None:
    """A refused subscription gives Refused with a reason, and delivers nothing after it; another one is untouched."""
    talk = open_()
    talk.confirmed("b")
    talk.subscribe("a")
    talk.hear(talk.peer.refuse("a"))
    (refused,) = talk.of(Refused)
    assert refused.topic == "a"
    assert refused.reason, "Refused carries no reason"
    items = talk.hear([*talk.peer.publish("a", 1), *talk.peer.publish("b", 1)])
    assert talk.publications(items) == [("b", 1)]
    talk.confirmed("a")
    assert talk.of(Confirmed)[-1].topic == "a", "a refused topic cannot be subscribed again"


def _unsubscribing_silences_at_once(open_: Open) -> None:
    """After unsubscribe nothing of the topic comes out, whatever was on its way; another topic goes on."""
    talk = open_()
    talk.confirmed("a", "b")
    talk.client.unsubscribe("a")
    late = [*talk.peer.publish("a", 1), *talk.peer.publish("b", 1)]
    talk.flush()
    items = talk.hear(late)
    assert [item for item in items if getattr(item, "topic", "b") == "a"] == []
    assert talk.publications(items) == [("b", 1)]


def _unsubscribing_wins_over_a_pending_subscription(open_: Open) -> None:
    """Unsubscribe before the peer's answer: the late answer says nothing, and nothing is delivered."""
    talk = open_()
    talk.subscribe("a")
    late = talk.peer.confirm("a")
    talk.client.unsubscribe("a")
    talk.flush()
    items = talk.hear([*late, *talk.peer.publish("a", 1)])
    assert [item for item in items if getattr(item, "topic", None) == "a"] == []


def _unsubscribing_the_unknown_does_nothing(open_: Open) -> None:
    """Unsubscribing a topic that is not subscribed sends nothing and raises nothing."""
    talk = open_()
    talk.client.unsubscribe("never")
    assert talk.client.data_to_send() == []


def _garbage_is_said_and_never_raised(open_: Open) -> None:
    """Whatever is no frame gives Undecodable or Failed, bounded in size, and raises nothing."""
    for payload in (*GARBAGE, *open_().peer.garbage()):
        talk = open_()
        talk.confirmed("a")
        items = talk.hear([payload])
        faults = [item for item in items if isinstance(item, Undecodable | Failed)]
        assert faults, f"{payload[:40]!r} was passed over in silence: {items}"
        for fault in faults:
            said = fault.detail + fault.excerpt if isinstance(fault, Undecodable) else fault.reason
            assert len(said) < 2000, f"what is said of {payload[:40]!r} is {len(said)} characters long"
        if not talk.of(Failed, items):
            assert talk.publications(talk.hear(talk.peer.publish("a", 1))) == [("a", 1)]


def _damaged_frames_never_raise(open_: Open) -> None:
    """Frames cut short, with bytes changed, doubled or swapped: a list comes back, whatever is in it."""
    chance = random.Random(7)
    for _ in range(FUZZ_ROUNDS):
        talk = open_()
        talk.subscribe("a")
        payloads = [*talk.peer.confirm("a"), *talk.peer.publish("a", 1), *talk.peer.publish("a", 2)]
        talk.hear([_damaged(payload, chance) for payload in payloads])


def _grouping_does_not_matter(open_: Open) -> None:
    """How the same messages are grouped into reads does not change what comes out."""
    outcomes = []
    for size in (1, 2, 3, 100):
        talk = open_()
        talk.subscribe("a")
        talk.subscribe("b")
        payloads = [*talk.peer.confirm("a"), *talk.peer.refuse("b")]
        payloads += [payload for n in range(1, 6) for payload in talk.peer.publish("a", n)]
        for start in range(0, len(payloads), size):
            talk.hear(payloads[start : start + size])
        outcomes.append(talk.items)
    assert all(outcome == outcomes[0] for outcome in outcomes[1:])
    assert open_().hear([]) == []


def _text_may_be_str_or_bytes(open_: Open) -> None:
    """A text message means the same as `str` and as `bytes`."""
    outcomes = []
    for as_bytes in (True, False):
        talk = open_()
        talk.subscribe("a")
        for payload in [*talk.peer.confirm("a"), *talk.peer.publish("a", 1)]:
            if not isinstance(payload, Binary):
                text = payload if isinstance(payload, str) else payload.decode()
                payload = text.encode() if as_bytes else text
            talk.hear([payload])
        outcomes.append(talk.items)
    assert outcomes[0] == outcomes[1]


def _what_was_taken_is_not_sent_again(open_: Open) -> None:
    """data_to_send returns what is to be sent once, as messages, and is empty after that."""
    talk = open_()
    talk.client.subscribe("a")
    payloads = talk.client.data_to_send()
    assert payloads, "subscribe sent nothing"
    assert all(isinstance(payload, str | bytes) for payload in payloads)
    assert talk.client.data_to_send() == []


def _a_command_is_answered_by_its_ref(open_: Open) -> None:
    """Each command has a ref of its own; it counts as sent once handed out; its answer is Replied with that ref."""
    talk = open_()
    talk.confirmed("a")
    command = talk.peer.command("a")
    if command is None:
        return
    first = talk.client.send(command)
    assert not talk.client.was_sent(first), "was_sent before data_to_send"
    talk.flush()
    assert talk.client.was_sent(first), "not was_sent after data_to_send"
    second = talk.client.send(command)
    assert first != second, "two commands have one ref"
    talk.flush()
    replied = talk.of(Replied, talk.hear(talk.peer.answer()))
    assert [reply.ref for reply in replied] == [second]


def _a_silent_peer_is_found_dead(open_: Open) -> None:
    """Deadlines never lie in the past, nothing happens before them, and a silent peer ends in Failed, once."""
    talk = open_()
    for _ in range(MAX_TIMER_STEPS):
        deadline = talk.client.next_deadline()
        if deadline is None:
            break
        assert deadline > talk.now, f"the deadline {deadline} is not after {talk.now}"
        assert talk.client.handle_timer((talk.now + deadline) / 2) == []
        assert talk.client.data_to_send() == [], "something was sent before the deadline"
        talk.now = deadline
        if talk.of(Failed, talk.client.handle_timer(talk.now)):
            assert talk.of(Failed, talk.client.handle_timer(talk.now)) == [], "Failed was said twice"
            return
        talk.client.data_to_send()
    assert talk.client.next_deadline() is None, f"no Failed after {MAX_TIMER_STEPS} deadlines"


PROTOCOL_DUTIES: tuple[Callable[[Open], None], ...] = (
    _hello_leads_to_ready,
    _a_subscription_is_confirmed_and_delivers_in_order,
    _early_publications_are_delivered,
    _a_refusal_says_why_and_silences,
    _unsubscribing_silences_at_once,
    _unsubscribing_wins_over_a_pending_subscription,
    _unsubscribing_the_unknown_does_nothing,
    _garbage_is_said_and_never_raised,
    _damaged_frames_never_raise,
    _grouping_does_not_matter,
    _text_may_be_str_or_bytes,
    _what_was_taken_is_not_sent_again,
    _a_command_is_answered_by_its_ref,
    _a_silent_peer_is_found_dead,
)
"""Every duty. `check_protocol` holds a protocol to all of them."""


def _damaged(payload: Payload, chance: random.Random) -> Payload:
    data = bytearray(payload.encode() if isinstance(payload, str) else payload)
    for _ in range(chance.randrange(3)):
        where = chance.randrange(len(data) + 1)
        match chance.randrange(4):
            case 0:
                del data[where:]
            case 1 if where < len(data):
                data[where] = chance.choice(b'"[]{},:0129ntf\\ \xff\x00')
            case 2:
                data[where:where] = data[: chance.randrange(20)]
            case _:
                data.reverse()
    return Binary(data) if isinstance(payload, Binary) or chance.randrange(10) == 0 else bytes(data)

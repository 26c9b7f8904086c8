"""What every face does alike, without a socket: joins that faults refuse, pass over or delay, and who is given what."""

from __future__ import annotations

import pytest

from tapewire.clock import SystemClock
from tapewire.sandbox.core.carriage import Carriage
from tapewire.sandbox.core.faults import Faults
from tapewire.sandbox.core.ledger import Ledger
from tapewire.sandbox.face import FaceContext
from tapewire.sandbox.play import MAX_HELD_BACK, JoinGate, TopicFace, Topics

TOPIC, OTHER = {"one": "one"}, {"two": "two"}


class Wire:
    """A `Socket` whose timers go off when the test says so."""

    def __init__(self, number=7):
        self.number = number
        self.sent, self.timers, self.closed, self.stalled = [], [], [], []

    def send(self, payloads, kind="control", entry=None):
        self.sent += payloads

    def close(self, code, reason=""):
        self.closed.append(code)

    def later(self, seconds, call, *arguments):
        self.timers.append((seconds, lambda: call(*arguments)))

    def stall(self, seconds):
        self.stalled.append(seconds)

    def pass_time(self):
        timers, self.timers = self.timers, []
        for _, call in timers:
            call()


def context():
    ledger = Ledger()
    carriage = Carriage(lambda venue, topic: ledger.last_sequence(topic, venue=venue))
    return FaceContext(ledger=ledger, carriage=carriage, faults=Faults(), clock=SystemClock())


class Asking:
    """A handler's side of a gate: it answers each join with the name of what was decided."""

    def __init__(self, **hooks):
        self.context, self.wire = context(), Wire()
        self.gate = JoinGate(self.context, "venue", self.wire, **hooks)

    def order(self, fault, **params):
        return self.context.faults.order(fault, params, self.context.clock.time_ns())

    def join(self, topics=TOPIC):
        self.gate.consider(topics, lambda refusal: self.gate.send([refusal.name if refusal else "joined"]))


def test_a_join_is_the_venue_s_to_decide_where_no_fault_stands():
    asking = Asking()
    asking.join()
    assert asking.wire.sent == ["joined"]


def test_a_join_is_refused_by_the_order_that_was_met_and_by_no_other():
    asking = Asking()
    order = asking.order("refuse_join", topic="one")
    asking.join(OTHER)
    asking.join()
    asking.join()
    assert asking.wire.sent == ["joined", "refuse_join", "joined"]
    assert order.hits == 1


def test_a_join_of_many_topics_is_refused_for_any_of_them():
    asking = Asking()
    asking.order("refuse_join", topic="two")
    asking.join(TOPIC | OTHER)
    assert asking.wire.sent == ["refuse_join"]


def test_a_join_anew_is_refused_only_where_the_topic_was_served_before_by_its_name_in_the_ledger():
    asking = Asking()
    asking.order("refuse_rejoin", topic="orders")
    asking.join({"orders": "orders:ann"})
    asking.context.carriage.begin("venue", "orders:ann", 1)
    asking.join({"orders": "orders:bob"})
    asking.join({"orders": "orders:ann"})
    assert asking.wire.sent == ["joined", "joined", "refuse_rejoin"]


def test_a_join_that_is_ignored_is_never_decided():
    asking = Asking()
    asking.order("ignore_join")
    asking.join()
    assert asking.wire.sent == []


def test_what_is_sent_while_a_join_takes_long_follows_its_answer_but_for_heartbeats():
    asking = Asking(flush=lambda: asking.gate.send(["flushed"]))
    asking.order("slow_join", seconds=3)
    asking.join()
    assert asking.gate.is_slow
    asking.gate.send(["publication"], "publication")
    asking.gate.send(["pong"], "heartbeat")
    assert (asking.wire.sent, asking.wire.stalled) == (["pong"], [3])
    asking.wire.pass_time()
    assert asking.wire.sent == ["pong", "joined", "flushed", "publication"]
    assert not asking.gate.is_slow


def test_a_slow_join_may_be_refused_in_the_end():
    asking = Asking()
    asking.order("slow_join")
    asking.order("refuse_join")
    asking.join()
    asking.wire.pass_time()
    assert asking.wire.sent == ["refuse_join"]


def test_a_handler_that_breaks_on_reading_is_not_stalled_and_resumes_behind_what_waited():
    asking = Asking(resume=lambda: asking.gate.send(["resumed"]))
    asking.order("slow_join")
    asking.join()
    asking.gate.send(["publication"], "publication")
    asking.wire.pass_time()
    assert asking.wire.sent == ["joined", "publication", "resumed"]
    assert asking.wire.stalled == []


def test_nothing_is_decided_or_sent_on_a_socket_that_is_over():
    asking = Asking()
    asking.order("slow_join")
    decided = []
    asking.gate.consider(TOPIC, decided.append)
    asking.gate.send(["publication"], "publication")
    asking.gate.is_over = True
    asking.wire.pass_time()
    asking.gate.send(["more"])
    assert (decided, asking.wire.sent) == ([], [])


@pytest.mark.parametrize("overflow", [True, False])
def test_too_much_behind_a_slow_join_ends_the_socket(overflow):
    ended = []
    asking = Asking(**({"overflow": lambda: ended.append(1)} if overflow else {}))
    asking.order("slow_join")
    asking.join()
    for _ in range(MAX_HELD_BACK):
        asking.gate.send(["x"], "publication")
    assert (ended, asking.wire.closed) == ([], [])
    asking.gate.send(["x"], "publication")
    assert (ended, asking.wire.closed) == (([1], []) if overflow else ([], [1011]))


def test_a_pong_that_a_fault_ignores_is_noted_as_trouble_of_the_connection():
    asking = Asking()
    assert not asking.gate.ignores_pong()
    asking.context.carriage.begin("venue", "one", 7)
    order = asking.order("ignore_pongs", connection=7)
    assert asking.gate.ignores_pong()
    assert [touched.topic for touched in order.touched] == ["one"]


class Listener:
    def __init__(self, context, dialect="a", number=7):
        self.gate, self.dialect, self.heard = JoinGate(context, "venue", Wire(number)), dialect, []

    def publish(self, entry, encoded):
        self.heard.append((entry.topic, encoded))


class Face(TopicFace):
    name = "venue"
    encoded = 0

    def accept(self, request, socket): ...
    def publish(self, events, now_ns): ...
    def listening_accounts(self): ...
    def environment(self, url): ...

    def encode(self, entry, payload, dialect):
        self.encoded += 1
        return f"{dialect}:{payload}"


def test_a_publication_is_entered_whoever_listens_and_encoded_once_for_each_dialect_that_does():
    face = Face(context())
    face.send("one", "event", 1, 0)
    assert (face.context.ledger.last_sequence("one"), face.encoded) == (1, 0)
    listeners = [Listener(face.context, dialect) for dialect in "aab"]
    for listener in listeners:
        face.topics.join("one", listener)
    face.send("one", "event", 2, 0)
    face.send("two", "event", 3, 0)
    assert [listener.heard for listener in listeners] == [
        [("one", "a:2")],
        [("one", "a:2")],
        [("one", "b:2")],
    ]
    assert face.encoded == 2


def test_the_carriage_knows_from_where_to_where_a_topic_was_served_and_whether_the_line_ended_it():
    lent = context()
    topics, leaves, breaks = Topics(lent, "venue"), Listener(lent), Listener(lent, number=8)
    topics.join("one", leaves)
    topics.join("one", breaks)
    lent.ledger.append("venue", "one", "event", 1, 0)
    assert topics.leave("one", leaves)
    assert not topics.leave("one", leaves)
    breaks.gate.is_over = True
    assert topics.leave("one", breaks)
    assert list(topics) == []
    served = lent.carriage.servings("one", venue="venue")
    assert [(each.connection, each.after, each.until, each.line_over) for each in served] == [
        (7, 0, 1, False),
        (8, 0, 1, True),
    ]

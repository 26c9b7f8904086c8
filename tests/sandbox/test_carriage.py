"""Who was given what: the servings of topics, and what faults did to them, in the ledger's numbers."""

import pytest

from tapewire.sandbox import Sandbox
from tapewire.sandbox.core.carriage import SERVINGS, TOUCHES, Carriage
from tapewire.sandbox.core.faults import Faults


class Stand:
    """A carriage of topics that stand where the test says."""

    def __init__(self):
        self.numbers = {}
        self.carriage = Carriage(lambda venue, topic: self.numbers.get(topic, 0))
        self.faults = Faults()

    def order(self, name):
        params = {"topic": "t"} if name == "crash_channel" else {}
        return self.faults.order(name, params, 0)

    def serve(self, connection, topic="t", at=None):
        if at is not None:
            self.numbers[topic] = at
        self.carriage.begin("stx", topic, connection)

    def told(self, topic="t"):
        return [
            (
                each.connection,
                each.after,
                each.until,
                each.line_over,
                [(t.fault, t.first, t.last) for t in each.touched],
            )
            for each in self.carriage.servings(topic, venue="stx")
        ]


@pytest.fixture
def stand():
    return Stand()


def test_a_serving_is_from_the_join_to_the_leave(stand):
    stand.serve(1, at=3)
    assert stand.told() == [(1, 3, None, False, [])]
    stand.numbers["t"] = 8
    stand.carriage.end("stx", "t", 1)
    stand.carriage.end("stx", "t", 1)
    assert stand.told() == [(1, 3, 8, False, [])]


def test_a_cut_ends_all_that_its_connection_is_served_and_the_order_says_what_it_touched(stand):
    stand.serve(1, at=3)
    stand.serve(1, topic="u", at=7)
    stand.serve(2, at=4)
    order = stand.order("abort")
    stand.numbers["t"] = 6
    stand.carriage.cut(order, 1)
    assert stand.told() == [(1, 3, 6, True, [("abort", 7, None)]), (2, 4, None, False, [])]
    assert [(each.topic, each.connection, each.first, each.last) for each in order.touched] == [
        ("t", 1, 7, None),
        ("u", 1, 8, None),
    ]
    stand.carriage.end("stx", "t", 1, line_over=True)  # the socket is told later
    assert stand.told()[0][2] == 6


def test_what_ends_because_of_an_order_is_touched_by_it_and_what_ends_otherwise_is_not(stand):
    stand.serve(1, at=2)
    stand.serve(2)
    with stand.carriage.because(stand.order("crash_channel")):
        stand.carriage.end("stx", "t", 1)
    stand.carriage.end("stx", "t", 2)
    assert [each[4] for each in stand.told()] == [[("crash_channel", 3, None)], []]


def test_numbers_lost_one_after_the_other_are_one_range(stand):
    stand.serve(1)
    mute, other = stand.order("mute"), stand.order("mute")
    for number in (1, 2, 3, 5):
        stand.carriage.lose(mute, "stx", "t", number, 1)
    stand.carriage.lose(other, "stx", "t", 6, 1)
    stand.carriage.lose(other, "stx", "t", 7, 9)
    assert [each[1:] for each in stand.told()[0][4]] == [(1, 3), (5, 5), (6, 6)]
    assert [(each.first, each.last) for each in mute.touched] == [(1, 3), (5, 5)]


def test_what_is_given_to_nobody_is_lost_to_everybody(stand):
    stand.serve(1)
    stand.serve(2)
    stand.carriage.lose(stand.order("skip"), "stx", "t", 1)
    assert [each[4] for each in stand.told()] == [[("skip", 1, 1)]] * 2


def test_something_of_no_meaning_touches_a_place_and_no_number(stand):
    stand.serve(1, at=4)
    order = stand.order("binary")
    stand.carriage.disturb(order, 1)
    stand.carriage.disturb(order, 1)
    assert stand.told()[0][4] == [("binary", 5, 4)]
    assert order.touched[0].is_empty


def test_a_snapshot_given_beside_the_stream_is_noted_where_it_stands(stand):
    stand.serve(1, at=4)
    stand.numbers["t"] = 6
    stand.carriage.reseed("stx", "t")
    [serving] = stand.carriage.servings("t", venue="stx")
    assert (list(serving.reseeded), serving.until) == ([6], None)


def test_what_is_remembered_is_bounded(stand):
    order = stand.order("malformed")
    stand.serve(1)
    for number in range(TOUCHES + 5):
        stand.carriage.lose(order, "stx", "t", 2 * number, 1)
    assert (len(stand.told()[0][4]), len(order.touched)) == (TOUCHES, TOUCHES)
    for number in range(SERVINGS + 5):
        stand.serve(1, at=number)
    assert len(stand.told()) == SERVINGS


async def test_the_sandbox_shows_what_each_order_touched():
    from tests.faults.lines import line_of

    async with line_of("stx") as line:
        number = line.sandbox.ledger.last_sequence(line.topic, venue="stx")
        order = line.sandbox.inject("mute", seconds=60)
        line.happen(2)
        assert [(each.topic, each.first, each.last) for each in order.touched] == [
            (line.topic, number + 1, number + 2)
        ]
        assert line.sandbox.lift("mute") == 1
        cut = line.sandbox.inject("abort")
        assert [(each.first, each.last) for each in cut.touched] == [(number + 3, None)]
        assert isinstance(line.sandbox, Sandbox)

"""The buffers' promises, for any order of publications, marks and takes."""

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapewire.marks import Gap, Lagged, Mark, Reconnected, Resynced, is_mark
from tapewire.session.buffers import EMPTY, Buffer, make_buffer, of_one_key

KINDS: dict[str, Any] = {
    "gap": lambda n: Gap(reason="sequence", since_ns=n, until_ns=n),
    "reconnected": lambda n: Reconnected(since_ns=n, until_ns=n),
    "resynced": lambda n: Resynced(at_ns=n),
}
operations = st.lists(
    st.integers(1, 5).map(lambda n: ("put", n))
    | st.integers(1, 4).map(lambda n: ("take", n))
    | st.sampled_from(list(KINDS)).map(lambda kind: ("mark", kind)),
    max_size=60,
)


class Run:
    """What went into a buffer and what came out, each numbered by when it was put."""

    def __init__(self, policy: str, capacity: int, steps: list[tuple[str, Any]]) -> None:
        key = (lambda n: n % 3) if policy == "conflate" else None
        self.buffer = make_buffer(policy, capacity, key=key)
        self.put: list[int] = []
        self.marked: list[tuple[int, Mark]] = []
        self.taken: list[Any] = []
        serial = 0
        for what, value in steps:
            first = serial + 1
            serial += value if what == "put" else 1
            if what == "mark":
                self.marked.append((serial, KINDS[value](serial)))
                self.buffer.put_mark(self.marked[-1][1])
            elif what == "take":
                self.taken += [item for _ in range(value) if (item := self.buffer.take()) is not EMPTY]
            else:
                for number in range(first, first + value):
                    self.put.append(number)
                    self.buffer.put(number)
        self.rest = list(iter(self.buffer.take, EMPTY))
        self.taken += self.rest
        self.delivered = [item for item in self.taken if not is_mark(item)]

    def place(self, number: int) -> int:
        """How many delivered publications were put before `number`."""
        return sum(delivered < number for delivered in self.delivered)

    def runs(self) -> list[list[Mark]]:
        """The marks before the first delivered publication, between the first and the second, …"""
        runs: list[list[Mark]] = [[]]
        for item in self.taken:
            if is_mark(item):
                runs[-1].append(item)
            else:
                runs.append([])
        return runs


def covers(mark: Mark, serial: int, like: Mark) -> bool:
    if isinstance(mark, Gap | Reconnected):
        return type(mark) is type(like) and mark.since_ns <= serial <= mark.until_ns
    return isinstance(mark, Resynced) and isinstance(like, Resynced) and mark.at_ns >= serial


@pytest.mark.parametrize("policy", ["drop_oldest", "drop_newest", "resync", "block"])
@given(capacity=st.integers(1, 4), steps=operations)
def test_no_order_of_events_loses_anything_in_silence(policy, capacity, steps):
    """Publications stay in order; each hole is as wide as the Lagged in its place; each mark is said in its place."""
    run = Run(policy, capacity, steps)
    assert run.delivered == sorted(set(run.delivered))
    runs = run.runs()
    edges = [0, *[run.put.index(number) + 1 for number in run.delivered], len(run.put) + 1]
    holes = [after - before - 1 for before, after in itertools.pairwise(edges)]
    assert [sum(mark.dropped for mark in marks if isinstance(mark, Lagged)) for marks in runs] == holes
    assert len(run.delivered) + run.buffer.dropped == len(run.put)
    for serial, mark in run.marked:
        assert any(covers(said, serial, mark) for said in runs[run.place(serial)])


@pytest.mark.parametrize("policy", ["drop_oldest", "drop_newest", "resync"])
@given(capacity=st.integers(1, 4), steps=operations)
def test_whether_state_is_lost_or_back_is_said_last(policy, capacity, steps):
    """Of Gap and Resynced the one put last between two delivered publications is the one said last between them."""
    run = Run(policy, capacity, steps)
    last: dict[int, type] = {}
    for serial, mark in run.marked:
        if not isinstance(mark, Reconnected):
            last[run.place(serial)] = type(mark)
    for place, marks in enumerate(run.runs()):
        said = [type(mark) for mark in marks if isinstance(mark, Gap | Resynced)]
        assert said[-1:] == ([last[place]] if place in last else [])


@pytest.mark.parametrize("policy", ["drop_oldest", "drop_newest", "resync", "conflate"])
@given(capacity=st.integers(1, 4), steps=operations)
def test_what_is_buffered_is_bounded(policy, capacity, steps):
    """At most `capacity` publications, one mark of a kind before each, behind the last, and before what was lost."""
    run = Run(policy, capacity, steps)
    assert sum(not is_mark(item) for item in run.rest) <= capacity
    assert len(run.rest) <= capacity + (len(KINDS) + 1) * (capacity + 2)


@given(capacity=st.integers(1, 4), steps=operations)
def test_conflation_replaces_and_never_overtakes_a_mark(capacity, steps):
    """Each key's publications stay in order, none stands before a mark older than itself, and the sums are right."""
    run = Run("conflate", capacity, steps)
    for key in range(3):
        of_key = [number for number in run.delivered if number % 3 == key]
        assert of_key == sorted(set(of_key))
        if not run.buffer.dropped and (put := [number for number in run.put if number % 3 == key]):
            assert of_key[-1] == put[-1]
    assert set(run.put[-1:]) <= set(run.delivered), "the newest is never dropped"
    newest = 0
    for item in run.taken:
        if is_mark(item) and not isinstance(item, Lagged):
            assert newest < (item.at_ns if isinstance(item, Resynced) else item.until_ns)
        elif not is_mark(item):
            newest = max(newest, item)
    assert len(run.delivered) + run.buffer.dropped + run.buffer.conflated == len(run.put)
    said = sum(item.dropped for item in run.taken if isinstance(item, Lagged))
    assert said == run.buffer.dropped
    kinds = [type(mark) for _, mark in run.marked]
    assert {type(item) for item in run.taken if is_mark(item)} - {Lagged} == set(kinds)


@given(
    st.lists(
        st.sampled_from(["put", "put", "put", "take", "clear", "end"])
        | st.sampled_from(list(KINDS)).map(lambda kind: f"mark {kind}"),
        max_size=40,
    ),
    st.integers(1, 3),
)
def test_a_buffer_of_one_key_does_what_one_of_many_does_whose_keys_are_one(
    steps: list[str], capacity: int
) -> None:
    """Step for step the same comes out, is counted, and is left."""

    def run(buffer: Buffer) -> list[Any]:
        seen: list[Any] = []
        for serial, step in enumerate(steps):
            what, _, kind = step.partition(" ")
            if what == "put":
                buffer.put(serial)
            elif what == "mark":
                buffer.put_mark(KINDS[kind](serial))
            elif what == "clear":
                buffer.end()  # only what is over is cleared
                seen.append(buffer.clear())
            elif what == "end":
                buffer.end()
            else:
                item = buffer.take()
                seen.append("nothing" if item is EMPTY else item)
            seen.append((len(buffer), bool(buffer), buffer.dropped, list(buffer.waiting()), buffer.conflated))  # type: ignore[attr-defined]
        return [*seen, *iter(buffer.take, EMPTY)]

    general = make_buffer("conflate", capacity, key=lambda item: None)
    assert run(make_buffer("conflate", capacity, key=of_one_key)) == run(general)

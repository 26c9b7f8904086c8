from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapewire.errors import IllegalTransition
from tapewire.market.continuity import TABLE, ContinuityInput, ContinuityMachine
from tapewire.marks import ContinuityState

ALL = list(itertools.product(ContinuityState, ContinuityInput))
UP = (ContinuityInput.SERVED, ContinuityInput.PROVEN, ContinuityInput.RECOVERED, ContinuityInput.HEARD)


def in_state(state: ContinuityState) -> ContinuityMachine:
    machine = ContinuityMachine("snapshot", 0)
    ways = {
        ContinuityState.SYNCING: (),
        ContinuityState.LIVE: (ContinuityInput.PROVEN,),
        ContinuityState.STALE: (ContinuityInput.PROVEN, ContinuityInput.LOST),
        ContinuityState.GAP: (ContinuityInput.BROKEN,),
        ContinuityState.RESYNCING: (ContinuityInput.PROVEN, ContinuityInput.REBUILDING),
        ContinuityState.ENDED: (ContinuityInput.END,),
    }
    for received in ways[state]:
        machine.handle(received, 1)
    assert machine.continuity.state is state
    return machine


def test_every_pair_stands_in_the_table():
    assert list(TABLE) == ALL


@pytest.mark.parametrize(("state", "received"), ALL)
def test_a_change_is_told_exactly_where_the_state_changes(state, received):
    machine = in_state(state)

    change = machine.handle(received, 9, "why", 3)

    target = TABLE[state, received]
    assert machine.continuity.state is target
    if target is state:
        assert change is None
    else:
        assert change is not None
        assert (change.before, change.state, change.at_ns, change.reason) == (state, target, 9, "why")
        assert machine.continuity.since_ns == 9


@pytest.mark.parametrize("received", UP)
def test_a_gap_is_healed_by_proof_alone(received):
    machine = in_state(ContinuityState.GAP)
    machine.handle(received, 2)
    assert machine.continuity.is_live is (received is ContinuityInput.PROVEN)


def test_the_reason_is_told_while_it_is_not_live_and_how_many_are_missing_stays_behind_it():
    machine = in_state(ContinuityState.LIVE)
    machine.handle(ContinuityInput.BROKEN, 5, "sequence", 4)
    assert (machine.continuity.reason, machine.continuity.missed) == ("sequence", 4)

    machine.handle(ContinuityInput.PROVEN, 6)
    assert (machine.continuity.reason, machine.continuity.missed) == ("", 4)


def test_a_second_hole_in_a_gap_is_kept_though_the_state_is_the_same():
    machine = in_state(ContinuityState.LIVE)
    machine.handle(ContinuityInput.BROKEN, 5, "sequence", 4)
    assert machine.handle(ContinuityInput.BROKEN, 7, "connection lost", None) is None
    assert (machine.continuity.reason, machine.continuity.missed) == ("connection lost", None)
    assert machine.continuity.since_ns == 5


@pytest.mark.parametrize("state", [ContinuityState.SYNCING, ContinuityState.STALE, ContinuityState.GAP])
def test_what_speaks_against_it_now_is_its_reason_though_the_state_is_the_same(state):
    machine = in_state(state)
    assert machine.handle(ContinuityInput.LOST, 7, "the market is suspended") is None
    assert machine.continuity.reason == "the market is suspended"
    assert machine.continuity.since_ns < 7

    machine.handle(ContinuityInput.MUTE, 8, "silent")
    assert machine.continuity.reason == "the market is suspended"


def test_a_pair_that_is_not_listed_is_an_error_that_names_both():
    machine = in_state(ContinuityState.LIVE)
    with pytest.raises(IllegalTransition, match="'live' on 'gap'"):
        machine.handle(ContinuityState.GAP, 1)  # type: ignore[arg-type]


@given(st.lists(st.sampled_from(list(ContinuityInput)), max_size=30))
def test_nothing_leaves_the_end_and_changes_join_without_a_hole(inputs):
    machine = ContinuityMachine("none", 0)
    state = machine.continuity.state
    for now, received in enumerate(inputs):
        change = machine.handle(received, now)
        if change is not None:
            assert change.before is state is not ContinuityState.ENDED
            state = change.state
        assert machine.continuity.state is state
    assert (ContinuityInput.END in inputs) is (state is ContinuityState.ENDED)

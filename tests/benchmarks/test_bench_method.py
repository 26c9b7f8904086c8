"""The bench's arithmetic: what counts, what a median says, when a goal is met."""

from __future__ import annotations

import asyncio
import cProfile
import dataclasses
import itertools
import pstats
import re
import time
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.__main__ import chosen
from benchmarks.contenders import CLASSES, CONTENDERS, GROUPS
from benchmarks.goals import GOALS, Goal, judge
from benchmarks.imports import cost
from benchmarks.memory import Held
from benchmarks.meter import PARTS, BurstMeter, Meter, PacedMeter, Part, calibrate, cuts
from benchmarks.method import (
    ENOUGH,
    WIDTH,
    Figures,
    Sample,
    best_calibration,
    compared,
    figures,
    percentile,
    ratio,
    sample_of,
    state_of,
    steady,
)
from benchmarks.peer_environment import LOCKS, PEERS, versions_in
from benchmarks.profile import lines_of, stages_of
from benchmarks.report import pairs_of, references
from benchmarks.rounds import COLUMNS, latencies
from benchmarks.wires import WIRES


def sample(cpu: float = 1.0, at: float = 10.0, seconds: float | None = None) -> Sample:
    return sample_of("one", [part(cpu, at, seconds=seconds)])


def part(cpu: float = 1.0, before: float = 10.0, after: float | None = None, *, seconds: float | None = None,
         messages: int = 1_000_000) -> Part:  # fmt: skip
    after = before if after is None else after
    return Part(before, after, messages, cpu if seconds is None else seconds, cpu)


def figured(samples: list[Sample], best: float = 10.0) -> Figures:
    state = state_of(samples)
    assert state is not None
    found = figures(samples, state, best)
    assert found is not None
    return found


def several(cpu: float, rate_is_known: bool = True, number: int = ENOUGH) -> list[Sample]:
    return [sample(cpu, seconds=cpu if rate_is_known else 3 * cpu)] * number


def test_a_run_during_which_the_clock_changed_its_state_counts_nowhere() -> None:
    still, slower = sample(), sample_of("one", [part(before=10.0, after=20.0)])
    mixed = sample_of("one", [part(), part(2.0, 20.0), part(), part(2.0, 20.0)])
    assert steady([still, slower, mixed]) == [still]
    assert state_of([slower, mixed]) is None
    assert best_calibration([slower, mixed, sample(at=11.0), sample(at=12.0)]) == 11.0


def test_a_run_is_of_the_state_of_most_of_its_time_and_the_rest_is_taken_as_at_that() -> None:
    found = sample_of("one", [part(1.0), part(1.0), part(1.0), part(1.2, 20.0), part(1.0)])
    assert found.calibration == 10.0
    assert found.cpu == pytest.approx(4.6)
    assert found.messages == 5_000_000


def test_who_reads_everything_first_and_handles_it_later_pays_for_both() -> None:
    found = sample_of("one", [part(8.0), part(1.0), part(1.0), part(1.0)])
    assert (found.cpu, found.messages) == (11.0, 4_000_000)


def test_a_slow_state_is_as_good_as_a_fast_one() -> None:
    slow = [sample(2.0, at=20.0)] * ENOUGH
    both = compared(slow, slow, 10.0)
    assert both is not None
    assert (both.clock, both.ratio("cpu"), both.over.cpu) == (2.0, 1.0, 1.0)


def test_two_are_compared_in_the_state_in_which_both_have_most_samples() -> None:
    # In its slow state this machine makes one of them three times as dear, and the other twice.
    ours = [sample(1.0)] * 9 + [sample(2.0, at=20.0)] * 6
    theirs = [sample(2.0)] * 4 + [sample(6.0, at=20.0)] * 5
    both = compared(theirs, ours, 10.0)
    assert both is not None
    assert (both.clock, both.over.counted, both.under.counted) == (2.0, 5, 6)
    assert both.ratio("cpu") == pytest.approx(3.0)


def test_fewer_than_five_of_each_in_one_state_cannot_be_compared() -> None:
    fast, slow = [sample()] * 9, [sample(at=20.0)] * 9
    assert compared(fast, slow, 10.0) is None
    assert compared(fast, fast[: ENOUGH - 1], 10.0) is None
    assert compared(fast, fast[:ENOUGH], 10.0) is not None
    assert compared([], fast, 10.0) is None


def test_a_state_reaches_over_the_line_between_two_bins() -> None:
    near = [sample(at=10.0 * WIDTH**power) for power in (0.9, 1.1, 1.5)]
    state = state_of(near)
    assert state is not None
    assert state == near[0].calibration
    found = figures(near, state, 10.0)
    assert found is not None
    assert found.counted == 3


@given(
    costs=st.lists(st.floats(0.5, 2.0), min_size=2 * ENOUGH, max_size=40),
    others=st.lists(st.floats(0.5, 2.0), min_size=2 * ENOUGH, max_size=40),
    half=st.integers(0, 1),
)
def test_a_clock_that_halves_its_speed_for_half_of_the_samples_changes_no_ratio(
    costs: list[float], others: list[float], half: int
) -> None:
    def slowed(taken: list[float]) -> list[Sample]:
        doubled = [cost for cost in taken for _ in range(2)]  # each is taken in both states
        return [
            sample(cost * (2 if number % 2 == half else 1), 20.0 if number % 2 == half else 10.0)
            for number, cost in enumerate(doubled)
        ]

    still = compared([sample(cost) for cost in costs], [sample(cost) for cost in others], 10.0)
    found = compared(slowed(costs), slowed(others), 10.0)
    assert still is not None
    assert found is not None
    for field in ("cpu", "rate", "wall", "awaited"):
        assert found.ratio(field) == pytest.approx(still.ratio(field))


def test_the_figure_is_the_median_of_what_counts() -> None:
    found = figured([sample(1.0), sample(2.0), sample(9.0), sample(90.0, 30.0)])
    assert (found.cpu, found.rate, found.counted, found.taken) == (2.0, 500_000, 3, 4)


def test_the_spread_is_that_of_the_middle_half() -> None:
    found = figured([sample(cost) for cost in (0.1, 1.0, 1.8, 2.0, 2.0, 2.2, 3.0, 90.0)])
    assert found.spread == pytest.approx((3.0 - 1.8) / 2.0)


def test_what_is_left_of_the_clock_is_taken_out_by_the_samples_own_calibration() -> None:
    found = figured([sample(1.1, 11.0)])
    assert found.cpu == pytest.approx(1.0)
    assert found.rate == pytest.approx(1e6)


def test_the_rate_of_a_client_that_did_not_have_the_processor_does_not_count() -> None:
    found = figured([sample(1.0, seconds=3.0)])
    assert found.rate is None
    assert found.cpu == 1.0


def test_latencies_are_compared_by_those_runs_that_lost_nothing() -> None:
    whole = [dataclasses.replace(sample(), p50=20.0)] * ENOUGH
    assert compared(whole, [*whole[:-1], sample()], 10.0, "p50") is None
    assert compared(whole, [*whole, sample()], 10.0, "p50") is not None


def test_a_ratio_with_a_missing_side_is_missing() -> None:
    assert ratio(None, 1.0) is None
    assert ratio(1.0, None) is None
    assert ratio(1.0, 4.0) == 0.25


@pytest.mark.parametrize(
    ("rate", "word"), [(8.5, "goal"), (7.0, "floor"), (5.0, "missed")], ids=["goal", "floor", "missed"]
)
def test_a_goal_is_judged_by_its_ratio(rate: float, word: str) -> None:
    goal = Goal("", "rate", "ours", "theirs", 8, 6)
    assert judge(goal, {"ours": several(1 / rate), "theirs": several(1.0)}, 10.0).word == word


def test_a_goal_that_is_at_most_is_met_from_below() -> None:
    goal = Goal("", "cpu", "ours", "theirs", 0.5, at_most=True)
    assert judge(goal, {"ours": several(0.4), "theirs": several(1.0)}, 10.0).word == "goal"
    assert judge(goal, {"ours": several(0.6), "theirs": several(1.0)}, 10.0).word == "missed"


def test_where_no_rate_counted_the_cpu_stands_in() -> None:
    goal = Goal("", "rate", "ours", "theirs", 3)
    verdict = judge(goal, {"ours": several(1.0, rate_is_known=False), "theirs": several(4.0)}, 10.0)
    assert (verdict.measured, verdict.word) == (4, "goal")


def test_a_goal_without_its_contender_is_not_measured() -> None:
    assert judge(GOALS[0], {}, 10.0).word == "not measured"


def test_the_meter_measures_from_five_percent_to_the_last_message_in_parts_with_the_clock_looked_at_between() -> (
    None
):
    looks = iter(range(1, 100))
    meter = Meter(100, beside=3, look=lambda: float(next(looks)))
    for _ in range(8):
        meter.tick()
    assert meter.received == 5
    assert meter.parts == []
    for _ in range(95):
        meter.tick()
    assert (meter.received, meter.lost) == (100, 0)
    assert [(part.before, part.after) for part in meter.parts] == [(n, n + 1.0) for n in range(1, PARTS + 1)]
    assert [part.messages for part in meter.parts] == [b - a for a, b in itertools.pairwise(cuts(100))]
    assert sum(part.messages for part in meter.parts) == 95
    asyncio.run(meter.finished())
    assert len(meter.parts) == PARTS


def test_what_the_clock_is_looked_at_costs_no_message_anything() -> None:
    def look() -> float:
        time.sleep(0.05)
        return 1.0

    meter = Meter(100, look=look)
    for _ in range(100):
        meter.tick()
    assert sum(part.seconds for part in meter.parts) < 0.05


def test_a_part_of_which_half_was_lost_is_none() -> None:
    def parts_of(ticks: int) -> int:
        meter = Meter(170, look=lambda: 1.0)
        for _ in range(ticks):
            meter.tick()
        asyncio.run(meter.finished())
        assert meter.lost == 170 - ticks
        return len(meter.parts)

    ends = cuts(170)
    assert parts_of(ends[2] + 5) == 2
    assert parts_of(ends[3] - 5) == 3


def test_a_run_is_cut_at_five_percent_and_into_equal_parts() -> None:
    assert cuts(1_000) == [50, 287, 525, 762, 1_000]
    assert cuts(3) == [1, 2, 3]
    assert cuts(1) == [1, 1]


def test_a_goal_whose_figure_too_few_samples_say_is_not_measured() -> None:
    goal = Goal("", "cpu", "ours", "theirs", 2.0, at_most=True)
    verdict = judge(goal, {"ours": several(1.0, number=ENOUGH - 1), "theirs": several(1.0)}, 10.0)
    assert (verdict.measured, verdict.word) == (None, "not measured")


def test_latencies_pair_what_was_sent_with_what_was_received_and_leave_the_first_out() -> None:
    sent = list(range(0, 100_000, 1_000))
    received = [when + (9_000_000 if number < 5 else 2_000) for number, when in enumerate(sent)]
    assert latencies(sent, received) == {"p50": 2.0, "p99": 2.0}
    assert latencies(sent, received[1:]) == {}
    assert latencies([], []) == {}


def test_a_percentile_of_nothing_is_zero() -> None:
    assert percentile([], 99) == 0.0
    assert percentile([3.0, 1.0, 2.0], 50) == 2.0


def test_a_paced_meter_keeps_when_each_message_came_without_those_before_them() -> None:
    meter = PacedMeter(20, beside=2)
    for _ in range(22):
        meter.tick()
    assert len(meter.stamps) == 20
    assert meter.stamps == sorted(meter.stamps)


def test_a_burst_is_of_all_that_were_sent_whoever_is_given_how_many() -> None:
    async def played() -> BurstMeter:
        meter = BurstMeter(10_000)
        meter.tick()  # a reply to its join
        finishing = asyncio.ensure_future(meter.finished())
        await asyncio.sleep(0.15)
        for _ in range(3):
            meter.tick()
        await finishing
        return meter

    meter = asyncio.run(played())
    assert (meter.received, meter.lost) == (4, 0)
    (part,) = meter.parts
    assert part.messages == 10_000
    assert part.before > 0
    assert part.after > 0
    assert 0 < part.seconds < 0.4


def test_a_contender_may_measure_itself() -> None:
    looks = iter((3.0, 4.0))
    meter = Meter(5_000, look=lambda: next(looks))
    meter.begin()
    meter.took(2.0, 1.0)
    assert (meter.received, meter.lost) == (5_000, 0)
    assert meter.parts == [Part(3.0, 4.0, 5_000, 2.0, 1.0)]


def test_the_cost_of_a_message_that_was_awaited_is_that_of_all_that_came() -> None:
    half = Part(10.0, 10.0, 1_000, 1.0, 1e-3, awaited=500)
    assert figured([sample_of("one", [half])]).awaited == pytest.approx(2.0)
    every = figured([sample()])
    assert every.awaited == every.cpu


def test_an_import_is_judged_by_what_it_adds() -> None:
    assert cost("x", 10.0, 65.0, 60.0).word == "goal"
    assert cost("x", 10.0, 75.0, 60.0).word == "missed"
    assert cost("x", 10.0, None, 60.0).word == "not measured"
    assert Held("", 4_097, 4_096, "B").word == "missed"


def test_the_calibration_is_the_best_of_its_loops() -> None:
    calls: list[None] = []
    assert calibrate(3, lambda: calls.append(None)) < 1
    assert len(calls) == 3


def test_every_goal_group_and_peer_of_the_table_exists() -> None:
    names = [contender.name for contender in CONTENDERS]
    assert len(set(names)) == len(names)
    assert {name for goal in GOALS for name in goal.names} <= set(names)
    assert {contender.group for contender in CONTENDERS} == set(GROUPS)
    assert {other for contender in CONTENDERS for _, _, other in references(contender)} <= set(names)
    assert {contender.wire for contender in CONTENDERS if contender.wire} <= set(WIRES)
    assert {contender.needs for contender in CONTENDERS if contender.needs} == set(PEERS)
    for peer, lock in PEERS.items():
        assert peer in versions_in(LOCKS[lock].read_text("utf-8"))


def test_every_wire_has_a_floor_a_plain_loop_its_class_and_the_bare_session() -> None:
    names = {contender.name for contender in CONTENDERS}
    for wire, (_, consumers) in CLASSES.items():
        assert {f"{wire}/decode", f"{wire}/naive", f"{wire}/session/inline"} <= names
        assert {f"{wire}/class/{consumer}" for consumer in consumers} <= names


def test_a_quick_run_has_both_sides_of_each_of_its_goals_and_all_references() -> None:
    quick = {contender.name for contender in CONTENDERS if contender.quick}
    for contender in CONTENDERS:
        if contender.quick:
            assert {other for _, _, other in references(contender)} <= quick


def test_each_ratio_of_a_table_is_one_that_the_run_goes_on_for() -> None:
    wire = [contender for contender in CONTENDERS if contender.group == "sxbet"]
    pairs = pairs_of(wire, [COLUMNS["TLS"]])
    assert ("sxbet/class/for", "sxbet/decode", "cpu") in pairs
    assert ("sxbet/class/for+TLS", "sxbet/naive", "cpu") in pairs
    assert ("sxbet/centrifuge", "sxbet/class/async", "cpu") in pairs
    assert not [pair for pair in pairs if pair[0].startswith("burst")]


def test_only_takes_a_group_a_contender_or_a_package_and_names_what_there_is() -> None:
    assert [contender.name for contender in chosen(["transport/fast"])] == ["transport/fast"]
    assert {contender.group for contender in chosen(["transport"])} == {"transport"}
    assert {contender.needs for contender in chosen(["stx-python"])} == {"stx-python"}
    with pytest.raises(LookupError, match="transport"):
        chosen(["quickest"])


def test_wire_takes_a_wire_or_the_beginning_of_its_name() -> None:
    assert {contender.wire or contender.group for contender in chosen(wires=["weex-trade"])} == {"weex-trade"}
    beginnings = {(contender.wire or contender.group)[:4] for contender in chosen(wires=["weex"])}
    assert beginnings == {"weex"}
    assert {contender.group for contender in chosen(["paced"], ["weex"])} == {"paced"}
    with pytest.raises(LookupError, match="sxbet"):
        chosen(wires=["nasdaq"])


def test_a_profile_counts_calls_for_each_message() -> None:
    def handle(number: int) -> int:
        return abs(number)

    profile = cProfile.Profile()
    profile.enable()
    for number in range(100):
        handle(number)
    profile.disable()
    table = "\n".join(lines_of(pstats.Stats(profile), 50))
    assert "4.0 calls a message" in table
    assert re.search(r"\| 2\.00 \|.*test_bench_method\.py:\d+ handle", table)


def test_each_stage_of_a_message_has_its_own_calls_and_those_of_what_is_built_in_for_it() -> None:
    def stats_of(
        *rows: tuple[str, str, int, dict[tuple[str, int, str], tuple[int, int, float, float]]],
    ) -> Any:
        table = {(file, 1, name): (calls, calls, 1.0, 1.0, callers) for file, name, calls, callers in rows}
        return SimpleNamespace(stats=table)

    put = ("/src/tapewire/session/buffers.py", 1, "put")
    stats = stats_of(
        ("/src/tapewire/session/buffers.py", "put", 200, {}),
        ("/src/tapewire/session/buffers.py", "take", 100, {}),
        ("/src/tapewire/session/topics.py", "find", 50, {}),
        ("/src/tapewire/transport/frames.py", "cut", 10, {}),
        ("/lib/python3.11/json/decoder.py", "decode", 10, {}),
        ("~", "append", 300, {put: (300, 300, 1.0, 1.0)}),
    )
    lines = list(stages_of(stats, 100))
    assert "| buffer | 5.0 | 33% |" in lines
    assert "| take | 1.0 | 17% |" in lines
    assert "| route | 0.5 | 17% |" in lines
    assert "| cut | 0.1 | 17% |" in lines
    assert "| else | 0.1 | 17% |" in lines

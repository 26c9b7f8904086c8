"""The bench's arithmetic: what counts, what a median says, when a goal is met."""

from __future__ import annotations

import asyncio
import cProfile
import pstats
import re

import pytest

from benchmarks.__main__ import chosen
from benchmarks.contenders import CLASSES, CONTENDERS, GROUPS
from benchmarks.goals import GOALS, Goal, judge
from benchmarks.imports import cost
from benchmarks.memory import Held
from benchmarks.meter import BurstMeter, Meter, PacedMeter, calibrate, wait_for_speed
from benchmarks.method import ENOUGH, Figures, Sample, best_calibration, figures, kept, percentile, ratio
from benchmarks.peer_environment import LOCKS, PEERS, versions_in
from benchmarks.profile import lines_of
from benchmarks.report import references
from benchmarks.rounds import latencies
from benchmarks.wires import WIRES


def sample(
    cpu: float = 1.0, before: float = 10.0, after: float = 10.0, seconds: float | None = None
) -> Sample:
    return Sample("one", before, after, 1_000_000, cpu if seconds is None else seconds, cpu)


def figure(name: str, cpu: float, rate: float | None) -> Figures:
    return Figures(name, 5, 5, cpu, rate, 0.0, 0)


def test_a_sample_in_the_slow_state_before_or_after_is_discarded() -> None:
    fast, slow_before, slow_after = sample(), sample(before=20.0), sample(after=20.0)
    best = best_calibration([fast, slow_before, slow_after])
    assert kept([fast, slow_before, slow_after], best) == [fast]


def test_a_whole_slow_run_of_one_contender_has_no_figures() -> None:
    assert figures([sample(before=20.0, after=21.0)], best=10.0) is None


def test_the_figure_is_the_median_of_what_counts() -> None:
    found = figures([sample(1.0), sample(2.0), sample(9.0), sample(90.0, before=30.0)], best=10.0)
    assert found is not None
    assert (found.cpu, found.rate, found.counted, found.taken) == (2.0, 500_000, 3, 4)
    assert found.spread == 4.0


def test_what_is_left_of_the_clock_is_taken_out_by_the_samples_own_calibration() -> None:
    found = figures([sample(1.2, before=12.0, after=12.0)], best=10.0)
    assert found is not None
    assert found.cpu == pytest.approx(1.0)
    assert found.rate == pytest.approx(1e6)


def test_the_rate_of_a_client_that_did_not_have_the_processor_does_not_count() -> None:
    found = figures([sample(1.0, seconds=3.0)], best=10.0)
    assert found is not None
    assert found.rate is None
    assert found.cpu == 1.0


def test_a_ratio_with_a_missing_side_is_missing() -> None:
    assert ratio(None, 1.0) is None
    assert ratio(1.0, None) is None
    assert ratio(1.0, 4.0) == 0.25


@pytest.mark.parametrize(
    ("rate", "word"), [(8.0, "goal"), (7.0, "floor"), (5.0, "missed")], ids=["goal", "floor", "missed"]
)
def test_a_goal_is_judged_by_its_ratio(rate: float, word: str) -> None:
    goal = Goal("", "rate", "ours", "theirs", 8, 6)
    assert judge(goal, {"ours": figure("ours", 1, rate), "theirs": figure("theirs", 1, 1)}).word == word


def test_a_goal_that_is_at_most_is_met_from_below() -> None:
    goal = Goal("", "cpu", "ours", "theirs", 0.5, at_most=True)
    assert judge(goal, {"ours": figure("ours", 0.4, 1), "theirs": figure("theirs", 1, 1)}).word == "goal"
    assert judge(goal, {"ours": figure("ours", 0.6, 1), "theirs": figure("theirs", 1, 1)}).word == "missed"


def test_where_no_rate_counted_the_cpu_stands_in() -> None:
    goal = Goal("", "rate", "ours", "theirs", 3)
    verdict = judge(goal, {"ours": figure("ours", 1, None), "theirs": figure("theirs", 4, 1)})
    assert (verdict.measured, verdict.word) == (4, "goal")


def test_a_goal_without_its_contender_is_not_measured() -> None:
    assert judge(GOALS[0], {}).word == "not measured"


def test_the_meter_measures_from_five_percent_to_the_last_message() -> None:
    meter = Meter(100, beside=3)
    for _ in range(8):
        meter.tick()
    assert meter.received == 5
    for _ in range(95):
        meter.tick()
    assert meter.received == 100
    assert meter.seconds > 0
    asyncio.run(meter.finished())


def test_a_goal_whose_figure_too_few_samples_say_is_not_measured() -> None:
    goal = Goal("", "cpu", "ours", "theirs", 2.0, at_most=True)
    few = Figures("ours", 9, ENOUGH - 1, 1.0, None, 0.0, 0)
    verdict = judge(goal, {"ours": few, "theirs": figure("theirs", 1, 1)})
    assert (verdict.measured, verdict.word) == (None, "not measured")


def test_latencies_pair_what_was_sent_with_what_was_received_and_leave_the_first_out() -> None:
    sent = list(range(0, 100_000, 1_000))
    received = [when + (9_000_000 if number < 5 else 2_000) for number, when in enumerate(sent)]
    assert latencies(sent, received) == {"p50": 2.0, "p99": 2.0}
    assert latencies(sent, received[1:]) == {}


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
    assert (meter.messages, meter.received, meter.lost) == (10_000, 4, 0)
    assert 0 < meter.seconds < 0.4


def test_a_contender_may_measure_itself() -> None:
    meter = Meter(5_000)
    meter.took(2.0, 1.0)
    assert (meter.messages, meter.received, meter.lost) == (5_000, 5_000, 0)
    assert (meter.seconds, meter.cpu) == (2.0, 1.0)


def test_the_cost_of_a_message_that_was_awaited_is_that_of_all_that_came() -> None:
    half = Sample("one", 10.0, 10.0, 1_000, 1.0, 1e-3, awaited=500)
    found = figures([half], best=10.0)
    assert found is not None
    assert found.awaited == pytest.approx(2.0)
    every = figures([sample()], best=10.0)
    assert every is not None
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


def test_waiting_for_the_fast_state_ends_when_it_comes_or_when_patience_ends() -> None:
    found = iter([9.0, 3.0])
    assert wait_for_speed(4.0, 5.0, lambda: next(found)) == 3.0
    assert wait_for_speed(4.0, 0.0, lambda: 9.0) == 9.0


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

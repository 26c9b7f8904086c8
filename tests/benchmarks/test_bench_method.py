"""The bench's arithmetic: what counts, what a median says, when a goal is met."""

from __future__ import annotations

import asyncio

import pytest

from benchmarks.__main__ import chosen
from benchmarks.contenders import CONTENDERS, GROUPS
from benchmarks.goals import GOALS, Goal, judge
from benchmarks.meter import Latencies, Meter, calibrate, wait_for_speed
from benchmarks.method import Figures, Sample, best_calibration, figures, kept, ratio
from benchmarks.peer_environment import LOCK, versions_in
from benchmarks.report import REFERENCES


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
    ("rate", "word"), [(8.0, "met"), (7.0, "floor met"), (5.0, "not met")], ids=["met", "floor", "missed"]
)
def test_a_goal_is_judged_by_its_ratio(rate: float, word: str) -> None:
    goal = Goal("", "rate", "ours", "theirs", 8, 6)
    assert judge(goal, {"ours": figure("ours", 1, rate), "theirs": figure("theirs", 1, 1)}).word == word


def test_a_goal_that_is_at_most_is_met_from_below() -> None:
    goal = Goal("", "cpu", "ours", "theirs", 0.5, at_most=True)
    assert judge(goal, {"ours": figure("ours", 0.4, 1), "theirs": figure("theirs", 1, 1)}).word == "met"
    assert judge(goal, {"ours": figure("ours", 0.6, 1), "theirs": figure("theirs", 1, 1)}).word == "not met"


def test_where_no_rate_counted_the_cpu_stands_in() -> None:
    goal = Goal("", "rate", "ours", "theirs", 3)
    verdict = judge(goal, {"ours": figure("ours", 1, None), "theirs": figure("theirs", 4, 1)})
    assert (verdict.measured, verdict.word) == (4, "met")


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


def test_latencies_leave_the_first_five_percent_out() -> None:
    meter = Meter(20)
    latencies = Latencies(meter)
    latencies.took("0")  # as if it had been under way since the machine started
    for _ in range(19):
        latencies.took(b"9" * 18)
    assert latencies.percentile(99) < 0


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
    assert {goal.over for goal in GOALS} | {goal.under for goal in GOALS} <= set(names)
    assert {contender.group for contender in CONTENDERS} == set(GROUPS) == set(REFERENCES)
    assert {contender.needs for contender in CONTENDERS if contender.needs} <= set(
        versions_in(LOCK.read_text("utf-8"))
    )


def test_only_takes_a_group_a_contender_or_a_package_and_names_what_there_is() -> None:
    assert [contender.name for contender in chosen(["fast"])] == ["fast"]
    assert {contender.group for contender in chosen(["transport"])} == {"transport"}
    assert {contender.needs for contender in chosen(["stx-python"])} == {"stx-python"}
    with pytest.raises(LookupError, match="transport"):
        chosen(["quickest"])

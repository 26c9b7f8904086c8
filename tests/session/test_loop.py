"""One thing at a time: turns, what is queued behind them, and one timer for all deadlines."""

import asyncio
from functools import partial

import pytest

from tapewire.errors import WrongLoop
from tapewire.reporting import name_of
from tapewire.session.loop import DRAINS, Loop


class Judging:
    """A connection that wants to judge at `at`."""

    def __init__(self, at):
        self.at = at
        self.judged = []

    def next_deadline(self):
        return self.at

    def handle_timer(self, now):
        self.judged.append(now)
        self.at = None


class Made:
    """A loop, and what it told its owner."""

    def __init__(self, clock, judge=None):
        self.said = []
        self.loop = Loop(
            clock,
            "test",
            on_defect=lambda error: self.said.append(f"defect {error}"),
            on_settled=self.settle,
        )
        self.judge = self.loop.judge = judge

    def settle(self):
        self.said.append("settled")
        self.loop.rearm()

    def say(self, word):
        return partial(self.said.append, word)


async def test_what_is_entered_inside_a_turn_follows_it_and_what_is_put_behind_comes_before_that(clock):
    made = Made(clock)
    loop = made.loop

    def turn():
        loop.enter(made.say("queued"))
        loop.behind(made.say("behind"))
        made.said.append("turn")

    loop.enter(turn)
    assert made.said == ["turn", "behind", "queued", "settled"]
    assert not loop.in_turn


async def test_what_queued_calls_queue_waits_for_the_next_step_and_keeps_its_order(clock):
    made = Made(clock)
    loop = made.loop

    def again(count):
        made.said.append(count)
        if count < 3:
            loop.enter(partial(again, count + 1))

    loop.enter(partial(again, 1))
    assert made.said == [1, 2, "settled"], "no chain of them keeps the event loop for itself"
    loop.enter(made.say("later"))
    assert made.said == [1, 2, "settled", 3, "later", "settled"], "nothing overtakes what was queued before"
    await asyncio.sleep(0)
    assert made.said[6:] == []


async def test_a_chain_without_end_lets_the_event_loop_go_on(clock):
    made = Made(clock)

    turns = []

    def again():
        turns.append(1)
        if len(turns) < 1000:
            made.loop.enter(again)

    made.loop.enter(again)
    for _ in range(100):
        await asyncio.sleep(0)
    assert 100 < len(turns) < 500
    for _ in range(1000):
        await asyncio.sleep(0)
    assert len(turns) == 1000


async def test_an_exception_of_a_turn_is_a_defect_and_what_is_queued_still_runs(clock):
    made = Made(clock)

    def failing():
        made.loop.enter(made.say("queued"))
        raise ValueError("no")

    made.loop.enter(failing)
    assert made.said == ["defect no", "queued", "settled"]


async def test_a_cancellation_that_comes_out_of_a_function_of_the_owners_is_a_defect_too(clock):
    made = Made(clock)

    def failing():
        raise asyncio.CancelledError

    made.loop.enter(failing)
    assert made.said[0].startswith("defect ")
    assert "failing" in made.said[0]
    assert made.said[1:] == ["settled"]


@pytest.mark.parametrize("error", [ValueError("no"), asyncio.CancelledError()])
async def test_what_a_function_that_is_told_raises_is_a_line_of_the_log_and_no_trouble_of_the_event_loops(
    clock, caplog, error
):
    made, trouble = Made(clock), []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: trouble.append(context))

    def failing(word):
        raise error

    made.loop.call_soon(failing, "up")
    await asyncio.sleep(0.01)
    assert trouble == []
    assert made.said == []
    assert [record.getMessage() for record in caplog.records] == [f"test: {name_of(failing)} raised"]


async def test_what_a_task_raises_is_a_defect_too(clock):
    made = Made(clock)

    async def failing():
        raise ValueError("no")

    made.loop.spawn(failing(), "failing")
    await asyncio.sleep(0.01)
    assert made.said == ["defect no", "settled"]
    assert not made.loop.tasks


async def test_what_is_asked_for_together_is_settled_together(clock):
    made = Made(clock)
    for n in range(3):
        made.loop.enter(made.say(n), soon=True)
    assert made.said == [0, 1, 2]
    await asyncio.sleep(0.01)
    assert made.said == [0, 1, 2, "settled"]


async def test_deadlines_are_turns_and_come_in_their_order(clock):
    made = Made(clock)
    made.loop.after("late", 2, made.say("late"))
    made.loop.after("early", 1, made.say("early"))
    made.loop.after("moved", 1, made.say("never"))
    made.loop.after("moved", 3, made.say("moved"))
    await asyncio.sleep(5)
    assert made.said == ["early", "settled", "late", "settled", "moved", "settled"]


async def test_a_deadline_that_a_due_call_sets_hides_none_that_comes_before_it(clock):
    made = Made(clock)
    made.loop.after("due", 1, lambda: made.loop.after("far", 60, made.say("far")))
    made.loop.after("near", 2, made.say("near"))
    await asyncio.sleep(3)
    assert made.said == ["settled", "near", "settled"]


async def test_no_deadline_that_is_set_meanwhile_cuts_a_drain_short(clock):
    made = Made(clock, Judging(clock.monotonic() + 1))
    made.loop.rearm()
    await asyncio.sleep(0.5)
    clock.suspend(60)
    resumed = clock.monotonic()
    await asyncio.sleep(0.1)
    made.loop.after("timer", 0.1, made.say("due"))
    await asyncio.sleep(0.5)
    assert (made.said, made.judge.judged) == ([], [])
    await asyncio.sleep(1)
    assert made.judge.judged == [pytest.approx(resumed + 1)]


async def test_the_connection_judges_when_its_deadline_has_come(clock):
    made = Made(clock, Judging(clock.monotonic() + 1))
    made.loop.rearm()
    await asyncio.sleep(2)
    assert made.judge.judged == [pytest.approx(clock.monotonic() - 1)]


async def test_after_a_suspend_the_socket_is_drained_before_anything_is_judged(clock):
    made = Made(clock, Judging(clock.monotonic() + 1))
    made.loop.after("timer", 1, made.say("due"))
    await asyncio.sleep(0.5)
    clock.suspend(60)
    resumed = clock.monotonic()
    await asyncio.sleep(0.5)
    assert made.said == []
    await asyncio.sleep(1)
    assert made.said == ["due", "settled"]
    assert made.judge.judged == [pytest.approx(resumed + 1)]


async def test_a_drain_in_which_the_loop_is_held_up_again_is_none(clock):
    made = Made(clock, Judging(clock.monotonic() + 1))
    made.loop.rearm()
    for _ in range(3):
        await asyncio.sleep(0.5)
        clock.suspend(3)
    resumed = clock.monotonic()
    await asyncio.sleep(0.5)
    assert made.judge.judged == []
    await asyncio.sleep(1)
    assert made.judge.judged == [pytest.approx(resumed + 1)]


async def test_a_loop_that_is_held_up_without_end_judges_all_the_same(clock):
    made = Made(clock, Judging(clock.monotonic() + 1))
    made.loop.rearm()
    for _ in range(2 * DRAINS):
        await asyncio.sleep(0.01)
        clock.suspend(3)
    assert made.judge.judged


async def test_a_stopped_loop_calls_nothing(clock):
    made = Made(clock)
    made.loop.after("timer", 1, made.say("due"))
    made.loop.stop()
    await asyncio.sleep(5)
    assert made.said == []


async def test_another_thread_is_told_where_to_go_instead_of_waiting_for_ever():
    from tapewire.clock import SystemClock

    made = Made(SystemClock())
    made.loop.check()
    with pytest.raises(WrongLoop, match="run_coroutine_threadsafe"):
        await asyncio.to_thread(made.loop.check)


def test_another_event_loop_is_told_too():
    from tapewire.clock import SystemClock

    async def make():
        return Made(SystemClock())

    async def use(made):
        made.loop.check()

    made = asyncio.run(make())
    with pytest.raises(WrongLoop, match="test belongs to another event loop"):
        asyncio.run(use(made))

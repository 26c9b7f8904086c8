from hypothesis import given
from hypothesis import strategies as st

from tapewire.session.loop import Timers

keys = st.sampled_from(["backoff", "stable", ("retry", "a"), ("deadline", "a"), ("deadline", "b")])
moments = st.integers(min_value=0, max_value=12)
steps = st.lists(
    st.tuples(st.just("set"), keys, moments)
    | st.tuples(st.just("cancel"), keys, st.just(0))
    | st.tuples(st.just("pop"), st.none(), moments)
)


@given(steps)
def test_deadlines_fall_due_as_in_a_plain_dictionary(steps):
    """Timers do what a dictionary of deadlines does, searched as a whole: same next, same due, same order."""
    timers, model, order = Timers(), {}, 0
    for what, key, moment in steps:
        if what == "set":
            order += 1
            timers.set(key, moment, key)
            model[key] = (moment, order)
        elif what == "cancel":
            timers.cancel(key)
            model.pop(key, None)
        else:
            due = sorted((key for key in model if model[key][0] <= moment), key=model.__getitem__)
            assert timers.pop_due(moment) == due
            for key in due:
                del model[key]
        assert timers.next() == min((at for at, _ in model.values()), default=None)
        assert len(timers) == len(model)
        assert all((key in timers) is (key in model) for key in ("backoff", "stable", ("retry", "a")))


def heap_size(timers: Timers) -> int:
    return len(timers._heap)


def test_a_deadline_moved_a_million_times_costs_no_memory():
    timers = Timers()
    for n in range(100_000):
        timers.set("stable", n, print)
    assert heap_size(timers) <= 2 * 1 + 64


def test_deadlines_cancelled_in_bulk_are_forgotten_without_another_set():
    timers = Timers()
    for n in range(10_000):
        timers.set(("request", n), 10 + n, print)
    for n in range(10_000):
        timers.cancel(("request", n))
    assert heap_size(timers) <= 64
    assert timers.next() is None


# Three bytes a step: to draw a list of so many tuples takes seconds.
@given(st.binary(min_size=600, max_size=1800))
def test_the_heap_stays_within_twice_the_living_and_a_constant(steps):
    """After every call the heap holds at most twice as many entries as there are keys, and 64."""
    timers = Timers()
    for what, key, moment in zip(steps[::3], steps[1::3], steps[2::3], strict=False):
        if what % 2:
            timers.set(key, moment % 13, print)
        else:
            timers.cancel(key - 1)
        assert heap_size(timers) <= 2 * len(timers) + 64
    timers.pop_due(6)
    assert heap_size(timers) <= 2 * len(timers) + 64


def test_keys_that_cannot_be_compared_may_share_a_moment():
    timers = Timers()
    for key in (object, ("a", 1), "a", 3):
        timers.set(key, 5.0, key)
    assert timers.pop_due(5.0) == [object, ("a", 1), "a", 3]


def test_a_key_set_anew_is_not_due_at_its_older_moment():
    timers = Timers()
    timers.set("stable", 1, print)
    timers.set("stable", 5, repr)
    assert timers.pop_due(3) == []
    assert timers.pop_due(5) == [repr], "nor for what it was due for then"
    assert timers.pop_due(5) == []

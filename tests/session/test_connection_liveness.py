from hypothesis import given
from hypothesis import strategies as st

from tapewire.session.connection import Liveness
from tapewire.session.loop import GRACE, LATE


def test_a_ping_goes_out_on_every_interval():
    liveness = Liveness(100.0, 10.0, 5.0)
    pinged = []
    while liveness.next_deadline is not None and liveness.next_deadline <= 150:
        now = liveness.next_deadline
        assert liveness.handle_timer(now) == "ping"
        pinged.append(now)
        liveness.ponged(now + 0.1)
    assert pinged == [110, 120, 130, 140, 150]


def test_nothing_is_due_before_its_time():
    liveness = Liveness(100.0, 10.0, 5.0)
    assert liveness.next_deadline == 110
    assert liveness.handle_timer(109.9) is None
    assert liveness.handle_timer(110) == "ping"
    assert liveness.next_deadline == 115
    assert liveness.handle_timer(114.9) is None


def test_a_line_that_does_not_answer_a_ping_is_dead_after_the_timeout_and_not_before():
    liveness = Liveness(100.0, 10.0, 5.0)
    liveness.handle_timer(110)
    assert liveness.handle_timer(114.999) is None
    assert liveness.handle_timer(115) == "dead"


def test_data_that_still_comes_in_does_not_hide_that_pings_get_no_answer():
    liveness = Liveness(100.0, 10.0, 5.0)
    assert liveness.handle_timer(110) == "ping"
    for tenth in range(1101, 1150):
        liveness.heard(tenth / 10)
        assert liveness.handle_timer(tenth / 10) is None
    assert liveness.handle_timer(115) == "dead"


def test_a_pong_proves_life_even_in_the_same_instant():
    liveness = Liveness(100.0, 10.0, 5.0)
    assert liveness.handle_timer(110) == "ping"
    liveness.ponged(110)
    assert liveness.heard_at == 110
    assert liveness.handle_timer(115) is None
    assert liveness.next_deadline == 120


def test_what_was_heard_before_a_ping_proves_nothing_after_it():
    liveness = Liveness(100.0, 10.0, 5.0)
    liveness.heard(109.999)
    assert liveness.handle_timer(110) == "ping"
    assert liveness.handle_timer(115) == "dead"


def test_without_an_interval_nothing_is_pinged_or_judged():
    liveness = Liveness(100.0, None, 5.0)
    assert liveness.next_deadline is None
    assert liveness.handle_timer(1e9) is None
    liveness.heard(200)
    assert (liveness.heard_at, liveness.next_deadline) == (200, None)


def test_a_late_timer_pings_once_and_not_once_for_each_interval_missed():
    liveness = Liveness(100.0, 10.0, 5.0)
    assert liveness.handle_timer(1000) == "ping"
    liveness.ponged(1001)
    assert liveness.next_deadline == 1010


def test_what_counts_as_late_and_how_long_the_socket_is_drained_is_short_beside_the_timeout():
    assert 0 < LATE <= 5.0
    assert 0 < GRACE <= 5.0


@given(
    st.lists(st.tuples(st.floats(min_value=0.01, max_value=30), st.booleans()), max_size=40),
    st.floats(1, 20),
    st.floats(0.1, 1),
)
def test_a_line_is_dead_only_without_pongs_and_always_soon_without_them(events, interval, share):
    """Dead follows a ping without a pong for `timeout`, whatever data comes, within both after the last pong."""
    timeout = interval * share
    liveness, now, pinged_at, ponged_at = Liveness(0.0, interval, timeout), 0.0, None, 0.0
    for pause, is_pong in [*events, (interval + timeout, True)]:
        heard = now + pause
        while (due := liveness.next_deadline) is not None and due <= heard:
            verdict = liveness.handle_timer(due)
            if verdict == "dead":
                assert pinged_at is not None
                assert due >= pinged_at + timeout
                assert pinged_at >= ponged_at
                assert due <= ponged_at + interval + timeout + 1e-6
                return
            assert verdict == "ping"
            pinged_at = due
        now = heard
        if is_pong:
            liveness.ponged(now)
            pinged_at, ponged_at = None, now
        else:
            liveness.heard(now)
    assert all(pause < interval + timeout for pause, _ in events)

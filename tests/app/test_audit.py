from collections import deque

import pytest

from tapewire.app.audit import Observed, Published, audit
from tapewire.marks import Gap, Lagged, Reconnected, Resynced
from tapewire.sandbox.core.carriage import Serving
from tapewire.sandbox.core.faults import Touched


def published(*numbers):
    return [Published(n, f"tick {n}", n) for n in numbers]


def upto(last):
    return published(*range(1, last + 1))


def got(*numbers):
    return [Observed(f"tick {n}", n + 5) for n in numbers]


GAP = Gap(reason="connection lost", since_ns=0, until_ns=0)


def serving(connection, after, until=None, *touched, line_over=True):
    """`touched`: the first and the last number of each."""
    made = [Touched(1, "abort", "stx", "markets", connection, first, last) for first, last in touched]
    line_over = line_over and until is not None
    return Serving(connection=connection, after=after, until=until, line_over=line_over, touched=deque(made))


def cut(connection, after, until):
    return serving(connection, after, until, (until + 1, None))


WHOLE = [serving(1, 0)]


def test_everything_received_once_and_in_order_is_honest():
    result = audit(upto(3), got(1, 2, 3), WHOLE)
    assert result.honest
    assert (result.delivered, result.gaps) == (3, 0)
    assert result.latencies_ns == (5,) * 3


def test_a_message_missing_without_a_mark_is_a_loss_in_silence():
    result = audit(upto(4), got(1, 4), [cut(1, 0, 2), serving(2, 3)])
    assert not result.honest
    assert result.unexplained == 2
    assert "no. 2 to 3" in result.findings[0]


def test_messages_missing_at_the_end_are_a_loss_too():
    assert audit(upto(2), got(1), WHOLE).unexplained == 1


def test_a_stream_that_received_nothing_is_not_honest():
    assert not audit(upto(2), [], WHOLE).honest


def test_what_nobody_was_given_after_a_cut_is_explained_where_a_gap_stands():
    result = audit(upto(5), [*got(1, 2), GAP, *got(5)], [cut(1, 0, 2), serving(2, 4)])
    assert result.honest, result.findings
    assert (result.gaps, result.missing_in_gaps, result.unexplained) == (1, 2, 0)


def test_the_last_that_a_connection_was_given_may_have_been_under_way_when_it_was_cut():
    assert audit(upto(6), [*got(1), GAP, *got(6)], [cut(1, 0, 4), serving(2, 5)]).honest


@pytest.mark.parametrize(
    ("received", "untouched"),
    [((1, 2, 4, 7), 0), ((1, 2, 3, 4, 8), 1), ((1, 2, 3, 4, 9), 2)],
    ids=["nothing served anew is missing", "the first of what is served anew is missing", "two of them"],
)
def test_what_the_next_connection_was_given_is_missing_without_a_cause(received, untouched):
    items = [*got(*received[:-1]), GAP, *got(received[-1])]
    servings = [cut(1, 0, 4), serving(2, 6)]
    result = audit(upto(received[-1]), items, servings)
    assert (result.untouched, result.unexplained) == (untouched, 1 if received[:3] == (1, 2, 4) else 0)
    assert not result.honest or not untouched


def test_a_number_from_the_midst_of_what_a_connection_was_given_is_not_under_way():
    result = audit(upto(6), [*got(1), GAP, *got(3, 4), GAP, *got(6)], [cut(1, 0, 4), serving(2, 5)])
    assert (result.untouched, result.causeless_marks) == (1, 1)
    assert "no. 2 is missing where a gap stands, and no fault has touched" in " ".join(result.findings)


def test_a_connection_that_ended_without_a_fault_explains_nothing():
    result = audit(upto(5), [*got(1, 2), GAP, *got(5)], [serving(1, 0, 2), serving(2, 4)])
    assert (result.untouched, result.causeless_marks) == (2, 1)


def test_a_fault_elsewhere_in_the_stream_is_no_cause():
    items = [*got(1, 2), GAP, *got(3, 4, 5), GAP, *got(8)]
    result = audit(upto(8), items, [cut(1, 0, 5), serving(2, 7)])
    assert (result.causeless_marks, result.untouched) == (1, 0)


def test_a_gap_explains_only_the_place_where_it_stands():
    result = audit(upto(6), [*got(1, 2), GAP, *got(3, 6)], [cut(1, 0, 2), serving(2, 2)])
    assert not result.honest
    assert result.unexplained == 2


def test_a_topic_that_breaks_off_on_a_living_line_loses_nothing_that_it_had_given():
    crashed = serving(1, 0, 3, (4, None), line_over=False)
    again = serving(1, 5)
    assert audit(upto(6), [*got(1, 2, 3), GAP, *got(6)], [crashed, again]).honest
    assert audit(upto(6), [*got(1, 2), GAP, *got(6)], [crashed, again]).untouched == 1


def test_numbers_that_were_muted_are_missing_and_no_others():
    muted = [serving(1, 0, None, (2, 3))]
    assert audit(upto(5), [*got(1), GAP, *got(4, 5)], muted).honest
    assert audit(upto(5), [*got(1), GAP, *got(5)], muted).untouched == 1
    assert audit(upto(5), got(1, 4, 5), muted).unexplained == 2


def test_a_stream_begun_anew_because_of_a_lost_number_may_lack_all_from_it_on():
    servings = [serving(1, 0, 5, (3, 3), line_over=False), serving(1, 5)]
    rebuilt = [GAP, Resynced(at_ns=0)]
    assert audit(upto(6), [*got(1, 2), *rebuilt, *got(6)], servings).honest
    earlier = audit(upto(6), [*got(1), *rebuilt, *got(6)], servings)
    assert earlier.untouched == 1


def test_a_stream_may_be_begun_anew_because_of_a_frame_that_nobody_can_read():
    servings = [serving(1, 0, 5, (3, 2), line_over=False), serving(1, 5)]
    rebuilt = [GAP, Resynced(at_ns=0)]
    assert audit(upto(6), [*got(1, 2), *rebuilt, *got(6)], servings).honest
    assert audit(upto(6), [*got(1), *rebuilt, *got(6)], servings).untouched == 1
    assert audit(upto(6), [*got(1, 2), *rebuilt, *got(5, 6)], [serving(1, 0, None, (3, 2))]).untouched == 2


def test_a_stream_may_go_on_from_a_snapshot_given_beside_it_because_of_a_lost_number():
    lost = serving(1, 0, None, (3, 3))
    lost.reseeded += (4, 5)
    rebuilt = [GAP, Resynced(at_ns=0)]
    assert audit(upto(6), [*got(1, 2), *rebuilt, *got(6)], [lost]).honest
    assert audit(upto(6), [*got(1, 2), *rebuilt, *got(5, 6)], [lost]).honest
    assert audit(upto(8), [*got(1, 2), *rebuilt, *got(8)], [lost]).untouched == 4
    earlier = serving(1, 0, None)
    earlier.reseeded.append(5)
    assert audit(upto(6), [*got(1, 2), *rebuilt, *got(6)], [earlier]).untouched == 3


def test_a_lost_number_is_no_cause_for_leaving_much_later():
    servings = [serving(1, 0, 8, (3, 3)), serving(2, 9)]
    items = [*got(1, 2), GAP, *got(4, 5, 6, 7, 8), GAP, *got(10)]
    result = audit(upto(10), items, servings)
    assert (result.untouched, result.causeless_marks) == (1, 1)


def test_a_mark_where_nothing_is_missing_must_stand_where_a_fault_struck():
    between = [serving(1, 0, None, (3, 2))]
    assert audit(upto(4), [*got(1, 2), GAP, *got(3, 4)], between).honest
    assert audit(upto(4), [*got(1), GAP, *got(2, 3, 4)], between).causeless_marks == 1
    assert audit(upto(4), [*got(1, 2), GAP, *got(3, 4)], WHOLE).causeless_marks == 1
    assert audit(upto(2), [*got(1), Resynced(at_ns=0), *got(2)], WHOLE).causeless_marks == 1


def test_what_was_replayed_belongs_to_the_place_of_the_mark_that_says_so():
    servings = [cut(1, 0, 3), serving(2, 5)]
    mark = Reconnected(since_ns=0, until_ns=0, recovered=4)
    assert audit(upto(6), [*got(1), mark, *got(2, 3, 4, 5, 6)], servings).honest
    early = Reconnected(since_ns=0, until_ns=0, recovered=1)
    assert audit(upto(6), [*got(1), early, *got(2, 3, 4, 5, 6)], servings).causeless_marks == 1


def test_two_faults_in_a_row_may_be_one_gap():
    servings = [cut(1, 0, 2), cut(2, 4, 6), serving(3, 7)]
    assert audit(upto(8), [*got(1, 2), GAP, *got(8)], servings).honest
    assert audit(upto(8), [*got(1, 2), GAP, *got(5, 6), GAP, *got(8)], servings).honest
    assert audit(upto(9), [*got(1, 2), GAP, *got(9)], servings).untouched == 1


def test_a_topic_never_served_again_may_end_in_a_gap():
    assert audit(upto(4), [*got(1, 2), GAP], [cut(1, 0, 2)]).honest
    assert audit(upto(4), [*got(1, 2), GAP], [serving(1, 0, 2)]).untouched == 2


def test_a_fault_that_lasts_is_a_cause_until_the_topic_is_served_anew():
    slow = serving(1, 0, 5, (3, None))
    assert audit(upto(8), [*got(1, 2, 3, 4), GAP, *got(8)], [slow, serving(2, 7)]).honest
    assert audit(
        upto(8), [*got(1), GAP, *got(2, 3, 4, 5), GAP, *got(8)], [slow, serving(2, 7)]
    ).causeless_marks


def test_a_line_that_is_dead_one_way_is_over_when_the_topic_is_served_anew_though_nobody_ended_it():
    dead = serving(1, 0, None, (3, None))
    assert audit(upto(8), [*got(1, 2), GAP, *got(8)], [dead, serving(2, 7)]).honest
    assert audit(upto(8), [*got(1, 2), GAP, *got(8)], [dead]).untouched == 5
    assert audit(upto(9), [*got(1, 2), GAP, *got(9)], [dead, serving(2, 7)]).untouched == 1


def test_what_a_consumer_dropped_itself_has_no_cause_whatever_faults_there_were():
    result = audit(upto(4), [*got(1, 2), Lagged(dropped=1), *got(4)], [serving(1, 0, None, (3, None))])
    assert not result.honest
    assert result.unexplained == 1
    result = audit(upto(3), [*got(1, 2), Lagged(dropped=1), *got(3)], [serving(1, 0, None, (3, None))])
    assert result.causeless_marks == 1


def test_a_message_received_twice_or_out_of_order_is_not_honest():
    assert audit(upto(2), got(1, 1, 2), WHOLE).duplicates == 1
    assert not audit(upto(2), got(1, 2, 1), WHOLE).honest


def test_a_message_that_was_never_published_is_not_honest():
    result = audit(upto(1), got(1, 7), WHOLE)
    assert result.unknown == 1
    assert not result.honest

from tapewire.app.audit import SLACK_NS, Cause, Observed, Published, audit
from tapewire.marks import Gap, Lagged, Resynced

SECOND = 1_000_000_000


def published(*numbers):
    return [Published(n, f"tick {n}", n * SECOND) for n in numbers]


def got(*numbers):
    return [Observed(f"tick {n}", n * SECOND + 5_000_000) for n in numbers]


def gap(since, until):
    return Gap(reason="connection lost", since_ns=since * SECOND, until_ns=until * SECOND)


ABORT = Cause("abort", 3 * SECOND, 3 * SECOND)


def test_everything_received_once_and_in_order_is_honest():
    result = audit(published(1, 2, 3), got(1, 2, 3), [])
    assert result.honest
    assert (result.delivered, result.gaps) == (3, 0)
    assert result.latencies_ns == (5_000_000,) * 3


def test_a_message_missing_without_a_mark_is_a_loss_in_silence():
    result = audit(published(1, 2, 3, 4), got(1, 4), [ABORT])
    assert not result.honest
    assert result.unexplained == 2
    assert "no. 2 to 3" in result.findings[0]


def test_messages_missing_at_the_end_are_a_loss_too():
    assert audit(published(1, 2), got(1), []).unexplained == 1


def test_a_stream_that_received_nothing_is_not_honest():
    assert not audit(published(1, 2), [], []).honest


def test_a_message_missing_where_a_gap_stands_is_explained():
    result = audit(published(1, 2, 3, 4, 5), [*got(1, 2), gap(2, 4), *got(5)], [ABORT])
    assert result.honest
    assert (result.gaps, result.missing_in_gaps, result.unexplained) == (1, 2, 0)


def test_a_gap_explains_only_the_place_where_it_stands():
    result = audit(published(1, 2, 3, 4, 5, 6), [*got(1, 2), gap(2, 4), *got(3, 6)], [ABORT])
    assert not result.honest
    assert result.unexplained == 2


def test_a_gap_that_brackets_another_time_than_that_of_the_missing_messages_is_wrong():
    result = audit(published(1, 2, 30, 31), [*got(1), gap(2, 4), *got(31)], [ABORT])
    assert not result.honest
    assert result.wrong_brackets == 1


def test_what_was_published_until_a_snapshot_behind_a_gap_is_in_the_snapshot():
    items = [*got(1, 2), gap(2, 3), Resynced(at_ns=6 * SECOND)]
    assert audit(published(1, 2, 3, 4, 5, 6, 9), [*items, *got(9)], [ABORT]).honest
    late = audit(published(1, 2, 3, 4, 5, 6, 8, 9), [*items, *got(9)], [ABORT])
    assert (late.wrong_brackets, late.missing_in_gaps) == (1, 5)
    alone = audit(published(1, 2), [*got(1), Resynced(at_ns=90 * SECOND), *got(2)], [ABORT])
    assert alone.causeless_marks == 1


def test_a_mark_without_a_fault_behind_it_is_not_honest():
    assert not audit(published(1, 2), [*got(1), gap(1, 2), *got(2)], []).honest
    late = Cause("abort", 60 * SECOND, 60 * SECOND)
    assert audit(published(1, 2), [*got(1), gap(1, 2), *got(2)], [late]).causeless_marks == 1
    assert audit(published(1), [Lagged(dropped=1), *got(1)], [late]).causeless_marks == 1


def test_a_fault_just_outside_the_gap_still_counts_as_its_cause():
    cause = Cause("abort", 2 * SECOND - SLACK_NS // 2, 2 * SECOND - SLACK_NS // 2)
    assert audit(published(1, 2), [*got(1), gap(2, 4), *got(2)], [cause]).honest


def test_a_message_received_twice_or_out_of_order_is_not_honest():
    assert audit(published(1, 2), got(1, 1, 2), []).duplicates == 1
    assert not audit(published(1, 2), got(1, 2, 1), []).honest


def test_a_message_that_was_never_published_is_not_honest():
    result = audit(published(1), got(1, 7), [])
    assert result.unknown == 1
    assert not result.honest

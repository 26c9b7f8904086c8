"""The channel's log: recovery and paging as the server has them."""

from __future__ import annotations

import pytest

from tapewire.protocols.base import StreamPosition
from tapewire.protocols.centrifugo import ChannelHistory, ErrorReply, HistoryResult, Publication


def filled(count: int, **options: object) -> ChannelHistory:
    log = ChannelHistory(**options)  # type: ignore[arg-type]
    for n in range(1, count + 1):
        log.publish(n, 0.0)
    return log


def offsets(publications: list[Publication] | None) -> list[int]:
    return [publication.offset for publication in publications or []]


def page(
    log: ChannelHistory, limit: int, since: StreamPosition | None = None, reverse: bool = False
) -> list[int]:
    result = log.page(limit, since, reverse, 0.0)
    assert isinstance(result, HistoryResult)
    assert (result.offset, result.epoch) == (log.offset, log.epoch)
    return offsets(result.publications)


@pytest.mark.parametrize(
    ("since", "recovered", "missed"),
    [
        (StreamPosition(7, "e1"), True, [8, 9, 10]),
        (StreamPosition(10, "e1"), True, []),
        (StreamPosition(7, ""), True, [8, 9, 10]),
        (StreamPosition(7, "other"), False, []),
        (StreamPosition(11, "e1"), False, []),
        (StreamPosition(4, "e1"), False, []),
        (StreamPosition(5, "e1"), True, [6, 7, 8, 9, 10]),
        (StreamPosition(0, "_"), False, []),
    ],
)
def test_recovery(since: StreamPosition, recovered: bool, missed: list[int]) -> None:
    recovery = filled(10, size=5).recover(since, 0.0)
    assert (recovery.recovered, offsets(recovery.publications)) == (recovered, missed)
    expected = StreamPosition(since.offset, "e1") if recovered else StreamPosition(10, "e1")
    assert recovery.position == expected


def test_missing_more_than_the_limit_is_unrecovered_although_the_log_has_it() -> None:
    log = filled(10, recovery_limit=3)
    assert log.recover(StreamPosition(7, "e1"), 0.0).recovered
    assert not log.recover(StreamPosition(6, "e1"), 0.0).recovered


def test_what_is_too_old_is_gone_and_the_numbering_stays() -> None:
    log = ChannelHistory(ttl=300.0)
    log.publish(1, 0.0)
    log.publish(2, 200.0)
    assert offsets(log.recover(StreamPosition(0, "e1"), 299.0).publications) == [1, 2]
    assert not log.recover(StreamPosition(0, "e1"), 300.0).recovered
    assert log.recover(StreamPosition(1, "e1"), 300.0).recovered
    assert not log.recover(StreamPosition(1, "e1"), 500.0).recovered
    assert log.recover(StreamPosition(2, "e1"), 500.0).recovered
    assert log.publish(3, 500.0).offset == 3


def test_a_stream_begun_anew_recovers_nobody() -> None:
    log = filled(3)
    log.restart("e2")
    log.publish(1, 0.0)
    assert not log.recover(StreamPosition(0, "e1"), 0.0).recovered
    assert log.top == StreamPosition(1, "e2")


def test_the_first_publication_of_a_lazy_stream_carries_its_epoch() -> None:
    log = ChannelHistory(lazy=True, epoch="E")
    assert log.top == StreamPosition(0, "")
    assert [log.publish(n, 0.0).epoch for n in (1, 2)] == ["E", ""]
    assert log.top == StreamPosition(2, "E")


def test_pages() -> None:
    log = filled(10, page_limit=4)
    assert page(log, 0) == []
    assert page(log, 2) == [1, 2]
    assert page(log, 99) == [1, 2, 3, 4]
    assert page(log, -1) == [1, 2, 3, 4]
    assert page(log, 3, StreamPosition(8, "e1")) == [9, 10]
    assert page(log, 2, reverse=True) == [10, 9]
    assert page(log, 2, StreamPosition(4, "e1"), reverse=True) == [3, 2]
    log.prune(2)
    assert page(log, 9, StreamPosition(3, "e1")) == [9, 10]


def test_pages_that_are_refused() -> None:
    log = filled(3)
    wrong = log.page(1, StreamPosition(1, "e9"), False, 0.0)
    assert isinstance(wrong, ErrorReply)
    assert wrong.code == 112
    backwards = log.page(1, StreamPosition(0, "e1"), True, 0.0)
    assert isinstance(backwards, ErrorReply)
    assert backwards.code == 107

"""The store loses nothing in silence: what was put is in the file, or somebody is told."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, closing, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tapewire.errors import ConfigurationError, SessionClosed
from tapewire.marks import Gap
from tapewire.recording import SqliteStore, StoreFailed, Table
from tapewire.testing import VirtualClock

TICKS = Table("ticks", {"number": int, "price": Decimal})
GAP = Gap(reason="connection lost", since_ns=1)


def row(number: int) -> tuple[int, Decimal]:
    return (number, Decimal("0.10"))


def in_file(path: Path, query: str = "SELECT number FROM ticks ORDER BY rowid") -> list[Any]:
    with closing(sqlite3.connect(path)) as connection:
        return [found[0] if len(found) == 1 else found for found in connection.execute(query)]


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Somebody else is writing."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


async def test_leaving_commits_everything_exactly(tmp_path: Path) -> None:
    path = tmp_path / "ticks.db"
    async with SqliteStore(path, TICKS) as store:
        for number in range(2_500):
            await store.put(row(number))
    assert in_file(path) == list(range(2_500))
    assert in_file(path, "SELECT DISTINCT price FROM ticks") == ["0.10"]
    assert not path.with_name("ticks.db-wal").exists()
    figures = store.statistics()
    assert (figures.accepted, figures.committed, figures.waiting, figures.dropped) == (2_500, 2_500, 0, 0)
    assert figures.commits <= 4


async def test_readers_are_not_in_the_way_and_see_what_is_committed(tmp_path: Path) -> None:
    path = tmp_path / "ticks.db"
    async with SqliteStore(path, TICKS, commit_seconds=3600) as store:
        await store.put(row(1))
        with closing(sqlite3.connect(path)) as reader:
            assert reader.execute("PRAGMA journal_mode").fetchone() == ("wal",)
            reader.execute("BEGIN")
            assert reader.execute("SELECT count(*) FROM ticks").fetchone() == (0,)
            await store.flush()
            assert in_file(path) == [1]


async def test_a_commit_is_made_at_its_number_of_rows(tmp_path: Path) -> None:
    async with SqliteStore(tmp_path / "ticks.db", TICKS, commit_rows=10, commit_seconds=3600) as store:
        for number in range(10):
            await store.put(row(number))
        await store.committed()
        assert in_file(tmp_path / "ticks.db") == list(range(10))


async def test_a_few_rows_are_committed_at_the_deadline_without_being_asked_for(tmp_path: Path) -> None:
    async with SqliteStore(tmp_path / "ticks.db", TICKS, commit_seconds=0.01) as store:
        await store.put(row(1))
        await store.committed()
        assert in_file(tmp_path / "ticks.db") == [1]


async def test_a_deadline_passes_although_the_loop_is_blocked(tmp_path: Path) -> None:
    path = tmp_path / "ticks.db"
    async with SqliteStore(path, TICKS, commit_seconds=0.01) as store:
        await store.put(row(1))
        while store.statistics().waiting:  # blocks the loop, which the writer does not need
            pass
        assert in_file(path) == [1]


async def test_marks_are_stored_beside_the_rows_with_their_place(tmp_path: Path) -> None:
    path = tmp_path / "ticks.db"
    async with SqliteStore(path, TICKS) as store:
        await store.put(GAP)
        await store.put(row(1))
        await store.put(row(2))
        await store.put(GAP)
        await store.put(row(3))
    async with SqliteStore(path, TICKS) as store:
        await store.put(GAP)
    assert in_file(path, "SELECT after_row, kind FROM ticks_marks ORDER BY rowid") == [
        (0, "Gap"),
        (2, "Gap"),
        (3, "Gap"),
    ]


async def test_a_stream_is_recorded_until_it_ends(tmp_path: Path) -> None:
    async def stream() -> AsyncIterator[Any]:
        yield 1
        yield GAP
        yield None
        yield 2

    path = tmp_path / "ticks.db"
    async with SqliteStore(path, TICKS, commit_seconds=3600) as store:
        await store.record(stream(), lambda item: None if item is None else row(item))
        assert in_file(path) == [1, 2]
        assert in_file(path, "SELECT after_row FROM ticks_marks") == [1]


async def test_what_a_stream_yielded_before_its_error_is_committed(tmp_path: Path) -> None:
    async def stream() -> AsyncIterator[int]:
        yield 1
        raise OSError("gone")

    path = tmp_path / "ticks.db"
    async with SqliteStore(path, TICKS, commit_seconds=3600) as store:
        with pytest.raises(OSError, match="gone"):
            await store.record(stream(), row)
        assert in_file(path) == [1]


async def test_what_was_put_before_a_cancellation_is_committed(tmp_path: Path) -> None:
    path, put = tmp_path / "ticks.db", asyncio.Event()

    async def stream() -> AsyncIterator[int]:
        yield 1
        put.set()
        await asyncio.get_running_loop().create_future()

    async def main() -> None:
        async with SqliteStore(path, TICKS, commit_seconds=3600) as store:
            await store.record(stream(), row)

    task = asyncio.create_task(main())
    await put.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert in_file(path) == [1]


async def test_put_waits_for_room_and_nothing_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "ticks.db"
    async with SqliteStore(path, TICKS, capacity=5, commit_rows=5) as store:
        with locked(path):
            for number in range(5):
                await store.put(row(number))
            waiting = [asyncio.create_task(store.put(row(number))) for number in (5, 6)]
            given_up = asyncio.create_task(store.put(row(99)))
            done, _ = await asyncio.wait([*waiting, given_up], timeout=0.01)
            assert done == set()
            assert store.statistics().waiting == 5
            given_up.cancel()
        await asyncio.gather(*waiting)
        assert given_up.cancelled()
    assert in_file(path) == [0, 1, 2, 3, 4, 5, 6]


async def test_what_offer_drops_is_counted_and_stands_among_the_marks(tmp_path: Path) -> None:
    path = tmp_path / "ticks.db"
    async with SqliteStore(path, TICKS, capacity=3, commit_rows=3) as store:
        with locked(path):
            assert [store.offer(row(number)) for number in range(5)] == [True] * 3 + [False] * 2
            assert store.offer(GAP)
            assert store.offer(GAP)
            assert not store.offer(row(5))
        await store.put(row(6))
        await store.flush()
        assert in_file(path) == [0, 1, 2, 6]
        found = in_file(path, "SELECT after_row, kind, mark FROM ticks_marks ORDER BY rowid")
        assert [(after, kind) for after, kind, _ in found] == [(3, "Gap"), (3, "Lagged")]
        assert '"dropped":3' in found[1][2]
        assert store.statistics().dropped == 3
        with locked(path):
            assert [store.offer(row(number)) for number in range(4)] == [True] * 3 + [False]
    assert in_file(path, "SELECT count(*) FROM ticks_marks WHERE kind = 'Lagged'") == [2], (
        "said when it is closed"
    )


async def test_an_error_of_the_disk_is_raised_to_the_writer_and_the_rows_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "ticks.db"
    store = SqliteStore(path, TICKS, commit_rows=2, busy_seconds=0.01)
    await store.open()
    await store.put(row(0))
    await store.flush()
    with locked(path):
        await store.put(row(1))
        await store.put(GAP)
        with pytest.raises(StoreFailed, match="locked") as caught:
            await store.flush()
    assert caught.value.unwritten == 2
    assert isinstance(caught.value.__cause__, sqlite3.OperationalError)
    for call in (store.put(row(3)), store.flush(), store.close(), store.committed()):
        with pytest.raises(StoreFailed, match="locked"):
            await call
    with pytest.raises(StoreFailed):
        store.offer(row(3))
    assert store.unwritten == [row(1), GAP]
    assert in_file(path) == [0]
    async with SqliteStore(path, TICKS) as again:
        for item in store.unwritten:
            await again.put(item)
    assert in_file(path) == [0, 1]


async def test_who_waits_for_room_is_told_of_the_error(tmp_path: Path) -> None:
    path = tmp_path / "ticks.db"
    store = SqliteStore(path, TICKS, capacity=1, busy_seconds=0.01)
    await store.open()
    with locked(path):
        await store.put(row(0))
        with pytest.raises(StoreFailed, match="locked"):
            await store.put(row(1))


async def test_leaving_raises_what_could_not_be_committed_and_what_was_raised_goes_first(
    tmp_path: Path,
) -> None:
    path = tmp_path / "ticks.db"

    async def main(error: Exception | None) -> None:
        async with SqliteStore(path, TICKS, commit_seconds=3600, busy_seconds=0.01) as store:
            stack.enter_context(locked(path))
            await store.put(row(0))
            if error is not None:
                raise error

    with ExitStack() as stack, pytest.raises(StoreFailed, match="locked") as caught:
        await main(None)
    assert caught.value.unwritten == 1
    with ExitStack() as stack, pytest.raises(StoreFailed, match="locked") as caught:
        await main(ValueError("mine"))
    assert isinstance(caught.value.__cause__, sqlite3.Error)
    assert isinstance(caught.value.__context__, ValueError)
    with ExitStack() as stack, pytest.raises(StoreFailed, match="mine"):
        await main(StoreFailed(path, "mine", 0))


async def test_a_file_that_cannot_be_opened_is_said_by_open(tmp_path: Path) -> None:
    with pytest.raises(StoreFailed, match="unable to open"):
        await SqliteStore(tmp_path, TICKS).open()
    (tmp_path / "no.db").write_text("this is no database, and long enough to be seen as none" * 20)
    with pytest.raises(StoreFailed, match="not a database"):
        async with SqliteStore(tmp_path / "no.db", TICKS):
            pass
    with pytest.raises(ConfigurationError, match="write-ahead log"):
        await SqliteStore(":memory:", TICKS).open()


async def test_a_table_that_is_there_with_other_columns_is_refused(tmp_path: Path) -> None:
    async with SqliteStore(tmp_path / "ticks.db", Table("ticks", {"at": float})):
        pass
    with pytest.raises(ConfigurationError, match=r"columns=.*those that ticks has: \['at'\]"):
        async with SqliteStore(tmp_path / "ticks.db", TICKS):
            pass


async def test_a_row_that_does_not_fit_is_refused_at_once_and_spoils_no_other(tmp_path: Path) -> None:
    path = tmp_path / "ticks.db"
    async with SqliteStore(path, TICKS) as store:
        await store.put([1, Decimal(1)])
        for wrong in [("1", Decimal(1)), (2**70, Decimal(1)), (1,), {"number": 1}, "ab"]:
            with pytest.raises(ConfigurationError):
                await store.put(wrong)  # type: ignore[arg-type]
        await store.put(row(2))
    assert in_file(path) == [1, 2]


async def test_a_store_that_is_not_open_takes_nothing(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "ticks.db", TICKS)
    with pytest.raises(SessionClosed):
        await store.put(row(1))
    async with store:
        with pytest.raises(ConfigurationError, match="second time"):
            await store.open()
    with pytest.raises(SessionClosed):
        store.offer(row(1))
    with pytest.raises(SessionClosed):
        await store.flush()
    await store.close()
    never_opened = SqliteStore(tmp_path / "other.db", TICKS)
    await never_opened.close()
    assert not (tmp_path / "other.db").exists()


async def test_it_works_in_virtual_time_too(clock: VirtualClock, tmp_path: Path) -> None:
    async with SqliteStore(tmp_path / "ticks.db", TICKS, commit_seconds=3600) as store:
        await store.put(row(1))
        await store.flush()
    assert in_file(tmp_path / "ticks.db") == [1]


@pytest.mark.parametrize(
    "wrong",
    [
        {"commit_rows": 0},
        {"capacity": 2.5},
        {"commit_seconds": 0},
        {"busy_seconds": "5"},
        {"synchronous": "off"},
    ],
)
def test_wrong_arguments_are_named(wrong: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        SqliteStore(tmp_path / "ticks.db", TICKS, **wrong)

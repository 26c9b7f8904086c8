"""`SqliteStore`: rows and marks of a stream in an SQLite file, in batched commits of a thread that is not the loop's.

Rules: nothing is lost in silence. `put` waits while the queue is full; `offer` never waits, says False, and the loss
stands among the stored marks. Each row is committed at most `commit_seconds` (and the commit's own time) after it was
put, and what is committed outlives a killed process; with `synchronous="full"` the machine's end too. An error of the
disk is raised to whoever puts, flushes or closes; what it cost is in `unwritten`.
"""

from __future__ import annotations

import asyncio
import atexit
import math
from collections.abc import AsyncIterable, Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

import msgspec

from ..errors import ConfigurationError, SessionClosed, TapewireError
from ..marks import Lagged, Mark, is_mark
from ..session.buffers import absorb
from .table import Row, Table
from .writer import Writer

__all__ = ["SqliteStore", "StoreFailed", "StoreStatistics"]

T = TypeVar("T")


class StoreFailed(TapewireError):
    """The database took no more: `path`, `detail`, and how many rows and marks are `unwritten` (also `__cause__`).

    Take them from `SqliteStore.unwritten`, and open a store anew when what `detail` says is put right.
    """

    def __init__(self, path: Path, detail: str, unwritten: int) -> None:
        self.path = path
        self.detail = detail
        self.unwritten = unwritten
        super().__init__(f"{path.name}: {detail}; rows and marks that were not committed: {unwritten}")


class StoreStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """One store. Counters count rows and marks since it was opened."""

    accepted: int
    committed: int
    waiting: int
    """Accepted and not committed yet."""
    dropped: int
    """Rows that `offer` had no room for; a stored `Lagged` says where."""
    commits: int


class SqliteStore:
    """`async with SqliteStore("ticks.db", table) as store: await store.put((...))`. Leaving commits everything.

    `table` is made where it is not there, and beside it `<table>_marks` (`after_row`: the rowid behind which the mark
    stood; `kind`; `mark` as JSON). A commit is made when `commit_rows` wait, or `commit_seconds` after the first of
    them. `capacity`: rows and marks that may wait. `synchronous`: "full" or "normal" (an operating system that dies
    may cost the last commits, a process that dies never). `busy_seconds`: how long another writer is waited for.
    Raises ConfigurationError, and from `open` on StoreFailed.
    """

    def __init__(
        self,
        path: str | Path,
        table: Table,
        *,
        commit_rows: int = 1_000,
        commit_seconds: float = 0.5,
        capacity: int = 50_000,
        synchronous: Literal["full", "normal"] = "full",
        busy_seconds: float = 5.0,
    ) -> None:
        if synchronous not in ("full", "normal"):
            raise ConfigurationError("synchronous", synchronous, ("full", "normal"))
        for name, number in (("commit_rows", commit_rows), ("capacity", capacity)):
            if type(number) is not int or not 1 <= number <= 10_000_000:
                raise ConfigurationError(name, number, "a whole number from 1 to 10000000")
        for name, seconds in (("commit_seconds", commit_seconds), ("busy_seconds", busy_seconds)):
            if type(seconds) not in (int, float) or not 0 < seconds < math.inf:
                raise ConfigurationError(name, seconds, "a number of seconds above 0")
        self.table = table
        self.capacity = capacity
        self._writer = Writer(
            Path(path),
            table,
            commit_rows=min(commit_rows, capacity),
            commit_seconds=commit_seconds,
            synchronous=synchronous,
            busy_seconds=busy_seconds,
            on_progress=self._notify,
        )
        self._accepted = self._dropped = 0
        self._held: list[Mark] = []  # found no room: at most one of each kind, and put before the next item
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiters: dict[asyncio.Future[None], None] = {}  # one for each call that waits, in turn
        self._is_closed = False

    # --- opening and closing ------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Open the file and make the tables. `async with` does it. Raises what is wrong with either."""
        if self._loop is not None:
            raise ConfigurationError("open", "a second time", "once; make a new store")
        self._loop = asyncio.get_running_loop()
        atexit.register(self._writer.stop_and_wait)  # who forgets to close loses nothing either
        self._writer.start()
        try:
            await self._until(lambda: self._writer.is_open)
        except BaseException:
            self._stop()
            atexit.unregister(self._writer.stop_and_wait)
            raise

    async def close(self) -> None:
        """Commit all that was put and close the file. Idempotent. Raises StoreFailed where not all was committed."""
        if self._loop is None:
            self._is_closed = True
            return
        if not self._is_closed:
            self._append_held()
            self._stop()
        try:
            await self._until(lambda: self._writer.is_over and self._writer.failure is None)
        finally:
            if self._writer.is_over:
                atexit.unregister(self._writer.stop_and_wait)

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self.close()
        except StoreFailed:
            if not isinstance(error, StoreFailed):  # else it is on its way already
                raise

    # --- what is stored -----------------------------------------------------------------------------------------------

    async def put(self, item: Sequence[Any] | Mark) -> None:
        """Store a row (its values in the table's order) or a mark. Waits while `capacity` items wait.

        Raises ConfigurationError for a row that does not fit its table, StoreFailed, and SessionClosed behind `close`.
        A cancelled wait stores nothing.
        """
        ready = self._checked(item)
        if not self._has_room:
            await self._until(lambda: self._has_room)
            self._require_open()
        self._accept(ready)

    def offer(self, item: Sequence[Any] | Mark) -> bool:
        """Store a row or a mark without waiting, from a plain handler say. False: no room, and the row is dropped.

        What is dropped is counted, and said by a `Lagged` among the stored marks. A mark is never dropped: for want of
        room it is merged with those that wait already. Raises as `put` does.
        """
        ready = self._checked(item)
        if self._has_room:
            self._accept(ready)
        elif isinstance(ready, tuple):
            self._dropped += 1
            absorb(self._held, Lagged(dropped=1, policy="drop_newest"))
            return False
        else:
            absorb(self._held, ready)
        return True

    async def record(self, stream: AsyncIterable[T], row: Callable[[T], Sequence[Any] | None]) -> None:
        """Store what `stream` yields until it ends: each mark, and of the others `row(item)` unless that is None.

        Of a stream that tells its marks by `on_mark=` and yields none, give that `store.put`.
        Returns when all of it is committed; raises what the stream, `row` or `put` raise, after committing.
        """
        try:
            async for item in stream:
                values = item if is_mark(item) else row(item)
                if values is not None:
                    await self.put(values)
        finally:
            if self._writer.failure is None and not self._is_closed:
                await self.flush()

    async def flush(self) -> None:
        """Commit now, and wait until all that was put before is committed. Raises StoreFailed."""
        self._require_open()
        self._append_held()
        self._writer.hurry(self._accepted)
        await self.committed()

    async def committed(self) -> None:
        """Wait, without hurrying, until all that was put before is committed. Raises StoreFailed."""
        wanted = self._accepted
        await self._until(lambda: self._writer.written >= wanted)

    # --- what can be asked --------------------------------------------------------------------------------------------

    @property
    def unwritten(self) -> list[Row | Mark]:
        """Behind a StoreFailed: the rows and marks that were accepted and are not in the file, in order."""
        return self._writer.unwritten if self._writer.failure is not None else []

    def statistics(self) -> StoreStatistics:
        """Frozen figures."""
        written = self._writer.written
        return StoreStatistics(
            accepted=self._accepted,
            committed=written,
            waiting=self._accepted - written,
            dropped=self._dropped,
            commits=self._writer.commits,
        )

    def __repr__(self) -> str:
        figures = self.statistics()
        return (
            f"<SqliteStore {self._writer.path.name} committed={figures.committed} waiting={figures.waiting}>"
        )

    # --- inside -------------------------------------------------------------------------------------------------------

    @property
    def _has_room(self) -> bool:
        return self._accepted - self._writer.written < self.capacity

    def _checked(self, item: Sequence[Any] | Mark) -> Row | Mark:
        self._require_open()
        if not isinstance(item, tuple):
            if is_mark(item):
                return item
            if not isinstance(item, list):
                raise ConfigurationError(
                    "item", f"a {type(item).__name__}", "a tuple or a list of values, or a mark"
                )
            item = tuple(item)
        self.table.check(item)
        return item

    def _require_open(self) -> None:
        if self._writer.failure is not None:
            self._raise_failure()
        if self._loop is None or self._is_closed:
            raise SessionClosed("the store is not open")

    def _accept(self, item: Row | Mark) -> None:
        if self._held:
            self._append_held()
        self._append(item)

    def _append(self, item: Row | Mark) -> None:
        self._accepted += 1
        self._writer.queue.append(item)
        self._writer.wake()

    def _append_held(self) -> None:
        held, self._held = self._held, []
        for mark in held:
            self._append(mark)

    def _stop(self) -> None:
        self._is_closed = True
        self._writer.stop()

    def _raise_failure(self) -> None:
        error = self._writer.failure
        assert error is not None
        if isinstance(error, ConfigurationError):
            raise error
        raise StoreFailed(self._writer.path, str(error), self._accepted - self._writer.written) from error

    async def _until(self, reached: Callable[[], bool]) -> None:
        while not reached():
            if self._writer.failure is not None:
                self._raise_failure()
            assert self._loop is not None
            waiter = self._loop.create_future()
            self._waiters[waiter] = None
            try:
                await waiter
            finally:
                del self._waiters[waiter]

    def _notify(self) -> None:
        """In the writer's thread: something was committed, or it is over."""
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(self._wake_waiters)
        except RuntimeError:
            return  # the loop has gone, and whoever waited with it

    def _wake_waiters(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

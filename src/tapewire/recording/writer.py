"""The thread that writes: it owns the database's connection, decides when a commit is due, and commits.

Rules: one thread appends to `queue` and calls `wake`, the writer's takes from it; the deque's own atomic operations are
all that both touch, beside figures that only one of them writes. A commit is due when `commit_rows` wait, or
`commit_seconds` after the first of them came, or when somebody hurries. The first error ends it: what was not committed
is kept for whoever asks.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterable
from itertools import groupby
from pathlib import Path
from time import monotonic

from ..errors import ConfigurationError
from ..marks import Mark, is_mark
from .table import Row, Table, mark_row

__all__ = ["Writer"]


class Writer:
    """Give it rows and marks through `queue`, then call `wake`. `on_progress` is called in its thread."""

    def __init__(
        self,
        path: Path,
        table: Table,
        *,
        commit_rows: int,
        commit_seconds: float,
        synchronous: str,
        busy_seconds: float,
        on_progress: Callable[[], None],
    ) -> None:
        self.path, self.table = path, table
        self.commit_rows, self.commit_seconds = commit_rows, commit_seconds
        self.queue: deque[Row | Mark] = deque()  # bounded by the store's `capacity`
        self.written = self.commits = 0
        self.is_open = self.is_over = False
        self.failure: Exception | None = None
        self._batch: list[Row | Mark] = []
        self._hurry_to = 0
        self._is_stopping = False
        self._is_idle = False
        self._last_row = 0
        self._synchronous, self._busy_seconds = synchronous, busy_seconds
        self._on_progress = on_progress
        self._event = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"tapewire store {path.name}", daemon=True)

    # --- called by the owner's thread ---------------------------------------------------------------------------------

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """Something was appended."""
        if self._is_idle or len(self.queue) == self.commit_rows:
            self._event.set()

    def hurry(self, written: int) -> None:
        """Commit at once, until `written` items are."""
        self._hurry_to = max(self._hurry_to, written)
        self._event.set()

    def stop(self) -> None:
        """Commit what is queued and end."""
        self._is_stopping = True
        self._event.set()

    def stop_and_wait(self) -> None:
        """For the end of the process: blocks."""
        self.stop()
        self._thread.join()

    @property
    def unwritten(self) -> list[Row | Mark]:
        """What was not committed, once it is over."""
        return [*self._batch, *self.queue]

    # --- the thread ---------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            with contextlib.closing(self._connect()) as connection:
                self._prepare(connection)
                self.is_open = True
                self._on_progress()
                first_at = None
                while self._wait_until_due(first_at):
                    first_at = monotonic()  # what comes from now on is not older
                    self._commit(connection)
                    self._on_progress()
        except Exception as error:  # whatever it is, it is raised in the owner's thread
            self.failure = error
        finally:
            self.is_over = True
            self._on_progress()

    def _wait_until_due(self, first_at: float | None) -> bool:
        """Block until a commit is due: True; or until all is written and it is to stop: False."""
        while not self.queue:
            if self._is_stopping:
                return False
            self._is_idle = True
            if not self.queue and not self._is_stopping:  # looked at again: who appends looks at `_is_idle`
                self._event.wait()
                first_at = None
            self._is_idle = False
            self._event.clear()
        deadline = (monotonic() if first_at is None else first_at) + self.commit_seconds
        while len(self.queue) < self.commit_rows and not self._is_stopping and self.written >= self._hurry_to:
            left = deadline - monotonic()
            if left <= 0:
                break
            self._event.wait(left)
            self._event.clear()
        return True

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path, timeout=self._busy_seconds, isolation_level=None)

    def _prepare(self, connection: sqlite3.Connection) -> None:
        (mode,) = connection.execute("PRAGMA journal_mode=WAL").fetchone()
        if mode != "wal":
            raise ConfigurationError(
                "path", str(self.path), f"a file that can have a write-ahead log, not {mode}"
            )
        connection.execute(f"PRAGMA synchronous={self._synchronous}")
        for statement in self.table.creation:
            connection.execute(statement)
        name = self.table.name
        there = [row[1] for row in connection.execute(f'PRAGMA table_info("{name}")')]
        if there != list(self.table.columns):
            raise ConfigurationError("columns", list(self.table.columns), f"those that {name} has: {there}")
        (last,) = connection.execute(f'SELECT max(rowid) FROM "{name}"').fetchone()  # noqa: S608  # a checked name
        self._last_row = last or 0

    def _commit(self, connection: sqlite3.Connection) -> None:
        queue = self.queue
        self._batch = [queue.popleft() for _ in range(len(queue))]
        connection.execute("BEGIN IMMEDIATE")
        try:
            for are_marks, run in groupby(self._batch, is_mark):
                (self._insert_marks if are_marks else self._insert_rows)(connection, run)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                with contextlib.suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
            raise
        self.written += len(self._batch)
        self.commits += 1
        self._batch = []

    def _insert_rows(self, connection: sqlite3.Connection, rows: Iterable[Row | Mark]) -> None:
        connection.executemany(self.table.insertion[0], self.table.encoded(list(rows)))  # type: ignore[arg-type]
        (self._last_row,) = connection.execute("SELECT last_insert_rowid()").fetchone()

    def _insert_marks(self, connection: sqlite3.Connection, marks: Iterable[Row | Mark]) -> None:
        rows = [mark_row(mark, self._last_row) for mark in marks]  # type: ignore[arg-type]
        connection.executemany(self.table.insertion[1], rows)

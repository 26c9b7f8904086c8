"""What a store has committed outlives its process, however that ends."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

from tests.documents.running import Program

BEGIN = """
import asyncio, resource, signal, sys
from tapewire.recording import SqliteStore, StoreFailed, Table

TICKS = Table("ticks", {"number": int, "padding": str})

def store(**options):
    return SqliteStore("ticks.db", TICKS, **options)

async def put(store, numbers):
    for number in numbers:
        await store.put((number, "x" * 100))
"""

END = """
asyncio.run(main())
"""


def rows(home: Path) -> list[int]:
    with closing(sqlite3.connect(home / "ticks.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return [number for (number,) in connection.execute("SELECT number FROM ticks ORDER BY rowid")]


def program(home: Path, main: str) -> Program:
    return Program(["-c", BEGIN + main + END], {}, home)


def test_a_killed_process_loses_no_row_that_was_put_before_the_deadline_passed(tmp_path: Path) -> None:
    main = """
async def main():
    async with store(commit_rows=1000, commit_seconds=0.05) as opened:
        await put(opened, range(7))
        await opened.committed()  # by the deadline: nobody hurries
        print("past the deadline", flush=True)
        await asyncio.Event().wait()
"""
    with program(tmp_path, main) as writing:
        writing.wait_for("past the deadline")
    assert rows(tmp_path) == list(range(7))


def test_a_process_killed_while_it_writes_leaves_a_beginning_without_holes(tmp_path: Path) -> None:
    main = """
async def main():
    async with store(commit_rows=50, commit_seconds=0.01) as opened:
        for begin in range(0, 1_000_000, 500):
            await put(opened, range(begin, begin + 500))
            print("committed:", opened.statistics().committed, flush=True)
"""
    with program(tmp_path, main) as writing:
        writing.wait_for(r"committed: \d{4,}")
    said = int(re.findall(r"committed: (\d+)\n", writing.output)[-1])
    found = rows(tmp_path)
    assert found == list(range(len(found)))
    assert len(found) >= said >= 1000


def test_a_full_disk_is_raised_and_the_file_is_whole(tmp_path: Path) -> None:
    main = """
async def main():
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        async with store(commit_rows=100) as opened:
            await put(opened, range(500))
            await opened.flush()
            resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
            await put(opened, range(500, 1_000_000))
    except StoreFailed as error:
        kept = [row[0] for row in opened.unwritten]
        print("raised:", error.unwritten, len(kept), kept[0], type(error.__cause__).__name__, flush=True)
"""
    with program(tmp_path, main) as writing:
        assert writing.wait() == 0, writing.errors
    unwritten, kept, first, cause = writing.output.removeprefix("raised:").split()
    found = rows(tmp_path)
    assert found == list(range(int(first)))
    assert len(found) >= 500
    assert unwritten == kept
    assert cause == "OperationalError"


def test_a_store_that_nobody_closes_is_committed_when_the_process_ends(tmp_path: Path) -> None:
    main = """
async def main():
    opened = store(commit_seconds=3600)
    await opened.open()
    await put(opened, range(5))
"""
    with program(tmp_path, main) as writing:
        assert writing.wait() == 0, writing.errors
    assert rows(tmp_path) == [0, 1, 2, 3, 4]

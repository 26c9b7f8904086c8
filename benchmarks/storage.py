"""Storing ticks: a commit for each row, as is often written, against the store's batched commits. Ratios, in one run.

`python -m benchmarks --only storage`, or alone: `python -m benchmarks.storage`. Each round takes one sample of every
contender, in turn, each into a new file of the same folder, timed from the first row until the file is closed with all
of them in it. Rates are rows a second; a figure is the median over the rounds of the ratio to that round's reference.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiosqlite
from rich.console import Console
from rich.table import Table as Grid

from tapewire.recording import SqliteStore, Table

__all__ = ["GOAL", "GROUP", "STORERS", "Storer", "measure", "print_storage", "ratios", "storage_as_json"]

GROUP = "storage"
GOAL = 50.0
"""How many times the rows a second of a commit for each row."""

TICKERS = Table(
    "tickers", {"timestamp": float, "symbol": str, "price": float, "volume": float, "change": float}
)
INSERT = "INSERT INTO tickers VALUES (?, ?, ?, ?, ?)"

Row = tuple[float, str, float, float, float]


@dataclass(frozen=True)
class Storer:
    """`rows` are so many that a sample takes about a second or less."""

    name: str
    title: str
    store: Callable[[Path, Iterable[Row]], Awaitable[None]]
    rows: int


async def commit_each(path: Path, rows: Iterable[Row], journal: str = "DELETE") -> None:
    """What document 004 shows: aiosqlite, one INSERT and one commit a row."""
    async with aiosqlite.connect(path) as database:
        await database.execute(f"PRAGMA journal_mode={journal}")
        await database.execute(TICKERS.creation[0])
        for row in rows:
            await database.execute(INSERT, row)
            await database.commit()


async def commit_each_in_wal(path: Path, rows: Iterable[Row]) -> None:
    """The same with a write-ahead log."""
    await commit_each(path, rows, "WAL")


async def store(path: Path, rows: Iterable[Row], **options: Any) -> None:
    """The library's store."""
    async with SqliteStore(path, TICKERS, **options) as opened:
        for row in rows:
            await opened.put(row)


async def store_normal(path: Path, rows: Iterable[Row]) -> None:
    """The same, not waiting for the disk."""
    await store(path, rows, synchronous="normal")


STORERS = (
    Storer("commit-each", "aiosqlite, a commit for each row", commit_each, 300),
    Storer(
        "commit-each-wal", "aiosqlite with a write-ahead log, a commit for each row", commit_each_in_wal, 500
    ),
    Storer("store", "tapewire, SqliteStore", store, 30_000),
    Storer("store-normal", 'tapewire, SqliteStore, synchronous="normal"', store_normal, 30_000),
)
"""The first is the reference."""


def ticks(count: int) -> list[Row]:
    """Made before the clock starts."""
    return [
        (1_700_000_000.0 + n / 10, "BTCUSDT", 50_000.0 + n % 997, 12.5 * n, (n % 41) / 10)
        for n in range(count)
    ]


def measure(rounds: int, scale: float = 1.0, storers: Sequence[Storer] = STORERS) -> dict[str, list[float]]:
    """Rows a second of each, round by round. Raises RuntimeError where a file does not hold what it was given."""
    rates: dict[str, list[float]] = {storer.name: [] for storer in storers}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(rounds):
            for storer in storers:
                path = Path(folder) / f"{storer.name}-{number}.db"
                rates[storer.name].append(_sample(storer, path, max(10, int(storer.rows * scale))))
    return rates


def ratios(rates: dict[str, list[float]], reference: str = STORERS[0].name) -> dict[str, float]:
    """The median over the rounds of each one's rate against the reference's in the same round. Pure."""
    return {
        name: statistics.median(rate / base for rate, base in zip(taken, rates[reference], strict=True))
        for name, taken in rates.items()
    }


def print_storage(console: Console, rates: dict[str, list[float]]) -> None:
    """The table, and the goal."""
    grid = Grid(
        title="Storing ticks: rows a second, until all are committed",
        title_justify="left",
        title_style="bold",
    )
    for head in ("contender", "rows/s", "lowest", "highest"):
        grid.add_column(head, justify="left" if head == "contender" else "right")
    middle, reference = ratios(rates), rates[STORERS[0].name]
    for storer in STORERS:
        each = [rate / base for rate, base in zip(rates[storer.name], reference, strict=True)]
        figures = (middle[storer.name], min(each), max(each))
        ours = "bold" if storer.name.startswith("store") else None
        grid.add_row(storer.title, *(f"{figure:,.2f} x" for figure in figures), style=ours)
    console.print(grid)
    met = "[green]met[/]" if middle["store"] >= GOAL else "[red]not met[/]"
    console.print(
        f"goal: SqliteStore at least {GOAL:g} x a commit for each row: {middle['store']:,.0f} x, {met}"
    )


def storage_as_json(rates: dict[str, list[float]]) -> dict[str, Any]:
    """The same for a program, ratios only."""
    middle = ratios(rates)
    return {
        "reference": STORERS[0].name,
        "wanted": GOAL,
        "ratios": middle,
        "rounds": len(rates[STORERS[0].name]),
    }


def _sample(storer: Storer, path: Path, count: int) -> float:
    rows = ticks(count)
    begin = time.perf_counter()
    asyncio.run(_stored(storer, path, rows))
    seconds = time.perf_counter() - begin
    with contextlib.closing(sqlite3.connect(path)) as database:
        (found,) = database.execute("SELECT count(*) FROM tickers").fetchone()
    if found != count:
        raise RuntimeError(f"{storer.name}: {found} rows of {count} are in the file")
    return count / seconds


async def _stored(storer: Storer, path: Path, rows: Iterable[Row]) -> None:
    await storer.store(path, rows)


if __name__ == "__main__":
    print_storage(Console(highlight=False), measure(5))

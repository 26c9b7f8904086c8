"""The invariant: what stands in the tables is what the feeds said, and what was on the wire, number by number."""

from __future__ import annotations

import asyncio
import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tapewire.app.exporting import TABLES, Export
from tapewire.app.taping import PlannedReplay
from tapewire.market import BookView
from tapewire.marks import Gap, is_mark
from tapewire.model import BookSnapshot, Trade
from tapewire.recording import Recorder, Tape
from tapewire.recording.format import Kind, decoded
from tests.app.taped import recorded
from tests.cli.played_command import plain_environment, run

ROOT = Path(__file__).parents[2]
NOTEBOOK = json.loads((ROOT / "docs/export.ipynb").read_text("utf-8"))
(COMMAND,) = re.findall(r"^tapewire (tape .*)$", "".join(NOTEBOOK["cells"][0]["source"]), re.MULTILINE)


class Exported:
    """One tape, its tables, and what a replay of it says."""

    def __init__(self, tape: Path, folder: Path, lines: str) -> None:
        self.tape = tape
        self.folder = folder
        self.lines = lines
        self.heard: list[tuple[int, Any]] = []
        with (planned := PlannedReplay([tape])).replay as replay:
            planned.run(lambda feed, item, row: self.heard.append((replay.clock.time_ns(), _kept(item))))

    def rows(self, table: str, columns: str = "*") -> list[Any]:
        return duckdb.sql(f"SELECT {columns} FROM '{self.folder / table}.parquet'").fetchall()


def _kept(item: Any) -> Any:
    return item.snapshot() if isinstance(item, BookView) else item


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    folder = tmp_path_factory.mktemp("tapes")
    recording, _ = asyncio.run(recorded("weex", folder, 1.5, "abort"))
    (path,) = recording.recorders["weex"].paths
    done = run(*COMMAND.replace("tapes", str(folder)).split(), cwd=folder, env=plain_environment())
    assert done.returncode == 0, done.stderr
    assert done.stderr.count(": as live") == 3
    return Exported(path, folder / "exported", done.stdout)


def test_every_table_is_a_file_and_the_command_says_how_many_rows_each_has(exported):
    names = {path.name for path in exported.folder.iterdir()}
    assert names == {f"{table.name}.parquet" for table in TABLES}
    for table in TABLES:
        ((count,),) = exported.rows(table.name, "count(*)")
        assert f"exported/{table.name}.parquet: {count:,} rows" in exported.lines
        assert (count > 0) is (table.name != "refused")


def test_trades_are_those_of_the_feed(exported):
    columns = "at_ns, trade_id, price, size, taker_side, venue_time_ns"
    assert exported.rows("trades", columns) == [
        (at_ns, item.trade_id, item.price, item.size, item.taker_side, item.venue_time_ns)
        for at_ns, item in exported.heard
        if isinstance(item, Trade)
    ]


def test_deltas_add_up_to_each_state_of_the_book_and_tops_are_its_best(exported):
    states = [item for _, item in exported.heard if isinstance(item, BookSnapshot)]
    deltas = exported.rows("book_deltas", "book, side, price, size")
    tops = exported.rows("book_tops", "book, bid, bid_size, offer, offer_size, last")
    assert len(tops) == len(states) > 1
    sides: dict[str, dict[Decimal, Decimal]] = {"bid": {}, "offer": {}}
    for number, (state, top) in enumerate(zip(states, tops, strict=True), 1):
        for _, side, price, size in (each for each in deltas if each[0] == number):
            if size:
                sides[side][price] = size
            else:
                del sides[side][price]
        assert sides == {"bid": dict(state.bids), "offer": dict(state.offers)}
        assert top == (number, *state.bids[0], *state.offers[0], str(state.last))


def test_marks_stand_where_they_came_with_their_facts(exported):
    marks = [(at_ns, item) for at_ns, item in exported.heard if is_mark(item)]
    rows = exported.rows("marks", "at_ns, mark, reason, since_ns, until_ns, missed, state")
    assert [(row[0], row[1]) for row in rows] == [
        (at_ns, {"ContinuityChanged": "continuity"}.get(name := type(mark).__name__, name.lower()))
        for at_ns, mark in marks
    ]
    gaps = [mark for _, mark in marks if isinstance(mark, Gap)]
    assert [(row[2], row[3], row[5]) for row in rows if row[1] == "gap"] == [
        (gap.reason, gap.since_ns, gap.missed) for gap in gaps
    ]
    assert gaps
    assert "live" in {row[6] for row in rows if row[1] == "continuity"}


def test_frames_are_the_bytes_of_the_wire_in_their_order(exported):
    with Tape(exported.tape) as tape:
        wanted = [
            (tape.wall_ns(record.at_ns), record.connection, record.kind == Kind.SENT, bytes(payload, "utf-8"))
            if isinstance(payload, str)
            else (tape.wall_ns(record.at_ns), record.connection, record.kind == Kind.SENT, bytes(payload))
            for record in tape.read()
            if record.kind in (Kind.READ, Kind.SENT)
            for payload in decoded(record.data)
        ]
    assert exported.rows("frames", "at_ns, connection, is_ours, payload") == wanted


def test_the_notebook_reads_them_in_duckdb_as_it_stands(exported, monkeypatch):
    monkeypatch.chdir(exported.folder.parent)
    assert (NOTEBOOK["nbformat"], NOTEBOOK["nbformat_minor"]) == (4, 5)
    cells = [cell for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells)
    names: dict[str, Any] = {}
    for cell in cells:
        exec(compile("".join(cell["source"]), cell["id"], "exec"), names)
    heard = [item for _, item in exported.heard]
    trades = [item for item in heard if isinstance(item, Trade)]
    last = [item for item in heard if isinstance(item, BookSnapshot)][-1]
    assert sum(candle[6] for candle in names["candles"]) == sum(trade.size for trade in trades)
    assert max(candle[3] for candle in names["candles"]) == max(trade.price for trade in trades)
    assert names["book"] == [("bid", *level) for level in last.bids] + [
        ("offer", *level) for level in last.offers
    ]
    assert names["spread"][0][0] == last.instrument_id
    assert names["spread"][0][2] > 0
    assert sum(each[4] for each in names["worth"]) == sum(map(is_mark, heard))
    assert names["first"][0].startswith("{")


def test_a_row_whose_number_does_not_fit_is_no_row_but_one_of_those_that_are_refused(tmp_path):
    made = Export(tmp_path)
    facts = {
        "venue": "v",
        "instrument_id": "i",
        "taker_side": "buy",
        "venue_time_ns": None,
        "received_at_ns": 1,
    }
    feed = type("Feed", (), {"verb": "watch_trades", "venue": "v", "instrument_id": "i"})()
    for name, price in (("fine", "0.1234567890123"), ("good", "0.123456789012")):
        made.take(feed, Trade(trade_id=name, price=Decimal(price), size=Decimal(1), **facts), 7)
    made.close()
    assert made.refused == 1
    tables = Exported.rows
    folder = type("Folder", (), {"folder": tmp_path})()
    assert tables(folder, "trades", "trade_id, price") == [("good", Decimal("0.123456789012"))]
    ((at_ns, table, why, row),) = tables(folder, "refused", 'at_ns, table_name, why, "row"')
    assert (at_ns, table) == (7, "trades")
    assert why.startswith("trades.price='0.1234567890123'")
    assert json.loads(row)["price"] == "0.1234567890123"


def test_a_tape_of_somebody_elses_making_gives_its_frames_alone_and_says_so(tmp_path):
    with Recorder(tmp_path, "weex") as recorder:
        recorder.note(Kind.READ, recorder.new_connection(), ["hello"])
    out = tmp_path / "out"
    done = run("tape", "export", "--parquet", str(tmp_path), "-o", str(out))
    assert done.returncode == 0
    assert "its frames alone: `tapewire record` did not make it" in done.stderr
    assert "frames.parquet: 1 rows" in done.stdout
    with pytest.raises(FileExistsError, match=r"frames\.parquet"):
        Export(out)


def test_what_cannot_be_exported_is_one_line_and_leaves_no_file(tmp_path):
    (tmp_path / "photo.tape").write_bytes(b"\x89PNG\r\n\x1a\n" + b"y" * 100)
    out = tmp_path / "out"
    done = run("tape", "export", "--parquet", str(tmp_path / "photo.tape"), "-o", str(out))
    assert (done.returncode, done.stdout) == (2, "")
    assert "this is no tape" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert list(out.iterdir()) == []

"""The invariant: from any moment on, a replay that begins at a seed point tells what one from the first record does."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tapewire.app.taping import PlannedReplay, Recording, name_of, timeless
from tapewire.app.wanted import Target
from tapewire.cli.venue import play
from tapewire.recording import Tape
from tapewire.recording.format import Kind, Record
from tapewire.recording.tape import SegmentWriter
from tapewire.venues import VENUES
from tapewire.venues.stx import User

EVERY = 1.0


@pytest.fixture(autouse=True)
def nobody() -> Iterator[None]:
    """STX has one user for all of a process: no test's is another's."""
    User().clear()
    yield
    User().clear()


async def seeded(venue: str, folder: Path, seconds: float, fault: str = "", kinds: Any = None) -> Path:
    """A tape with a seed point each second; the fault is ordered after two fifths of it."""
    async with play([venue]) as sandbox:
        recording = Recording([Target(venue)], kinds, folder, seed_seconds=EVERY)
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.call_later(seconds, stop.set)
        if fault:
            loop.call_later(seconds * 0.4, lambda: sandbox.inject(fault, venue=venue))
        await recording.run(stop)
    (path,) = recording.recorders[venue].paths
    return path


def told_from(path: Path, from_ns: int, *, seeks: bool) -> tuple[dict[str, list[Any]], PlannedReplay]:
    """Feed by feed, what is told from that moment on."""
    rows: dict[str, list[Any]] = {}
    planned = PlannedReplay([path], from_ns=from_ns, seeks=seeks)

    def tell(feed: Any, item: Any, row: dict[str, Any]) -> None:
        if planned.replay.clock.time_ns() >= from_ns:
            rows.setdefault(name_of(feed), []).append(timeless(row))

    with planned.replay:
        planned.run(tell)
    return rows, planned


def moments(path: Path, step: float) -> list[int]:
    """From the beginning to the end, none of them within what comes at once."""
    with Tape(path) as tape:
        times = [record.at_ns for record in tape.read()]
        wanted = range(times[0], times[-1], int(step * 1e9))
        quiet = (at for at in wanted if all(abs(at - each) > 1_000_000 for each in times))
        return [tape.wall_ns(at) for at in quiet]


def check(path: Path, step: float) -> int:
    """How many of the moments were begun at a seed point."""
    begun = 0
    for moment in moments(path, step):
        whole, _ = told_from(path, moment, seeks=False)
        sought, planned = told_from(path, moment, seeks=True)
        assert sought == whole, moment
        begun += planned.replay.begins_at_a_seed
    return begun


@pytest.mark.parametrize(
    ("venue", "seconds", "fault", "step"),
    [
        ("weex", 8.0, "abort", 0.7),
        *(
            pytest.param(venue, 30.0, fault, 1.3, marks=pytest.mark.taped)
            for venue in ("weex",)
            for fault in (
                "",
                "abort",
                "close",
                "half_open",
                "dead_uplink",
                "dead_downlink",
                "mute",
                "drip",
                "burst",
            )
        ),
    ],
)
async def test_from_any_moment_on_it_tells_the_same_whatever_it_began_with(
    tmp_path, venue, seconds, fault, step
):
    path = await seeded(venue, tmp_path, seconds, fault)
    assert await asyncio.to_thread(check, path, step) >= 3


async def test_books_and_tickers_of_channels_begin_in_the_midst_and_with_trades_beside_them_nothing_does(
    tmp_path,
):
    path = await seeded("sxbet", tmp_path, 8.0, "abort", kinds=["book", "ticker"])
    assert await asyncio.to_thread(check, path, 0.7) >= 3
    path = await seeded("sxbet", tmp_path, 4.0, kinds=["book", "trades"])
    assert await asyncio.to_thread(check, path, 1.5) == 0


@pytest.mark.parametrize("venue", ["stx", pytest.param("stake", marks=pytest.mark.taped)])
async def test_a_venue_whose_classes_cannot_begin_in_the_midst_is_read_from_the_beginning(tmp_path, venue):
    path = await seeded(venue, tmp_path, 4.0)
    assert await asyncio.to_thread(check, path, 1.5) == 0


async def test_feeds_of_an_account_have_no_seed_points(tmp_path):
    path = await seeded("weex", tmp_path, 3.0, kinds=["balance"])
    with Tape(path) as tape:
        assert tape.footer.seeds == []


async def test_where_a_seed_point_leads_elsewhere_it_begins_at_the_first_record_and_tells_the_same(tmp_path):
    path = await seeded("weex", tmp_path, 6.0)
    with Tape(path) as tape:
        head, records = tape.head, list(tape.read())
        moment = tape.wall_ns(tape.footer.seeds[1].at_ns) + 2_100_000_000
    writer = SegmentWriter(tmp_path / "changed.tape", head)
    writer.write([with_another_word(record) for record in records])
    writer.close()
    whole, _ = await asyncio.to_thread(told_from, path, moment, seeks=False)
    told, planned = await asyncio.to_thread(told_from, writer.path, moment, seeks=True)
    assert whole
    assert told == whole
    assert not planned.replay.begins_at_a_seed


def with_another_word(record: Record) -> Record:
    """A seed point in which something else was said than whoever begins there says."""
    if record.kind != Kind.SEED:
        return record
    played = [
        [kind, at_ns, connection, [b'{"method":"OTHER"}'] if kind == Kind.SENT else data]
        for kind, at_ns, connection, data in record.data["records"]
    ]
    return Record(record.kind, record.at_ns, 0, {**record.data, "records": played})


def whole_of(path: Path) -> tuple[list[tuple[int, str, Any]], list[Any]]:
    """What a replay from the first record tells, with the time at which it does; how every feed stands in the end."""
    rows: list[tuple[int, str, Any]] = []
    planned = PlannedReplay([path])

    def tell(feed: Any, item: Any, row: dict[str, Any]) -> None:
        rows.append((planned.replay.clock.time_ns(), name_of(feed), timeless(row)))

    with planned.replay:
        planned.run(tell)
    return rows, [(heard.name, heard.state) for heard in planned.all_heard]


def check_any(path: Path, examples: int) -> int:
    """From whatever moment is drawn, what is told is the rest of the whole. How often it began at a seed point."""
    rows, states = whole_of(path)
    with Tape(path) as tape:
        times = [record.at_ns for record in tape.read()]
        walls = [tape.wall_ns(at) for at in times]
    begun = 0

    @settings(max_examples=examples)
    @given(st.integers(walls[0], walls[-1]))
    def any_moment(moment: int) -> None:
        nonlocal begun
        # The clock is a float: within a microsecond of a record nobody can say whether it is before it or behind.
        assume(all(abs(moment - wall) > 1_000 for wall in walls))
        suffix: dict[str, list[Any]] = {}
        for at_ns, name, row in rows:
            if at_ns >= moment:
                suffix.setdefault(name, []).append(row)
        told, planned = told_from(path, moment, seeks=True)
        assert told == suffix
        assert [(heard.name, heard.state) for heard in planned.all_heard] == states
        begun += planned.replay.begins_at_a_seed

    any_moment()
    return begun


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize(("seconds", "examples"), [(6.0, 5), pytest.param(30.0, 60, marks=pytest.mark.taped)])
async def test_whatever_moment_is_drawn_what_is_told_is_the_rest_of_the_whole(
    tmp_path, venue, seconds, examples
):
    path = await seeded(venue, tmp_path, seconds, "abort")
    begun = await asyncio.to_thread(check_any, path, examples)
    has_seeds = venue == "weex"
    assert begun == 0 or has_seeds
    assert begun > 0 or not has_seeds or examples < 60

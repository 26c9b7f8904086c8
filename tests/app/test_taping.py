from __future__ import annotations

import asyncio

import pytest

from tapewire.app.taping import (
    Heard,
    Plan,
    PlannedReplay,
    Recording,
    environment_of,
    expected_of,
    parse_moment,
)
from tapewire.app.wanted import Target
from tapewire.cli.venue import play
from tapewire.errors import ConfigurationError, NotSupported
from tapewire.marks import Lagged
from tapewire.recording import Recorder, Tape
from tapewire.recording.format import Kind, Record
from tapewire.recording.tape import SegmentWriter
from tapewire.venues import VENUES
from tests.app.taped import first_difference, recorded, replayed


def test_a_moment_is_a_time_or_a_while_behind_the_beginning():
    begun = 1_700_000_000_000_000_000
    assert parse_moment("5m", begun, "from") == begun + 300 * 10**9
    assert parse_moment("0", begun, "from") == begun
    assert parse_moment("2023-11-14T22:13:21.5", begun, "from") == begun + 1_500_000_000
    assert parse_moment("2023-11-14T23:13:21.5+01:00", begun, "from") == begun + 1_500_000_000
    with pytest.raises(ConfigurationError, match=r"^to="):
        parse_moment("yesterday", begun, "to")


def test_times_of_this_machine_do_not_count_and_everything_else_does():
    first, again, other = Heard("a"), Heard("a"), Heard("a")
    first.take(Lagged(dropped=1))
    again.take(Lagged(dropped=1))
    other.take(Lagged(dropped=2))
    assert first.digest == again.digest != other.digest
    assert (first.items, first.marks) == (0, 1)


def test_what_comes_behind_what_was_heard_live_does_not_count():
    live = Heard("a")
    live.take(Lagged(dropped=1))
    again = Heard("a", (live.count, live.digest))
    assert again.is_as_live is False
    again.take(Lagged(dropped=1))
    again.take(Lagged(dropped=7))
    assert again.is_as_live is True


def test_what_is_secret_in_the_environment_is_a_placeholder_of_its_length(monkeypatch):
    found = 0
    for venue, spec in VENUES.items():
        for setting in spec.settings:
            for variable in setting.variables:
                monkeypatch.setenv(variable, f"value-of-{variable}")
        for setting in spec.settings:
            for variable in setting.variables:
                value = environment_of(venue)[variable]
                assert len(value) == len(f"value-of-{variable}")
                assert (value == "x" * len(value)) is setting.secret
                found += setting.secret
    assert found >= 4


@pytest.mark.parametrize("venue", VENUES)
async def test_the_feeds_of_a_market_say_the_same_from_the_tape(venue, tmp_path):
    recording, rows = await recorded(venue, tmp_path, 4.0, "abort")
    paths = recording.recorders[venue].paths
    assert rows
    assert any(heard.marks > 1 for heard in recording.heard[venue])
    both = [await asyncio.to_thread(replayed, paths) for _ in range(2)]
    for planned, again in both:
        said = [str(each) for each in planned.replay.differences]
        assert first_difference(rows, again) == "", said
        assert [heard.state for heard in planned.all_heard] == [h.state for h in recording.heard[venue]], said
        assert [heard.is_as_live for heard in planned.all_heard] == [True] * len(recording.heard[venue]), said
    first, second = ([heard.digest for heard in planned.all_heard] for planned, _ in both)
    assert first == second


def test_the_first_row_that_is_heard_otherwise_is_told_with_its_feed_and_place():
    live = [("a", {"price": 1, "at_ns": 1}), ("b", {"price": 5}), ("a", {"price": 2, "at_ns": 2})]
    other_times = [("b", {"price": 5}), ("a", {"price": 1, "at_ns": 7}), ("a", {"price": 2, "at_ns": 8})]
    assert first_difference(live, [*other_times, ("a", {"price": 9})]) == ""
    assert first_difference(live, [*other_times[:2], ("a", {"price": 3, "at_ns": 2})]) == (
        'a, row 1 of 2\nlive:     {"price":2}\nreplayed: {"price":3}'
    )
    assert first_difference(live, other_times[1:]) == (
        'b, row 0 of 1\nlive:     {"price":5}\nreplayed: nothing'
    )


async def test_what_comes_while_it_is_left_is_no_part_of_what_was_heard(tmp_path):
    async with play(["weex"]):
        recording = Recording([Target("weex")], ["trades"], tmp_path)
        stop, begun = asyncio.Event(), asyncio.Event()
        running = asyncio.create_task(recording.run(stop, lambda feed, item, row: begun.set()))
        async with asyncio.timeout(10):
            await begun.wait()
        (heard,) = recording.heard["weex"]
        stop.set()
        for _ in range(3):
            await asyncio.sleep(0)
        at_the_end = (heard.count, heard.digest)
        heard.take(Lagged(dropped=1))
        await running
    (path,) = recording.recorders["weex"].paths
    with Tape(path) as tape:
        assert expected_of([tape]) == {heard.name: at_the_end}


async def test_a_tape_whose_data_differs_is_not_as_live(tmp_path):
    venue = "weex"
    recording, _ = await recorded(venue, tmp_path, 4.0)
    (path,) = recording.recorders[venue].paths
    with Tape(path) as tape:
        head, records = tape.head, list(tape.read())
    changed = 0
    for number, record in enumerate(records):
        if record.kind == Kind.READ and any(
            "trade" in str(each) and '"q"' in str(each) for each in record.data
        ):
            said = [str(each, "utf-8") if isinstance(each, bytes) else each for each in record.data]
            said = [each.replace('"q":"', '"q":"1') for each in said]
            records[number] = Record(Kind.READ, record.at_ns, record.connection, said)
            changed += 1
    writer = SegmentWriter(tmp_path / "changed.tape", head)
    writer.write(records)
    writer.close()
    planned, _ = await asyncio.to_thread(replayed, [writer.path])
    assert changed
    assert False in [heard.is_as_live for heard in planned.all_heard]


async def test_a_tape_of_somebody_elses_making_has_no_plan_and_is_refused_by_name(tmp_path):
    with Recorder(tmp_path, "weex") as recorder:
        recorder.write_note("mine")
    with pytest.raises(ConfigurationError, match=r"tapewire\.recording\.Replay"):
        PlannedReplay(recorder.paths)


async def test_what_a_venue_has_not_is_said_and_the_tape_is_closed_whole(tmp_path):
    async with play(["stake"]):
        recording = Recording([Target("stake")], ["book"], tmp_path)
        with pytest.raises(NotSupported, match="watch_order_book"):
            await recording.run(asyncio.Event())
    (path,) = recording.recorders["stake"].paths
    with Tape(path) as tape:
        assert tape.footer.is_complete
        assert Plan(**tape.head.settings["plan"]).kinds == ["book"]

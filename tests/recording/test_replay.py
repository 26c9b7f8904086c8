"""The invariant: what a user received live is what the same code receives from the tape, three times of three."""

from __future__ import annotations

import asyncio
import itertools

import httpx2
import pytest

from tapewire.errors import ConfigurationError
from tapewire.recording import Recorder, Replay
from tapewire.recording.format import Kind
from tapewire.recording.http import ReplayHttp
from tapewire.sandbox import FAULTS as KNOWN
from tests.recording.taped import digest_elsewhere, record, replay, with_one_digit_changed
from tests.venues.under_test import EACH

FAULTS = ["abort", "close", "malformed", "socket_429"]

LEFT_BY_A_DEADLINE = {"dead_uplink"}
"""Messages come until our own deadline ends the line. Live it is kept some milliseconds late, and what came within
those is heard; in a replay it is kept in time. So the marks are the same, and each replay is like the others."""

venues = pytest.mark.parametrize("venue", EACH, ids=str)


@venues
@pytest.mark.parametrize("fault", FAULTS)
async def test_what_was_heard_live_is_heard_from_the_tape(venue, fault, tmp_path, monkeypatch):
    live, paths = await record(venue, tmp_path, fault, monkeypatch)
    assert live.items
    for _ in range(3):
        again, tape = await asyncio.to_thread(replay, venue, paths)
        assert again.items == live.items
        assert again.digest == live.digest
        # What came while the user left was answered before or behind that, as it happened.
        assert [each for each in tape.differences if each.at_ns < again.left_at_ns] == []


@venues
async def test_one_digit_of_one_recorded_frame_changes_what_is_heard(venue, tmp_path, monkeypatch):
    live, paths = await record(venue, tmp_path, "abort", monkeypatch)
    changed = with_one_digit_changed(paths[0], live.items)
    again, _ = await asyncio.to_thread(replay, venue, [changed])
    assert again.digest != live.digest


@venues
@pytest.mark.taped
@pytest.mark.parametrize("fault", [name for name in KNOWN if name not in FAULTS])
async def test_each_fault_is_heard_alike_live_and_from_the_tape_also_in_another_process(
    venue, fault, tmp_path, monkeypatch
):
    try:
        live, paths = await record(venue, tmp_path, fault, monkeypatch, steps=40, pause=0.03)
    except ConfigurationError as error:
        pytest.skip(f"it cannot be: {error}")
    again = [await asyncio.to_thread(replay, venue, paths) for _ in range(2)]
    if fault in LEFT_BY_A_DEADLINE:
        assert [heard.marks for heard, _ in again] == [live.marks] * 2
        assert await asyncio.to_thread(digest_elsewhere, venue, paths) == again[0][0].digest
        return
    assert [heard.items for heard, _ in again] == [live.items] * 2
    assert await asyncio.to_thread(digest_elsewhere, venue, paths) == live.digest


def test_what_never_ends_by_itself_is_ended_behind_the_end_of_the_tape(tmp_path):
    with Recorder(tmp_path, "weex") as recorder:
        recorder.write_note("something")
    is_told = []

    async def main(replay: Replay) -> None:
        replay.begin()
        try:
            for seconds in itertools.repeat(1):
                await asyncio.sleep(seconds)  # as a line does that tries again and again
        finally:
            is_told.append(replay.ended.is_set())

    with Replay(*recorder.paths) as replay, pytest.raises(TimeoutError, match="the tape is over"):
        replay.run(main)
    assert is_told == [True]


def test_a_request_is_the_same_one_some_milliseconds_later(tmp_path):
    with Recorder(tmp_path, "v") as recorder:
        for number, (moment, rows) in enumerate((("1795809429599", b"first"), ("1795809430599", b"second"))):
            recorder.note(Kind.ASKED, 0, [number, "GET", f"http://v/fills?since={moment}&limit=100", [], b""])
            recorder.note(Kind.ANSWERED, 0, [number, 200, [], rows])

    async def main(replay: Replay) -> list[bytes]:
        async with httpx2.AsyncClient(transport=ReplayHttp(replay.answers)) as client:
            answers = [
                await client.get(f"http://v/fills?since={ms}&limit=100")
                for ms in ("1795809429602", "1795809430603")
            ]
            with pytest.raises(httpx2.ConnectError, match="stands on no tape"):
                await client.get("http://v/fills?since=1795809429602&limit=50")
        return [each.content for each in answers]

    with Replay(*recorder.paths) as replay:
        assert replay.run(main) == [b"first", b"second"]

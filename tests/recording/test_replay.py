"""The invariant: what a user received live is what the same code receives from the tape, three times of three."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import httpx2
import pytest

from tapewire.recording import Recorder, Replay
from tapewire.recording.format import Head, Kind, Record
from tapewire.recording.http import ReplayHttp
from tapewire.recording.tape import SegmentWriter
from tapewire.sandbox import FAULTS as KNOWN
from tapewire.testing.venue_faults import PLAYS
from tapewire.transport.base import Endpoint
from tests.recording.taped import (
    digest_elsewhere,
    other_python,
    record,
    replay,
    with_one_digit_changed,
)
from tests.venues.under_test import EACH

FAULTS = ["abort", "close", "malformed", "socket_429"]

FOUND_LATE = {"half_open", "dead_uplink", "dead_downlink", "drip", "ignore_join", "ignore_pongs"}
"""A deadline passes first, ours or the venue's: up to two seconds."""

LEFT_LATER = {("sxbet", "ignore_join"), ("weex", "ignore_pongs")}
"""Not within those seconds: the client waits for a join as long as documented, the venue for several pongs."""

venues = pytest.mark.parametrize("venue", EACH, ids=str)
streams = pytest.mark.parametrize("stream", ["topic", "private_topic"], ids=["public", "private"])


def differences(heard, replay):
    """Before the user left: what came meanwhile was answered before or behind that, as it happened."""
    return [each for each in replay.differences if each.at_ns < heard.left_at_ns]


@venues
@pytest.mark.parametrize("fault", FAULTS)
async def test_what_was_heard_live_is_heard_from_the_tape(venue, fault, tmp_path, monkeypatch):
    live, paths = await record(venue, tmp_path, fault, monkeypatch)
    assert live.items
    for _ in range(3):
        again, tape = await asyncio.to_thread(replay, venue, paths)
        assert again.items == live.items
        assert again.digest == live.digest
        assert differences(again, tape) == []


@venues
async def test_one_digit_of_one_recorded_frame_changes_what_is_heard(venue, tmp_path, monkeypatch):
    live, paths = await record(venue, tmp_path, "abort", monkeypatch, steps=120)
    changed = with_one_digit_changed(paths[0], live.items)
    again, _ = await asyncio.to_thread(replay, venue, [changed])
    assert again.digest != live.digest


@pytest.mark.taped
@venues
@streams
@pytest.mark.parametrize("fault", KNOWN)
async def test_each_fault_is_heard_alike_live_and_from_the_tape_also_in_another_process(
    venue, stream, fault, tmp_path, monkeypatch
):
    topic = getattr(venue, stream)
    steps = 100 if fault in FOUND_LATE else 40
    live, paths = await record(venue, tmp_path, fault, monkeypatch, topic=topic, steps=steps, pause=0.03)
    assert live.items
    breaks = fault in PLAYS and PLAYS[fault].breaks and (venue.spec.name, fault) not in LEFT_LATER
    if live.has_met_it and breaks:
        assert live.marks, "the line was to be left, and was kept"
    again = [await asyncio.to_thread(replay, venue, paths, topic) for _ in range(2)]
    elsewhere = await asyncio.to_thread(digest_elsewhere, venue, paths, topic)
    assert [differences(heard, tape) for heard, tape in again] == [[], []]
    assert [heard.items for heard, _ in again] == [live.items] * 2
    assert elsewhere == live.digest


@pytest.mark.taped
@venues
@streams
async def test_another_python_hears_the_same_from_the_tape(venue, stream, tmp_path, monkeypatch):
    python = other_python()
    if python is None:
        pytest.skip("no Python of another version has the project: `make test-versions` installs it there")
    topic = getattr(venue, stream)
    live, paths = await record(venue, tmp_path, "abort", monkeypatch, topic=topic)
    assert await asyncio.to_thread(digest_elsewhere, venue, paths, topic, python) == live.digest


class Brittle:
    """A receiver with a defect."""

    def received(self, payloads):
        raise ZeroDivisionError(payloads)

    def ponged(self): ...

    def lost(self, error): ...


@pytest.mark.parametrize("is_closed", [True, False], ids=["by its footer", "by a scan"])
def test_what_a_line_brought_shortly_before_we_left_it_comes_before_a_deadline_kept_late(tmp_path, is_closed):
    second, urls = 10**9, {1: "ws://one.test/", 2: "ws://two.test/"}
    writer = SegmentWriter(tmp_path / "a.tape", Head(venue="v", wall_ns=0, monotonic_ns=0, software="t"))
    for line, url in urls.items():
        dial = {"url": url, "headers": {}, "subprotocols": []}
        writer.write([Record(Kind.DIAL, second, line, dial), Record(Kind.OPENED, second, line)])
    reads = [(1, -50), (2, 5), (1, 10), (2, 15), (1, 20)]
    writer.write([Record(Kind.READ, 10 * second + ms * 10**6, line, [f"{line} {ms}"]) for line, ms in reads])
    writer.write([Record(Kind.ABORTED, 10 * second + 30 * 10**6, 1)])
    writer.write([Record(Kind.READ, 11 * second, 2, ["2 behind"])])
    if is_closed:
        writer.close()
    else:
        writer.abandon()
    heard = []

    class Keeping(Brittle):
        def received(self, payloads):
            heard.append((payloads[0], round(asyncio.get_running_loop().time(), 4)))

    async def main(replay):
        for url in urls.values():
            await replay.connector.connect(Endpoint(url=url), Keeping())
        await replay.ended.wait()

    with Replay(writer.path if is_closed else writer.part) as replay:
        replay.run(main)
    early = [("1 -50", 9.93), ("1 10", 9.93), ("1 20", 9.93)]
    assert heard == [*early, ("2 5", 10.005), ("2 15", 10.015), ("2 behind", 11.0)]


@pytest.mark.parametrize("is_served", [True, False])
def test_what_whoever_is_played_to_raises_ends_the_replay_and_is_raised(tmp_path, is_served):
    writer = SegmentWriter(tmp_path / "a.tape", Head(venue="stx", wall_ns=0, monotonic_ns=0, software="t"))
    dial = {"url": "ws://venue.test/", "headers": {}, "subprotocols": []}
    writer.write([Record(Kind.DIAL, 1, 1, dial), Record(Kind.OPENED, 2, 1), Record(Kind.READ, 3, 1, ["a"])])
    writer.close()

    async def main(replay):
        await replay.connector.connect(Endpoint(url="ws://venue.test/"), Brittle())
        await (replay.ended.wait() if is_served else asyncio.Event().wait())

    with Replay(writer.path) as replay, pytest.raises(ZeroDivisionError):
        replay.run(main)


class Deaf:
    """Of a line on which nothing is said to us."""

    def received(self, payloads):
        raise AssertionError(payloads)

    def ponged(self):
        raise AssertionError("a pong")

    def lost(self, error):
        pass


@pytest.mark.parametrize(
    ("sent", "different"),
    [
        (["join", "leave"], []),
        (["join"], [("leave", "nothing")]),
        (["leave"], [("join", "leave"), ("leave", "nothing")]),
        (["join", "leave", "again"], [("nothing", "again")]),
    ],
    ids=["as then", "too little", "another", "too much"],
)
@pytest.mark.parametrize("is_lost", [True, False], ids=["lost", "open to the end of the tape"])
def test_what_is_sent_otherwise_than_it_was_is_a_difference(sent, different, is_lost, tmp_path):
    with Recorder(tmp_path, "v") as recorder:
        recorder.note(Kind.DIAL, 1, {"url": "ws://v/", "headers": {}, "subprotocols": []})
        recorder.note(Kind.OPENED, 1)
        recorder.note(Kind.SENT, 1, ["join"])
        recorder.note(Kind.SENT, 1, ["leave"])
        if is_lost:
            recorder.note(Kind.LOST, 1, {"error": "ConnectionLost", "facts": {"reason": "reset"}})

    async def main(replay: Replay) -> int:
        transport = await replay.connector.connect(Endpoint(url="ws://v/"), Deaf())
        transport.send(sent)
        sent_ns = replay.clock.time_ns()
        await replay.ended.wait()
        return sent_ns

    with Replay(*recorder.paths) as replay:
        sent_ns = replay.run(main)
        found = replay.differences
    assert [(each.recorded, each.replayed) for each in found] == different
    assert all(each.at_ns == sent_ns for each in found if each.recorded == "nothing")


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


@pytest.mark.parametrize(
    ("then", "answered_after"),
    [
        ([(Kind.PONG, 0.02)], 0.02),
        ([(Kind.PONG, 0.9)], 0.1),  # a busy machine heard it late, and bore that
        (
            [(Kind.LOST, 0.5), (Kind.ABORTED, 0.5)],
            0.0,
        ),  # nobody had waited for it long enough to give the line up
        ([(Kind.ABORTED, 0.5), (Kind.LOST, 0.5)], None),
    ],
)
def test_a_ping_is_given_up_in_a_replay_only_where_it_was_then(then, answered_after, tmp_path):
    lost = {"error": "ConnectionLost", "facts": {"reason": "gone", "code": 1006, "ours": False}}
    records = [
        Record(Kind.DIAL, 0, 1, {"url": "ws://venue.test/", "headers": {}, "subprotocols": []}),
        Record(Kind.OPENED, 0, 1, None),
        Record(Kind.PING, 10**9, 1, None),
        *(
            Record(kind, int((1 + seconds) * 1e9), 1, lost if kind == Kind.LOST else None)
            for kind, seconds in then
        ),
        Record(Kind.NOTE, 3 * 10**9, 0, "end"),
    ]
    writer = SegmentWriter(
        tmp_path / "pinged.tape", Head(venue="weex", wall_ns=0, monotonic_ns=0, software="test")
    )
    writer.write(records)
    writer.close()
    ponged: list[float] = []

    class Listener:
        def received(self, payloads: list[Any]) -> None: ...

        def lost(self, error: Any) -> None: ...

        def ponged(self) -> None:
            ponged.append(asyncio.get_running_loop().time())

    async def main(replay: Replay) -> None:
        transport = await replay.connector.connect(Endpoint(url="ws://venue.test/"), Listener())
        await asyncio.sleep(1.0 - asyncio.get_running_loop().time())
        transport.ping()
        await replay.ended.wait()

    with Replay(writer.path) as replay:
        replay.run(main)
    assert ponged == ([] if answered_after is None else [pytest.approx(1.0 + answered_after, abs=0.001)])


@pytest.mark.parametrize("late", [0.0, 5.0], ids=["before the tape", "behind it"])
def test_what_was_asked_for_at_once_and_is_asked_for_in_parts_now_has_the_answer_of_its_own_time(
    late, tmp_path
):
    writer = SegmentWriter(tmp_path / "a.tape", Head(venue="v", wall_ns=0, monotonic_ns=0, software="t"))
    url = "http://v/orders?markets=%s&page=0"
    for number, rows in enumerate((b"first", b"second")):
        asked = [number, "GET", url % "a%2Cb%2Cc", [], b""]
        at_ns = (1 + 10 * number) * 10**9
        writer.write(
            [
                Record(Kind.ASKED, at_ns, 0, asked),
                Record(Kind.ANSWERED, at_ns + 1, 0, [number, 200, [], rows]),
            ]
        )
    writer.write([Record(Kind.NOTE, 100 * 10**9, 0, "end")])
    writer.close()

    async def main(replay: Replay) -> list[list[bytes]]:
        async with httpx2.AsyncClient(transport=ReplayHttp(replay.answers)) as client:
            heard = []
            for _ in range(2):
                if late:
                    replay.begin()
                    await asyncio.sleep(late)
                gets = (client.get(url % each) for each in ("b", "a%2Cc"))
                heard.append([answer.content for answer in await asyncio.gather(*gets)])
            with pytest.raises(httpx2.ConnectError, match="no tape"):
                await client.get(url % "d")
            return heard

    with Replay(writer.path) as replay:
        assert replay.run(main) == [[b"first"] * 2, [b"second"] * 2]
        assert len(replay.differences) == 5

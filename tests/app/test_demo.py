import asyncio
import time

import pytest

from scripts.soak import busy_neighbours
from tapewire.app.audit import Published
from tapewire.app.demo import run_demo
from tapewire.app.demo_tape import DemoReplay, DemoStream, DemoTapes, key_of
from tapewire.errors import ConfigurationError
from tapewire.marks import Gap
from tapewire.recording import Difference
from tapewire.sandbox import Sandbox
from tapewire.sandbox.core.ledger import Ledger
from tapewire.venues import VENUES


async def test_the_main_job_beside_busy_neighbours_survives_its_faults_and_loses_nothing_in_silence():
    lines = []
    with busy_neighbours(2):
        report = await run_demo(list(VENUES), seconds=6, rate=60, narrate=lines.append)
    assert report.honest, report
    assert report.faults
    assert report.reconnections >= 3 * len(VENUES) - 3
    assert {stream.venue for stream in report.streams} == set(VENUES)
    for stream in report.streams:
        assert stream.published > 0
        assert stream.unexplained == stream.duplicates == 0
    markets = report.streams[0]
    assert markets.gaps >= 3
    assert markets.delivered + markets.missing_in_gaps == markets.published
    assert any("sandbox at http://127.0.0.1" in line for line in lines)
    assert any("FILLED" in line for line in lines)
    assert report.replay.records > 100


def joined(sandbox, connection=1):
    """A stream of a topic that the connection is served."""
    stream = DemoStream("stx", "news", "t", 0, time.time_ns)
    sandbox.carriage.begin("stx", "t", connection)
    return stream


def served(sandbox):
    return sandbox.carriage.servings("t", venue="stx")


def collect(sandbox, stream):
    entries = sandbox.ledger.since("t", stream.published, venue="stx")
    stream.compare([Published(e.sequence, key_of(e.event, e.digest), e.published_at_ns) for e in entries])


def publish(sandbox, stream, *numbers):
    for n in numbers:
        sandbox.ledger.append("stx", "t", "e", {"n": n}, n)
    collect(sandbox, stream)


GAP = Gap(reason="connection lost", since_ns=0, until_ns=0)


async def test_the_last_message_is_waited_for_unless_a_fault_and_a_gap_explain_that_it_is_lost():
    async with Sandbox(rate=0, venues=["stx"]) as sandbox:
        stream = joined(sandbox)
        assert not stream.is_behind(served(sandbox))
        publish(sandbox, stream, 1)
        assert stream.is_behind(served(sandbox))
        stream.mark(GAP)
        collect(sandbox, stream)
        assert stream.is_behind(served(sandbox)), "a gap alone explains nothing"
        sandbox.carriage.cut(sandbox.faults.order("abort", {}, 0), 1)
        assert not stream.is_behind(served(sandbox)), "it may have been under way when the line was cut"
        sandbox.carriage.begin("stx", "t", 2)
        publish(sandbox, stream, 2)
        assert stream.is_behind(served(sandbox)), "the next connection was given this one"
        stream.publication("e", {"n": 2})
        collect(sandbox, stream)
        assert not stream.is_behind(served(sandbox))
        assert stream.finish(served(sandbox)).honest


async def test_a_fault_alone_is_no_gap():
    async with Sandbox(rate=0, venues=["stx"]) as sandbox:
        stream = joined(sandbox)
        publish(sandbox, stream, 1)
        sandbox.carriage.cut(sandbox.faults.order("abort", {}, 0), 1)
        assert stream.is_behind(served(sandbox))
        assert stream.finish(served(sandbox)).unexplained == 1


async def test_what_was_collected_is_audited_whatever_the_ledger_forgets_afterwards():
    async with Sandbox(rate=0, venues=["stx"]) as sandbox:
        sandbox.ledger = Ledger(max_bytes=1)
        stream = DemoStream("stx", "news", "t", 0, time.time_ns)
        for n in range(5):
            sandbox.ledger.append("stx", "t", "e", {"n": n}, n)
            collect(sandbox, stream)
            if n != 3:
                stream.publication("e", {"n": n})
        collect(sandbox, stream)
        result = stream.finish(served(sandbox))
        assert (result.published, result.delivered, result.unexplained) == (5, 4, 1)


@pytest.mark.parametrize("seconds", [1, 2, 3])
async def test_a_short_run_is_honest_too_for_it_ends_when_every_stream_has_told_its_last_state(seconds):
    report = await run_demo(list(VENUES), seconds=seconds)
    assert report.honest, report
    assert report.holds, report.replay
    assert not report.interrupted


async def test_a_slow_market_is_helped_on_until_every_stream_has_said_something():
    report = await run_demo(["stx", "stake"], seconds=1, rate=1)
    assert report.honest, report
    assert all(stream.published for stream in report.streams)


class Spoiler:
    """Spoils one run once, as soon as the stream of markets has brought something; `run_demo`'s `progress`."""

    def __init__(self, spoil):
        self.spoil = spoil
        self.done = False

    def __call__(self, demo):
        markets = demo.streams[0]
        if not self.done and markets.delivered > 5:
            self.done = True
            self.spoil(demo, markets)


def mute_for_a_moment(demo, markets):
    demo.sandbox.inject("mute", venue="stx", seconds=0.3)


def receive_twice(demo, markets):
    told = (
        demo.sandbox.ledger.last_sequence(markets.topic, venue="stx") - markets.published
    )  # before it was joined
    entry = next(
        entry
        for entry in demo.sandbox.ledger.since(markets.topic, 0, venue="stx")
        if entry.sequence == told + markets.delivered  # the last that has arrived
    )
    markets.publication(entry.event, entry.payload)
    markets.publication(entry.event, entry.payload)


def say_a_gap(demo, markets):
    markets.mark(GAP)


@pytest.mark.parametrize(
    ("spoil", "counted"),
    [
        (mute_for_a_moment, "missing and no mark says so"),
        (receive_twice, "received again or out of order"),
        (say_a_gap, "a mark without a fault behind it"),
    ],
)
async def test_the_audit_fails_on_a_loss_in_silence_on_a_duplicate_and_on_a_gap_without_a_cause(
    spoil, counted
):
    spoiler = Spoiler(spoil)
    report = await run_demo(["stx"], seconds=2, rate=100, faults=False, progress=spoiler)
    assert spoiler.done
    assert not report.honest
    assert counted in report.streams[0].findings[0]
    assert not report.holds


async def test_what_handlers_received_beside_the_tape_is_not_the_same_again():
    report = await run_demo(["stx"], seconds=2, rate=100, faults=False, progress=Spoiler(receive_twice))
    assert report.replay.differences == 0
    assert "stx markets: duplicates: 0, live 2" in report.replay.findings
    assert not report.replay.holds


def test_a_replay_is_excused_by_what_a_line_said_in_its_place_and_by_nothing_else():
    facts = {"at_ns": 0, "recorded": "a", "replayed": "b"}
    assert Difference(what="sent on connection 3", **facts).is_another_message
    assert not Difference(what="sent on connection 3", **{**facts, "replayed": "nothing"}).is_another_message
    assert not Difference(what="a request", **facts).is_another_message


async def test_a_replay_that_ends_early_and_whose_lines_said_nothing_else_is_not_excused(tmp_path):
    with DemoTapes(["stx"], tmp_path, "http://127.0.0.1:9", 1) as tapes:
        tapes.step("stx", "leave")
    replay = await asyncio.to_thread(tapes.replay, [], lambda stream: [])
    assert replay.findings[0].startswith("it ended early")
    assert not replay.holds


def test_a_replay_that_differs_holds_only_where_it_is_known_why():
    facts = {"records": 9, "findings": ("other",)}
    assert not DemoReplay(differences=0, **facts).holds
    assert DemoReplay(differences=1, **facts).holds
    assert DemoReplay(differences=0, records=9, findings=()).is_alike


async def test_a_run_that_is_stopped_is_compared_as_far_as_it_went():
    stop = asyncio.Event()

    def stop_soon(demo):
        if all(stream.delivered > 1 for stream in demo.streams):
            stop.set()

    report = await run_demo(["stx", "stake"], seconds=600, faults=False, progress=stop_soon, stop=stop)
    assert report.honest, report
    assert report.interrupted
    assert 0 < report.seconds < 60


async def test_a_run_without_faults_has_no_mark_at_all():
    report = await run_demo(list(VENUES), seconds=2, rate=100, faults=False)
    assert report.honest, report
    assert report.reconnections == 0
    assert report.replay.holds, report.replay
    for stream in report.streams:
        assert stream.gaps == 0
        assert stream.delivered == stream.published > 0


async def test_a_wrong_length_is_named():
    with pytest.raises(ConfigurationError, match="seconds"):
        await run_demo(list(VENUES), seconds=0)


async def test_an_unknown_venue_is_named():
    with pytest.raises(ConfigurationError, match="venue"):
        await run_demo(["nasdaq"], seconds=1)

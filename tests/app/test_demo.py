import asyncio

import pytest

from tapewire.app.demo import DemoStream, run_demo
from tapewire.errors import ConfigurationError
from tapewire.marks import Gap
from tapewire.sandbox import Sandbox
from tapewire.sandbox.ledger import Ledger
from tapewire.venues import VENUES


async def test_the_main_job_survives_its_faults_and_loses_nothing_in_silence():
    lines = []
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


async def test_a_last_message_that_fell_into_the_last_gap_is_not_waited_for():
    async with Sandbox(rate=0, venues=["stx"]) as sandbox:
        stream = DemoStream("stx", "news", "t", 0)
        second = 1_000_000_000
        late = 100 * second
        assert not stream.is_behind(late)
        sandbox.ledger.append("stx", "t", "e", {"n": 1}, 5 * second)
        stream.collect(sandbox, [])
        assert stream.is_behind(late)
        stream.mark(Gap(reason="connection lost", since_ns=0, until_ns=second))
        assert stream.is_behind(late)
        stream.mark(Gap(reason="connection lost", since_ns=4 * second, until_ns=6 * second))
        assert not stream.is_behind(late)
        stream.publication("e", {"n": 1})
        assert not stream.is_behind(late)


async def test_a_message_published_just_after_a_gap_is_waited_for_a_moment():
    async with Sandbox(rate=0, venues=["stx"]) as sandbox:
        stream = DemoStream("stx", "news", "t", 0)
        sandbox.ledger.append("stx", "t", "e", {"n": 1}, 5_000_000_000)
        stream.collect(sandbox, [])
        stream.mark(Gap(reason="connection lost", since_ns=0, until_ns=4_900_000_000))
        assert stream.is_behind(5_100_000_000)
        assert not stream.is_behind(6_000_000_000)


async def test_what_was_collected_is_audited_whatever_the_ledger_forgets_afterwards():
    async with Sandbox(rate=0, venues=["stx"]) as sandbox:
        sandbox.ledger = Ledger(max_bytes=1)
        stream = DemoStream("stx", "news", "t", 0)
        for n in range(5):
            sandbox.ledger.append("stx", "t", "e", {"n": n}, n)
            stream.collect(sandbox, [])
            if n != 3:
                stream.publication("e", {"n": n})
        stream.collect(sandbox, [])
        result = stream.finish()
        assert (result.published, result.delivered, result.unexplained) == (5, 4, 1)


@pytest.mark.parametrize("seconds", [1, 2, 3])
async def test_a_short_run_is_honest_too_for_it_ends_when_every_stream_has_told_its_last_state(seconds):
    report = await run_demo(list(VENUES), seconds=seconds)
    assert report.honest, report
    assert not report.interrupted


async def test_a_slow_market_is_helped_on_until_every_stream_has_said_something():
    report = await run_demo(["stx", "stake"], seconds=1, rate=1)
    assert report.honest, report
    assert all(stream.published for stream in report.streams)


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
    for stream in report.streams:
        assert stream.gaps == 0
        assert stream.delivered == stream.published > 0


async def test_a_wrong_length_is_named():
    with pytest.raises(ConfigurationError, match="seconds"):
        await run_demo(list(VENUES), seconds=0)


async def test_an_unknown_venue_is_named():
    with pytest.raises(ConfigurationError, match="venue"):
        await run_demo(["nasdaq"], seconds=1)

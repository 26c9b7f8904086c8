import pytest

from tapewire.app.demo import DemoStream, run_demo
from tapewire.errors import ConfigurationError
from tapewire.marks import Gap
from tapewire.sandbox import Sandbox
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
        assert not stream.is_behind(sandbox)
        entry = sandbox.ledger.append("stx", "t", "e", {"n": 1}, 5_000_000_000)
        assert stream.is_behind(sandbox)
        stream.mark(Gap(reason="connection lost", since_ns=0, until_ns=1_000_000_000))
        assert stream.is_behind(sandbox)
        stream.mark(Gap(reason="connection lost", since_ns=4_000_000_000, until_ns=6_000_000_000))
        assert not stream.is_behind(sandbox)
        stream.publication("e", {"n": 1})
        assert not stream.is_behind(sandbox)
        assert [entry.sequence] == [each.sequence for each in stream.published(sandbox)]


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

import pytest

from tapewire.app.demo import run_demo
from tapewire.errors import ConfigurationError
from tapewire.venues import VENUES


async def test_the_main_job_survives_its_faults_and_loses_nothing_in_silence():
    lines = []
    report = await run_demo(list(VENUES), seconds=6, rate=60, narrate=lines.append)
    assert report.honest, report
    assert report.faults
    assert report.reconnections >= 3
    for stream in report.streams:
        assert stream.published > 0
        assert stream.unexplained == stream.duplicates == 0
    markets = report.streams[0]
    assert markets.gaps >= 3
    assert markets.delivered + markets.missing_in_gaps == markets.published
    assert any("sandbox at http://127.0.0.1" in line for line in lines)
    assert any("FILLED" in line for line in lines)


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

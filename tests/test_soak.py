import gc
import os
import tracemalloc

import pytest

from scripts.soak import Footprint, busy_neighbours, main, soak
from tapewire.sandbox import Sandbox


@pytest.fixture
def traced():
    tracemalloc.start()
    yield
    tracemalloc.stop()


async def test_rounds_follow_each_other_in_one_process_and_leave_nothing_behind(traced):
    lines = []
    assert await soak(["stake"], rounds=3, seconds=1.5, say=lines.append) == []
    assert [line.split(":")[0] for line in lines] == ["round 1", "round 2", "round 3"]
    assert all(" 0 unexplained losses" in line for line in lines)


async def test_what_a_round_played_is_gone_when_memory_is_measured(traced):
    left = []

    def say(line):
        left.extend(each for each in gc.get_objects() if isinstance(each, Sandbox))

    await soak(["stx"], rounds=2, seconds=1, say=say)
    assert left == []


@pytest.mark.parametrize(
    ("later", "told"),
    [
        (Footprint(1250, 1, 9), []),
        (Footprint(2048, 1, 9), ["memory grew from 0 to 2 KiB"]),
        (Footprint(1000, 2, 9), ["tasks grew from 1 to 2"]),
        (Footprint(1000, 1, 10), ["file descriptors grew from 9 to 10"]),
    ],
)
def test_what_grew_is_said(later, told):
    assert Footprint(1000, 1, 9).growth_to(later) == told


def test_an_unknown_venue_is_named(capsys):
    with pytest.raises(SystemExit):
        main(["--venue", "nasdaq"])
    assert "stx" in capsys.readouterr().err


def test_neighbours_burn_time_until_their_block_ends():
    with busy_neighbours(1) as [pid]:
        os.kill(pid, 0)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)

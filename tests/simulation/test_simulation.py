"""Random schedules of faults and calls break no promise, on any wire; and the simulation itself can be trusted."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.__main__ import MARKET_SHARE
from tests.simulation.markets import MARKETS
from tests.simulation.mutants import MUTANTS, is_found
from tests.simulation.venues import WIRES

ROOT = Path(__file__).parents[2]
SEEDS = 100
MARKET_SEEDS = 1
"""Ten minutes each. `make simulate` runs many more of both."""
SECONDS = 120  # a subprocess that hangs; a wire's seeds take some ten


def simulate(*arguments: str, seconds: float = SECONDS) -> subprocess.CompletedProcess[str]:
    """A process of its own: the order of sets of text, which hashing decides, is part of the schedule."""
    command = [sys.executable, "-m", "tests.simulation", "--quiet", *arguments]
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=seconds, check=False
    )


@pytest.mark.timeout(SECONDS)
@pytest.mark.parametrize("wire", list(WIRES))
def test_random_faults_and_calls_break_no_promise(wire):
    result = simulate("--wire", wire, "--seeds", str(SEEDS), "--jobs", "1")
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.timeout(3 * SECONDS)
@pytest.mark.parametrize("market", list(MARKETS))
def test_no_book_is_live_and_wrong_ever(market):
    seeds = str(MARKET_SEEDS * MARKET_SHARE)
    result = simulate("--wire", market, "--seeds", seeds, "--jobs", "1", seconds=3 * SECONDS)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("wire", ["centrifugo", "market-sxbet-v3"])
def test_a_seed_is_the_same_schedule_each_time(wire):
    first, second = (simulate("--wire", wire, "--seed", "7", "--trace") for _ in range(2))
    assert first.stdout.count("\n") > 20
    assert first.stdout == second.stdout


ALWAYS_TRIED = (
    "the snapshot of an older attempt is taken for the present one",
    "a book is live while what was missed is still to come",
)


@pytest.mark.timeout(SECONDS)
@pytest.mark.parametrize(
    "mutant",
    [
        pytest.param(
            mutant, id=mutant.name, marks=[] if mutant.name in ALWAYS_TRIED else [pytest.mark.mutants]
        )
        for mutant in MUTANTS
    ],
)
def test_a_deliberate_fault_of_the_engine_is_found(mutant):
    assert is_found(mutant), f"no seed of {mutant.wire} complains of {mutant.kind}"

"""ccxt's own WEEX client against the played WEEX: what it reads, signs, subscribes to and keeps is not ours.

It comes from PyPI into an environment of its own under `.cache`, once. Where it cannot be had, the test is skipped.
"""

import asyncio
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tapewire.sandbox import Sandbox
from tests.real.packages import python_with

PACKAGE = "ccxt==4.5.90"
SCRIPT = Path(__file__).with_name("ccxt_weex.py")
DEADLINE = 60.0

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]


async def learned(interpreter: Path, sandbox: Sandbox) -> dict[str, object]:
    """What ccxt tells of this sandbox."""
    process = await asyncio.create_subprocess_exec(
        interpreter,
        SCRIPT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={"PATH": os.environ["PATH"], **sandbox.environment()},
    )
    try:
        async with asyncio.timeout(DEADLINE):
            output, errors = await process.communicate()
    except TimeoutError:
        process.kill()
        output, errors = await process.communicate()
    assert process.returncode == 0, (output + errors).decode()[-3000:]
    lines = [json.loads(line) for line in output.splitlines()]
    return {line["name"]: line["value"] for line in lines}


def assert_follows(deltas: list[Any], book: Any) -> None:
    """Assert that ccxt's book is one that was published, with each level as the last delta up to it has it.

    A level that no delta named is in the snapshot alone, and a level just taken is not yet made anew: the number of
    levels says nothing.
    """
    assert book["u"] in [delta["u"] for delta in deltas]
    for side in ("b", "a"):
        kept = {float(price): size for price, size in book[side].items()}
        published = {
            float(price): float(size)
            for delta in deltas
            if delta["u"] <= book["u"]
            for price, size in delta[side]
        }
        assert published
        assert {price: kept.get(price, 0.0) for price in published} == published
    assert max(map(float, book["b"])) < min(map(float, book["a"]))


async def test_ccxt_trades_and_streams_at_the_played_venue() -> None:
    interpreter = python_with(PACKAGE, large=True)
    async with Sandbox(venues=["weex"], rate=40) as sandbox:
        told = await learned(interpreter, sandbox)
    assert "BTC/USDT:USDT" in told["markets"]  # type: ignore[operator]
    assert told["book"] == [15, True]
    assert told["candles"] == 3
    assert told["balance"] == {"free": 10_000, "used": 0, "total": 10_000}
    assert (told["open"], told["left"], told["refused"]) == ([True], 0, True)
    assert told["watched ticker"] is True
    deltas = [entry.payload for entry in sandbox.ledger.since("BTCUSDT@depth200")]
    assert_follows(deltas, told["watched book"])
    assert told["watched trades"] == [True]
    assert told["watched candle"] == 6
    assert told["watched order"] == ["closed", "buy"]
    assert told["watched position"] == ["long", "BTC/USDT:USDT"]
    assert told["watched balance"] is True
    assert told["wrong secret"] is True

"""The market maker of the examples: the same file live, on paper and from its tape, its money that of the exchange."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tapewire.sandbox.faces.weex.margin import FINE
from tapewire.sandbox.net.admin import PREFIX, TOKEN_HEADER
from tests.documents.running import Program, played_venue
from tests.example_figures import Truth

MAKER = Path(__file__).parent.parent / "examples" / "market" / "maker.py"
FILL = r"^(buy|sell) ([\d.]+) at ([\d.]+)$"
SECONDS = 60.0


def ran(venue: str, mode: str, environment: Mapping[str, str], home: Path, *faults: str) -> Program:
    """The maker, with a fault behind each three of its fills."""
    with Program([MAKER, venue, mode], environment, home) as program:
        for number, fault in enumerate(faults, 1):
            program.wait_for(rf"({FILL}\s+){{{3 * number}}}", seconds=SECONDS)
            order(fault, environment)
        status = program.wait(SECONDS)
        assert (status, "Traceback" in program.errors) == (0, False), program.errors
    return program


def order(fault: str, environment: Mapping[str, str]) -> None:
    reply = httpx2.post(
        f"{environment['TAPEWIRE_SANDBOX_URL']}{PREFIX}faults",
        json={"name": fault},
        headers={TOKEN_HEADER: environment["TAPEWIRE_SANDBOX_TOKEN"]},
        trust_env=False,
    )
    assert reply.is_success, reply.text


def summed(output: str) -> tuple[Decimal, Decimal, int]:
    """What was held and the money of the fills that were printed, fees apart; and how many they were."""
    held = cash = Decimal(0)
    fills = re.findall(FILL, output, re.MULTILINE)
    for side, size, price in fills:
        signed = Decimal(size) if side == "buy" else -Decimal(size)
        held, cash = held + signed, cash - signed * Decimal(price)
    return held, cash, len(fills)


def said(output: str) -> tuple[str, Decimal, Decimal]:
    """Instrument, what is held and what is in cash, in its own last line."""
    [(name, held, cash)] = re.findall(
        r"^(\S+): \d+ fills, (-?[\d.]+) held, (-?[\d.]+) in cash$", output, re.MULTILINE
    )
    return name, Decimal(held), Decimal(cash)


def earned(venue: str, account: Mapping[str, Any], held: Decimal) -> Decimal:
    """What the exchange's own account has of all that came and went, positions at what they cost."""
    change = Decimal(account["cash"] + account["escrow"] - account["deposited"])
    if venue == "stx":  # whoever sells pays for the other outcome
        return change / 100 - min(held, Decimal(0))
    cost = sum(each["cost"] * (1 if each["is_short"] else -1) for each in account["positions"])
    return (change + cost) / FINE / 100_000


@pytest.mark.parametrize("venue", ["stx", "weex"])
def test_one_market_maker_runs_live_on_paper_and_from_its_tape(venue: str, tmp_path: Path) -> None:
    with played_venue(tmp_path, venue, "--rate", "100") as environment:
        live = ran(venue, "live", environment, tmp_path, "abort", "abort")
        truth = Truth(venue, environment["TAPEWIRE_SANDBOX_URL"], environment["TAPEWIRE_SANDBOX_TOKEN"])
        accounts = truth._ask("accounts")[venue].values()
        paper = ran(venue, "paper", environment, tmp_path, "abort", "abort")
    tape = ran(venue, "tape", environment, tmp_path)
    for program in (live, paper, tape):
        held, cash, fills = summed(program.output)
        _, told_held, told_cash = said(program.output)
        assert fills >= (1 if program is tape else 10)  # a moment later it may decide otherwise
        assert told_held == held
        assert told_cash == cash if venue == "stx" else told_cash < cash
    _, held, cash = said(live.output)
    [account] = [each for each in accounts if any(position["net"] for position in each["positions"])]
    assert account["open_orders"] == []
    assert earned(venue, account, held) == cash

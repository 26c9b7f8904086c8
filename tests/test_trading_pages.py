"""docs/paper.md and docs/risk.md: their programs say what the pages say they do."""

import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from tests.cli.played_command import sandbox
from tests.documents.running import Program, played_venue

DOCS = Path(__file__).parent.parent / "docs"


def programs_of(page):
    return re.findall(r"^```python\n(.*?)^```$", (DOCS / page).read_text("utf-8"), re.MULTILINE | re.DOTALL)


def run_program_of(page, number=0):
    exec(compile(programs_of(page)[number], page, "exec"), {})


def test_the_program_of_a_venue_on_paper_buys_and_holds(tmp_path):
    program = tmp_path / "first.py"
    program.write_text(programs_of("paper.md")[0], "utf-8")
    with played_venue(tmp_path, "weex") as environment, Program([program], environment, tmp_path) as running:
        assert (running.wait(), running.errors) == (0, "")
    bought, position, profit = running.output.splitlines()
    status, price = bought.split()
    assert status == "filled"
    assert "size=Decimal('0.01')" in position
    assert Decimal(profit) == -Decimal(price) * Decimal("0.01") * Decimal("0.0008")  # the fee


def test_the_program_on_paper_fills_a_part_and_then_knows_two_bounds(capsys):
    run_program_of("paper.md", 1)
    told = capsys.readouterr().out.splitlines()
    kinds = [line.partition("(")[0] for line in told]
    assert kinds == ["Order", "Order", "Fill", "Position", "Balance", kinds[-1]]
    assert "status='accepted'" in told[0]
    assert "status='partially_filled'" in told[1]
    assert [float(number) for number in told[-1].split()] == [16, 16, 40]


def test_the_program_on_risk_denies_with_the_rule_and_the_figures(capsys):
    run_program_of("risk.md")
    assert capsys.readouterr().out == "denied by position: 20 with all orders filled, 10 allowed\n"


@pytest.mark.parametrize("name", ["stx", "weex"])
def test_the_program_behind_a_guard_denies_and_halts(name, tmp_path):
    [_, program] = programs_of("risk.md")
    with sandbox() as (_, environment):
        done = subprocess.run(
            [sys.executable, "-c", program, name, str(tmp_path)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("denied by position: 1000000 ")
    assert "enough for today" in (tmp_path / "status.json").read_text()

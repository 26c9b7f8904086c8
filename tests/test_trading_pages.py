"""docs/paper.md and docs/risk.md: their programs say what the pages say they do."""

import re
from pathlib import Path

DOCS = Path(__file__).parent.parent / "docs"


def run_program_of(page):
    [program] = re.findall(
        r"^```python\n(.*?)^```$", (DOCS / page).read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    exec(compile(program, page, "exec"), {})


def test_the_program_on_paper_fills_a_part_and_then_knows_two_bounds(capsys):
    run_program_of("paper.md")
    told = capsys.readouterr().out.splitlines()
    kinds = [line.partition("(")[0] for line in told]
    assert kinds == ["Order", "Order", "Fill", "Position", "Balance", kinds[-1]]
    assert "status='accepted'" in told[0]
    assert "status='partially_filled'" in told[1]
    assert [float(number) for number in told[-1].split()] == [16, 16, 40]


def test_the_program_on_risk_denies_with_the_rule_and_the_figures(capsys):
    run_program_of("risk.md")
    assert capsys.readouterr().out == "denied by position: 20 with all orders filled, 10 allowed\n"

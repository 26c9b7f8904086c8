"""docs/paper.md: its program says what the page says it does."""

import re
from pathlib import Path

PAGE = (Path(__file__).parent.parent / "docs" / "paper.md").read_text("utf-8")


def test_the_page_s_program_fills_a_part_and_then_knows_two_bounds(capsys):
    [program] = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    exec(compile(program, "docs/paper.md", "exec"), {})
    told = capsys.readouterr().out.splitlines()
    kinds = [line.partition("(")[0] for line in told]
    assert kinds == ["Order", "Order", "Fill", "Position", "Balance", kinds[-1]]
    assert "status='accepted'" in told[0]
    assert "status='partially_filled'" in told[1]
    assert [float(number) for number in told[-1].split()] == [16, 16, 40]

"""The README as a newcomer follows it: its program runs as it stands, and the fault that it orders shows as it says."""

from __future__ import annotations

import re
import signal
from pathlib import Path

from tests.documents.running import Program, played_venue

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")


def program_of(page: str) -> str:
    (code,) = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    return str(code)


def test_the_program_runs_as_written_and_prints_a_gap_where_the_fault_was(tmp_path: Path) -> None:
    (tmp_path / "first.py").write_text(program_of(README), "utf-8")
    (order,) = re.findall(r"`tapewire (fault \w+)`\. The program goes on", README)
    with played_venue(tmp_path) as exports, Program(["first.py"], exports, tmp_path) as program:
        program.wait_for(r"^phx_reply ", r"^market_\w+ ")
        with Program(["-m", "tapewire", *order.split()], exports, tmp_path) as fault:
            assert (fault.wait(), fault.errors) == (0, "")
        program.wait_for(r"^MARK Gap\(reason='connection lost'", r"^MARK Gap.*\n(.*\n)*market_\w+ ")
        assert program.interrupt() == -signal.SIGINT
        # The first example has the same email and another password.
        with Program([ROOT / "examples/stx/quick_start.py"], exports, tmp_path) as example:
            assert (example.wait(), example.errors) == (0, "")


def test_the_type_checkers_read_that_program_as_it_stands() -> None:
    assert (ROOT / "tests/typed/readme_program.py").read_text("utf-8") == program_of(README)

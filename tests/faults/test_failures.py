"""A fault test that fails leaves the tape of its line, and says the one command that plays it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.faults.failures import ROOT

FAILING = """
import pytest
from tests.faults.lines import line_of

@pytest.mark.parametrize("fails", [True, False])
async def test_of_a_line(fails):
    async with line_of("weex") as line:
        line.sandbox.inject("abort")
        await line.goes_on(2)
        assert not fails, [str(mark) for mark in line.marks]
"""


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *words], cwd=ROOT, capture_output=True, text=True, timeout=50, check=False
    )


def test_a_test_that_fails_keeps_its_tape_and_names_the_command_that_plays_it_again(tmp_path: Path) -> None:
    source = tmp_path / "test_on_purpose.py"
    source.write_text(FAILING, "utf-8")
    plugins = ("-p", "no:cacheprovider", "-p", "tests.conftest", "-p", "tests.faults.conftest")
    done = run("pytest", "-q", "-c", ROOT / "pyproject.toml", *plugins, source)
    assert "1 failed, 1 passed" in done.stdout, done.stdout + done.stderr
    (kept,) = re.findall(r"^\S+ -m tests\.faults\.failures (\S+)$", done.stdout, re.MULTILINE)
    try:
        again = run("tests.faults.failures", kept)
    finally:
        Path(kept).unlink()
    title, *lines = again.stdout.splitlines()
    assert title.endswith("::test_of_a_line[True]")
    assert [line for line in lines if line.startswith("Gap(reason='connection lost'")], again.stderr
    assert sum(line.startswith("{") for line in lines) >= 4
    assert [line for line in lines if line.startswith("# ")] == []

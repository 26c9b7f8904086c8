"""Every sample of the two STX pages runs as its page has it, and what it is about arrives."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.documents.running import Program
from tests.documents.stx_samples import SAMPLES, Change, Sample


@pytest.mark.parametrize("sample", SAMPLES, ids=str)
def test_the_sample_runs_as_written(
    sample: Sample, stx_environment: Mapping[str, str], tmp_path: Path
) -> None:
    script = tmp_path / "sample.py"
    script.write_text(sample.program, "utf-8")
    with Program([script], {"STX_HOST": stx_environment["STX_HOST"]}, tmp_path) as program:
        program.wait_for(*sample.expect)
        program.wait_for(*sample.complains, in_errors=True)
        if sample.ends:
            assert program.wait() == 0
        else:
            program.interrupt()
            assert "KeyboardInterrupt" in program.errors
        found = [pattern for pattern in sample.never if re.search(pattern, program.output, re.MULTILINE)]
        assert not found
        unexpected = program.errors.partition("KeyboardInterrupt")[0]
        assert "never" not in unexpected  # never awaited, never retrieved
        if not sample.complains and sample.ends:
            assert not unexpected


@pytest.mark.parametrize("sample", SAMPLES, ids=str)
def test_nothing_but_what_is_listed_is_changed(sample: Sample) -> None:
    assert sample.indented in sample.program
    assert [line.strip() for line in sample.indented.splitlines()] == [
        line.strip() for line in sample.text.splitlines()
    ]
    assert Change.HOST in sample.changes
    assert bool(sample.indent) == (Change.WRAPPER in sample.changes)
    if not sample.before and not sample.after:
        assert sample.changes == (Change.HOST,)
    assert ("elided" in sample.before) == (Change.ELISION in sample.changes)
    assert ("setprofile" in sample.before) == (Change.OBSERVED in sample.changes)


def test_samples_are_numbered_once() -> None:
    names = [(sample.page, sample.number) for sample in SAMPLES]
    assert len(set(names)) == len(names)

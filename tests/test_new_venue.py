"""docs/new-venue.md says what the template is: each piece of code in it is an excerpt of the file that it names."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import indent

import pytest

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "new-venue.md").read_text("utf-8")
EXCERPTS = re.findall(r"^`([^`\n]+)`:\n\n```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(("file", "code"), EXCERPTS, ids=[file for file, _ in EXCERPTS])
def test_each_piece_of_code_is_an_excerpt_of_its_file(file: str, code: str) -> None:
    text = (ROOT / file).read_text("utf-8")
    assert any(indent(code, " " * depth) in text for depth in (0, 4, 8)), "the file says something else"


def test_no_piece_of_code_is_of_no_file() -> None:
    assert PAGE.count("```python") == len(EXCERPTS) >= 9


def test_each_file_and_name_that_it_tells_of_is_there() -> None:
    src = ROOT / "src" / "tapewire"
    named = re.findall(r"`([a-z_]+(?:/[a-z_.]+)+)`", PAGE)
    assert named
    assert [name for name in named if not any((root / name).exists() for root in (ROOT, src))] == []


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "ARCHITECTURE.md"])
def test_whoever_looks_for_it_is_led_there(page: str) -> None:
    assert "docs/new-venue.md" in (ROOT / page).read_text("utf-8")

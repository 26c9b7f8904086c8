"""The documents as text: where they lie, how a sample is found in one, what their sentences are.

The pages have lost their code fences, so a sample is found by its first and last line. The documents are no part of
the project: they are read when a test runs, from `TAPEWIRE_DOCUMENTS`, or from `shared/documents` beside the project's
directory; where they are missing, tests skip and say so.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

_HEADING = re.compile(r"[A-Z][\w ,&-]{0,48}|Example: [\w -]+")
_BULLET = re.compile(r"(\d+\.|•)\s+")
_END_OF_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")


def folder() -> Path:
    """Where the documents lie."""
    return Path(os.environ.get("TAPEWIRE_DOCUMENTS") or ROOT.parent / "shared" / "documents")


@cache
def read(page: str) -> str | None:
    """The text of the page whose name begins with `page`; None where it is not there."""
    found = sorted(folder().glob(f"{page}_*.txt"))
    return found[0].read_text("utf-8") if found else None


def page_text(page: str) -> str:
    """The text of a page; skips the test where it is not there."""
    text = read(page)
    if text is None:
        pytest.skip(f"document {page} is not in {folder()}; set TAPEWIRE_DOCUMENTS")
    return text


def region(page: str, first: str, last: str, occurrence: int = 1) -> range:
    """The lines, counted from 0, from the nth line equal to `first` through the next equal to `last`."""
    lines = page_text(page).splitlines()
    starts = [number for number, line in enumerate(lines) if line == first]
    assert len(starts) >= occurrence, f"page {page} has no {occurrence}th line {first!r}"
    start = starts[occurrence - 1]
    for end in range(start, len(lines)):
        if lines[end] == last:
            return range(start, end + 1)
    raise AssertionError(f"page {page} has no line {last!r} after {first!r}")


def excerpt(page: str, lines: range) -> str:
    """Those lines of the page, as they stand."""
    return "\n".join(page_text(page).splitlines()[lines.start : lines.stop])


def prose(page: str, taken: set[int]) -> Iterator[tuple[int, str]]:
    """Every sentence outside the lines `taken`, with its line's number. Headings are none."""
    for number, line in enumerate(page_text(page).splitlines()):
        if number in taken or not line.strip() or _HEADING.fullmatch(line.strip()):
            continue
        for sentence in _END_OF_SENTENCE.split(_BULLET.sub("", line.strip(), count=1)):
            yield number, sentence

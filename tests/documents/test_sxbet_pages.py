"""The SX Bet page against the tables: every sentence is held by a test, every sample is run."""

from __future__ import annotations

import re

import pytest

from tests.documents.pages import ROOT, page_text
from tests.documents.stx_sentences import Sentence
from tests.documents.sxbet_samples import API_URL, SAMPLES, SOCKET_URL, Change, Sample
from tests.documents.sxbet_sentences import CODE_LINES, SENTENCES
from tests.documents.test_stx_pages import functions_of

# The page has lost the breaks between its paragraphs: a sentence may follow without a blank.
_END_OF_SENTENCE = re.compile(r"(?<=[.:])\s*(?=[A-Z])|(?<=data\.)(?=positioned)|(?<=REST\.)(?=best_odds)")
_TABLE = re.compile(
    r"[\d—]|Flag|Type|Description|boolean|positioned|recoverable|wasRecovering|recovered|State|What to do"
    r"|true|false|Recovered|Unrecovered|Fresh connect|Connect|Subscribe|Authenticate"
)
"""Headings, numbers of steps, and cells of tables that are one word."""


def sentences() -> list[tuple[int, str]]:
    return [
        (number, sentence)
        for number, line in enumerate(page_text("002").splitlines(), 1)
        if number not in CODE_LINES and not _TABLE.fullmatch(line.strip())
        for sentence in _END_OF_SENTENCE.split(line.strip())
    ]


def test_every_sentence_of_the_page_is_in_the_table() -> None:
    known = [sentence.excerpt for sentence in SENTENCES]
    unknown = [
        f"line {number}: {text}"
        for number, text in sentences()
        if not any(excerpt in text or text in excerpt for excerpt in known)
    ]
    assert not unknown


@pytest.mark.parametrize("sentence", SENTENCES, ids=lambda sentence: sentence.excerpt[:40])
def test_each_excerpt_is_on_the_page_outside_its_samples(sentence: Sentence) -> None:
    assert len(sentence.excerpt) <= 80
    assert sentence.tests or sentence.why_no_test
    lines = page_text("002").splitlines()
    found = [number for number, line in enumerate(lines, 1) if sentence.excerpt in line]
    assert set(found) - set(CODE_LINES)


def test_no_excerpt_is_listed_twice() -> None:
    excerpts = [sentence.excerpt for sentence in SENTENCES]
    assert len(set(excerpts)) == len(excerpts)


def test_each_test_that_the_table_names_exists() -> None:
    named = {test for sentence in SENTENCES for test in sentence.tests}
    missing = []
    for name in sorted(named):
        file, _, function = name.partition("::")
        if not (ROOT / file).is_file() or function not in functions_of(ROOT / file):
            missing.append(name)
    assert not missing


def test_every_line_of_code_has_its_sample() -> None:
    assert tuple(sample.line for sample in SAMPLES) == CODE_LINES


@pytest.mark.parametrize("sample", SAMPLES, ids=str)
def test_nothing_but_what_is_listed_is_changed(sample: Sample) -> None:
    assert sample.restored.replace("\n", "") == sample.squeezed
    assert sample.program(API_URL, SOCKET_URL) == f"{sample.before}{sample.restored}\n{sample.after}"
    led_elsewhere = API_URL in sample.restored or SOCKET_URL in sample.restored
    assert (Change.LINES in sample.changes) == (sample.restored != sample.squeezed)
    assert (Change.HOST in sample.changes) == led_elsewhere
    assert (Change.NAMES in sample.changes) == bool(sample.before)
    assert (Change.USE in sample.changes) == bool(sample.after)

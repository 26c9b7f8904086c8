"""The Stake page against the code: every sample runs as the page has it, and no line is passed over."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.documents.pages import ROOT, page_text, prose
from tests.documents.running import Program, played_venue
from tests.documents.stake_samples import PAGE, SAMPLES, SITE, Change, Sample
from tests.documents.stake_sentences import SENTENCES
from tests.documents.stx_sentences import Sentence


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with played_venue(tmp_path_factory.mktemp("sandbox"), "stake", "--activity") as variables:
        yield {name: value for name, value in variables.items() if name.startswith("STAKE_")}


def run(script: str, expect: tuple[str, ...], environment: Mapping[str, str], home: Path) -> None:
    path = home / "sample.py"
    path.write_text(script, "utf-8")
    with Program([path], environment, home) as program:
        program.wait_for(*expect)
        program.interrupt()
        assert "KeyboardInterrupt" in program.errors
        unexpected = program.errors.partition("KeyboardInterrupt")[0]
        assert "never" not in unexpected  # never awaited, never retrieved


@pytest.mark.parametrize("sample", SAMPLES, ids=str)
def test_the_sample_runs_as_written(sample: Sample, environment: Mapping[str, str], tmp_path: Path) -> None:
    run(sample.program(environment), sample.expect, environment, tmp_path)


def test_the_usage_of_the_pages_own_class_runs_on_ours(
    environment: Mapping[str, str], tmp_path: Path
) -> None:
    robust = next(sample for sample in SAMPLES if sample.title == "robust client")
    usage = robust.indented[robust.indented.index("# Usage:") :]
    script = f"import asyncio\nfrom stakeapi import StakeWebSocket\n\n{usage}\n"
    run(script, robust.expect, environment, tmp_path)


@pytest.mark.parametrize("sample", SAMPLES, ids=str)
def test_nothing_but_what_is_listed_is_changed(sample: Sample) -> None:
    program = sample.program({"STAKE_WS_URL": "wss://stake.com"})
    written = [line.strip() for line in sample.text.splitlines()]
    assert [line.strip() for line in sample.indented.splitlines()] == written
    if Change.HEADERS in sample.changes:
        program = program.replace("additional_headers", "extra_headers")
    assert sample.indented in program
    assert ("extra_headers" in sample.text) == (Change.HEADERS in sample.changes)
    assert bool(sample.before) == (Change.NAMES in sample.changes)
    assert bool(sample.after) == (Change.USE in sample.changes)
    assert Change.HOST in sample.changes


def test_only_the_literal_of_the_sockets_address_names_the_site() -> None:
    with_literal = {sample.title for sample in SAMPLES if SITE in sample.text}
    assert with_literal == {"basic", "robust client"}


def test_no_line_belongs_to_two_samples() -> None:
    numbers = [number for sample in SAMPLES for number in sample.lines]
    assert len(set(numbers)) == len(numbers)


def test_every_line_is_code_that_runs_or_a_sentence_of_the_table() -> None:
    taken = {number for sample in SAMPLES for number in sample.lines}
    unknown = [
        f"line {number + 1}: {text}"
        for number, text in prose(PAGE, taken)
        if not any(known.excerpt in text or text in known.excerpt for known in SENTENCES)
    ]
    assert not unknown


@pytest.mark.parametrize("sentence", SENTENCES, ids=lambda sentence: sentence.excerpt[:40])
def test_each_excerpt_is_on_the_page(sentence: Sentence) -> None:
    assert len(sentence.excerpt) <= 80
    assert sentence.tests or sentence.why_no_test
    assert sentence.excerpt in page_text(PAGE)


def test_each_test_named_by_the_table_exists() -> None:
    missing = []
    for name in {test for sentence in SENTENCES for test in sentence.tests}:
        file, _, function = name.partition("::")
        path = ROOT / file
        tree = ast.parse(path.read_text("utf-8")) if path.is_file() else ast.Module([], [])
        known = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
        if function not in known:
            missing.append(name)
    assert not missing

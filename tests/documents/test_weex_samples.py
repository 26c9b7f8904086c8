"""The WEEX page against the code: every sample runs as the page has it, and no line is passed over."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import re
import sqlite3
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.documents.pages import ROOT, page_text
from tests.documents.running import Program, played_venue
from tests.documents.stx_sentences import Sentence
from tests.documents.weex_samples import FENCE, INDENT, PAGE, SAMPLES, Change, Sample, blocks
from tests.documents.weex_sentences import HEADINGS, SENTENCES

DIRECTIVE = re.compile(r"\.\. auto(class|method):: ([\w.]+)")
UNDERLINE = re.compile(r"([=~-])\1{3,}")
OPTION = re.compile(r"   :[\w-]+:")
ROWS = 3

needs_drop_in = pytest.mark.skipif(
    importlib.util.find_spec("weex_client") is None, reason="drop_in/weex is not installed: no weex_client"
)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with played_venue(tmp_path_factory.mktemp("sandbox"), "weex", "--activity") as variables:
        yield {name: value for name, value in variables.items() if name.startswith("WEEX_")}


def stored(path: Path, seconds: float = 20.0) -> list[tuple[float, str, float, float, float]]:
    """The rows in the sample's database, as soon as there are some."""
    deadline = time.monotonic() + seconds
    rows: list[tuple[float, str, float, float, float]] = []
    while len(rows) < ROWS and time.monotonic() < deadline:
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=seconds)
        rows = connection.execute("SELECT timestamp, symbol, price, volume, change FROM tickers").fetchall()
        connection.close()
        time.sleep(0.05)  # another process writes them, and announces nothing
    return rows


@needs_drop_in
@pytest.mark.parametrize("sample", SAMPLES, ids=str)
def test_the_sample_runs_as_written(sample: Sample, environment: Mapping[str, str], tmp_path: Path) -> None:
    script = tmp_path / "sample.py"
    script.write_text(sample.program, "utf-8")
    with Program([script], environment, tmp_path) as program:
        program.wait_for(*sample.expect)
        rows = stored(tmp_path / "ticker_data.db") if Change.OBSERVED in sample.changes else []
        program.interrupt()
        assert "KeyboardInterrupt" in program.errors
        unexpected = program.errors.partition("KeyboardInterrupt")[0]
        assert "never" not in unexpected  # never awaited, never retrieved
        assert "Task was destroyed" not in program.errors
    assert (len(rows) >= ROWS) == (Change.OBSERVED in sample.changes)
    for timestamp, symbol, price, volume, _ in rows:
        assert abs(timestamp - time.time()) < 60
        assert symbol == "BTCUSDT"
        assert price > 10_000
        assert volume > 0


@pytest.mark.parametrize("sample", SAMPLES, ids=str)
def test_nothing_but_what_is_listed_is_changed(sample: Sample) -> None:
    assert sample.moved in sample.program
    assert [f"{INDENT}{line}" if line.strip() else line for line in sample.moved.splitlines()] == [
        line if line.strip() else "" for line in sample.text.splitlines()
    ]
    assert Change.HOST in sample.changes
    assert bool(sample.before or sample.after) == (Change.NAMES in sample.changes)
    assert bool(sample.use) == (Change.USE in sample.changes)
    assert f"async def {sample.use.removesuffix('()')}(" in sample.text


def test_every_block_of_code_is_a_sample() -> None:
    assert [sample.block for sample in SAMPLES] == list(range(1, len(blocks()) + 1))
    for sample in SAMPLES:
        ast.parse(sample.moved)


@needs_drop_in
def test_every_member_that_the_page_documents_is_there() -> None:
    found = [match.groups() for match in map(DIRECTIVE.match, page_text(PAGE).splitlines()) if match]
    assert len(found) == 10
    for kind, name in found:
        module, _, rest = name.partition(".WeexWebSocketClient")
        member = importlib.import_module(module).WeexWebSocketClient
        for attribute in rest.split(".")[1:]:
            member = getattr(member, attribute)
        assert inspect.isclass(member) == (kind == "class")
        assert member.__doc__


def test_every_line_is_code_that_runs_a_directive_a_heading_or_a_sentence_of_the_table() -> None:
    taken = {number for block in blocks() for number in block}
    known = [sentence.excerpt for sentence in SENTENCES]
    lines = page_text(PAGE).splitlines()
    unknown = [
        f"line {number + 1}: {line}"
        for number, line in enumerate(lines)
        if number not in taken
        and line.strip()
        and line != FENCE
        and line not in HEADINGS
        and not any(form.match(line) for form in (DIRECTIVE, UNDERLINE, OPTION))
        and not any(excerpt in line for excerpt in known)
    ]
    assert not unknown
    assert set(HEADINGS) <= set(lines)


CLAIMS = re.compile(r'^\s+(?:"""(.+)"""|# (.+))$|  # (.+)$')


def test_every_docstring_and_comment_of_the_samples_is_a_sentence_of_the_table() -> None:
    known = [sentence.excerpt for sentence in SENTENCES]
    unknown = []
    for sample in SAMPLES:
        for line in sample.moved.splitlines():
            found = CLAIMS.search(line)
            text = next(filter(None, found.groups()), "") if found else ""
            if text and text not in known:
                unknown.append(f"{sample}: {text}")
    assert not unknown


@pytest.mark.parametrize("sentence", SENTENCES, ids=lambda sentence: sentence.excerpt[:40])
def test_each_excerpt_is_on_the_page(sentence: Sentence) -> None:
    assert len(sentence.excerpt) <= 80
    assert sentence.tests or sentence.why_no_test
    assert sentence.excerpt in page_text(PAGE)


def test_each_test_named_by_the_table_exists() -> None:
    missing = []
    for name in sorted({test for sentence in SENTENCES for test in sentence.tests}):
        file, _, function = name.partition("::")
        path = ROOT / file
        tree = ast.parse(path.read_text("utf-8")) if path.is_file() else ast.Module([], [])
        known = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
        if function not in known:
            missing.append(name)
    assert not missing

"""The two STX pages against the code: tables, shapes and sentences; and that no line of a page is passed over."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tapewire.sandbox import Sandbox
from tapewire.venues.stx import ChannelMessage, Channels, STXWebSocket
from tapewire.venues.stx.filters import FILTERS, changed_by_push
from tests.documents.pages import ROOT, excerpt, page_text, prose, region
from tests.documents.stx_samples import DATA, SAMPLES
from tests.documents.stx_sentences import SENTENCES, Sentence

PAGES = ("000", "001")


def taken(page: str) -> set[int]:
    """The lines of a page that are code or data."""
    lines = {number for sample in SAMPLES if sample.page == page for number in sample.lines}
    return lines | {
        number for data in DATA if data.page == page for number in region(page, data.first, data.last)
    }


def data_lines(first: str) -> tuple[str, list[str]]:
    data = next(data for data in DATA if data.first == first)
    return data.page, excerpt(data.page, region(data.page, data.first, data.last)).splitlines()


# Nothing is passed over.


@pytest.mark.parametrize("page", PAGES)
def test_every_line_is_code_that_runs_data_that_is_checked_or_a_sentence_of_the_table(page: str) -> None:
    known = [sentence.excerpt for sentence in SENTENCES if page in sentence.pages]
    unknown = [
        f"line {number + 1}: {text}"
        for number, text in prose(page, taken(page))
        if not any(excerpt in text or text in excerpt for excerpt in known)
    ]
    assert not unknown


@pytest.mark.parametrize("page", PAGES)
def test_no_line_belongs_to_two_samples(page: str) -> None:
    numbers = [number for sample in SAMPLES if sample.page == page for number in sample.lines]
    assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize("sentence", SENTENCES, ids=lambda sentence: sentence.excerpt[:40])
def test_each_excerpt_is_in_its_document(sentence: Sentence) -> None:
    assert len(sentence.excerpt) <= 80
    assert sentence.tests or sentence.why_no_test
    for page in sentence.pages:
        assert sentence.excerpt in page_text(page)


def functions_of(path: Path) -> set[str]:
    tree = ast.parse(path.read_text("utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_each_test_named_by_the_tables_exists() -> None:
    named = {test for sentence in SENTENCES for test in sentence.tests} | {data.test for data in DATA}
    missing = []
    for name in sorted(named):
        file, _, function = name.partition("::")
        if not (ROOT / file).is_file() or function not in functions_of(ROOT / file):
            missing.append(name)
    assert not missing


# Tables.


@pytest.mark.parametrize("first", ["ChannelScopeWhat it pushes", "ChannelWhat it pushes"])
def test_every_channel_of_the_table_is_there_with_its_scope(first: str) -> None:
    _, (_, *rows) = data_lines(first)
    listed = {}
    for row in rows:
        name = re.match(r"[A-Z_]+(?=[A-Z][a-z]|broadcast|per-user)", row)
        assert name is not None
        listed[name[0]] = row.removeprefix(name[0])
    assert len(listed) == 7
    for name, text in listed.items():
        channel = Channels[name]
        if "Scope" in first:
            assert channel.scoped == text.startswith("per-user")


def test_every_filter_of_the_table_is_known() -> None:
    _, (_, *rows) = data_lines("FieldEffect")
    assert [next(name for name in FILTERS if row.startswith(name)) for row in rows] == list(FILTERS)


def test_every_control_message_of_the_table_replaces_its_filter() -> None:
    _, (_, *rows) = data_lines("EventPayloadEffect")
    for row in rows:
        found = re.match(r"(select_\w+)\{\"(\w+)\": \[\.\.\.\]( or null)?\}", row)
        assert found is not None
        event, name, nullable = found.groups()
        assert changed_by_push(event, {name: ["x"]}) == {name: ["x"]}
        if nullable:
            assert changed_by_push(event, {name: None}) == {name: None}
    assert len(rows) == len(FILTERS)


# Shapes.


async def test_the_reply_to_a_join_has_the_shape_on_the_page() -> None:
    page, lines = data_lines("{")
    shown: dict[str, Any] = ast.literal_eval("\n".join(lines))
    sample = next(sample for sample in SAMPLES if (sample.page, sample.title) == (page, "filter at join"))
    call = ast.parse(sample.text.replace("await ", "")).body[0].value  # type: ignore[attr-defined]
    params = next(ast.literal_eval(word.value) for word in call.keywords if word.arg == "join_params")
    replies: list[ChannelMessage] = []
    async with (
        Sandbox(rate=0) as sandbox,
        STXWebSocket(host=sandbox.url, email="you@example.com", password="...") as ws,
    ):
        await ws.join(Channels.MARKETS, replies.append, params)
    [reply] = replies
    assert reply.is_reply
    response: Mapping[str, Any] = reply.payload["response"]  # type: ignore[index]
    assert response.keys() == shown.keys()
    assert all(response[name] == value for name, value in shown.items() if value != [...])


@pytest.mark.parametrize("page", PAGES)
def test_a_message_has_the_fields_and_properties_of_the_page(page: str) -> None:
    sample = next(sample for sample in SAMPLES if (sample.page, sample.title) == (page, "message shape"))
    shown: dict[str, Any] = {
        "dataclass": dataclasses.dataclass,
        "Optional": typing.Optional,
        "__name__": "page",
    }
    exec(compile(sample.text, page, "exec", dont_inherit=True), shown)  # the page's own class
    on_page = shown["ChannelMessage"]
    assert [field.name for field in dataclasses.fields(ChannelMessage)] == [
        field.name for field in dataclasses.fields(on_page)
    ]
    wanted, ours = typing.get_type_hints(on_page), typing.get_type_hints(ChannelMessage)
    for name, kind in wanted.items():
        assert plain(ours[name]) == plain(kind), name
    for name, member in vars(on_page).items():
        if isinstance(member, property):
            found = inspect.getattr_static(ChannelMessage, name)
            assert isinstance(found, property)
            hints = [typing.get_type_hints(each.fget)["return"] for each in (found, member)]
            assert plain(hints[0]) == plain(hints[1])


def plain(kind: Any) -> set[Any]:
    """The classes of an annotation: `Optional[dict]` and `dict[str, Any] | None` are the same."""
    members = typing.get_args(kind) if type(None) in typing.get_args(kind) else (kind,)
    return {typing.get_origin(member) or member for member in members}

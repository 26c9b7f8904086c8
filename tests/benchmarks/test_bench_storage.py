"""The storage group: ratios are taken round by round, and a file that lacks rows is no sample."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from benchmarks.storage import STORERS, Storer, commit_each, measure, print_storage, ratios, storage_as_json


def test_a_ratio_is_the_median_of_the_rounds_each_against_its_own_reference() -> None:
    rates = {"commit-each": [10.0, 20.0, 10.0], "store": [1000.0, 1000.0, 3000.0]}
    assert ratios(rates) == {"commit-each": 1.0, "store": 100.0}


def test_every_contender_stores_what_it_is_given_and_the_report_names_it() -> None:
    rates = measure(1, scale=0.01)
    assert set(rates) == {storer.name for storer in STORERS}
    out = io.StringIO()
    print_storage(Console(file=out, width=200), rates)
    for storer in STORERS:
        assert storer.title in out.getvalue()
    assert storage_as_json(rates)["ratios"]["commit-each"] == 1.0


def test_a_contender_that_loses_rows_is_no_sample() -> None:
    async def forgetful(path: Path, rows: Iterable[Any]) -> None:
        await commit_each(path, list(rows)[1:])

    with pytest.raises(RuntimeError, match="forgetful: 9 rows of 10"):
        measure(1, storers=[Storer("forgetful", "", forgetful, 10)])

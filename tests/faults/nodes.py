"""Finding tests by node id, as the tables of this folder name them."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]


def missing_nodes(table: str, nodes: Iterable[str]) -> list[str]:
    """Those of `nodes` that are no test; parameters in brackets are not looked at.

    A node without a file is one of the file that holds the table.
    """
    here = Path(table).relative_to(ROOT).as_posix()
    full = [node if "::" in node else f"{here}::{node}" for node in nodes]
    return [
        node
        for node in full
        if node.partition("::")[2].partition("[")[0] not in _tests_of(node.partition("::")[0])
    ]


@cache
def _tests_of(path: str) -> frozenset[str]:
    file = ROOT / path
    if not file.is_file():
        return frozenset()
    tree = ast.parse(file.read_text("utf-8"))
    functions = (node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return frozenset(node.name for node in functions if node.name.startswith("test_"))

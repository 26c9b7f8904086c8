"""Is the type of all that is public known to whoever imports it? `python -m scripts.public_types`, in `make check`.

The type checker of editors says of each symbol whether it knows its type without guessing. It takes every module
without an underscore for public; ours are the packages in PUBLIC and the names in their `__all__`, with the members of
their classes. Those have to be known, each of them; what they are made of counts too, for whose type mentions a class
with an unknown part is itself partly unknown.
"""

from __future__ import annotations

import inspect
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

PUBLIC = (
    "tapewire",
    "tapewire.book",
    "tapewire.errors",
    "tapewire.market",
    "tapewire.marks",
    "tapewire.model",
    "tapewire.protocols",
    "tapewire.protocols.centrifugo",
    "tapewire.protocols.graphql_ws",
    "tapewire.protocols.phoenix",
    "tapewire.recording",
    "tapewire.recording.http",
    "tapewire.risk",
    "tapewire.sandbox",
    "tapewire.session",
    "tapewire.streams",
    "tapewire.sync",
    "tapewire.testing",
    "tapewire.trading",
    "tapewire.transport",
    "tapewire.venues.kit",
    "tapewire.venues.kit.market",
    "tapewire.venues.stake",
    "tapewire.venues.stx",
    "tapewire.venues.sxbet",
    "tapewire.venues.weex",
)
"""The packages and modules whose `__all__` is public."""


def report() -> dict[str, Any]:
    """What the type checker knows of the installed package."""
    folder = Path(sys.executable).parent
    # It asks the first `python` of the path where packages are, whatever its arguments say.
    environment = {**os.environ, "PATH": os.pathsep.join((str(folder), os.environ.get("PATH", "")))}
    command = [str(folder / "basedpyright"), "--verifytypes", "tapewire", "--ignoreexternal", "--outputjson"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    found: dict[str, Any] = json.loads(done.stdout)["typeCompleteness"]
    return found


def where_defined() -> set[str]:
    """The full names under which what is public is defined: classes with those they inherit from, and all else."""
    names: set[str] = set()
    for package in PUBLIC:
        module = import_module(package)
        for name in module.__all__:
            names.update(_full_names(module, name))
    return names


def _full_names(module: ModuleType, name: str) -> Iterator[str]:
    value = getattr(module, name)
    yield f"{module.__name__}.{name}"
    if inspect.isclass(value):
        yield from (f"{each.__module__}.{each.__qualname__}" for each in value.__mro__)
    elif inspect.isfunction(value):
        yield f"{value.__module__}.{value.__qualname__}"
    else:  # an alias or a constant does not know where it was made
        yield from (
            f"{other}.{name}" for other in tuple(sys.modules) if other.startswith(f"{module.__name__}.")
        )


def judged(symbols: list[dict[str, Any]], public: set[str]) -> tuple[int, list[str]]:
    """How many of the symbols are public, or members of what is, and what is wrong with those that are not known.

    A type that is partly unknown is so for a class that it mentions: what is wrong there follows.
    """
    unknown = [symbol for symbol in symbols if not symbol["isTypeKnown"] or symbol["isTypeAmbiguous"]]
    names, newest = set(public), [symbol for symbol in unknown if _is_of(symbol, public)]
    found: list[dict[str, Any]] = []
    while newest:
        found += newest
        messages = " ".join(why["message"] for symbol in newest for why in symbol["diagnostics"])
        classes = set(re.findall(r"\b[A-Z]\w+", messages))
        mentioned = {name for symbol in unknown if (name := symbol["name"]).split(".")[-1] in classes} - names
        newest = [symbol for symbol in unknown if _is_of(symbol, mentioned) and not _is_of(symbol, names)]
        names |= mentioned
    return (
        sum(_is_of(symbol, public) for symbol in symbols),
        [line for symbol in found for line in _complaints(symbol)],
    )


def _is_of(symbol: dict[str, Any], names: set[str]) -> bool:
    return symbol["name"] in names or symbol["name"].rpartition(".")[0] in names


def _complaints(symbol: dict[str, Any]) -> Iterator[str]:
    for why in symbol["diagnostics"] or [{"message": "what it is made of is not known"}]:
        line = why.get("range", {}).get("start", {}).get("line", -1) + 1
        yield f"{why.get('file', '')}:{line}: {symbol['name']}: {why['message']}"


def main() -> int:
    """Returns 1 if the type of anything public is not known, 2 if nothing could be asked."""
    count, said = judged(report()["symbols"], where_defined())
    print(*said, f"{count} public symbols, {len(said)} complaints of their types", sep="\n")
    return 2 if not count else int(bool(said))


if __name__ == "__main__":
    sys.exit(main())

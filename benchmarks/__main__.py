"""`python -m benchmarks`: every contender in one run, ratios at the end. `--help` lists the options; see README.md."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console

from . import imports, market, memory
from .certificate import make_certificate
from .contenders import CONTENDERS, GROUPS, Contender
from .goals import GOALS
from .method import ENOUGH
from .peer_environment import LOCKS, PEERS, prepare, versions_in
from .report import as_json, pairs_of, print_report, print_verdicts, verdicts_of
from .rounds import COLUMNS, Bench, Column, Limits
from .storage import GROUP as STORAGE
from .storage import measure, print_storage, storage_as_json
from .tape import GROUP as TAPE
from .tape import measure as measure_tape
from .tape import print_tape, tape_as_json

__all__ = ["chosen", "main"]

FULL = Limits(least=3, rounds=14, seconds=960, repeat=6)
QUICK = Limits(least=1, rounds=8, seconds=120, repeat=8)
FULL_SCALE, QUICK_SCALE = 0.25, 0.12
STORAGE_ROUNDS = TAPE_ROUNDS = 5

OTHERS = (memory.GROUP, imports.GROUP, STORAGE, TAPE)
"""Groups that have no contenders, and rounds of their own."""

HELD = {
    memory.GROUP: "Memory",
    imports.GROUP: "Imports",
    market.GROUP: "One market, without a line",
}
"""Groups that are judged by what may be at most, and their titles."""


def chosen(only: Sequence[str] = (), wires: Sequence[str] = ()) -> list[Contender]:
    """The contenders whose name, group or package is in `only` and whose wire begins with one of `wires`.

    All where both are empty. Raises LookupError.
    """
    found = list(CONTENDERS)
    for word in only:
        if not any(_is(contender, word) for contender in CONTENDERS):
            groups = ", ".join((*GROUPS, *OTHERS))
            raise LookupError(
                f"--only {word}: a group ({groups}), a package, or a contender's name or its beginning"
            )
    if only:
        found = [contender for contender in found if any(_is(contender, word) for word in only)]
    if wires:
        found = [contender for contender in found if any(_is_of(contender, wire) for wire in wires)]
        if not found:
            raise LookupError(f"--wire {', '.join(wires)}: {', '.join(_WIRES)}, or their beginnings")
    return found


_WIRES = list(dict.fromkeys(contender.wire for contender in CONTENDERS if contender.wire))


def _is(contender: Contender, word: str) -> bool:
    return word in (contender.group, contender.needs) or contender.name.startswith(word)


def _is_of(contender: Contender, wire: str) -> bool:
    return (contender.wire or contender.group).startswith(wire)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; 0 unless the bench itself is broken."""
    options = _parser().parse_args(arguments)
    progress = Console(stderr=True, highlight=False)
    console = Console(stderr=options.json == "-", width=None if sys.stdout.isatty() else 120, highlight=False)

    def say(line: str) -> None:
        progress.print(line, markup=False)

    only = [word for word in options.only if word not in OTHERS]
    try:
        contenders = [] if options.only and not only else chosen(only, options.wire)
    except LookupError as error:
        say(str(error.args[0]))
        return 2
    if options.quick and not options.only:
        contenders = [contender for contender in contenders if contender.quick]
    with tempfile.TemporaryDirectory() as folder:
        bench = _taken(contenders, options, say, Path(folder))
    others = _others(options, say)
    return _told(console, contenders, bench, others, options)


def _taken(contenders: Sequence[Contender], options: argparse.Namespace, say: Any, folder: Path) -> Bench:
    """The samples."""
    say("the peers' environments ...")
    peers = prepare(sorted({contender.needs for contender in contenders if contender.needs}))
    certificate = str(make_certificate(folder)) if options.tls else ""
    columns, scale = _columns(options), QUICK_SCALE if options.quick else FULL_SCALE
    bench = Bench(contenders, peers, say, scale, columns, certificate, pairs_of(contenders, columns))
    limits = QUICK if options.quick else FULL
    if options.rounds is not None:
        limits = replace(limits, least=options.rounds, rounds=2 * options.rounds)
    if options.seconds is not None:
        limits = replace(limits, seconds=options.seconds)
    if contenders:
        bench.run(limits, {name for goal in GOALS for name in goal.names})
    return bench


def _columns(options: argparse.Namespace) -> list[Column]:
    asked = {"uvloop": options.loop == "uvloop", "TLS": options.tls, "deflate": options.deflate}
    return [COLUMNS[name] for name, wanted in asked.items() if wanted]


def _others(options: argparse.Namespace, say: Any) -> dict[str, Any]:
    """What each group without contenders has found, of those that are wanted."""

    def wanted(group: str) -> bool:
        return group in options.only or (not options.only and not options.wire)

    is_whole = not options.quick or options.only
    rounds = imports.QUICK_ROUNDS if options.quick else imports.ROUNDS
    ways: dict[str, Callable[[], Any]] = {
        memory.GROUP: lambda: memory.measure(quick=options.quick, say=say),
        imports.GROUP: lambda: imports.measure(say, rounds),
        market.GROUP: lambda: market.measure(say),
    }
    if is_whole:
        ways[STORAGE] = lambda: measure(options.rounds or STORAGE_ROUNDS)
        ways[TAPE] = lambda: measure_tape(options.rounds or TAPE_ROUNDS)
    found: dict[str, Any] = {}
    for group, way in ways.items():
        if wanted(group):
            say(f"{group} ...")
            try:
                found[group] = way()
            except Exception as error:  # the samples that were taken before are not lost for that
                say(f"not measured: {group}: {type(error).__name__}: {error}")
    return found


def _told(
    console: Console,
    contenders: Sequence[Contender],
    bench: Bench,
    others: dict[str, Any],
    options: argparse.Namespace,
) -> int:
    versions = _versions()
    console.print(", ".join(f"{name} {number}" for name, number in versions.items()))
    verdicts = verdicts_of(bench, contenders)
    if contenders:
        print_report(console, contenders, bench, _columns(options), absolute=options.absolute)
    if STORAGE in others:
        print_storage(console, others[STORAGE])
    if TAPE in others:
        print_tape(console, others[TAPE])
    if verdicts:
        print_verdicts(console, verdicts)
    for group, title in HELD.items():
        if group in others:
            memory.print_memory(console, others[group], title)
    if options.json:
        results = as_json(contenders, bench, versions)
        results |= {group: memory.judged(others[group]) for group in HELD if group in others}
        results |= {STORAGE: storage_as_json(others[STORAGE])} if STORAGE in others else {}
        results |= {TAPE: tape_as_json(others[TAPE])} if TAPE in others else {}
        text = json.dumps(results, indent=2)
        if options.json == "-":
            print(text)
        else:
            Path(options.json).write_text(text + "\n", "utf-8")
    return 0 if others or bench.all_samples else 1


def _versions() -> dict[str, str]:
    shown = {"python": ".".join(map(str, sys.version_info[:3]))}
    shown |= {name: version(name) for name in ("tapewire", "websockets", "msgspec")}
    locked = {name: versions_in(path.read_text("utf-8")) for name, path in LOCKS.items()}
    return shown | {name: locked[lock][name] for name, lock in PEERS.items()}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Every wire, side by side against peers, in one run."
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="shorter samples of what the targets are about, under three minutes",
    )
    parser.add_argument(
        "--wire", action="append", default=[], metavar="NAME", help=f"one of {', '.join(_WIRES)}; repeatable"
    )
    parser.add_argument(
        "--only", action="append", default=[], metavar="NAME", help="contender, group or package; repeatable"
    )
    parser.add_argument(
        "--loop", choices=("asyncio", "uvloop"), default="asyncio", help="a column under uvloop, too"
    )
    parser.add_argument("--tls", action="store_true", help="a column with TLS, too")
    parser.add_argument("--deflate", action="store_true", help="a column with permessage-deflate, too")
    parser.add_argument(
        "--rounds",
        type=int,
        metavar="N",
        help=f"runs of each (a figure needs {ENOUGH} samples of one clock state)",
    )
    parser.add_argument("--seconds", type=float, metavar="N", help="the longest that samples are taken")
    parser.add_argument("--absolute", action="store_true", help="also this machine's figures")
    parser.add_argument(
        "--json", nargs="?", const="-", metavar="PATH", help="everything as JSON, to PATH or printed"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())

"""`python -m benchmarks`: every contender in one run, ratios at the end. `--help` lists the options; see README.md."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from rich.console import Console

from .contenders import CONTENDERS, GROUPS, Contender
from .peer_environment import LOCK, PeerEnvironment, prepare, versions_in
from .report import as_json, print_report
from .rounds import Bench, Limits
from .storage import GROUP as STORAGE
from .storage import measure, print_storage, storage_as_json

__all__ = ["chosen", "main"]

FULL = Limits(enough=5, rounds=10, seconds=200, patience=2.0)
QUICK = Limits(enough=2, rounds=3, seconds=45, patience=1.0)
QUICK_SCALE = 0.5
STORAGE_ROUNDS, QUICK_STORAGE_ROUNDS = 5, 2


def chosen(only: Sequence[str]) -> list[Contender]:
    """The contenders whose name, group or package is in `only`; all where it is empty. Raises LookupError."""
    if not only:
        return list(CONTENDERS)
    for word in only:
        if not any(word in (contender.name, contender.group, contender.needs) for contender in CONTENDERS):
            names = ", ".join(contender.name for contender in CONTENDERS)
            groups = ", ".join((*GROUPS, STORAGE))
            raise LookupError(f"--only {word}: a group ({groups}) or a contender ({names})")
    return [
        contender
        for contender in CONTENDERS
        if {contender.name, contender.group, contender.needs} & set(only)
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; 0 unless the bench itself is broken."""
    options = _parser().parse_args(arguments)
    console = Console(stderr=options.json == "-", width=None if sys.stdout.isatty() else 120, highlight=False)
    only = [word for word in options.only if word != STORAGE]
    try:
        contenders = [] if options.only and not only else chosen(only)
        if options.quick and not options.only:
            contenders = [contender for contender in contenders if contender.quick]
    except LookupError as error:
        console.print(str(error.args[0]), markup=False)
        return 2
    peers = PeerEnvironment(None, "not asked for")
    if any(contender.needs for contender in contenders):
        console.print("the peers' environment ...")
        peers = prepare()
    limits = QUICK if options.quick else FULL
    if options.rounds is not None:
        limits = Limits(
            enough=options.rounds, rounds=2 * options.rounds, seconds=limits.seconds, patience=2.0
        )
    bench = Bench(contenders, peers, console.print, QUICK_SCALE if options.quick else 1.0)
    if contenders:
        bench.run(limits)
    rates = None
    if not options.only or STORAGE in options.only:
        console.print("storage ...")
        rates = measure(options.rounds or (QUICK_STORAGE_ROUNDS if options.quick else STORAGE_ROUNDS))
    versions = _versions()
    console.print(", ".join(f"{name} {number}" for name, number in versions.items()))
    if contenders:
        print_report(console, contenders, bench, absolute=options.absolute)
    if rates:
        print_storage(console, rates)
    if options.json:
        results = as_json(contenders, bench, versions) | ({STORAGE: storage_as_json(rates)} if rates else {})
        text = json.dumps(results, indent=2)
        if options.json == "-":
            print(text)
        else:
            Path(options.json).write_text(text + "\n", "utf-8")
    return 0 if rates or bench.all_samples else 1


def _versions() -> dict[str, str]:
    peers = versions_in(LOCK.read_text("utf-8"))
    shown = {"python": ".".join(map(str, sys.version_info[:3]))}
    shown |= {name: version(name) for name in ("tapewire", "websockets", "msgspec")}
    return shown | {name: peers[name] for name in ("phoenix-channels-python-client", "stx-python")}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Side by side against peers, in one run."
    )
    parser.add_argument("--quick", action="store_true", help="fewer and shorter samples, under a minute")
    parser.add_argument(
        "--only", action="append", default=[], metavar="NAME", help="contender or group; repeatable"
    )
    parser.add_argument("--rounds", type=int, metavar="N", help="samples that count, for each contender")
    parser.add_argument("--absolute", action="store_true", help="also this machine's figures")
    parser.add_argument(
        "--json", nargs="?", const="-", metavar="PATH", help="everything as JSON, to PATH or printed"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())

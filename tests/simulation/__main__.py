"""Many seeds of the simulation: `python -m tests.simulation --wire centrifugo --seed 1234 --trace`."""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import os
import re
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from types import FrameType

SEEDS = 10_000
CHUNK = 20
MARKET_SHARE = 50
"""A market's seed is ten minutes: so many times fewer of them."""

SECONDS_A_SEED = 20
"""Of real time, beyond which a seed is given up: something never returns to the event loop."""


class _TooLong(BaseException):
    pass


def _seconds_of(wire: str) -> int:
    from tests.simulation.markets import MARKETS

    return SECONDS_A_SEED * (20 if wire in MARKETS else 1)


def _one(wire: str, seed: int) -> list[tuple[str, str]]:
    from tests.simulation.play import play

    where = ""

    def give_up(number: int, frame: FrameType | None) -> None:
        nonlocal where
        while not where and frame is not None:  # the innermost place in the engine
            code = frame.f_code
            if "src/tapewire" in code.co_filename:
                where = f"{code.co_filename.rpartition('tapewire/')[2]}:{frame.f_lineno} {code.co_name}"
            frame = frame.f_back
        raise _TooLong

    signal.signal(signal.SIGALRM, give_up)
    # Again and again: the first one may end in a place that takes any exception for a user's.
    signal.setitimer(signal.ITIMER_REAL, _seconds_of(wire), 0.5)
    try:
        world = play(wire, seed)
    except _TooLong:
        return [("endless", f"it takes more than {_seconds_of(wire)} s of real time, in {where}")]
    except BaseException as error:
        return [("simulator", f"{type(error).__name__}: {error}")]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return [(complaint.kind, complaint.text) for complaint in world.complaints]


def _start_worker() -> None:
    import tests.simulation.play  # noqa: F401

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.collect()
    gc.freeze()


def _chunk(job: tuple[str, int, int]) -> list[tuple[str, int, list[tuple[str, str]]]]:
    wire, first, end = job
    return [(wire, seed, _one(wire, seed)) for seed in range(first, end)]


def _jobs(wires: list[str], first: int, count: int) -> Iterator[tuple[str, int, int]]:
    from tests.simulation.markets import MARKETS

    ends = {wire: first + (-(-count // MARKET_SHARE) if wire in MARKETS else count) for wire in wires}
    for start in range(first, first + count, CHUNK):
        for wire in wires:
            end = min(start + CHUNK, ends[wire])
            if wire in MARKETS:  # each of which is long
                yield from ((wire, seed, seed + 1) for seed in range(start, end))
            elif start < end:
                yield wire, start, end


def _trace(wire: str, seed: int) -> int:
    from tests.simulation.play import play

    world = play(wire, seed)
    for at, text in world.trace:
        print(f"{at:10.3f}  {text}")
    print(
        "\n".join(f"{complaint.at:10.3f}  {complaint}" for complaint in world.complaints)
        or "nothing is wrong"
    )
    return bool(world.complaints)


def _parser(wires: list[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make simulate ARGS=", description=__doc__)
    parser.add_argument("--wire", action="append", choices=wires, help="only this one (may be repeated)")
    parser.add_argument(
        "--seeds",
        type=int,
        default=SEEDS,
        help=f"how many of each wire ({SEEDS}), and one for {MARKET_SHARE} of each market",
    )
    parser.add_argument("--first", type=int, default=1, help="the first of them (1)")
    parser.add_argument("--seed", type=int, help="only this one")
    parser.add_argument("--trace", action="store_true", help="with --seed: what happened, step by step")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (all cores)")
    parser.add_argument("--quiet", action="store_true", help="no progress")
    parser.add_argument(
        "--all", action="store_true", help="name every failing seed, not the first of each kind"
    )
    parser.add_argument("--until", metavar="KIND[|KIND]", help="stop once a seed complains of this first")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Returns 1 if any seed failed, 130 after Ctrl-C."""
    from tests.simulation.markets import MARKETS
    from tests.simulation.venues import WIRES

    options = _parser([*WIRES, *MARKETS]).parse_args(arguments)
    wires = options.wire or [*WIRES, *MARKETS]
    if options.seed is not None:
        if options.trace:
            return max(_trace(wire, options.seed) for wire in wires)
        options.first, options.seeds = options.seed, 1
    tally = _Tally(every=options.all, quiet=options.quiet)
    jobs = list(_jobs(wires, options.first, options.seeds))
    interrupted = False
    with multiprocessing.get_context("fork").Pool(min(options.jobs, len(jobs)), _start_worker) as pool:
        try:
            for results in pool.imap_unordered(_chunk, jobs):
                for wire, seed, complaints in results:
                    tally.add(wire, seed, complaints)
                tally.tell_progress()
                if options.until and not tally.kinds.isdisjoint(options.until.split("|")):
                    break
        except KeyboardInterrupt:
            interrupted = True
            pool.terminate()
    tally.sum_up(interrupted)
    return 130 if interrupted else int(tally.failed > 0)


class _Tally:
    """What came of the seeds, told as it comes. A failing seed is known by its first complaint, without its numbers."""

    def __init__(self, *, every: bool, quiet: bool) -> None:
        self.failed = 0
        self.kinds: set[str] = set()
        self._every, self._quiet = every, quiet
        self._done: Counter[str] = Counter()
        self._kinds: dict[tuple[str, str], list[int]] = {}
        self._began = self._told = time.monotonic()

    def add(self, wire: str, seed: int, complaints: list[tuple[str, str]]) -> None:
        self._done[wire] += 1
        if complaints:
            kind, text = complaints[0]
            self.failed += 1
            self.kinds.add(kind)
            seeds = self._kinds.setdefault((wire, signature(f"{kind}: {text}")), [])
            seeds.append(seed)
            if self._every or len(seeds) == 1:
                print(f'make simulate ARGS="--wire {wire} --seed {seed}"  {kind}: {text}', flush=True)

    def tell_progress(self) -> None:
        now = time.monotonic()
        if not self._quiet and now - self._told > 5:
            self._told, count = now, self._done.total()
            print(
                f"... {count} seeds, {self.failed} failed, {count / (now - self._began):.0f} seeds/s",
                flush=True,
            )

    def sum_up(self, interrupted: bool) -> None:
        seconds = time.monotonic() - self._began
        for (wire, kind), seeds in sorted(self._kinds.items(), key=lambda known: -len(known[1])):
            print(f"{len(seeds):6} {wire}: {kind}  (seeds {', '.join(map(str, sorted(seeds)[:5]))})")
        verdict = "interrupted" if interrupted else "failed" if self.failed else "passed"
        spread = ", ".join(f"{wire} {count}" for wire, count in self._done.items())
        rate = self._done.total() / seconds
        print(f"{verdict}: {spread}; {self.failed} failed; {rate:.0f} seeds/s in {seconds:.0f} s", flush=True)


def signature(text: str) -> str:
    """A complaint without what differs from seed to seed."""
    text = re.sub(r"[abc]#\d+( \([^)]*\))?", "X", text)
    text = re.sub(r"\b(topic|of|on|history|handler) [abc]\b", r"\1 T", text)
    text = re.sub(r"\bwhen=[\d.]+|0x[0-9a-f]+|\w+\('simulated'\)|^session \d", "_", text)
    return re.sub(r"\d+(\.\d+)?", "N", text)[:130]


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":  # the order of sets of text is part of the schedule
        os.execve(
            sys.executable,
            [sys.executable, "-m", "tests.simulation", *sys.argv[1:]],
            {**os.environ, "PYTHONHASHSEED": "0"},
        )
    sys.exit(main())

"""Many seeds of the simulation: `python -m tests.simulation --wire centrifugo --seed 1234 --trace`."""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator

SEEDS = 10_000
CHUNK = 20
SECONDS_A_SEED = 20
"""Of real time, beyond which a seed is given up: something never returns to the event loop."""


class _TooLong(BaseException):
    pass


def _one(wire: str, seed: int) -> list[tuple[str, str]]:
    from tests.simulation.play import play

    def give_up(number: int, frame: object) -> None:
        raise _TooLong

    signal.signal(signal.SIGALRM, give_up)
    signal.alarm(SECONDS_A_SEED)
    try:
        world = play(wire, seed)
    except _TooLong:
        return [("endless", f"no turn of the event loop within {SECONDS_A_SEED} s")]
    except BaseException as error:
        return [("simulator", f"{type(error).__name__}: {error}")]
    finally:
        signal.alarm(0)
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
    for start in range(first, first + count, CHUNK):
        for wire in wires:
            yield wire, start, min(start + CHUNK, first + count)


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
    parser.add_argument("--seeds", type=int, default=SEEDS, help=f"how many of each wire ({SEEDS})")
    parser.add_argument("--first", type=int, default=1, help="the first of them (1)")
    parser.add_argument("--seed", type=int, help="only this one")
    parser.add_argument("--trace", action="store_true", help="with --seed: what happened, step by step")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (all cores)")
    parser.add_argument("--quiet", action="store_true", help="no progress")
    parser.add_argument(
        "--all", action="store_true", help="name every failing seed, not the first of each kind"
    )
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Returns 1 if any seed failed, 130 after Ctrl-C."""
    from tests.simulation.venues import WIRES

    options = _parser(list(WIRES)).parse_args(arguments)
    wires = options.wire or list(WIRES)
    if options.seed is not None:
        if options.trace:
            return max(_trace(wire, options.seed) for wire in wires)
        options.first, options.seeds = options.seed, 1
    failed: Counter[tuple[str, str]] = Counter()
    done = Counter[str]()
    seeds_failed = 0
    began = told = time.monotonic()
    jobs = list(_jobs(wires, options.first, options.seeds))
    interrupted = False
    with multiprocessing.get_context("fork").Pool(min(options.jobs, len(jobs)), _start_worker) as pool:
        try:
            for results in pool.imap_unordered(_chunk, jobs):
                for wire, seed, complaints in results:
                    done[wire] += 1
                    seeds_failed += bool(complaints)
                    if complaints:
                        kind, text = complaints[0]
                        failed[wire, kind] += 1
                        if options.all or failed[wire, kind] <= 3:
                            print(
                                f'make simulate ARGS="--wire {wire} --seed {seed}"  {kind}: {text}',
                                flush=True,
                            )
                if not options.quiet and time.monotonic() - told > 5:
                    told = time.monotonic()
                    rate = done.total() / (told - began)
                    print(f"... {done.total()} seeds, {seeds_failed} failed, {rate:.0f} seeds/s", flush=True)
        except KeyboardInterrupt:
            interrupted = True
            pool.terminate()
    seconds = time.monotonic() - began
    for (wire, kind), count in failed.most_common():
        print(f"{count:6} {wire}: {kind}")
    verdict = "interrupted" if interrupted else "failed" if seeds_failed else "passed"
    spread = ", ".join(f"{wire} {count}" for wire, count in done.items())
    print(
        f"{verdict}: {spread}; {seeds_failed} failed; {done.total() / seconds:.0f} seeds/s in {seconds:.0f} s"
    )
    return 130 if interrupted else int(seeds_failed > 0)


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":  # the order of sets of text is part of the schedule
        os.execve(
            sys.executable,
            [sys.executable, "-m", "tests.simulation", *sys.argv[1:]],
            {**os.environ, "PYTHONHASHSEED": "0"},
        )
    sys.exit(main())

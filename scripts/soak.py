"""The demo over and over, each round with another seed, in one process: `make soak ARGS="--minutes 30"`.

`make soak ARGS="--rounds 20 --seconds 6 --busy 2"` shows that it is honest beside busy neighbours, too.

A round is honest or the soak fails: every missing message inside a marked gap, every gap traced to a fault that was
ordered, nothing twice, the books equal to the exchange's. Between rounds the process must be as it was: no task, no
file descriptor, and no memory that grows. What a first few rounds load and cache is not growth.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from tapewire.app.demo import DemoReport, run_demo
from tapewire.venues import VENUES

WARM_ROUNDS = 2
GROWTH = 0.25
"""How much more memory than after the warm rounds is growth, as a share."""


@contextmanager
def busy_neighbours(count: int) -> Iterator[list[int]]:
    """So many processes that do nothing but burn time beside this one; their ids. They end with the block."""
    burning = (
        f"import os\nwhile os.getppid() == {os.getpid()}: pass"  # and with their parent, however that ends
    )
    neighbours = [subprocess.Popen([sys.executable, "-c", burning]) for _ in range(count)]
    try:
        yield [neighbour.pid for neighbour in neighbours]
    finally:
        for neighbour in neighbours:
            neighbour.kill()
        for neighbour in neighbours:
            neighbour.wait()


class Footprint(msgspec.Struct, frozen=True):
    """What a process holds on to between two rounds."""

    allocated: int
    tasks: int
    descriptors: int

    @classmethod
    def now(cls) -> Footprint:
        """Of this process; call it inside its event loop."""
        gc.collect()
        descriptors = Path("/proc/self/fd")
        return cls(
            tracemalloc.get_traced_memory()[0],
            len(asyncio.all_tasks()),
            len(list(descriptors.iterdir())) if descriptors.exists() else 0,
        )

    def growth_to(self, later: Footprint) -> list[str]:
        """What is more than it was, in words."""
        found = []
        if later.allocated > self.allocated * (1 + GROWTH):
            found.append(f"memory grew from {self.allocated >> 10} to {later.allocated >> 10} KiB")
        if later.tasks > self.tasks:
            found.append(f"tasks grew from {self.tasks} to {later.tasks}")
        if later.descriptors > self.descriptors:
            found.append(f"file descriptors grew from {self.descriptors} to {later.descriptors}")
        return found


async def soak(
    venues: Sequence[str],
    *,
    rounds: int | None = None,
    minutes: float = 10.0,
    seconds: float = 20.0,
    seed: int = 1,
    say: Callable[[str], None] = print,
) -> list[str]:
    """Run rounds until the minutes or the rounds are over; returns what was wrong, in words."""
    problems: list[str] = []
    warm: Footprint | None = None
    until = time.monotonic() + minutes * 60
    number = 0
    while (rounds is None or number < rounds) and (time.monotonic() < until):
        report = await run_demo(venues, seconds=seconds, seed=seed + number)
        number += 1
        wrong = _findings(report)
        # Until its next turn the loop holds the last tasks of a round, a thread its last call, and they all of it.
        await asyncio.sleep(0.1)
        footprint = Footprint.now()
        if number == WARM_ROUNDS:
            warm = footprint
        elif warm is not None:
            wrong += warm.growth_to(footprint)
        problems += [f"round {number} (seed {seed + number - 1}): {each}" for each in wrong]
        say(_line(number, report, footprint) + "".join(f"\n  {each}" for each in wrong))
    return problems


def _findings(report: DemoReport) -> list[str]:
    if report.honest:
        return []
    found = [
        f"{stream.venue} {stream.stream}: {each}" for stream in report.streams for each in stream.findings
    ]
    return found + list(report.problems) or ["the streams were not honest"]


def _line(number: int, report: DemoReport, footprint: Footprint) -> str:
    published = sum(stream.published for stream in report.streams)
    unexplained = sum(stream.unexplained for stream in report.streams)
    return (
        f"round {number}: {published} published, {len(report.faults)} faults, {report.reconnections} reconnections, "
        f"{unexplained} unexplained losses; {footprint.allocated >> 10} KiB, {footprint.tasks} tasks, "
        f"{footprint.descriptors} descriptors"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """0 if every round was honest and nothing grew."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10.0, help="no round begins after them (default 10)")
    parser.add_argument("--rounds", type=int, help="at most so many rounds (default: as the minutes allow)")
    parser.add_argument("--seconds", type=float, default=20.0, help="of a round (default 20)")
    parser.add_argument("--seed", type=int, default=1, help="of the first round (default 1)")
    parser.add_argument(
        "--busy", type=int, default=0, help="so many processes burn time beside it (default 0)"
    )
    parser.add_argument("--venue", action="append", choices=list(VENUES), help="only this one; repeatable")
    options = parser.parse_args(arguments)
    tracemalloc.start()
    try:
        with busy_neighbours(options.busy):
            problems = asyncio.run(
                soak(
                    options.venue or list(VENUES),
                    rounds=options.rounds,
                    minutes=options.minutes,
                    seconds=options.seconds,
                    seed=options.seed,
                    say=lambda line: print(line, flush=True),
                )
            )
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    print(f"{len(problems)} problems" if problems else "nothing was lost in silence, and nothing grew")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())

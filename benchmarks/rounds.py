"""Takes the samples: one server for the run, one process a sample, the contenders in turn, round after round.

In turn, so that whatever the machine does falls on all of them alike. A contender that fails is named with its
reason and left out from then on; the others go on.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from .contenders import Contender
from .meter import WARM, calibrate
from .method import TOLERANCE, Sample, best_calibration, kept, percentile
from .peer_environment import PeerEnvironment
from .server import Plan

__all__ = ["COLUMNS", "Bench", "Column", "Limits", "ServerProcess"]

ROOT = Path(__file__).parent.parent
SAMPLE_SECONDS = 40.0
CALIBRATING = 1.5
"""Seconds at the beginning in which the clock's fast state is looked for."""

BURST_PAUSE = 0.4
"""Seconds between the joins and a burst, so that its beginning is seen."""


@dataclass(frozen=True)
class Column:
    """What differs from the plain measurement."""

    name: str = ""
    loop: str = "asyncio"
    tls: bool = False
    deflate: bool = False


COLUMNS: Mapping[str, Column] = {
    column.name: column
    for column in (
        Column(),
        Column("uvloop", loop="uvloop"),
        Column("TLS", tls=True),
        Column("deflate", deflate=True),
    )
}


@dataclass(frozen=True)
class Limits:
    """When to stop: each contender has `enough` samples that count, or `rounds` are over, or `seconds` are.

    `patience`: seconds that a sample waits for the clock's fast state. `repeat`: samples that one process takes.
    """

    enough: int
    rounds: int
    seconds: float
    patience: float
    repeat: int = 1


class ServerProcess:
    """`benchmarks.server` in a process of its own, while it is entered."""

    def __init__(self, certificate: str = "") -> None:
        self._certificate = certificate

    def __enter__(self) -> Self:
        arguments = [self._certificate] if self._certificate else []
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.server", *arguments],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.port = int(self._told())
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def expect(self, contender: Contender, count: int, column: Column = COLUMNS[""]) -> None:
        """What the next connection gets."""
        plan = Plan(
            wire=contender.wire,
            joins=contender.joins,
            count=count if contender.sends else 0,
            rate=contender.rate,
            pause=BURST_PAUSE if contender.is_burst else 0.0,
            topics=contender.topics,
            deflate=column.deflate,
        )
        self._ask(json.dumps(asdict(plan)))

    def sent(self) -> list[int]:
        """When each of the last paced messages went out."""
        answer: list[int] = json.loads(self._ask("sent"))
        return answer

    def _ask(self, line: str) -> str:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return self._told()

    def _told(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the blast server ended")
        return line.strip()


class Bench:
    """One run. `samples` by contender and column, and `skipped` reasons, fill up while it goes."""

    def __init__(
        self,
        contenders: Sequence[Contender],
        peers: PeerEnvironment,
        say: Callable[[str], None],
        scale: float = 1.0,
        columns: Sequence[Column] = (),
        certificate: str = "",
    ) -> None:
        self.samples: dict[str, list[Sample]] = {}
        self.skipped: dict[str, str] = {}
        self._peers = peers
        self._say = say
        self._scale = scale
        self._certificate = certificate
        self._wanted: list[tuple[str, Contender, Column]] = []
        self._calibrated = float("inf")
        for contender in contenders:
            wanted = (COLUMNS[""], *(columns if contender.columns else ()))
            for column in wanted:
                name = f"{contender.name}+{column.name}" if column.name else contender.name
                self.samples[name] = []
                if contender.needs and contender.needs not in peers.pythons:
                    self.skipped[name] = peers.reasons.get(contender.needs, "it is in no lock")
                else:
                    self._wanted.append((name, contender, column))

    @property
    def best(self) -> float:
        """The fastest calibration seen in this run."""
        return best_calibration(self.all_samples, self._calibrated)

    @property
    def all_samples(self) -> list[Sample]:
        """Of every contender."""
        return [sample for taken in self.samples.values() for sample in taken]

    def run(self, limits: Limits) -> None:
        """Take samples until the limits."""
        begun = time.monotonic()
        while time.monotonic() - begun < CALIBRATING:
            self._calibrated = min(self._calibrated, calibrate())
            time.sleep(0.02)
        with ServerProcess() as plain, contextlib.ExitStack() as stack:
            secret = stack.enter_context(ServerProcess(self._certificate)) if self._certificate else plain
            for number in range(1, limits.rounds + 1):
                waiting = [each for each in self._wanted if self._wants(each[0], limits.enough)]
                if not waiting:
                    return
                self._say(
                    f"round {number}: {len(waiting)} contenders, {time.monotonic() - begun:.0f} s so far"
                )
                for name, contender, column in waiting:
                    if time.monotonic() - begun > limits.seconds:
                        self._say(f"{limits.seconds:.0f} s are over: what there is must do")
                        return
                    self._sample(secret if column.tls else plain, name, contender, column, limits)

    def _wants(self, name: str, enough: int) -> bool:
        taken = self.samples[name]
        if name in self.skipped:
            return False
        return not taken or len(kept(taken, self.best)) < enough

    def _sample(
        self, server: ServerProcess, name: str, contender: Contender, column: Column, limits: Limits
    ) -> None:
        count = contender.messages
        if contender.group not in ("burst", "channels", "awaited"):
            count = max(200, int(count * self._scale))
        if contender.networked:
            server.expect(contender, count, column)
        python = self._peers.pythons[contender.needs] if contender.needs else sys.executable
        # The server keeps one paced sending; and channels by the thousand take long.
        repeat = 1 if contender.is_paced or not contender.sends else limits.repeat
        order = {
            "name": contender.name,
            "port": server.port,
            "count": count,
            "speed": self.best * TOLERANCE,
            "patience": limits.patience,
            "repeat": repeat,
            "loop": column.loop,
            "certificate": self._certificate if column.tls else "",
            "deflate": column.deflate,
        }
        command = [str(python), "-m", "benchmarks.client", json.dumps(order)]
        try:
            done = subprocess.run(
                command, cwd=ROOT, capture_output=True, text=True, timeout=SAMPLE_SECONDS * repeat, check=True
            )
            self.samples[name] += [_sample_of(text, server) for text in done.stdout.splitlines()]
        except (subprocess.SubprocessError, ValueError, IndexError) as error:
            said = str(getattr(error, "stderr", None) or error).strip().splitlines()
            self.skipped[name] = f"failed: {said[-1][:200] if said else type(error).__name__}"
            self._say(f"  {name}: {self.skipped[name]}")


def _sample_of(text: str, server: ServerProcess) -> Sample:
    """Raises ValueError where nothing reached the user."""
    measured = json.loads(text)
    stamps = measured.pop("stamps", None)
    if not measured["seconds"]:
        raise ValueError("no message reached its user")
    if stamps is not None:
        measured |= latencies(server.sent(), stamps)
    return Sample(**measured)


def latencies(sent: Sequence[int], received: Sequence[int]) -> dict[str, Any]:
    """Median and 99th percentile, in microseconds, of what was sent and received in the same order; pure.

    The first 5 % are left out. Nothing where messages were lost: nobody knows then which is which.
    """
    if len(sent) != len(received):
        return {}
    warm = max(1, int(len(sent) * WARM))
    late = [(there - here) / 1000 for here, there in zip(sent[warm:], received[warm:], strict=True)]
    return {"p50": percentile(late, 50), "p99": percentile(late, 99)}

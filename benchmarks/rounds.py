"""Takes the samples: one server for the run, a process for each run of a contender, in turn, round after round.

In turn, so that whatever the machine does falls on all of them alike. A contender that fails is named with its
reason and left out from then on; the others go on.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Self

from .contenders import Contender
from .meter import Part, cuts
from .method import ENOUGH, Sample, best_calibration, compared, percentile, sample_of
from .peer_environment import PeerEnvironment
from .processes import ROOT, environment
from .server import Plan

__all__ = ["COLUMNS", "Bench", "Column", "Limits", "Pair", "ServerProcess", "column_of", "latencies"]

RUN_SECONDS = 40.0


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


Pair = tuple[str, str, str]
"""Two contenders whose ratio is asked for, and of which figure."""


def column_of(name: str, column: Column) -> str:
    """How a contender's samples in a column are called."""
    return f"{name}+{column.name}" if column.name else name


@dataclass(frozen=True)
class Limits:
    """Each contender runs `least` times, then those of whose ratios one has no state with enough samples go on.

    No longer than `rounds`, or than `seconds`. `repeat`: how often one process runs its contender each time.
    """

    least: int
    rounds: int
    seconds: float
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
            env=environment(),
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
            pause=contender.pause,
            asked=contender.asks,
            topics=contender.topics,
            deflate=column.deflate,
        )
        self._ask(json.dumps(asdict(plan)))

    def sent(self) -> list[list[int]]:
        """When each of the paced messages went out, connection by connection since what is expected was said."""
        answer: list[list[int]] = json.loads(self._ask("sent"))
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
        pairs: Sequence[Pair] = (),
    ) -> None:
        self.samples: dict[str, list[Sample]] = {}
        self.skipped: dict[str, str] = {}
        self._peers = peers
        self._say = say
        self._scale = scale
        self._certificate = certificate
        self._pairs = pairs
        self._runs: dict[str, int] = {}
        self._wanted: list[tuple[str, Contender, Column]] = []
        for contender in contenders:
            wanted = (COLUMNS[""], *(columns if contender.columns else ()))
            for column in wanted:
                name = column_of(contender.name, column)
                self.samples[name], self._runs[name] = [], 0
                if contender.needs and contender.needs not in peers.pythons:
                    self.skipped[name] = peers.reasons.get(contender.needs, "it is in no lock")
                else:
                    self._wanted.append((name, contender, column))

    @property
    def best(self) -> float:
        """The fastest calibration seen in this run."""
        return best_calibration(self.all_samples)

    @property
    def all_samples(self) -> list[Sample]:
        """Of every contender."""
        return [sample for taken in self.samples.values() for sample in taken]

    def run(self, limits: Limits, first: Collection[str] = ()) -> None:
        """Take samples until the limits: of those that are named `first` before all others, for two thirds of the time.

        So a machine too busy for everything has figures of what matters most.
        """
        begun = time.monotonic()
        with ServerProcess() as plain, contextlib.ExitStack() as stack:
            secret = stack.enter_context(ServerProcess(self._certificate)) if self._certificate else plain
            for names, until in ((first, limits.seconds * 2 / 3), (self.samples, limits.seconds)):
                self._rounds(limits, names, begun, until, lambda column: secret if column.tls else plain)

    def _rounds(
        self,
        limits: Limits,
        names: Collection[str],
        begun: float,
        until: float,
        server_of: Callable[[Column], ServerProcess],
    ) -> None:
        for number in range(1, limits.rounds + 1):
            open_ = self._open()
            waiting = [
                each
                for each in self._wanted
                if each[0] in names
                and each[0] not in self.skipped
                and (self._runs[each[0]] < limits.least or each[0] in open_)
            ]
            if not waiting:
                return
            spent = time.monotonic() - begun
            self._say(f"round {number}: {len(waiting)} contenders, {spent:.0f} s so far")
            for name, contender, column in waiting:
                if time.monotonic() - begun > until:
                    self._say(f"{until:.0f} s are over: what there is must do")
                    return
                self._run(server_of(column), name, contender, column, limits)

    def _open(self) -> set[str]:
        """Whose ratio to another cannot be told yet."""
        best = self.best
        return {
            name
            for over, under, field in self._pairs
            if compared(self.samples.get(over, ()), self.samples.get(under, ()), best, field) is None
            and over not in self.skipped
            and under not in self.skipped
            for name in (over, under)
        }

    def _run(
        self, server: ServerProcess, name: str, contender: Contender, column: Column, limits: Limits
    ) -> None:
        count = contender.messages
        if contender.group not in ("burst", "channels"):
            count = max(200, int(count * self._scale))
        if contender.networked:
            server.expect(contender, count, column)
        repeat = limits.repeat if contender.sends and not contender.is_burst else min(limits.repeat, ENOUGH)
        python = self._peers.pythons[contender.needs] if contender.needs else sys.executable
        order = {
            "name": contender.name,
            "port": server.port,
            "count": count,
            "repeat": repeat,
            "loop": column.loop,
            "certificate": self._certificate if column.tls else "",
            "deflate": column.deflate,
        }
        command = [str(python), "-m", "benchmarks.client", json.dumps(order)]
        try:
            done = subprocess.run(
                command,
                cwd=ROOT,
                env=environment(),
                capture_output=True,
                text=True,
                timeout=RUN_SECONDS * repeat,
                check=True,
            )
            sent = server.sent() if contender.is_paced else []
            for number, text in enumerate(done.stdout.splitlines()):
                late = sent[number] if contender.is_paced else []
                self.samples[name].append(_sample_of(contender, text, late))
            self._runs[name] += 1
        except (subprocess.SubprocessError, ValueError, IndexError) as error:
            said = str(getattr(error, "stderr", None) or error).strip().splitlines()
            self.skipped[name] = f"failed: {said[-1][:200] if said else type(error).__name__}"
            self._say(f"  {name}: {self.skipped[name]}")


def _sample_of(contender: Contender, text: str, sent: Sequence[int]) -> Sample:
    """Raises ValueError where nothing reached the user."""
    measured = json.loads(text)
    parts = [Part(**part) for part in measured["parts"]]
    if not parts:
        raise ValueError("no message reached its user")
    late = latencies(sent, measured["stamps"]) if contender.is_paced else {}
    return sample_of(contender.name, parts, lost=measured["lost"], p50=late.get("p50"), p99=late.get("p99"))


def latencies(sent: Sequence[int], received: Sequence[int]) -> dict[str, float]:
    """Median and 99th percentile, in microseconds, of what was sent and received in the same order; pure.

    What comes before the first cut is left out. Nothing where messages were lost: nobody knows then which is which.
    """
    if len(sent) != len(received) or not sent:
        return {}
    warm = cuts(len(sent))[0]
    late = [(there - here) / 1000 for here, there in zip(sent[warm:], received[warm:], strict=True)]
    return {"p50": percentile(late, 50), "p99": percentile(late, 99)}

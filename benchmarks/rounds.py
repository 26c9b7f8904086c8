"""Takes the samples: one server for the run, one process a sample, the contenders in turn, round after round.

In turn, so that whatever the machine does falls on all of them alike. A contender that fails is named with its
reason and left out from then on; the others go on.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

from .contenders import RATE, Contender
from .meter import calibrate
from .method import TOLERANCE, Sample, best_calibration, kept
from .peer_environment import PeerEnvironment

__all__ = ["Bench", "Limits", "ServerProcess"]

ROOT = Path(__file__).parent.parent
SAMPLE_SECONDS = 30.0
CALIBRATING = 1.5
"""Seconds at the beginning in which the clock's fast state is looked for."""


class Limits:
    """When to stop: each contender has `enough` samples that count, or `rounds` are over, or `seconds` are.

    `patience`: seconds that a sample waits for the clock's fast state.
    """

    def __init__(self, *, enough: int, rounds: int, seconds: float, patience: float) -> None:
        self.enough, self.rounds, self.seconds, self.patience = enough, rounds, seconds, patience


class ServerProcess:
    """`benchmarks.server` in a process of its own, while it is entered."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.server"],
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

    def expect(self, contender: Contender, count: int) -> None:
        """What the next connection gets."""
        plan = {
            "joins": contender.joins,
            "count": count,
            "rate": RATE if contender.paced else None,
            "pushes": contender.pushes,
        }
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(plan) + "\n")
        self._process.stdin.flush()
        self._told()

    def _told(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the blast server ended")
        return line.strip()


class Bench:
    """One run. `samples` by contender and `skipped` reasons fill up while it goes."""

    def __init__(
        self,
        contenders: Sequence[Contender],
        peers: PeerEnvironment,
        say: Callable[[str], None],
        scale: float = 1.0,
    ) -> None:
        self.samples: dict[str, list[Sample]] = {contender.name: [] for contender in contenders}
        self.skipped: dict[str, str] = {}
        self._peers = peers
        self._say = say
        self._scale = scale
        for contender in contenders:
            if contender.needs and peers.python is None:
                self.skipped[contender.name] = peers.reason
        self._contenders = [contender for contender in contenders if contender.name not in self.skipped]

        self._calibrated = float("inf")

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
        with ServerProcess() as server:
            for number in range(1, limits.rounds + 1):
                waiting = [
                    contender for contender in self._contenders if self._wants(contender, limits.enough)
                ]
                if not waiting:
                    return
                self._say(
                    f"round {number}: {len(waiting)} contenders, {time.monotonic() - begun:.0f} s so far"
                )
                for contender in waiting:
                    if time.monotonic() - begun > limits.seconds:
                        self._say(f"{limits.seconds:.0f} s are over: what there is must do")
                        return
                    self._sample(server, contender, limits.patience)

    def _wants(self, contender: Contender, enough: int) -> bool:
        taken = self.samples[contender.name]
        if contender.name in self.skipped:
            return False
        return not taken or len(kept(taken, best_calibration(self.all_samples))) < enough

    def _sample(self, server: ServerProcess, contender: Contender, patience: float) -> None:
        count = max(100, int(contender.messages * self._scale))
        server.expect(contender, count)
        python = str(self._peers.python) if contender.needs else sys.executable
        command = [python, "-m", "benchmarks.client", contender.name, str(server.port), str(count)]
        command += [str(self.best * TOLERANCE), str(patience)]
        try:
            done = subprocess.run(
                command, cwd=ROOT, capture_output=True, text=True, timeout=SAMPLE_SECONDS, check=True
            )
            sample = Sample(**json.loads(done.stdout.splitlines()[-1]))
            if not sample.seconds:
                raise ValueError("no message reached its user")
        except (subprocess.SubprocessError, ValueError, IndexError) as error:
            said = str(getattr(error, "stderr", None) or error).strip().splitlines()
            self.skipped[contender.name] = f"failed: {said[-1][:200] if said else type(error).__name__}"
            self._say(f"  {contender.name}: {self.skipped[contender.name]}")
            return
        self.samples[contender.name].append(sample)

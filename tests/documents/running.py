"""Programs run as a user runs them: each in a process of its own, against one sandbox in another.

`played_venue()` starts `tapewire sandbox`; `Program` runs Python and waits for lines it must print. Nothing sleeps:
what is waited for has a deadline, and every process is ended by its own id.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Self

DEADLINE = 20.0  # seconds; far beyond what is needed on an idle machine
RATE = 60


class Program:
    """`python *arguments` with nothing in its environment but what is given. Use it as a context manager."""

    def __init__(self, arguments: Sequence[str | Path], environment: Mapping[str, str], home: Path) -> None:
        self.output = ""
        self.errors = ""
        self._grown = threading.Condition()
        self._open_pipes = 2
        self._process = subprocess.Popen(
            [sys.executable, "-W", "error", *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=home,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(home),
                "PYTHONUNBUFFERED": "1",
                "PYTHONIOENCODING": "utf-8",
                **environment,
            },
            encoding="utf-8",
        )
        self._readers = [
            threading.Thread(target=self._read, args=(name, pipe), daemon=True)
            for name, pipe in (("output", self._process.stdout), ("errors", self._process.stderr))
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, name: str, pipe: IO[str]) -> None:
        for line in pipe:
            with self._grown:
                setattr(self, name, getattr(self, name) + line)
                self._grown.notify_all()
        with self._grown:
            self._open_pipes -= 1
            self._grown.notify_all()

    def wait_for(self, *patterns: str, in_errors: bool = False, seconds: float = DEADLINE) -> None:
        """Wait until every pattern occurs in what it has printed. Fails at the deadline, or when it has ended."""
        deadline = time.monotonic() + seconds
        with self._grown:
            while True:
                said = self.errors if in_errors else self.output
                missing = [pattern for pattern in patterns if not re.search(pattern, said, re.MULTILINE)]
                if not missing:
                    return
                left = deadline - time.monotonic()
                if not self._open_pipes or left <= 0 or not self._grown.wait(left):
                    ended = "ended" if not self._open_pipes else "timed out"
                    said = f"--- stdout\n{self.output[-4000:]}\n--- stderr\n{self.errors[-4000:]}"
                    raise AssertionError(f"{ended} without {missing}\n{said}")

    def wait(self, seconds: float = DEADLINE) -> int:
        """Wait until it ends by itself; returns its exit status."""
        status = self._process.wait(seconds)
        for reader in self._readers:
            reader.join(seconds)
        return status

    def interrupt(self, seconds: float = DEADLINE) -> int:
        """Ctrl-C, then wait for its end; returns its exit status."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        return self.wait(seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self.wait()
        for pipe in (self._process.stdout, self._process.stderr):
            assert pipe is not None
            pipe.close()


@contextmanager
def played_venue(home: Path, venue: str = "stx", *options: str) -> Iterator[dict[str, str]]:
    """A sandbox in a process of its own; yields the environment that leads programs to it."""
    arguments = ["-m", "tapewire", "sandbox", "--port", "0", "--rate", str(RATE), "--venue", venue, "--env"]
    arguments += options
    with Program(arguments, {}, home) as sandbox:
        sandbox.wait_for(r"TAPEWIRE_SANDBOX_TOKEN=.+\n")
        yield dict(word.split("=", 1) for word in shlex.split(sandbox.output, comments=True) if "=" in word)
        sandbox.interrupt()

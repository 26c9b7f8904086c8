"""A pseudo-terminal of a given size, and a process in it: what people see, and the keys they press."""

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

ESCAPE = re.compile(r"\x1b(?:\[[0-9;?]*[A-Za-z]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[()][A-Z0-9]|[=>78M])")


class Terminal:
    """`text`: all that came so far. `wait_for(what)` reads on until it is there."""

    def __init__(self, command, *, columns=80, rows=24, env=None):
        self._master, slave = pty.openpty()
        self.resize(columns, rows)
        self.before = termios.tcgetattr(slave)
        self._slave = slave  # held open, so that its modes can be looked at when the process is over
        self.process = subprocess.Popen(
            command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**(os.environ if env is None else env), "TERM": "xterm-256color"},
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        self.text = ""

    def resize(self, columns, rows):
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    @property
    def modes(self):
        """How the terminal is set now."""
        return termios.tcgetattr(self._slave)

    @property
    def plain(self):
        """The text without its escape sequences."""
        return ESCAPE.sub("", self.text)

    @property
    def lines(self):
        """The lines of the last picture that came whole, each with whether what was behind it is erased."""
        lines = re.split(r"\r+\n", self.text.split("\x1b[H")[-2])
        return [(ESCAPE.sub("", line), line.endswith("\x1b[K")) for line in lines]

    @property
    def picture(self):
        """The last picture that came whole."""
        return "\n".join(line for line, _ in self.lines)

    def press(self, keys):
        os.write(self._master, keys.encode())

    def wait_for(self, what, seconds=30.0, *, since=0):
        """Read until `what` (a text or a pattern) stands in the plain text behind `since`; returns the plain text."""
        until = time.monotonic() + seconds
        while True:
            found = self.plain[since:]
            if what.search(found) if isinstance(what, re.Pattern) else what in found:
                return self.plain
            left = until - time.monotonic()
            assert left > 0, f"{what!r} did not come in {seconds:g} s: {self.plain[-2000:]!r}"
            self.read(min(left, 0.2))

    def read(self, seconds):
        """Read what comes within so long."""
        if select.select([self._master], [], [], seconds)[0]:
            with contextlib.suppress(OSError):  # the other end is closed
                self.text += os.read(self._master, 65536).decode("utf-8", "replace")

    def wait_ended(self, seconds=10.0):
        """Read until the process is over; returns its exit code."""
        until = time.monotonic() + seconds
        while self.process.poll() is None:
            assert time.monotonic() < until, f"it still runs: {self.plain[-2000:]!r}"
            self.read(0.02)
        self.read(0.1)
        return self.process.returncode

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)
        os.close(self._master)
        os.close(self._slave)

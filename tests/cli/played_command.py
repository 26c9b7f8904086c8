"""The command line as its users start it: processes, and a sandbox among them."""

import contextlib
import os
import re
import signal
import subprocess
import sys

COMMAND = [sys.executable, "-m", "tapewire"]


def run(*arguments, **fields):
    """Run a command to its end."""
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=60, **fields)


def plain_environment():
    """The environment without anything of ours."""
    return {key: value for key, value in os.environ.items() if not key.startswith("TAPEWIRE")}


@contextlib.contextmanager
def sandbox(*arguments):
    """A sandbox's process, and the environment that leads to it."""
    process = subprocess.Popen(
        [*COMMAND, "sandbox", "--port", "0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    exports = {}
    while "TAPEWIRE_SANDBOX_TOKEN" not in exports:
        line = process.stdout.readline()
        assert line, process.stderr.read()
        if found := re.match(r"export (\w+)='?([^'\n]*)'?", line):
            exports[found[1]] = found[2]
    try:
        yield process, plain_environment() | exports
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.communicate(timeout=10)

"""The command line as its users start it: processes, and a sandbox among them."""

import contextlib
import os
import re
import signal
import subprocess
import sys

import httpx2

from tapewire.sandbox.net.admin import PREFIX, TOKEN_HEADER

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


def order(environment, name, **params):
    """Order a fault in that sandbox, as `tapewire fault` does; returns how many it reached."""
    return _asked(environment, "POST", json={"name": name, "params": params})["reached"]


def lift(environment, name):
    """End a fault in that sandbox."""
    _asked(environment, "DELETE", params={"name": name})


def _asked(environment, method, **content):
    url = f"{environment['TAPEWIRE_SANDBOX_URL']}{PREFIX}faults"
    headers = {TOKEN_HEADER: environment["TAPEWIRE_SANDBOX_TOKEN"]}
    return httpx2.request(method, url, headers=headers, trust_env=False, timeout=20, **content).json()

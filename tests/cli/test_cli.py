import json
import os
import re
import signal
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from tapewire import __version__
from tapewire.cli.main import app

COMMAND = [sys.executable, "-m", "tapewire"]


def run(*arguments, **fields):
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=40, **fields)


def test_the_help_names_every_command():
    text = CliRunner().invoke(app, ["--help"]).output
    for command in ("demo", "sandbox", "fault", "venues"):
        assert command in text


def test_the_version_is_printed():
    assert __version__ in run("--version").stdout


def test_a_wrong_value_is_named_with_what_is_allowed_and_exit_code_2():
    result = run("demo", "--venue", "nasdaq", "--seconds", "2")
    assert result.returncode == 2
    assert "'nasdaq' is not valid" in result.stderr
    assert "stx" in result.stderr
    assert "Traceback" not in result.stderr


def test_the_demo_prints_json_and_nothing_else():
    result = run("demo", "--seconds", "2", "--no-faults", "--json", "--venue", "stx")
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert report["honest"] is True
    assert {stream["stream"] for stream in report["streams"]} >= {"markets", "orders"}


def test_the_demo_prints_plain_lines_where_there_is_no_terminal():
    result = run("demo", "--seconds", "2", "--no-faults", "--venue", "stx")
    assert result.returncode == 0, result.stderr
    assert "sandbox at http://127.0.0.1" in result.stdout
    assert "unexplained losses" in result.stdout
    assert "nothing was lost in silence" in result.stdout
    assert "\x1b[" not in result.stdout


@pytest.fixture
def sandbox():
    process = subprocess.Popen(
        [*COMMAND, "sandbox", "--port", "0", "--rate", "50"],
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
    yield process, exports
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)


def test_the_sandbox_prints_exports_takes_faults_and_ends_cleanly_on_ctrl_c(sandbox):
    process, exports = sandbox
    assert exports["STX_HOST"].startswith("http://127.0.0.1:")
    environment = os.environ | exports
    ordered = run("fault", "refuse_join", "reason=maintenance", "times=2", env=environment)
    assert ordered.returncode == 0, ordered.stderr
    assert json.loads(ordered.stdout)["params"]["reason"] == "maintenance"
    wrong = run("fault", "explode", env=environment)
    assert wrong.returncode == 2
    assert "half_open" in wrong.stderr
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=10)
    assert process.returncode == 0
    assert "Traceback" not in errors


def test_the_faults_are_listed_with_their_parameters():
    text = run("fault").stdout
    assert "half_open" in text
    assert "crash_channel" in text
    assert "Retry-After" in text


def test_a_fault_without_a_sandbox_says_what_to_set():
    environment = {key: value for key, value in os.environ.items() if not key.startswith("TAPEWIRE")}
    result = run("fault", "abort", env=environment)
    assert result.returncode == 2
    assert "TAPEWIRE_SANDBOX_URL" in result.stderr

import inspect
import json
import re
import signal
import socket
import subprocess

import pytest
import typer
from typer.testing import CliRunner

from tapewire import __version__
from tapewire.cli.main import app
from tapewire.cli.sandbox import _no_port
from tapewire.cli.sandbox import sandbox as sandbox_command
from tests.cli.played_command import COMMAND, plain_environment, run
from tests.cli.played_command import sandbox as played_sandbox


def test_the_help_names_every_command():
    text = CliRunner().invoke(app, ["--help"]).output
    for command in ("demo", "sandbox", "fault", "venues"):
        assert command in text


COMMANDS = typer.main.get_command(app).commands


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_each_word_it_takes_is_explained(name):
    command = COMMANDS[name]
    assert command.help
    taken = [word for word in command.params if word.name != "help"]
    assert [word.name for word in taken if not (getattr(word, "help", None) or "").endswith(".")] == []


def test_the_help_begins_with_what_to_do_first_and_flows():
    text = CliRunner().invoke(app, ["-h"], env={"COLUMNS": "80", "TERM": "dumb"}).output
    assert "Begin with tapewire demo" in text
    text = CliRunner().invoke(app, ["demo", "-h"], env={"COLUMNS": "80", "TERM": "dumb"}).output
    assert "every gap \n traces to a fault that was ordered, and nothing came twice." in re.sub(
        " +\n", " \n", text
    )


def test_a_fault_for_no_sandbox_asks_which_and_says_how_to_name_it():
    result = run("fault", "abort", env=plain_environment())
    assert result.returncode == 2
    assert result.stderr.startswith("tapewire: which sandbox? Paste the export lines")
    assert "TAPEWIRE_SANDBOX_URL and TAPEWIRE_SANDBOX_TOKEN" in result.stderr


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


def test_ctrl_c_in_the_demo_shows_what_was_found_until_then_and_ends_with_130():
    process = subprocess.Popen(
        [*COMMAND, "demo", "--seconds", "600", "--venue", "stake"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while "faucet" not in process.stdout.readline():  # it streams
        pass
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=30)
    assert process.returncode == 130, errors
    assert "interrupted after" in output
    assert "nothing was lost in silence" in output
    assert "Traceback" not in errors


def test_the_log_may_be_asked_for_before_and_behind_the_command():
    for arguments in (("-v", "demo"), ("demo", "-v")):
        result = run(*arguments, "--seconds", "1", "--no-faults", "--venue", "stake")
        assert result.returncode == 0
        assert "INFO tapewire" in result.stderr
    assert run("demo", "--seconds", "1", "--no-faults", "--venue", "stake").stderr == ""


@pytest.fixture
def sandbox():
    with played_sandbox("--rate", "50") as played:
        yield played


def test_the_sandbox_prints_exports_takes_faults_and_ends_cleanly_on_ctrl_c(sandbox):
    process, environment = sandbox
    assert environment["STX_HOST"].startswith("http://127.0.0.1:")
    assert run("fault", "refuse_join", "times=2", env=environment).returncode == 0
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=10)
    assert process.returncode == 0
    assert re.search(r"^\d\d:\d\d:\d\d fault ordered: refuse_join times=2$", errors, re.MULTILINE)
    assert "Traceback" not in errors
    assert environment["TAPEWIRE_SANDBOX_TOKEN"] not in errors


def test_a_quiet_sandbox_tells_of_nothing():
    with played_sandbox("--quiet") as (process, environment):
        assert run("fault", "refuse_join", env=environment).returncode == 0
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=10)[1] == ""


def test_a_port_in_use_is_said_in_a_sentence():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = run("sandbox", "--port", str(port))
    assert result.returncode == 2
    assert result.stderr == f"tapewire: port {port} is in use; choose another with --port\n"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (PermissionError(13, "Permission denied"), "port 80 needs more rights than you have"),
        (OSError(99, "Cannot assign requested address"), "port 80 cannot be taken (Cannot assign"),
    ],
)
def test_a_port_that_cannot_be_taken_is_said_in_a_sentence(error, told):
    assert _no_port(80, error).startswith(told)
    assert "--port" in _no_port(80, error)


def test_activity_and_ends_of_markets_are_there_for_whoever_asks():
    text = CliRunner().invoke(app, ["sandbox", "--help"], terminal_width=200).output
    assert "--activity" in text
    assert "--market-life" in text
    defaults = inspect.signature(sandbox_command).parameters
    assert (defaults["activity"].default, defaults["market_life"].default) == (False, None)
    assert defaults["order_latency"].default == 0


def test_a_sandbox_with_activity_and_short_lives_of_markets_runs():
    with played_sandbox("--activity", "--market-life", "5", "--venue", "stx") as (process, environment):
        assert environment["STX_HOST"].startswith("http://127.0.0.1:")
        assert process.poll() is None

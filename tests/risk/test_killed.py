"""Programs that die, block, or are told to stop from another shell: nothing is sent twice, nothing forgotten."""

import contextlib
import json
import re
import signal
import subprocess
import sys
import time

import pytest

from tests.cli.played_command import run, sandbox


def one_and_both(name):
    """That one in `make test`, both in `make faults`."""
    others = {"stx", "weex"} - {name}
    return pytest.mark.parametrize(
        "name", [name, *(pytest.param(other, marks=pytest.mark.taped) for other in others)]
    )


@contextlib.contextmanager
def trading(environment, name, directory, step="never"):
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.risk.trader", name, str(directory), step],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=10)


def told(process, line=None):
    """Its next line; it is told something before."""
    if line is not None:
        process.stdin.write(f"{line}\n")
        process.stdin.flush()
    return process.stdout.readline().split()


def open_orders(environment, name):
    """The ids of our orders that are open at the venue, by its own word."""
    program = (
        "import asyncio, tapewire\n"
        "async def main():\n"
        f"    venue = tapewire.connect({name!r})\n"
        "    print(*[each.client_order_id for each in await venue.open_orders()])\n"
        "    await venue.close()\n"
        "asyncio.run(main())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return sorted(done.stdout.split())


def until(condition, seconds=15.0):
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.05)


def steps():
    """Where it dies, what it does, and what the venue has then. Two of them in `make test`, all in `make faults`."""
    for name in ("stx", "weex"):
        for step, verbs, at_venue in (
            ("before place", ["place a"], []),
            ("behind place", ["place a"], ["a"]),
            ("before cancel", ["place a", "cancel a"], ["a"]),
            ("behind cancel", ["place a", "cancel a"], []),
        ):
            is_short = (name, step) in (("stx", "behind place"), ("weex", "before cancel"))
            marks = () if is_short else pytest.mark.taped
            yield pytest.param(name, step, verbs, at_venue, marks=marks, id=f"{name}-{step}")


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("name", "step", "verbs", "at_venue"), list(steps()))
def test_what_a_program_was_doing_when_it_was_killed_is_known_to_the_next(
    name, step, verbs, at_venue, tmp_path
):
    with sandbox() as (_, environment):
        with trading(environment, name, tmp_path, step) as process:
            assert told(process) == ["ready"]
            for verb in verbs:
                told(process, verb)
            process.wait(timeout=10)
        assert process.returncode == -signal.SIGKILL
        assert open_orders(environment, name) == at_venue

        with trading(environment, name, tmp_path) as process:
            assert told(process) in (["ready", "a"], ["ready", *at_venue])  # or its end was heard just before
            assert told(process, "place b")[0] == "placed"
            until(lambda: told(process, "open")[1:] == [*at_venue, "b"], 60)
            assert open_orders(environment, name) == sorted([*at_venue, "b"])


@one_and_both("stx")
def test_orders_of_a_program_whose_event_loop_is_blocked_are_canceled(name, tmp_path):
    with sandbox() as (_, environment), trading(environment, name, tmp_path) as process:
        assert told(process) == ["ready"]
        told(process, "place a")
        assert open_orders(environment, name) == ["a"]
        told(process, "block 20")

        until(lambda: not open_orders(environment, name))

        assert process.poll() is None
        assert re.search("did not run for 1 s", (tmp_path / "status.json").read_text())
        until(lambda: json.loads((tmp_path / "status.json").read_text())["is_done"])


@one_and_both("weex")
def test_a_halt_from_another_shell_cancels_holds_over_a_restart_and_is_lifted_with_a_reason(name, tmp_path):
    with sandbox() as (_, environment):
        with trading(environment, name, tmp_path) as process:
            assert told(process) == ["ready"]
            told(process, "place a")
            done = run("halt", str(tmp_path), "--reason", "prices look wrong", env=environment)
            assert done.returncode == 0, done.stdout + done.stderr
            assert "halted: prices look wrong; 1 orders canceled" in done.stdout
            assert open_orders(environment, name) == []
            assert told(process, "place b")[:2] == ["refused", "denied"]
        with trading(environment, name, tmp_path) as process:
            told(process)
            assert told(process, "place b")[:2] == ["refused", "denied"]
            done = run("halt", str(tmp_path), "--resume", "they are right again", env=environment)
            assert done.returncode == 0, done.stdout + done.stderr
            assert told(process, "place b")[:1] == ["placed"]
        shown = json.loads(run("halt", str(tmp_path), "--status", "--json").stdout)
        assert (shown["state"], shown["wants_halt"]) == ("active", None)


def test_the_orders_of_a_program_that_has_died_are_canceled_from_the_shell(tmp_path):
    with sandbox() as (_, environment):
        with trading(environment, "weex", tmp_path) as process:
            told(process)
            told(process, "place a")
        assert open_orders(environment, "weex") == ["a"]

        assert "no program holds it now" in run("halt", str(tmp_path), "--status").stdout
        left = run("halt", str(tmp_path), env=environment)
        assert left.returncode == 1
        assert "--cancel" in left.stderr
        done = run("halt", str(tmp_path), "--cancel", "weex", env=environment)

        assert done.returncode == 0
        assert "1 orders were canceled from here" in done.stdout
        assert open_orders(environment, "weex") == []


def test_what_is_wrong_is_said_in_a_sentence(tmp_path):
    for arguments in (
        ["nowhere"],
        [str(tmp_path), "--resume", ""],
        [str(tmp_path), "--resume", "x", "--status"],
    ):
        done = run("halt", *arguments)
        assert done.returncode == 2
        assert "Traceback" not in done.stderr
        assert done.stderr.strip()

"""`tapewire watch`, `markets` and `book` as their users start them: in a terminal, in a pipe, through a fault."""

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.cli.played_command import COMMAND, lift, order, plain_environment, run, sandbox
from tests.cli.terminal import Terminal

ENTER, LEAVE = "\x1b[?1049h", "\x1b[?1049l"
BOOKS = ["stx", "sxbet", "weex"]
"""Venues that have books and trades."""


@pytest.fixture(scope="module")
def environment():
    with sandbox("--rate", "40", "--market-life", "3600") as (_, environment):
        yield environment


def terminal_of(environment, *arguments, **size):
    return Terminal([*COMMAND, *arguments], env=environment, **size)


def lines_of(process, enough, seconds=30):
    """JSON lines until `enough(lines)`."""
    lines, until = [], time.monotonic() + seconds
    while not enough(lines):
        assert time.monotonic() < until, lines[-3:]
        line = process.stdout.readline()
        assert line, process.stderr.read()
        lines.append(json.loads(line))
    return lines


# --- in a terminal --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("venue", "columns"), [("weex", 40), ("stx", 80), ("sxbet", 200)])
def test_on_a_terminal_a_market_is_shown_live_and_ctrl_c_gives_the_terminal_back(environment, venue, columns):
    with terminal_of(environment, "watch", venue, columns=columns, rows=30) as terminal:
        terminal.wait_for("book      ● LIVE")
        terminal.wait_for(re.compile(r"[BS] [0-9.]+ +[0-9.]+"))  # a print
        terminal.wait_for("bid │ offer")
        began = time.monotonic()
        terminal.press("\x03")
        assert terminal.wait_ended() == 0
        assert time.monotonic() - began < 2
        assert_given_back(terminal)
        behind = terminal.text.rpartition(LEAVE)[2]
        assert re.search(r"book: live; \d+ news, \d+ gaps?", behind.replace("\r\n", ""))


def assert_given_back(terminal):
    assert terminal.text.count(ENTER) == terminal.text.count(LEAVE) == 1
    behind = terminal.text.partition(ENTER)[2]
    assert behind.rindex("\x1b[?25h") > behind.rindex("\x1b[?25l") if "\x1b[?25l" in behind else True
    assert behind.rindex("\x1b[?7h") > behind.rindex("\x1b[?7l")
    assert terminal.modes == terminal.before
    assert "Traceback" not in terminal.plain


def test_through_a_fault_it_says_what_broke_why_and_that_it_is_whole_again(environment):
    with terminal_of(environment, "watch", "weex:BTCUSDT", columns=120, rows=40) as terminal:
        terminal.wait_for("book      ● LIVE")
        order(environment, "unavailable", times=1000)
        assert order(environment, "abort", venue="weex")
        terminal.wait_for(re.compile(r"book +◐ STALE [^·]*: connection lost"))
        terminal.wait_for("not live: as of")
        terminal.wait_for(re.compile(r"weex ✕ waiting.*HTTP 503"))
        since = len(terminal.plain)
        lift(environment, "unavailable")
        terminal.wait_for("weex ● up, 1 reconnection", 60, since=since)
        terminal.wait_for("book      ● LIVE", since=since)
        terminal.wait_for("1 gap", since=since)
        terminal.press("\x03")
        assert terminal.wait_ended() == 0


@pytest.mark.parametrize("columns", [40, 100])
def test_a_fault_can_be_ordered_in_the_sandbox_that_it_plays_itself_by_the_command_below_it(columns):
    environment = plain_environment()
    with terminal_of(environment, "watch", "stx", "--sandbox", columns=columns, rows=30) as terminal:
        terminal.wait_for("book      ● LIVE")
        command = terminal.picture.partition("break it, in another shell:\n")[2]
        assert command.startswith("tapewire fault abort")
        ours = command.replace("tapewire", " ".join(COMMAND), 1)
        subprocess.run(["sh", "-c", ours], env=environment, check=True, capture_output=True)
        terminal.wait_for("stx ● up, 1 reconnection")
        terminal.wait_for(re.compile(r"stale\b[^·]*:\s+connection lost: reset by the\s+peer"))
        terminal.press("\x03")
        assert terminal.wait_ended() == 0


def test_ctrl_c_leaves_in_time_while_it_connects_to_nobody():
    nowhere = plain_environment() | {"WEEX_HOST": "http://127.0.0.1:1"}
    with terminal_of(nowhere, "watch", "weex") as terminal:
        terminal.wait_for("weex ○ connecting")
        began = time.monotonic()
        terminal.press("\x03")
        assert terminal.wait_ended() == 0
        assert time.monotonic() - began < 2
        assert_given_back(terminal)


def test_ctrl_c_leaves_in_time_where_the_line_is_dead_and_nobody_answers_the_close():
    with (
        sandbox("--rate", "20", "--venue", "weex") as (_, environment),
        terminal_of(environment, "watch", "weex", columns=100) as terminal,
    ):
        terminal.wait_for("book      ● LIVE")
        order(environment, "slow_close", seconds=60, times=9)
        assert order(environment, "half_open", seconds=60)
        began = time.monotonic()
        terminal.press("\x03")
        assert terminal.wait_ended() == 0
        assert time.monotonic() - began < 2
        assert_given_back(terminal)


def test_ctrl_c_leaves_in_time_where_the_terminal_takes_nothing_more(environment):
    with terminal_of(environment, "watch", "weex", columns=100) as terminal:
        terminal.wait_for("book      ● LIVE")
        time.sleep(2)  # nobody reads: the terminal is full
        began = time.monotonic()
        terminal.process.send_signal(signal.SIGINT)
        terminal.process.wait(5)
        assert time.monotonic() - began < 3


def test_a_terminal_without_colours_is_sent_none(environment):
    with terminal_of(environment | {"NO_COLOR": "1"}, "watch", "weex", columns=100) as terminal:
        terminal.wait_for("book      ● LIVE")
        terminal.press("\x03")
        terminal.wait_ended()
        colours = re.findall(r"\x1b\[([0-9;]*)m", terminal.text)
        assert colours  # dim and bold are none
        assert not any(re.search(r"(^|;)(3[0-79]|4[0-79]|9[0-7]|[34]8;)", each) for each in colours)


def test_a_window_that_changes_its_size_is_drawn_anew(environment):
    with terminal_of(environment, "watch", "weex", columns=100, rows=30) as terminal:
        terminal.wait_for("book      ● LIVE")
        terminal.resize(40, 12)
        os.killpg(terminal.process.pid, signal.SIGWINCH)
        terminal.read(1)
        since = len(terminal.text)
        for _ in range(8):
            terminal.read(0.3)
        frames = terminal.text[since:].split("\x1b[H")[1:-1]
        assert frames
        assert all(frame.count("\r\n") <= 12 for frame in frames)
        terminal.press("\x03")
        terminal.wait_ended()


def test_behind_a_line_is_erased_what_stood_there_and_of_one_as_wide_as_the_terminal_nothing(environment):
    with terminal_of(environment, "watch", "stx", columns=40, rows=30) as terminal:
        shown = len(terminal.wait_for("book      ● LIVE"))
        terminal.wait_for("Ctrl-C leaves", since=shown)  # the next picture begins
        whole = [line for line, _ in terminal.lines if re.fullmatch("stx:[0-9a-f-]{36}", line)]
        assert len(whole) == 1  # forty characters
        assert {is_erased for line, is_erased in terminal.lines if len(line) < 40} == {True}
        assert {is_erased for line, is_erased in terminal.lines if len(line) == 40} == {False}


def test_ctrl_z_gives_the_shell_its_screen_until_it_goes_on(environment):
    with terminal_of(environment, "watch", "weex", columns=100) as terminal:
        terminal.wait_for("book      ● LIVE")
        os.killpg(terminal.process.pid, signal.SIGTSTP)  # what Ctrl-Z is, below a shell
        until = time.monotonic() + 10
        while "(python) T" not in state_of(terminal.process.pid):
            assert time.monotonic() < until
            terminal.read(0.05)
        terminal.read(0.1)
        assert terminal.text.count(LEAVE) == 1
        since = len(terminal.plain)
        os.killpg(terminal.process.pid, signal.SIGCONT)
        terminal.wait_for("book      ●", since=since)
        assert terminal.text.count(ENTER) == 2
        terminal.press("\x03")
        assert terminal.wait_ended() == 0
        assert terminal.text.count(LEAVE) == 2


def state_of(process):
    return Path(f"/proc/{process}/stat").read_text()


def test_what_is_logged_meanwhile_is_said_behind_the_screen(environment):
    with terminal_of(environment, "-v", "watch", "weex", columns=100) as terminal:
        terminal.wait_for("book      ● LIVE")
        assert "INFO tapewire" not in terminal.plain
        terminal.press("\x03")
        terminal.wait_ended()
        assert terminal.text.rpartition(LEAVE)[2].count("weex: http://127.0.0.1") == 1


# --- in a pipe ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("venue", BOOKS)
def test_into_a_pipe_go_json_lines_with_the_marks_that_say_where_it_broke(environment, venue):
    process = subprocess.Popen(
        [*COMMAND, "watch", venue, "--kind", "book,trades,ticker"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip
    try:
        nouns = {"book", "trade", "ticker"}
        lines_of(process, lambda lines: nouns <= {line["event"] for line in lines})
        assert order(environment, "abort", venue=venue)
        lines = lines_of(process, lambda lines: {"gap", "continuity"} <= {line["event"] for line in lines})
        changed = [line["data"]["state"] for line in lines if line["event"] == "continuity"]
        assert set(changed) & {"stale", "gap"}
        lines_of(
            process, lambda lines: any(line["event"] == "book" and line["state"] == "live" for line in lines)
        )
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=10)
        assert (process.returncode, errors) == (0, "")
        assert time.monotonic() - began < 2
    finally:
        process.kill()
        process.communicate()


def test_a_pipe_that_is_closed_ends_it_without_a_word(environment):
    result = subprocess.run(
        ["/bin/sh", "-c", f"{' '.join(COMMAND)} watch weex | head -n 1"],
        capture_output=True, text=True, timeout=60, env=environment,
    )  # fmt: skip
    assert json.loads(result.stdout)["venue"] == "weex"
    assert result.stderr == ""


def test_ctrl_c_ends_it_in_time_though_nobody_reads_the_pipe(environment):
    process = subprocess.Popen(
        [*COMMAND, "watch", "stx", "weex", "--kind", "book", "--depth", "200"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment,
    )  # fmt: skip
    try:
        assert process.stdout.readline()
        time.sleep(4)  # more than a pipe holds
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
        assert time.monotonic() - began < 2
    finally:
        process.kill()
        process.communicate()


def test_it_may_end_after_so_many_seconds(environment):
    result = run("watch", "weex", "--json", "--for", "3s", env=environment)
    assert result.returncode == 0
    events = {json.loads(line)["event"] for line in result.stdout.splitlines()}
    assert "book" in events


def test_what_is_our_own_is_watched_where_a_venue_has_nothing_else(environment):
    result = run("watch", "stake", "--for", "3s", env=environment)
    assert result.returncode == 0, result.stderr
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert {line["kind"] for line in lines} == {"balance"}
    assert "balance" in {line["event"] for line in lines}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("weexx:BTCUSDT",), "perhaps weex"),
        (("weex:BTCUSDX",), "perhaps BTCUSDT"),
        (("weex:BTCUSDT", "--kind", "trade"), "perhaps trades"),
        (("weex:",), "VENUE:MARKET"),
        (("stake:x",), "stake does not support watch_order_book"),
        (("stake", "--kind", "trades"), "stake does not support watch_trades"),
    ],
)
def test_what_cannot_be_watched_is_a_sentence_with_exit_code_2(environment, arguments, told):
    result = run("watch", *arguments, env=environment)
    assert (result.returncode, result.stdout) == (2, "")
    assert told in result.stderr
    assert result.stderr.startswith("tapewire: ")
    assert result.stderr.count("\n") == 1


def test_credentials_that_are_missing_are_a_sentence_with_exit_code_1(environment):
    without = {key: value for key, value in environment.items() if key not in ("STX_EMAIL", "STX_PASSWORD")}
    result = run("watch", "stx", env=without | {"HOME": "/nonexistent"})
    assert result.returncode == 1
    assert "tapewire: not signed in" in result.stderr


# --- markets and books ----------------------------------------------------------------------------------------------


def test_markets_are_listed_with_what_to_give_to_watch(environment):
    result = run("markets", "weex", "--search", "btc", env=environment)
    assert (result.returncode, result.stdout) == (0, "weex:BTCUSDT  BTC/USDT perpetual  (open)\n")


def test_markets_can_be_had_as_json_lines(environment):
    result = run("markets", "stx", "--json", "--limit", "2", env=environment)
    found = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(found) == 2
    assert all(each["instruments"][0]["target"].startswith("stx:") for each in found)
    assert all("raw" not in each["market"] for each in found)
    assert "more than 2" in result.stderr


def test_that_there_is_none_is_said_with_exit_code_1(environment):
    result = run("markets", "weex", "--search", "nothing like it", env=environment)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == "tapewire: weex has no market with 'nothing like it' in it\n"


@pytest.mark.parametrize("venue", BOOKS)
def test_a_book_is_printed_once_it_is_proven(environment, venue):
    result = run("book", venue, "--depth", "2", env=environment)
    assert result.returncode == 0, result.stderr
    told = json.loads(result.stdout)
    assert (told["state"], told["event"]) == ("live", "book")
    assert 1 <= len(told["data"]["bids"]) <= 2
    with terminal_of(environment, "book", venue, "--depth", "3", columns=80) as terminal:
        assert terminal.wait_ended(30) == 0
        assert "● LIVE" in terminal.plain
        assert "bid │ offer" in terminal.plain
        assert ENTER not in terminal.text


def test_a_book_that_is_not_proven_in_time_is_not_printed():
    with sandbox("--venue", "weex") as (_, environment):
        order(environment, "ignore_join", times=99)
        result = run("book", "weex", "--timeout", "1", env=environment)
    assert (result.returncode, result.stdout) == (1, "")
    assert "weex:BTCUSDT is not live: " in result.stderr

"""Ctrl-C, forks and the end of the program: real processes and a real signal, within two seconds, without noise."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sync.played import Template, eventually, played_template

ROOT = Path(__file__).parent.parent.parent
SECONDS = 2.0

HEAD = """
import os, sys, threading
from tapewire import is_mark, sync
from tapewire.venues.template.market import connect
venue = sync.Venue(lambda: connect("ann", host=sys.argv[1]))
market = sys.argv[2]

def waiting():
    print("waiting", flush=True)

def left():
    print("left", [thread.name for thread in threading.enumerate() if thread.name.startswith("tapewire")], flush=True)
"""

INTERRUPTED = {
    "an iteration": """
try:
    with venue:
        feed = venue.watch_trades(market)
        feed.wait_live(5)
        waiting()
        for item in feed:
            pass
finally:
    left()
""",
    "a merge of venues": """
try:
    with venue, sync.Venue(lambda: connect("bob", host=sys.argv[1])) as other:
        feeds = venue.watch_trades(market), other.watch_trades(market)
        feeds[1].wait_live(5)
        waiting()
        for feed, item in sync.merge(*feeds):
            pass
finally:
    left()
""",
    "a feed that is not served": """
try:
    with venue:
        feed = venue.watch_trades(market)
        waiting()
        feed.wait_live()
finally:
    left()
""",
    "a venue that does not answer": """
import socket
mute = socket.create_server(("127.0.0.1", 0))
try:
    host = f"http://127.0.0.1:{mute.getsockname()[1]}"
    venue = sync.Venue(lambda: connect("ann", host=host))
    waiting()
    with venue:
        pass
finally:
    left()
""",
    "a handler that is at work": """
busy = threading.Event()
try:
    with venue:
        venue.watch_trades(market, handler=lambda trade: (waiting(), busy.wait(60))).wait_live(5)
        print("ready", flush=True)
        busy.wait(60)
finally:
    left()
""",
    "a venue that does not close": """
async def never():
    import asyncio
    await asyncio.Event().wait()

try:
    with venue:
        feed = venue.watch_trades(market)
        feed.wait_live(5)
        venue._venue._close = never
        waiting()
        next(feed), next(feed)
finally:
    left()
""",
}


@pytest.fixture
def template() -> Iterator[Template]:
    with played_template() as played:
        yield played


def started(template: Template, script: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", HEAD + script, template.url, template.market],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def said(process: subprocess.Popen[str], word: str) -> None:
    assert process.stdout is not None
    assert process.stdout.readline().strip() == word


@pytest.mark.skipif(sys.platform == "win32", reason="a console's signal goes to all of its processes there")
@pytest.mark.parametrize("what", INTERRUPTED)
def test_ctrl_c_leaves_within_two_seconds_with_nothing_running(template: Template, what: str) -> None:
    if what == "a feed that is not served":
        template.sandbox.order("slow_join", seconds=60.0)
    process = started(template, INTERRUPTED[what])
    if what == "a handler that is at work":
        said(process, "ready")
        template.trade()
    said(process, "waiting")
    time.sleep(0.2)  # until it does
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    told, errors = process.communicate(timeout=20)
    took = time.monotonic() - began
    assert took < SECONDS, took
    assert errors.count("KeyboardInterrupt") == 1
    assert "Error" not in errors.replace("KeyboardInterrupt", "")
    handlers = ["tapewire handler of template"] if what == "a handler that is at work" else []
    assert told == f"left {handlers}\n"  # nobody can end a thread that is in the midst of a handler
    eventually(lambda: not template.clients)


def test_a_program_that_ends_without_a_word_ends(template: Template) -> None:
    script = "venue.connect()\nvenue.watch_trades(market).wait_live(5)\nleft()\n"
    process = started(template, script)
    told, errors = process.communicate(timeout=20)
    assert (process.returncode, told, errors) == (0, "left ['tapewire']\n", "")
    eventually(lambda: not template.clients)


def test_an_error_of_the_users_comes_out_of_the_block_as_it_is(template: Template) -> None:
    process = started(template, "with venue:\n    venue.watch_trades(market).wait_live(5)\n    1 / 0\n")
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 1
    assert errors.rstrip().endswith("ZeroDivisionError: division by zero")
    assert errors.count("Traceback") == 1


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="no forks here")
def test_a_forked_child_is_told_that_it_is_not_connected(template: Template) -> None:
    script = """
import warnings
warnings.simplefilter("ignore")
with venue:
    if os.fork() == 0:
        try:
            venue.statistics()
        except Exception as error:
            print(type(error).__name__, flush=True)
        os._exit(0)
    os.wait()
"""
    process = started(template, script)
    told, errors = process.communicate(timeout=20)
    assert (process.returncode, told, errors) == (0, "SessionClosed\n", "")

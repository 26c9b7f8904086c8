"""`until_stopped`: Ctrl-C ends the process in time, whatever is stuck, and gives the terminal back before."""

import signal
import subprocess
import sys
import time

import pytest

PROGRAM = """
import asyncio, sys, time
from tapewire.cli.watch import until_stopped

def restore():
    print("given back", flush=True)

async def waits():
    print("ready", flush=True)
    await asyncio.sleep(60)

async def is_stuck():
    print("ready", flush=True)
    time.sleep(60)

async def is_stuck_closing():
    try:
        await waits()
    finally:
        time.sleep(60)

async def closes_slowly():
    try:
        await waits()
    finally:
        await asyncio.sleep(60)

sys.exit(asyncio.run(until_stopped({work}(), restore=restore)))
"""


def started(work):
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(work=work)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.skipif(sys.platform == "win32", reason="SIGINT is sent otherwise there")
@pytest.mark.parametrize("work", ["is_stuck", "is_stuck_closing", "closes_slowly"])
@pytest.mark.parametrize(("presses", "within"), [(1, 2.0), (2, 1.0)])
def test_whatever_is_stuck_ctrl_c_ends_it_within_two_seconds_and_a_second_one_at_once(work, presses, within):
    process = started(work)
    try:
        began = time.monotonic()
        for _ in range(presses):
            process.send_signal(signal.SIGINT)
            time.sleep(0.2)  # two that come together are one
        told, errors = process.communicate(timeout=10)
        assert time.monotonic() - began < within
        assert (process.returncode, told, errors) == (0, "given back\n", "")
    finally:
        process.kill()
        process.communicate()


@pytest.mark.skipif(sys.platform == "win32", reason="SIGINT is sent otherwise there")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_ends_politely_is_not_torn_away(number):
    process = started("waits")
    try:
        process.send_signal(number)
        told, errors = process.communicate(timeout=10)
        assert (process.returncode, told, errors) == (0, "", "")
    finally:
        process.kill()
        process.communicate()

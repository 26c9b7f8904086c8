"""One round of each venue on each event loop: a stream, a cut, what the stream says of it, a call, and the end."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

from tapewire.marks import is_mark
from tests.faults.lines import LINES, line_of

pytestmark = pytest.mark.each_loop

ABANDONED = """
import asyncio, logging, sys
from tapewire.sandbox import Sandbox
from tapewire.venues.stx import STXWebSocket, User

logging.getLogger("tapewire").addHandler(logging.NullHandler())  # it says, rightly, what did not return

async def main():
    asyncio.get_running_loop().slow_callback_duration = 60  # a busy machine is no warning of ours
    heard = asyncio.Event()

    async def handler(message):
        heard.set()
        await asyncio.Event().wait()  # never closes, never returns

    async with Sandbox(rate=50, venues=["stx"]) as sandbox:
        ws = STXWebSocket(host=sandbox.url, email="a@b.c", password="secret-enough", user=User.new())
        async with ws:
            await ws.join("markets", handler)
            await heard.wait()

factory = None
if sys.argv[1] == "uvloop":
    import uvloop
    factory = uvloop.new_event_loop
if sys.argv[1] == "eager":
    def factory():
        loop = asyncio.new_event_loop()
        loop.set_task_factory(asyncio.eager_task_factory)
        return loop
with asyncio.Runner(loop_factory=factory, debug=True) as runner:
    runner.run(main())
"""


async def test_the_marker_brings_the_loop_that_it_names(loop_name: str) -> None:
    loop = asyncio.get_running_loop()
    assert type(loop).__module__.startswith("uvloop" if loop_name == "uvloop" else "asyncio")
    assert (loop.get_task_factory() is not None) == (loop_name == "eager")


@pytest.mark.parametrize("venue", LINES)
async def test_a_stream_lives_through_a_cut_on_every_loop(venue: str) -> None:
    async with line_of(venue) as line:
        await line.step(3)
        line.sandbox.inject("abort")
        await line.goes_on(2)
        assert [type(item) for item in line if is_mark(item)] == [line.lost]
        found = line.audited()
        assert found.honest, found.findings
        await line.join()
        assert await line.call() is not None


@pytest.mark.parametrize("venue", LINES)
async def test_a_dead_line_is_noticed_by_its_deadline_on_every_loop(venue: str) -> None:
    """Deadlines are timers of the loop: where they could not be read, a line that fell silent stayed so for ever."""
    async with line_of(venue, options={"ping_interval": 0.2, "ping_timeout": 0.1}) as line:
        await line.step(1)
        line.sandbox.inject("half_open", seconds=30)
        await line.goes_on(2)


async def test_a_handler_that_never_ends_leaves_no_warning_behind(loop_name: str) -> None:
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-X", "dev", "-W", "error", "-c", ABANDONED, loop_name],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")

"""Writing to whoever reads slowly, not at all, or no more: the event loop is held up by none of them."""

import asyncio
import contextlib
import json
import os

import pytest

from tapewire.app.wanted import Target
from tapewire.app.watching import Watch
from tapewire.cli.output import CHUNK, MOST_WAITING, Output
from tapewire.cli.watch import Lines
from tests.app.test_watching import Scripted, ended, watched
from tests.venues.kit.scripted_market import trade


@pytest.fixture
def pipe():
    reading, writing = os.pipe()
    yield reading, writing
    for end in (reading, writing):
        with contextlib.suppress(OSError):
            os.close(end)


async def read(end, size):
    return await asyncio.to_thread(os.read, end, size)


async def drained(end):
    """All that comes within a while of nothing."""
    os.set_blocking(end, False)
    found = b""
    for _ in range(20):
        await asyncio.sleep(0.01)
        try:
            found += os.read(end, 1 << 20)
        except BlockingIOError:
            continue
    return found


async def test_what_is_put_is_written_in_order_and_whole(pipe):
    output = Output(pipe[1])
    lines = [f"{n}\n".encode() * 100 for n in range(200)]
    for line in lines:
        output.put(line)
    expected = b"".join(lines)
    found = b""
    while len(found) < len(expected):
        found += await read(pipe[0], 1 << 16)
    assert found == expected
    assert output.close(1.0)


async def test_a_reader_that_does_not_read_holds_up_who_waits_for_room_and_nobody_else(pipe):
    output = Output(pipe[1])
    output.put(b"x" * (MOST_WAITING + (1 << 17)))  # more than a pipe holds
    await asyncio.sleep(0.05)
    output.put(b"y" * MOST_WAITING)
    waiting = asyncio.get_running_loop().create_task(output.room())
    await asyncio.sleep(0.05)
    assert not waiting.done()
    async with asyncio.timeout(5):
        while not waiting.done():
            await read(pipe[0], 1 << 20)
    assert output.close(0.01) is False
    os.close(pipe[0])


async def test_while_a_pipe_is_full_no_more_lines_are_made_and_what_is_dropped_meanwhile_is_said_in_its_place(
    pipe,
):
    output, venue, held, many = Output(pipe[1]), Scripted(), 20_000, 40_000
    venue.capacity = held
    watch = Watch([Target("weex", "BTCUSDT")], ["trades"], passing=Lines(output, 20), make=lambda name: venue)
    task = await watched(watch, venue, 1)
    venue.hands[0].put(*map(trade, range(held)))
    made, before = await made_of(watch), -1
    while made != before:
        made, before = await made_of(watch), made
    assert 1_000 < made < held
    venue.hands[0].put(*map(trade, range(held, many)))
    assert await made_of(watch) == made
    found = b""
    async with asyncio.timeout(20):
        while b'"trade_id":"%d"' % (many - 1) not in found[-1000:]:
            found += await read(pipe[0], 1 << 20)
    events = [json.loads(line)["event"] for line in found.splitlines()]
    assert events.count("trade") < many
    assert "lagged" in events
    await ended(task)
    assert output.close(1.0)


async def made_of(watch):
    """Lines that were made of the one feed, a while later."""
    await asyncio.sleep(0.3)
    ((feed,),) = (market.feeds for market in watch.picture().markets)
    return feed.news


async def test_a_picture_that_there_was_no_time_for_is_replaced_by_the_newest(pipe):
    output = Output(pipe[1])
    output.show(b"a" * (1 << 20))  # fills the pipe
    await asyncio.sleep(0.05)
    for frame in (b"b", b"c", b"last"):
        output.show(frame)
    found = b""
    while not found.endswith(b"last"):
        found += await read(pipe[0], CHUNK)
    assert found.strip(b"a") == b"last"
    assert output.close(1.0)


async def test_what_is_put_comes_behind_the_picture_that_is_being_drawn_and_no_picture_behind_the_end(pipe):
    output = Output(pipe[1])
    output.show(b"picture ")
    await asyncio.sleep(0.05)
    output.show(b"late")
    output.put(b"end")
    output.close(1.0)
    output.show(b"never")
    output.put(b"nor this")
    assert await drained(pipe[0]) in (b"picture end", b"picture lateend")


async def test_what_comes_behind_the_end_is_not_written_though_the_writer_is_still_at_its_last(pipe):
    output = Output(pipe[1])
    output.put(b"x" * (1 << 20))  # more than a pipe holds: it is being written
    await asyncio.sleep(0.05)
    assert output.close(0.01) is False
    output.show(b"picture")
    output.put(b"line")
    found = b""
    while len(found) < 1 << 20:
        found += await read(pipe[0], 1 << 16)
    assert found + await drained(pipe[0]) == b"x" * (1 << 20)


async def test_that_nobody_reads_any_more_is_told(pipe):
    output = Output(pipe[1])
    os.close(pipe[0])
    output.put(b"x")
    async with asyncio.timeout(5):
        await output.gone.wait()
    assert output.close(1.0)

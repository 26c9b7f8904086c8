"""Writing to whoever reads slowly, not at all, or no more: the event loop is held up by none of them."""

import asyncio
import contextlib
import os

import pytest

from tapewire.cli.output import CHUNK, MOST_WAITING, Output


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

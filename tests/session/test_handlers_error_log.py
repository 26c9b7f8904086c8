"""Functions of the owner that fail: the first failure in full, then a counted line at powers of two, blamed rightly."""

import asyncio
import logging

import pytest

from tapewire.session.handlers import HandlerErrorLog
from tests.session.line import line


def lines(caplog, word):
    return [record for record in caplog.records if word in record.getMessage()]


@pytest.mark.parametrize("inline", [True, False])
async def test_a_handler_that_always_raises_costs_one_traceback_and_a_few_lines(clock, caplog, inline):
    def fragile(item):
        raise ValueError("cannot quote")

    async with line(clock) as (session, peer):
        subscription = session.subscribe("markets", handler=fragile, inline=inline)
        await subscription.confirmed()
        for n in range(127):
            peer.broadcast("markets", "tick", {"n": n})
        await asyncio.sleep(1)
        assert subscription.statistics().handler_errors == 128
    told = lines(caplog, "raised")
    assert len(told) == 8, "no. 1, 2, 4, 8, 16, 32, 64, 128"
    assert [record.exc_info is not None for record in told] == [True] + [False] * 7
    assert all("fragile" in record.getMessage() for record in told)
    assert "128 times" in told[-1].getMessage()
    assert "ValueError: cannot quote" in told[-1].getMessage()


async def test_a_failing_on_mark_is_blamed_by_its_own_name(clock, caplog):
    def innocent(item):
        pass

    def clumsy(mark):
        raise KeyError("state")

    async with line(clock) as (session, peer):
        await session.subscribe("markets", handler=innocent, on_mark=clumsy).confirmed()
        for n in (2, 3):
            peer.abort()
            await peer.joined("markets", n)
            await asyncio.sleep(0.1)
    told = lines(caplog, "raised")
    assert len(told) == 2
    assert "on_mark" in told[0].getMessage()
    assert all("clumsy" in record.getMessage() and "innocent" not in record.getMessage() for record in told)


async def test_a_failing_on_snapshot_is_blamed_by_its_own_name(clock, caplog):
    def clumsy(snapshot):
        raise KeyError("state")

    async def snapshot():
        return {}

    async with line(clock) as (session, _):
        await session.subscribe(
            "markets", handler=lambda item: None, on_snapshot=clumsy, snapshot=snapshot
        ).confirmed()
        await asyncio.sleep(0.1)
    assert "on_snapshot" in lines(caplog, "raised")[0].getMessage()
    assert "clumsy" in lines(caplog, "raised")[0].getMessage()


async def test_an_on_error_that_always_raises_costs_one_traceback_and_a_few_lines(clock, caplog):
    def fragile(item):
        raise ValueError("no")

    def clumsy(error, item):
        raise RuntimeError("nor can I")

    async with line(clock) as (session, peer):
        await session.subscribe("markets", handler=fragile, on_error=clumsy).confirmed()
        for n in range(63):
            peer.broadcast("markets", "tick", {"n": n})
        await asyncio.sleep(1)
    told = lines(caplog, ": on_error ")
    assert len(told) == 7
    assert told[0].exc_info is not None


def test_each_function_is_counted_for_itself(caplog):
    log = HandlerErrorLog("markets")
    for _ in range(3):
        log.raised("handler", len, ValueError("a"))
    log.raised("on_mark", print, ValueError("b"))
    told = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert [record.exc_info is not None for record in told] == [True, False, True]


def test_a_secret_in_an_exception_is_masked_in_the_counted_lines(caplog):
    log = HandlerErrorLog("markets")
    for _ in range(2):
        log.raised("handler", len, ValueError("token=abcdefghijklmnop"))
    counted = [record.getMessage() for record in caplog.records if "raised 2 times" in record.getMessage()]
    assert len(counted) == 1
    assert "abcdefghijklmnop" not in counted[0]

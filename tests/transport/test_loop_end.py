"""The end of an event loop is told to whom it concerns, once, and not to whom it does not."""

from __future__ import annotations

import asyncio

import pytest

from tapewire.transport.loop_end import LoopEnd


def test_what_is_open_at_the_end_of_the_loop_is_closed_then_and_awaited() -> None:
    closed: list[str] = []
    kept: list[LoopEnd] = []

    async def close() -> None:
        await asyncio.sleep(0)
        closed.append("awaited")

    async def main() -> None:
        kept.append(LoopEnd(lambda: closed.append("called")))
        kept.append(LoopEnd(close))
        await asyncio.sleep(0)
        assert closed == []
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())
    assert sorted(closed) == ["awaited", "called"]


def test_what_was_closed_before_is_not_closed_again() -> None:
    closed: list[str] = []

    async def main() -> LoopEnd:
        end = LoopEnd(lambda: closed.append("called"))
        end.forget()
        end.forget()
        return end

    asyncio.run(main())
    assert closed == []


def test_the_end_comes_after_tasks_were_cancelled_and_one_failure_keeps_it_from_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    told: list[str] = []
    kept: list[LoopEnd] = []

    async def waits() -> None:
        try:
            await asyncio.Future()
        finally:
            told.append("cancelled")

    def fails() -> None:
        raise OSError("already gone")

    async def main() -> asyncio.Task[None]:
        kept.append(LoopEnd(fails))
        kept.append(LoopEnd(lambda: told.append("closed")))
        task = asyncio.create_task(waits())
        await asyncio.sleep(0)
        return task

    asyncio.run(main())
    assert told == ["cancelled", "closed"]
    assert "already gone" in caplog.text

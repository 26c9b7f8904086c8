"""Waiting on real sockets, where nothing announces what a test waits for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

DEADLINE = 30.0


async def until(condition: Callable[[], Any], what: str = "", *, seconds: float = DEADLINE) -> None:
    """Let the loop turn until `condition()` holds; fails at the deadline, naming it."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while not condition():
        assert loop.time() < deadline, f"not within {seconds:g} s: {what or condition}"
        await asyncio.sleep(0.002)

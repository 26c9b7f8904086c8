"""What is written to a terminal or a pipe, by a thread of its own: whoever reads slowly holds up nobody.

A pipe is given every line, in order; how much may wait is bounded, and `room()` is awaited before more is put. A
terminal is given the newest picture: one that it had no time for is replaced.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final

__all__ = ["MOST_WAITING", "Output"]

MOST_WAITING: Final = 1024 * 1024
"""Bytes that may wait for a pipe before nothing more is taken."""

CHUNK: Final = 64 * 1024


class Output:
    """Writes to a file descriptor. Make it on the event loop that uses it; `close` it in the end.

    `gone` is set when nobody reads any more (the pipe is closed, the terminal hung up).
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._loop = asyncio.get_running_loop()
        self._change = threading.Condition()
        self._waiting = bytearray()
        self._frame: bytes = b""
        self._is_over = self._is_writing = self._is_gone = False
        self.gone: asyncio.Event = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._thread = threading.Thread(target=self._run, name="tapewire output", daemon=True)
        self._thread.start()

    def put(self, data: bytes) -> None:
        """Write it behind all that was put before; nothing once it is closed."""
        with self._change:
            if self._is_over:
                return
            self._waiting += data
            if len(self._waiting) >= MOST_WAITING:
                self._room.clear()
            self._change.notify_all()

    def show(self, frame: bytes) -> None:
        """Write it as soon as what is being written is written, unless a newer one comes first or it is closed."""
        with self._change:
            if self._is_over:
                return
            self._frame = frame
            self._change.notify_all()

    async def room(self) -> None:
        """Wait until little enough waits."""
        _ = await self._room.wait()

    def close(self, seconds: float) -> bool:
        """As `flush`, and nothing more is written."""
        with self._change:
            self._is_over = True
            return self.flush(seconds)

    def flush(self, seconds: float) -> bool:
        """Write what waits, within so long; what was to be shown is not. False where it could not be written."""
        with self._change:
            self._frame = b""
            self._change.notify_all()
            return self._change.wait_for(
                lambda: self._is_gone or not (self._waiting or self._is_writing), seconds
            )

    # --- the thread -------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            with self._change:
                _ = self._change.wait_for(lambda: self._waiting or self._frame or self._is_over)
                data = bytes(self._waiting) or self._frame
                if not data:
                    return
                self._waiting.clear()
                self._frame = b"" if data is self._frame else self._frame
                self._is_writing = True
            try:
                self._write(data)
            except OSError:
                self._is_gone = True
                self._tell(self.gone.set)
                return
            finally:
                with self._change:
                    self._is_writing = False
                    self._change.notify_all()
            self._tell(self._room.set)

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view[:CHUNK]) :]

    def _tell(self, call: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody is left to tell
            _ = self._loop.call_soon_threadsafe(call)

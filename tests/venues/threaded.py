"""The sandbox on a thread of its own, for blocking and awaited clients alike, and answers that it never gives.

::

    with threaded("stx") as venue:
        venue.order("refuse_tokens")                # a fault by name
        venue.answers = [(200, {}, b"<html>")]      # what the next request gets in the sandbox's place
        venue.at["/orders"] = (200, {}, b"[]")      # what each request of a path gets
        ...
        assert [request.path for request in venue.requests] == [...]
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias, TypeVar

from tapewire.sandbox import Sandbox
from tapewire.sandbox.net.http import Request, Response

HANG_UP = "hang up"
"""Do what is asked, and end the connection in place of an answer."""

SILENCE = "silence"
"""Do nothing, and never answer."""

Answer: TypeAlias = tuple[int, dict[str, str], bytes] | str
T = TypeVar("T")


class HourBehind:
    """A venue's clock that nobody may compare with their own."""

    monotonic = staticmethod(time.monotonic)

    def time_ns(self) -> int:
        return time.time_ns() - 3_600_000_000_000


class Threaded(Sandbox):
    """Made by `threaded`. Requests for an operation of `unscripted` get none of `answers`."""

    def __init__(
        self, venue: str, unscripted: tuple[str, ...], settings: dict[str, Any], **others: Any
    ) -> None:
        super().__init__(rate=0, venues=[venue], settings={venue: settings}, clock=HourBehind(), **others)
        self.requests: list[Request] = []
        self.answers: list[Answer] = []
        self.at: dict[str, Answer] = {}
        self.face: Any = self.faces[venue]
        self._unscripted = tuple(f'"operationName":"{name}"'.encode() for name in unscripted)
        self._stopping = asyncio.Event()
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop
        self._thread = threading.Thread(target=asyncio.run, args=(self._serve(),), daemon=True)

    async def respond(self, request: Request) -> Response:
        self.requests.append(request)
        scripted = self.answers and not any(name in request.body for name in self._unscripted)
        answer = self.answers.pop(0) if scripted else self.at.get(request.path)
        if isinstance(answer, tuple):
            status, headers, body = answer
            return Response(status=status, headers=headers, body=body)
        if answer == SILENCE:
            await asyncio.Event().wait()
        response = await super().respond(request)
        if answer == HANG_UP:
            for client in list(self._clients.values()):
                client.abort()
        return response

    @property
    def paths(self) -> list[str]:
        return [request.path for request in self.requests]

    def do(self, call: Callable[[], T]) -> T:
        """Call it on the sandbox's own loop."""

        async def run() -> T:
            return call()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result()

    def order(self, fault: str, **params: Any) -> None:
        """Order a fault by name."""
        self.do(lambda: self.inject(fault, **params))

    def start(self) -> None:
        self._thread.start()
        self._ready.wait()

    def stop(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        try:
            async with self:
                self._ready.set()
                await self._stopping.wait()
        finally:
            self._ready.set()


@contextmanager
def threaded(
    venue: str, unscripted: tuple[str, ...] = (), faces: Any = None, **settings: Any
) -> Iterator[Threaded]:
    """One venue, while the block lasts; `settings` are its face's. `faces`: those of venues that are none."""
    sandbox = Threaded(venue, unscripted, settings, faces=faces)
    sandbox.start()
    try:
        yield sandbox
    finally:
        sandbox.stop()

"""What every scripted venue is, whatever it speaks: connections over the memory network, and the tasks that serve them.

A venue subclasses `ScriptedVenue`: it makes its own kind of connection in `_welcome` and answers in `_take`. Whoever
waits goes through `_until`, so that an error in what a test has scripted is raised there, or by `stop`, never lost.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from typing import Any, Generic, Protocol, Self, TypeVar

from ..errors import ConnectionLost
from ..protocols.base import Payload
from ..transport.base import Endpoint
from ..transport.memory import MemoryNetwork, MemoryPeer

__all__ = ["ScriptedConnection", "ScriptedVenue", "ServerSide"]


class ServerSide(Protocol):
    """The server's role of a protocol, of one connection."""

    def data_to_send(self) -> list[Payload]:
        """What is to be written now. Clears it."""
        ...


class ScriptedConnection:
    """One connection of a client: its number, from 1 on, the link it came over, its server side."""

    server: ServerSide

    def __init__(self, number: int, link: MemoryPeer, server: ServerSide) -> None:
        self.number = number
        self.link = link
        self.server = server

    @property
    def endpoint(self) -> Endpoint:
        """What the client connected to: URL, headers, sub-protocols."""
        return self.link.endpoint

    @property
    def is_open(self) -> bool:
        """True while neither end has closed it."""
        return self.link.ended is None

    def flush(self) -> None:
        """Write what the server side has to say, as one read."""
        self.link.send(*self.server.data_to_send())

    def __repr__(self) -> str:
        state = "open" if self.is_open else "ended"
        return f"<{type(self).__name__} {self.number} {state} {self.server!r}>"


ConnectionT = TypeVar("ConnectionT", bound=ScriptedConnection)


class ScriptedVenue(ABC, Generic[ConnectionT]):
    """Accepts every connection of `network` while it runs. Use it as `async with`."""

    def __init__(self, network: MemoryNetwork) -> None:
        self.network = network
        self.connections: list[ConnectionT] = []
        self._changed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._start(self._accept())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Drop every connection and accept no more. Raises what a script of the test raised and nobody was told of."""
        tasks, self._tasks = self._tasks, set()
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        for connection in self.connections:
            self._over(connection)
            connection.link.abort()
        for result in results:
            if isinstance(result, Exception):
                raise result

    # The line.

    @property
    def newest(self) -> ConnectionT:
        """The connection made last. Raises IndexError before the first."""
        return self.connections[-1]

    def abort(self, connection: ConnectionT | None = None) -> None:
        """Reset the newest connection, or that one: no close frame, and what was on its way is lost."""
        (connection or self.newest).link.abort()

    def half_open(self, connection: ConnectionT | None = None) -> None:
        """From now on nothing passes on the newest connection, or that one, and nobody is told."""
        (connection or self.newest).link.half_open()

    def deafen(self, connection: ConnectionT | None = None) -> None:
        """From now on nothing arrives from the newest connection, or that one; what is sent to it does."""
        (connection or self.newest).link.deafen()

    def raw(self, *payloads: Payload) -> None:
        """Send messages of any kind on the newest connection, as one read."""
        self.newest.link.send(*payloads)

    async def connected(self, n: int = 1) -> ConnectionT:
        """Wait until the nth connection; returns it."""
        await self._until(lambda: len(self.connections) >= n)
        return self.connections[n - 1]

    # For the venue.

    @abstractmethod
    def _welcome(self, number: int, link: MemoryPeer) -> ConnectionT:
        """A client has connected."""

    @abstractmethod
    def _take(self, connection: ConnectionT, payload: Payload) -> None:
        """A client's message. What the server side has to say then is written afterwards."""

    def _over(self, connection: ConnectionT) -> None:
        """A connection has ended; may be said twice."""

    def _open(self) -> list[ConnectionT]:
        return [connection for connection in self.connections if connection.is_open]

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            for task in self._tasks:
                if task.done():
                    task.result()
            self._changed.clear()
            await self._changed.wait()

    # Inside.

    async def _accept(self) -> None:
        while True:
            link = await self.network.accept()
            connection = self._welcome(len(self.connections) + 1, link)
            self.connections.append(connection)
            self._changed.set()
            self._start(self._serve(connection))

    async def _serve(self, connection: ConnectionT) -> None:
        while True:
            try:
                payload = await connection.link.receive()
            except ConnectionLost:
                self._over(connection)
                return
            self._take(connection, payload)
            connection.flush()
            self._changed.set()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or task.exception() is None:
            self._tasks.discard(task)
        self._changed.set()

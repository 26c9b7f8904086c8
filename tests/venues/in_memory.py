"""One venue of the sandbox without a port: its sockets over the memory network, its HTTP as a transport of httpx2.

Only the test makes things happen, in virtual time. `altered` may change what the venue says, or withhold it, and
`http_answers` holds what a path gets in place of the venue's own answer.
"""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Self

import httpx2

from tapewire.clock import Clock
from tapewire.errors import ConnectionLost
from tapewire.sandbox import Sandbox
from tapewire.sandbox.faces.template import TemplateFace
from tapewire.sandbox.net.http import Request, Response
from tapewire.transport.memory import MemoryNetwork, MemoryPeer


class _Body(httpx2.AsyncByteStream):
    def __init__(self, text: bytes) -> None:
        self.text = text

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self.text


def answered(content: Any, status: int = 200, **headers: str) -> httpx2.Response:
    """An answer as a transport gives it: a body that is still to be read."""
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    return httpx2.Response(status, headers=headers, stream=_Body(text))


class Connection:
    """One client's socket, as the face and the test see it."""

    def __init__(self, number: int, link: MemoryPeer, venue: InMemory) -> None:
        self.number = number
        self.link = link
        asked = {"upgrade": "websocket", "sec-websocket-protocol": ",".join(link.endpoint.subprotocols)}
        self.request = _request("GET", httpx2.URL(link.endpoint.url), link.endpoint.headers, **asked)
        self.refusals = 0
        self.handler: Any = None
        self._venue = venue

    @property
    def path(self) -> str:
        return self.request.path

    @property
    def is_open(self) -> bool:
        return self.link.ended is None

    @property
    def topics(self) -> dict[str, None]:
        return {} if self.handler is None else self.handler.topics

    def say(self, *frames: Any) -> None:
        """Of the test's own."""
        self.link.send(*(frame if isinstance(frame, str | bytes) else json.dumps(frame) for frame in frames))

    def drop(self, code: int | None = None) -> None:
        self.link.abort() if code is None else self.link.close(code)
        self.lost()

    def lost(self) -> None:
        handler, self.handler = self.handler, None
        if handler is not None:
            handler.lost()

    # It is the face's `Socket`.

    def send(self, payloads: Sequence[Any], kind: str = "control", entry: Any = None) -> None:
        frames = []
        for payload in payloads:
            altered = map(self._venue.altered, map(json.loads, _lines(payload)))
            said = [message for message in altered if message is not None]
            self.refusals += sum(isinstance(each, dict) and each.get("result") is False for each in said)
            if said:
                frames.append("\n".join(map(json.dumps, said)))
        self.link.send(*frames)

    def close(self, code: int, reason: str = "") -> None:
        self.link.close(code, reason)

    def abort(self) -> None:
        self.link.abort()

    def limit_outgoing(self, size: int) -> None:
        pass

    def later(self, seconds: float, call: Callable[..., object], *arguments: object) -> None:
        asyncio.get_running_loop().call_later(seconds, call, *arguments)

    def stall(self, seconds: float) -> None:
        raise NotImplementedError


class InMemory:
    """`async with InMemory(network, clock, "weex") as venue:`; `settings` are the face's."""

    made: type[Connection] = Connection
    """What a connection is here."""

    def __init__(self, network: MemoryNetwork, clock: Clock, venue: str, **settings: Any) -> None:
        self.network = network
        self.sandbox = Sandbox(
            rate=0, venues=[venue], settings={venue: settings}, clock=clock, faces={"template": TemplateFace}
        )
        self.face: Any = self.sandbox.faces[venue]
        self.connections: list[Connection] = []
        self.frames: list[tuple[int, dict[str, Any]]] = []
        self.http_calls: list[httpx2.Request] = []
        self.http_answers: dict[str, Callable[[httpx2.Request], Any]] = {}
        self.altered: Callable[[Any], Any] = lambda frame: frame
        self._changed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.publish(self.face.flow.open(clock.time_ns()))

    async def __aenter__(self) -> Self:
        self._tasks.append(asyncio.create_task(self._accept()))
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        for outcome in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(outcome, Exception) and not isinstance(outcome, asyncio.CancelledError):
                raise outcome

    def publish(self, events: Sequence[Any]) -> None:
        """Have the face publish what happened at its exchange."""
        self.face.publish(events, self.sandbox.clock.time_ns())

    async def until(self, condition: Callable[[], Any]) -> None:
        while not condition():
            self._changed.clear()
            await self._changed.wait()

    async def has(self, topic: str) -> None:
        """Wait until some open connection has the topic."""
        await self.until(lambda: any(topic in connection.topics for connection in self.open))

    async def left(self, topic: str) -> None:
        await self.until(lambda: not any(topic in connection.topics for connection in self.open))

    @property
    def open(self) -> list[Connection]:
        return [connection for connection in self.connections if connection.is_open]

    def send(self, topic: str, frame: Any) -> None:
        """A frame of the test's own, to whoever has the topic."""
        for connection in self.open:
            if topic in connection.topics:
                connection.say(frame)

    def drop(self, code: int | None = None) -> None:
        for connection in self.open:
            connection.drop(code)

    @property
    def http(self) -> httpx2.MockTransport:
        return httpx2.MockTransport(self._answer)

    async def _answer(self, request: httpx2.Request) -> httpx2.Response:
        self.http_calls.append(request)
        scripted = self.http_answers.get(request.url.path)
        if scripted is not None:
            outcome = scripted(request)
            return await outcome if inspect.isawaitable(outcome) else outcome
        asked = _request(request.method, request.url, request.headers, request.content)
        response = await self.sandbox.respond(asked)
        return answered(response.body, response.status, **response.headers)

    async def _accept(self) -> None:
        while True:
            connection = self.made(len(self.connections) + 1, await self.network.accept(), self)
            self.connections.append(connection)
            _, outcome = self.sandbox.accept(connection.request, connection)
            if isinstance(outcome, Response):
                connection.close(1008, f"HTTP {outcome.status}: {outcome.body!r}")
            else:
                connection.handler = outcome
                self._tasks.append(asyncio.create_task(self._serve(connection)))
            self._changed.set()

    async def _serve(self, connection: Connection) -> None:
        try:
            while True:
                payload = await connection.link.receive()
                self.frames += [(connection.number, json.loads(line)) for line in _lines(payload)]
                if connection.handler is not None:
                    connection.handler.received(payload)
                self._changed.set()
        except ConnectionLost:
            connection.lost()
            self._changed.set()


def _lines(payload: Any) -> list[str]:
    """The messages of one frame: a wire may put several into it, a line each."""
    text = payload if isinstance(payload, str) else bytes(payload).decode()
    return [line for line in text.split("\n") if line]


def _request(method: str, url: httpx2.URL, headers: Any, body: bytes = b"", **more: str) -> Request:
    named = {name.lower(): value for name, value in headers.items()} | more
    named.setdefault("host", url.netloc.decode())
    target = url.raw_path.decode()
    return Request(
        method=method, target=target, path=url.path, query=dict(url.params), headers=named, body=body
    )

"""The official Phoenix client in a process of its own, and a small real server for it and for ours.

The client comes from npm into `.cache/npm` of the project, once. `OfficialClient` gives it orders and waits for what it
saw; `RealServer` is `PhoenixServer` behind a real WebSocket: it answers as a test says, and keeps what it received.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import pytest
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request
from websockets.typing import Subprotocol

from tapewire.payload import Binary, Payload
from tapewire.protocols.phoenix import JoinRequested, LeaveRequested, PhoenixServer, PushReceived
from tests.real.packages import node_modules, node_with_websocket

VERSION = "1.8.16"
SCRIPT = Path(__file__).with_name("phoenix_client.mjs")
DEADLINE = 10.0


def command() -> list[str]:
    """How to run it. Skips the test, saying why, where node or the package cannot be had."""
    module = node_modules(f"phoenix@{VERSION}") / "phoenix" / "priv" / "static" / "phoenix.mjs"
    return [*node_with_websocket(), str(SCRIPT), module.as_uri()]


class OfficialClient:
    """Use it as `async with`. `seen` is all it told; `saw` waits for something that matches every fact."""

    def __init__(self, run: list[str] | None = None) -> None:
        self._command = run or command()
        self.seen: list[dict[str, Any]] = []
        self._grown = asyncio.Event()

    async def __aenter__(self) -> Self:
        environment = {key: value for key, value in os.environ.items() if not key.lower().endswith("proxy")}
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            limit=16 * 1024 * 1024,
        )
        self._reader = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), DEADLINE)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        await self._reader

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            self.seen.append(json.loads(line))
            self._grown.set()

    def order(self, order: str, **facts: Any) -> None:
        """Tell it to do something; see the script for what it knows."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"order": order, **facts}).encode() + b"\n")

    async def saw(self, saw: str, n: int = 1, **facts: Any) -> dict[str, Any]:
        """The nth thing seen that agrees with all `facts`; fails at the deadline with what was seen last."""
        wanted = {"saw": saw, **facts}
        try:
            async with asyncio.timeout(DEADLINE):
                while len(found := [seen for seen in self.seen if wanted.items() <= seen.items()]) < n:
                    self._grown.clear()
                    await self._grown.wait()
        except TimeoutError:
            pytest.fail(f"not seen: {wanted}; last: {self.seen[-5:]}")
        return found[n - 1]

    def messages(self, topic: str) -> list[tuple[str, Any]]:
        """Event and payload of every frame it delivered on `topic`, in order."""
        of_topic = [seen for seen in self.seen if (seen["saw"], seen.get("topic")) == ("message", topic)]
        return [(seen["event"], seen["payload"]) for seen in of_topic]


class RealServer:
    """`async with RealServer() as server:` listens on this machine. Joins are accepted, unless `on_join` answers them.

    `say(*payloads)` writes on the newest connection; `received` is every message of every client.
    """

    def __init__(self) -> None:
        self.received: list[Payload] = []
        self.joins: list[JoinRequested] = []
        self.protocol = PhoenixServer()
        self.on_join: Callable[[JoinRequested], None] = self.protocol_accepts
        self.on_push: Callable[[PushReceived], None] = lambda push: self.protocol.reply(
            push, "ok", push.payload
        )
        self.on_leave: Callable[[LeaveRequested], None] = lambda leave: None
        self._grown = asyncio.Event()
        self._server: Server
        self._connection: ServerConnection

    def protocol_accepts(self, join: JoinRequested) -> None:
        self.protocol.accept(join, {"hello": join.payload})

    async def __aenter__(self) -> Self:
        self._server = await serve(
            self._serve, "127.0.0.1", 0, select_subprotocol=_phoenix_if_offered, compression=None
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/socket"

    async def _serve(self, connection: ServerConnection) -> None:
        self._connection = connection
        self.protocol = PhoenixServer()
        try:
            async for message in connection:
                payload: Payload = Binary(message) if isinstance(message, bytes) else message
                self.received.append(payload)
                for request in self.protocol.receive(payload):
                    if isinstance(request, JoinRequested):
                        self.joins.append(request)
                        self.on_join(request)
                    elif isinstance(request, PushReceived):
                        self.on_push(request)
                    elif isinstance(request, LeaveRequested):
                        self.on_leave(request)
                await self.flush()
                self._grown.set()
        except ConnectionClosed:
            return

    async def flush(self) -> None:
        """Write what `protocol` has to say."""
        await self.say(*self.protocol.data_to_send())

    async def say(self, *payloads: Payload) -> None:
        """Write messages on the newest connection."""
        for payload in payloads:
            binary = isinstance(payload, Binary)
            await self._connection.send(payload if binary else _text(payload), text=not binary)

    @property
    def upgrade(self) -> Request:
        """The request of the newest connection."""
        assert self._connection.request is not None
        return self._connection.request


def _text(payload: Payload) -> str:
    return payload if isinstance(payload, str) else payload.decode()


def _phoenix_if_offered(_: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    return Subprotocol("phoenix") if "phoenix" in offered else None

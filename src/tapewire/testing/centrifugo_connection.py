"""One client's connection as the scripted Centrifugo venue sees it, and the commands that came over it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec

from ..protocols.base import Payload
from ..protocols.centrifugo import CentrifugoServer, Disconnected
from ..protocols.centrifugo.commands import CommandFrame, decode_command
from ..protocols.centrifugo.frames import DECODE_ERRORS, split_messages
from ..transport.memory import MemoryPeer
from .scripted import ScriptedConnection

SLOW = 3008

__all__ = ["CentrifugoPeerConnection", "ReceivedCommand"]


class ReceivedCommand(msgspec.Struct, frozen=True):
    """One command a client sent, or a `pong`. `message` numbers the WebSocket messages of its connection."""

    connection: int
    message: int
    id: int
    kind: str
    channel: str
    command: Any
    at: float


class CentrifugoPeerConnection(ScriptedConnection):
    """One connection of a client: its number, its server side, the link it came over."""

    server: CentrifugoServer

    def __init__(self, number: int, link: MemoryPeer, server: CentrifugoServer, queue_limit: int = 0) -> None:
        super().__init__(number, link, server)
        self._queue_limit = queue_limit
        self.messages: int = 0
        self.expires_at: float | None = None
        self.channels_expire_at: dict[str, float] = {}
        self.timer: asyncio.TimerHandle | None = None

    def commands_of(self, payload: Payload, now: float) -> list[ReceivedCommand]:
        """The commands in one message, and pongs; none where it cannot be read."""
        self.messages += 1
        try:
            frames = [decode_command(line) for line in split_messages(payload)]
        except DECODE_ERRORS:
            return []
        commands = []
        for frame in frames:
            kind, command = _kind_of(frame)
            channel = getattr(command, "channel", "")
            commands.append(
                ReceivedCommand(self.number, self.messages, frame.id, kind, channel, command, now)
            )
        return commands

    def flush(self) -> None:
        """Write what the server side has to say, as one read; where that is more than may wait, close instead."""
        payloads = self.server.data_to_send()
        if 0 < self._queue_limit < sum(map(len, payloads)):
            self.end(self.server.disconnect(SLOW))
        else:
            self.link.send(*payloads)

    def arm(self, when: float | None, tick: Callable[[CentrifugoPeerConnection], None]) -> None:
        """Call `tick` at `when`, and no more at what was set before."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        if when is not None and self.is_open:
            self.timer = asyncio.get_running_loop().call_at(when, tick, self)

    def end(self, disconnected: Disconnected) -> None:
        """Close the socket as the server side wants it."""
        self.link.close(disconnected.code, disconnected.reason)


def _kind_of(frame: CommandFrame) -> tuple[str, Any]:
    for kind in CommandFrame.__struct_fields__[1:]:
        if (command := getattr(frame, kind)) is not None:
            return kind, command
    return "pong", None

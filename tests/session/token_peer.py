"""A session on a scripted Centrifugo venue whose channels want tokens of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tapewire.session.session import Session
from tapewire.testing import CentrifugoPeer, VirtualClock
from tapewire.transport.memory import MemoryNetwork
from tests.session.numbered_line import make_options


@asynccontextmanager
async def token_line(
    clock: VirtualClock, *, ttl: int = 0, **fields: Any
) -> AsyncIterator[tuple[Session, CentrifugoPeer]]:
    """An open session and such a venue; `ttl`: the life of a channel's token in seconds (0: it does not end)."""
    network = MemoryNetwork()
    async with (
        CentrifugoPeer(network, channel_token_ttl=ttl) as peer,
        Session(make_options(clock, network, **fields)) as session,
    ):
        yield session, peer


def given(peer: CentrifugoPeer) -> list[tuple[str, str]]:
    """The channels' tokens that came, each with the command that brought it."""
    return [
        (command.kind, command.command.token)
        for command in peer.commands
        if command.kind in ("subscribe", "sub_refresh") and command.command.token
    ]

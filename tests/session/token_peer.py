"""A scripted Centrifugo venue whose channels want tokens of their own, and a session on it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tapewire.protocols.centrifugo import (
    RefreshResult,
    ServerRequest,
    SubRefreshRequested,
    SubscribeRequested,
)
from tapewire.session.session import Session
from tapewire.testing import CentrifugoPeer, VirtualClock
from tapewire.testing.centrifugo_connection import CentrifugoPeerConnection
from tapewire.transport.memory import MemoryNetwork
from tests.session.numbered_line import make_options


class TokenPeer(CentrifugoPeer):
    """Every subscription of `private` channels ends after `ttl` seconds (0: never) unless it is refreshed.

    `given`: the tokens that came, with the command that brought each. `refuse_topic_token(token, code)`: who brings it
    is refused with that error.
    """

    def __init__(self, network: MemoryNetwork, *, ttl: int = 0, **fields: Any) -> None:
        super().__init__(network, **fields)
        self.given: list[tuple[str, str]] = []
        self._life = {"expires": True, "ttl": ttl} if ttl else {}
        self._refused: dict[str, int] = {}

    def refuse_topic_token(self, token: str, code: int) -> None:
        self._refused[token] = code

    def _answer(self, connection: CentrifugoPeerConnection, request: ServerRequest) -> None:
        if not isinstance(request, SubscribeRequested | SubRefreshRequested) or not request.token:
            super()._answer(connection, request)
            return
        token, renews = request.token.reveal(), isinstance(request, SubRefreshRequested)
        self.given.append(("sub_refresh" if renews else "subscribe", token))
        if code := self._refused.get(token, 0):
            connection.server.refuse(request, code)
        elif renews:
            connection.server.reply(request, RefreshResult(**self._life))
        else:
            super()._answer(connection, request)

    def _grant(self, connection: CentrifugoPeerConnection, request: SubscribeRequested) -> None:
        now = self._now()
        history = self._channels.recovering(request.channel, request.position, now)
        self._granted[request.channel] += connection.server.grant(request, now, history, **self._life)
        self._changed.set()


@asynccontextmanager
async def token_line(
    clock: VirtualClock, *, ttl: int = 0, **fields: Any
) -> AsyncIterator[tuple[Session, TokenPeer]]:
    """An open session and such a venue."""
    network = MemoryNetwork()
    async with (
        TokenPeer(network, ttl=ttl) as peer,
        Session(make_options(clock, network, **fields)) as session,
    ):
        yield session, peer

"""What `tapewire doctor` asks of this venue: a realtime token for the API key, and the channel of its trades."""

from __future__ import annotations

from ...retry import NO_RETRY
from ..kit.settings import Sources
from .socket import SXBetClient
from .symbols import channel_for
from .url import API_KEY

__all__ = ["Checkup"]


class Checkup:
    """One client. The realtime server wants a token, and only a key gives one."""

    credentials: tuple[str, ...] = API_KEY.variables
    needs_credentials: bool = True

    def __init__(self, timeout: float) -> None:
        self._client = SXBetClient(retry=NO_RETRY, timeout=timeout, connect_timeout=timeout)
        endpoints = self._client.http.endpoints
        self.api: str = endpoints.api_url
        self.sockets: tuple[str, ...] = (endpoints.realtime_url,)
        self.source: str = endpoints.source
        self.has_credentials: bool = bool(Sources().take(API_KEY, None))

    async def sign_in(self) -> str:
        await self._client.http.realtime_token()
        return "the API key was given a realtime token"

    async def subscribe(self) -> str:
        await self._client.connect()
        channel = channel_for("trades", profile=self._client.profile)
        await self._client.new_subscription(channel).ready()
        return f"subscribed to {channel}"

    async def close(self) -> None:
        await self._client.disconnect()

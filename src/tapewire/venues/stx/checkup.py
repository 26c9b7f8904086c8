"""What `tapewire doctor` asks of this venue: a sign-in, and its markets channel."""

from __future__ import annotations

from ...retry import NO_RETRY
from .api import AsyncSTX
from .config import EMAIL, PASSWORD, resolve
from .socket import STXWebSocket
from .symbols import Channels
from .url import socket_url
from .user import User

__all__ = ["Checkup"]


class Checkup:
    """One account apart from the process's own. The socket lets nobody in without a token."""

    credentials: tuple[str, ...] = (*EMAIL.variables, *PASSWORD.variables)
    needs_credentials: bool = True

    def __init__(self, timeout: float) -> None:
        config = resolve()
        self.api: str = config.origin
        self.sockets: tuple[str, ...] = (socket_url(config.origin, None),)
        self.source: str = config.source
        user = User.new()
        self._client = AsyncSTX(user=user, retry=NO_RETRY, timeout=timeout)
        self._socket = STXWebSocket(user=user, retry=NO_RETRY, timeout=timeout, connect_timeout=timeout)
        self.has_credentials: bool = user.is_known

    async def sign_in(self) -> str:
        await self._client.login()
        return "signed in with email and password"

    async def subscribe(self) -> str:
        await self._socket.connect()
        await self._socket.join(Channels.MARKETS)
        return f"joined {Channels.MARKETS.value}"

    async def close(self) -> None:
        await self._socket.close()
        await self._client.aclose()

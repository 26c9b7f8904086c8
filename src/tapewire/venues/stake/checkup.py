"""What `tapewire doctor` asks of this venue: the account of the access token, and the bets of everybody."""

from __future__ import annotations

from ...retry import NO_RETRY
from .api import StakeAPI
from .headers import TOKEN, token_of
from .socket import StakeWebSocket
from .url import base_url_of, socket_url
from .wires import Wire

__all__ = ["Checkup"]

CHANNEL = "bets"


class Checkup:
    """One client and one socket: the page's wire with a token, the live site's without, for what is public."""

    credentials: tuple[str, ...] = TOKEN.variables
    needs_credentials: bool = False

    def __init__(self, timeout: float) -> None:
        self.has_credentials: bool = token_of(None) is not None
        wire: Wire = "page" if self.has_credentials else "graphql"
        self.api: str = base_url_of(None)[0]
        uri, self.source = socket_url(wire)
        self.sockets: tuple[str, ...] = (uri,)
        self._client = StakeAPI(retry=NO_RETRY, timeout=timeout)
        self._socket = StakeWebSocket(wire=wire, retry=NO_RETRY, connect_timeout=timeout)

    async def sign_in(self) -> str:
        await self._client.get_user_meta()
        return "the access token has an account"

    async def subscribe(self) -> str:
        await self._socket.open()
        await self._socket.watch(CHANNEL).confirmed()
        return f"subscribed to {CHANNEL}"

    async def close(self) -> None:
        await self._socket.close()
        await self._client.close()

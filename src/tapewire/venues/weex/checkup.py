"""What `tapewire doctor` asks of this venue: the account's balance, and the tickers of one contract."""

from __future__ import annotations

import os

from ...retry import NO_RETRY
from .config import KEYS, WeexConfig
from .socket import WeexWebSocketClient

__all__ = ["Checkup"]

SYMBOL = "BTCUSDT"


class Checkup:
    """One client. Public streams need no key."""

    credentials: tuple[str, ...] = tuple(key.variables[0] for key in KEYS)
    needs_credentials: bool = False

    def __init__(self, timeout: float) -> None:
        # As the environment has it, but for how long a call may take, and that none is repeated.
        quick = {"WEEX_TIMEOUT": str(min(timeout, 600.0)), "WEEX_MAX_RETRIES": "0"}
        config = WeexConfig(environ={**os.environ, **quick})
        addresses = config.addresses
        self.api: str = addresses.rest
        self.sockets: tuple[str, ...] = (addresses.public, addresses.private)
        self.source: str = addresses.source
        self.has_credentials: bool = config.has_credentials
        self._client = WeexWebSocketClient(config, retry=NO_RETRY, connect_timeout=timeout)

    async def sign_in(self) -> str:
        balances = await self._client.http.get_account_balance()
        return f"the key, its secret and its passphrase are taken; {len(balances)} currencies"

    async def subscribe(self) -> str:
        await self._client.connect()
        stream = self._client.stream_tickers([SYMBOL])
        await stream.confirmed()
        return f"subscribed to the ticker of {SYMBOL}"

    async def close(self) -> None:
        await self._client.disconnect()

"""What Stake shows in `tapewire demo`: crash rounds and an account's balance, streamed while the line is broken."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from ...retry import RetryPolicy
from ...session.options import Statistics
from .. import DemoFault, Observer
from .api import StakeAPI
from .channels import BALANCES
from .message import StakeMessage
from .socket import StakeWebSocket

__all__ = ["Demo"]

_FAUCET = 'mutation ClaimFaucet { claimFaucet(currency: "usdt") { amount currency } }'
"""The one thing that moves the balance here: this SDK places no bets."""


class Demo:
    """One account, one socket, two channels. Deadlines are shorter than in earnest, so that a demo is not a wait."""

    faults = (
        DemoFault(0.22, "abort", {}, "the connection is reset"),
        DemoFault(0.48, "close", {"code": 1001, "reason": "going away"}, "the server goes away"),
        DemoFault(0.72, "crash_channel", {"topic": "game:crash"}, "the crash channel breaks down"),
    )

    def __init__(self, url: str, way: Mapping[str, Any], fraction: Callable[[], float]) -> None:
        http = {name: value for name, value in way.items() if name != "connector"}
        self._client = StakeAPI(access_token="demo-token", base_url=url, **http)
        self._socket = StakeWebSocket(
            access_token="demo-token",
            base_url=url,
            **way,
            retry=RetryPolicy(max_attempts=None, initial_backoff=0.2, max_backoff=1.0),
            session_options={
                "ping_interval": 1.0,
                "ping_timeout": 0.5,
                "stable_after": 1.0,
                "fraction": fraction,
            },
        )
        self._account = ""
        self._last_balance: dict[str, Any] | None = None

    async def sign_in(self) -> str:
        profile = await self._client.get_user_profile()
        self._account = profile["id"]
        balance = await self._client.get_user_balance()
        await self._socket.open()
        amounts = ", ".join(f"{amount} {currency}" for currency, amount in balance["available"].items())
        return f"signed in as {profile['name']}; available: {amounts}"

    async def subscribe(self, observe: Callable[[str, str], Observer]) -> None:
        await self._watch("game:crash", observe("crash", "game:crash"))
        await self._watch(BALANCES, observe("balances", f"{BALANCES}:{self._account}"))

    async def _watch(self, channel: str, observer: Observer) -> None:
        def on_message(message: StakeMessage) -> None:
            observer.publication("update", msgspec.json.decode(message.raw))
            if channel == BALANCES:
                self._last_balance = message.payload["balance"]

        await self._socket.watch(channel, on_message, on_mark=observer.mark).confirmed()

    async def trade(self) -> str:
        claimed = (await self._client.graphql(_FAUCET))["claimFaucet"]
        return f"the faucet gave {claimed['amount']} {claimed['currency']} (no bets are placed)"

    async def compare(self, truth: Callable[[str], Any]) -> list[str]:
        """The last balance that the stream told, against the one that the API tells."""
        told = self._last_balance
        if told is None:
            return ["no balance was told"]
        now = (await self._client.get_user_balance())["available"][told["currency"]]
        return (
            []
            if now == Decimal(told["amount"])
            else [f"the balance is {now}, the stream said {told['amount']}"]
        )

    def statistics(self) -> Statistics:
        return self._socket.statistics()

    async def close(self) -> None:
        await self._socket.close()
        await self._client.close()

"""What this venue shows in `tapewire demo`: markets and the account's own orders, through the documented classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ...retry import RetryPolicy
from ...session.options import Statistics
from .. import DemoFault, Observer
from .api import AsyncSTX
from .errors import STXException
from .message import ChannelMessage
from .socket import STXWebSocket
from .symbols import Channels, topic_for
from .user import User

__all__ = ["Demo"]

_SNAPSHOTS = ("all_orders", "all_trades", "all_positions", "summary")
"""Events that answer a join: they repeat state and are no publications of the stream."""


class Demo:
    """One account, one socket, two channels. Deadlines are shorter than in earnest, so that a demo is not a wait."""

    faults = (
        DemoFault(0.15, "abort", {}, "the connection is reset"),
        DemoFault(0.35, "half_open", {}, "the line goes dead without a word"),
        DemoFault(0.60, "expire_tokens", {}, "every token expires"),
        DemoFault(0.61, "close", {"code": 1012, "reason": "restart"}, "the server restarts"),
        DemoFault(0.80, "crash_channel", {"topic": "markets"}, "the markets channel crashes"),
    )

    def __init__(self, url: str, way: Mapping[str, Any], fraction: Callable[[], float]) -> None:
        self._user = User.new()
        account: dict[str, Any] = {
            "host": url,
            "email": "demo@example.com",
            "password": "demo",
            "user": self._user,
        }
        http = {name: value for name, value in way.items() if name != "connector"}
        self._client = AsyncSTX(**account, **http)
        self._socket = STXWebSocket(
            **account,
            **way,
            retry=RetryPolicy(max_attempts=None, initial_backoff=0.2, max_backoff=1.0),
            heartbeat_interval=2.0,
            session_options={
                "ping_interval": 1.0,
                "ping_timeout": 0.5,
                "stable_after": 1.0,
                "fraction": fraction,
            },
        )
        self._orders = 0

    async def sign_in(self) -> str:
        await self._client.login()
        markets = await self._client.markets(limit=50)
        await self._socket.connect()
        return f"signed in as {self._user.email}; {markets.count} markets, first: {markets[0]['title']}"

    async def subscribe(self, observe: Callable[[str, str], Observer]) -> None:
        for channel in (Channels.MARKETS, Channels.ORDERS):
            await self._join(channel, observe(channel.name.lower(), topic_for(channel, self._user.uid)))

    async def _join(self, channel: Channels, observer: Observer) -> None:
        def on_message(message: ChannelMessage) -> None:
            if not message.event.startswith("phx_") and message.event not in _SNAPSHOTS:
                observer.publication(message.event, message.payload)

        await self._socket.join(channel, on_message, on_mark=observer.mark)

    async def trade(self) -> str:
        # Markets are resulted while we trade, the oldest first: the newest is still open when the order comes.
        market = (await self._client.markets(status="OPEN", limit=50))[-1]
        self._orders += 1
        placed = await self._client.place_order(
            market_id=market["market_id"],
            order_type="MARKET",
            action="BUY",
            quantity=5,
            client_order_id=f"own-{self._orders}",
        )
        if placed["errors"]:
            raise STXException(f"the order was refused: {placed['errors']}")
        order = placed["order"]
        return f"order {order['id']}: {order['action']} {order['quantity']} is {order['status']}"

    async def compare(self, truth: Callable[[str], Any]) -> list[str]:
        return []  # its markets come as changes without numbers: nothing is built from them that could be proven

    def statistics(self) -> Statistics:
        return self._socket.statistics()

    async def close(self) -> None:
        await self._socket.close()
        await self._client.aclose()

"""Stake, played: the page's socket, the live site's GraphQL socket, and GraphQL over HTTP, one house behind all three.

Any token that is not empty is an account, but for one that begins with `refused`. Channels: `user:balances` (the
token's account alone), `game:{slug}`, `bets`, `sports:event:{id}`, `chat:{room}`. Each publication is entered in the
ledger under its channel (a balance under `user:balances:{account}`), stamped, and then worded for either socket.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ...core.events import Event
from ...core.exchange import Exchange
from ...core.ledger import Entry
from ...face import FaceContext, Route, Socket, SocketHandler
from ...net.http import Request, Response
from ...play import TopicFace
from ..graphql import Endpoint
from .messages import BALANCES, StakeMessages
from .operations import StakeOperations
from .schema import SCHEMA_TEXT
from .socket import GraphQLSocket, PageSocket
from .tables import CHAT_ROOMS, FIXTURES, GAMES, ROUND_GAMES, StakeFlow

__all__ = ["StakeFace"]

PAGE_PATH = "/_api/websocket"
GRAPHQL_SOCKET_PATH = "/_api/websockets"
GRAPHQL_PATH = "/_api/graphql"

IDLE_TIMEOUT = 60.0
INIT_TIMEOUT = 3.0

_CHANNELS = frozenset(
    {f"game:{slug}" for slug in (*ROUND_GAMES, *GAMES)}
    | {f"sports:event:{event_id}" for event_id in FIXTURES}
    | {f"chat:{room}" for room in CHAT_ROOMS}
    | {"bets"}
)

_endpoint = Endpoint(SCHEMA_TEXT)


class StakeFace(TopicFace[PageSocket | GraphQLSocket]):
    """The played venue. `deposit` (hundredths of a usdt) is what a new account has; times are in seconds."""

    name = "stake"
    idle_code = 1000
    slow_consumer_code = 1008
    subprotocols = ("graphql-transport-ws",)
    socket_paths = frozenset({PAGE_PATH, GRAPHQL_SOCKET_PATH})
    origins = frozenset({"https://stake.com"})
    """The page's samples send this Origin, to whatever address."""

    def __init__(
        self,
        context: FaceContext,
        *,
        deposit: int = 1_000_000,
        idle_timeout: float = IDLE_TIMEOUT,
        init_timeout: float = INIT_TIMEOUT,
    ) -> None:
        super().__init__(context)
        self.idle_timeout = idle_timeout
        seed = f"{self.name}-{context.seed}"
        self.exchange = Exchange(seed)
        self.flow: StakeFlow = StakeFlow(self.exchange, seed)
        self.vaults: dict[str, int] = {}
        self.routes: Mapping[tuple[str, str], Route] = {("POST", GRAPHQL_PATH): self._graphql}
        self._messages = StakeMessages(self.exchange, self.flow, deposit)
        self._deposit = deposit
        self._init_timeout = init_timeout

    def environment(self, url: str) -> dict[str, str]:
        """The variables that lead the SDK here, with a token that is good here and nowhere else. Any other will do."""
        return {
            "STAKE_BASE_URL": url,
            "STAKE_WS_URL": url.replace("http", "ws", 1),
            "STAKE_ACCESS_TOKEN": "sandbox-token",
        }

    # Who may enter

    def account_of(self, token: str) -> str | None:
        """The account of a token, made where there is none yet; None for a token that is refused."""
        if self.context.meet("refuse_tokens") or not token or token.startswith("refused"):
            return None
        account = hashlib.blake2b(token.encode(), digest_size=6).hexdigest()
        self.exchange.open_account(account, self._deposit)
        return account

    def accept(self, request: Request, socket: Socket) -> SocketHandler | Response:
        """401 without a token, 403 with one that is refused, on the page's socket; the other asks when it begins."""
        if request.path == GRAPHQL_SOCKET_PATH:
            offered = request.headers.get("sec-websocket-protocol", "").replace(" ", "").split(",")
            began = asyncio.get_running_loop().time()
            return self.opened(
                GraphQLSocket(
                    self, socket, _endpoint.prepare, began,
                    init_timeout=self._init_timeout, speaks_it=self.subprotocols[0] in offered,
                )
            )  # fmt: skip
        token = request.headers.get("x-access-token", "")
        account = self.account_of(token)
        if account is None:
            return Response(status=403 if token else 401)
        return self.opened(PageSocket(self, socket, account))

    async def _graphql(self, request: Request) -> Response:
        token = request.headers.get("x-access-token", "")
        account = self.account_of(token) if token else None
        if token and account is None:
            return Response.of({"errors": [{"message": "the token was refused"}]}, 403)
        return _endpoint.respond(request, StakeOperations(self, account, self.context.clock.time_ns()))

    # Topics

    def key_of(self, channel: str, account: str | None) -> str | None:
        """The ledger's topic of a channel; None where there is no such channel, or not without an account."""
        if channel == BALANCES:
            return f"{channel}:{account}" if account else None
        return channel if channel in _CHANNELS else None

    def listening_accounts(self) -> list[str]:
        """The accounts whose balance somebody watches."""
        private = (topic.removeprefix(f"{BALANCES}:") for topic in self.topics)
        return sorted(account for account in private if account in self.exchange.accounts)

    def end_topic(self, topic: str, *, crashed: bool) -> int:
        """Crash or close a channel everywhere; `user:balances` for every account."""
        keys = [key for key in self.topics if key == topic or key.startswith(f"{topic}:")]
        return sum(super(StakeFace, self).end_topic(key, crashed=crashed) for key in keys)

    # Publishing

    def publish(self, events: Sequence[Event], now_ns: int) -> None:
        """Publish what happened."""
        for message in self._messages.of(events, now_ns):
            self.send(*message, now_ns)

    def publish_balance(self, account: str, now_ns: int) -> None:
        """Publish an account's balance where it has changed since it was published last."""
        for message in self._messages.balance(account, now_ns):
            self.send(*message, now_ns)

    def publish_vault(self, account: str, change: int, now_ns: int) -> None:
        """Publish that an account's vault holds more or less."""
        self.send(*self._messages.vault(account, change, self.vaults[account], now_ns), now_ns)

    def encode(self, entry: Entry, payload: Any, dialect: str) -> Any:
        """The page's frame; for the other socket what operations are answered over."""
        if dialect == "graphql":
            return payload
        channel = BALANCES if entry.topic.startswith(f"{BALANCES}:") else entry.topic
        return msgspec.json.encode({"channel": channel, "payload": msgspec.Raw(entry.body)})

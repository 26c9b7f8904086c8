"""STX, played: GraphQL at `/api/graphql`, a Phoenix socket at `/socket/websocket`, one exchange behind both.

What happens at the exchange becomes publications: `market_updated` and `market_created` (and `market_update` for the
earlier generation), and for each account `order_update`, `trade`, `updated_positions`, `new_settlements`, `update` and
`user_updated`. Each is entered in the ledger, stamped so that no two of a topic are the same, and then encoded.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Raw

from ....protocols.base import Payload
from ....protocols.phoenix import encode_broadcast, negotiate, token_from_subprotocols
from ....protocols.phoenix.frames import Version
from ....protocols.phoenix.server import MAX_CHANNELS
from ...core.events import Event
from ...core.exchange import Exchange
from ...core.flow import Flow, FlowSettings
from ...core.ledger import Entry
from ...face import FaceContext, Route, Socket, SocketHandler
from ...net.http import Request, Response
from ...play import TopicFace
from ..graphql import Endpoint
from .credentials import REFRESH_LIFETIME, TOKEN_LIFETIME, ApiProblem, StxAccounts, StxUser
from .messages import StxMessages
from .operations import StxOperations, status_of
from .presence import Presence
from .schema import SCHEMA_TEXT
from .socket import SCOPED, StxSocket
from .words import market_facts

__all__ = ["StxFace"]

API_VERSION = "sandbox-1"
IDLE_TIMEOUT = 60.0

_ORDERS = re.compile(rb"\b(?:confirmOrders?|cancel(?:All)?Orders?)\b")

_graphql = Endpoint(SCHEMA_TEXT, status_of)


class StxFace(TopicFace[StxSocket]):
    """The played venue. `deposit` (cents) is what a new account has; lifetimes and `idle_timeout` are in seconds."""

    name = "stx"
    idle_code = 1000
    slow_consumer_code = 1008
    subprotocols = ("phoenix",)
    socket_paths = frozenset({"/socket/websocket"})

    def __init__(
        self,
        context: FaceContext,
        *,
        markets: int = 6,
        churn_every: int = 400,
        deposit: int = 1_000_000,
        token_lifetime: float = TOKEN_LIFETIME,
        refresh_lifetime: float = REFRESH_LIFETIME,
        idle_timeout: float = IDLE_TIMEOUT,
    ) -> None:
        super().__init__(context)
        self.idle_timeout = idle_timeout
        self.accounts = StxAccounts(token_lifetime, refresh_lifetime)
        seed = f"{self.name}-{context.seed}"
        self.exchange = Exchange(seed)
        settings = FlowSettings(markets=markets, churn_every=churn_every, market_life=context.market_life)
        self.flow = Flow(self.exchange, market_facts, seed, settings)
        self.routes: Mapping[tuple[str, str], Route] = {
            ("POST", "/api/graphql"): self._graphql,
            ("GET", "/api_version"): self._version,
        }
        self.messages = StxMessages(self.exchange, self.accounts.find)
        self.presence = Presence(
            lambda topic, event, payload: self.send(topic, event, payload, context.clock.time_ns())
        )
        self._deposit = deposit

    def add_user(
        self, email: str, password: str, *, two_factor: str | None = None, admin: bool | None = None
    ) -> StxUser:
        """Make an account, or change one. With `two_factor` its logins ask for that code."""
        user = self.accounts.add_user(email, password, two_factor=two_factor, admin=admin)
        self.exchange.open_account(user.uid, self._deposit)
        return user

    def environment(self, url: str) -> dict[str, str]:
        """The variables that lead the SDK here, with an account that is good here alone. Any other will do."""
        return {"STX_HOST": url, "STX_EMAIL": "you@sandbox.example", "STX_PASSWORD": "sandbox-password"}

    # HTTP

    async def _version(self, _: Request) -> Response:
        return Response.of({"api_version": API_VERSION})

    def is_order(self, request: Request) -> bool:
        """True for the document's operations that place or cancel."""
        return request.path == "/api/graphql" and _ORDERS.search(request.body) is not None

    async def _graphql(self, request: Request) -> Response:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        given = token.strip() if scheme.lower() == "bearer" else None
        operations = StxOperations(self, given, self.context.clock.time_ns())
        return _graphql.respond(request, operations, x_request_id=self.exchange.new_id())

    def sign_in(self, user: StxUser, now_ns: int) -> None:
        """A user has signed in: their account is open, and they are told."""
        self.exchange.open_account(user.uid, self._deposit)
        self.send(*self.messages.user_updated(user, now_ns), now_ns)

    # Sockets

    def accept(self, request: Request, socket: Socket) -> SocketHandler | Response:
        """403 with an empty body for a bad version or token, as Phoenix answers."""
        version = negotiate(request.query)
        token = request.query.get("token") or token_from_subprotocols(
            request.headers.get("sec-websocket-protocol", "")
        )
        try:
            user = self.user_of(token)
        except ApiProblem:
            return Response(status=403)
        if version is None:
            return Response(status=403)
        limit = self.context.channel_limit(MAX_CHANNELS)
        return self.opened(StxSocket(self, socket, user, version, limit))

    def user_of(self, token: str | None) -> StxUser:
        """Whose token it is. Raises ApiProblem."""
        if self.context.meet("refuse_tokens"):
            raise ApiProblem("unauthenticated: the token was refused", "UNAUTHENTICATED", 401)
        user = self.accounts.user_of(token, self.context.clock.time_ns() / 1e9)
        self.exchange.open_account(user.uid, self._deposit)
        return user

    def listening_accounts(self) -> list[str]:
        """The accounts one of whose topics somebody has joined."""
        scoped = (topic.partition(":") for topic in self.topics)
        return sorted({uid for name, _, uid in scoped if name in SCOPED and uid in self.exchange.accounts})

    def expire_tokens(self) -> int:
        """All access tokens are expired; refresh tokens are not."""
        return self.accounts.expire_all()

    def cancel_all(self, uid: str) -> None:
        """Cancel every open order of an account."""
        now_ns = self.context.clock.time_ns()
        account = self.exchange.accounts.get(uid)
        for order_id in list(account.open_orders if account else ()):
            self.publish(self.exchange.cancel(uid, order_id, now_ns)[1], now_ns)

    # Publishing

    def publish(self, events: Sequence[Event], now_ns: int) -> None:
        """Publish what happened."""
        for message in self.messages.of(events, now_ns):
            self.send(*message, now_ns)

    def encode(self, entry: Entry, payload: Any, dialect: Version) -> Payload:
        """A broadcast in one version of the serializer."""
        return encode_broadcast(entry.topic, entry.event, Raw(entry.body), dialect)

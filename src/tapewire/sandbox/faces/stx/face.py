"""STX, played: GraphQL at `/api/graphql`, a Phoenix socket at `/socket/websocket`, one exchange behind both.

What happens at the exchange becomes publications: `market_updated` and `market_created` (and `market_update` for the
earlier generation), and for each account `order_update`, `trade`, `updated_positions`, `new_settlements`, `update` and
`user_updated`. Each is entered in the ledger, stamped so that no two of a topic are the same, and then encoded.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Raw

from ....protocols.base import Payload
from ....protocols.phoenix import encode_broadcast, negotiate, token_from_subprotocols
from ...core.events import (
    BalanceChanged,
    BookChanged,
    Event,
    Filled,
    MarketClosed,
    MarketCreated,
    OrderChanged,
    PositionChanged,
    Settled,
    Traded,
)
from ...core.exchange import Exchange
from ...core.flow import Flow, FlowSettings
from ...core.matching import Order, Side
from ...face import FaceContext, Route, Socket, SocketHandler
from ...net.http import Request, Response
from .credentials import REFRESH_LIFETIME, TOKEN_LIFETIME, ApiProblem, StxAccounts, StxUser
from .schema import execute
from .socket import MARKET_INFO, MARKETS, SCOPED, StxSocket
from .words import (
    book_side,
    iso,
    market_facts,
    market_fields,
    order_record,
    portfolio_record,
    position_record,
    recent_trades,
    settlement_record,
    trade_record,
    unrealized,
)

__all__ = ["StxCall", "StxFace"]

API_VERSION = "sandbox-1"
IDLE_TIMEOUT = 60.0
MAX_RULES = 10_000
"""Markets whose rule is remembered, for filters."""

SNAPSHOT_TRADES = 50


class StxFace:
    """The played venue. `deposit` (cents) is what a new account has; lifetimes and `idle_timeout` are in seconds."""

    name = "stx"
    idle_code = 1000
    slow_consumer_code = 1008
    subprotocols = ("phoenix",)
    socket_paths = frozenset({"/socket/websocket"})
    origins: frozenset[str] = frozenset()

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
        self.context = context
        self.idle_timeout = idle_timeout
        self.accounts = StxAccounts(token_lifetime, refresh_lifetime)
        self.exchange = Exchange(f"{self.name}-{context.seed}")
        self.flow = Flow(
            self.exchange,
            market_facts,
            f"{self.name}-{context.seed}",
            FlowSettings(markets=markets, churn_every=churn_every, market_life=context.market_life),
        )
        self.rules: OrderedDict[str, str] = OrderedDict()
        self.routes: Mapping[tuple[str, str], Route] = {
            ("POST", "/api/graphql"): self._graphql,
            ("GET", "/api_version"): self._version,
        }
        self.deposit = deposit
        self._topics: dict[str, dict[StxSocket, None]] = {}
        self._presences = 0
        self._told_profits: dict[str, int] = {}
        self._last_stamp_us = 0

    def add_user(
        self, email: str, password: str, *, two_factor: str | None = None, admin: bool | None = None
    ) -> StxUser:
        """Make an account, or change one. With `two_factor` its logins ask for that code."""
        user = self.accounts.add_user(email, password, two_factor=two_factor, admin=admin)
        self.exchange.open_account(user.uid, self.deposit)
        return user

    def environment(self, url: str) -> dict[str, str]:
        """The variable that leads the SDK here."""
        return {"STX_HOST": url}

    # HTTP

    async def _version(self, _: Request) -> Response:
        return Response.of({"api_version": API_VERSION})

    async def _graphql(self, request: Request) -> Response:
        try:
            body = msgspec.json.decode(request.body, type=dict[str, Any])
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            return Response.of({"errors": [{"message": f"not a GraphQL request: {error}"}]}, 400)
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        call = StxCall(self, token.strip() if scheme.lower() == "bearer" else None)
        answer, status = execute(call, body)
        return Response.of(answer, status, x_request_id=self.exchange.new_id())

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
        limit = self.context.faults.meet("channel_limit", self.context.clock.time_ns())
        return StxSocket(self, socket, user, version, limit.params["count"] if limit else None)

    def user_of(self, token: str | None) -> StxUser:
        """Whose token it is. Raises ApiProblem."""
        now_ns = self.context.clock.time_ns()
        if self.context.faults.meet("refuse_tokens", now_ns):
            raise ApiProblem("unauthenticated: the token was refused", "UNAUTHENTICATED", 401)
        user = self.accounts.user_of(token, now_ns / 1e9)
        self.exchange.open_account(user.uid, self.deposit)
        return user

    def subscribed(self, topic: str, socket: StxSocket) -> None:
        """A socket joined a topic."""
        self._topics.setdefault(topic, {})[socket] = None
        self.context.carriage.begin(self.name, topic, socket.number)

    def unsubscribed(self, topic: str, socket: StxSocket) -> bool:
        """A socket left a topic, or is over. False where it was not there."""
        self.context.carriage.end(self.name, topic, socket.number, line_over=socket.is_lost)
        sockets = self._topics.get(topic, {})
        was_there = socket in sockets
        sockets.pop(socket, None)
        if not sockets:
            self._topics.pop(topic, None)
        return was_there

    def listening_accounts(self) -> list[str]:
        """The accounts one of whose topics somebody has joined."""
        scoped = (topic.partition(":") for topic in self._topics)
        return sorted({uid for name, _, uid in scoped if name in SCOPED and uid in self.exchange.accounts})

    def joined_topics(self) -> list[str]:
        """The topics that somebody has joined."""
        return list(self._topics)

    def tick(self, now: float, now_ns: int) -> None:
        """Judge the pings of cancel-on-disconnect."""
        for socket in {socket for sockets in self._topics.values() for socket in sockets}:
            socket.tick(now)

    def expire_tokens(self) -> int:
        """All access tokens are expired; refresh tokens are not."""
        return self.accounts.expire_all()

    def end_topic(self, topic: str, *, crashed: bool) -> int:
        """Crash or close a topic everywhere."""
        sockets = list(self._topics.get(topic, {}))
        for socket in sockets:
            socket.end(topic, crashed=crashed)
        return len(sockets)

    def cancel_all(self, uid: str) -> None:
        """Cancel every open order of an account."""
        now_ns = self.context.clock.time_ns()
        account = self.exchange.accounts.get(uid)
        for order_id in list(account.open_orders if account else ()):
            self.publish(self.exchange.cancel(uid, order_id, now_ns)[1], now_ns)

    def snapshot(self, name: str, uid: str) -> tuple[str, Any] | None:
        """Event and payload of what a topic begins with; None where it begins with nothing."""
        account = self.exchange.accounts.get(uid)
        if account is None:  # an admin may watch whom nobody knows
            return None
        orders = list(account.open_orders.values())
        if name == "active_orders":
            return "all_orders", {"orders": [order_record(order) for order in orders]}
        if name == "active_trades":
            latest = list(account.fills)[-SNAPSHOT_TRADES:]
            return "all_trades", {"trades": [trade_record(fill) for fill in reversed(latest)]}
        if name == "active_positions":
            records = [
                position_record(position, self.exchange.find_market(position.market_id), orders)
                for position in account.positions.values()
            ]
            return "all_positions", {"positions": records}
        if name == "portfolio":
            return "summary", portfolio_record(account, self.profit_of(uid))
        user = self.accounts.find(uid)
        return ("user_updated", self._user_fields(user)) if name == "user_info" and user else None

    def profit_of(self, uid: str) -> int:
        """What the account's positions would bring now, beyond what they cost, in cents."""
        held = (
            (position, self.exchange.markets.get(position.market_id))
            for position in self.exchange.accounts[uid].positions.values()
            if position.net
        )
        return sum(unrealized(position, market) for position, market in held if market)

    def presences(self, uid: str, newcomer: StxSocket) -> dict[str, Any]:
        """Who listens to a user's topic besides a newcomer, as Phoenix's Presence words it."""
        metas: dict[str, list[dict[str, Any]]] = {}
        for socket in self._topics.get(f"user_info:{uid}", {}):
            if socket is not newcomer:
                metas.setdefault(socket.user.uid, []).append(socket.presences[uid])
        return {who: {"metas": found} for who, found in metas.items()}

    def tell_presence(self, uid: str, socket: StxSocket, *, joined: bool) -> None:
        """Publish that a socket came to a user's topic, or went. Whoever comes again goes first."""
        if joined and uid in socket.presences:
            self.tell_presence(uid, socket, joined=False)
        if joined:
            self._presences += 1
            socket.presences[uid] = {"phx_ref": f"F{self._presences:011}"}
        entry = {socket.user.uid: {"metas": [socket.presences[uid]]}}
        content = {"joins": entry if joined else {}, "leaves": {} if joined else entry}
        if not joined:
            del socket.presences[uid]
        self._send(f"user_info:{uid}", "presence_diff", content, self.context.clock.time_ns())

    # Publishing

    def publish(self, events: Sequence[Event], now_ns: int) -> None:
        """Word what happened: the markets first, one message for each, then the accounts, in order."""
        for market_id, (event, content) in self._market_changes(events).items():
            for topic, named in ((MARKETS, event), (MARKET_INFO, "market_update")):
                stamps = {"market_id": market_id, **self._stamps(now_ns)}
                self._send(topic, named, {market_id: {**content, **stamps}}, now_ns)
        told: set[str] = set()
        for item in events:
            worded = self._account_change(item)
            if worded is not None:
                topic, event, payload = worded
                told.add(topic)
                self._send(topic, event, {**payload, **self._stamps(now_ns)}, now_ns)
        moved = {event.market_id for event in events if isinstance(event, BookChanged | Traded)}
        self._tick_profits(moved, told, now_ns)

    def _tick_profits(self, moved: set[str], told: set[str], now_ns: int) -> None:
        """Tell whoever holds contracts of a market that moved what they would bring now, where that has changed."""
        for uid, account in self.exchange.accounts.items():
            topic = f"portfolio:{uid}"
            if not account.watched or topic in told:
                continue
            if any(each.net and each.market_id in moved for each in account.positions.values()):
                profit = self.profit_of(uid)
                if self._told_profits.get(uid) != profit:
                    self._tell_portfolio(uid, now_ns)

    def _tell_portfolio(self, uid: str, now_ns: int) -> None:
        profit = self._told_profits[uid] = self.profit_of(uid)
        content = portfolio_record(self.exchange.accounts[uid], profit)
        self._send(f"portfolio:{uid}", "update", {**content, **self._stamps(now_ns)}, now_ns)

    def _market_changes(self, events: Sequence[Event]) -> dict[str, tuple[str, dict[str, Any]]]:
        """Event and fields for each market that something happened to, in the order in which it did."""
        happened: dict[str, set[type | str]] = {}
        for event in events:
            if isinstance(event, BookChanged):
                happened.setdefault(event.market_id, set()).add(event.side)
            elif isinstance(event, MarketCreated | MarketClosed | Traded):
                happened.setdefault(event.market_id, set()).add(type(event))
        return {market_id: self._worded(market_id, what) for market_id, what in happened.items()}

    def _worded(self, market_id: str, happened: set[type | str]) -> tuple[str, dict[str, Any]]:
        market = self.exchange.find_market(market_id)
        assert market is not None
        if MarketCreated in happened:
            self.rules[market_id] = market.facts["rules"]
            if len(self.rules) > MAX_RULES:
                self.rules.popitem(last=False)
            return "market_created", market_fields(market)
        changed: dict[str, Any] = {}
        if MarketClosed in happened:
            fields = market_fields(market)
            changed = {name: fields[name] for name in ("status", "trading", "result", "bids", "offers")}
        if "buy" in happened:
            changed["bids"] = book_side(market, "buy")
        if "sell" in happened:
            changed["offers"] = book_side(market, "sell")
        if Traded in happened:
            changed["price"] = changed["last_traded_price"] = market.last_price
            changed["volume_24h"] = market.volume
            changed["recent_trades"] = recent_trades(market)
        return "market_updated", changed

    def _account_change(self, event: Event) -> tuple[str, str, dict[str, Any]] | None:
        if isinstance(event, OrderChanged):
            return f"active_orders:{event.account}", "order_update", order_record(event.order)
        if isinstance(event, Filled):
            return f"active_trades:{event.account}", "trade", trade_record(event.fill)
        if isinstance(event, PositionChanged):
            market = self.exchange.find_market(event.position.market_id)
            orders = list(self.exchange.accounts[event.account].open_orders.values())
            record = position_record(event.position, market, orders)
            return f"active_positions:{event.account}", "updated_positions", {"positions": [record]}
        if isinstance(event, Settled):
            record = settlement_record(event.settlement)
            return f"active_settlements:{event.account}", "new_settlements", {"settlements": [record]}
        if isinstance(event, BalanceChanged):
            account = self.exchange.accounts[event.account]
            profit = self._told_profits[event.account] = self.profit_of(event.account)
            return f"portfolio:{event.account}", "update", portfolio_record(account, profit)
        return None

    def tell_user_updated(self, user: StxUser, now_ns: int) -> None:
        """Publish what is known of a user on their own topic."""
        content = {**self._user_fields(user), "current_login_at": iso(now_ns), **self._stamps(now_ns)}
        self._send(f"user_info:{user.uid}", "user_updated", content, now_ns)

    @staticmethod
    def _user_fields(user: StxUser) -> dict[str, Any]:
        return {
            "uid": user.uid,
            "user_id": user.user_id,
            "email": user.email,
            "two_factor_auth": user.two_factor is not None,
        }

    def _stamps(self, now_ns: int) -> dict[str, Any]:
        # Microseconds that never stand still: two publications of a topic never say the same.
        self._last_stamp_us = max(now_ns // 1000, self._last_stamp_us + 1)
        return {"timestamp": iso(self._last_stamp_us * 1000), "unix_timestamp": self._last_stamp_us // 1000}

    def _send(self, topic: str, event: str, payload: dict[str, Any], now_ns: int) -> None:
        entry = self.context.ledger.append(self.name, topic, event, payload, now_ns)
        sockets = self._topics.get(topic)
        if not sockets:
            return
        encoded: Payload = encode_broadcast(topic, event, Raw(entry.body))
        for socket in list(sockets):
            socket.publish(entry, encoded if socket.speaks_v2 else None)


class StxCall:
    """One GraphQL request: who makes it, and what can be done for them."""

    def __init__(self, face: StxFace, token: str | None) -> None:
        self.exchange = face.exchange
        self.now_ns = face.context.clock.time_ns()
        self._face = face
        self._token = token
        self._user: StxUser | None = None

    def user(self) -> StxUser:
        """Who asks. Raises ApiProblem without a good token."""
        if self._user is None:
            self._user = self._face.user_of(self._token)
        return self._user

    def login(self, email: str, password: str) -> dict[str, Any]:
        """Sign in, or be asked for the second factor."""
        return self._signed_in(*self._face.accounts.login(email, password, self.now_ns / 1e9))

    def confirm(self, code: str, session: str, email: str) -> dict[str, Any]:
        """The second factor."""
        return self._signed_in(*self._face.accounts.confirm(code, session, email, self.now_ns / 1e9))

    def renew(self, refresh_token: str) -> dict[str, Any]:
        """A new token for a refresh token."""
        return self._signed_in(*self._face.accounts.renew(refresh_token, self.now_ns / 1e9))

    def place(self, user: StxUser, wanted: Mapping[str, Any], price: int | None, quantity: int) -> Order:
        """Place an order and publish what follows from it."""
        side: Side = "buy" if wanted["action"] == "BUY" else "sell"
        order, events = self.exchange.place(
            user.uid,
            str(wanted["marketId"]),
            side,
            price,
            quantity,
            self.now_ns,
            client_order_id=wanted.get("clientOrderId"),
        )
        self._face.publish(events, self.now_ns)
        return order

    def cancel(self, user: StxUser, order_id: str) -> Order | None:
        """Cancel an order; None where the user has no such order."""
        order, events = self.exchange.cancel(user.uid, order_id, self.now_ns)
        self._face.publish(events, self.now_ns)
        return order

    def _signed_in(self, user: StxUser, answer: dict[str, Any]) -> dict[str, Any]:
        if answer["token"]:
            self._face.exchange.open_account(user.uid, self._face.deposit)
            answer["current_login_at"] = iso(self.now_ns)
            self._face.tell_user_updated(user, self.now_ns)
        return answer

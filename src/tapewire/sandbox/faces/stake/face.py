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
from graphql import GraphQLError

from ...core.events import BalanceChanged, BookChanged, Event, MarketClosed, MarketCreated, Traded
from ...core.exchange import Exchange
from ...face import FaceContext, Route, Socket, SocketHandler
from ...net.http import Request, Response
from .schema import execute
from .socket import GraphQLSocket, PageSocket, StakeSocket
from .tables import CHAT_ROOMS, FIXTURES, GAMES, ROUND_GAMES, StakeFlow

__all__ = ["StakeCall", "StakeFace"]

PAGE_PATH = "/_api/websocket"
GRAPHQL_SOCKET_PATH = "/_api/websockets"
GRAPHQL_PATH = "/_api/graphql"

CURRENCY = "usdt"
TICKS = 100
"""The exchange's ticks in one unit of the currency."""

IDLE_TIMEOUT = 60.0
INIT_TIMEOUT = 3.0
FAUCET_TICKS = 25
MAX_PAGE = 50

_OF_MARKETS = (MarketCreated, MarketClosed, BookChanged, Traded)
_CHANNELS = frozenset(
    {f"game:{slug}" for slug in (*ROUND_GAMES, *GAMES)}
    | {f"sports:event:{event_id}" for event_id in FIXTURES}
    | {f"chat:{room}" for room in CHAT_ROOMS}
    | {"bets"}
)


class StakeFace:
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
        self.context = context
        self.deposit = deposit
        self.idle_timeout = idle_timeout
        self.init_timeout = init_timeout
        self.exchange = Exchange(f"{self.name}-{context.seed}")
        self.flow = StakeFlow(self.exchange, f"{self.name}-{context.seed}")
        self.vaults: dict[str, int] = {}
        self.routes: Mapping[tuple[str, str], Route] = {("POST", GRAPHQL_PATH): self._graphql}
        self._topics: dict[str, dict[StakeSocket, None]] = {}
        self._told: dict[str, int] = {}
        self._starting: set[GraphQLSocket] = set()

    def environment(self, url: str) -> dict[str, str]:
        """The variables that lead the SDK here."""
        return {"STAKE_BASE_URL": url, "STAKE_WS_URL": url.replace("http", "ws", 1)}

    # Who may enter

    def account_of(self, token: str) -> str | None:
        """The account of a token, made where there is none yet; None for a token that is refused."""
        if self.context.faults.meet("refuse_tokens", self.context.clock.time_ns()):
            return None
        if not token or token.startswith("refused"):
            return None
        account = hashlib.blake2b(token.encode(), digest_size=6).hexdigest()
        cash = self.exchange.open_account(account, self.deposit).cash
        self._told.setdefault(account, cash)
        return account

    def accept(self, request: Request, socket: Socket) -> SocketHandler | Response:
        """401 without a token, 403 with one that is refused, on the page's socket; the other asks when it begins."""
        if request.path == GRAPHQL_SOCKET_PATH:
            offered = request.headers.get("sec-websocket-protocol", "").replace(" ", "").split(",")
            now = asyncio.get_running_loop().time()
            starting = GraphQLSocket(self, socket, now, speaks_it=self.subprotocols[0] in offered)
            self._starting.add(starting)
            return starting
        token = request.headers.get("x-access-token", "")
        account = self.account_of(token)
        return PageSocket(self, socket, account) if account else Response(status=403 if token else 401)

    async def _graphql(self, request: Request) -> Response:
        token = request.headers.get("x-access-token", "")
        account = self.account_of(token) if token else None
        if token and account is None:
            return Response.of({"errors": [{"message": "the token was refused"}]}, 403)
        try:
            body = msgspec.json.decode(request.body, type=dict[str, Any])
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            return Response.of({"errors": [{"message": f"not a GraphQL request: {error}"[:200]}]}, 400)
        return Response.of(*execute(StakeCall(self, account), body))

    # Topics

    def key_of(self, channel: str, account: str | None) -> str | None:
        """The ledger's topic of a channel; None where there is no such channel, or not without an account."""
        if channel == "user:balances":
            return f"{channel}:{account}" if account else None
        return channel if channel in _CHANNELS else None

    def refusal_of(self, channel: str, account: str | None) -> str | None:
        """What a fault has to say of a subscription: a reason, "" to pass it over in silence, None for nothing."""
        faults, now_ns = self.context.faults, self.context.clock.time_ns()
        if faults.meet("ignore_join", now_ns, topic=channel):
            return ""
        refused = self.context.refuses_join(self.name, channel, self.key_of(channel, account))
        return refused.params["reason"] if refused else None

    def subscribed(self, key: str, socket: StakeSocket) -> None:
        """A socket listens to a topic."""
        self._topics.setdefault(key, {})[socket] = None
        self.context.carriage.begin(self.name, key, socket.number)

    def unsubscribed(self, key: str, socket: StakeSocket) -> None:
        """A socket left a topic, or is over."""
        self.context.carriage.end(self.name, key, socket.number, line_over=socket.is_lost)
        sockets = self._topics.get(key, {})
        sockets.pop(socket, None)
        if not sockets:
            self._topics.pop(key, None)

    def listening_accounts(self) -> list[str]:
        """The accounts whose balance somebody watches."""
        private = (
            key.removeprefix("user:balances:") for key in self._topics if key.startswith("user:balances:")
        )
        return sorted(account for account in private if account in self.exchange.accounts)

    def joined_topics(self) -> list[str]:
        """The topics that somebody has joined."""
        return list(self._topics)

    def tick(self, now: float, now_ns: int) -> None:
        """Judge the initialisation: nobody else has a deadline."""
        for socket in list(self._starting):
            socket.tick(now)

    def started(self, socket: GraphQLSocket) -> None:
        """A socket has initialised, or is over."""
        self._starting.discard(socket)

    def expire_tokens(self) -> int:
        """A token of this venue lives until its owner logs out: none expires."""
        return 0

    def end_topic(self, topic: str, *, crashed: bool) -> int:
        """Crash or close a channel everywhere; `user:balances` for every account."""
        keys = [key for key in self._topics if key == topic or key.startswith(f"{topic}:")]
        sockets = [(key, socket) for key in keys for socket in list(self._topics[key])]
        for key, socket in sockets:
            socket.end(key, crashed=crashed)
        return len(sockets)

    def prune_history(self, topic: str | None, keep: int) -> int:
        """No history is kept."""
        return 0

    def restart_history(self, topic: str | None) -> int:
        """Nothing is numbered."""
        return 0

    def lose_place(self, topic: str | None) -> int:
        """There is no place in a stream to lose."""
        return 0

    # Publishing

    def publish(self, events: Sequence[Event], now_ns: int) -> None:
        """Word what happened at the tables, then at the fixtures' markets, then to the accounts."""
        while self.flow.happened:
            happening = self.flow.happened.popleft()
            self._send(happening.channel, "update", happening.payload, now_ns)
        touched = (event for event in events if isinstance(event, _OF_MARKETS))
        for market_id in dict.fromkeys(event.market_id for event in touched):
            market = self.exchange.find_market(market_id)
            assert market is not None
            event_id, live = market.facts["event_id"], market.status == "open"
            price = (market.book.best_bid or market.last_price) if live else None
            told = self.flow.fixture(event_id, price, now_ns, live=live)
            self._send(f"sports:event:{event_id}", "update", told, now_ns)
        for account in dict.fromkeys(event.account for event in events if isinstance(event, BalanceChanged)):
            self.tell_balance(account, now_ns)

    def tell_balance(self, account: str, now_ns: int) -> None:
        """Publish an account's balance where it has changed since it was told last."""
        cash = self.exchange.accounts[account].cash
        change, self._told[account] = cash - self._told.get(account, self.deposit), cash
        if change:
            self._tell(account, "available", change, cash, now_ns)

    def tell_vault(self, account: str, change: int, now_ns: int) -> None:
        """Publish that an account's vault holds more or less."""
        self._tell(account, "vault", change, self.vaults[account], now_ns)

    def _tell(self, account: str, wallet: str, change: int, total: int, now_ns: int) -> None:
        payload = {
            "wallet": wallet,
            "amount": change / TICKS,
            "identifier": self.flow.new_id(),
            "balance": {"amount": total / TICKS, "currency": CURRENCY},
            "createdAt": self.flow.stamp(now_ns),
        }
        self._send(f"user:balances:{account}", "update", payload, now_ns)

    def _send(self, key: str, event: str, payload: dict[str, Any], now_ns: int) -> None:
        entry = self.context.ledger.append(self.name, key, event, payload, now_ns)
        sockets = self._topics.get(key)
        if not sockets:
            return
        channel = "user:balances" if key.startswith("user:balances:") else key
        encoded = msgspec.json.encode({"channel": channel, "payload": msgspec.Raw(entry.body)})
        for socket in list(sockets):
            socket.publish(key, entry, encoded)


class StakeCall:
    """One GraphQL request: `StakeQueries` of the account that makes it (None: nobody's)."""

    def __init__(self, face: StakeFace, account: str | None) -> None:
        self._face = face
        self._account = account
        self._now_ns = face.context.clock.time_ns()

    def run(self, name: str, given: Mapping[str, Any]) -> Any:
        """The value of one field of the root."""
        if name == "currencyConfiguration":
            return {"currencies": [{"name": "btc", "precision": 8}, {"name": CURRENCY, "precision": 2}]}
        if name == "currencyConversionRate":
            return [{"currency": "btc", "rate": 64250.5}, {"currency": CURRENCY, "rate": 1}]
        if name == "bonusCodeInformation":
            return {"code": given["code"], "valid": False, "description": "no such code"}
        if self._account is None:
            raise GraphQLError("unauthorized: no access token", extensions={"code": "UNAUTHENTICATED"})
        if name == "claimFaucet":
            return self._claim(self._account)
        if name == "createVaultDeposit":
            return self._deposit(self._account, given)
        return self._user(self._account)

    def _claim(self, account: str) -> dict[str, Any]:
        self._move(account, FAUCET_TICKS)
        self._face.tell_balance(account, self._now_ns)
        return _amount(FAUCET_TICKS)

    def _deposit(self, account: str, given: Mapping[str, Any]) -> dict[str, Any]:
        ticks = round(float(given["amount"]) * TICKS)
        if given["currency"] != CURRENCY or not 0 < ticks <= self._face.exchange.accounts[account].cash:
            raise GraphQLError("insufficient balance", extensions={"code": "INSUFFICIENT_BALANCE"})
        self._move(account, -ticks)
        self._face.vaults[account] = self._face.vaults.get(account, 0) + ticks
        self._face.tell_balance(account, self._now_ns)
        self._face.tell_vault(account, ticks, self._now_ns)
        return _amount(self._face.vaults[account])

    def _move(self, account: str, ticks: int) -> None:
        exchange = self._face.exchange
        exchange.accounts[account].cash += ticks
        exchange.accounts[account].deposited += ticks
        exchange.deposits += ticks

    def _user(self, account: str) -> dict[str, Any]:
        cash, vault = self._face.exchange.accounts[account].cash, self._face.vaults.get(account, 0)
        coin = {"currency": "btc", "amount": 0.00125}
        return {
            "id": account, "name": f"player-{account[:6]}", "email": f"{account[:6]}@example.com",
            "createdAt": "2024-01-01T00:00:00.000000Z", "country": "CA",
            "hasEmailVerified": True, "isBanned": False, "isMuted": False,
            "balances": [
                {"available": _amount(cash), "vault": _amount(vault)},
                {"available": coin, "vault": {**coin, "amount": 0}},
            ],
            "statistic": [
                {"game": "dice", "bets": 3, "wins": 1, "losses": 2, "betAmount": 4.5, "currency": CURRENCY}
            ],
            "preferences": {"language": "en", "currency": CURRENCY, "emailNotifications": False},
            "flagProgress": {"flag": "bronze", "progress": 0.125},
            "rakeback": {"enabled": True, "rate": 0.05},
            "sessionList": [{"id": "1", "active": True, "country": "CA", "createdAt": "2024-01-01T00:00:00.000000Z"}],
            "apiKeys": [],
            "activeServerSeed": {"seedHash": "0" * 64, "nextSeedHash": "1" * 64, "nonce": 3},
            "activeClientSeed": {"seed": "sandbox"},
            "faucet": {**_amount(FAUCET_TICKS), "active": True},
            "kyc": {"status": "verified"},
            "transactionList": lambda **given: _page(["bet", "deposit", "bet"], given),
            "depositList": lambda **given: _page(["deposit"], given),
            "withdrawalList": lambda **given: _page([], given),
        }  # fmt: skip


def _amount(ticks: int) -> dict[str, Any]:
    return {"amount": ticks / TICKS, "currency": CURRENCY}


def _page(kinds: Sequence[str], given: Mapping[str, Any]) -> list[dict[str, Any]]:
    offset, limit = given["offset"], given["limit"]
    if offset < 0 or not 1 <= limit <= MAX_PAGE:
        raise GraphQLError(f"offset from 0 on, limit 1 to {MAX_PAGE}", extensions={"code": "BAD_USER_INPUT"})
    made = "2024-01-01T00:00:00.000000Z"
    records = [
        {"id": str(number), "type": kind, "createdAt": made, **_amount(100 * number)}
        for number, kind in enumerate(kinds, 1)
    ]
    return records[offset : offset + limit]

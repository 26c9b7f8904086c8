"""WEEX contracts, played: REST V3 under `/capi/v3`, V3 and V2 sockets, one exchange behind all of them.

What happens at the exchange becomes publications: trades at once, books conflated to one frame per `depth_interval`,
tickers and candles per `ticker_interval`; and for each account `orders`, `fill`, `positions` and `account`, one frame
each for whatever happened at once. Each is entered in the ledger in its V3 words (candles only once somebody has
subscribed), and then worded for V3 and V2. Private topics stand in the ledger with their account: `orders:trader`.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Mapping, Sequence
from math import inf
from typing import Any

import msgspec

from ....protocols.base import Payload
from ...core.events import AccountEvent, BookChanged, Event, MarketCreated, Trade, Traded
from ...core.exchange import Exchange, Market
from ...core.flow import Flow, FlowSettings
from ...face import FaceContext, Socket, SocketHandler
from ...net.http import Request, Response
from . import v2
from .books import DEPTHS, FIRST_VERSION, BookStream
from .contracts import RANGE, UNIT_PLACES, Contract, contracts_for
from .credentials import DEFAULT, ApiKey, ApiKeys, WeexProblem
from .margin import FINE, Margined
from .messages import AccountNews
from .rest import WeexRest, refusal_of
from .socket import Dialect, Limits, WeexSocket
from .tape import Tape
from .topics import PRIVATE, depth_of, kline_of

__all__ = ["WeexFace"]

CONNECTION_WINDOW = 300.0
"""Seconds in which only so many sockets may be opened."""

_DIALECTS: Mapping[str, tuple[Dialect, bool]] = {
    "/v3/ws/public": ("v3", False), "/v3/ws/private": ("v3", True),
    "/v2/ws/public": ("v2", False), "/v2/ws/private": ("v2", True),
}  # fmt: skip


class WeexFace:
    """The played venue. `symbols`: how many contracts, or their names; `delisted` ones take subscriptions but are dead.

    `deposit` is in USDT, intervals and timeouts in seconds; an interval of 0 publishes with every change.
    `snapshot_first` sends a subscription's snapshot before its acknowledgement, as the venue sometimes does.
    """

    name = "weex"
    idle_timeout = inf
    idle_code = 1000
    slow_consumer_code = 1008
    subprotocols = ()
    socket_paths = frozenset(_DIALECTS)

    def __init__(
        self,
        context: FaceContext,
        *,
        symbols: int | Sequence[str] = 6,
        delisted: Sequence[str] = ("LUNAUSDT",),
        deposit: int = 10_000,
        depth_interval: float = 0.5,
        ticker_interval: float = 0.25,
        snapshot_first: bool = False,
        max_channels: int = 100,
        max_operations: int = 240,
        ping_interval: float = 60.0,
        unsubscribed_timeout: float = 60.0,
        max_sockets: int = 100,
        max_opens: int = 300,
        max_weight: int = 500,
        max_orders: int = 300,
    ) -> None:
        self.context = context
        self.keys = ApiKeys()
        self.snapshot_first = snapshot_first
        self.contracts: dict[str, Contract] = {each.symbol: each for each in contracts_for(symbols)}
        self.delisted = set(delisted)
        self.markets: dict[str, Market] = {}
        self.tapes: dict[str, Tape] = {}
        self.books: dict[tuple[str, int], BookStream] = {}
        self.versions: dict[str, int] = {}
        seed = f"{self.name}-{context.seed}"
        self.exchange = Exchange(seed, Margined(dict(self.contracts)))
        self.flow = _flow(self.exchange, list(self.contracts), seed)
        self.news = AccountNews(self.exchange, self.contracts, self.versions)
        self.routes = WeexRest(self, max_weight, max_orders).routes
        self._limits = Limits(
            channels=max_channels, operations=max_operations, ping_interval=ping_interval,
            unsubscribed_timeout=unsubscribed_timeout,
        )  # fmt: skip
        self._max_sockets, self._max_opens = max_sockets, max_opens
        self._deposit = deposit * 10**UNIT_PLACES * FINE
        self._intervals = (depth_interval, ticker_interval)
        self._due = [0.0, 0.0]
        self._opened: deque[float] = deque()
        self._sockets: dict[WeexSocket, None] = {}
        self._topics: dict[str, dict[WeexSocket, None]] = {}
        self._candle_topics: dict[str, None] = {}
        self._changed_books: set[str] = set()
        self._changed_tickers: set[str] = set()
        self._traded: set[str] = set()
        self._stamps: dict[str, int] = {}
        self._draw = random.Random(f"weex-{seed}")

    @property
    def known_symbols(self) -> set[str]:
        """What can be subscribed to."""
        return self.contracts.keys() | self.delisted

    def now_ns(self) -> int:
        """The venue's clock: the sandbox's, and what the fault `skew` adds to it."""
        faults, now_ns = self.context.faults, self.context.clock.time_ns()
        skewed = faults.meet("skew", now_ns) if faults.any_standing else None
        return now_ns if skewed is None else now_ns + int(skewed.params["seconds"] * 1e9)

    def environment(self, url: str) -> dict[str, str]:
        """The variables that lead the SDK here, with credentials that are good here and nowhere else."""
        return {
            "WEEX_HOST": url,
            "WEEX_API_KEY": DEFAULT.key,
            "WEEX_SECRET_KEY": DEFAULT.secret.reveal(),
            "WEEX_PASSPHRASE": DEFAULT.passphrase.reveal(),
        }

    def add_key(self, account: str) -> ApiKey:
        """Make credentials for another account. Raises ConfigurationError."""
        return self.keys.add(account)

    def account_of(self, request: Request) -> str:
        """The account that signed a request or an upgrade. Raises WeexProblem."""
        now_ns = self.now_ns()
        if self.context.faults.meet("refuse_tokens", self.context.clock.time_ns()):
            raise WeexProblem(-1047, "API authentication failed.")
        check = self.keys.check_socket if request.is_upgrade else self.keys.check_request
        account = check(request, now_ns / 1e9)
        self.exchange.open_account(account, self._deposit)
        return account

    # Sockets

    def accept(self, request: Request, socket: Socket) -> SocketHandler | Response:
        """429 where too many are open or were opened lately; a private one without a good signature is refused."""
        now = asyncio.get_running_loop().time()
        while self._opened and now - self._opened[0] >= CONNECTION_WINDOW:
            self._opened.popleft()
        if len(self._sockets) >= self._max_sockets or len(self._opened) >= self._max_opens:
            return Response.of({"code": 429, "msg": "Too many connections."}, 429)
        self._opened.append(now)
        dialect, is_private = _DIALECTS[request.path]
        try:
            account = self.account_of(request) if is_private else None
        except WeexProblem as problem:
            return refusal_of(problem, 401)
        limit = self.context.faults.meet("channel_limit", self.context.clock.time_ns())
        limits = (
            msgspec.structs.replace(self._limits, channels=limit.params["count"]) if limit else self._limits
        )
        made = WeexSocket(self, socket, dialect, account, limits)
        self._sockets[made] = None
        return made

    def forget(self, socket: WeexSocket) -> None:
        """A socket is over."""
        self._sockets.pop(socket, None)

    @staticmethod
    def key_of(topic: str, socket: WeexSocket) -> str:
        """The ledger's name of a topic: a private one stands there with its account."""
        return f"{topic}:{socket.account}" if topic in PRIVATE else topic

    def subscribed(self, topic: str, socket: WeexSocket) -> bool:
        """A socket subscribes. False for a contract that is not traded any more: nothing will ever come."""
        if topic.partition("@")[0] in self.delisted:
            return False
        self._topics.setdefault(self.key_of(topic, socket), {})[socket] = None
        self.context.carriage.begin(self.name, self.key_of(topic, socket), socket.number)
        if kline_of(topic):
            self._candle_topics[topic] = None
        return True

    def unsubscribed(self, topic: str, socket: WeexSocket) -> None:
        """A socket unsubscribes, or is over."""
        self.context.carriage.end(
            self.name, self.key_of(topic, socket), socket.number, line_over=socket.is_over
        )
        sockets = self._topics.get(self.key_of(topic, socket), {})
        sockets.pop(socket, None)
        if not sockets:
            self._topics.pop(self.key_of(topic, socket), None)

    def snapshot(self, topic: str) -> dict[str, Any] | None:
        """What a subscription begins with; None where it begins with nothing."""
        symbol, depth = topic.partition("@")[0], depth_of(topic)
        if depth is not None:
            return self._frame("depthSnapshot", topic, self.book(symbol, depth))
        if symbol in self.delisted:
            return None
        kline = kline_of(topic)
        if kline is not None:
            return self._frame("klineSnapshot", topic, self._candle(symbol, *kline))
        if topic.endswith("@trade"):
            contract, trades = self.contracts[symbol], self.markets[symbol].trades
            return self._frame(
                "tradeSnapshot", topic, {"d": [_trade_row(trade, contract) for trade in trades]}
            )
        return None

    def book(self, symbol: str, depth: int) -> dict[str, Any]:
        """The fields of a book as it was published last; an empty one, numbered 0, where it is not traded."""
        if symbol in self.delisted:
            return BookStream.empty(depth)
        faults, topic = self.context.faults, f"{symbol}@depth{depth}"
        stale = faults.meet("stale_snapshot", self.context.clock.time_ns(), topic=topic)
        if stale is not None:  # whoever has it can make nothing of what follows
            following = self.context.ledger.last_sequence(topic, venue=self.name) + 1
            self.context.carriage.lose(stale, self.name, topic, following)
        return self.books[symbol, depth].snapshot(former=stale is not None)

    def listening_accounts(self) -> list[str]:
        """The accounts one of whose topics somebody has subscribed to."""
        return sorted({topic.partition(":")[2] for topic in self._topics if ":" in topic})

    def joined_topics(self) -> list[str]:
        """The topics that somebody has joined."""
        return list(self._topics)

    def tick(self, now: float, now_ns: int) -> None:
        """Publish what was conflated; look after pings and idle sockets."""
        for number, publish in enumerate((self._publish_books, self._publish_tickers)):
            if now >= self._due[number]:
                interval = self._intervals[number]
                on_time = self._due[number] + interval
                self._due[number] = on_time if on_time > now else now + interval
                publish(now_ns)
        for socket in list(self._sockets):
            socket.tick(now)

    def expire_tokens(self) -> int:
        """Signatures are good for one request: nothing expires."""
        return 0

    def end_topic(self, topic: str, *, crashed: bool) -> int:
        """Delist the topic's contract where the topic is closed; a crash of a topic is unknown to the venue."""
        symbol, separator, _ = topic.partition("@")
        if crashed or not separator or symbol not in self.contracts:
            return 0
        return self.delist(symbol)

    def delist(self, symbol: str) -> int:
        """A contract is not traded any more: its books end with an empty snapshot, the rest in silence.

        Returns how many subscriptions ended.
        """
        self.delisted.add(symbol)
        self.contracts.pop(symbol)
        ended = 0
        for topic in [topic for topic in self._topics if topic.startswith(f"{symbol}@")]:
            depth = depth_of(topic)
            for socket in list(self._topics[topic]):
                ended += 1
                if depth is None:
                    socket.forget(topic)
                else:
                    socket.end(topic, self._frame("depthSnapshot", topic, BookStream.empty(depth)))
            self._candle_topics.pop(topic, None)
        return ended

    # Publishing

    def publish(self, events: Sequence[Event], now_ns: int) -> None:
        """Publish trades and what accounts hear at once; note what else changed."""
        trades: dict[str, list[Trade]] = {}
        for event in events:
            if isinstance(event, MarketCreated):
                self._list(event, now_ns)
            elif isinstance(event, BookChanged | Traded):
                self._note(event, trades)
        for symbol, made in trades.items():
            rows = [_trade_row(trade, self.contracts[symbol]) for trade in made]
            self._send(f"{symbol}@trade", "trade", {"d": rows}, now_ns)
        if not self._intervals[0]:
            self._publish_books(now_ns)
        if not self._intervals[1]:
            self._publish_tickers(now_ns)
        mine = [event for event in events if isinstance(event, AccountEvent)]
        for account, name, rows in self.news.worded(mine, now_ns // 1_000_000) if mine else ():
            self._send_private(account, name, rows, now_ns)

    def _list(self, event: MarketCreated, now_ns: int) -> None:
        symbol = event.facts["symbol"]
        contract, market = self.contracts[symbol], self.exchange.markets[event.market_id]
        self.markets[symbol] = market
        self.versions[symbol] = FIRST_VERSION + self._draw.randrange(10**6)
        self.tapes[symbol] = Tape(contract, market, now_ns // 1_000_000, self.context.seed)
        for depth in DEPTHS:
            self.books[symbol, depth] = BookStream(contract, market, depth, self.versions[symbol])

    def _note(self, event: BookChanged | Traded, trades: dict[str, list[Trade]]) -> None:
        symbol = self.news.symbol_of(event.market_id)
        if symbol not in self.contracts:
            return
        self._changed_tickers.add(symbol)
        if isinstance(event, BookChanged):
            self.versions[symbol] += 1
            self._changed_books.add(symbol)
        else:
            self.tapes[symbol].add(event.trade)
            self._traded.add(symbol)
            trades.setdefault(symbol, []).append(event.trade)

    def _publish_books(self, now_ns: int) -> None:
        changed, self._changed_books = sorted(self._changed_books), set()
        for symbol in changed:
            for depth in DEPTHS:
                delta = self.books[symbol, depth].publish(self.markets[symbol], self.versions[symbol])
                if delta is not None:
                    self._send(f"{symbol}@depth{depth}", "depth", delta, now_ns)

    def _publish_tickers(self, now_ns: int) -> None:
        changed, self._changed_tickers = sorted(self._changed_tickers), set()
        for symbol in changed:
            row = self.tapes[symbol].ticker(self.markets[symbol], self.now_ns() // 1_000_000)
            self._send(f"{symbol}@ticker", "ticker", {"d": [row]}, now_ns)
        traded, self._traded = self._traded, set()
        for topic in list(self._candle_topics) if traded else ():
            symbol, kline = topic.partition("@")[0], kline_of(topic)
            if symbol in traded and kline is not None:
                self._send(topic, "kline", self._candle(symbol, *kline), now_ns)

    def _candle(self, symbol: str, interval: str, price_type: str) -> dict[str, Any]:
        tape = self.tapes[symbol]
        [candle] = tape.candles(interval, 1, self.now_ns() // 1_000_000)
        return {"p": price_type, "d": [tape.row(candle, interval)]}

    def _frame(self, event: str, topic: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        return {"e": event, "E": self.now_ns() // 1_000_000, "s": topic.partition("@")[0], **fields}

    def _send(self, topic: str, event: str, fields: Mapping[str, Any], now_ns: int) -> None:
        self._enter(topic, topic, {**self._frame(event, topic, fields), "E": self._stamp(topic)}, now_ns)

    def _send_private(self, account: str, name: str, rows: list[dict[str, Any]], now_ns: int) -> None:
        stamp, version = self._stamp(f"{name}:{account}"), self.news.next_version(account)
        content = {"e": name, "E": stamp, "v": version, "msgEvent": "OrderUpdate", "d": rows}
        self._enter(f"{name}:{account}", name, content, now_ns)

    def _stamp(self, topic: str) -> int:
        # Milliseconds that never stand still: two publications of a topic never say the same.
        stamp = self._stamps[topic] = max(self.now_ns() // 1_000_000, self._stamps.get(topic, 0) + 1)
        return stamp

    def _enter(self, ledger_topic: str, topic: str, content: dict[str, Any], now_ns: int) -> None:
        entry = self.context.ledger.append(self.name, ledger_topic, content["e"], content, now_ns)
        sockets = self._topics.get(ledger_topic)
        if not sockets:
            return
        faults = self.context.faults
        skipped = faults.meet("skip", now_ns, topic=topic) if faults.any_standing else None
        if skipped is not None:
            self.context.carriage.lose(skipped, self.name, ledger_topic, entry.sequence)
            return
        encoded: dict[Dialect, Payload] = {}
        for socket in list(sockets):
            if socket.dialect not in encoded:
                worded = content if socket.dialect == "v3" else v2.worded(topic, content)
                encoded[socket.dialect] = msgspec.json.encode(worded).decode()
            socket.publish(encoded[socket.dialect], entry)


def _flow(exchange: Exchange, symbols: Sequence[str], seed: str) -> Flow:
    settings = FlowSettings(
        payout=RANGE, markets=len(symbols), depth=25, drift=3, lot=1237, churn_every=0, take_share=0.3
    )
    return Flow(exchange, lambda number, _: {"symbol": symbols[number]}, seed, settings)


def _trade_row(trade: Trade, contract: Contract) -> dict[str, Any]:
    return {
        "T": trade.at_ns // 1_000_000,
        "t": trade.trade_id,
        "p": contract.price(trade.price),
        "q": contract.size(trade.quantity),
        "v": contract.money(trade.price * trade.quantity, trade.quantity),
        "m": trade.taker_side == "sell",
    }

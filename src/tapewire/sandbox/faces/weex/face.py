"""WEEX contracts, played: REST V3 under `/capi/v3`, V3 and V2 sockets, one exchange behind all of them.

What happens at the exchange becomes publications: trades at once, books conflated to one frame per `depth_interval`,
tickers and candles per `ticker_interval`; and for each account `orders`, `fill`, `positions` and `account`, one frame
each for whatever happened at once. Each is entered in the ledger in its V3 words (candles only once somebody has
subscribed), and then worded for V3 and V2. Private topics stand in the ledger with their account: `orders:trader`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import inf
from typing import Any

import msgspec

from ...core.events import AccountEvent, BookChanged, Event, MarketCreated, Traded
from ...core.exchange import Exchange
from ...core.flow import Flow, FlowSettings
from ...core.ledger import Entry
from ...core.times import Stamps
from ...face import FaceContext, Socket, SocketHandler
from ...net.http import Request, Response
from ...play import Message, TopicFace
from . import v2
from .account_rest import ORDER_PATHS, AccountRest
from .books import BookStream
from .contracts import RANGE, UNIT_PLACES, contracts_for
from .credentials import DEFAULT, ApiKey, ApiKeys, WeexProblem
from .margin import FINE, Margined
from .markets import WeexMarkets
from .messages import AccountMessages
from .rest import PREFIX, WeexRest, refusal_of
from .socket import Dialect, Limits, WeexSocket
from .topics import depth_of, wire_name

__all__ = ["WeexFace"]

CONNECTION_WINDOW = 300.0
"""Seconds in which only so many sockets may be opened."""

_DIALECTS: Mapping[str, tuple[Dialect, bool]] = {
    "/v3/ws/public": ("v3", False), "/v3/ws/private": ("v3", True),
    "/v2/ws/public": ("v2", False), "/v2/ws/private": ("v2", True),
}  # fmt: skip


class WeexFace(TopicFace[WeexSocket]):
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
        super().__init__(context)
        self.keys = ApiKeys()
        self.snapshot_first = snapshot_first
        seed = f"{self.name}-{context.seed}"
        contracts = contracts_for(symbols)
        self.exchange = Exchange(seed, Margined({each.symbol: each for each in contracts}))
        self.flow = _flow(self.exchange, [each.symbol for each in contracts], seed)
        self.markets = WeexMarkets(self.exchange, contracts, delisted, context.seed)
        self.messages = AccountMessages(self.exchange, self.markets)
        self.routes = WeexRest(self, max_weight, AccountRest(self, max_orders).table()).routes
        self._limits = Limits(
            channels=max_channels, operations=max_operations, ping_interval=ping_interval,
            unsubscribed_timeout=unsubscribed_timeout,
        )  # fmt: skip
        self._max_sockets, self._max_opens = max_sockets, max_opens
        self._deposit = deposit * 10**UNIT_PLACES * FINE
        self._intervals = (depth_interval, ticker_interval)
        self._due = [0.0, 0.0]
        self._opened: deque[float] = deque()
        self._stamps = Stamps(1_000_000)

    def now_ns(self) -> int:
        """The venue's clock."""
        return self.context.venue_time_ns()

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

    def is_order(self, request: Request) -> bool:
        """True for what places, cancels or closes."""
        return request.method != "GET" and request.path.removeprefix(PREFIX) in ORDER_PATHS

    def account_of(self, request: Request) -> str:
        """The account that signed a request or an upgrade. Raises WeexProblem."""
        if self.context.meet("refuse_tokens"):
            raise WeexProblem(-1047, "API authentication failed.")
        check = self.keys.check_socket if request.is_upgrade else self.keys.check_request
        account = check(request, self.now_ns() / 1e9)
        self.exchange.open_account(account, self._deposit)
        return account

    # Sockets

    def accept(self, request: Request, socket: Socket) -> SocketHandler | Response:
        """429 where too many are open or were opened lately; a private one without a good signature is refused."""
        now = asyncio.get_running_loop().time()
        while self._opened and now - self._opened[0] >= CONNECTION_WINDOW:
            self._opened.popleft()
        if len(self.sockets) >= self._max_sockets or len(self._opened) >= self._max_opens:
            return Response.of({"code": 429, "msg": "Too many connections."}, 429)
        self._opened.append(now)
        dialect, is_private = _DIALECTS[request.path]
        try:
            account = self.account_of(request) if is_private else None
        except WeexProblem as problem:
            return refusal_of(problem, 401)
        channels = self.context.channel_limit(self._limits.channels)
        limits = msgspec.structs.replace(self._limits, channels=channels)
        return self.opened(WeexSocket(self, socket, dialect, account, limits))

    def snapshot(self, topic: str) -> dict[str, Any] | None:
        """The frame that a subscription begins with; None where it begins with nothing."""
        depth, now_ms = depth_of(topic), self.now_ns() // 1_000_000
        book = None if depth is None else self.book(topic.partition("@")[0], depth)
        message = self.markets.snapshot(topic, book, now_ms)
        return None if message is None else self._frame(message, now_ms)

    def book(self, symbol: str, depth: int) -> dict[str, Any]:
        """The fields of a book as it was published last; an empty one, numbered 0, where it is not traded."""
        if symbol in self.markets.delisted:
            return BookStream.empty(depth)
        topic = f"{symbol}@depth{depth}"
        stale = self.context.meet("stale_snapshot", topic=topic)
        if stale is not None:  # whoever has it can make nothing of what follows
            following = self.context.ledger.last_sequence(topic, venue=self.name) + 1
            self.context.carriage.lose(stale, self.name, topic, following)
        return self.markets.books[symbol, depth].snapshot(former=stale is not None)

    def listening_accounts(self) -> list[str]:
        """The accounts one of whose topics somebody has subscribed to."""
        return sorted({topic.partition(":")[2] for topic in self.topics if ":" in topic})

    def tick(self, now: float, now_ns: int) -> None:
        """Publish what was conflated; look after pings and idle sockets."""
        for number, publish in enumerate((self._publish_books, self._publish_tickers)):
            if now >= self._due[number]:
                interval = self._intervals[number]
                on_time = self._due[number] + interval
                self._due[number] = on_time if on_time > now else now + interval
                publish(now_ns)
        super().tick(now, now_ns)

    def end_topic(self, topic: str, *, crashed: bool) -> int:
        """Delist the topic's contract where the topic is closed; a crash of a topic is unknown to the venue."""
        symbol, separator, _ = topic.partition("@")
        if crashed or not separator or symbol not in self.markets.contracts:
            return 0
        return self.delist(symbol)

    def delist(self, symbol: str) -> int:
        """A contract is not traded any more: its books end with an empty snapshot, the rest in silence.

        Returns how many subscriptions ended.
        """
        self.markets.delist(symbol)
        ended = [topic for topic in self.topics if topic.startswith(f"{symbol}@")]
        return sum(super(WeexFace, self).end_topic(topic, crashed=False) for topic in ended)

    # Publishing

    def publish(self, events: Sequence[Event], now_ns: int) -> None:
        """Publish trades and what accounts hear at once; note what else changed."""
        for event in events:
            if isinstance(event, MarketCreated):
                self.markets.begin(event, now_ns)
            elif isinstance(event, BookChanged | Traded):
                self.markets.note(event)
        made = [event.trade for event in events if isinstance(event, Traded)]
        self._publish_all(self.markets.trades(made), now_ns)
        if not self._intervals[0]:
            self._publish_books(now_ns)
        if not self._intervals[1]:
            self._publish_tickers(now_ns)
        mine = [event for event in events if isinstance(event, AccountEvent)]
        for account, name, rows in self.messages.of(mine, now_ns // 1_000_000) if mine else ():
            topic, version = f"{name}:{account}", self.messages.next_version(account)
            stamp = self._stamps.next(self.now_ns(), topic)
            frame = {"e": name, "E": stamp, "v": version, "msgEvent": "OrderUpdate", "d": rows}
            self.send(topic, name, frame, now_ns)

    def _publish_books(self, now_ns: int) -> None:
        self._publish_all(self.markets.take_books(), now_ns)

    def _publish_tickers(self, now_ns: int) -> None:
        self._publish_all(self.markets.take_tickers(self.now_ns() // 1_000_000), now_ns)

    def _publish_all(self, messages: Iterable[Message], now_ns: int) -> None:
        for message in messages:
            stamp = self._stamps.next(self.now_ns(), message.topic)
            self.send(message.topic, message.event, self._frame(message, stamp), now_ns)

    @staticmethod
    def _frame(message: Message, at_ms: int) -> dict[str, Any]:
        return {"e": message.event, "E": at_ms, "s": message.topic.partition("@")[0], **message.payload}

    def fan_out(self, entry: Entry, encode: Callable[[Any], Any]) -> None:
        """Send it to nobody where a fault has it so: the numbers of the stream have a hole then."""
        if self.context.faults.any_standing and self.topics.of(entry.topic):
            skipped = self.context.meet("skip", topic=wire_name(entry.topic))
            if skipped is not None:
                self.context.carriage.lose(skipped, self.name, entry.topic, entry.sequence)
                return
        super().fan_out(entry, encode)

    def encode(self, entry: Entry, payload: Any, dialect: Dialect) -> str:
        """The frame in V3 words, as it stands in the ledger, or in V2's."""
        frame = payload if dialect == "v3" else v2.encode_frame(wire_name(entry.topic), payload)
        return msgspec.json.encode(frame).decode()


def _flow(exchange: Exchange, symbols: Sequence[str], seed: str) -> Flow:
    settings = FlowSettings(
        payout=RANGE, markets=len(symbols), depth=25, drift=3, lot=1237, churn_every=0, take_share=0.3
    )
    return Flow(exchange, lambda number, _: {"symbol": symbols[number]}, seed, settings)

"""`WeexWebSocketClient`: the documented client (document 004). What is asked of it, it asks of the engine.

Many streams share the same sockets and subscriptions. Sockets are opened when they are needed, public and private, and
closed when they are not. The rooms: `lines` (sockets), `books`, `account`, `message` (what streams are made of),
`streams` (what is iterated).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial, update_wrapper
from random import random
from typing import Any, Self, TypedDict, Unpack, overload
from urllib.parse import urlsplit

import msgspec

from ...clock import Clock
from ...errors import SessionClosed
from ...retry import RandomFraction, RetryPolicy
from ...secrets import Secret, host_of
from ...session.buffers import Policy
from ...session.consumer import Consumer
from ...session.credentials import Credentials
from ...session.options import Statistics, state_of
from ...session.subscription import MarkHandler
from ...transport.base import Endpoint
from ..kit.connection import HomeLoop, session_fields
from ..kit.dialing import SocketDialing, dialer_of
from ..kit.settings import clock_of
from ..kit.spec import ChannelSpec
from .account import Balances, Positions
from .api import WeexAsyncClient
from .books import BookFeed, BookMessages, BookReader
from .config import WeexConfig
from .errors import ERRORS, WEEXInvalidArgument
from .limits import connections_of
from .lines import Lines
from .message import Rows, Trades, WeexMessage
from .signing import USER_AGENT, socket_headers
from .spec import SPEC
from .streams import Convert, Reader, Stream
from .symbols import INTERVALS, checked_symbol, depth_for

__all__ = ["CallableBool", "StreamOptions", "WeexWebSocketClient"]

PRIVATE_SESSIONS = 20
"""One is in use; those whose signature was refused hold a place until they are forgotten, within seconds."""


class StreamOptions(TypedDict, total=False):
    """What every stream takes: `policy` and `capacity` of its buffer, and who is told of marks.

    `on_mark`, plain or async, is called with each mark in its place: when the messages before it are taken, and before
    the next one is. Without it they are only logged. An iteration yields none: the document's loops read the `data` of
    whatever comes.

    Policies: `drop_oldest` (the default for market data), `drop_newest`, `fail` (the default for what is ours), and for
    tickers and books `conflate`: only the newest of each contract waits. `announce=True` tells `on_mark` of the
    stream's own state too: `Subscribing` the moment its line is lost (a `Gap` comes when it is back), `Subscribed` when
    it is served.
    """

    policy: Policy
    capacity: int
    on_mark: MarkHandler | None
    announce: bool


class CallableBool(int):
    """True or False, also when it is called: the documents have `is_connected` as a method, the package as a value."""

    def __call__(self) -> bool:
        return bool(self)

    def __repr__(self) -> str:
        return repr(bool(self))

    __str__ = __repr__


class _Flag:
    """An attribute that is a `CallableBool`: documentation tools can show it as a method and as a value."""

    def __init__(self, read: Callable[[Any], bool]) -> None:
        self._read = read
        update_wrapper(self, read)

    @overload
    def __get__(self, client: None, owner: type) -> Self: ...
    @overload
    def __get__(self, client: object, owner: type) -> CallableBool: ...
    def __get__(self, client: object, owner: type) -> Self | CallableBool:
        return self if client is None else CallableBool(self._read(client))

    def __set__(self, client: object, value: object) -> None:
        raise AttributeError("is_connected cannot be set")

    def __call__(self, client: Any) -> bool:
        """As called on the class."""
        return bool(self._read(client))


@ERRORS.covers
class WeexWebSocketClient:
    """The venue's streams. Use it as `async with WeexWebSocketClient(config) as client`, or connect() and disconnect().

    `config`: see WeexConfig. `retry`: how long an outage may last; without it the client never gives up, but says what
    no retry can heal (a refused key). Every `stream_...` method returns a `Stream`: iterate it. Marks, which say where
    a stream broke, are logged and counted unless a stream is made with `on_mark=`. `proxy`, `ssl`, `http_transport`,
    `connector`, `max_size`: the way there, for sockets and HTTP alike (kit.dialing.SocketDialing).
    `connect_timeout`: seconds that each socket's first connection may take, with all its tries, before NeverConnected
    is raised in what waits for it (None: no limit; later ones have none). Raises WEEXInvalidArgument.
    """

    def __init__(
        self,
        config: WeexConfig,
        *,
        retry: RetryPolicy | None = None,
        clock: Clock | None = None,
        fraction: RandomFraction = random,
        connect_timeout: float | None = 30.0,
        session_options: Mapping[str, Any] | None = None,
        **dialing: Unpack[SocketDialing],
    ) -> None:
        if not isinstance(config, WeexConfig):
            raise WEEXInvalidArgument("config", config, "a WeexConfig, such as WeexConfig.from_env()")
        self.config = config
        self._dialer = dialer_of(dialing, WEEXInvalidArgument, only=SocketDialing)
        self._clock = clock_of(clock)
        self._profile = config.profile
        self._fields: dict[str, Any] = session_fields(
            session_options,
            connector=self._dialer.connector,
            retry=retry,
            connect_timeout=connect_timeout,
            clock=self._clock,
            fraction=fraction,
        )
        self._fields["errors"] = ERRORS.mapped
        # One chance for all that waits: whoever gives the sessions theirs has it in books and calls too.
        self._fraction: RandomFraction = self._fields["fraction"]
        self.http: WeexAsyncClient = WeexAsyncClient(
            config, clock=clock, fraction=self._fraction, **self._dialer.http
        )
        self._public: Lines | None = None
        self._private: Lines | None = None
        hosts = {host_of(config.addresses.public), host_of(config.addresses.private)}
        self._budgets = {host: connections_of(host, self._clock) for host in hosts}
        self._feeds: dict[str, BookFeed] = {}
        self._streams: dict[Consumer[WeexMessage], None] = {}
        self._connected = False
        self._closed = False
        self._home = HomeLoop(self)

    # --- the line -----------------------------------------------------------------------------------------------------

    async def connect(self) -> None:
        """Open the first public socket, or another where none is left. Streams open what else they need.

        Failed tries are logged and repeated as `retry` says. Raises what no retry can heal, GaveUp, or SessionClosed
        after `disconnect`: make a new client.
        """
        self._home.check()
        if self._closed:
            raise SessionClosed("the client is closed; make a new one")
        self.http.announcement.say()
        await self._public_lines().open()
        if self._closed:  # meanwhile
            raise SessionClosed("the client is closed; make a new one")
        self._connected = True

    async def disconnect(self) -> None:
        """End every stream, leave every topic, close every socket. Bounded in time, idempotent."""
        self._home.check()
        self._closed = True
        self._connected = False
        for consumer in tuple(self._streams):
            consumer.end()
        for lines in (self._private, self._public):
            if lines is not None:
                await lines.close()
        await self.http.close()

    close = disconnect

    @_Flag
    def is_connected(self) -> bool:
        """True from `connect` until `disconnect` while every socket that is needed is up. May also be called."""
        return bool(self._connected and all(lines.is_up for lines in self._every()))

    @property
    def state(self) -> str:
        """One word for the states of its sockets (docs/states.md): `new` before the first, `up` while none is down."""
        if self._closed:
            return "closed"
        if self.is_connected:
            return "up"  # idle ones may be closed
        return state_of(session.state for lines in self._every() for session in lines.sessions)

    async def run_forever(self) -> None:
        """Wait until disconnected. Raises what a socket gave up for, or the error that ended a topic.

        An error is a refusal, or an overflow under policy `fail`; of a book's stream that is raised to whoever iterates
        it alone, for others may read the same book. A socket that is closed because nothing needs it ends nothing.
        """
        self._home.check()
        if self._closed:
            return
        waits = [
            asyncio.ensure_future(lines.run_forever())
            for lines in (self._public_lines(), self._private_lines())
        ]
        try:
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_EXCEPTION)
            for wait in done:
                wait.result()
        finally:
            for wait in waits:
                wait.cancel()

    def reconnect(self) -> None:
        """Drop every connection and make new ones at once; topics are asked for again and marked as after any loss."""
        self._home.check()
        for lines in self._every():
            lines.reconnect()

    def statistics(self) -> Statistics:
        """Frozen figures: connections, gaps, errors, those of each topic, and of every socket's session."""
        sessions = (figures for lines in self._every() for figures in lines.statistics().sessions)
        return msgspec.structs.replace(Statistics.of(SPEC.name, sessions), state=self.state)

    def _every(self) -> list[Lines]:
        return [lines for lines in (self._public, self._private) if lines is not None]

    async def __aenter__(self) -> Self:
        try:
            await self.connect()
        except BaseException:
            await self.disconnect()
            raise
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.disconnect()

    def __repr__(self) -> str:
        state = "closed" if self._closed else "connected" if self.is_connected else "not connected"
        return f"<WeexWebSocketClient {self.config.addresses.public} {state} streams={len(self._streams)}>"

    # --- public streams -----------------------------------------------------------------------------------------------

    def stream_tickers(self, symbols: Sequence[str], **options: Unpack[StreamOptions]) -> Stream:
        """Tickers of contracts: data `symbol`, `last`, `volume`, `change` (in percent), `high`, `low`, `mark`, ...

        All symbols come in one stream; one that the venue refuses ends it with SubscriptionRefused.
        """
        if isinstance(symbols, str) or not symbols:
            raise WEEXInvalidArgument("symbols", symbols, 'a list of contracts, such as ["BTCUSDT"]')
        names = list(dict.fromkeys(checked_symbol(symbol, "symbols") for symbol in symbols))
        topics = [self._profile.symbol_topic("ticker", name) for name in names]
        return self._topics("tickers", "ticker", topics, Rows(self._profile), options, replaces=True)

    def stream_trades(self, symbol: str, **options: Unpack[StreamOptions]) -> Stream:
        """Public trades: data `symbol`, `id`, `price`, `size`, `side` ("buy" or "sell": what the taker did), `time`."""
        topic = self._profile.symbol_topic("trade", checked_symbol(symbol))
        return self._topics(topic, "trade", [topic], Trades(self._profile), options)

    def stream_order_book(self, symbol: str, *, level: int = 5, **options: Unpack[StreamOptions]) -> Stream:
        """The book after each change: data `symbol`, `bids` and `asks`, best first, `(price, size)` of `level` levels.

        The venue sends 15 or 200 levels, at most twice a second; `level` (1 to 200, by default 5) is cut from them.
        Sizes are in base coins. Every state is proven, or a mark says that it was not (books.py).
        """
        name, depth = checked_symbol(symbol), depth_for(level)
        topic = self._profile.symbol_topic("depth", name, depth)

        def begin(consumer: Consumer[WeexMessage]) -> None:
            announces = options.get("announce", False)
            BookReader(self._feed(topic, name, depth), consumer, level, announces=announces)

        return self._stream(topic, SPEC.channels["depth"], begin, BookMessages(level), options, replaces=True)

    def stream_klines(
        self,
        symbol: str,
        interval: str = "1m",
        *,
        price: str = "LAST_PRICE",
        **options: Unpack[StreamOptions],
    ) -> Stream:
        """Candles: data `symbol`, `start`, `open`, `high`, `low`, `close`, `volume`, `turnover`."""
        if interval not in INTERVALS:
            raise WEEXInvalidArgument("interval", interval, INTERVALS)
        if price not in ("LAST_PRICE", "MARK_PRICE"):
            raise WEEXInvalidArgument("price", price, ("LAST_PRICE", "MARK_PRICE"))
        topic = self._profile.kline_topic(checked_symbol(symbol), interval, price)
        return self._topics(topic, "kline", [topic], Rows(self._profile), options)

    # --- private streams ----------------------------------------------------------------------------------------------

    def stream_account(self, **options: Unpack[StreamOptions]) -> Stream:
        """Balances, first as they are and then as they change: data `asset`, `balance`, `available`, `frozen`."""
        converter = Balances(self._profile, self.http.get_account_balance)
        return self._account_stream("account", converter, options, self.http.get_account_balance)

    def stream_positions(self, **options: Unpack[StreamOptions]) -> Stream:
        """Positions, first as they are and then as they change: data `symbol`, `size`, `side` ("long" or "short"),
        `unrealized_pnl`, `mark`, `entry_price`, `leverage`. One that was closed comes with size 0.

        The profit is that of the moment: a market that moves gives no message here, watch its ticker for that.
        """
        converter = Positions(self._profile, self._public_lines, self.http.get_mark_price)
        fetch = self.http.get_all_positions
        return self._account_stream("positions", converter, options, fetch, on_ended=converter.close)

    def stream_orders(self, **options: Unpack[StreamOptions]) -> Stream:
        """Orders as they change: data `order_id`, `client_order_id`, `symbol`, `side`, `size`, `filled_size`, `price`,
        `status` ("new", "partially_filled", "filled", "canceled", "rejected", "expired", ...).

        What changed while the line was lost is not told again: behind a gap, ask `client.http` for what matters.
        """
        return self._account_stream("orders", Rows(self._profile), options)

    def stream_fills(self, **options: Unpack[StreamOptions]) -> Stream:
        """Own executions: data `fill_id`, `order_id`, `symbol`, `side`, `price`, `size`, `fee`, `liquidity`."""
        return self._account_stream("fill", Rows(self._profile), options)

    # --- inside -------------------------------------------------------------------------------------------------------

    def _topics(
        self,
        name: str,
        kind: str,
        topics: list[str],
        convert: Convert,
        options: StreamOptions,
        *,
        replaces: bool = False,
    ) -> Stream:
        begin = partial(self._join, self._public_lines, topics, announce=options.get("announce", False))
        return self._stream(name, SPEC.channels[kind], begin, convert, options, replaces=replaces)

    def _account_stream(
        self,
        topic: str,
        convert: Convert,
        options: StreamOptions,
        snapshot: Callable[[], Awaitable[Any]] | None = None,
        on_ended: Callable[[], Any] = lambda: None,
    ) -> Stream:
        """What is ours is never dropped: a consumer that falls too far behind is told by an error.

        `snapshot`: fetches the state of the topic after each (re)subscription.
        """
        self.config.require_credentials(f"the stream of {topic}")
        announce = options.get("announce", False)
        begin = partial(self._join, self._private_lines, [topic], announce=announce, snapshot=snapshot)
        return self._stream(topic, SPEC.channels[topic], begin, convert, options, on_ended=on_ended)

    def _join(
        self, lines: Callable[[], Lines], topics: list[str], consumer: Consumer[WeexMessage], **fields: Any
    ) -> None:
        """Ask for every topic: all of them go out together."""
        asked = lines()
        for topic in topics:
            asked.subscribe(topic, into=consumer, **fields)

    def _stream(
        self,
        name: str,
        channel: ChannelSpec,
        begin: Callable[[Consumer[WeexMessage]], None],
        convert: Convert,
        options: StreamOptions,
        *,
        replaces: bool = False,
        on_ended: Callable[[], Any] = lambda: None,
    ) -> Stream:
        if self._closed:
            raise SessionClosed("the client is closed; make a new one")
        unknown = options.keys() - StreamOptions.__annotations__.keys()
        if unknown:
            raise WEEXInvalidArgument("delivery", ", ".join(sorted(unknown)), StreamOptions.__annotations__)

        on_mark, announce = options.get("on_mark"), options.get("announce", False)
        if announce and on_mark is None:
            raise WEEXInvalidArgument("announce", announce, "only with on_mark, which is told")

        def ended(consumer: Consumer[WeexMessage]) -> None:
            self._streams.pop(consumer, None)
            on_ended()

        def ask(consumer: Consumer[WeexMessage]) -> None:
            self._home.check()
            self._streams[consumer] = None
            begin(consumer)

        reader = Reader(
            name,
            convert,
            policy=options.get("policy", channel.policy),
            capacity=options.get("capacity", channel.capacity),
            on_mark=on_mark,
            clock=self._clock,
            replaces=replaces,
            on_ended=ended,
        )
        return Stream(reader, ask)

    def _feed(self, topic: str, symbol: str, depth: int) -> BookFeed:
        feed = self._feeds.get(topic)
        if feed is None:
            feed = self._feeds[topic] = BookFeed(
                topic,
                symbol,
                depth,
                lines=self._public_lines(),
                profile=self._profile,
                fetch=self.http.fetch_depth,
                clock=self._clock,
                fraction=self._fraction,
                on_idle=lambda idle: self._feeds.pop(idle.topic, None),
            )
        return feed

    def _public_lines(self) -> Lines:
        if self._public is None:
            url = self.config.addresses.public
            endpoint = Endpoint(url=url, headers={"User-Agent": USER_AGENT}, **self._dialer.endpoint)
            fields = {"endpoint": lambda token: endpoint}
            self._public = self._lines("public", url, fields, self.config.max_connections - 1)
        return self._public

    def _private_lines(self) -> Lines:
        if self._private is None:
            url = self.config.addresses.private
            path = urlsplit(url).path

            def endpoint(token: Secret | None) -> Endpoint:
                headers = socket_headers(self.config, self.http.time.now_ms(), path)
                return Endpoint(url=url, headers=headers, **self._dialer.endpoint)

            fields = {"endpoint": endpoint, "credentials": Credentials(self._key)}
            self._private = self._lines("private", url, fields, PRIVATE_SESSIONS)
        return self._private

    def _lines(self, name: str, url: str, fields: dict[str, Any], most: int) -> Lines:
        if self._closed:
            raise SessionClosed("the client is closed; make a new one")
        budget = self._budgets[host_of(url)]
        return Lines(
            name,
            self._profile,
            self._fields | fields,
            max_sessions=most,
            admit=lambda: budget.wait(self._clock),
        )

    async def _key(self, fresh: bool) -> Secret:
        """Before each private connection. `fresh`: the signature was refused; it may have been our clock."""
        await self.http.synchronize(again=fresh)
        key = self.config.api_key
        return key if isinstance(key, Secret) else Secret(key)

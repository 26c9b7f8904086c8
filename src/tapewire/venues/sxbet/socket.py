"""`SXBetClient`: the documented realtime client, one for a process, and the watch verbs on top of it.

One connection carries up to 512 channels; more are spread over further connections by themselves. The token comes from
the HTTP client (or from `get_token`), is asked for once for all connections, and renewed before it ends. What the
document's client does (recovery, codes, back-off) the session does; here are the venue's words only.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Literal, Self, Unpack, overload

from ...arguments import check_function
from ...clock import Clock, SystemClock
from ...errors import GaveUp, TapewireError, fresh_copy
from ...protocols.base import StreamPosition
from ...protocols.centrifugo import Pacing
from ...retry import RetryPolicy
from ...secrets import Secret
from ...session.credentials import Credentials, TokenProvider
from ...session.options import SessionOptions, Statistics
from ...session.pool import Pool
from ...session.session import Session
from ...session.subscription import MarkHandler
from ...transport.base import DEFAULT_MAX_SIZE, Connector, Endpoint
from ..kit.connection import HomeLoop, session_fields
from ..kit.dialing import dialer_of
from .api import AccountSettings, AsyncSXBet
from .arguments import (
    awaited_token,
    checked_channel,
    checked_delivery,
    checked_flag,
    checked_seconds,
    checked_token_getter,
)
from .channel import ChannelSubscription
from .errors import ERRORS, NotConnected, SXBetInvalidParameter
from .events import (
    ConnectedContext,
    ConnectingContext,
    Decorator,
    DisconnectedContext,
    ErrorContext,
    Handlers,
    Returned,
)
from .history_overlap import HistoryOverlap
from .market_status import MarketStatusFeed
from .profile import Profile
from .seeding import SeedBatcher
from .spec import SPEC
from .watching import Watching

__all__ = ["SXBetClient"]

logger = logging.getLogger("tapewire.venues.sxbet")

EVENTS = ("connecting", "connected", "disconnected", "error")
CHANNELS = 480
"""Channels on one connection: the venue's limit is 512, and some room is kept."""

SUBSCRIPTIONS_KEPT = 64
"""Channels that were left, or never asked for, and that are remembered all the same."""

_OVER = ("closing", "closed", "failed")

MAX_NOTICES = 1_000
"""Client events that wait for slow handlers; beyond, the oldest is dropped with a warning."""

TokenGetter = Callable[[], Awaitable[str | Secret]]
ChannelTokenGetter = Callable[[str], Awaitable[str | Secret]]


@ERRORS.covers_but("keep", "tell")
class SXBetClient(Watching):
    """Use it as `async with SXBetClient(api_key=...) as client`, or `connect()` and `disconnect()`.

    `network`, `host`, `api_url`, `realtime_url`, `profile`, `api_key`: as `AsyncSXBet`. `get_token`: an async function
    that gives the realtime token, instead of the HTTP client: raise `UnauthorizedError` from it to stop for good,
    anything else is tried again. `retry`: how long an outage may last; without it the client never gives up.
    `supervise`: where the venue forbids to come back or refuses the key, do not stop, but ask for a fresh token and try
    again at this policy's pace, with an ERROR in the log each time.
    `connect_timeout`: seconds that the first connection may take, with all its tries, before `connect()` raises
    NeverConnected (None: no limit; later ones have none).
    `channels`: how many one connection carries. `max_size`: bytes of the largest message that is taken.
    `max_ping_delay`: seconds of silence that are forgiven beyond the server's own ping interval.
    """

    def __init__(
        self,
        *,
        get_token: TokenGetter | None = None,
        retry: RetryPolicy | None = None,
        supervise: RetryPolicy | None = None,
        connector: Connector | None = None,
        channels: int = CHANNELS,
        max_ping_delay: float = 10.0,
        max_size: int = DEFAULT_MAX_SIZE,
        connect_timeout: float | None = 30.0,
        session_options: Mapping[str, Any] | None = None,
        **settings: Unpack[AccountSettings],
    ) -> None:
        self._settings = settings
        self.home: HomeLoop = HomeLoop(self)
        dialing = {**settings, "connector": connector, "max_size": max_size}
        self._dialer = dialer_of(dialing, SXBetInvalidParameter)
        self.http: AsyncSXBet = AsyncSXBet(**settings)
        self.profile: Profile = self.http.profile
        self._handlers = Handlers(EVENTS)
        self._notices: asyncio.Queue[tuple[str, Any]] = asyncio.Queue(MAX_NOTICES)
        self._notifier: asyncio.Task[None] | None = None
        self._told: dict[int, str] = {}  # by connection: the state that was fired last
        self._token_error: BaseException | None = None
        self._subscriptions: dict[str, ChannelSubscription] = {}
        self._prune_at = SUBSCRIPTIONS_KEPT
        self._telling: set[asyncio.Task[None]] = set()
        self._was_connected = self._is_closed = False
        self._turn = asyncio.Lock()  # one line is closed or made at a time
        provider = self._token if get_token is None else _provider(checked_token_getter(get_token))
        self._credentials = Credentials(provider, on_failed=self._token_failed)
        self._url = self.http.endpoints.realtime_url
        self._max_ping_delay = checked_seconds("max_ping_delay", max_ping_delay)
        self._fields = session_fields(
            session_options,
            credentials=self._credentials,
            connector=self._dialer.connector,
            retry=retry,
            supervise=supervise,
            connect_timeout=connect_timeout,
            clock=settings.get("clock"),
            ping_interval=None,  # the server pings, and its silence is judged by the protocol
        )
        self._fields["errors"] = ERRORS.mapped
        self.clock: Clock = self._fields.get("clock") or SystemClock()
        if type(channels) is not int or channels < 1:
            raise SXBetInvalidParameter("channels", channels, "a whole number from 1")
        self._channels = channels
        self._make_line()

    # --- the line ---------------------------------------------------------------------------------------------------

    @overload
    def on(
        self, event: Literal["connecting"], handler: Callable[[ConnectingContext], Returned]
    ) -> Callable[[ConnectingContext], Returned]: ...
    @overload
    def on(self, event: Literal["connecting"]) -> Decorator[ConnectingContext]: ...
    @overload
    def on(
        self, event: Literal["connected"], handler: Callable[[ConnectedContext], Returned]
    ) -> Callable[[ConnectedContext], Returned]: ...
    @overload
    def on(self, event: Literal["connected"]) -> Decorator[ConnectedContext]: ...
    @overload
    def on(
        self, event: Literal["disconnected"], handler: Callable[[DisconnectedContext], Returned]
    ) -> Callable[[DisconnectedContext], Returned]: ...
    @overload
    def on(self, event: Literal["disconnected"]) -> Decorator[DisconnectedContext]: ...
    @overload
    def on(
        self, event: Literal["error"], handler: Callable[[ErrorContext], Returned]
    ) -> Callable[[ErrorContext], Returned]: ...
    @overload
    def on(self, event: Literal["error"]) -> Decorator[ErrorContext]: ...
    def on(self, event: str, handler: Callable[..., Any] | None = None) -> Any:
        """Register a handler of a client event, or decorate one. Raises SXBetInvalidParameter listing the events."""
        if handler is not None:
            return self._handlers.add(event, handler)
        return self._handlers.decorator(event)

    async def connect(self) -> None:
        """Fetch a token, connect, and wait until channels are being subscribed.

        Failed tries are repeated and fire `error`. Raises UnauthorizedError for a refused key, GaveUp where `retry`
        is exhausted or the venue forbids to come back. After either, and after `disconnect()`, it may be called again:
        channels with handlers are then asked for from where they were; iterations and watch verbs have ended.
        """
        self.home.check()
        async with self._turn:
            if not self.is_serving:
                await self._close_line()
                if self._is_closed:
                    self.http = AsyncSXBet(**self._settings)
                self._make_line()
            self._was_connected = True
            self.http.announcement.say()
            if self._notifier is None:
                self._notifier = asyncio.get_running_loop().create_task(
                    self._notify(), name="tapewire sxbet events"
                )
            for channel in tuple(self._subscriptions.values()):
                channel.resume()
        await self.pool.open()

    async def disconnect(self) -> None:
        """Close, and with that leave every channel. Bounded in time, idempotent; fires `disconnected`."""
        self.home.check()
        async with self._turn:
            self._is_closed = True
            await self._close_line()
            await self.http.aclose()
            for channel in tuple(self._subscriptions.values()):
                await channel.line_closed()
            await self._stop_notifying()

    close = disconnect

    async def _close_line(self) -> None:
        await self.market_status.aclose()
        await self.pool.close()
        await self.seeds.aclose()

    async def _stop_notifying(self) -> None:
        notifier, self._notifier = self._notifier, None
        if notifier is not None and notifier is not asyncio.current_task():
            await asyncio.sleep(0)  # what was said last is still told
            with suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._notices.join()
            notifier.cancel()
            await asyncio.gather(notifier, return_exceptions=True)

    async def run_forever(self) -> None:
        """Wait until disconnected. Raises what ended a connection for good, or the error that ended a channel.

        An error is a refusal for good, or an overflow under policy `fail`. That the venue ends a channel (codes 2000 to
        2499) is none, and the others go on: its `unsubscribed` fires, and whoever iterates it is raised it.
        """
        self.home.check()
        await self.pool.run_forever()

    def reconnect(self) -> None:
        """Drop every connection and make it anew at once; channels recover, or say where they broke."""
        self.home.check()
        for number, session in enumerate(self.pool.sessions, 1):
            self._say_connecting(number, ConnectingContext(1, "reconnect called", number))
            session.reconnect()

    async def __aenter__(self) -> Self:
        try:
            await self.connect()
        except BaseException:
            await self.disconnect()
            raise
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.disconnect()

    @property
    def state(self) -> str:
        """`connecting`, `connected` or `disconnected`: of the first connection that is not over."""
        living = [session for session in self.pool.sessions if session.state not in ("new", *_OVER)]
        if not living:
            return "disconnected"
        return "connected" if living[0].connected else "connecting"

    @property
    def is_serving(self) -> bool:
        """False from `disconnect()`, or the end of the last connection for good, to the next `connect()`."""
        return not self._is_closed and self.pool.usable

    def check_connected(self) -> None:
        """Raise NotConnected where nothing would come before a `connect()`, or what ended the client for good."""
        if not self._was_connected or self._is_closed:
            raise NotConnected
        if not self.is_serving:
            raise fresh_copy(self.pool.sessions[0].last_error or NotConnected())

    @property
    def is_connected(self) -> bool:
        """True while every connection that is needed is up."""
        return self.pool.state == "up"

    def statistics(self) -> Statistics:
        """Frozen figures: connections, gaps, errors, those of each channel, and of every connection's session."""
        return Statistics.of(SPEC.name, self.pool.statistics().sessions)

    # --- channels ---------------------------------------------------------------------------------------------------

    def new_subscription(
        self,
        channel: str,
        *,
        positioned: bool = False,
        recoverable: bool = False,
        since: StreamPosition | None = None,
        get_token: ChannelTokenGetter | None = None,
        on_mark: MarkHandler | None = None,
        **delivery: Any,
    ) -> ChannelSubscription:
        """A subscription to a channel: give it handlers, then call its `subscribe()`.

        `since`: continue from a position saved earlier (needs `recoverable`). `get_token`: for a channel that wants a
        token of its own, an async function that is given the channel: asked on every attempt and before the token
        ends; raise `UnauthorizedError` from it to leave the channel for good. `on_mark`, plain or async: called with
        each mark, in order with the publications; the handlers of `mark` are too. `delivery`: policy, capacity and the
        other fields of tapewire's `Delivery`; where they are not given, a channel of an account ends rather than lose
        anything (policy `fail`). Raises SXBetInvalidParameter for what is wrong, and where the channel has one already.
        """
        known = self._subscriptions.get(checked_channel(channel))
        if known is not None and known.state != "unsubscribed":
            raise SXBetInvalidParameter(
                "channel", channel, "one without a subscription; use the one there is"
            )
        checked_flag("positioned", positioned)
        if since is not None and not (checked_flag("recoverable", recoverable) and _is_position(since)):
            raise SXBetInvalidParameter("since", since, "a StreamPosition, only where recoverable is True")
        if get_token is not None:
            checked_token_getter(get_token, channel)
        check_function("on_mark", on_mark, 1)
        subscription = ChannelSubscription(
            self,
            channel,
            positioned=positioned,
            recoverable=checked_flag("recoverable", recoverable),
            since=since,
            credentials=None if get_token is None else Credentials(_provider(get_token, channel)),
            delivery=checked_delivery({**_defaults(channel), **delivery}) if delivery else _defaults(channel),
        )
        if on_mark is not None:
            subscription.on("mark", on_mark)
        self.keep(subscription)
        return subscription

    def keep(self, subscription: ChannelSubscription) -> None:
        """It is the one of its channel from now on. Those that are not subscribed are forgotten in time."""
        self._subscriptions[subscription.channel] = subscription
        if len(self._subscriptions) > self._prune_at:
            self._subscriptions = {
                name: known for name, known in self._subscriptions.items() if not known.is_left
            }
            self._prune_at = 2 * len(self._subscriptions) + SUBSCRIPTIONS_KEPT

    def tell(self, handlers: Handlers, event: str, context: Any) -> None:
        """Call a channel's handlers where no connection has a task for them."""
        task = asyncio.get_running_loop().create_task(
            handlers.call(event, context), name=f"tapewire sxbet {event}"
        )
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    def session_for(self, channel: str) -> Session:
        """The session that serves the channel, else the first: requests need no subscription."""
        try:
            return self.pool.session_of(channel)
        except TapewireError:
            sessions = self.pool.sessions
            if not sessions:
                raise
            return sessions[0]

    def __repr__(self) -> str:
        return f"<SXBetClient {self.profile.name} {self.state} {self.pool!r}>"

    # --- inside -----------------------------------------------------------------------------------------------------

    def _make_line(self) -> None:
        """What was closed or has ended is never opened again: another is made."""
        self._is_closed = False
        self._told = {}
        self.seeds: SeedBatcher = SeedBatcher(self.http.orders_of_markets)
        pool = Pool(lambda number: self._options(number, pool), capacity=self._channels, one_end=True)
        self.pool: Pool = pool
        self.history_overlap: HistoryOverlap = HistoryOverlap(pool)
        self.market_status: MarketStatusFeed = MarketStatusFeed(pool, self.http, self.profile)

    async def _token(self, fresh: bool) -> Secret:
        return await self.http.token_provider(fresh)

    def _options(self, number: int, pool: Pool) -> SessionOptions:
        pacing = Pacing()
        return SessionOptions(
            endpoint=lambda token: Endpoint(url=self._url, **self._dialer.endpoint),
            protocol=lambda token: SPEC.protocol(
                token=token, pacing=pacing, max_ping_delay=self._max_ping_delay
            ),
            name=f"{SPEC.name} {number}",
            on_state=lambda state: self._state_changed(number, state, pool),
            **self._fields,
        )

    def _state_changed(self, number: int, state: str, pool: Pool) -> None:
        if pool is not self.pool:
            return  # of a line that is closed, and another was made
        session = self.pool.sessions[number - 1] if number <= len(self.pool.sessions) else None
        error = None if session is None else session.last_error
        if state == "authorizing" and number not in self._told:
            self._say_connecting(number, ConnectingContext(0, "connect called", number))
        elif state in ("authorizing", "waiting") and error is not None:
            if state == "waiting" and not self._is_told(error):
                self._say("error", ErrorContext(ERRORS.mapped(error), number))
            self._say_connecting(number, ConnectingContext(_code_of(error), _reason_of(error), number))
        elif state == "up":
            self._told[number] = "connected"
            self._say("connected", ConnectedContext(number))
        elif state == "closed":
            self._say_disconnected(number, DisconnectedContext(0, "disconnect called", number))
        elif state == "failed":
            self._say_disconnected(number, DisconnectedContext(_code_of(error), _reason_of(error), number))

    def _say_connecting(self, number: int, context: ConnectingContext) -> None:
        """Once for each outage, however many tries it takes."""
        if self._told.get(number) != "connecting":
            self._told[number] = "connecting"
            self._say("connecting", context)

    def _say_disconnected(self, number: int, context: DisconnectedContext) -> None:
        """Once: a connection that was given up is closed later, and nothing changes by that."""
        if self._told.get(number) != "disconnected":
            self._told[number] = "disconnected"
            self._say("disconnected", context)

    def _token_failed(self, error: BaseException) -> None:
        """Told here, for whatever reason there is no token: a renewal fails without any change of state."""
        self._token_error = error
        self._say("error", ErrorContext(ERRORS.mapped(error.__cause__ or error)))

    def _is_told(self, error: BaseException) -> bool:
        return self._token_error is not None and self._token_error in (error, error.__cause__)

    def _say(self, event: str, context: Any) -> None:
        if self._notices.full():
            self._notices.get_nowait()
            self._notices.task_done()
            logger.warning("a client event was dropped: %d wait for slow handlers", MAX_NOTICES)
        self._notices.put_nowait((event, context))

    async def _notify(self) -> None:
        while True:
            event, context = await self._notices.get()
            await self._handlers.call(event, context)
            self._notices.task_done()


def _provider(get_token: Callable[..., Any], *given: Any) -> TokenProvider:
    async def provider(fresh: bool) -> str | Secret:
        return await awaited_token(get_token, *given)

    return provider


def _defaults(channel: str) -> Mapping[str, Any]:
    kind = SPEC.channel_of(channel)
    # A book that its user keeps is not ours to seed anew.
    return _buffer_of("drop_oldest" if kind.policy == "resync" else kind.policy, kind.capacity)


@lru_cache
def _buffer_of(policy: str, capacity: int) -> Mapping[str, Any]:
    """One of all channels of a kind: nobody writes to it."""
    return MappingProxyType({"policy": policy, "capacity": capacity})


def _is_position(since: object) -> bool:
    return isinstance(since, StreamPosition)


def _code_of(error: BaseException | None) -> int:
    """The venue's number for the end of a connection; 1 where it gave none."""
    code = getattr(error.last if isinstance(error, GaveUp) else error, "code", None)
    return code if type(code) is int and code else 1


def _reason_of(error: BaseException | None) -> str:
    """The venue's own words for the end of a connection, else ours."""
    last = error.last if isinstance(error, GaveUp) else error
    return str(getattr(last, "reason", "") or last)

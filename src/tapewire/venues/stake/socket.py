"""`StakeWebSocket`: the page's class (document 003), on the engine; and the engine's own shape beside it.

The page's shape: subclass it, override `on_message`, `subscribe` as often as you like, `connect` and stay. The
engine's: `async with StakeWebSocket(...) as ws`, then `ws.watch(channel)` with `async for` or a handler, and marks.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any, Self, Unpack, get_args

from ...arguments import check_function
from ...clock import Clock
from ...errors import (
    BufferOverflow,
    SessionClosed,
    SubscriptionEnded,
    SubscriptionError,
)
from ...marks import Errored, Mark, Subscribed, Subscribing, Unsubscribed
from ...retry import RetryPolicy
from ...secrets import Secret, redact_url, sanitized
from ...session.consumer import Consumer
from ...session.credentials import Credentials
from ...session.handlers import step_coroutine, timed_steps
from ...session.options import ErrorHook, SessionOptions, Statistics
from ...session.session import Session
from ...session.subscription import Delivery, MarkHandler, Subscription
from ..kit.connection import Body, HomeLoop, session_fields
from ..kit.dialing import SocketDialing, dialer_of
from ..kit.settings import Announcement
from .channels import checked_channel, operations_of
from .errors import ERRORS, ArgumentError
from .headers import session_headers, token_of
from .message import StakeMessage, data_of
from .protocol import OTHER, Send
from .spec import SPEC
from .url import socket_url
from .wires import Delays, Wire, checked_delay, endpoint_of

__all__ = ["StakeLine", "StakeWebSocket", "Wire"]

logger = logging.getLogger("tapewire.venues.stake")

FIRST_DELAY = 1
LONGEST_DELAY = 60

_calling: ContextVar[Session | None] = ContextVar("tapewire_stake_calling", default=None)
"""The session whose handler runs here: to wait there until it is closed would be to wait for oneself."""


class _Turn(asyncio.Lock):
    """Whose turn it is to call `on_message`, which is called once at a time, as on the page."""

    claims = 0
    """Of calls that wait, for their turn or within it; one that is over at once takes none."""


@ERRORS.covers
class StakeLine:
    """What `ws` is while the line is up."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def send(self, text: str) -> None:
        """Send one message as it is (the page's wire only). Raises tapewire.RequestLost while the line is down."""
        self._session.push(Send(OTHER, "send", text))

    def __repr__(self) -> str:
        return f"<StakeLine {self._session.state}>"


@ERRORS.covers
class StakeWebSocket:
    """The venue's stream. `await subscribe(channel)`, before or after, then `await connect()`, which runs until closed.

    `access_token`: yours (default: STAKE_ACCESS_TOKEN); without one only `wire="graphql"` connects, to what is public.
    `wire`: "page" speaks as document 003 shows, "graphql" as the live site does. `base_url`: another address (default:
    STAKE_WS_URL, STAKE_BASE_URL, the site). `headers`, `cookies`: more of what your browser sends. `init_payload`:
    more for the GraphQL initialisation. `on_error(error, message)`: told of exceptions of handlers and of what ends a
    channel.
    `retry`: how long an outage may last; by default the socket never gives up. Where it does, whoever waits is raised
    GaveUp: `connect()`, `run_forever()`, an iteration; if nobody does, the body of the `async with` is cancelled and
    that raises it.
    `connect_timeout`: seconds that the first connection may take, with all its tries, before NeverConnected is raised
    (None, the default: no limit, for the page's `connect` goes on trying, and logs each try).
    `session_options`: any other field of tapewire's `SessionOptions`, such as `ping_interval` (30 s) and `ping_timeout`
    (10 s). STAKE_USER_AGENT, STAKE_SESSION_COOKIE and STAKE_CF_CLEARANCE are sent as `StakeAPI` sends them.
    Raises ArgumentError.
    """

    _listeners = 0  # of those who wait in `_listen`

    uri: str
    """Where `connect` goes."""

    def __init__(
        self,
        access_token: str | Secret | None = None,
        *,
        wire: Wire = "page",
        base_url: str | None = None,
        headers: Mapping[str, str | Secret] | None = None,
        cookies: Mapping[str, str | Secret] | None = None,
        init_payload: Mapping[str, Any] | None = None,
        on_error: ErrorHook | None = None,
        retry: RetryPolicy | None = None,
        clock: Clock | None = None,
        connect_timeout: float | None = None,
        session_options: Mapping[str, Any] | None = None,
        **dialing: Unpack[SocketDialing],
    ) -> None:
        if wire not in get_args(Wire):
            raise ArgumentError("wire", wire, get_args(Wire))
        self._token = token_of(access_token)
        if wire == "page" and not self._token:
            raise ArgumentError("access_token", None, "your token, here or in STAKE_ACCESS_TOKEN")
        self.wire: Wire = wire
        self.uri, self._source = socket_url(wire, base_url)
        self.ws: StakeLine | None = None
        """The line; None while it is down."""
        self.subscriptions: list[str] = []
        """The channels whose messages `on_message` gets, in the order in which they were subscribed."""
        self.reconnect_delay: float = FIRST_DELAY
        """Seconds: the bound of the next wait, without `retry=`. Doubled after each, and reset when connected."""
        self.max_reconnect_delay: float = LONGEST_DELAY
        """Seconds: the bound of every wait."""
        self._first_delay: float = FIRST_DELAY
        self._own = session_headers(headers, cookies)
        self._init_payload = dict(init_payload or {})
        self._on_marks: dict[str, MarkHandler] = {}  # of `subscriptions`
        self._on_error = on_error
        self._dialer = dialer_of(dialing, ArgumentError, only=SocketDialing)
        self._fields = session_fields(
            session_options,
            retry=retry,
            clock=clock,
            connector=self._dialer.connector,
            connect_timeout=connect_timeout,
            on_error=on_error,
            ping_interval=30.0,
            ping_timeout=10.0,
        )
        self._begin()

    def _begin(self) -> None:
        """There is no line yet, and there was none."""
        self._session: Session | None = None
        self._former: Session | None = None  # the last one that was closed
        self._routed: dict[str, Subscription] = {}
        self._turn = _Turn()
        self._failure: BaseException | None = None
        self._over = asyncio.Event()
        self._body = Body()
        self._home = HomeLoop(self)
        self._closing: asyncio.Task[None] | None = None
        self._prints = False  # `on_message` gets what is of no channel, too
        self._was_waiting = False

    @property
    def access_token(self) -> Secret | None:
        """Masked wherever it might be seen: `.reveal()` gives it. Assign another: the next connection takes it."""
        return self._token

    @access_token.setter
    def access_token(self, access_token: str | Secret) -> None:
        self._token = token_of(access_token)

    # --- the page's shape -------------------------------------------------------------------------------------------

    async def connect(self) -> None:
        """Connect, and stay: reconnect after every loss, subscribe anew. Returns when `close` was called.

        Raises AuthenticationError or AccessDeniedError where the venue does not let you in, tapewire.GaveUp where
        `retry` is exhausted, tapewire.BufferOverflow where `on_message` is too slow for the account's own messages.
        """
        self._prints = True
        try:
            await self._open()
            await self._listen()
        except SessionClosed:
            return
        finally:
            self._prints = False
            await self.close()

    async def subscribe(self, channel: str, *, on_mark: MarkHandler | None = None) -> None:
        """Have a channel's messages given to `on_message`, now and after every reconnection; also before `connect`.

        `on_mark(mark)`, plain or async: called in order with the messages, where the stream broke, which is otherwise
        only logged. A repeated subscription is ignored. Raises ArgumentError for what is no channel, or with
        `wire="graphql"` none that the live site is known to have.
        """
        self._checked(channel)
        check_function("on_mark", on_mark, 1)
        if self._session is not None:
            self._home.check()
        if channel not in self.subscriptions:
            self.subscriptions.append(channel)
            if on_mark is not None:
                self._on_marks[channel] = on_mark
            await self._subscribe(channel)

    async def unsubscribe(self, channel: str) -> None:
        """No more of a channel for `on_message`, nor of what was buffered. Does nothing where it is not subscribed."""
        if self._session is not None:
            self._home.check()
        if channel in self.subscriptions:
            self.subscriptions.remove(channel)
            self._on_marks.pop(channel, None)
        if (subscription := self._routed.pop(channel, None)) is not None:
            subscription.unsubscribe()
            subscription.drop_backlog()

    async def on_message(self, data: dict[str, Any]) -> None:
        """Override this: `data` is a message of the page, `{"channel": ..., "payload": ...}`. By default it is printed.

        One call at a time, each channel's messages in their order. What it raises is logged, and the next one comes.
        """
        print(f"Message: {data}")  # noqa: T201 - what the page's own does

    async def close(self) -> None:
        """Leave the channels and close the socket; `connect` returns when that is done. Bounded in time, idempotent.

        Inside a handler, or a task that one started, it returns at once; nothing more is given to `on_message`.
        """
        if self._session is not None or self._is_closing:
            self._home.check()
        self.ws = None
        self._over.set()
        if self._session is not None:
            self._former, self._session = self._session, None
            self._routed.clear()
            self.reconnect_delay = self._first_delay
            self._closing = asyncio.create_task(self._former.close(), name="tapewire stake close")
        if self._closing is not None and _calling.get() is not self._former:
            await asyncio.shield(self._closing)

    async def _subscribe(self, channel: str) -> None:
        """Ask for it, if there is a line to ask on; `open` asks for all others."""
        if self._session is not None and channel not in self._routed:
            delivery = SPEC.delivery(
                channel,
                {},
                handler=self._deliver if channel != OTHER else self._deliver_other,
                on_mark=lambda mark: self._marked(channel, mark),
                on_error=self._failed,
                announce=channel != OTHER,
                decode=data_of,
            )
            self._routed[channel] = self._take(channel, delivery)
            logger.info("subscribed to %s", channel)

    async def _listen(self) -> None:
        """Wait until the line is over. Raises what ended it."""
        session = self._session
        self._listeners += 1  # whoever waits here is told what it gave up for
        try:
            await self._over.wait()
        finally:
            self._listeners -= 1
        if self._failure is not None:
            raise self._failure
        if session is not None and session.state == "failed":
            await session.run_forever()

    # --- the engine's shape -----------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Connect and return when the line is up. Raises as `connect`."""
        await self._open()

    def watch(
        self,
        channel: str,
        on_message: Callable[[StakeMessage], Any] | None = None,
        *,
        on_mark: MarkHandler | None = None,
        **delivery: Any,
    ) -> Subscription[StakeMessage]:
        """A channel of your own: iterate it, or give it a handler, plain or async. Returns at once.

        It yields `StakeMessage`s, and marks (tapewire.marks) where the stream broke. `await` its `confirmed()` for the
        venue's word, `unsubscribe()` it to leave. `delivery`: policy, capacity and the other fields of tapewire's
        `Delivery`. Raises ArgumentError as `subscribe`.
        """
        check_function("on_message", on_message, 1)
        made = SPEC.delivery(
            self._checked(channel), delivery, handler=on_message, on_mark=on_mark, on_error=self._on_error
        )
        return self._take(channel, made)

    def feed(self, channel: str, into: Consumer[Any], **fields: Any) -> Subscription[StakeMessage]:
        """Have a channel feed a `Consumer` of your own, beside others; iterate that. Returns at once.

        It is put there undecoded: `StakeMessage`s are made of it by the consumer's `decode` (`message_of`). `fields`:
        those of a `Delivery` that a topic has for itself. Raises ArgumentError as `subscribe`.
        """
        params = self._params_of(self._checked(channel))
        return self._line().subscribe(channel, params, into=into, **{"on_error": self._on_error, **fields})

    def statistics(self) -> Statistics:
        """Frozen figures: connections, gaps, errors, those of each channel, and of the session.

        Before the first connection there are none; after `close` they are the last ones.
        """
        session = self._session or self._former
        return Statistics.of(SPEC.name, [] if session is None else [session.statistics()])

    @property
    def is_connected(self) -> bool:
        """True while the line is up."""
        return self._session is not None and self._session.connected

    @property
    def state(self) -> str:
        """The connection's state, as in docs/states.md."""
        session = self._session or self._former
        return "new" if session is None else session.state

    async def run_forever(self) -> None:
        """Wait until the socket is closed. Raises what it gave up for, or the error that ended a channel.

        The page's `connect` waits so too, but a channel that is refused does not end it.
        """
        session = self._line() if self._session is not None or self._former is None else self._former
        await session.run_forever()

    def reconnect(self) -> None:
        """Drop the connection and make a new one at once; channels are marked as after any loss."""
        if self._session is not None:
            self._home.check()
            self._session.reconnect()

    async def __aenter__(self) -> Self:
        await self.open()
        self._body.enter()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        error = self._body.leave(*exc_info[1:2])
        await self.close()
        if error is not None:
            raise error

    def __repr__(self) -> str:
        return f"<StakeWebSocket {self.wire} at {redact_url(self.uri)} {self.state} {len(self.subscriptions)} channels>"

    # --- inside -----------------------------------------------------------------------------------------------------

    async def _open(self) -> None:
        if self._closing is not None and self._is_closing:
            self._home.check()
            await asyncio.shield(self._closing)  # the line before this one
        if self._session is not None and self._session.state == "failed":
            await self.close()  # whoever waited was told; this is another line
        session = self._line()
        Announcement(logger, "stake", [self.uri], self._source).say()
        try:
            for channel in (*self.subscriptions, OTHER) if self.wire == "page" else tuple(self.subscriptions):
                await self._subscribe(channel)
            await session.open()
        except BaseException:
            await self.close()
            raise

    def _take(self, channel: str, delivery: Delivery) -> Subscription:
        session, params = self._line(), self._params_of(channel)
        before = _calling.set(session)  # for the task that calls the handler: it begins in this context
        try:
            return session.subscribe(channel, params, delivery=delivery)
        finally:
            _calling.reset(before)

    def _params_of(self, channel: str) -> Any:
        return operations_of(channel) if self.wire == "graphql" else None

    def _line(self) -> Session:
        if self._session is None:
            self._home.leave()
            self._session = Session(self._options())
            self._over, self._turn, self._failure = asyncio.Event(), _Turn(), None
        self._home.check()
        return self._session

    def _options(self) -> SessionOptions:
        checked_delay("reconnect_delay", self.reconnect_delay)
        self._first_delay = self.reconnect_delay
        checked_delay("max_reconnect_delay", self.max_reconnect_delay)
        options: dict[str, Any] = {
            "endpoint": lambda _: endpoint_of(self.wire, self.uri, self._token, self._own, self._dialer),
            "protocol": lambda _: SPEC.protocol(
                self.wire, self._token, self._init_payload, self._line().options
            ),
            "credentials": None if self._token is None else Credentials(self._given),
            "name": SPEC.name,
            "retry": Delays(bound=self._bound, first=lambda: self._first_delay),
            **self._fields,
            "errors": ERRORS.mapped,
            "on_state": self._state_changed,
        }
        return SessionOptions(**options)

    @property
    def _is_closing(self) -> bool:
        return self._closing is not None and not self._closing.done()

    def _bound(self) -> float:
        """The longest that the next wait may be."""
        try:
            given = checked_delay("reconnect_delay", self.reconnect_delay)
            return min(given, checked_delay("max_reconnect_delay", self.max_reconnect_delay))
        except ArgumentError as error:
            logger.warning("%s; waiting as before", error)
            self.reconnect_delay, self.max_reconnect_delay = self._first_delay, LONGEST_DELAY
            return self._first_delay

    async def _given(self, fresh: bool) -> Secret:
        assert self._token is not None
        return self._token

    def _checked(self, channel: str) -> str:
        if self.wire == "graphql":
            operations_of(checked_channel(channel))
        return checked_channel(channel)

    def _deliver(self, data: dict[str, Any]) -> Any:
        """Call `on_message`, here and now if it is nobody's turn; returns what is to be awaited, if anything."""
        turn = self._turn
        if turn.claims:
            return self._deliver_later(turn, data)
        if self._session is None:
            return None  # closed meanwhile
        result: Any = self.on_message(data)
        if result is None or (rest := step_coroutine(result)) is None:
            return None
        return self._deliver_rest(turn, *rest)

    async def _deliver_rest(self, turn: _Turn, steps: Any, waits_for: Any) -> None:
        """What has begun goes on, in its turn, which is free."""
        turn.claims += 1
        try:
            async with turn:
                # Whoever awaits this has the time of each step, and reports what blocks.
                await timed_steps(steps, waits_for, now=lambda: 0.0, report=lambda seconds: None)
        finally:
            turn.claims -= 1

    async def _deliver_later(self, turn: _Turn, data: dict[str, Any]) -> None:
        turn.claims += 1
        try:
            async with turn:
                result: Any = None if self._session is None else self.on_message(data)
                if inspect.isawaitable(result):
                    await result
        finally:
            turn.claims -= 1

    def _deliver_other(self, data: dict[str, Any]) -> Any:
        if data.get("type") == "error":
            logger.warning("the venue says: %s", sanitized(data.get("message")))
        return self._deliver(data) if self._prints else None

    def _marked(self, channel: str, mark: Mark) -> Any:
        if isinstance(mark, Unsubscribed):
            routed = self._routed.get(channel)
            if routed is not None and routed.ended_reason is not None and routed.error is None:
                logger.warning("%s: ended by the venue: %s", channel, sanitized(mark.reason))
                return self._failed(SubscriptionEnded(channel, mark.reason), None)
        elif channel != OTHER and not isinstance(mark, Subscribing | Subscribed | Errored):
            if (on_mark := self._on_marks.get(channel)) is not None:
                return on_mark(mark)
            logger.warning("%s: %s (nobody is told: on_mark= would be)", channel, sanitized(mark))
        return None

    def _failed(self, error: BaseException, item: Any) -> Any:
        if item is None and isinstance(error, SubscriptionError) and error.terminal:
            self._routed.pop(error.topic, None)
            if isinstance(error, BufferOverflow):
                self._failure = error
                self._over.set()
            elif error.topic in self.subscriptions:
                self.subscriptions.remove(error.topic)
                self._on_marks.pop(error.topic, None)
        if self._on_error is not None:
            return self._on_error(error, item)
        return None

    def _state_changed(self, state: str) -> None:
        if (told := self._fields.get("on_state")) is not None:
            told(state)
        session = self._session
        if session is None:
            return
        if state == "up":
            self.reconnect_delay = self._first_delay
            self.ws = StakeLine(session)
            logger.info("connected to %s", redact_url(self.uri))
        else:
            self.ws = None
        if self._was_waiting and state == "authorizing":
            self.reconnect_delay = min(self._bound() * 2, self.max_reconnect_delay)
        self._was_waiting = state == "waiting"
        if state == "failed" and session.unheard is not None and not self._listeners:
            self._body.give_up(session.unheard)
        if state in ("closed", "failed"):
            self._over.set()

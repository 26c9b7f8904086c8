"""`STXWebSocket`: the documented socket. One connection, many channels; the engine does the rest.

What the pages promise is kept by the session below; here are only this venue's words: its channels and who may read
them, its join parameters, its messages, its account. `url.py`, `symbols.py` and `message.py` hold the pure parts.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial, update_wrapper
from types import MethodType
from typing import Any, Unpack

from ...arguments import check_function
from ...errors import (
    HandshakeRefused,
    NotSubscribed,
    RequestLost,
    RequestRefused,
    SubscriptionEnded,
    SubscriptionRefused,
    TapewireError,
)
from ...protocols.base import ClientProtocol
from ...protocols.phoenix import Push
from ...retry import RetryPolicy
from ...secrets import Secret
from ...session.credentials import Credentials
from ...session.options import ErrorHook
from ...session.subscription import MarkHandler, Subscription
from ...transport.base import DEFAULT_MAX_SIZE, Connector, Endpoint
from ..kit.dialing import HttpDialing
from ..kit.socket import VenueSocket
from .api import AccountSettings, AsyncSTX
from .errors import (
    ERRORS,
    STXAuthenticationFailedException,
    STXChannelException,
    STXInvalidParameterException,
    STXTransportException,
)
from .filters import JoinParams, changed_by_push, checked_join_params
from .keepalive import Keepalive, checked_cancel_on_disconnect
from .message import ChannelMessage, decoder_for
from .signin import refused_token
from .spec import SPEC
from .symbols import Channels, name_of, topic_for
from .url import socket_url

__all__ = ["STXWebSocket"]

logger = logging.getLogger("tapewire.venues.stx")

MessageHandler = Callable[[ChannelMessage], Any]

_WAY = frozenset({*HttpDialing.__annotations__, "clock"})
"""What the socket takes of the settings of calls."""

REPLY_TIMEOUT = 10.0
"""Seconds for the reply to a heartbeat; never longer than until the next one is due."""


@ERRORS.covers
class STXWebSocket(VenueSocket):
    """The venue's stream. Use it as `async with STXWebSocket(region=..., env=...) as ws`, or connect() and close().

    `region`, `env`, `host`, `email`, `password`, `profile`, `user`: as `AsyncSTX`; without credentials here, those
    that an `STX` or `AsyncSTX` left in the shared `User` are used, and it signs in by itself when it needs a token.
    `heartbeat_interval`: seconds between Phoenix heartbeats. `retry`: how long an outage may last; without it the
    socket never gives up. Where it does, whoever waits is raised GaveUp: `run_forever()`, a `join()`, an iteration; if
    nobody does, the body of the `async with` is cancelled and that raises it. `on_error(error, message)`: told of
    exceptions of handlers and of what ends a channel. `strict`: an exception of a handler ends its channel. It belongs
    to the event loop of its first call: on another one every call raises tapewire.errors.WrongLoop. `proxy`, `ssl`,
    `http_transport`, `connector`, `max_size`: the way there, for the socket and its sign-in alike
    (kit.dialing.SocketDialing). `connect_timeout`: seconds that the first connection may take, with all its tries,
    before `async with` raises NeverConnected (None: no limit; later ones have none). Raises
    STXInvalidParameterException naming a wrong argument.
    """

    def __init__(
        self,
        *,
        retry: RetryPolicy | None = None,
        heartbeat_interval: float = 30.0,
        on_error: ErrorHook | None = None,
        on_state: Callable[[str], None] | None = None,
        strict: bool = False,
        connector: Connector | None = None,
        max_size: int = DEFAULT_MAX_SIZE,
        connect_timeout: float | None = 30.0,
        session_options: Mapping[str, Any] | None = None,
        **settings: Unpack[AccountSettings],
    ) -> None:
        if type(heartbeat_interval) not in (int, float) or not 0 < heartbeat_interval <= 3600:
            raise STXInvalidParameterException(
                "heartbeat_interval", heartbeat_interval, "seconds, above 0 to 3600"
            )
        self._http = AsyncSTX(**settings)
        self._heartbeat_interval = float(heartbeat_interval)
        self._credentials = Credentials(self._token)
        self._joined: dict[str, tuple[Subscription, ...]] = {}
        self._hears = self._told  # one of all channels
        self._keepalives: dict[str, Keepalive] = {}
        self._params: dict[str, JoinParams] = {}
        self._settling: set[asyncio.Task[None]] = set()
        words = {
            "retry": retry,
            "on_error": on_error,
            "on_state": on_state,
            "connector": connector,
            "max_size": max_size,
            "connect_timeout": connect_timeout,
            "session_options": session_options,
        }
        super().__init__(
            SPEC,
            {**words, **{name: value for name, value in settings.items() if name in _WAY}},
            endpoint=lambda token, dialer: Endpoint(
                url=socket_url(self._http.origin, token), **dialer.endpoint
            ),
            protocol=self._protocol,
            credentials=self._credentials,
            announcement=self._http.announcement,
            strict=strict,
        )

    def _protocol(self, token: Secret | None) -> ClientProtocol:
        timeout = min(REPLY_TIMEOUT, max(1.0, self._heartbeat_interval))
        made: ClientProtocol = SPEC.protocol(
            heartbeat_interval=self._heartbeat_interval, heartbeat_timeout=timeout
        )
        return made

    # --- the line ---------------------------------------------------------------------------------------------------

    async def connect(self) -> None:
        """Sign in if need be, connect, and wait until channels can be joined.

        Failed tries are logged and repeated as `retry` says. Raises STXAuthenticationFailedException and the like for
        credentials that the venue refuses, tapewire.HandshakeRefused where its socket takes no token that it gave,
        tapewire.GaveUp where `retry` is exhausted.
        """
        self._home.check()
        try:
            await super().connect()
        except TapewireError:
            await self._http.aclose()  # the session is over: nobody has to close what never opened
            raise

    async def close(self) -> None:
        """Send phx_leave for each channel, then close the socket. Bounded in time, idempotent."""
        self._home.check()
        for keepalive in self._keepalives.values():
            keepalive.stop()
        for task in self._settling:
            task.cancel()
        await super().close()
        await self._http.aclose()

    # --- channels ---------------------------------------------------------------------------------------------------

    async def join(
        self,
        channel: Channels | str,
        on_message: MessageHandler | None = None,
        join_params: Mapping[str, Any] | None = None,
        *,
        on_mark: MarkHandler | None = None,
        on_error: ErrorHook | None = None,
        reconcile: bool = False,
        cancel_on_disconnect: float | None = None,
        **delivery: Any,
    ) -> Subscription[ChannelMessage]:
        """Join a channel and wait for the venue's word; joined again by itself after every loss of the line.

        A member of `Channels` is scoped to the signed-in user where it has to be; a text is the wire's topic, sent as
        it is. `on_message(message)`, plain or async, is called with each `ChannelMessage`; without it iterate what
        this returns: messages, with marks (tapewire.marks) where the stream broke. `on_mark` gives a handler the
        marks. `reconcile=True` (orders and portfolio): the state is fetched over HTTP after each join and comes as a
        `Resynced` mark, or as a message with event `snapshot` for a handler without `on_mark`, before what is live.
        `cancel_on_disconnect` (orders; seconds, 5 to 20): the venue cancels your orders when this socket goes.
        `delivery`: policy, capacity and the other fields of tapewire's `Delivery`.

        Where too many channels are joined it is asked for again for ten seconds, for a place becomes free a moment
        after it was left. Raises STXChannelException with the venue's reason when it refuses,
        STXInvalidParameterException for a wrong argument. A cancelled join leaves nothing behind.
        """
        params = checked_join_params(join_params)
        check_function("on_message", on_message, 1)
        topic = await self._topic(channel)
        if cancel_on_disconnect is not None:
            params = (params or {}) | checked_cancel_on_disconnect(topic, cancel_on_disconnect)
        name = name_of(topic, self._http.user.uid)
        fields: dict[str, Any] = {
            "handler": on_message,
            "on_mark": on_mark,
            "on_error": self._listening(topic, on_error or self._session_on_error),
            "decode": decoder_for(name),
        }
        if reconcile:
            fields["snapshot"] = self._snapshot_of(topic)
            if on_message is not None and on_mark is None:
                fields["on_snapshot"] = lambda snapshot: on_message(
                    ChannelMessage(name, "snapshot", snapshot)
                )
        made = SPEC.delivery(topic, delivery, **fields)
        subscription = self._session.subscribe(topic, params, delivery=made)
        if not self._living(topic):
            self._params.pop(topic, None)
            if params is not None:
                self._params[topic] = JoinParams(params)
        self._joined[topic] = (*self._living(topic), subscription)
        try:
            await subscription.confirmed()
        except (SubscriptionRefused, SubscriptionEnded):
            raise
        except BaseException:
            subscription.unsubscribe()
            raise
        if cancel_on_disconnect is not None:
            self._keep_alive(topic, subscription)
        return subscription

    async def leave(self, channel: Channels | str) -> None:
        """Send phx_leave; nothing more is delivered to any of its handlers. Leaving what is not joined does nothing.

        What was buffered for a handler is dropped, counted and logged; an iteration still gets it, and ends.
        """
        topic = await self._topic(channel)
        if (keepalive := self._keepalives.pop(topic, None)) is not None:
            keepalive.stop()
        for subscription in self._joined.pop(topic, ()):
            subscription.unsubscribe()
            if subscription.delivery.handler is not None:
                subscription.drop_backlog()
        self._params.pop(topic, None)

    async def push(self, channel: Channels | str, event: str, payload: Any = None) -> None:
        """Send a control message on a joined channel; its `phx_reply` reaches the handler like any frame.

        `select_fields`, `select_rule_filters` and `select_message_types` also change what is asked for at the next
        join, so that a reconnection keeps what the venue accepted; pushed while the line is down they are asked for at
        the next join, and forgotten if the venue refuses it. Raises STXChannelException where the channel is not
        joined, STXTransportException where the line is down.
        """
        topic = await self._topic(channel)
        self._subscription(topic)
        change = changed_by_push(event, payload)
        command = Push(topic, event, {} if payload is None else payload)
        try:
            if change is None:
                self._session.push(command)
            else:
                _ = self._select(topic, change, command)
        except RequestLost:
            if change is None:
                raise
        except NotSubscribed:
            if change is None:
                raise STXTransportException(
                    f"{event} on {topic}: it is being joined again", sent=False
                ) from None

    async def request(
        self, channel: Channels | str, event: str, payload: Any = None, *, seconds: float | None = None
    ) -> Any:
        """A push that awaits its reply; returns the reply's `response`. A filter that it changes is kept as by `push`.

        Raises STXChannelException for an error reply, STXTransportException where the line dropped or no reply came in
        time: `outcome_unknown` says whether the venue may have acted. It is never sent twice.
        """
        topic = await self._topic(channel)
        self._subscription(topic)
        change = changed_by_push(event, payload)
        command = Push(topic, event, {} if payload is None else payload)
        try:
            if change is None:
                return await self._session.request(command, seconds=seconds)
            return await self._select(topic, change, command, seconds)
        except NotSubscribed:
            raise STXTransportException(f"{event} on {topic}: it is being joined again", sent=False) from None

    def __repr__(self) -> str:
        return f"<STXWebSocket at {self._http.origin} {self._session!r}>"

    # --- inside -----------------------------------------------------------------------------------------------------

    @property
    def _session_on_error(self) -> ErrorHook | None:
        return self._session.options.on_error

    async def _token(self, fresh: bool) -> Secret:
        """Before each connection. `fresh`: the socket did not let the last one in."""
        try:
            return await self._http.token(fresh)
        except STXAuthenticationFailedException as error:
            refusal = self._session.last_error if fresh else None
            if not isinstance(refusal, HandshakeRefused):
                raise
            failure = refused_token(refusal, refusal.status, error)
        raise failure

    def _snapshot_of(self, topic: str) -> Callable[[], Awaitable[Any]]:
        fetch = SPEC.channel_of(topic).snapshot
        if fetch is None:
            raise STXInvalidParameterException(
                "reconcile", topic, "True only on Channels.ORDERS and Channels.PORTFOLIO"
            )
        return partial(fetch, self._http)

    async def _topic(self, channel: Channels | str) -> str:
        self._home.check()
        user = self._http.user
        if isinstance(channel, Channels) and channel.scoped and not user.uid:
            _: Secret = await self._credentials.token()  # signs in, and so learns the user's id
        return topic_for(channel, user.uid)

    def _select(
        self, topic: str, change: Mapping[str, Any], command: Push, seconds: float | None = None
    ) -> asyncio.Future[Any]:
        """Ask for another filter, and keep it if the venue accepts it. Raises what forbids to send it now."""
        self._params.setdefault(topic, JoinParams(None)).change(change)
        try:
            asking = self._session.ask(command, seconds=seconds)
        except (RequestLost, NotSubscribed):
            self._settle_at_the_next_join(topic, change)
            raise
        finally:
            self._keep_params(topic)
        asking.add_done_callback(partial(self._selected, topic, change))
        return asking

    def _selected(self, topic: str, change: Mapping[str, Any], asking: asyncio.Future[Any]) -> None:
        if asking.cancelled():
            return  # it may have been accepted: the next join says
        error = asking.exception()
        if isinstance(error, RequestLost):
            self._settle_at_the_next_join(topic, change)
        elif error is None or isinstance(error, RequestRefused):
            self._answered(topic, change, accepted=error is None)

    def _settle_at_the_next_join(self, topic: str, change: Mapping[str, Any]) -> None:
        async def settle() -> None:
            with suppress(TapewireError):
                await subscription.confirmed()
                self._answered(topic, change, accepted=True)

        if living := self._living(topic):
            subscription = living[0]
            task = asyncio.get_running_loop().create_task(settle(), name=f"tapewire stx filters {topic}")
            self._settling.add(task)
            task.add_done_callback(self._settling.discard)

    def _answered(self, topic: str, change: Mapping[str, Any], *, accepted: bool) -> None:
        if (params := self._params.get(topic)) is not None:
            params.answer(change, accepted=accepted)
            self._keep_params(topic)

    def _keep_params(self, topic: str) -> None:
        if living := self._living(topic):
            living[0].params = self._params[topic].next

    def _listening(self, topic: str, on_error: Any) -> Any:
        """The owner's `on_error` with an ear of ours in it; what is no function stays, to be refused by its name."""
        if on_error is None:
            return MethodType(
                self._hears, topic
            )  # a partial holds four times as much, and each channel has one
        hears: ErrorHook = partial(self._told, topic, on_error=on_error)
        return update_wrapper(hears, on_error) if callable(on_error) else on_error

    def _told(self, topic: str, error: BaseException, item: Any, on_error: ErrorHook | None = None) -> Any:
        """An error of a channel. A refused join is not asked for again with filters that nobody has accepted."""
        params = self._params.get(topic)
        if isinstance(error, SubscriptionRefused) and params is not None and (names := params.forget_open()):
            logger.warning(
                "%s: joined again without %s, which the venue did not accept", topic, ", ".join(names)
            )
            self._keep_params(topic)
        return None if on_error is None else on_error(error, item)

    def _subscription(self, topic: str) -> Subscription:
        living = self._living(topic)
        if not living:
            raise STXChannelException(f"{topic}: not joined; join it before pushing to it", topic=topic)
        return living[0]

    def _living(self, topic: str) -> list[Subscription]:
        return [known for known in self._joined.get(topic, ()) if known.state != "unsubscribed"]

    def _keep_alive(self, topic: str, subscription: Subscription) -> None:
        if (earlier := self._keepalives.pop(topic, None)) is not None:
            earlier.stop()
        ping: Callable[[], Awaitable[Any]] = lambda: self.request(topic, "ping", {})  # noqa: E731
        self._keepalives[topic] = Keepalive(subscription, ping)

"""`ChannelSubscription`: one channel, with the document's events, its history, and async iteration."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any, Literal, Protocol, overload

from ...clock import Clock
from ...errors import RequestRefused, SubscriptionError, SubscriptionRefused, TapewireError
from ...marks import Errored, Mark, Subscribed, Subscribing, Unsubscribed
from ...protocols.base import StreamPosition
from ...protocols.centrifugo import ErrorReply, History, Publication, SeenIds, SubscribeParams
from ...session.consumer import Consumer, Items, Iteration
from ...session.credentials import Credentials
from ...session.session import Session
from ...session.subscription import Delivery, Subscription
from ..kit.connection import HomeLoop
from ..kit.fields import exact_json
from .errors import ERRORS, SXBetInvalidParameter, SXBetRequestError
from .events import (
    Decorator,
    ErrorContext,
    Handlers,
    HistoryEntry,
    HistoryPage,
    PublicationContext,
    Returned,
    SubscribedContext,
    SubscribingContext,
    UnsubscribedContext,
)

__all__ = ["HISTORY_PAGE", "ChannelSubscription"]

logger = logging.getLogger("tapewire.venues.sxbet")

EVENTS = ("subscribing", "subscribed", "unsubscribed", "publication", "error", "mark")
HISTORY_PAGE = 1_000
"""Entries that the venue gives at once."""

VENUE_ENDED = 2000
"""The first of the venue's own codes for the end of a channel; those below are ours and answers to what was asked."""

UNHEARD_SECONDS = 5.0
"""How long a channel may have handlers without being subscribed before the log says so."""

MAX_SEEN = 1_000
"""Message ids remembered per channel, to drop what is replayed twice."""


class Line(Protocol):
    """What a channel asks of the client that made it."""

    home: HomeLoop
    clock: Clock

    @property
    def state(self) -> str:
        """`connecting`, `connected` or `disconnected`."""
        ...

    @property
    def is_serving(self) -> bool:
        """False while nothing can be asked for, before the next `connect()`."""
        ...

    def check_connected(self) -> None:
        """Raise what says why nothing would ever come."""
        ...

    def keep(self, subscription: ChannelSubscription) -> None:
        """It is the one of its channel from now on."""
        ...

    def want(self, channel: str, params: SubscribeParams, **delivery: Any) -> Subscription:
        """Subscribe on the connection that has the channel, or has room."""
        ...

    def session_for(self, channel: str) -> Session:
        """The one to ask for something of the channel."""
        ...

    def tell(self, handlers: Handlers, event: str, context: Any) -> None:
        """Call handlers where no connection has a task for them."""
        ...


@ERRORS.covers_but("line_closed", "resume", "take")
class ChannelSubscription:
    """Made by `SXBetClient.new_subscription`. Give it handlers or iterate it, then `subscribe()`.

    `positioned` bookmarks the place in the stream; `recoverable` uses the bookmark to fetch what was missed after a
    reconnection: both together give at-least-once delivery, and repeated messages are dropped by their `messageId`.
    """

    __slots__ = (
        "_client",
        "_consumer",
        "_credentials",
        "_delivery",
        "_handlers",
        "_is_resuming",
        "_reminder",
        "_seen",
        "_since",
        "_subscription",
        "_told",
        "_wanted",
        "channel",
        "duplicates",
        "positioned",
        "recoverable",
    )

    def __init__(
        self,
        client: Line,
        channel: str,
        *,
        positioned: bool,
        recoverable: bool,
        since: StreamPosition | None,
        credentials: Credentials | None,
        delivery: Mapping[str, Any],
    ) -> None:
        if recoverable and not positioned:
            raise SXBetInvalidParameter(
                "positioned", positioned, "True where recoverable is: both together recover"
            )
        self.channel: str = channel
        self.positioned: bool = positioned
        self.recoverable: bool = recoverable
        self.duplicates: int = 0
        """Publications dropped because their `messageId` had come already."""
        self._client = client
        self._since = since
        self._credentials = credentials
        self._delivery = delivery
        self._handlers = Handlers(EVENTS)
        self._seen: SeenIds | None = None  # until a message carries an id
        self._subscription: Subscription | None = None
        self._consumer: Consumer[PublicationContext] | None = None
        """What is iterated, where no handlers take what comes."""
        self._wanted = False
        """True from `subscribe()` until it is left or ended, where handlers take what comes: over any `connect()`."""
        self._told = "unsubscribed"
        """The state whose event was fired last."""
        self._is_resuming = False
        self._reminder: asyncio.TimerHandle | None = None

    # --- handlers ---------------------------------------------------------------------------------------------------

    @overload
    def on(
        self, event: Literal["subscribing"], handler: Callable[[SubscribingContext], Returned]
    ) -> Callable[[SubscribingContext], Returned]: ...
    @overload
    def on(self, event: Literal["subscribing"]) -> Decorator[SubscribingContext]: ...
    @overload
    def on(
        self, event: Literal["subscribed"], handler: Callable[[SubscribedContext], Returned]
    ) -> Callable[[SubscribedContext], Returned]: ...
    @overload
    def on(self, event: Literal["subscribed"]) -> Decorator[SubscribedContext]: ...
    @overload
    def on(
        self, event: Literal["unsubscribed"], handler: Callable[[UnsubscribedContext], Returned]
    ) -> Callable[[UnsubscribedContext], Returned]: ...
    @overload
    def on(self, event: Literal["unsubscribed"]) -> Decorator[UnsubscribedContext]: ...
    @overload
    def on(
        self, event: Literal["publication"], handler: Callable[[PublicationContext], Returned]
    ) -> Callable[[PublicationContext], Returned]: ...
    @overload
    def on(self, event: Literal["publication"]) -> Decorator[PublicationContext]: ...
    @overload
    def on(
        self, event: Literal["error"], handler: Callable[[ErrorContext], Returned]
    ) -> Callable[[ErrorContext], Returned]: ...
    @overload
    def on(self, event: Literal["error"]) -> Decorator[ErrorContext]: ...
    @overload
    def on(
        self, event: Literal["mark"], handler: Callable[[Mark], Returned]
    ) -> Callable[[Mark], Returned]: ...
    @overload
    def on(self, event: Literal["mark"]) -> Decorator[Mark]: ...
    def on(self, event: str, handler: Callable[..., Any] | None = None) -> Any:
        """Register a handler of `event`, or decorate one. It is called from `subscribe()` on.

        Raises SXBetInvalidParameter listing the events, or for what cannot be called with one argument.
        """
        self._remind()
        if handler is not None:
            return self._handlers.add(event, handler)
        return self._handlers.decorator(event)

    # --- the channel ------------------------------------------------------------------------------------------------

    @property
    def state(self) -> str:
        """`unsubscribed`, `subscribing` or `subscribed`.

        Without a connection, and before the next `connect()`, a channel that was asked for is `subscribing`.
        """
        state = "unsubscribed" if self._subscription is None else self._subscription.state
        return "subscribing" if state == "unsubscribed" and self._wanted else state

    @property
    def is_left(self) -> bool:
        """True where nobody has asked for it, or it was left or ended: as `state` says, at a glance."""
        return not self._wanted and (self._subscription is None or self._subscription.ended)

    @property
    def position(self) -> StreamPosition | None:
        """Behind what was taken last: save it, and give it as `since=` in a later process."""
        return self._since if self._subscription is None else self._subscription.position or self._since

    def subscribe(self) -> None:
        """Ask for the channel, now or as soon as the client is connected; idempotent. Recovers from where it was."""
        self._start(called=bool(self._handlers))

    def _start(self, *, called: bool) -> None:
        """`called`: handlers take what comes, in a task of the session's; else whoever iterates takes it."""
        if self.state != "unsubscribed":
            return
        self._forget_reminder()
        self._client.keep(self)
        if called and not self._client.is_serving:
            self._wanted = True
            self._tell("subscribing", SubscribingContext(self.channel, 0, "subscribe called"))
        else:
            self._ask(called=called)

    def resume(self) -> None:
        """The client connects: ask for it again, from where it was, if it is still wanted."""
        if self._wanted and (self._subscription is None or self._subscription.state == "unsubscribed"):
            self._is_resuming = self._told == "subscribing"
            self._ask(called=True)

    async def line_closed(self) -> None:
        """The client was disconnected: a channel that is still wanted is not subscribed any more."""
        if self._wanted and self._told == "subscribed":
            self._told = "subscribing"
            context = SubscribingContext(self.channel, 0, "disconnect called")
            await self._handlers.call("subscribing", context)

    def _ask(self, *, called: bool) -> None:
        params = _params(self.positioned, self.recoverable)
        fields: dict[str, Any] = {"announce": True, "on_error": self._failed, **self._delivery}
        if called:
            decode, handler, on_mark = self._decode, self._handlers.step, self._handle_mark
            fields = {"delivery": Delivery(decode=decode, handler=handler, on_mark=on_mark, **fields)}
        else:
            buffer = {name: fields.pop(name) for name in ("policy", "capacity", "key") if name in fields}
            self._consumer = fields["into"] = Consumer(
                self.channel,
                decode=self._decode,
                decode_mark=self._read_mark,
                names_topics=False,
                clock=self._client.clock,
                **buffer,
            )
        position = self.position if self.recoverable else None
        self._subscription = self._client.want(
            self.channel, params, position=position, credentials=self._credentials, **fields
        )
        self._wanted = called

    async def ready(self) -> None:
        """Subscribe, and wait until the channel is, however often that takes.

        Raises what refused it for good, NotConnected where the client was never connected.
        """
        self._client.home.check()
        self._client.check_connected()
        if self._subscription is None:
            self.subscribe()
        self.resume()
        assert self._subscription is not None
        await self._subscription.confirmed()

    def unsubscribe(self) -> None:
        """Leave; the position is kept, and a later `subscribe()` recovers from it."""
        self._client.home.check()
        was_wanted, self._wanted = self._wanted, False
        if self._subscription is not None:
            self._since = self._subscription.position or self._since
            if self._subscription.state != "unsubscribed":
                self._subscription.unsubscribe()
                return
        if was_wanted:
            self._tell("unsubscribed", UnsubscribedContext(self.channel, 0, "unsubscribe called"))

    async def history(
        self, limit: int = 0, since: StreamPosition | None = None, *, reverse: bool = False
    ) -> HistoryPage:
        """What the venue keeps of the channel: the latest with `reverse`, or what came after `since`.

        `limit` 0 gives only where the stream stands, -1 as many as the venue gives at once, which is 1,000: a higher
        limit is lowered to that, and `clamped` says so. Raises SXBetRequestError with code 108 where the channel keeps
        no history, 112 where `since` is of another epoch.
        """
        if type(limit) is not int or limit < -1:
            raise SXBetInvalidParameter("limit", limit, "-1, or 0 and more")
        clamped = limit > HISTORY_PAGE
        if clamped:
            logger.warning(
                "%s: history limit %d is lowered to the venue's %d", self.channel, limit, HISTORY_PAGE
            )
        self._client.home.check()
        command = History(self.channel, limit=min(limit, HISTORY_PAGE), since=since, reverse=reverse)
        try:
            result = await self._client.session_for(self.channel).request(command)
        except RequestRefused as refused:
            raise _of_refusal(refused) from None
        entries = [
            HistoryEntry(exact_json(entry.data), entry.offset, entry.tags, entry.info)
            for entry in result.publications
        ]
        return HistoryPage(entries, result.offset, result.epoch, clamped)

    def __aiter__(self) -> Iteration[PublicationContext | Mark]:
        """Subscribe; publications, and the marks between them that say where the stream broke.

        Ends with `unsubscribe()` or `disconnect()`. Raises what ended the channel otherwise (SubscriptionEnded where
        the venue did), NotConnected where the client is not connected. A wait that is cancelled ends nothing; the
        channel is left by `unsubscribe()` alone.
        """
        self._client.home.check()
        self._client.check_connected()
        return Iteration(self.channel, _Taken(self), self._begin_iteration, _nothing, ERRORS.mapped)

    def __repr__(self) -> str:
        return f"<ChannelSubscription {self.channel} {self.state}>"

    # --- an iteration -----------------------------------------------------------------------------------------------

    def _begin_iteration(self) -> None:
        """Subscribe. Raises SXBetInvalidParameter where handlers take what comes."""
        self._client.check_connected()
        self._start(called=self._handlers.has("publication"))
        if self._wanted:
            allowed = "none where the channel is iterated; or iterate it before you call subscribe()"
            raise SXBetInvalidParameter("handler", "registered", allowed)

    @property
    def taking_at_once(self) -> Callable[[], Any]:
        """What gives an iteration the next item, where that needs no wait."""
        assert self._consumer is not None
        return self._consumer.at_once

    async def take(self) -> Any:
        """The next publication or mark. Raises StopAsyncIteration, or what ended the channel."""
        assert self._consumer is not None
        try:
            return await anext(self._consumer)
        except (StopAsyncIteration, TapewireError) as end:
            if self._told != "unsubscribed":  # a connection's end tells its subscriptions nothing
                self._told = "unsubscribed"
                reason = str(end) or "disconnect called"
                await self._handlers.call("unsubscribed", UnsubscribedContext(self.channel, 0, reason))
            raise

    async def _read_mark(self, mark: Mark) -> Items:
        """What an iteration yields of a mark; handlers of the channel's events are called."""
        if isinstance(mark, Subscribing | Subscribed | Errored | Unsubscribed):
            if (calling := self._handle_mark(mark)) is not None:
                await calling
            return Items()
        await self._handlers.call("mark", mark)
        return Items([mark])

    # --- inside -----------------------------------------------------------------------------------------------------

    def _remind(self) -> None:
        """A handler is there: somebody expects to be called."""
        if self._reminder is None and self._subscription is None:
            with suppress(RuntimeError):  # no event loop yet
                loop = asyncio.get_running_loop()
                self._reminder = loop.call_later(UNHEARD_SECONDS, self._tell_unheard)

    def _forget_reminder(self) -> None:
        if self._reminder is not None:
            self._reminder.cancel()
            self._reminder = None

    def _tell_unheard(self) -> None:
        if self._client.state != "disconnected":
            logger.warning("%s has handlers and is not subscribed: call its subscribe()", self.channel)

    def _decode(self, publication: Publication) -> PublicationContext | Items:
        identity = publication.tags.get("messageId") if publication.tags else None
        if identity is not None:
            if self._seen is None:
                self._seen = SeenIds(MAX_SEEN)
            if not self._seen.add(identity):
                self.duplicates += 1
                return Items()
        return PublicationContext(
            self.channel,
            exact_json(publication.data),
            publication.offset,
            publication.tags,
            publication.info,
            publication.replayed,
        )

    def _tell(self, event: str, context: Any) -> None:
        """An event where no connection has a task for it."""
        self._told = event
        self._client.tell(self._handlers, event, context)

    def _handle_mark(self, mark: Mark) -> Awaitable[None] | None:
        """Know its state, and call who listens: await what is returned, if anything is."""
        if isinstance(mark, Subscribing):
            self._told = "subscribing"
            if self._is_resuming:
                self._is_resuming = False  # it was told when it was lost
            elif self._handlers.has("subscribing"):
                context = SubscribingContext(self.channel, mark.code or 0, mark.reason or "subscribe called")
                return self._handlers.step(context, "subscribing")
        elif isinstance(mark, Subscribed):
            self._told = "subscribed"
            if self._handlers.has("subscribed"):
                return self._handlers.step(self._subscribed(mark), "subscribed")
        elif isinstance(mark, Errored):
            return self._handlers.step(ErrorContext(self._error_of(mark), channel=self.channel), "error")
        elif isinstance(mark, Unsubscribed):
            code = mark.code or 0
            # What is iterated is raised it, and what ended with an error has a line of its own.
            if self._wanted and code >= VENUE_ENDED and not self._handlers.has("unsubscribed"):
                logger.warning("%s: ended by the venue: %s (code %d)", self.channel, mark.reason, code)
            self._told, self._wanted = "unsubscribed", False
            return self._handlers.step(UnsubscribedContext(self.channel, code, mark.reason), "unsubscribed")
        elif self._handlers.has("mark"):
            return self._handlers.step(mark, "mark")
        else:
            logger.warning("%s: %r", self.channel, mark)
        return None

    def _subscribed(self, mark: Subscribed) -> SubscribedContext:
        reply = mark.reply
        data = getattr(reply, "data", None)
        return SubscribedContext(
            self.channel,
            mark.was_recovering,
            mark.recovered,
            bool(getattr(reply, "positioned", False)),
            bool(getattr(reply, "recoverable", False)),
            exact_json(data) if data else None,
        )

    def _error_of(self, mark: Errored) -> SubscriptionError:
        if mark.code is None:
            return SubscriptionError(self.channel, mark.reason)
        return SubscriptionRefused(self.channel, mark.reason, code=mark.code, retryable=True)

    async def _failed(self, error: BaseException, item: Any) -> None:
        if isinstance(error, SubscriptionRefused) and error.retryable:
            return  # told by `Errored`, in its place
        await self._handlers.call("error", ErrorContext(error, channel=self.channel))


@lru_cache
def _params(positioned: bool, recoverable: bool) -> SubscribeParams:
    """One of all channels that are asked for alike: nobody can change it."""
    return SubscribeParams(positioned=positioned, recoverable=recoverable)


def _of_refusal(refused: RequestRefused) -> SXBetRequestError:
    reply = refused.reply
    if isinstance(reply, ErrorReply):
        return SXBetRequestError(
            f"{refused.topic}: {reply.message or 'error'} ({reply.code})", code=str(reply.code)
        )
    return SXBetRequestError(str(refused))


class _Taken:
    """What an iteration of a channel takes from; the channel goes on when it is left: `unsubscribe()` leaves that."""

    def __init__(self, channel: ChannelSubscription) -> None:
        self._channel = channel

    def __aiter__(self) -> _Taken:
        return self

    async def __anext__(self) -> Any:
        return await self._channel.take()

    @property
    def at_once(self) -> Callable[[], Any]:
        """What is there is taken of the channel's consumer itself; only an end has to be told."""
        return self._channel.taking_at_once


def _nothing() -> None:
    """An iteration that is left leaves nothing else."""

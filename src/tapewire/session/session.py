"""The public class: one logical line that outlives many connections.

::

    async with Session(endpoint=..., protocol=...) as session:
        subscription = session.subscribe("room:lobby")
        async for item in subscription:
            ...
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar, overload

from ..errors import ConfigurationError
from ..protocols.base import Command, StreamPosition
from .consumer import Consumer
from .credentials import Credentials
from .driver import Driver
from .handlers import HandlerRunner
from .options import SessionOptions, Statistics
from .subscription import Delivery, Subscription, delivery_into
from .subscriptions import Topic

__all__ = ["Session"]

_Item = TypeVar("_Item")

_ENDED_KEPT = 100
"""Ended subscriptions that the statistics still show."""


class Session:
    """Open it (or use `async with`), subscribe, push, request, close. All its methods may be called inside handlers.

    Takes the fields of `SessionOptions` as keyword arguments, or one made before as `options`. Must be made inside a
    running event loop, and used in that one only.
    """

    def __init__(self, options: SessionOptions | None = None, **fields: Any) -> None:
        if options is not None and fields:
            raise ConfigurationError("options", options, "either options or their fields, not both")
        self._driver = Driver(options or SessionOptions(**fields))
        # Of whoever subscribes without a word on how: nobody can change it, so that all may have the same.
        self._plainly = Delivery(on_error=self._driver.options.on_error)
        self._subscriptions: dict[Subscription, None] = {}
        self._runner = partial(HandlerRunner, now=self._driver.options.clock.monotonic)

    # --- the line ---------------------------------------------------------------------------------------------------

    @property
    def state(self) -> str:
        """The connection's state, as in docs/states.md."""
        return self._driver.machine.state.value

    @property
    def is_over(self) -> bool:
        """True once it is closed, or closing, or has given up."""
        return self._driver.machine.is_over

    @property
    def topics(self) -> int:
        """How many topics are wanted now."""
        return len(self._driver.topics.subscriptions)

    def serves_besides(self, topic: Topic) -> bool:
        """True if the peer has confirmed another topic, or has yet to answer for one: it may hold the room."""
        return self._driver.topics.subscriptions.any_asked_for(besides=topic)

    @property
    def options(self) -> SessionOptions:
        """What it was made of."""
        return self._driver.options

    @property
    def last_error(self) -> BaseException | None:
        """What went wrong last; None before anything did."""
        return self._driver.failure or self._driver.last_error

    @property
    def unheard(self) -> BaseException | None:
        """What it gave up for, where nobody waited who could be told: whoever owns the session has to."""
        return self._driver.unheard

    @property
    def connected(self) -> bool:
        """True while the line is up."""
        return self._driver.connected

    async def open(self) -> None:
        """Connect and wait until the line is up.

        Failed tries are logged and repeated as `retry` says, by default without end, but for the first connection:
        where that has not come within `connect_timeout`, raises NeverConnected. Raises the refusal that no retry can
        heal (HandshakeRefused, CredentialsRefused, ...), an error of programming in a function of yours as it is,
        GaveUp when `retry` is exhausted, or SessionClosed.
        """
        await self._driver.open()

    async def close(self) -> None:
        """Leave every topic, close the socket, let handlers finish. Bounded in time, idempotent, never raises.

        Handlers have `close_timeout` for what is buffered; then a call that still runs is cancelled, and what was not
        come to is dropped, counted and logged. The handler that calls this is called no more.
        """
        await self._driver.close()

    async def run_forever(self) -> None:
        """Wait until the session is closed. Raises what it gave up for, or the error that ended a subscription.

        That the peer ends a topic is no error: the log says so, and whoever iterates it is raised SubscriptionEnded.
        """
        self._driver.wait_to_open("run_forever()")
        self._driver.listeners += 1
        try:
            await self._driver.over.wait()
        finally:
            self._driver.listeners -= 1
        if self._driver.failure is not None:
            raise self._driver.failure

    def expect_open(self) -> None:
        """Somebody will open it, in a while: who waits until then is not told that nobody did."""
        self._driver.expect_open()

    def reconnect(self) -> None:
        """Drop the connection and make a new one at once. Subscriptions are renewed and marked as after any loss."""
        self._driver.reconnect()

    async def __aenter__(self) -> Self:
        try:
            await self.open()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    # --- topics -----------------------------------------------------------------------------------------------------

    @overload
    def subscribe(
        self,
        topic: str,
        params: Any = None,
        *,
        decode: Callable[[Any], _Item],
        position: StreamPosition | None = None,
        credentials: Credentials | None = None,
        **fields: Any,
    ) -> Subscription[_Item]: ...
    @overload
    def subscribe(
        self,
        topic: str,
        params: Any = None,
        *,
        delivery: Delivery | None = None,
        decode: None = None,
        position: StreamPosition | None = None,
        credentials: Credentials | None = None,
        into: Consumer[Any] | None = None,
        **fields: Any,
    ) -> Subscription: ...
    def subscribe(
        self,
        topic: str,
        params: Any = None,
        *,
        delivery: Delivery | None = None,
        position: StreamPosition | None = None,
        credentials: Credentials | None = None,
        into: Consumer[Any] | None = None,
        **fields: Any,
    ) -> Subscription[Any]:
        """Want `topic` from now on, over every reconnection, until `unsubscribe`. May be called before `open`.

        `params` is what the protocol sends along; `position` resumes a numbered stream. `credentials`: where the
        topic's own token comes from, on protocols whose topics have one: asked on every attempt, and again before the
        token ends; a refusal ends the subscription. How publications are delivered is said by `delivery`, or by its
        fields as keyword arguments (see `Delivery`). `into`: a `Consumer` that this topic feeds, beside others; iterate
        that. Of the fields of a delivery there are then only `snapshot`, `reconcile`, `snapshot_timeout`, `announce`
        and `on_error`. Returns at once: `await subscription.confirmed()` to know the venue's answer. A second
        subscription to a topic shares the venue's, its parameters and where its stream is: it has no `position` of its
        own.
        Raises ConfigurationError naming a wrong argument, SessionClosed.
        """
        if not topic or type(topic) is not str:
            raise ConfigurationError("topic", topic, "a text that is not empty")
        if delivery is not None and (fields or into is not None):
            raise ConfigurationError(
                "delivery", delivery, "either delivery or its fields, not both, nor into"
            )
        self._driver.check_usable()
        options = self._driver.options
        if into is not None:
            delivery = delivery_into(into, {"on_error": options.on_error} | fields)
        elif delivery is None:
            delivery = Delivery(**{"on_error": options.on_error} | fields) if fields else self._plainly
        subscription: Subscription[Any] = Subscription(
            topic,
            delivery,
            self._driver.topics,
            runner=self._runner,
            clock=options.clock,
            strict=options.strict,
            errors=options.errors,
            into=into,
        )
        self._driver.subscribe(subscription, params, position, credentials)
        self._subscriptions[subscription] = None
        many = len(self._subscriptions) - _ENDED_KEPT
        if many > 0 and many > 2 * len(self._driver.topics.subscriptions):
            self._subscriptions = {
                known: None for known in self._subscriptions if known.state != "unsubscribed"
            }
        return subscription

    def push(self, command: Command) -> str:
        """Send a command and await nothing. Returns its ref. Raises RequestLost while the line is down."""
        return self._driver.requests.push(command)

    async def request(self, command: Command, *, seconds: float | None = None) -> Any:
        """Send a command and return the decoded reply.

        Raises RequestRefused (the venue's error reply), RequestTimeout after `seconds` (default: the session's
        `request_timeout`), RequestLost when the connection drops first; their `sent` says whether the venue may have
        it. Nothing is ever sent twice by itself.
        """
        return await self._driver.requests.request(command, seconds or self._driver.options.request_timeout)

    def ask(self, command: Command, *, seconds: float | None = None) -> asyncio.Future[Any]:
        """As `request`, but sent before this returns, in its place among the pushes; await the future for the reply.

        Raises at once what forbids to send it (RequestLost, NotSubscribed, SessionClosed); the future, all else.
        """
        return self._driver.requests.ask(command, seconds or self._driver.options.request_timeout)

    # --- moving a topic to another session (see pool.py) ---

    def release(self, topic: Topic) -> Any:
        """Give up a topic without telling its consumers; give what this returns to `adopt` of another session."""
        driver = self._driver
        tasks = [task for each in topic.consumers if (task := driver.handlers.release(each)) is not None]
        return driver.topics.release(topic), tasks

    def adopt(self, held: Any, topic: Topic) -> None:
        """Take over a topic with its consumers, their handlers' tasks, parameters, position and open gap."""
        consumers, tasks = held
        for consumer, _ in consumers:
            self._subscriptions[consumer] = None
        for task in tasks:
            self._driver.handlers.adopt(task)
        self._driver.topics.adopt(topic, consumers)

    # --- health -----------------------------------------------------------------------------------------------------

    def statistics(self) -> Statistics:
        """Frozen figures of this moment."""
        driver = self._driver
        connection = driver.connection
        protocol = None if connection is None else connection.protocol
        reads, publications, stale = driver.counts()
        details = tuple(subscription.statistics() for subscription in self._subscriptions)
        consumers = {subscription.consumer for subscription in self._subscriptions}
        return Statistics(
            name=driver.name,
            state=self.state,
            connections=driver.generation,
            reconnections=max(0, driver.generation - 1),
            publications=publications,
            reads=reads,
            subscriptions=len(driver.topics.subscriptions),
            confirmed=driver.topics.subscriptions.confirmed(),
            pending_requests=len(driver.requests.pending),
            undecodable=driver.topics.continuity.undecodable + sum(each.undecodable for each in consumers),
            stale=stale,
            handler_errors=sum(detail.handler_errors for detail in details),
            marks=driver.topics.continuity.marks_written,
            dropped=sum(each.buffer.dropped for each in consumers),
            since_heard=None if connection is None else driver.loop.now() - connection.liveness.heard_at,
            heartbeat_rtt=getattr(protocol, "ping_rtt", None),
            last_error=str(driver.last_error or ""),
            details=details,
        )

    def __repr__(self) -> str:
        topics = self._driver.topics.subscriptions
        return (
            f"<Session {self._driver.name} {self.state} subs={topics.confirmed()}/{len(topics)}"
            f" connections={self._driver.generation}>"
        )

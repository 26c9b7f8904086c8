"""Performs the actions of the connection table: it opens, greets, drops, and alone knows when the next try is due.

Rules: the driver feeds inputs and performs actions; it never looks at a state to decide. Whatever reaches it is a turn
of the loop's, and what a try or a token brings is of the number under which it was asked for. An exception in a turn
is the input `defect`: the connection is dropped and made anew. What may be tried again is listed (`_may_pass`); an
error of programming, ours or in a function of the owner's, ends the session with that error.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, NamedTuple

from ..errors import (
    ConnectionLost,
    GaveUp,
    HandshakeRefused,
    IllegalTransition,
    NeverConnected,
    OwnerCancelled,
    RequestLost,
    SessionClosed,
    TapewireError,
)
from ..protocols.base import (
    ClientProtocol,
    Command,
    Confirmed,
    CredentialsExpiring,
    Failed,
    Ready,
    Replied,
    StreamPosition,
)
from ..retry import RetryPolicy
from ..secrets import Secret, sanitized
from ..transport.base import Transport
from .connection import Backpressure, Connection
from .credentials import Credentials, is_final, renewal_after
from .handler_tasks import HandlerTasks
from .loop import Loop, run_owned
from .machine import Action, ConnectionMachine, Input
from .options import SessionOptions
from .requests import Requests
from .subscription import Subscription
from .topics import Topics

__all__ = ["SERVED_SECONDS", "Driver"]

logger = logging.getLogger("tapewire.session")

SERVED_SECONDS = 1.0
"""A connection that served us for so long was reachable: if it is lost, the first tries are quick again."""

UNOPENED_SECONDS = 1.0
"""How long somebody may wait on a session that was never opened before it is told."""

LINGER_SECONDS = 1.0
"""How long a task that was cancelled may take to end before the close goes on without it."""

_PASSING = (OSError, EOFError)
"""What is no error of ours and may pass: what a network says of itself."""


class Driver:
    """The connection of one session. `session.py` is its public face."""

    def __init__(self, options: SessionOptions) -> None:
        self.options = options
        self.name = options.name
        self.connection: Connection | None = None
        self.protocol: ClientProtocol | None = None
        """That of the connection."""
        self.loop = Loop(
            options.clock,
            options.name,
            on_defect=self._defect,
            on_settled=self.flush,
        )
        self.machine = ConnectionMachine(options.retry, options.supervise)
        self._expected_open = False  # it is open, will be, or never will: nobody need be warned
        self.topics = Topics(self, self.loop, options)
        self.backpressure = Backpressure(
            self.loop,
            options.pause_limit,
            connection=lambda: self.connection,
            awaited=lambda: bool(len(self.requests.pending)),
            fail=self.topics.fail,
        )
        self.requests = Requests(self, self.loop, self.backpressure.judge)
        self.handlers = HandlerTasks(self.loop)
        self.generation = 0
        self.last_error: BaseException | None = None
        self.failure: BaseException | None = None
        """What `run_forever` raises: what the session gave up for, or what ended a subscription first."""
        self.unheard: BaseException | None = None
        """What it gave up for, where nobody waited who could be told."""
        self.listeners = 0
        """Calls of `run_forever` that wait."""
        self.over = asyncio.Event()
        self.closed = asyncio.Event()
        self._gave_up: BaseException | None = None
        self._before = _Counts()  # of the connections before this one
        self._loss = ""  # what the marks of the present loss say
        self._lost_at: float | None = None  # when the outage began, if the peer had served us until then
        self._token: Secret | None = None
        self._wants_fresh_token = False
        self._refreshes_failed = 0
        self._inputs: deque[Input] = deque()
        self._feeding = False
        self._admitted = True  # False while a try waits for its budget
        self._try = 0  # the number of the present try; what comes of an older one is dropped
        self._trying: asyncio.Task[None] | None = None
        self._up_waiters: dict[asyncio.Future[None], None] = {}
        self._closing: asyncio.Task[None] | None = None
        self._perform = self._performances()

    def _performances(self) -> dict[Action, Callable[[], None]]:
        options = self.options
        return {
            Action.AUTHORIZE: self._start_authorizing,
            Action.CONNECT: self._start_connecting,
            Action.CANCEL_TRY: self._cancel_try,
            Action.GREET: self._greet,
            Action.ARM_STABLE: self._arm_stable,
            Action.REPORT_CONNECTED: self._report_connected,
            Action.REPORT_DISCONNECTED: self._report_disconnected,
            Action.DROP: self._drop,
            Action.DISCARD_TOKEN: self._discard_token,
            Action.ARM_BACKOFF: self._arm_backoff,
            Action.RAISE_ALARM: lambda: self._wait(options.supervise, self.machine.alarms, logging.ERROR),
            Action.DISARM_BACKOFF: lambda: self.loop.timers.cancel("backoff"),
            Action.LEAVE: self._start_leaving,
            Action.GIVE_UP: self._give_up,
            Action.FINISH: self._finish,
        }

    # --- what the public face calls ---------------------------------------------------------------------------------

    async def open(self) -> None:
        """Start, and wait until the line is up. Raises what the session gave up for, or SessionClosed."""
        self.loop.check()
        self.check_usable()
        self.expect_open()
        if self.connected:
            return
        waiter = self.loop.future()
        self._up_waiters[waiter] = None
        self.loop.enter(self._open)
        try:
            await waiter
        finally:
            self._up_waiters.pop(waiter, None)

    def _open(self) -> None:
        seconds = self.options.connect_timeout
        supervised = self.options.supervise is not None  # somebody would rather be alarmed than stopped
        if seconds is not None and not supervised and not self.generation and "first" not in self.loop.timers:
            self.loop.after("first", seconds, partial(self._never_connected, seconds))
        self._feed(Input.OPEN)

    def reconnect(self) -> None:
        """Drop the connection and make a new one."""
        self.loop.check()
        self.loop.enter(partial(self._reconnect, "reconnect() was called"))

    def replace(self, why: str) -> None:
        """Make a new connection in place of this one, when the turn is over."""
        self.loop.behind(partial(self._reconnect, why))

    def _reconnect(self, why: str) -> None:
        self._loss = why
        self._feed(Input.RECONNECT)

    async def close(self) -> None:
        """Leave, close, and let the handlers finish; bounded in time; idempotent; legal inside a handler.

        The work is a task of its own: a close that is cancelled goes on, and all who call it wait for the same one.
        """
        self.loop.check()
        self.expect_open()
        self.handlers.excuse_caller()
        if self._closing is None:
            self._closing = asyncio.get_running_loop().create_task(
                self._close(), name=f"tapewire {self.name} close"
            )
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        self.loop.enter(partial(self._feed, Input.CLOSE))
        patience = self.options.close_timeout
        try:
            # The polite close has its own bound; this is for a defect.
            async with asyncio.timeout(patience * 2 + 1):
                await self.closed.wait()
        except TimeoutError:
            logger.error("%s: the close did not come to its end in time", self.name)
        await self.handlers.drain(patience)
        others = [task for task in self.loop.tasks if task not in self.handlers]
        for task in others:
            task.cancel()
        if others:
            _, left = await asyncio.wait(others, timeout=LINGER_SECONDS)
            for task in left:
                logger.warning("%s: %s goes on although it was cancelled", self.name, task.get_name())
        self.loop.stop()

    def subscribe(self, subscription: Subscription, *asked: Any) -> None:
        """Subscribe, and have its handler called. `asked`: parameters, position, credentials (`Topics.subscribe`)."""
        self.loop.check()
        self.topics.subscribe(subscription, *asked)
        if subscription.delivery.handler is not None and not subscription.delivery.inline:
            if not self._expected_open:
                self.wait_to_open(f"the handler of {subscription.topic}")
            self.handlers.start(subscription)

    def check_usable(self) -> None:
        """Raise what the session gave up for, or SessionClosed."""
        if self._gave_up is not None:
            raise self._gave_up
        if self.machine.is_over:
            raise SessionClosed

    # --- the connection, as topics and requests see it --------------------------------------------------------------

    @property
    def connected(self) -> bool:
        """True while subscriptions and requests can be sent."""
        return self.connection is not None and self.connection.ready

    def proven_ns(self) -> int:
        """The last moment at which the stream was provably whole: the last read of the connection."""
        now = self.loop.now()
        heard_at = now if self.connection is None else self.connection.liveness.heard_at
        return self.loop.now_ns() - int((now - heard_at) * 1e9)

    async def page(self, topic: str, since: StreamPosition) -> Any:
        """One page of the venue's history. Raises what the request raises."""
        command: Command | None = None if self.protocol is None else self.protocol.history(topic, since)
        if command is None:
            raise RequestLost(topic, "history", sent=False, why="the connection is down")
        return await self.requests.request(command, self.options.request_timeout)

    def fail_requests(self, topic: str) -> None:
        self.requests.lose_topic(topic)

    def report_failure(self, error: BaseException) -> None:
        """A subscription ended with `error`: `run_forever` raises it."""
        if self.failure is None:
            self.failure = error
        self.over.set()

    def note(self, error: BaseException) -> None:
        """`error` is what went wrong last."""
        self.last_error = error

    def wait_to_open(self, who: str) -> None:
        """`who` is about to wait for what only an open session can bring.

        Subscribing first and opening then is right, so that waiting is no error; a second of it is told once.
        """
        if not self._expected_open and "unopened" not in self.loop.timers:
            self.loop.after("unopened", UNOPENED_SECONDS, partial(self._warn_never_opened, who))

    def expect_open(self) -> None:
        """It is opened, or certain to be, or never will be: nobody is warned that it is not."""
        self._expected_open = True
        self.loop.timers.cancel("unopened")

    def _warn_never_opened(self, who: str) -> None:
        self._expected_open = True
        logger.warning(
            "%s: %s waits, and the session was never opened; use `async with`, or await its open()",
            *(self.name, who),
        )

    def block(self, subscription: Subscription) -> None:
        self.backpressure.pause(subscription)

    def relieve(self, subscription: Subscription) -> None:
        self.backpressure.resume(subscription)

    def flush(self) -> None:
        """Send what the protocol has to send, and look at the deadlines again."""
        if self.connection is not None:
            self.connection.flush()
            self.loop.rearm()

    def counts(self) -> tuple[int, int, int]:
        """Reads, publications and stale frames of all connections."""
        return self._before if self.connection is None else self._before.plus(self.connection)

    # --- inputs -----------------------------------------------------------------------------------------------------

    def _feed(self, received: Input) -> None:
        """One input of the connection table; its actions are performed before this returns, or by who performs now."""
        self._inputs.append(received)
        if self._feeding:
            return
        self._feeding = True
        try:
            while self._inputs:
                before = self.machine.state
                for action in self.machine.handle(self._inputs.popleft()):
                    self._perform[action]()
                if self.options.on_state is not None:
                    self._tell_state(self.options.on_state, before)
        finally:
            self._feeding = False

    def _tell_state(self, on_state: Callable[[str], None], before: Any) -> None:
        if self.machine.state is not before:
            self.loop.call_soon(on_state, self.machine.state.value)

    def _defect(self, error: Exception) -> None:
        """Something of ours raised in the midst of a turn: from whatever it left, begin anew."""
        logger.error("%s: a defect; the connection is made anew", self.name, exc_info=error)
        self.last_error = ConnectionLost(f"a defect: {type(error).__name__}: {error}"[:200])
        self._loss = self.last_error.reason
        self._inputs.clear()
        before = self.machine.state
        for action in self.machine.handle(Input.DEFECT):
            try:
                self._perform[action]()
            except Exception:
                logger.exception("%s: and %r failed too", self.name, action.value)
        if self.options.on_state is not None:
            self._tell_state(self.options.on_state, before)

    def _broken(self, error: BaseException) -> None:
        """The present try or line failed; `error` says how, and which input it is."""
        self.last_error = error
        self._loss = _detail_of(error)
        if (
            isinstance(error, HandshakeRefused)
            and error.unauthorized
            and self.options.credentials is not None
        ):
            self._feed(Input.UNAUTHORIZED)
        else:
            self._feed(Input.BROKEN if _may_pass(error) else Input.REFUSED)

    def _handle_event(self, event: Any) -> None:
        """One event of the protocol, between the publications it came between."""
        if event.__class__ is Confirmed:  # of which there may be thousands
            self._serve()
            self._tell_topic(event)
        elif isinstance(event, Replied):
            self.requests.reply(event)
        elif isinstance(event, Ready):
            self._feed(Input.READY)
        elif isinstance(event, Failed):
            self._failed(event)
        elif isinstance(event, CredentialsExpiring):
            self._expect_credentials(event)
        else:
            self._tell_topic(event)

    def _serve(self) -> None:
        """The peer has confirmed a topic."""
        if self.connection is not None and not self.connection.serves:
            self.connection.serves = True
            if self.machine.waits:
                self.loop.after("served", SERVED_SECONDS, self.machine.served)

    def _tell_topic(self, event: Any) -> None:
        try:
            self.topics.handle(event)
        except IllegalTransition as error:
            self._broken(ConnectionLost(f"the peer broke the protocol: {error}", 1002))

    def _failed(self, event: Failed) -> None:
        """The connection is over, as the protocol understands it."""
        lost = ConnectionLost(event.reason, event.code or 1006)
        self.last_error, self._loss = lost, _detail_of(lost)
        if event.terminal:
            self._feed(Input.REFUSED)
        elif event.unauthorized and self.options.credentials is not None:
            self._feed(Input.EXPIRED if event.expired else Input.UNAUTHORIZED)
        else:
            self._feed(Input.BROKEN)

    def _never_connected(self, seconds: float) -> None:
        """The first connection has had its time, if it was let."""
        if not self._admitted:  # a budget that sessions share is no sign of a wrong address
            self.loop.after("first", seconds, partial(self._never_connected, seconds))
            return
        self.last_error = NeverConnected(seconds, max(1, self.machine.tries), self.last_error)
        self._feed(Input.EXHAUSTED)

    # --- tries ------------------------------------------------------------------------------------------------------

    def _start_authorizing(self) -> None:
        self._try += 1
        if (credentials := self.options.credentials) is None:
            self._feed(Input.AUTHORIZED)
        else:
            self._start_try(self._authorize(self._try, credentials))

    def _start_connecting(self) -> None:
        self._try += 1
        self._start_try(self._connect(self._try, self._token))

    def _start_try(self, step: Any) -> None:
        task = self.loop.spawn(step, "try")
        self._trying = None if task.done() else task

    def _cancel_try(self) -> None:
        self._try += 1
        if self._trying is not None and self._trying is not asyncio.current_task():
            self._trying.cancel()
        self._trying = None

    async def _authorize(self, number: int, credentials: Credentials) -> None:
        try:
            token = await credentials.token(fresh=self._wants_fresh_token)
        except Exception as error:
            self.loop.enter(partial(self._attempt_failed, number, error))
        else:
            self.loop.enter(partial(self._authorized, number, token))

    def _authorized(self, number: int, token: Secret) -> None:
        if number == self._try:
            self._token, self._wants_fresh_token = token, False
            self._feed(Input.AUTHORIZED)

    async def _connect(self, number: int, token: Secret | None) -> None:
        options = self.options
        connection = Connection(
            self.loop,
            routes=self.topics.routes,
            on_event=self._handle_event,
            on_failed=self._failed,
            on_lost=self._broken,
            ping_interval=options.ping_interval,
            ping_timeout=options.ping_timeout,
        )
        try:
            if options.admit is not None:
                await self._be_admitted(options.admit)
            endpoint = await run_owned("endpoint", options.endpoint, token)
            transport = await run_owned("connector", options.connector.connect, endpoint, connection)
        except Exception as error:
            self.loop.enter(partial(self._attempt_failed, number, error))
        else:
            self.loop.enter(partial(self._opened, number, connection, transport))

    async def _be_admitted(self, admit: Callable[[], Awaitable[None]]) -> None:
        self._admitted = False
        try:
            await run_owned("admit", admit)
        finally:
            self._admitted = True

    def _opened(self, number: int, connection: Connection, transport: Transport) -> None:
        connection.transport = transport
        if number != self._try:
            connection.drop()  # nobody waits for it any more
            return
        self.connection = self.loop.judge = connection
        self.generation += 1
        self._feed(Input.OPENED)

    def _attempt_failed(self, number: int, error: Exception) -> None:
        if number == self._try:
            if not isinstance(error, TapewireError):
                logger.warning("%s: the attempt to connect raised", self.name, exc_info=error)
            self._broken(error)

    # --- the connection's token -------------------------------------------------------------------------------------

    def _discard_token(self) -> None:
        """It was not accepted (any more), and no topic's is believed either."""
        self._token, self._wants_fresh_token = None, True
        self.topics.distrust()

    def _expect_credentials(self, event: CredentialsExpiring) -> None:
        credentials = self.options.credentials
        if event.topic is not None:
            self.topics.expect(event)
        elif credentials is not None:
            self._refreshes_failed = 0
            self._refresh_after(renewal_after(event.seconds, self.options.fraction))
            if event.reason:
                credentials.report_not_taken(self.name, event.reason, event.code)

    def _refresh_after(self, seconds: float) -> None:
        self.loop.after("refresh", seconds, partial(self._start_refresh, self.generation))

    def _start_refresh(self, generation: int) -> None:
        _ = self.loop.spawn(self._refresh(generation), "refresh")

    async def _refresh(self, generation: int) -> None:
        assert self.options.credentials is not None
        try:
            token = await self.options.credentials.token(fresh=True)
        except Exception as error:
            self.loop.enter(partial(self._refresh_failed, generation, error))
        else:
            self.loop.enter(partial(self._refreshed, generation, token))

    def _refreshed(self, generation: int, token: Secret) -> None:
        if generation == self.generation and self.protocol is not None:
            self._token = token
            self.protocol.refresh(token)

    def _refresh_failed(self, generation: int, error: Exception) -> None:
        if generation != self.generation or not self.connected:
            return
        logger.warning("%s: no fresh token yet: %s", self.name, sanitized(error))
        if is_final(error):
            self._broken(error)
            return
        self._refreshes_failed += 1
        options = self.options
        self._refresh_after(options.resubscribe.delay(self._refreshes_failed, fraction=options.fraction))

    # --- actions ----------------------------------------------------------------------------------------------------

    def _greet(self) -> None:
        connection = self.connection
        assert connection is not None
        try:
            protocol = self.options.protocol(self._token)
        except Exception as error:  # the owner's function: no new connection mends it
            self._broken(error)
            return
        except asyncio.CancelledError:
            self._broken(OwnerCancelled("protocol"))
            return
        connection.protocol = self.protocol = protocol
        # What it has to say goes out when the turn is over, with what is asked for by then.
        events = protocol.hello(self.loop.now())
        if Ready() not in events:
            self.loop.after("greeting", self.options.greeting_timeout, self._not_greeted)
        for event in events:
            if not connection.dropped:  # else the line was lost while it was greeted
                self._handle_event(event)

    def _not_greeted(self) -> None:
        self._broken(ConnectionLost("the peer did not greet in time"))

    def _arm_stable(self) -> None:
        self.loop.after("stable", self.options.stable_after, partial(self._feed, Input.STABLE))

    def _report_connected(self) -> None:
        assert self.connection is not None
        self.connection.ready = True
        self.loop.timers.cancel("greeting", "first")
        logger.info("%s: connected (connection %d)", self.name, self.generation)
        self.topics.connected()
        for waiter in self._up_waiters:
            if not waiter.done():
                waiter.set_result(None)

    def _report_disconnected(self) -> None:
        if self.connection is not None:
            self.connection.rewind()
        # More than one wait: it came back and did not last. That is a peer that drops us, and no outage that ends.
        self._lost_at = self.loop.now() if self.machine.waits <= 1 else None
        self.requests.lose_all()
        self.topics.disconnected(self._loss)

    def _drop(self) -> None:
        connection = self.connection
        self.connection = self.protocol = self.loop.judge = None
        self.loop.timers.cancel("stable", "served", "greeting", "refresh")
        if connection is not None:
            self._before = self._before.plus(connection)
            connection.drop()

    def _arm_backoff(self) -> None:
        lasted = None if self._lost_at is None else self.loop.now() - self._lost_at
        self._wait(self.options.retry, self.machine.waits, logging.WARNING, lasted)

    def _wait(self, policy: RetryPolicy | None, count: int, level: int, lasted: float | None = None) -> None:
        assert policy is not None
        retry_after = getattr(self.last_error, "retry_after", None)
        delay = policy.delay(count, retry_after=retry_after, lasted=lasted, fraction=self.options.fraction)
        self.loop.after("backoff", delay, partial(self._feed, Input.BACKOFF_OVER))
        logger.log(level, "%s: %s; trying again in %.2f s", self.name, sanitized(self.last_error), delay)

    def _start_leaving(self) -> None:
        _ = self.loop.spawn(self._leave(), "leave")

    async def _leave(self) -> None:
        connection = self.connection
        try:
            if connection is not None and connection.transport is not None:
                self.loop.enter(self.topics.leave_all)
                await connection.transport.close(timeout=self.options.close_timeout)
        finally:
            self.loop.enter(self._gone)

    def _gone(self) -> None:
        self.requests.lose_all("the session was closed before the reply")
        self._feed(Input.GONE)

    def _give_up(self) -> None:
        error = self.last_error
        if isinstance(error, ConnectionLost) or (error is not None and _may_pass(error)):
            given_up = GaveUp(max(1, self.machine.tries), error)
            given_up.__cause__ = error
            error = given_up
        logger.error("%s: %s", self.name, sanitized(error))
        self._gave_up = self.failure = error
        self._end(error)

    def _finish(self) -> None:
        self._end(None)
        self.closed.set()

    def _end(self, error: BaseException | None) -> None:
        self.over.set()
        self.loop.timers.cancel("first")
        self._cancel_try()
        waits = self.listeners or self._up_waiters or self.topics.anybody_waits()
        self.unheard = None if waits else error
        for waiter in self._up_waiters:
            if not waiter.done():
                waiter.set_exception(error or SessionClosed())
        self.topics.finish(error)


class _Counts(NamedTuple):
    """What connections that are over have counted."""

    reads: int = 0
    publications: int = 0
    stale: int = 0

    def plus(self, connection: Connection) -> _Counts:
        """And those of `connection`."""
        return _Counts(
            self.reads + connection.reads,
            self.publications + connection.publications,
            self.stale + getattr(connection.protocol, "stale", 0),
        )


def _may_pass(error: BaseException) -> bool:
    """True for what a later try may not meet: what an error of ours says of itself, and what networks do."""
    return error.retryable if isinstance(error, TapewireError) else isinstance(error, _PASSING)


def _detail_of(error: BaseException) -> str:
    """What a mark says of it, in a few words."""
    if isinstance(error, ConnectionLost):
        return error.reason or f"closed with code {error.code}"
    return sanitized(str(error) or type(error).__name__)

"""Performs the actions of the connection table: the only file of a session with tasks, timers and transports.

Rules: the driver feeds inputs and performs actions; it never looks at a state to decide. One timer serves all
deadlines. Every connection has a generation; what an older one reports is discarded. User code runs in tasks of its
own (`Caller.pump`), never in the reader.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from ..errors import (
    ConnectionLost,
    GaveUp,
    HandshakeRefused,
    SessionClosed,
    TapewireError,
)
from ..protocols.base import ClientProtocol, CredentialsExpiring, Failed, Ready, Replied
from ..retry import RetryPolicy
from ..secrets import shown
from .calls import Calls
from .connection import Connection
from .delivery import Subscription
from .fetching import fetch_history, fetch_snapshot
from .liveness import GRACE, LATE
from .machine import Action, ConnectionMachine, IllegalTransition, Input
from .options import SessionOptions
from .pausing import Pausing
from .pumps import finish_pumps
from .recovery import Bridge
from .subscriptions import Wanted
from .timers import Timers
from .tokens import Tokens
from .topics import Topics
from .unopened import Unopened

__all__ = ["Driver"]

logger = logging.getLogger("tapewire.session")


class Driver:
    """The line of one session. `session.py` is its public face."""

    def __init__(self, options: SessionOptions) -> None:
        self.options = options
        self.machine = ConnectionMachine(options.retry, options.supervise)
        self.timers = Timers()
        self.unopened = Unopened(self)
        self.topics = Topics(self)
        self.calls = Calls(self)
        self.tokens = Tokens(self)
        self.connection: Connection | None = None
        self.generation = 0
        self.reads = self.publications = self.stale = 0
        self.last_error: BaseException | None = None
        self.failure: BaseException | None = None
        """What `run_forever` raises."""
        self.unheard: BaseException | None = None
        """What it gave up for, where nobody waited who could be told."""
        self.listeners = 0
        """Calls of `run_forever` that wait."""
        self.over = asyncio.Event()
        self.closed = asyncio.Event()
        self._inputs: deque[Input] = deque()
        self._feeding = self._flushing = False
        self._try: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._pumps: dict[asyncio.Task[Any], Subscription] = {}
        self._up_waiters: list[asyncio.Future[None]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0  # when it fires: not every loop's handle can be asked
        self._draining = False
        self.pausing = Pausing(self)
        self._after_read: list[Callable[[], None]] = []
        self._perform: dict[Action, Callable[[], None]] = {
            Action.AUTHORIZE: lambda: self._start_try(self._authorize()),
            Action.CONNECT: lambda: self._start_try(self._connect()),
            Action.CANCEL_TRY: self._cancel_try,
            Action.GREET: self._greet,
            Action.ARM_STABLE: lambda: self.timers.set("stable", self.now() + options.stable_after),
            Action.RAISE_LINE: self._raise_line,
            Action.LOWER_LINE: self._lower_line,
            Action.DROP: self._drop,
            Action.DISCARD_TOKEN: self.tokens.discard,
            Action.ARM_BACKOFF: lambda: self._wait(options.retry, self.machine.waits, logging.WARNING),
            Action.RAISE_ALARM: lambda: self._wait(options.supervise, self.machine.alarms, logging.ERROR),
            Action.DISARM_BACKOFF: lambda: self.timers.cancel("backoff"),
            Action.LEAVE: lambda: self.spawn(self._leave(), "leave"),
            Action.GIVE_UP: self._give_up,
            Action.FINISH: self._finish,
        }

    # --- what the public face calls ---------------------------------------------------------------------------------

    async def open(self) -> None:
        """Start, and wait until the line is up. Raises what the session gave up for, or SessionClosed."""
        if self.failure is not None:
            raise self.failure
        if self.over.is_set():
            raise SessionClosed
        self.unopened.opened()
        waiter = self.future()
        self._up_waiters.append(waiter)
        if self.line_up:
            waiter.set_result(None)
        self.feed(Input.OPEN)
        await waiter

    async def close(self) -> None:
        """Leave, close, and let the handlers finish; bounded in time; idempotent; legal inside a handler."""
        self.unopened.opened()
        self.feed(Input.CLOSE)
        with suppress(TimeoutError):  # the polite close has its own bound; this one is for a defect of ours
            async with asyncio.timeout(self.options.close_timeout * 2 + 1):
                await self.closed.wait()
        await finish_pumps(self.name, self._pumps, self.options.close_timeout)
        current = asyncio.current_task()
        others = [task for task in self._tasks if task is not current and task not in self._pumps]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        if self._timer is not None:
            self._timer.cancel()

    def want(self, subscription: Subscription, *asked: Any) -> None:
        """Subscribe, and start the handler's task. `asked`: parameters, position and credentials of `Topics.want`."""
        self.topics.want(subscription, *asked, line_up=self.line_up)
        if subscription.delivery.handler is not None and not subscription.delivery.inline:
            pump = self._spawn(subscription.caller.pump(), f"handler {subscription.topic}")
            self._pumps[pump] = subscription

    def give_handlers(self, wanted: Wanted) -> dict[asyncio.Task[Any], Subscription]:
        """The tasks of the handlers of a topic that moves to another session: that one ends them."""
        given = {task: each for task, each in self._pumps.items() if each in wanted.consumers}
        for task in given:
            del self._pumps[task]
            self._tasks.discard(task)
            task.remove_done_callback(self._task_done)
        return given

    def take_handlers(self, given: dict[asyncio.Task[Any], Subscription]) -> None:
        """Handlers that another session gave up."""
        for task, subscription in given.items():
            self._pumps[task] = subscription
            self._tasks.add(task)
            task.add_done_callback(self._task_done)

    # --- the line, as `Topics` and `Calls` see it -------------------------------------------------------------------

    @property
    def name(self) -> str:
        return self.options.name

    @property
    def line_up(self) -> bool:
        """True while subscriptions and requests can be sent."""
        return self.connection is not None and self.connection.raised

    @property
    def protocol(self) -> ClientProtocol | None:
        return None if self.connection is None else self.connection.protocol

    def now(self) -> float:
        return self.options.clock.monotonic()

    def now_ns(self) -> int:
        return self.options.clock.time_ns()

    def proven_ns(self) -> int:
        """The last moment at which the stream was provably whole: the last read of the connection."""
        heard_at = self.now() if self.connection is None else self.connection.liveness.heard_at
        return self.now_ns() - int((self.now() - heard_at) * 1e9)

    def future(self) -> asyncio.Future[Any]:
        return asyncio.get_running_loop().create_future()

    def spawn(self, coroutine: Coroutine[Any, Any, Any], name: str = "") -> None:
        _ = self._spawn(coroutine, name)

    def seed(self, subscription: Subscription) -> None:
        _ = self._spawn(fetch_snapshot(self, subscription, self.generation), f"snapshot {subscription.topic}")

    def bridge(self, wanted: Wanted, bridge: Bridge) -> None:
        _ = self._spawn(fetch_history(self, wanted, bridge), f"history {wanted.topic}")

    def renew(self, topic: str) -> None:
        self.topics.renew(topic)

    def authorize(self, wanted: Wanted, attempt: object) -> None:
        _ = self._spawn(self.tokens.authorize(wanted, attempt), f"token {wanted.topic}")

    def flush_soon(self) -> None:
        """Flush when the present step of the loop is over: what is asked for together goes out together."""
        if not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self.flush)

    def flush(self) -> None:
        """Send what the protocol has to send, and look at the deadlines again."""
        self._flushing = False
        if self.connection is not None:
            self.connection.flush()
        self.rearm()

    def after_read(self, call: Callable[[], None]) -> None:
        """Run `call` when the read that is being dispatched is done; at once if none is."""
        if self.connection is not None and self.connection.reading:
            self._after_read.append(call)
        else:
            call()

    def run_after_read(self) -> None:
        while self._after_read:
            calls, self._after_read = self._after_read, []
            for call in calls:
                call()

    def fail_requests(self, topic: str) -> None:
        self.calls.lose(self.calls.pending.take_topic(topic))

    def note(self, error: BaseException) -> None:
        """What goes wrong at present, though the line stands: `last_error` names it."""
        self.last_error = error

    def report_failure(self, error: BaseException) -> None:
        """A subscription ended with `error`: `run_forever` raises it."""
        if self.failure is None:
            self.failure = error
        self.over.set()

    # --- inputs -----------------------------------------------------------------------------------------------------

    def reconnect(self) -> None:
        """A new connection in place of this one, because the owner wants it."""
        if self.line_up:
            self.last_error = ConnectionLost("reconnect() was called", 1000, ours=True)
        self.feed(Input.RECONNECT)

    def feed(self, received: Input) -> None:
        """One input of the connection table; its actions are performed before this returns."""
        self._inputs.append(received)
        if self._feeding:
            return
        self._feeding = True
        try:
            while self._inputs:
                before = self.machine.state
                for action in self.machine.handle(self._inputs.popleft()):
                    self._perform[action]()
                if self.machine.state is not before and self.options.on_state is not None:
                    asyncio.get_running_loop().call_soon(self.options.on_state, self.machine.state.value)
        finally:
            self._feeding = False
        self.rearm()

    def broken(self, error: BaseException) -> None:
        """The present try or line failed; `error` says how, and which input it is."""
        self.last_error = error
        if (
            isinstance(error, HandshakeRefused)
            and error.unauthorized
            and self.options.credentials is not None
        ):
            self.feed(Input.UNAUTHORIZED)
        elif isinstance(error, TapewireError) and not error.retryable:
            self.feed(Input.REFUSED)
        else:
            self.feed(Input.BROKEN)

    def handle_event(self, event: Any) -> None:
        """One event of the protocol, between the publications it came between."""
        if isinstance(event, Replied):
            self.calls.reply(event)
        elif isinstance(event, Ready):
            self.feed(Input.READY)
        elif isinstance(event, Failed):
            if not self.pausing:  # our own liveness is not judged while we do not read
                self.failed(event)
        elif isinstance(event, CredentialsExpiring):
            self.tokens.expect(event)
        else:
            try:
                self.topics.handle(event)
            except IllegalTransition as error:
                self.broken(ConnectionLost(f"the peer broke the protocol: {error}", 1002))

    def failed(self, event: Failed) -> None:
        """The connection is over, as the protocol understands it."""
        lost = ConnectionLost(event.reason, event.code or 1006)
        if event.terminal:
            self.last_error = lost
            self.feed(Input.REFUSED)
        elif event.unauthorized and self.options.credentials is not None:
            self.last_error = lost
            self.feed(Input.EXPIRED if event.expired else Input.UNAUTHORIZED)
        else:
            self.broken(lost)

    # --- actions ----------------------------------------------------------------------------------------------------

    def _start_try(self, step: Coroutine[Any, Any, None]) -> None:
        self._try = self._spawn(step, "try")

    def _cancel_try(self) -> None:
        if self._try is not None and self._try is not asyncio.current_task():
            self._try.cancel()
        self._try = None

    async def _authorize(self) -> None:
        try:
            await self.tokens.ask()
        except Exception as error:
            self._attempt_failed(error)
            return
        self.feed(Input.AUTHORIZED)

    async def _connect(self) -> None:
        connection = Connection(self)
        try:
            if self.options.admit is not None:
                await self.options.admit()
            endpoint = self.options.endpoint(self.tokens.current)
            connection.transport = await self.options.connector.connect(endpoint, connection)
        except Exception as error:
            self._attempt_failed(error)
            return
        self.connection = connection
        self.generation += 1
        self.feed(Input.OPENED)

    def _attempt_failed(self, error: Exception) -> None:
        if not isinstance(error, TapewireError):
            logger.warning("%s: the attempt to connect raised", self.name, exc_info=error)
        self.broken(error)

    def _greet(self) -> None:
        connection = self.connection
        assert connection is not None
        connection.protocol = self.options.protocol(self.tokens.current)
        self.timers.set("greeting", self.now() + self.options.greeting_timeout)
        events = connection.protocol.hello(self.now())
        connection.flush()
        for event in events:
            if self.connection is connection:  # else the line was lost while it was greeted
                self.handle_event(event)

    def _raise_line(self) -> None:
        assert self.connection is not None
        self.connection.raised = True
        self.timers.cancel("greeting")
        logger.info("%s: connected (connection %d)", self.name, self.generation)
        self.topics.line_up()
        self.connection.flush()
        for waiter in self._up_waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._up_waiters.clear()

    def _lower_line(self) -> None:
        if self.connection is not None:
            self.connection.rewind()
        self.calls.lose(self.calls.pending.take_all())
        self.topics.line_down(self.last_error)

    def _drop(self) -> None:
        connection, self.connection = self.connection, None
        for key in ("stable", "greeting", "refresh"):
            self.timers.cancel(key)
        self.pausing.forget()
        if connection is not None:
            self.stale += getattr(connection.protocol, "stale", 0)
            if connection.transport is not None:
                connection.transport.abort()

    def _wait(self, policy: RetryPolicy | None, count: int, level: int) -> None:
        assert policy is not None
        retry_after = getattr(self.last_error, "retry_after", None)
        delay = policy.delay(count, retry_after=retry_after, fraction=self.options.fraction)
        self.timers.set("backoff", self.now() + delay)
        logger.log(level, "%s: %s; trying again in %.2f s", self.name, shown(self.last_error), delay)

    async def _leave(self) -> None:
        connection = self.connection
        try:
            if connection is not None and connection.transport is not None:
                self.topics.leave_all()
                connection.flush()
                await connection.transport.close(timeout=self.options.close_timeout)
        finally:
            self.calls.lose(self.calls.pending.take_all())
            self.feed(Input.GONE)

    def _give_up(self) -> None:
        error = self.last_error
        if not isinstance(error, TapewireError) or error.retryable or isinstance(error, ConnectionLost):
            given_up = GaveUp(max(1, self.machine.tries), error)
            given_up.__cause__ = error
            error = given_up
        logger.error("%s: %s", self.name, shown(error))
        self.failure = error
        self._end(error)

    def _finish(self) -> None:
        self._end(None)
        self.closed.set()

    def _end(self, error: BaseException | None) -> None:
        self._cancel_try()
        waits = self.listeners or self.topics.anybody_waits() or not all(map(_is_done, self._up_waiters))
        self.unheard = None if waits else error
        self.topics.finish(error)
        for waiter in self._up_waiters:
            if not waiter.done():
                waiter.set_exception(error or SessionClosed())
        self._up_waiters.clear()
        self.over.set()

    # --- tasks ------------------------------------------------------------------------------------------------------

    def _spawn(self, coroutine: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(coroutine, name=f"tapewire {self.name} {name}".strip())
        self._tasks.add(task)
        task.add_done_callback(self._task_done)
        return task

    def _task_done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        self._pumps.pop(task, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("%s: %s failed", self.name, task.get_name(), exc_info=error)

    # --- the one timer ----------------------------------------------------------------------------------------------

    def rearm_before(self, deadline: float) -> None:
        """Set the timer anew if it would fire after `deadline`."""
        if self._timer is None or self._timer_at > deadline:
            self.rearm()

    def rearm(self) -> None:
        """Set the timer to the earliest deadline; an earlier one that is already set may stay."""
        when = self.timers.next()
        if self.connection is not None:
            for deadline in self.connection.deadlines():
                if deadline is not None and (when is None or deadline < when):
                    when = deadline
        timer = self._timer
        if timer is not None and not timer.cancelled():
            if when is None or self._draining or self._timer_at <= when:
                return
            timer.cancel()
        if when is not None:
            self._set_timer(when)

    def _set_timer(self, when: float) -> None:
        self._timer_at = when
        self._timer = asyncio.get_running_loop().call_at(when, self._on_timer)

    def _on_timer(self) -> None:
        due_at, self._timer = self._timer_at, None
        now = self.now()
        if now - due_at > LATE and self.connection is not None and not self._draining:
            # A suspended machine or a blocked loop: read what lies in the socket before anything is judged.
            self._draining = True
            self._set_timer(now + GRACE)
            return
        self._draining = False
        for key in self.timers.pop_due(now):
            self._handle_due(key)
        if self.connection is not None:
            self.connection.handle_timer(now)
        self.flush()

    def _handle_due(self, key: Any) -> None:
        match key:
            case "backoff":
                self.feed(Input.BACKOFF_OVER)
            case "stable":
                self.feed(Input.STABLE)
            case "greeting":
                self.broken(ConnectionLost("the peer did not greet in time"))
            case "refresh":
                _ = self._spawn(self.tokens.refresh(self.generation), "refresh")
            case ("renew", str(topic)):
                _ = self._spawn(self.tokens.renew(topic), f"renewal {topic}")
            case "unblock":
                self.pausing.give_up()
            case ("deadline", str(topic)):
                self.topics.handle_deadline(topic)
            case ("retry", str(topic)):
                self.topics.handle_retry(topic)
            case (str(kind), Subscription() as subscription):
                self._handle_consumer_due(kind, subscription)
            case "unopened":
                self.unopened.tell()
            case ("request", str(ref)):
                self.calls.expire(ref)

    def _handle_consumer_due(self, kind: str, subscription: Subscription) -> None:
        if kind == "reseed":
            self.topics.handle_reseed(subscription)
        elif kind == "end":
            _ = self._spawn(subscription.caller.tell_end(), f"end {subscription.topic}")
        else:
            subscription.drop_backlog()  # "backlog"


def _is_done(waiter: asyncio.Future[None]) -> bool:
    return waiter.done()

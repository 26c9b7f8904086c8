"""Runs the owner's functions for subscriptions: handler and `on_mark` with each item, `on_error` with failures.

Rules:

* All of it happens in the consumer's own task, but for what opted in with `inline=True`. No exception of a function
  ends anything (unless `strict`); each is counted, told to `on_error` and blamed on the function that raised it.
* A handler that never awaits gives the event loop its turn all the same, every `SLICE_SECONDS`. Most coroutines of
  handlers are done after their first step, which therefore costs no task and no generator. A handler that is cancelled
  by something it waited for is told from the task that runs it being cancelled.
* One topic's handler is never called twice at once: where it is wanted again after it was left, the new task begins
  when the old one's call has returned, and what the old one had not come to is dropped (its position says so).
* What a handler had no time for is dropped, counted and said. Only a close cancels a call that runs; leaving a topic
  never does, for the call may be the one that leaves. A handler that closes its own session is not waited for, through
  however many tasks it does so.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import math
import types
from collections.abc import Awaitable, Callable, Generator
from contextvars import ContextVar, copy_context
from functools import partial
from typing import Any

from ..errors import OwnerCancelled
from ..marks import MARK_KINDS, Gap, Mark, Resynced, is_mark
from ..reporting import is_worth_a_line, name_of
from ..secrets import sanitized
from ..streams.source import SLICE_SECONDS
from .buffers import EMPTY
from .loop import BLOCKED_SECONDS, Loop, is_cancelled
from .subscription import Runner, Subscription

__all__ = [
    "HandlerErrorLog",
    "HandlerRunner",
    "HandlerTasks",
    "step_coroutine",
    "timed_steps",
    "untimed_steps",
]

logger = logging.getLogger("tapewire.session")

LINGER_SECONDS = 1.0
"""How long a cancelled call may take to end before the close goes on without it."""

_BLOCKINGS_TOLD = 3
"""How many times a function that blocks is reported each time, before the powers of two."""

_COROUTINE = types.CoroutineType


class HandlerErrorLog:
    """What the log says of its owner's functions that fail or hold up the event loop, for one subscription.

    Rules: blamed by name, counted, bounded. The first failure of a function comes with its traceback; from then on
    there is a line with the count at powers of two, never a line a message; the whole count is in the statistics. A
    function is known by its role: `handler`, `on_mark`, `on_snapshot`, `on_error`.
    """

    __slots__ = ("_blocked", "_longest", "_raised", "_topic")

    def __init__(self, topic: str) -> None:
        self._topic = topic
        self._raised: dict[str, int] = {}
        self._blocked: dict[str, int] = {}
        self._longest = 0.0

    def raised(
        self, role: str, function: Any, error: BaseException, then: str = "the next one goes on"
    ) -> None:
        """It raised `error`, and `then` is what happens now."""
        count = self._raised[role] = self._raised.get(role, 0) + 1
        name = name_of(function)
        if count == 1:
            logger.warning("%s: %s %s raised; %s", self._topic, role, name, then, exc_info=error)
        elif is_worth_a_line(count):
            last = sanitized(f"{type(error).__name__}: {error}".removesuffix(": ")[:200])
            logger.warning("%s: %s %s raised %d times; the last: %s", self._topic, role, name, count, last)

    def blocked(self, role: str, function: Any, seconds: float) -> None:
        """It kept the event loop for so long without awaiting."""
        count = self._blocked[role] = self._blocked.get(role, 0) + 1
        self._longest = max(self._longest, seconds)
        if is_worth_a_line(count, _BLOCKINGS_TOLD):
            often = (
                "" if count <= _BLOCKINGS_TOLD else f" ({count} times by now, {self._longest:.2f} s at most)"
            )
            logger.warning(
                "%s: %s %s blocked the event loop for %.2f s; nothing else ran meanwhile%s",
                *(self._topic, role, name_of(function), seconds, often),
            )


class HandlerRunner:
    """Of one subscription."""

    __slots__ = (
        "_complaints",
        "_delivery",
        "_end_told",
        "_handler",
        "_now",
        "_subscription",
        "errors",
        "unseen_marks",
    )

    def __init__(self, subscription: Subscription, now: Callable[[], float]) -> None:
        self.errors = 0
        """Exceptions of the handler, `on_mark` and `on_snapshot`."""
        self.unseen_marks = 0
        """Marks that went to the log, for want of an `on_mark`."""
        self._subscription = subscription
        self._delivery = subscription.delivery
        handler = subscription.delivery.handler  # a callable that may be false, as an empty container is
        self._handler = _nobody if handler is None else handler
        self._now = now
        self._complaints: HandlerErrorLog | None = None  # of most there are none
        self._end_told = False

    async def run(self) -> None:
        """Call the handler with each item until the end; runs in a task of the session's."""
        subscription, now, handler = self._subscription, self._now, self._handler
        consumer, buffer = subscription.consumer, subscription.consumer.buffer
        subscription.owner.wait_to_open(f"the handler of {subscription.topic}")
        started = now()  # of the slice: what is handled without a wait; one look at the clock an item
        while True:
            if consumer.made:
                item = consumer.given()
            elif (item := buffer.take()) is not EMPTY:
                before = consumer.last
                if (item := consumer.taken(item)) is EMPTY:
                    continue
            else:
                result = rest = None  # what was handled is not kept through the wait
                if not await buffer.wait():
                    break
                started = now()
                continue
            try:
                result = self._call_with_mark(item) if item.__class__ in MARK_KINDS else handler(item)
                if result is not None and (rest := step_coroutine(result)) is not None:
                    self._report_blocking(item, now() - started)
                    started = math.inf  # the rest reports its own steps
                    await timed_steps(*rest, now, partial(self._report_blocking, item))
            except Exception as error:
                await self._failed(error, item, now() - started)
                started = now()
            except asyncio.CancelledError as error:
                if is_cancelled():
                    consumer.last = before  # it was not taken
                    raise
                # What the handler waited for was cancelled, not the handler.
                await self._failed(error, item, now() - started)
                started = now()
            ended = now()
            if ended - started > SLICE_SECONDS:
                self._report_blocking(item, ended - started)
                await asyncio.sleep(0)
                started = now()
            elif ended < started:
                started = ended  # the rest waited: a slice begins
        await self.tell_end()

    def call_inline(self, item: Any) -> None:
        """Inside the read, as its owner wants it."""
        consumer = self._subscription.consumer
        if not self._subscription.ended:
            if (item := consumer.taken(item)) is not EMPTY:
                self._call_inline(item)
            while consumer.made and not self._subscription.ended:
                self._call_inline(consumer.given())

    def _call_inline(self, item: Any) -> None:
        subscription = self._subscription
        try:
            if item.__class__ in MARK_KINDS:
                self._call_with_mark(item)
            else:
                self._handler(item)
        except (Exception, asyncio.CancelledError) as error:
            self._count_failure(error, item)
            self.tell_inline(error, item)
            if subscription.strict:
                subscription.owner.fail(subscription, _as_failure(error))

    def tell_inline(self, error: BaseException, item: Any) -> None:
        """`on_error`, inside the read; only what it awaits is done elsewhere."""
        on_error = self._delivery.on_error
        if on_error is not None:
            try:
                result = on_error(error, item)
                if inspect.iscoroutine(result):
                    telling = self._await_told(result)
                    self._subscription.owner.spawn(telling, f"on_error {self._subscription.topic}")
            except (Exception, asyncio.CancelledError) as failure:
                self._log.raised("on_error", on_error, failure)

    def tell_soon(self, error: BaseException) -> None:
        """`on_error`, of something that ends nothing: inside the read where it is `inline`, else in its own task."""
        error = self._subscription.as_told(error)
        if self._delivery.inline:
            self.tell_inline(error, None)
        elif self._delivery.on_error is not None:
            self._subscription.owner.spawn(self.tell(error, None), f"on_error {self._subscription.topic}")

    async def tell_end(self) -> None:
        """Tell `on_error`, once, what ended it: behind the last item, or when the consumer takes too long for that."""
        error = self._subscription.error
        if error is not None and not self._end_told:
            self._end_told = True
            await self.tell(error, None)

    async def tell(self, error: BaseException, item: Any) -> None:
        """Tell `on_error`. Whatever that raises goes to the log."""
        on_error = self._delivery.on_error
        if on_error is None:
            return
        started = self._now()
        try:
            result = on_error(error, item)
            if (seconds := self._now() - started) > BLOCKED_SECONDS:
                self._log.blocked("on_error", on_error, seconds)
        except (Exception, asyncio.CancelledError) as failure:
            self._log.raised("on_error", on_error, failure)
            return
        if inspect.isawaitable(result):
            await self._await_told(result)

    async def _await_told(self, result: Any) -> None:
        on_error = self._delivery.on_error
        try:
            await result
        except Exception as failure:
            self._log.raised("on_error", on_error, failure)
        except asyncio.CancelledError as failure:
            if is_cancelled():
                raise
            self._log.raised("on_error", on_error, failure)

    @property
    def _log(self) -> HandlerErrorLog:
        if self._complaints is None:
            self._complaints = HandlerErrorLog(self._subscription.topic)
        return self._complaints

    # --- inside -----------------------------------------------------------------------------------------------------

    def _call_with_mark(self, mark: Mark) -> Any:
        delivery, topic = self._delivery, self._subscription.topic
        if delivery.on_mark is not None:
            return delivery.on_mark(mark)
        if isinstance(mark, Resynced) and delivery.on_snapshot is not None:
            return delivery.on_snapshot(mark.snapshot)
        self.unseen_marks += 1
        name = name_of(delivery.handler)
        logger.warning("%s: %s (handler %s takes no marks)", topic, sanitized(_mark_line(mark)), name)
        return None

    async def _failed(self, error: BaseException, item: Any, seconds: float) -> None:
        self._report_blocking(item, seconds)
        self._count_failure(error, item)
        if self._subscription.strict:
            self._subscription.owner.fail(self._subscription, _as_failure(error))
        await self.tell(error, item)
        await asyncio.sleep(0)  # what failed and was told may have taken the slice several times over

    def _count_failure(self, error: BaseException, item: Any) -> None:
        self.errors += 1
        self._log.raised(*self._called_with(item), error)

    def _called_with(self, item: Any) -> tuple[str, Any]:
        """The role and the function that `item` goes to: whom to blame."""
        if not is_mark(item):
            return "handler", self._delivery.handler
        if self._delivery.on_mark is not None:
            return "on_mark", self._delivery.on_mark
        return "on_snapshot", self._delivery.on_snapshot

    def _report_blocking(self, item: Any, seconds: float) -> None:
        if seconds > BLOCKED_SECONDS:
            self._log.blocked(*self._called_with(item), seconds)


class _HandlerTask:
    """One task, and who is handled in it."""

    __slots__ = ("_waiter", "is_excused", "subscription", "task")

    def __init__(self, subscription: Subscription) -> None:
        self.subscription = subscription
        self.is_excused = False
        """True where nobody waits for it."""
        self.task: asyncio.Task[None]
        self._waiter: asyncio.Future[None] | None = None

    def excused(self, future: Callable[[], asyncio.Future[None]]) -> asyncio.Future[None]:
        """Done when nobody waits for it any more; of one that is not excused yet."""
        if self._waiter is None:
            self._waiter = future()
        return self._waiter

    def excuse(self) -> None:
        """Nobody waits for it. Idempotent."""
        self.is_excused = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


_inside: ContextVar[_HandlerTask | None] = ContextVar("tapewire_handler", default=None)


class HandlerTasks:
    """Those of one session."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._by_task: dict[asyncio.Task[None], _HandlerTask] = {}
        self._by_topic: dict[str, tuple[_HandlerTask, ...]] = {}
        self._on_done = self._done  # one of all tasks

    def start(self, subscription: Subscription) -> None:
        """Call the handler of `subscription`, which is not inline, in a task."""
        delivery = subscription.delivery
        earlier = [
            handling for handling in self._by_topic.get(subscription.topic, ()) if handling.subscription.ended
        ]
        for handling in earlier:
            if handling.subscription.was_left:
                handling.subscription.drop_backlog()
        before = [
            handling.task
            for handling in earlier
            if handling.subscription.delivery.handler == delivery.handler
        ]
        self._take(_HandlerTask(subscription), before)

    def excuse_caller(self) -> None:
        """The handler that calls this, in whatever task, closes its own session: it is called no more."""
        handling = _inside.get()
        if handling is not None and handling.task in self._by_task and not handling.is_excused:
            handling.subscription.drop_backlog()
            handling.excuse()

    async def drain(self, seconds: float) -> None:
        """Let the handlers come to the end of what is buffered; cancel those that are not there in time."""
        excused = {
            handling.excused(self._loop.future): handling
            for handling in self._by_task.values()
            if not handling.is_excused
        }
        if not excused:
            return
        _, waiting = await asyncio.wait(excused, timeout=seconds)
        late = [handling for future, handling in excused.items() if future in waiting]
        for handling in late:
            topic = handling.subscription.topic
            logger.warning("%s: handler of %s did not return in time; cancelled", self._loop.name, topic)
            handling.subscription.drop_backlog()
            handling.task.cancel()
        if late:
            _, left = await asyncio.wait([handling.task for handling in late], timeout=LINGER_SECONDS)
            for task in left:
                logger.warning("%s: %s goes on although it was cancelled", self._loop.name, task.get_name())

    def release(self, subscription: Subscription) -> _HandlerTask | None:
        """Give up the task that handles `subscription`, for `adopt` of another session."""
        for handling in self._by_topic.get(subscription.topic, ()):
            if handling.subscription is subscription:
                self._forget(handling)
                self._loop.give_up(handling.task, self._on_done)
                return handling
        return None

    def adopt(self, handling: _HandlerTask) -> None:
        """Take over what `release` of another session gave up."""
        self._loop.take_over(handling.task, self._on_done)
        self._remember(handling)

    def __contains__(self, task: object) -> bool:
        return task in self._by_task

    def _take(self, handling: _HandlerTask, before: list[asyncio.Task[None]]) -> None:
        name = f"handler {handling.subscription.topic}"
        context = copy_context()
        context.run(_inside.set, handling)
        runner = handling.subscription.runner
        run = _run_after(before, runner) if before else runner.run()
        handling.task = self._loop.spawn(run, name, context, self._on_done)
        if not handling.task.done():
            self._remember(handling)

    def _remember(self, handling: _HandlerTask) -> None:
        self._by_task[handling.task] = handling
        topic = handling.subscription.topic
        self._by_topic[topic] = (*self._by_topic.get(topic, ()), handling)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._loop.ended(task)
        if (handling := self._by_task.get(task)) is not None:
            self._forget(handling)
            handling.excuse()

    def _forget(self, handling: _HandlerTask) -> None:
        del self._by_task[handling.task]
        others = tuple(each for each in self._by_topic[handling.subscription.topic] if each is not handling)
        if others:
            self._by_topic[handling.subscription.topic] = others
        else:
            del self._by_topic[handling.subscription.topic]


async def _run_after(before: list[asyncio.Task[None]], runner: Runner) -> None:
    await asyncio.wait(before)
    await runner.run()


def step_coroutine(result: Any) -> tuple[Any, Any] | None:
    """Step a handler's coroutine once, here: most are done then. Returns its steps and what it waits for, if not."""
    steps: Any = result
    if result.__class__ is not _COROUTINE:
        if not inspect.isawaitable(result):
            return None
        steps = result.__await__()
    try:
        return steps, steps.send(None)
    except StopIteration:
        return None


@types.coroutine
def timed_steps(
    steps: Any, waits_for: Any, now: Callable[[], float], report: Callable[[float], None]
) -> Generator[Any, Any, Any]:
    """Go on with what waits, reporting each of its steps that keeps the event loop too long."""
    while True:
        try:
            argument = yield waits_for
            step = steps.send
        except BaseException as error:
            argument = error
            step = steps.throw
        started = now()
        try:
            waits_for = step(argument)
        except StopIteration as stop:
            return stop.value
        finally:
            if now() - started > BLOCKED_SECONDS:
                report(now() - started)


def untimed_steps(steps: Any, waits_for: Any) -> Awaitable[Any]:
    """As `timed_steps`, for what is itself a step of somebody's who times it."""
    made: Awaitable[Any] = timed_steps(steps, waits_for, _no_time, _nobody)
    return made


def _no_time() -> float:
    return 0.0


def _as_failure(error: BaseException) -> BaseException:
    """What may be raised to somebody else: a CancelledError would cancel whoever is told."""
    return OwnerCancelled("handler") if isinstance(error, asyncio.CancelledError) else error


def _mark_line(mark: Mark) -> str:
    if isinstance(mark, Gap):
        missed = "an unknown number of" if mark.missed is None else str(mark.missed)
        return f"gap ({mark.reason}): {missed} publications may be missing here"
    return repr(mark)[:200]


def _nobody(item: Any) -> None:
    """The handler of a subscription that is iterated."""

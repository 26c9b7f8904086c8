"""What calls the owner's functions of a subscription: handler and `on_mark` with each item, `on_error` with failures.

Rules:

* All of it happens off the reader, in a context of the subscription's own, but for what opted in with `inline=True`.
  No exception of a function ends anything (unless `strict`); each is counted, told to `on_error` and blamed on the
  function that raised it.
* A handler is called in slices (`HandlerRunner.run_slice`): with all that is there, until everybody else is to have a
  turn. Most coroutines of handlers are done after their first step, which therefore costs no task and no generator.
  What waits for something goes on in the task in which it took that step, which is then its subscription's own:
  `go_on`. Who calls for the slices, and in which task, is said in `handler_tasks.py`.
* A handler that is cancelled by something it waited for is told from the task that runs it being cancelled.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import types
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextvars import Context
from functools import partial
from typing import Any, Final, Protocol

from ..errors import OwnerCancelled
from ..marks import MARK_KINDS, Gap, Mark, Resynced, is_mark
from ..reporting import is_worth_a_line, name_of
from ..secrets import sanitized
from ..streams.source import SLICE_SECONDS, Waiter
from .buffers import EMPTY
from .loop import BLOCKED_SECONDS, is_cancelled
from .subscription import Subscription

__all__ = [
    "OVER",
    "SLICE_OVER",
    "HandlerErrorLog",
    "HandlerRunner",
    "Home",
    "step_coroutine",
    "timed_steps",
    "untimed_steps",
]

logger = logging.getLogger("tapewire.session")

SLICE_OVER: Final[Any] = object()
"""What `run_slice` returns where there is more, and everybody else is to have a turn first."""

OVER: Final[Any] = object()
"""What `run_slice` returns where nothing more comes, and its end was told."""

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


class Home(Protocol):
    """Who calls for a runner's slices."""

    def wake(self, runner: HandlerRunner) -> None:
        """Something can be taken: it is to have a slice. Called inside the read."""
        ...

    def take_back(self, runner: HandlerRunner) -> None:
        """The task of its own has nothing to wait for any more: a slice is called for when it is woken next."""
        ...

    def over(self, runner: HandlerRunner) -> None:
        """Nothing more comes to it."""
        ...


class HandlerRunner:
    """Of one subscription. It is the `Waiter` of its buffer while it waits for something to come."""

    __slots__ = (
        "_complaints",
        "_consumer",
        "_delivery",
        "_end_told",
        "_handler",
        "_now",
        "context",
        "errors",
        "home",
        "is_excused",
        "is_over",
        "subscription",
        "successors",
        "task",
        "unseen_marks",
        "waits_for",
    )

    def __init__(self, subscription: Subscription, now: Callable[[], float]) -> None:
        self.subscription: Subscription = subscription
        self.errors: int = 0
        """Exceptions of the handler, `on_mark` and `on_snapshot`."""
        self.unseen_marks: int = 0
        """Marks that went to the log, for want of an `on_mark`."""
        self.home: Home | None = None
        """Who calls for its slices; None while nobody does."""
        self.context: Context
        """What the functions are called in."""
        self.task: asyncio.Task[None] | None = None
        """The one in which a call waits for something: its own until it waits no more."""
        self.is_excused: bool = False
        """True where nobody waits for it."""
        self.is_over: bool = False
        self.waits_for: int = 0
        """How many others, that were left, have a call under way of what it is to call."""
        self.successors: tuple[HandlerRunner, ...] = ()
        """Those that wait for it."""
        self._consumer = subscription.consumer
        self._delivery = subscription.delivery
        handler = subscription.delivery.handler  # a callable that may be false, as an empty container is
        self._handler = _nobody if handler is None else handler
        self._now = now
        self._complaints: HandlerErrorLog | None = None  # of most there are none
        self._end_told = False

    # --- slices -----------------------------------------------------------------------------------------------------

    def done(self) -> bool:
        """False: it waits until it is told."""
        return False

    def set_result(self, result: None, /) -> None:
        """There is something to take."""
        assert self.home is not None
        self.home.wake(self)

    def run_slice(self, waiter: Waiter, began: float) -> Any:
        """Call the handler with what is there, in a slice that began then; one look at the clock an item.

        Returns None where there is no more, and then `waiter` is told when there is; SLICE_OVER; OVER; or what is to be
        awaited in this task before the next slice.
        """
        now, handler = self._now, self._handler
        consumer = self._consumer
        take, before = consumer.buffer.take_or_tell, None
        while True:
            if consumer.made:
                item = consumer.given()
            elif (item := take(waiter)) is not EMPTY:
                before = consumer.last
                if (item := consumer.taken(item)) is EMPTY:
                    continue
            else:
                return self._ending() if consumer.buffer.ended else None
            try:
                result = self._call_with_mark(item) if item.__class__ in MARK_KINDS else handler(item)
                if result is not None and (rest := step_coroutine(result)) is not None:
                    self._report_blocking(item, now() - began)
                    return self._finish_call(item, before, *rest)
            # What the first step waited for was cancelled: a task is cancelled where it waits.
            except (Exception, asyncio.CancelledError) as error:
                return self._failed(error, item, now() - began)
            if (seconds := now() - began) > SLICE_SECONDS:
                self._report_blocking(item, seconds)
                return SLICE_OVER

    async def go_on(self, rest: Any) -> None:
        """Slices in the task in which one ended with `rest`, for as long as calls wait for something."""
        waiter: asyncio.Future[None] | None = None  # None where nothing waited since the last that came
        while rest is not OVER:
            if rest is SLICE_OVER:
                await asyncio.sleep(0)
            elif rest is not None:
                await rest
                waiter = waiter or asyncio.get_running_loop().create_future()
            elif waiter is None:
                break
            else:
                await waiter
                waiter = None
            rest = self.context.run(self.run_slice, waiter or self, self._now())
        assert self.home is not None
        (self.home.over if rest is OVER else self.home.take_back)(self)

    async def _finish_call(self, item: Any, before: Any, steps: Any, waits_for: Any) -> None:
        """What is left of the call with `item` once it waits; `before` it, another was taken last."""
        try:
            report = partial(self._report_blocking, item)
            await timed_steps(steps, waits_for, self._now, report, self.context)
        except (Exception, asyncio.CancelledError) as error:
            # Else what the handler waited for was cancelled, not the handler.
            if isinstance(error, asyncio.CancelledError) and is_cancelled():
                self._consumer.last = before  # it was not taken
                raise
            telling = self._failed(error, item, 0.0)
            if telling is not SLICE_OVER:
                await telling

    def _failed(self, error: BaseException, item: Any, seconds: float) -> Any:
        """What a slice ends with where its function failed."""
        self._report_blocking(item, seconds)
        self._count_failure(error, item)
        if self.subscription.strict:
            self.subscription.owner.fail(self.subscription, _as_failure(error))
        return SLICE_OVER if self._delivery.on_error is None else self._tell_failure(error, item)

    async def _tell_failure(self, error: BaseException, item: Any) -> None:
        await self._in_context(self.tell(error, item))
        await asyncio.sleep(0)  # what failed and was told may have taken the slice several times over

    def _ending(self) -> Any:
        """What a slice ends with where nothing more comes."""
        is_told = self._end_told or self.subscription.error is None or self._delivery.on_error is None
        return OVER if is_told else self._in_context(self.tell_end())

    async def _in_context(self, telling: Coroutine[Any, Any, None]) -> None:
        """In the context that the functions are called in, whatever that of the task is."""
        if (rest := self.context.run(step_coroutine, telling)) is not None:
            await timed_steps(*rest, _no_time, _nobody, self.context)

    # --- inside the read, and beside it -------------------------------------------------------------------------------

    def call_inline(self, item: Any) -> None:
        """Inside the read, as its owner wants it."""
        consumer = self.subscription.consumer
        if not self.subscription.ended:
            if (item := consumer.taken(item)) is not EMPTY:
                self._call_inline(item)
            while consumer.made and not self.subscription.ended:
                self._call_inline(consumer.given())

    def _call_inline(self, item: Any) -> None:
        subscription = self.subscription
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
                    self.subscription.owner.spawn(telling, f"on_error {self.subscription.topic}")
            except (Exception, asyncio.CancelledError) as failure:
                self._log.raised("on_error", on_error, failure)

    def tell_soon(self, error: BaseException) -> None:
        """`on_error`, of something that ends nothing: inside the read where it is `inline`, else in its own task."""
        error = self.subscription.as_told(error)
        if self._delivery.inline:
            self.tell_inline(error, None)
        elif self._delivery.on_error is not None:
            self.subscription.owner.spawn(self.tell(error, None), f"on_error {self.subscription.topic}")

    async def tell_end(self) -> None:
        """Tell `on_error`, once, what ended it: behind the last item, or when the consumer takes too long for that."""
        error = self.subscription.error
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
            self._complaints = HandlerErrorLog(self.subscription.topic)
        return self._complaints

    # --- inside -----------------------------------------------------------------------------------------------------

    def _call_with_mark(self, mark: Mark) -> Any:
        delivery, topic = self._delivery, self.subscription.topic
        if delivery.on_mark is not None:
            return delivery.on_mark(mark)
        if isinstance(mark, Resynced) and delivery.on_snapshot is not None:
            return delivery.on_snapshot(mark.snapshot)
        self.unseen_marks += 1
        name = name_of(delivery.handler)
        logger.warning("%s: %s (handler %s takes no marks)", topic, sanitized(_mark_line(mark)), name)
        return None

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
    steps: Any,
    waits_for: Any,
    now: Callable[[], float],
    report: Callable[[float], None],
    context: Context | None = None,
) -> Generator[Any, Any, Any]:
    """Go on with what waits, reporting each of its steps that keeps the event loop too long.

    `context`: what each step is taken in, instead of that of the task.
    """
    while True:
        try:
            argument = yield waits_for
            step = steps.send
        except BaseException as error:
            argument = error
            step = steps.throw
        started = now()
        try:
            waits_for = step(argument) if context is None else context.run(step, argument)
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

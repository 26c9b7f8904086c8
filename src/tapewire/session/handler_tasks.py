"""Who calls handlers, and in which task: one for all that need not wait, and one for each call that waits.

Rules:

* A handler is called where there is something for it: a read puts its runner into a list, and wakes the one task that
  calls whoever is in that list. So a message costs nearly the same whether a read was of one topic or of a thousand.
* A coroutine goes on in the task in which it took its first step (time-outs and cancellation are tied to it). Where it
  waits for something, the task that called is its own from then on, and another calls the others. It gives its
  subscription back when nothing that came since it waited last had to wait. So a slow handler holds up no other, and
  there are as many tasks as handlers that wait, and one.
* A handler that never awaits gives the event loop its turn all the same, every `SLICE_SECONDS`: all of them together.
* One topic's handler is never called twice at once: where it is wanted again after it was left, the first call of the
  new one waits until that of the old one has returned, and what the old one had not come to is dropped (its position
  says so).
* What a handler had no time for is dropped, counted and said. Only a close cancels a call that waits; leaving a topic
  never does, for the call may be the one that leaves. A handler that closes its own session is not waited for, through
  however many tasks it does so.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from contextvars import Context, ContextVar, copy_context

from .handlers import OVER, SLICE_OVER, HandlerRunner
from .loop import Loop
from .subscription import Subscription

__all__ = ["HandlerTasks"]

logger = logging.getLogger("tapewire.session")

LINGER_SECONDS = 1.0
"""How long a cancelled call may take to end before the close goes on without it."""

_inside: ContextVar[HandlerRunner | None] = ContextVar("tapewire_handler", default=None)


class HandlerTasks:
    """Those of one session."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._ready: deque[HandlerRunner] = deque()  # each of them once at most
        self._caller: asyncio.Task[None] | None = None
        self._idle: asyncio.Future[None] | None = None  # what it waits for, while nobody is ready
        self._by_task: dict[asyncio.Task[None], HandlerRunner] = {}  # those that have one of their own
        self._by_topic: dict[str, tuple[HandlerRunner, ...]] = {}
        self._awaited = 0  # those that are neither over nor excused
        self._drained: asyncio.Future[None] | None = None  # done when there are none
        self._on_done = self._done  # one of all tasks

    def start(self, subscription: Subscription) -> None:
        """Call the handler of `subscription`, which is not inline, from now on."""
        runner = subscription.runner
        assert isinstance(runner, HandlerRunner)
        for earlier in self._by_topic.get(subscription.topic, ()):
            if earlier.subscription.ended:
                if earlier.subscription.was_left:
                    earlier.subscription.drop_backlog()
                if earlier.subscription.delivery.handler == subscription.delivery.handler:
                    runner.waits_for += 1
                    earlier.successors = (*earlier.successors, runner)
        runner.context = copy_context()
        runner.context.run(_inside.set, runner)
        self._remember(runner)
        if self._caller is None:
            self._start_calling()
        if not runner.waits_for:
            self.wake(runner)

    def excuse_caller(self) -> None:
        """The handler that calls this, in whatever task, closes its own session: it is called no more."""
        runner = _inside.get()
        if runner is not None and runner.home is self and not runner.is_over and not runner.is_excused:
            runner.subscription.drop_backlog()
            self._excuse(runner)

    async def drain(self, seconds: float) -> None:
        """Let the handlers come to the end of what is buffered; cancel those that are not there in time."""
        if self._awaited:
            self._drained = drained = self._loop.future()
            await asyncio.wait([drained], timeout=seconds)
        late = [each for of_topic in self._by_topic.values() for each in of_topic if not each.is_excused]
        for runner in late:
            topic = runner.subscription.topic
            logger.warning("%s: handler of %s did not return in time; cancelled", self._loop.name, topic)
            runner.subscription.drop_backlog()
            if runner.task is None:
                self.over(runner)
            else:
                runner.task.cancel()
        if tasks := [runner.task for runner in late if runner.task is not None]:
            _, left = await asyncio.wait(tasks, timeout=LINGER_SECONDS)
            for task in left:
                logger.warning("%s: %s goes on although it was cancelled", self._loop.name, task.get_name())

    def release(self, subscription: Subscription) -> HandlerRunner | None:
        """Give up what handles `subscription`, for `adopt` of another session."""
        for runner in self._by_topic.get(subscription.topic, ()):
            if runner.subscription is subscription:
                self._forget(runner)
                if runner.task is not None:
                    del self._by_task[runner.task]
                    self._loop.give_up(runner.task, self._on_done)
                elif runner in self._ready:
                    self._ready.remove(runner)
                return runner
        return None

    def adopt(self, runner: HandlerRunner) -> None:
        """Take over what `release` of another session gave up."""
        self._remember(runner)
        if self._caller is None:
            self._start_calling()
        if runner.task is not None:
            self._own(runner, runner.task)
            self._loop.take_over(runner.task, self._on_done)
        elif not runner.waits_for and not runner.subscription.buffer.is_awaited:
            self.wake(runner)

    def __contains__(self, task: object) -> bool:
        return task in self._by_task

    # --- what its runners call --------------------------------------------------------------------------------------

    def wake(self, runner: HandlerRunner) -> None:
        """Something can be taken: it is to have a slice. Called inside the read."""
        self._ready.append(runner)
        idle = self._idle
        if idle is not None:
            self._idle = None
            if not idle.done():
                idle.set_result(None)

    def take_back(self, runner: HandlerRunner) -> None:
        """The task of its own has nothing to wait for any more: a slice is called for when it is woken next."""
        if runner.task is not None:
            del self._by_task[runner.task]
            runner.task = None

    def over(self, runner: HandlerRunner) -> None:
        """Nothing more comes to it. Idempotent."""
        if runner.is_over:
            return
        runner.is_over = True
        self._excuse(runner)
        self.take_back(runner)
        self._forget(runner)
        for each in runner.successors:
            each.waits_for -= 1
            if not each.waits_for and each.home is not None:
                each.home.wake(each)

    # --- inside -----------------------------------------------------------------------------------------------------

    def _start_calling(self) -> None:
        """Spawn the task that calls those that are ready; in a context that is nobody's."""
        self._caller = self._loop.spawn(self._call_ready(), "handlers", Context(), self._on_done)

    async def _call_ready(self) -> None:
        """Whoever is ready, until a call waits for something: then this task is that subscription's own."""
        task, ready, now = asyncio.current_task(), self._ready, self._loop.now
        assert task is not None
        while True:
            await self._pause(task)  # first of all: a task may begin inside whatever makes it
            began = now()
            while ready:
                runner = ready.popleft()
                try:
                    rest = runner.context.run(runner.run_slice, runner, began)
                except BaseException:
                    self.over(runner)
                    raise
                if rest is None:
                    continue
                if rest is SLICE_OVER:
                    ready.append(runner)
                    break
                if rest is OVER:
                    self.over(runner)
                    continue
                self._own(runner, task)
                self._start_calling()
                await runner.go_on(rest)
                return

    async def _pause(self, task: asyncio.Task[None]) -> None:
        """Until somebody is ready; where somebody is, for a round of the event loop."""
        by_handler = task.cancelling()  # by whom it called until now: nobody else could
        try:
            if self._ready:
                await asyncio.sleep(0)
            else:
                self._idle = self._loop.future()
                await self._idle
        except asyncio.CancelledError:
            if not by_handler:
                raise
            task.uncancel()
            logger.warning(
                "%s: a handler cancelled the task that calls all of them; it goes on", self._loop.name
            )

    def _own(self, runner: HandlerRunner, task: asyncio.Task[None]) -> None:
        runner.task = task
        self._by_task[task] = runner
        task.set_name(f"tapewire {self._loop.name} handler {runner.subscription.topic}")

    def _done(self, task: asyncio.Task[None]) -> None:
        self._loop.ended(task)
        if (runner := self._by_task.get(task)) is not None:
            self.over(runner)
        elif task is self._caller:
            self._caller = None
            if task.cancelled():  # as the event loop's end cancels all tasks: nobody is called any more
                for runner in [each for of_topic in self._by_topic.values() for each in of_topic]:
                    if runner.task is None:
                        self.over(runner)
            elif self._by_topic:
                self._start_calling()  # a defect of one call is not that of the others

    def _remember(self, runner: HandlerRunner) -> None:
        runner.home = self
        topic = runner.subscription.topic
        self._by_topic[topic] = (*self._by_topic.get(topic, ()), runner)
        self._awaited += not runner.is_excused

    def _forget(self, runner: HandlerRunner) -> None:
        self._awaited -= not runner.is_excused
        topic = runner.subscription.topic
        others = tuple(each for each in self._by_topic[topic] if each is not runner)
        if others:
            self._by_topic[topic] = others
        else:
            del self._by_topic[topic]

    def _excuse(self, runner: HandlerRunner) -> None:
        """Nobody waits for it. Idempotent."""
        if not runner.is_excused:
            runner.is_excused = True
            self._awaited -= 1
            if not self._awaited and self._drained is not None and not self._drained.done():
                self._drained.set_result(None)

"""What a session asks of its event loop: the time, tasks, one timer for all deadlines, and one thing at a time.

A session is an actor. Whatever reaches it from outside (a read, a due timer, the result of a task, a call of its owner)
is a *turn*, and turns never overlap. Rules:

* `enter` makes a call a turn. Inside a turn it only queues: what an inline handler calls back, and what a transport
  reports while it is being called, happens when the turn under way is over. Nobody sees a state that is half changed.
* `behind` is for the engine's own second thoughts: what must follow the publications of the read that brought it. It
  runs when the read is over, before any queued call.
* What queued calls queue in turn waits for the event loop's next step, so that no chain of them keeps it for itself.
* An exception in a turn is a defect. It goes to `on_defect`, which alone sees to it that the state is one that some
  input leaves again.
* A timer that fires late (a suspended machine, a blocked loop) judges nothing: what lies in the socket is read first,
  for `GRACE` seconds.
"""

from __future__ import annotations

import asyncio
import heapq
import inspect
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Hashable
from contextvars import Context
from functools import partial
from typing import Any, Protocol

from ..clock import Clock
from ..errors import OwnerCancelled, WrongLoop
from ..reporting import name_of

__all__ = [
    "BLOCKED_SECONDS",
    "GRACE",
    "LATE",
    "Judge",
    "Loop",
    "Timers",
    "is_cancelled",
    "run_owned",
]

logger = logging.getLogger("tapewire.session")

LATE = 1.0
"""A timer later than this many seconds judges nothing."""

GRACE = 1.0
"""Seconds to drain the socket after a late timer."""

DRAINS = 5
"""Drains in a row that were late themselves, for the loop was held up again; then it is judged all the same."""

BLOCKED_SECONDS = 0.25
"""Whatever keeps the event loop this long without awaiting is reported by name."""

_SLACK = 64


class Timers:
    """Deadlines by key, pure: one heap for everything a session waits for, so that it needs a single timer.

    In seconds on the scale of the caller's `now`. Each deadline carries the call that is due then, so that whoever runs
    them knows no key. Setting a key anew moves its deadline; stale heap entries are skipped. The heap is bounded by
    compaction: never more than twice as many entries as living keys, and a small constant.
    """

    def __init__(self) -> None:
        self._when: dict[Hashable, tuple[float, int, Callable[[], None]]] = {}
        self._heap: list[tuple[float, int, Hashable]] = []
        self._serial = 0

    def set(self, key: Hashable, when: float, call: Callable[[], None]) -> None:
        """Make `call` due at `when`, instead of whatever `key` was due for before."""
        self._serial += 1
        self._when[key] = (when, self._serial, call)
        heapq.heappush(self._heap, (when, self._serial, key))
        if len(self._heap) > 2 * len(self._when) + _SLACK:
            self._compact()

    def cancel(self, *keys: Hashable) -> None:
        """Forget those of `keys` that are known."""
        for key in keys:
            self._when.pop(key, None)
        if len(self._heap) > 2 * len(self._when) + _SLACK:
            self._compact()

    def next(self) -> float | None:
        """The earliest deadline, or None."""
        heap = self._heap
        while heap and ((known := self._when.get(heap[0][2])) is None or known[1] != heap[0][1]):
            heapq.heappop(heap)
        return heap[0][0] if heap else None

    def pop_due(self, now: float) -> list[Callable[[], None]]:
        """Every call due at `now`, in order of its deadline. They are forgotten."""
        due: list[Callable[[], None]] = []
        heap = self._heap
        while heap and heap[0][0] <= now:
            _, serial, key = heapq.heappop(heap)
            if (known := self._when.get(key)) is not None and known[1] == serial:
                del self._when[key]
                due.append(known[2])
        if len(self._heap) > 2 * len(self._when) + _SLACK:
            self._compact()
        return due

    def _compact(self) -> None:
        self._heap = [(at, serial, living) for living, (at, serial, _) in self._when.items()]
        heapq.heapify(self._heap)

    def __contains__(self, key: Hashable) -> bool:
        return key in self._when

    def __len__(self) -> int:
        return len(self._when)


class Judge(Protocol):
    """What judges silence: the present connection."""

    def next_deadline(self) -> float | None:
        """When it wants to judge next."""
        ...

    def handle_timer(self, now: float) -> None:
        """Judge what is due."""
        ...


class Loop:
    """Of one session. It belongs to the event loop in which it is made or, if none runs then, is used first.

    `on_defect` takes an exception of a turn and must not raise; `on_settled` is called behind each turn: what the turn
    wants sent goes out then, and `rearm` is its to call.
    """

    def __init__(
        self,
        clock: Clock,
        name: str,
        *,
        on_defect: Callable[[Exception], None],
        on_settled: Callable[[], None],
    ) -> None:
        self.name = name
        self.timers = Timers()
        self._on_ended = self.ended  # one of all tasks
        self.tasks: set[asyncio.Task[Any]] = set()
        self.in_turn = False
        """True while a turn is under way: `enter` only queues."""
        self.now = clock.monotonic
        self.now_ns = clock.time_ns
        self.judge: Judge | None = None
        """The present connection, if there is one."""
        self._on_defect = on_defect
        self._on_settled = on_settled
        self._behind: deque[Callable[[], None]] = deque()
        self._queued: deque[Callable[[], None]] = deque()
        self._resuming = False
        self._settling = False  # True while a turn that asked for its end `soon` waits for it
        self._timer: asyncio.TimerHandle | None = None
        self._due_at = 0.0  # when `_timer` fires: not every event loop's handle says it
        self._drains = 0  # begun in a row, while nothing is judged
        self._home: asyncio.AbstractEventLoop | None = None
        self.check()

    # --- one thing at a time ----------------------------------------------------------------------------------------

    def check(self) -> None:
        """Raise WrongLoop unless this is called from the event loop that the session belongs to."""
        try:
            running = asyncio.get_running_loop()
        except RuntimeError:
            running = None
        if running is not self._home:
            if running is None or self._home is not None:
                raise WrongLoop(self.name)
            self._home = running

    def _settle_down(self) -> asyncio.AbstractEventLoop:
        """It is used for the first time, and belongs here from now on."""
        self._home = asyncio.get_running_loop()
        return self._home

    def enter(self, call: Callable[[], None] | None = None, *, soon: bool = False) -> None:
        """Make `call` a turn: now, or behind the one that is under way. Without one: of what is queued already.

        `soon`: what it wants sent goes out in the event loop's next step, with what else is asked for until then.
        """
        queued = self._queued
        if call is not None:
            queued.append(call)
        if self.in_turn:
            return
        self.in_turn = True
        try:
            # `call`, and before it what the last turn left; then what these queued.
            for _round in range(2):
                for _ in range(len(queued)):
                    self._attempt(queued.popleft())
            if not soon:
                self._settling = False
                self._attempt(self._on_settled)
            elif not self._settling:
                self._settling = True
                (self._home or self._settle_down()).call_soon(self.enter)
        finally:
            self.in_turn = False
        if self._queued and not self._resuming:
            self._resuming = True
            (self._home or self._settle_down()).call_soon(self._resume)

    def behind(self, call: Callable[[], None]) -> None:
        """Run `call` when the read under way is dispatched, before anything that is queued; at once outside a turn."""
        if self.in_turn:
            self._behind.append(call)
        else:
            self.enter(call)

    def _attempt(self, call: Callable[[], None]) -> None:
        """Run a part of a turn, and behind it what must follow: what raises is a defect, and the rest goes on."""
        while True:
            try:
                call()
            except Exception as error:
                self._on_defect(error)
            # Nobody cancels a turn: it comes out of a function of the owner's.
            except asyncio.CancelledError as error:
                self._on_defect(OwnerCancelled(repr(call)).with_traceback(error.__traceback__))
            if not self._behind:
                return
            call = self._behind.popleft()

    def defect(self, error: Exception) -> None:
        """A part of a turn raised `error`."""
        self._on_defect(error)

    def _resume(self) -> None:
        self._resuming = False
        if self._queued:
            self.enter()

    # --- tasks ------------------------------------------------------------------------------------------------------

    def future(self) -> asyncio.Future[Any]:
        """A future of this event loop."""
        return (self._home or self._settle_down()).create_future()

    def call_soon(self, call: Callable[..., Any], *arguments: Any) -> None:
        """Call a function of the owner's in the event loop's next step, outside every turn."""
        (self._home or self._settle_down()).call_soon(partial(self._call_owner, call, *arguments))

    def spawn(
        self,
        coroutine: Coroutine[Any, Any, Any],
        name: str,
        context: Context | None = None,
        on_done: Callable[[asyncio.Task[Any]], Any] | None = None,
    ) -> asyncio.Task[Any]:
        """Run `coroutine` in a task of the session's. What it raises is a defect.

        `on_done` is called at its end, and itself calls `ended`: a second callback of a task costs more than a first.
        """
        home = self._home or self._settle_down()
        task = home.create_task(coroutine, name=f"tapewire {self.name} {name}", context=context)
        self.take_over(task, on_done)
        return task

    def take_over(
        self, task: asyncio.Task[Any], on_done: Callable[[asyncio.Task[Any]], Any] | None = None
    ) -> None:
        """Answer for a task that another session's loop gave up. `on_done`: as in `spawn`."""
        self.tasks.add(task)
        task.add_done_callback(on_done or self._on_ended)

    def give_up(
        self, task: asyncio.Task[Any], on_done: Callable[[asyncio.Task[Any]], Any] | None = None
    ) -> None:
        """Answer for it no more. `on_done`: what it was spawned with."""
        self.tasks.discard(task)
        task.remove_done_callback(on_done or self._on_ended)

    def ended(self, task: asyncio.Task[Any]) -> None:
        """A task of the session's is done."""
        self.tasks.discard(task)
        if not task.cancelled() and isinstance(error := task.exception(), Exception):
            self.enter(partial(self._on_defect, error))

    def _call_owner(self, call: Callable[..., Any], *arguments: Any) -> None:
        try:
            call(*arguments)
        except (Exception, asyncio.CancelledError):
            logger.warning("%s: %s raised", self.name, name_of(call), exc_info=True)

    # --- the one timer ----------------------------------------------------------------------------------------------

    def after(self, key: Hashable, seconds: float, call: Callable[[], None]) -> None:
        """Make `call` a turn in so many seconds, instead of whatever `key` was due for before."""
        when = self.now() + seconds
        self.timers.set(key, when, call)
        if self._timer is None or when < self._due_at:
            self._set_timer(when)

    def rearm(self) -> None:
        """Look at the judge's deadline again. The timer is never later than any of `timers`, and may be earlier."""
        when = None if self.judge is None else self.judge.next_deadline()
        if when is not None and (self._timer is None or when < self._due_at):
            self._set_timer(when)

    def stop(self) -> None:
        """Nothing is due any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _set_timer(self, when: float) -> None:
        """Instead of the one that is set, but for that of a drain: nothing is judged before it is over."""
        if self._timer is not None:
            if self._drains:
                return
            self._timer.cancel()
        self._due_at = when
        self._timer = (self._home or self._settle_down()).call_at(when, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        now = self.now()
        if now - self._due_at > LATE and self.judge is not None and self._drains < DRAINS:
            # A suspended machine or a blocked loop: read what lies in the socket before anything is judged.
            self._drains += 1
            self._set_timer(now + GRACE)
            return
        self._drains = 0
        due, left = self.timers.pop_due(now), self.timers.next()
        if left is not None:
            self._set_timer(left)  # before anything is called that sets a later one
        self._queued.extend(due)
        if self.judge is not None:
            self._queued.append(partial(self._judge, now))
        self.enter()
        if self.judge is not None and self._timer is None:  # a turn that failed may not have come to it
            self.rearm()

    def _judge(self, now: float) -> None:
        if self.judge is not None:
            self.judge.handle_timer(now)


async def run_owned(role: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function of the owner's and await what it returns, if that can be awaited.

    Raises what it raises. Where it ends with CancelledError although nobody cancelled the task that runs it, something
    that it waited for was: that is its failure, and raised as OwnerCancelled.
    """
    try:
        result = function(*arguments)
        return await result if result is not None and inspect.isawaitable(result) else result
    except asyncio.CancelledError as error:
        if is_cancelled():
            raise
        raise OwnerCancelled(role) from error


def is_cancelled() -> bool:
    """True where it is the present task itself that is cancelled, and not something that it waited for."""
    task = asyncio.current_task()
    return task is None or bool(task.cancelling())

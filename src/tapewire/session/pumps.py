"""The tasks that call handlers: when each begins, and how it ends: it has the close's time for what is buffered.

Rules: one topic's handler is never called twice at once: where it is wanted again after it was left, the new task
begins when the old one's call has returned, and what the old one had not come to is dropped (its position says so).
What a handler had no time for is dropped, counted and said. Only a close cancels a call that runs; leaving a topic
never does, for the call may be the one that leaves. A handler that closes its own session is not waited for, through
however many tasks it does so.
"""

from __future__ import annotations

import asyncio
import logging
from contextvars import ContextVar

from .delivery import Subscription
from .loop import Loop

__all__ = ["Pumps"]

logger = logging.getLogger("tapewire.session")

LINGER_SECONDS = 1.0
"""How long a cancelled call may take to end before the close goes on without it."""


class _Pump:
    """One task, and who is handled in it."""

    __slots__ = ("excused", "subscription", "task")

    def __init__(self, subscription: Subscription, excused: asyncio.Future[None]) -> None:
        self.subscription = subscription
        self.excused = excused  # done: nobody waits for it
        self.task: asyncio.Task[None]


_inside: ContextVar[_Pump | None] = ContextVar("tapewire_handler", default=None)


class Pumps:
    """Those of one session."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._by_task: dict[asyncio.Task[None], _Pump] = {}
        self._by_topic: dict[str, list[_Pump]] = {}

    def start(self, subscription: Subscription) -> None:
        """Call the handler of `subscription`, if it has one that is called in a task."""
        delivery = subscription.delivery
        if delivery.handler is None or delivery.inline:
            return
        earlier = [
            pump for pump in self._by_topic.get(subscription.topic, ()) if pump.subscription.buffer.ended
        ]
        for pump in earlier:
            if pump.subscription.was_left:
                pump.subscription.drop_backlog()
        before = [pump.task for pump in earlier if pump.subscription.delivery.handler == delivery.handler]
        self._take(_Pump(subscription, self._loop.future()), before)

    def excuse_caller(self) -> None:
        """The handler that calls this, in whatever task, closes its own session: it is called no more."""
        pump = _inside.get()
        if pump is not None and pump.task in self._by_task and not pump.excused.done():
            pump.subscription.drop_backlog()
            pump.excused.set_result(None)

    async def finish(self, seconds: float) -> None:
        """Let the handlers come to the end of what is buffered; cancel those that are not there in time."""
        pumps = [pump for pump in self._by_task.values() if not pump.excused.done()]
        if not pumps:
            return
        _, waiting = await asyncio.wait([pump.excused for pump in pumps], timeout=seconds)
        late = [pump for pump in pumps if pump.excused in waiting]
        for pump in late:
            topic = pump.subscription.topic
            logger.warning("%s: handler of %s did not return in time; cancelled", self._loop.name, topic)
            pump.subscription.drop_backlog()
            pump.task.cancel()
        if late:
            _, left = await asyncio.wait([pump.task for pump in late], timeout=LINGER_SECONDS)
            for task in left:
                logger.warning("%s: %s goes on although it was cancelled", self._loop.name, task.get_name())

    def release(self, subscription: Subscription) -> _Pump | None:
        """Give up the task that handles `subscription`, for `adopt` of another session."""
        for pump in self._by_topic.get(subscription.topic, ()):
            if pump.subscription is subscription:
                self._forget(pump)
                pump.task.remove_done_callback(self._done)
                self._loop.give_up(pump.task)
                return pump
        return None

    def adopt(self, pump: _Pump) -> None:
        """Take over what `release` of another session gave up."""
        self._loop.take_over(pump.task)
        self._remember(pump)

    def __contains__(self, task: object) -> bool:
        return task in self._by_task

    def _take(self, pump: _Pump, before: list[asyncio.Task[None]]) -> None:
        name = f"handler {pump.subscription.topic}"
        pump.task = self._loop.spawn(self._run(pump, before), name)
        if not pump.task.done():
            self._remember(pump)

    def _remember(self, pump: _Pump) -> None:
        self._by_task[pump.task] = pump
        self._by_topic.setdefault(pump.subscription.topic, []).append(pump)
        pump.task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        if (pump := self._by_task.get(task)) is not None:
            self._forget(pump)
            if not pump.excused.done():
                pump.excused.set_result(None)

    def _forget(self, pump: _Pump) -> None:
        del self._by_task[pump.task]
        others = [each for each in self._by_topic[pump.subscription.topic] if each is not pump]
        if others:
            self._by_topic[pump.subscription.topic] = others
        else:
            del self._by_topic[pump.subscription.topic]

    async def _run(self, pump: _Pump, before: list[asyncio.Task[None]]) -> None:
        _inside.set(pump)
        if before:
            await asyncio.wait(before)
        await pump.subscription.caller.pump()

"""Calls the owner's functions for one subscription: handler and `on_mark` with each item, `on_error` with failures.

Rules: all of it happens in the consumer's own task, but for what opted in with `inline=True`. No exception of a
function ends anything (unless `strict`); each is counted, told to `on_error` and blamed on the function that raised
it. A handler that never awaits gives the event loop its turn all the same, every `SLICE_SECONDS`.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import math
from functools import partial
from typing import TYPE_CHECKING, Any

from ..errors import OwnerCancelled
from ..marks import Gap, Mark, Resynced, is_mark
from ..secrets import shown
from .buffers import EMPTY
from .complaints import Complaints, name_of
from .stepping import BLOCKED_SECONDS, SLICE_SECONDS, first_step, is_cancelled, watched

if TYPE_CHECKING:
    from collections.abc import Callable

    from .delivery import Subscription

__all__ = ["Caller"]

logger = logging.getLogger("tapewire.session")


class Caller:
    """Of one subscription."""

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
        self._complaints = Complaints(subscription.topic)
        self._end_told = False

    async def pump(self) -> None:
        """Call the handler with each item until the end; runs in a task of the session's."""
        subscription, now, handler = self._subscription, self._now, self._handler
        take, taken, mark_handler = subscription.buffer.take, subscription.taken, self._call_with_mark
        subscription.topics.wait_to_open(f"the handler of {subscription.topic}")
        started = now()  # of the slice: what is handled without a wait; one look at the clock an item
        while True:
            item = take()
            if item is EMPTY:
                if not await subscription.buffer.wait():
                    await self.tell_end()
                    return
                started = now()
                continue
            before = subscription.last
            item = taken(item)
            try:
                result = mark_handler(item) if is_mark(item) else handler(item)
                if result is not None and (rest := first_step(result)) is not None:
                    self._report_blocking(item, now() - started)
                    started = math.inf  # the rest reports its own steps
                    await watched(*rest, now, partial(self._report_blocking, item))
            except Exception as error:
                await self._failed(error, item, now() - started)
                started = now()
            except asyncio.CancelledError as error:
                if is_cancelled():
                    subscription.last = before  # it was not taken
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

    def call_inline(self, item: Any) -> None:
        """Inside the read, as its owner wants it."""
        subscription = self._subscription
        if subscription.buffer.ended:
            return
        item = subscription.taken(item)
        try:
            if is_mark(item):
                self._call_with_mark(item)
            else:
                self._handler(item)
        except (Exception, asyncio.CancelledError) as error:
            self._count_failure(error, item)
            self.tell_inline(error, item)
            if subscription.strict:
                subscription.topics.fail(subscription, _as_failure(error))

    def tell_inline(self, error: BaseException, item: Any) -> None:
        """`on_error`, inside the read; only what it awaits is done elsewhere."""
        on_error = self._delivery.on_error
        if on_error is not None:
            try:
                result = on_error(error, item)
                if inspect.iscoroutine(result):
                    telling = self._await_told(result)
                    self._subscription.topics.spawn(telling, f"on_error {self._subscription.topic}")
            except (Exception, asyncio.CancelledError) as failure:
                self._complaints.raised("on_error", on_error, failure)

    def tell_soon(self, error: BaseException) -> None:
        """`on_error`, of something that ends nothing: inside the read where it is `inline`, else in its own task."""
        error = self._subscription.as_told(error)
        if self._delivery.inline:
            self.tell_inline(error, None)
        elif self._delivery.on_error is not None:
            self._subscription.topics.spawn(self.tell(error, None), f"on_error {self._subscription.topic}")

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
                self._complaints.blocked("on_error", on_error, seconds)
        except (Exception, asyncio.CancelledError) as failure:
            self._complaints.raised("on_error", on_error, failure)
            return
        if inspect.isawaitable(result):
            await self._await_told(result)

    async def _await_told(self, result: Any) -> None:
        on_error = self._delivery.on_error
        try:
            await result
        except Exception as failure:
            self._complaints.raised("on_error", on_error, failure)
        except asyncio.CancelledError as failure:
            if is_cancelled():
                raise
            self._complaints.raised("on_error", on_error, failure)

    # --- inside -----------------------------------------------------------------------------------------------------

    def _call_with_mark(self, mark: Mark) -> Any:
        delivery, topic = self._delivery, self._subscription.topic
        if delivery.on_mark is not None:
            return delivery.on_mark(mark)
        if isinstance(mark, Resynced) and delivery.on_snapshot is not None:
            return delivery.on_snapshot(mark.snapshot)
        self.unseen_marks += 1
        name = name_of(delivery.handler)
        logger.warning("%s: %s (handler %s takes no marks)", topic, shown(_mark_line(mark)), name)
        return None

    async def _failed(self, error: BaseException, item: Any, seconds: float) -> None:
        self._report_blocking(item, seconds)
        self._count_failure(error, item)
        if self._subscription.strict:
            self._subscription.topics.fail(self._subscription, _as_failure(error))
        await self.tell(error, item)
        await asyncio.sleep(0)  # what failed and was told may have taken the slice several times over

    def _count_failure(self, error: BaseException, item: Any) -> None:
        self.errors += 1
        self._complaints.raised(*self._called_with(item), error)

    def _called_with(self, item: Any) -> tuple[str, Any]:
        """The role and the function that `item` goes to: whom to blame."""
        if not is_mark(item):
            return "handler", self._delivery.handler
        if self._delivery.on_mark is not None:
            return "on_mark", self._delivery.on_mark
        return "on_snapshot", self._delivery.on_snapshot

    def _report_blocking(self, item: Any, seconds: float) -> None:
        if seconds > BLOCKED_SECONDS:
            self._complaints.blocked(*self._called_with(item), seconds)


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

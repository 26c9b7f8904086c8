"""What a subscriber holds: a `Subscription` to iterate, or one that calls a handler.

Rules: the reader never awaits user code. `deliver` is called inside a read and only buffers (or, for a handler that
opted in with `inline=True`, calls a synchronous function whose own calls back only enqueue). Everything else happens
in the consumer's own task: decoding, the handler, its exceptions, the report of one that blocks the event loop.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import math
import types
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Hashable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from ..errors import BufferOverflow, ConfigurationError, SubscriptionEnded, TapewireError
from ..marks import Gap, Mark, Resynced, is_mark
from ..protocols.base import StreamPosition
from ..secrets import shown
from .buffers import EMPTY, Buffer, Policy, make_buffer
from .health import SubscriptionStatistics
from .seeding import Seeding

if TYPE_CHECKING:
    from .topics import Topics

__all__ = ["BLOCKED_SECONDS", "Delivery", "ErrorHook", "Handler", "MarkHandler", "Subscription"]

logger = logging.getLogger("tapewire.session")

BLOCKED_SECONDS = 0.25
"""A handler that keeps the event loop this long without awaiting is reported by name."""

_COROUTINE = types.CoroutineType

Handler: TypeAlias = Callable[[Any], Any]
MarkHandler: TypeAlias = Callable[[Mark], Any]
ErrorHook: TypeAlias = Callable[[BaseException, Any], Any]


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """How publications reach one consumer. Every field has a default that suits market data.

    `policy`, `capacity`, `key`: the buffer (see `tapewire.session.buffers`). `handler`: called with each publication,
    in order, in a task of its own; a plain function or a coroutine function. `on_mark`: called with each mark; without
    it a handler's marks are logged, but for a snapshot, which goes to `on_snapshot`. `on_error`, plain or async: called
    with an exception of the handler and what it was called with, and with the exception that ends the subscription
    (and None) when all that was delivered before is consumed, by the handler or by whoever iterates; five seconds
    after the end at the latest. `announce`: the subscription's own state comes among the marks (`Subscribing`,
    `Subscribed`, `Errored`, `Unsubscribed`); whoever waits for the confirmation is then not raised a refusal that may
    pass, and goes on waiting. `decode`: from the wire's publication to yours, when it is taken. `inline`: call a plain
    `handler`, `on_mark` and `on_error` inside the read: fastest, and they must return at once. `snapshot`: an async
    function that fetches the state from which the stream continues; `reconcile(snapshot, held)` picks the held
    publications that follow it; `snapshot_timeout` in seconds.
    """

    policy: Policy = "drop_oldest"
    capacity: int = 1_000
    key: Callable[[Any], Hashable] | None = None
    handler: Handler | None = None
    on_mark: MarkHandler | None = None
    on_snapshot: Callable[[Any], Any] | None = None
    on_error: ErrorHook | None = None
    decode: Callable[[Any], Any] | None = None
    inline: bool = False
    announce: bool = False
    snapshot: Callable[[], Awaitable[Any]] | None = None
    reconcile: Callable[[Any, Sequence[Any]], Sequence[Any]] | None = None
    snapshot_timeout: float = 10.0


class Subscription:
    """One consumer's side of a topic. Made by `Session.subscribe`; iterate it, or give it a handler.

    `async for item in subscription` yields publications and marks (`tapewire.is_mark` tells them apart), ends when
    `unsubscribe()` or the venue ended it, and raises what ended it otherwise. Only one task may iterate at a time.
    """

    def __init__(self, topic: str, delivery: Delivery, topics: Topics, *, strict: bool = False) -> None:
        if delivery.inline and (delivery.handler is None or inspect.iscoroutinefunction(delivery.handler)):
            raise ConfigurationError("inline", True, "only with a plain (not async) function as handler")
        self.topic = topic
        self.delivery = delivery
        self.strict = strict
        self.seeding = Seeding(delivery.reconcile) if delivery.snapshot is not None else None
        self.buffer: Buffer = make_buffer(
            delivery.policy, delivery.capacity, on_full=self._full, on_relief=self._relieved, key=delivery.key
        )
        self.deliver: Callable[[Any], None] = self._call_inline if delivery.inline else self.buffer.put
        """Where the reader puts a publication now; changes while a snapshot is awaited."""
        self.error: BaseException | None = None
        self.ended_reason: str | None = None
        """Why the venue ended it, if it did."""
        self.delivered = self.marks = self.unseen_marks = self.handler_errors = self.undecodable = 0
        self.seeded = False
        """True once a snapshot has been delivered and no failed one since."""
        self._error_told = False
        self.start: StreamPosition | None = None
        """Where the stream stood before the first publication that can be taken, where that is known."""
        self._last: Any = None
        self._numbered = True  # until a publication shows that it is not
        self._topics = topics
        self._decode = delivery.decode
        self._handler: Handler = delivery.handler or _nobody

    # --- what the owner calls ---------------------------------------------------------------------------------------

    @property
    def state(self) -> str:
        """`unsubscribed`, `subscribing` or `subscribed`."""
        return self._topics.public_state(self)

    @property
    def params(self) -> Any:
        """What is asked for at the next (re)subscription. Assign to change it from then on."""
        return self._topics.params(self.topic)

    @params.setter
    def params(self, params: Any) -> None:
        self._topics.set_params(self.topic, params)

    @property
    def position(self) -> StreamPosition | None:
        """The resume point behind what was taken last, on protocols that number; None elsewhere and before.

        What is buffered does not count, nor does what a handler was cancelled over. Save it when you have done what
        you do with a publication, and give it back as `position=` in a later process to continue there.
        """
        last = self._last
        return self.start if last is None else StreamPosition(last.offset, getattr(last, "epoch", ""))

    @property
    def held_since(self) -> StreamPosition | None:
        """Where the stream stood when the snapshot was asked for last, where that is numbered.

        For a `snapshot` function whose source may lag behind the stream: what the venue's history holds of shortly
        before it belongs behind that snapshot.
        """
        return None if self.seeding is None else self.seeding.since

    async def confirmed(self) -> Any:
        """Wait until the venue has confirmed it; returns its reply. Raises what refused or ended it instead."""
        return await self._topics.confirmation(self)

    def unsubscribe(self) -> None:
        """Leave. Nothing more is delivered; an iteration ends after what is buffered. Waits for no answer."""
        self._topics.leave(self)

    def resync(self) -> None:
        """Ask for the state anew: from `snapshot` where there is one, else by subscribing again."""
        if not self.buffer.ended:
            self._topics.rebuild(self)

    def statistics(self) -> SubscriptionStatistics:
        """Frozen figures."""
        return SubscriptionStatistics(
            topic=self.topic,
            state=self.state,
            policy=self.delivery.policy,
            buffered=len(self.buffer),
            delivered=self.delivered,
            dropped=self.buffer.dropped,
            marks=self.marks,
            unseen_marks=self.unseen_marks,
            handler_errors=self.handler_errors,
            undecodable=self.undecodable,
        )

    def __aiter__(self) -> AsyncIterator[Any]:
        if self.delivery.handler is not None:
            raise ConfigurationError(
                "handler", self._handler_name, "no handler where the subscription is iterated"
            )
        return self

    async def __anext__(self) -> Any:
        item = self.buffer.take()
        while item is EMPTY:
            if not await self.buffer.wait():
                if self.buffer.error is not None:
                    await self.tell_end()
                    raise self.buffer.error
                raise StopAsyncIteration
            item = self.buffer.take()
        return self._taken(item)

    async def batches(self, limit: int = 1_000) -> AsyncIterator[list[Any]]:
        """Iterate in lists of what is there, at most `limit` items each: one wakeup for many."""
        if limit < 1:
            raise ConfigurationError("limit", limit, "a whole number from 1")
        async for first in self:
            batch = [first]
            while len(batch) < limit and (item := self.buffer.take()) is not EMPTY:
                batch.append(self._taken(item))
            yield batch

    def __repr__(self) -> str:
        return f"<Subscription {self.topic} {self.state} buffered={len(self.buffer)} dropped={self.buffer.dropped}>"

    # --- what the session calls -------------------------------------------------------------------------------------

    def deliver_mark(self, mark: Mark) -> None:
        """A mark takes its place behind what was delivered."""
        if self.delivery.inline:
            self._call_inline(mark)
        else:
            self.buffer.put_mark(mark)

    def hold(self, generation: int, now_ns: int) -> None:
        """Hold what is delivered from now on: a snapshot is about to be asked for."""
        assert self.seeding is not None
        self.seeding.begin(generation, now_ns)
        self.deliver = self.seeding.hold

    def release(self, items: list[Any] | None) -> bool:
        """The hold is over with these items; False if they were stale (None) and nothing was delivered."""
        if items is None:
            return False
        for item in items:
            if is_mark(item):
                self.seeded = isinstance(item, Resynced)
        self.deliver = self._call_inline if self.delivery.inline else self.buffer.put
        for item in items:
            (self.deliver_mark if is_mark(item) else self.deliver)(item)
        return True

    def finish(self, error: BaseException | None, reason: str | None = None) -> None:
        """Nothing more comes; `error` is raised to whoever iterates, behind what is buffered."""
        if not self.buffer.ended:
            self.error, self.ended_reason = error, reason
            self.buffer.end(error)
            if error is not None and self.delivery.on_error is not None:
                if self.delivery.inline:
                    self._tell_inline(error, None)
                else:
                    self._topics.expect_end(self)

    async def tell_end(self) -> None:
        """Tell `on_error`, once, what ended it: behind the last item, or when the consumer takes too long for that."""
        if self.error is not None and not self._error_told:
            self._error_told = True
            await self._tell(self.error, None)

    def move_to(self, topics: Topics) -> None:
        """Another session of a pool serves it from now on."""
        self._topics = topics

    async def pump(self, now: Callable[[], float]) -> None:
        """Call the handler with each item until the end; runs in a task of the session's."""
        handler = self.delivery.handler
        assert handler is not None
        take, mark_handler = self.buffer.take, self._mark_handler
        started = now()  # one look at the clock an item: the end of one is the beginning of the next
        while True:
            item = take()
            if item is EMPTY:
                if not await self.buffer.wait():
                    await self.tell_end()
                    return
                started = now()
                continue
            before = self._last
            item = self._taken(item)
            try:
                result = mark_handler(item) if is_mark(item) else handler(item)
                if result is not None and (rest := _first_step(result)) is not None:
                    if now() - started > BLOCKED_SECONDS:
                        self._blocked(now() - started)
                    started = math.inf  # the rest reports its own steps
                    await _watched(*rest, now, self._blocked)
            except Exception as error:
                await self._failed(error, item)
            except asyncio.CancelledError as error:
                if _is_cancelled():
                    self._last = before  # it was not taken
                    raise
                await self._failed(error, item)  # what the handler waited for was cancelled, not the handler
            ended = now()
            if ended - started > BLOCKED_SECONDS:
                self._blocked(ended - started)
            started = ended

    # --- inside -----------------------------------------------------------------------------------------------------

    @property
    def _handler_name(self) -> str:
        handler = self.delivery.handler
        return getattr(handler, "__qualname__", None) or repr(handler)

    def _taken(self, item: Any) -> Any:
        if is_mark(item):
            self.marks += 1
            return item
        self.delivered += 1
        if self._numbered:
            try:
                if item.offset:
                    self._last = item
            except AttributeError:
                self._numbered = False
        decode = self._decode
        if decode is None:
            return item
        try:
            return decode(item)
        except (
            TapewireError,
            msgspec.MsgspecError,
            ValueError,
            TypeError,
            KeyError,
            RecursionError,
        ) as error:
            self.undecodable += 1
            self.delivered -= 1
            self.marks += 1
            detail = f"{type(error).__name__}: {error}"[:200]
            if self.undecodable <= 10:
                logger.warning("%s: a publication could not be decoded: %s", self.topic, shown(detail))
            now_ns = self._topics.now_ns()
            return Gap(reason="undecodable", since_ns=now_ns, until_ns=now_ns, missed=1, detail=detail)

    def _call_inline(self, item: Any) -> None:
        if self.buffer.ended:
            return
        item = self._taken(item)
        try:
            if is_mark(item):
                self._mark_handler(item)
            else:
                self._handler(item)
        except Exception as error:
            self._count_failure(error)
            self._tell_inline(error, item)
            if self.strict:
                self._topics.fail(self, error)

    def _mark_handler(self, mark: Mark) -> Any:
        if self.delivery.on_mark is not None:
            return self.delivery.on_mark(mark)
        if isinstance(mark, Resynced) and self.delivery.on_snapshot is not None:
            return self.delivery.on_snapshot(mark.snapshot)
        self.unseen_marks += 1
        logger.warning(
            "%s: %s (handler %s takes no marks)", self.topic, shown(_mark_line(mark)), self._handler_name
        )
        return None

    async def _failed(self, error: BaseException, item: Any) -> None:
        self._count_failure(error)
        if self.strict:
            self._topics.fail(self, error)
        await self._tell(error, item)

    def _count_failure(self, error: BaseException) -> None:
        self.handler_errors += 1
        logger.warning(
            "%s: handler %s raised; the next one goes on", self.topic, self._handler_name, exc_info=error
        )

    async def _tell(self, error: BaseException, item: Any) -> None:
        if self.delivery.on_error is None:
            return
        try:
            result = self.delivery.on_error(error, item)
            if inspect.isawaitable(result):
                await result
        except Exception:
            logger.warning("%s: on_error raised", self.topic, exc_info=True)
        except asyncio.CancelledError:
            if _is_cancelled():
                raise
            logger.warning("%s: on_error was cancelled", self.topic)

    def _tell_inline(self, error: BaseException, item: Any) -> None:
        """Inside the read, as its owner wants it; only what it awaits is done elsewhere."""
        if self.delivery.on_error is not None:
            try:
                result = self.delivery.on_error(error, item)
                if inspect.iscoroutine(result):
                    self._topics.spawn(result)
            except Exception:
                logger.warning("%s: on_error raised", self.topic, exc_info=True)

    def _blocked(self, seconds: float) -> None:
        logger.warning(
            "%s: handler %s blocked the event loop for %.2f s; nothing else ran meanwhile",
            self.topic,
            self._handler_name,
            seconds,
        )

    def _full(self) -> None:
        if self.delivery.policy == "fail":
            self._topics.fail(self, BufferOverflow(self.topic, self.delivery.capacity))
        elif self.delivery.policy == "resync":
            self._topics.rebuild(self)
        else:
            self._topics.block(self)

    def _relieved(self) -> None:
        self._topics.relieve(self)


def _mark_line(mark: Mark) -> str:
    if isinstance(mark, Gap):
        missed = "an unknown number of" if mark.missed is None else str(mark.missed)
        return f"gap ({mark.reason}): {missed} publications may be missing here"
    return repr(mark)[:200]


def _first_step(result: Any) -> tuple[Any, Any] | None:
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
def _watched(
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


def _is_cancelled() -> bool:
    """True where it is the present task itself that is cancelled, and not something that it waited for."""
    task = asyncio.current_task()
    return task is None or bool(task.cancelling())


def _nobody(item: Any) -> None:
    """The handler of a subscription that is iterated."""


def ended(topic: str, reason: str) -> SubscriptionEnded:
    """The error of a subscription that somebody waits for and that the venue ended."""
    return SubscriptionEnded(topic, f"ended by the venue: {reason}")

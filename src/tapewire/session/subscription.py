"""What a subscriber holds: a `Subscription` to iterate, or one that calls a handler.

Rules: the reader never awaits user code. `deliver` is called inside a read and only buffers (or, for a handler that
opted in with `inline=True`, calls a synchronous function whose own calls back only enqueue). Everything else happens
in the consumer's own task: decoding, and the calling of handlers (`handlers.py`). An iteration whose body never awaits
gives the event loop its turn all the same, every `SLICE_SECONDS`.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Hashable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeAlias, TypeVar

import msgspec

from ..arguments import check_function, check_seconds
from ..errors import BufferOverflow, ConfigurationError, SubscriptionEnded, TapewireError
from ..marks import Gap, Mark, Resynced, is_mark
from ..protocols.base import StreamPosition
from ..reporting import is_worth_a_line, name_of
from ..secrets import shown
from .buffers import EMPTY, Buffer, Policy, make_buffer
from .holds import Seeding
from .loop import SLICE_SECONDS
from .options import ErrorHook, SubscriptionStatistics

if TYPE_CHECKING:
    from typing_extensions import TypeVar as TypeVarWithDefault

    Item_co = TypeVarWithDefault("Item_co", covariant=True, default=Any)
else:
    Item_co = TypeVar("Item_co", covariant=True)
    """What a subscription yields beside marks: the wire's publication, or what `decode` makes of it."""

__all__ = ["Delivery", "Handler", "MarkHandler", "Owner", "Runner", "Subscription"]

logger = logging.getLogger("tapewire.session")

_LOOK_EVERY = 64
"""Items of one batch between two looks at the clock."""

_QUICK_ITEMS = 8
"""Items of an iteration between two looks at the clock, where the last ones took next to no time."""

Handler: TypeAlias = Callable[[Any], Any]
MarkHandler: TypeAlias = Callable[[Mark], Any]


_FUNCTIONS = {
    "handler": (1, False, False),
    "on_mark": (1, False, True),
    "on_snapshot": (1, False, True),
    "on_error": (2, False, False),
    "key": (1, True, False),
    "decode": (1, True, False),
    "snapshot": (0, False, False),
    "reconcile": (2, True, False),
}
"""The functions of a `Delivery`: how many arguments one takes, if it must be plain, if it needs a handler beside it."""


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """How publications reach one consumer. Every field has a default that suits market data.

    `policy`, `capacity`, `key`: the buffer (see `tapewire.session.buffers`). `handler`: called with each publication,
    in order, in a task of its own; a plain function or a coroutine function. `on_mark`: called with each mark; without
    it a handler's marks are logged, but for a snapshot, which goes to `on_snapshot`. `on_error`, plain or async: called
    with an exception of the handler and what it was called with; with the exception that ends the subscription
    (and None) when all that was delivered before is consumed, by the handler or by whoever iterates, five seconds
    after the end at the latest; and with a refusal (and None) that nobody waits for and that ends nothing, for
    it is `retryable`: the topic is asked for again. `announce`: the subscription's own state comes
    among the marks (`Subscribing` at once when it is asked for and when it is lost, `Subscribed`, `Errored`,
    `Unsubscribed`); whoever waits for the confirmation is then not raised a refusal that may pass, and goes on waiting.
    `decode`: from the wire's publication to yours, when it is taken. `inline`: call a plain `handler`, `on_mark` and
    `on_error` inside the read: fastest, and they must return at once; what they call back happens when the read is
    over. `snapshot`: an async function that fetches the state from which the stream continues;
    `reconcile(snapshot, publications)` picks those that follow it, of what was held meanwhile and then of each that
    comes until the stream is past the snapshot; `snapshot_timeout` in seconds.

    Raises ConfigurationError that names the field: for what is no function, or cannot be called as it will be; for
    `on_mark` and `on_snapshot` without a handler.
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

    def __post_init__(self) -> None:
        given = [name for name in _FUNCTIONS if getattr(self, name) is not None]
        if self.inline and (self.handler is None or inspect.iscoroutinefunction(self.handler)):
            raise ConfigurationError("inline", True, "only with a plain (not async) function as handler")
        for name in given:
            takes, plain, of_handler = _FUNCTIONS[name]
            function = getattr(self, name)
            if of_handler and self.handler is None:
                allowed = "only with a handler: who iterates finds the marks among its items"
                raise ConfigurationError(name, function, allowed)
            if of_handler:
                check_function(name, function, takes, plain=self.inline, why_plain=" where inline is")
            else:
                check_function(name, function, takes, plain=plain)
        check_seconds("snapshot_timeout", self.snapshot_timeout)


class Owner(Protocol):
    """What a subscription asks of the session that serves it."""

    def public_state(self, subscription: Subscription[Any]) -> str:
        """`unsubscribed`, `subscribing` or `subscribed`."""
        ...

    def params(self, topic: str) -> Any:
        """What is asked for at the next (re)subscription."""
        ...

    def set_params(self, topic: str, params: Any) -> None:
        """Change that from then on."""
        ...

    async def confirmation(self, subscription: Subscription[Any]) -> Any:
        """Wait for the peer's word on it."""
        ...

    def leave(self, subscription: Subscription[Any]) -> None:
        """Its consumer leaves."""
        ...

    def fail(self, subscription: Subscription[Any], error: BaseException) -> None:
        """It ends with an error of its consumer's."""
        ...

    def rebuild(self, subscription: Subscription[Any], why: str = ...) -> None:
        """Have its state anew."""
        ...

    def reroute(self, subscription: Subscription[Any]) -> None:
        """Where it takes its publications has changed."""
        ...

    def block(self, subscription: Subscription[Any]) -> None:
        """Policy `block`: it is full."""
        ...

    def relieve(self, subscription: Subscription[Any]) -> None:
        """Policy `block`: it has room again."""
        ...

    def expect_end(self, subscription: Subscription[Any]) -> None:
        """It ended with an error: see to it that its consumer is told, also where it does not come to the end."""
        ...

    def wait_to_open(self, who: str) -> None:
        """`who` is about to wait for something to come. Raises WrongLoop."""
        ...

    def check_loop(self) -> None:
        """Raise WrongLoop unless this is called from the session's own event loop."""
        ...

    def spawn(self, coroutine: Coroutine[Any, Any, Any], name: str) -> None:
        """Run a coroutine of a consumer's in a task of the session's."""
        ...

    def now_ns(self) -> int: ...


class Runner(Protocol):
    """What calls the functions of one consumer."""

    errors: int
    """Exceptions of the handler, `on_mark` and `on_snapshot`."""
    unseen_marks: int
    """Marks that went to the log, for want of an `on_mark`."""

    async def run(self) -> None:
        """Call the handler with each item until the end."""
        ...

    def call_inline(self, item: Any) -> None:
        """Call it inside the read, as its owner wants it."""
        ...

    def tell_inline(self, error: BaseException, item: Any) -> None:
        """Tell `on_error` inside the read."""
        ...

    def tell_soon(self, error: BaseException) -> None:
        """Tell `on_error` of something that ends nothing."""
        ...

    async def tell_end(self) -> None:
        """Tell `on_error`, once, what ended the subscription."""
        ...


class _Batches(Generic[Item_co]):
    """A subscription in lists. Not a generator: that would be over with the first wait that is cancelled."""

    def __init__(
        self, items: AsyncIterator[Item_co | Mark], fill: Callable[[list[Any]], list[Item_co | Mark]]
    ) -> None:
        self._items = items
        self._fill = fill

    def __aiter__(self) -> AsyncIterator[list[Item_co | Mark]]:
        return self

    async def __anext__(self) -> list[Item_co | Mark]:
        return self._fill([await anext(self._items)])


class Subscription(Generic[Item_co]):
    """One consumer's side of a topic. Made by `Session.subscribe`; iterate it, or give it a handler.

    `async for item in subscription` yields publications and marks (`tapewire.is_mark` tells them apart), ends with
    `unsubscribe()` or the session, and raises what ended it otherwise: SubscriptionEnded where the venue did. Only one
    task may iterate at a time.
    """

    def __init__(
        self,
        topic: str,
        delivery: Delivery,
        owner: Owner,
        *,
        runner: Callable[[Subscription[Any]], Runner],
        now: Callable[[], float],
        strict: bool = False,
        errors: Callable[[BaseException], BaseException] | None = None,
    ) -> None:
        self.topic = topic
        self.as_told: Callable[[BaseException], BaseException] = errors or (lambda error: error)
        """What its user gets of an error."""
        self.delivery = delivery
        self.strict = strict
        self.seeding: Seeding | None = Seeding(delivery.reconcile) if delivery.snapshot is not None else None
        self.buffer: Buffer = make_buffer(
            delivery.policy, delivery.capacity, on_full=self._full, on_relief=self._relieved, key=delivery.key
        )
        self.runner: Runner = runner(self)
        self._consume: Callable[[Any], None] = self.runner.call_inline if delivery.inline else self.buffer.put
        self.deliver: Callable[[Any], None] = self._consume
        """Where the reader puts a publication now; changes while a snapshot is awaited."""
        self.pending = True
        """True until its owner's turn has come to want it."""
        self.error: BaseException | None = None
        self.ended_reason: str | None = None
        """Why the venue ended it, if it did."""
        self.delivered: int = 0
        self.marks: int = 0
        self.undecodable: int = 0
        self.seeded: bool = False
        """True once a snapshot has been delivered and no failed one since."""
        self.start: StreamPosition | None = None
        """Where the stream stood before the first publication that can be taken, where that is known."""
        self.last: Any = None
        """The publication that was taken last and carries a number."""
        self._numbered = True  # until a publication shows that it is not
        self.owner: Owner = owner
        self._decode = delivery.decode
        self._now = now
        self._slice_began = self._looked = -math.inf
        self._look_at = 0  # an iteration looks at the clock when so many are delivered

    # --- what the owner calls ---------------------------------------------------------------------------------------

    @property
    def state(self) -> str:
        """`unsubscribed`, `subscribing` or `subscribed`."""
        return self.owner.public_state(self)

    @property
    def was_left(self) -> bool:
        """True once its consumer left it, and neither the venue nor an error ended it."""
        return self.buffer.ended and self.error is None and self.ended_reason is None

    @property
    def params(self) -> Any:
        """What is asked for at the next (re)subscription. Assign to change it from then on."""
        return self.owner.params(self.topic)

    @params.setter
    def params(self, params: Any) -> None:
        self.owner.set_params(self.topic, params)

    @property
    def position(self) -> StreamPosition | None:
        """The resume point behind what was taken last, on protocols that number; None elsewhere and before.

        What is buffered does not count, nor does what a handler was cancelled over. Save it when you have done what
        you do with a publication, and give it back as `position=` in a later process to continue there. Where newer
        publications overtake older ones (policy `conflate`) it stands before the oldest that is still buffered.
        """
        last = self.last
        if last is None:
            return self.start
        offset, epoch = last.offset, getattr(last, "epoch", "")
        if self.delivery.policy == "conflate":
            left = [
                item.offset
                for item in self.buffer.waiting()
                if not is_mark(item) and getattr(item, "epoch", "") == epoch
            ]
            offset = min([offset, *(each - 1 for each in left)])
        return StreamPosition(offset, epoch)

    @property
    def held_since(self) -> StreamPosition | None:
        """Where the stream stood when the snapshot was asked for last, where that is numbered.

        For a `snapshot` function whose source may lag behind the stream: what the venue's history holds of shortly
        before it belongs behind that snapshot.
        """
        return None if self.seeding is None else self.seeding.since

    @property
    def is_iterated(self) -> bool:
        """True once somebody iterates it, who is raised what ends it."""
        return self.delivery.handler is None and bool(self.buffer.is_awaited or self.delivered or self.marks)

    async def confirmed(self) -> Any:
        """Wait until the venue has confirmed it; returns its reply. Raises what refused or ended it instead."""
        try:
            return await self.owner.confirmation(self)
        except TapewireError as error:
            told = self.as_told(error)
            if told is error:
                raise
            raise told.with_traceback(error.__traceback__) from error.__cause__

    def unsubscribe(self) -> None:
        """Leave. Nothing more is delivered; an iteration ends after what is buffered. Waits for no answer.

        A handler is still called with what is buffered, for the session's `close_timeout` at most; what it does not
        come to is dropped, counted and logged. A call that runs is not cancelled.
        """
        self.owner.leave(self)

    def resync(self) -> None:
        """Ask for the state anew: from `snapshot` where there is one, else by subscribing again."""
        if not self.buffer.ended:
            self.owner.rebuild(self)

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
            unseen_marks=self.runner.unseen_marks,
            handler_errors=self.runner.errors,
            undecodable=self.undecodable,
        )

    def __aiter__(self) -> AsyncIterator[Item_co | Mark]:
        if self.delivery.handler is not None:
            allowed = "no handler where the subscription is iterated"
            raise self.as_told(ConfigurationError("handler", self.delivery.handler, allowed))
        return self

    async def __anext__(self) -> Item_co | Mark:
        if self.delivered >= self._look_at and self._is_others_turn():
            await asyncio.sleep(0)  # before anything is taken: a consumer cancelled here has lost nothing
            self._slice_began = self._looked = self._now()
        item = self.buffer.take()
        while item is EMPTY:
            if self.delivered:
                self.owner.check_loop()
            else:
                self.owner.wait_to_open(f"an iteration of {self.topic}")
            if not await self.buffer.wait():
                if self.buffer.error is not None:
                    await self.runner.tell_end()
                    raise self.buffer.error
                if self.ended_reason is not None:
                    raise self.as_told(SubscriptionEnded(self.topic, self.ended_reason))
                raise StopAsyncIteration
            self._slice_began = self._looked = self._now()
            self._look_at = 0
            item = self.buffer.take()
        taken: Item_co | Mark = self.taken(item)
        return taken

    def batches(self, limit: int = 1_000) -> AsyncIterator[list[Item_co | Mark]]:
        """Iterate in lists of what is there, at most `limit` items each: one wakeup for many.

        A batch is shorter where more would be decoded than everybody else can wait for. A wait that is cancelled loses
        nothing and ends nothing.
        """
        if limit < 1:
            raise self.as_told(ConfigurationError("limit", limit, "a whole number from 1"))
        return _Batches(aiter(self), partial(self._fill, limit=limit))

    def _fill(self, batch: list[Any], *, limit: int) -> list[Item_co | Mark]:
        """What can be taken at once, behind the first."""
        enough = min(limit, _LOOK_EVERY)
        while True:
            while len(batch) < enough and (item := self.buffer.take()) is not EMPTY:
                batch.append(self.taken(item))
            if len(batch) < enough or enough == limit or self._now() - self._slice_began > SLICE_SECONDS:
                break
            enough = min(limit, enough + _LOOK_EVERY)
        self._look_at = 0
        return batch

    def __repr__(self) -> str:
        return f"<Subscription {self.topic} {self.state} buffered={len(self.buffer)} dropped={self.buffer.dropped}>"

    # --- what the session calls -------------------------------------------------------------------------------------

    def deliver_mark(self, mark: Mark) -> None:
        """A mark takes its place behind what was delivered."""
        if self.delivery.inline:
            self.runner.call_inline(mark)
        else:
            self.buffer.put_mark(mark)

    def deliver_past(self, items: Sequence[Any]) -> None:
        """What came before anything that is held now: it passes the hold, and does not overflow the buffer."""
        self.buffer.allow(sum(not is_mark(item) for item in items))
        for item in items:
            (self.deliver_mark if is_mark(item) else self._consume)(item)

    def hold(self, now_ns: int) -> None:
        """Hold what is delivered from now on: a snapshot is about to be asked for."""
        assert self.seeding is not None
        self.seeding.begin(now_ns)
        self.deliver = self.seeding.keep

    def expect(self, count: int) -> None:
        """So many publications follow at one blow, missed or held: they do not overflow the buffer meant for them."""
        if count and (self.seeding is None or self.seeding.hold is None):
            self.buffer.allow(count)

    def release(self, items: list[Any]) -> None:
        """The hold is over with these items: deliver them, and then what follows the snapshot among them."""
        for item in items:
            if is_mark(item):
                self.seeded = isinstance(item, Resynced)
        ahead = self.seeding is not None and self.seeding.is_ahead
        self.deliver = self._deliver_if_news if ahead else self._consume
        picked = bool(items) and isinstance(items[0], Resynced)  # `reconcile` has seen what follows it here
        self.expect(sum(not is_mark(item) for item in items))
        for item in items:
            (self.deliver_mark if is_mark(item) else self._consume if picked else self.deliver)(item)

    def finish(self, error: BaseException | None, reason: str | None = None) -> None:
        """Nothing more comes; `error` is raised to whoever iterates, behind what is buffered."""
        if not self.buffer.ended:
            error = None if error is None else self.as_told(error)
            self.error, self.ended_reason = error, reason
            self.buffer.end(error)
            if error is not None and self.delivery.on_error is not None:
                if self.delivery.inline:
                    self.runner.tell_inline(error, None)
                else:
                    self.owner.expect_end(self)

    def move_to(self, owner: Owner) -> None:
        """Another session of a pool serves it from now on."""
        self.owner = owner

    def drop_backlog(self) -> None:
        """The time for what is buffered is over: the handler is called with no more of it."""
        if lost := self.buffer.clear():
            logger.warning(
                "%s: %d publications that were buffered are not handled any more: handler %s had no time for them",
                *(self.topic, lost, name_of(self.delivery.handler)),
            )

    def taken(self, item: Any) -> Any:
        """What was taken of the buffer, counted and decoded: what its consumer gets."""
        if is_mark(item):
            self.marks += 1
            return item
        self.delivered += 1
        if self._numbered:
            try:
                if item.offset:
                    self.last = item
            except AttributeError:
                self._numbered = False
        decode = self._decode
        if decode is None:
            return item
        try:
            return decode(item)
        except (Exception, asyncio.CancelledError) as error:  # whatever it is, it is that function's
            self.undecodable += 1
            self.delivered -= 1
            self._look_at = 0
            self.marks += 1
            detail = f"{type(error).__name__}: {error}".removesuffix(": ")[:200]
            if is_worth_a_line(self.undecodable, 10):
                logger.warning(
                    "%s: publication no. %d could not be decoded: %s",
                    *(self.topic, self.undecodable, shown(detail)),
                )
            now_ns = self.owner.now_ns()
            return Gap(reason="undecodable", since_ns=now_ns, until_ns=now_ns, missed=1, detail=detail)

    # --- inside -----------------------------------------------------------------------------------------------------

    def _deliver_if_news(self, publication: Any) -> None:
        """Until the stream has caught up with a snapshot that was ahead of it."""
        assert self.seeding is not None
        try:
            if not self.seeding.follows(publication):
                return
        except (Exception, asyncio.CancelledError) as error:
            detail = f"reconcile raised {type(error).__name__}: {error}"[:200]
            logger.warning("%s: %s", self.topic, shown(detail))
            now_ns = self.owner.now_ns()
            self.deliver_mark(Gap(reason="reseed failed", since_ns=now_ns, until_ns=now_ns, detail=detail))
            self.seeded = False
            self.seeding.forget_snapshot()
            self.owner.rebuild(self)
        if not self.seeding.is_ahead:
            self.deliver = self._consume
            self.owner.reroute(self)
        self._consume(publication)

    def _is_others_turn(self) -> bool:
        """True where an iteration has gone on for its slice without a wait; and when to look again."""
        now = self._now()
        self._look_at = self.delivered + _QUICK_ITEMS if now - self._looked < SLICE_SECONDS / 10 else 0
        self._looked = now
        return now - self._slice_began > SLICE_SECONDS and bool(self.buffer)

    def _full(self) -> None:
        if self.delivery.policy == "fail":
            self.owner.fail(self, BufferOverflow(self.topic, self.delivery.capacity))
        elif self.delivery.policy == "resync":
            self.owner.rebuild(self, "the consumer fell behind")
        else:
            self.owner.block(self)

    def _relieved(self) -> None:
        self.owner.relieve(self)

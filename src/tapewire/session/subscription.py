"""What a subscriber holds: a `Subscription` to iterate, or one that calls a handler.

Rules: the reader never awaits user code. `deliver` is called inside a read and only buffers (or, for a handler that
opted in with `inline=True`, calls a synchronous function whose own calls back only enqueue). Everything else happens
off the reader: decoding and iterating (`consumer.py`), and the calling of handlers (`handlers.py`). A
subscription has a consumer for itself, or is one of those that feed one (`into=`): the marks and the end of its topic
reach that, and it can be left without the others.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Hashable, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeAlias

import msgspec

from ..arguments import check_function, check_seconds
from ..clock import Clock
from ..errors import BufferOverflow, ConfigurationError, SubscriptionEnded, TapewireError
from ..marks import Gap, Mark, Resynced, is_mark
from ..protocols.base import StreamPosition
from ..reporting import name_of
from ..secrets import sanitized
from ..streams.source import Poll
from .buffers import Buffer, Policy
from .consumer import Consumer, Item_co
from .holds import Seeding
from .options import ErrorHook, SubscriptionStatistics

__all__ = ["Delivery", "Handler", "MarkHandler", "Owner", "Runner", "Subscription", "delivery_into"]

logger = logging.getLogger("tapewire.session")

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
    in order, off the reader; a plain function or a coroutine function. `on_mark`: called with each mark; without
    it a handler's marks are logged, but for a snapshot, which goes to `on_snapshot`. `on_error`, plain or async: called
    with an exception of the handler and what it was called with; with the exception that ends the subscription
    (and None) when all that was delivered before is consumed, by the handler or by whoever iterates, five seconds
    after the end at the latest; and with a refusal (and None) that nobody waits for and that ends nothing, for
    it is `retryable`: the topic is asked for again. `announce`: the subscription's own state comes
    among the marks (`Subscribing` at once when it is asked for and when it is lost, `Subscribed`, `Errored`,
    `Unsubscribed`); whoever waits for the confirmation is then not raised a refusal that may pass, and goes on waiting.
    `decode`: from the wire's publication to yours, when it is taken; `Items` where it is none or many. `inline`: call a
    plain `handler`, `on_mark` and `on_error` inside the read: fastest, and they must return at once; what they call
    back happens when the read is over. `snapshot`: an async function that fetches the state from which the stream
    continues; `reconcile(snapshot, publications)` picks those that follow it, of what was held meanwhile and then of
    each that comes until the stream is past the snapshot; `snapshot_timeout` in seconds.

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
        if self.inline and (self.handler is None or inspect.iscoroutinefunction(self.handler)):
            raise ConfigurationError("inline", True, "only with a plain (not async) function as handler")
        for name, (takes, plain, of_handler) in _FUNCTIONS.items():
            function = getattr(self, name)
            if function is None:
                continue
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


_OF_A_TOPIC = ("announce", "on_error", "reconcile", "snapshot", "snapshot_timeout")
"""Fields of a `Delivery` that a topic has for itself where many feed one consumer."""


def delivery_into(consumer: Consumer[Any], fields: Mapping[str, Any]) -> Delivery:
    """The delivery of one topic of `consumer`'s. Raises ConfigurationError for a field that is the consumer's."""
    for name, value in fields.items():
        if name not in _OF_A_TOPIC:
            raise ConfigurationError(name, value, f"with into, only {', '.join(_OF_A_TOPIC)}")
    if consumer.buffer.ended:
        raise ConfigurationError("into", consumer, "a consumer that has not ended")
    return Delivery(policy=consumer.policy, capacity=consumer.buffer.capacity, key=consumer.key, **fields)


def _as_it_is(error: BaseException) -> BaseException:
    return error


class Subscription(Generic[Item_co]):
    """One consumer's side of a topic. Made by `Session.subscribe`; iterate it, or give it a handler.

    `async for item in subscription` yields publications and marks (`tapewire.is_mark` tells them apart), ends with
    `unsubscribe()` or the session, and raises what ended it otherwise: SubscriptionEnded where the venue did. Only one
    task may iterate at a time.
    """

    __slots__ = (
        "__weakref__",
        "_consume",
        "_put_last",
        "as_told",
        "consumer",
        "deliver",
        "delivery",
        "ended",
        "ended_reason",
        "error",
        "is_shared",
        "owner",
        "pending",
        "runner",
        "seeded",
        "seeding",
        "start",
        "strict",
        "topic",
    )

    def __init__(
        self,
        topic: str,
        delivery: Delivery,
        owner: Owner,
        *,
        runner: Callable[[Subscription[Any]], Runner],
        clock: Clock,
        strict: bool = False,
        errors: Callable[[BaseException], BaseException] | None = None,
        into: Consumer[Any] | None = None,
    ) -> None:
        self.topic: str = topic
        self.as_told: Callable[[BaseException], BaseException] = errors or _as_it_is
        """What its user gets of an error."""
        self.delivery: Delivery = delivery
        self.strict: bool = strict
        self.seeding: Seeding | None = Seeding(delivery.reconcile) if delivery.snapshot is not None else None
        self.is_shared: bool = into is not None
        """True where other topics may feed the consumer too."""
        self.consumer: Consumer[Item_co] = into or Consumer(
            topic,
            policy=delivery.policy,
            capacity=delivery.capacity,
            key=delivery.key,
            decode=delivery.decode,
            names_topics=False,
            clock=clock,
        )
        self.consumer.add(self)
        self.runner: Runner = runner(self)
        put = self._put if self.is_shared else self.consumer.put
        self._consume: Callable[[Any], None] = self.runner.call_inline if delivery.inline else put
        self.deliver: Callable[[Any], None] = self._consume
        """Where the reader puts a publication now; changes while a snapshot is awaited."""
        self.pending: bool = True
        """True until its owner's turn has come to want it."""
        self.ended: bool = False
        """True once nothing more is delivered. What is buffered can still be taken."""
        self.error: BaseException | None = None
        self.ended_reason: str | None = None
        """Why the venue ended it, if it did."""
        self.seeded: bool = False
        """True once a snapshot has been delivered and no failed one since."""
        self.start: StreamPosition | None = None
        """Where the stream stood before the first publication that can be taken, where that is known."""
        self.owner: Owner = owner
        self._put_last: Any = None  # into a consumer with other topics

    # --- what the owner calls ---------------------------------------------------------------------------------------

    @property
    def state(self) -> str:
        """`unsubscribed`, `subscribing` or `subscribed`."""
        return self.owner.public_state(self)

    @property
    def buffer(self) -> Buffer:
        """What is delivered and not yet taken."""
        return self.consumer.buffer

    @property
    def delivered(self) -> int:
        """Items that its consumer has taken."""
        return self.consumer.delivered

    @property
    def marks(self) -> int:
        """Marks that its consumer has taken."""
        return self.consumer.marks

    @property
    def undecodable(self) -> int:
        """Publications that its consumer could not decode."""
        return self.consumer.undecodable

    @property
    def was_left(self) -> bool:
        """True once its consumer left it, and neither the venue nor an error ended it."""
        return self.ended and self.error is None and self.ended_reason is None

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
        last = self._put_last if self.is_shared else self.consumer.last
        if last is None:
            return self.start
        offset, epoch = last.offset, getattr(last, "epoch", "")
        if self.is_shared or self.delivery.policy == "conflate":
            left = [
                item.offset
                for item in self.buffer.waiting()
                if not is_mark(item) and item.topic == self.topic and getattr(item, "epoch", "") == epoch
            ]
            offset = min([offset, *(each - 1 for each in left)])
        return StreamPosition(offset, epoch)

    @property
    def is_untouched(self) -> bool:
        """True while nothing of it was put or taken."""
        if self.is_shared:
            return self._put_last is None
        return not self.delivered and not len(self.buffer)

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
        return self.delivery.handler is None and self.consumer.is_iterated

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
        if not self.ended:
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
        self._check_no_handler()
        return self.consumer

    def __anext__(self) -> Awaitable[Item_co | Mark]:
        return self.consumer.__anext__()

    def batches(self, limit: int = 1_000) -> AsyncIterator[list[Item_co | Mark]]:
        """Iterate in lists of what is there, at most `limit` items each: one wakeup for many.

        A batch is shorter where more would be decoded than everybody else can wait for. A wait that is cancelled loses
        nothing and ends nothing.
        """
        try:
            return self.consumer.batches(limit)
        except ConfigurationError as error:
            raise self.as_told(error) from None

    def polling(self) -> Poll[Item_co | Mark]:
        """How to take without a wait, for whoever takes of many at once (`tapewire.merge`)."""
        self._check_no_handler()
        return self.consumer.polling()

    def __repr__(self) -> str:
        return f"<Subscription {self.topic} {self.state} buffered={len(self.buffer)} dropped={self.buffer.dropped}>"

    # --- what the session calls -------------------------------------------------------------------------------------

    def deliver_mark(self, mark: Mark) -> None:
        """A mark takes its place behind what was delivered."""
        if self.delivery.inline:
            self.runner.call_inline(mark)
        elif not self.ended:
            self.consumer.put_mark(mark, self.topic)

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
        if not self.ended:
            self.ended = True
            error = None if error is None else self.as_told(error)
            self.error, self.ended_reason = error, reason
            ended_by_venue = None if reason is None else self.as_told(SubscriptionEnded(self.topic, reason))
            self.consumer.part(self, error or ended_by_venue)
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
        if lost := self.consumer.drop():
            logger.warning(
                "%s: %d publications that were buffered are not handled any more: handler %s had no time for them",
                *(self.topic, lost, name_of(self.delivery.handler)),
            )

    def taken(self, item: Any) -> Any:
        """What was taken of the buffer, counted and decoded: what its consumer gets."""
        return self.consumer.taken(item)

    # --- what its consumer calls ------------------------------------------------------------------------------------

    def awaited(self) -> None:
        """It is about to wait for something to come. Raises WrongLoop."""
        if self.delivered:
            self.owner.check_loop()
        else:
            self.owner.wait_to_open(f"an iteration of {self.consumer.name}")

    def full(self) -> None:
        """Do as the policy of its buffer says."""
        if self.delivery.policy == "fail":
            self.owner.fail(self, BufferOverflow(self.consumer.name, self.delivery.capacity))
        elif self.delivery.policy == "resync":
            self.owner.rebuild(self, "the consumer fell behind")
        elif self.delivery.policy == "block":
            self.owner.block(self)

    def relieved(self) -> None:
        """Policy `block`: there is room again."""
        self.owner.relieve(self)

    async def tell_end(self) -> None:
        """What ended it is about to be raised."""
        await self.runner.tell_end()

    # --- inside -----------------------------------------------------------------------------------------------------

    def _check_no_handler(self) -> None:
        if self.delivery.handler is not None:
            allowed = "no handler where the subscription is iterated"
            raise self.as_told(ConfigurationError("handler", self.delivery.handler, allowed))

    def _deliver_if_news(self, publication: Any) -> None:
        """Until the stream has caught up with a snapshot that was ahead of it."""
        assert self.seeding is not None
        try:
            if not self.seeding.follows(publication):
                return
        except (Exception, asyncio.CancelledError) as error:
            detail = f"reconcile raised {type(error).__name__}: {error}"[:200]
            logger.warning("%s: %s", self.topic, sanitized(detail))
            now_ns = self.owner.now_ns()
            self.deliver_mark(Gap(reason="reseed failed", since_ns=now_ns, until_ns=now_ns, detail=detail))
            self.seeded = False
            self.seeding.forget_snapshot()
            self.owner.rebuild(self)
        if not self.seeding.is_ahead:
            self.deliver = self._consume
            self.owner.reroute(self)
        self._consume(publication)

    def _put(self, publication: Any) -> None:
        """Into a consumer that other topics feed too, which goes on when this one is left."""
        if not self.ended:
            if getattr(publication, "offset", 0):
                self._put_last = publication
            self.consumer.put(publication)

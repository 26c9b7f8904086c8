"""The bounded buffer between the reader and one consumer, and what each policy does when it is full.

Rules:

* What is buffered is undecoded; `put` never waits and never raises. One wakeup serves all that one read brought.
* `capacity` counts publications that come live. What comes at one blow, as a replay does, has room of its own for as
  long as it lies here, up to `MAX_ALLOWED`.
* Overflow never drops a mark: marks that meet are absorbed into a run of at most one of each kind, so that eight marks
  before each publication and behind the last are the very worst.
* What a policy drops is counted and said where it happened by a `Lagged` mark.

============  ====================================================================================================
drop_oldest   the oldest publication goes
drop_newest   the newest one does not come in
conflate      a newer publication of the same key takes the older one's place; only for full replacements
resync        everything goes, and what comes until the consumer is through; then the owner rebuilds from a snapshot or
              subscribes anew: never more often than somebody takes what that brings
block         nothing goes; the owner stops reading until half is consumed
fail          the subscription ends with `BufferOverflow`
============  ====================================================================================================
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Hashable, Iterator
from typing import Any, ClassVar, Final, Literal, TypeAlias

from ..errors import ConfigurationError
from ..marks import MARK_KINDS, Lagged, Mark, is_mark, merge
from ..streams.source import Waiter

__all__ = ["ASKING", "EMPTY", "POLICIES", "Buffer", "Policy", "make_buffer", "of_one_key"]

Policy: TypeAlias = Literal["drop_oldest", "drop_newest", "conflate", "resync", "block", "fail"]

logger = logging.getLogger("tapewire.session")

MAX_ALLOWED = 20_000
"""Publications of replays that may lie in one buffer beside its capacity."""

AWAITING_ROOM = 1_000
"""Publications beyond its capacity that a full buffer of policy `block` may hold while a reply is awaited."""

_SLACK = 64

EMPTY: Any = object()
"""What `take` returns where there is nothing to take now."""

_NONE: Final[deque[Any]] = deque(maxlen=0)
"""The queue of every buffer that nothing was put into: an empty one of its own costs more than all else of it."""


def _nothing() -> None:
    """Of a buffer whose policy wants nothing of its owner."""


def absorb(run: list[Mark], mark: Mark) -> None:
    """Append `mark` to a run of adjacent marks, merged with the one of its kind if there is one.

    The merged mark stands last: whether state is lost or back is said by whichever came last.
    """
    for index, earlier in enumerate(run):
        merged = merge(earlier, mark)
        if merged is not None:
            del run[index]
            run.append(merged)
            return
    run.append(mark)


class Buffer:
    """Policy `drop_oldest`, and the shape of them all. One consumer takes; the reader puts."""

    __slots__ = (
        "_allowed",
        "_head",
        "_head_lost",
        "_items",
        "_on_full",
        "_on_relief",
        "_room",
        "_waiter",
        "capacity",
        "dropped",
        "ended",
        "error",
    )

    policy: ClassVar[Policy] = "drop_oldest"

    def __init__(self, capacity: int, on_full: Callable[[], None], on_relief: Callable[[], None]) -> None:
        self.capacity: int = capacity
        self.dropped: int = 0
        self.ended: bool = False
        self.error: BaseException | None = None
        self._items: deque[Any] = _NONE
        # The length of `_items` at which it is full: `capacity`, the marks in it, and what is allowed beside.
        self._room = capacity
        # [publications to take before it, publications of one replay].
        self._allowed: tuple[list[int], ...] = ()
        self._head: list[Mark] | None = None  # marks that stood before dropped publications
        self._head_lost = 0  # dropped behind those marks and before the first item
        self._waiter: Waiter | None = None
        self._on_full = on_full
        self._on_relief = on_relief

    def put(self, item: Any) -> None:
        """A publication arrives."""
        items = self._items
        if items is _NONE:
            items = self._items = deque()
        if len(items) < self._room:
            items.append(item)
        else:
            self._overflow(item)
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            if not waiter.done():
                waiter.set_result(None)

    def allow(self, count: int) -> None:
        """The `count` publications that come now were missed, or held for us: they do not count as live ones do."""
        allowed = sum(replay for _, replay in self._allowed)
        count = min(count, MAX_ALLOWED - allowed)
        if count > 0 and not self.ended:
            marks = self._room - self.capacity - allowed
            publications = len(self._items) - marks
            before = publications - sum(before + replay for before, replay in self._allowed)
            self._allowed = (*self._allowed, [max(0, before), count])
            self._room += count

    def put_mark(self, mark: Mark) -> None:
        """A mark arrives: it is never dropped."""
        if self.ended:
            return
        items = self._items
        if items is _NONE:
            items = self._items = deque()
        run: list[Mark] = []
        while items and items[-1].__class__ in MARK_KINDS:
            run.insert(0, items.pop())
        if run:
            self._room -= len(run)
            absorb(run, mark)
            self._room += len(run)
            items.extend(run)
        else:
            self._room += 1
            items.append(mark)
        if self._waiter is not None:
            self._wake()

    def end(self, error: BaseException | None = None) -> None:
        """Nothing more comes. What is buffered can still be taken; then `error` is raised, if there is one."""
        if not self.ended:
            self.ended, self.error = True, error
            self._room = 0  # every later put goes the slow way, which ignores it
            self._wake()

    def clear(self) -> int:
        """Drop every publication, keep every mark. Returns how many were dropped."""
        lost = 0
        for item in self._items:
            if is_mark(item):
                self._put_first(item)
            else:
                lost += 1
        self._items.clear()
        self._allowed = ()
        self._room = 0 if self.ended else self.capacity
        self.dropped += lost
        return lost

    def take(self) -> Any:
        """The next publication or mark, or EMPTY."""
        if self._head_lost or self._head:
            return self._take_head()
        if not self._items:
            return EMPTY
        item = self._items.popleft()
        if self._room > self.capacity:
            self._give_back_room(item)
        return item

    def take_or_tell(self, waiter: Waiter) -> Any:
        """As `take`; where that is EMPTY and it has not ended, `waiter` is told as by `tell`."""
        if self._room == self.capacity and not self._head_lost and not self._head:
            if self._items:
                return self._items.popleft()
            if self._waiter is None:
                self._items, self._waiter = _NONE, waiter
                return EMPTY
        return self._take_or_tell(waiter)

    def _take_or_tell(self, waiter: Waiter) -> Any:
        item = self.take()
        if item is EMPTY and not self.ended:
            self.tell(waiter)
        return item

    async def wait(self) -> bool:
        """Wait until something can be taken: True; or until the end: False.

        Raises ConfigurationError where another task waits already: only one may consume at a time.
        """
        while not self._items and not self:
            if self.ended:
                return False
            waiter = asyncio.get_running_loop().create_future()
            self.tell(waiter)
            try:
                await waiter
            finally:
                if self._waiter is waiter:
                    self._waiter = None
        return True

    def tell(self, waiter: Waiter) -> None:
        """Nothing can be taken: tell `waiter`, once, when something can, or nothing more comes. Raises as `wait`."""
        if self._waiter is not None and not self._waiter.done():
            raise ConfigurationError("consumer", "a second task", "one task at a time for each subscription")
        self._items = _NONE
        self._waiter = waiter

    @property
    def is_awaited(self) -> bool:
        """True while a consumer waits for the next item."""
        return self._waiter is not None and not self._waiter.done()

    def waiting(self) -> Iterator[Any]:
        """What can still be taken, marks among it, in no order that matters."""
        return iter(self._items)

    @property
    def is_brimful(self) -> bool:
        """True where not even an awaited reply is worth what else would come in."""
        return len(self._items) >= self._room + AWAITING_ROOM

    def __len__(self) -> int:
        return len(self._items)

    def __bool__(self) -> bool:
        return bool(self._items or self._head or self._head_lost)

    def _overflow(self, item: Any) -> None:
        if not self.ended:
            self._drop_first()
            self._items.append(item)

    def _drop_first(self) -> Any:
        items = self._items
        while is_mark(items[0]):
            self._put_first(items.popleft())
            self._room -= 1
        self._head_lost += 1
        self.dropped += 1
        return items.popleft()

    def _put_first(self, mark: Mark) -> None:
        """It stood before what is dropped."""
        if self._head is None:
            self._head = []
        absorb(self._head, mark)

    def _take_head(self) -> Mark:
        if self._head:
            return self._head.pop(0)
        lost, self._head_lost = self._head_lost, 0
        return Lagged(dropped=lost, policy=self.policy)

    def _give_back_room(self, item: Any) -> None:
        """`item` was taken: the room that it had beside the capacity goes with it."""
        if item.__class__ in MARK_KINDS:
            self._room -= 1
        elif self._allowed:
            replay = self._allowed[0]
            if replay[0]:
                replay[0] -= 1
            else:
                replay[1] -= 1
                self._room -= 1
                if not replay[1]:
                    self._allowed = self._allowed[1:]
        if not self._items:
            self._items = _NONE  # marks are seldom followed by more at once
            if self._allowed:  # some of it was dropped, or never came
                self._allowed = ()
                self._room = self.capacity

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)


class _DropNewest(Buffer):
    __slots__ = ("_tail_lost",)

    policy: ClassVar[Policy] = "drop_newest"
    take_or_tell = Buffer._take_or_tell

    def __init__(self, capacity: int, on_full: Callable[[], None], on_relief: Callable[[], None]) -> None:
        super().__init__(capacity, on_full, on_relief)
        self._tail_lost = 0

    def put(self, item: Any) -> None:
        if self._tail_lost and len(self._items) < self._room:
            lost, self._tail_lost = self._tail_lost, 0
            self.put_mark(Lagged(dropped=lost, policy=self.policy))
        super().put(item)

    def put_mark(self, mark: Mark) -> None:
        if self._tail_lost and not self.ended:
            lost, self._tail_lost = self._tail_lost, 0
            super().put_mark(Lagged(dropped=lost, policy=self.policy))
        super().put_mark(mark)

    def take(self) -> Any:
        item = super().take()
        if item is EMPTY and self._tail_lost:
            lost, self._tail_lost = self._tail_lost, 0
            return Lagged(dropped=lost, policy=self.policy)
        return item

    def __bool__(self) -> bool:
        return bool(self._tail_lost) or super().__bool__()

    def _overflow(self, item: Any) -> None:
        if not self.ended:
            self._tail_lost += 1
            self.dropped += 1


class _Conflate(Buffer):
    """Items are one-element lists, so that a newer publication can take the place of an older one in the queue.

    A list that was taken or dropped is emptied: it is no longer a place to take. Where `key` raises, the publication
    is queued for itself: nothing of it is lost, and the reader goes on.
    """

    __slots__ = ("_key", "_slots", "conflated")

    policy: ClassVar[Policy] = "conflate"
    take_or_tell = Buffer._take_or_tell

    def __init__(self, capacity: int, on_full: Any, on_relief: Any, key: Callable[[Any], Hashable]) -> None:
        super().__init__(capacity, on_full, on_relief)
        self._key = key
        self._slots: dict[Hashable, list[Any]] = {}  # of publications behind the last mark only
        self.conflated = 0

    def put(self, item: Any) -> None:
        if self.ended:
            return
        slot = [item]
        try:
            key = self._key(item)
            waiting = self._slots.get(key)
            if waiting:
                waiting[0] = item
                self.conflated += 1
                return
            self._slots[key] = slot
        except (Exception, asyncio.CancelledError):
            logger.warning("a key function raised; its publication is not conflated", exc_info=True)
        super().put(slot)
        if len(self._slots) > 2 * self.capacity + _SLACK:
            self._slots = {key: slot for key, slot in self._slots.items() if slot}

    def put_mark(self, mark: Mark) -> None:
        self._slots.clear()  # what comes behind a mark never takes a place before it
        super().put_mark(mark)

    def take(self) -> Any:
        item = super().take()
        if item.__class__ is not list:
            return item
        publication = item[0]
        item.clear()
        return publication

    def waiting(self) -> Iterator[Any]:
        return (item[0] if item.__class__ is list else item for item in self._items)

    def _drop_first(self) -> Any:
        super()._drop_first().clear()


class _Newest(_Conflate):
    """Where every publication is of one key: the only place to take is the one behind the last mark."""

    __slots__ = ("_slot",)

    def __init__(self, capacity: int, on_full: Any, on_relief: Any, key: Callable[[Any], Hashable]) -> None:
        super().__init__(capacity, on_full, on_relief, key)
        self._slot: list[Any] = []

    def put(self, item: Any) -> None:
        slot = self._slot
        if slot:
            slot[0] = item
            self.conflated += 1
        elif not self.ended:
            self._slot = slot = [item]
            Buffer.put(self, slot)

    def put_mark(self, mark: Mark) -> None:
        self._slot = []
        Buffer.put_mark(self, mark)

    def end(self, error: BaseException | None = None) -> None:
        self._slot = []
        super().end(error)

    def clear(self) -> int:
        self._slot = []
        return super().clear()


class _Resync(Buffer):
    """What comes between the overflow and the consumer's being through with what is left would be dropped again."""

    __slots__ = ("_overflown",)

    policy: ClassVar[Policy] = "resync"
    take_or_tell = Buffer._take_or_tell

    def __init__(self, capacity: int, on_full: Callable[[], None], on_relief: Callable[[], None]) -> None:
        super().__init__(capacity, on_full, on_relief)
        self._overflown = False

    def put(self, item: Any) -> None:
        if self._overflown and not self.ended:
            self.dropped += 1
            self._lose(1)
            self._wake()
        else:
            super().put(item)

    def take(self) -> Any:
        item = super().take()
        if self._overflown and item is not EMPTY and not self:
            self._overflown = False
            self._on_full()
        return item

    def _overflow(self, item: Any) -> None:
        if not self.ended:
            self._overflown = True
            self._lose(self.clear() + 1)
            self.dropped += 1

    def _lose(self, count: int) -> None:
        self._put_first(Lagged(dropped=count, policy=self.policy))


class _Block(Buffer):
    """Holds what one read brings beyond its capacity: the bound is the capacity and one read of the transport.

    The owner is told of each that comes in beyond it, for it may have another connection by then. While a reply is
    awaited it may read on, until `AWAITING_ROOM` more are here.
    """

    __slots__ = ("blocked",)

    policy: ClassVar[Policy] = "block"
    take_or_tell = Buffer._take_or_tell

    def __init__(self, capacity: int, on_full: Callable[[], None], on_relief: Callable[[], None]) -> None:
        super().__init__(capacity, on_full, on_relief)
        self.blocked = False

    def take(self) -> Any:
        item = super().take()
        if self.blocked and len(self._items) - (self._room - self.capacity) <= self.capacity // 2:
            self._relieve()
        return item

    def end(self, error: BaseException | None = None) -> None:
        super().end(error)
        if self.blocked:
            self._relieve()  # a consumer that left holds up nobody

    def _relieve(self) -> None:
        self.blocked = False
        self._on_relief()

    def _overflow(self, item: Any) -> None:
        if not self.ended:
            self._items.append(item)
            self.blocked = True
            self._on_full()


class _Fail(Buffer):
    __slots__ = ()

    policy: ClassVar[Policy] = "fail"

    def _overflow(self, item: Any) -> None:
        if not self.ended:
            self.dropped += 1
            self._on_full()


_KINDS: dict[str, type[Buffer]] = {
    "drop_oldest": Buffer,
    "drop_newest": _DropNewest,
    "resync": _Resync,
    "block": _Block,
    "fail": _Fail,
}

POLICIES = ("drop_oldest", "drop_newest", "conflate", "resync", "block", "fail")

ASKING = ("resync", "block", "fail")
"""The policies that want something of their owner when the buffer is full."""


def of_one_key(publication: Any) -> None:
    """The `key` of a stream of which the newest publication is all that counts."""


def make_buffer(
    policy: str,
    capacity: int,
    *,
    on_full: Callable[[], None] = _nothing,
    on_relief: Callable[[], None] = _nothing,
    key: Callable[[Any], Hashable] | None = None,
) -> Buffer:
    """A buffer of `policy`. Raises ConfigurationError naming the argument that is wrong."""
    if policy not in POLICIES:
        raise ConfigurationError("policy", policy, POLICIES)
    if type(capacity) is not int or not 1 <= capacity <= 10_000_000:
        raise ConfigurationError("capacity", capacity, "a whole number of publications from 1 to 10000000")
    if policy == "conflate":
        if key is None:
            raise ConfigurationError("key", key, "with policy 'conflate': a function of a publication")
        kind = _Newest if key is of_one_key else _Conflate
        return kind(capacity, on_full, on_relief, key)
    if key is not None:
        raise ConfigurationError("key", key, "only with policy 'conflate'")
    return _KINDS[policy](capacity, on_full, on_relief)

"""`Stream`: what every `stream_...` method gives, and what makes messages of what its consumer takes.

Rules: a stream asks for its topics when it is first waited for, all of them into one consumer (`session/consumer.py`).
It leaves them when it is closed, when the task that iterates it is cancelled, when nobody holds it any more, and when
one of its topics ends, whose error it then raises.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from functools import partial
from typing import Any, Final, Self, TypeAlias

from ...arguments import check_function
from ...clock import Clock
from ...marks import Gap, Mark, is_mark
from ...session.buffers import EMPTY, Policy
from ...session.consumer import Consumer, Items, Iteration
from ...session.subscription import MarkHandler
from .errors import ERRORS, WEEXInvalidArgument
from .message import WeexMessage

__all__ = ["Convert", "Reader", "Stream"]

logger = logging.getLogger("tapewire.venues.weex")

Spoiled: TypeAlias = Callable[[Exception], None]
"""Told of each row that is corrupt: a gap says where it was."""

Convert: TypeAlias = Callable[[Any, Spoiled], WeexMessage | Items | Coroutine[Any, Any, Items]]
"""From what was buffered (a frame, a book, a mark that holds a snapshot) to messages."""

POLICIES: Final = ("drop_oldest", "drop_newest", "fail")
_LOGGED: Final = 10


class Reader:
    """What a stream's consumer takes, as messages: by `convert`; marks as calls, or as lines of the log.

    `replaces`: each item is all that is to know of its topic, so that policy `conflate` loses nothing but time.
    """

    def __init__(
        self,
        name: str,
        convert: Convert,
        *,
        policy: Policy,
        capacity: int,
        on_mark: MarkHandler | None = None,
        clock: Clock,
        replaces: bool = False,
        on_ended: Callable[[Consumer[WeexMessage]], Any] = lambda consumer: None,
    ) -> None:
        allowed = (*POLICIES, "conflate") if replaces else POLICIES
        if policy not in allowed:
            raise WEEXInvalidArgument("policy", policy, allowed)
        check_function("on_mark", on_mark, 1)
        self.unseen_marks: int = 0
        self._convert = convert
        self._tells = on_mark is not None
        self.consumer: Consumer[WeexMessage] = Consumer(
            name,
            policy=policy,
            capacity=capacity,
            key=(lambda item: item.topic) if policy == "conflate" else None,
            decode=self._read,
            decode_mark=self._read_mark,
            on_ended=lambda: on_ended(self.consumer),
            clock=clock,
        )
        self.items: AsyncIterator[Any] = self.consumer
        """What is iterated."""
        self.leave: Callable[[], None] = self.consumer.close
        if on_mark is not None:
            self.items = telling = _Telling(self.consumer, on_mark)
            self.leave = telling.close
        self._spoiled = self.consumer.spoiled

    def _read(self, item: Any) -> Any:
        made: Any = self._convert(item, self._spoiled)
        if self.consumer.made and isinstance(made, WeexMessage):
            return Items((made,))  # behind the gaps that were told of the other rows
        return made

    def _read_mark(self, mark: Mark) -> Any:
        if getattr(mark, "snapshot", None) is None:
            return self._marked(mark)
        self.consumer.make(self._marked(mark, is_seen=True))
        return self._read(mark)

    def _marked(self, mark: Mark, *, is_seen: bool = False) -> Items:
        """The mark for `on_mark`, or else a line in the log; `is_seen` where its snapshot is delivered in messages."""
        if self._tells:
            return Items([mark])
        if not is_seen:
            self.unseen_marks += 1
            if self.unseen_marks <= _LOGGED or not self.unseen_marks & (self.unseen_marks - 1):
                name, count = self.consumer.name, self.unseen_marks
                logger.warning("%s: %s (mark no. %d of this stream)", name, _line(mark, name), count)
        return Items()


@ERRORS.covers
class Stream(Iteration[WeexMessage]):
    """Iterate it: `async for message in client.stream_...(...)`. One task at a time.

    Leaving the loop leaves its topics, as soon as nobody holds the stream; `async with` or `aclose()` does so at once,
    and so does the end of a task that was cancelled in its `async for`. A wait that was cancelled alone, as by
    `asyncio.wait_for(anext(stream), 1)`, ends and loses nothing. Errors: what refused or ended one of its topics
    (`SubscriptionRefused`, `SubscriptionEnded`, `BufferOverflow`), what the line gave up for (`HandshakeRefused`,
    `GaveUp`), `SessionClosed` where the client was closed before. The end is raised once; then the iteration is over.
    """

    __slots__ = ("_reader",)

    def __init__(self, reader: Reader, begin: Callable[[Consumer[WeexMessage]], None]) -> None:
        consumer = reader.consumer
        super().__init__(consumer.name, reader.items, partial(begin, consumer), reader.leave, ERRORS.mapped)
        self._reader = reader

    async def confirmed(self) -> None:
        """Wait until the venue serves every topic: from now on nothing is missed.

        Do so before you place the order whose changes you mean to see. Raises what refused a topic or gave up the line,
        SessionClosed where the stream was left. Cancelled, it leaves the stream as it is.
        """
        self._ask()
        await self._reader.consumer.confirmed()

    @property
    def delivered(self) -> int:
        """Messages taken so far."""
        return self._reader.consumer.delivered

    @property
    def dropped(self) -> int:
        """Frames that the buffer's policy dropped so far, each said by a mark."""
        return self._reader.consumer.buffer.dropped

    @property
    def marks(self) -> int:
        """Marks so far, seen or only logged."""
        return self._reader.consumer.marks

    @property
    def unseen_marks(self) -> int:
        """Marks that were only logged, because the stream was made without `on_mark=`."""
        return self._reader.unseen_marks

    def __repr__(self) -> str:
        name = self._reader.consumer.name
        return f"<Stream {name} delivered={self.delivered} marks={self.marks} dropped={self.dropped}>"


class _Telling:
    """What a consumer gives, without the marks: `on_mark` is called with each of them in its place.

    A wait that is cancelled meanwhile leaves an async `on_mark` at work, and the next one waits for it. What it raises
    is its own failure, as that of any handler: it is logged, and all goes on.
    """

    def __init__(self, consumer: Consumer[Any], on_mark: MarkHandler) -> None:
        self._consumer = consumer
        self._on_mark = on_mark
        self._at_work: asyncio.Future[None] | None = None

    def __aiter__(self) -> Self:
        return self

    def at_once(self) -> Any:
        """As a consumer's: EMPTY also where a mark is told first."""
        if self._at_work is None and (item := self._consumer.at_once()) is not EMPTY:
            if not is_mark(item):
                return item
            self._at_work = asyncio.ensure_future(self._tell(item))
        return EMPTY

    async def __anext__(self) -> Any:
        while True:
            if self._at_work is not None:
                await asyncio.wait((self._at_work,))  # not cancelled with this wait
                self._at_work = None
            item = await anext(self._consumer)
            if not is_mark(item):
                return item
            self._at_work = asyncio.ensure_future(self._tell(item))

    def close(self) -> None:
        """Nobody waits any more."""
        if self._at_work is not None:
            self._at_work.cancel()
            self._at_work = None
        self._consumer.close()

    async def _tell(self, mark: Mark) -> None:
        try:
            told = self._on_mark(mark)
            if inspect.isawaitable(told):
                await told
        except Exception:
            logger.exception("%s: on_mark raised", self._consumer.name)


def _line(mark: Mark, name: str) -> str:
    """A mark for the log, behind the name of its stream."""
    if isinstance(mark, Gap):
        missed = "an unknown number of" if mark.missed is None else str(mark.missed)
        detail = mark.detail.removeprefix(name).removeprefix(": ")
        why = "; ".join(filter(None, (mark.reason, detail)))
        return f"gap ({why}): {missed} messages may be missing here"
    return repr(mark)[:200]

"""`Stream`: what every `stream_...` method gives: an async iterator over one bounded buffer.

Rules: the reader only puts frames into the buffer; they are decoded when they are taken. A stream asks for its topics
when it is first iterated. It leaves them when it is closed, when the task that iterates it is cancelled, when nobody
holds it any more, and when one of its topics ends, whose error it then raises. A wait that is cancelled (by a time-out)
ends nothing and loses nothing: the next one goes on where it was.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final, Self, TypeAlias

import msgspec

from ...errors import BufferOverflow, NotSubscribed, SessionClosed, SubscriptionRefused, fresh_copy
from ...marks import Gap, Mark, is_mark
from ...session.buffers import EMPTY, Buffer, Policy, make_buffer
from ...session.loop import SLICE_SECONDS, is_cancelled
from ..kit.holding import Holding
from .errors import ERRORS, WEEXInvalidArgument
from .message import WeexMessage

__all__ = ["Convert", "Source", "Stream", "StreamCore"]

logger = logging.getLogger("tapewire.venues.weex")

Convert: TypeAlias = Callable[[Any, "StreamCore"], Iterable[WeexMessage] | Awaitable[Iterable[WeexMessage]]]
"""From what was buffered (a frame, a book, a snapshot in a mark) to messages."""

POLICIES: Final = ("drop_oldest", "drop_newest", "fail")
_LOGGED: Final = 10


class Source:
    """Where a stream gets its items: `start` asks for them, `stop` leaves them. Each is called once at most."""

    def start(self, core: StreamCore) -> None:
        """Put items into `core` from now on."""

    async def confirmed(self) -> None:
        """Wait until the venue serves what was asked for. Raises what refused it."""

    def stop(self, core: StreamCore) -> None:
        """No more."""


class StreamCore:
    """The living part of a stream: buffer, counters, source. Sources and the client hold this, users hold `Stream`.

    `replaces`: each item is all that is to know of its topic, so that policy `conflate` loses nothing but time.
    """

    def __init__(
        self,
        name: str,
        source: Source,
        convert: Convert,
        *,
        policy: Policy,
        capacity: int,
        marks: bool,
        announce: bool = False,
        now_ns: Callable[[], int],
        replaces: bool = False,
        on_started: Callable[[StreamCore], Any] = lambda core: None,
        on_left: Callable[[StreamCore], Any] = lambda core: None,
    ) -> None:
        allowed = (*POLICIES, "conflate") if replaces else POLICIES
        if policy not in allowed:
            raise WEEXInvalidArgument("policy", policy, allowed)
        key = (lambda item: item.topic) if policy == "conflate" else None
        self.name = name
        self.buffer: Buffer = make_buffer(policy, capacity, on_full=self._overflowed, key=key)
        self.delivered: int = 0
        self.marks: int = 0
        self.unseen_marks: int = 0
        self.undecodable: int = 0
        self.now_ns = now_ns
        self.announces = announce
        """True where marks of the stream's own state are wanted: `Subscribing`, `Subscribed`."""
        self._with_marks = marks or announce
        self._source = source
        self._convert = convert
        self._pending: deque[WeexMessage] = deque()
        self._converting: asyncio.Future[Iterable[WeexMessage]] | None = None
        self.holding: Holding = Holding(name, self.leave, ERRORS.mapped)
        self._started = self._left = False
        self._slice_began = 0.0  # when it last waited
        self._on_started = on_started
        self._on_left = on_left

    # --- what sources call --------------------------------------------------------------------------------------------

    def put(self, item: Any) -> None:
        """An item arrives, inside the read."""
        if not item.received_at_ns:
            item.received_at_ns = self.now_ns()
        self.buffer.put(item)

    def put_mark(self, mark: Mark, topic: str = "") -> None:
        """A mark arrives, inside the read; a gap is told which topic it is of."""
        if isinstance(mark, Gap) and topic:
            detail = f"{topic}: {mark.detail}" if mark.detail else topic
            mark = msgspec.structs.replace(mark, detail=detail[:200])
        self.buffer.put_mark(mark)

    def fail(self, error: BaseException, item: Any = None) -> None:
        """It is over; `error` is raised behind what is buffered.

        An error beside an item, or one that may pass, ends nothing: the session logs it, and asks again.
        """
        if item is None and not (isinstance(error, SubscriptionRefused) and error.retryable):
            self.buffer.end(ERRORS.mapped(error))
            asyncio.get_running_loop().call_soon(self.leave)

    def end(self) -> None:
        """It is over, without an error."""
        self.buffer.end()
        self.leave()

    def spoiled(self, error: Exception) -> None:
        """A row of what is being converted is corrupt: it is said where it was."""
        self.undecodable += 1
        now_ns = self.now_ns()
        detail = f"{type(error).__name__}: {error}".removesuffix(": ")[:200]
        mark = Gap(reason="undecodable", since_ns=now_ns, until_ns=now_ns, missed=1, detail=detail)
        self._pending.extend(self._marked(mark))

    # --- what the facade calls ----------------------------------------------------------------------------------------

    def start(self) -> None:
        """Ask for the topics, once. Where one of them cannot be asked for, none is."""
        if not self._started and not self._left:
            self._on_started(self)
            self._started = True
            self.holding.begin()
            try:
                self._source.start(self)
            except BaseException:
                self.leave()
                raise

    async def confirmed(self) -> None:
        """Ask for the topics and wait until all are served. Raises what refused one, or what ended the stream."""
        self.start()
        self.holding.check()
        if not self._left:
            with contextlib.suppress(NotSubscribed):  # left meanwhile: the reason follows
                await self._source.confirmed()
        if self._left or self.buffer.ended:
            raise fresh_copy(self.buffer.error or SessionClosed(f"{self.name}: the stream was left"))

    def close(self) -> None:
        """As its owner wants it. Raises WrongLoop."""
        self.holding.check()
        self.leave()

    def leave(self) -> None:
        """Leave the topics and end. Idempotent."""
        if self._left:
            return
        self._left = True
        self.buffer.end()
        if self._converting is not None:
            self._converting.cancel()
        self.holding.end()
        if self._started:
            self._source.stop(self)
        self._on_left(self)

    async def next(self) -> WeexMessage:
        """The next message. Raises what ended the stream, or StopAsyncIteration."""
        self.start()
        self.holding.check()
        loop = asyncio.get_running_loop()
        if loop.time() - self._slice_began > SLICE_SECONDS:  # a slow loop body: everybody else has a turn
            await asyncio.sleep(0)
            self._slice_began = loop.time()
        while not self._pending:
            if self._converting is not None:
                await self._finish_converting()
            elif (item := self.buffer.take()) is not EMPTY:
                self._take(item)
            elif await self.buffer.wait():
                self._slice_began = loop.time()
            else:
                self.leave()
                if self.buffer.error is not None:
                    raise fresh_copy(self.buffer.error)
                raise StopAsyncIteration
        self.delivered += 1
        return self._pending.popleft()

    async def _finish_converting(self) -> None:
        """What was taken is in nobody's hands until it is converted: a wait that is cancelled leaves it to the next."""
        converting = self._converting
        assert converting is not None
        try:
            self._pending.extend(await asyncio.shield(converting))
        except asyncio.CancelledError:
            if is_cancelled() or not converting.cancelled():
                raise  # else it was left meanwhile, and nothing of ours was cancelled
        finally:
            if converting.done() and self._converting is converting:
                self._converting = None

    def _take(self, item: Any) -> None:
        if is_mark(item):
            holds_state = getattr(item, "snapshot", None) is not None
            self._pending.extend(self._marked(item, seen=holds_state))
            if not holds_state:
                return
        converted = self._convert(item, self)
        if inspect.isawaitable(converted):
            self._converting = asyncio.ensure_future(converted)
        else:
            self._pending.extend(converted)

    def _marked(self, mark: Mark, *, seen: bool = False) -> Iterable[WeexMessage]:
        """The mark as a message, or else a line in the log; `seen` where its snapshot is delivered in messages."""
        self.marks += 1
        now_ns = self.now_ns()
        if self._with_marks:
            return (WeexMessage("mark", "", {}, now_ns / 1e9, received_at_ns=now_ns, mark=mark),)
        if seen:
            return ()
        self.unseen_marks += 1
        if self.unseen_marks <= _LOGGED or not self.unseen_marks & (self.unseen_marks - 1):
            logger.warning(
                "%s: %s (mark no. %d of this stream)", self.name, _line(mark, self.name), self.unseen_marks
            )
        return ()

    def _overflowed(self) -> None:
        self.fail(BufferOverflow(self.name, self.buffer.capacity))


@ERRORS.covers
class Stream:
    """Iterate it: `async for message in client.stream_...(...)`. One task at a time.

    Leaving the loop leaves its topics, as soon as nobody holds the stream; `async with` or `aclose()` does so at once,
    and so does the end of a task that was cancelled in its `async for`. A wait that was cancelled alone, as by
    `asyncio.wait_for(anext(stream), 1)`, ends and loses nothing. Errors: what refused or ended one of its topics
    (`SubscriptionRefused`, `SubscriptionEnded`, `BufferOverflow`), what the line gave up for (`HandshakeRefused`,
    `GaveUp`), `SessionClosed` where the client was closed before.
    """

    __slots__ = ("__weakref__", "_core")

    def __init__(self, core: StreamCore) -> None:
        self._core = core

    def __aiter__(self) -> Self:
        self._core.start()
        self._core.holding.iterated_by(asyncio.current_task())
        return self

    async def __anext__(self) -> WeexMessage:
        return await self._core.next()

    async def confirmed(self) -> None:
        """Wait until the venue serves every topic: from now on nothing is missed.

        Do so before you place the order whose changes you mean to see. Raises what refused a topic or gave up the line,
        SessionClosed where the stream was left. Cancelled, it leaves the stream as it is.
        """
        await self._core.confirmed()

    async def aclose(self) -> None:
        """Leave at once. Idempotent."""
        self._core.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    @property
    def delivered(self) -> int:
        """Messages taken so far."""
        return self._core.delivered

    @property
    def dropped(self) -> int:
        """Frames that the buffer's policy dropped so far, each said by a mark."""
        return self._core.buffer.dropped

    @property
    def marks(self) -> int:
        """Marks so far, seen or only logged."""
        return self._core.marks

    @property
    def unseen_marks(self) -> int:
        """Marks that were only logged, because the stream was made without `marks=True`."""
        return self._core.unseen_marks

    def __del__(self) -> None:
        core = getattr(self, "_core", None)
        if core is not None:
            core.holding.dropped()

    def __repr__(self) -> str:
        core = self._core
        return f"<Stream {core.name} delivered={core.delivered} marks={core.marks} dropped={core.buffer.dropped}>"


def _line(mark: Mark, name: str) -> str:
    """A mark for the log, behind the name of its stream."""
    if isinstance(mark, Gap):
        missed = "an unknown number of" if mark.missed is None else str(mark.missed)
        detail = mark.detail.removeprefix(name).removeprefix(": ")
        why = "; ".join(filter(None, (mark.reason, detail)))
        return f"gap ({why}): {missed} messages may be missing here"
    return repr(mark)[:200]

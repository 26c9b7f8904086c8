"""The feed that every venue's market gives: one consumer, one continuity, whatever feeds it.

Rules:

* What makes a feed worse is known when it arrives, inside the read, and told at once; its place among the items is kept
  beside that by a `ContinuityChanged` in the buffer.
* A book is changed inside the read, by whoever feeds it (`Port.changed`), so that its continuity is right also while
  nobody iterates; the buffer holds only that it changed, and what is taken is the view of it.
* Everything else is translated when it is taken. A row that cannot be is a gap of that feed alone.
* User code is never called inside a read: hooks run in the loop's next turn, handlers in a task of their own.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import math
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Iterable
from contextlib import suppress
from typing import Any, Literal, Protocol

import msgspec

from ...clock import Clock
from ...errors import ConfigurationError, OwnerCancelled, SessionClosed, TapewireError, fresh_copy
from ...market.capabilities import Capability, Verb
from ...market.continuity import Continuity, ContinuityInput, ContinuityMachine
from ...market.feed import ContinuityHook, Feed, WatchOptions
from ...market.view import BookView, Levels
from ...marks import (
    MARK_KINDS,
    ContinuityChanged,
    ContinuityState,
    Gap,
    Lagged,
    Mark,
    Reconnected,
    Resynced,
    Subscribed,
    Subscribing,
)
from ...session.buffers import EMPTY, Policy, of_one_key
from ...session.consumer import Consumer, Items, Iteration
from ...session.consumer import Feed as Feeding
from ...session.handlers import HandlerErrorLog
from ...session.loop import is_cancelled, run_owned

__all__ = ["Fed", "MarketFeed", "Port", "Source"]

logger = logging.getLogger("tapewire.venues.kit")


class Fed(Feeding, Protocol):
    """What feeds a port: a `Subscription` is one. It can be left, and asked for the state anew."""

    def resync(self) -> None:
        """Ask for the state anew."""
        ...


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Where a feed comes from: what a venue writes for each verb that it has.

    `name`: for errors and the log, e.g. "trades of BTCUSDT". `subscribe(port)`: asks for it, and returns what feeds it:
    a `Subscription` made with `into=port.consumer, announce=True`, or whoever feeds a book and calls `port.changed()`.
    It may be a coroutine function that first looks up what it needs (the instrument, who is signed in); what it raises
    ends the feed. `decode`: from what was put to an item, or to `Items`; or `decode_at`: the same, given also when that
    arrived (wall clock, ns), for a wire whose publications do not keep it. `decode_snapshot`: from the `snapshot` of a
    `Resynced` to the items that are news of it. These may be coroutine functions. `on_ended`: called once, as soon as
    nothing more comes.
    `policy`, `capacity`, `key`: the buffer. `is_state`: it stands for a state that a snapshot rebuilds (a book, what is
    our own), and not for events. `begins_itself`: what follows a gap in these events is whole only once what feeds them
    says so, by `port.handle(PROVEN)`; else as soon as the gap is told. `book`: the levels, for a feed of a book; then
    nothing is decoded. `quiet`: seconds of silence that are too long for it, None where none are. `probe`: asked before
    silence is called stale: True where the venue says, on another way, that there is nothing newer.
    """

    name: str
    subscribe: Callable[[Port], Any]
    decode: Callable[[Any], Any] | None = None
    decode_at: Callable[[Any, int], Any] | None = None
    decode_snapshot: Callable[[Any], Iterable[Any] | Awaitable[Iterable[Any]]] | None = None
    on_ended: Callable[[], Any] | None = None
    policy: Policy = "drop_oldest"
    capacity: int = 5_000
    key: Callable[[Any], Hashable] | None = None
    is_state: bool = False
    begins_itself: bool = False
    book: Levels | None = None
    quiet: float | None = None
    probe: Callable[[], Awaitable[bool]] | None = None


class Port:
    """The inside of a feed: what its source puts into, and what is known of it. Holds no feed, so that one can be left.

    `capacity`: None for the source's own. `on_continuity`: called with each change, never inside a read. `on_ended`:
    called once, as soon as nothing more comes.
    """

    silent_before: float = 0.0
    """Seconds of silence that had passed when it joined what others are fed by already; they count as its own."""

    def __init__(
        self,
        source: Source,
        verb: Verb,
        venue: str,
        instrument_id: str | None,
        depth: int | None,
        capability: Capability,
        clock: Clock,
        *,
        capacity: int | None,
        on_continuity: ContinuityHook | None,
        on_ended: Callable[[Port], Any],
    ) -> None:
        self.source: Source = source
        self.verb: Verb = verb
        self.venue: str = venue
        self.instrument_id: str | None = instrument_id
        self.fed: Fed | None = None
        self._clock = clock
        self._machine = ContinuityMachine(capability.proof, clock.time_ns())
        self._on_continuity = on_continuity
        self._on_ended = on_ended
        self._shown: Callable[[], MarketFeed | None] = _nobody
        self._waiters: list[asyncio.Future[None]] = []
        self._undecodable = 0
        self._put: Callable[[Any], None] | None = None  # while it is mute: the way past us
        self._is_served = False
        self._finish = "left"  # why it is over, where that is no error
        self._changes = 0
        self.view: BookView | None = None
        if source.book is not None:
            self.view = BookView(
                venue, str(instrument_id), source.book, lambda: self._machine.continuity, depth
            )
        self.consumer: Consumer[Any] = Consumer(
            f"{venue}: {source.name}",
            policy="conflate" if self.view is not None else source.policy,
            capacity=1 if self.view is not None else capacity or source.capacity,
            key=of_one_key if self.view is not None else source.key,
            decode=source.decode if source.decode_at is None else _stamped(source.decode_at),
            decode_mark=self._taken_mark,
            on_mark=self._arrived_mark,
            on_ended=self._ended,
            names_topics=False,
            clock=clock,
        )
        if source.decode_at is not None:
            self.consumer.put = _stamping(self.consumer.put, clock.time_ns)

    @property
    def continuity(self) -> Continuity:
        """What it is worth now."""
        return self._machine.continuity

    @property
    def arrivals(self) -> int:
        """A number that is another one after whatever arrived."""
        buffer = self.consumer.buffer
        conflated: int = getattr(buffer, "conflated", 0)
        return self._changes + self.consumer.delivered + len(buffer) + buffer.dropped + conflated

    # --- what feeds it ----------------------------------------------------------------------------------------------

    async def begin(self) -> None:
        """Ask for it, and wait until it is served. What that raises ends it."""
        try:
            fed: Any = self.source.subscribe(self)
            if inspect.isawaitable(fed):
                fed = await fed
            if self.consumer.buffer.ended:
                fed.unsubscribe()
                return
            self.fed = fed
            if fed not in tuple(self.consumer.feeds):
                self.consumer.add(fed)
        except Exception as error:
            self.consumer.end(error)
            return
        with suppress(TapewireError):  # a refusal for now ends nothing, and what ends it has its own way
            await fed.confirmed()
            if not self._is_served:
                self._served()

    def changed(self, *, is_right: bool, reason: str = "", is_crossed: bool | None = None) -> None:
        """The book changed, inside the read. `is_right`: proven and sane; else `reason` says what speaks against it.

        `is_crossed`: where its feeder knows that for less than it costs to look at the view.
        """
        self._changes += 1
        assert self.view is not None
        if (
            is_right
            and is_crossed is False
            and self._put is None
            and self._machine.continuity.state is ContinuityState.LIVE
        ):  # nearly always
            self.consumer.put(self.view)
            return
        was_mute = self._put is not None and self._revive()
        if is_right and (self.view.is_crossed if is_crossed is None else is_crossed):
            is_right, reason = False, "the book is crossed"
        state = self._machine.continuity.state
        if is_right:
            if state is not ContinuityState.LIVE:
                self.handle(ContinuityInput.PROVEN)
        elif was_mute or state is not ContinuityState.STALE:  # else that says already that it is not current
            self.handle(ContinuityInput.BROKEN, reason, None)
        self.consumer.put(self.view)

    def heard(self) -> None:
        """Something came on its line that is not its own, and was passed over: it is not mute."""
        self._changes += 1
        if self._put is not None and self._revive():
            self.handle(ContinuityInput.HEARD)

    def learn(self, item: Any) -> None:
        """Put what was learnt on another way than its line: that is no voice of what fell mute."""
        (self._put or self.consumer.put)(item)

    def mark(self, mark: Mark) -> None:
        """A mark of a stream that does not feed the consumer itself."""
        self.consumer.put_mark(mark)

    def hole(self, mark: Mark, reason: str, missed: int | None = None) -> list[Any]:
        """A hole that shows only when what was put is taken: what to yield in its place, ahead of what follows it."""
        told: list[Any] = [mark]
        is_state, state = self.source.is_state, self.continuity.state
        if state is ContinuityState.LIVE:
            after = ContinuityInput.REBUILDING if is_state else ContinuityInput.PROVEN
            for received in (ContinuityInput.BROKEN, after):
                change = self._move(received, self._clock.time_ns(), reason, missed)
                if change is not None:
                    told.append(change)
                    self._tell(change)
        elif state is ContinuityState.STALE and is_state:
            # Behind the loss, which was known before. No replay makes good for it: see `_replayed`.
            self.handle(ContinuityInput.BROKEN, reason, missed)
        else:
            return told  # what speaks against it already is made good for by a state that has this in it
        if is_state and self.fed is not None:
            self.fed.resync()
        return told

    def show(self, feed: MarketFeed) -> None:
        """Keep what `feed` says of its continuity true."""
        self._shown = weakref.ref(feed)
        feed.continuity = self.continuity

    def _move(
        self, received: ContinuityInput, now_ns: int, reason: str = "", missed: int | None = 0
    ) -> ContinuityChanged | None:
        change = self._machine.handle(received, now_ns, reason, missed)
        feed = self._shown()
        if feed is not None:
            feed.continuity = self._machine.continuity
        return change

    def handle(self, received: ContinuityInput, reason: str = "", missed: int | None = 0) -> None:
        """Something happened to it: what changes is told at once, and in its place."""
        change = self._move(received, self._clock.time_ns(), reason, missed)
        if change is not None:
            self.consumer.put_mark(change)
            self._tell(change)

    def resync(self, reason: str = "asked for anew") -> None:
        """Ask for the state anew."""
        if self.fed is not None and not self.consumer.buffer.ended:
            self.handle(ContinuityInput.REBUILDING, reason)
            self.fed.resync()

    def resync_soon(self) -> None:
        """The same for a probe that found news, once what was silent has been called stale."""
        asyncio.get_running_loop().call_soon(self.resync, "it was silent, and the venue has news")

    # --- silence ----------------------------------------------------------------------------------------------------

    def fall_mute(self, reason: str) -> None:
        """It was silent for too long. The next publication revives it, before its own place.

        One that is not live says already that it is not current, and what it waits for is more than a voice.
        """
        if not self.continuity.is_live:
            return
        self.handle(ContinuityInput.MUTE, reason)
        if self._put is None:
            self._put, self.consumer.put = self.consumer.put, self._put_heard

    def _put_heard(self, item: Any) -> None:
        if self._revive():
            self.handle(ContinuityInput.HEARD)
        self.consumer.put(item)

    def _revive(self) -> bool:
        """True if it was mute until now."""
        if self._put is None:
            return False
        self.consumer.put, self._put = self._put, None
        return True

    # --- whoever waits ----------------------------------------------------------------------------------------------

    async def wait_live(self, timeout: float | None) -> None:
        """See `Feed.wait_live`."""
        try:
            async with asyncio.timeout(timeout):
                while not self.continuity.is_live:
                    if self.consumer.buffer.ended:
                        error = self.consumer.buffer.error
                        if error is not None:
                            raise fresh_copy(error)
                        raise SessionClosed(f"{self.consumer.name}: {self.continuity.reason}")
                    waiter = asyncio.get_running_loop().create_future()
                    self._waiters.append(waiter)
                    try:
                        await waiter
                    finally:
                        if waiter in self._waiters:
                            self._waiters.remove(waiter)
        except TimeoutError:
            now = self.continuity
            raise TimeoutError(f"{self.consumer.name} is {now.state}: {now.reason}") from None

    def finish(self, reason: str) -> None:
        """It is over, which is no error: what there is of it has an end, as a market that is settled has."""
        if not self.consumer.buffer.ended:
            self._finish = reason
            self.consumer.end()

    # --- inside -----------------------------------------------------------------------------------------------------

    def _arrived_mark(self, mark: Mark) -> None:
        if isinstance(mark, ContinuityChanged):
            return
        if isinstance(mark, Subscribing):
            self._revive()  # a line that is lost is silent no more: what it says when it is back is no voice of before
            self.handle(ContinuityInput.LOST, mark.reason or "asked for again")
        elif isinstance(mark, Subscribed):
            self._served()
        elif self.view is not None and isinstance(mark, Reconnected | Resynced):
            return  # whoever feeds the book says by `changed` when what was missed is in it
        elif isinstance(mark, Reconnected):
            self._replayed()
        elif isinstance(mark, Resynced) and self.source.is_state:
            self.handle(ContinuityInput.PROVEN)
        elif isinstance(mark, Gap):
            reason = f"{mark.reason}: {mark.detail}" if mark.detail else mark.reason
            self._broken(reason, mark.missed, is_rebuilt=mark.reason != "reseed failed")

    def _replayed(self) -> None:
        """Events are whole with what is replayed, whatever spoke against them; a state is only if nothing else did."""
        if not self.source.is_state:
            self.handle(ContinuityInput.PROVEN)
            return
        self.handle(ContinuityInput.RECOVERED)
        if not self.continuity.is_live and self.fed is not None:
            self.fed.resync()

    def _served(self) -> None:
        self._is_served = True
        # Later it is back behind a loss, and its gap has yet to be told.
        is_first = self.continuity.state is ContinuityState.SYNCING
        if is_first and not self.source.is_state and self.view is None:
            self.handle(ContinuityInput.SERVED)

    def _broken(self, reason: str, missed: int | None, *, is_rebuilt: bool = True) -> None:
        self.handle(ContinuityInput.BROKEN, reason, missed)
        if self.source.is_state or self.view is not None:
            if is_rebuilt:
                self.handle(ContinuityInput.REBUILDING, reason)
        elif not self.source.begins_itself:
            self.handle(ContinuityInput.PROVEN, reason)

    def _taken_mark(self, mark: Mark) -> Any:
        """A mark is taken; what is a hole only here, in what was buffered, changes the continuity now."""
        if isinstance(mark, Subscribing | Subscribed):
            return Items()  # the changes beside them say it
        if isinstance(mark, Lagged) and self.view is not None:
            return Items()  # of a book that is always the newest nothing lags
        if isinstance(mark, Resynced) and self.source.decode_snapshot is not None:
            made = self.source.decode_snapshot(mark.snapshot)
            return _all_behind(mark, made) if isinstance(made, Awaitable) else Items([mark, *made])
        is_ours = self.consumer.undecodable != self._undecodable
        self._undecodable = self.consumer.undecodable
        # Of a state the newest is whole: asked for anew it would give way again, for ever.
        is_lag = isinstance(mark, Lagged) and not (self.source.is_state and mark.policy == "conflate")
        if not (is_ours or is_lag):
            return mark
        reason = "a publication cannot be read" if is_ours else "the consumer was too slow"
        missed = mark.dropped if isinstance(mark, Lagged) else 1
        return Items(self.hole(mark, reason, missed))

    def _ended(self) -> None:
        error = self.consumer.buffer.error
        change = self._move(
            ContinuityInput.END, self._clock.time_ns(), self._finish if error is None else str(error)
        )
        if change is not None:
            self._tell(change)
        if self.source.on_ended is not None:
            self.source.on_ended()
        self._on_ended(self)

    def _tell(self, change: ContinuityChanged) -> None:
        if change.state in (ContinuityState.LIVE, ContinuityState.ENDED):
            waiters, self._waiters = self._waiters, []
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(None)
        if self._on_continuity is not None:
            asyncio.get_running_loop().call_soon(_call_hook, self._on_continuity, change, self.consumer.name)


class MarketFeed(Iteration[Any], Feed[Any]):
    """A feed of a venue: see `tapewire.market.Feed`. It is asked for when it is made, and left when nobody holds it."""

    __slots__ = ("_port", "continuity", "instrument_id", "venue", "verb")

    def __init__(
        self, port: Port, begin: Callable[[], Any], errors: Callable[[BaseException], BaseException]
    ) -> None:
        super().__init__(port.consumer.name, port.consumer, begin, port.consumer.close, errors)
        self._port = port
        self.verb: Verb = port.verb
        self.venue: str = port.venue
        self.instrument_id: str | None = port.instrument_id
        port.show(self)
        self._ask()

    @property
    def quiet(self) -> float | None:
        """Seconds for which it may be silent before the venue is asked whether that is right; None: for ever."""
        return self._port.source.quiet

    async def wait_live(self, timeout: float | None = None) -> None:
        """Wait until it is live; TimeoutError after `timeout` seconds.

        Raises what ended the feed; ConfigurationError for what is no time.
        """
        given: object = timeout
        if given is not None and not (type(given) in (int, float) and 0 <= given < math.inf):  # type: ignore[operator]
            raise ConfigurationError("timeout", timeout, "seconds, from 0 and not for ever, or None")
        try:
            await self._port.wait_live(timeout)
        except TapewireError as error:
            raise self._as_told(error) from error.__cause__

    def resync(self) -> None:
        """Ask the venue for the state anew; it is `resyncing` until that is there."""
        self._port.resync()

    def batches(self, limit: int = 1_000) -> AsyncIterator[list[Any]]:
        """Iterate in lists of what is there, at most `limit` items each."""
        return self._port.consumer.batches(limit, items=self)

    async def run(self, options: WatchOptions) -> None:
        """Give each item to the handler and each mark to `on_mark`, until it ends; `on_error` is told of errors."""
        name, on_error = self._port.consumer.name, options.get("on_error")
        handler, on_mark = options.get("handler"), options.get("on_mark")
        complaints, at_once = HandlerErrorLog(name), self._port.consumer.at_once
        try:
            async for item in self:  # each that is waited for, and behind it what is there already
                while item is not EMPTY:
                    is_item = item.__class__ not in MARK_KINDS
                    function = handler if is_item else on_mark
                    try:
                        if function is not None and (result := function(item)) is not None:
                            await run_owned("handler" if is_item else "on_mark", _itself, result)
                    except (Exception, asyncio.CancelledError) as error:
                        if isinstance(error, asyncio.CancelledError) and is_cancelled():
                            raise
                        await _failed(
                            "handler" if is_item else "on_mark", function, error, item, options, complaints
                        )
                    item = at_once()
        except TapewireError as error:
            if on_error is None:
                logger.error("%s: ended", name, exc_info=error)
            else:
                await _told(on_error, error, None, complaints)

    def __repr__(self) -> str:
        now = self._port.continuity
        return f"<{type(self).__name__} {self._port.consumer.name} {now.state} {now.reason}>"


async def _all_behind(mark: Mark, made: Awaitable[Iterable[Any]]) -> Items:
    return Items([mark, *await made])


def _nobody() -> None:
    """Of a port whose feed was not made yet."""


def _stamping(put: Callable[[Any], None], time_ns: Callable[[], int]) -> Callable[[Any], None]:
    return lambda item: put((item, time_ns()))


def _stamped(decode_at: Callable[[Any, int], Any]) -> Callable[[tuple[Any, int]], Any]:
    return lambda stamped: decode_at(*stamped)


def _itself(result: Any) -> Any:
    """What a function has returned already."""
    return result


async def _failed(
    role: Literal["handler", "on_mark"],
    function: Any,
    error: BaseException,
    item: Any,
    options: WatchOptions,
    complaints: HandlerErrorLog,
) -> None:
    if isinstance(error, asyncio.CancelledError):
        error = OwnerCancelled(role)
    on_error = options.get("on_error")
    if on_error is None:
        complaints.raised(role, function, error)
    else:
        await _told(on_error, error, item, complaints)


async def _told(
    on_error: Callable[..., Any], error: BaseException, item: Any, complaints: HandlerErrorLog
) -> None:
    try:
        await run_owned("on_error", on_error, error, item)
    except Exception as failure:
        complaints.raised("on_error", on_error, failure)


def _call_hook(hook: ContinuityHook, change: ContinuityChanged, name: str) -> None:
    try:
        result = hook(change)
        if inspect.iscoroutine(result):
            task = asyncio.ensure_future(result)
            _HOOKS.add(task)
            task.add_done_callback(_hook_done)
    except Exception:
        logger.exception("%s: on_continuity raised", name)


_HOOKS: set[asyncio.Future[Any]] = set()
"""Async hooks at work: held, or they would be collected."""


def _hook_done(task: asyncio.Future[Any]) -> None:
    _HOOKS.discard(task)
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.error("on_continuity raised", exc_info=error)

"""How often one may call: a rate limiter that is told the time, and the process's shared ones.

One limiter belongs to one budget at the venue (a key, an account, an address). Two limiters for one budget double it.
It belongs to one clock as well: a replay in virtual time beside a live client waits for its own calls only.
"""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections import deque
from contextlib import suppress

import msgspec

from ..clock import Clock
from ..errors import ConfigurationError

__all__ = ["Budget", "RateLimiter", "shared_limiter", "wait_for_all"]


class RateLimiter:
    """At most `rate` calls per `per` seconds, `burst` of them at once (GCRA: one number of state).

    Calls are let through in the order of their `reserve` and `wait`. One limiter belongs to one budget at the venue:
    share the object, or name it with `shared_limiter`; two limiters for one budget double it. Safe to share between
    threads.
    """

    def __init__(self, rate: float, per: float = 1.0, burst: int | None = None) -> None:
        if not rate > 0:
            raise ConfigurationError("rate", rate, "calls, more than 0")
        if not per > 0:
            raise ConfigurationError("per", per, "seconds, more than 0")
        self.burst: int = max(1, int(rate)) if burst is None else burst
        if self.burst < 1:
            raise ConfigurationError("burst", burst, "calls, from 1")
        self.rate: float = rate
        self.per: float = per
        self._interval = per / rate
        self._arrival = float("-inf")  # when the next call would be due if calls came evenly
        self._held_until = float("-inf")
        self._places: deque[_Place] = deque()  # those whose time has not come, in order
        self._vacated = False
        self._lock = threading.Lock()

    def reserve(self, now: float) -> float:
        """Take the next free place, for good, and return the seconds to wait until then. `wait` can be cancelled."""
        return self._take(now, 1, None).start - now

    def hold(self, now: float, seconds: float) -> None:
        """Let nothing new through for `seconds`: the venue said so."""
        with self._lock:
            self._held_until = max(self._held_until, now + seconds)

    async def wait(self, clock: Clock, places: int = 1) -> None:
        """Wait for `places` of one's own. Cancelled, it gives them back, and whoever waits behind it moves up."""
        await wait_for_all(clock, self, places=places)

    def __repr__(self) -> str:
        return f"RateLimiter({self.rate:g} per {self.per:g} s, burst {self.burst})"

    def _take(self, now: float, count: int, turn: _Turn | None) -> _Place:
        place = _Place(count, turn)
        with self._lock:
            moved = self._move_up(now)
            self._forget_begun(now)
            place.held_until = self._held_until
            self._put(place, now)
            if place.start > now:
                self._places.append(place)
        for other in moved:
            other.moved()
        return place

    def _forget_begun(self, now: float) -> None:
        while self._places and self._places[0].start <= now:
            self._places.popleft()

    def _put(self, place: _Place, now: float) -> None:
        """Give it the next free places from `now` on."""
        place.before = self._arrival
        for _ in range(place.count):
            arrival = max(self._arrival, now)
            place.start = max(now, arrival - self._interval * (self.burst - 1), place.held_until)
            self._arrival = max(arrival, place.start) + self._interval
        place.after = self._arrival

    def _give_back(self, place: _Place, clock: Clock) -> None:
        """It will not be used. Who waits behind it moves up, once for all that one step of the loop gives back."""
        with self._lock:
            place.is_free = True
            first, self._vacated = not self._vacated, True
        if first:
            asyncio.get_running_loop().call_soon(self._settle, clock)

    def _settle(self, clock: Clock) -> None:
        with self._lock:
            moved = self._move_up(clock.monotonic())
        for turn in moved:
            turn.moved()

    def _move_up(self, now: float) -> list[_Turn]:
        """Let all behind the first place that was given back ask again, in their order; return who moved."""
        if not self._vacated:
            return []
        self._vacated = False
        self._forget_begun(now)
        moved: list[_Turn] = []
        kept: deque[_Place] = deque()
        has_room = False
        for place in self._places:
            if place.is_free:
                if not has_room:
                    has_room, self._arrival = True, place.before
                continue
            kept.append(place)
            if not has_room:
                continue
            if place.turn is None:  # it sleeps already
                self._arrival = max(self._arrival, place.after)
            else:
                self._put(place, now)
                moved.append(place.turn)
        self._places = kept
        return moved


class _Place:
    """One or more places of one call: when the last of them is due, and what the limiter's number was around it."""

    __slots__ = ("after", "before", "count", "held_until", "is_free", "start", "turn")

    def __init__(self, count: int, turn: _Turn | None) -> None:
        self.count = count
        self.turn = turn
        self.start = self.before = self.after = self.held_until = float("-inf")
        self.is_free = False


class _Turn:
    """One call that waits, in its own loop, until all of its places are due."""

    __slots__ = ("_clock", "_loop", "_timer", "due", "places")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self.due: asyncio.Future[None] = self._loop.create_future()
        self.places: list[_Place] = []

    def look(self) -> None:
        """It is due, or the timer is set to when it will be."""
        self.end()
        left = max(place.start for place in self.places) - self._clock.monotonic()
        if left > 0:
            self._timer = self._loop.call_later(left, self.look)
        elif not self.due.done():
            self.due.set_result(None)

    def moved(self) -> None:
        """Its places are due earlier. Called from any thread."""
        with suppress(RuntimeError):  # its loop is closed: nobody waits there any more
            self._loop.call_soon_threadsafe(self._look_again)

    def _look_again(self) -> None:
        if self.places and not self.due.done():
            self.look()

    def end(self) -> None:
        """No timer any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


async def wait_for_all(clock: Clock, *limiters: RateLimiter, places: int = 1) -> None:
    """Wait for `places` in each of the limiters, all at the same time. Cancelled, it gives all of them back."""
    turn = _Turn(clock)
    now = clock.monotonic()
    taken = [(limiter, limiter._take(now, places, turn)) for limiter in limiters]
    turn.places = [place for _, place in taken]
    turn.look()
    try:
        await turn.due
    except asyncio.CancelledError:
        for limiter, place in taken:
            limiter._give_back(place, clock)
        raise
    finally:
        turn.end()
        turn.places = []


class Budget(msgspec.Struct, frozen=True):
    """What an attempt of a call takes: `places` in each of the limiters, all at the same time.

    A 429 holds the first of them. `ban`: the seconds of one that names no time itself.
    """

    limiters: tuple[RateLimiter, ...]
    places: int = 1
    ban: float | None = None

    async def wait(self, clock: Clock) -> None:
        """Wait for the places. Cancelled, it gives them back."""
        await wait_for_all(clock, *self.limiters, places=self.places)

    def reserve(self, now: float) -> float:
        """Take the places, for good, and return the seconds to wait until all of them are due."""
        return max(limiter.reserve(now) for limiter in self.limiters for _ in range(self.places))

    def hold(self, now: float, seconds: float) -> None:
        """Let nothing new of this kind through for `seconds`: the venue said so."""
        self.limiters[0].hold(now, seconds)


_limiters: weakref.WeakValueDictionary[tuple[str, Clock], RateLimiter] = weakref.WeakValueDictionary()
_limiters_lock = threading.Lock()


def shared_limiter(
    key: str, rate: float, per: float = 1.0, burst: int | None = None, *, clock: Clock
) -> RateLimiter:
    """The process's limiter of that key (venue and account, or address) in that clock's time, kept while in use.

    Raises ConfigurationError where the key is in use with other figures.
    """
    wanted = RateLimiter(rate, per, burst)
    with _limiters_lock:
        limiter = _limiters.setdefault((key, clock), wanted)
    if repr(limiter) != repr(wanted):
        raise ConfigurationError(f"limiter {key}", wanted, f"what is in use already: {limiter}")
    return limiter

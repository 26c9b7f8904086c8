"""What one simulated run lives in: chance, time, a trace of all that happened, and the complaints about it.

Rules: one `random.Random(seed)` decides everything. Time passes only when nothing else can run; each time it is about
to pass, `World.look` is called, so that a state that nothing leads out of is seen at the moment it stands still.
Nothing here knows a wire.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import random
import selectors
import sys
import warnings
from collections.abc import Callable, Coroutine
from typing import Any

from tapewire.testing import VirtualClock

__all__ = ["SIMULATED", "Boom", "Clock", "Complaint", "World", "boom", "is_simulated"]

SIMULATED = "simulated"
"""Stands in every text of an exception that the simulation raises by intent."""

MAX_TURNS = 5_000
"""Turns of the event loop without time passing, beyond which something runs in circles."""

MAX_TURNS_A_SECOND = 20_000
"""Turns of the event loop in one second of virtual time, beyond which something is polled."""


class Boom(Exception):
    """What a user's function raises."""


class Endless(BaseException):
    """The event loop runs in circles: nothing else can be learnt of this seed."""


def boom(chance: random.Random, *kinds: type[BaseException]) -> BaseException:
    """One of the exceptions a user's function may raise."""
    kind = chance.choice(kinds or (Boom, ValueError, AttributeError, asyncio.CancelledError))
    return kind(SIMULATED)


class Complaint:
    """One broken promise. `kind` is a short word for sorting, `text` what was seen."""

    def __init__(self, at: float, kind: str, text: str) -> None:
        self.at = at
        self.kind = kind
        self.text = text

    def __str__(self) -> str:
        return f"{self.kind}: {self.text}"


class Clock(VirtualClock):
    """Virtual time that calls `on_idle` before it passes. Its loop knows no sockets: nothing here has any."""

    def __init__(self) -> None:
        super().__init__()
        self.on_idle: Callable[[], None] = lambda: None
        self.on_endless: Callable[[str], None] = lambda text: None
        self.turns = 0
        self._turns_now = 0
        self._second = self._turns_of_second = 0

    def _new_loop(self) -> asyncio.AbstractEventLoop:
        return _Loop(self)

    def turn(self, timeout: float | None) -> None:
        """The event loop has nothing that is ready (unless `timeout` is 0)."""
        self.turns += 1
        self._turns_now += 1
        self._turns_of_second += 1
        if timeout is None:
            self._endless("nothing is left that could ever happen")
        elif self._turns_now > MAX_TURNS:
            self._endless(f"{self._turns_now} turns of the event loop while no time passed")
        elif self._turns_of_second > MAX_TURNS_A_SECOND:
            self._endless(f"{self._turns_of_second} turns of the event loop within a second")
        elif timeout > 0:
            self.on_idle()
            self.suspend(timeout)
            if timeout > 1e-6:
                self._turns_now = 0
            if int(self.monotonic()) != self._second:
                self._second, self._turns_of_second = int(self.monotonic()), 0

    def _endless(self, text: str) -> None:
        self._turns_now = self._turns_of_second = 0
        self.on_endless(text)
        raise Endless(text)


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        super().__init__(_Selector(clock))

    def time(self) -> float:
        return self._clock.monotonic()


class _Selector(selectors.SelectSelector):
    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> Any:
        self._clock.turn(timeout)
        return []


class _Log(logging.Handler):
    """Hears what the engine logs, and complains of what must not be there."""

    def __init__(self, world: World) -> None:
        super().__init__(logging.WARNING)
        self._world = world

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        error = record.exc_info[1] if record.exc_info else None
        self._world.note(f"log: {text}" + (f" [{error!r}]" if error is not None else ""))
        if (
            "could not be dispatched" in text
            or (record.levelno >= logging.ERROR and error is not None)
            or (error is not None and not is_simulated(error))
        ):
            self._world.complain("log", f"{text} [{error!r}] {place_of(error)}")


def is_simulated(error: BaseException | None) -> bool:
    """True for an exception that the simulation raised by intent, or that was raised because of one."""
    while error is not None:
        if SIMULATED in str(error) or isinstance(error, asyncio.CancelledError):
            return True
        error = error.__cause__ or error.__context__
    return False


def place_of(error: BaseException | None) -> str:
    """The last place in our own code that an exception came through."""
    trace, place = getattr(error, "__traceback__", None), ""
    while trace is not None:
        code = trace.tb_frame.f_code
        if "tapewire" in code.co_filename:
            place = f"at {code.co_filename.rpartition('tapewire/')[2]}:{trace.tb_lineno} {code.co_name}"
        trace = trace.tb_next
    return place


class World:
    """Chance, clock, trace and complaints of one seed."""

    def __init__(self, seed: int | str) -> None:
        self.chance = random.Random(seed)
        self.clock = Clock()
        self.clock.on_idle = self.look
        self.clock.on_endless = lambda text: self.complain("endless", text)
        self.trace: list[tuple[float, str]] = []
        self.complaints: list[Complaint] = []
        self.watches: list[Callable[[], None]] = []
        """Called whenever nothing can run and time is about to pass."""
        self.tasks: dict[asyncio.Task[Any], str] = {}
        """The tasks of the simulation itself."""

    @property
    def now(self) -> float:
        return self.clock.monotonic() - 1000.0

    def note(self, text: str) -> None:
        """Something happened."""
        self.trace.append((self.now, text))

    def complain(self, kind: str, text: str) -> None:
        """A promise was broken. The same one is told once."""
        if not any(known.kind == kind and known.text == text for known in self.complaints):
            self.note(f"!!! {kind}: {text}")
            self.complaints.append(Complaint(self.now, kind, text))

    def look(self) -> None:
        """Let every watch look at what stands still."""
        for watch in self.watches:
            watch()

    def likely(self, probability: float) -> bool:
        return self.chance.random() < probability

    def spawn(self, work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """A task of the simulation's own: a user's, or the venue's."""
        task = asyncio.get_running_loop().create_task(work, name=f"simulation {name}")
        self.tasks[task] = name
        return task

    def run(self, main: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run `main()` to its end, and complain of all that must not happen on the way.

        Rubbish is collected at the end only: what nobody has retrieved is told then, at the same place each time.
        """
        collects = gc.isenabled()
        gc.disable()
        logger = logging.getLogger("tapewire")
        log, before = _Log(self), (logger.propagate, logger.level)
        logger.addHandler(log)
        logger.propagate = False
        logger.setLevel(logging.WARNING)
        hook, sys.unraisablehook = sys.unraisablehook, self._unraisable
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                with contextlib.suppress(Endless):
                    self.clock.run(self._guarded(main))
                gc.collect()
                for warning in caught:
                    self.complain("warning", str(warning.message))
        finally:
            sys.unraisablehook = hook
            logger.removeHandler(log)
            logger.propagate, logger.level = before
            logger.setLevel(before[1])
            if collects:
                gc.enable()

    async def _guarded(self, main: Callable[[], Coroutine[Any, Any, None]]) -> None:
        asyncio.get_running_loop().set_exception_handler(self._unhandled)
        await main()

    def _unhandled(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        who = context.get("task") or context.get("future") or context.get("handle") or ""
        self.complain("unhandled", f"{context['message']} {error!r} {place_of(error)} of {str(who)[:120]}")

    def _unraisable(self, unraisable: Any) -> None:
        self.complain(
            "unhandled", f"{unraisable.err_msg} {unraisable.exc_value!r} of {str(unraisable.object)[:120]}"
        )

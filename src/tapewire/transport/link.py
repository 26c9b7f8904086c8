"""One direction of an in-memory connection: messages in order, and the faults that a test orders for them.

A link carries *reads* (lists of messages that arrive together) and control, after `LinkFaults.delay` seconds of the
running loop's time, so it works in virtual time. It never delivers from within `carry`. What waits in it is counted in
`waiting`, in bytes; its owner bounds that.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable
from typing import Any

from ..errors import ConfigurationError
from ..payload import Payload

__all__ = ["Link", "LinkFaults"]

REORDER_HOLD = 0.1
"""Seconds after which messages held back for reordering are let go, though no later one came."""


class LinkFaults:
    """What goes wrong in one direction. Set the attributes at any time; they hold for what is sent from then on.

    `delay`: seconds on the way. `drop`, `duplicate`: called with each message; a true answer drops it, or sends it
    twice. `reorder`: how many messages are held back at most (`REORDER_HOLD` seconds at most) so that later ones may
    overtake them, chosen by `seed`. Control (ping, pong, close) is only ever delayed.
    """

    def __init__(
        self,
        *,
        delay: float = 0.0,
        drop: Callable[[Payload], bool] | None = None,
        duplicate: Callable[[Payload], bool] | None = None,
        reorder: int = 0,
        seed: int = 0,
    ) -> None:
        if delay < 0:
            raise ConfigurationError("delay", delay, "seconds, 0 or more")
        if not 0 <= reorder <= 1000:
            raise ConfigurationError("reorder", reorder, "0 to 1000 messages")
        self.delay = delay
        self.drop = drop
        self.duplicate = duplicate
        self.reorder = reorder
        self.random: random.Random = random.Random(seed)

    def __repr__(self) -> str:
        return f"<LinkFaults delay={self.delay:g} drop={self.drop} duplicate={self.duplicate} reorder={self.reorder}>"


class Link:
    """Carries reads and control one way. `deliver_read` and `deliver_control` are called from the loop, in order."""

    def __init__(
        self,
        faults: LinkFaults,
        deliver_read: Callable[[list[Payload]], None],
        deliver_control: Callable[[Any], None],
        *,
        paused: bool = False,
    ) -> None:
        self.faults = faults
        self.waiting = 0
        self._deliver_read = deliver_read
        self._deliver_control = deliver_control
        self._paused = paused
        self._cut = False
        self._due_last = 0.0
        self._queue: deque[tuple[float, int, list[Payload] | None, Any]] = deque()
        self._held: list[Payload] = []
        self._timer: asyncio.Handle | None = None
        self._hold_timer: asyncio.Handle | None = None

    def carry(self, payloads: list[Payload]) -> None:
        """Take one read's messages. Their bytes count as `waiting` until they are delivered (for ever once cut)."""
        faults = self.faults
        if self._cut:
            self.waiting += sum(map(len, payloads))
            return
        if faults.drop is not None:
            payloads = [payload for payload in payloads if not faults.drop(payload)]
        if faults.duplicate is not None:
            payloads = [
                copy for payload in payloads for copy in [payload] * (1 + bool(faults.duplicate(payload)))
            ]
        if faults.reorder or self._held:
            payloads = self._shuffle(payloads)
        if payloads:
            self._enqueue(payloads, None)

    def control(self, item: Any) -> None:
        """Take one item of control; it stays behind what was carried before it."""
        if not self._cut:
            self._release_held()
            self._enqueue(None, item)

    def pause(self) -> None:
        """Deliver nothing until `resume`."""
        self._paused = True

    def resume(self) -> None:
        """Deliver again, from the loop's next step on."""
        self._paused = False
        self._schedule()

    @property
    def is_cut(self) -> bool:
        """True once nothing passes any more."""
        return self._cut

    def cut(self) -> None:
        """From now on nothing arrives, neither what is on the way nor what follows, and nobody is told."""
        self._cut = True
        self.discard()

    def discard(self) -> None:
        """Forget what is on the way."""
        self.waiting = 0
        self._queue.clear()
        self._held.clear()
        for timer in (self._timer, self._hold_timer):
            if timer is not None:
                timer.cancel()
        self._timer = self._hold_timer = None

    def _enqueue(self, payloads: list[Payload] | None, item: Any) -> None:
        now = asyncio.get_running_loop().time()
        # A delay that was shortened meanwhile lets nothing overtake: order is the link's, not the timer's.
        self._due_last = due = max(now + self.faults.delay, self._due_last)
        size = sum(map(len, payloads)) if payloads else 0
        self.waiting += size
        self._queue.append((due, size, payloads, item))
        self._schedule()

    def _schedule(self) -> None:
        if self._timer is None and self._queue and not self._paused:
            loop = asyncio.get_running_loop()
            due = self._queue[0][0]
            self._timer = loop.call_at(due, self._run) if due > loop.time() else loop.call_soon(self._run)

    def _run(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        while self._queue and not self._paused and self._queue[0][0] <= now:
            _, size, payloads, item = self._queue.popleft()
            self.waiting -= size
            if payloads is not None:
                self._deliver_read(payloads)
            else:
                self._deliver_control(item)
        self._schedule()

    def _shuffle(self, payloads: list[Payload]) -> list[Payload]:
        held, released = self._held, []
        for payload in payloads:
            held.append(payload)
            while len(held) > self.faults.reorder:
                released.append(held.pop(self.faults.random.randrange(len(held))))
        if held and self._hold_timer is None:
            self._hold_timer = asyncio.get_running_loop().call_later(REORDER_HOLD, self._release_held)
        return released

    def _release_held(self) -> None:
        if self._hold_timer is not None:
            self._hold_timer.cancel()
            self._hold_timer = None
        if self._held:
            held, self._held = self._held, []
            self.faults.random.shuffle(held)
            self._enqueue(held, None)

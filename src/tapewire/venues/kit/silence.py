"""Feeds that fell silent on a living line: noticed by their class, proven, and only then called stale.

Rules: what arrives costs nothing here; counters are looked at once a second (`Staleness` judges). A feed that is silent
for longer than its class allows is asked about before it is called stale: its `probe` where it has one, else it is
stale only if the same line brings others. A few probes of a venue run at a time, in the order in which their feeds fell
silent, so that one without an answer holds up no other; and none of one feed more often than its class allows, so that
they cost no budget.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from ...clock import Clock
from ...streams import Stale, Staleness
from .feeds import Port

__all__ = ["LOOK_SECONDS", "Silence"]

logger = logging.getLogger("tapewire.venues.kit")

LOOK_SECONDS: Final = 1.0
PROBE_SECONDS: Final = 10.0
"""How long a probe may take; one that fails or takes longer proves nothing."""

PROBES: Final = 8
"""Of one venue that run at a time."""

_LINE: Final = "line"


class Silence:
    """Follows the feeds of one venue. `follow` each; it looks by itself while there are any, until `close`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._staleness = Staleness(lively=60.0, connection=LOOK_SECONDS * 5)
        self._ports: dict[str, Port] = {}
        self._counted: dict[str, int] = {}
        self._made = 0
        self._task: asyncio.Task[None] | None = None
        self._probing: set[asyncio.Task[None]] = set()
        self._may_probe = asyncio.Semaphore(PROBES)

    def follow(self, port: Port) -> None:
        """Look after it from now on, until it ends. One without a limit cannot fall silent."""
        if port.source.quiet is None:
            return
        self._made += 1
        name = f"{self._made} {port.consumer.name}"
        now = self._clock.monotonic()
        if not self._ports:
            self._staleness.follow_connection(_LINE, now)
        self._ports[name] = port
        self._counted[name] = port.arrivals
        self._staleness.follow(name, now, connection=_LINE, limit=port.source.quiet)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._look_on(), name="tapewire silence")

    async def close(self) -> None:
        """Look no more."""
        tasks = [task for task in (self._task, *self._probing) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _look_on(self) -> None:
        while self._ports:
            await asyncio.sleep(LOOK_SECONDS)
            self._look()

    def _look(self) -> None:
        now = self._clock.monotonic()
        for name, port in tuple(self._ports.items()):
            if port.consumer.buffer.ended:
                self._forget(name)
            elif (count := port.arrivals) != self._counted[name]:
                self._counted[name] = count
                self._staleness.heard(name, now)
                if port.silent_before:
                    self._begin_again(name, port.silent_before)
                    port.silent_before = 0.0
        for news in self._staleness.look(now):
            if isinstance(news, Stale) and news.kind == "topic":
                self._suspect(news)

    def _suspect(self, news: Stale) -> None:
        port = self._ports[news.name]
        if port.source.probe is None:
            if (
                not news.connection_stale
            ):  # else the line is silent as a whole, and its own liveness judges that
                port.fall_mute(f"silent for {news.silent:.0f} s, while others of its line speak")
            self._begin_again(news.name)
            return
        task = asyncio.get_running_loop().create_task(self._probe(news, port), name="tapewire probe")
        self._probing.add(task)
        task.add_done_callback(self._probing.discard)

    async def _probe(self, news: Stale, port: Port) -> None:
        assert port.source.probe is not None
        count, is_current = port.arrivals, True
        async with self._may_probe:
            if news.name in self._ports and port.arrivals == count:  # else it spoke while it waited
                try:
                    async with asyncio.timeout(PROBE_SECONDS):
                        is_current = await port.source.probe()
                except Exception as error:
                    logger.info("%s: the probe failed: %s", port.consumer.name, error)
                    is_current = False
        if news.name not in self._ports:
            return
        if not is_current and port.arrivals == count:
            port.fall_mute(f"silent for {news.silent:.0f} s, and the venue does not say that nothing is new")
        self._begin_again(news.name)

    def _begin_again(self, name: str, silent: float = 0.0) -> None:
        """Judge it anew after another such silence, of which so many seconds have passed."""
        port = self._ports[name]
        assert port.source.quiet is not None
        began = self._clock.monotonic() - silent
        self._staleness.follow(name, began, connection=_LINE, limit=port.source.quiet)

    def _forget(self, name: str) -> None:
        del self._ports[name], self._counted[name]
        self._staleness.forget(name)

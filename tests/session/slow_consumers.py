"""What the tests of slow consumers share: a feed at its own pace, and a watch for how late others come."""

import asyncio

HOPS = 3
"""Turns of the loop between a timer and the task that waits for it: a slow call may stand before each of them."""


class Stalls:
    """The longest time for which a task that sleeps came too late; used as `async with`."""

    def __init__(self, clock):
        self.longest = 0.0
        self._clock = clock

    async def __aenter__(self):
        self._task = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *_):
        self._task.cancel()

    async def _watch(self):
        while True:
            before = self._clock.monotonic()
            await asyncio.sleep(0.01)
            self.longest = max(self.longest, self._clock.monotonic() - before - 0.01)


def feed(clock, peer, seconds, *, a_second=20):
    """A venue that sends at its own pace, whoever is slow."""
    for n in range(int(seconds * a_second)):
        at = clock.monotonic() + n / a_second
        asyncio.get_running_loop().call_at(at, peer.broadcast, "markets", "tick", {"n": n})

"""How many calls inside tapewire a join and a reconnection make, and how often the file changes on the way.

Counted is every Python function of `tapewire` but its `testing`, from `subscribe` to its confirmation and from the
loss of the connection to the topic's next confirmation: one session of Phoenix over memory, on the virtual clock, so
that the figures are the same on every machine; the network in memory and the played server are among them.
`python -m scripts.count_calls`
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, Self

import tapewire
from tapewire.protocols.phoenix import PhoenixClient
from tapewire.session.session import Session
from tapewire.testing import VirtualClock
from tapewire.testing.peer import PhoenixPeer
from tapewire.transport.base import Endpoint
from tapewire.transport.memory import MemoryNetwork

HOME = str(Path(tapewire.__file__).parent)
TESTING = str(Path(HOME) / "testing")


class Counter:
    """Counts while it is entered."""

    def __init__(self) -> None:
        self.calls = self.changes = 0
        self._last = ""

    def __enter__(self) -> Self:
        sys.setprofile(self._see)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def _see(self, frame: FrameType, event: str, _: Any) -> None:
        file = frame.f_code.co_filename
        if event == "call" and file.startswith(HOME) and not file.startswith(TESTING):
            self.calls += 1
            self.changes += file != self._last
            self._last = file


async def measured(clock: VirtualClock) -> dict[str, Counter]:
    """Both, one after the other."""
    network = MemoryNetwork()
    endpoint = Endpoint(url="ws://venue.test/socket/websocket?vsn=2.0.0")
    session = Session(
        endpoint=lambda token: endpoint,
        protocol=lambda token: PhoenixClient(),
        connector=network,
        clock=clock,
    )
    counters = {"join": Counter(), "reconnection": Counter()}
    async with PhoenixPeer(network), session:
        with counters["join"]:
            subscription = session.subscribe("room:1")
            await subscription.confirmed()
        connection = session._driver.connection
        assert connection is not None
        assert connection.transport is not None
        with counters["reconnection"]:
            connection.transport.abort()
            await anext(subscription)  # the mark that says how long it was away
            await subscription.confirmed()
    return counters


def main(write: Callable[[str], Any] = print) -> None:
    """Measure, and say both."""
    clock = VirtualClock()
    for name, counter in clock.run(measured(clock)).items():
        write(f"{name}: {counter.calls} calls over {counter.changes} changes of file")


if __name__ == "__main__":
    main()

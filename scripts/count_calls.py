"""How many calls inside tapewire a join and a reconnection make, and how often the file changes on the way.

Counted is every Python function of `tapewire` but its `testing`, from `subscribe` to its confirmation and from the
loss of the connection to the topic's next confirmation: one session of Phoenix over memory, on the virtual clock, so
that the figures are the same on every machine. Twice: with the network in memory and the played server's protocol, and
the engine alone, which is what a user runs: `session`, the protocol's client and what both stand on. Then the same
reconnection with many topics, of which the calls that each further topic costs are told.
`python -m scripts.count_calls [--list]`
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
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
PLAYED = ("transport/memory.py", "transport/link.py", "phoenix/server.py", "phoenix/handshake.py")
"""What is no engine: the network in memory and the played server."""

SHARED = ("phoenix/frames.py", "phoenix/replies.py", "transport/base.py", "errors.py", "secrets.py")
"""What is whose calls it."""

MANY = 1_000


class Counter:
    """Counts while it is entered."""

    def __init__(self) -> None:
        self.calls = self.changes = 0
        self.engine_calls = self.engine_changes = 0
        self.lines: list[str] = []
        self._last = self._last_of_engine = ""

    def __enter__(self) -> Self:
        sys.setprofile(self._see)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def __str__(self) -> str:
        return (
            f"{self.engine_calls} calls over {self.engine_changes} changes of file in the engine,"
            f" {self.calls} over {self.changes} with network and server"
        )

    def _see(self, frame: FrameType, event: str, _: Any) -> None:
        file = frame.f_code.co_filename
        if event != "call" or not file.startswith(HOME) or file.startswith(TESTING):
            return
        self.calls += 1
        self.changes += file != self._last
        self._last = file
        played = _is_played(frame)
        if not played:
            self.engine_calls += 1
            self.engine_changes += file != self._last_of_engine
            self._last_of_engine = file
        where = Path(file).relative_to(HOME).as_posix()
        mark = "  ~ " if played else "    "
        self.lines.append(f"{mark}{'  ' * _depth(frame)}{frame.f_code.co_qualname}  {where}:{frame.f_lineno}")


def _is_played(frame: FrameType | None) -> bool:
    """True for the network, the server, and whatever they call; not for the client that they hand something to."""
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith(TESTING) or (file.startswith(HOME) and file.endswith(PLAYED)):
            return True
        if file.startswith(HOME) and not file.endswith(SHARED):
            return False
        frame = frame.f_back
    return False


def _depth(frame: FrameType) -> int:
    depth, above = 0, frame.f_back
    while above is not None:
        depth += above.f_code.co_filename.startswith(HOME) and not above.f_code.co_filename.startswith(
            TESTING
        )
        above = above.f_back
    return depth


async def measured(clock: VirtualClock, topics: int) -> dict[str, Counter]:
    """Both, one after the other, of so many topics that are asked for at once."""
    network = MemoryNetwork()
    endpoint = Endpoint(url="ws://venue.test/socket/websocket?vsn=2.0.0")
    session = Session(
        endpoint=lambda token: endpoint,
        protocol=lambda token: PhoenixClient(),
        connector=network,
        clock=clock,
    )
    counters = {"join": Counter(), "reconnection": Counter()}
    async with PhoenixPeer(network, max_channels=MANY), session:
        with counters["join"]:
            subscriptions = [session.subscribe(f"room:{number}") for number in range(1, topics + 1)]
            for subscription in subscriptions:
                await subscription.confirmed()
        connection = session._driver.connection
        assert connection is not None
        assert connection.transport is not None
        with counters["reconnection"]:
            connection.transport.abort()
            for subscription in subscriptions:
                await anext(subscription)  # the mark that says how long it was away
            for subscription in subscriptions:
                await subscription.confirmed()
    return counters


def _run(topics: int) -> dict[str, Counter]:
    clock = VirtualClock()
    return clock.run(measured(clock, topics))


def main(arguments: Sequence[str] | None = None, write: Callable[[str], Any] = print) -> None:
    """Measure, and say both, of one topic and of each further one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--list", action="store_true", help="each call in order, indented by depth; ~ is no engine's"
    )
    listed = parser.parse_args(arguments).list
    one, many = (_run(topics) for topics in (1, MANY))
    for name, counter in one.items():
        write(f"{name}: {counter}")
        if listed:
            write("\n".join(counter.lines))
    for name, counter in many.items():
        each = (counter.engine_calls - one[name].engine_calls) / (MANY - 1)
        write(f"{name} of {MANY} topics: {each:.1f} calls in the engine for each further topic")


if __name__ == "__main__":
    main()

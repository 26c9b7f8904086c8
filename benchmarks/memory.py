"""What is held: an idle subscription's bytes, and a million messages in front of a slow handler. Neither is a time.

Each is one process with nothing else in it, `python -m benchmarks.memory NAME PORT COUNT`, and prints a line of JSON.
"""

from __future__ import annotations

import asyncio
import gc
import json
import resource
import subprocess
import sys
import tracemalloc
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from .contenders import Contender
from .goals import word_of
from .line import Line
from .processes import ROOT, environment
from .report import COLOURS
from .rounds import ServerProcess

__all__ = ["GROUP", "HOLDERS", "Held", "judged", "measure", "print_memory"]

GROUP = "memory"
IDLE_BYTES = 4_096
SECONDS = 90
FEW, MANY = 200, 2_200
SHORT, LONG = 100_000, 1_000_000
"""Messages to a slow handler: what the long one holds at most must be what the short one does."""

GROWN = 1.15
"""How much higher the peak may be after ten times the messages: the allocator's own accidents."""


@dataclass(frozen=True)
class Held:
    """A line of the table: `value` against what it may be at most; None where it could not be measured."""

    title: str
    value: float | None
    most: float
    unit: str
    reason: str = ""

    @property
    def word(self) -> str:
        """`goal`, `missed` or `not measured`."""
        return "not measured" if self.value is None else word_of(self.value, self.most, None, at_most=True)


async def idle_stx(line: Line, count: int) -> int:
    """Bytes that so many channels of STX hold."""
    from tapewire.venues.stx import STXWebSocket, User

    user = User.new()
    user.set_params({"token": "none-is-needed-here"})
    async with STXWebSocket(host=line.http, user=user) as opened:
        return await _held(lambda: _join_all(opened.join, [f"orderbook:{n:04}" for n in range(count)]))


async def _join_all(join: Callable[..., Awaitable[object]], topics: Sequence[str]) -> object:
    def handle(message: object) -> None:
        pass

    return await asyncio.gather(*(join(topic, handle) for topic in topics))


async def idle_sxbet(line: Line, count: int) -> int:
    """Bytes that so many channels of SX Bet hold, with handlers, on one connection or more."""
    from tapewire.venues.sxbet import SXBetClient

    async def token() -> str:
        return "none-is-needed-here"

    def handle(context: object) -> None:
        pass

    async def make() -> object:
        channels = [
            client.new_subscription(f"orderbook_v3:0x{n:064x}", positioned=True, recoverable=True)
            for n in range(count)
        ]
        for channel in channels:
            channel.on("publication", handle)
            channel.subscribe()
        for channel in channels:
            await channel.ready()
        return channels

    url = f"{line.ws}/connection/websocket"
    async with SXBetClient(get_token=token, realtime_url=url, api_url=line.http) as client:
        return await _held(make)


async def idle_session(line: Line, count: int) -> int:
    """Bytes that so many topics of a bare session hold."""
    from tapewire.protocols.phoenix import PhoenixClient
    from tapewire.session.session import Session
    from tapewire.transport.base import Endpoint

    async def make() -> object:
        subscriptions = [opened.subscribe(f"orderbook:{n:04}") for n in range(count)]
        for subscription in subscriptions:
            await subscription.confirmed()
        return subscriptions

    endpoint = Endpoint(url=f"{line.ws}/socket/websocket?vsn=2.0.0")
    async with Session(endpoint=lambda token: endpoint, protocol=lambda token: PhoenixClient()) as opened:
        return await _held(make)


async def _held(make: Callable[[], Awaitable[object]]) -> int:
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    kept = await make()
    await asyncio.sleep(0.2)
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept is not None
    return after - before


async def slow_stx(line: Line, count: int) -> int:
    """The peak of the process, in kB, while so many messages meet a handler that takes one of them in 50 ms."""
    from tapewire.venues.stx import STXWebSocket, User

    user = User.new()
    user.set_params({"token": "none-is-needed-here"})
    delivered = 0

    async def handle(message: object) -> None:
        nonlocal delivered
        delivered += 1
        await asyncio.sleep(0.05)

    async with STXWebSocket(host=line.http, user=user) as opened:
        channel = await opened.join("orderbook:00", handle)
        seen, waited = -1, 0.0
        while waited < 1.0:
            await asyncio.sleep(0.1)
            figures = channel.statistics()
            now = figures.delivered + figures.dropped + figures.buffered
            seen, waited = now, waited + 0.1 if now <= seen + 4 else 0.0  # beside what the handler takes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


HOLDERS: dict[str, Callable[[Line, int], Awaitable[int]]] = {
    "idle-stx": idle_stx,
    "idle-sxbet": idle_sxbet,
    "idle-session": idle_session,
    "slow-stx": slow_stx,
}

_TITLES = {
    "idle-stx": "an idle STXWebSocket.join",
    "idle-sxbet": "an idle SXBetClient.new_subscription",
    "idle-session": "an idle Session.subscribe",
}


def measure(
    *, quick: bool, say: Callable[[str], None], holders: Sequence[str] = tuple(HOLDERS)
) -> list[Held]:
    """Each line, from its two processes."""
    lines = []
    with ServerProcess() as server:
        for name in holders:
            say(f"memory: {name}")
            few, many = (SHORT, SHORT * 3 if quick else LONG) if name == "slow-stx" else (FEW, MANY)
            try:
                less, more = (_taken(server, name, count) for count in (few, many))
            except (subprocess.SubprocessError, ValueError, IndexError) as error:
                said = str(getattr(error, "stderr", None) or error).strip().splitlines()
                lines.append(
                    Held(_TITLES.get(name, name), None, IDLE_BYTES, "B", said[-1][:120] if said else "")
                )
                continue
            if name == "slow-stx":
                title = f"{many:,} messages against a slow handler: the peak against that of {few:,}"
                lines.append(Held(title, more / less, GROWN, "x"))
            else:
                lines.append(Held(_TITLES[name], (more - less) / (many - few), IDLE_BYTES, "B"))
    return lines


def _taken(server: ServerProcess, name: str, count: int) -> int:
    sends = name == "slow-stx"
    wire = "sxbet" if name == "idle-sxbet" else "stx"
    contender = Contender(
        name, GROUP, "", "", "", count, wire=wire, joins=1, topics=1 if sends else 0, sends=sends
    )
    server.expect(contender, count)
    command = [sys.executable, "-m", "benchmarks.memory", name, str(server.port), str(count)]
    done = subprocess.run(
        command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=SECONDS, check=True
    )
    taken: int = json.loads(done.stdout.splitlines()[-1])
    return taken


def judged(lines: Sequence[Held]) -> list[dict[str, object]]:
    """For a program."""
    return [
        {"text": held.title, "value": held.value, "most": held.most, "unit": held.unit, "verdict": held.word}
        for held in lines
    ]


def print_memory(console: Console, lines: Sequence[Held], title: str = "Memory") -> None:
    """The table."""
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("what", ratio=1)
    for head in ("measured", "at most"):
        table.add_column(head, justify="right")
    table.add_column("")
    for held in lines:
        digits = 2 if held.unit == "x" else 0
        value = held.reason or "-" if held.value is None else f"{held.value:,.{digits}f} {held.unit}"
        colour = COLOURS[held.word]
        table.add_row(held.title, value, f"{held.most:,g} {held.unit}", f"[{colour}]{held.word}[/]")
    console.print(table)


def main(name: str, port: int, count: int) -> None:
    """One process's figure."""
    print(asyncio.run(HOLDERS[name](Line(port), count)), flush=True)  # type: ignore[arg-type]


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))

"""One market: what its feeds cost beside the documented classes on the same frames; `continuity` and `merge` alone.

A feed of a book is always the newest, so every contender of the group is measured over all that was sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from urllib.request import urlopen

import tapewire
from tapewire.market import Capability, Feed, Venue, Verb
from tapewire.marks import Gap, Lagged, is_mark
from tapewire.venues import VENUES
from tapewire.venues.kit.market import Port, Source, VenueMarket

from .contenders import MARKET_FEEDS
from .line import Line
from .memory import Held
from .meter import BurstMeter
from .processes import ROOT, environment
from .server import BEGIN
from .wires import WIRES, StxMarkets, SxBet, Weex

__all__ = ["CONTINUITY_NS", "GROUP", "MERGED_NS", "Costs", "costs", "feeds", "judged_costs", "measure"]

GROUP = "market"
CONTINUITY_NS = 100.0
"""What asking a feed for its continuity may take."""

MERGED_NS = 1_000.0
"""What an item of a hundred merged feeds may take."""

MERGED = 100
ITEMS = 200
"""Of each merged feed but the stalled one."""

ASKED = 20_000
"""Times that a feed is asked for its continuity in a round."""

SECONDS = 60
PATIENCE = 10.0


WHOLE = ("sxbet-trades", "weex-trades")
"""Feeds of which each message reaches its user: of the others the newest does, or some say nothing new."""

LOOKS: Mapping[str, Callable[[Any], object]] = {
    "watch_order_book": lambda view: (view.best_bid, view.best_offer),
    "watch_ticker": lambda ticker: ticker.last or ticker.bid,
    "watch_trades": lambda trade: trade.price,
}
"""What the user of a feed looks at."""


async def feeds(line: Line, meter: BurstMeter, *, feed: str, consumer: str, topics: int) -> None:
    """Every instrument's feed of that kind, iterated or with a handler. Raises RuntimeError where one broke."""
    wire, verb = MARKET_FEEDS[feed]
    look, tick, broken = LOOKS[verb], meter.tick, list[Any]()

    def take(item: Any) -> None:
        look(item)
        tick()

    async def iterate(opened: Feed[Any]) -> None:
        async for item in opened:
            if is_mark(item):
                note(item)
            else:
                look(item)
                tick()

    def note(mark: Any) -> None:
        if isinstance(mark, Gap | Lagged):
            broken.append(mark)

    options: dict[str, Any] = {"capacity": meter.count}
    if consumer == "plain":
        options |= {"handler": take, "on_mark": note}
    if wire == "weex-depth":
        options["depth"] = 15
    async with _MADE[wire.partition("-")[0]](wire, line) as venue:
        watch: Callable[..., Feed[Any]] = getattr(venue, verb)
        opened = [watch(instrument, **options) for instrument in _instruments(wire, topics)]
        tasks = [asyncio.ensure_future(iterate(each)) for each in opened] if consumer == "for" else []
        await asyncio.gather(*(each.wait_live(PATIENCE) for each in opened))
        await asyncio.to_thread(urlopen, f"{line.http}{BEGIN}", timeout=PATIENCE)
        first = meter.received
        await meter.finished()
        broken += [each for each in opened if not each.continuity.is_live]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    if broken:
        raise RuntimeError(f"a feed broke: {broken[0]}")
    if feed in WHOLE and meter.received - first != meter.count:
        raise RuntimeError(f"{meter.received - first} of {meter.count} reached their user")


def _instruments(wire: str, topics: int) -> Sequence[str]:
    known = WIRES[wire]
    if isinstance(known, StxMarkets):
        return known.markets
    if isinstance(known, SxBet):
        return [f"{market}:1" for market in known.markets[:topics]]
    assert isinstance(known, Weex)
    return known.symbols[:topics]


def _stx(wire: str, line: Line) -> Venue:
    from tapewire.venues.stx import User

    user = User.new()
    user.set_params({"token": "none-is-needed-here"})
    return tapewire.connect("stx", host=line.http, user=user, ssl=line.trust)


def _sxbet(wire: str, line: Line) -> Venue:
    async def token() -> str:
        return "none-is-needed-here"

    url = f"{line.ws}/connection/websocket"
    profile = {"profile": "v3"} if wire == "sxbet" else {}
    return tapewire.connect(
        "sxbet", get_token=token, realtime_url=url, api_url=line.http, ssl=line.trust, **profile
    )


def _weex(wire: str, line: Line) -> Venue:
    from tapewire.venues.weex import WeexConfig

    config = WeexConfig(rest_url=line.http, ws_public_url=f"{line.ws}/v3/ws/public",
                        ws_private_url=f"{line.ws}/v3/ws/private")  # fmt: skip
    return tapewire.connect("weex", config=config, ssl=line.trust)


_MADE: Mapping[str, Callable[[str, Line], Venue]] = {"stx": _stx, "sxbet": _sxbet, "weex": _weex}


# --- what is asked without a line -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Costs:
    """Nanoseconds, as at the clock's best; `others`: items that came while one of the feeds was stalled, of `sent`."""

    continuity_ns: float
    merged_ns: float
    others: int
    sent: int


_HAS: Mapping[Verb, Capability] = {"watch_trades": Capability(proof="none")}


class _ByHand(VenueMarket):
    """A market whose feeds are put into by hand, so that nothing but them costs anything."""

    capabilities: Mapping[Verb, Capability] = _HAS

    def __init__(self) -> None:
        super().__init__(VENUES["weex"])
        self.ports: list[Port] = []
        self.are_asked = asyncio.Event()

    is_connected = True

    def statistics(self) -> None: ...
    def reconnect(self) -> None: ...
    async def _open(self) -> None: ...
    async def _close(self) -> None: ...
    async def list_instruments(self) -> list[Any]:
        return []

    def source(self, verb: Verb, instrument_id: str | None, depth: int | None) -> Source:
        """What is put is what comes out."""
        return Source(name=f"{verb} of {instrument_id}", subscribe=self._subscribe, capacity=ITEMS)

    async def _subscribe(self, port: Port) -> Any:
        self.ports.append(port)
        if len(self.ports) == MERGED:
            self.are_asked.set()
        await asyncio.Event().wait()  # it is never confirmed, and needs not be


async def costs(rounds: int = 20) -> Costs:
    """What the clock's best of so many rounds shows."""
    async with _ByHand() as venue:
        opened = [venue.watch_trades(str(number)) for number in range(MERGED)]
        await venue.are_asked.wait()
        merged = tapewire.merge(*opened)
        found = [await _round(venue.ports[1:], opened[0], merged) for _ in range(rounds)]
        await merged.aclose()
        sent = rounds * (MERGED - 1) * ITEMS
        return Costs(min(f[0] for f in found), min(f[1] for f in found), sum(f[2] for f in found), sent)


async def _round(ports: Sequence[Port], stalled: Feed[Any], merged: Any) -> tuple[float, float, int]:
    for port in ports:
        for number in range(ITEMS):
            port.consumer.put(number)
    wanted, came, others = len(ports) * ITEMS, 0, 0
    begun = time.process_time()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            async for feed, _ in merged:
                came += 1
                others += feed is not stalled
                if came == wanted:
                    break
    took = time.process_time() - begun
    begun = time.process_time()
    for _ in range(ASKED):
        stalled.continuity  # noqa: B018 - what it costs
    return (time.process_time() - begun) / ASKED * 1e9, took / max(came, 1) * 1e9, others


def measure(say: Callable[[str], None]) -> list[Held]:
    """The lines of what is asked without a line, from a process of its own."""
    say(f"{GROUP}: continuity and merge")
    command = [sys.executable, "-m", "benchmarks.market"]
    done = subprocess.run(
        command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=SECONDS, check=True
    )
    return judged_costs(Costs(**json.loads(done.stdout)))


def judged_costs(found: Costs) -> list[Held]:
    """Each with what it may be at most; pure."""
    kept = (found.sent - found.others) / found.sent
    return [
        Held("feed.continuity", found.continuity_ns, CONTINUITY_NS, "ns"),
        Held(f"merge of {MERGED} feeds, an item", found.merged_ns, MERGED_NS, "ns"),
        Held("... and what one stalled feed holds up of the others", 100 * kept, 0.0, "%"),
    ]


if __name__ == "__main__":
    print(json.dumps(asdict(asyncio.run(costs()))))

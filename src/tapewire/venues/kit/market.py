"""`VenueMarket`: what the markets of all venues do alike. A venue adds its capabilities, its sources and its calls.

Write for a venue (`venues/<venue>/market.py`):

* `capabilities`, as data; `source(verb, instrument_id, depth)`: what feeds that verb (`feeds.Source`);
* `_open`, `_close`, `reconnect`, `is_connected`, `statistics`: its documented classes, which it holds;
* `list_instruments`, `_list_markets`: what it lists; `_place`, `_cancel`, `_cancel_all`, `_open_orders` where it can.
* a module function `connect(**settings)`, which `tapewire.connect` calls: it takes what the venue's own classes take.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

from ...arguments import check_function, near_names
from ...clock import Clock, SystemClock
from ...errors import ConfigurationError, SessionClosed, UnknownInstrument
from ...market.capabilities import Verb
from ...market.feed import Feed, WatchOptions
from ...market.venue import Venue
from ...model import Instrument
from ...session.consumer import Items
from .feeds import Fed, MarketFeed, Port, Source
from .handling import Handlings
from .intake import TakenPort
from .silence import Silence
from .spec import VenueSpec

__all__ = ["Fed", "Items", "MarketFeed", "Port", "Source", "VenueMarket"]

INSTRUMENTS_SECONDS: Final = 300.0
"""How long a list of instruments is taken for the present one. A name that is not in it is looked for anew."""

_HOOKS: Final = {"handler": 1, "on_mark": 1, "on_continuity": 1, "on_error": 2}


class VenueMarket(Venue):
    """A `Venue` over a venue's documented classes. `clock`: instead of the machine's."""

    def __init__(self, spec: VenueSpec, clock: Clock | None = None) -> None:
        self.name: str = spec.name
        self.clock: Clock = clock or SystemClock()
        self.spec: VenueSpec = spec
        self._is_open = False
        self._silence: Silence | None = None
        self._handlings = Handlings()
        self._beginning: dict[Port, asyncio.Task[None]] = {}
        self._instruments: dict[str, Instrument] = {}
        self._listed_at = -INSTRUMENTS_SECONDS
        self._listings = 0
        self._listing = asyncio.Lock()

    # --- what a venue brings ----------------------------------------------------------------------------------------

    @abstractmethod
    def source(self, verb: Verb, instrument_id: str | None, depth: int | None) -> Source:
        """What feeds that verb. Raises ConfigurationError for what can be told wrong without asking the venue."""

    @abstractmethod
    async def list_instruments(self) -> list[Instrument]:
        """All instruments, asked of the venue."""

    @abstractmethod
    async def _open(self) -> None:
        """Connect the documented classes."""

    @abstractmethod
    async def _close(self) -> None:
        """Close them."""

    # --- the line ---------------------------------------------------------------------------------------------------

    async def connect(self) -> None:
        """Connect. Raises what no retry can heal, in the venue's own tree of errors."""
        self._is_open = True
        await self._open()

    async def close(self) -> None:
        """Leave every feed and close every connection. Bounded in time, idempotent."""
        self._is_open = False
        for port in tuple(self._beginning):
            port.consumer.end()
        if self._silence is not None:
            await self._silence.close()
            self._silence = None
        await self._handlings.close()
        await self._close()

    # --- instruments ------------------------------------------------------------------------------------------------

    async def instrument(self, instrument_id: str) -> Instrument:
        """One instrument by its id, from a list that is kept for a while. Raises UnknownInstrument with near ones."""
        self._capability("instruments")
        self._check_id(instrument_id)
        known = await self._known(fresh=False)
        if instrument_id not in known:
            known = await self._known(fresh=True)
        if instrument_id not in known:
            raise UnknownInstrument(self.name, instrument_id, near_names(instrument_id, known))
        return known[instrument_id]

    async def _list_instruments(self, market_id: str | None) -> AsyncIterator[Instrument]:
        for instrument in (await self._known(fresh=True)).values():
            if market_id in (None, instrument.market_id):
                yield instrument

    async def _known(self, *, fresh: bool) -> dict[str, Instrument]:
        listings = self._listings
        async with self._listing:
            now = self.clock.monotonic()
            is_old = now - self._listed_at >= INSTRUMENTS_SECONDS
            if is_old or (fresh and self._listings == listings):  # else one was asked for while we waited
                self._instruments = {each.instrument_id: each for each in await self.list_instruments()}
                self._listed_at = now
                self._listings += 1
            return self._instruments

    # --- feeds ------------------------------------------------------------------------------------------------------

    def _watch(
        self, verb: Verb, instrument_id: str | None, depth: int | None, options: WatchOptions
    ) -> Feed[Any]:
        _check(options)
        port = Port(
            *self._facts(verb, instrument_id, depth),
            capacity=options.get("capacity"),
            on_continuity=options.get("on_continuity"),
            on_ended=self._ended,
        )
        feed = MarketFeed(port, lambda: self._begin(port), self.spec.errors.mapped)
        if options.get("handler") is not None:
            self._handlings.start(port, feed.run(options))
        return feed

    def taken(
        self,
        verb: Verb,
        instrument_id: str,
        take: Callable[[list[Any]], Any],
        on_over: Callable[[str], Any],
    ) -> TakenPort:
        """What a verb watches, given to `take` inside the read that brings it: see `TakenPort`.

        `on_over`: called once, with the reason, when nothing more comes. Leave it by closing its consumer.
        """

        def ended(ended: Port) -> None:
            self._ended(ended)
            on_over(ended.continuity.reason)

        port = TakenPort(*self._facts(verb, instrument_id, None), take=take, on_ended=ended)
        self._begin(port)
        return port

    def _facts(self, verb: Verb, instrument_id: str | None, depth: int | None) -> tuple[Any, ...]:
        """What a port is made of."""
        if not self._is_open:
            raise SessionClosed(f"{self.name} is not connected: use it inside `async with`")
        source = self.source(verb, instrument_id, depth)
        return source, verb, self.name, instrument_id, depth, self.capabilities[verb], self.clock

    def _begin(self, port: Port) -> None:
        if self._silence is None:
            self._silence = Silence(self.clock)
        self._silence.follow(port)
        self._beginning[port] = asyncio.get_running_loop().create_task(
            port.begin(), name=f"tapewire feed of {port.consumer.name}"
        )

    def _ended(self, port: Port) -> None:
        """It is over, perhaps before it was served."""
        task = self._beginning.pop(port, None)
        if task is not None and task is not asyncio.current_task():
            task.cancel()


def _check(options: WatchOptions) -> None:
    unknown = options.keys() - WatchOptions.__annotations__.keys()
    if unknown:
        raise ConfigurationError("options", ", ".join(sorted(unknown)), WatchOptions.__annotations__)
    given: dict[str, Any] = dict(options)
    for name, arguments in _HOOKS.items():
        function: Callable[..., Any] | None = given.get(name)
        check_function(name, function, arguments)
        if name == "on_mark" and function is not None and given.get("handler") is None:
            raise ConfigurationError(
                "on_mark", function, "only beside a handler: an iteration gets the marks"
            )
    capacity = given.get("capacity")
    if capacity is not None and (type(capacity) is not int or capacity < 1):
        raise ConfigurationError("capacity", capacity, "a whole number from 1")

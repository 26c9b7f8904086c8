"""`PaperVenue`: a venue's market as it is, and an account on paper in its orders' place.

Rules:

* What is public passes through: the same feeds, marks and continuity, from the venue's own line or its tape.
* What is our own is simulated by `PaperEngine`, on what the venue publishes, inside the read, in the order of the wire.
* An instrument is followed from its first order on, which waits up to `FOLLOW_SECONDS` for its feeds to be live. Later
  orders are sent at once; what arrives while the market is not proven is rejected.
* What the venue would refuse is an order that is `rejected`, with the reason; what is off the grid is never sent.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from decimal import Decimal
from typing import Any, Final

from ...errors import ConfigurationError, TapewireError
from ...market.capabilities import Capability, Verb, check_verb
from ...market.feed import Feed, WatchOptions
from ...market.venue import Venue
from ...model import Instrument, Market, Order, OrderRequest
from ...trading import PaperConfig, PaperEngine, Profit
from .. import connect
from ..kit.market import Port, Source, VenueMarket
from ..kit.spec import ACCOUNT_CAPACITY
from .account import OWN, OwnFeed, PaperAccount
from .followed import Followed

__all__ = ["PaperVenue", "paper"]

logger = logging.getLogger("tapewire.venues.paper")

FOLLOW_SECONDS: Final = 10.0
"""How long the first order of an instrument waits for its market to be live."""

_NEEDED: Final[tuple[Verb, ...]] = ("instruments", "watch_order_book", "watch_trades")

_ORDERS: Final[tuple[Verb, ...]] = ("place_order", "cancel_order", "cancel_all", "open_orders")

_SIMULATED: Final = Capability(simulated=True, proof="snapshot", note="on paper: see docs/paper.md")


class PaperVenue(VenueMarket):
    """Made by `tapewire.paper`. `inner` is the venue whose market it is; `profit()` says what was earned."""

    def __init__(self, inner: VenueMarket, config: PaperConfig, seed: int | str) -> None:
        super().__init__(inner.spec, inner.clock)
        self.inner: VenueMarket = inner
        simulated: dict[Verb, Capability] = dict.fromkeys((*OWN, *_ORDERS), _SIMULATED)
        self.capabilities: Mapping[Verb, Capability] = {**inner.capabilities, **simulated}
        spec = inner.spec
        engine = PaperEngine(spec.name, config, seed=seed, fees=spec.fees, late_prints=spec.late_prints)
        self._account = PaperAccount(engine, inner.clock)
        self._followed: dict[str, Followed] = {}
        self._settling: set[asyncio.Task[None]] = set()

    def profit(self) -> dict[str, Profit]:
        """What the account has earned, by currency: proven, and between which bounds where fills are in doubt."""
        return self._account.engine.profit()

    # --- the line ---------------------------------------------------------------------------------------------------

    async def _open(self) -> None:
        await self.inner.connect()

    async def _close(self) -> None:
        self._account.close()
        for followed in self._followed.values():
            followed.leave()
        tasks = tuple(self._settling)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.inner.close()

    def reconnect(self) -> None:
        """Drop every connection and make new ones at once; feeds go on, and say what that cost."""
        self.inner.reconnect()

    @property
    def is_connected(self) -> bool:
        """True while every connection that is needed is up."""
        return self.inner.is_connected

    def statistics(self) -> Any:
        """Frozen figures of the venue's connections."""
        return self.inner.statistics()

    # --- what there is ----------------------------------------------------------------------------------------------

    async def instrument(self, instrument_id: str) -> Instrument:
        """One instrument of the venue. Raises UnknownInstrument with near ones."""
        return await self.inner.instrument(instrument_id)

    async def list_instruments(self) -> list[Instrument]:
        """Those of the venue."""
        return await self.inner.list_instruments()

    def _list_instruments(self, market_id: str | None) -> AsyncIterator[Instrument]:
        return self.inner._list_instruments(market_id)

    def _list_markets(self, *, open: bool) -> AsyncIterator[Market]:  # noqa: A002
        return self.inner._list_markets(open=open)

    # --- what is watched --------------------------------------------------------------------------------------------

    def _watch(
        self, verb: Verb, instrument_id: str | None, depth: int | None, options: WatchOptions
    ) -> Feed[Any]:
        if verb in OWN:
            return super()._watch(verb, instrument_id, depth, options)
        return self.inner._watch(verb, instrument_id, depth, options)

    def source(self, verb: Verb, instrument_id: str | None, depth: int | None) -> Source:
        """What feeds a verb that watches what is our own."""

        async def subscribe(port: Port) -> OwnFeed:
            if instrument_id is not None:
                await self.instrument(instrument_id)
            return OwnFeed(self._account, verb, instrument_id).begin(port)

        return Source(
            name=f"{verb.removeprefix('watch_')} on paper",
            subscribe=subscribe,
            policy="fail",
            capacity=ACCOUNT_CAPACITY,
            is_state=True,
        )

    # --- orders -----------------------------------------------------------------------------------------------------

    async def _place(self, request: OrderRequest, instrument: Instrument) -> Order:
        if instrument.instrument_id not in self._followed:
            followed = Followed(self.inner, instrument, self._account, self._over)
            self._followed[instrument.instrument_id] = followed
        await self._followed[instrument.instrument_id].begun(FOLLOW_SECONDS)
        self._account.engine.place(request, self._account.now_ns())
        return await self._account.answered(request.client_order_id)

    async def _cancel(self, order: Order) -> Order:
        name = order.client_order_id
        stands = None if name is None else self._account.engine.cancel(name, self._account.now_ns())
        if stands is None or name is None:
            raise ConfigurationError("order", name, "one that was placed here")
        return stands if stands.is_final else await self._account.answered(name, until_final=True)

    async def _cancel_all(self, instrument_id: str | None) -> list[Order]:
        return await asyncio.gather(*map(self._cancel, await self._open_orders(instrument_id)))

    async def _open_orders(self, instrument_id: str | None) -> list[Order]:
        orders = self._account.engine.open_orders(self._account.now_ns())
        return [order for order in orders if instrument_id in (None, order.instrument_id)]

    def _follow(self, request: OrderRequest) -> None:
        """An order of an earlier program is nowhere: the account on paper ended with it."""
        now_ns = self._account.now_ns()
        if all(
            each.client_order_id != request.client_order_id
            for each in self._account.engine.open_orders(now_ns)
        ):
            self._account.say(
                request.as_order("rejected", now_ns, reason="an order on paper ends with its program")
            )

    # --- inside -----------------------------------------------------------------------------------------------------

    def _over(self, followed: Followed, reason: str) -> None:
        """The venue has no more of an instrument: perhaps its market has ended."""
        task = asyncio.get_running_loop().create_task(
            self._settle(followed.instrument, reason),
            name=f"tapewire settling of {followed.instrument.instrument_id}",
        )
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)

    async def _settle(self, instrument: Instrument, reason: str) -> None:
        name = instrument.instrument_id
        try:
            market = await self._market_of(instrument)
        except TapewireError as error:
            logger.warning("%s is over (%s), and how it ended cannot be had: %s", name, reason, error)
            return
        if market is None or market.status not in ("settled", "voided"):
            logger.warning("%s is over (%s), and how it ended is not known", name, reason)
            return
        won = instrument.payout if market.result == name else Decimal(0)
        value = None if market.status == "voided" else won
        self._account.engine.settle(name, value, self._account.now_ns())
        self._account.find(name)
        self._account.tell()

    async def _market_of(self, instrument: Instrument) -> Market | None:
        async for market in self._list_markets(open=False):
            if market.market_id == instrument.market_id:
                return market
        return None


def paper(venue: str | Venue, config: PaperConfig, *, seed: int | str = 1) -> PaperVenue:
    """A venue on paper: `async with tapewire.paper("weex", PaperConfig(balance=...), seed=7) as venue:`.

    `venue`: its name, or what `tapewire.connect(name, ...)` gave and nobody has connected yet: with settings, on a
    tape. `config`: the money, latencies and fees. `seed`: of the latencies. The verbs are those of all venues, and
    `profit()`. Raises ConfigurationError, and NotSupported for a venue without books and trades.
    """
    inner = connect(venue) if isinstance(venue, str) else venue
    if not isinstance(inner, VenueMarket) or isinstance(inner, PaperVenue) or inner.is_connected:
        raise ConfigurationError("venue", venue, "a name, or what tapewire.connect gave, not connected yet")
    _check(config, seed)
    for verb in _NEEDED:
        check_verb(verb, inner.name, inner.capabilities)
    return PaperVenue(inner, config, seed)


def _check(config: object, seed: object) -> None:
    if not isinstance(config, PaperConfig):
        raise ConfigurationError("config", config, "a tapewire.trading.PaperConfig")
    if type(seed) not in (int, str):
        raise ConfigurationError("seed", seed, "a whole number or a text")

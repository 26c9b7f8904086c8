"""`Venue`: the same verbs for every venue. Write a strategy, a recorder or a screen once; give it any of them.

Rules:

* What a venue has not raises `NotSupported` at the call, and names what comes nearest. Ask `capabilities` before.
* `watch_...` returns a feed at once and asks the venue for it; a feed says itself whether it is whole (`continuity`).
* An instrument is named by the venue's own id. `venue:instrument_id` is the one text form.
* An order that is off the instrument's grid is refused before it is sent, with the grid in the error.
* Amounts of two currencies are never added together.
"""

from __future__ import annotations

import secrets
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from decimal import Decimal
from types import TracebackType
from typing import Any, Final, Self, Unpack

from ..arguments import near_names
from ..errors import ConfigurationError, TapewireError, UnknownInstrument
from ..model import (
    Balance,
    Fill,
    Instrument,
    Market,
    Order,
    OrderKind,
    OrderRequest,
    OrderSide,
    Position,
    Ticker,
    TimeInForce,
    Trade,
    check_on_grid,
)
from .capabilities import Capability, Verb, check_verb
from .feed import Feed, WatchOptions
from .view import BookView

__all__ = ["Venue"]


class Venue(ABC):
    """One venue, connected inside `async with`. Its makers say what it can; everything else is the same for all."""

    name: str
    """As it is asked for: `tapewire.connect(name)`."""

    capabilities: Mapping[Verb, Capability]
    """What it has, verb by verb. A verb that is not listed is not supported."""

    # --- the line ---------------------------------------------------------------------------------------------------

    @abstractmethod
    async def connect(self) -> None:
        """Connect. Raises what no retry can heal, in the venue's own tree of errors."""

    @abstractmethod
    async def close(self) -> None:
        """Leave every feed and close every connection. Bounded in time, idempotent."""

    @abstractmethod
    def reconnect(self) -> None:
        """Drop every connection and make new ones at once; feeds go on, and say what that cost."""

    @property
    @abstractmethod
    def is_connected(self) -> bool:
        """True while every connection that is needed is up."""

    @abstractmethod
    def statistics(self) -> Any:
        """Frozen figures of the connections: see `tapewire.Statistics`."""

    async def __aenter__(self) -> Self:
        try:
            await self.connect()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # --- what there is ----------------------------------------------------------------------------------------------

    def markets(self, *, open: bool = True, search: str = "") -> AsyncIterator[Market]:  # noqa: A002
        """The venue's markets. `open`: only those that take orders now. `search`: a part of a name or an id."""
        self._capability("markets")  # here, and not when it is first waited for
        _check_search(search)
        return self._found_markets(search, open=open)

    async def _found_markets(self, search: str, *, open: bool) -> AsyncIterator[Market]:  # noqa: A002
        async for market in self._list_markets(open=open):
            if (not open or market.is_tradable) and _matches(
                search, market.market_id, market.name, *(o.name for o in market.outcomes)
            ):
                yield market

    def instruments(self, *, market_id: str | None = None, search: str = "") -> AsyncIterator[Instrument]:
        """What can be traded, with its grid. `market_id`: of one market. `search`: a part of a name or an id."""
        self._capability("instruments")
        _check_search(search)
        return self._found_instruments(market_id, search)

    async def _found_instruments(self, market_id: str | None, search: str) -> AsyncIterator[Instrument]:
        async for instrument in self._list_instruments(market_id):
            if _matches(search, instrument.instrument_id, instrument.name):
                yield instrument

    async def instrument(self, instrument_id: str) -> Instrument:
        """One instrument by its id. Raises UnknownInstrument, which lists near ones."""
        self._capability("instruments")
        self._check_id(instrument_id)
        known: list[str] = []
        async for instrument in self._list_instruments(None):
            if instrument.instrument_id == instrument_id:
                return instrument
            known.append(instrument.instrument_id)
        raise UnknownInstrument(self.name, instrument_id, near_names(instrument_id, known))

    # --- what is watched --------------------------------------------------------------------------------------------

    def watch_order_book(
        self, instrument_id: str, *, depth: int | None = None, **options: Unpack[WatchOptions]
    ) -> Feed[BookView]:
        """The order book, at least after each change that is there when you look: the newest state counts.

        `depth`: levels of a side; None for all that the venue gives. A book that is crossed, insane or not proven is
        never live. Raises NotSupported, ConfigurationError.
        """
        if depth is not None and (type(depth) is not int or depth < 1):
            raise ConfigurationError("depth", depth, "a whole number from 1, or None for all")
        return self._watched("watch_order_book", instrument_id, depth, options)

    def watch_trades(self, instrument_id: str, **options: Unpack[WatchOptions]) -> Feed[Trade]:
        """Public prints, each once. Raises NotSupported, ConfigurationError."""
        return self._watched("watch_trades", instrument_id, None, options)

    def watch_ticker(self, instrument_id: str, **options: Unpack[WatchOptions]) -> Feed[Ticker]:
        """What the venue says of it in one line; the newest counts. Raises NotSupported, ConfigurationError."""
        return self._watched("watch_ticker", instrument_id, None, options)

    def watch_orders(self, instrument_id: str | None = None, **options: Unpack[WatchOptions]) -> Feed[Order]:
        """Our own orders, each state once; first those that are open. What a gap hid is looked up.

        Raises NotSupported, ConfigurationError.
        """
        return self._watched("watch_orders", instrument_id, None, options)

    def watch_fills(self, instrument_id: str | None = None, **options: Unpack[WatchOptions]) -> Feed[Fill]:
        """Our own executions, each once. What a gap hid is looked up. Raises NotSupported, ConfigurationError."""
        return self._watched("watch_fills", instrument_id, None, options)

    def watch_positions(
        self, instrument_id: str | None = None, **options: Unpack[WatchOptions]
    ) -> Feed[Position]:
        """What we hold, first as it stands, then as it changes. Raises NotSupported, ConfigurationError."""
        return self._watched("watch_positions", instrument_id, None, options)

    def watch_balance(self, **options: Unpack[WatchOptions]) -> Feed[Balance]:
        """Money, one item for each currency that changed. Raises NotSupported, ConfigurationError."""
        return self._watched("watch_balance", None, None, options)

    # --- orders -----------------------------------------------------------------------------------------------------

    async def place_order(
        self,
        instrument_id: str,
        side: OrderSide,
        size: Decimal,
        price: Decimal | None = None,
        *,
        kind: OrderKind | None = None,
        time_in_force: TimeInForce = "gtc",
        post_only: bool = False,
        reduce_only: bool = False,
        client_order_id: str | None = None,
    ) -> Order:
        """Place an order; returns how it stands. It is sent once, whatever happens.

        Without a `price` it is a market order. `client_order_id` is ours to find it by; one is made where none is
        given. Where the answer is lost the returned order is `unknown`: look it up (`open_orders`, `watch_orders`)
        before you do anything else. Raises NotSupported; InvalidField (a ConfigurationError) for what is off the
        instrument's grid; UnknownInstrument; what the venue refuses it for.
        """
        self._capability("place_order")
        request = OrderRequest(
            client_order_id=client_order_id or f"tw-{secrets.token_hex(8)}",
            venue=self.name,
            instrument_id=instrument_id,
            side=side,
            size=size,
            kind=kind or ("market" if price is None else "limit"),
            price=price,
            time_in_force=time_in_force,
            post_only=post_only,
            reduce_only=reduce_only,
        )
        instrument = await self.instrument(instrument_id)
        check_on_grid(request, instrument)
        return await self._place(request, instrument)

    async def cancel_order(self, order: Order) -> Order:
        """Cancel an order that one of these verbs gave; returns how it stands.

        One that has ended already, as by an earlier call or a fill, is returned as it ended. Raises NotSupported; what
        is refused of an order that is open, or that the venue does not know.
        """
        self._capability("cancel_order")
        given: object = order
        if not isinstance(given, Order) or given.venue != self.name:
            raise ConfigurationError("order", order, f"an Order of {self.name}")
        return await self._cancel(order)

    async def cancel_all(self, instrument_id: str | None = None) -> list[Order]:
        """Cancel all open orders, or those of one instrument; returns them.

        Raises NotSupported; ConfigurationError for what is no id, which never stands for all; UnknownInstrument where
        there are none of an instrument that there is not; what is refused.
        """
        self._capability("cancel_all")
        self._check_id(instrument_id, is_all=instrument_id is None)
        return await self._cancel_all(instrument_id) or await self._none_of(instrument_id)

    async def open_orders(self, instrument_id: str | None = None) -> list[Order]:
        """The orders that are open now, asked for over HTTP.

        Raises NotSupported; UnknownInstrument where there are none of an instrument that there is not.
        """
        self._capability("open_orders")
        self._check_id(instrument_id, is_all=instrument_id is None)
        return await self._open_orders(instrument_id) or await self._none_of(instrument_id)

    def follow_order(self, request: OrderRequest) -> None:
        """Ask for an order until it is known how it stands, as for one whose answer was lost; `watch_orders` tells it.

        For what an earlier run of a program may have sent: the venue is asked by `client_order_id`, and what it still
        does not have after a while it never had. Returns at once. Raises NotSupported.
        """
        self._capability("place_order")
        self._follow(request)

    # --- what a venue brings ----------------------------------------------------------------------------------------

    @abstractmethod
    def _watch(
        self, verb: Verb, instrument_id: str | None, depth: int | None, options: WatchOptions
    ) -> Feed[Any]:
        """The feed, asked for already. Called for verbs that are supported alone."""

    def _list_markets(self, *, open: bool) -> AsyncIterator[Market]:  # noqa: A002
        raise NotImplementedError  # pragma: no cover - a venue that lists the verb has it

    def _list_instruments(self, market_id: str | None) -> AsyncIterator[Instrument]:
        raise NotImplementedError  # pragma: no cover

    async def _place(self, request: OrderRequest, instrument: Instrument) -> Order:
        raise NotImplementedError  # pragma: no cover

    async def _cancel(self, order: Order) -> Order:
        raise NotImplementedError  # pragma: no cover

    async def _cancel_all(self, instrument_id: str | None) -> list[Order]:
        raise NotImplementedError  # pragma: no cover

    async def _open_orders(self, instrument_id: str | None) -> list[Order]:
        raise NotImplementedError  # pragma: no cover

    def _follow(self, request: OrderRequest) -> None:
        raise NotImplementedError  # pragma: no cover

    # --- inside -----------------------------------------------------------------------------------------------------

    def _capability(self, verb: Verb) -> Capability:
        return check_verb(verb, self.name, self.capabilities)

    def _watched(
        self, verb: Verb, instrument_id: str | None, depth: int | None, options: WatchOptions
    ) -> Feed[Any]:
        self._capability(verb)
        self._check_id(instrument_id, is_all=instrument_id is None and verb not in _OF_ONE)
        return self._watch(verb, instrument_id, depth, options)

    def _check_id(self, instrument_id: object, *, is_all: bool = False) -> None:
        if not is_all and (not isinstance(instrument_id, str) or not instrument_id):
            raise ConfigurationError(
                "instrument_id", instrument_id, f"the id of an instrument of {self.name}"
            )

    async def _none_of(self, instrument_id: str | None) -> list[Order]:
        """No order, of an instrument that there is: a name that is mistyped has none either."""
        if instrument_id is not None:
            try:
                await self.instrument(instrument_id)
            except UnknownInstrument:
                raise
            except TapewireError:
                return []  # the list cannot be had: that there are no orders is known all the same
        return []


_OF_ONE: Final[frozenset[Verb]] = frozenset({"watch_order_book", "watch_trades", "watch_ticker"})
"""Verbs that nobody asks of all instruments at once."""


def _check_search(search: object) -> None:
    if not isinstance(search, str):
        raise ConfigurationError("search", search, "a part of a name or an id")


def _matches(search: str, *texts: str) -> bool:
    wanted = search.casefold()
    return not wanted or any(wanted in text.casefold() for text in texts)

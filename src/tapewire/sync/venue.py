"""`Venue`: the verbs of `tapewire.market.Venue`, blocking. One method for each, of the same name and arguments."""

from __future__ import annotations

import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from ..arguments import check_function
from ..errors import SessionClosed
from .feeds import Feed
from .thread import LoopThread, plainly, release, use
from .worker import Worker

if TYPE_CHECKING:
    from decimal import Decimal
    from typing import Unpack

    from ..market.capabilities import Capability, Verb
    from ..market.feed import Feed as AsyncFeed
    from ..market.feed import WatchOptions
    from ..market.venue import Venue as AsyncVenue
    from ..market.view import BookView
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
    )

__all__ = ["Venue"]

T = TypeVar("T")

CLOSE_SECONDS: Final = 10.0
"""How long a venue may take to close. What is left of it then is cancelled."""

INTERRUPTED_SECONDS: Final = 0.7
"""The same behind Ctrl-C."""

_HOOKS: Final = {"handler": 1, "on_mark": 1, "on_error": 2, "on_continuity": 1}


class Venue:
    """One venue, connected inside `with`. Made by `connect`; any thread may call it.

    Handlers are called in a thread of their own, in order; they may block, and may call the venue. `make` gives the
    venue for asyncio, and is called at once.
    """

    def __init__(self, make: Callable[[], AsyncVenue]) -> None:
        self._venue = _made(make)
        self.name: str = self._venue.name
        self._thread: LoopThread | None = None
        self._finalizer: weakref.finalize[..., Any] | None = None

    @property
    def capabilities(self) -> Mapping[Verb, Capability]:
        """What it has, verb by verb. A verb that is not listed is not supported."""
        return self._venue.capabilities

    # --- the line ---------------------------------------------------------------------------------------------------

    def connect(self) -> None:
        """Connect. Raises what no retry can heal, in the venue's own tree of errors."""
        if self._thread is None:
            self._thread = use()
            self._finalizer = weakref.finalize(self, _abandon, self._thread, self._venue)
            self._finalizer.atexit = False  # the loop ends with the program, and everything in it
        try:
            self._call(self._venue.connect)
        except BaseException as error:
            with suppress(Exception):  # what connecting raised says more
                self._close(_seconds_behind(type(error)))
            raise

    def close(self) -> None:
        """Leave every feed and close every connection. Bounded in time, idempotent."""
        self._close(CLOSE_SECONDS)

    def reconnect(self) -> None:
        """Drop every connection and make new ones at once; feeds go on, and say what that cost."""
        self._call(plainly, self._venue.reconnect)

    @property
    def is_connected(self) -> bool:
        """True while every connection that is needed is up."""
        return self._thread is not None and self._venue.is_connected

    def statistics(self) -> Any:
        """Frozen figures of the connections: see `tapewire.Statistics`."""
        return self._call(plainly, self._venue.statistics)

    def __enter__(self) -> Self:
        self.connect()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close(_seconds_behind(kind))

    # --- what there is ----------------------------------------------------------------------------------------------

    def markets(self, *, open: bool = True, search: str = "") -> Iterator[Market]:  # noqa: A002
        """The venue's markets. `open`: only those that take orders now. `search`: a part of a name or an id."""
        return self._listed(lambda: self._venue.markets(open=open, search=search))

    def instruments(self, *, market_id: str | None = None, search: str = "") -> Iterator[Instrument]:
        """What can be traded, with its grid. `market_id`: of one market. `search`: a part of a name or an id."""
        return self._listed(lambda: self._venue.instruments(market_id=market_id, search=search))

    def instrument(self, instrument_id: str) -> Instrument:
        """One instrument by its id. Raises UnknownInstrument, which lists near ones."""
        return self._call(self._venue.instrument, instrument_id)

    # --- what is watched --------------------------------------------------------------------------------------------

    def watch_order_book(
        self, instrument_id: str, *, depth: int | None = None, **options: Unpack[WatchOptions]
    ) -> Feed[BookView]:
        """The order book, each item a copy of the newest state. Raises NotSupported, ConfigurationError.

        `depth`: levels of a side; None for all that the venue gives. A book that is crossed, insane or not proven is
        never live.
        """
        return self._watched(self._venue.watch_order_book, instrument_id, depth=depth, options=options)

    def watch_trades(self, instrument_id: str, **options: Unpack[WatchOptions]) -> Feed[Trade]:
        """Public prints, each once. Raises NotSupported, ConfigurationError."""
        return self._watched(self._venue.watch_trades, instrument_id, options=options)

    def watch_ticker(self, instrument_id: str, **options: Unpack[WatchOptions]) -> Feed[Ticker]:
        """What the venue says of it in one line; the newest counts. Raises NotSupported, ConfigurationError."""
        return self._watched(self._venue.watch_ticker, instrument_id, options=options)

    def watch_orders(self, instrument_id: str | None = None, **options: Unpack[WatchOptions]) -> Feed[Order]:
        """Our own orders, each state once; first those that are open. What a gap hid is looked up.

        Raises NotSupported, ConfigurationError.
        """
        return self._watched(self._venue.watch_orders, instrument_id, options=options)

    def watch_fills(self, instrument_id: str | None = None, **options: Unpack[WatchOptions]) -> Feed[Fill]:
        """Our own executions, each once. What a gap hid is looked up. Raises NotSupported, ConfigurationError."""
        return self._watched(self._venue.watch_fills, instrument_id, options=options)

    def watch_positions(
        self, instrument_id: str | None = None, **options: Unpack[WatchOptions]
    ) -> Feed[Position]:
        """What we hold, first as it stands, then as it changes. Raises NotSupported, ConfigurationError."""
        return self._watched(self._venue.watch_positions, instrument_id, options=options)

    def watch_balance(self, **options: Unpack[WatchOptions]) -> Feed[Balance]:
        """Money, one item for each currency that changed. Raises NotSupported, ConfigurationError."""
        return self._watched(self._venue.watch_balance, options=options)

    # --- orders -----------------------------------------------------------------------------------------------------

    def place_order(
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
        """Place an order; returns how it stands. It is sent once, whatever happens. See `tapewire.market.Venue`.

        Ctrl-C does not take it back: what became of it then is to be looked up (`open_orders`).
        """
        return self._call(
            self._venue.place_order,
            *(instrument_id, side, size, price),
            kind=kind,
            time_in_force=time_in_force,
            post_only=post_only,
            reduce_only=reduce_only,
            client_order_id=client_order_id,
        )

    def cancel_order(self, order: Order) -> Order:
        """Cancel an order that one of these verbs gave; returns how it stands, also where it has ended already.

        Raises NotSupported; what is refused of an order that is open, or that the venue does not know.
        """
        return self._call(self._venue.cancel_order, order)

    def cancel_all(self, instrument_id: str | None = None) -> list[Order]:
        """Cancel all open orders, or those of one instrument; returns them. Raises NotSupported, what is refused."""
        return self._call(self._venue.cancel_all, instrument_id)

    def open_orders(self, instrument_id: str | None = None) -> list[Order]:
        """The orders that are open now, asked for over HTTP. Raises NotSupported."""
        return self._call(self._venue.open_orders, instrument_id)

    def follow_order(self, request: OrderRequest) -> None:
        """Ask for an order until it is known how it stands; `watch_orders` tells it. Raises NotSupported."""
        self._call(plainly, self._venue.follow_order, request)

    def __repr__(self) -> str:
        state = (
            "not connected" if self._thread is None else "connected" if self.is_connected else "connecting"
        )
        return f"<tapewire.sync.Venue {self.name}, {state}>"

    # --- inside -----------------------------------------------------------------------------------------------------

    def _call(self, function: Callable[..., Awaitable[T]], *arguments: Any, **named: Any) -> T:
        if self._thread is None:
            raise SessionClosed(f"{self.name} is not connected: use it inside `with`")
        return self._thread.call(function, *arguments, **named)

    def _watched(
        self, verb: Callable[..., AsyncFeed[T]], *arguments: Any, options: Mapping[str, Any], **named: Any
    ) -> Feed[T]:
        feed = self._call(plainly, verb, *arguments, **named, **self._in_threads(options))
        assert self._thread is not None
        return Feed(self._thread, feed, self)

    def _in_threads(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """The options with their functions wrapped: what is to be told at once does not wait for a slow handler."""
        given = dict(options)
        handlers, hook = Worker(f"tapewire handler of {self.name}"), Worker(f"tapewire hook of {self.name}")
        for name, takes in _HOOKS.items():
            function = given.get(name)
            check_function(name, function, takes, plain=True)
            if function is not None:
                given[name] = (hook if name == "on_continuity" else handlers).wrapped(function)
        return given

    def _listed(self, ask: Callable[[], AsyncIterator[T]]) -> Iterator[T]:
        listing = self._call(plainly, ask)  # what is not supported is said here, and not with the first one
        return self._each(listing)

    def _each(self, listing: Any) -> Iterator[Any]:
        try:
            while (item := self._call(_next_of, listing)) is not _NO_MORE:
                yield item
        finally:
            if self._thread is not None:
                with suppress(SessionClosed):
                    self._thread.post(listing.aclose)

    def _close(self, seconds: float) -> None:
        thread, self._thread = self._thread, None
        if thread is None:
            return
        if self._finalizer is not None:
            self._finalizer.detach()
        try:
            with suppress(SessionClosed, TimeoutError):
                thread.call(self._venue.close, seconds=seconds)
        finally:
            release(thread)


_NO_MORE: Final = object()


async def _next_of(listing: AsyncIterator[Any]) -> Any:
    return await anext(listing, _NO_MORE)


def _made(make: Callable[[], AsyncVenue]) -> AsyncVenue:
    """A venue belongs to the event loop inside which it is made: not to one that runs here."""
    with ThreadPoolExecutor(1) as elsewhere:
        return elsewhere.submit(make).result()


def _abandon(thread: LoopThread, venue: AsyncVenue) -> None:
    """Nobody holds it any more, and nobody closed it. This may run in any thread, so that it waits for nothing."""

    async def close() -> None:
        try:
            await venue.close()
        finally:
            release(thread)

    with suppress(SessionClosed):
        thread.post(close)


def _seconds_behind(kind: type[BaseException] | None) -> float:
    """How long leaving may take behind an exception: whoever presses Ctrl-C wants to be gone."""
    is_interrupted = kind is not None and not issubclass(kind, Exception)
    return INTERRUPTED_SECONDS if is_interrupted else CLOSE_SECONDS

"""The market of SX Bet: books, prints and best odds of each outcome, and one maker's orders and fills. It is read only.

An outcome is an instrument, `<marketHash>:1` or `<marketHash>:2`. The book of outcome two is that of outcome one seen
from the other side. Whose orders and fills are meant is said by `maker`, a wallet's address.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

from ...arguments import near_names
from ...errors import TapewireError, UnknownInstrument
from ...market.capabilities import Capability, Verb
from ...model import Instrument, InvalidField, Market, Order
from ...session.buffers import of_one_key
from ...session.options import Statistics
from ..kit.lookups import LookUps
from ..kit.market import Fed, Port, Source, VenueMarket
from ..kit.settings import Sources
from .book import MarketBook
from .errors import SXBetError, SXBetInvalidParameter
from .levels import LevelBook
from .market_sources import BestOdds, BookFeed, OneMarketFeed, OutcomeLevels, Prints
from .own import OwnFills, OwnOrders, fate_of, open_orders_of
from .profile import V2, Profile
from .socket import SXBetClient
from .spec import SPEC
from .symbols import OutcomeNumber, checked_address, checked_market_hash, parse_outcome_id
from .translate import to_instruments, to_market, to_order
from .url import MAKER
from .wire import MarketRow

__all__ = ["CAPABILITIES", "SXBetMarket", "capabilities_of", "connect"]

logger = logging.getLogger("tapewire.venues.sxbet")


BOOK_QUIET_SECONDS: Final = 120.0
QUIET_SECONDS: Final = 300.0
"""How long a book, and anything else, may be silent before the venue is asked over HTTP whether that is right."""

_ORDERS_ARE_SIGNED: Final = "its orders are signed by a wallet, and this SDK holds none"
_UNKNOWN_SHAPE: Final = "no page shows what the later generation answers for that"


def capabilities_of(profile: Profile) -> Mapping[Verb, Capability]:
    """What it has in one generation of its API."""
    is_later = profile.book == "levels"
    nearest: Verb = "watch_orders" if is_later else "watch_fills"
    found: dict[Verb, Capability] = {
        "markets": Capability(note="it lists those that are active; any other is found by its hash"),
        "instruments": Capability(note="of the markets that are active; any other is found by its id"),
        "watch_order_book": Capability(
            proof="snapshot" if is_later else "recoverable",
            conflated_ms=None if is_later else 100,
            note="makers are not matched with each other: a crossed book is true, and not live here",
        ),
        "watch_trades": Capability(
            proof="none" if is_later else "recoverable",
            note="a bet that fails later was told when it was placed",
        ),
        "watch_ticker": Capability(proof="snapshot", note="the best makers' odds alone"),
        "watch_orders": Capability(proof="recoverable", private=True, note="of the wallet `maker`"),
        "watch_fills": Capability(
            proof="recoverable", private=True, note="of the wallet `maker`, once the chain has confirmed them"
        ),
        "watch_positions": Capability(supported=False, instead=nearest, note="it tells of none"),
        "watch_balance": Capability(supported=False, instead=nearest, note="it is on the chain"),
        "open_orders": Capability(private=True, note="of the wallet `maker`"),
    }
    placing: tuple[Verb, ...] = ("place_order", "cancel_order", "cancel_all")
    for verb in placing:
        found[verb] = Capability(supported=False, instead="watch_orders", note=_ORDERS_ARE_SIGNED)
    if is_later:
        found["watch_orders"] = Capability(
            private=True, note="of the wallet `maker`, as the channel tells them"
        )
        found["watch_fills"] = Capability(supported=False, instead="watch_orders", note=_UNKNOWN_SHAPE)
        found["open_orders"] = Capability(supported=False, instead="watch_orders", note=_UNKNOWN_SHAPE)
    return found


CAPABILITIES: Final[Mapping[Verb, Capability]] = capabilities_of(V2)
"""Of the generation that is spoken unless another is asked for."""


def connect(*, maker: str | None = None, **settings: Any) -> SXBetMarket:
    """The market of SX Bet; nothing is sent before `async with`.

    `maker`: the wallet whose orders and fills are its own (default: SXBET_MAKER). `settings`: those of `SXBetClient`.
    Raises SXBetInvalidParameter.
    """
    given = Sources().take(MAKER, maker or None).value
    address = None if given is None else checked_address("maker", given)
    try:
        client = SXBetClient(**settings)
    except TypeError as error:
        raise SXBetInvalidParameter("settings", ", ".join(sorted(settings)), str(error)) from None
    return SXBetMarket(client, address)


class SXBetMarket(VenueMarket):
    """Made by `tapewire.connect("sxbet", ...)`. `client` is the venue's own class, and has what else there is."""

    def __init__(self, client: SXBetClient, maker: str | None = None) -> None:
        super().__init__(SPEC, client.clock)
        self.client: SXBetClient = client
        self.maker: str | None = maker
        self.capabilities: Mapping[Verb, Capability] = capabilities_of(client.profile)
        self._own: set[OwnOrders] = set()
        self._lookups = LookUps(self._look_up, self._learnt, self.clock)

    # --- the line ---------------------------------------------------------------------------------------------------

    @property
    def is_connected(self) -> bool:
        """True while every connection that is needed is up."""
        return self.client.is_connected

    def reconnect(self) -> None:
        """Drop every connection and make it anew at once; what was missed is replayed."""
        self.client.reconnect()

    def statistics(self) -> Statistics:
        """Frozen figures of the client's connections."""
        return self.client.statistics()

    async def _open(self) -> None:
        await self.client.connect()

    async def _close(self) -> None:
        await self._lookups.close()
        await self.client.disconnect()

    # --- what there is ----------------------------------------------------------------------------------------------

    async def _list_markets(self, *, open: bool) -> AsyncIterator[Market]:  # noqa: A002
        async for row in self.client.http.active_markets():
            try:
                market = to_market(row, self.clock.time_ns())
            except InvalidField as error:
                _passed_over(row, error)
            else:
                yield market

    async def list_instruments(self) -> list[Instrument]:
        """Both outcomes of each active market."""
        return [each async for row in self.client.http.active_markets() for each in self._outcomes(row)]

    async def _list_instruments(self, market_id: str | None) -> AsyncIterator[Instrument]:
        if market_id is None:
            async for instrument in super()._list_instruments(None):
                yield instrument
        else:
            for row in await self.client.http.markets([checked_market_hash("market_id", market_id)]):
                for instrument in self._outcomes(row):
                    yield instrument

    async def instrument(self, instrument_id: str) -> Instrument:
        """One outcome by its id, also of a market that has ended. Raises UnknownInstrument with near ones."""
        self._check_id(instrument_id)
        row, (_, outcome) = await self._row(instrument_id), _parsed(instrument_id)
        return self._outcomes(row)[outcome - 1]

    async def _row(self, instrument_id: str) -> MarketRow:
        """Its market. Raises UnknownInstrument."""
        row = await self.client.market_status.row_of(_parsed(instrument_id)[0])
        if row is None or not self._outcomes(row):
            raise await self._unknown(instrument_id)
        return row

    def _outcomes(self, row: MarketRow) -> Sequence[Instrument]:
        try:
            return to_instruments(row, self.client.http.endpoints.network.usdc.symbol)
        except InvalidField as error:
            _passed_over(row, error)
            return ()

    async def _unknown(self, instrument_id: str) -> TapewireError:
        near: list[str] = []
        try:
            near = near_names(instrument_id, await self._known(fresh=False))
        except SXBetError as error:
            logger.info("no names near %s: %s", instrument_id, error)
        return UnknownInstrument(self.name, instrument_id, near)

    # --- what is watched --------------------------------------------------------------------------------------------

    def source(self, verb: Verb, instrument_id: str | None, depth: int | None) -> Source:
        """What feeds that verb. Raises SXBetInvalidParameter for what can be no instrument, or without a `maker`."""
        if verb == "watch_orders":
            return self._own_orders(instrument_id)
        if verb == "watch_fills":
            return self._own_fills(instrument_id)
        assert instrument_id is not None
        market_hash, outcome = _parsed(instrument_id)
        if verb == "watch_order_book":
            return self._book(instrument_id, market_hash, outcome)
        if verb == "watch_trades":
            prints = Prints(self.client, market_hash, outcome, self.clock)
            return Source(
                name=f"trades of {instrument_id}",
                subscribe=self._of_known(instrument_id, prints.feed),
                decode_at=prints.decode,
                quiet=QUIET_SECONDS,
                probe=None if self.client.profile.book == "levels" else prints.is_current,
                **_buffer("trades"),
            )
        odds = BestOdds(self.client, market_hash, outcome, self.clock)
        return Source(
            name=f"ticker of {instrument_id}",
            subscribe=self._of_known(instrument_id, odds.feed),
            decode_at=odds.decode,
            decode_snapshot=odds.decode_snapshot,
            policy="conflate",
            key=of_one_key,
            is_state=True,
            quiet=QUIET_SECONDS,
            probe=odds.is_current,
        )

    def _book(self, instrument_id: str, market_hash: str, outcome: OutcomeNumber) -> Source:
        watched = self.client.watched(market_hash)
        levels = OutcomeLevels(watched.book, outcome)

        def subscribe(port: Port) -> BookFeed:
            feed = BookFeed(
                self.client, port, self.clock, watched, levels, lambda: self._unknown(instrument_id)
            )
            return feed.begin_book()

        return Source(
            name=f"the book of {instrument_id}",
            subscribe=subscribe,
            book=levels,
            is_state=True,
            quiet=BOOK_QUIET_SECONDS,
            probe=lambda: self._is_current(watched.book),
        )

    async def _is_current(self, book: MarketBook | LevelBook) -> bool:
        """True if the book that the venue gives over HTTP is the same."""
        now: MarketBook | LevelBook
        if isinstance(book, MarketBook):
            now = MarketBook(book.market_hash, decimals=book.decimals)
            now.seed(await self.client.seeds.orders_of(book.market_hash))
        else:
            now = LevelBook(book.market_hash, decimals=book.decimals)
            now.seed(await self.client.http.book_snapshot(book.market_hash))
        sides = ((each.levels.bids, each.levels.offers) for each in (book, now))
        known, found = ([list(bids), list(offers)] for bids, offers in sides)
        return known == found

    def _own_orders(self, instrument_id: str | None) -> Source:
        orders = OwnOrders(
            self.client, self._maker(), _checked(instrument_id), self.clock, self._lookups.follow
        )
        has_list = self.capabilities["open_orders"].supported

        def subscribe(port: Port) -> Fed:
            self._own.add(orders)
            return orders.feed(port)

        return Source(
            name=f"orders of {self.maker}",
            subscribe=subscribe,
            on_ended=lambda: self._own.discard(orders),
            decode_at=orders.decode,
            decode_snapshot=orders.decode_snapshot if has_list else None,
            is_state=has_list,
            quiet=QUIET_SECONDS if has_list else None,
            probe=orders.is_current if has_list else None,
            **_buffer("own_orders"),
        )

    def _own_fills(self, instrument_id: str | None) -> Source:
        fills = OwnFills(self.client, self._maker(), _checked(instrument_id), self.clock)
        return Source(
            name=f"fills of {self.maker}",
            subscribe=fills.feed,
            decode_at=fills.decode,
            decode_snapshot=fills.decode_snapshot,
            is_state=True,
            quiet=QUIET_SECONDS,
            probe=fills.is_current,
            **_buffer("own_fills"),
        )

    def _of_known(self, instrument_id: str, feed: Any) -> Any:
        """Look the instrument up, then ask for it: a channel of all markets says nothing of one that is none."""

        async def subscribe(port: Port) -> OneMarketFeed:
            row = await self._row(instrument_id)
            fed: OneMarketFeed = feed(port)
            fed.told(row)
            return fed

        return subscribe

    def _maker(self) -> str:
        if self.maker is None:
            raise SXBetInvalidParameter(
                "maker", None, "a wallet's address, in connect(maker=) or SXBET_MAKER"
            )
        return self.maker

    # --- own orders -------------------------------------------------------------------------------------------------

    async def _look_up(self, order: Order) -> Order | None:
        return await fate_of(self.client, self._maker(), order, self.clock)

    def _learnt(self, order: Order) -> None:
        for orders in self._own:
            orders.learn(order)

    async def _open_orders(self, instrument_id: str | None) -> list[Order]:
        wanted, now_ns = _checked(instrument_id), self.clock.time_ns()
        decimals = self.client.http.endpoints.network.usdc.decimals
        rows = await open_orders_of(self.client, self._maker())
        orders = (to_order(row, now_ns, decimals) for row in rows)
        return [order for order in orders if wanted in (None, order.instrument_id)]


def _buffer(channel: str) -> dict[str, Any]:
    spec = SPEC.channels[channel]
    return {"policy": spec.policy, "capacity": spec.capacity}


def _parsed(instrument_id: str) -> tuple[str, OutcomeNumber]:
    market_hash, outcome = parse_outcome_id(instrument_id)
    try:
        checked_market_hash("instrument_id", market_hash)
    except SXBetInvalidParameter:
        allowed = "<marketHash>:1 or <marketHash>:2, the hash 0x and 64 hex digits"
        raise SXBetInvalidParameter("instrument_id", instrument_id[:150], allowed) from None
    return market_hash, outcome


def _checked(instrument_id: str | None) -> str | None:
    if instrument_id is not None:
        _ = _parsed(instrument_id)
    return instrument_id


def _passed_over(row: MarketRow, error: InvalidField) -> None:
    logger.warning("market %s is left out, for it cannot be: %s", row.market_hash[:80], error)

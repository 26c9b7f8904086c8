"""A market whose feeds are fed by hand: a test says what arrives."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from tapewire.clock import Clock
from tapewire.errors import UnknownInstrument
from tapewire.market import Capability, Verb
from tapewire.marks import Mark
from tapewire.model import Instrument, Level, Order, Trade
from tapewire.session.consumer import Consumer
from tapewire.venues import VENUES
from tapewire.venues.kit.feeds import Port, Source
from tapewire.venues.kit.market import VenueMarket

BTC = Instrument(
    venue="weex",
    instrument_id="BTCUSDT",
    kind="perpetual",
    currency="USDT",
    price_tick=Decimal("0.1"),
    size_step=Decimal("0.01"),
    min_size=Decimal("0.02"),
)
ETH = msgspec.structs.replace(BTC, instrument_id="ETHUSDT", name="Ether")


def trade(number: int) -> Trade:
    return Trade(
        venue="weex",
        instrument_id="BTCUSDT",
        trade_id=str(number),
        price=Decimal(1),
        size=Decimal(1),
        taker_side=None,
        venue_time_ns=None,
        received_at_ns=number,
    )


class Hand:
    """What feeds one port, as a test's hand does."""

    def __init__(self, port: Port) -> None:
        self.port = port
        self.resyncs = 0
        self.is_left = False
        self.is_confirmed = asyncio.Event()

    @property
    def consumer(self) -> Consumer[Any]:
        return self.port.consumer

    async def confirmed(self) -> None:
        await self.is_confirmed.wait()

    def unsubscribe(self) -> None:
        if not self.is_left:
            self.is_left = True
            self.consumer.part(self)

    def resync(self) -> None:
        self.resyncs += 1

    def awaited(self) -> None: ...
    def full(self) -> None: ...
    def relieved(self) -> None: ...
    async def tell_end(self) -> None: ...

    def put(self, *items: Any) -> None:
        for item in items:
            self.consumer.put(item)

    def mark(self, *marks: Mark) -> None:
        for mark in marks:
            self.port.mark(mark)


class Book:
    """Levels that a test sets."""

    def __init__(self) -> None:
        self.sides: dict[str, list[Level]] = {"bids": [], "offers": []}
        self.last = None
        self.venue_time_ns = None
        self.received_at_ns = 0

    def quote(self, bid: str, offer: str) -> None:
        self.sides = {"bids": [(Decimal(bid), Decimal(1))], "offers": [(Decimal(offer), Decimal(1))]}

    def bids(self, depth: int | None = None) -> Sequence[Level]:
        return self.sides["bids"][:depth]

    def offers(self, depth: int | None = None) -> Sequence[Level]:
        return self.sides["offers"][:depth]


class HandFed(VenueMarket):
    """The market. `hands` are the feeds in the order in which they were asked for."""

    def __init__(self, clock: Clock | None = None) -> None:
        super().__init__(VENUES["weex"], clock)
        self.hands: list[Hand] = []
        self.book = Book()
        self.listed = 0
        self.closed = 0
        self.capacity = 3
        self.quiet: float | None = None
        self.probe: Any = None
        self.failure: Exception | None = None
        self.decode: Any = None
        self.decode_at: Any = None
        self.decode_snapshot: Any = lambda snapshot: snapshot
        self.on_ended: Any = None
        self.begins_itself = False

    capabilities: Mapping[Verb, Capability] = {
        "instruments": Capability(),
        "watch_trades": Capability(proof="none"),
        "watch_order_book": Capability(proof="chained"),
        "watch_orders": Capability(proof="snapshot", private=True),
        "watch_ticker": Capability(supported=False, instead="watch_order_book", note="it has none"),
        "place_order": Capability(private=True),
        "open_orders": Capability(private=True),
    }

    @property
    def is_connected(self) -> bool:
        return True

    def statistics(self) -> None: ...
    def reconnect(self) -> None: ...
    async def _open(self) -> None: ...

    async def _close(self) -> None:
        self.closed += 1

    async def _open_orders(self, instrument_id: str | None) -> list[Order]:
        return []

    async def list_instruments(self) -> list[Instrument]:
        self.listed += 1
        return [BTC, ETH]

    def source(self, verb: Verb, instrument_id: str | None, depth: int | None) -> Source:
        return Source(
            name=f"{verb} of {instrument_id}",
            subscribe=self._subscribe,
            decode=self.decode,
            decode_at=self.decode_at,
            decode_snapshot=self.decode_snapshot if verb == "watch_orders" else None,
            on_ended=self.on_ended,
            is_state=verb in ("watch_orders", "watch_order_book"),
            book=self.book if verb == "watch_order_book" else None,
            begins_itself=self.begins_itself,
            capacity=self.capacity,
            quiet=self.quiet,
            probe=self.probe,
        )

    async def _subscribe(self, port: Port) -> Hand:
        if port.instrument_id not in (None, "BTCUSDT", "ETHUSDT"):
            raise UnknownInstrument("weex", str(port.instrument_id), ["BTCUSDT"])
        if self.failure is not None:
            raise self.failure
        hand = Hand(port)
        self.hands.append(hand)
        return hand

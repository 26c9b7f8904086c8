"""The venue under the verbs of all venues: which channel serves which verb, and what is made of it."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, Unpack

import msgspec

from tapewire.market import Capability, Verb
from tapewire.model import Balance, Instrument, Trade
from tapewire.session import Statistics
from tapewire.venues.kit import SocketWords
from tapewire.venues.kit.market import Items, Source, VenueMarket

from .socket import TemplateSocket
from .spec import SPEC
from .wire import Update

__all__ = ["CAPABILITIES", "TemplateMarket", "connect"]

CAPABILITIES: Final[Mapping[Verb, Capability]] = {
    "watch_trades": Capability(proof="numbered"),
    "watch_balance": Capability(proof="numbered", private=True),
    "watch_order_book": Capability(supported=False, instead="watch_trades", note="it shows no book"),
}


class TradeRow(msgspec.Struct):
    """The payload of `trades`."""

    trade_id: str
    market_id: str
    price: int
    quantity: int
    taker_side: str
    at_ns: int


class BalanceRow(msgspec.Struct):
    """The payload of `balance`."""

    cash: int
    at: int


class TemplateMarket(VenueMarket):
    """What `connect` gives: see `tapewire.market.Venue`."""

    capabilities: Mapping[Verb, Capability] = CAPABILITIES

    def __init__(self, socket: TemplateSocket, **words: Any) -> None:
        super().__init__(SPEC, words.get("clock"))
        self._socket = socket

    def source(self, verb: Verb, instrument_id: str | None, depth: int | None) -> Source:
        """One channel for each verb; the trades of all markets come in one."""
        channel = "trades" if verb == "watch_trades" else "balance"
        return Source(
            name=channel if instrument_id is None else f"{channel} of {instrument_id}",
            subscribe=lambda port: self._socket.feed(channel, port.consumer, announce=True),
            decode=self._trades_of(instrument_id) if verb == "watch_trades" else self._balance,
            policy=SPEC.channels[channel].policy,
        )

    async def list_instruments(self) -> list[Instrument]:
        """This venue lists none."""
        return []

    async def _open(self) -> None:
        await self._socket.connect()

    async def _close(self) -> None:
        await self._socket.close()

    def reconnect(self) -> None:
        """Drop the connection and make a new one at once; feeds go on, and say what that cost."""
        self._socket.reconnect()

    @property
    def is_connected(self) -> bool:
        """True while the line is up."""
        return self._socket.is_connected

    def statistics(self) -> Statistics:
        """Frozen figures of the line."""
        return self._socket.statistics()

    def _trades_of(self, instrument_id: str | None) -> Any:
        def decode(update: Update) -> Trade | Items:
            row = msgspec.json.decode(update.data, type=TradeRow)
            if row.market_id != instrument_id:
                return Items()
            return Trade(
                venue=SPEC.name,
                instrument_id=row.market_id,
                trade_id=row.trade_id,
                price=Decimal(row.price),
                size=Decimal(row.quantity),
                taker_side="buy" if row.taker_side == "buy" else "sell",
                venue_time_ns=row.at_ns,
                received_at_ns=self.clock.time_ns(),
                raw=update.data,
            )

        return decode

    def _balance(self, update: Update) -> Balance:
        row = msgspec.json.decode(update.data, type=BalanceRow)
        cash = Decimal(row.cash)
        return Balance(
            venue=SPEC.name,
            currency="USD",
            total=cash,
            available=cash,
            venue_time_ns=row.at,
            received_at_ns=self.clock.time_ns(),
            raw=update.data,
        )


def connect(
    token: str | None = None, *, host: str | None = None, **words: Unpack[SocketWords]
) -> TemplateMarket:
    """The market of this venue. Takes what `TemplateSocket` takes. Raises TemplateArgumentError naming a wrong one."""
    return TemplateMarket(TemplateSocket(token, host=host, **words), **words)

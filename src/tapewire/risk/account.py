"""An account's gate with its memory: what it is told is in the journal, and what differs from the venue is an alarm."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable
from decimal import Decimal
from typing import Final

import msgspec

from ..clock import Clock
from ..errors import TapewireError
from ..model import EXACT, Fill, Instrument, Order, OrderRequest, Position
from ..trading import Approved, Gate, GateState, Quoted
from .journal import Added, Entry, Filled, Heard, Journal, JournalError, Kept, Sent

__all__ = ["Account", "Alarm"]

logger = logging.getLogger("tapewire.risk")

DIFFERS_SECONDS: Final = 5.0
"""How long a position may differ from the venue's: fills and positions come one behind the other."""

UNHEARD_SECONDS: Final = 2.0
"""How long fills may come behind the word of the order that they belong to."""

STATE_SECONDS: Final = 10.0
"""How often new highs of the profit are written: after a crash, the last of them may be missing."""


class Alarm(msgspec.Struct, frozen=True, kw_only=True):
    """What a person should look at. `what`: `position`, `fill`, `journal`, `halt` or `feed`; `text`: a sentence."""

    what: str
    text: str
    instrument_id: str | None = None


class Account:
    """One venue's. `alarm` is called with what differs; times are seconds of the monotonic clock."""

    def __init__(
        self, venue: str, gate: Gate, journal: Journal, clock: Clock, alarm: Callable[[Alarm], object]
    ) -> None:
        self.gate: Gate = gate
        self._venue = venue
        self._journal = journal
        self._clock = clock
        self._alarm = alarm
        self._instruments = {each.instrument_id: each for each in gate.instruments}
        self._written: GateState = gate.state
        self._written_at = clock.monotonic()
        self._recalled = {each.client_order_id: each for each in gate.open_orders()}
        self._filled = {name: gate.filled_of(name) for name in self._recalled}
        self._unheard: dict[str, tuple[Order, float]] = {}
        self._over: set[str] = set()  # recalled orders of which all is counted
        self._theirs: defaultdict[str, dict[str, Decimal]] = defaultdict(dict)
        self._differing: dict[str, tuple[Decimal, Decimal, float, bool]] = {}

    @property
    def recalled(self) -> list[OrderRequest]:
        """What an earlier run has sent and this one has heard nothing of: look each of them up."""
        return list(self._recalled.values())

    # --- what we do -------------------------------------------------------------------------------------------------

    def add(self, instrument: Instrument) -> None:
        """Raises JournalError."""
        if self._instruments.get(instrument.instrument_id) != instrument:
            self._journal.write(Added(instrument))
            self.gate.add(instrument)
            self._instruments[instrument.instrument_id] = instrument

    async def approve(self, request: OrderRequest, quoted: Quoted) -> Approved:
        """When this returns, the disk knows that it is sent. Raises OrderDenied, InvalidField, JournalError."""
        now_ns = self._clock.time_ns()
        approved = self.gate.approve(request, quoted, now_ns)
        try:
            await self._journal.keep(Sent(request, now_ns))
        except JournalError:
            self.refused(request, "the journal could not be written")
            raise
        return approved

    def refused(self, request: OrderRequest, reason: str) -> None:
        """It never left, or the venue has said no: it counts no longer."""
        self.heard(request.as_order("rejected", self._clock.time_ns(), reason=reason))

    # --- what we hear -----------------------------------------------------------------------------------------------

    def heard(self, order: Order) -> None:
        """An order of ours, however often."""
        name = order.client_order_id
        if name in self._recalled and name is not None:
            self._filled[name] = EXACT.add(self._filled[name], self.gate.know(order))
            if order.status != "unknown":
                self._unheard[name] = order, self._clock.monotonic()
        elif order.is_final and self.gate.is_open(name):
            self._write(Heard(order))
            self.gate.heard(order)

    def filled(self, fill: Fill) -> None:
        """A fill of ours, however often."""
        if self.gate.name_of(fill) in self._over or fill.instrument_id not in self._instruments:
            return
        if self.gate.filled(fill):
            self._write(Filled(fill))
            name = self.gate.name_of(fill)
            if name is not None and name in self._filled:
                self._filled[name] = EXACT.add(self._filled[name], fill.size)

    def holds(self, position: Position) -> None:
        """What the venue says that we hold."""
        self._theirs[position.instrument_id][position.side] = position.size

    def open_with(self, position: Position, instrument: Instrument) -> None:
        """What was held when the journal began: it is taken for bought, at what it cost."""
        price = position.average_price or position.mark
        if price is None:
            price = instrument.price_tick or Decimal(1)
            self._alarm(
                Alarm(
                    what="position",
                    text=f"what {position.instrument_id} has cost is not known: its profit is of no worth",
                    instrument_id=position.instrument_id,
                )
            )
        self.add(instrument)
        self.filled(
            Fill(
                venue=position.venue,
                instrument_id=position.instrument_id,
                fill_id=f"opening-{position.side}",
                client_order_id="opening",
                venue_order_id=None,
                side="buy" if position.size > 0 else "sell",
                price=price,
                size=abs(position.size),
                venue_time_ns=position.venue_time_ns,
                received_at_ns=position.received_at_ns,
                is_reconciled=True,
            )
        )

    def priced(self, instrument_id: str, price: Decimal) -> None:
        """What it is worth: losses are judged."""
        self.gate.marked(self._venue, instrument_id, price, self._clock.time_ns())
        self._keep_state()

    def look(self) -> None:
        """Several times a second: what was heard and has a consequence later."""
        now = self._clock.monotonic()
        for name, (order, heard_at) in list(self._unheard.items()):
            if now - heard_at >= UNHEARD_SECONDS:
                self._count_recalled(name, order)
        for instrument_id in self._theirs:
            self._compare(instrument_id, now)

    # --- states -----------------------------------------------------------------------------------------------------

    def reduce(self, reason: str) -> None:
        """Only what makes a position smaller may pass."""
        self.gate.reduce(reason, self._clock.time_ns())
        self._keep_state()

    def halt(self, reason: str) -> None:
        """Nothing may pass."""
        self.gate.halt(reason, self._clock.time_ns())
        self._keep_state()

    def resume(self, reason: str) -> None:
        """Everything may pass again."""
        self.gate.resume(reason, self._clock.time_ns())
        self._keep_state()

    def position(self, instrument_id: str) -> Decimal:
        """By the fills that were heard; 0 of what was never traded."""
        return (
            self.gate.position(self._venue, instrument_id)
            if instrument_id in self._instruments
            else Decimal(0)
        )

    @property
    def held(self) -> list[Instrument]:
        """Instruments of which something is held."""
        return [each for name, each in self._instruments.items() if self.position(name)]

    # --- inside -----------------------------------------------------------------------------------------------------

    def _count_recalled(self, name: str, order: Order) -> None:
        """What was filled of an earlier run's order while nobody listened counts by the order's own word."""
        del self._unheard[name], self._recalled[name]
        missed = EXACT.subtract(order.filled_size, self._filled.pop(name))
        price = order.average_price or order.price
        if missed > 0:
            known = "its fee is not known" if price else "at a price that nobody says: it counts as open"
            text = f"{missed} of {name} was filled while nobody listened; {known}"
            self._alarm(Alarm(what="fill", text=text, instrument_id=order.instrument_id))
        if missed > 0 and price is not None:
            self.filled(_unheard(order, missed, price))
        if order.is_final and (price is not None or not missed):
            self._over.add(name)
        self.heard(order)

    def _compare(self, instrument_id: str, now: float) -> None:
        ours = self.position(instrument_id)
        theirs = sum(self._theirs[instrument_id].values(), Decimal(0))
        if ours == theirs:
            self._differing.pop(instrument_id, None)
            return
        before = self._differing.get(instrument_id)
        if before is None or before[:2] != (ours, theirs):
            self._differing[instrument_id] = ours, theirs, now, False
        elif not before[3] and now - before[2] >= DIFFERS_SECONDS:
            self._differing[instrument_id] = ours, theirs, before[2], True
            text = f"{instrument_id}: {ours} by the fills that were heard, {theirs} by the venue"
            self._alarm(Alarm(what="position", text=text, instrument_id=instrument_id))

    def _keep_state(self) -> None:
        state, now = self.gate.state, self._clock.monotonic()
        if state is self._written:
            return
        written = self._written
        is_news = (state.state, state.reason, state.day) != (written.state, written.reason, written.day)
        if is_news or now - self._written_at >= STATE_SECONDS:
            self._write(Kept(state))
            self._written, self._written_at = state, now

    def _write(self, entry: Entry) -> None:
        """What was heard has happened, whether or not it can be written."""
        try:
            self._journal.write(entry)
        except TapewireError as error:
            logger.error("%s", error)
            self._alarm(Alarm(what="journal", text=str(error)))


def _unheard(order: Order, size: Decimal, price: Decimal) -> Fill:
    """What an order says that was filled of it, and no feed has told."""
    return Fill(
        venue=order.venue,
        instrument_id=order.instrument_id,
        fill_id=f"{order.client_order_id}-unheard",
        client_order_id=order.client_order_id,
        venue_order_id=order.venue_order_id,
        side=order.side,
        price=price,
        size=size,
        venue_time_ns=order.venue_time_ns,
        received_at_ns=order.received_at_ns,
        is_reconciled=True,
    )

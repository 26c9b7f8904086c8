"""`GuardedVenue`: a venue whose orders pass a gate. The same verbs; what is denied raises `OrderDenied`, and stays."""

from __future__ import annotations

import asyncio
import logging
import os
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

from ..clock import Clock, SystemClock
from ..errors import ConfigurationError, SessionClosed, TapewireError
from ..market.capabilities import Capability, Verb, check_verb
from ..market.feed import Feed, WatchOptions
from ..market.venue import Venue
from ..marks import ContinuityChanged, ContinuityState, Mark
from ..model import Instrument, Market, Order, OrderRequest, Position
from ..trading import GateState, Limits, OrderDenied, RiskState
from . import halting
from .account import Account, Alarm
from .journal import Directory, Journal, restored
from .killswitch import KillSwitch
from .quotes import Quotes
from .wishes import Status, Wishes

__all__ = ["GuardedVenue"]

logger = logging.getLogger("tapewire.risk")

BEAT_SECONDS: Final = 0.25

MOST_ALARMS: Final = 100

_NEEDED: Final[tuple[Verb, ...]] = (
    "place_order", "cancel_order", "cancel_all", "open_orders", "watch_orders", "watch_fills", "watch_order_book",
)  # fmt: skip


class GuardedVenue(Venue):
    """Made by `tapewire.guard`. Verbs are the venue's; an order leaves through the gate alone, and is journaled before.

    `alarms`: the last hundred.
    """

    def __init__(
        self,
        make: Callable[[], Venue],
        limits: Limits,
        directory: Path,
        *,
        clock: Clock,
        stall: float | None,
        flatten: bool,
        patience: float,
        on_alarm: Callable[[Alarm], Any] | None,
    ) -> None:
        self._make = make
        self._venue = make()
        self.name: str = self._venue.name
        self.capabilities: Mapping[Verb, Capability] = self._venue.capabilities
        for verb in _NEEDED:
            check_verb(verb, self.name, self.capabilities)
        self._limits = limits
        self._directory = Directory(directory)
        self._wishes = Wishes(directory)
        self._clock = clock
        self._stall = stall
        self._flatten = flatten
        self._patience = patience
        self._on_alarm = on_alarm
        self.alarms: deque[Alarm] = deque(maxlen=MOST_ALARMS)
        self._journal: Journal | None = None
        self._kept: Account | None = None
        self._switch: KillSwitch | None = None
        self._quotes = Quotes(self._venue, patience, self._feed_failed)
        self._own: list[Feed[Any]] = []
        self._first_positions: dict[tuple[str, str], Position] = {}
        self._are_positions_known = asyncio.Event()
        self._beating: asyncio.Task[None] | None = None
        self._halting: asyncio.Task[list[Order]] | None = None
        self._sending: set[asyncio.Task[Order]] = set()
        self._stopped = ""  # why a halt that is under way lets nothing pass

    # --- the line ---------------------------------------------------------------------------------------------------

    async def connect(self) -> None:
        """Connect, read the journal, and look up what an earlier run has sent and not heard the end of.

        Raises ConfigurationError where another process has the directory, JournalError for a journal that is damaged,
        and what the venue raises.
        """
        if self._journal is not None:
            return
        self._directory.hold()
        self._journal = Journal(self._directory.journal, in_thread=isinstance(self._clock, SystemClock))
        is_first = not self._journal.entries
        gate = restored(self._limits, self._journal.entries)
        self._journal.entries.clear()
        self._kept = Account(self.name, gate, self._journal, self._clock, self._alarm)
        self._take_wishes()
        await self._venue.connect()
        await self._listen(is_first=is_first)
        for request in self._kept.recalled:
            self._venue.follow_order(request)
        self._switch = KillSwitch(
            self._wishes,
            self._make,
            self._clock,
            stall=self._stall,
            on_halt=self._begin_halt,
            on_resume=self._resume_wished,
        )
        self._switch.start()
        self._beating = asyncio.get_running_loop().create_task(self._beat(), name="tapewire guard")
        self._tell()

    async def close(self) -> None:
        """Leave. What is open stays open; it is looked up when the next one begins. Idempotent."""
        for task in (self._beating, self._halting):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        self._beating = self._halting = None
        if self._switch is not None:
            self._switch.close()
            self._switch = None
        await self._quotes.close()
        await self._sent()
        await self._venue.close()
        if self._journal is not None:
            self._journal.close()
            self._journal = self._kept = None
        self._directory.release()

    def reconnect(self) -> None:
        """Drop every connection and make new ones at once; feeds go on, and say what that cost."""
        self._venue.reconnect()

    @property
    def is_connected(self) -> bool:
        """True while every connection that is needed is up."""
        return self._venue.is_connected

    def statistics(self) -> Any:
        """Frozen figures of the connections: see `tapewire.Statistics`."""
        return self._venue.statistics()

    # --- risk -------------------------------------------------------------------------------------------------------

    @property
    def state(self) -> GateState:
        """What may pass, why, and since when."""
        return self._account.gate.state

    async def halt(self, reason: str, *, flatten: bool | None = None) -> list[Order]:
        """Nothing more passes, and every open order of the account is canceled; returns those.

        `flatten`: close what is held at the market, too; by default as `tapewire.guard` was told. It stays so over
        restarts, until somebody resumes. What could not be done is an alarm. Raises ConfigurationError without a
        reason.
        """
        self._wishes.halt(reason, self._clock.time_ns())
        return await asyncio.shield(self._begin_halt(reason, flatten=flatten))

    def reduce(self, reason: str) -> None:
        """From now on only what makes a position smaller passes. Raises ConfigurationError without a reason."""
        self._account.reduce(reason)
        self._tell()

    def resume(self, reason: str) -> None:
        """Everything may pass again; losses count from here. Raises ConfigurationError without a reason."""
        if self._halting is not None and not self._halting.done():
            raise ConfigurationError("reason", reason, "nothing while a halt is under way: wait for it")
        self._account.resume(reason)
        self._stopped = ""
        self._wishes.granted()
        if self._switch is not None:
            self._switch.reset()
        self._tell()

    # --- verbs that pass through ------------------------------------------------------------------------------------

    async def instrument(self, instrument_id: str) -> Instrument:
        """One instrument by its id. Raises UnknownInstrument, which lists near ones."""
        return await self._venue.instrument(instrument_id)

    def _list_markets(self, *, open: bool) -> AsyncIterator[Market]:  # noqa: A002
        return self._venue.markets(open=open)

    def _list_instruments(self, market_id: str | None) -> AsyncIterator[Instrument]:
        return self._venue.instruments(market_id=market_id)

    def _watch(
        self, verb: Verb, instrument_id: str | None, depth: int | None, options: WatchOptions
    ) -> Feed[Any]:
        arguments: dict[str, Any] = dict(options)
        if verb == "watch_order_book":
            arguments["depth"] = depth
        if verb != "watch_balance":
            arguments["instrument_id"] = instrument_id
        feed: Feed[Any] = getattr(self._venue, verb)(**arguments)
        if verb in ("watch_order_book", "watch_ticker", "watch_trades"):
            self._quotes.remember(feed)
        return feed

    async def _cancel(self, order: Order) -> Order:
        return self._told(await self._venue.cancel_order(order))

    async def _cancel_all(self, instrument_id: str | None) -> list[Order]:
        return [self._told(order) for order in await self._venue.cancel_all(instrument_id)]

    async def _open_orders(self, instrument_id: str | None) -> list[Order]:
        return await self._venue.open_orders(instrument_id)

    # --- orders -----------------------------------------------------------------------------------------------------

    async def _place(self, request: OrderRequest, instrument: Instrument) -> Order:
        if self._stopped:
            raise OrderDenied("halted", self._stopped)
        for feed in self._own:
            if feed.continuity.state is ContinuityState.ENDED:
                raise OrderDenied("needs_live", f"{feed.verb} has ended: what is filled is heard no more")
        return await self._pass(request, instrument)

    async def _pass(self, request: OrderRequest, instrument: Instrument, *, closes: bool = False) -> Order:
        """Through the gate, into the journal, onto the wire: in this order, and to its end whoever still waits.

        `closes`: it is the halt's own, and passes while that is under way.
        """
        account = self._account
        account.add(instrument)
        quoted = await self._quotes.quoted(instrument.instrument_id)
        self._price(instrument.instrument_id)  # what the order loses counts from before it
        approved = await account.approve(request, quoted)
        task = asyncio.get_running_loop().create_task(
            self._send(approved.request, closes=closes), name="tapewire order"
        )
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)
        return await asyncio.shield(task)

    async def _send(self, request: OrderRequest, *, closes: bool) -> Order:
        is_stopped = self._stopped and not closes  # while the journal was written
        if is_stopped or self.state.state is RiskState.HALTED:
            self._account.refused(request, "halted meanwhile")
            raise OrderDenied("halted", self._stopped or self.state.reason)
        try:
            order = await self._venue.place_order(
                request.instrument_id,
                request.side,
                request.size,
                request.price,
                kind=request.kind,
                time_in_force=request.time_in_force,
                post_only=request.post_only,
                reduce_only=request.reduce_only,
                client_order_id=request.client_order_id,
            )
        except (
            TapewireError
        ) as refusal:  # an answer that was lost is no error: it is an order that is unknown
            self._account.refused(request, str(refusal))
            raise
        return self._told(order)

    # --- what is heard ----------------------------------------------------------------------------------------------

    async def _listen(self, *, is_first: bool) -> None:
        account = self._account
        self._own = [
            self._venue.watch_orders(handler=account.heard, on_error=self._feed_failed),
            self._venue.watch_fills(handler=account.filled, on_error=self._feed_failed),
        ]
        watches_positions = self.capabilities.get("watch_positions", Capability(supported=False)).supported
        if watches_positions:
            self._own.append(
                self._venue.watch_positions(
                    handler=self._position_heard, on_mark=self._positions_marked, on_error=self._feed_failed
                )
            )
        for feed in self._own:
            await feed.wait_live(self._patience)
        if watches_positions and is_first:
            async with asyncio.timeout(self._patience):
                await self._are_positions_known.wait()
            for position in self._first_positions.values():
                account.open_with(position, await self._venue.instrument(position.instrument_id))
        self._first_positions.clear()

    def _position_heard(self, position: Position) -> None:
        if not self._are_positions_known.is_set() and not position.is_flat:
            self._first_positions[position.instrument_id, position.side] = position
        self._account.holds(position)

    def _positions_marked(self, mark: Mark) -> None:
        if isinstance(mark, ContinuityChanged) and mark.state is ContinuityState.LIVE:
            self._are_positions_known.set()

    def _told(self, order: Order) -> Order:
        self._account.heard(order)
        return order

    def _feed_failed(self, error: BaseException, item: object) -> None:
        text = f"a feed has ended: {error}" if item is None else f"{item!r} could not be counted: {error}"
        self._alarm(Alarm(what="feed", text=text[:1000]))

    def _alarm(self, alarm: Alarm) -> None:
        logger.error("%s: %s", alarm.what, alarm.text)
        self.alarms.append(alarm)
        if self._on_alarm is not None:
            try:
                self._on_alarm(alarm)
            except Exception:
                logger.exception("on_alarm raised")

    # --- inside -----------------------------------------------------------------------------------------------------

    @property
    def _account(self) -> Account:
        if self._kept is None:
            raise SessionClosed(f"{self.name} is not connected: use it inside `async with`")
        return self._kept

    async def _beat(self) -> None:
        while True:
            if self._switch is not None:
                self._switch.beat()
            before = self._account.gate.state.state
            for instrument in self._account.gate.instruments:
                self._price(instrument.instrument_id)
            self._account.look()
            if self._account.gate.state.state is not before:
                self._tell()
            await asyncio.sleep(BEAT_SECONDS)

    def _price(self, instrument_id: str) -> None:
        price = self._quotes.price(instrument_id)
        if price is not None:
            self._account.priced(instrument_id, price)

    def _take_wishes(self) -> None:
        """What was wished while nobody held the directory."""
        resume, halt = self._wishes.wants_resume, self._wishes.wants_halt
        if resume is not None:
            self.resume(resume.reason)
        elif halt is not None:
            self._account.halt(halt.reason)

    def _resume_wished(self, reason: str) -> None:
        """From the switch, which goes on asking until it has happened."""
        if self._halting is None or self._halting.done():
            self.resume(reason)

    def _begin_halt(self, reason: str, *, flatten: bool | None = None) -> asyncio.Task[list[Order]]:
        if self._halting is None or self._halting.done():
            self._stopped = reason
            wanted = self._flatten if flatten is None else flatten
            self._halting = asyncio.get_running_loop().create_task(
                self._halt(reason, flatten=wanted), name="tapewire halt"
            )
        return self._halting

    async def _halt(self, reason: str, *, flatten: bool) -> list[Order]:
        account = self._account
        if flatten and account.gate.state.state is not RiskState.HALTED:
            account.reduce(reason)
        else:
            account.halt(reason)
        canceled, trouble = await halting.cancel_all(self._venue, account, self._sent)
        if self._switch is not None and not trouble:
            self._switch.done()
        if flatten and account.gate.state.state is not RiskState.HALTED:
            held = await halting.flatten(account, partial(self._pass, closes=True))
            trouble = "; ".join(filter(None, (trouble, held)))
        account.halt(reason)
        if trouble:
            self._alarm(Alarm(what="halt", text=trouble))
        self._tell(len(canceled), trouble)
        return canceled

    async def _sent(self) -> None:
        """Nothing is on its way."""
        await asyncio.gather(*self._sending, return_exceptions=True)

    def _tell(self, canceled: int = 0, trouble: str = "") -> None:
        state = self._account.gate.state
        self._wishes.tell(
            Status(
                state=state.state,
                reason=state.reason,
                since_ns=state.since_ns,
                pid=os.getpid(),
                canceled=canceled,
                is_done=not trouble,
                trouble=trouble[:500],
            )
        )

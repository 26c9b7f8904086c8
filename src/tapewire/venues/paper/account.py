"""The account on paper in time: what the engine has to tell is told when it is due, to feeds and to whoever waits.

Rules:

* Time is the venue's clock, as it passes: a wall clock that is set back holds up nothing.
* All is told inside the read, or the timer, that made it due, in the engine's order; only buffers are filled there.
* A feed begins with what was told last, and goes on with what is told then: each state once.
* While the market of an instrument is not proven, neither is what became of its orders: its feeds say so.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec

from ...clock import Clock
from ...errors import SessionClosed
from ...market.capabilities import Verb
from ...market.continuity import ContinuityInput
from ...model import Balance, Fill, Order, Position
from ...trading import PaperEngine, PaperState
from ..kit.feeds import Fed, Port

__all__ = ["OWN", "OwnFeed", "PaperAccount"]

OWN: Final[dict[Verb, type[PaperState]]] = {
    "watch_orders": Order,
    "watch_fills": Fill,
    "watch_positions": Position,
    "watch_balance": Balance,
}
"""The verbs that watch what is our own, and what they tell."""

_TICK: Final = 1e-6
"""Seconds behind what is due: a timer of the loop may be a little early."""


class _Waiting(msgspec.Struct, frozen=True):
    """Somebody waits for an order's next state, or for its end."""

    client_order_id: str
    until_final: bool
    answer: asyncio.Future[Order]


class PaperAccount:
    """`engine`, and everybody who is told of it."""

    def __init__(self, engine: PaperEngine, clock: Clock) -> None:
        self.engine: PaperEngine = engine
        self._clock = clock
        self._epoch_ns = clock.time_ns() - int(clock.monotonic() * 1e9)
        self._feeds: dict[OwnFeed, None] = {}
        self._stands: dict[tuple[type, str], PaperState] = {}  # what was told last, but for orders that ended
        self._lost: dict[str, str] = {}  # instruments whose market is not proven any more, and why
        self._waiting: list[_Waiting] = []
        self._timer: asyncio.TimerHandle | None = None
        self._is_closed = False

    def now_ns(self) -> int:
        """Now, as the engine counts: it never goes back."""
        return self._epoch_ns + int(self._clock.monotonic() * 1e9)

    # --- what is due ------------------------------------------------------------------------------------------------

    def tell(self) -> None:
        """Tell what is due by now; the rest is told when it is due."""
        if self._is_closed:
            return
        latest: dict[str, Order] = {}
        for state in self.engine.advance(self.now_ns()):
            self._remember(state)
            for feed in self._feeds:
                feed.hear(state)
            if isinstance(state, Order) and state.client_order_id is not None:
                latest[state.client_order_id] = state
        if latest and self._waiting:
            self._answer(latest)
        self._arm()

    def say(self, order: Order) -> None:
        """Tell how an order stands that the engine does not know."""
        for feed in self._feeds:
            feed.hear(order)

    async def answered(self, client_order_id: str, *, until_final: bool = False) -> Order:
        """The order, as soon as something is told of it, or its end is. Ask before `tell`.

        Raises SessionClosed where the venue is closed first.
        """
        if self._is_closed:
            raise self._closed()
        answer: asyncio.Future[Order] = asyncio.get_running_loop().create_future()
        waiting = _Waiting(client_order_id, until_final, answer)
        self._waiting.append(waiting)
        try:
            self.tell()
            return await answer
        finally:
            if waiting in self._waiting:
                self._waiting.remove(waiting)

    def close(self) -> None:
        """Nothing more is told. Idempotent."""
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
        for waiting in self._waiting:
            if not waiting.answer.done():
                waiting.answer.set_exception(self._closed())

    # --- who is told ------------------------------------------------------------------------------------------------

    def join(self, feed: OwnFeed) -> None:
        """It is told what stands, then whatever is told."""
        if not self._stands:
            for currency in self.engine.config.balance:
                self._remember(self.engine.balance(currency))
        for state in self._stands.values():
            feed.hear(state)
        self._feeds[feed] = None
        self.prove(feed)

    def leave(self, feed: OwnFeed) -> None:
        """It is told nothing more."""
        self._feeds.pop(feed, None)

    def lose(self, instrument_id: str, reason: str) -> None:
        """The market of an instrument is not proven: nor is what becomes of its orders."""
        self._lost[instrument_id] = reason
        for feed in self._feeds:
            if feed.is_of(instrument_id):
                feed.handle(ContinuityInput.LOST, reason)

    def find(self, instrument_id: str) -> None:
        """It is proven (again), and what may have become of its orders is told, or will be."""
        if self._lost.pop(instrument_id, None) is not None:
            for feed in self._feeds:
                if feed.is_of(instrument_id):
                    self.prove(feed)

    def prove(self, feed: OwnFeed) -> None:
        """Whatever it tells of is known, unless the market of one of its instruments is not."""
        reason = next((why for name, why in self._lost.items() if feed.is_of(name)), None)
        if reason is None:
            feed.handle(ContinuityInput.PROVEN)
        else:
            feed.handle(ContinuityInput.LOST, reason)

    # --- inside -----------------------------------------------------------------------------------------------------

    def _closed(self) -> SessionClosed:
        return SessionClosed(f"{self.engine.venue} on paper")

    def _remember(self, state: PaperState) -> None:
        key: tuple[type, str]
        if isinstance(state, Order):
            key = (Order, str(state.client_order_id))
            if state.is_final:
                self._stands.pop(key, None)
                return
        elif isinstance(state, Fill):
            return
        else:
            key = (type(state), state.currency if isinstance(state, Balance) else state.instrument_id)
        self._stands[key] = state

    def _answer(self, latest: dict[str, Order]) -> None:
        for waiting in self._waiting:
            order = latest.get(waiting.client_order_id)
            if (
                order is not None
                and (order.is_final or not waiting.until_final)
                and not waiting.answer.done()
            ):
                waiting.answer.set_result(order)

    def _arm(self) -> None:
        due_ns = self.engine.next_due_ns
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if due_ns is not None:
            seconds = max(0, due_ns - self.now_ns()) / 1e9
            self._timer = asyncio.get_running_loop().call_later(seconds + _TICK, self.tell)


class OwnFeed(Fed):
    """What feeds the port of a verb that watches what is our own."""

    def __init__(self, account: PaperAccount, verb: Verb, instrument_id: str | None) -> None:
        self._account = account
        self._kind = OWN[verb]
        self._instrument_id = instrument_id
        self._port: Port | None = None

    def begin(self, port: Port) -> OwnFeed:
        """It feeds `port` from now on."""
        self._port = port
        port.consumer.add(self)
        self._account.join(self)
        return self

    def is_of(self, instrument_id: str) -> bool:
        """True if it tells of that instrument."""
        return self._instrument_id in (None, instrument_id)

    def hear(self, state: Any) -> None:
        """Something was told of the account."""
        is_told = state.__class__ is self._kind
        if is_told and self._instrument_id in (None, getattr(state, "instrument_id", None)):
            assert self._port is not None
            self._port.consumer.put(state)

    def handle(self, received: ContinuityInput, reason: str = "") -> None:
        """What it tells is worth another thing now."""
        assert self._port is not None
        self._port.handle(received, reason)

    # It is what feeds the port.

    async def confirmed(self) -> None:
        """It is served as soon as it is asked for."""

    def unsubscribe(self) -> None:
        """Tell it nothing more."""
        self._account.leave(self)
        if self._port is not None:
            self._port.consumer.part(self)

    def resync(self) -> None:
        """What was told is what there is."""
        self._account.prove(self)

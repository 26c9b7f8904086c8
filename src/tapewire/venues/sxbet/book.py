"""One market's book of single orders, pure. `levels.py` has that of whole books, with the same face.

Give each snapshot to `seed()`, and the updates that belong behind it to `apply()`: what comes while one is fetched is
held by the session. Rules:

* Rows of a snapshot carry no time. A known FILLED wins over them, and a row with less filled than is known already is
  older than what is known (`fillAmount` only grows).
* Of two updates of one order the later `updateTime` counts; at equal times the one with more filled.
* A row whose values cannot be takes that order out of the book and is counted in `unreadable`: what is not proven is
  not offered. A row that cannot even be read makes the book stale: nobody knows whose it was.

Prices are odds times 10^20 on the axis of outcome one, sizes the makers' stake in token units (`levels`). `snapshot`
gives Decimal prices and contracts. The venue never matches makers with each other: a crossed book is a true one.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final, Protocol

import msgspec

from ...book import Applied, Ignored, RestingOrderBook, Resync, Verdict
from ...model import ODDS_SCALE, InvalidField
from ...model.fields import MAX_IDENTIFIER
from .levels import MarketLevels
from .translate import USDC_DECIMALS, OrderState, order_state, resting_order
from .wire import OrderRow, Rows

__all__ = ["MarketBook", "Seen"]

GONE_CAPACITY: Final = 10_000
"""Orders remembered after they are gone, so that nothing older brings them back."""


class Seen(Protocol):
    """A bounded memory of ids, such as `SeenIds`. One belongs to one book: a message may concern several books."""

    def add(self, identity: str | None) -> bool:
        """True if it is new."""
        ...


class MarketBook(MarketLevels):
    """The orders of one market, as the earlier generation publishes them. `levels` are their sums."""

    def __init__(
        self,
        market_hash: str,
        *,
        base_token: str | None = None,
        decimals: int = USDC_DECIMALS,
        seen: Seen | None = None,
    ) -> None:
        self._book: RestingOrderBook[int] = RestingOrderBook(int, price_below=ODDS_SCALE, may_cross=True)
        super().__init__(market_hash, self._book.levels, decimals)
        self.base_token = base_token
        self._seen = seen
        self._known: dict[str, OrderState] = {}
        self._gone: OrderedDict[str, OrderState] = OrderedDict()

    def order(self, order_hash: str) -> OrderState | None:
        """The order as it was last told, also one that is held with nothing left to take; None once it is gone."""
        return self._known.get(order_hash)

    def seed(self, rows: Rows[OrderRow] | Sequence[OrderRow]) -> Verdict:
        """The snapshot is here: it counts as what the venue has in this moment."""
        self._book.seed()
        if isinstance(rows, Rows):
            self._leave_out(rows.unreadable)
            rows = rows.rows
        states: dict[str, OrderState] = {}
        for row in rows:
            state = self._checked(row)
            if isinstance(state, OrderState):
                states[state.order_hash] = self._reconciled(state)
        before, self._known = self._known, {}
        for order_hash, known in before.items():
            if order_hash not in states:
                self._remember(order_hash, msgspec.structs.replace(known, phase="cancelled"))
        for order_hash, state in states.items():
            self._remember(order_hash, state)
        return self._book.replace_all([resting_order(state) for state in self._known.values()])

    def apply(self, updates: Rows[OrderRow] | Sequence[OrderRow], message_id: str | None = None) -> Verdict:
        """One message of the stream. Rows of other markets and other tokens are passed over. On `Resync`, seed."""
        if isinstance(updates, Rows):
            if updates.unreadable:
                self._leave_out(updates.unreadable)
                self.invalidate(f"an update that cannot be read: {updates.fault}"[:200])
                return Resync(self._book.levels.reason)
            updates = updates.rows
        if self._seen is not None and not self._seen.add(message_id):
            return Ignored("a duplicate message")
        ours = [row for row in updates if row.market_hash == self.market_hash]
        checked = [self._checked(row) for row in ours]
        states = [state for state in checked if state is not None]
        if not states:
            return Ignored("nothing of this book")
        return self._apply(states)

    def _checked(self, row: OrderRow) -> OrderState | str | None:
        """The order's state; its hash alone where its values cannot be; None where it is not of this book."""
        if row.market_hash != self.market_hash:
            return None
        if not 0 < len(row.order_hash) <= MAX_IDENTIFIER:
            self._leave_out()
            return None
        if self.base_token and row.base_token and row.base_token.lower() != self.base_token.lower():
            return None
        try:
            return order_state(row, self.decimals)
        except InvalidField:
            self._leave_out()
            return row.order_hash

    def _reconciled(self, row: OrderState) -> OrderState:
        """A row of a snapshot, or what is known of the order where that is provably newer."""
        known = self._last_told(row.order_hash)
        if known is None or row.updated_at is not None:
            return row
        if known.phase == "filled" or known.filled > row.filled:
            return known
        return msgspec.structs.replace(row, updated_at=known.updated_at)

    def _apply(self, states: Sequence[OrderState | str]) -> Verdict:
        if self._book.state != "live":
            return Ignored("no snapshot yet")
        changes: dict[str, OrderState] = {}
        dropped: list[str] = []
        for state in sorted(states, key=_moment):
            if isinstance(state, str):
                changes.pop(state, None)
                dropped.append(state)
            elif self._is_newer(state, changes.get(state.order_hash) or self._last_told(state.order_hash)):
                changes[state.order_hash] = state
        for order_hash in dropped:
            self._known.pop(order_hash, None)
            self._book.remove(order_hash)
        if not changes:
            return Applied() if dropped else Ignored("older than what is known")
        for order_hash, state in changes.items():
            self._remember(order_hash, state)
            if state.updated_at is not None:
                self._changed_at(state.updated_at)
        return self._book.apply([resting_order(state) for state in changes.values()])

    def _is_newer(self, update: OrderState, known: OrderState | None) -> bool:
        if known is None or update.updated_at is None:
            return True
        if known.updated_at is None:  # a row of a snapshot: only what was filled says which is older
            return update.filled >= known.filled
        return (update.updated_at, update.filled) >= (known.updated_at, known.filled)

    def _last_told(self, order_hash: str) -> OrderState | None:
        return self._known.get(order_hash) or self._gone.get(order_hash)

    def _remember(self, order_hash: str, state: OrderState) -> None:
        self._known.pop(order_hash, None)
        self._gone.pop(order_hash, None)
        if state.phase not in ("cancelled", "filled"):
            self._known[order_hash] = state
            return
        self._gone[order_hash] = state
        if len(self._gone) > GONE_CAPACITY:
            self._gone.popitem(last=False)


def _moment(state: OrderState | str) -> int:
    """Updates of one message in the order of their time; what has none stays behind those that have."""
    if isinstance(state, str) or state.updated_at is None:
        return 1 << 62
    return state.updated_at

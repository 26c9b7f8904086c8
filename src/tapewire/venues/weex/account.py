"""The private streams that the wire alone does not fill: balances without what is available, positions without profit.

Both begin, and begin again after every break, with the state over HTTP: `Resynced` carries it. A position's unrealised
profit is computed from its size, what it was opened for and the mark price of the contract's ticker; a balance's
available part is asked for with each change, for the venue's push does not hold it.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any, Final

from ...marks import Resynced
from ...session.consumer import Items
from ...session.subscription import Subscription
from .errors import WEEXError
from .lines import Lines
from .message import ROW_ERRORS, WeexMessage, messages_of, read_rows
from .profile import Profile
from .wire import Frame

__all__ = ["Balances", "Positions", "unrealized_pnl"]

logger = logging.getLogger("tapewire.venues.weex")

MAX_MARKS: Final = 100
"""Contracts whose mark price is followed by one stream of positions; beyond, it is asked for over HTTP."""


def unrealized_pnl(side: str, size: Decimal, open_value: Decimal, mark: Decimal) -> Decimal:
    """What closing at `mark` would bring: worth less cost for a long, cost less worth for a short."""
    profit = mark * size - open_value
    return -profit if side == "short" else profit


class Balances:
    """One message for each asset: `balance`, `available`, `frozen`."""

    def __init__(self, profile: Profile, fetch: Callable[[], Awaitable[list[dict[str, Any]]]]) -> None:
        self._profile = profile
        self._fetch = fetch

    async def __call__(self, item: Any, spoiled: Callable[[Exception], None]) -> Items:
        if isinstance(item, Resynced):
            return Items(_of_state("account", row, item.at_ns) for row in item.snapshot)
        if not isinstance(item, Frame):
            return Items()
        messages = messages_of(item, self._profile, spoiled)
        if any("available" not in message.data for message in messages):
            await self._complete(messages)
        return messages

    async def _complete(self, messages: list[WeexMessage]) -> None:
        try:
            state = {row.get("asset"): row for row in await self._fetch()}
        except WEEXError as error:
            logger.warning("account: what is available could not be asked for: %s", error)
            return
        for message in messages:
            told = state.get(message.data.get("asset"), {})
            message.data |= {name: told[name] for name in ("balance", "available", "frozen") if name in told}


class Positions:
    """One message for each position, with `unrealized_pnl`.

    `public`: where tickers come from. `fetch_mark`: the mark price over HTTP, until the first ticker.
    """

    def __init__(
        self,
        profile: Profile,
        public: Callable[[], Lines],
        fetch_mark: Callable[[str], Awaitable[Decimal]],
    ) -> None:
        self._profile = profile
        self._public = public
        self._fetch_mark = fetch_mark
        self._marks: dict[str, Decimal] = {}
        self._tickers: dict[str, Subscription] = {}
        self._closed = False

    async def __call__(self, item: Any, spoiled: Callable[[Exception], None]) -> Items:
        if isinstance(item, Resynced):
            messages = Items(_of_state("positions", row, item.at_ns) for row in item.snapshot)
        elif isinstance(item, Frame):
            messages = messages_of(item, self._profile, spoiled)
        else:
            return Items()
        for message in messages:
            self._follow(message.symbol, bool(message.data.get("size")))
            if "unrealized_pnl" not in message.data:
                await self._value(message)
        return messages

    async def _value(self, message: WeexMessage) -> None:
        data, symbol = message.data, message.symbol
        size, value = data.get("size"), data.get("open_value")
        if size is not None and not size:
            data["unrealized_pnl"] = Decimal(0)
        if not size or value is None or not symbol:
            return  # a simulated account names no contract
        mark = self._marks.get(symbol)
        if mark is None:
            try:
                mark = await self._fetch_mark(symbol)
            except WEEXError as error:
                logger.warning("positions: no mark price of %s: %s", symbol, error)
                return
        data["mark"] = mark
        data["unrealized_pnl"] = unrealized_pnl(data.get("side", "long"), size, value, mark)

    def _follow(self, symbol: str, held: bool) -> None:
        if self._closed or not symbol:
            return
        if not held:
            if (ticker := self._tickers.pop(symbol, None)) is not None:
                ticker.unsubscribe()
            self._marks.pop(symbol, None)
        elif symbol not in self._tickers and len(self._tickers) < MAX_MARKS:
            topic = self._profile.symbol_topic("ticker", symbol)
            # Without a line there is no mark price: what was known before is not used.
            self._tickers[symbol] = self._public().subscribe(
                topic,
                handler=self._take_ticker,
                inline=True,
                on_mark=lambda mark: self._marks.pop(symbol, None),
            )

    def _take_ticker(self, frame: Frame) -> None:
        key, kind = self._profile.fields["ticker"]["mark"]
        try:
            self._marks[frame.symbol] = kind(read_rows(frame.rows)[-1][key], "mark")
        except (*ROW_ERRORS, IndexError):
            self._marks.pop(frame.symbol, None)

    def close(self) -> None:
        """Follow no tickers any more."""
        self._closed = True
        tickers, self._tickers = self._tickers, {}
        for ticker in tickers.values():
            ticker.unsubscribe()


def _of_state(channel: str, row: dict[str, Any], at_ns: int) -> WeexMessage:
    return WeexMessage(channel, row.get("symbol", ""), dict(row), at_ns / 1e9, received_at_ns=at_ns)

"""STX's market on virtual time with whatever goes wrong, chosen by a seed: no book is live and wrong, nothing is lost.

Lines drop, channels crash, HTTP is late and fails, while the exchange goes on and somebody trades on our account. At
every instant a live book is the exchange's own, level by level; and when all is calm again every order, fill and trade
was told, none twice, and positions and balance are as the exchange has them.
"""

from __future__ import annotations

import asyncio
import random
from decimal import Decimal
from typing import Any

import pytest

from tapewire.market import BookView
from tapewire.model import Balance, Fill, Order, Position, Trade
from tests.venues.in_memory import answered
from tests.venues.stx.test_market import Played, play, shown, told

STEPS = 400
CALM_SECONDS = 120
ENDINGS = {
    "open": ("accepted", "partially_filled"), "filled": ("filled",), "cancelled": ("canceled",),
    "partly_cancelled": ("canceled",), "rejected": ("rejected",),
}  # fmt: skip
OWN = ("orders", "fills", "positions", "balance")


class Run:
    """One run: what is watched, what came of it, and what goes wrong."""

    def __init__(self, at: Played, seed: int) -> None:
        self.at = at
        self.chance = random.Random(seed)
        self.markets = at.ids[:3]
        self.books = {each: at.market.watch_order_book(each) for each in self.markets}
        self.others = {verb: getattr(at.market, f"watch_{verb}")() for verb in OWN}
        self.others |= {f"trades {each}": at.market.watch_trades(each) for each in self.markets}
        self.came: dict[str, list[Any]] = {name: [] for name in self.others}
        self.views: dict[str, BookView] = {}
        self.ours: list[Any] = []
        self.lived = 0

    async def take(self, name: str, feed: Any) -> None:
        async for item in feed:
            if isinstance(item, BookView):
                self.views[name] = item
            elif name in self.came:
                self.came[name].append(item)

    async def answer(self, request: Any) -> Any:
        """Late, to go and to come; one in ten fails."""
        await asyncio.sleep(self.chance.random() / 2)
        if self.chance.random() < 0.1:
            return answered({"errors": [{"message": "down"}]}, 500)
        return await self.at.answered(request, self.chance.random() / 2)

    def happen(self) -> None:
        """Something small, or something bad."""
        at, chance, draw = self.at, self.chance, self.chance.random()
        if draw < 0.01:
            at.venue.drop(chance.choice([None, 1000, 1012]))
        elif draw < 0.02:
            at.market.reconnect()
        elif draw < 0.03:
            at.venue.face.end_topic(chance.choice(["markets", f"active_orders:{at.uid}"]), crashed=True)
        elif draw < 0.35:
            market_id = chance.choice(self.markets)
            price, side = chance.choice([None, chance.randint(1, 99)]), chance.choice(["buy", "sell"])
            if market_id in at.exchange.markets:
                order = at.place(market_id, side, price, chance.randint(1, 20), ours=chance.random() < 0.5)
                self.ours += [order] if order.account == at.uid else []
        elif draw < 0.4 and self.ours:
            at.cancel(self.ours.pop(chance.randrange(len(self.ours))))
        else:
            at.step()

    def check_books(self) -> None:
        for market_id, view in self.views.items():
            if self.books[market_id].continuity.is_live:
                self.lived += 1
                assert shown(view) == self.at.book(market_id)

    def check_all(self) -> None:
        """Calm again: what was told is what is, and each thing was told once."""
        account = self.at.exchange.accounts[self.at.uid]
        last = {order.venue_order_id: order for order in told(self.came["orders"], Order)}
        for order in account.orders():
            assert last[order.order_id].status in ENDINGS[order.status]
            assert last[order.order_id].filled_size == order.filled
        fills = [fill.fill_id for fill in told(self.came["fills"], Fill)]
        assert sorted(fills) == sorted(fill.fill_id for fill in account.fills)
        held = {each.instrument_id: each.size for each in told(self.came["positions"], Position)}
        assert {key: size for key, size in held.items() if size} == {
            key: each.net for key, each in account.positions.items() if each.net
        }
        balance = told(self.came["balance"], Balance)[-1]
        assert (balance.available, balance.held) == (
            Decimal(account.cash) / 100,
            Decimal(account.escrow) / 100,
        )
        for market_id in self.markets:
            trades = told(self.came[f"trades {market_id}"], Trade)
            assert len({trade.trade_id for trade in trades}) == len(trades)
            tape = [trade.quantity for trade in reversed(self.at.exchange.find_market(market_id).trades)]
            assert [trade.size for trade in trades][-len(tape) :] == tape


@pytest.mark.parametrize("seed", range(2))
def test_no_book_is_live_and_wrong_and_nothing_of_ours_is_lost(seed: int) -> None:
    async def scene(at: Played) -> None:
        run = Run(at, seed)
        at.answer(run.answer)
        feeds = {**run.books, **run.others}
        async with asyncio.TaskGroup() as tasks:
            taking = [tasks.create_task(run.take(name, feed)) for name, feed in feeds.items()]
            for _ in range(STEPS):
                run.happen()
                await asyncio.sleep(run.chance.random() / 10)
                run.check_books()
            at.answer()
            at.step(5)
            await asyncio.sleep(CALM_SECONDS)
            assert all(feed.continuity.is_live for feed in feeds.values())
            run.check_all()
            for task in taking:
                task.cancel()
        assert run.lived > STEPS

    play(scene)

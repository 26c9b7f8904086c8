"""How do I run one market maker live, on paper, and again from its tape?

Start `tapewire sandbox --port 4000` in another shell and paste its exports here, then run
`python examples/market/maker.py weex paper` (or stx; or live, or tape). Paper is recorded in `tapes`, and tape plays
the last of that again. It ends after ten fills.
"""

import asyncio
import sys
from decimal import Decimal
from pathlib import Path

import tapewire
from tapewire import ContinuityState
from tapewire.market import BookView, Venue
from tapewire.model import Fill, Instrument, Order, OrderSide
from tapewire.recording import Recorder, Replay, recorded, replayed
from tapewire.trading import PaperConfig

FILLS = 10
SIDES: tuple[tuple[OrderSide, int], ...] = (("buy", -1), ("sell", 1))


class Maker:
    """One quote on either side of the middle, as long as everything is proven; never more than five of one side."""

    def __init__(self, venue: Venue, instrument: Instrument) -> None:
        self.venue, self.name = venue, instrument.instrument_id
        self.tick = instrument.price_tick or Decimal("0.01")
        self.size = 10 * (instrument.min_size or instrument.size_step or Decimal(1))
        self.quotes: dict[OrderSide, Order] = {}
        self.hit: set[OrderSide] = set()
        self.cash, self.held, self.fills = Decimal(0), Decimal(0), 0
        self.unheard = Decimal(0)  # what orders were filled when they ended, less the fills that were heard

    async def run(self) -> None:
        books, fills = self.venue.watch_order_book(self.name), self.venue.watch_fills(self.name)
        async with tapewire.merge(books, fills) as stream:
            async for _, item in stream:
                if isinstance(item, Fill):
                    self.book(item)
                is_over = self.fills >= FILLS or books.continuity.state is ContinuityState.ENDED
                if is_over or not (books.continuity.is_live and fills.continuity.is_live):
                    await self.quote(None)
                elif isinstance(item, BookView):
                    await self.quote(item.mid)
                if is_over and not self.quotes and not self.unheard:
                    return

    def book(self, fill: Fill) -> None:
        signed = fill.size if fill.side == "buy" else -fill.size
        self.held += signed
        self.cash -= signed * fill.price + fill.fee
        self.unheard -= fill.size
        self.fills += 1
        self.hit.add(fill.side)
        print(f"{fill.side} {fill.size:f} at {fill.price:f}")

    async def quote(self, mid: Decimal | None) -> None:
        for side, sign in SIDES:
            wanted = None if mid is None else (mid // self.tick + sign) * self.tick
            if sign * self.held <= -5 * self.size:
                wanted = None
            standing = self.quotes.get(side)
            if standing is not None and standing.is_final:
                self.hit.add(side)  # it ended at once
            if side not in self.hit and (standing.price if standing else None) == wanted:
                continue
            try:
                if standing is not None:
                    self.quotes[side] = ended = await self.venue.cancel_order(standing)
                    if not ended.is_final:
                        continue  # once more, with the next book
                    self.unheard += self.quotes.pop(side).filled_size
                self.hit.discard(side)
                if wanted is not None:
                    self.quotes[side] = await self.venue.place_order(self.name, side, self.size, wanted)
            except tapewire.TapewireError as error:
                print(f"no {side}: {error}", file=sys.stderr)


async def trade(venue: Venue, over: asyncio.Event | None = None) -> None:
    """`over`: set where nothing more comes, however many fills there were."""
    async with venue:
        [*_, market] = [market async for market in venue.markets()]
        maker = Maker(venue, await venue.instrument(market.outcomes[0].outcome_id))
        ending = (over or asyncio.Event()).wait()
        tasks = [asyncio.ensure_future(maker.run()), asyncio.ensure_future(ending)]
        done, left = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in left:
            task.cancel()
        await asyncio.wait(tasks)
        print(f"{maker.name}: {maker.fills} fills, {maker.held:f} held, {maker.cash:f} in cash")
        for task in done:
            try:
                task.result()
            except tapewire.TapewireError as error:  # as where the tape ends, and its lines with it
                print(f"over: {error}", file=sys.stderr)


def main(name: str, mode: str) -> None:
    money = {currency: Decimal(1_000_000) for currency in ("USD", "USDC", "USDT")}
    config = PaperConfig(balance=money, latency_in=(0.005, 0.01), latency_out=(0.005, 0.01))
    if mode == "live":
        asyncio.run(trade(tapewire.connect(name)))
    elif mode == "paper":
        with Recorder("tapes", name) as recorder:
            venue = tapewire.connect(name, **recorded(recorder))
            asyncio.run(trade(tapewire.paper(venue, config, seed=7)))
    else:
        with Replay(max(Path("tapes").glob(f"{name}-*.tape"))) as replay:
            venue = tapewire.connect(name, **replayed(replay))
            replay.run(lambda replay: trade(tapewire.paper(venue, config, seed=7), replay.ended))


if __name__ == "__main__":
    main(*sys.argv[1:3])

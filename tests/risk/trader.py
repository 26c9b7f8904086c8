"""A program that trades behind a guard until it is stopped: for tests that kill it.

`python -m tests.risk.trader VENUE DIRECTORY STEP`: prints `ready`, then does as it reads on stdin: `place NAME`,
`cancel NAME`, `block SECONDS`, each answered by a line. STEP: where it dies by SIGKILL, `sent`, `answered` or `never`.
"""

import asyncio
import os
import signal
import sys
import time
from decimal import Decimal

import tapewire
from tapewire.trading import Limits

SIZES = {"stx": Decimal(1), "weex": Decimal("0.01")}


class Dying:
    """A venue that kills its program before or behind the call that places, or cancels."""

    def __init__(self, venue, step):
        self._venue, self._step = venue, step

    def __getattr__(self, name):
        return getattr(self._venue, name)

    async def place_order(self, *arguments, **options):
        return await self._around("place", self._venue.place_order(*arguments, **options))

    async def cancel_order(self, order):
        return await self._around("cancel", self._venue.cancel_order(order))

    async def _around(self, what, call):
        if self._step == f"before {what}":
            os.kill(os.getpid(), signal.SIGKILL)
        result = await call
        if self._step == f"behind {what}":
            os.kill(os.getpid(), signal.SIGKILL)
        return result


def names_of(venue):
    """Of the orders that count."""
    return [each.client_order_id for each in venue._account.gate.open_orders()]


async def main(name, directory, step):
    guarded = tapewire.guard(lambda: Dying(tapewire.connect(name), step), Limits(), directory, stall=1.0)
    async with guarded as venue:
        instrument_id = (await anext(venue.markets())).outcomes[0].outcome_id
        feed = venue.watch_order_book(instrument_id)
        book = await anext(item async for item in feed if not tapewire.is_mark(item))
        orders = {}
        print("ready", *names_of(venue), flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            verb, _, argument = line.strip().partition(" ")
            try:
                if verb == "place":
                    placed = await venue.place_order(
                        instrument_id, "buy", SIZES[name], book.bids()[-1][0], client_order_id=argument
                    )
                    orders[argument] = placed
                    print("placed", placed.status, flush=True)
                elif verb == "cancel":
                    print("canceled", (await venue.cancel_order(orders[argument])).status, flush=True)
                elif verb == "block":
                    print("blocked", flush=True)
                    time.sleep(float(argument))  # noqa: ASYNC251 - it is what is tested
                elif verb == "open":
                    print("open", *names_of(venue), flush=True)
            except tapewire.TapewireError as error:
                print("refused", error, flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

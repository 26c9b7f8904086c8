import asyncio

from tapewire import is_mark
from tapewire.venues.sxbet import SXBetClient


async def main() -> None:
    async with SXBetClient() as client:
        async for trade in client.watch_trades():
            print("MARK" if is_mark(trade) else trade.market_hash, trade)


asyncio.run(main())

import asyncio

from tapewire import is_mark
from tapewire.venues.stake import StakeWebSocket


async def main() -> None:
    async with StakeWebSocket() as ws:
        async for message in ws.watch("bets"):
            print(message if is_mark(message) else message.payload)


asyncio.run(main())

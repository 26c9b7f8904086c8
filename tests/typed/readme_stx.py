import asyncio

from tapewire import is_mark
from tapewire.venues.stx import Channels, STXWebSocket


async def main() -> None:
    async with STXWebSocket(email="you@example.com", password="...") as ws:
        async for message in await ws.join(Channels.MARKETS):
            print("MARK" if is_mark(message) else message.event, message)


asyncio.run(main())

"""How do I follow several channels over one connection, each with its own handler?

Start `tapewire sandbox --port 4000` in another shell, then run `python examples/stake/many_channels.py`. It ends when
each channel has brought something. STAKE_BASE_URL leads it elsewhere.
"""

import asyncio
import os

from tapewire.venues.stake import StakeMessage, StakeWebSocket

URL = os.environ.get("STAKE_BASE_URL", "http://127.0.0.1:4000")


async def main() -> None:
    missing = {"game:crash", "game:dice", "sports:event:1", "bets", "chat:english"}
    enough = asyncio.Event()

    def show(message: StakeMessage) -> None:
        if message.channel in missing:
            missing.remove(message.channel)
            print(f"{message.channel}: {sorted(message.payload)}")
        if not missing:
            enough.set()

    async with StakeWebSocket(access_token="any", base_url=URL) as ws:
        for channel in tuple(missing):
            ws.watch(channel, show, on_mark=lambda mark: None)
        await enough.wait()


asyncio.run(main())

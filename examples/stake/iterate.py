"""How do I read a channel with `async for`, and see where it broke?

Start `tapewire sandbox --port 4000` in another shell, then run `python examples/stake/iterate.py`. It breaks its own
line once, and ends with the round after that. STAKE_BASE_URL leads it elsewhere.
"""

import asyncio
import os

from tapewire import Gap
from tapewire.venues.stake import StakeMessage, StakeWebSocket

URL = os.environ.get("STAKE_BASE_URL", "http://127.0.0.1:4000")


async def main() -> None:
    rounds = 0
    async with StakeWebSocket(access_token="any", base_url=URL) as ws:
        async for item in ws.watch("game:crash"):
            if isinstance(item, Gap):
                print(f"gap: {item.reason}; what this round did meanwhile is not known")
            elif isinstance(item, StakeMessage) and item.payload["crashpoint"] is not None:
                rounds += 1
                print(f"round {rounds} crashed at {item.payload['crashpoint']}")
                if rounds == 1:
                    ws.reconnect()
                else:
                    return


asyncio.run(main())

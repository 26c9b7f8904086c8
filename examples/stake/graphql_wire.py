"""How do I speak the protocol of the live site instead of the page's?

Start `tapewire sandbox --port 4000` in another shell, then run `python examples/stake/graphql_wire.py`. It ends after
three results. STAKE_BASE_URL leads it elsewhere. On the live site add the headers and cookies of your own browser
session; nothing here gets past what the site does not let in.
"""

import asyncio
import os

from tapewire.venues.stake import ArgumentError, StakeMessage, StakeWebSocket

URL = os.environ.get("STAKE_BASE_URL", "http://127.0.0.1:4000")


async def main() -> None:
    async with StakeWebSocket(access_token="any", wire="graphql", base_url=URL) as ws:
        try:
            ws.watch("sports:event:1")
        except ArgumentError as error:
            print(f"no counterpart: {error}")
        left = 3
        async for item in ws.watch("game:crash"):
            if isinstance(item, StakeMessage):
                event = item.payload["crash"]["event"]
                print(f"{event['status']} {event['multiplier']}")
                left -= 1
            if not left:
                return


asyncio.run(main())

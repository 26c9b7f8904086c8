"""How do I make the socket notice a dead venue sooner?

A shorter heartbeat: here one each second. Start `tapewire sandbox --port 4000` in another shell, then run
`python examples/stx/heartbeat_interval.py`. It ends when a heartbeat has been answered. STX_HOST leads it elsewhere.
"""

import asyncio
import os

from tapewire.venues.stx import STXWebSocket

HOST = os.environ.get("STX_HOST", "http://127.0.0.1:4000")


async def main() -> None:
    async with STXWebSocket(host=HOST, email="you@example.com", password="any", heartbeat_interval=1) as ws:
        for _ in range(100):
            await asyncio.sleep(0.1)
            if (seconds := ws.statistics().heartbeat_rtt) is not None:
                print(f"a heartbeat was answered in {seconds * 1000:.1f} ms")
                break


asyncio.run(main())

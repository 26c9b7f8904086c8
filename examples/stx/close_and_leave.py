"""How do I stop one channel, and how do I stop all?

Start `tapewire sandbox --port 4000` in another shell, then run `python examples/stx/close_and_leave.py`. It ends by
itself. STX_HOST leads it elsewhere. `async with` does the last step for you.
"""

import asyncio
import os

from tapewire.venues.stx import Channels, STXWebSocket

HOST = os.environ.get("STX_HOST", "http://127.0.0.1:4000")


async def main() -> None:
    ws = STXWebSocket(host=HOST, email="you@example.com", password="any")
    await ws.connect()
    try:
        await ws.join(Channels.MARKETS, on_message=lambda message: None)
        await ws.join(Channels.ORDERS, on_message=lambda message: None)
        print("joined:", ws.statistics().confirmed)
        await ws.leave(Channels.MARKETS)
        print("left one, still joined:", ws.statistics().confirmed)
    finally:
        await ws.close()  # leaves what is joined, then closes the socket
    print("the socket is", ws.state)


asyncio.run(main())

"""How do I see what my line and my channels are doing?

Start `tapewire sandbox --port 4000` in another shell, then run `python examples/sxbet/follow_states.py`. It breaks
its own line once, leaves, prints every event of the client and of one channel, and ends. SXBET_HOST leads it
elsewhere.
"""

import asyncio
import os

from tapewire.venues.sxbet import SXBetClient

HOST = os.environ.get("SXBET_HOST", "http://127.0.0.1:4000")


async def main() -> None:
    active: asyncio.Queue[str] = asyncio.Queue()
    client = SXBetClient(host=HOST, api_key="any")
    client.on("connecting", lambda context: print(f"client connecting: {context.code} {context.reason}"))
    client.on("connected", lambda context: print("client connected"))
    client.on("disconnected", lambda context: print(f"client disconnected: {context.code} {context.reason}"))
    client.on("error", lambda context: print(f"client error: {context.error}"))

    trades = client.new_subscription("recent_trades:global", positioned=True, recoverable=True)
    trades.on("subscribing", lambda context: print(f"channel subscribing: {context.reason}"))
    trades.on("subscribed", lambda context: active.put_nowait(context.channel))
    trades.on("unsubscribed", lambda context: print(f"channel unsubscribed: {context.code} {context.reason}"))
    trades.on("error", lambda error: print(f"channel error: {error}"))
    trades.on("publication", lambda context: None)

    trades.subscribe()  # it may be asked for before the line is up
    await client.connect()
    print("channel subscribed:", await active.get())
    client.reconnect()
    print("channel subscribed again:", await active.get())
    trades.unsubscribe()
    await client.disconnect()


asyncio.run(main())

"""How do I change what a joined channel sends me, without joining it again?

Start `tapewire sandbox --port 4000` in another shell, then run `python examples/stx/change_filters.py`. It ends when
the last change is in effect. STX_HOST leads it elsewhere. The new filters are also those of the next reconnection.
"""

import asyncio
import os
from typing import Any

from tapewire.venues.stx import ChannelMessage, Channels, STXWebSocket

HOST = os.environ.get("STX_HOST", "http://127.0.0.1:4000")
CHANGES = {
    "select_fields": {"fields": ["title", "price", "recent_trades"]},
    "select_rule_filters": {"rule_filters": None},
    "select_message_types": {"message_types": ["market_updated"]},
}


async def main() -> None:
    echoes: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    def on_message(message: ChannelMessage) -> None:
        if message.is_reply:
            echoes.put_nowait(message.response)

    async with STXWebSocket(host=HOST, email="you@example.com", password="any") as ws:
        await ws.join(Channels.MARKETS, on_message, join_params={"rule_filters": ["spread"]})
        await echoes.get()
        for event, payload in CHANGES.items():
            await ws.push(Channels.MARKETS, event, payload)
            echo = await echoes.get()
            print(event, "->", {name: value for name, value in echo.items() if name.startswith("selected")})


asyncio.run(main())

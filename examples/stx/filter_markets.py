"""How do I get only the fields and markets that I trade?

Start `tapewire sandbox --port 4000` in another shell, then run `python examples/stx/filter_markets.py`. It ends after
five changes. STX_HOST leads it elsewhere.
"""

import asyncio
import os

from tapewire.venues.stx import ChannelMessage, Channels, STXWebSocket

HOST = os.environ.get("STX_HOST", "http://127.0.0.1:4000")
CHANGES = 5


async def main() -> None:
    changes: asyncio.Queue[ChannelMessage] = asyncio.Queue()

    def on_message(message: ChannelMessage) -> None:
        if message.is_reply:
            print(
                "in effect:", message.response["selected_fields"], message.response["selected_rule_filters"]
            )
        else:
            changes.put_nowait(message)

    filters = {"fields": ["bids", "offers"], "rule_filters": ["spread"], "message_types": ["market_updated"]}
    async with STXWebSocket(host=HOST, email="you@example.com", password="any") as ws:
        await ws.join(Channels.MARKETS, on_message, join_params=filters)
        for _ in range(CHANGES):
            change = await changes.get()
            for market_id, fields in (change.payload or {}).items():
                print(market_id, "best bid", fields.get("bids", ["unchanged"])[:1])


asyncio.run(main())

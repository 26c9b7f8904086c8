"""How do I send a control message and wait for its answer?

Start `tapewire sandbox --port 4000` in another shell, then run `python examples/stx/request_reply.py`. It ends when the
answer is there. STX_HOST leads it elsewhere.
"""

import asyncio
import os

from tapewire.venues.stx import Channels, STXChannelException, STXTransportException, STXWebSocket

HOST = os.environ.get("STX_HOST", "http://127.0.0.1:4000")


async def main() -> None:
    async with STXWebSocket(host=HOST, email="you@example.com", password="any") as ws:
        await ws.join(Channels.MARKETS, on_message=lambda message: None)
        try:
            answer = await ws.request(Channels.MARKETS, "select_fields", {"fields": ["price"]}, seconds=5)
        except STXChannelException as refused:
            print("the venue said no:", refused.reply)
        except STXTransportException as lost:
            print("no answer came; may the venue have acted?", lost.outcome_unknown)
        else:
            print("the venue now sends:", answer["selected_fields"] + answer["mandatory_fields"])


asyncio.run(main())

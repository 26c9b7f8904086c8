"""Which messages does a handler get, and how do I tell news from the protocol's own?

Start `tapewire sandbox --port 4000` in another shell, then run `python examples/stx/read_messages.py`. It ends after
the first of each kind. STX_HOST leads it elsewhere.
"""

import asyncio
import os

from tapewire.venues.stx import ChannelMessage, Channels, STXWebSocket

HOST = os.environ.get("STX_HOST", "http://127.0.0.1:4000")


async def main() -> None:
    news = asyncio.Event()

    def on_message(message: ChannelMessage) -> None:
        if message.is_reply:  # to our join or push; refs say to which
            print(f"reply {message.reply_status} to {message.msg_ref}: {message.response}")
        elif message.is_error:  # the channel crashed at the venue; it is being joined again
            print(f"{message.channel} crashed")
        elif not news.is_set():
            print(f"news on {message.channel}: {message.event} of {len(message.payload or {})} market(s)")
            news.set()

    async with STXWebSocket(host=HOST, email="you@example.com", password="any") as ws:
        await ws.join(Channels.MARKETS, on_message=on_message)
        await news.wait()


asyncio.run(main())

"""How do I see what happened on a channel before I came?

Start `tapewire sandbox --port 4000` in another shell, then run `python examples/sxbet/read_history.py`. It shows the
last five trades and where the stream stands, asks a channel that keeps nothing, and ends. SXBET_HOST leads it
elsewhere.
"""

import asyncio
import os

from tapewire.venues.sxbet import SXBetClient, SXBetRequestError

HOST = os.environ.get("SXBET_HOST", "http://127.0.0.1:4000")


async def main() -> None:
    async with SXBetClient(host=HOST, api_key="any") as client:
        trades = client.new_subscription("recent_trades:global", positioned=True, recoverable=True)
        await trades.ready()
        page = await trades.history(5, reverse=True)
        for entry in page.publications:
            print(f"offset {entry.offset}: {entry.data['stake']} at {entry.data['odds']} {entry.tags}")
        print(f"the stream stands at {page.offset} of epoch {page.epoch}")

        best_odds = client.new_subscription("best_odds:global")
        await best_odds.ready()
        try:
            await best_odds.history(5)
        except SXBetRequestError as refused:
            print(f"refused with code {refused.code}: this channel keeps no history")


asyncio.run(main())

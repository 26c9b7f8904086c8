"""How do I follow several channels over one connection, each with its own handler?

Handlers are plain or async functions; an async one that takes its time delays no other channel. Start `tapewire
sandbox --port 4000` in another shell, then run `python examples/sxbet/subscribe.py`. It ends when each channel has
brought something. SXBET_HOST leads it elsewhere.
"""

import asyncio
import os

from tapewire.venues.sxbet import PublicationContext, SXBetClient

HOST = os.environ.get("SXBET_HOST", "http://127.0.0.1:4000")


async def main() -> None:
    traded, quoted, scored = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async with SXBetClient(host=HOST, api_key="any") as client:
        trades = client.new_subscription("recent_trades:global")
        best_odds = client.new_subscription("best_odds:global")
        scores = client.new_subscription("fixtures:live_scores")

        @trades.on("publication")
        async def on_trade(context: PublicationContext) -> None:
            if not traded.is_set():
                print("a trade at", context.data["odds"])
            traded.set()
            await asyncio.sleep(0.05)  # work of your own: only this channel waits for it

        @best_odds.on("publication")
        def on_best_odds(context: PublicationContext) -> None:
            if not quoted.is_set():
                print("best odds of", len(context.data), "outcome(s)")
            quoted.set()

        @scores.on("publication")
        def on_score(context: PublicationContext) -> None:
            if not scored.is_set():
                print("it is", context.data["teamOneScore"], "to", context.data["teamTwoScore"])
            scored.set()

        for channel in (trades, best_odds, scores):
            channel.subscribe()
        await asyncio.gather(traded.wait(), quoted.wait(), scored.wait())


asyncio.run(main())

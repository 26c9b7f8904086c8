"""After a reconnection, may I keep what I know, or must I fetch it anew?

The context of `subscribed` says which of three cases it is; `subscribing` says before that that the line is lost, and
what you know may be old. Start `tapewire sandbox --port 4000` in another shell, then run
`python examples/sxbet/after_reconnect.py`. It shows all three (the last with a bookmark of a history that is gone), and
ends. SXBET_HOST leads it elsewhere.
"""

import asyncio
import os

from tapewire import Gap, Mark
from tapewire.venues.sxbet import StreamPosition, SubscribedContext, SXBetClient

HOST = os.environ.get("SXBET_HOST", "http://127.0.0.1:4000")


def what_to_do(context: SubscribedContext) -> str:
    if context.was_recovering and context.recovered:
        return "recovered: all that was missed is replayed, keep what you have"
    if context.was_recovering:
        return "not recovered: the history is gone, fetch everything anew"
    return "fresh: fetch everything, then follow"


def say_gap(mark: Mark) -> None:
    if isinstance(mark, Gap):
        print("and the stream says so itself:", mark.reason)


async def main() -> None:
    cases: asyncio.Queue[str] = asyncio.Queue()
    async with SXBetClient(host=HOST, api_key="any") as client:
        trades = client.new_subscription("recent_trades:global", positioned=True, recoverable=True)
        trades.on("subscribed", lambda context: cases.put_nowait(what_to_do(context)))
        trades.on("mark", lambda mark: None)
        trades.on("publication", lambda context: None)
        trades.subscribe()
        print(await cases.get())
        trades.on("subscribing", lambda context: print(f"lost ({context.reason}): wait, and act on nothing"))
        client.reconnect()
        print(await cases.get())

        gone = StreamPosition(offset=1, epoch="of another time")
        markets = client.new_subscription("markets:global", positioned=True, recoverable=True, since=gone)
        markets.on("subscribed", lambda context: cases.put_nowait(what_to_do(context)))
        markets.on("mark", say_gap)
        markets.on("publication", lambda context: None)
        markets.subscribe()
        print(await cases.get())


asyncio.run(main())

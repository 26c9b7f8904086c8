"""How do I store what I hear, without a commit for every row?

Start `tapewire sandbox --port 4000` in another shell, then run `python examples/weex/store_tickers.py`. It ends when
forty rows are stored. WEEX_HOST leads it elsewhere.
"""

import asyncio
import os
from decimal import Decimal

from tapewire.recording import SqliteStore, Table
from tapewire.venues.weex import WeexConfig, WeexWebSocketClient

HOST = os.environ.get("WEEX_HOST", "http://127.0.0.1:4000")
SYMBOLS = ["BTCUSDT", "ETHUSDT", "ADAUSDT"]
TICKERS = Table("tickers", {"time": float, "symbol": str, "price": Decimal, "change": Decimal})


async def main() -> None:
    rows = 0
    async with (
        WeexWebSocketClient(WeexConfig(host=HOST)) as client,
        SqliteStore("tickers.db", TICKERS, commit_rows=20, commit_seconds=0.5) as store,
    ):
        # Marks are stored too: whoever reads the file later sees where it broke.
        async for message in client.stream_tickers(SYMBOLS, on_mark=store.put):
            data = message.data
            await store.put((message.timestamp, message.symbol, data["last"], data["change"]))
            rows += 1
            if rows == 40:
                break
    figures = store.statistics()
    print(f"{figures.committed} rows stored in {figures.commits} commits")


asyncio.run(main())

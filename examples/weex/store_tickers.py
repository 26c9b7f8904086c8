"""How do I store what I hear, without a commit for every row?

Start `tapewire sandbox --port 4000` in another shell, then run `python examples/weex/store_tickers.py`. It ends when
forty rows are stored. WEEX_HOST leads it elsewhere.
"""

import asyncio
import os
import sqlite3

from tapewire.venues.weex import WeexConfig, WeexWebSocketClient

HOST = os.environ.get("WEEX_HOST", "http://127.0.0.1:4000")
SYMBOLS = ["BTCUSDT", "ETHUSDT", "ADAUSDT"]
BATCH = 10


def write(rows: list[tuple[float, str, str, str]]) -> int:
    """One transaction for all rows. The journal is a write-ahead log: readers are never in the way."""
    connection = sqlite3.connect("tickers.db")
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS tickers (time REAL, symbol TEXT, price TEXT, change TEXT)"
        )
        with connection:
            connection.executemany("INSERT INTO tickers VALUES (?, ?, ?, ?)", rows)
        (count,) = connection.execute("SELECT count(*) FROM tickers").fetchone()
        return int(count)
    finally:
        connection.close()


async def main() -> None:
    rows: list[tuple[float, str, str, str]] = []
    async with WeexWebSocketClient(WeexConfig(host=HOST)) as client:
        async for message in client.stream_tickers(SYMBOLS):
            data = message.data
            rows.append((message.timestamp, message.symbol, str(data["last"]), str(data["change"])))
            if len(rows) >= BATCH:
                stored = await asyncio.to_thread(write, rows)  # the event loop goes on meanwhile
                print(f"{stored} rows stored")
                rows = []
                if stored >= 40:
                    break


asyncio.run(main())

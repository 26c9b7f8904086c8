"""How do I act on large moves only?

Start `tapewire sandbox --port 4000` in another shell, then run `python examples/weex/filter_moves.py`. It ends after
three. WEEX_HOST leads it elsewhere.
"""

import asyncio
import os
from decimal import Decimal

from tapewire import Mark
from tapewire.streams import filtered
from tapewire.trading import Change
from tapewire.venues.weex import WeexConfig, WeexMessage, WeexWebSocketClient

HOST = os.environ.get("WEEX_HOST", "http://127.0.0.1:4000")
SYMBOLS = ["BTCUSDT", "ETHUSDT", "ADAUSDT"]
STEP = Decimal("0.000001")


async def main() -> None:
    changes: dict[str, Change[Decimal]] = {}

    def is_large(message: WeexMessage) -> bool:
        change = changes.setdefault(message.symbol, Change()).update(message.data["last"])
        return change is not None and abs(change) >= STEP

    def on_mark(mark: Mark) -> None:
        changes.clear()  # compare nothing across a gap

    seen = 0
    async with WeexWebSocketClient(WeexConfig(host=HOST)) as client:
        moves = filtered(client.stream_tickers(SYMBOLS, on_mark=on_mark), is_large)
        async for message in moves:
            price, change = message.data["last"], changes[message.symbol].value
            print(f"{message.symbol} moved by {change:+.5%} to {price}")
            seen += 1
            if seen == 3:
                break
    print(f"passed over: {moves.passed_over}")


asyncio.run(main())

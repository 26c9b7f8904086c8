"""How do I stop before a position is larger than I allow?

Start `tapewire sandbox --port 4000` in another shell, then run `python examples/weex/position_limits.py`. It ends
when the limit is reached. WEEX_HOST leads it elsewhere.
"""

import asyncio
import os
from decimal import Decimal

from tapewire.venues.weex import WeexConfig, WeexWebSocketClient

CONFIG = WeexConfig(
    host=os.environ.get("WEEX_HOST", "http://127.0.0.1:4000"),
    api_key=os.environ.get("WEEX_API_KEY", "sandbox-weex-key"),
    secret_key=os.environ.get("WEEX_SECRET_KEY", "sandbox-weex-secret"),
    passphrase=os.environ.get("WEEX_PASSPHRASE", "sandbox-weex-passphrase"),
)
LIMIT = 1000


async def main() -> None:
    exposure: dict[tuple[str, str], Decimal] = {}
    async with WeexWebSocketClient(CONFIG) as client:
        positions = client.stream_positions()
        buying = asyncio.create_task(buy_and_buy(client))
        async for message in positions:
            data = message.data
            # A long and a short of one contract are two positions.
            exposure[data["symbol"], data["side"]] = data["size"] * data.get("entry_price", 0)
            total = sum(exposure.values())
            if total > LIMIT:
                buying.cancel()
                print(f"{total:.2f} USDT is more than {LIMIT}: no more orders")
                break
    await asyncio.gather(buying, return_exceptions=True)


async def buy_and_buy(client: WeexWebSocketClient) -> None:
    while True:
        await client.http.place_order("BTCUSDT", "buy", "0.005")
        await asyncio.sleep(0.1)


asyncio.run(main())

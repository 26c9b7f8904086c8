"""How do I keep an eye on my balance and my positions?

Start `tapewire sandbox --port 4000` in another shell, then run `python examples/weex/account.py`. It ends when it has
seen both. WEEX_HOST leads it elsewhere.
"""

import asyncio
import os

from tapewire.venues.weex import WeexConfig, WeexWebSocketClient

CONFIG = WeexConfig(
    host=os.environ.get("WEEX_HOST", "http://127.0.0.1:4000"),
    api_key=os.environ.get("WEEX_API_KEY", "sandbox-weex-key"),
    secret_key=os.environ.get("WEEX_SECRET_KEY", "sandbox-weex-secret"),
    passphrase=os.environ.get("WEEX_PASSPHRASE", "sandbox-weex-passphrase"),
)


async def balance(client: WeexWebSocketClient) -> None:
    async for message in client.stream_account():
        data = message.data
        print(f"{data['asset']}: {data['balance']}, of which {data['available']} are free")
        break


async def position(client: WeexWebSocketClient) -> None:
    async for message in client.stream_positions():
        data = message.data
        if data["size"]:
            print(f"{data['side']} {data['size']} {data['symbol']}: {data['unrealized_pnl']:+.5f}")
            break


async def main() -> None:
    async with WeexWebSocketClient(CONFIG) as client, asyncio.TaskGroup() as group:
        group.create_task(balance(client))
        group.create_task(position(client))
        await client.http.place_order("BTCUSDT", "buy", "0.001")


asyncio.run(main())

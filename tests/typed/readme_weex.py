import asyncio

from tapewire.venues.weex import WeexConfig, WeexWebSocketClient


async def main() -> None:
    async with WeexWebSocketClient(WeexConfig.from_env()) as client:
        async for message in client.stream_tickers(["BTCUSDT"], marks=True):
            print(message.mark or message.data["last"])


asyncio.run(main())

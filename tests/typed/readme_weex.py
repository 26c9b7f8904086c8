import asyncio

from tapewire.venues.weex import WeexConfig, WeexWebSocketClient


async def main() -> None:
    async with WeexWebSocketClient(WeexConfig.from_env()) as client:
        async for message in client.stream_tickers(["BTCUSDT"], on_mark=print):
            print(message.data["last"])


asyncio.run(main())

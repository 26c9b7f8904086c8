"""How do I try a strategy on live prices without money?

Start `tapewire sandbox --port 4000` in another shell, then run `python examples/weex/paper_trading.py`. It ends after
six trades. WEEX_HOST leads it elsewhere.
"""

import asyncio
import os
from dataclasses import dataclass
from decimal import Decimal

from tapewire.venues.weex import WeexConfig, WeexWebSocketClient

HOST = os.environ.get("WEEX_HOST", "http://127.0.0.1:4000")


@dataclass
class Paper:
    """Cash and coins. What cannot be paid for is not bought; what is not held is not sold."""

    cash: Decimal = Decimal(10_000)
    coins: Decimal = Decimal(0)
    trades: int = 0

    def buy(self, price: Decimal, size: Decimal) -> None:
        if price * size <= self.cash:
            self.cash -= price * size
            self.coins += size
            self.trades += 1

    def sell(self, price: Decimal) -> None:
        if self.coins:
            self.cash += price * self.coins
            self.coins = Decimal(0)
            self.trades += 1


async def main() -> None:
    paper = Paper()
    async with WeexWebSocketClient(WeexConfig(host=HOST)) as client:
        async for message in client.stream_order_book("BTCUSDT", level=1):
            (bid, _), (ask, _) = message.data["bids"][0], message.data["asks"][0]
            if paper.coins:
                paper.sell(bid)  # what a seller gets is the bid, not the last price
            else:
                paper.buy(ask, Decimal("0.001"))
            if paper.trades >= 6:
                break
    print(f"after {paper.trades} trades: {paper.cash:.2f} in cash, {paper.coins} coins")


asyncio.run(main())

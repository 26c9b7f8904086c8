"""How do I learn of every change of my balance?

Start `tapewire sandbox --port 4000 --activity` in another shell (it bets in your name), then run
`python examples/stake/quick_start.py`. It ends after five changes. STAKE_BASE_URL leads it elsewhere; any token is
an account of the sandbox.
"""

import asyncio
import os
from typing import Any

from tapewire.venues.stake import StakeWebSocket

URL = os.environ.get("STAKE_BASE_URL", "http://127.0.0.1:4000")
CHANGES = 5


class Balances(StakeWebSocket):
    """Says each change."""

    seen = 0

    async def on_message(self, data: dict[str, Any]) -> None:
        payload = data["payload"]
        print(f"{payload['amount']:+} -> {payload['balance']['amount']} {payload['balance']['currency']}")
        self.seen += 1
        if self.seen == CHANGES:
            await self.close()


async def main() -> None:
    balances = Balances(access_token="any", base_url=URL)
    await balances.subscribe("user:balances")
    await balances.connect()  # until it is closed


asyncio.run(main())

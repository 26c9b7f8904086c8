"""How do I begin with what my balance is, and go on with how it changes, and miss nothing between?

Start `tapewire sandbox --port 4000 --activity` in another shell (it bets in your name), then run
`python examples/stake/balance_and_stream.py`. It ends after three changes. STAKE_BASE_URL leads it elsewhere.
"""

import asyncio
import os
from decimal import Decimal
from typing import Any

from tapewire import Resynced, is_mark
from tapewire.venues.stake import StakeAPI, StakeWebSocket

URL = os.environ.get("STAKE_BASE_URL", "http://127.0.0.1:4000")


async def main() -> None:
    changes = 0
    async with (
        StakeAPI(access_token="any", base_url=URL) as client,
        StakeWebSocket(access_token="any", base_url=URL) as ws,
    ):
        # The snapshot is fetched once the channel is subscribed, and again after every reconnection.
        async for item in ws.watch("user:balances", snapshot=client.get_user_balance):
            if isinstance(item, Resynced):
                amounts: dict[str, dict[str, Decimal]] = item.snapshot
                print(f"it is {amounts['available']['usdt']} usdt")
            elif not is_mark(item):
                balance: dict[str, Any] = item.payload["balance"]
                print(f"it changed to {balance['amount']} {balance['currency']}")
                changes += 1
                if changes == 3:
                    return


asyncio.run(main())

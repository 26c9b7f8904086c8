"""What can I ask of my account, and what do its errors tell me?

Start `tapewire sandbox --port 4000` in another shell, then run `python examples/stake/account.py`. STAKE_BASE_URL
leads it elsewhere.
"""

import asyncio
import os

from tapewire.venues.stake import AccessDeniedError, StakeAPI

URL = os.environ.get("STAKE_BASE_URL", "http://127.0.0.1:4000")


async def main() -> None:
    async with StakeAPI(access_token="any", base_url=URL, rate_limit=5) as client:
        profile = await client.get_user_profile()
        balance = await client.get_user_balance()
        rates = await client.get_conversion_rates()
        worth = sum(amount * rates[currency] for currency, amount in balance["available"].items())
        print(f"{profile['name']} has what is worth ${worth:.2f}")
        for record in await client.get_transactions(limit=2):
            print(f"{record['type']}: {record['amount']} {record['currency']}")
    async with StakeAPI(access_token="refused-by-the-sandbox", base_url=URL) as client:
        try:
            await client.get_user_balance()
        except AccessDeniedError as error:
            print(f"not let in: HTTP {error.status_code}")


asyncio.run(main())

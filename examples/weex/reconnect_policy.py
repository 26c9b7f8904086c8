"""How long does the client try to come back, and how do I know that it stopped?

Run `python examples/weex/reconnect_policy.py`: it needs no sandbox, for nobody is to answer. It ends by giving up.
"""

import asyncio

from tapewire.errors import GaveUp
from tapewire.venues.weex import RetryPolicy, WeexConfig, WeexWebSocketClient

NOBODY = "http://127.0.0.1:9"


async def main() -> None:
    policy = RetryPolicy(max_attempts=3, initial_backoff=0.1, max_backoff=1.0)
    try:
        async with WeexWebSocketClient(WeexConfig(host=NOBODY), retry=policy):
            print("somebody is there after all")
    except GaveUp as error:
        print("gave up:", error)


asyncio.run(main())

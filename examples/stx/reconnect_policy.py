"""How long does the socket try to come back, and how do I know that it stopped?

Without `retry` it never stops. Run `python examples/stx/reconnect_policy.py`: nobody listens at the address it tries,
so that it gives up after three tries. It needs no sandbox.
"""

import asyncio

from tapewire.errors import GaveUp
from tapewire.venues.stx import RetryPolicy, STXWebSocket, User

NOBODY = "http://127.0.0.1:9"


async def main() -> None:
    user = User.new()
    user.set_params({"token": "a token from elsewhere", "uid": "your-uid"})  # else it would sign in first
    policy = RetryPolicy(max_attempts=3, initial_backoff=0.1, max_backoff=1.0)
    socket = STXWebSocket(host=NOBODY, user=user, retry=policy, on_state=lambda state: print("now", state))
    try:
        await socket.connect()
    except GaveUp as error:
        print("gave up:", error)
    finally:
        await socket.close()


asyncio.run(main())

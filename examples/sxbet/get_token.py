"""How do I bring the realtime token from a place of my own, and say when it is no use to ask again?

`UnauthorizedError` stops the client for good; any other exception is tried again later. Start `tapewire sandbox
--port 4000` in another shell, then run `python examples/sxbet/get_token.py`. It ends after one of each. SXBET_HOST
leads it elsewhere.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable

import httpx2

from tapewire.venues.sxbet import SXBetClient, UnauthorizedError

HOST = os.environ.get("SXBET_HOST", "http://127.0.0.1:4000")


def token_getter(api_key: str, failures: int = 0) -> Callable[[], Awaitable[str]]:
    left = failures

    async def get_token() -> str:
        nonlocal left
        if left:
            left -= 1
            print("no token this time")
            raise OSError("the token service is busy")  # tried again, with growing waits
        async with httpx2.AsyncClient(base_url=HOST) as http:
            answer = await http.get("/user/realtime-token/api-key", headers={"x-api-key": api_key})
        if answer.status_code in (401, 403):
            raise UnauthorizedError("the key is refused")  # final
        answer.raise_for_status()
        return str(answer.json()["token"])

    return get_token


async def main() -> None:
    async with SXBetClient(host=HOST, get_token=token_getter("any", failures=1)) as client:
        print("connected after all:", client.state)

    refused = SXBetClient(host=HOST, get_token=token_getter("refused-key"))  # the sandbox refuses such keys
    try:
        await refused.connect()
    except UnauthorizedError as error:
        print("stopped for good:", error)
    finally:
        await refused.disconnect()


asyncio.run(main())

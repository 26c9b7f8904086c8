"""How do I run two accounts in one process?

Each gets a `User` of its own; without one, all clients share the process's login. Start `tapewire sandbox --port 4000`
in another shell, then run `python examples/stx/two_accounts.py`. It ends when both balances are known. STX_HOST leads
it elsewhere.
"""

import asyncio
import os

from tapewire.venues.stx import ChannelMessage, Channels, STXWebSocket, User

HOST = os.environ.get("STX_HOST", "http://127.0.0.1:4000")


async def balance_of(email: str) -> None:
    known = asyncio.Event()

    def on_portfolio(message: ChannelMessage) -> None:
        if message.event == "summary" and message.payload:
            print(f"{email} has {message.payload['account_balance']} cents")
            known.set()

    async with STXWebSocket(host=HOST, user=User.new(), email=email, password="any") as ws:
        await ws.join(Channels.PORTFOLIO, on_message=on_portfolio)
        await known.wait()


async def main() -> None:
    await asyncio.gather(balance_of("ann@example.com"), balance_of("ben@example.com"))


asyncio.run(main())

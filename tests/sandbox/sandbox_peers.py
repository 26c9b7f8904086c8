"""What the sandbox's tests speak to it with: raw JSON over `websockets` and `httpx2`, nothing of our own decoders."""

import contextlib
import json

import httpx2
import websockets
from websockets.asyncio.client import connect

from tapewire.sandbox import Sandbox

LOGIN = (
    "mutation login($credentials: LoginCredentials!) { login(credentials: $credentials) "
    "{ userId userUid sessionId token refreshToken promptTwoFactorAuth } }"
)


def http(sandbox: Sandbox) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(base_url=sandbox.url, trust_env=False, timeout=5, verify=False)


async def graphql(sandbox, query, token=None, **variables):
    headers = {"authorization": f"Bearer {token}"} if token else {}
    async with http(sandbox) as client:
        return await client.post(
            "/api/graphql", json={"query": query, "variables": variables}, headers=headers
        )


async def login(sandbox, email="you@example.com", password="..."):
    reply = await graphql(sandbox, LOGIN, credentials={"email": email, "password": password})
    return reply.json()["data"]["login"]


def socket_url(sandbox, token, vsn="2.0.0"):
    return f"{sandbox.url.replace('http', 'ws', 1)}/socket/websocket?token={token}&vsn={vsn}"


class Raw:
    """A socket that sends and receives text as it is."""

    def __init__(self, websocket):
        self.websocket = websocket

    async def ask(self, text):
        await self.websocket.send(text)
        return await self.websocket.recv()

    async def send(self, *texts):
        for text in texts:
            await self.websocket.send(text)

    async def take(self, count=1):
        return [await self.websocket.recv() for _ in range(count)]

    async def silent(self):
        """Nothing waits to be received: a heartbeat's reply comes next."""
        reply = await self.ask('[null,"silent?","phoenix","heartbeat",{}]')
        return json.loads(reply)[1] == "silent?"

    async def end(self):
        """Receive until the connection ends; the close code, 1006 for none."""
        with contextlib.suppress(websockets.ConnectionClosed):
            while True:
                await self.websocket.recv()
        return self.websocket.close_code


@contextlib.asynccontextmanager
async def played(email="you@example.com", vsn="2.0.0", **arguments):
    """A sandbox in which nothing happens by itself, a login, and an open socket."""
    async with Sandbox(**{"rate": 0, "venues": ["stx"], **arguments}) as sandbox:
        user = await login(sandbox, email)
        async with connect(socket_url(sandbox, user["token"], vsn), proxy=None, max_size=2**26) as websocket:
            yield sandbox, user["userUid"], Raw(websocket)

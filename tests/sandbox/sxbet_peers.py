"""What the tests of the played SX Bet speak to it with: raw JSON over `websockets` and `httpx2`, no decoder of ours."""

import contextlib
import json

import websockets
from websockets.asyncio.client import connect

from tapewire.sandbox import Sandbox
from tests.sandbox.sandbox_peers import http

RECOVERABLE = '"positioned":true,"recoverable":true'


async def token(sandbox, key="k"):
    async with http(sandbox) as client:
        return (await client.get("/user/realtime-token/api-key", headers={"x-api-key": key})).json()["token"]


async def get(sandbox, path, **headers):
    async with http(sandbox) as client:
        return await client.get(
            path, headers={name.replace("_", "-"): text for name, text in headers.items()}
        )


async def data(sandbox, path, **headers):
    answer = await get(sandbox, path, **headers)
    assert answer.status_code == 200, answer.text
    assert answer.json()["status"] == "success"
    return answer.json()["data"]


class Wire:
    """A socket that sends text as it is and gives message by message what comes, as text."""

    def __init__(self, websocket):
        self.websocket = websocket
        self._lines = []

    async def send(self, *texts):
        for text in texts:
            await self.websocket.send(text)

    async def line(self):
        while not self._lines:
            self._lines = (await self.websocket.recv()).split("\n")
        return self._lines.pop(0)

    async def take(self, count=1):
        return [await self.line() for _ in range(count)]

    async def ask(self, text):
        await self.send(text)
        return await self.line()

    async def told(self):
        return json.loads(await self.line())

    async def subscribe(self, channel, flags=RECOVERABLE, number=2):
        more = f",{flags}" if flags else ""
        return json.loads(await self.ask(f'{{"id":{number},"subscribe":{{"channel":"{channel}"{more}}}}}'))

    async def recover(self, channel, offset, epoch, number=3, more=""):
        position = f'"recover":true,"offset":{offset},"epoch":"{epoch}"{more}'
        reply = await self.subscribe(channel, f"{RECOVERABLE},{position}", number)
        return reply.get("subscribe", reply)

    async def publications(self, count):
        return [json.loads(text)["push"]["pub"] for text in await self.take(count)]

    async def silent(self):
        """Nothing waits to be received: the refusal of a ping command comes next."""
        return await self.ask('{"id":999,"ping":{}}') == (
            '{"id":999,"error":{"code":108,"message":"not available"}}'
        )

    async def end(self):
        """Receive until the connection ends; close code and reason."""
        with contextlib.suppress(websockets.ConnectionClosed):
            while True:
                await self.websocket.recv()
        return self.websocket.close_code, self.websocket.close_reason


def socket_url(sandbox):
    return f"{sandbox.url.replace('http', 'ws', 1)}/connection/websocket"


@contextlib.asynccontextmanager
async def opened(sandbox, **options):
    """A socket that has not said anything yet."""
    async with connect(socket_url(sandbox), proxy=None, max_size=2**26, **options) as websocket:
        yield Wire(websocket)


@contextlib.asynccontextmanager
async def greeted(sandbox, key="k"):
    """A socket that is connected."""
    async with opened(sandbox) as wire:
        reply = json.loads(
            await wire.ask(json.dumps({"id": 1, "connect": {"token": await token(sandbox, key)}}))
        )
        assert reply["connect"]["client"]
        yield wire


def sandbox_of(**arguments):
    """A sandbox in which nothing happens by itself."""
    return Sandbox(**{"rate": 0, "venues": ["sxbet"], **arguments})


@contextlib.asynccontextmanager
async def venue(**settings):
    """The sandbox with the face's settings, and a connected socket."""
    async with sandbox_of(settings={"sxbet": settings}) as sandbox, greeted(sandbox) as wire:
        yield sandbox, wire


def first_market(sandbox):
    return next(iter(sandbox.faces["sxbet"].exchange.markets.values()))

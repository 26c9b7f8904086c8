"""What the tests of the played WEEX speak to it with: raw JSON, their own signatures, nothing of our decoders."""

import base64
import contextlib
import hashlib
import hmac
import json
import time

from websockets.asyncio.client import connect

from tapewire.sandbox import Sandbox
from tests.sandbox.sandbox_peers import Raw, http

KEY, SECRET, PASSPHRASE = "sandbox-weex-key", "sandbox-weex-secret", "sandbox-weex-passphrase"
AT_ONCE = {"depth_interval": 0, "ticker_interval": 0}


def signed(text, *, key=KEY, secret=SECRET, passphrase=PASSPHRASE, ahead=0.0):
    """The headers of a request or a socket whose signature covers `text`."""
    stamp = str(int((time.time() + ahead) * 1000))
    digest = hmac.digest(secret.encode(), (stamp + text).encode(), hashlib.sha256)
    return {
        "ACCESS-KEY": key,
        "ACCESS-SIGN": base64.b64encode(digest).decode(),
        "ACCESS-TIMESTAMP": stamp,
        "ACCESS-PASSPHRASE": passphrase,
    }


def weex(**settings):
    """A sandbox in which nothing happens by itself, and what happens is published at once."""
    arguments = {name: settings.pop(name) for name in ("rate", "activity", "seed") if name in settings}
    return Sandbox(**{"rate": 0, **arguments}, venues=["weex"], settings={"weex": {**AT_ONCE, **settings}})


@contextlib.asynccontextmanager
async def opened(sandbox, path="/v3/ws/public", greeted=True, **signing):
    headers = signed(path, **signing) if path.endswith("private") else None
    url = sandbox.url.replace("http", "ws", 1) + path
    # Without a bound, for what nobody reads must not stand before the answer to the close.
    limits = {"max_size": 2**26, "max_queue": None}
    async with connect(url, proxy=None, additional_headers=headers, **limits) as websocket:
        raw = Raw(websocket)
        if greeted and path.startswith("/v3"):
            await raw.take()
        yield raw


@contextlib.asynccontextmanager
async def played(path="/v3/ws/public", **settings):
    """A sandbox and one open socket, its greeting read."""
    async with weex(**settings) as sandbox, opened(sandbox, path) as raw:
        yield sandbox, raw


async def ask(raw, method, *params, number=1):
    await raw.send(json.dumps({"method": method, "params": list(params), "id": number}))


async def subscribed(raw, *topics):
    """Subscribe and read the acknowledgement; returns the snapshots."""
    await ask(raw, "SUBSCRIBE", *topics)
    assert json.loads((await raw.take())[0]) == {"result": True, "id": 1}
    has_snapshot = [
        topic for topic in topics if topic.partition("@")[2].startswith(("depth", "trade", "kline"))
    ]
    return [json.loads(text) for text in await raw.take(len(has_snapshot))]


async def call(sandbox, method, path, body=None, **signing):
    """One signed request; `path` with its query."""
    text = "" if body is None else json.dumps(body)
    headers = signed(f"{method}/capi/v3/{path}{text}", **signing)
    if method != "GET":
        headers["content-type"] = "application/json"
    async with http(sandbox) as client:
        return await client.request(method, f"/capi/v3/{path}", content=text, headers=headers)


async def look(sandbox, path):
    """One unsigned request."""
    async with http(sandbox) as client:
        return await client.get(f"/capi/v3/market/{path}")


ORDER = {"symbol": "BTCUSDT", "side": "BUY", "positionSide": "LONG", "type": "MARKET", "quantity": "0.01"}


class Chain:
    """A book kept as a client must keep it: it fails at a hole."""

    def __init__(self, snapshot):
        assert (snapshot["e"], snapshot["d"]) == ("depthSnapshot", "SNAPSHOT")
        self.last = snapshot["u"]
        self.sides = {side: dict(snapshot[side]) for side in "ba"}

    def apply(self, delta):
        assert (delta["e"], delta["d"], delta["U"]) == ("depth", "CHANGED", self.last)
        assert delta["u"] > self.last
        self.last = delta["u"]
        for side in "ba":
            for price, size in delta[side]:
                if size == "0":
                    del self.sides[side][price]
                else:
                    self.sides[side][price] = size

    def levels(self, side):
        return sorted(self.sides[side].items(), key=lambda level: float(level[0]), reverse=side == "b")


def levels_of(sandbox, symbol, depth):
    """The same, from the exchange itself."""
    face = sandbox.faces["weex"]
    contract, book = face.markets.contracts[symbol], face.markets.open[symbol].book
    return {
        name: [(contract.price(tick), contract.size(lots)) for tick, lots in book.levels(side, depth)]
        for name, side in (("b", "buy"), ("a", "sell"))
    }

"""Programs that close nothing, under `python -X dev -W error`: Python has no warning for them, on either loop's end.

Each ends while its handler still waits, its socket is open and its HTTP connections are kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.documents.running import Program, played_venue

PROGRAMS = {
    "stx": """
import asyncio
from tapewire.venues.stx import Channels, STXWebSocket

async def main():
    got = asyncio.Event()
    async def on_message(message):
        got.set()
        await asyncio.Future()
    ws = STXWebSocket(email="you@example.com", password="any")
    await ws.connect()
    await ws.join(Channels.MARKETS, on_message)
    await got.wait()
""",
    "sxbet": """
import asyncio
from tapewire.venues.sxbet import SXBetClient

async def main():
    got = asyncio.Event()
    client = SXBetClient(api_key="any")
    await client.connect()
    trades = client.new_subscription("recent_trades:global", positioned=True, recoverable=True)
    @trades.on("publication")
    async def on_trade(context):
        got.set()
        await asyncio.Future()
    trades.subscribe()
    await got.wait()
""",
    "stake": """
import asyncio
from tapewire.venues.stake import StakeAPI, StakeWebSocket

async def main():
    got = asyncio.Event()
    class Mine(StakeWebSocket):
        async def on_message(self, data):
            got.set()
            await asyncio.Future()
    api = StakeAPI(access_token="any")
    await api.get_user_balance()
    ws = Mine(access_token="any")
    running = asyncio.create_task(ws.connect())
    await ws.subscribe("game:crash")
    await got.wait()
""",
    "weex": """
import asyncio
from tapewire.venues.weex import WeexAsyncClient, WeexConfig, WeexWebSocketClient

async def main():
    config = WeexConfig.from_env()
    http = WeexAsyncClient(config)
    await http.get_all_positions()
    client = WeexWebSocketClient(config)
    await client.connect()
    async for message in client.stream_tickers(["BTCUSDT"]):
        break
""",
    "stx, compressed": """
import asyncio
from tapewire.transport.websockets import WebsocketsConnector
from tapewire.venues.stx import STXWebSocket

async def main():
    ws = STXWebSocket(email="you@example.com", password="any", connector=WebsocketsConnector())
    await ws.connect()
""",
    "stx, without asyncio": """
from tapewire.venues.stx import STX

client = STX(email="you@example.com", password="any")
client.login()
""",
}
RUNS = {
    "asyncio": "asyncio.run(main())",
    "uvloop": "import uvloop; uvloop.run(main())",
}


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with played_venue(
        tmp_path_factory.mktemp("played"), "stx", *("--venue", "sxbet", "--venue", "stake", "--venue", "weex")
    ) as exports:
        yield exports


@pytest.mark.parametrize(
    ("name", "loop"),
    [
        (name, loop)
        for name in PROGRAMS
        for loop in RUNS
        if "without asyncio" not in name or loop == "asyncio"
    ],
)
def test_a_program_that_closes_nothing_ends_without_a_warning(
    name: str, loop: str, environment: dict[str, str], tmp_path: Path
) -> None:
    code = PROGRAMS[name] + ("" if "without asyncio" in name else RUNS[loop])
    with Program(["-X", "dev", "-c", code], environment, tmp_path) as program:
        status = program.wait()
        # Under load a step of the loop takes more than the tenth of a second that its debug mode allows.
        unexpected = re.sub(r"^Executing .* took [\d.]+ seconds\n", "", program.errors, flags=re.MULTILINE)
        assert (status, unexpected) == (0, "")

"""The table of all Python samples of the Stake page: where each is, what is put around it, what it must print.

The page has lost its indentation: `levels` restores it, one digit a line. What else may be changed is a `Change`; every
row lists its own. But for that, no line differs from the page.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from tests.documents.pages import excerpt, region

PAGE = "003"
SITE = '"wss://stake.com/'


class Change(Enum):
    """All that may differ between the page and what is run."""

    HOST = "the site's address in the literal of the socket's URL is the sandbox's, or in the environment"
    HEADERS = "extra_headers is additional_headers, its name in `websockets` since version 14"
    NAMES = "names that the page leaves out are given before it"
    USE = "the page only defines something: what follows uses it"


H, X, N, U = Change.HOST, Change.HEADERS, Change.NAMES, Change.USE


@dataclass(frozen=True)
class Sample:
    """One sample. `expect` are patterns that must occur in its output."""

    number: int
    title: str
    first: str
    last: str
    levels: str
    expect: tuple[str, ...]
    changes: tuple[Change, ...]
    before: str = ""
    after: str = ""
    occurrence: int = 1

    @property
    def lines(self) -> range:
        """Where it is on the page."""
        return region(PAGE, self.first, self.last, self.occurrence)

    @property
    def text(self) -> str:
        """As the page has it."""
        return excerpt(PAGE, self.lines)

    @property
    def indented(self) -> str:
        """With its indentation."""
        lines = self.text.splitlines()
        assert len(self.levels) == len(lines), f"{len(self.levels)} levels for {len(lines)} lines"
        return "\n".join("    " * int(level) + line for level, line in zip(self.levels, lines, strict=True))

    def program(self, environment: Mapping[str, str]) -> str:
        """What is run against the sandbox of that environment."""
        text = f"{self.before}{self.indented}\n{self.after}"
        if Change.HEADERS in self.changes:
            text = text.replace("extra_headers", "additional_headers")
        return text.replace(SITE, f'"{environment["STAKE_WS_URL"]}/')

    def __str__(self) -> str:
        return f"{PAGE}-{self.number:02}-{self.title.replace(' ', '-')}"


IMPORTS = """import asyncio
import json
import websockets

"""
USE = """
async def use():
    headers = {{"x-access-token": "your_token_here"}}
    async with websockets.connect("wss://stake.com/_api/websocket", additional_headers=headers) as ws:
        await {call}

asyncio.run(use())
"""
ID = "[0-9a-f-]{36}"
BALANCE = r"\{.*'balance': \{'amount': [\d.]+, 'currency': 'usdt'\}"
# The page's class has what `json.loads` gives, ours exact numbers.
EITHER_BALANCE = r"\{.*'balance': \{'amount': (?:Decimal\('[\d.]+'\)|[\d.]+), 'currency': 'usdt'\}"
EXACT_BALANCE = r"\{.*'balance': \{'amount': Decimal\('[\d.]+'\), 'currency': 'usdt'\}"

SAMPLES = [
    Sample(
        1, "basic", "import asyncio", "asyncio.run(connect_to_stake())",
        "0000" "11221" "1" "2" "2" "2332" "2" "2" "2" "3" "3" "0",
        ("^✅ Connected to Stake.com WebSocket", rf"^📩 Received: \{{'channel': 'user:balances', 'payload': {BALANCE}"),
        (H, X),
    ),
    Sample(
        2, "balance", "async def watch_balance(ws):", "print(f\"💰 Balance update: {data['payload']}\")",
        "012211223", (rf"^💰 Balance update: {BALANCE}",), (H, N, U), IMPORTS, USE.format(call="watch_balance(ws)"),
    ),
    Sample(
        3, "game results", "async def watch_game_results(ws, game_slug: str):", 'print(f"🎰 Game result: {data}")',
        "01221122", (rf"^🎰 Game result: \{{'channel': 'game:crash', 'payload': .*'id': '{ID}'.*'status': '",),
        (H, N, U), IMPORTS, USE.format(call='watch_game_results(ws, "crash")'),
    ),
    Sample(
        4, "live sports", "async def watch_live_sports(ws, event_id: str):",
        'print(f"âš½ Score update: {data}")', "01221122",
        (r"^âš½ Score update: \{'channel': 'sports:event:1', .*'score': \{'away': \d+, 'home': \d+\}",),
        (H, N, U), IMPORTS, USE.format(call='watch_live_sports(ws, "1")'),
    ),
    Sample(
        5, "robust client", "import asyncio", "asyncio.run(main())",
        "00000" "0" "1222222" "1" "2" "3" "4554" "4" "55554" "5" "5" "5" "5" "5" "6" "5" "3" "4" "3" "4" "3" "3" "3"
        "3" "4" "4" "3" "1" "2" "3" "443" "3" "1" "2" "3" "3" "1" "2" "3" "3" "1" "2" "2" "0" "0" "1" "2" "2"
        "3" "2" "3" "2" "3" "0" "1" "1" "1" "0",
        (rf"^💰 Balance changed: {EITHER_BALANCE}",), (H, X), occurrence=2,
    ),
    Sample(
        6, "rest and socket", "async def live_balance_tracker():", "await ws_client.connect()",
        "0112222222",
        (
            r"^Initial balance: \{'available': \{'usdt': Decimal\('[\d.]+'\)",
            rf"^Message: \{{'channel': 'user:balances', 'payload': {EXACT_BALANCE}",
        ),
        (H, N, U), "import asyncio\nfrom stakeapi import StakeAPI, StakeWebSocket\n\n",
        "\nasyncio.run(live_balance_tracker())\n",
    ),
]  # fmt: skip

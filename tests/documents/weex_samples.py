"""The table of all Python samples of the WEEX page: which block each is, what is put around it, what it must print.

The page kept its indentation: a block is the lines behind `.. code-block:: python`, moved to the left by three. What
else may be changed is a `Change`; every row lists its own. The garbled signs are the page's own, and stay.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from enum import Enum

from tests.documents.pages import excerpt, page_text

PAGE = "004"
FENCE = ".. code-block:: python"
INDENT = "   "


class Change(Enum):
    """All that may differ between the page and what is run."""

    HOST = "the sandbox's address and credentials are in the environment"
    NAMES = "names that the page leaves out are given before it, or a method after its class"
    USE = "the page only defines something: what follows uses it"
    OBSERVED = "the sample prints nothing more: what it has stored is looked at"


H, N, U, O = Change.HOST, Change.NAMES, Change.USE, Change.OBSERVED  # noqa: E741


def blocks() -> list[range]:
    """The lines of each block of code on the page, counted from 0."""
    lines = page_text(PAGE).splitlines()
    found = []
    for start in (number for number, line in enumerate(lines) if line == FENCE):
        first = start + 2
        end = first
        while end < len(lines) and (not lines[end].strip() or lines[end].startswith(INDENT)):
            end += 1
        while not lines[end - 1].strip():
            end -= 1
        found.append(range(first, end))
    return found


@dataclass(frozen=True)
class Sample:
    """One sample. `block` counts from 1; `expect` are patterns that must occur in its output."""

    block: int
    title: str
    expect: tuple[str, ...]
    use: str = ""
    before: str = ""
    after: str = ""
    changes: tuple[Change, ...] = (H, N, U)

    @property
    def lines(self) -> range:
        """Where it is on the page."""
        return blocks()[self.block - 1]

    @property
    def text(self) -> str:
        """As the page has it."""
        return excerpt(PAGE, self.lines)

    @property
    def moved(self) -> str:
        """As it is run: three columns to the left."""
        return textwrap.dedent(self.text)

    @property
    def program(self) -> str:
        """What is run."""
        use = f"\nasyncio.run({self.use})\n" if self.use else ""
        return f"{self.before}{self.moved}\n{self.after}{use}"

    def __str__(self) -> str:
        return f"{PAGE}-{self.block:02}-{self.title.replace(' ', '-')}"


IMPORTS = """import asyncio
from weex_client import WeexWebSocketClient, WeexConfig

"""
RISK = f"""{IMPORTS}def get_current_price(symbol):
    return 10_000_000.0

async def emergency_reduce_positions():
    print("reduced")

async def emergency_close_all_positions():
    print("closed")

"""
HAS_POSITION = """
def has_position(self, symbol):
    return self.positions.get(symbol, 0) > 0

PaperTradingEngine.has_position = has_position
"""
TIME = f"import time\n{IMPORTS}"

STAMP = r"1\d{9}\.\d+"
BTC = r"\d{5}\.\d"
LEVEL = rf"  1\. \${BTC} - [\d.]+\n  2\. \${BTC} - [\d.]+\n  3\. \${BTC} - [\d.]+"

SAMPLES = [
    Sample(
        1, "context manager", (rf"^Ticker: \{{.*'last': Decimal\('{BTC}'\)",),
        "websocket_example()", changes=(H, U),
    ),
    Sample(
        2, "market", (rf"^{STAMP}: BTC/USDT = \${BTC} \| Volume: [\d.]+ \| Change: -?[\d.]+%",),
        "monitor_market()", IMPORTS,
    ),
    Sample(
        3, "order book", (rf"Order Book Snapshot:\nBids:\n{LEVEL}\nAsks:\n{LEVEL}\n(.|\n)*Order Book Snapshot:",),
        "monitor_order_book()", IMPORTS,
    ),
    Sample(4, "trades", (rf"^{STAMP} \S+ [\d.]+ BTC @ \${BTC}",), "monitor_trades()", IMPORTS),
    Sample(
        5, "account", (rf"^{STAMP}: Balance: [\d.]+ \| Available: [\d.]+ \| Frozen: [\d.]+",),
        "monitor_account()", IMPORTS,
    ),
    Sample(
        6, "positions", (rf"^{STAMP}: [A-Z]+USDT (?i:long) [\d.]+ \| PnL: -?[\d.]+",),
        "monitor_positions()", IMPORTS,
    ),
    Sample(
        7, "orders",
        (rf"^{STAMP} \S+ Order \d+: [A-Z]+USDT [\d.]+ \(new\)", r"Order \d+: [A-Z]+USDT [\d.]+ \((filled|canceled)\)"),
        "monitor_orders()", IMPORTS,
    ),
    Sample(
        8, "many symbols",
        (rf"^BTCUSDT: \${BTC}", r"^ETHUSDT: \$\d{4}\.\d\d", r"^ADAUSDT: \$0\.\d{5}"),
        "monitor_multiple_symbols()", IMPORTS,
    ),
    Sample(
        9, "analysis", (rf"^{STAMP}: .*HOLD - Price: \${BTC}\d, MA: \${BTC}\d",), "real_time_analysis()", IMPORTS,
    ),
    Sample(
        10, "risk", (r"POSITION SIZE LIMIT BREACHED: \$[\d.]+\nreduced",), "risk_monitored_trading()", RISK,
    ),
    Sample(
        11, "paper trading",
        (
            rf"BUY: 0\.\d{{6}} BTC @ \${BTC}\d \(Cost: \$[\d.]+\)",
            rf"SELL: 0\.\d{{6}} BTC @ \${BTC}\d \(Revenue: \$[\d.]+\)",
            rf"^{STAMP}: Portfolio: \$\d+\.\d\d \| Balance: \$\d+\.\d\d",
        ),
        "run_paper_trading()", IMPORTS, HAS_POSITION,
    ),
    Sample(
        12, "robust client", (r"Connected \(attempt 1\)\n", rf"^Price: \${BTC}"), "robust_websocket_client()", IMPORTS,
    ),
    Sample(
        13, "filtering", (rf"Significant move: -?[\d.]+% \| Price: \${BTC} \| Volume: [\d.]+",),
        "filtered_streaming()", IMPORTS,
    ),
    Sample(14, "memory", (rf"^High price alert: \${BTC}",), "memory_efficient_streaming()", IMPORTS),
    Sample(
        15, "batches", (rf"^Batch: Avg: \${BTC}\d \| Max: \${BTC}\d \| Min: \${BTC}\d",),
        "batch_stream_processing()", IMPORTS,
    ),
    Sample(16, "heartbeat", (rf"Message received: {BTC}",), "websocket_with_heartbeat()", TIME),
    Sample(
        17, "storage", (r"Storing ticker data\.\.\.",), "store_stream_data()", IMPORTS, changes=(H, N, U, O),
    ),
]  # fmt: skip

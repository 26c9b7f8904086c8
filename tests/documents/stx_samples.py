"""The table of all Python samples of the two STX pages: where each is, what is put around it, what it must print.

What may be changed, and nothing else, is a `Change`; every row lists its own. The lines of a sample are never touched
but for their indentation. `before` and `after` are ours, and stand here beside the sample in full.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from enum import Enum

from tests.documents.pages import excerpt, region


class Change(Enum):
    """All that may differ between a page and what is run."""

    HOST = "the sandbox's address is in the environment (STX_HOST)"
    NAMES = "names that the page leaves out are given before it"
    WRAPPER = "an async function around a top-level await, and with it the indentation"
    ELISION = "what '(...)' stands for is given by the name before it"
    USE = "the page only defines or makes something: what follows uses it"
    OBSERVED = "the sample prints nothing: a profile function says which of its handlers returned"


@dataclass(frozen=True)
class Sample:
    """One sample. `expect` are patterns that must occur in its output, `never` must not, `complains` in its log."""

    page: str
    number: int
    title: str
    first: str
    last: str
    expect: tuple[str, ...]
    occurrence: int = 1
    changes: tuple[Change, ...] = (Change.HOST,)
    before: str = ""
    indent: int = 0
    after: str = ""
    never: tuple[str, ...] = ()
    complains: tuple[str, ...] = ()
    ends: bool = False

    @property
    def lines(self) -> range:
        """Where it is on its page."""
        return region(self.page, self.first, self.last, self.occurrence)

    @property
    def text(self) -> str:
        """As the page has it."""
        return excerpt(self.page, self.lines)

    @property
    def indented(self) -> str:
        """As it is run: no line differs but for its indentation."""
        return textwrap.indent(self.text, " " * self.indent)

    @property
    def program(self) -> str:
        """What is run."""
        return f"{self.before}{self.indented}\n{self.after}"

    def __str__(self) -> str:
        return f"{self.page}-{self.number:02}-{self.title.replace(' ', '-')}"


H, N, W, E, U, O = (  # noqa: E741
    Change.HOST, Change.NAMES, Change.WRAPPER, Change.ELISION, Change.USE, Change.OBSERVED,
)  # fmt: skip

SIGNED_IN = """import asyncio
from stx import STX, STXWebSocket
from stx.enums import Channels

STX(region="ontario", env="staging", email="you@example.com", password="...")

"""
IN_A_SOCKET = """async def sample():
    async with STXWebSocket(region="ontario", env="staging") as ws:
"""
UNTIL_STOPPED = """        await asyncio.Future()

asyncio.run(sample())
"""
ON_MSG = """async def on_msg(msg):
    print(f"{msg.event}: {msg.payload}")

"""
JOINED = """        await ws.join(Channels.MARKETS, on_message=on_msg)
"""
OBSERVING = """import sys

def observe(frame, event, argument):
    if event == "return" and frame.f_code.co_name in ("on_msg", "on_market", "on_order"):
        print(f"{frame.f_code.co_name}: {frame.f_locals['msg'].event}")

sys.setprofile(observe)

"""
HANDLERS = """async def handle_market(msg):
    print(f"market: {msg.event} on {msg.channel}")

async def handle_order(msg):
    print(f"order: {msg.event} on {msg.channel}")

async def handle_portfolio(msg):
    print(f"portfolio: {msg.event} on {msg.channel}")

async def sample():
"""
IN_USE = """
async def use():
    async with ws:
        await ws.join(Channels.{channel}, on_message=on_msg)
        await asyncio.Future()

asyncio.run(use())
"""
ELIDED = """import asyncio
import stx
from stx import STX
from stx.enums import Channels

STX(region="ontario", env="staging", email="you@example.com", password="...")

def STXWebSocket(elided):
    assert elided is ...
    return stx.STXWebSocket(region="ontario", env="staging")

async def on_msg(msg):
    print(f"{msg.event} on {msg.channel}")

async def sample():
"""
ENDED = """
asyncio.run(sample())
print("the end")
"""
DEFINED = """from dataclasses import dataclass
from typing import Optional

"""
COMPARED = f"""
{SIGNED_IN}
import dataclasses

async def on_msg(msg):
    shown = ChannelMessage(**{{field.name: getattr(msg, field.name) for field in dataclasses.fields(ChannelMessage)}})
    print(f"{{shown.event}} on {{shown.channel}}: {{msg.is_reply}} {{msg.is_error}} {{msg.reply_status}}")

{IN_A_SOCKET}        await ws.join(Channels.MARKETS, on_message=on_msg)
{UNTIL_STOPPED}"""

ID = "[0-9a-f-]{36}"
PAYLOAD = rf"\{{'{ID}': \{{.*'unix_timestamp': \d+"
WS = 'async with STXWebSocket(region="ontario", env="staging") as ws:'
ELIDED_WS = "async with STXWebSocket(...) as ws:"
AFTER_EXIT = "# Exiting the context sends phx_leave for each subscription, then closes the socket."
FRAGMENT = {
    "changes": (H, N, W),
    "before": SIGNED_IN + IN_A_SOCKET,
    "indent": 8,
    "after": UNTIL_STOPPED,
}


def of_both(page: str, market: str, event: str, orders: str) -> list[Sample]:
    """The samples that both pages have, in the words of their generation."""
    joined = f"await ws.join(Channels.{market}, on_message=on_msg)"
    return [
        Sample(
            page, 1, "quick start", "import asyncio", "asyncio.run(main())",
            expect=(r"^phx_reply: \{", rf"^{event}: {PAYLOAD}"),
        ),
        Sample(page, 2, "markets", "async def on_msg(msg):", joined, expect=(rf"^{PAYLOAD}",), **FRAGMENT),
        Sample(
            page, 6, "portfolio", "async def on_portfolio(msg):",
            "await ws.join(Channels.PORTFOLIO, on_message=on_portfolio)",
            expect=(r"^portfolio: \{.*'status': 'ok'", r"^portfolio: \{.*'available_balance': \d+"), **FRAGMENT,
        ),
        Sample(
            page, 7, "message shape", "@dataclass",
            '    def reply_status(self) -> Optional[str]: ...   # "ok" | "error" | None',
            expect=(r"^phx_reply on markets: True False ok", r"^market_updated on markets: False False None"),
            changes=(H, N, U), before=DEFINED, after=COMPARED,
        ),
        Sample(
            page, 8, "control events", "async def on_msg(msg):", "        ...", occurrence=2,
            expect=("^on_msg: phx_reply", f"^on_msg: {event}"),
            changes=(H, N, W, U, O), before=OBSERVING + SIGNED_IN + IN_A_SOCKET, indent=8,
            after=f"        {joined}\n{UNTIL_STOPPED}",
        ),
        Sample(
            page, 9, "multiple subscriptions", WS, "    await asyncio.Future()   # run forever",
            expect=(
                f"^market: {event} on {market.lower()}", "^order: order_update on active_orders",
                "^portfolio: update on portfolio",
            ),
            changes=(H, N, W), before=SIGNED_IN + HANDLERS, indent=4, after="\nasyncio.run(sample())\n",
        ),
        Sample(
            page, 10, "retry policy", "from stx._retry import RetryPolicy", ")",
            expect=(f"^{event}: {PAYLOAD}",),
            changes=(H, N, U), before=SIGNED_IN + ON_MSG, after=IN_USE.format(channel=market),
        ),
        Sample(
            page, 11, "heartbeat interval",
            'STXWebSocket(region="ontario", env="staging", heartbeat_interval=5)',
            'STXWebSocket(region="ontario", env="staging", heartbeat_interval=5)',
            expect=(f"^{event}: {PAYLOAD}",),
            changes=(H, N, U), before=f"{SIGNED_IN}{ON_MSG}ws = (\n", after=f")\n{IN_USE.format(channel=market)}",
        ),
        Sample(
            page, 12, "close by context", ELIDED_WS, AFTER_EXIT,
            expect=(f"^phx_reply on {market.lower()}", "^the end"), ends=True,
            changes=(H, N, W, E), before=ELIDED, indent=4, after=ENDED,
        ),
        Sample(
            page, 13, "close by hand", "ws = STXWebSocket(...)", "await ws.close()",
            expect=(f"^phx_reply on {market.lower()}", "^the end"), ends=True,
            changes=(H, N, W, E), before=ELIDED, indent=4, after=ENDED,
        ),
        Sample(
            page, 14, "market maker", "import asyncio", "asyncio.run(run())", occurrence=2,
            expect=(f"^on_market: {event}", "^on_order: order_update"),
            changes=(H, O), before=OBSERVING,
        ),
    ]  # fmt: skip


SAMPLES = [
    *of_both("000", "MARKETS", "market_updated", "ORDERS"),
    Sample(
        "000", 3, "filter at join", "await ws.join(", ")",
        expect=(
            r"^phx_reply: .*'selected_fields': \['bids', 'offers'\].*'selected_rule_filters': \['spread'\]",
            "^market_updated: .*'(bids|offers)': ",
        ),
        never=("^market_updated: .*'(status|title|volume_24h|recent_trades|last_traded_price)': ",),
        changes=(H, N, W), before=SIGNED_IN + ON_MSG + IN_A_SOCKET, indent=8, after=UNTIL_STOPPED,
    ),
    Sample(
        "000", 4, "change filters", "# Swap the field selection.",
        '              {"message_types": ["market_updated"]})',
        expect=(
            r"^phx_reply: .*'selected_fields': \['title', 'price', 'recent_trades'\]",
            "^phx_reply: .*'selected_rule_filters': None",
            r"^phx_reply: .*'selected_message_types': \['market_updated'\]",
            "^market_updated: ",
        ),
        changes=(H, N, W), before=SIGNED_IN + ON_MSG + IN_A_SOCKET + JOINED, indent=8, after=UNTIL_STOPPED,
    ),
    Sample(
        "000", 5, "orders", "async def on_order(msg):", "await ws.join(Channels.ORDERS, on_message=on_order)",
        expect=("^event=phx_reply payload=", r"^event=order_update payload=\{.*'status': '[A-Z]+'"), **FRAGMENT,
    ),
    *of_both("001", "MARKET_INFO", "market_update", "ACTIVE_ORDERS"),
    Sample(
        "001", 5, "active orders", "async def on_order(msg):",
        "await ws.join(Channels.ACTIVE_ORDERS, on_message=on_order)",
        expect=(f"^order {ID}: [A-Z]+",), complains=("handler .*on_order raised.*", "KeyError: 'orderId'"), **FRAGMENT,
    ),
]  # fmt: skip


@dataclass(frozen=True)
class Data:
    """Lines of a page that are no program: a reply or a table. `test` checks them."""

    page: str
    first: str
    last: str
    test: str


TEST = "tests/documents/test_stx_pages.py::"
REPLY = TEST + "test_the_reply_to_a_join_has_the_shape_on_the_page"
CHANNELS = TEST + "test_every_channel_of_the_table_is_there_with_its_scope"
DATA = [
    Data("000", "{", "}", REPLY),
    Data(
        "000",
        "ChannelScopeWhat it pushes",
        "USER_INFOper-userAccount-level updates",
        CHANNELS,
    ),
    Data(
        "001",
        "ChannelWhat it pushes",
        "USER_INFOAccount-level updates",
        CHANNELS,
    ),
    Data(
        "000",
        "FieldEffect",
        'message_typesSubset of ["market_updated", "market_created"]. Omit = both.',
        TEST + "test_every_filter_of_the_table_is_known",
    ),
    Data(
        "000",
        "EventPayloadEffect",
        'select_message_types{"message_types": [...]}Replace message-type filter',
        TEST + "test_every_control_message_of_the_table_replaces_its_filter",
    ),
]

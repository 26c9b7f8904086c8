"""The table of all samples of the SX Bet page: where each is, where its lines were, what is put around it.

The page has each JavaScript sample squeezed into one line. `breaks` names, in order, the texts before which a line
began: newlines are put in there, and nothing else is touched but what a `Change` says; every row lists its own.
`before` and `after` are ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from tests.documents.pages import page_text

PAGE = "002"
API_URL = "https://api.sx.bet"
SOCKET_URL = "wss://realtime.sx.bet/connection/websocket"


class Change(Enum):
    """All that may differ between the page and what is run."""

    LINES = "line breaks, which the page has lost"
    HOST = "the two addresses become the sandbox's"
    NAMES = "names that the page leaves out are given before it"
    USE = "the page only defines or registers something: what follows uses it, or says what came"


@dataclass(frozen=True)
class Sample:
    """One sample. `line` counts from 1; `expect` are patterns that must occur in its output."""

    line: int
    title: str
    breaks: tuple[str, ...]
    expect: tuple[str, ...]
    changes: tuple[Change, ...] = (Change.LINES,)
    before: str = ""
    after: str = ""

    @property
    def squeezed(self) -> str:
        """As the page has it."""
        return page_text(PAGE).splitlines()[self.line - 1]

    @property
    def restored(self) -> str:
        """In lines again."""
        squeezed, restored = self.squeezed, ""
        for text in self.breaks:
            head, found, rest = squeezed.partition(text)
            assert found, f"line {self.line} has no {text!r} behind {restored[-40:]!r}"
            restored += head + "\n"
            squeezed = found + rest
            # What begins this line is no place for the next break.
            restored, squeezed = restored + squeezed[:1], squeezed[1:]
        return restored + squeezed

    def program(self, api_url: str, socket_url: str) -> str:
        """What is run against these addresses."""
        text = f"{self.before}{self.restored}\n{self.after}"
        return text.replace(SOCKET_URL, socket_url).replace(API_URL, api_url)

    def __str__(self) -> str:
        return self.title.replace(" ", "-")


L, H, N, U = Change.LINES, Change.HOST, Change.NAMES, Change.USE

SOCKET = """import WebSocket from "ws";
globalThis.WebSocket = WebSocket;
"""
KEY = """const YOUR_API_KEY = process.env.SXBET_API_KEY;
"""
FETCH = f"""async function fetchToken(key) {{
  const answer = await fetch("{API_URL}/user/realtime-token/api-key", {{ headers: {{ "x-api-key": key }} }});
  return (await answer.json()).token;
}}
"""
CLIENT = f"""{SOCKET}{KEY}{FETCH}
import {{ Centrifuge }} from "centrifuge";
const client = new Centrifuge("{SOCKET_URL}", {{ getToken: () => fetchToken(YOUR_API_KEY), maxReconnectDelay: 500 }});
"""
CONNECTED = f"{CLIENT}client.connect();\n"
TRADES = f"""{CONNECTED}
const sub = client.newSubscription("recent_trades:global", {{ positioned: true, recoverable: true }});
"""
TELL_CLIENT = """
client.on("connected", () => console.log("connected"));
client.on("disconnected", (event) => console.log(`disconnected: ${event.code} ${event.reason}`));
client.on("error", (event) => console.log(`error: ${event.error.code}`));
"""
TELL_SUBSCRIBED = """
sub.on("subscribed", (event) => {
  const { wasRecovering, recovered, positioned, recoverable } = event;
  console.log(`subscribed: ${wasRecovering} ${recovered} ${positioned} ${recoverable}`);
});
sub.subscribe();
"""
TELL_IDS = """
sub.on("publication", (event) => console.log(`came: ${event.tags.messageId}`));
sub.subscribe();
"""
BOOK = f"""{CLIENT}
const marketHash = process.env.MARKET_HASH;
const applySnapshot = (answer) => console.log(`snapshot: ${{answer.status}} ${{answer.data.length}}`);
const applyUpdate = (orders) => console.log(`update: ${{orders[0].marketHash}}`);
"""

SAMPLES = [
    Sample(
        13, "quick start",
        breaks=(
            "const RELAYER_URL", "const WS_URL", "async function", "const res", "if (!res.ok)", "const { token }",
            "return token", "}const client", "client.connect",
        ),
        expect=("^connected",), changes=(L, H, N, U), before=SOCKET + KEY, after=TELL_CLIENT,
    ),
    Sample(
        16, "subscribe", breaks=("sub.on", "console.log", "});", "sub.subscribe"),
        expect=("marketHash: '0x[0-9a-f]{64}'", "status: '[A-Z]+'"), changes=(L, N), before=CONNECTED,
    ),
    Sample(
        28, "both flags", breaks=("const sub", "positioned", "recoverable", "});"),
        expect=("^subscribed: false false true true",), changes=(L, N, U),
        before=CONNECTED, after=TELL_SUBSCRIBED,
    ),
    Sample(
        35, "after a reconnection",
        breaks=(
            "if (ctx.wasRecovering && ctx.recovered)", "// Reconnected and gap", "// No need", "} else if",
            "// Reconnected but", "// Too much", "} else {", "// Fresh connect", "// Seed initial", "}});",
        ),
        expect=("^subscribed: false false true true",), changes=(L, N, U),
        before=TRADES, after=TELL_SUBSCRIBED,
    ),
    Sample(
        54, "deduplicate",
        breaks=(
            "const MAX_SEEN", "sub.on", "const id", "if (id", "if (seen.has", "seen.add", "if (seen.size",
            "applyUpdate",
        ),
        expect=("^applied", "^came: [0-9a-f]+"), changes=(L, N, U),
        before=f'{TRADES}const applyUpdate = () => console.log("applied");\n', after=TELL_IDS,
    ),
    Sample(
        60, "order book",
        breaks=(
            "const buffer", "const sub", "positioned", "recoverable", "});", "sub.on(\"publication\"", "if (!ready)",
            "buffer.push", "} else", "applyUpdate", "}});", "sub.on(\"subscribed\"", "if (ctx", "// Centrifugo",
            "ready = true", "return;", "// Fresh", "// Reset", "ready = false", "buffer.length", "const res",
            "applySnapshot", "// Drain", "// applyUpdate", "// overlap", "for (const", "buffer.length", "ready = true",
            "});", "client.connect",
        ),
        expect=(r"^snapshot: success \d+", "^update: 0x[0-9a-f]{64}"), changes=(L, H, N), before=BOOK,
    ),
    Sample(
        77, "markets",
        breaks=(
            "const client", "getToken", "});const sub", "sub.on", "for (const", "console.log", "}});",
            "sub.subscribe", "client.connect",
        ),
        expect=("^0x[0-9a-f]{64}: status=[A-Z]+",), changes=(L, H, N), before=SOCKET + KEY + FETCH,
    ),
    Sample(
        80, "get token",
        breaks=(
            "const client", "getToken", "const res", "headers", "if (res.status", "throw new Unauthorized",
            "} if (!res", "const { token }", "return token", "},});",
        ),
        expect=("^connected",), changes=(L, N, U),
        before=f'{SOCKET}const RELAYER_URL = "{API_URL}";\nconst WS_URL = "{SOCKET_URL}";\n'
        "const apiKey = process.env.SXBET_API_KEY;\n",
        after=f"{TELL_CLIENT}client.connect();\n",
    ),
]  # fmt: skip

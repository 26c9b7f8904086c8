"""Who is measured: the table. A group shares its bytes and its question; `module` and `call` say what runs. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["CONTENDERS", "GROUPS", "RATE", "Contender"]

RATE = 5_000.0
"""Messages a second of the paced group: one in each frame, each frame in a send of its own."""


@dataclass(frozen=True)
class Contender:
    """`messages` are so many that a sample takes about half a second; `joins` is what the server waits for."""

    name: str
    group: str
    title: str
    module: str
    call: str
    messages: int
    options: Mapping[str, Any] = field(default_factory=dict)
    joins: int = 50
    needs: str = ""
    """The package of the peers' own environment, if it runs there."""
    ours: bool = False
    networked: bool = True
    quick: bool = True
    """Also part of a quick run."""
    replies: int = 0
    """Frames that reach its user before the messages: the replies to its joins."""
    pushes: bool = False
    """It ignores broadcasts (join_ref null), so its frames carry the refs that it joined with."""

    @property
    def paced(self) -> bool:
        """True where latency is the question."""
        return self.group == "paced"


GROUPS = {
    "transport": "Transport only: frames to a callback, nothing decoded",
    "end to end": "End to end: frames decoded, routed to 50 topics, given to the user",
    "floor": "Decoding alone: the same messages from memory",
    "paced": f"Paced: {RATE:,.0f} single messages a second",
}


def _ours(name: str, title: str, call: str, messages: int, **options: Any) -> Contender:
    return Contender(name, "end to end", title, "ours", call, messages, options, ours=True, replies=50)


CONTENDERS = (
    Contender("fast", "transport", "tapewire, fast transport", "ours", "transport", 300_000,
              {"connector": "fast"}, joins=0, ours=True),
    Contender("on-websockets", "transport", "tapewire, websockets transport", "ours", "transport", 60_000,
              {"connector": "websockets"}, joins=0, ours=True),
    Contender("websockets", "transport", "websockets, recv() loop", "peers", "websockets_frames", 60_000, joins=0),
    _ours("stx-sync", "STXWebSocket, plain handler", "stx", 80_000, consumer="sync"),
    _ours("stx-async", "STXWebSocket, async handler", "stx", 80_000, consumer="async"),
    _ours("stx-for", "STXWebSocket, async for", "stx", 80_000, consumer="for"),
    _ours("stx-on-websockets", "STXWebSocket, async handler, websockets transport", "stx", 40_000,
          consumer="async", connector="websockets"),
    _ours("session-inline", "Session, inline handler", "session", 100_000, consumer="inline"),
    _ours("session-async", "Session, async handler", "session", 80_000, consumer="async"),
    _ours("session-for", "Session, async for", "session", 80_000, consumer="for"),
    _ours("session-batches", "Session, batches", "session", 80_000, consumer="batches"),
    Contender("websockets-json", "end to end", "websockets + json.loads + await handler", "peers",
              "websockets_json", 40_000),
    Contender("phoenix-channels", "end to end", "phoenix-channels-python-client, callback", "peers",
              "phoenix_channels", 20_000, needs="phoenix-channels-python-client", pushes=True),
    Contender("stx-python", "end to end", "stx-python, async handler", "peers", "stx_python", 40_000,
              {"consumer": "async"}, needs="stx-python"),
    Contender("stx-python-for", "end to end", "stx-python, async for", "peers", "stx_python", 40_000,
              {"consumer": "for"}, needs="stx-python"),
    Contender("decode-one", "floor", "msgspec, envelope and payload at once", "floor", "decode_in_one", 150_000,
              networked=False),
    Contender("decode-two", "floor", "msgspec, envelope, then payload", "floor", "decode_in_two", 150_000,
              networked=False),
    Contender("decode-json", "floor", "json.loads", "floor", "decode_json", 50_000, networked=False),
    Contender("paced-socket", "paced", "blocking socket, no framing", "floor", "paced_socket", 6_000, joins=0),
    Contender("paced-session", "paced", "Session, inline handler", "ours", "paced_session", 6_000, ours=True),
    Contender("paced-stx", "paced", "STXWebSocket, plain handler", "ours", "paced_stx", 6_000, ours=True),
    Contender("paced-websockets-json", "paced", "websockets + json.loads + await handler", "peers",
              "websockets_json", 6_000, quick=False),
    Contender("paced-phoenix-channels", "paced", "phoenix-channels-python-client, callback", "peers",
              "phoenix_channels", 6_000, needs="phoenix-channels-python-client", pushes=True, quick=False),
    Contender("paced-stx-python", "paced", "stx-python, async handler", "peers", "stx_python", 6_000,
              {"consumer": "async"}, needs="stx-python", quick=False),
)  # fmt: skip

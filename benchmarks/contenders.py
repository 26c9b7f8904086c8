"""Who is measured: the table. A group shares its bytes and its question; `module` and `call` say what runs. Pure.

Names are `group/who/consumer`; each group has one `decode` (what nobody can be below) and one `naive`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .wires import WIRES

__all__ = [
    "BURST",
    "CONTENDERS",
    "GROUPS",
    "MARKET_FEEDS",
    "NEVER",
    "RATE",
    "SCALES",
    "WIRE_GROUPS",
    "Contender",
    "class_beside",
]

RATE = 5_000.0
"""Messages a second of the paced group: one in each frame, each frame in a send of its own."""

PACED = 5_000
AWAITED = 1_000
"""Messages, and messages a second, of the group in which a peer's user is given each one."""

BURST = 10_000
BURST_PAUSE = 0.25
SCALES = (1, 50, 500, 5_000)

CHANNELS = 5_000
"""Of SX Bet that are subscribed, and resumed."""


@dataclass(frozen=True)
class Contender:
    """`messages` are so many that a run takes about half a second."""

    name: str
    group: str
    title: str
    module: str
    call: str
    messages: int
    options: Mapping[str, Any] = field(default_factory=dict)
    wire: str = ""
    """Whose bytes the server sends; none: it is not on the network."""
    joins: int = 0
    """Topics after which the server begins."""
    topics: int = 0
    """How many of the wire's topics are used; 0: all."""
    needs: str = ""
    """The package of the peers' own environments, if it runs there."""
    ours: bool = False
    quick: bool = False
    """Also part of a quick run."""
    beside: int = 0
    """Messages that reach its user before the measured ones, such as replies to its joins."""
    columns: bool = False
    """Measured in the columns that flags add, too: uvloop, TLS, permessage-deflate."""
    sends: bool = True
    """False: the server only answers."""
    rate: float | None = None
    """Messages a second, each in a send of its own; None: as a blast."""
    asks: bool = False
    """It says over HTTP when the messages may come, for it has to look something up before."""

    @property
    def is_paced(self) -> bool:
        """True where each message's way is timed."""
        return self.rate is not None

    @property
    def is_burst(self) -> bool:
        """True where it may take only the newest."""
        return self.group in ("burst", "market") or self.name.endswith("/conflate")

    @property
    def pause(self) -> float:
        """Seconds between the joins and the messages: a burst's beginning is to be seen."""
        return BURST_PAUSE if self.is_burst else 0.0

    @property
    def networked(self) -> bool:
        """True where it needs the server."""
        return bool(self.wire)


MEASURED = (
    "stx",
    "phoenix-v1",
    "sxbet",
    "stake-page",
    "stake-graphql",
    "weex-ticker",
    "weex-trade",
    "weex-depth",
)

WIRE_GROUPS = {name: f"{WIRES[name].title}; each user looks at {WIRES[name].looks}" for name in MEASURED}
WIRE_GROUPS["phoenix-v1"] = WIRES["phoenix-v1"].title

GROUPS = {
    "transport": "Transport only: frames to a callback, nothing decoded",
    **WIRE_GROUPS,
    "paced": f"Paced: {RATE:,.0f} single messages a second",
    "awaited": f"{AWAITED:,} single messages a second: CPU for each that the user awaited",
    "scale": "One message, with so many subscriptions on one connection",
    "burst": f"A burst of {BURST:,} on one topic, for a consumer of only the newest",
    "channels": f"{CHANNELS:,} SX Bet channels: each subscribed, and resumed after a cut",
    "market": "One market: feeds beside the documented class, over all that was sent",
}

_CONSUMERS = {
    "plain": "plain handler",
    "async": "async handler",
    "inline": "inline handler",
    "for": "async for",
    "batches": "batches",
    "conflate": "conflated, async for",
    "override": "on_message overridden",
}
_SESSION = ("plain", "async", "inline", "for", "batches", "conflate")

CLASSES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "stx": ("STXWebSocket.join", _SESSION),
    "sxbet": ("SXBetClient.new_subscription", ("plain", "async", "for", "conflate")),
    "stake-page": ("StakeWebSocket.watch", (*_SESSION, "override")),
    "stake-graphql": ("StakeWebSocket.watch", _SESSION),
    "weex-ticker": ("stream_tickers", ("for", "conflate")),
    "weex-trade": ("stream_trades", ("for",)),
    "weex-depth": ("stream_order_book(level=15)", ("for", "conflate")),
}
"""Each documented class's verb, and what consumers it has."""

NEVER = {
    "cryptofeed": "it speaks none of these wires",
    "WEEX, plain, async and inline handlers, batches": "its documented class is iterated only",
    "SX Bet, inline handlers and batches": "its documented class has neither",
    "one market, Stake": "it has no feed of public data",
}
"""What is in no table, and why."""

_MESSAGES = {"stx": 60_000, "phoenix-v1": 60_000, "sxbet": 30_000, "stake-page": 60_000, "stake-graphql": 60_000,
             "weex-ticker": 40_000, "weex-trade": 60_000, "weex-depth": 20_000}  # fmt: skip


def _wire(wire: str) -> Iterator[Contender]:
    joins, messages = len(WIRES[wire].topics), _MESSAGES[wire]
    beside = {"stx": joins, "phoenix-v1": joins}.get(wire, 0)
    yield Contender(f"{wire}/decode", wire, "msgspec: decoding alone, from memory", "floor", "decode", 2 * messages,
                    {"wire": wire}, quick=wire != "phoenix-v1")  # fmt: skip
    if wire == "stx":
        for name, title in (("two", "msgspec: the envelope, then its payload"), ("json", "json.loads")):
            yield Contender(
                f"stx/decode-{name}", wire, title, "floor", f"decode_{name}", messages, {"wire": wire}
            )
    if wire != "phoenix-v1":
        yield Contender(f"{wire}/naive", wire, "websockets + json.loads + await handler", "peers", "websockets_json",
                        messages // 2, {"wire": wire}, wire, joins, quick=True, columns=True,
                        beside=joins if wire == "weex-depth" else 0)  # fmt: skip
    verb, consumers = CLASSES.get(wire, ("", ()))
    for consumer in consumers:
        more = joins if wire == "weex-depth" else beside
        yield Contender(f"{wire}/class/{consumer}", wire, f"{verb}, {_CONSUMERS[consumer]}", "ours", "documented",
                        messages, {"wire": wire, "consumer": consumer}, wire, joins, ours=True,
                        quick=consumer in ("async", "for", "override"), beside=more,
                        columns=consumer in ("async", "for"))  # fmt: skip
    for consumer in _SESSION:
        yield Contender(f"{wire}/session/{consumer}", wire, f"Session, {_CONSUMERS[consumer]}", "ours", "session",
                        messages, {"wire": wire, "consumer": consumer}, wire, joins, ours=True,
                        beside=joins if wire == "weex-depth" else beside)  # fmt: skip


def _peer(name: str, title: str, call: str, needs: str, messages: int, **fields: Any) -> Contender:
    group = name.partition("/")[0]
    wire = fields.pop("wire", group)
    joins = len(WIRES[wire].topics)
    return Contender(
        name, group, title, "peers", call, messages, wire=wire, joins=joins, needs=needs, **fields
    )


def _peers() -> Iterator[Contender]:
    phoenix, centrifuge = "phoenix-channels-python-client", "centrifuge-python"
    yield _peer("stx/phoenix-channels", f"{phoenix}, callback", "phoenix_channels", phoenix, 15_000,
                wire="stx-pushes", quick=True)  # fmt: skip
    yield _peer("stx/stx-python/async", "stx-python, async handler", "stx_python", "stx-python", 30_000,
                options={"consumer": "async"}, quick=True)  # fmt: skip
    yield _peer("stx/stx-python/for", "stx-python, async for", "stx_python", "stx-python", 30_000,
                options={"consumer": "for"})  # fmt: skip
    yield _peer(
        "phoenix-v1/realtime", "realtime (supabase), callback", "supabase_realtime", "realtime", 4_000
    )
    yield _peer(
        "sxbet/centrifuge", f"{centrifuge}, handler", "centrifuge_python", centrifuge, 15_000, quick=True
    )
    yield _peer("sxbet/synpath", "synpath, its SX Bet book", "synpath_book", "synpath", 4_000)
    yield _peer("stake-graphql/gql", "gql, async for", "gql_subscriptions", "gql", 10_000)
    for wire, count in (("weex-ticker", 10_000), ("weex-trade", 15_000), ("weex-depth", 10_000)):
        yield _peer(
            f"{wire}/ccxt", "ccxt.pro, a frame", "ccxt_pro", "ccxt", count, options={"wire": wire}, quick=True
        )


def _transport() -> Iterator[Contender]:
    fields: dict[str, Any] = {"wire": "stx"}
    yield Contender("transport/fast", "transport", "tapewire, fast transport", "ours", "transport", 200_000,
                    {"connector": "fast"}, ours=True, quick=True, **fields)  # fmt: skip
    yield Contender("transport/on-websockets", "transport", "tapewire, websockets transport", "ours", "transport",
                    40_000, {"connector": "websockets"}, ours=True, **fields)  # fmt: skip
    yield Contender("transport/websockets", "transport", "websockets, recv() loop", "peers", "websockets_frames",
                    40_000, quick=True, **fields)  # fmt: skip


def _paced() -> Iterator[Contender]:
    consumers = {"stx": "plain", "sxbet": "plain", "stake-page": "plain", "stake-graphql": "plain",
                 "weex-ticker": "for", "weex-trade": "for", "weex-depth": "for"}  # fmt: skip
    for wire, consumer in consumers.items():
        joins = len(WIRES[wire].topics)
        fields: dict[str, Any] = {"wire": wire, "quick": wire == "stx", "rate": RATE}
        if wire != "stake-graphql":  # whose messages need an id that the client gave
            yield Contender(f"paced/{wire}/socket", "paced", f"{wire}: blocking socket, lengths only", "floor",
                            "paced_socket", PACED, beside=len(WIRES[wire].talk().greeting()), **fields)  # fmt: skip
        beside = joins if wire in ("stx", "weex-depth") else 0
        yield Contender(f"paced/{wire}/class", "paced", f"{wire}: {CLASSES[wire][0]}, {_CONSUMERS[consumer]}", "ours",
                        "documented", PACED, {"wire": wire, "consumer": consumer}, joins=joins, ours=True,
                        beside=beside, **fields)  # fmt: skip
    yield Contender("paced/stx/session", "paced", "stx: Session, inline handler", "ours", "session", PACED,
                    {"wire": "stx", "consumer": "inline"}, "stx", 50, ours=True, beside=50, rate=RATE)  # fmt: skip
    yield Contender("paced/stx/naive", "paced", "stx: websockets + json.loads + await handler", "peers",
                    "websockets_json", PACED, {"wire": "stx"}, "stx", 50, rate=RATE)  # fmt: skip


def _awaited() -> Iterator[Contender]:
    for wire in ("weex-ticker", "weex-trade", "weex-depth"):
        fields: dict[str, Any] = {"wire": wire, "joins": 50, "rate": float(AWAITED)}
        yield Contender(f"awaited/{wire}/class", "awaited", f"{wire}: {CLASSES[wire][0]}, async for", "ours",
                        "documented", AWAITED, {"wire": wire, "consumer": "for"}, ours=True,
                        beside=50 if wire == "weex-depth" else 0, **fields)  # fmt: skip
        yield Contender(f"awaited/{wire}/ccxt", "awaited", f"{wire}: ccxt.pro", "peers", "ccxt_pro", AWAITED,
                        {"wire": wire}, needs="ccxt", **fields)  # fmt: skip


def _scale() -> Iterator[Contender]:
    for topics in SCALES:
        for call, title, consumer in (("documented", "STXWebSocket.join, plain handler", "plain"),
                                      ("session", "Session, async for", "for")):  # fmt: skip
            who = "class" if call == "documented" else "session"
            fields: dict[str, Any] = {"joins": topics, "topics": topics, "beside": topics, "ours": True}
            yield Contender(f"scale/{who}/{topics}", "scale", f"{title}, {topics:,} subscriptions", "ours", call,
                            60_000, {"wire": "stx", "consumer": consumer, "topics": topics}, "stx",
                            quick=who == "class" and topics in (1, 5_000), **fields)  # fmt: skip


def _burst() -> Iterator[Contender]:
    for wire, (verb, consumers) in CLASSES.items():
        if "conflate" in consumers:
            yield Contender(f"burst/{wire}/class", "burst", f"{wire}: {verb}, conflated", "ours", "documented", BURST,
                            {"wire": wire, "consumer": "conflate", "topics": 1}, wire, 1, 1, ours=True,
                            quick=wire in ("stx", "sxbet"))  # fmt: skip
    one: dict[str, Any] = {"joins": 1, "topics": 1}
    yield Contender("burst/stx/phoenix-channels", "burst", "stx: phoenix-channels-python-client", "peers",
                    "phoenix_channels", BURST, {"topics": 1}, "stx-pushes", needs="phoenix-channels-python-client",
                    quick=True, **one)  # fmt: skip
    yield Contender("burst/stx/stx-python", "burst", "stx: stx-python", "peers", "stx_python", BURST,
                    {"topics": 1, "consumer": "async"}, "stx", needs="stx-python", **one)  # fmt: skip
    yield Contender("burst/sxbet/centrifuge", "burst", "sxbet: centrifuge-python", "peers", "centrifuge_python", BURST,
                    {"topics": 1}, "sxbet", needs="centrifuge-python", quick=True, **one)  # fmt: skip
    for wire in ("weex-ticker", "weex-depth"):
        yield Contender(f"burst/{wire}/ccxt", "burst", f"{wire}: ccxt.pro", "peers", "ccxt_pro", BURST,
                        {"topics": 1, "wire": wire}, wire, needs="ccxt", **one)  # fmt: skip


def _channels() -> Iterator[Contender]:
    for phase in ("subscribe", "resume"):
        for who, title in (("class", "SXBetClient"), ("bare", "the bare exchange of frames")):
            yield Contender(f"channels/{phase}/{who}", "channels", f"{title}: {phase}", "channels",
                            "class_" if who == "class" else "bare", CHANNELS, {"phase": phase}, "sxbet",
                            ours=who == "class", quick=phase == "subscribe", sends=False)  # fmt: skip


MARKET_FEEDS: Mapping[str, tuple[str, str]] = {
    "stx-book": ("stx-markets", "watch_order_book"),
    "stx-ticker": ("stx-markets", "watch_ticker"),
    "stx-trades": ("stx-markets", "watch_trades"),
    "sxbet-book": ("sxbet", "watch_order_book"),
    "sxbet-ticker": ("sxbet-odds", "watch_ticker"),
    "sxbet-trades": ("sxbet-trades", "watch_trades"),
    "weex-book": ("weex-depth", "watch_order_book"),
    "weex-ticker": ("weex-ticker", "watch_ticker"),
    "weex-trades": ("weex-trade", "watch_trades"),
}
"""Each feed of public data that a venue has: the wire, and the verb."""

MARKET_MESSAGES = 80_000
MARKET_TOPICS: Mapping[str, int] = {"sxbet": 10}
"""Fewer than the wire has, where each is looked up over HTTP, and the venue's budget is kept."""


def class_beside(feed: str, consumer: str) -> str:
    """The contender that a feed of one market is compared with: the class on the same frames, as near as it has it."""
    wire, _ = MARKET_FEEDS[feed]
    return f"market/{wire}/class/{'for' if wire.startswith('weex') else consumer}"


def _market() -> Iterator[Contender]:
    for wire in dict.fromkeys(wire for wire, _ in MARKET_FEEDS.values()):
        verb, known = CLASSES[wire if wire in CLASSES else wire.partition("-")[0]]
        for consumer in [each for each in ("plain", "for") if each in known]:
            title, options = f"{wire}: {verb}, {_CONSUMERS[consumer]}", {"wire": wire, "consumer": consumer}
            yield _of_market(
                f"{wire}/class/{consumer}", title, wire, module="ours", call="documented", options=options
            )
    for feed, (wire, verb) in MARKET_FEEDS.items():
        for consumer in ("plain", "for"):
            title, options = f"{feed}: {verb}, {_CONSUMERS[consumer]}", {"feed": feed, "consumer": consumer}
            yield _of_market(
                f"{feed}/feed/{consumer}",
                title,
                wire,
                module="market",
                call="feeds",
                options=options,
                asks=True,
            )


def _of_market(name: str, title: str, wire: str, **fields: Any) -> Contender:
    topics = min(len(WIRES[wire].topics), MARKET_TOPICS.get(wire, 50))
    fields["options"] = {**fields["options"], "topics": topics}
    return Contender(f"market/{name}", "market", title, messages=MARKET_MESSAGES, wire=wire, joins=topics,
                     topics=topics, ours=True, **fields)  # fmt: skip


CONTENDERS: tuple[Contender, ...] = (
    *_transport(),
    *(contender for wire in MEASURED for contender in _wire(wire)),
    *_peers(),
    *_paced(),
    *_awaited(),
    *_scale(),
    *_burst(),
    *_channels(),
    *_market(),
)

"""The wires: which bytes each carries, and what its server says until they are sent. Pure; standard library only.

Shapes are those of the venues' own messages as the sandbox plays them. Seeded: every contender of every run sees the
same frames. What has to be numbered without a hole (a channel's offsets, a book's versions) is made as long as it is
sent.
"""

from __future__ import annotations

import json
import random
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from .frames import FRAMES, TOPICS, make_messages, with_join_ref

__all__ = [
    "OFFSET",
    "WIRES",
    "GraphQL",
    "Page",
    "Phoenix",
    "SxBet",
    "Talk",
    "Weex",
    "Wire",
    "encoded",
    "topics_of",
]

BASE_MS = 1_790_134_567_000
FIRST = 16_938_207_383
LEVELS = 15
USDC = "0x6629Ce1Cf35Cc1329ebB4F63202F3f197b3F050B"
OFFSET = 1_000
"""Where every channel stands when it is joined."""

_HERE = {"epoch": "qhXG", "offset": OFFSET}


def encoded(message: object) -> bytes:
    """As a venue encodes."""
    return json.dumps(message, separators=(",", ":")).encode()


class Talk:
    """The server's side of one connection until the messages go out. `joined`: topic to whatever names it there."""

    def __init__(self) -> None:
        self.joined: dict[str, Any] = {}

    def greeting(self) -> list[bytes]:
        """What is said first."""
        return []

    def hear(self, payload: bytes) -> list[bytes]:
        """The answers to one message of the client. Raises ValueError for what is only a word to begin."""
        raise NotImplementedError

    def bound(self, messages: Sequence[bytes]) -> Sequence[bytes]:
        """The messages as this connection gets them."""
        return messages


class Wire:
    """`topics` are what is joined; `repeats`: the messages may be sent again from the start."""

    name = ""
    title = ""
    topics: tuple[str, ...] = ()
    repeats = True
    looks = ""
    """What a user of this wire looks at in each message."""

    def talk(self) -> Talk:
        """A connection begins."""
        raise NotImplementedError

    def messages(self, count: int, topics: Sequence[str] | None = None) -> list[bytes]:
        """`count` messages of the topics; of a wire that repeats, FRAMES at most."""
        raise NotImplementedError

    def answer(self, path: str, body: bytes) -> object:
        """What HTTP answers, as JSON, where a market looks something up. Raises LookupError where it has nothing."""
        raise LookupError(path)


# --- Phoenix ----------------------------------------------------------------------------------------------------------


class PhoenixTalk(Talk):
    """Answers joins and pushes in the client's own serialisation. `pushes`: the messages carry its join_refs."""

    def __init__(self, *, pushes: bool = False) -> None:
        super().__init__()
        self._pushes = pushes

    def hear(self, payload: bytes) -> list[bytes]:
        frame = json.loads(payload)
        if isinstance(frame, dict):
            return self._former(frame)
        if not isinstance(frame, list):
            raise ValueError("only a word")
        join_ref, ref, topic, event, _ = frame
        if event == "phx_join":
            self.joined[topic] = str(ref if join_ref is None else join_ref)
        return [encoded([join_ref, ref, topic, "phx_reply", {"response": {}, "status": "ok"}])]

    def _former(self, frame: dict[str, Any]) -> list[bytes]:
        if frame["event"] == "phx_join":
            self.joined[frame["topic"]] = frame["ref"]
        reply = {"status": "ok", "response": {"postgres_changes": []} if frame["event"] == "phx_join" else {}}
        answer = {"topic": frame["topic"], "event": "phx_reply", "payload": reply, "ref": frame["ref"]}
        return [encoded(answer)]

    def bound(self, messages: Sequence[bytes]) -> Sequence[bytes]:
        if not self._pushes:
            return messages
        return [with_join_ref(message, self.joined) for message in messages]


class Phoenix(Wire):
    """STX: Phoenix Channels, V2 arrays."""

    name = "stx"
    title = "STX (Phoenix V2): market updates"
    topics = TOPICS
    looks = "its payload"

    def talk(self) -> Talk:
        return PhoenixTalk()

    def messages(self, count: int, topics: Sequence[str] | None = None) -> list[bytes]:
        return make_messages(count=max(FRAMES, 2 * len(topics or ())), topics=topics or self.topics)


class PhoenixPushes(Phoenix):
    """The same for a client that takes no broadcasts: with its own join_refs, of the same size."""

    name = "stx-pushes"

    def talk(self) -> Talk:
        return PhoenixTalk(pushes=True)


class FormerPhoenix(Phoenix):
    """Phoenix V1 objects, as supabase realtime speaks them: the same updates as broadcasts."""

    name = "phoenix-v1"
    title = "Phoenix V1 (as supabase realtime speaks it): the same updates"
    topics = tuple(f"realtime:{topic}" for topic in TOPICS)

    def messages(self, count: int, topics: Sequence[str] | None = None) -> list[bytes]:
        return [self._former(message) for message in make_messages()]

    @staticmethod
    def _former(message: bytes) -> bytes:
        _, _, topic, event, payload = json.loads(message)
        inner = {"type": "broadcast", "event": event, "payload": payload}
        return encoded({"topic": f"realtime:{topic}", "event": "broadcast", "payload": inner, "ref": None})


class StxMarkets(Wire):
    """STX's channel of all markets: changed fields of one of fifty, a third of them with its last trades."""

    name = "stx-markets"
    title = "STX (Phoenix V2): the markets channel"
    topics = ("markets",)
    markets = tuple(
        str(uuid.UUID(int=random.Random(number).getrandbits(128), version=4)) for number in range(50)
    )
    repeats = False
    looks = "its payload"

    def talk(self) -> Talk:
        return PhoenixTalk()

    def messages(self, count: int, topics: Sequence[str] | None = None) -> list[bytes]:
        chance = random.Random(415)
        trades: dict[str, list[dict[str, Any]]] = {market: [] for market in self.markets}
        return [self._changed(chance, number, trades) for number in range(count)]

    def _changed(self, chance: random.Random, number: int, trades: dict[str, list[dict[str, Any]]]) -> bytes:
        market, at = chance.choice(self.markets), _stamp(number)
        bids, offers = _sides(chance)
        change: dict[str, Any] = {"bids": bids, "market_id": market, "offers": offers} | at
        if not number % 3:
            price = bids[0]["price"]
            trade = {"liquidity_taker": "seller", "price": price, "quantity": chance.randrange(1, 60)}
            trade |= {"timestamp": at["timestamp"], "timestamp_int": at["unix_timestamp"] * 1000}
            trades[market] = [trade, *trades[market]][:15]
            change |= {
                "last_traded_price": price,
                "price": price,
                "recent_trades": trades[market],
                "volume_24h": number,
            }
        return encoded([None, None, "markets", "market_updated", {market: change}])

    def answer(self, path: str, body: bytes) -> object:
        if json.loads(body)["operationName"] != "marketInfosWithCount":
            raise LookupError(path)
        bids, offers = _sides(random.Random(1))
        row = {
            "title": "One v Two",
            "shortTitle": "One v Two",
            "question": "Will One win?",
            "symbol": "ONE",
            "position": "One",
            "status": "OPEN",
            "trading": True,
            "result": None,
            "eventStatus": "scheduled",
            "maxPrice": 99,
            "lastTradedPrice": None,
            "volume24h": 0,
            "timestamp": _stamp(-1)["timestamp"],
            "timestampInt": BASE_MS * 1000,
            "bids": bids,
            "offers": offers,
            "recentTrades": [],
        }
        rows = [row | {"marketId": market} for market in self.markets]
        return {"data": {"marketInfosWithCount": {"count": len(rows), "marketInfos": rows}}}


def _stamp(number: int) -> dict[str, Any]:
    """A moment of its own for each message, a millisecond apart, behind that of the rows over HTTP."""
    at_ms = BASE_MS + 1 + number
    text = f"{datetime.fromtimestamp(at_ms // 1000, UTC):%Y-%m-%dT%H:%M:%S}.{at_ms % 1000:03}000Z"
    return {"timestamp": text, "unix_timestamp": at_ms}


def _sides(chance: random.Random) -> tuple[list[dict[str, int]], list[dict[str, int]]]:
    """Five levels a side, in cents."""
    middle = chance.randrange(20, 80)
    bids, offers = (
        [{"price": middle + sign * (step + 1), "quantity": chance.randrange(1, 9) * 25} for step in range(5)]
        for sign in (-1, 1)
    )
    return bids, offers


# --- Centrifugo -------------------------------------------------------------------------------------------------------


class CentrifugoTalk(Talk):
    """Answers `connect` and `subscribe`; whoever asks to recover has missed nothing."""

    def hear(self, payload: bytes) -> list[bytes]:
        answers = []
        for line in payload.split(b"\n"):
            command = json.loads(line) if line else {}
            if not isinstance(command, dict):
                raise ValueError("only a word")
            if answer := self._answer(command):
                answers.append(encoded({"id": command["id"]} | answer))
        return [b"\n".join(answers)] if answers else []

    def _answer(self, command: Mapping[str, Any]) -> dict[str, Any] | None:
        if "connect" in command:
            facts = {"client": "0c3c4fbe-bench", "version": "6.2.4", "ping": 30, "pong": True}
            return {"connect": facts}
        if "subscribe" in command:
            asked = command["subscribe"]
            self.joined[asked["channel"]] = True
            result: dict[str, Any] = {"recoverable": True, "positioned": True} | _HERE
            if asked.get("recover"):
                result |= {"was_recovering": True, "recovered": True}
            return {"subscribe": result}
        if "history" in command:
            return {"history": _HERE | {"publications": []}}
        return {next(name for name in command if name != "id"): {}} if "id" in command else None


class SxBet(Wire):
    """SX Bet: one push a frame, a whole book of the later generation with four levels a side, offset and messageId."""

    name = "sxbet"
    title = "SX Bet (Centrifugo): whole books, four levels a side"
    markets = tuple(f"0x{random.Random(number).getrandbits(256):064x}" for number in range(50))
    topics = tuple(f"orderbook_v3:{market}" for market in markets)
    repeats = False
    looks = "its version"

    def talk(self) -> Talk:
        return CentrifugoTalk()

    def messages(self, count: int, topics: Sequence[str] | None = None) -> list[bytes]:
        chance = random.Random(512)
        topics = topics or self.topics
        templates = [self._template(chance, chance.choice(topics)) for _ in range(FRAMES)]
        offsets: Counter[str] = Counter()
        made = []
        for number in range(count):
            topic, template = templates[number % FRAMES]
            offsets[topic] += 1
            made.append(template % (number + 1, OFFSET + offsets[topic], number))
        return made

    @staticmethod
    def _template(chance: random.Random, topic: str) -> tuple[str, bytes]:
        def levels(best: int) -> list[dict[str, str]]:
            return [
                {
                    "percentageOdds": f"{(best - depth) * 125}000000000000000",
                    "size": f"{chance.randrange(10, 900) * 1_000_000}",
                }
                for depth in range(4)
            ]

        middle = chance.randrange(100, 700)
        data = {
            "marketHash": topic.partition(":")[2],
            "eventId": f"L{chance.randrange(10_000_000, 20_000_000)}",
            "version": "V",
            "outcomeOne": levels(middle),
            "outcomeTwo": levels(790 - middle),
        }
        publication = {"data": data, "offset": "O", "tags": {"messageId": "M"}}
        text = encoded({"push": {"channel": topic, "pub": publication}}).decode()
        identity = str(uuid.UUID(int=chance.getrandbits(128), version=4))[:-9]
        text = text.replace('"V"', '"%023d"').replace('"O"', "%d").replace('"M"', f'"{identity}%09d"')
        return topic, text.encode()

    def answer(self, path: str, body: bytes) -> object:
        if path.startswith("/orderbook-v3/snapshot"):
            market = path.partition("marketHash=")[2]
            data: object = {"marketHash": market, "version": "0", "outcomeOne": [], "outcomeTwo": []}
        elif path.startswith("/markets/find"):
            data = [_sxbet_market(market) for market in path.partition("marketHashes=")[2].split("%2C")]
        else:
            raise LookupError(path)
        return {"status": "success", "data": data}


def _sxbet_market(market: str) -> dict[str, Any]:
    names = {"outcomeOneName": "One", "outcomeTwoName": "Two", "outcomeVoidName": "NO_CONTEST"}
    return {"status": "ACTIVE", "marketHash": market, "type": 52, "gameTime": BASE_MS // 1000} | names


class SxBetOfAll(SxBet):
    """A channel of all markets in the earlier generation, of which each message speaks of the one that is watched."""

    def messages(self, count: int, topics: Sequence[str] | None = None) -> list[bytes]:
        chance, (topic,) = random.Random(207), topics or self.topics
        made = []
        for number in range(count):
            publication = {
                "data": self._data(chance, number),
                "offset": OFFSET + number + 1,
                "tags": {"messageId": f"{chance.getrandbits(128):032x}"},
            }
            made.append(encoded({"push": {"channel": topic, "pub": publication}}))
        return made

    def _data(self, chance: random.Random, number: int) -> object:
        raise NotImplementedError


class SxBetOdds(SxBetOfAll):
    """Both outcomes' best odds in each message."""

    name = "sxbet-odds"
    title = "SX Bet (Centrifugo): best odds"
    topics = ("best_odds:global",)
    looks = "the odds"

    def _data(self, chance: random.Random, number: int) -> object:
        one = chance.randrange(100, 700)
        return [
            {
                "baseToken": USDC,
                "isMakerBettingOutcomeOne": is_one,
                "leagueId": 29,
                "marketHash": self.markets[0],
                "percentageOdds": f"{odds * 125}000000000000000",
                "sportId": 5,
                "updatedAt": BASE_MS + number,
            }
            for is_one, odds in ((True, one), (False, 790 - one))
        ]

    def answer(self, path: str, body: bytes) -> object:
        if path.startswith("/orders/odds/best"):
            return {"status": "success", "data": {"bestOdds": []}}
        return super().answer(path, body)


class SxBetTrades(SxBetOfAll):
    """The takers' rows of fills."""

    name = "sxbet-trades"
    title = "SX Bet (Centrifugo): trades"
    topics = ("recent_trades:global",)
    looks = "the odds"

    def _data(self, chance: random.Random, number: int) -> object:
        return {
            "baseToken": USDC,
            "betTime": BASE_MS // 1000 + number // 100,
            "bettingOutcomeOne": chance.random() < 0.5,
            "bettor": "0x64ed0d2eab3f76b1c85d92973d7014d3a51eebf3",
            "fillHash": f"0x{chance.getrandbits(256):064x}",
            "maker": False,
            "marketHash": self.markets[0],
            "odds": f"{chance.randrange(100, 700) * 125}000000000000000",
            "orderHash": f"0x{chance.getrandbits(256):064x}",
            "settled": False,
            "sportXeventId": "L7000001",
            "stake": f"{chance.randrange(1, 900) * 10_000}",
            "status": "SUCCESS",
            "tradeStatus": "SUCCESS",
        }


# --- Stake ------------------------------------------------------------------------------------------------------------


class PageTalk(Talk):
    """The page's wire confirms nothing."""

    def hear(self, payload: bytes) -> list[bytes]:
        message = json.loads(payload)
        if not isinstance(message, dict):
            raise ValueError("only a word")
        if message.get("type") == "subscribe":
            self.joined[message["channel"]] = True
        return []


class Page(Wire):
    """Stake's page: bets of fifty games."""

    name = "stake-page"
    title = "Stake (JSON channels): bets"
    topics = tuple(f"game:table-{number:02}" for number in range(50))
    looks = "the bet's amount"

    def talk(self) -> Talk:
        return PageTalk()

    def messages(self, count: int, topics: Sequence[str] | None = None) -> list[bytes]:
        chance = random.Random(300)
        return [
            encoded({"channel": topic, "payload": _bet(chance, topic.partition(":")[2], number)})
            for number in range(FRAMES)
            for topic in [chance.choice(topics or self.topics)]
        ]


def _bet(chance: random.Random, game: str, number: int) -> dict[str, Any]:
    amount = round(chance.uniform(0.1, 20), 2)
    multiplier = round(0.99 / chance.uniform(0.05, 1), 2)
    return {
        "id": str(uuid.UUID(int=chance.getrandbits(128), version=4)),
        "iid": f"house:{number}",
        "type": "casino",
        "scope": "house",
        "game": {"name": game},
        "bet": {
            "id": str(uuid.UUID(int=chance.getrandbits(128), version=4)),
            "amount": amount,
            "currency": "usdt",
            "payout": round(amount * multiplier, 2),
            "payoutMultiplier": multiplier,
            "nonce": number,
            "createdAt": f"2026-11-05T12:00:{number % 60:02}.{number:06}Z",
            "user": {"name": chance.choice(("ada", "grace", "linus", "niklaus"))},
        },
    }


class GraphQLTalk(Talk):
    """`graphql-transport-ws`: `next` carries the client's own id of the subscription."""

    def hear(self, payload: bytes) -> list[bytes]:
        message = json.loads(payload)
        if not isinstance(message, dict):
            raise ValueError("only a word")
        kind = message.get("type")
        if kind == "connection_init":
            return [encoded({"type": "connection_ack"})]
        if kind == "ping":
            return [
                encoded({"type": "pong"} | ({"payload": message["payload"]} if "payload" in message else {}))
            ]
        if kind == "subscribe":
            self.joined[f"chat:{message['payload']['variables']['chatId']}"] = message["id"]
        return []

    def bound(self, messages: Sequence[bytes]) -> Sequence[bytes]:
        ids = {f"{topic} ".encode(): str(one).encode() for topic, one in self.joined.items()}
        bound = []
        for message in messages:
            topic, _, rest = message.partition(b" ")
            bound.append(rest % ids[topic + b" "])
        return bound


class GraphQL(Wire):
    """Stake's live site: chat messages of fifty rooms, by subscription."""

    name = "stake-graphql"
    title = "Stake (graphql-transport-ws): chat messages"
    topics = tuple(f"chat:room-{number:02}" for number in range(50))
    looks = "its id"

    def talk(self) -> Talk:
        return GraphQLTalk()

    def messages(self, count: int, topics: Sequence[str] | None = None) -> list[bytes]:
        """Each behind its topic and a blank, with `%b` for the subscription's id: `bound` fills it in."""
        chance = random.Random(250)
        made = []
        for number in range(FRAMES):
            chat = {
                "id": str(uuid.UUID(int=chance.getrandbits(128), version=4)),
                "createdAt": f"2026-11-05T12:00:{number % 60:02}.{number:06}Z",
                "user": {"name": chance.choice(("ada", "grace", "linus", "niklaus"))},
                "data": {"message": chance.choice(("good luck", "what a round", "one more, then bed"))},
            }
            message = {"id": "%b", "type": "next", "payload": {"data": {"chatMessages": chat}}}
            made.append(chance.choice(topics or self.topics).encode() + b" " + encoded(message))
        return made


# --- WEEX -------------------------------------------------------------------------------------------------------------


class WeexTalk(Talk):
    """Greets, acknowledges; a book begins with its snapshot. Only what is `wanted` counts as joined."""

    def __init__(self, snapshot: Callable[[str], bytes] | None = None) -> None:
        super().__init__()
        self._snapshot = snapshot

    def greeting(self) -> list[bytes]:
        return [encoded({"cid": "a0180647-bench", "event": "connected", "time": str(BASE_MS)})]

    def hear(self, payload: bytes) -> list[bytes]:
        message = json.loads(payload)
        if not isinstance(message, dict):
            raise ValueError("only a word")
        if message.get("method") != "SUBSCRIBE":
            return (
                []
                if message.get("method") == "PONG"
                else [encoded({"result": True, "id": message.get("id")})]
            )
        topics = message["params"]
        self.joined.update(dict.fromkeys(topics, True))
        snapshots = [] if self._snapshot is None else [self._snapshot(topic) for topic in topics]
        return [encoded({"result": True, "id": message["id"]}), *snapshots]


class Weex(Wire):
    """WEEX, the contracts' V3 sockets: fifty contracts."""

    symbols = tuple(f"COIN{number:02}USDT" for number in range(50))
    event = ""

    @property
    def topics(self) -> tuple[str, ...]:  # type: ignore[override]
        return tuple(f"{symbol}@{self.event}" for symbol in self.symbols)

    def talk(self) -> Talk:
        return WeexTalk()

    def answer(self, path: str, body: bytes) -> object:
        if not path.endswith("/exchangeInfo"):
            raise LookupError(path)
        facts = {
            "quoteAsset": "USDT",
            "pricePrecision": "1",
            "quantityPrecision": "4",
            "minOrderSize": "0.0001",
        }
        symbols = [
            {"symbol": symbol, "baseAsset": symbol.removesuffix("USDT")} | facts for symbol in self.symbols
        ]
        return {"assets": [], "symbols": symbols}

    def messages(self, count: int, topics: Sequence[str] | None = None) -> list[bytes]:
        chance = random.Random(210)
        made = []
        for number in range(FRAMES):
            symbol = chance.choice(topics or self.topics).partition("@")[0]
            frame = {"e": self.event, "E": BASE_MS + number, "s": symbol, "d": self._rows(chance, number)}
            made.append(encoded(frame))
        return made

    def _rows(self, chance: random.Random, number: int) -> list[dict[str, Any]]:
        raise NotImplementedError


class WeexTicker(Weex):
    """One ticker a frame, as the venue sends them."""

    name = "weex-ticker"
    title = "WEEX: tickers"
    event = "ticker"
    looks = "the last price"

    def _rows(self, chance: random.Random, number: int) -> list[dict[str, Any]]:
        price = chance.uniform(80_000, 90_000)
        return [
            {
                "p": f"{chance.uniform(-2000, 2000):.1f}",
                "P": f"{chance.uniform(-0.03, 0.03):.6f}",
                "w": f"{price:.8f}",
                "c": f"{price:.1f}",
                "o": f"{price * 0.99:.1f}",
                "h": f"{price * 1.01:.1f}",
                "l": f"{price * 0.98:.1f}",
                "v": f"{chance.uniform(10_000, 30_000):.4f}",
                "q": f"{chance.uniform(1e9, 3e9):.5f}",
                "O": BASE_MS - 86_400_000 + number,
                "C": BASE_MS + number,
                "n": 465_441 + number,
                "m": f"{price + 0.8:.1f}",
                "i": f"{price + 30.49875:.5f}",
            }
        ]


class WeexTrade(Weex):
    """Every trade is another: whoever has seen an id drops it."""

    name = "weex-trade"
    title = "WEEX: trades, one a frame"
    event = "trade"
    repeats = False
    looks = "the price"

    def messages(self, count: int, topics: Sequence[str] | None = None) -> list[bytes]:
        templates = super().messages(count, topics)
        made = []
        for number in range(count):
            # The end of the id numbers it: nothing else differs from round to round.
            template = templates[number % FRAMES]
            place = template.index(b'"p":') - 2
            made.append(b"%b%09d%b" % (template[: place - 9], number, template[place:]))
        return made

    def _rows(self, chance: random.Random, number: int) -> list[dict[str, Any]]:
        price, size = round(chance.uniform(2_000, 2_100), 2), round(chance.uniform(0.01, 5), 3)
        return [
            {
                "T": BASE_MS + number,
                "t": str(uuid.UUID(int=chance.getrandbits(128), version=4)),
                "p": f"{price:.2f}",
                "q": f"{size:.3f}",
                "v": f"{price * size:.5f}",
                "m": chance.random() < 0.5,
            }
        ]


class _Window:
    """The published fifteen levels a side of one contract, in ticks of 0.1; each step changes four of a side."""

    def __init__(self, symbol: str) -> None:
        self._chance = random.Random(symbol)
        self._middle = self._chance.randrange(800_000, 900_000)
        self.symbol = symbol
        self.last = FIRST
        self.sides = [
            {self._middle - 1 - step: self._size() for step in range(LEVELS)},
            {self._middle + 1 + step: self._size() for step in range(LEVELS)},
        ]

    def _size(self) -> str:
        return f"{self._chance.random() * 9 + 0.001:.4f}"

    def snapshot(self) -> dict[str, Any]:
        bids, asks = self.sides
        sides = {
            "b": [_level(tick, bids[tick]) for tick in sorted(bids, reverse=True)],
            "a": [_level(tick, asks[tick]) for tick in sorted(asks)],
        }
        return {"e": "depthSnapshot", "E": BASE_MS, "s": self.symbol, "U": self.last, "u": self.last,
                "l": LEVELS, "d": "SNAPSHOT", **sides}  # fmt: skip

    def step(self, number: int) -> bytes:
        """The next frame: two sizes a side change, one level goes, and one comes."""
        chance = self._chance
        first, self.last = self.last, self.last + chance.randrange(1, 60)
        texts = []
        for sign, side in zip((-1, 1), self.sides, strict=True):
            one, two, gone = chance.sample(list(side), 3)
            del side[gone]
            fresh = gone
            while fresh == gone or fresh in side:
                fresh = self._middle + sign * chance.randrange(1, 40)
            sizes = {tick: self._size() for tick in (one, two, fresh)}
            side.update(sizes)
            sizes[gone] = "0"
            ticks = sorted(sizes, reverse=sign < 0)
            texts.append(",".join([f'["{tick / 10:.1f}","{sizes[tick]}"]' for tick in ticks]))
        return (
            f'{{"e":"depth","E":{BASE_MS + number},"s":"{self.symbol}","U":{first},"u":{self.last},'
            f'"l":{LEVELS},"d":"CHANGED","b":[{texts[0]}],"a":[{texts[1]}]}}'
        ).encode()


def _level(tick: int, size: str) -> list[str]:
    return [f"{tick / 10:.1f}", size]


class WeexDepth(Weex):
    """Each book's frames name the one before."""

    name = "weex-depth"
    title = "WEEX: books of fifteen levels, eight level changes a frame"
    event = "depth15"
    repeats = False
    looks = "the best of both sides"

    def talk(self) -> Talk:
        return WeexTalk(lambda topic: encoded(_Window(topic.partition("@")[0]).snapshot()))

    def messages(self, count: int, topics: Sequence[str] | None = None) -> list[bytes]:
        chance = random.Random(15)
        windows = [_Window(topic.partition("@")[0]) for topic in topics or self.topics]
        return [chance.choice(windows).step(number) for number in range(count)]


_ALL: Iterable[Wire] = (
    Phoenix(),
    PhoenixPushes(),
    FormerPhoenix(),
    StxMarkets(),
    SxBet(),
    SxBetOdds(),
    SxBetTrades(),
    Page(),
    GraphQL(),
    WeexTicker(),
    WeexTrade(),
    WeexDepth(),
)
WIRES: Mapping[str, Wire] = {wire.name: wire for wire in _ALL}
"""Every wire by name."""


def topics_of(wire: Wire, topics: int) -> Sequence[str]:
    """The wire's own topics, or so many of its kind."""
    if not topics:
        return wire.topics
    return [f"orderbook:{number:04}" for number in range(topics)] if topics > 50 else wire.topics[:topics]

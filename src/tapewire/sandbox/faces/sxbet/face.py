"""SX Bet, played: its HTTP API, its Centrifugo server at `/connection/websocket`, one exchange behind both.

What happens at the exchange becomes publications of both generations' channels, by `messages`. Each is entered in the
ledger under its channel with the event `publication`, and numbered and pushed then. `book` is the truth of a market's
book, for whoever wants to compare a client's with it.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ....errors import ConfigurationError
from ...core.events import Event
from ...core.flow import HOUSE, Flow, FlowSettings
from ...core.ledger import Entry
from ...face import FaceContext, Route, Socket, SocketHandler
from ...net.http import Request, Response
from ...play import TopicFace
from .bets import Tape
from .credentials import TOKEN_LIFETIME, SxBetKeys, Verdict, wallet_of
from .histories import WINDOW, Histories
from .limits import CallLimits
from .messages import Published, SxBetMessages
from .orders import MakerOrders
from .rest import SxBetRest
from .socket import SocketSettings, SxBetSocket
from .units import PAYOUT, BookLevels, HashedExchange, address_of, book_levels
from .words import EventWords

__all__ = ["SxBetFace"]

OUTBOUND_QUEUE = 1024 * 1024
"""Bytes that may wait for one socket (sxbet.md 1.1)."""

SANDBOX_KEY = "sandbox-key"
MAX_LISTENING = 1000
_OWN_CHANNELS = ("active_orders:", "ce_refunds:", "account:orders_v3_#", "account:fills_v3_#")


class SxBetFace(TopicFace[SxBetSocket]):
    """The played venue. Times in seconds; `history_window` is how long publications can be replayed.

    `call_limits=False` counts no calls. The other arguments are those of `FlowSettings`, `SocketSettings`, `SxBetKeys`.
    """

    name = "sxbet"
    idle_timeout = float("inf")  # only a pong counts, and the socket judges those
    idle_code = 3012
    slow_consumer_code = 3008
    subprotocols = ("centrifuge-json",)
    socket_paths = frozenset({"/connection/websocket"})

    def __init__(
        self,
        context: FaceContext,
        *,
        markets: int = 6,
        churn_every: int = 400,
        token_lifetime: float = TOKEN_LIFETIME,
        history_window: float = WINDOW,
        call_limits: bool = True,
        **socket: Any,
    ) -> None:
        try:
            self._socket_settings = SocketSettings(**socket)
        except TypeError:
            allowed = [*SocketSettings.__struct_fields__, "markets", "churn_every", "token_lifetime"]
            raise ConfigurationError("settings", sorted(socket), allowed) from None
        super().__init__(context)
        seed = f"{self.name}-{context.seed}"
        self.exchange: HashedExchange = HashedExchange(seed)
        # Every fill has two sides on the wire, so the house's orders and fills must be heard of too.
        settings = FlowSettings(
            payout=PAYOUT, markets=markets, spread=2, churn_every=churn_every, market_life=context.market_life,
            is_cut=False,
        )  # fmt: skip
        self.flow = Flow(self.exchange, EventWords(), seed, settings)
        for name in HOUSE:
            self.exchange.accounts[name].watched = True
        self.orders = MakerOrders()
        self.tape = Tape()
        self.histories = Histories(history_window, lost=lambda channel: self.end_topic(channel, crashed=True))
        self._keys = SxBetKeys(token_lifetime)
        published = Published(seed)
        self._messages = SxBetMessages(self.exchange, self.orders, self.tape, published)
        self._message_ids = random.Random(f"messages-{seed}")
        limits = CallLimits() if call_limits else None
        self.routes: Mapping[tuple[str, str], Route] = SxBetRest(
            self.exchange, self.orders, self.tape, published, self, limits, context.clock
        ).routes

    def environment(self, url: str) -> dict[str, str]:
        """The variables that lead the SDK here, with a key that is good here and nowhere else, and its wallet."""
        return {
            "SXBET_HOST": url,
            "SXBET_API_KEY": SANDBOX_KEY,
            "SXBET_MAKER": wallet_of(SANDBOX_KEY),
        }

    # The truth

    def book(self, market_hash: str) -> BookLevels:
        """What rests in a market now; empty once it has ended. Raises ConfigurationError for an unknown market."""
        market = self.exchange.find_market(market_hash)
        if market is None:
            raise ConfigurationError("market_hash", market_hash, list(self.exchange.markets))
        return book_levels(market)

    # HTTP

    def admits(self, api_key: str) -> bool:
        """True if the key opens an account now."""
        return not self.context.meet("refuse_tokens") and self._keys.is_good(api_key)

    def token_for(self, api_key: str) -> str:
        """A token for the realtime server."""
        return self._keys.token_for(api_key, self.context.clock.time_ns() / 1e9)

    # Sockets

    def accept(self, request: Request, socket: Socket) -> SocketHandler | Response:
        """Who it is, is asked on the socket. Only JSON is spoken."""
        offered = request.headers.get("sec-websocket-protocol", "")
        wants = {offered, request.query.get("format", ""), request.query.get("cf_protocol", "")}
        if wants & {"protobuf", "centrifuge-protobuf"}:
            return Response.error(400, "the sandbox speaks JSON only")
        socket.limit_outgoing(OUTBOUND_QUEUE)
        settings = self._socket_settings
        limit = self.context.channel_limit(settings.channel_limit)
        return self.opened(SxBetSocket(self, socket, msgspec.structs.replace(settings, channel_limit=limit)))

    def judge(self, token: str) -> Verdict:
        """Whether a token is good now."""
        if self.context.meet("refuse_tokens"):
            return "invalid"
        return self._keys.judge(token, self.context.clock.time_ns() / 1e9)

    def listening_accounts(self) -> list[str]:
        """The wallets whose own channels somebody listens to; never the house's."""
        house = {address_of(name) for name in HOUSE}
        wallets = {
            channel.removeprefix(start)
            for channel in self.topics
            for start in _OWN_CHANNELS
            if channel.startswith(start)
        }
        return sorted(wallet for wallet in wallets if wallet.startswith("0x") and wallet not in house)[
            :MAX_LISTENING
        ]

    def tick(self, now: float, now_ns: int) -> None:
        """Pings, pongs, tokens that run out; histories that are too old."""
        self.histories.expire(now_ns / 1e9)
        super().tick(now, now_ns)

    # Faults

    def expire_tokens(self) -> int:
        """Every token given so far is expired; open connections go on until their time to live is over."""
        return self._keys.expire_all()

    def prune_history(self, topic: str | None, keep: int) -> int:
        """Forget what could be recovered."""
        return self.histories.prune(topic, keep)

    def restart_history(self, topic: str | None) -> int:
        """Another epoch: who listens has lost its place."""
        return self.histories.restart(topic)

    def lose_place(self, topic: str | None) -> int:
        """Insufficient state: unsubscribe (2500) from a channel, or disconnect (3010)."""
        if topic is not None:
            return self.end_topic(topic, crashed=True)
        sockets = list(self.sockets)
        for socket in sockets:
            socket.disconnect(3010)
        return len(sockets)

    # Publishing

    def publish(self, events: Sequence[Event], now_ns: int) -> None:
        """Publish what happened, in order; what two channels carry (a market's and its event's) has one id."""
        for message in self._messages.of(events, now_ns):
            message_id = f"{self._message_ids.getrandbits(128):032x}"
            for channel in message.channels:
                entry = self.context.ledger.append(self.name, channel, "publication", message.payload, now_ns)
                self.push(entry, message_id, now_ns / 1e9)

    def push(self, entry: Entry, message_id: str, now: float) -> None:
        """Number and keep an entry of the ledger where that is done, and push it to whoever listens."""
        publication = self.histories.add(entry, message_id, now)
        self.fan_out(entry, lambda _: publication)

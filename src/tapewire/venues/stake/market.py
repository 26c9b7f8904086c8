"""The market of Stake: what an account has. Its tables and fixtures are no order books, and this SDK places no bets."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, Unpack

from ...clock import Clock
from ...market.capabilities import Capability, Verb
from ...market.reconcile import BalanceMemory
from ...model import Balance, Instrument
from ...retry import RetryPolicy
from ...secrets import Secret
from ...session.options import Statistics
from ...session.subscription import Subscription
from ...transport.limiter import RateLimiter
from ..kit.dialing import HttpDialing, SocketDialing
from ..kit.market import Items, Port, Source, VenueMarket
from .api import StakeAPI
from .channels import BALANCES
from .errors import ArgumentError
from .message import message_of
from .socket import StakeWebSocket
from .spec import SPEC
from .translate import Wallet, Wallets, to_balance, to_wallet_amount, to_wallets
from .wires import Wire

__all__ = ["CAPABILITIES", "MarketSettings", "StakeMarket", "connect"]


def _nothing(note: str, instead: Verb | None = None) -> Capability:
    return Capability(supported=False, instead=instead, note=note)


_FIXTURES: Final = (
    "its page names the channels of events and no list of them: StakeWebSocket.watch('sports:event:{id}')"
)
_NO_BOOK: Final = "it is a casino and sportsbook, and names its own odds"
_NO_BETS: Final = "this SDK places no bets"

CAPABILITIES: Final[Mapping[Verb, Capability]] = {
    "markets": _nothing(_FIXTURES),
    "instruments": _nothing(_FIXTURES),
    "watch_order_book": _nothing(_NO_BOOK),
    "watch_trades": _nothing(f"{_NO_BOOK}; others' bets are StakeWebSocket.watch('bets')"),
    "watch_ticker": _nothing(
        f"{_NO_BOOK}; what it says of an event is StakeWebSocket.watch('sports:event:{{id}}')"
    ),
    "watch_orders": _nothing(_NO_BETS, "watch_balance"),
    "watch_fills": _nothing(_NO_BETS, "watch_balance"),
    "watch_positions": _nothing(_NO_BETS, "watch_balance"),
    "watch_balance": Capability(
        proof="snapshot", private=True, note="the vault counts in `total` and not in `available`"
    ),
    "place_order": _nothing(_NO_BETS, "watch_balance"),
    "cancel_order": _nothing(_NO_BETS, "watch_balance"),
    "cancel_all": _nothing(_NO_BETS, "watch_balance"),
    "open_orders": _nothing(_NO_BETS, "watch_balance"),
}

QUIET_SECONDS: Final = 300.0
"""How long an account may say nothing before it is asked over HTTP whether that is right."""


class MarketSettings(SocketDialing, total=False):
    """What `StakeWebSocket` and `StakeAPI` take, under the names that it has there. `retry` is that of the socket."""

    access_token: str | Secret | None
    base_url: str | None
    headers: Mapping[str, str | Secret] | None
    cookies: Mapping[str, str | Secret] | None
    clock: Clock | None
    wire: Wire
    init_payload: Mapping[str, Any] | None
    retry: RetryPolicy | None
    connect_timeout: float | None
    session_options: Mapping[str, Any] | None
    timeout: float | None
    rate_limit: float | None
    limiter: RateLimiter | None


_OF_THE_SOCKET: Final = frozenset(
    ["wire", "init_payload", "retry", "connect_timeout", "session_options", "connector", "max_size"]
)
_OF_HTTP: Final = frozenset(["timeout", "rate_limit", "limiter", "http_transport"])


def connect(**settings: Unpack[MarketSettings]) -> StakeMarket:
    """The market of Stake; nothing is sent before `async with`. Raises ArgumentError."""
    known = {*MarketSettings.__annotations__, *SocketDialing.__annotations__, *HttpDialing.__annotations__}
    unknown = settings.keys() - known
    if unknown:
        raise ArgumentError("settings", ", ".join(sorted(unknown)), sorted(known))
    given: dict[str, Any] = dict(settings)
    socket = StakeWebSocket(**{name: value for name, value in given.items() if name not in _OF_HTTP})
    api = StakeAPI(**{name: value for name, value in given.items() if name not in _OF_THE_SOCKET})
    return StakeMarket(socket, api, given.get("clock"))


class StakeMarket(VenueMarket):
    """Made by `tapewire.connect("stake", ...)`. `socket` and `http`, its own classes, have what else there is."""

    capabilities: Mapping[Verb, Capability] = CAPABILITIES

    def __init__(self, socket: StakeWebSocket, http: StakeAPI, clock: Clock | None = None) -> None:
        super().__init__(SPEC, clock)
        self.socket: StakeWebSocket = socket
        self.http: StakeAPI = http

    @property
    def is_connected(self) -> bool:
        """True while the line is up."""
        return self.socket.is_connected

    def reconnect(self) -> None:
        """Drop the connection and make a new one at once."""
        self.socket.reconnect()

    def statistics(self) -> Statistics:
        """Frozen figures of the socket."""
        return self.socket.statistics()

    async def list_instruments(self) -> list[Instrument]:
        """There are none."""
        return []

    def source(self, verb: Verb, instrument_id: str | None, depth: int | None) -> Source:
        """What feeds the balance, which is all there is."""
        return Balances(self.socket, self.http, self.clock).source

    async def _open(self) -> None:
        await self.socket.open()

    async def _close(self) -> None:
        await self.socket.close()
        await self.http.close()


class Balances:
    """What one feed knows of the account: both wallets of each currency, as they were told last."""

    def __init__(self, socket: StakeWebSocket, http: StakeAPI, clock: Clock) -> None:
        self._socket = socket
        self._http = http
        self._clock = clock
        self._port: Port | None = None
        self._wallets: dict[str, Mapping[Wallet, Decimal]] = {}
        self._memory = BalanceMemory()

    @property
    def source(self) -> Source:
        """For the kit."""
        channel = SPEC.channels["balances"]
        return Source(
            name="balance",
            subscribe=self._subscribe,
            decode_at=self._hear,
            decode_snapshot=self._look_over,
            policy=channel.policy,
            capacity=channel.capacity,
            is_state=True,
            quiet=QUIET_SECONDS,
            probe=self._is_current,
        )

    def _subscribe(self, port: Port) -> Subscription[Any]:
        self._port = port
        return self._socket.feed(BALANCES, port.consumer, announce=True, snapshot=self._look_up)

    async def _look_up(self) -> Wallets:
        return to_wallets(await self._http.get_user_balance())

    def _hear(self, publication: Any, received_at_ns: int) -> Balance | Items:
        """A message of the channel: the balance of its currency, if that is news."""
        payload = message_of(publication).payload
        told = to_wallet_amount(payload)
        wallets = {**self._wallets.get(told.currency, {}), told.wallet: told.amount}
        balance = to_balance(
            told.currency, wallets, received_at_ns, venue_time_ns=told.venue_time_ns, raw=payload
        )
        self._wallets[told.currency] = wallets
        return self._memory.hear(balance) or Items()

    def _look_over(self, found: Wallets) -> list[Balance]:
        """What was looked up: the balance of each currency of which it says anything new."""
        before, self._wallets = self._wallets, dict(found)
        now_ns = self._clock.time_ns()
        return self._memory.reconcile(
            to_balance(currency, found.get(currency, {}), now_ns, raw=found.get(currency))
            for currency in {**found, **before}
        )

    async def _is_current(self) -> bool:
        """True if the account has what was told last, or what was told last is still to be taken."""
        found = await self._look_up()
        if self._port is None or self._port.consumer.buffer:
            return True
        currencies = {**found, **self._wallets}
        return not any(_differ(self._wallets.get(each, {}), found.get(each, {})) for each in currencies)


def _differ(one: Mapping[Wallet, Decimal], other: Mapping[Wallet, Decimal]) -> bool:
    return any(one.get(wallet, 0) != other.get(wallet, 0) for wallet in {**one, **other})

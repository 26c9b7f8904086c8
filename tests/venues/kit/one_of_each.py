"""What the tests of the kit know of each venue: how its classes are made, and what leads them elsewhere."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tapewire.retry import RetryPolicy
from tapewire.venues.stake import ArgumentError, StakeAPI, StakeAPIError, StakeWebSocket
from tapewire.venues.stx import STX, AsyncSTX, STXException, STXInvalidParameterException, STXWebSocket, User
from tapewire.venues.sxbet import AsyncSXBet, SXBetClient, SXBetError, SXBetInvalidParameter
from tapewire.venues.weex import (
    WeexAsyncClient,
    WeexConfig,
    WEEXError,
    WEEXInvalidArgument,
    WeexWebSocketClient,
)

ONCE = RetryPolicy(max_attempts=1)


async def _nothing(*args: Any, **fields: Any) -> Any:
    """Stands for what a venue has to bring."""


@dataclass(frozen=True)
class OneVenue:
    """One venue. `streaming(**where)` and `calling(**where)` make its two classes; `where` are its addresses.

    `origins(made)` gives where a made one goes, `open` and `close` are the names of methods.
    """

    name: str
    root: type[Exception]
    refusal: type[Exception]
    streaming: Callable[..., Any]
    calling: Callable[..., Any]
    origins: Callable[[Any], list[str]]
    host: str = "host"
    variable: str = ""
    default: str = ""
    open: str = "connect"
    close: str = "close"
    named: Mapping[str, Any] = field(default_factory=dict)
    """A place that the venue has a name for, as arguments; None where it has no names."""
    named_origin: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    call: Callable[[Any], Any] = lambda made: made
    of_the_sandbox: Mapping[str, Any] = field(default_factory=dict)
    """The account that a sandbox lets in."""
    without_sign_in: Callable[[], Mapping[str, Any]] = dict
    """What makes a socket that asks nobody for a token."""
    states: tuple[str, str, str] = ("new", "up", "closed")
    """Before, while and after it is connected; documents may have words of their own."""
    tries: Mapping[str, Any] = field(default_factory=lambda: {"retry": 5})
    """A wrong policy of calls."""
    secrets: tuple[str, ...] = ()
    without_secret: Callable[..., Awaitable[Any]] = _nothing
    """Given arguments without secrets, does what needs them."""
    secret_hint: str = ""
    unknown_place: Mapping[str, Any] = field(default_factory=dict)
    subscribe: Callable[..., Awaitable[Any]] = _nothing
    """`subscribe(client, topic, **delivery)`, with a handler where the venue has such."""
    handle: Callable[..., Awaitable[Any]] | None = None
    """`handle(client, topic, handler, **delivery)`; None where streams are only iterated."""
    iterate: Callable[..., Any] = _nothing
    """`iterate(client, topic)`: an async iterator of messages and marks."""
    topic: str = ""
    topic_argument: str = "channel"
    handler_argument: str = "on_message"

    def __str__(self) -> str:
        return self.name


def _stx_user() -> dict[str, Any]:
    return {"user": User.new(), "email": "ann@example.com", "password": "a-password"}


def _weex(kind: type[Any], **fields: Any) -> Any:
    of_client = (
        "retry",
        "connector",
        "max_size",
        "proxy",
        "ssl",
        "http_transport",
        "no_such_argument",
        "clock",
        "connect_timeout",
        "session_options",
    )
    extra = {name: fields.pop(name) for name in of_client if name in fields}
    keys = {"api_key": "key-1", "secret_key": "secret-1", "passphrase": "pass-1"}
    return kind(WeexConfig(**({"max_retries": 0} | keys | fields)), **extra)


async def _opened(client: Any, how: str = "connect") -> Any:
    try:
        return await getattr(client, how)()
    finally:
        await client.close()


async def _stx_handle(client: Any, topic: Any, handler: Any, **delivery: Any) -> Any:
    return await client.join(topic, handler, **delivery)


async def _sxbet_handle(client: Any, topic: Any, handler: Any, **delivery: Any) -> Any:
    channel = client.new_subscription(topic, **delivery)
    channel.on("publication", handler)
    channel.subscribe()
    return channel


async def _stake_handle(client: Any, topic: Any, handler: Any, **delivery: Any) -> Any:
    return client.watch(topic, handler, **delivery)


async def _weex_subscribe(client: Any, topic: Any, **delivery: Any) -> Any:
    return client.stream_trades(topic, **delivery)


async def _weex_without(**fields: Any) -> Any:
    client = _weex(WeexWebSocketClient, **fields)
    try:
        return client.stream_orders()
    finally:
        await client.close()


def _signed_in() -> dict[str, Any]:
    user = User.new()
    user.set_params({"token": "tok-of-uid-1", "uid": "uid-1"})
    return {"user": user, "email": None, "password": None}


async def _token() -> str:
    return "a-token"


def ignore(item: Any) -> None:
    """A handler."""


STX_ = OneVenue(
    "stx",
    STXException,
    STXInvalidParameterException,
    lambda **fields: STXWebSocket(**({"retry": ONCE} | _stx_user() | fields)),
    lambda **fields: AsyncSTX(**({"retry": ONCE} | _stx_user() | fields)),
    lambda made: [getattr(made, "_http", made).origin if isinstance(made, STXWebSocket) else made.origin],
    variable="STX_HOST",
    default="https://api-staging.on.sportsxapp.com",
    named={"region": "ontario", "env": "production"},
    named_origin="https://api.on.sportsxapp.com",
    call=lambda made: made.markets(),
    without_sign_in=_signed_in,
    secrets=("password",),
    without_secret=lambda **fields: _opened(STX_.streaming(**fields)),
    secret_hint="password",
    unknown_place={"region": "atlantis", "env": "nowhere"},
    subscribe=lambda client, topic, **delivery: _stx_handle(client, topic, ignore, **delivery),
    handle=_stx_handle,
    iterate=lambda client, topic: client.join(topic),
    topic="markets",
)
SXBET = OneVenue(
    "sxbet",
    SXBetError,
    SXBetInvalidParameter,
    lambda **fields: SXBetClient(**({"retry": ONCE, "api_key": "key-1"} | fields)),
    lambda **fields: AsyncSXBet(**({"retry": ONCE, "api_key": "key-1"} | fields)),
    lambda made: [getattr(made, "http", made).endpoints.api_url],
    variable="SXBET_HOST",
    default="https://api.sx.bet",
    close="disconnect",
    named={"network": "mainnet"},
    named_origin="https://api.sx.bet",
    call=lambda made: made.realtime_token(),
    of_the_sandbox={"api_key": "sandbox-sxbet-key"},
    without_sign_in=lambda: {"get_token": _token},
    states=("disconnected", "connected", "disconnected"),
    secrets=("api_key",),
    without_secret=lambda **fields: _opened(SXBET.streaming(**fields)),
    secret_hint="api_key=",
    unknown_place={"network": "nowhere", "profile": "v9"},
    subscribe=lambda client, topic, **delivery: _sxbet_handle(client, topic, ignore, **delivery),
    handle=_sxbet_handle,
    topic="recent_trades:global",
    handler_argument="handler",
)
STAKE = OneVenue(
    "stake",
    StakeAPIError,
    ArgumentError,
    lambda **fields: StakeWebSocket(**({"access_token": "token-1", "retry": ONCE} | fields)),
    lambda **fields: StakeAPI(**({"access_token": "token-1", "retry": ONCE} | fields)),
    lambda made: [made.uri if isinstance(made, StakeWebSocket) else made.base_url],
    host="base_url",
    variable="STAKE_BASE_URL",
    default="https://stake.com",
    open="open",
    call=lambda made: made.get_user_balance(),
    secrets=("access_token",),
    without_secret=lambda **fields: _opened(STAKE.streaming(**fields), "open"),
    secret_hint="access_token",
    unknown_place={"wire": "nowhere"},
    subscribe=lambda client, topic, **delivery: _stake_handle(client, topic, ignore, **delivery),
    handle=_stake_handle,
    topic="bets",
)
WEEX = OneVenue(
    "weex",
    WEEXError,
    WEEXInvalidArgument,
    lambda **fields: _weex(WeexWebSocketClient, **({"retry": ONCE} | fields)),
    lambda **fields: _weex(WeexAsyncClient, **fields),
    lambda made: [made.config.addresses.rest],
    variable="WEEX_HOST",
    default="https://api-contract.weex.com",
    call=lambda made: made.get_account_balance(),
    of_the_sandbox={
        "api_key": "sandbox-weex-key",
        "secret_key": "sandbox-weex-secret",
        "passphrase": "sandbox-weex-passphrase",
    },
    tries={"max_retries": "many"},
    secrets=("api_key", "secret_key", "passphrase"),
    without_secret=_weex_without,
    secret_hint="WEEX_API_KEY",
    unknown_place={"environment": "nowhere", "version": "v9"},
    subscribe=_weex_subscribe,
    topic="BTCUSDT",
    topic_argument="symbol",
)
VENUES = (STX_, SXBET, STAKE, WEEX)

VARIABLES = (
    *(f"STX_{name}" for name in ("REGION", "ENV", "HOST", "EMAIL", "PASSWORD", "PROFILE", "CREDENTIALS_FILE")),
    *(f"SXBET_{name}" for name in ("HOST", "API_URL", "REALTIME_URL", "API_KEY")),
    *(
        f"STAKE_{name}"
        for name in ("ACCESS_TOKEN", "SESSION_COOKIE", "BASE_URL", "WS_URL", "CF_CLEARANCE", "USER_AGENT")
    ),
    *(
        f"WEEX_{name}"
        for name in (
            "HOST", "REST_URL", "BASE_URL", "WS_PUBLIC_URL", "WS_PRIVATE_URL", "VERSION", "ENVIRONMENT", "TIMEOUT",
            "MAX_RETRIES", "API_KEY", "SECRET_KEY", "PASSPHRASE", "API_SECRET", "API_PASSPHRASE",
        )
    ),
    "API_TIMEOUT",
)  # fmt: skip

__all__ = ["ONCE", "STAKE", "STX", "STX_", "SXBET", "VARIABLES", "VENUES", "WEEX", "OneVenue"]

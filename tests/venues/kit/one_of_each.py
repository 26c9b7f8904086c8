"""What the tests of the kit know of each venue: how its classes are made, and what leads them elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
    )
    extra = {name: fields.pop(name) for name in of_client if name in fields}
    keys = {"api_key": "key-1", "secret_key": "secret-1", "passphrase": "pass-1"}
    return kind(WeexConfig(**({"max_retries": 0} | keys | fields)), **extra)


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
)
SXBET = OneVenue(
    "sxbet",
    SXBetError,
    SXBetInvalidParameter,
    lambda **fields: SXBetClient(**({"reconnect": ONCE, "retry": ONCE, "api_key": "key-1"} | fields)),
    lambda **fields: AsyncSXBet(**({"retry": ONCE, "api_key": "key-1"} | fields)),
    lambda made: [getattr(made, "http", made).endpoints.api_url],
    variable="SXBET_HOST",
    default="https://api.sx.bet",
    close="disconnect",
    named={"network": "mainnet"},
    named_origin="https://api.sx.bet",
    call=lambda made: made.realtime_token(),
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

"""`StakeAPI`: the account and the venue's figures over GraphQL. It reads; it places no bets and changes nothing.

The user supplies the token, and where the site asks for them the headers and cookies of a browser session.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Self, TypeVar, Unpack

from ...clock import Clock
from ...retry import RetryPolicy
from ...secrets import Secret, redact_url
from ...transport.http import HttpClient, Request
from ...transport.limiter import RateLimiter
from ..kit.answers import read_shape
from ..kit.dialing import HttpDialing, dialer_of
from ..kit.graphql import graphql_call
from ..kit.http import Api
from ..kit.settings import Announcement, Setting, Sources, clock_of, number, retry_of
from .errors import ERRORS, ArgumentError
from .headers import session_headers, token_of, with_own
from .message import with_amounts
from .operations import QUERIES
from .url import GRAPHQL_PATH, base_url_of

__all__ = ["StakeAPI"]

logger = logging.getLogger("tapewire.venues.stake")

MAX_PAGE = 50

T = TypeVar("T")

_MUTATES = re.compile(r"\bmutation\b")


@ERRORS.covers
class StakeAPI:
    """The venue's API. Use it as `async with StakeAPI(access_token=...) as client`, or close() it when done.

    Each argument may come from the environment instead: STAKE_ACCESS_TOKEN, STAKE_SESSION_COOKIE, STAKE_BASE_URL,
    STAKE_TIMEOUT (seconds for one attempt), STAKE_RATE_LIMIT (calls a second, kept to by waiting), STAKE_CF_CLEARANCE
    and STAKE_USER_AGENT (sent as they are: the cookie of that name and the header of a browser session of yours).
    `limiter`: one shared with other clients of the same account. Every number with a fraction that comes back is an
    exact Decimal. `proxy`, `ssl`, `http_transport`: the way there (kit.dialing.HttpDialing). Raises ArgumentError;
    every call raises StakeAPIErrors (errors.py).
    """

    def __init__(
        self,
        access_token: str | Secret | None = None,
        session_cookie: str | Secret | None = None,
        base_url: str | None = None,
        timeout: float | None = None,
        rate_limit: float | None = None,
        *,
        headers: Mapping[str, str | Secret] | None = None,
        cookies: Mapping[str, str | Secret] | None = None,
        retry: RetryPolicy | None = None,
        limiter: RateLimiter | None = None,
        clock: Clock | None = None,
        **dialing: Unpack[HttpDialing],
    ) -> None:
        address, source = base_url_of(base_url)
        self.base_url: str = address
        self._token = token_of(access_token)
        self._own = session_headers(headers, cookies, session_cookie)
        sources = Sources()
        seconds = _number(sources.settle("timeout", timeout, "STAKE_TIMEOUT", default=30.0))
        rate = _number(sources.settle("rate_limit", rate_limit, "STAKE_RATE_LIMIT", default=10.0))
        http = HttpClient(
            self.base_url,
            headers=self._headers_for,
            timeout=seconds,
            limiter=limiter or RateLimiter(rate),
            policy=retry_of(retry, RetryPolicy()),
            clock=clock_of(clock),
            **dialer_of(dialing, ArgumentError, only=HttpDialing).http,
        )
        self._api = Api(http, ERRORS, Announcement(logger, "stake", [self.base_url], source))

    # --- the account ------------------------------------------------------------------------------------------------

    async def get_user_balance(self) -> dict[str, dict[str, Decimal]]:
        """`{"available": {currency: amount}, "vault": {currency: amount}}`."""
        balances = await self._records("UserBalances")
        return {
            wallet: {one[wallet]["currency"]: one[wallet]["amount"] for one in balances}
            for wallet in ("available", "vault")
        }

    async def get_user_profile(self) -> dict[str, Any]:
        """Id, name, email and what else the account says of itself."""
        return await self._record("UserProfile")

    async def get_user_meta(self) -> dict[str, Any]:
        """The account's public side, and whether it is banned or muted."""
        return await self._record("UserMeta")

    async def get_account_info(self) -> dict[str, Any]:
        """Email and country, and whether they are verified."""
        return await self._record("UserAccountInfo")

    async def get_kyc_status(self) -> dict[str, Any]:
        """How far the account's identity is verified."""
        return await self._record("UserKycStatus")

    async def get_sessions(self) -> list[dict[str, Any]]:
        """Where the account is signed in."""
        return await self._records("UserSessions")

    async def get_api_keys(self) -> list[dict[str, Any]]:
        """The account's API keys: their names, never the keys."""
        return await self._records("UserApiKeys")

    async def get_user_statistics(self) -> list[dict[str, Any]]:
        """Bets, wins and losses, by game."""
        return await self._records("UserStatistic")

    async def get_seed_pair(self) -> dict[str, Any]:
        """The seeds that the venue's fairness checks are about."""
        return await self._record("UserSeedPair")

    async def get_user_preferences(self) -> dict[str, Any]:
        """Language, currency and the like."""
        return await self._record("UserPreferences")

    async def get_vip_status(self) -> dict[str, Any]:
        """The account's rank, the way to the next one, its rakeback."""
        return await self._record("VipMeta")

    async def get_faucet(self) -> dict[str, Any]:
        """What the faucet has for the account."""
        return await self._record("Faucet")

    async def get_transactions(self, offset: int = 0, limit: int = MAX_PAGE) -> list[dict[str, Any]]:
        """One page of transactions, the latest first."""
        return await self._page("TransactionList", offset, limit)

    async def get_deposits(self, offset: int = 0, limit: int = MAX_PAGE) -> list[dict[str, Any]]:
        """One page of deposits."""
        return await self._page("DepositList", offset, limit)

    async def get_withdrawals(self, offset: int = 0, limit: int = MAX_PAGE) -> list[dict[str, Any]]:
        """One page of withdrawals."""
        return await self._page("WithdrawalList", offset, limit)

    # --- the venue --------------------------------------------------------------------------------------------------

    async def get_currency_configuration(self, is_acp: bool = False) -> dict[str, Any]:
        """The currencies there are. `is_acp` is the site's own flag."""
        return await self._record("CurrencyConfiguration", isAcp=is_acp)

    async def get_conversion_rates(self) -> dict[str, Decimal]:
        """What one unit of each currency is worth, in US dollars."""
        rates = await self._records("CurrencyNewConversionRate")
        return {one["currency"]: one["rate"] for one in rates}

    async def get_bonus_code(self, code: str) -> dict[str, Any]:
        """What a bonus code is good for."""
        return await self._record("BonusCodeInformation", code=code)

    # --- anything else ----------------------------------------------------------------------------------------------

    async def graphql(
        self, query: str, variables: Mapping[str, Any] | None = None, operation_name: str | None = None
    ) -> dict[str, Any]:
        """Send a GraphQL document of your own and return its `data`. Raises StakeAPIError for its `errors`.

        A document that is not all queries is sent once, whatever happens: you may not know then whether it was done.
        """
        if not isinstance(query, str):
            raise ArgumentError("query", query, "the text of a GraphQL document")
        return await self._send(query, variables, operation_name, dict)

    async def close(self) -> None:
        """Close all connections. Idempotent."""
        await self._api.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<StakeAPI at {redact_url(self.base_url)}>"

    def _headers_for(self, request: Request) -> Mapping[str, str]:
        ours = {"Accept": "application/graphql+json, application/json", "x-language": "en"}
        if self.base_url.startswith("https:"):  # a server on this machine takes no page's Origin
            ours |= {"Origin": self.base_url, "Referer": f"{self.base_url}/"}
        if self._token is not None:
            ours["x-access-token"] = self._token.reveal()
        return with_own(ours, self._own)

    async def _record(self, name: str, **variables: Any) -> dict[str, Any]:
        record: dict[str, Any] = await self._query(name, **variables)
        return record

    async def _records(self, name: str, **variables: Any) -> list[dict[str, Any]]:
        records: list[dict[str, Any]] = await self._query(name, **variables)
        return records

    async def _query(self, name: str, **variables: Any) -> Any:
        query = QUERIES[name]

        def read(data: dict[str, Any]) -> Any:
            found: Any = read_shape(data, query.shape, "data")
            for step in query.path:
                found = found[step]
            return found

        return await self._send(query.text, variables, name, read)

    async def _send(
        self,
        query: str,
        variables: Mapping[str, Any] | None,
        operation_name: str | None,
        read: Callable[[dict[str, Any]], T],
    ) -> T:
        is_query = query.lstrip().startswith(("query", "{")) and not _MUTATES.search(query)
        return await self._api.call(
            graphql_call(
                ERRORS,
                GRAPHQL_PATH,
                query,
                variables or {},
                lambda data: read(with_amounts(data)),
                name=operation_name,
                idempotent=is_query,
                changes=not is_query,
            )
        )

    async def _page(self, name: str, offset: int, limit: int) -> list[dict[str, Any]]:
        if type(offset) is not int or offset < 0:
            raise ArgumentError("offset", offset, "a whole number from 0")
        if type(limit) is not int or not 1 <= limit <= MAX_PAGE:
            raise ArgumentError("limit", limit, f"1 to {MAX_PAGE}")
        return await self._records(name, offset=offset, limit=limit)


def _number(setting: Setting) -> float:
    return number(setting, "a number above 0", ArgumentError)

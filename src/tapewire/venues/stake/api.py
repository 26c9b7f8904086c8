"""`StakeAPI`: the account and the venue's figures over GraphQL. It reads; it places no bets and changes nothing.

The user supplies the token, and where the site asks for them the headers and cookies of a browser session.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Self

import msgspec

from ...clock import Clock, SystemClock
from ...errors import ConfigurationError, HttpError
from ...retry import RetryPolicy
from ...secrets import Secret, redact_url
from ...transport.http import HttpClient, Reply, Request
from ...transport.limiter import RateLimiter
from .errors import ArgumentError, ServerError, of_graphql_errors, of_http_error
from .operations import QUERIES
from .url import BASE_URL, GRAPHQL_PATH, base_url_of, cookie_header, origin_of, variable

__all__ = ["StakeAPI"]

MAX_PAGE = 50

_exact = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)


class StakeAPI:
    """The venue's API. Use it as `async with StakeAPI(access_token=...) as client`, or close() it when done.

    Each argument may come from the environment instead: STAKE_ACCESS_TOKEN, STAKE_SESSION_COOKIE, STAKE_BASE_URL,
    STAKE_TIMEOUT (seconds for one attempt), STAKE_RATE_LIMIT (calls a second, kept to by waiting), STAKE_CF_CLEARANCE
    and STAKE_USER_AGENT (sent as they are: the cookie of that name and the header of a browser session of yours).
    `limiter`: one shared with other clients of the same account. Every number with a fraction that comes back is an
    exact Decimal. Raises ArgumentError; every call raises StakeAPIErrors (errors.py).
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
    ) -> None:
        self.base_url = base_url_of(base_url)
        token = access_token or variable("STAKE_ACCESS_TOKEN")
        self._headers: dict[str, Secret] = {name: _secret(value) for name, value in (headers or {}).items()}
        if token:
            self._headers["x-access-token"] = _secret(token)
        agent = variable("STAKE_USER_AGENT")
        if agent and "user-agent" not in {name.lower() for name in self._headers}:
            self._headers["User-Agent"] = Secret(agent)
        all_cookies = {
            "session": session_cookie or variable("STAKE_SESSION_COOKIE"),
            "cf_clearance": variable("STAKE_CF_CLEARANCE"),
            **(cookies or {}),
        }
        written = cookie_header({name: value for name, value in all_cookies.items() if value})
        if written:
            self._headers["Cookie"] = Secret(written)
        seconds = _number("timeout", timeout, "STAKE_TIMEOUT", 30.0)
        rate = _number("rate_limit", rate_limit, "STAKE_RATE_LIMIT", 10.0)
        try:
            self._http = HttpClient(
                self.base_url,
                headers=self._headers_for,
                timeout=seconds,
                limiter=limiter or RateLimiter(rate),
                policy=retry or RetryPolicy(),
                clock=clock or SystemClock(),
            )
        except ConfigurationError as error:
            raise ArgumentError(error.argument, error.value, error.allowed) from None

    # --- the account ------------------------------------------------------------------------------------------------

    async def get_user_balance(self) -> dict[str, dict[str, Decimal]]:
        """`{"available": {currency: amount}, "vault": {currency: amount}}`."""
        found: dict[str, dict[str, Decimal]] = {"available": {}, "vault": {}}
        for balance in await self._query("UserBalances"):
            for wallet, amounts in found.items():
                amounts[balance[wallet]["currency"]] = Decimal(balance[wallet]["amount"])
        return found

    async def get_user_profile(self) -> dict[str, Any]:
        """Id, name, email and what else the account says of itself."""
        return dict(await self._query("UserProfile"))

    async def get_user_meta(self) -> dict[str, Any]:
        """The account's public side, and whether it is banned or muted."""
        return dict(await self._query("UserMeta"))

    async def get_account_info(self) -> dict[str, Any]:
        """Email and country, and whether they are verified."""
        return dict(await self._query("UserAccountInfo"))

    async def get_kyc_status(self) -> dict[str, Any]:
        """How far the account's identity is verified."""
        return dict(await self._query("UserKycStatus"))

    async def get_sessions(self) -> list[dict[str, Any]]:
        """Where the account is signed in."""
        return list(await self._query("UserSessions"))

    async def get_api_keys(self) -> list[dict[str, Any]]:
        """The account's API keys: their names, never the keys."""
        return list(await self._query("UserApiKeys"))

    async def get_user_statistics(self) -> list[dict[str, Any]]:
        """Bets, wins and losses, by game."""
        return list(await self._query("UserStatistic"))

    async def get_seed_pair(self) -> dict[str, Any]:
        """The seeds that the venue's fairness checks are about."""
        return dict(await self._query("UserSeedPair"))

    async def get_user_preferences(self) -> dict[str, Any]:
        """Language, currency and the like."""
        return dict(await self._query("UserPreferences"))

    async def get_vip_status(self) -> dict[str, Any]:
        """The account's rank, the way to the next one, its rakeback."""
        return dict(await self._query("VipMeta"))

    async def get_faucet(self) -> dict[str, Any]:
        """What the faucet has for the account."""
        return dict(await self._query("Faucet"))

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
        return dict(await self._query("CurrencyConfiguration", isAcp=is_acp))

    async def get_conversion_rates(self) -> dict[str, Decimal]:
        """What one unit of each currency is worth, in US dollars."""
        rates = await self._query("CurrencyNewConversionRate")
        return {rate["currency"]: Decimal(rate["rate"]) for rate in rates}

    async def get_bonus_code(self, code: str) -> dict[str, Any]:
        """What a bonus code is good for."""
        return dict(await self._query("BonusCodeInformation", code=code))

    # --- anything else ----------------------------------------------------------------------------------------------

    async def graphql(
        self, query: str, variables: Mapping[str, Any] | None = None, operation_name: str | None = None
    ) -> dict[str, Any]:
        """Send a GraphQL document of your own and return its `data`. Raises StakeAPIError for its `errors`.

        A document that is no plain query is sent once, whatever happens: you may not know then whether it was done.
        """
        body = {"query": query, "variables": dict(variables or {}), "operationName": operation_name}
        is_query = query.lstrip().startswith(("query", "{"))
        try:
            reply = await self._http.request("POST", GRAPHQL_PATH, json=body, idempotent=is_query)
        except HttpError as error:
            failure = of_http_error(error)
        else:
            return _data_in(reply)
        raise failure  # outside, so that it carries no request with it

    async def close(self) -> None:
        """Close all connections. Idempotent."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<StakeAPI at {redact_url(self.base_url)}>"

    def _headers_for(self, request: Request) -> Mapping[str, str]:
        origin = self.base_url if self.base_url.startswith("https") else origin_of(BASE_URL)
        fixed = {"Accept": "application/graphql+json, application/json", "x-language": "en"}
        if not self.base_url.startswith("http:"):
            fixed |= {"Origin": origin, "Referer": f"{origin}/"}
        return fixed | {name: value.reveal() for name, value in self._headers.items()}

    async def _query(self, name: str, **variables: Any) -> Any:
        query = QUERIES[name]
        found: Any = await self.graphql(query.text, variables, name)
        for step in query.path:
            found = found.get(step) if isinstance(found, dict) else None
        if found is None:
            raise ServerError(f"{name}: the answer has no {'.'.join(query.path)}", status_code=200)
        return found

    async def _page(self, name: str, offset: int, limit: int) -> list[dict[str, Any]]:
        if type(offset) is not int or offset < 0:
            raise ArgumentError("offset", offset, "a whole number from 0")
        if type(limit) is not int or not 1 <= limit <= MAX_PAGE:
            raise ArgumentError("limit", limit, f"1 to {MAX_PAGE}")
        return list(await self._query(name, offset=offset, limit=limit))


def _data_in(reply: Reply) -> dict[str, Any]:
    try:
        answer = _exact.decode(reply.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ServerError("the answer is not JSON", status_code=reply.status) from None
    if answer.get("errors"):
        raise of_graphql_errors(answer["errors"], reply.status)
    data = answer.get("data")
    if not isinstance(data, dict):
        raise ServerError("the answer has no data", status_code=reply.status)
    return data


def _number(name: str, given: float | None, variable_name: str, default: float) -> float:
    written = variable(variable_name) if given is None else None
    try:
        return float(written) if written is not None else default if given is None else float(given)
    except (TypeError, ValueError):
        raise ArgumentError(name, given if written is None else written, "a number above 0") from None


def _secret(value: str | Secret) -> Secret:
    return value if isinstance(value, Secret) else Secret(value)

"""When to ask for a token, and never twice at once.

A `Credentials` is given a provider, `async (fresh: bool) -> token`, and may be shared by many sessions: while one
request is under way, all who ask wait for that one. `fresh=True` says that the token last given was not accepted. The
provider is asked on every attempt; whether it answers from a cache is its own business. Raise `CredentialsRefused`
from it (or any `TapewireError` that is not `retryable`) to stop all sessions that share it. An error of programming
(`PROGRAMMING_ERRORS`) stops them too, as it is: no retry mends it. Anything else is retried.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from ..errors import CredentialsError, CredentialsRefused, OwnerCancelled, TapewireError
from ..retry import RandomFraction
from ..secrets import Secret, redact, sanitized
from .loop import run_owned

__all__ = ["PROGRAMMING_ERRORS", "REFRESH_SHARE", "Credentials", "TokenProvider", "is_final", "renewal_after"]

logger = logging.getLogger("tapewire.session")

TokenProvider: TypeAlias = Callable[[bool], Awaitable[Secret | str]]

PROGRAMMING_ERRORS = (
    AssertionError,
    AttributeError,
    ImportError,
    NameError,
    NotImplementedError,
    RecursionError,
    TypeError,
)
"""What no later call of the same function can be expected not to raise. A KeyError may be the answer's: it passes."""

SWALLOWED = 1.0
"""Seconds after its deadline that a provider has to end once it is cancelled."""

REFRESH_SHARE = 0.9
"""A fresh token is asked for after this share of the old one's life at the latest."""


def is_final(error: BaseException | None) -> bool:
    """True where asking the same provider again cannot help."""
    if isinstance(error, TapewireError):
        return not error.retryable
    return isinstance(error, PROGRAMMING_ERRORS)


def renewal_after(seconds: float, fraction: RandomFraction) -> float:
    """When to ask for a fresh token where one ends in `seconds`; with jitter, for many lines share one endpoint."""
    return seconds * REFRESH_SHARE * (1 - 0.2 * fraction())


class Credentials:
    """One provider, one flight at a time, a deadline of `timeout` seconds for each.

    `on_failed` is called once for each request that failed, with what all who waited for it are raised, and for a
    token that was had and that the venue did not take. It must not block.
    """

    def __init__(
        self,
        provider: TokenProvider,
        *,
        timeout: float = 15.0,
        on_failed: Callable[[BaseException], None] | None = None,
    ) -> None:
        self._provider = provider
        self._on_failed = on_failed
        self._timeout = timeout
        self._flight: asyncio.Task[Secret] | None = None
        self._flight_is_fresh = False
        self._waiting = 0
        self.requests: int = 0
        """How often the provider was asked."""

    async def token(self, *, fresh: bool = False) -> Secret:
        """A token. Raises CredentialsRefused (final) or CredentialsError (this time)."""
        while self._flight is not None and fresh and not self._flight_is_fresh:
            await asyncio.wait([self._flight])  # an older flight cannot answer a request for a fresh token
        if self._flight is None:
            self._flight = asyncio.create_task(self._ask(fresh), name="tapewire-credentials")
            self._flight_is_fresh = fresh
            self._flight.add_done_callback(self._land)
        flight = self._flight
        self._waiting += 1
        try:
            await asyncio.wait([flight], timeout=self._timeout + SWALLOWED)
            if not flight.done():  # it has been cancelled at its deadline, and goes on all the same
                self._land(flight)
                raise CredentialsError(self._no_answer())
            return flight.result()
        finally:
            self._waiting -= 1
            if not self._waiting and not flight.done():
                flight.cancel()  # nobody is left who wants it, and nobody may join it any more
                self._land(flight)

    def report(self, error: BaseException) -> None:
        """Tell `on_failed`: no token could be had, or the venue did not take the one there was."""
        if self._on_failed is not None:
            try:
                self._on_failed(error)
            except Exception:
                logger.warning("on_failed of credentials raised", exc_info=True)

    def report_not_taken(self, name: str, reason: str, code: int | None) -> None:
        """The venue did not take the token that the session `name` gave it."""
        error = CredentialsError(f"the fresh token was not taken: {reason} (code {code})")
        logger.warning("%s: %s", name, sanitized(error))
        self.report(error)

    def _land(self, flight: asyncio.Task[Secret]) -> None:
        if self._flight is flight:
            self._flight = None
        if flight.done() and not flight.cancelled():
            error = flight.exception()  # retrieved: whoever waited has raised it
            if error is not None:
                self.report(error)

    def _no_answer(self) -> str:
        return f"the token provider gave no answer within {self._timeout:g} s"

    async def _ask(self, fresh: bool) -> Secret:
        self.requests += 1
        try:
            async with asyncio.timeout(self._timeout) as deadline:
                token = await run_owned("the token provider", self._provider, fresh)
        except OwnerCancelled as error:
            raise CredentialsError("the token provider was cancelled") from error
        except (TapewireError, *PROGRAMMING_ERRORS):
            raise
        except Exception as error:
            if deadline.expired():
                raise CredentialsError(self._no_answer()) from None
            text = redact(f"{type(error).__name__}: {error}".removesuffix(": "))
            raise CredentialsError(f"the token provider failed: {text}") from error
        if not token or not isinstance(token, Secret | str):
            raise CredentialsRefused("the token provider gave an empty token, or none that is a text")
        return token if isinstance(token, Secret) else Secret(token)

    def __repr__(self) -> str:
        return f"<Credentials requests={self.requests}>"

"""The tokens of a line, the connection's and those of single topics: when each is asked for, what a failure costs.

Rules: every attempt asks its provider, with `fresh` where the last token was not accepted; a token that ends is renewed
before, with jitter; a refusal by the provider is final for what the token was for, anything else is tried again with
backoff. What comes back for a connection, or for a state of the topic, that is no more is dropped.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ..errors import CredentialsError, TapewireError
from ..protocols.base import CredentialsExpiring
from ..secrets import Secret, shown
from .subscriptions import SubscriptionState, Wanted

if TYPE_CHECKING:
    from .driver import Driver

__all__ = ["REFRESH_SHARE", "Tokens"]

logger = logging.getLogger("tapewire.session")

REFRESH_SHARE = 0.9
"""A fresh token is asked for after this share of the old one's life at the latest."""


class Tokens:
    """The tokens of one session. The driver runs the coroutines in tasks, and calls back when a timer is due."""

    def __init__(self, driver: Driver) -> None:
        self.current: Secret | None = None
        """The connection's, as the provider gave it last."""
        self._driver = driver
        self._fresh = False
        self._failures = 0

    def discard(self) -> None:
        """The connection's was not accepted (any more), and no topic's is believed either."""
        self.current, self._fresh = None, True
        for wanted in self._driver.topics.subscriptions:
            wanted.fresh = True

    def expect(self, event: CredentialsExpiring) -> None:
        """A token ends in so many seconds."""
        driver, topic = self._driver, event.topic
        if topic is not None:
            wanted = driver.topics.subscriptions.get(topic)
            if wanted is not None and wanted.credentials is not None:
                wanted.renewals = 0
                self._set(("renew", topic), event.seconds)
                if event.reason:
                    driver.topics.announce_error(wanted, event.reason, event.code)
        elif driver.options.credentials is not None:
            self._failures = 0
            self._set("refresh", event.seconds)
            if event.reason:
                error = CredentialsError(f"the fresh token was not taken: {event.reason} (code {event.code})")
                logger.warning("%s: %s", driver.name, shown(error))
                driver.options.credentials.report(error)

    # --- the connection's -------------------------------------------------------------------------------------------

    async def ask(self) -> None:
        """For an attempt to connect. Raises what the credentials raise."""
        credentials = self._driver.options.credentials
        if credentials is not None:
            self.current = await credentials.token(fresh=self._fresh)
            self._fresh = False

    async def refresh(self, generation: int) -> None:
        """Fetch one and hand it to the connection, if that still is the one it was asked for."""
        driver = self._driver
        assert driver.options.credentials is not None
        try:
            token = await driver.options.credentials.token(fresh=True)
        except Exception as error:
            if generation == driver.generation and driver.line_up:
                self._refresh_failed(error)
            return
        if generation == driver.generation and driver.protocol is not None:
            self.current = token
            driver.protocol.refresh(token)
            driver.flush()

    def _refresh_failed(self, error: Exception) -> None:
        driver = self._driver
        logger.warning("%s: no fresh token yet: %s", driver.name, shown(error))
        if _is_final(error):
            driver.broken(error)
            return
        self._failures += 1
        self._retry("refresh", self._failures)

    # --- a topic's --------------------------------------------------------------------------------------------------

    async def authorize(self, wanted: Wanted, attempt: object) -> None:
        """Fetch the token of a topic that is to be asked for, and have it asked for, if `wanted.asking` still is so."""
        topics = self._driver.topics
        token, error = await self._token_of(wanted, fresh=wanted.fresh)
        if wanted.asking is attempt:
            wanted.asking = None
            if token is not None:
                topics.authorized(wanted, token)
            else:
                topics.unauthorized(wanted, error, final=_is_final(error))
            self._driver.flush()

    async def renew(self, topic: str) -> None:
        """Fetch a fresh token for a confirmed topic, and give it to the peer."""
        driver, attempt = self._driver, object()
        wanted = driver.topics.subscriptions.get(topic)
        if wanted is None or wanted.credentials is None or wanted.state is not SubscriptionState.SUBSCRIBED:
            return
        wanted.asking = attempt
        token, error = await self._token_of(wanted, fresh=True)
        if wanted.asking is not attempt:
            return  # it was interrupted meanwhile, or left
        wanted.asking = None
        if token is not None:
            assert driver.protocol is not None
            driver.protocol.refresh(token, topic)
        elif _is_final(error):
            driver.topics.unauthorized(wanted, error, final=True)
        else:
            wanted.renewals += 1
            driver.topics.announce_error(wanted, str(error))
            self._retry(("renew", topic), wanted.renewals)
        driver.flush()

    async def _token_of(self, wanted: Wanted, *, fresh: bool) -> tuple[Secret | None, Exception | None]:
        assert wanted.credentials is not None
        try:
            return await wanted.credentials.token(fresh=fresh), None
        except Exception as error:
            logger.warning("%s: no token for it: %s", wanted.topic, shown(error))
            return None, error

    # --- timers -----------------------------------------------------------------------------------------------------

    def _set(self, key: object, seconds: float) -> None:
        driver = self._driver
        share = REFRESH_SHARE * (1 - 0.2 * driver.options.fraction())  # many lines share one token endpoint
        driver.timers.set(key, driver.now() + seconds * share)
        driver.rearm()

    def _retry(self, key: object, failures: int) -> None:
        driver = self._driver
        delay = driver.options.resubscribe.delay(failures, fraction=driver.options.fraction)
        driver.timers.set(key, driver.now() + delay)
        driver.rearm()


def _is_final(error: Exception | None) -> bool:
    return isinstance(error, TapewireError) and not error.retryable

"""What a connection is made of on either wire: where it goes, what it sends along, how it speaks, how long it waits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import random
from typing import Any, Literal, TypeAlias

from ...protocols.base import ClientProtocol
from ...retry import RandomFraction, RetryPolicy
from ...secrets import Secret
from ...session.options import SessionOptions
from ...transport.base import Endpoint
from ..kit.dialing import Dialer
from .errors import ERRORS, ArgumentError
from .headers import with_own
from .protocol import PageClient
from .protocol_graphql import StakeGraphQLClient
from .url import origin_of

__all__ = ["Delays", "Wire", "checked_delay", "endpoint_of", "protocol_of"]

Wire: TypeAlias = Literal["page", "graphql"]


def endpoint_of(
    wire: Wire, uri: str, token: Secret | None, own: Mapping[str, Secret], dialer: Dialer
) -> Endpoint:
    """Where to connect, the token with the handshake on either wire."""
    ours = {"Origin": origin_of(uri)}
    if token:
        ours["x-access-token"] = token.reveal()
    subprotocols = ("graphql-transport-ws",) if wire == "graphql" else ()
    return Endpoint(url=uri, headers=with_own(ours, own), subprotocols=subprotocols, **dialer.endpoint)


def protocol_of(
    wire: Wire, token: Secret | None, init_payload: Mapping[str, Any], options: SessionOptions
) -> ClientProtocol:
    """A protocol for one connection of the session with those options."""
    if wire == "page":
        return PageClient(options.clock.monotonic)
    payload = {"language": "en", **init_payload}
    if token:
        payload["accessToken"] = token
    return StakeGraphQLClient(
        anonymous=options.credentials is None,
        init_payload=payload,
        ping_interval=options.ping_interval,
        ping_timeout=options.ping_timeout,
        retryable=lambda errors: ERRORS.of_graphql(errors, status=200).retryable,
    )


@dataclass(frozen=True, slots=True)
class Delays(RetryPolicy):
    """The waits of the page's two attributes, without end: none is longer than `bound()` says when it begins.

    `first()` is what the bound began with: no outage of a socket that served us makes it less.
    """

    max_attempts: int | None = None
    bound: Callable[[], float] = field(kw_only=True)
    first: Callable[[], float] = field(kw_only=True)

    def delay(
        self,
        attempts: int,
        *,
        retry_after: float | None = None,
        lasted: float | None = None,
        fraction: RandomFraction = random,
    ) -> float:
        """Seconds to wait now; the attributes count the attempts."""
        ceiling: float = self.bound()
        if lasted is not None and self.jitter:
            ceiling = min(ceiling, max(self.first(), lasted))
        wait = ceiling * (fraction() if self.jitter else 1.0)
        return wait if retry_after is None else max(0.0, retry_after) + wait


def checked_delay(name: str, seconds: Any) -> float:
    """One of the page's two attributes. Raises ArgumentError that names it."""
    if type(seconds) not in (int, float) or not 0 < seconds <= 86_400:
        raise ArgumentError(name, seconds, "seconds above 0, up to 86400")
    return float(seconds)

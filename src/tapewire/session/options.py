"""What a session is made of, and its figures: frozen values."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from random import random
from typing import Any, TypeAlias

import msgspec

from ..arguments import check_function, check_seconds
from ..clock import Clock, SystemClock, check_clock
from ..errors import ConfigurationError
from ..protocols.base import ClientProtocol
from ..retry import NEVER_GIVE_UP, RandomFraction, RetryPolicy, check_retry
from ..secrets import Secret
from ..transport import default_connector
from ..transport.base import Connector, Endpoint, check_connector
from .credentials import Credentials
from .subscriptions import Topic

__all__ = ["ErrorHook", "SessionOptions", "Statistics", "SubscriptionStatistics", "state_of"]

ErrorHook: TypeAlias = Callable[[BaseException, Any], Any]
"""Called with an exception and what it is about, or None."""


class SessionOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How a session behaves. Seconds throughout.

    `endpoint(token)` and `protocol(token)` are called anew for each connection, with the token that
    `credentials` gave (None without credentials). `retry` is the outage's policy, `resubscribe` each topic's
    own. `supervise`: where the venue forbids to come back or refuses the credentials, do not give up but ask
    for a fresh token and try again at this policy's pace, with an ERROR in the log each time (None: give up,
    and raise it in everything that waits). `stable_after`: how long a connection must last before an outage
    counts as over, and a topic before its own refusals do. `connect_timeout`: how long the first connection may take,
    with all its tries, before the session fails with NeverConnected (None: it tries on); later ones have no such limit,
    nor has a session with `supervise`. `ping_interval` None: no WebSocket pings. `strict`: an exception of a handler
    ends its subscription. `pause_limit`: how long policy `block` may stop the reading; keep it below half of the
    venue's own deadline. `on_state` is told each new state, and must not block. `admit` is awaited before each attempt
    to connect: a budget that sessions share. `relocate` is asked what to do with a topic that this connection
    is too full for; True where it was taken elsewhere (a pool sets both).
    `errors` makes of each error that a subscription raises or tells what its user gets: one of a tree of the owner's.
    """

    endpoint: Callable[[Secret | None], Endpoint]
    protocol: Callable[[Secret | None], ClientProtocol]
    credentials: Credentials | None = None
    connector: Connector = msgspec.field(default_factory=default_connector)
    name: str = "session"
    retry: RetryPolicy = NEVER_GIVE_UP
    resubscribe: RetryPolicy = RetryPolicy(max_attempts=None, initial_backoff=0.5, max_backoff=20.0)
    supervise: RetryPolicy | None = None
    stable_after: float = 10.0
    connect_timeout: float | None = 30.0
    greeting_timeout: float = 10.0
    subscribe_timeout: float = 10.0
    request_timeout: float = 10.0
    close_timeout: float = 2.0
    ping_interval: float | None = 10.0
    ping_timeout: float = 5.0
    pause_limit: float = 4.0
    strict: bool = False
    on_error: ErrorHook | None = None
    on_state: Callable[[str], None] | None = None
    admit: Callable[[], Awaitable[None]] | None = None
    relocate: Callable[[Topic], bool] | None = None
    errors: Callable[[BaseException], BaseException] | None = None
    clock: Clock = msgspec.field(default_factory=SystemClock)
    fraction: RandomFraction = random

    def __post_init__(self) -> None:
        for name, takes in (
            ("endpoint", 1),
            ("protocol", 1),
            ("on_state", 1),
            ("relocate", 1),
            ("errors", 1),
        ):
            check_function(name, getattr(self, name), takes, plain=True)
        check_function("on_error", self.on_error, 2)
        check_function("admit", self.admit, 0)
        for name in (
            "stable_after",
            "greeting_timeout",
            "subscribe_timeout",
            "request_timeout",
            "close_timeout",
            "ping_timeout",
            "pause_limit",
        ):
            check_seconds(name, getattr(self, name))
        check_retry("retry", self.retry)
        check_retry("resubscribe", self.resubscribe)
        if self.supervise is not None:
            check_retry("supervise", self.supervise)
        check_clock("clock", self.clock)
        check_connector("connector", self.connector)
        if self.resubscribe.max_attempts is not None:
            allowed = (
                "a policy with max_attempts=None: a topic is asked for until it is left or finally refused"
            )
            raise ConfigurationError("resubscribe", self.resubscribe, allowed)
        if self.connect_timeout is not None:
            check_seconds("connect_timeout", self.connect_timeout)
        if self.ping_interval is not None:
            check_seconds("ping_interval", self.ping_interval)
            if self.ping_timeout > self.ping_interval:
                raise ConfigurationError("ping_timeout", self.ping_timeout, "at most ping_interval")


class SubscriptionStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """Figures of one subscription. Counters count since it was made."""

    topic: str
    state: str
    policy: str
    buffered: int
    delivered: int
    dropped: int
    marks: int
    unseen_marks: int
    """Marks that a handler without `on_mark` was not told of (each was logged)."""
    handler_errors: int
    undecodable: int


class Statistics(msgspec.Struct, frozen=True, kw_only=True):
    """Figures of a session, or of all that a pool or a client has, for logs, metrics and screens.

    Reading them changes nothing and costs no lock. Counters count since it was made; times are seconds. Of several
    sessions they are what `of` makes of those in `sessions`.
    """

    name: str
    state: str
    connections: int
    reconnections: int
    publications: int
    reads: int
    subscriptions: int
    confirmed: int
    pending_requests: int
    undecodable: int
    stale: int
    handler_errors: int
    marks: int
    dropped: int
    since_heard: float | None
    """Seconds since anything was read on the present connection; None without one. Of several the longest."""
    heartbeat_rtt: float | None
    """The protocol's last heartbeat round trip, where it has one. Of several the longest."""
    last_error: str
    """Of several that of the first session that has one; each has its own in `sessions`."""
    details: tuple[SubscriptionStatistics, ...] = ()
    """Of each subscription."""
    sessions: tuple[Statistics, ...] = ()
    """Of each session, where these figures are of a pool or a client; empty in those of one session."""

    @classmethod
    def of(cls, name: str, sessions: Iterable[Statistics]) -> Statistics:
        """The figures of all of `sessions` as one value: counters are summed, `state` is `state_of` theirs."""
        parts = tuple(sessions)
        sums = {field: sum(getattr(part, field) for part in parts) for field in _COUNTERS}
        heard = [part.since_heard for part in parts if part.since_heard is not None]
        trips = [part.heartbeat_rtt for part in parts if part.heartbeat_rtt is not None]
        return cls(
            name=name,
            state=state_of(part.state for part in parts),
            since_heard=max(heard, default=None),
            heartbeat_rtt=max(trips, default=None),
            last_error=next((part.last_error for part in parts if part.last_error), ""),
            details=tuple(detail for part in parts for detail in part.details),
            sessions=parts,
            **sums,
        )


_COUNTERS = (
    "connections",
    "reconnections",
    "publications",
    "reads",
    "subscriptions",
    "confirmed",
    "pending_requests",
    "undecodable",
    "stale",
    "handler_errors",
    "marks",
    "dropped",
)
_OVER = ("closing", "failed", "closed")


def state_of(states: Iterable[str]) -> str:
    """One word for the states of several sessions: `new` where there is none, `up` where all that are not over are.

    Else the state of the first that is not over and not up. Where all are over: `closing`, else `failed` where one
    gave up, else `closed`.
    """
    known = tuple(states)
    living = [state for state in known if state not in _OVER]
    if living:
        return next((state for state in living if state != "up"), "up")
    return next((state for state in _OVER if state in known), "new")

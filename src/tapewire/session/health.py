"""Frozen figures of a session, for logs, metrics and screens. Reading them changes nothing and costs no lock."""

from __future__ import annotations

import msgspec

__all__ = ["Statistics", "SubscriptionStatistics"]


class SubscriptionStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """One subscription. Counters count since it was made."""

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
    """One session. Counters count since it was made; times are seconds."""

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
    """Seconds since anything was read on the present connection; None without one."""
    heartbeat_rtt: float | None
    """The protocol's last heartbeat round trip, where it has one."""
    last_error: str
    details: tuple[SubscriptionStatistics, ...] = ()

"""Marks: what a stream says about itself, as values between its publications.

Without a mark between two publications of one subscription nothing is missing between them. A consumer must treat
them so:

* `Reconnected`: the line broke and nothing was lost. Nothing to do.
* `Gap`: publications may be missing here. Whatever you built from the stream is no longer proven.
* `Resynced`: state was rebuilt from a snapshot; what follows is continuous with that snapshot.
* `Lagged`: your own buffer overflowed and its policy dropped publications. Consume faster, or choose another policy.
* `ContinuityChanged`: what a feed of a market is from here on (`tapewire.market`). Act on what is built only while it
  is live.

`since_ns` and `until_ns` are wall-clock nanoseconds of this machine: the last moment at which continuity was proven,
and the first at which it is again (0: not yet known).
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import msgspec

if TYPE_CHECKING:
    # In `typing` from Python 3.13 on; type checkers know it without the package.
    from typing_extensions import TypeIs

__all__ = [
    "ContinuityChanged",
    "ContinuityState",
    "Errored",
    "Gap",
    "GapReason",
    "Lagged",
    "Mark",
    "Reconnected",
    "Resynced",
    "Subscribed",
    "Subscribing",
    "Unsubscribed",
    "is_mark",
    "merge",
]

GapReason: TypeAlias = Literal[
    "connection lost",  # the line dropped and the protocol cannot replay
    "interrupted",  # the venue interrupted this one subscription
    "unrecovered",  # the protocol can replay, but the venue no longer had it
    "undecodable",  # a frame that may have belonged here could not be decoded
    "sequence",  # the venue's own numbering jumped
    "reseed failed",  # the snapshot that should have closed a gap could not be had
    "superseded",  # the subscription was replaced at the venue by somebody else's
]


class ContinuityState(StrEnum):
    """What a feed of a market is worth now. Each is also the text of its value."""

    SYNCING = "syncing"  # asked for; nothing is proven yet
    LIVE = "live"  # whole and current: the only state to act on
    STALE = "stale"  # nothing is known to be missing, but it may be old: the line is down, or it fell silent
    GAP = "gap"  # something is missing, or may be, and nothing makes good for it yet
    RESYNCING = "resyncing"  # it is being rebuilt from a snapshot
    ENDED = "ended"  # nothing more comes


class _Mark(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    pass


class Reconnected(_Mark, frozen=True, kw_only=True):
    """The line broke and came back; the venue replayed everything in between (`recovered` publications follow)."""

    since_ns: int
    until_ns: int
    recovered: int = 0


class Gap(_Mark, frozen=True, kw_only=True):
    """Publications may be missing here. `missed` is their exact number where the wire numbers them, else None."""

    reason: GapReason
    since_ns: int
    until_ns: int = 0
    missed: int | None = None
    detail: str = ""


class Resynced(_Mark, frozen=True, kw_only=True):
    """State was rebuilt. `snapshot` is what the venue's snapshot function returned; live publications follow it."""

    at_ns: int
    snapshot: Any = None


class Lagged(_Mark, frozen=True, kw_only=True):
    """`dropped` publications were discarded here by the buffer's own policy."""

    dropped: int
    policy: str = "drop_oldest"


class Subscribing(_Mark, frozen=True, kw_only=True):
    """The subscription is not served (any more) and is being asked for, for `reason`: what you know of it may be old.

    It comes when it is lost, not when it is back. Only where `announce` was asked for.
    """

    code: int | None = None
    reason: str = ""


class Subscribed(_Mark, frozen=True, kw_only=True):
    """The venue confirmed it. Only where `announce` was asked for; the marks that follow say the same of continuity.

    `was_recovering`: a position was given; `recovered`: all since then is replayed. `reply`: the venue's answer.
    """

    was_recovering: bool = False
    recovered: bool = False
    reply: Any = None


class Errored(_Mark, frozen=True, kw_only=True):
    """Something about the subscription failed and its state did not change: what failed is tried again.

    The venue refused it for now, or its own token could not be had or was not taken. Only where `announce` was asked
    for.
    """

    code: int | None = None
    reason: str = ""


class Unsubscribed(_Mark, frozen=True, kw_only=True):
    """It ended and is not asked for again. Only where `announce` was asked for."""

    code: int | None = None
    reason: str = ""


class ContinuityChanged(_Mark, frozen=True, kw_only=True):
    """From here on the feed is `state`, for `reason`; it was `before`. Only feeds of a market say so.

    `missed`: how many publications are missing, None where nobody can say. `at_ns`: when it was noticed.
    """

    state: ContinuityState
    before: ContinuityState
    at_ns: int
    reason: str = ""
    missed: int | None = None


Mark: TypeAlias = (
    Reconnected
    | Gap
    | Resynced
    | Lagged
    | Subscribing
    | Subscribed
    | Errored
    | Unsubscribed
    | ContinuityChanged
)


MARK_KINDS: frozenset[type[Any]] = frozenset(_Mark.__subclasses__())
"""For what looks at every message: `item.__class__ in MARK_KINDS` is `is_mark` without its call."""


def is_mark(item: object) -> TypeIs[Mark]:
    """True if `item` of a stream is a mark and not a publication; type checkers then know which."""
    # `isinstance()` is several times dearer on a Struct, and this is asked per message.
    return item.__class__ in MARK_KINDS


def merge(first: Mark, second: Mark) -> Mark | None:
    """One mark that says what two adjacent ones say, or None where both must stand.

    Overflow merges marks and never drops one: two lags add up, two gaps become the wider gap with the first reason,
    the later snapshot or state replaces the earlier. Marks of two kinds both stand: a `Gap` says that state was lost,
    a `Resynced` behind it that it is back.
    """
    if first.__class__ is not second.__class__:
        return None
    if isinstance(first, ContinuityChanged) and isinstance(second, ContinuityChanged):
        reason, missed = (
            second.reason or first.reason,
            second.missed if first.missed is None else first.missed,
        )
        return msgspec.structs.replace(second, before=first.before, reason=reason, missed=missed)
    if isinstance(first, Lagged) and isinstance(second, Lagged):
        return Lagged(dropped=first.dropped + second.dropped, policy=first.policy)
    if isinstance(first, Gap) and isinstance(second, Gap):
        missed = None if first.missed is None or second.missed is None else first.missed + second.missed
        more = second.detail if second.reason == first.reason else f"then {second.reason}"
        detail = first.detail if more in first.detail else f"{first.detail}; {more}".lstrip("; ")
        return Gap(
            reason=first.reason,
            since_ns=min(first.since_ns, second.since_ns),
            until_ns=max(first.until_ns, second.until_ns) if second.until_ns else 0,
            missed=missed,
            detail=detail[:200],
        )
    if isinstance(first, Reconnected) and isinstance(second, Reconnected):
        return Reconnected(
            since_ns=first.since_ns, until_ns=second.until_ns, recovered=first.recovered + second.recovered
        )
    return second

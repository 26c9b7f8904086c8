"""How each of the sandbox's faults is played on one stream of any venue: part of `check_venue`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

__all__ = ["PLAYS", "Play"]


class Play(msgspec.Struct, frozen=True, kw_only=True):
    """One fault. `params`, and with `of_topic`, `of_connection` the line's own: what it is ordered with.

    `cut`: the line is reset, and things happen that it does not carry, before or after the fault is ordered. `breaks`:
    the client has to leave its line. `lasts`: it is lifted in the end. `needs_numbers`: only numbers show what it does.
    `silences`: where the venue answers no join, the channel stays quiet until the next line. `seconds`: how long it may
    take until it is met. `arguments`: what the client is made with.
    """

    params: Mapping[str, Any] = {}
    of_topic: bool = False
    of_connection: bool = False
    cut: Literal["", "before", "after"] = ""
    breaks: bool = False
    lasts: bool = False
    needs_numbers: bool = False
    silences: bool = False
    seconds: float = 0.0
    arguments: Mapping[str, Any] = {}


_BREAKS: Final = Play(breaks=True)
_AFTER: Final = Play(cut="after", breaks=True)
_MANGLES: Final = Play(needs_numbers=True)

PLAYS: Final[Mapping[str, Play]] = {
    "close": Play(params={"code": 1001, "reason": "for a check"}, breaks=True),
    "abort": _BREAKS,
    "half_open": _BREAKS,
    "dead_uplink": _BREAKS,
    "dead_downlink": _BREAKS,
    "drain": _BREAKS,
    "idle_close": _BREAKS,
    "drip": Play(params={"interval": 1}, breaks=True),
    "oversized": Play(params={"size": 1_100_000}, arguments={"max_size": 1_000_000}, breaks=True),
    "binary": Play(),
    "mute": Play(needs_numbers=True, lasts=True),
    "mute_heartbeats": Play(lasts=True, seconds=2.0),
    "expire_tokens": _AFTER,
    "refuse_tokens": Play(params={"times": 2}, cut="after", breaks=True),
    "crash_channel": Play(of_topic=True),
    "close_channel": Play(of_topic=True),
    "prune_history": Play(cut="before", breaks=True),
    "new_epoch": Play(of_topic=True),
    "insufficient_state": Play(),
    "duplicate_recovered": _AFTER,
    "burst": Play(params={"count": 200}),
    "refuse_join": Play(params={"times": 2}, cut="after", breaks=True),
    "refuse_rejoin": Play(params={"times": 2}, cut="after", breaks=True),
    "late_places": Play(params={"seconds": 0.3}, cut="after", breaks=True),
    "small_queue": Play(params={"size": 900, "times": 1_000}, cut="before", breaks=True, lasts=True),
    "ignore_join": Play(params={"times": 1}, cut="after", breaks=True, silences=True),
    "slow_join": Play(params={"seconds": 0.3}, cut="after", breaks=True),
    "channel_limit": Play(params={"count": 1}, cut="after", breaks=True),
    "http_429": Play(params={"retry_after": 0.3}, cut="after", breaks=True),
    "socket_429": Play(params={"retry_after": 0.3, "times": 2}, cut="after", breaks=True),
    "unavailable": Play(params={"status": 502, "times": 3}, cut="after", breaks=True),
    "refuse_http": _AFTER,
    "hang_http": Play(params={"seconds": 0.3}, cut="after", breaks=True),
    "ignore_pongs": Play(of_connection=True, breaks=True, seconds=2.0),
    "skip": _MANGLES,
    "stale_snapshot": _AFTER,
    "reject_subscriptions": _AFTER,
    "skew": Play(params={"seconds": 60}, cut="after", breaks=True, lasts=True),
    "duplicate": _MANGLES,
    "reorder": _MANGLES,
    "malformed": Play(),
}
"""Every fault of a stream, by its name. `slow_close` is one of the end: that `close()` is bounded shows it."""

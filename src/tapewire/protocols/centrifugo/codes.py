"""What the numbers of Centrifugo mean: errors, unsubscribe codes, disconnect codes. Pure tables and pure functions.

A disconnect arrives as a WebSocket close code with a plain reason, or as a push with the same number. Both mean the
same here. Source: centrifugal/centrifuge `errors.go`, `unsubscribe.go`, `disconnect.go`, and its official clients.
"""

from __future__ import annotations

from types import MappingProxyType

import msgspec

__all__ = [
    "DISCONNECTS",
    "ERRORS",
    "UNSUBSCRIBES",
    "CloseMeaning",
    "close_meaning",
    "is_temporary",
    "resubscribes",
]

PERMISSION_DENIED = 103
METHOD_NOT_FOUND = 104
ALREADY_SUBSCRIBED = 105
LIMIT_EXCEEDED = 106
BAD_REQUEST = 107
NOT_AVAILABLE = 108
TOKEN_EXPIRED = 109
UNRECOVERABLE_POSITION = 112

INSUFFICIENT_STATE = 2500
SUBSCRIPTION_EXPIRED = 2501
STATE_INVALIDATED = 2502

EXPIRED = 3005
SLOW = 3008
NO_PONG = 3012
ALL_STATE_INVALIDATED = 3014
BAD_REQUEST_DISCONNECT = 3501
STALE = 3502
MESSAGE_TOO_BIG = 1009

ERRORS = MappingProxyType(
    {
        100: "internal server error",
        101: "unauthorized",
        102: "unknown channel",
        103: "permission denied",
        104: "method not found",
        105: "already subscribed",
        106: "limit exceeded",
        107: "bad request",
        108: "not available",
        109: "token expired",
        110: "expired",
        111: "too many requests",
        112: "unrecoverable position",
        113: "concurrent pagination",
    }
)
"""Errors in replies. 400 to 1999 are an application's own."""

_TEMPORARY = frozenset({100, 111, 113})

UNSUBSCRIBES = MappingProxyType(
    {2000: "server unsubscribe", 2500: "insufficient state", 2501: "expired", 2502: "state invalidated"}
)
"""Codes of an unsubscribe push: below 2500 the server means it, from 2500 on it expects us back."""

DISCONNECTS = MappingProxyType(
    {
        3000: "connection closed",
        3001: "shutdown",
        3004: "internal server error",
        3005: "connection expired",
        3006: "subscription expired",
        3008: "slow",
        3009: "write error",
        3010: "insufficient state",
        3011: "force reconnect",
        3012: "no pong",
        3013: "too many requests",
        3014: "state invalidated",
        3500: "invalid token",
        3501: "bad request",
        3502: "stale",
        3503: "force disconnect",
        3504: "connection limit",
        3505: "channel limit",
        3506: "inappropriate protocol",
        3507: "permission denied",
        3508: "not available",
        3509: "too many errors",
    }
)
"""Codes of a disconnect, on the wire as WebSocket close codes."""


class CloseMeaning(msgspec.Struct, frozen=True):
    """What the end of a connection asks of us.

    `terminal`: the server forbids to come back. `unauthorized`: come back with a fresh token. `resets_positions`: no
    saved position holds any more. `shrinks`: come back with less at once (see `Pacing.shrink`).
    """

    code: int
    reason: str
    terminal: bool = False
    unauthorized: bool = False
    resets_positions: bool = False
    shrinks: bool = False


def close_meaning(code: int, reason: str = "") -> CloseMeaning:
    """What a disconnect code, or a WebSocket close code, asks of us. A missing reason is filled in."""
    return CloseMeaning(
        code,
        reason[:200] or DISCONNECTS.get(code, "no reason given"),
        terminal=3500 <= code < 4000 or 4500 <= code < 5000,
        unauthorized=code in (EXPIRED, TOKEN_EXPIRED, ALL_STATE_INVALIDATED),
        resets_positions=code == ALL_STATE_INVALIDATED,
        shrinks=code in (SLOW, MESSAGE_TOO_BIG),
    )


def is_temporary(code: int, temporary: bool = False) -> bool:
    """True where the same command may succeed later: the server says so, or the code does."""
    return temporary or code < 100 or code in _TEMPORARY


def resubscribes(code: int) -> bool:
    """True where an unsubscribe push with `code` expects us to subscribe again. An absent code is 0: it does not."""
    return code >= 2500


def error_text(code: int, message: str) -> str:
    """What an error reply says, bounded; an absent message is filled in."""
    return message[:200] or ERRORS.get(code, f"error {code}")

"""The bytes that every contender reads: varied Phoenix V2 market updates, all of one size, over fifty topics. Pure.

Broadcasts as a Phoenix server sends them, `[null, null, topic, event, payload]`, so that the same bytes fit every
client whatever refs it joined with. Seeded: every run and every contender sees the same frames.
"""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Mapping

__all__ = [
    "FRAMES",
    "SIZE",
    "STAMP",
    "STAMP_DIGITS",
    "TOPICS",
    "frame_of",
    "make_messages",
    "stamped",
    "with_join_ref",
]

FRAMES = 2_000
"""How many different messages are sent, over and over."""

SIZE = 388
"""Bytes of each message, without its WebSocket header."""

TOPICS = tuple(f"orderbook:{number:02}" for number in range(50))
"""Fixed in width, so that the stamp always stands in the same place."""

EVENT = "market_updated"
STAMP_DIGITS = 19
STAMP = len(f'[null,null,"{TOPICS[0]}","{EVENT}",{{"sent_at":"')
"""Where the digits of `sent_at` stand in each message."""

_TOPIC = len('[null,null,"')
_HEADER = struct.Struct("!BBH")


def make_messages(count: int = FRAMES, seed: int = 388) -> list[bytes]:
    """`count` messages of SIZE bytes each, the topics in an order without a pattern."""
    chance = random.Random(seed)
    return [_message(chance, number) for number in range(count)]


def frame_of(message: bytes) -> bytes:
    """One whole unmasked text frame, as a server sends it."""
    assert 126 <= len(message) < 65_536
    return _HEADER.pack(0x81, 126, len(message)) + message


def stamped(message: bytes, now_ns: int) -> bytes:
    """The message with the time it is sent at, in nanoseconds of the monotonic clock."""
    return b"%b%0*d%b" % (message[:STAMP], STAMP_DIGITS, now_ns, message[STAMP + STAMP_DIGITS :])


def with_join_ref(message: bytes, join_refs: Mapping[str, str]) -> bytes:
    """The message as a push to one client instead of a broadcast: with the ref it joined the topic with, padded."""
    topic = message[_TOPIC : _TOPIC + len(TOPICS[0])].decode()
    quoted = b'"%b"' % join_refs[topic].encode()
    assert len(quoted) <= len(b"null"), "a ref of at most two digits"
    return b"[" + quoted.ljust(len(b"null")) + message[1 + len(b"null") :]


def _message(chance: random.Random, number: int) -> bytes:
    def levels(best: int, step: int) -> list[dict[str, str]]:
        return [
            {"price": f"{(best + step * depth) / 100:.2f}", "quantity": f"{chance.randrange(1, 90) * 5}.00"}
            for depth in range(3)
        ]

    middle = chance.randrange(10, 90)
    payload = {
        "sent_at": "0" * STAMP_DIGITS,
        "market_id": f"{chance.randrange(10**9):09}",
        "version": number,
        "bids": levels(middle, -1),
        "offers": levels(middle + 1, 1),
        "title": "",
    }
    frame = [None, None, chance.choice(TOPICS), EVENT, payload]
    payload["title"] = "x" * (SIZE - len(_encoded(frame)))
    encoded = _encoded(frame)
    assert len(encoded) == SIZE, "the fields leave no room for a title"
    return encoded


def _encoded(frame: object) -> bytes:
    return json.dumps(frame, separators=(",", ":")).encode()

"""The bytes that every contender reads: varied Phoenix V2 market updates, all of one size, over fifty topics. Pure.

Broadcasts as a Phoenix server sends them, `[null, null, topic, event, payload]`, so that the same bytes fit every
client whatever refs it joined with. Seeded: every run and every contender sees the same frames.
"""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Mapping, Sequence

__all__ = [
    "FRAMES",
    "SIZE",
    "TOPICS",
    "frame_of",
    "make_messages",
    "with_join_ref",
]

FRAMES = 2_000
"""How many different messages are sent, over and over."""

SIZE = 388
"""Bytes of each message, without its WebSocket header."""

TOPICS = tuple(f"orderbook:{number:02}" for number in range(50))

EVENT = "market_updated"
_TOPIC = len('[null,null,"')
_HEADER = struct.Struct("!BBH")


def make_messages(count: int = FRAMES, seed: int = 388, topics: Sequence[str] = TOPICS) -> list[bytes]:
    """`count` messages of SIZE bytes each, the topics in an order without a pattern."""
    chance = random.Random(seed)
    return [_message(chance, number, topics) for number in range(count)]


def frame_of(message: bytes) -> bytes:
    """One whole unmasked text frame, as a server sends it."""
    if len(message) < 126:
        return bytes((0x81, len(message))) + message
    assert len(message) < 65_536
    return _HEADER.pack(0x81, 126, len(message)) + message


def with_join_ref(message: bytes, join_refs: Mapping[str, str]) -> bytes:
    """The message as a push to one client instead of a broadcast: with the ref it joined the topic with, padded."""
    topic = message[_TOPIC : _TOPIC + len(TOPICS[0])].decode()
    quoted = b'"%b"' % join_refs[topic].encode()
    assert len(quoted) <= len(b"null"), "a ref of at most two digits"
    return b"[" + quoted.ljust(len(b"null")) + message[1 + len(b"null") :]


def _message(chance: random.Random, number: int, topics: Sequence[str]) -> bytes:
    def levels(best: int, step: int) -> list[dict[str, str]]:
        return [
            {"price": f"{(best + step * depth) / 100:.2f}", "quantity": f"{chance.randrange(1, 90) * 5}.00"}
            for depth in range(3)
        ]

    middle = chance.randrange(10, 90)
    payload = {
        "sent_at": "0" * 19,
        "market_id": f"{chance.randrange(10**9):09}",
        "version": number,
        "bids": levels(middle, -1),
        "offers": levels(middle + 1, 1),
        "title": "",
    }
    frame = [None, None, chance.choice(topics), EVENT, payload]
    payload["title"] = "x" * (SIZE - len(_encoded(frame)))
    encoded = _encoded(frame)
    assert len(encoded) == SIZE, "the fields leave no room for a title"
    return encoded


def _encoded(frame: object) -> bytes:
    return json.dumps(frame, separators=(",", ":")).encode()

"""The truth of what was published: per topic, in order, written before anything is encoded or a fault touches it.

An entry belongs to its topic, whoever is subscribed. What a receiver got is compared with it by `digest_of` the
payload: canonical JSON, so key order and spacing do not matter. Consecutive payloads of a topic are never the same (the
faces stamp them), so that a missing or doubled message shows. Replies and snapshots answer one socket and stand in no
topic's stream: they are not entered.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict, deque
from collections.abc import Iterator
from typing import Any

import msgspec

from ..errors import ConfigurationError

__all__ = ["LEDGER_CAPACITY", "Entry", "Ledger", "digest_of"]

LEDGER_CAPACITY = 20_000
"""Entries kept per topic; the oldest are evicted, and counted."""

LEDGER_TOPICS = 2_000
"""Topics kept; the one longest unpublished is evicted whole."""

_encode = msgspec.json.Encoder(order="deterministic").encode


def digest_of(payload: Any) -> str:
    """Sixteen hexadecimal digits that two payloads share only if they say the same."""
    return hashlib.blake2b(_encode(payload), digest_size=8).hexdigest()


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One publication. `sequence` counts from 1 within its topic; `body` is the payload as canonical JSON."""

    sequence: int
    venue: str
    topic: str
    event: str
    published_at_ns: int
    body: bytes

    @property
    def payload(self) -> Any:
        """The payload, decoded anew: yours to change."""
        return msgspec.json.decode(self.body)

    @property
    def digest(self) -> str:
        """`digest_of(self.payload)`."""
        return hashlib.blake2b(self.body, digest_size=8).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """The entry as the admin endpoint gives it."""
        return {
            "sequence": self.sequence,
            "venue": self.venue,
            "topic": self.topic,
            "event": self.event,
            "published_at_ns": self.published_at_ns,
            "digest": self.digest,
            "payload": msgspec.Raw(self.body),
        }


class _Topic:
    __slots__ = ("entries", "sequence")

    def __init__(self, capacity: int) -> None:
        self.sequence = 0
        self.entries: deque[Entry] = deque(maxlen=capacity)


class Ledger:
    """All publications of all venues of one sandbox, bounded. `evicted` counts what is not here any more."""

    def __init__(self, capacity: int = LEDGER_CAPACITY, topics: int = LEDGER_TOPICS) -> None:
        if capacity < 1 or topics < 1:
            raise ConfigurationError("capacity", min(capacity, topics), "1 or more")
        self._capacity = capacity
        self._max_topics = topics
        self._topics: OrderedDict[tuple[str, str], _Topic] = OrderedDict()
        self.evicted = 0
        self.published = 0

    def append(self, venue: str, topic: str, event: str, payload: Any, now_ns: int) -> Entry:
        """Enter a publication. Do it before it is encoded, and send what the entry says."""
        stream = self._stream(venue, topic)
        stream.sequence += 1
        entry = Entry(stream.sequence, venue, topic, event, now_ns, _encode(payload))
        if len(stream.entries) == self._capacity:
            self.evicted += 1
        stream.entries.append(entry)
        self.published += 1
        return entry

    def since(self, topic: str, sequence: int = 0, *, venue: str | None = None) -> list[Entry]:
        """The entries of a topic with a higher sequence, in order; those evicted are missing at the front.

        `venue` is needed where two venues have a topic of that name, else ConfigurationError.
        """
        stream = self._find(topic, venue)
        if stream is None:
            return []
        return [entry for entry in stream.entries if entry.sequence > sequence]

    def last_sequence(self, topic: str, *, venue: str | None = None) -> int:
        """The sequence of the topic's latest entry; 0 where it has none."""
        stream = self._find(topic, venue)
        return stream.sequence if stream else 0

    def topics(self) -> list[tuple[str, str, int]]:
        """Venue, topic and last sequence of each topic."""
        return [(venue, topic, stream.sequence) for (venue, topic), stream in self._topics.items()]

    def __iter__(self) -> Iterator[Entry]:
        for stream in self._topics.values():
            yield from stream.entries

    def __repr__(self) -> str:
        return f"<Ledger published={self.published} topics={len(self._topics)} evicted={self.evicted}>"

    def _stream(self, venue: str, topic: str) -> _Topic:
        stream = self._topics.get((venue, topic))
        if stream is None:
            stream = self._topics[venue, topic] = _Topic(self._capacity)
            if len(self._topics) > self._max_topics:
                _, forgotten = self._topics.popitem(last=False)
                self.evicted += len(forgotten.entries)
        else:
            self._topics.move_to_end((venue, topic))
        return stream

    def _find(self, topic: str, venue: str | None) -> _Topic | None:
        if venue is not None:
            return self._topics.get((venue, topic))
        found = [key for key in self._topics if key[1] == topic]
        if len(found) > 1:
            raise ConfigurationError("venue", venue, sorted(key[0] for key in found))
        return self._topics[found[0]] if found else None

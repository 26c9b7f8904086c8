"""The truth of what was published: per topic, in order, written before anything is encoded or a fault touches it.

An entry belongs to its topic, whoever is subscribed. What a receiver got is compared with it by `digest_of` the
payload: canonical JSON, so key order and spacing do not matter. Consecutive payloads of a topic are never the same (the
faces stamp them), so that a missing or doubled message shows. Replies and snapshots answer one socket and stand in no
topic's stream: they are not entered.

It is bounded in bytes, over all topics: the oldest entry is forgotten first, in constant time. Whoever asks for entries
that are forgotten is told so: a ledger that silently gave less would make a stream look better than it was.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict, deque
from collections.abc import Iterator
from itertools import islice
from typing import Any

import msgspec

from ...errors import ConfigurationError

__all__ = ["LEDGER_BYTES", "LEDGER_TOPICS", "Entry", "Ledger", "digest_of"]

LEDGER_BYTES = 64 * 1024 * 1024
"""Bytes of all entries together, bodies and `ENTRY_OVERHEAD`; the oldest entries are forgotten, and counted."""

LEDGER_TOPICS = 2_000
"""Topics kept; of the one longest unpublished everything is forgotten, and whatever is older than that."""

ENTRY_OVERHEAD = 320
"""Bytes that an entry takes besides its body: the object, its numbers, its places in the queues."""

_encode = msgspec.json.Encoder(order="deterministic", decimal_format="number").encode


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

    def __init__(self) -> None:
        self.sequence = 0
        self.entries: deque[Entry] = deque()


class Ledger:
    """All publications of all venues of one sandbox, bounded. `evicted` counts what is not here any more."""

    def __init__(self, max_bytes: int = LEDGER_BYTES, topics: int = LEDGER_TOPICS) -> None:
        if max_bytes < 1 or topics < 1:
            name, value = ("max_bytes", max_bytes) if max_bytes < 1 else ("topics", topics)
            raise ConfigurationError(name, value, "1 or more")
        self._max_bytes = max_bytes
        self._max_topics = topics
        self._topics: OrderedDict[tuple[str, str], _Topic] = OrderedDict()
        self._order: deque[_Topic] = deque()  # the topic of each entry that is kept, the oldest first
        self.size: int = 0
        self.evicted: int = 0
        self.published: int = 0

    def append(self, venue: str, topic: str, event: str, payload: Any, now_ns: int) -> Entry:
        """Enter a publication. Do it before it is encoded, and send what the entry says."""
        stream = self._stream(venue, topic)
        stream.sequence += 1
        entry = Entry(stream.sequence, venue, topic, event, now_ns, _encode(payload))
        stream.entries.append(entry)
        self._order.append(stream)
        self.size += len(entry.body) + ENTRY_OVERHEAD
        self.published += 1
        while self.size > self._max_bytes and len(self._order) > 1:
            self._forget_oldest()
        return entry

    def since(self, topic: str, sequence: int | None = None, *, venue: str | None = None) -> list[Entry]:
        """The entries of a topic with a higher sequence, in order; without one, all that are kept.

        Costs what it returns. `venue` is needed where two venues have a topic of that name. Raises ConfigurationError
        without it, and for a sequence after which entries are forgotten already: `forgotten` says how far.
        """
        stream = self._find(topic, venue)
        forgotten, last = _extent(stream)
        if sequence is None:
            sequence = forgotten
        if not forgotten <= sequence <= last:
            older = f"; older entries of {topic!r} are forgotten" if sequence < forgotten else ""
            raise ConfigurationError("sequence", sequence, f"{forgotten} to {last}{older}")
        if stream is None or sequence == last:
            return []
        found = list(islice(reversed(stream.entries), last - sequence))
        found.reverse()
        return found

    def forgotten(self, topic: str, *, venue: str | None = None) -> int:
        """How many entries of the topic are forgotten: the lowest sequence that `since` takes."""
        return _extent(self._find(topic, venue))[0]

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
        if stream is not None:
            self._topics.move_to_end((venue, topic))
            return stream
        if len(self._topics) == self._max_topics:
            idle = next(iter(self._topics.values()))
            while idle.entries:
                self._forget_oldest()
            self._topics.popitem(last=False)
        stream = self._topics[venue, topic] = _Topic()
        return stream

    def _forget_oldest(self) -> None:
        entry = self._order.popleft().entries.popleft()
        self.size -= len(entry.body) + ENTRY_OVERHEAD
        self.evicted += 1

    def _find(self, topic: str, venue: str | None) -> _Topic | None:
        if venue is not None:
            return self._topics.get((venue, topic))
        found = [key for key in self._topics if key[1] == topic]
        if len(found) > 1:
            raise ConfigurationError("venue", venue, sorted(key[0] for key in found))
        return self._topics[found[0]] if found else None


def _extent(stream: _Topic | None) -> tuple[int, int]:
    """How many of its entries are forgotten, and the last one's sequence."""
    return (stream.sequence - len(stream.entries), stream.sequence) if stream is not None else (0, 0)

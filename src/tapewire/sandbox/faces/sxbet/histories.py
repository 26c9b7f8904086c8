"""What the played realtime server keeps for replay: which namespaces there are, and the history of each channel. Pure
but for the epochs, which are drawn by chance: a sandbox that was started anew must not look like the one before.

History is kept per channel, by count and for five minutes (sxbet.md 1.2). Over all channels it is kept within
`HISTORY_BYTES`, several times what the default rate fills: beyond them the channel that holds the most forgets its
oldest, so that no busy channel costs a quiet one its window. Of the later generation's namespaces no page says what
they keep: here they keep nothing. Whoever asks for recovery where nothing is kept is told that it had it, at offset 0,
as a real server tells it: `keeps_nothing`.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping

import msgspec
from msgspec import Raw

from ....protocols.centrifugo import ChannelHistory, NoHistory, Publication
from ...core.ledger import Entry

__all__ = ["NAMESPACES", "Histories", "Namespace"]

MAX_STREAMS = 2000
"""Channels whose history is kept; of the one longest unused it is forgotten, with its epoch."""

HISTORY_BYTES = 256 * 1024 * 1024
"""Bytes of all that can be replayed, over all channels; `PUBLICATION_OVERHEAD` counts, too."""

PUBLICATION_OVERHEAD = 480
"""Bytes that a publication takes in the history besides its data."""

WINDOW = 300.0


class Namespace(msgspec.Struct, frozen=True):
    """What channels of one name keep: so many publications, or none."""

    capacity: int = 0


NAMESPACES: Mapping[str, Namespace] = {
    "order_book": Namespace(5000),
    "recent_trades": Namespace(2000),
    "recent_trades_consolidated": Namespace(1000),
    "markets": Namespace(1000),
    "main_line": Namespace(500),
    "active_orders": Namespace(100),
    "fixtures": Namespace(100),
    "ce_refunds": Namespace(100),
    "best_odds": Namespace(),
    "parlay_markets": Namespace(),
    "orderbook_v3": Namespace(),
    "orderbook_v3_event": Namespace(),
    "best_odds_v3": Namespace(),
    "recent_trades_v3": Namespace(),
    "account": Namespace(),
}
"""Every namespace, by name."""


class _Stream:
    """One channel's log, and when each of its publications was made and how large it is."""

    def __init__(self, history: ChannelHistory) -> None:
        self.history = history
        self.bytes = 0
        self._kept: deque[tuple[float, int]] = deque()

    def add(self, at: float, size: int) -> None:
        """The log has one more; it may have dropped others for it."""
        self._kept.append((at, size))
        self.bytes += size
        self.match()

    def match(self) -> None:
        """Forget of what is not in the log any more."""
        while len(self._kept) > len(self.history):
            self.bytes -= self._kept.popleft()[1]

    def prune(self, keep: int) -> None:
        """Forget all but the last `keep`."""
        self.history.prune(keep)
        self.match()

    def expire(self, before: float) -> None:
        """Forget what was published until then."""
        fresh = len(self._kept)
        for at, _ in self._kept:
            if at > before:
                break
            fresh -= 1
        self.prune(fresh)


class Histories:
    """The streams. `window` is in seconds, as are all times; `max_bytes` bounds all streams together.

    `lost(channel)` is called when a history is forgotten or numbered anew: who listens has lost its place. It
    returns how many did.
    """

    def __init__(
        self,
        window: float = WINDOW,
        max_bytes: int = HISTORY_BYTES,
        lost: Callable[[str], int] = lambda channel: 0,
    ) -> None:
        self._window = window
        self._max_bytes = max_bytes
        self._lost = lost
        self.keeps_nothing = NoHistory(_new_epoch())
        self._bytes = 0
        self._streams: OrderedDict[str, _Stream] = OrderedDict()

    @staticmethod
    def namespace_of(channel: str) -> Namespace | None:
        """What its namespace keeps; None where there is no such namespace."""
        name, colon, rest = channel.partition(":")
        return NAMESPACES.get(name) if colon and rest else None

    def history_of(self, channel: str) -> ChannelHistory | None:
        """The channel's log, begun where there is none yet; None where its namespace keeps none."""
        namespace = self.namespace_of(channel)
        if namespace is None or not namespace.capacity:
            return None
        stream = self._streams.get(channel)
        if stream is not None:
            self._streams.move_to_end(channel)
            return stream.history
        history = ChannelHistory(size=namespace.capacity, ttl=self._window, epoch=_new_epoch())
        self._streams[channel] = _Stream(history)
        if len(self._streams) > MAX_STREAMS:
            forgotten, stream = self._streams.popitem(last=False)
            self._bytes -= stream.bytes
            self._lost(forgotten)
        return history

    def add(self, entry: Entry, message_id: str, now: float) -> Publication:
        """An entry of the ledger as it is pushed: numbered, and kept, where its channel has a history."""
        data, tags = Raw(entry.body), {"messageId": message_id}
        history = self.history_of(entry.topic)
        if history is None:
            return Publication(data, tags=tags)
        publication = history.publish(data, now, tags=tags)
        self._keep(self._streams[entry.topic], len(data) + PUBLICATION_OVERHEAD, now)
        return publication

    def expire(self, now: float) -> None:
        """Forget what is too old: a stream that publishes nothing does not do it by itself."""
        for stream in self._streams.values():
            self._bytes -= stream.bytes
            stream.expire(now - self._window)
            self._bytes += stream.bytes

    def _keep(self, stream: _Stream, size: int, now: float) -> None:
        self._bytes -= stream.bytes
        stream.add(now, size)
        self._bytes += stream.bytes
        while self._bytes > self._max_bytes:
            largest = max(self._streams.values(), key=lambda each: each.bytes)
            self._bytes -= largest.bytes
            largest.prune(len(largest.history) - 1)
            self._bytes += largest.bytes

    def prune(self, channel: str | None, keep: int) -> int:
        """Forget all but the last `keep` publications, of one channel or of each; returns of how many channels."""
        streams = self._chosen(channel)
        for stream in streams.values():
            self._bytes -= stream.bytes
            stream.prune(keep)
            self._bytes += stream.bytes
        return len(streams)

    def restart(self, channel: str | None) -> int:
        """Number one channel, or each, anew under another epoch; returns how many listeners lost their place."""
        lost = 0
        for name, stream in self._chosen(channel).items():
            self._bytes -= stream.bytes
            stream.history.restart(_new_epoch())
            stream.match()
            lost += self._lost(name)
        return lost

    def _chosen(self, channel: str | None) -> dict[str, _Stream]:
        return {name: stream for name, stream in self._streams.items() if channel in (None, name)}


def _new_epoch() -> str:
    return secrets.token_hex(4)

"""The channels of the played realtime server: which namespaces there are, what each keeps, who listens. Pure but for
the epochs, which are drawn by chance: a sandbox that was started anew must not look like the one before.

History is kept per channel, by count and for five minutes (sxbet.md 1.2), and within `HISTORY_BYTES` over all channels:
beyond them the oldest publications cannot be replayed, as on a server whose memory is short. Of the later generation's
namespaces no page says what they keep: here they keep nothing.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict, deque
from collections.abc import Iterator, Mapping
from typing import Protocol

import msgspec
from msgspec import Raw

from ...protocols.centrifugo import ChannelHistory, Publication
from ..ledger import Entry

__all__ = ["NAMESPACES", "Channels", "Namespace", "Subscriber"]

MAX_STREAMS = 2000
"""Channels whose history is kept; of the one longest unused it is forgotten, with its epoch."""

HISTORY_BYTES = 64 * 1024 * 1024
"""Bytes of what was published last that can be replayed, over all channels; `PUBLICATION_OVERHEAD` counts, too."""

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


class Subscriber(Protocol):
    """A socket, as channels see it."""

    def publish(self, channel: str, publication: Publication, entry: Entry) -> None:
        """Push a publication of a channel that it has subscribed to: what the ledger's entry says."""
        ...

    def end(self, channel: str, code: int) -> None:
        """Push that the subscription is over."""
        ...


class _Kept(msgspec.Struct, frozen=True, gc=False):
    """One publication that a stream may still hold."""

    at: float
    stream: ChannelHistory
    epoch: str
    offset: int
    size: int


class Channels:
    """Streams and subscribers. `window` is in seconds, as are all times; `max_bytes` bounds all streams together."""

    def __init__(self, window: float = WINDOW, max_bytes: int = HISTORY_BYTES) -> None:
        self._window = window
        self._max_bytes = max_bytes
        self._kept: deque[_Kept] = deque()
        self._kept_bytes = 0
        self._streams: OrderedDict[str, ChannelHistory] = OrderedDict()
        self._subscribers: dict[str, dict[Subscriber, None]] = {}

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
            return stream
        stream = ChannelHistory(size=namespace.capacity, ttl=self._window, epoch=_new_epoch())
        self._streams[channel] = stream
        if len(self._streams) > MAX_STREAMS:
            forgotten, _ = self._streams.popitem(last=False)
            self._end_all(forgotten)
        return stream

    def publish(self, entry: Entry, message_id: str, now: float) -> None:
        """Number and keep an entry of the ledger where that is done, and push it to whoever listens."""
        channel, data = entry.topic, Raw(entry.body)
        tags = {"messageId": message_id}
        history = self.history_of(channel)
        if history is None:
            publication = Publication(data, tags=tags)
        else:
            publication = history.publish(data, now, tags=tags)
            self._keep(history, len(data) + PUBLICATION_OVERHEAD, now)
        for subscriber in list(self._subscribers.get(channel, ())):
            subscriber.publish(channel, publication, entry)

    def expire(self, now: float) -> None:
        """Forget what is too old, and what is too much: a stream that publishes nothing does not do it by itself."""
        while self._kept and (self._kept_bytes > self._max_bytes or self._kept[0].at + self._window <= now):
            kept = self._kept.popleft()
            self._kept_bytes -= kept.size
            if (
                kept.epoch == kept.stream.epoch
            ):  # else it was numbered anew meanwhile, and holds nothing of it
                kept.stream.prune(kept.stream.offset - kept.offset)

    def _keep(self, stream: ChannelHistory, size: int, now: float) -> None:
        self._kept.append(_Kept(now, stream, stream.epoch, stream.offset, size))
        self._kept_bytes += size
        self.expire(now)

    def join(self, channel: str, subscriber: Subscriber) -> None:
        """It has subscribed."""
        self._subscribers.setdefault(channel, {})[subscriber] = None

    def leave(self, channel: str, subscriber: Subscriber) -> None:
        """It has left, or was made to."""
        subscribers = self._subscribers.get(channel, {})
        subscribers.pop(subscriber, None)
        if not subscribers:
            self._subscribers.pop(channel, None)

    def subscribed(self) -> Iterator[str]:
        """The channels that somebody listens to."""
        return iter(self._subscribers)

    def end(self, channel: str, code: int) -> int:
        """Unsubscribe whoever listens; returns how many."""
        return self._end_all(channel, code)

    def prune(self, channel: str | None, keep: int) -> int:
        """Forget all but the last `keep` publications, of one channel or of each; returns of how many channels."""
        streams = self._chosen(channel)
        for stream in streams.values():
            stream.prune(keep)
        return len(streams)

    def restart(self, channel: str | None) -> int:
        """Number one channel, or each, anew under another epoch; who listens loses its place. Returns how many did."""
        ended = 0
        for name, stream in self._chosen(channel).items():
            stream.restart(_new_epoch())
            ended += self._end_all(name)
        return ended

    def _chosen(self, channel: str | None) -> dict[str, ChannelHistory]:
        return {name: stream for name, stream in self._streams.items() if channel in (None, name)}

    def _end_all(self, channel: str, code: int = 2500) -> int:
        subscribers = list(self._subscribers.get(channel, ()))
        for subscriber in subscribers:
            subscriber.end(channel, code)
        return len(subscribers)


def _new_epoch() -> str:
    return secrets.token_hex(4)

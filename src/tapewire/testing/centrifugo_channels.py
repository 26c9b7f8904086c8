"""Channels of the scripted Centrifugo venue: a history each, over all connections, and a log of all that was said."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from ..protocols.base import StreamPosition
from ..protocols.centrifugo import ChannelHistory, NoHistory, Publication, Recovery
from ..protocols.centrifugo.frames import as_raw

__all__ = ["Channels"]


class _Doubled:
    """A history whose recovery brings each publication twice."""

    def __init__(self, history: ChannelHistory) -> None:
        self._history = history
        self.offset = history.offset
        self.top = history.top

    def recover(self, since: StreamPosition, now: float) -> Recovery:
        recovery = self._history.recover(since, now)
        twice = [publication for publication in recovery.publications for _ in range(2)]
        return Recovery(recovery.recovered, recovery.position, twice)


class Channels:
    """Histories by channel, made at their first use with `fields` of `ChannelHistory`; `logs` forgets nothing."""

    def __init__(self, **fields: Any) -> None:
        self.logs: defaultdict[str, list[Publication]] = defaultdict(list)
        self.without_history: set[str] = set()
        self.claiming: dict[str, NoHistory] = {}
        """Of those, the ones that answer the flags of recovery as if they kept something."""
        self.doubling = False
        """True until a recovery has brought each publication twice."""
        self._fields = fields
        self._histories: dict[str, ChannelHistory] = {}

    def history(self, channel: str) -> ChannelHistory | None:
        """The history of `channel`; None where it keeps none."""
        if channel in self.without_history:
            return None
        if channel not in self._histories:
            self._histories[channel] = ChannelHistory(epoch=f"{channel}-1", **self._fields)
        return self._histories[channel]

    def publish(self, channel: str, data: Any, tags: Mapping[str, str] | None, now: float) -> Publication:
        """Number one publication and keep it."""
        history = self.history(channel)
        if history is None:
            publication = Publication(as_raw("data", data, null=True), tags=dict(tags) if tags else None)
        else:
            publication = history.publish(data, now, tags=tags)
        self.logs[channel].append(publication)
        return publication

    def recovering(self, channel: str, since: StreamPosition | None, now: float) -> Any:
        """What a subscription is granted with: the history, or one that brings each publication twice."""
        history = self.history(channel)
        if channel in self.claiming:
            return self.claiming[channel]
        if history is None or since is None or not self.doubling:
            return history
        self.doubling = not history.recover(since, now).publications
        return _Doubled(history)

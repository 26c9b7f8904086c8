"""Which subscriptions are asked for, and when. Pure bookkeeping; it writes nothing itself.

Rules: at most one command per channel is under way, so that every answer is about the latest one; at most a window of
subscriptions is, and fewer of those that recover; the rest waits its turn. A subscription that is given up while it is
under way is left when its answer has come.
"""

from __future__ import annotations

from ..base import StreamPosition
from .commands import SubscribeRequest
from .pacing import Pacing

__all__ = ["Asked", "Subscribing"]


class Asked:
    """One wish: a request that waits, or that is under way. `given_up`: leave it when the answer has come.

    `since` is the position it goes on from, whether the request says so or not.
    """

    __slots__ = ("given_up", "request", "since", "successor")

    def __init__(self, request: SubscribeRequest, since: StreamPosition | None = None) -> None:
        self.request = request
        self.since = since
        self.given_up = False
        self.successor: Asked | None = None


class Subscribing:
    """Channels between wish and answer. A confirmed one is no longer here, except while it is being left."""

    def __init__(self, pacing: Pacing) -> None:
        self._pacing = pacing
        self._waiting: dict[str, Asked] = {}
        self._waiting_to_recover: dict[str, Asked] = {}
        self._under_way: dict[str, Asked] = {}
        self._recovering = 0
        self._leaving: dict[str, Asked | None] = {}

    def ask(self, asked: Asked) -> None:
        """It shall be subscribed to: now, or after what is under way for the same channel."""
        topic = asked.request.channel
        if topic in self._leaving:
            self._leaving[topic] = asked
        elif (current := self._under_way.get(topic)) is not None:
            current.given_up, current.successor = True, asked
        else:
            self._queue(asked)

    def give_up(self, topic: str) -> None:
        """It shall not be subscribed to. Does nothing where it is not asked for."""
        self._waiting.pop(topic, None)
        self._waiting_to_recover.pop(topic, None)
        if topic in self._leaving:
            self._leaving[topic] = None
        elif (current := self._under_way.get(topic)) is not None:
            current.given_up, current.successor = True, None

    def queued(self, topic: str) -> bool:
        """True while it is asked for and its command has not been handed out."""
        current = self._under_way.get(topic)
        return (
            topic in self._waiting
            or topic in self._waiting_to_recover
            or self._leaving.get(topic) is not None
            or (current is not None and current.successor is not None)
        )

    def due(self) -> list[Asked]:
        """What the windows let go now; it is under way from here on."""
        pacing, due = self._pacing, []
        while len(self._under_way) < pacing.subscribe_window:
            if self._waiting_to_recover and self._recovering < pacing.recovering_window:
                queue = self._waiting_to_recover
            elif self._waiting:
                queue = self._waiting
            else:
                break
            asked = queue.pop(next(iter(queue)))
            self._under_way[asked.request.channel] = asked
            self._recovering += asked.request.recover
            due.append(asked)
        return due

    def answered(self, topic: str) -> Asked | None:
        """The answer to what is under way has come. None where nothing is."""
        asked = self._under_way.pop(topic, None)
        if asked is not None:
            self._recovering -= asked.request.recover
        return asked

    def refused(self, asked: Asked) -> None:
        """A given-up one was refused: there is nothing to leave, its successor may go."""
        if asked.successor is not None:
            self._queue(asked.successor)

    def leave(self, topic: str, successor: Asked | None = None) -> None:
        """An unsubscribe goes out; `successor` after its answer."""
        self._leaving[topic] = successor

    def left(self, topic: str) -> None:
        """The unsubscribe was answered."""
        successor = self._leaving.pop(topic, None)
        if successor is not None:
            self._queue(successor)

    def is_leaving(self, topic: str) -> bool:
        """True while an unsubscribe is under way."""
        return topic in self._leaving

    @property
    def recovering(self) -> dict[str, StreamPosition | None]:
        """What is asked for with all that was missed and not answered: channels, and since when."""
        return {topic: asked.since for topic, asked in self._under_way.items() if asked.request.recover}

    @property
    def waiting(self) -> int:
        """Subscriptions whose command has not been handed out."""
        return len(self._waiting) + len(self._waiting_to_recover)

    @property
    def under_way(self) -> int:
        """Subscriptions asked for and not answered."""
        return len(self._under_way)

    def _queue(self, asked: Asked) -> None:
        topic = asked.request.channel
        self._waiting.pop(topic, None)
        self._waiting_to_recover.pop(topic, None)
        (self._waiting_to_recover if asked.request.recover else self._waiting)[topic] = asked

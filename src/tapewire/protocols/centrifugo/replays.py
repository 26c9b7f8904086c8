"""How much of each channel may be asked for at once, learned from what ended a connection. Pure.

What was missed comes in one answer, of a recovery or of a page of history. One that is larger than the server's queue
for us ends the connection (3008), as does one larger than we take (1009); asked for the same way, it ends the next one
too, and every other channel's with it. Rules:

* A channel whose replay was under way then is not recovered any more but paged, an eighth of the size before at once.
* Where it alone was under way, its replay has failed. After `MAX_FAILED` failures of one position that channel goes on
  without what it missed, and says so; no other one is harmed.
* A channel of which something came without a number proves nothing by its numbers.

One object lives as long as the session: it is part of `Pacing`, which all connections share.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..base import StreamPosition

__all__ = ["MAX_FAILED", "PAGE", "Replays"]

PAGE = 1000
"""Publications asked for at once where nothing is known; a server that gives fewer cuts it down in silence."""

SHRINK = 8
"""What a page is divided by where it was too large."""

MAX_FAILED = 4
"""Failed replays of one position before it is given up: a recovery, and pages of 125, 15 and 1."""

MAX_KNOWN = 10_000
"""Channels remembered; the oldest is forgotten first."""


class _Known:
    __slots__ = ("failures", "page", "position", "unnumbered")

    def __init__(self) -> None:
        self.page = PAGE
        self.failures = 0
        self.position: StreamPosition | None = None
        self.unnumbered = False


class Replays:
    """What is known of single channels. Nothing is, of most."""

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}

    def page(self, topic: str) -> int:
        """The largest page of `topic` that may be asked for."""
        known = self._known.get(topic)
        return PAGE if known is None else known.page

    def is_whole(self, topic: str) -> bool:
        """True where a recovery may bring all at once."""
        return self.page(topic) == PAGE

    def is_given_up(self, topic: str, position: StreamPosition | None) -> bool:
        """True where what came since `position` has been asked for in vain too often."""
        known = self._known.get(topic)
        return known is not None and known.failures >= MAX_FAILED and known.position == position

    def is_numbered(self, topic: str) -> bool:
        """False where the numbers of `topic` do not count everything."""
        known = self._known.get(topic)
        return known is None or not known.unnumbered

    def saw_unnumbered(self, topic: str) -> None:
        """A publication of a channel with a position had no number."""
        self._of(topic).unnumbered = True

    def too_large(self, under_way: Iterable[tuple[str, StreamPosition | None]]) -> None:
        """The connection ended over what was under way: channels, and the positions they were to go on from."""
        blamed = dict(under_way)
        for topic, position in blamed.items():
            known = self._of(topic)
            known.page = max(1, known.page // SHRINK)
            if known.position != position:
                known.position, known.failures = position, 0
            known.failures += len(blamed) == 1

    def _of(self, topic: str) -> _Known:
        known = self._known.get(topic)
        if known is None:
            if len(self._known) >= MAX_KNOWN:
                del self._known[next(iter(self._known))]
            known = self._known[topic] = _Known()
        return known

"""Which connections and topics have fallen silent. Pure: `now` is an argument, in seconds.

Rules: each is heard or followed at some moment, and is stale when its own limit has passed since; a topic is lively or
quiet, each kind with its limit, or has one of its own. A topic that is heard proves its connection. Each change is told
once: `Stale`, later `Live`. A look that comes late (a suspended machine, a blocked loop) judges nothing: what lies in
the sockets is read first, for `GRACE` seconds.
"""

from __future__ import annotations

import heapq
import math
from typing import Final, Literal, TypeAlias

import msgspec

from ..errors import ConfigurationError

__all__ = ["GRACE", "LATE", "MOST_FOLLOWED", "Live", "Stale", "Staleness"]

LATE: Final = 1.0
"""A look that comes this many seconds behind `next_look` judges nothing."""

GRACE: Final = 1.0
"""Seconds to read what lies in the sockets, after a late look."""

MOST_FOLLOWED: Final = 100_000
"""Connections and topics that one `Staleness` follows at most."""

_SLACK = 64

Kind: TypeAlias = Literal["connection", "topic"]


class Stale(msgspec.Struct, frozen=True, kw_only=True):
    """`name` has been silent for `silent` seconds, which is its `limit` or more.

    `connection_stale`, of a topic: its connection is silent too. So False means that the line is well and the topic
    has nothing to say, or is no longer served.
    """

    kind: Kind
    name: str
    silent: float
    limit: float
    connection_stale: bool = False


class Live(msgspec.Struct, frozen=True, kw_only=True):
    """`name` was stale and is heard again, after `silent` seconds of silence."""

    kind: Kind
    name: str
    silent: float


class _Followed:
    __slots__ = ("connection", "forgotten", "heard_at", "is_stale", "kind", "limit", "name")

    def __init__(
        self, kind: Kind, name: str, limit: float, now: float, connection: _Followed | None = None
    ) -> None:
        self.kind: Kind = kind
        self.name = name
        self.limit = limit
        self.heard_at = now
        self.connection = connection
        self.is_stale = self.forgotten = False


class Staleness:
    """Call `heard...` for what arrives, and `look` when `next_look` has come. Limits in seconds.

    `lively`: the limit of a usual topic. `quiet`: of one that was followed with `quiet=True`. `connection`: of a
    connection. Raises ConfigurationError.
    """

    def __init__(self, *, lively: float, quiet: float | None = None, connection: float | None = None) -> None:
        self.lively: float = _checked("lively", lively)
        self.quiet: float = self.lively if quiet is None else _checked("quiet", quiet)
        self.connection: float = self.lively if connection is None else _checked("connection", connection)
        self._topics: dict[str, _Followed] = {}
        self._connections: dict[str, _Followed] = {}
        self._due: list[tuple[float, int, _Followed]] = []  # one entry for each that is live
        self._serial = 0
        self._news: list[Live] = []  # at most one of each that is followed: only a look makes stale
        self._judge_from = -math.inf
        self._expected: float | None = None

    # --- what is followed ---------------------------------------------------------------------------------------------

    def follow_connection(self, name: str, now: float, *, limit: float | None = None) -> None:
        """Follow a connection from `now` on. One that is followed already begins anew."""
        self._follow(
            self._connections, "connection", name, now, self.connection if limit is None else limit, None
        )

    def follow(
        self,
        topic: str,
        now: float,
        *,
        connection: str | None = None,
        quiet: bool = False,
        limit: float | None = None,
    ) -> None:
        """Follow a topic from `now` on; `connection`: the name of the one that brings it, which is followed already."""
        line = None if connection is None else self._known(self._connections, "connection", connection)
        usual = self.quiet if quiet else self.lively
        self._follow(self._topics, "topic", topic, now, usual if limit is None else limit, line)

    def forget(self, topic: str) -> None:
        """Follow a topic no longer. Nothing more is said of it."""
        _forget(self._topics.pop(topic, None))
        self._compact()

    def forget_connection(self, name: str) -> None:
        """Follow a connection no longer; its topics stand alone from then on."""
        line = self._connections.pop(name, None)
        _forget(line)
        for topic in self._topics.values():
            if topic.connection is line:
                topic.connection = None
        self._compact()

    # --- what is heard ------------------------------------------------------------------------------------------------

    def heard(self, topic: str, now: float) -> bool:
        """A publication of `topic` arrived. True where a `look` would now tell of something that is live again."""
        followed = self._known(self._topics, "topic", topic)
        line = followed.connection
        if line is not None:
            self._hear(line, now)
        self._hear(followed, now)
        return bool(self._news)

    def heard_connection(self, name: str, now: float, *, ago: float = 0.0) -> bool:
        """Anything arrived on the connection `name`, if only a pong, `ago` seconds before. True as with `heard`."""
        line = self._known(self._connections, "connection", name)
        # What is said of a time before it fell silent revives nothing.
        if not line.is_stale or ago < line.limit:
            self._hear(line, now - ago)
        return bool(self._news)

    # --- what is to be told -------------------------------------------------------------------------------------------

    @property
    def next_look(self) -> float | None:
        """When to `look` again, unless something is heard before; None: nothing can become stale."""
        if self._news:
            return -math.inf
        self._skip_forgotten()
        if not self._due:
            self._expected = None
            return None
        self._expected = max(self._due[0][0], self._judge_from)
        return self._expected

    def look(self, now: float) -> list[Stale | Live]:
        """What changed since the last look: each change once, connections before their topics."""
        told: list[Stale | Live] = [news for news in self._news if self._is_followed(news)]
        self._news.clear()
        expected, self._expected = self._expected, None
        if expected is not None and now - expected > LATE and self._judge_from < expected:
            self._judge_from = now + GRACE  # but never twice in a row
        if now >= self._judge_from:
            self._judge_from = -math.inf
            told += self._fallen_silent(now)
        return told

    @property
    def stale(self) -> frozenset[str]:
        """The topics that are stale, by the last look."""
        return frozenset(name for name, topic in self._topics.items() if topic.is_stale)

    @property
    def stale_connections(self) -> frozenset[str]:
        """The connections that are stale, by the last look."""
        return frozenset(name for name, line in self._connections.items() if line.is_stale)

    @property
    def shortest_connection_limit(self) -> float:
        """Of the connections that are followed."""
        return min((line.limit for line in self._connections.values()), default=self.connection)

    def __repr__(self) -> str:
        stale = len(self.stale) + len(self.stale_connections)
        return f"<Staleness topics={len(self._topics)} connections={len(self._connections)} stale={stale}>"

    # --- inside -------------------------------------------------------------------------------------------------------

    def _follow(
        self,
        among: dict[str, _Followed],
        kind: Kind,
        name: str,
        now: float,
        limit: float,
        line: _Followed | None,
    ) -> None:
        _checked("limit", limit)
        earlier = among.pop(name, None)
        if earlier is None and len(self._topics) + len(self._connections) >= MOST_FOLLOWED:
            raise ConfigurationError(kind, name, f"no more than {MOST_FOLLOWED} are followed")
        _forget(earlier)
        among[name] = followed = _Followed(kind, name, limit, now, line)
        if earlier is not None and kind == "connection":
            for topic in self._topics.values():
                if topic.connection is earlier:
                    topic.connection = followed
        self._schedule(followed)
        self._compact()

    def _hear(self, followed: _Followed, now: float) -> None:
        if followed.is_stale:
            followed.is_stale = False
            silent = now - followed.heard_at
            self._news.append(Live(kind=followed.kind, name=followed.name, silent=silent))
            followed.heard_at = now
            self._schedule(followed)
        elif now > followed.heard_at:
            followed.heard_at = now

    def _fallen_silent(self, now: float) -> list[Stale | Live]:
        fallen: list[_Followed] = []
        while self._due and self._due[0][0] <= now:
            followed = heapq.heappop(self._due)[2]
            if followed.forgotten:
                continue
            if followed.heard_at + followed.limit > now:
                self._schedule(followed)  # heard since: at most once in its limit
            else:
                followed.is_stale = True
                fallen.append(followed)
        fallen.sort(key=lambda followed: followed.kind)  # "connection" comes first, as the words happen to be
        return [
            Stale(
                kind=followed.kind,
                name=followed.name,
                silent=now - followed.heard_at,
                limit=followed.limit,
                connection_stale=followed.connection is not None and followed.connection.is_stale,
            )
            for followed in fallen
        ]

    def _is_followed(self, news: Live) -> bool:
        return news.name in (self._connections if news.kind == "connection" else self._topics)

    def _known(self, among: dict[str, _Followed], kind: Kind, name: str) -> _Followed:
        followed = among.get(name)
        if followed is None:
            raise ConfigurationError(kind, name, "one that is followed; follow it first")
        return followed

    def _schedule(self, followed: _Followed) -> None:
        self._serial += 1
        heapq.heappush(self._due, (followed.heard_at + followed.limit, self._serial, followed))

    def _skip_forgotten(self) -> None:
        while self._due and self._due[0][2].forgotten:
            heapq.heappop(self._due)

    def _compact(self) -> None:
        if len(self._due) > 2 * (len(self._topics) + len(self._connections)) + _SLACK:
            self._due = [entry for entry in self._due if not entry[2].forgotten]
            heapq.heapify(self._due)


def _forget(followed: _Followed | None) -> None:
    if followed is not None:
        followed.forgotten = True


def _checked(argument: str, seconds: float) -> float:
    if type(seconds) not in (int, float) or not 0 < seconds < math.inf:
        raise ConfigurationError(argument, seconds, "a number of seconds above 0")
    return seconds

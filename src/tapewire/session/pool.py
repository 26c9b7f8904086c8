"""Many sessions as one, for more topics than one connection may hold.

Rules: a topic lives on one session; a session takes at most `capacity` topics, below what the venue allows, so that
there is headroom; a topic refused because its connection is full moves to another session, with its parameters, its
position, its open gap and whoever waits for it. Credentials and the budget of connections are shared and injected:
sessions never make them. Sessions are opened one after the other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self

import msgspec

from ..errors import ConfigurationError, SessionClosed, TapewireError, fresh_copy
from ..protocols.base import StreamPosition
from .options import SessionOptions, Statistics, state_of
from .session import Session
from .subscription import Subscription
from .subscriptions import Topic

__all__ = ["Pool"]


_LEFT_KEPT = 100
"""Topics of a session that were left or ended and may still be in its record."""


class _Shard:
    __slots__ = ("capacity", "opening", "session", "topics")

    def __init__(self, session: Session, capacity: int) -> None:
        self.session = session
        self.capacity = capacity
        self.topics: dict[str, tuple[Subscription, ...]] = {}
        self.opening: asyncio.Task[None] | None = None

    @property
    def usable(self) -> bool:
        """False once its session is over."""
        return not self.session.is_over

    def forget_ended(self) -> list[str]:
        """Topics that were left or ended make room again; returns them."""
        ended: list[str] = []
        if len(self.topics) <= self.session.topics:
            return ended  # each of them is wanted
        for topic, consumers in list(self.topics.items()):
            consumers = tuple(consumer for consumer in consumers if consumer.state != "unsubscribed")
            self.topics[topic] = consumers
            if not consumers:
                del self.topics[topic]
                ended.append(topic)
        return ended


class Pool:
    """Use it like a session: `async with Pool(make_options) as pool: pool.subscribe(...)`.

    `make_options(number)` gives the options of the session with that number, from 1; share one `Credentials` among
    them. `capacity`: topics per session. `max_sessions`: beyond it `subscribe` raises ConfigurationError. `admit` is
    awaited before every attempt of every session to connect: the budget of the account or the address. `one_end`: where
    one session has given up, no other is made beside it until `open` is called again: its error is raised instead.
    """

    def __init__(
        self,
        make_options: Callable[[int], SessionOptions],
        *,
        capacity: int = 480,
        max_sessions: int = 64,
        admit: Callable[[], Awaitable[None]] | None = None,
        one_end: bool = False,
    ) -> None:
        if not 1 <= capacity <= 100_000:
            raise ConfigurationError("capacity", capacity, "1 to 100000 topics a session")
        if not 1 <= max_sessions <= 10_000:
            raise ConfigurationError("max_sessions", max_sessions, "1 to 10000")
        self._make_options = make_options
        self._capacity = capacity
        self._max_sessions = max_sessions
        self._admit = admit
        self._one_end = one_end
        self._shards: list[_Shard] = []
        self._by_topic: dict[str, _Shard] = {}
        self._opened = self._closed = False
        self._one_at_a_time = asyncio.Lock()
        self._changed = asyncio.Event()  # a session was made, or the pool closed

    @property
    def sessions(self) -> tuple[Session, ...]:
        """The sessions there are, in the order in which they were made."""
        return tuple(shard.session for shard in self._shards)

    @property
    def usable(self) -> bool:
        """False once every session is over. True before there is one."""
        shards = self._shards
        return not shards or shards[-1].usable or any(shard.usable for shard in shards)

    async def open(self) -> None:
        """Open the first session and any that subscriptions made already. Raises what a session's `open` raises.

        Where every session is over, a new one is opened; SessionClosed where the pool is closed.
        """
        if self._closed:
            raise SessionClosed("the pool is closed")
        self._opened = True
        if not any(shard.usable for shard in self._shards):
            self._shards.clear()  # whoever opens it again has been told why the last one gave up
            self._new_shard()
        # Now: an eager task may have failed at once.
        usable = [shard for shard in self._shards if shard.usable]
        for shard in self._shards:
            self._start(shard)
        openings = [shard.opening for shard in usable if shard.opening is not None]
        # Shielded: a wait that is cancelled leaves the sessions to open for the next one who waits.
        await asyncio.gather(*map(asyncio.shield, openings))

    async def close(self) -> None:
        """Close every session. Bounded in time, idempotent."""
        self._closed = True
        self._changed.set()
        openings = [shard.opening for shard in self._shards if shard.opening is not None]
        await asyncio.gather(*(shard.session.close() for shard in self._shards))
        await asyncio.gather(*openings, return_exceptions=True)

    async def __aenter__(self) -> Self:
        try:
            await self.open()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def run_forever(self) -> None:
        """Wait until the pool is closed. Raises what the first `run_forever` of a session raises.

        Sessions may come and go meanwhile: one that its owner closes by itself ends nothing.
        """
        waits: dict[Session, asyncio.Future[Any]] = {}
        changed: asyncio.Future[Any] | None = None
        try:
            while True:
                sessions = self.sessions
                for session, wait in tuple(waits.items()):
                    if wait.done():
                        wait.result()
                        if session not in sessions:
                            del waits[session]
                for session in sessions:
                    if session not in waits:
                        waits[session] = asyncio.ensure_future(session.run_forever())
                pending = [wait for wait in waits.values() if not wait.done()]
                if self._closed and not pending:
                    return
                self._changed.clear()
                changed = asyncio.ensure_future(
                    self._changed.wait()
                )  # a session made meanwhile may give up too
                await asyncio.wait({*pending, changed}, return_when=asyncio.FIRST_COMPLETED)
                changed.cancel()
        finally:
            for wait in [*waits.values(), *([] if changed is None else [changed])]:
                wait.cancel()

    def subscribe(
        self, topic: str, params: Any = None, *, position: StreamPosition | None = None, **fields: Any
    ) -> Subscription:
        """As `Session.subscribe`, on the session that has the topic or has room. May be called before `open`.

        `into`: the consumer may span topics of several sessions.
        """
        if self._closed:
            raise SessionClosed("the pool is closed")
        shard = self._shard_for(topic)
        subscription = shard.session.subscribe(topic, params, position=position, **fields)
        others = (known for known in shard.topics.get(topic, ()) if not known.ended)
        shard.topics[topic] = (*others, subscription)
        self._by_topic[topic] = shard
        if len(shard.topics) > 2 * shard.session.topics + _LEFT_KEPT:
            self._forget_ended(shard)
        if self._opened:
            self._start(shard)
        return subscription

    def session_of(self, topic: str) -> Session:
        """The session that serves `topic`: push and request there. Raises ConfigurationError where nobody does."""
        shard = self._by_topic.get(topic)
        if shard is not None:
            return shard.session
        raise ConfigurationError("topic", topic, "one that is subscribed")

    @property
    def state(self) -> str:
        """One word for the states of all sessions: `new` without one, `up` where all that are not over are."""
        return state_of(session.state for session in self.sessions)

    def statistics(self) -> Statistics:
        """Frozen figures of all sessions together, with those of each in `sessions`."""
        return Statistics.of("pool", (session.statistics() for session in self.sessions))

    def __repr__(self) -> str:
        topics = sum(len(shard.topics) for shard in self._shards)
        up = sum(shard.session.connected for shard in self._shards)
        return f"<Pool topics={topics} sessions={up}/{len(self._shards)}>"

    # --- inside -----------------------------------------------------------------------------------------------------

    def _shard_for(self, topic: str, besides: _Shard | None = None) -> _Shard:
        known = self._by_topic.get(topic)
        if known is not None and known is not besides and known.usable:
            return known
        for shard in reversed(self._shards):  # the newest has room most often
            if shard is not besides and len(shard.topics) < shard.capacity and shard.usable:
                return shard
        for shard in self._shards:
            if shard is besides or not shard.usable:
                continue
            self._forget_ended(shard)
            if len(shard.topics) < shard.capacity:
                return shard
        return self._new_shard()

    def _forget_ended(self, shard: _Shard) -> None:
        for topic in shard.forget_ended():
            del self._by_topic[topic]

    def _new_shard(self) -> _Shard:
        # A session that its owner closed by itself holds no place. One that gave up does: `run_forever` raises it.
        for shard in self._shards:
            if self._one_end and shard.session.state == "failed":
                raise fresh_copy(shard.session.last_error or SessionClosed())
        self._shards = [shard for shard in self._shards if shard.session.state != "closed"]
        if len(self._shards) >= self._max_sessions:
            raise ConfigurationError("max_sessions", self._max_sessions, "more, for so many topics")
        options = self._make_options(len(self._shards) + 1)

        def relocate(topic: Topic) -> bool:
            return self._relocate(shard, topic)

        session = Session(
            msgspec.structs.replace(options, relocate=relocate, admit=self._admit or options.admit)
        )
        shard = _Shard(session, self._capacity)
        self._shards.append(shard)
        self._changed.set()
        return shard

    def _start(self, shard: _Shard) -> None:
        if shard.opening is None:
            shard.session.expect_open()
            task = asyncio.get_running_loop().create_task(self._open(shard), name="tapewire pool opening")
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
            shard.opening = task

    async def _open(self, shard: _Shard) -> None:
        async with self._one_at_a_time:
            await shard.session.open()

    def _relocate(self, shard: _Shard, topic: Topic) -> bool:
        """The venue says that `shard` is full: it takes no more than it has, and `topic` goes elsewhere.

        One that serves nothing else, and is asked for nothing else, is not full: it is `topic` that the venue has no
        room for, here or anywhere. Nor is one that may ask for nothing more: it is connected anew.
        """
        if not shard.session.serves_besides(topic):
            return False
        consumers = shard.topics.pop(topic.name, ())
        shard.capacity = min(shard.capacity, len(shard.topics))
        try:
            target = self._shard_for(topic.name, besides=shard)
        except TapewireError:
            shard.topics[topic.name] = consumers
            return False  # nowhere to go: the refusal stands
        target.topics[topic.name] = (*target.topics.get(topic.name, ()), *consumers)
        self._by_topic[topic.name] = target
        target.session.adopt(shard.session.release(topic), topic)
        self._start(target)
        return True

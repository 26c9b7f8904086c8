"""One connection of a session: the hot path. A transport reports to it; the driver owns it.

`received` is one turn a read. The order inside is a promise: the protocol parses the whole read and answers control;
its answers go out; then publications go to their routes and events to the driver, in the order of the wire; then what
those called back. Nothing here is done per message that a read can do once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Literal

import msgspec

from ..errors import BufferOverflow, ConnectionLost
from ..payload import Payload
from ..protocols.base import ClientProtocol, Failed
from ..reporting import is_worth_a_line
from ..transport.base import Transport
from .loop import BLOCKED_SECONDS, Loop
from .subscription import Subscription

__all__ = ["Backpressure", "Connection", "Liveness"]

MESSAGE_TOO_BIG = 1009

logger = logging.getLogger("tapewire.session")


class Liveness:
    """Whether the connection is alive, judged by WebSocket pings. Pure: `now` is an argument, in seconds.

    Rules: a ping every `interval` seconds, and its pong within `timeout` seconds; else the connection is dead and is to
    be aborted, not politely closed. Only a pong is a pong: data that still comes in proves the way in, while the ping
    and everything else that we send may get nowhere. A protocol's own heartbeat is judged by the protocol; both must
    hold.

    Call `heard` once per read and `ponged` for a pong; ask `handle_timer` when `next_deadline` has passed.
    """

    __slots__ = ("_interval", "_ping_at", "_pinged_at", "_timeout", "heard_at", "next_deadline")

    def __init__(self, now: float, interval: float | None, timeout: float) -> None:
        self.heard_at = now
        self._interval = interval
        self._timeout = timeout
        self._pinged_at: float | None = None
        self._ping_at = now + (interval or 0.0)
        self.next_deadline: float | None = None if interval is None else self._ping_at
        """When to ask `handle_timer`; None while nothing is judged. Asked for at each turn, and seldom another."""

    def heard(self, now: float) -> None:
        """Something was read: the stream was whole until `now`. It proves nothing about what we send."""
        self.heard_at = now

    def ponged(self, now: float) -> None:
        """The peer answered: the line lives in both directions. Also where nothing was read on purpose, until `now`."""
        self.heard_at = now
        self._pinged_at = None
        self.next_deadline = None if self._interval is None else self._ping_at

    def stop(self) -> None:
        """The verdict was given: nothing is judged any more."""
        self._interval = self.next_deadline = None

    def handle_timer(self, now: float) -> Literal["ping", "dead"] | None:
        """What to do at `now`: send a ping, abort the transport, or nothing yet."""
        if self._interval is None:
            return None
        if self._pinged_at is not None:
            return "dead" if now >= self._pinged_at + self._timeout else None
        if now >= self._ping_at:
            self._pinged_at = now
            self._ping_at = now + self._interval
            self.next_deadline = now + self._timeout
            return "ping"
        return None


class Connection:
    """A transport's receiver. Once it is dropped, nothing that it reports counts.

    `routes` takes publications by topic, `on_event` the protocol's events between them, `on_lost` the transport's end
    before there is a protocol and the verdict of the pings, `on_failed` what the protocol makes of an end.
    """

    __slots__ = (
        "_blocked",
        "_loop",
        "_on_event",
        "_on_failed",
        "_on_lost",
        "_rest",
        "_routes",
        "dropped",
        "liveness",
        "paused",
        "protocol",
        "publications",
        "reads",
        "ready",
        "serves",
        "transport",
    )

    def __init__(
        self,
        loop: Loop,
        *,
        routes: Mapping[str, Callable[[Any], None]],
        on_event: Callable[[Any], None],
        on_failed: Callable[[Failed], None],
        on_lost: Callable[[ConnectionLost], None],
        ping_interval: float | None,
        ping_timeout: float,
    ) -> None:
        self._loop = loop
        self._routes = routes
        self._on_event = on_event
        self._on_failed = on_failed
        self._on_lost = on_lost
        self.transport: Transport | None = None
        self.protocol: ClientProtocol | None = None
        self.liveness = Liveness(loop.now(), ping_interval, ping_timeout)
        self.reads = self.publications = 0
        self._blocked = 0
        self._rest: Iterator[Any] | None = None  # of the read that is being dispatched
        self.ready = False
        """True once the protocol is ready: subscriptions may be sent."""
        self.serves = False
        """True once the peer has confirmed a topic on it."""
        self.paused = False
        self.dropped = False

    # --- the transport's calls --------------------------------------------------------------------------------------

    def received(self, payloads: list[Payload]) -> None:
        self._loop.enter(partial(self._read, payloads))

    def _read(self, payloads: list[Payload]) -> None:
        loop, protocol = self._loop, self.protocol
        if protocol is None:  # not greeted yet, or dropped
            return
        now = loop.now()
        self.liveness.heard(now)
        self.reads += 1
        routes, on_event, count = self._routes, self._on_event, 0
        publication: type[Any] = protocol.publication
        try:
            self._rest = rest = iter(protocol.receive(payloads, now))
            self.flush()
            for item in rest:
                if item.__class__ is publication:
                    count += 1
                    route = routes.get(item.topic)
                    if route is not None:
                        route(item)
                else:
                    on_event(item)
                    if self.dropped:
                        break
        except Exception as error:  # a defect of ours must not end in silence
            loop.defect(error)
        finally:
            self._rest = None
            self.publications += count
        elapsed = loop.now() - now
        if elapsed > BLOCKED_SECONDS:
            self._blocked += 1
            if is_worth_a_line(self._blocked, 3):
                logger.warning(
                    "%s: inline handlers blocked the reader for %.2f s (no. %d of this connection)",
                    *(loop.name, elapsed, self._blocked),
                )

    def ponged(self) -> None:
        self.liveness.ponged(self._loop.now())

    def lost(self, error: ConnectionLost) -> None:
        if not self.dropped:
            self._loop.enter(partial(self._lost, error))

    def _lost(self, error: ConnectionLost) -> None:
        if self.dropped:
            return
        if self.protocol is None:
            self._on_lost(error)
        else:
            if error.ours and error.code == MESSAGE_TOO_BIG:
                self.protocol.too_big()
            # A code of ours is no word of the peer's: to the protocol the line was cut.
            failed = self.protocol.closed(1006 if error.ours else error.code, error.reason)
            self._on_failed(msgspec.structs.replace(failed, code=error.code))

    # --- the driver's calls -----------------------------------------------------------------------------------------

    def drop(self) -> None:
        """It counts no more: abort the transport."""
        self.dropped = True
        self.protocol = None
        if self.transport is not None:
            self.transport.abort()

    def rewind(self) -> None:
        """The line ends in the middle of a read: what was parsed and is not dispatched was never delivered."""
        if self.protocol is not None and self._rest is not None:
            self.protocol.rewind(list(self._rest))

    def flush(self) -> None:
        """Send what the protocol has to send."""
        if self.protocol is not None and self.transport is not None and not self.dropped:
            payloads = self.protocol.data_to_send()
            if payloads:
                self.transport.send(payloads)
                self.protocol.sent(self._loop.now())

    def next_deadline(self) -> float | None:
        """The next of the line's liveness and of the protocol; none while nothing is judged."""
        if self.dropped:
            return None
        liveness = None if self.paused else self.liveness.next_deadline
        protocol = None if self.protocol is None else self.protocol.next_deadline()
        if liveness is None or protocol is None:
            return liveness if protocol is None else protocol
        return min(liveness, protocol)

    def handle_timer(self, now: float) -> None:
        """Judge what is due. What was not heard while nothing was read is our own doing, and judged by nobody."""
        if not self.paused:
            verdict = self.liveness.handle_timer(now)
            if verdict == "ping" and self.transport is not None:
                self.transport.ping()
            elif verdict == "dead":
                self.liveness.stop()
                self._on_lost(ConnectionLost("a ping was not answered"))
                return
        protocol = self.protocol
        deadline = None if protocol is None else protocol.next_deadline()
        if protocol is not None and deadline is not None and deadline <= now:
            if self.paused:
                protocol.excuse(now)
            for event in protocol.handle_timer(now):
                if not self.dropped:
                    self._on_event(event)
            self.flush()

    def pause(self) -> None:
        """Stop reading: our own liveness is not judged meanwhile, and heartbeats still go out."""
        if not self.paused and self.transport is not None and not self.dropped:
            self.paused = True
            self.transport.pause_reading()

    def resume(self) -> None:
        """Read again; what was not heard meanwhile is our own doing."""
        if self.paused and self.transport is not None and not self.dropped:
            self.paused = False
            now = self._loop.now()
            self.liveness.ponged(now)
            if self.protocol is not None:
                self.protocol.excuse(now)
            self.transport.resume_reading()


class Backpressure:
    """Policy `block`: reading stops while a consumer of the session is full, and never for longer than the limit.

    Rules: our own liveness is not judged while nothing is read, and heartbeats still go out. Who has not made room
    within the limit ends with `BufferOverflow`, and reading goes on: the connection is worth more than one slow
    consumer. A lost connection gives nobody more time. A reply that somebody awaits is read (the handler that is too
    slow may be the one who awaits it), until a consumer holds `buffers.AWAITING_ROOM` more than its capacity.

    `fail(subscription, error)` ends one; `awaited()`: replies are waited for.
    """

    def __init__(
        self,
        loop: Loop,
        limit: float,
        *,
        connection: Callable[[], Connection | None],
        awaited: Callable[[], bool],
        fail: Callable[[Subscription, BaseException], None],
    ) -> None:
        self._loop = loop
        self._limit = limit
        self._connection = connection
        self._awaited = awaited
        self._fail = fail
        self._full: set[Subscription] = set()

    def __bool__(self) -> bool:
        """True while somebody is full."""
        return bool(self._full)

    def pause(self, subscription: Subscription) -> None:
        """It is full: stop reading until `resume`, or until the limit."""
        if subscription not in self._full:
            self._full.add(subscription)
            give_up = partial(self._give_up, subscription)
            self._loop.after(("unblock", subscription), self._limit, give_up)
        self.judge()

    def resume(self, subscription: Subscription) -> None:
        """It has room again; the last one that has lets the connection read."""
        self._full.discard(subscription)
        self._loop.timers.cancel(("unblock", subscription))
        self.judge()

    def judge(self) -> None:
        """Read, or do not: ask anew whenever somebody began or ceased to await a reply."""
        connection = self._connection()
        if connection is None:
            return
        if self._full and (not self._awaited() or any(each.buffer.is_brimful for each in self._full)):
            connection.pause()
        else:
            connection.resume()

    def _give_up(self, subscription: Subscription) -> None:
        """The limit is reached."""
        self.resume(subscription)
        self._fail(subscription, BufferOverflow(subscription.topic, subscription.delivery.capacity))

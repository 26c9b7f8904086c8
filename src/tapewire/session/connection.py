"""One connection of a session: the hot path. A transport reports to it; the driver owns it.

`received` is one turn a read. The order inside is a promise: the protocol parses the whole read and answers control;
its answers go out; then publications go to their routes and events to the driver, in the order of the wire; then what
those called back. Nothing here is done per message that a read can do once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import msgspec

from ..errors import ConnectionLost
from ..payload import Payload
from ..protocols.base import ClientProtocol, Failed
from ..transport.base import Transport
from .complaints import is_worth_a_line
from .liveness import Liveness
from .loop import Loop
from .stepping import BLOCKED_SECONDS

__all__ = ["Connection"]

MESSAGE_TOO_BIG = 1009

logger = logging.getLogger("tapewire.session")


class Connection:
    """A transport's receiver. Once it is dropped, nothing that it reports counts.

    `routes` takes publications by topic, `on_event` the protocol's events between them, `on_lost` the transport's end
    before there is a protocol and the verdict of the pings, `on_failed` what the protocol makes of an end.
    """

    __slots__ = (
        "_blocked",
        "_eventful",
        "_loop",
        "_on_event",
        "_on_failed",
        "_on_lost",
        "_rest",
        "_routes",
        "_settle",
        "dropped",
        "liveness",
        "paused",
        "protocol",
        "publications",
        "raised",
        "reads",
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
        self._eventful = False
        self._settle = self._settle_read
        self.raised = False
        """True once the protocol is ready: subscriptions may be sent."""
        self.paused = False
        self.dropped = False

    # --- the transport's calls --------------------------------------------------------------------------------------

    def received(self, payloads: list[Payload]) -> None:
        loop = self._loop
        if loop.in_turn:  # a transport that hands over while it is being called
            loop.enter(partial(self._read, payloads))
            return
        loop.begin()
        try:
            self._read(payloads)
        finally:
            loop.end(self._settle)

    def _read(self, payloads: list[Payload]) -> None:
        loop, protocol = self._loop, self.protocol
        if self.dropped or protocol is None:
            return
        now = loop.now()
        self.liveness.heard(now)
        self.reads += 1
        self._eventful = True
        try:
            items = protocol.receive(payloads, now)
            self.flush()
            self._eventful = self._dispatch(items, protocol.publication)
        except Exception as error:  # a defect of ours must not end in silence
            loop.defect(error)
        finally:
            self._rest = None
        elapsed = loop.now() - now
        if elapsed > BLOCKED_SECONDS:
            self._blocked += 1
            if is_worth_a_line(self._blocked, 3):
                logger.warning(
                    "%s: inline handlers blocked the reader for %.2f s (no. %d of this connection)",
                    *(loop.name, elapsed, self._blocked),
                )

    def _dispatch(self, items: list[Any], publication: type[Any]) -> bool:
        routes, on_event = self._routes, self._on_event
        count = 0
        self._rest = rest = iter(items)
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
        self.publications += count
        return count < len(items)

    def _settle_read(self) -> None:
        self.flush()
        protocol = self.protocol
        deadline = None if protocol is None else protocol.next_deadline()
        if self._eventful or deadline is None:
            self._loop.rearm()  # what was read may have set a timer
        else:
            self._loop.rearm_before(deadline)  # or called the next heartbeat

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

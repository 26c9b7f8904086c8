"""One connection of a session: the hot path. A transport reports to it; the driver owns it.

`received` is called once per read. The order inside is a promise: the protocol parses the whole read and answers
control; its answers go out; then publications go to their routes and events to the driver, in the order of the wire.
Nothing here is done per message that a read can do once.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from ..errors import ConnectionLost
from ..payload import Payload
from ..protocols.base import ClientProtocol
from ..transport.base import Transport
from .complaints import is_worth_a_line
from .liveness import Liveness
from .stepping import BLOCKED_SECONDS

if TYPE_CHECKING:
    from .driver import Driver

__all__ = ["Connection"]

MESSAGE_TOO_BIG = 1009

logger = logging.getLogger("tapewire.session")


class Connection:
    """A transport's receiver. Once the driver has another connection, nothing that this one reports counts."""

    __slots__ = (
        "_blocked",
        "_driver",
        "_rest",
        "liveness",
        "paused",
        "protocol",
        "raised",
        "reading",
        "transport",
    )

    def __init__(self, driver: Driver) -> None:
        options = driver.options
        self._driver = driver
        self.transport: Transport | None = None
        self.protocol: ClientProtocol | None = None
        self.liveness = Liveness(driver.now(), options.ping_interval, options.ping_timeout)
        self._blocked = 0
        self._rest: Iterator[Any] = iter(())  # of the read that is being dispatched
        self.raised = False
        """True once the protocol is ready: subscriptions may be sent."""
        self.reading = False
        """True while a read is being dispatched."""
        self.paused = False

    # --- the transport's calls --------------------------------------------------------------------------------------

    def received(self, payloads: list[Payload]) -> None:
        driver, protocol = self._driver, self.protocol
        if driver.connection is not self or protocol is None:
            return
        now = driver.now()
        self.liveness.heard(now)
        driver.reads += 1
        eventful = True
        try:
            items = protocol.receive(payloads, now)
            self.flush()
            self.reading = True
            eventful = self._dispatch(items, protocol.publication)
        except Exception as error:  # a defect of ours must not end in silence
            logger.exception("%s: a read could not be dispatched", driver.name)
            if driver.connection is self:
                driver.broken(ConnectionLost(f"a read could not be dispatched: {type(error).__name__}"))
        finally:
            self.reading = False
            driver.run_after_read()
        self.flush()
        if eventful or (deadline := protocol.next_deadline()) is None:
            driver.rearm()  # what was read may have set a timer
        else:
            driver.rearm_before(deadline)  # or called the next heartbeat
        elapsed = driver.now() - now
        if elapsed > BLOCKED_SECONDS:
            self._blocked += 1
            if is_worth_a_line(self._blocked, 3):
                logger.warning(
                    "%s: inline handlers blocked the reader for %.2f s (no. %d of this connection)",
                    *(driver.name, elapsed, self._blocked),
                )

    def _dispatch(self, items: list[Any], publication: type[Any]) -> bool:
        driver = self._driver
        routes = driver.topics.routes
        count = 0
        self._rest = rest = iter(items)
        for item in rest:
            if item.__class__ is publication:
                count += 1
                route = routes.get(item.topic)
                if route is not None:
                    route(item)
            else:
                driver.handle_event(item)
                if driver.connection is not self:
                    break
        driver.publications += count
        return count < len(items)

    def ponged(self) -> None:
        self.liveness.ponged(self._driver.now())

    def lost(self, error: ConnectionLost) -> None:
        if self._driver.connection is self:
            if self.protocol is None:
                self._driver.broken(error)
            else:
                if error.ours and error.code == MESSAGE_TOO_BIG:
                    self.protocol.too_big()
                # A code of ours is no word of the peer's: to the protocol the line was cut.
                failed = self.protocol.closed(1006 if error.ours else error.code, error.reason)
                self._driver.failed(msgspec.structs.replace(failed, code=error.code))

    # --- the driver's calls -----------------------------------------------------------------------------------------

    def rewind(self) -> None:
        """The line ends in the middle of a read: what was parsed and is not dispatched was never delivered."""
        if self.protocol is not None and self.reading:
            self.protocol.rewind(list(self._rest))

    def flush(self) -> None:
        """Send what the protocol has to send."""
        if self.protocol is not None and self.transport is not None:
            payloads = self.protocol.data_to_send()
            if payloads:
                self.transport.send(payloads)
                self.protocol.sent(self._driver.now())

    def deadlines(self) -> tuple[float | None, float | None]:
        """The next of the line's liveness and of the protocol."""
        liveness = None if self.paused else self.liveness.next_deadline
        return liveness, None if self.protocol is None else self.protocol.next_deadline()

    def handle_timer(self, now: float) -> None:
        """Judge what is due."""
        if not self.paused:
            verdict = self.liveness.handle_timer(now)
            if verdict == "ping" and self.transport is not None:
                self.transport.ping()
            elif verdict == "dead":
                self._driver.broken(ConnectionLost("a ping was not answered"))
                return
        protocol = self.protocol
        deadline = None if protocol is None else protocol.next_deadline()
        if protocol is not None and deadline is not None and deadline <= now:
            for event in protocol.handle_timer(now):
                if self._driver.connection is self:
                    self._driver.handle_event(event)
            self.flush()

    def pause(self) -> None:
        """Stop reading: our own liveness is not judged meanwhile, and heartbeats still go out."""
        if not self.paused and self.transport is not None:
            self.paused = True
            self.transport.pause_reading()

    def resume(self, now: float) -> None:
        """Read again; what was not heard meanwhile is our own doing."""
        if self.paused and self.transport is not None:
            self.paused = False
            self.liveness.ponged(now)
            self.transport.resume_reading()

"""What proves a topic's continuity, or says where it broke: routes, marks, holds, bridges. No task, timer or transport.

Each topic has one route, a function that takes a publication. Until the first delivery after a gap the route goes
through `_deliver_first`, which writes the mark before it; while a bridge or a snapshot is under way it leads into a
bounded hold. Marks are written behind the old connection's last and before the new connection's first publication.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from ..marks import Gap, Mark, Reconnected, Subscribed, Subscribing, is_mark
from ..protocols.base import Confirmed, Skipped, Undecodable
from ..secrets import shown
from .complaints import is_worth_a_line
from .delivery import Subscription
from .recovery import MAX_BRIDGED, Bridge
from .subscriptions import Subscriptions, SubscriptionState, Wanted

if TYPE_CHECKING:
    from .line import Line

__all__ = ["Continuity"]

logger = logging.getLogger("tapewire.session")


class Continuity:
    """The routes of one session, and the marks on them."""

    def __init__(self, line: Line, subscriptions: Subscriptions) -> None:
        self.routes: dict[str, Callable[[Any], None]] = {}
        self.marks_written = 0
        self.undecodable = 0
        self._line = line
        self._subscriptions = subscriptions
        self._bridges: dict[str, Bridge] = {}

    # --- routes -----------------------------------------------------------------------------------------------------

    def route_anew(self, wanted: Wanted) -> None:
        """What comes for `wanted` from now on belongs to the subscription just asked for."""
        if self._subscriptions.get(wanted.topic) is wanted and wanted.topic not in self.routes:
            self.routes[wanted.topic] = partial(self._deliver_first, wanted)

    def reroute(self, wanted: Wanted) -> None:
        """The consumers, or where they take their publications, have changed."""
        consumers = wanted.consumers
        if (bridge := self._bridges.get(wanted.topic)) is not None:
            self.routes[wanted.topic] = partial(self._hold_for_bridge, bridge)
        elif len(consumers) == 1:
            self.routes[wanted.topic] = consumers[0].deliver
        else:
            deliveries = tuple(consumer.deliver for consumer in consumers)
            self.routes[wanted.topic] = partial(_deliver_to_all, deliveries)

    def stop_route(self, wanted: Wanted) -> None:
        """The peer serves `wanted` no more. The frame that said so still goes to its consumers, before any mark."""
        self.reroute(wanted)
        self._line.after_read(partial(self._drop_route, wanted))

    def forget(self, topic: str) -> None:
        """Nobody wants `topic` any more: neither its route nor its bridge may reach whoever wants it later."""
        self.routes.pop(topic, None)
        self._bridges.pop(topic, None)

    def _drop_route(self, wanted: Wanted) -> None:
        if wanted.state in (SubscriptionState.BACKING_OFF, SubscriptionState.ENDED):
            self.routes.pop(wanted.topic, None)

    def _deliver_first(self, wanted: Wanted, publication: Any) -> None:
        self.write_open_gap(wanted)
        self.reroute(wanted)
        if (route := self.routes.get(wanted.topic)) is not None:
            route(publication)

    # --- gaps -------------------------------------------------------------------------------------------------------

    def open_gap(self, wanted: Wanted, reason: str, detail: str) -> None:
        """Continuity ends where it was last proven; the position from which it can be recovered is kept."""
        if self._bridges.pop(wanted.topic, None) is None:  # else the position stays that of before the hole
            protocol = self._line.protocol
            position = None if protocol is None else protocol.position(wanted.topic)
            wanted.position = position or wanted.position
        wanted.open_gap(self._line.proven_ns(), reason, detail)
        for consumer in tuple(wanted.consumers):
            self.abandon_seed(consumer, detail or reason)

    def write_open_gap(
        self, wanted: Wanted, *, recovered: int | None = None, reason: str | None = None
    ) -> None:
        """Continuity starts again: say what lies between, if anything was open."""
        gap = wanted.close_gap()
        if gap is None:
            return
        since_ns, first_reason, detail = gap
        until_ns = self._line.now_ns()
        if recovered is not None:
            self.write(wanted, Reconnected(since_ns=since_ns, until_ns=until_ns, recovered=recovered))
        else:
            given: Any = reason or first_reason
            self.write(wanted, Gap(reason=given, since_ns=since_ns, until_ns=until_ns, detail=detail))

    def announce(self, wanted: Wanted, mark: Mark) -> None:
        """What happens to the subscription itself, for the consumers that asked to be told."""
        wanted.told = isinstance(mark, Subscribing)  # until an error: the next try is told again
        for consumer in tuple(wanted.consumers):
            if consumer.delivery.announce:
                consumer.deliver_mark(mark)

    def announce_loss(self, wanted: Wanted, reason: str, code: int | None) -> None:
        """It was confirmed and is no more: told when it is lost, for it is not known when it will be back."""
        self.announce(wanted, Subscribing(code=code, reason=shown(reason)))

    def write(self, wanted: Wanted, mark: Mark) -> None:
        """A mark for every consumer of a topic."""
        for consumer in tuple(wanted.consumers):
            self.marks_written += 1
            consumer.deliver_mark(mark)

    def mark_undecodable(self, event: Undecodable) -> None:
        """A frame was lost that may have belonged to the event's topic, or to any: counted, logged, marked."""
        self.undecodable += 1
        if is_worth_a_line(self.undecodable, 10):
            where = f" on {event.topic}" if event.topic else ""
            text = shown(f"{event.detail[:200]}: {event.excerpt[:120]}")
            name = self._line.options.name
            logger.warning("%s: undecodable frame no. %d%s: %s", name, self.undecodable, where, text)
        now_ns = self._line.now_ns()
        mark = Gap(reason="undecodable", since_ns=now_ns, until_ns=now_ns, detail=event.detail[:200])
        for wanted in self._subscriptions:
            if event.topic in (None, wanted.topic) and (wanted.continuous or wanted.topic in self._bridges):
                self._break(wanted, mark)

    def mark_skipped(self, wanted: Wanted, event: Skipped) -> None:
        """The venue's own numbering jumped."""
        now_ns = self._line.now_ns()
        detail = f"expected {event.expected}, got {event.got}"
        mark = Gap(reason="sequence", since_ns=now_ns, until_ns=now_ns, missed=event.missed, detail=detail)
        self._break(wanted, mark)

    def _break(self, wanted: Wanted, mark: Mark) -> None:
        """The stream broke in the midst of a live line: say so, and rebuild what has a snapshot."""
        if (bridge := self._bridges.get(wanted.topic)) is not None:
            bridge.held.append(mark)  # behind what is held, when that is delivered
            return
        for consumer in tuple(wanted.consumers):
            self.marks_written += 1
            if consumer.seeding is None:
                consumer.deliver_mark(mark)
            elif consumer.seeding.generation is not None:
                consumer.seeding.spoil(mark)
            else:
                consumer.deliver_mark(mark)
                self.start_seed(consumer)

    # --- the answer to a subscription -------------------------------------------------------------------------------

    def confirmed(self, wanted: Wanted, answer: Confirmed) -> None:
        """The peer serves `wanted` from here on: close what is open, by replay, by history, or by saying so."""
        for consumer in wanted.consumers:
            if consumer.start is None and not consumer.delivered and not len(consumer.buffer):
                consumer.start = answer.position
        bridge = self._bridge_for(wanted, answer)
        if answer.position is not None and bridge is None:
            wanted.position = answer.position
        if bridge is not None:
            bridge.answer = answer  # announced when it is known how the bridge ended
            self._bridges[wanted.topic] = bridge
            self.reroute(wanted)
            self._line.bridge(wanted, bridge)
            return
        self._announce_confirmed(wanted, answer, recovered=answer.recovered)
        if answer.recovered:
            self.write_open_gap(wanted, recovered=answer.replayed)
        else:
            self.write_open_gap(wanted, reason="unrecovered" if answer.recovering else None)
        self._go_live(wanted, proven=answer.recovered)
        for consumer in wanted.consumers:
            consumer.expect(answer.replayed)

    def _announce_confirmed(self, wanted: Wanted, answer: Confirmed, *, recovered: bool) -> None:
        mark = Subscribed(was_recovering=answer.recovering, recovered=recovered, reply=answer.reply)
        self.announce(wanted, mark)

    def _bridge_for(self, wanted: Wanted, answer: Confirmed) -> Bridge | None:
        protocol, since = self._line.protocol, wanted.position
        if answer.recovered or not answer.recovering or since is None or answer.position is None:
            return None
        bridge = Bridge(since, answer.position)
        if bridge.next_since is None or protocol is None or protocol.history(wanted.topic, since) is None:
            return None
        return bridge

    def bridged(self, wanted: Wanted, bridge: Bridge) -> None:
        """The pages have come, or will not: deliver what closes the hole, or say that it stands; then what was held."""
        if self._bridges.get(wanted.topic) is not bridge:
            return  # of an older connection
        del self._bridges[wanted.topic]
        wanted.position = bridge.until
        self.reroute(wanted)
        self._announce_confirmed(wanted, bridge.answer, recovered=bridge.complete)
        if bridge.complete:
            self.write_open_gap(wanted, recovered=len(bridge.publications))
            self._go_live(wanted, proven=True)
            self._deliver_all(wanted, bridge.publications)
        else:
            self.write_open_gap(wanted, reason="unrecovered")
            self._go_live(wanted, proven=False)
        self._deliver_all(wanted, bridge.held)

    def _hold_for_bridge(self, bridge: Bridge, publication: Any) -> None:
        if len(bridge.held) < MAX_BRIDGED:
            bridge.held.append(publication)
        else:  # the bridge takes longer than the stream: the hole stays a hole, and a new one opens
            self._line.after_read(partial(self._line.renew, publication.topic))

    def _deliver_all(self, wanted: Wanted, items: list[Any]) -> None:
        for consumer in wanted.consumers:
            consumer.expect(sum(not is_mark(item) for item in items))
        for item in items:
            if is_mark(item):
                self._break(wanted, item)
            elif (route := self.routes.get(wanted.topic)) is not None:
                route(item)

    def _go_live(self, wanted: Wanted, *, proven: bool) -> None:
        for consumer in tuple(wanted.consumers):
            if consumer.seeding is None:
                continue
            if proven and consumer.seeded:
                consumer.release(consumer.seeding.skip())
            else:
                self.start_seed(consumer)
        self.reroute(wanted)

    # --- snapshots --------------------------------------------------------------------------------------------------

    def hold(self, wanted: Wanted) -> None:
        """The topic is about to be asked for: consumers with a snapshot hold what comes."""
        for consumer in wanted.consumers:
            if consumer.seeding is not None:
                consumer.hold(self._line.generation, self._line.now_ns())

    def start_seed(self, subscription: Subscription) -> None:
        """Hold, and ask for the snapshot."""
        assert subscription.seeding is not None
        if subscription.seeding.generation is None:
            subscription.hold(self._line.generation, self._line.now_ns())
        protocol = self._line.protocol
        subscription.seeding.since = None if protocol is None else protocol.position(subscription.topic)
        self._line.timers.cancel(("reseed", subscription))
        if wanted := self._subscriptions.get(subscription.topic):
            self.reroute(wanted)
        self._line.seed(subscription)

    def seeded(self, subscription: Subscription, items: list[Any] | None) -> None:
        """A snapshot came or failed: deliver `items` (None: stale) and go on live."""
        if subscription.release(items):
            assert subscription.seeding is not None
            if wanted := self._subscriptions.get(subscription.topic):
                self.reroute(wanted)
            if subscription.seeding.failures:
                policy = self._line.options.resubscribe
                delay = policy.delay(subscription.seeding.failures, fraction=self._line.options.fraction)
                self._line.timers.set(("reseed", subscription), self._line.now() + delay)

    def abandon_seed(self, subscription: Subscription, detail: str) -> None:
        """No snapshot of this connection is wanted any more; what was held is delivered, behind a gap."""
        self._line.timers.cancel(("reseed", subscription))
        seeding = subscription.seeding
        if seeding is not None and seeding.generation is not None:
            if seeding.empty and not subscription.delivered and not subscription.marks:
                subscription.release(seeding.skip())  # nothing was delivered yet that this could break
                return
            items = seeding.fail(
                seeding.generation, self._line.now_ns(), detail or "the line was lost meanwhile"
            )
            subscription.release(items)


def _deliver_to_all(deliveries: tuple[Callable[[Any], None], ...], publication: Any) -> None:
    for deliver in deliveries:
        deliver(publication)

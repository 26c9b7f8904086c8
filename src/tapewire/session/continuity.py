"""What proves a topic's continuity, or says where it broke: routes, marks, holds, bridges, and what is fetched for it.

**A route** is a function that takes one publication of one topic; the reader looks it up by the topic's name and knows
no more. What a topic is going through is told by where its route leads:

* *nowhere* (there is none): it is not asked for, was left, or the read that ended it is over;
* `_deliver_first`: it was asked for, and no answer has come. A publication that overtakes the answer closes the gap by
  being delivered: the gap is written before it, and the route leads on;
* `_hold_for_bridge`: the venue serves it again and did not replay what was missed, but its history may hold it. What
  comes live waits behind the bridge, which is paged meanwhile, a few topics at a time;
* *a consumer's `deliver`*, or one after the other where there are several: it is live. A consumer that waits for a
  snapshot has its own hold behind that (`holds.py`), so that one may wait while another goes on.

**A gap** opens where continuity was last proven (`open_gap`: the last read of the connection that was lost) and is
closed once, by exactly one mark, behind the last publication of before and before the first of after:

* `Reconnected(recovered=n)`, n publications follow that were missed: the venue replayed them, or the bridge is whole;
* `Gap`, with the reason of the first loss: nobody can say what is missing. What had come live for bridges that were
  lost themselves (`Fragment`) is delivered between two gaps, for the venue did deliver it;
* no mark: nothing had been delivered before, so that nothing was broken.

A stream that breaks on a living connection (a number is missing, a frame cannot be read) is marked at once; behind a
bridge the mark waits in its place. A consumer with a snapshot begins a new hold for each of these.

**What is fetched** beside the stream, snapshots and history, runs in a task of its own and comes back as a turn, with
the hold or the bridge that it was fetched for: where that is over, result and failure are dropped alike.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

from ..marks import Gap, Mark, Reconnected, Subscribed, Subscribing, is_mark
from ..protocols.base import ClientProtocol, Confirmed, Skipped, StreamPosition, Undecodable
from ..reporting import is_worth_a_line
from ..secrets import sanitized
from .holds import MAX_BRIDGED, Bridge, Fragment, Hold
from .loop import Loop, run_owned
from .options import SessionOptions
from .subscription import Subscription
from .subscriptions import Loss, Subscriptions, SubscriptionState, Topic

__all__ = ["BRIDGES_AT_A_TIME", "Continuity", "Stream"]

logger = logging.getLogger("tapewire.session")

BRIDGES_AT_A_TIME = 4
"""Topics of one session that page their history at once: pages are large."""


class Stream(Protocol):
    """What continuity asks of whoever owns the connection."""

    @property
    def protocol(self) -> ClientProtocol | None:
        """That of the present connection."""
        ...

    def proven_ns(self) -> int:
        """The last moment at which the stream was provably whole."""
        ...

    async def page(self, topic: str, since: StreamPosition) -> Any:
        """One page of the venue's history after `since`. Raises what the request raises."""
        ...


class Continuity:
    """The routes of one session, and the marks on them. `renew(topic, why)` subscribes anew for a fresh start."""

    def __init__(
        self,
        stream: Stream,
        loop: Loop,
        options: SessionOptions,
        subscriptions: Subscriptions,
        renew: Callable[[Topic, str], None],
    ) -> None:
        self.routes: dict[str, Callable[[Any], None]] = {}
        self.marks_written = 0
        self.undecodable = 0
        self._stream = stream
        self._loop = loop
        self._options = options
        self._subscriptions = subscriptions
        self._renew = renew
        self._bridges: dict[Topic, Bridge] = {}
        self._told_loss: tuple[Loss, Subscribing] | None = None  # the last one, and what was told of it
        self._paging = asyncio.Semaphore(BRIDGES_AT_A_TIME)
        self._asked: list[tuple[Topic, int]] = []  # the topics asked for in this turn, with their attempts

    # --- routes -----------------------------------------------------------------------------------------------------

    def expect_answer(self, topic: Topic) -> None:
        """It is about to be asked for: consumers with a snapshot hold what comes, and behind this read it has a route.

        What is left of the read was said to the attempt before, if there was one.
        """
        for consumer in topic.consumers:
            if consumer.seeding is not None:
                consumer.hold(self._loop.now_ns())
        self._asked.append((topic, topic.attempt))
        if len(self._asked) == 1:
            self._loop.behind(self._route_asked)

    def _route_asked(self) -> None:
        """What comes from now on belongs to the attempts just asked for."""
        asked, self._asked = self._asked, []
        for topic, attempt in asked:
            if (
                self._subscriptions.get(topic.name) is topic
                and topic.attempt == attempt
                and topic.state in (SubscriptionState.SUBSCRIBING, SubscriptionState.SUBSCRIBED)
                and topic.name not in self.routes
            ):
                self.routes[topic.name] = partial(self._deliver_first, topic)

    def reroute(self, topic: Topic) -> None:
        """Lead what comes of it to where its consumers take it now."""
        consumers = topic.consumers
        if (bridge := self._bridges.get(topic)) is not None:
            self.routes[topic.name] = partial(self._hold_for_bridge, topic, bridge)
        elif not topic.continuous and topic.state is SubscriptionState.SUBSCRIBING:
            # A mark may still have to come before it.
            self.routes[topic.name] = partial(self._deliver_first, topic)
        elif len(consumers) == 1:
            self.routes[topic.name] = consumers[0].deliver
        else:
            deliveries = tuple(consumer.deliver for consumer in consumers)
            self.routes[topic.name] = partial(_deliver_to_all, deliveries)

    def change_route(self, topic: Topic) -> None:
        """The consumers, or where they take their publications, have changed. Where nothing comes, nothing is led."""
        if self._subscriptions.get(topic.name) is topic and topic.name in self.routes:
            self.reroute(topic)

    def stop_route(self, topic: Topic) -> None:
        """The peer serves `topic` no more. The frame that said so still goes to its consumers, before any mark."""
        self.reroute(topic)
        self._loop.behind(partial(self._drop_route, topic, topic.attempt))

    def cut_route(self, topic: Topic) -> None:
        """We left it: nothing of it is delivered any more."""
        if self._subscriptions.get(topic.name) is topic:
            self.routes.pop(topic.name, None)

    def forget(self, topic: Topic) -> None:
        """Nobody wants it any more: neither its route nor its bridge may reach whoever wants the topic later."""
        self.cut_route(topic)
        self._bridges.pop(topic, None)

    def _drop_route(self, topic: Topic, attempt: int) -> None:
        stopped = (SubscriptionState.BACKING_OFF, SubscriptionState.ENDED)
        if topic.attempt == attempt and topic.state in stopped:
            self.cut_route(topic)

    def _deliver_first(self, topic: Topic, publication: Any) -> None:
        self.write_open_gap(topic)
        self.reroute(topic)
        if (route := self.routes.get(topic.name)) is not None:
            route(publication)

    # --- gaps -------------------------------------------------------------------------------------------------------

    def open_gap(self, topic: Topic, loss: Loss) -> None:
        """Continuity ends where it was last proven; the position from which it can be recovered is kept."""
        # The position stays that of before the hole.
        if (bridge := self._bridges.pop(topic, None)) is not None:
            if bridge.held:
                held, lost_ns = tuple(bridge.held), self._stream.proven_ns()
                fragment = Fragment(held, bridge.began_ns, lost_ns, loss.reason, loss.detail)
                topic.fragments = (*topic.fragments, fragment)
        else:
            protocol = self._stream.protocol
            position = None if protocol is None else protocol.position(topic.name)
            topic.position = position or topic.position
        topic.open_gap(self._stream.proven_ns(), loss.reason, loss.detail)
        for consumer in topic.consumers:
            if consumer.seeding is not None:
                self.abandon_seed(consumer, loss.detail or loss.reason)

    def write_open_gap(
        self, topic: Topic, *, recovered: int | None = None, reason: str | None = None
    ) -> None:
        """Continuity starts again, or all is over: say what lies between, if anything was open.

        Where that stays a hole, what came of it live, for bridges that were lost, is delivered between two gaps.
        """
        gap = topic.close_gap()
        if gap is None:
            return
        since_ns, first_reason, detail = gap
        until_ns = self._loop.now_ns()
        fragments, topic.fragments = topic.fragments, ()
        # Where all is over: nothing is missing behind what it holds.
        unfinished = self._bridges.pop(topic, None)
        if recovered is not None:
            self.write(topic, Reconnected(since_ns=since_ns, until_ns=until_ns, recovered=recovered))
            return
        given: Any = reason or first_reason
        for fragment in fragments:
            gap_until_ns = fragment.began_ns
            self.write(topic, Gap(reason=given, since_ns=since_ns, until_ns=gap_until_ns, detail=detail))
            self._deliver_past(topic, fragment.items)
            given = reason or fragment.reason
            since_ns, detail = fragment.lost_ns, fragment.detail
        self.write(topic, Gap(reason=given, since_ns=since_ns, until_ns=until_ns, detail=detail))
        if unfinished is not None:
            self._deliver_past(topic, unfinished.held)

    def _deliver_past(self, topic: Topic, items: Sequence[Any]) -> None:
        """Publications and marks that came before whatever is held for the present attempt."""
        for consumer in topic.consumers:
            self.marks_written += sum(map(is_mark, items))
            consumer.deliver_past(items)

    def announce(self, topic: Topic, mark: Mark) -> None:
        """What happens to the subscription itself, for the consumers that asked to be told."""
        topic.announced = isinstance(mark, Subscribing)  # until an error: the next try is told again
        for consumer in topic.consumers:
            if consumer.delivery.announce:
                consumer.deliver_mark(mark)

    def announce_loss(self, topic: Topic, loss: Loss) -> None:
        """It was confirmed and is no more: told when it is lost, for it is not known when it will be back."""
        topic.announced = True
        for consumer in topic.consumers:
            if consumer.delivery.announce:  # else nobody's words are looked through for secrets
                mark = self._word_of(loss)
                if topic.state is SubscriptionState.BACKING_OFF:
                    self._loop.behind(partial(self.announce, topic, mark))  # behind the frame that brought it
                else:
                    self.announce(topic, mark)
                return

    def _word_of(self, loss: Loss) -> Subscribing:
        """What is told of a loss, which may be that of thousands of topics: looked through for secrets once."""
        if self._told_loss is None or self._told_loss[0] is not loss:
            self._told_loss = loss, Subscribing(code=loss.code, reason=sanitized(str(loss)))
        return self._told_loss[1]

    def write(self, topic: Topic, mark: Mark) -> None:
        """A mark for every consumer of a topic."""
        for consumer in topic.consumers:
            self.marks_written += 1
            consumer.deliver_mark(mark)

    def mark_undecodable(self, event: Undecodable) -> None:
        """A frame was lost that may have belonged to the event's topic, or to any: counted, logged, marked."""
        self.undecodable += 1
        if is_worth_a_line(self.undecodable, 10):
            where = f" on {event.topic}" if event.topic else ""
            text = sanitized(f"{event.detail[:200]}: {event.excerpt[:120]}")
            name = self._options.name
            logger.warning("%s: undecodable frame no. %d%s: %s", name, self.undecodable, where, text)
        now_ns = self._loop.now_ns()
        mark = Gap(reason="undecodable", since_ns=now_ns, until_ns=now_ns, detail=event.detail[:200])
        for topic in self._subscriptions:
            if event.topic in (None, topic.name) and (topic.continuous or topic in self._bridges):
                self._break(topic, mark)

    def mark_skipped(self, topic: Topic, event: Skipped) -> None:
        """The venue's own numbering jumped."""
        now_ns = self._loop.now_ns()
        detail = f"expected {event.expected}, got {event.got}"
        mark = Gap(reason="sequence", since_ns=now_ns, until_ns=now_ns, missed=event.missed, detail=detail)
        self._break(topic, mark)

    def _break(self, topic: Topic, mark: Mark) -> None:
        """The stream broke in the midst of a live line: say so, and rebuild what has a snapshot."""
        if (bridge := self._bridges.get(topic)) is not None:
            bridge.held.append(mark)  # behind what is held, when that is delivered
            return
        for consumer in topic.consumers:
            self.marks_written += 1
            if consumer.seeding is None:
                consumer.deliver_mark(mark)
            elif consumer.seeding.hold is not None:
                consumer.seeding.spoil(mark)
            else:
                consumer.deliver_mark(mark)
                self.start_seed(consumer)

    # --- the answer to a subscription -------------------------------------------------------------------------------

    def confirmed(self, topic: Topic, answer: Confirmed) -> None:
        """The peer serves `topic` from here on: close what is open, by replay, by history, or by saying so."""
        if answer.position is not None:
            for consumer in topic.consumers:
                if consumer.start is None and consumer.is_untouched:
                    consumer.start = answer.position
        bridge = self._bridge_for(topic, answer) if answer.recovering and not answer.recovered else None
        if answer.position is not None and bridge is None:
            topic.position = answer.position
        if bridge is not None:
            bridge.answer = answer  # announced when it is known how the bridge ended
            self._bridges[topic] = bridge
            self.reroute(topic)
            _ = self._loop.spawn(self._fetch_history(topic, bridge), f"history {topic.name}")
            return
        self._announce_confirmed(topic, answer, recovered=answer.recovered)
        if answer.recovered:
            self.write_open_gap(topic, recovered=answer.replayed)
        else:
            self.write_open_gap(topic, reason="unrecovered" if answer.recovering else None)
        self._go_live(topic, proven=answer.recovered)
        if answer.replayed:
            for consumer in topic.consumers:
                consumer.expect(answer.replayed)

    def _announce_confirmed(self, topic: Topic, answer: Confirmed, *, recovered: bool) -> None:
        topic.announced = False
        for consumer in topic.consumers:
            if consumer.delivery.announce:
                was_recovering = answer.recovering
                mark = Subscribed(was_recovering=was_recovering, recovered=recovered, reply=answer.reply)
                self.announce(topic, mark)
                return

    def _bridge_for(self, topic: Topic, answer: Confirmed) -> Bridge | None:
        protocol, since = self._stream.protocol, topic.position
        if since is None or answer.position is None:
            return None
        room = MAX_BRIDGED - sum(len(fragment.items) for fragment in topic.fragments)
        bridge = Bridge(since, answer.position, began_ns=self._loop.now_ns(), room=room)
        if bridge.next_since is None or protocol is None or protocol.history(topic.name, since) is None:
            return None
        return bridge

    async def _fetch_history(self, topic: Topic, bridge: Bridge) -> None:
        """Page the venue's history over the hole, as far as it goes; few topics at a time, for pages are large."""
        try:
            async with self._paging:
                while (since := bridge.next_since) is not None and self._bridges.get(topic) is bridge:
                    page = await self._stream.page(topic.name, since)
                    bridge.take(page.publications, page.epoch)
        except Exception as error:  # whatever it is, what is held for the bridge must be delivered
            detail = sanitized(str(error) or type(error).__name__)
            logger.warning("%s: its history could not be had: %s", topic.name, detail)
        self._loop.enter(partial(self._bridged, topic, bridge))

    def _bridged(self, topic: Topic, bridge: Bridge) -> None:
        """The pages have come, or will not: deliver what closes the hole, or say that it stands; then what was held."""
        if self._bridges.get(topic) is not bridge:
            return  # of an older attempt
        del self._bridges[topic]
        topic.position = bridge.until
        self.reroute(topic)
        self._announce_confirmed(topic, bridge.answer, recovered=bridge.complete)
        if bridge.complete:
            self.write_open_gap(topic, recovered=len(bridge.publications))
            self._go_live(topic, proven=True)
            self._deliver_all(topic, bridge.publications)
        else:
            self.write_open_gap(topic, reason="unrecovered")
            self._go_live(topic, proven=False)
        self._deliver_all(topic, bridge.held)

    def _hold_for_bridge(self, topic: Topic, bridge: Bridge, publication: Any) -> None:
        if len(bridge.held) < bridge.room:
            bridge.held.append(publication)
        # The bridge takes longer than the stream: the hole stays, and a new one opens.
        elif not bridge.overflowed:
            bridge.overflowed = True
            renew = partial(self._renew, topic, "the stream outran its history")
            self._loop.behind(renew)

    def _deliver_all(self, topic: Topic, items: list[Any]) -> None:
        for consumer in topic.consumers:
            consumer.expect(sum(not is_mark(item) for item in items))
        for item in items:
            if is_mark(item):
                self._break(topic, item)
            elif (route := self.routes.get(topic.name)) is not None:
                route(item)

    def _go_live(self, topic: Topic, *, proven: bool) -> None:
        for consumer in topic.consumers:
            if consumer.seeding is None:
                continue
            if proven and consumer.seeded:
                consumer.release(consumer.seeding.skip())
            else:
                self.start_seed(consumer)
        self.reroute(topic)

    # --- snapshots --------------------------------------------------------------------------------------------------

    def start_seed(self, subscription: Subscription) -> None:
        """Hold, and ask for the snapshot."""
        seeding, protocol = subscription.seeding, self._stream.protocol
        assert seeding is not None
        if seeding.hold is None:
            subscription.hold(self._loop.now_ns())
        elif seeding.hold.fetch is not None:  # what that brings is of an older state, however late it comes
            self._cancel_fetch(seeding.hold)
            seeding.begin_again()
        hold = seeding.hold
        assert hold is not None
        seeding.since = None if protocol is None else protocol.position(subscription.topic)
        self._loop.timers.cancel(("reseed", subscription))
        topic = self._subscriptions.get(subscription.topic)
        if topic is not None and subscription in topic.consumers:
            self.reroute(topic)
        hold.fetch = self._loop.spawn(self._fetch(subscription, hold), f"snapshot {subscription.topic}")
        seconds = subscription.delivery.snapshot_timeout
        late = partial(self._unseeded, subscription, hold, f"no snapshot within {seconds:g} s")
        self._loop.after(("seed", subscription), seconds, late)

    async def _fetch(self, subscription: Subscription, hold: Hold) -> None:
        """Run the owner's snapshot function. Its deadline is a timer's: it may swallow its cancellation."""
        snapshot = subscription.delivery.snapshot
        assert snapshot is not None
        try:
            found = await run_owned("snapshot", snapshot)
        except Exception as error:
            detail = sanitized(str(error) or type(error).__name__)
            self._loop.enter(partial(self._unseeded, subscription, hold, detail))
        else:
            self._loop.enter(partial(self._seeded, subscription, hold, found))

    def _seeded(self, subscription: Subscription, hold: Hold, snapshot: Any) -> None:
        """A snapshot came: deliver it and what follows it, and go on live."""
        assert subscription.seeding is not None
        try:
            items = subscription.seeding.complete(hold, snapshot, self._loop.now_ns())
        except (Exception, asyncio.CancelledError) as error:  # of the owner's `reconcile`
            self._unseeded(subscription, hold, f"reconcile raised {type(error).__name__}: {error}")
            return
        self._go_on(subscription, items)

    def _unseeded(self, subscription: Subscription, hold: Hold, detail: str) -> None:
        """It will not come: say so, deliver what was held, and ask again later."""
        seeding = subscription.seeding
        assert seeding is not None
        if seeding.hold is hold:
            logger.warning("%s: the snapshot could not be had: %s", subscription.topic, sanitized(detail))
            self._cancel_fetch(hold)
            self._go_on(subscription, seeding.fail(hold, self._loop.now_ns(), sanitized(detail)))

    def _go_on(self, subscription: Subscription, items: list[Any] | None) -> None:
        seeding = subscription.seeding
        if items is None or seeding is None:
            return  # of a hold that is over
        self._loop.timers.cancel(("seed", subscription))
        subscription.release(items)
        topic = self._subscriptions.get(subscription.topic)
        if topic is None or subscription not in topic.consumers:
            return
        self.reroute(topic)
        if seeding.failures:
            policy = self._options.resubscribe
            delay = policy.delay(seeding.failures, fraction=self._options.fraction)
            self._loop.after(("reseed", subscription), delay, partial(self._reseed, topic, subscription))

    def _reseed(self, topic: Topic, subscription: Subscription) -> None:
        """A failed snapshot is asked for again."""
        if topic.state is SubscriptionState.SUBSCRIBED and subscription in topic.consumers:
            self.start_seed(subscription)

    def abandon_seed(self, subscription: Subscription, detail: str) -> None:
        """No snapshot of this attempt is wanted any more; what was held is delivered, behind a gap."""
        seeding = subscription.seeding
        if seeding is None:
            return
        self._loop.timers.cancel(("reseed", subscription))
        self._loop.timers.cancel(("seed", subscription))
        hold = seeding.hold
        if hold is None:
            return
        self._cancel_fetch(hold)
        marks = subscription.marks if subscription.seeded or seeding.failures else 0  # else they announce it
        if not hold.held and not subscription.delivered and not marks:
            subscription.release(seeding.skip())  # nothing was delivered yet that this could break
            return
        subscription.release(
            seeding.fail(hold, self._loop.now_ns(), detail or "the connection was lost meanwhile") or []
        )

    def drop_hold(self, subscription: Subscription) -> None:
        """Its consumer has left: nothing is fetched for it any more, and nothing held is delivered."""
        seeding = subscription.seeding
        if seeding is not None:
            self._loop.timers.cancel(("reseed", subscription))
            self._loop.timers.cancel(("seed", subscription))
            if seeding.hold is not None:
                self._cancel_fetch(seeding.hold)
                seeding.hold = None

    def _cancel_fetch(self, hold: Hold) -> None:
        fetch, hold.fetch = hold.fetch, None
        if fetch is not None and fetch is not asyncio.current_task():
            fetch.cancel()


def _deliver_to_all(deliveries: tuple[Callable[[Any], None], ...], publication: Any) -> None:
    for deliver in deliveries:
        deliver(publication)

"""Performs the actions of the subscription table: who consumes what, and what the peer is asked for.

`Topics` knows the consumers; the table in `subscriptions.py` decides; `continuity.py` writes the marks; the driver
lends its line (`Line`): the protocol, the timers, a way to run a coroutine. No task, timer or transport here.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any

from ..errors import (
    ConfigurationError,
    ConnectionLost,
    NotSubscribed,
    SessionClosed,
    SubscriptionEnded,
    SubscriptionError,
    SubscriptionRefused,
    TapewireError,
)
from ..marks import Errored, Subscribing, Unsubscribed
from ..protocols.base import (
    Confirmed,
    Ended,
    Interrupted,
    Refused,
    Skipped,
    StreamPosition,
    Undecodable,
)
from ..secrets import Secret, shown
from .complaints import is_worth_a_line
from .continuity import Continuity
from .delivery import Subscription
from .subscriptions import SubscriptionAction as Do
from .subscriptions import SubscriptionInput as On
from .subscriptions import Subscriptions, SubscriptionState, Wanted
from .waiters import Waiters

if TYPE_CHECKING:
    import asyncio

    from .credentials import Credentials
    from .line import Line

__all__ = ["Topics"]

logger = logging.getLogger("tapewire.session")

END_SECONDS = 5.0
"""How long a consumer may take for what is buffered before `on_error` is told of the end all the same."""

UNAUTHORIZED = 1
"""The code of `Unsubscribed` where the topic's own token was refused for good, as Centrifugo's clients number it."""

_PUBLIC_STATE = {
    SubscriptionState.UNSUBSCRIBED: "unsubscribed",
    SubscriptionState.WAITING: "subscribing",
    SubscriptionState.SUBSCRIBING: "subscribing",
    SubscriptionState.SUBSCRIBED: "subscribed",
    SubscriptionState.BACKING_OFF: "subscribing",
    SubscriptionState.ENDED: "unsubscribed",
}


class Topics:
    """The consumers of one session and the routes to them."""

    def __init__(self, line: Line) -> None:
        self.subscriptions = Subscriptions()
        self.continuity = Continuity(line, self.subscriptions)
        self.routes = self.continuity.routes
        self._line = line
        self._waiters = Waiters(line.future)
        self._answer: Confirmed | None = None  # what ANNOUNCE is about
        self._perform: dict[Do, Callable[[Wanted], None]] = {
            Do.SUBSCRIBE: self._subscribe,
            Do.UNSUBSCRIBE: self._unsubscribe,
            Do.ARM_DEADLINE: self._arm_deadline,
            Do.ARM_RETRY: self._arm_retry,
            Do.DISARM: self._disarm,
            Do.ANNOUNCE: self._announce,
            Do.OPEN_GAP: lambda wanted: None,  # done by `_feed`, which knows the reason
            Do.TELL_LOSS: lambda wanted: None,  # likewise
            Do.FAIL_REQUESTS: lambda wanted: line.fail_requests(wanted.topic),
            Do.END: lambda wanted: None,  # done by `_end`, which knows the error
        }

    # --- owners -----------------------------------------------------------------------------------------------------

    def want(
        self,
        subscription: Subscription,
        params: Any,
        position: StreamPosition | None,
        credentials: Credentials | None = None,
        *,
        line_up: bool,
    ) -> None:
        """A consumer wants its topic: asked for now, or as soon as the line is up."""
        self._check_policies(subscription)
        wanted = self.subscriptions.add(subscription.topic, params, position)
        first = f"those of the first subscription to {subscription.topic!r}, or none"
        if wanted.consumers and params is not None and params != wanted.params:
            raise ConfigurationError("params", params, first)
        if wanted.consumers and credentials not in (None, wanted.credentials):
            raise ConfigurationError("credentials", credentials, first)
        wanted.credentials = wanted.credentials or credentials
        wanted.consumers.append(subscription)
        if subscription.delivery.announce and wanted.state is not SubscriptionState.SUBSCRIBED:
            subscription.deliver_mark(Subscribing())
        if wanted.state is SubscriptionState.UNSUBSCRIBED:
            wanted.told, wanted.wanted_at = True, self._line.now()
            if position is not None:
                subscription.start = position
                wanted.resume(self._line.now_ns())
            self._feed(wanted, On.WANT)
            if line_up:
                self._feed(wanted, On.LINE_UP)
        elif wanted.state is SubscriptionState.SUBSCRIBED:
            if subscription.seeding is not None:
                self.continuity.start_seed(subscription)
            self.continuity.reroute(wanted)
        self._line.flush_soon()

    def leave(self, subscription: Subscription) -> None:
        """A consumer leaves; the last one of a topic takes the topic with it."""
        if subscription.delivery.announce and not subscription.buffer.ended:
            subscription.deliver_mark(Unsubscribed(code=0, reason="unsubscribe called"))
        subscription.finish(None)
        if subscription.error is None and len(subscription.buffer):
            self._bound_backlog(subscription)
        self._waiters.refuse(subscription)
        wanted = self.subscriptions.get(subscription.topic)
        if wanted is None or subscription not in wanted.consumers:
            return
        wanted.consumers.remove(subscription)
        if wanted.consumers:
            self.continuity.reroute(wanted)
            return
        self.continuity.forget(wanted.topic)
        self._feed(wanted, On.LEAVE)
        self.subscriptions.discard(wanted.topic)
        self._line.flush()

    def fail(self, subscription: Subscription, error: BaseException) -> None:
        """A consumer ends with an error of its own: its buffer overflowed, or its handler raised in strict mode."""
        if subscription.delivery.announce and not subscription.buffer.ended:
            subscription.deliver_mark(Unsubscribed(reason=shown(str(error))))
        subscription.finish(error)
        self._line.report_failure(error)
        self._line.after_read(partial(self.leave, subscription))

    def release(self, wanted: Wanted) -> list[tuple[Subscription, list[asyncio.Future[Any]]]]:
        """Give up a topic with its consumers and those who wait, for `adopt` of another session. Nobody is told."""
        self.continuity.forget(wanted.topic)
        self._disarm(wanted)
        wanted.asking = None
        self._line.fail_requests(wanted.topic)
        self.subscriptions.discard(wanted.topic)
        for consumer in wanted.consumers:
            self.continuity.abandon_seed(consumer, "moved to another connection")
        return [(consumer, self._waiters.take(consumer)) for consumer in wanted.consumers]

    def adopt(
        self, wanted: Wanted, held: list[tuple[Subscription, list[asyncio.Future[Any]]]], *, line_up: bool
    ) -> None:
        """Take a topic that `release` of another session gave up: its parameters, position and open gap go on here."""
        moved = self.subscriptions.add(wanted.topic, wanted.params, wanted.position)
        moved.credentials, moved.fresh = wanted.credentials, wanted.fresh
        moved.gap_since_ns, moved.gap_reason, moved.gap_detail = (
            wanted.gap_since_ns,
            wanted.gap_reason,
            wanted.gap_detail,
        )
        for consumer, waiters in held:
            consumer.move_to(self)
            moved.consumers.append(consumer)
            self._waiters.put(consumer, waiters)
        self._feed(moved, On.WANT)
        if line_up:
            self._feed(moved, On.LINE_UP)
        self._line.flush_soon()

    async def confirmation(self, subscription: Subscription) -> Any:
        """Wait for the peer's word on it; see `Subscription.confirmed`."""
        wanted = self.subscriptions.get(subscription.topic)
        if wanted is None or subscription not in wanted.consumers:
            raise subscription.error or (
                SubscriptionEnded(subscription.topic, subscription.ended_reason)
                if subscription.ended_reason is not None
                else NotSubscribed(subscription.topic)
            )
        if wanted.state is SubscriptionState.SUBSCRIBED:
            return wanted.reply
        self.wait_to_open(f"confirmed() of {subscription.topic}")
        return await self._waiters.wait(subscription)

    def anybody_waits(self) -> bool:
        """True if somebody waits for the peer's word on a topic, or iterates one."""
        consumers = [consumer for wanted in self.subscriptions for consumer in wanted.consumers]
        return any(self._waiters.any_for(each) or each.is_iterated for each in consumers)

    def public_state(self, subscription: Subscription) -> str:
        wanted = self.subscriptions.get(subscription.topic)
        if wanted is None or subscription not in wanted.consumers:
            return "unsubscribed"
        return _PUBLIC_STATE[wanted.state]

    def params(self, topic: str) -> Any:
        wanted = self.subscriptions.get(topic)
        return None if wanted is None else wanted.params

    def set_params(self, topic: str, params: Any) -> None:
        wanted = self.subscriptions.get(topic)
        if wanted is None:
            raise NotSubscribed(topic)
        wanted.params = params

    # --- the line ---------------------------------------------------------------------------------------------------

    def line_up(self) -> None:
        """Ask for everything that is wanted: all of it is written before anything that comes is dispatched."""
        for wanted in self.subscriptions:
            self._feed(wanted, On.LINE_UP)

    def line_down(self, error: BaseException | None) -> None:
        """The connection is gone: every topic's continuity ends where it was last proven."""
        self.routes.clear()
        detail = (
            (error.reason or f"code {error.code}") if isinstance(error, ConnectionLost) else str(error or "")
        )
        for wanted in self.subscriptions:
            self._feed(wanted, On.LINE_DOWN, reason="connection lost", detail=detail)

    def leave_all(self) -> None:
        """Leave every topic at the peer; the consumers are finished by `finish`."""
        self.routes.clear()
        for wanted in self.subscriptions:
            self._feed(wanted, On.LEAVE)

    def finish(self, error: BaseException | None) -> None:
        """The session is over: nothing more comes to anybody."""
        self.routes.clear()
        for wanted in self.subscriptions:
            self.continuity.write_open_gap(wanted)
            for consumer in tuple(wanted.consumers):
                self.continuity.abandon_seed(consumer, "the session ended")
                consumer.finish(error)
                self._waiters.refuse(consumer, error or SessionClosed())
            self._disarm(wanted)
            self.subscriptions.discard(wanted.topic)

    # --- what the peer said -----------------------------------------------------------------------------------------

    def handle(self, event: Confirmed | Refused | Interrupted | Ended | Skipped | Undecodable) -> None:
        """One event of the protocol, in its place between the publications."""
        if isinstance(event, Undecodable):
            self.continuity.mark_undecodable(event)
            return
        wanted = self.subscriptions.get(event.topic)
        if wanted is None:
            return  # left meanwhile
        if isinstance(event, Confirmed):
            self._answer = event
            wanted.reply = event.reply
            wanted.confirmed_once = True
            self._feed(wanted, On.CONFIRMED)
        elif isinstance(event, Refused):
            error = SubscriptionRefused(
                event.topic, event.reason, code=event.code, reply=event.reply, retryable=event.retryable
            )
            if event.full and self._line.options.relocate is not None and self._line.options.relocate(wanted):
                return
            if event.retryable:
                wanted.fresh = wanted.fresh or event.unauthorized
                self._feed(wanted, On.REFUSED, reason="interrupted", detail=event.reason)
                self.continuity.stop_route(wanted)
                self.announce_error(wanted, event.reason, event.code)
                self._line.after_read(partial(self._tell_refusal, wanted, error, full=event.full))
            else:
                self._end(wanted, On.REJECTED, error, event.reason, event.code)
        elif isinstance(event, Skipped):
            self.continuity.mark_skipped(wanted, event)
        elif isinstance(event, Interrupted):
            wanted.fresh = wanted.fresh or event.unauthorized
            self._feed(wanted, On.INTERRUPTED, reason="interrupted", detail=event.reason, code=event.code)
            self.continuity.stop_route(wanted)
        else:
            self._end(wanted, On.ENDED, None, event.reason, event.code)

    # --- the topic's own token ---------------------------------------------------------------------------------------

    def authorized(self, wanted: Wanted, token: Secret) -> None:
        """The token that `Line.authorize` was to fetch is here: ask with it."""
        self._ask(wanted, token)
        self._arm_deadline(wanted)

    def unauthorized(self, wanted: Wanted, error: Exception | None, *, final: bool) -> None:
        """It could not be had: this time, or for good, which ends the subscription."""
        reason = shown(error)
        if not final:
            self._feed(wanted, On.REFUSED, reason="interrupted", detail=reason)
            self.announce_error(wanted, reason)
            return
        assert isinstance(error, TapewireError)
        asked = wanted.state is SubscriptionState.SUBSCRIBED
        self._end(wanted, On.UNAUTHORIZED if asked else On.REJECTED, error, reason, UNAUTHORIZED)

    def announce_error(self, wanted: Wanted, reason: str, code: int | None = None) -> None:
        """Something about it failed and is tried again."""
        self.continuity.announce(wanted, Errored(code=code, reason=shown(reason)))

    # --- timers -----------------------------------------------------------------------------------------------------

    def handle_deadline(self, topic: str) -> None:
        """The peer has not answered in time."""
        wanted = self.subscriptions.get(topic)
        if wanted is None:
            return
        protocol = self._line.protocol
        if wanted.asking is not None or (protocol is not None and protocol.queued(topic)):
            self._arm_deadline(wanted)  # it has not gone out yet
        else:
            logger.warning("%s: no answer to the subscription within its deadline; asking again", topic)
            self.routes.pop(topic, None)
            self._feed(wanted, On.TIMED_OUT, reason="interrupted", detail="no answer")
            self.announce_error(wanted, "no answer to the subscription within its deadline")

    def handle_retry(self, topic: str) -> None:
        """Its own backoff is over."""
        if wanted := self.subscriptions.get(topic):
            self._feed(wanted, On.RETRY_DUE)

    def handle_reseed(self, subscription: Subscription) -> None:
        """A failed snapshot is asked for again."""
        if self.public_state(subscription) == "subscribed":
            self.continuity.start_seed(subscription)

    # --- what consumers ask for -------------------------------------------------------------------------------------

    def rebuild(self, subscription: Subscription) -> None:
        """Policy `resync`: from a snapshot where there is one, else by subscribing anew."""
        if subscription.seeding is None:
            self._line.after_read(partial(self.renew, subscription.topic))
        elif subscription.seeding.generation is None:
            self.continuity.start_seed(subscription)

    def block(self, subscription: Subscription) -> None:
        self._line.pausing.pause(subscription)

    def relieve(self, subscription: Subscription) -> None:
        self._line.pausing.resume(subscription)

    def wait_to_open(self, who: str) -> None:
        """`who` is about to wait for something to come."""
        self._line.unopened.waits(who)

    def expect_end(self, subscription: Subscription) -> None:
        """It ended with an error: what is buffered comes first, but not for ever."""
        self._line.timers.set(("end", subscription), self._line.now() + END_SECONDS)
        self._line.flush_soon()

    def _bound_backlog(self, subscription: Subscription) -> None:
        """It left with something buffered: a handler has as long for that as it has when the session closes."""
        if subscription.delivery.handler is not None:
            timeout = self._line.options.close_timeout
            self._line.timers.set(("backlog", subscription), self._line.now() + timeout)
            self._line.flush_soon()

    def spawn(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._line.spawn(coroutine)

    def now_ns(self) -> int:
        return self._line.now_ns()

    # --- the table --------------------------------------------------------------------------------------------------

    def _feed(
        self, wanted: Wanted, received: On, *, reason: str = "", detail: str = "", code: int | None = None
    ) -> None:
        before = wanted.state
        actions = wanted.handle(received)
        if wanted.state is not before:
            self._line.timers.cancel(("renew", wanted.topic))  # the token of a subscription that is no more
        for action in actions:
            if action is Do.OPEN_GAP:
                self.continuity.open_gap(wanted, reason or "interrupted", detail)
            elif action is Do.TELL_LOSS:  # behind the frame that brought it
                ours = (
                    "" if received is On.INTERRUPTED and detail else reason
                )  # the venue says in its own words why
                told = ": ".join(filter(None, (ours, detail)))
                self._line.after_read(partial(self.continuity.announce_loss, wanted, told, code))
            else:
                self._perform[action](wanted)

    def _subscribe(self, wanted: Wanted) -> None:
        if not wanted.told:
            self.continuity.announce(wanted, Subscribing(reason=wanted.gap_reason))
        if wanted.credentials is None:
            self._ask(wanted)
        else:
            wanted.asking = attempt = object()
            self._line.authorize(wanted, attempt)

    def _ask(self, wanted: Wanted, token: Secret | None = None) -> None:
        protocol = self._line.protocol
        assert protocol is not None
        self.continuity.hold(wanted)
        try:
            params = wanted.params if token is None else protocol.with_token(wanted.params, token)
            protocol.subscribe(wanted.topic, params, wanted.position)
        except ConfigurationError as error:  # no peer can be asked this: it must not cost the line
            self._line.after_read(partial(self._reject, wanted, error))
            return
        self._line.after_read(partial(self.continuity.route_anew, wanted))

    def _reject(self, wanted: Wanted, error: TapewireError) -> None:
        if wanted.state is SubscriptionState.SUBSCRIBING:
            self._end(wanted, On.REJECTED, error, str(error))

    def _unsubscribe(self, wanted: Wanted) -> None:
        if self._line.protocol is not None:
            self._line.protocol.unsubscribe(wanted.topic)

    def _arm_deadline(self, wanted: Wanted) -> None:
        self._line.timers.set(
            ("deadline", wanted.topic), self._line.now() + self._line.options.subscribe_timeout
        )

    def _arm_retry(self, wanted: Wanted) -> None:
        options = self._line.options
        delay = options.resubscribe.delay(wanted.refusals, fraction=options.fraction)
        self._line.timers.set(("retry", wanted.topic), self._line.now() + delay)

    def _disarm(self, wanted: Wanted) -> None:
        self._line.timers.cancel(("deadline", wanted.topic))
        self._line.timers.cancel(("retry", wanted.topic))

    def _announce(self, wanted: Wanted) -> None:
        answer, self._answer = self._answer, None
        assert answer is not None
        for consumer in tuple(wanted.consumers):
            self._waiters.settle(consumer, answer.reply)
        self.continuity.confirmed(wanted, answer)

    def _end(
        self, wanted: Wanted, received: On, error: TapewireError | None, reason: str, code: int | None = None
    ) -> None:
        self._feed(wanted, received)
        self.continuity.stop_route(wanted)
        # An iteration ends, and who asked for announcements is told; a handler would just hear no more.
        unheard = any(
            each.delivery.handler is not None and not each.delivery.announce for each in wanted.consumers
        )
        log = logger.warning if unheard or error is not None else logger.info
        log("%s", shown(_named(wanted.topic, error or SubscriptionEnded(wanted.topic, reason))))
        self._line.after_read(partial(self._finish_ended, wanted, error, reason, code))

    def _finish_ended(
        self, wanted: Wanted, error: TapewireError | None, reason: str, code: int | None
    ) -> None:
        self.continuity.forget(wanted.topic)
        self.continuity.write_open_gap(wanted)
        self.continuity.announce(wanted, Unsubscribed(code=code, reason=reason))
        self.subscriptions.discard(wanted.topic)
        for consumer in tuple(wanted.consumers):
            waited = self._waiters.any_for(consumer)
            self.continuity.abandon_seed(consumer, reason)
            consumer.finish(error, reason)
            self._waiters.refuse(consumer, error or SubscriptionEnded(wanted.topic, reason))
            if error is not None and not waited:
                self._line.report_failure(error)

    def _tell_refusal(self, wanted: Wanted, error: TapewireError, *, full: bool) -> None:
        """A first refusal is raised to whoever waits for it, and then it is theirs to ask again.

        Not to one that asked for announcements: it is told so by `Errored`, and goes on waiting. Nor, for as long as an
        answer may take, where the connection is full: a server frees a place a moment after it was left. Any other is
        asked again by us, perhaps for long: the log, `last_error` and `on_error` say why nothing comes.
        """
        patient = full and self._line.now() - wanted.wanted_at < self._line.options.subscribe_timeout
        for consumer in tuple(wanted.consumers):
            if patient or wanted.confirmed_once or consumer.delivery.announce:
                continue  # whoever waits, waits for a topic that they have, or was told by `Errored`
            if self._waiters.any_for(consumer):
                self._waiters.refuse(consumer, error)
                self.leave(consumer)
        if not wanted.consumers:
            return
        self._line.note(error)
        if is_worth_a_line(wanted.refusals, 3):
            text = shown(_named(wanted.topic, error))
            logger.warning("%s; asking again (refusal no. %d)", text, wanted.refusals)
        for consumer in tuple(wanted.consumers):
            consumer.caller.tell_soon(error)

    def renew(self, topic: str) -> None:
        """Subscribe anew for a fresh start, although it is confirmed."""
        if wanted := self.subscriptions.get(topic):
            self.routes.pop(topic, None)
            self._feed(wanted, On.RENEW, reason="interrupted", detail="subscribed anew after an overflow")
            self._line.flush()

    def _check_policies(self, subscription: Subscription) -> None:
        blocks = subscription.delivery.policy == "block"
        wanted = self.subscriptions.any_one()  # what holds for one holds for all
        if wanted is not None and any(
            (each.delivery.policy == "block") is not blocks for each in wanted.consumers
        ):
            allowed = "'block' for every subscription of a session or for none: it stops the whole connection"
            raise ConfigurationError("policy", subscription.delivery.policy, allowed)


def _named(topic: str, error: TapewireError) -> str:
    """The error with the topic that it is about, which is said once."""
    text = str(error)
    return text if isinstance(error, SubscriptionError) else f"{topic}: {text}"

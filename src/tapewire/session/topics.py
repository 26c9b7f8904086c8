"""Performs the actions of the subscription table: who consumes what, and what the peer is asked for.

`Topics` knows the consumers; the table in `subscriptions.py` decides; `continuity.py` writes the marks. Whatever is
asked of it from outside is a turn of the loop's: an inline handler that leaves and subscribes anew changes nothing
before its read is over. What belongs to one attempt carries that attempt's number.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Coroutine, Iterable
from functools import partial
from itertools import count
from typing import Any, Protocol

from ..errors import (
    ConfigurationError,
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
    CredentialsExpiring,
    Interrupted,
    Refused,
    Skipped,
    StreamPosition,
    Undecodable,
)
from ..reporting import is_worth_a_line
from ..secrets import Secret, sanitized
from .continuity import Continuity, Stream
from .credentials import Credentials, is_final, renewal_after
from .loop import Loop
from .options import SessionOptions
from .subscription import Subscription
from .subscriptions import End, Loss, Subscriptions, SubscriptionState, Topic
from .subscriptions import SubscriptionAction as Do
from .subscriptions import SubscriptionInput as On

__all__ = ["ConnectionOwner", "Topics", "Waiters"]

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


class ConnectionOwner(Stream, Protocol):
    """What topics ask of whoever owns the connection."""

    @property
    def connected(self) -> bool:
        """True while subscriptions can be sent."""
        ...

    def fail_requests(self, topic: str) -> None:
        """Replies on this topic will not come any more."""
        ...

    def replace(self, why: str) -> None:
        """Make a new connection in place of this one, when the turn is over."""
        ...

    def report_failure(self, error: BaseException) -> None:
        """A subscription ended with `error`."""
        ...

    def note(self, error: BaseException) -> None:
        """`error` is what went wrong last."""
        ...

    def wait_to_open(self, who: str) -> None:
        """`who` is about to wait for something to come."""
        ...

    def block(self, subscription: Subscription) -> None:
        """Policy `block`: it is full."""
        ...

    def relieve(self, subscription: Subscription) -> None:
        """Policy `block`: it has room again."""
        ...


class Topics:
    """The consumers of one session and the routes to them."""

    def __init__(self, connection: ConnectionOwner, loop: Loop, options: SessionOptions) -> None:
        self.subscriptions = Subscriptions()
        self.continuity = Continuity(connection, loop, options, self.subscriptions, self._renew)
        self.routes = self.continuity.routes
        self._connection = connection
        self._loop = loop
        self._options = options
        self._waiters = Waiters()
        # Of policy `block`, or not.
        self._by_blocking: dict[bool, set[Subscription]] = {
            True: set(),
            False: set(),
        }
        self._attempts = count(1)
        self._left_at = -math.inf  # when a topic was left at the peer last
        self._over = False
        self._failure: BaseException | None = None
        self._perform: dict[Do, Callable[[Topic, Any], None]] = {
            Do.SUBSCRIBE: self._send_subscribe,
            Do.UNSUBSCRIBE: self._send_unsubscribe,
            Do.ARM_DEADLINE: self._arm_deadline,
            Do.ARM_RETRY: self._arm_retry,
            Do.DISARM: lambda topic, _: loop.timers.cancel(topic),
            Do.ANNOUNCE: self._announce,
            Do.OPEN_GAP: self.continuity.open_gap,
            Do.STOP_ROUTE: lambda topic, _: self.continuity.stop_route(topic),
            Do.TELL_LOSS: self.continuity.announce_loss,
            Do.FAIL_REQUESTS: lambda topic, _: connection.fail_requests(topic.name),
            Do.END: self._end,
        }

    # --- owners -----------------------------------------------------------------------------------------------------

    def subscribe(
        self,
        subscription: Subscription,
        params: Any,
        position: StreamPosition | None,
        credentials: Credentials | None = None,
    ) -> None:
        """A consumer wants its topic: asked for now, or as soon as there is a connection.

        Raises ConfigurationError where it does not fit those who want it already.
        """
        self._check_fits(subscription, params, position, credentials)
        self._loop.enter(partial(self._subscribe, subscription, params, position, credentials), soon=True)

    def _subscribe(
        self,
        subscription: Subscription,
        params: Any,
        position: StreamPosition | None,
        credentials: Credentials | None,
    ) -> None:
        subscription.pending = False
        if self._over:  # the session ended between the call and this turn
            subscription.finish(self._failure)
            self._waiters.refuse(subscription, self._failure or SessionClosed())
            return
        topic = self.subscriptions.add(subscription.topic, params, position)
        topic.credentials = topic.credentials or credentials
        topic.consumers = (*topic.consumers, subscription)
        topic.spent = None  # who comes is told too
        if subscription.delivery.announce and topic.state is not SubscriptionState.SUBSCRIBED:
            subscription.deliver_mark(Subscribing())
        if topic.state is SubscriptionState.UNSUBSCRIBED:
            topic.announced, topic.asked_at = True, self._loop.now()
            if position is not None:
                subscription.start = position
                topic.resume(self._loop.now_ns())
            self._feed(topic, On.SUBSCRIBE)
            if self._connection.connected:
                self._feed(topic, On.CONNECTED)
        elif topic.state is SubscriptionState.SUBSCRIBED:
            if subscription.seeding is not None:
                self.continuity.start_seed(subscription)
            self.continuity.reroute(topic)

    def leave(self, subscription: Subscription) -> None:
        """A consumer leaves: nothing more is delivered to it. The last one of a topic takes the topic with it."""
        if subscription.delivery.announce and not subscription.ended:
            subscription.deliver_mark(Unsubscribed(code=0, reason="unsubscribe called"))
        subscription.finish(None)
        self._part(subscription)
        if subscription.error is None and (len(subscription.buffer) or subscription.consumer.made):
            self._bound_backlog(subscription)
        self._waiters.refuse(subscription)
        self._loop.enter(partial(self._leave, subscription))

    def _leave(self, subscription: Subscription) -> None:
        topic = self.topic_of(subscription)
        if topic is None:
            return
        topic.consumers = tuple(each for each in topic.consumers if each is not subscription)
        self.continuity.drop_hold(subscription)
        if topic.consumers:
            self.continuity.change_route(topic)
            return
        self.continuity.forget(topic)
        self._feed(topic, On.LEAVE)
        self.subscriptions.discard(topic)

    def fail(self, subscription: Subscription, error: BaseException) -> None:
        """A consumer ends with an error of its own: its buffer overflowed, or its handler raised in strict mode."""
        if subscription.delivery.announce and not subscription.ended:
            subscription.deliver_mark(Unsubscribed(reason=sanitized(error)))
        subscription.finish(error)
        self._connection.report_failure(error)
        self._loop.behind(partial(self.leave, subscription))

    def release(self, topic: Topic) -> list[tuple[Subscription, list[asyncio.Future[Any]]]]:
        """Give up a topic with its consumers and those who wait, for `adopt` of another session. Nobody is told."""
        self.continuity.forget(topic)
        self._loop.timers.cancel(topic)
        topic.asking = False
        self._connection.fail_requests(topic.name)
        self.subscriptions.discard(topic)
        for consumer in topic.consumers:
            self.continuity.abandon_seed(consumer, "moved to another connection")
            self._part(consumer)
        return [(consumer, self._waiters.take(consumer)) for consumer in topic.consumers]

    def adopt(self, topic: Topic, held: list[tuple[Subscription, list[asyncio.Future[Any]]]]) -> None:
        """Take a topic that `release` of another session gave up: its parameters, position and open gap go on here."""
        for consumer, _ in held:
            consumer.move_to(self)
            consumer.pending = True
            self._by_blocking[consumer.delivery.policy == "block"].add(consumer)
        self._loop.enter(partial(self._adopt, topic, held), soon=True)

    def _adopt(self, topic: Topic, held: list[tuple[Subscription, list[asyncio.Future[Any]]]]) -> None:
        moved = self.subscriptions.add(topic.name, topic.params, topic.position)
        moved.credentials, moved.fresh = topic.credentials, topic.fresh
        moved.refusals = topic.refusals
        moved.gap_since_ns, moved.gap_reason, moved.gap_detail = (
            topic.gap_since_ns,
            topic.gap_reason,
            topic.gap_detail,
        )
        moved.fragments = topic.fragments
        for consumer, waiters in held:
            consumer.pending = False
            self._waiters.put(consumer, waiters)
            if not consumer.ended:  # else it left while it moved
                moved.consumers = (*moved.consumers, consumer)
        if not moved.consumers:
            self.subscriptions.discard(moved)
            return
        if self._over:
            self._finish_topic(moved, self._failure)
            return
        self._feed(moved, On.SUBSCRIBE)
        if self._connection.connected:
            self._feed(moved, On.CONNECTED)

    async def confirmation(self, subscription: Subscription) -> Any:
        """Wait for the peer's word on it; see `Subscription.confirmed`."""
        self._loop.check()
        topic = self.topic_of(subscription)
        if topic is None and not subscription.pending:
            raise subscription.error or (
                SubscriptionEnded(subscription.topic, subscription.ended_reason)
                if subscription.ended_reason is not None
                else NotSubscribed(subscription.topic)
            )
        if topic is not None and topic.state is SubscriptionState.SUBSCRIBED:
            return topic.reply
        self._connection.wait_to_open(f"confirmed() of {subscription.topic}")
        return await self._waiters.wait(subscription)

    def anybody_waits(self) -> bool:
        """True if somebody waits for the peer's word on a topic, or iterates one."""
        consumers = [consumer for topic in self.subscriptions for consumer in topic.consumers]
        return any(self._waiters.any_for(each) or each.is_iterated for each in consumers)

    def topic_of(self, subscription: Subscription) -> Topic | None:
        """The record that it is a consumer of."""
        topic = self.subscriptions.get(subscription.topic)
        return topic if topic is not None and subscription in topic.consumers else None

    def public_state(self, subscription: Subscription) -> str:
        topic = self.topic_of(subscription)
        if topic is None or subscription.ended:
            pending = subscription.pending and not subscription.ended
            return "subscribing" if pending else "unsubscribed"
        return _PUBLIC_STATE[topic.state]

    def reroute(self, subscription: Subscription) -> None:
        """Where it takes its publications has changed."""
        if (topic := self.topic_of(subscription)) is not None:
            self.continuity.change_route(topic)

    def params(self, name: str) -> Any:
        topic = self.subscriptions.get(name)
        return None if topic is None else topic.params

    def set_params(self, name: str, params: Any) -> None:
        topic = self.subscriptions.get(name)
        if topic is None:
            raise NotSubscribed(name)
        topic.params = params

    # --- the connection -----------------------------------------------------------------------------------------------

    def connected(self) -> None:
        """Ask for everything that is wanted: all of it is written before anything that comes is dispatched."""
        for topic in self.subscriptions:
            self._feed(topic, On.CONNECTED)

    def disconnected(self, detail: str) -> None:
        """The connection is gone: every topic's continuity ends where it was last proven."""
        self.routes.clear()
        loss = Loss("connection lost", detail)
        for topic in self.subscriptions:
            try:
                self._feed(topic, On.DISCONNECTED, loss)
            except Exception:  # one topic's trouble is not that of the others, and none may stay as it was
                logger.exception("%s: %s could not be told of the loss", self._options.name, topic.name)
                topic.state = SubscriptionState.WAITING
                self._loop.timers.cancel(topic)

    def leave_all(self) -> None:
        """Leave every topic at the peer; the consumers are finished by `finish`."""
        self.routes.clear()
        for topic in self.subscriptions:
            self._feed(topic, On.LEAVE)

    def finish(self, error: BaseException | None) -> None:
        """The session is over: nothing more comes to anybody."""
        self._over, self._failure = True, self._failure or error
        self.routes.clear()
        for topic in self.subscriptions:
            self._finish_topic(topic, error)
        self._waiters.refuse_all(error or SessionClosed("the session was closed while it was waited for"))

    def _finish_topic(self, topic: Topic, error: BaseException | None) -> None:
        self.continuity.write_open_gap(topic)
        for consumer in topic.consumers:
            self.continuity.abandon_seed(consumer, "the session ended")
            self._part(consumer)
            consumer.finish(error)
        self._loop.timers.cancel(topic)
        self.subscriptions.discard(topic)

    # --- what the peer said -----------------------------------------------------------------------------------------

    def handle(self, event: Any) -> None:
        """One event of the protocol, in its place between the publications."""
        kind = event.__class__  # thousands are confirmed
        if kind is not Confirmed and isinstance(event, Undecodable):
            self.continuity.mark_undecodable(event)
            return
        topic = self.subscriptions.get(event.topic)
        if topic is None:
            return  # left meanwhile
        if kind is Confirmed:
            topic.reply = event.reply
            topic.confirmed_once = True
            self._feed(topic, On.CONFIRMED, event)
        elif isinstance(event, Refused):
            self._refused(topic, event)
        elif isinstance(event, Skipped):
            self.continuity.mark_skipped(topic, event)
        elif isinstance(event, Interrupted):
            topic.fresh = topic.fresh or event.unauthorized
            self._feed(topic, On.INTERRUPTED, Loss("interrupted", event.reason, event.code))
        else:
            self._feed(topic, On.ENDED, End(event.reason, event.code))

    def _refused(self, topic: Topic, event: Refused) -> None:
        # A place is free again a moment after it was left: until then "full" is no last word.
        freeing = event.full and self._loop.now() - self._left_at < self._options.subscribe_timeout
        retryable = event.retryable or freeing
        error = SubscriptionRefused(
            event.topic, event.reason, code=event.code, reply=event.reply, retryable=retryable
        )
        relocate = self._options.relocate
        if event.full and relocate is not None:
            loss = Loss("interrupted", event.reason, event.code)
            self.continuity.open_gap(topic, loss)  # here, for what was delivered of it goes with it
            if relocate(topic):
                return
        if event.spent and not self.subscriptions.any_asked_for(besides=topic):
            self._connection.replace(event.reason)  # nobody loses by it, and a new connection counts anew
        if not retryable:
            self._feed(topic, On.REJECTED, End(event.reason, event.code, error))
            return
        topic.fresh = topic.fresh or event.unauthorized
        self._feed(topic, On.REFUSED, Loss("interrupted", event.reason, event.code))
        again = False
        if event.spent:  # it asked nobody: the same connection says the same for as long as it lives
            told, topic.spent = topic.spent, self._connection.protocol
            again = told is topic.spent
        if not again:
            self.announce_error(topic, event.reason, event.code)
        self._loop.behind(partial(self._tell_refusal, topic, error, full=event.full, again=again))

    # --- the topic's own token ---------------------------------------------------------------------------------------

    def expect(self, event: CredentialsExpiring) -> None:
        """A topic's token ends in so many seconds."""
        topic = self.subscriptions.get(event.topic or "")
        if topic is not None and topic.credentials is not None:
            topic.renewals = 0
            # Else it is a late word on a former attempt's token.
            if topic.state is SubscriptionState.SUBSCRIBED:
                self._renew_token_after(topic, renewal_after(event.seconds, self._options.fraction))
            if event.reason:
                self.announce_error(topic, event.reason, event.code)

    def distrust(self) -> None:
        """The connection's token was not accepted (any more): no topic's is believed either."""
        for topic in self.subscriptions:
            topic.fresh = True

    async def _authorize(self, topic: Topic, attempt: int) -> None:
        """Fetch the token of a topic that is to be asked for, and ask for it with that."""
        token, error = await self._token_of(topic, fresh=topic.fresh)
        self._loop.enter(partial(self._authorized, topic, attempt, token, error))

    def _authorized(self, topic: Topic, attempt: int, token: Secret | None, error: Exception | None) -> None:
        if not topic.asking or topic.attempt != attempt:
            return  # of an older attempt
        topic.asking = False
        if token is not None:
            self._ask(topic, token)
            self._arm_deadline(topic)
        elif is_final(error):
            self._feed(topic, On.REJECTED, End(sanitized(error), UNAUTHORIZED, error))
        else:
            reason = sanitized(error)
            self._feed(topic, On.REFUSED, Loss("interrupted", reason))
            self.announce_error(topic, reason)

    def _renew_token_after(self, topic: Topic, seconds: float) -> None:
        self._loop.after(topic, seconds, partial(self._start_renewal, topic))

    def _start_renewal(self, topic: Topic) -> None:
        topic.asking = True
        _ = self._loop.spawn(self._renew_token(topic, topic.attempt), f"renewal {topic.name}")

    async def _renew_token(self, topic: Topic, attempt: int) -> None:
        """Fetch a fresh token for a confirmed topic, and give it to the peer."""
        token, error = await self._token_of(topic, fresh=True)
        self._loop.enter(partial(self._token_renewed, topic, attempt, token, error))

    def _token_renewed(
        self, topic: Topic, attempt: int, token: Secret | None, error: Exception | None
    ) -> None:
        if not topic.asking or topic.attempt != attempt:
            return  # it was interrupted meanwhile, or left
        topic.asking = False
        if token is not None:
            if (protocol := self._connection.protocol) is not None:
                protocol.refresh(token, topic.name)
        elif is_final(error):
            self._feed(topic, On.UNAUTHORIZED, End(sanitized(error), UNAUTHORIZED, error))
        else:
            topic.renewals += 1
            self.announce_error(topic, str(error))
            delay = self._options.resubscribe.delay(topic.renewals, fraction=self._options.fraction)
            self._renew_token_after(topic, delay)

    async def _token_of(self, topic: Topic, *, fresh: bool) -> tuple[Secret | None, Exception | None]:
        try:
            return await topic.credentials.token(fresh=fresh), None
        except Exception as error:
            logger.warning("%s: no token for it: %s", topic.name, sanitized(error))
            return None, error

    def announce_error(self, topic: Topic, reason: str, code: int | None = None) -> None:
        """Something about it failed and is tried again."""
        self.continuity.announce(topic, Errored(code=code, reason=sanitized(reason)))

    # --- timers: each topic has one at most, of its state: a deadline, a retry, or the renewal of its token ----------

    def _handle_deadline(self, topic: Topic) -> None:
        """The peer has not answered in time."""
        protocol = self._connection.protocol
        if topic.asking or (protocol is not None and protocol.queued(topic.name)):
            self._arm_deadline(topic)  # it has not gone out yet
            return
        logger.warning("%s: no answer to the subscription within its deadline; asking again", topic.name)
        self._feed(topic, On.TIMED_OUT, Loss("interrupted", "no answer"))
        self.announce_error(topic, "no answer to the subscription within its deadline")

    # --- what consumers ask for -------------------------------------------------------------------------------------

    def rebuild(self, subscription: Subscription, why: str = "resync was asked for") -> None:
        """From a snapshot where there is one, else by subscribing anew."""
        self._loop.enter(partial(self._rebuild, subscription, why))

    def _rebuild(self, subscription: Subscription, why: str) -> None:
        topic = self.topic_of(subscription)
        if topic is None:
            return
        if subscription.seeding is None:
            self._renew(topic, why)
        elif subscription.seeding.hold is None and topic.state is SubscriptionState.SUBSCRIBED:
            self.continuity.start_seed(subscription)

    def block(self, subscription: Subscription) -> None:
        self._connection.block(subscription)

    def relieve(self, subscription: Subscription) -> None:
        self._connection.relieve(subscription)

    def check_loop(self) -> None:
        """Raise WrongLoop unless this is called from the session's own event loop."""
        self._loop.check()

    def wait_to_open(self, who: str) -> None:
        """`who` is about to wait for something to come. Raises WrongLoop."""
        self._loop.check()
        self._connection.wait_to_open(who)

    def expect_end(self, subscription: Subscription) -> None:
        """It ended with an error: what is buffered comes first, but not for ever."""
        self._loop.after(("end", subscription), END_SECONDS, partial(self._tell_end, subscription))

    def _tell_end(self, subscription: Subscription) -> None:
        self.spawn(subscription.runner.tell_end(), f"end {subscription.topic}")

    def _bound_backlog(self, subscription: Subscription) -> None:
        """It left with something buffered: a handler has as long for that as it has when the session closes."""
        if subscription.delivery.handler is not None:
            self._loop.after(
                ("backlog", subscription), self._options.close_timeout, subscription.drop_backlog
            )

    def spawn(self, coroutine: Coroutine[Any, Any, Any], name: str) -> None:
        """Run a coroutine of a consumer's in a task of the session's."""
        _ = self._loop.spawn(coroutine, name)

    def now_ns(self) -> int:
        return self._loop.now_ns()

    # --- the table --------------------------------------------------------------------------------------------------

    def _feed(self, topic: Topic, received: On, fact: Loss | End | Confirmed | None = None) -> None:
        before = topic.state
        actions = topic.handle(received)
        if topic.credentials is not None and topic.state is not before:
            self._loop.timers.cancel(topic)  # the renewal of the token of a subscription that is no more
        for action in actions:
            self._perform[action](topic, fact)

    def _send_subscribe(self, topic: Topic, fact: Any) -> None:
        topic.attempt = next(self._attempts)
        if not topic.announced:
            self.continuity.announce(topic, Subscribing(reason=topic.gap_reason))
        if topic.credentials is None:
            self._ask(topic)
        else:
            topic.asking = True
            authorizing = self._authorize(topic, topic.attempt)
            _ = self._loop.spawn(authorizing, f"token {topic.name}")

    def _ask(self, topic: Topic, token: Secret | None = None) -> None:
        protocol = self._connection.protocol
        assert protocol is not None
        self.continuity.expect_answer(topic)
        try:
            params = topic.params if token is None else protocol.with_token(topic.params, token)
            protocol.subscribe(topic.name, params, topic.position)
        except Exception as error:  # no peer can be asked this, and asking again is no better: it ends alone
            if not isinstance(error, TapewireError):
                logger.exception("%s: it cannot be asked for", topic.name)
            self._loop.behind(partial(self._reject, topic, topic.attempt, error))

    def _reject(self, topic: Topic, attempt: int, error: Exception) -> None:
        if topic.state is SubscriptionState.SUBSCRIBING and topic.attempt == attempt:
            self._feed(topic, On.REJECTED, End(str(error), error=error))

    def _send_unsubscribe(self, topic: Topic, fact: Any) -> None:
        self.continuity.cut_route(topic)
        self._left_at = self._loop.now()
        if self._connection.protocol is not None:
            self._connection.protocol.unsubscribe(topic.name)

    def _arm_deadline(self, topic: Topic, fact: Any = None) -> None:
        self._loop.after(topic, self._options.subscribe_timeout, partial(self._handle_deadline, topic))

    def _arm_retry(self, topic: Topic, loss: Loss) -> None:
        options = self._options
        topic.lost(self._loop.now(), options.stable_after)
        delay = options.resubscribe.delay(topic.refusals, fraction=options.fraction)
        self._loop.after(topic, delay, partial(self._feed, topic, On.RETRY_DUE))

    def _announce(self, topic: Topic, answer: Confirmed) -> None:
        topic.confirmed_at = self._loop.now()
        self._waiters.settle(topic.consumers, answer.reply)
        self.continuity.confirmed(topic, answer)

    def _end(self, topic: Topic, end: End) -> None:
        # An iteration ends, and who asked for announcements is told; a handler would just hear no more.
        unheard = any(
            each.delivery.handler is not None and not each.delivery.announce for each in topic.consumers
        )
        log = logger.warning if unheard or end.error is not None else logger.info
        log("%s", sanitized(_named(topic.name, end.error or SubscriptionEnded(topic.name, end.reason))))
        self._loop.behind(partial(self._finish_ended, topic, end))

    def _finish_ended(self, topic: Topic, end: End) -> None:
        self.continuity.write_open_gap(topic)
        self.continuity.forget(topic)
        self.continuity.announce(topic, Unsubscribed(code=end.code, reason=end.reason))
        self.subscriptions.discard(topic)
        for consumer in topic.consumers:
            waited = self._waiters.any_for(consumer)
            self.continuity.abandon_seed(consumer, end.reason)
            self._part(consumer)
            consumer.finish(end.error, end.reason)
            self._waiters.refuse(consumer, end.error or SubscriptionEnded(topic.name, end.reason))
            if end.error is not None and not waited:
                self._connection.report_failure(end.error)

    def _tell_refusal(self, topic: Topic, error: SubscriptionRefused, *, full: bool, again: bool) -> None:
        """A first refusal is raised to whoever waits for it, and then it is theirs to ask again.

        Not to one that asked for announcements: it is told so by `Errored`, and goes on waiting. Nor, for as long as an
        answer may take, where the connection is full: a server frees a place a moment after it was left. Who waits for
        one of several topics of a consumer is raised it too, but it is not theirs to ask again: that topic stays.
        Any other is asked again by us, perhaps for long: the log, `last_error` and `on_error` say why nothing comes;
        not where they would say it `again` of the same connection.
        """
        patient = full and self._loop.now() - topic.asked_at < self._options.subscribe_timeout
        for consumer in topic.consumers:
            if patient or topic.confirmed_once or consumer.delivery.announce:
                continue  # whoever waits, waits for a topic that they have, or was told by `Errored`
            if self._waiters.any_for(consumer):
                self._waiters.refuse(consumer, error)
                if not consumer.is_shared:
                    self.leave(consumer)
        if again or all(consumer.ended for consumer in topic.consumers):
            return
        self._connection.note(error)
        is_first = topic.spent is not None and topic.spent is self._connection.protocol
        if is_first or is_worth_a_line(topic.refusals, 3):
            text = sanitized(_named(topic.name, error))
            logger.warning("%s; asking again (refusal no. %d)", text, topic.refusals)
        for consumer in topic.consumers:
            consumer.runner.tell_soon(error)

    def _renew(self, topic: Topic, why: str) -> None:
        """Subscribe anew for a fresh start, although it is confirmed."""
        self._feed(topic, On.RENEW, Loss("interrupted", why))

    def _check_fits(
        self,
        subscription: Subscription,
        params: Any,
        position: StreamPosition | None,
        credentials: Credentials | None,
    ) -> None:
        topic = self.subscriptions.get(subscription.topic)
        # Who is about to leave has no say: their turn may still be to come.
        if topic is not None and any(not consumer.ended for consumer in topic.consumers):
            first = f"those of the first subscription to {subscription.topic!r}, or none"
            if params is not None and params != topic.params:
                raise ConfigurationError("params", params, first)
            if credentials not in (None, topic.credentials):
                raise ConfigurationError("credentials", credentials, first)
            if position is not None:
                allowed = f"none where {subscription.topic!r} is subscribed to already: its stream goes on from there"
                raise ConfigurationError("position", position, allowed)
        blocks = subscription.delivery.policy == "block"
        if self._by_blocking[not blocks]:
            allowed = "'block' for every subscription of a session or for none: it stops the whole connection"
            raise ConfigurationError("policy", subscription.delivery.policy, allowed)
        self._by_blocking[blocks].add(subscription)

    def _part(self, subscription: Subscription) -> None:
        """It is no consumer any more."""
        self._by_blocking[subscription.delivery.policy == "block"].discard(subscription)


class Waiters:
    """Who waits for the venue's word on a subscription. Each is told exactly once, whatever ends the wait."""

    def __init__(self) -> None:
        self._waiting: dict[Subscription, list[asyncio.Future[Any]]] = {}

    async def wait(self, subscription: Subscription) -> Any:
        """Until it is settled or refused."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(subscription, []).append(waiter)
        try:
            return await waiter
        except BaseException:  # else whoever settled it has forgotten it
            self._forget(subscription, waiter)  # who polls with a time-out leaves nothing behind
            raise

    def any_for(self, subscription: Subscription) -> bool:
        """True if somebody waits."""
        return any(not waiter.done() for waiter in self._waiting.get(subscription, ()))

    def settle(self, subscriptions: Iterable[Subscription], reply: Any) -> None:
        """These are confirmed, with this reply."""
        for subscription in subscriptions:
            for waiter in self._waiting.pop(subscription, ()):
                if not waiter.done():
                    waiter.set_result(reply)

    def refuse(self, subscription: Subscription, error: BaseException | None = None) -> None:
        """Not confirmed, for `error`; where there is none, because it was left."""
        for waiter in self.take(subscription):
            if not waiter.done():
                waiter.set_exception(error or NotSubscribed(subscription.topic))

    def refuse_all(self, error: BaseException) -> None:
        """Nobody is told anything any more."""
        for subscription in tuple(self._waiting):
            self.refuse(subscription, error)

    def take(self, subscription: Subscription) -> list[asyncio.Future[Any]]:
        """Those who wait, to be moved elsewhere with `put`."""
        return self._waiting.pop(subscription, [])

    def put(self, subscription: Subscription, waiters: list[asyncio.Future[Any]]) -> None:
        """Those who waited elsewhere wait here now."""
        if waiters:
            self._waiting.setdefault(subscription, []).extend(waiters)

    def _forget(self, subscription: Subscription, waiter: asyncio.Future[Any]) -> None:
        waiting = self._waiting.get(subscription, [])
        if waiter in waiting:
            waiting.remove(waiter)
            if not waiting:
                del self._waiting[subscription]


def _named(topic: str, error: BaseException) -> str:
    """The error with the topic that it is about, which is said once."""
    text = str(error)
    return text if isinstance(error, SubscriptionError) else f"{topic}: {text}"

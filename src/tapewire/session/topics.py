"""Performs the actions of the subscription table: who consumes what, and what the peer is asked for.

`Topics` knows the consumers; the table in `subscriptions.py` decides; `continuity.py` writes the marks. Whatever is
asked of it from outside is a turn of the loop's: an inline handler that leaves and subscribes anew changes nothing
before its read is over. What belongs to one attempt carries that attempt's number.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
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
from ..secrets import Secret, shown
from .continuity import Continuity, Stream
from .credentials import Credentials, is_final, renewal_after
from .loop import Loop
from .options import SessionOptions
from .subscription import Subscription
from .subscriptions import End, Loss, Subscriptions, SubscriptionState, Wanted
from .subscriptions import SubscriptionAction as Do
from .subscriptions import SubscriptionInput as On

__all__ = ["Line", "Topics", "Waiters"]

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


class Line(Stream, Protocol):
    """What topics ask of whoever owns the connection."""

    @property
    def line_up(self) -> bool:
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

    def __init__(self, line: Line, loop: Loop, options: SessionOptions) -> None:
        self.subscriptions = Subscriptions()
        self.continuity = Continuity(line, loop, options, self.subscriptions, self._renew)
        self.routes = self.continuity.routes
        self._line = line
        self._loop = loop
        self._options = options
        self._waiters = Waiters(loop.future)
        self._by_blocking: dict[bool, set[Subscription]] = {
            True: set(),
            False: set(),
        }  # of policy `block`, or not
        self._attempts = count(1)
        self._over = False
        self._failure: BaseException | None = None
        self._perform: dict[Do, Callable[[Wanted, Any], None]] = {
            Do.SUBSCRIBE: self._subscribe,
            Do.UNSUBSCRIBE: self._unsubscribe,
            Do.ARM_DEADLINE: lambda wanted, _: self._arm_deadline(wanted),
            Do.ARM_RETRY: self._arm_retry,
            Do.DISARM: lambda wanted, _: self._disarm(wanted),
            Do.ANNOUNCE: self._announce,
            Do.OPEN_GAP: self.continuity.open_gap,
            Do.STOP_ROUTE: lambda wanted, _: self.continuity.stop_route(wanted),
            Do.TELL_LOSS: self._tell_loss,
            Do.FAIL_REQUESTS: lambda wanted, _: line.fail_requests(wanted.topic),
            Do.END: self._end,
        }

    # --- owners -----------------------------------------------------------------------------------------------------

    def want(
        self,
        subscription: Subscription,
        params: Any,
        position: StreamPosition | None,
        credentials: Credentials | None = None,
    ) -> None:
        """A consumer wants its topic: asked for now, or as soon as the line is up.

        Raises ConfigurationError where it does not fit those who want it already.
        """
        self._check_fits(subscription, params, position, credentials)
        self._loop.enter(partial(self._want, subscription, params, position, credentials), soon=True)

    def _want(
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
        wanted = self.subscriptions.add(subscription.topic, params, position)
        wanted.credentials = wanted.credentials or credentials
        wanted.consumers.append(subscription)
        if subscription.delivery.announce and wanted.state is not SubscriptionState.SUBSCRIBED:
            subscription.deliver_mark(Subscribing())
        if wanted.state is SubscriptionState.UNSUBSCRIBED:
            wanted.told, wanted.wanted_at = True, self._loop.now()
            if position is not None:
                subscription.start = position
                wanted.resume(self._loop.now_ns())
            self._feed(wanted, On.WANT)
            if self._line.line_up:
                self._feed(wanted, On.LINE_UP)
        elif wanted.state is SubscriptionState.SUBSCRIBED:
            if subscription.seeding is not None:
                self.continuity.start_seed(subscription)
            self.continuity.reroute(wanted)

    def leave(self, subscription: Subscription) -> None:
        """A consumer leaves: nothing more is delivered to it. The last one of a topic takes the topic with it."""
        if subscription.delivery.announce and not subscription.buffer.ended:
            subscription.deliver_mark(Unsubscribed(code=0, reason="unsubscribe called"))
        subscription.finish(None)
        self._part(subscription)
        if subscription.error is None and len(subscription.buffer):
            self._bound_backlog(subscription)
        self._waiters.refuse(subscription)
        self._loop.enter(partial(self._leave, subscription))

    def _leave(self, subscription: Subscription) -> None:
        wanted = self.wanted_by(subscription)
        if wanted is None:
            return
        wanted.consumers.remove(subscription)
        self.continuity.drop_hold(subscription)
        if wanted.consumers:
            self.continuity.change_route(wanted)
            return
        self.continuity.forget(wanted)
        self._feed(wanted, On.LEAVE)
        self.subscriptions.discard(wanted)

    def fail(self, subscription: Subscription, error: BaseException) -> None:
        """A consumer ends with an error of its own: its buffer overflowed, or its handler raised in strict mode."""
        if subscription.delivery.announce and not subscription.buffer.ended:
            subscription.deliver_mark(Unsubscribed(reason=shown(error)))
        subscription.finish(error)
        self._line.report_failure(error)
        self._loop.behind(partial(self.leave, subscription))

    def release(self, wanted: Wanted) -> list[tuple[Subscription, list[asyncio.Future[Any]]]]:
        """Give up a topic with its consumers and those who wait, for `adopt` of another session. Nobody is told."""
        self.continuity.forget(wanted)
        self._disarm(wanted)
        wanted.asking = False
        self._line.fail_requests(wanted.topic)
        self.subscriptions.discard(wanted)
        for consumer in wanted.consumers:
            self.continuity.abandon_seed(consumer, "moved to another connection")
            self._part(consumer)
        return [(consumer, self._waiters.take(consumer)) for consumer in wanted.consumers]

    def adopt(self, wanted: Wanted, held: list[tuple[Subscription, list[asyncio.Future[Any]]]]) -> None:
        """Take a topic that `release` of another session gave up: its parameters, position and open gap go on here."""
        for consumer, _ in held:
            consumer.move_to(self)
            consumer.pending = True
            self._by_blocking[consumer.delivery.policy == "block"].add(consumer)
        self._loop.enter(partial(self._adopt, wanted, held), soon=True)

    def _adopt(self, wanted: Wanted, held: list[tuple[Subscription, list[asyncio.Future[Any]]]]) -> None:
        moved = self.subscriptions.add(wanted.topic, wanted.params, wanted.position)
        moved.credentials, moved.fresh = wanted.credentials, wanted.fresh
        moved.refusals = wanted.refusals
        moved.gap_since_ns, moved.gap_reason, moved.gap_detail = (
            wanted.gap_since_ns,
            wanted.gap_reason,
            wanted.gap_detail,
        )
        moved.fragments = wanted.fragments
        for consumer, waiters in held:
            consumer.pending = False
            self._waiters.put(consumer, waiters)
            if not consumer.buffer.ended:  # else it left while it moved
                moved.consumers.append(consumer)
        if not moved.consumers:
            self.subscriptions.discard(moved)
            return
        if self._over:
            self._finish_topic(moved, self._failure)
            return
        self._feed(moved, On.WANT)
        if self._line.line_up:
            self._feed(moved, On.LINE_UP)

    async def confirmation(self, subscription: Subscription) -> Any:
        """Wait for the peer's word on it; see `Subscription.confirmed`."""
        self._loop.check()
        wanted = self.wanted_by(subscription)
        if wanted is None and not subscription.pending:
            raise subscription.error or (
                SubscriptionEnded(subscription.topic, subscription.ended_reason)
                if subscription.ended_reason is not None
                else NotSubscribed(subscription.topic)
            )
        if wanted is not None and wanted.state is SubscriptionState.SUBSCRIBED:
            return wanted.reply
        self.wait_to_open(f"confirmed() of {subscription.topic}")
        return await self._waiters.wait(subscription)

    def anybody_waits(self) -> bool:
        """True if somebody waits for the peer's word on a topic, or iterates one."""
        consumers = [consumer for wanted in self.subscriptions for consumer in wanted.consumers]
        return any(self._waiters.any_for(each) or each.is_iterated for each in consumers)

    def wanted_by(self, subscription: Subscription) -> Wanted | None:
        """The record that it is a consumer of."""
        wanted = self.subscriptions.get(subscription.topic)
        return wanted if wanted is not None and subscription in wanted.consumers else None

    def public_state(self, subscription: Subscription) -> str:
        wanted = self.wanted_by(subscription)
        if wanted is None or subscription.buffer.ended:
            pending = subscription.pending and not subscription.buffer.ended
            return "subscribing" if pending else "unsubscribed"
        return _PUBLIC_STATE[wanted.state]

    def reroute(self, subscription: Subscription) -> None:
        """Where it takes its publications has changed."""
        if (wanted := self.wanted_by(subscription)) is not None:
            self.continuity.change_route(wanted)

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

    def line_down(self, detail: str) -> None:
        """The connection is gone: every topic's continuity ends where it was last proven."""
        self.routes.clear()
        loss = Loss("connection lost", detail)
        for wanted in self.subscriptions:
            try:
                self._feed(wanted, On.LINE_DOWN, loss)
            except Exception:  # one topic's trouble is not that of the others, and none may stay as it was
                logger.exception("%s: %s could not be lowered", self._options.name, wanted.topic)
                wanted.state = SubscriptionState.WAITING
                self._disarm(wanted)

    def leave_all(self) -> None:
        """Leave every topic at the peer; the consumers are finished by `finish`."""
        self.routes.clear()
        for wanted in self.subscriptions:
            self._feed(wanted, On.LEAVE)

    def finish(self, error: BaseException | None) -> None:
        """The session is over: nothing more comes to anybody."""
        self._over, self._failure = True, self._failure or error
        self.routes.clear()
        for wanted in self.subscriptions:
            self._finish_topic(wanted, error)
        self._waiters.refuse_all(error or SessionClosed("the session was closed while it was waited for"))

    def _finish_topic(self, wanted: Wanted, error: BaseException | None) -> None:
        self.continuity.write_open_gap(wanted)
        for consumer in tuple(wanted.consumers):
            self.continuity.abandon_seed(consumer, "the session ended")
            self._part(consumer)
            consumer.finish(error)
        self._disarm(wanted)
        self.subscriptions.discard(wanted)

    # --- what the peer said -----------------------------------------------------------------------------------------

    def handle(self, event: Any) -> None:
        """One event of the protocol, in its place between the publications."""
        if isinstance(event, Undecodable):
            self.continuity.mark_undecodable(event)
            return
        wanted = self.subscriptions.get(event.topic)
        if wanted is None:
            return  # left meanwhile
        if isinstance(event, Confirmed):
            wanted.reply = event.reply
            wanted.confirmed_once = True
            self._feed(wanted, On.CONFIRMED, event)
        elif isinstance(event, Refused):
            self._refused(wanted, event)
        elif isinstance(event, Skipped):
            self.continuity.mark_skipped(wanted, event)
        elif isinstance(event, Interrupted):
            wanted.fresh = wanted.fresh or event.unauthorized
            self._feed(wanted, On.INTERRUPTED, Loss("interrupted", event.reason, event.code))
        else:
            self._feed(wanted, On.ENDED, End(event.reason, event.code))

    def _refused(self, wanted: Wanted, event: Refused) -> None:
        error = SubscriptionRefused(
            event.topic, event.reason, code=event.code, reply=event.reply, retryable=event.retryable
        )
        relocate = self._options.relocate
        if event.full and relocate is not None:
            loss = Loss("interrupted", event.reason, event.code)
            self.continuity.open_gap(wanted, loss)  # here, for what was delivered of it goes with it
            if relocate(wanted):
                return
        if event.spent and not self.subscriptions.any_asked_for(besides=wanted):
            self._line.replace(event.reason)  # nobody loses by it, and a new connection counts anew
        if event.retryable:
            wanted.fresh = wanted.fresh or event.unauthorized
            self._feed(wanted, On.REFUSED, Loss("interrupted", event.reason, event.code))
            self.announce_error(wanted, event.reason, event.code)
            self._loop.behind(partial(self._tell_refusal, wanted, error, full=event.full))
        else:
            self._feed(wanted, On.REJECTED, End(event.reason, event.code, error))

    # --- the topic's own token ---------------------------------------------------------------------------------------

    def expect(self, event: CredentialsExpiring) -> None:
        """A topic's token ends in so many seconds."""
        wanted = self.subscriptions.get(event.topic or "")
        if wanted is not None and wanted.credentials is not None:
            wanted.renewals = 0
            self._renew_token_after(wanted, renewal_after(event.seconds, self._options.fraction))
            if event.reason:
                self.announce_error(wanted, event.reason, event.code)

    def distrust(self) -> None:
        """The connection's token was not accepted (any more): no topic's is believed either."""
        for wanted in self.subscriptions:
            wanted.fresh = True

    async def _authorize(self, wanted: Wanted, attempt: int) -> None:
        """Fetch the token of a topic that is to be asked for, and ask for it with that."""
        token, error = await self._token_of(wanted, fresh=wanted.fresh)
        self._loop.enter(partial(self._authorized, wanted, attempt, token, error))

    def _authorized(
        self, wanted: Wanted, attempt: int, token: Secret | None, error: Exception | None
    ) -> None:
        if not wanted.asking or wanted.attempt != attempt:
            return  # of an older attempt
        wanted.asking = False
        if token is not None:
            self._ask(wanted, token)
            self._arm_deadline(wanted)
        elif is_final(error):
            self._feed(wanted, On.REJECTED, End(shown(error), UNAUTHORIZED, error))
        else:
            reason = shown(error)
            self._feed(wanted, On.REFUSED, Loss("interrupted", reason))
            self.announce_error(wanted, reason)

    def _renew_token_after(self, wanted: Wanted, seconds: float) -> None:
        renew = partial(self._start_renewal, wanted, wanted.attempt)
        self._loop.after(("renew", wanted), seconds, renew)

    def _start_renewal(self, wanted: Wanted, attempt: int) -> None:
        if wanted.attempt == attempt and wanted.state is SubscriptionState.SUBSCRIBED:
            wanted.asking = True
            _ = self._loop.spawn(self._renew_token(wanted, attempt), f"renewal {wanted.topic}")

    async def _renew_token(self, wanted: Wanted, attempt: int) -> None:
        """Fetch a fresh token for a confirmed topic, and give it to the peer."""
        token, error = await self._token_of(wanted, fresh=True)
        self._loop.enter(partial(self._token_renewed, wanted, attempt, token, error))

    def _token_renewed(
        self, wanted: Wanted, attempt: int, token: Secret | None, error: Exception | None
    ) -> None:
        if not wanted.asking or wanted.attempt != attempt:
            return  # it was interrupted meanwhile, or left
        wanted.asking = False
        if token is not None:
            if (protocol := self._line.protocol) is not None:
                protocol.refresh(token, wanted.topic)
        elif is_final(error):
            self._feed(wanted, On.UNAUTHORIZED, End(shown(error), UNAUTHORIZED, error))
        else:
            wanted.renewals += 1
            self.announce_error(wanted, str(error))
            delay = self._options.resubscribe.delay(wanted.renewals, fraction=self._options.fraction)
            self._renew_token_after(wanted, delay)

    async def _token_of(self, wanted: Wanted, *, fresh: bool) -> tuple[Secret | None, Exception | None]:
        try:
            return await wanted.credentials.token(fresh=fresh), None
        except Exception as error:
            logger.warning("%s: no token for it: %s", wanted.topic, shown(error))
            return None, error

    def announce_error(self, wanted: Wanted, reason: str, code: int | None = None) -> None:
        """Something about it failed and is tried again."""
        self.continuity.announce(wanted, Errored(code=code, reason=shown(reason)))

    # --- timers -----------------------------------------------------------------------------------------------------

    def _handle_deadline(self, wanted: Wanted) -> None:
        """The peer has not answered in time."""
        protocol = self._line.protocol
        if wanted.asking or (protocol is not None and protocol.queued(wanted.topic)):
            self._arm_deadline(wanted)  # it has not gone out yet
            return
        logger.warning("%s: no answer to the subscription within its deadline; asking again", wanted.topic)
        self._feed(wanted, On.TIMED_OUT, Loss("interrupted", "no answer"))
        self.announce_error(wanted, "no answer to the subscription within its deadline")

    # --- what consumers ask for -------------------------------------------------------------------------------------

    def rebuild(self, subscription: Subscription, why: str = "resync was asked for") -> None:
        """From a snapshot where there is one, else by subscribing anew."""
        self._loop.enter(partial(self._rebuild, subscription, why))

    def _rebuild(self, subscription: Subscription, why: str) -> None:
        wanted = self.wanted_by(subscription)
        if wanted is None:
            return
        if subscription.seeding is None:
            self._renew(wanted, why)
        elif subscription.seeding.hold is None and wanted.state is SubscriptionState.SUBSCRIBED:
            self.continuity.start_seed(subscription)

    def block(self, subscription: Subscription) -> None:
        self._line.block(subscription)

    def relieve(self, subscription: Subscription) -> None:
        self._line.relieve(subscription)

    def check_loop(self) -> None:
        """Raise WrongLoop unless this is called from the session's own event loop."""
        self._loop.check()

    def wait_to_open(self, who: str) -> None:
        """`who` is about to wait for something to come. Raises WrongLoop."""
        self._loop.check()
        self._line.wait_to_open(who)

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

    def _feed(self, wanted: Wanted, received: On, fact: Loss | End | Confirmed | None = None) -> None:
        before = wanted.state
        actions = wanted.handle(received)
        if wanted.state is not before:
            self._loop.timers.cancel(("renew", wanted))  # the token of a subscription that is no more
        for action in actions:
            self._perform[action](wanted, fact)

    def _subscribe(self, wanted: Wanted, fact: Any) -> None:
        wanted.attempt = next(self._attempts)
        if not wanted.told:
            self.continuity.announce(wanted, Subscribing(reason=wanted.gap_reason))
        if wanted.credentials is None:
            self._ask(wanted)
        else:
            wanted.asking = True
            authorizing = self._authorize(wanted, wanted.attempt)
            _ = self._loop.spawn(authorizing, f"token {wanted.topic}")

    def _ask(self, wanted: Wanted, token: Secret | None = None) -> None:
        protocol = self._line.protocol
        assert protocol is not None
        self.continuity.hold(wanted)
        try:
            params = wanted.params if token is None else protocol.with_token(wanted.params, token)
            protocol.subscribe(wanted.topic, params, wanted.position)
        except Exception as error:  # no peer can be asked this, and asking again is no better: it ends alone
            if not isinstance(error, TapewireError):
                logger.exception("%s: it cannot be asked for", wanted.topic)
            self._loop.behind(partial(self._reject, wanted, wanted.attempt, error))
            return
        self._loop.behind(partial(self.continuity.route_anew, wanted, wanted.attempt))

    def _reject(self, wanted: Wanted, attempt: int, error: Exception) -> None:
        if wanted.state is SubscriptionState.SUBSCRIBING and wanted.attempt == attempt:
            self._feed(wanted, On.REJECTED, End(str(error), error=error))

    def _unsubscribe(self, wanted: Wanted, fact: Any) -> None:
        self.continuity.cut_route(wanted)
        if self._line.protocol is not None:
            self._line.protocol.unsubscribe(wanted.topic)

    def _tell_loss(self, wanted: Wanted, loss: Loss) -> None:
        tell = partial(self.continuity.announce_loss, wanted, loss)
        if wanted.state is SubscriptionState.BACKING_OFF:
            self._loop.behind(tell)  # behind the frame that brought it
        else:
            tell()

    def _arm_deadline(self, wanted: Wanted) -> None:
        due = partial(self._handle_deadline, wanted)
        self._loop.after(("deadline", wanted), self._options.subscribe_timeout, due)

    def _arm_retry(self, wanted: Wanted, loss: Loss) -> None:
        options = self._options
        wanted.lost(self._loop.now(), options.stable_after)
        delay = options.resubscribe.delay(wanted.refusals, fraction=options.fraction)
        self._loop.after(("retry", wanted), delay, partial(self._feed, wanted, On.RETRY_DUE))

    def _disarm(self, wanted: Wanted) -> None:
        for timer in ("deadline", "retry", "renew"):
            self._loop.timers.cancel((timer, wanted))

    def _announce(self, wanted: Wanted, answer: Confirmed) -> None:
        wanted.confirmed_at = self._loop.now()
        for consumer in tuple(wanted.consumers):
            self._waiters.settle(consumer, answer.reply)
        self.continuity.confirmed(wanted, answer)

    def _end(self, wanted: Wanted, end: End) -> None:
        # An iteration ends, and who asked for announcements is told; a handler would just hear no more.
        unheard = any(
            each.delivery.handler is not None and not each.delivery.announce for each in wanted.consumers
        )
        log = logger.warning if unheard or end.error is not None else logger.info
        log("%s", shown(_named(wanted.topic, end.error or SubscriptionEnded(wanted.topic, end.reason))))
        self._loop.behind(partial(self._finish_ended, wanted, end))

    def _finish_ended(self, wanted: Wanted, end: End) -> None:
        self.continuity.write_open_gap(wanted)
        self.continuity.forget(wanted)
        self.continuity.announce(wanted, Unsubscribed(code=end.code, reason=end.reason))
        self.subscriptions.discard(wanted)
        for consumer in tuple(wanted.consumers):
            waited = self._waiters.any_for(consumer)
            self.continuity.abandon_seed(consumer, end.reason)
            self._part(consumer)
            consumer.finish(end.error, end.reason)
            self._waiters.refuse(consumer, end.error or SubscriptionEnded(wanted.topic, end.reason))
            if end.error is not None and not waited:
                self._line.report_failure(end.error)

    def _tell_refusal(self, wanted: Wanted, error: SubscriptionRefused, *, full: bool) -> None:
        """A first refusal is raised to whoever waits for it, and then it is theirs to ask again.

        Not to one that asked for announcements: it is told so by `Errored`, and goes on waiting. Nor, for as long as an
        answer may take, where the connection is full: a server frees a place a moment after it was left. Any other is
        asked again by us, perhaps for long: the log, `last_error` and `on_error` say why nothing comes.
        """
        patient = full and self._loop.now() - wanted.wanted_at < self._options.subscribe_timeout
        for consumer in tuple(wanted.consumers):
            if patient or wanted.confirmed_once or consumer.delivery.announce:
                continue  # whoever waits, waits for a topic that they have, or was told by `Errored`
            if self._waiters.any_for(consumer):
                self._waiters.refuse(consumer, error)
                self.leave(consumer)
        if all(consumer.buffer.ended for consumer in wanted.consumers):
            return
        self._line.note(error)
        if is_worth_a_line(wanted.refusals, 3):
            text = shown(_named(wanted.topic, error))
            logger.warning("%s; asking again (refusal no. %d)", text, wanted.refusals)
        for consumer in tuple(wanted.consumers):
            consumer.runner.tell_soon(error)

    def _renew(self, wanted: Wanted, why: str) -> None:
        """Subscribe anew for a fresh start, although it is confirmed."""
        self._feed(wanted, On.RENEW, Loss("interrupted", why))

    def _check_fits(
        self,
        subscription: Subscription,
        params: Any,
        position: StreamPosition | None,
        credentials: Credentials | None,
    ) -> None:
        wanted = self.subscriptions.get(subscription.topic)
        # Who is about to leave has no say: their turn may still be to come.
        if wanted is not None and any(not consumer.buffer.ended for consumer in wanted.consumers):
            first = f"those of the first subscription to {subscription.topic!r}, or none"
            if params is not None and params != wanted.params:
                raise ConfigurationError("params", params, first)
            if credentials not in (None, wanted.credentials):
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

    def __init__(self, make: Callable[[], asyncio.Future[Any]]) -> None:
        self._make = make
        self._waiting: dict[Subscription, list[asyncio.Future[Any]]] = {}

    async def wait(self, subscription: Subscription) -> Any:
        """Until it is settled or refused."""
        waiter = self._make()
        self._waiting.setdefault(subscription, []).append(waiter)
        try:
            return await waiter
        finally:
            self._forget(subscription, waiter)  # who polls with a time-out leaves nothing behind

    def any_for(self, subscription: Subscription) -> bool:
        """True if somebody waits."""
        return any(not waiter.done() for waiter in self._waiting.get(subscription, ()))

    def settle(self, subscription: Subscription, reply: Any) -> None:
        """Confirmed, with this reply."""
        for waiter in self.take(subscription):
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

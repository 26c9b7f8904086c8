"""One subscription as a literal table, and what the user wants kept apart from what the peer confirmed. Pure.

Rules:

* This file alone decides whether a topic is asked for again. A protocol reports `confirmed`, `refused`, `interrupted`,
  `ended`; the connection is `connected` or `disconnected`; the owner says
  `subscribe` and `leave`.
* Each topic has its own retry: one that is refused never holds up another.
* `leave` wins every race: after it no input but `subscribe` asks again, and no answer is awaited.
* A `Topic` keeps the *current* parameters: what is asked for after a reconnection is what the user wants now.
* A topic is named by many a `Topic` in its time, and asked for many times by one. What belongs to one attempt (its
  token, its snapshot, its timers) carries that attempt's number or the record itself, never the topic's name alone.

How one topic goes. It waits while there is no connection. `connected` asks for it (an attempt: a new number, a
deadline) and it is SUBSCRIBING until the peer's word: `confirmed`, or `refused` and `timed out`, which back off and ask
again, or `rejected`, which ends it. `interrupted` is a loss on a living connection: the gap opens, and it is asked for
anew after this topic's own back-off. ENDED is left by nothing but its owner: the consumers are told behind the read
that said so, and the record is forgotten, so that whoever subscribes then begins a new one.

The diagram in docs/states.md is made from this table; a test compares them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum
from types import MappingProxyType
from typing import Any, TypeVar

import msgspec

from ..errors import IllegalTransition
from ..marks import GapReason
from ..protocols.base import StreamPosition
from .holds import Fragment

__all__ = [
    "TABLE",
    "End",
    "Loss",
    "SubscriptionAction",
    "SubscriptionInput",
    "SubscriptionState",
    "Subscriptions",
    "Topic",
]


E = TypeVar("E", bound=type[Enum])


def _hashed_as_objects(kind: E) -> E:
    """There is one of each member: it is found in a table without a look at its name, which is a call of Python's."""
    type.__setattr__(kind, "__hash__", object.__hash__)
    return kind


@_hashed_as_objects
class SubscriptionState(Enum):
    """Where a subscription stands."""

    UNSUBSCRIBED = "unsubscribed"  # not wanted
    WAITING = "waiting"  # wanted; there is no connection
    SUBSCRIBING = "subscribing"  # asked for; no answer yet
    SUBSCRIBED = "subscribed"  # confirmed
    BACKING_OFF = "backing off"  # wanted; the peer refused or interrupted it; its own retry is pending
    ENDED = "ended"  # the peer ended or finally refused it; its record is forgotten


@_hashed_as_objects
class SubscriptionInput(Enum):
    """What can happen to it."""

    SUBSCRIBE = "subscribe"
    LEAVE = "leave"
    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    CONFIRMED = "confirmed"
    REFUSED = "refused"  # may be granted later
    REJECTED = "rejected"  # asking again unchanged cannot help
    INTERRUPTED = "interrupted"
    ENDED = "ended"
    TIMED_OUT = "timed out"  # no answer within the deadline
    RETRY_DUE = "retry due"
    UNAUTHORIZED = "unauthorized"  # its own token can be renewed no more
    RENEW = "renew"  # ask again for a fresh start although it is confirmed


@_hashed_as_objects
class SubscriptionAction(Enum):
    """What `Topics` is to do."""

    SUBSCRIBE = "send subscribe"
    UNSUBSCRIBE = "send unsubscribe"
    ARM_DEADLINE = "arm deadline"
    ARM_RETRY = "arm retry"
    DISARM = "disarm"
    ANNOUNCE = "announce"  # tell those who wait; write the mark that closes the gap; seed
    OPEN_GAP = "open gap"  # continuity is no longer proven from here on
    STOP_ROUTE = "stop route"  # nothing more is delivered, behind the frame that said so
    TELL_LOSS = "tell loss"  # at once, to consumers that asked to be told: it is not subscribed any more
    FAIL_REQUESTS = "fail requests"  # replies on this topic will not come any more
    END = "end"  # tell the consumers that nothing more comes


class Loss(msgspec.Struct, frozen=True):
    """Why a topic is not served: what `disconnected`, `interrupted`, `refused`, `timed out` and `renew` carry."""

    reason: GapReason
    detail: str = ""
    code: int | None = None

    def __str__(self) -> str:
        if self.reason == "interrupted" and self.detail:
            return self.detail  # the venue says in its own words why
        return f"{self.reason}: {self.detail}" if self.detail else self.reason


class End(msgspec.Struct, frozen=True):
    """Why a topic is over: the fact of `ended`, `rejected` and `unauthorized`. `error` None: the venue ended it."""

    reason: str
    code: int | None = None
    error: BaseException | None = None


S, On, Do = SubscriptionState, SubscriptionInput, SubscriptionAction

_ASK = (Do.SUBSCRIBE, Do.ARM_DEADLINE)
_LOST_AT_PEER = (Do.OPEN_GAP, Do.STOP_ROUTE, Do.FAIL_REQUESTS, Do.ARM_RETRY)
_OVER = (Do.FAIL_REQUESTS, Do.STOP_ROUTE, Do.END)

TABLE: MappingProxyType[
    tuple[SubscriptionState, SubscriptionInput], tuple[SubscriptionState, tuple[SubscriptionAction, ...]]
] = MappingProxyType(
    {
        (S.UNSUBSCRIBED, On.SUBSCRIBE): (S.WAITING, ()),
        #
        (S.WAITING, On.SUBSCRIBE): (S.WAITING, ()),
        (S.WAITING, On.CONNECTED): (S.SUBSCRIBING, _ASK),
        (S.WAITING, On.DISCONNECTED): (S.WAITING, ()),
        (S.WAITING, On.RENEW): (S.WAITING, ()),
        (S.WAITING, On.LEAVE): (S.UNSUBSCRIBED, ()),
        #
        (S.SUBSCRIBING, On.SUBSCRIBE): (S.SUBSCRIBING, ()),
        (S.SUBSCRIBING, On.CONFIRMED): (S.SUBSCRIBED, (Do.DISARM, Do.ANNOUNCE)),
        (S.SUBSCRIBING, On.REFUSED): (S.BACKING_OFF, (Do.DISARM, *_LOST_AT_PEER)),
        (S.SUBSCRIBING, On.REJECTED): (S.ENDED, (Do.DISARM, *_OVER)),
        (S.SUBSCRIBING, On.INTERRUPTED): (S.BACKING_OFF, (Do.DISARM, *_LOST_AT_PEER)),
        (S.SUBSCRIBING, On.ENDED): (S.ENDED, (Do.DISARM, *_OVER)),
        (S.SUBSCRIBING, On.TIMED_OUT): (S.BACKING_OFF, (Do.UNSUBSCRIBE, *_LOST_AT_PEER)),
        (S.SUBSCRIBING, On.DISCONNECTED): (S.WAITING, (Do.DISARM, Do.OPEN_GAP)),
        (S.SUBSCRIBING, On.RENEW): (S.SUBSCRIBING, ()),  # it is being asked for anew already
        (S.SUBSCRIBING, On.LEAVE): (S.UNSUBSCRIBED, (Do.DISARM, Do.UNSUBSCRIBE, Do.FAIL_REQUESTS)),
        #
        (S.SUBSCRIBED, On.SUBSCRIBE): (S.SUBSCRIBED, ()),
        (S.SUBSCRIBED, On.CONFIRMED): (S.SUBSCRIBED, (Do.ANNOUNCE,)),
        (S.SUBSCRIBED, On.INTERRUPTED): (S.BACKING_OFF, (Do.TELL_LOSS, *_LOST_AT_PEER)),
        (S.SUBSCRIBED, On.ENDED): (S.ENDED, _OVER),
        (S.SUBSCRIBED, On.UNAUTHORIZED): (S.ENDED, (Do.UNSUBSCRIBE, *_OVER)),
        (S.SUBSCRIBED, On.DISCONNECTED): (S.WAITING, (Do.OPEN_GAP, Do.TELL_LOSS)),
        (S.SUBSCRIBED, On.RENEW): (
            S.SUBSCRIBING,
            (Do.OPEN_GAP, Do.TELL_LOSS, Do.UNSUBSCRIBE, Do.FAIL_REQUESTS, *_ASK),
        ),
        (S.SUBSCRIBED, On.LEAVE): (S.UNSUBSCRIBED, (Do.UNSUBSCRIBE, Do.FAIL_REQUESTS)),
        #
        (S.BACKING_OFF, On.SUBSCRIBE): (S.BACKING_OFF, ()),
        (S.BACKING_OFF, On.RETRY_DUE): (S.SUBSCRIBING, _ASK),
        (S.BACKING_OFF, On.DISCONNECTED): (S.WAITING, (Do.DISARM,)),
        (S.BACKING_OFF, On.RENEW): (S.BACKING_OFF, ()),
        (S.BACKING_OFF, On.LEAVE): (S.UNSUBSCRIBED, (Do.DISARM,)),
        # Over, but for what its read still has to tell: nothing asks again, whatever comes meanwhile.
        **{(S.ENDED, received): (S.ENDED, ()) for received in On if received is not On.LEAVE},
        (S.ENDED, On.LEAVE): (S.UNSUBSCRIBED, ()),
        **{
            (S.UNSUBSCRIBED, received): (S.UNSUBSCRIBED, ())
            for received in On
            if received is not On.SUBSCRIBE
        },
    }
)


class Topic:
    """One topic that somebody wants: our intent beside the peer's confirmation."""

    __slots__ = (
        "announced",
        "asked_at",
        "asking",
        "attempt",
        "confirmed_at",
        "confirmed_once",
        "consumers",
        "continuous",
        "credentials",
        "fragments",
        "fresh",
        "gap_detail",
        "gap_reason",
        "gap_since_ns",
        "name",
        "params",
        "position",
        "refusals",
        "renewals",
        "reply",
        "spent",
        "state",
    )

    def __init__(self, name: str, params: Any = None, position: StreamPosition | None = None) -> None:
        self.name: str = name
        self.params: Any = params
        self.position: StreamPosition | None = position
        self.credentials: Any = None
        """Where the topic's own token comes from, if it has one."""
        self.fresh: bool = False
        """True where the token last given was not accepted (any more)."""
        self.spent: Any = None
        """The protocol of the connection that was told of as one that may ask for nothing more."""
        self.attempt: int = 0
        """The number of the attempt under way or confirmed, unique in its session; what is of an older one is stale."""
        self.asking: bool = False
        """True while the token of the present attempt is being asked for."""
        self.renewals: int = 0
        """Failed renewals of the token since the last that succeeded."""
        self.state: SubscriptionState = SubscriptionState.UNSUBSCRIBED
        self.consumers: tuple[Any, ...] = ()
        self.reply: Any = None
        self.confirmed_once: bool = False
        self.confirmed_at: float | None = None
        """When it was confirmed last, until that is lost."""
        self.announced: bool = False
        """True while consumers that asked to be told know that it is being asked for."""
        self.asked_at: float = 0.0
        """When it was wanted first, by the loop's clock."""
        self.refusals: int = 0
        """Refusals, interruptions and missing answers since it was last served for a while: its own retry's count."""
        self.continuous: bool = False
        """True while publications are provably continuous with what was delivered before."""
        self.gap_since_ns: int = 0
        """When continuity was last proven, if a gap is open; 0 if none is."""
        self.gap_reason: Any = ""
        self.gap_detail: str = ""
        self.fragments: tuple[Fragment, ...] = ()
        """What came since the gap was opened, of attempts that were lost before it was known whether it closes."""

    def handle(self, received: SubscriptionInput) -> tuple[SubscriptionAction, ...]:
        """Take one input. Perform the returned actions in order. Raises IllegalTransition for a pair not listed."""
        try:
            state, actions = TABLE[self.state, received]
        except KeyError:
            raise IllegalTransition(self.state, received) from None
        if state is not self.state:
            self.state, self.asking = state, False
        if received is On.CONFIRMED:
            self.fresh = False
        return actions

    def lost(self, now: float, stable_after: float) -> None:
        """The peer serves it no more: count that, from one again if it had lasted for `stable_after` seconds.

        A channel that is confirmed and crashes at once, time and again, is asked for ever more slowly.
        """
        if self.confirmed_at is not None and now - self.confirmed_at >= stable_after:
            self.refusals = 0
        self.confirmed_at = None
        self.refusals += 1

    def open_gap(self, since_ns: int, reason: str, detail: str = "") -> None:
        """Continuity ends here. The first reason of an open gap stands; nothing happens before the first delivery."""
        if self.continuous:
            self.continuous = False
            self.gap_since_ns = max(1, since_ns)  # 0 says that none is open
            self.gap_reason, self.gap_detail = reason, detail

    def resume(self, now_ns: int) -> None:
        """It goes on from a position of an earlier process: what came since lies open until it is recovered."""
        self.continuous = True
        self.open_gap(now_ns, "unrecovered", "resumed from a saved position")

    def close_gap(self) -> tuple[int, Any, str] | None:
        """Continuity starts again. Returns `(since_ns, reason, detail)` of the gap that was open, if one was."""
        gap = (self.gap_since_ns, self.gap_reason, self.gap_detail) if self.gap_since_ns else None
        self.continuous = True
        self.gap_since_ns = 0
        return gap

    def __repr__(self) -> str:
        return f"<Topic {self.name} {self.state.value} consumers={len(self.consumers)}>"


class Subscriptions:
    """All that is wanted of one session, by topic."""

    def __init__(self) -> None:
        self._topics: dict[str, Topic] = {}
        self.get: Callable[[str], Topic | None] = self._topics.get
        """The record of a name, if there is one: asked for with each event."""

    def add(self, name: str, params: Any, position: StreamPosition | None) -> Topic:
        """The record of `name`, made if there is none. Its parameters are those of the first who wanted it."""
        topic = self._topics.get(name)
        if topic is None:
            topic = self._topics[name] = Topic(name, params, position)
        return topic

    def discard(self, topic: Topic) -> None:
        """Forget it, and not a later record of the same topic."""
        if self._topics.get(topic.name) is topic:
            del self._topics[topic.name]

    def confirmed(self) -> int:
        """How many the peer has confirmed."""
        return sum(topic.state is SubscriptionState.SUBSCRIBED for topic in self._topics.values())

    def any_asked_for(self, *, besides: Topic) -> bool:
        """True if the peer has confirmed another topic than `besides`, or is asked for one."""
        return any(
            topic is not besides and topic.state in (S.SUBSCRIBING, S.SUBSCRIBED)
            for topic in self._topics.values()
        )

    def __iter__(self) -> Iterator[Topic]:
        return iter(tuple(self._topics.values()))

    def __len__(self) -> int:
        return len(self._topics)

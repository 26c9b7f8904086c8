import itertools
from copy import deepcopy

import pytest

from tapewire.errors import IllegalTransition
from tapewire.protocols.base import StreamPosition
from tapewire.session.subscriptions import TABLE, Subscriptions, Topic
from tapewire.session.subscriptions import SubscriptionAction as Do
from tapewire.session.subscriptions import SubscriptionInput as On
from tapewire.session.subscriptions import SubscriptionState as S

PATHS: dict[S, list[On]] = {
    S.UNSUBSCRIBED: [],
    S.WAITING: [On.SUBSCRIBE],
    S.SUBSCRIBING: [On.SUBSCRIBE, On.CONNECTED],
    S.SUBSCRIBED: [On.SUBSCRIBE, On.CONNECTED, On.CONFIRMED],
    S.BACKING_OFF: [On.SUBSCRIBE, On.CONNECTED, On.REFUSED],
    S.ENDED: [On.SUBSCRIBE, On.CONNECTED, On.ENDED],
}


def topic_in(state: S, name: str = "t") -> Topic:
    topic = Topic(name)
    for received in PATHS[state]:
        topic.handle(received)
    assert topic.state is state
    return topic


@pytest.mark.parametrize("state", S)
def test_every_state_is_reached_from_an_unsubscribed_topic(state):
    assert topic_in(state).state is state


@pytest.mark.parametrize(("state", "received"), list(itertools.product(S, On)))
def test_a_pair_is_in_the_table_or_an_error_that_names_both(state, received):
    topic = topic_in(state)
    if (state, received) in TABLE:
        assert topic.handle(received) == TABLE[state, received][1]
        assert topic.state is TABLE[state, received][0]
        return
    refusals = topic.refusals
    with pytest.raises(IllegalTransition, match=f"'{state.value}' on '{received.value}'"):
        topic.handle(received)
    assert (topic.state, topic.refusals) == (state, refusals), "an error changes nothing"


def test_every_input_and_every_action_is_used():
    assert {received for _, received in TABLE} == set(On)
    assert {action for _, actions in TABLE.values() for action in actions} == set(Do)


@pytest.mark.parametrize("state", S)
def test_leave_wins_in_every_state_and_nothing_but_want_asks_again(state):
    topic = topic_in(state)
    actions = topic.handle(On.LEAVE)
    assert topic.state is S.UNSUBSCRIBED
    assert Do.SUBSCRIBE not in actions
    assert (Do.UNSUBSCRIBE in actions) is (state in (S.SUBSCRIBING, S.SUBSCRIBED)), (
        "what the peer knows of is left"
    )
    assert topic.handle(On.LEAVE) == ()
    for received in set(On) - {On.SUBSCRIBE, On.LEAVE}:
        assert topic.handle(received) == ()
        assert topic.state is S.UNSUBSCRIBED


@pytest.mark.parametrize("received", [received for received in On if received is not On.LEAVE])
def test_what_comes_between_an_end_and_the_end_of_its_read_changes_nothing(received):
    topic = topic_in(S.ENDED)
    assert topic.handle(received) == ()
    assert topic.state is S.ENDED


def test_whatever_timer_a_state_has_is_disarmed_when_it_is_left_for_a_state_without_it():
    for (state, received), (target, actions) in TABLE.items():
        timed = state in (S.SUBSCRIBING, S.BACKING_OFF)
        fired = received in (On.TIMED_OUT, On.RETRY_DUE)
        if timed and not fired and target is not state:
            assert Do.DISARM in actions, (state, received)


def test_continuity_ends_with_everything_that_interrupts_a_confirmed_topic():
    for (state, received), (target, actions) in TABLE.items():
        if state is S.SUBSCRIBED and target not in (S.SUBSCRIBED, S.UNSUBSCRIBED, S.ENDED):
            assert Do.OPEN_GAP in actions, received
            assert received is On.DISCONNECTED or Do.FAIL_REQUESTS in actions, received


def test_a_renewal_leaves_before_it_asks():
    actions = topic_in(S.SUBSCRIBED).handle(On.RENEW)
    assert actions.index(Do.OPEN_GAP) < actions.index(Do.UNSUBSCRIBE) < actions.index(Do.SUBSCRIBE)


def test_each_topic_counts_its_own_refusals_until_it_has_lasted():
    one, other = topic_in(S.SUBSCRIBING, "one"), topic_in(S.SUBSCRIBING, "other")
    for now in (1.0, 2.0, 3.0):
        one.lost(now, 10.0)
    assert (one.refusals, other.refusals) == (3, 0)
    one.handle(On.DISCONNECTED)
    one.handle(On.CONNECTED)
    assert one.refusals == 3, "a new connection forgives nothing"
    one.confirmed_at = 4.0
    one.lost(13.9, 10.0)
    assert one.refusals == 4, "nor does a confirmation that does not last"
    one.confirmed_at = 20.0
    one.lost(30.0, 10.0)
    assert one.refusals == 1
    one.lost(50.0, 10.0)
    assert one.refusals == 2, "it was not confirmed again in between"


def test_nothing_is_missing_before_the_first_continuity():
    topic = Topic("t")
    topic.open_gap(5, "connection lost")
    assert topic.close_gap() is None
    assert topic.continuous


def test_the_first_reason_of_an_open_gap_stands_and_a_closed_gap_is_told_once():
    topic = Topic("t")
    topic.close_gap()
    topic.open_gap(5, "connection lost", "code 1006")
    assert not topic.continuous
    topic.open_gap(9, "interrupted", "later")
    assert topic.close_gap() == (5, "connection lost", "code 1006")
    assert topic.close_gap() is None
    topic.open_gap(11, "sequence")
    assert topic.close_gap() == (11, "sequence", "")


def test_a_gap_at_the_beginning_of_time_is_a_gap():
    topic = Topic("t")
    topic.close_gap()
    topic.open_gap(0, "connection lost")
    assert topic.close_gap() is not None


def test_all_that_is_wanted_is_kept_by_topic_with_what_the_first_one_asked():
    subscriptions = Subscriptions()
    first = subscriptions.add("a", {"depth": 5}, StreamPosition(7, "e"))
    assert subscriptions.add("a", {"depth": 9}, None) is first
    assert (first.params, first.position) == ({"depth": 5}, StreamPosition(7, "e"))
    assert subscriptions.add("b", None, None) is subscriptions.get("b")
    assert (len(subscriptions), subscriptions.confirmed()) == (2, 0)
    for received in PATHS[S.SUBSCRIBED]:
        first.handle(received)
    assert subscriptions.confirmed() == 1
    for topic in subscriptions:
        subscriptions.discard(topic)  # while iterating
    subscriptions.discard(first)
    assert (len(subscriptions), subscriptions.get("a")) == (0, None)


class Schedule:
    """What `Topics` has under way for one topic: what may come next follows from it."""

    def __init__(self) -> None:
        self.topic = Topic("t")
        self.connected = self.asked = self.deadline = self.retry = self.left = self.over = False

    def situation(self) -> tuple[object, ...]:
        flags = {name: value for name, value in vars(self).items() if name != "topic"}
        return (self.topic.state, *flags.values())

    def possible(self) -> list[On]:
        inputs = [On.LEAVE]
        if not self.over:
            inputs.append(On.SUBSCRIBE)
        if self.topic.state in (S.UNSUBSCRIBED, S.ENDED):
            return inputs
        inputs += [On.DISCONNECTED if self.connected else On.CONNECTED, On.RENEW]
        if self.asked:
            confirmed = self.topic.state is S.SUBSCRIBED
            inputs += [On.CONFIRMED, On.INTERRUPTED, On.ENDED]
            inputs += [] if confirmed else [On.REFUSED, On.REJECTED]
        return inputs + [On.TIMED_OUT] * self.deadline + [On.RETRY_DUE] * self.retry

    def feed(self, received: On) -> None:
        if received is On.SUBSCRIBE and self.topic.state is S.UNSUBSCRIBED:
            self.left = False
            self.perform(self.topic.handle(received))
            received = On.CONNECTED if self.connected else On.SUBSCRIBE
        self.left |= received is On.LEAVE
        if received in (On.CONNECTED, On.DISCONNECTED):
            self.connected = received is On.CONNECTED
            self.asked &= self.connected
        if received in (On.REFUSED, On.REJECTED, On.INTERRUPTED, On.ENDED):
            self.asked = False
        self.deadline &= received is not On.TIMED_OUT
        self.retry &= received is not On.RETRY_DUE
        self.perform(self.topic.handle(received))

    def perform(self, actions: tuple[Do, ...]) -> None:
        for action in actions:
            if action is Do.SUBSCRIBE:
                assert self.connected, "asked for without a connection"
                assert not self.asked, "asked twice"
                assert not self.left, "asked after leave"
                self.asked = True
            elif action is Do.UNSUBSCRIBE:
                assert self.asked
                self.asked = False
            elif action is Do.DISARM:
                self.deadline = self.retry = False
            elif action is Do.ARM_DEADLINE:
                self.deadline = True
            elif action is Do.ARM_RETRY:
                self.retry = True
            elif action is Do.END:
                self.over = True


def test_a_topic_is_asked_for_only_while_connected_once_at_a_time_and_never_after_leave():
    """In any order of events SUBSCRIBE comes only while connected, once at a time, and after a SUBSCRIBE."""
    first = Schedule()
    known, ahead = {first.situation()}, [first]
    while ahead:
        topic = ahead.pop()
        for received in topic.possible():
            after = deepcopy(topic)
            after.feed(received)
            state = after.topic.state
            assert after.deadline is (state is S.SUBSCRIBING)
            assert after.retry is (state is S.BACKING_OFF)
            assert after.asked is (state in (S.SUBSCRIBING, S.SUBSCRIBED))
            if after.situation() not in known:
                known.add(after.situation())
                ahead.append(after)
    assert {situation[0] for situation in known} == set(S)

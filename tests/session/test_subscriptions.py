import itertools
from copy import deepcopy

import pytest

from tapewire.protocols.base import StreamPosition
from tapewire.session.machine import IllegalTransition
from tapewire.session.subscriptions import TABLE, Subscriptions, Wanted
from tapewire.session.subscriptions import SubscriptionAction as Do
from tapewire.session.subscriptions import SubscriptionInput as On
from tapewire.session.subscriptions import SubscriptionState as S

PATHS: dict[S, list[On]] = {
    S.UNSUBSCRIBED: [],
    S.WAITING: [On.WANT],
    S.SUBSCRIBING: [On.WANT, On.LINE_UP],
    S.SUBSCRIBED: [On.WANT, On.LINE_UP, On.CONFIRMED],
    S.BACKING_OFF: [On.WANT, On.LINE_UP, On.REFUSED],
    S.ENDED: [On.WANT, On.LINE_UP, On.ENDED],
}


def wanted_in(state: S, topic: str = "t") -> Wanted:
    wanted = Wanted(topic)
    for received in PATHS[state]:
        wanted.handle(received)
    assert wanted.state is state
    return wanted


@pytest.mark.parametrize("state", S)
def test_every_state_is_reached_from_an_unsubscribed_topic(state):
    assert wanted_in(state).state is state


@pytest.mark.parametrize(("state", "received"), list(itertools.product(S, On)))
def test_a_pair_is_in_the_table_or_an_error_that_names_both(state, received):
    wanted = wanted_in(state)
    if (state, received) in TABLE:
        assert wanted.handle(received) == TABLE[state, received][1]
        assert wanted.state is TABLE[state, received][0]
        return
    refusals = wanted.refusals
    with pytest.raises(IllegalTransition, match=f"'{state.value}' on '{received.value}'"):
        wanted.handle(received)
    assert (wanted.state, wanted.refusals) == (state, refusals), "an error changes nothing"


def test_every_input_and_every_action_is_used():
    assert {received for _, received in TABLE} == set(On)
    assert {action for _, actions in TABLE.values() for action in actions} == set(Do)


@pytest.mark.parametrize("state", S)
def test_leave_wins_in_every_state_and_nothing_but_want_asks_again(state):
    wanted = wanted_in(state)
    actions = wanted.handle(On.LEAVE)
    assert wanted.state is S.UNSUBSCRIBED
    assert Do.SUBSCRIBE not in actions
    assert (Do.UNSUBSCRIBE in actions) is (state in (S.SUBSCRIBING, S.SUBSCRIBED)), (
        "what the peer knows of is left"
    )
    assert wanted.handle(On.LEAVE) == ()
    for received in set(On) - {On.WANT, On.LEAVE}:
        assert wanted.handle(received) == ()
        assert wanted.state is S.UNSUBSCRIBED


@pytest.mark.parametrize("received", [received for received in On if received is not On.LEAVE])
def test_what_comes_between_an_end_and_the_end_of_its_read_changes_nothing(received):
    wanted = wanted_in(S.ENDED)
    assert wanted.handle(received) == ()
    assert wanted.state is S.ENDED


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
            assert received is On.LINE_DOWN or Do.FAIL_REQUESTS in actions, received


def test_a_renewal_leaves_before_it_asks():
    actions = wanted_in(S.SUBSCRIBED).handle(On.RENEW)
    assert actions.index(Do.OPEN_GAP) < actions.index(Do.UNSUBSCRIBE) < actions.index(Do.SUBSCRIBE)


def test_each_topic_counts_its_own_refusals_until_it_has_lasted():
    one, other = wanted_in(S.SUBSCRIBING, "one"), wanted_in(S.SUBSCRIBING, "other")
    for now in (1.0, 2.0, 3.0):
        one.lost(now, 10.0)
    assert (one.refusals, other.refusals) == (3, 0)
    one.handle(On.LINE_DOWN)
    one.handle(On.LINE_UP)
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
    wanted = Wanted("t")
    wanted.open_gap(5, "connection lost")
    assert wanted.close_gap() is None
    assert wanted.continuous


def test_the_first_reason_of_an_open_gap_stands_and_a_closed_gap_is_told_once():
    wanted = Wanted("t")
    wanted.close_gap()
    wanted.open_gap(5, "connection lost", "code 1006")
    assert not wanted.continuous
    wanted.open_gap(9, "interrupted", "later")
    assert wanted.close_gap() == (5, "connection lost", "code 1006")
    assert wanted.close_gap() is None
    wanted.open_gap(11, "sequence")
    assert wanted.close_gap() == (11, "sequence", "")


def test_a_gap_at_the_beginning_of_time_is_a_gap():
    wanted = Wanted("t")
    wanted.close_gap()
    wanted.open_gap(0, "connection lost")
    assert wanted.close_gap() is not None


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
    for wanted in subscriptions:
        subscriptions.discard(wanted)  # while iterating
    subscriptions.discard(first)
    assert (len(subscriptions), subscriptions.get("a")) == (0, None)


class Topic:
    """What `Topics` has under way for one topic: what may come next follows from it."""

    def __init__(self) -> None:
        self.wanted = Wanted("t")
        self.line_up = self.asked = self.deadline = self.retry = self.left = self.over = False

    def situation(self) -> tuple[object, ...]:
        flags = {name: value for name, value in vars(self).items() if name != "wanted"}
        return (self.wanted.state, *flags.values())

    def possible(self) -> list[On]:
        inputs = [On.LEAVE]
        if not self.over:
            inputs.append(On.WANT)
        if self.wanted.state in (S.UNSUBSCRIBED, S.ENDED):
            return inputs
        inputs += [On.LINE_DOWN if self.line_up else On.LINE_UP, On.RENEW]
        if self.asked:
            confirmed = self.wanted.state is S.SUBSCRIBED
            inputs += [On.CONFIRMED, On.INTERRUPTED, On.ENDED]
            inputs += [] if confirmed else [On.REFUSED, On.REJECTED]
        return inputs + [On.TIMED_OUT] * self.deadline + [On.RETRY_DUE] * self.retry

    def feed(self, received: On) -> None:
        if received is On.WANT and self.wanted.state is S.UNSUBSCRIBED:
            self.left = False
            self.perform(self.wanted.handle(received))
            received = On.LINE_UP if self.line_up else On.WANT
        self.left |= received is On.LEAVE
        if received in (On.LINE_UP, On.LINE_DOWN):
            self.line_up = received is On.LINE_UP
            self.asked &= self.line_up
        if received in (On.REFUSED, On.REJECTED, On.INTERRUPTED, On.ENDED):
            self.asked = False
        self.deadline &= received is not On.TIMED_OUT
        self.retry &= received is not On.RETRY_DUE
        self.perform(self.wanted.handle(received))

    def perform(self, actions: tuple[Do, ...]) -> None:
        for action in actions:
            if action is Do.SUBSCRIBE:
                assert self.line_up, "asked while the line is down"
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


def test_a_topic_is_asked_for_only_on_a_raised_line_once_at_a_time_and_never_after_leave():
    """In any order of events SUBSCRIBE comes only on a raised line, once at a time, and after a WANT."""
    first = Topic()
    known, ahead = {first.situation()}, [first]
    while ahead:
        topic = ahead.pop()
        for received in topic.possible():
            after = deepcopy(topic)
            after.feed(received)
            state = after.wanted.state
            assert after.deadline is (state is S.SUBSCRIBING)
            assert after.retry is (state is S.BACKING_OFF)
            assert after.asked is (state in (S.SUBSCRIBING, S.SUBSCRIBED))
            if after.situation() not in known:
                known.add(after.situation())
                ahead.append(after)
    assert {situation[0] for situation in known} == set(S)

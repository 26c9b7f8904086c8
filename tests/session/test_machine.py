import itertools
from copy import deepcopy

import pytest

from tapewire.errors import IllegalTransition, TapewireError
from tapewire.retry import NEVER_GIVE_UP, RetryPolicy
from tapewire.session.machine import TABLE, Action, ConnectionMachine, Input, State

PATHS: dict[State, list[Input]] = {
    State.NEW: [],
    State.AUTHORIZING: [Input.OPEN],
    State.CONNECTING: [Input.OPEN, Input.AUTHORIZED],
    State.GREETING: [Input.OPEN, Input.AUTHORIZED, Input.OPENED],
    State.UP: [Input.OPEN, Input.AUTHORIZED, Input.OPENED, Input.READY],
    State.WAITING: [Input.OPEN, Input.BROKEN],
    State.CLOSING: [Input.OPEN, Input.AUTHORIZED, Input.OPENED, Input.CLOSE],
    State.CLOSED: [Input.CLOSE],
    State.FAILED: [Input.OPEN, Input.REFUSED],
}
CONNECT = [Input.AUTHORIZED, Input.OPENED, Input.READY]
FLAP = [*CONNECT, Input.BROKEN, Input.BACKOFF_OVER]


def machine_in(state: State, policy: RetryPolicy = NEVER_GIVE_UP) -> ConnectionMachine:
    return walk(ConnectionMachine(policy), PATHS[state], expect=state)


def walk(machine: ConnectionMachine, inputs: list[Input], expect: State | None = None) -> ConnectionMachine:
    for received in inputs:
        machine.handle(received)
    if expect is not None:
        assert machine.state is expect
    return machine


@pytest.mark.parametrize(("state", "received"), list(itertools.product(State, Input)))
def test_a_pair_is_in_the_table_or_an_error_that_names_both(state, received):
    machine = machine_in(state)
    if (state, received) in TABLE:
        if (state, received) == (State.GREETING, Input.EXPIRED):
            machine.handle(received)  # the first one is taken for an `unauthorized`
            machine = walk(machine, CONNECT[:-1], expect=State.GREETING)
        assert machine.handle(received) == TABLE[state, received][1]
        assert machine.state is TABLE[state, received][0]
        return
    before = vars(machine).copy()
    with pytest.raises(IllegalTransition, match=f"'{state.value}' on '{received.value}'") as caught:
        machine.handle(received)
    assert (caught.value.state, caught.value.input) == (state, received)
    assert isinstance(caught.value, TapewireError)
    assert vars(machine) == before, "an error changes nothing"


def test_the_final_form_of_an_input_is_listed_wherever_the_input_is():
    for state in State:
        if (state, Input.BROKEN) in TABLE:
            assert (state, Input.EXHAUSTED) in TABLE
        if (state, Input.UNAUTHORIZED) in TABLE:
            assert (state, Input.REFUSED) in TABLE
        if (state, Input.EXPIRED) in TABLE:
            assert (state, Input.UNAUTHORIZED) in TABLE
            assert (state, Input.EXHAUSTED) in TABLE


def test_every_input_and_every_action_is_used():
    assert {received for _, received in TABLE} == set(Input)
    assert {action for _, actions in TABLE.values() for action in actions} == set(Action)


def test_the_table_cannot_be_changed():
    with pytest.raises(TypeError):
        TABLE[State.NEW, Input.GONE] = (State.CLOSED, ())


def test_whoever_leaves_the_line_lowers_it_before_the_transport_is_dropped():
    for (state, received), (target, actions) in TABLE.items():
        if received is Input.DEFECT:
            continue  # whatever it finds, it leaves
        if state is State.UP and target not in (State.UP, State.CLOSING):
            assert actions[:2] == (Action.REPORT_DISCONNECTED, Action.DROP)
        elif state is State.GREETING and target not in (State.GREETING, State.UP, State.CLOSING):
            assert actions[0] is Action.DROP


def test_a_connection_goes_up():
    machine = ConnectionMachine(NEVER_GIVE_UP)
    actions = [machine.handle(received) for received in [Input.OPEN, *CONNECT]]
    assert actions == [
        (Action.AUTHORIZE,),
        (Action.CONNECT,),
        (Action.GREET,),
        (Action.ARM_STABLE, Action.REPORT_CONNECTED),
    ]


@pytest.mark.parametrize("max_attempts", [1, 2, 5])
@pytest.mark.parametrize("failing_at", [State.AUTHORIZING, State.CONNECTING, State.GREETING])
def test_max_attempts_is_the_number_of_tries_the_first_included(max_attempts, failing_at):
    machine = walk(ConnectionMachine(RetryPolicy(max_attempts)), [Input.OPEN])
    for attempt in range(1, max_attempts + 1):
        walk(machine, CONNECT[: len(PATHS[failing_at]) - 1], expect=failing_at)
        actions = machine.handle(Input.BROKEN)
        assert machine.tries == attempt
        if attempt < max_attempts:
            assert actions[-1] is Action.ARM_BACKOFF
            walk(machine, [Input.BACKOFF_OVER])
    assert machine.state is State.FAILED
    assert actions[-1] is Action.GIVE_UP


def test_the_loss_of_a_stable_line_is_not_a_failed_try():
    machine = walk(machine_in(State.UP, RetryPolicy(1)), [Input.STABLE])
    assert Action.ARM_BACKOFF in machine.handle(Input.BROKEN)
    assert (machine.tries, machine.waits) == (0, 1)
    machine.handle(Input.BACKOFF_OVER)
    assert machine.handle(Input.BROKEN) == (Action.GIVE_UP,), "but the first try after it is one"


def test_a_line_that_was_left_on_purpose_makes_no_later_try_free():
    machine = walk(machine_in(State.UP, RetryPolicy(1)), [Input.STABLE, Input.RECONNECT])
    machine.handle(Input.BROKEN)
    assert machine.state is State.FAILED


def test_a_token_that_ends_on_a_live_line_is_a_loss_with_a_fresh_token_after_it():
    machine = machine_in(State.UP, RetryPolicy(3))
    for tries in (0, 1, 2):
        actions = machine.handle(Input.UNAUTHORIZED)
        assert machine.state is State.WAITING, "never at once: a venue that ends each token would be stormed"
        assert Action.DISCARD_TOKEN in actions
        assert machine.tries == tries
        walk(machine, [Input.BACKOFF_OVER, *CONNECT], expect=State.UP)
    walk(machine, [Input.UNAUTHORIZED], expect=State.FAILED)


def test_a_token_that_ends_on_a_stable_line_is_not_a_failed_try():
    machine = walk(
        machine_in(State.UP, RetryPolicy(1)), [Input.STABLE, Input.UNAUTHORIZED], expect=State.WAITING
    )
    assert machine.tries == 0


def test_a_line_that_drops_before_it_was_stable_counts_and_waits_longer_each_time():
    machine = walk(ConnectionMachine(RetryPolicy(4)), [Input.OPEN, *FLAP, *FLAP, *FLAP])
    assert (machine.tries, machine.waits) == (2, 3), "what opened the session is no dial of an outage"
    walk(machine, [*FLAP, *CONNECT, Input.BROKEN], expect=State.FAILED)


@pytest.mark.parametrize("allowed", [1, 2, 3])
def test_as_many_dials_follow_a_loss_as_the_policy_allows_and_as_many_open_a_session(allowed):
    opening = walk(ConnectionMachine(RetryPolicy(allowed)), [Input.OPEN])
    lost = walk(
        ConnectionMachine(RetryPolicy(allowed)), [Input.OPEN, *CONNECT, Input.BROKEN, Input.BACKOFF_OVER]
    )
    for machine in (opening, lost):
        for _ in range(allowed - 1):
            walk(machine, [Input.AUTHORIZED, Input.BROKEN, Input.BACKOFF_OVER], expect=State.AUTHORIZING)
        walk(machine, [Input.AUTHORIZED, Input.BROKEN], expect=State.FAILED)
        assert machine.tries == allowed


def test_a_connection_that_served_makes_the_next_tries_quick_and_is_no_end_of_the_outage():
    machine = walk(ConnectionMachine(RetryPolicy(9)), [Input.OPEN, *FLAP, *FLAP, *CONNECT])
    machine.served()
    assert (machine.tries, machine.waits) == (2, 0)


@pytest.mark.parametrize("state", State)
def test_from_every_state_a_defect_leads_to_one_that_some_input_leaves_again(state):
    target, actions = TABLE[state, Input.DEFECT]
    if target is State.WAITING:
        assert Action.ARM_BACKOFF in actions
        assert actions.index(Action.REPORT_DISCONNECTED) < actions.index(Action.DROP)
    else:
        assert target in (State.NEW, State.CLOSED, State.FAILED)


def test_a_flapping_line_without_a_limit_never_fails():
    machine = walk(ConnectionMachine(NEVER_GIVE_UP), [Input.OPEN, *FLAP * 1000], expect=State.AUTHORIZING)
    assert machine.waits == 1000


def test_a_stable_line_starts_the_count_afresh():
    machine = walk(ConnectionMachine(RetryPolicy(3)), [Input.OPEN, *FLAP, *FLAP, *CONNECT, Input.STABLE])
    assert (machine.tries, machine.waits) == (0, 0)
    walk(machine, [Input.BROKEN, Input.BACKOFF_OVER, *FLAP, *FLAP], expect=State.AUTHORIZING)
    walk(machine, [Input.BROKEN], expect=State.FAILED)


def test_an_unauthorized_answer_discards_the_token_and_asks_once_for_a_fresh_one():
    machine = machine_in(State.CONNECTING)
    assert machine.handle(Input.UNAUTHORIZED) == (Action.DISCARD_TOKEN, Action.AUTHORIZE)
    assert (machine.state, machine.tries, machine.waits) == (State.AUTHORIZING, 0, 0)


@pytest.mark.parametrize("first", [State.AUTHORIZING, State.CONNECTING, State.GREETING])
@pytest.mark.parametrize("second", [State.AUTHORIZING, State.CONNECTING, State.GREETING])
def test_a_second_unauthorized_answer_in_one_outage_is_final(first, second):
    machine = walk(machine_in(first), [Input.UNAUTHORIZED], expect=State.AUTHORIZING)
    walk(machine, CONNECT[: len(PATHS[second]) - 1], expect=second)
    assert machine.handle(Input.UNAUTHORIZED)[-1] is Action.GIVE_UP
    assert machine.state is State.FAILED


def test_a_token_that_had_ended_is_renewed_at_once_and_then_with_backoff_however_often():
    machine = machine_in(State.GREETING, RetryPolicy(3))
    assert machine.handle(Input.EXPIRED) == (Action.DROP, Action.DISCARD_TOKEN, Action.AUTHORIZE)
    for tries in (1, 2):
        walk(machine, CONNECT[:-1], expect=State.GREETING)
        assert machine.handle(Input.EXPIRED) == (Action.DROP, Action.DISCARD_TOKEN, Action.ARM_BACKOFF)
        assert (machine.state, machine.tries) == (State.WAITING, tries)
        walk(machine, [Input.BACKOFF_OVER], expect=State.AUTHORIZING)
    walk(machine, [*CONNECT[:-1], Input.EXPIRED], expect=State.FAILED)


def test_the_second_unauthorized_is_final_though_other_failures_came_between():
    machine = walk(machine_in(State.CONNECTING), [Input.UNAUTHORIZED, Input.AUTHORIZED, Input.BROKEN])
    walk(machine, [Input.BACKOFF_OVER, Input.AUTHORIZED, Input.UNAUTHORIZED], expect=State.FAILED)


def test_after_a_stable_line_a_fresh_token_may_be_asked_for_again():
    machine = walk(machine_in(State.CONNECTING), [Input.UNAUTHORIZED, *CONNECT, Input.STABLE])
    walk(machine, [Input.BROKEN, Input.BACKOFF_OVER, Input.AUTHORIZED, Input.UNAUTHORIZED], State.AUTHORIZING)


def test_reconnect_makes_a_new_connection_at_once_and_disturbs_no_try():
    assert machine_in(State.UP).handle(Input.RECONNECT) == (
        Action.REPORT_DISCONNECTED,
        Action.DROP,
        Action.AUTHORIZE,
    )
    assert machine_in(State.WAITING).handle(Input.RECONNECT) == (Action.DISARM_BACKOFF, Action.AUTHORIZE)
    for state in set(State) - {State.UP, State.WAITING}:
        machine = machine_in(state)
        assert machine.handle(Input.RECONNECT) == ()
        assert machine.state is state


@pytest.mark.parametrize("state", State)
def test_close_is_legal_in_every_state_and_twice(state):
    machine = machine_in(state)
    machine.handle(Input.CLOSE)
    assert machine.state is (
        State.CLOSING if state in (State.GREETING, State.UP, State.CLOSING) else State.CLOSED
    )
    assert machine.handle(Input.CLOSE) == ()


class Line:
    """What the driver has under way, by the actions it was told: what it may feed next follows from it."""

    def __init__(self, policy: RetryPolicy) -> None:
        self.machine = ConnectionMachine(policy)
        self.under_way: set[str] = set()
        self.closed = self.raised = False

    def situation(self) -> tuple[object, ...]:
        counted = {**vars(self.machine), "waits": 0}
        counted["tries"] = min(self.machine.tries, self.machine.policy.max_attempts or 0)
        return (tuple(counted.values()), frozenset(self.under_way), self.closed, self.raised)

    def possible(self) -> list[Input]:
        owner = [Input.RECONNECT, Input.CLOSE]
        if "over" not in self.under_way:
            owner.append(Input.OPEN)
        failures = [Input.BROKEN, Input.UNAUTHORIZED, Input.REFUSED]
        told = {
            "authorize": [Input.AUTHORIZED, *failures],
            "connect": [Input.OPENED, *failures],
            "greet": [Input.READY],
            "transport": failures,
            "stable": [Input.STABLE],
            "backoff": [Input.BACKOFF_OVER],
            "leave": [Input.GONE],
        }
        return owner + [received for what in sorted(self.under_way - {"over"}) for received in told[what]]

    def feed(self, received: Input) -> None:
        ends = {
            Input.AUTHORIZED: "authorize",
            Input.OPENED: "connect",
            Input.READY: "greet",
            Input.STABLE: "stable",
        }
        ends |= {Input.BACKOFF_OVER: "backoff", Input.GONE: "leave"}
        self.under_way.discard(ends.get(received, ""))
        if received in (Input.BROKEN, Input.UNAUTHORIZED, Input.REFUSED):
            self.under_way -= {"authorize", "connect"}
        self.closed |= received is Input.CLOSE
        for action in self.machine.handle(received):
            self.perform(action)

    def perform(self, action: Action) -> None:
        assert not (self.closed and action in (Action.AUTHORIZE, Action.CONNECT, Action.REPORT_CONNECTED))
        if action in (Action.AUTHORIZE, Action.CONNECT):
            assert not self.under_way & {"authorize", "connect", "transport", "backoff", "over"}
            self.under_way.add(action.value)
        elif action is Action.GREET:
            self.under_way |= {"greet", "transport"}
        elif action is Action.REPORT_CONNECTED:
            assert not self.raised
            self.raised = True
        elif action is Action.REPORT_DISCONNECTED:
            assert self.raised
            self.raised = False
        elif action is Action.ARM_STABLE:
            self.under_way.add("stable")
        elif action is Action.ARM_BACKOFF:
            assert "transport" not in self.under_way
            self.under_way.add("backoff")
        elif action is Action.DISARM_BACKOFF:
            self.under_way.remove("backoff")
        elif action is Action.DROP:
            self.under_way -= {"transport", "greet", "stable"}
        elif action is Action.CANCEL_TRY:
            self.under_way -= {"authorize", "connect"}
        elif action is Action.LEAVE:
            self.under_way.add("leave")
        elif action in (Action.GIVE_UP, Action.FINISH):
            self.under_way.add("over")


def explored(max_attempts: int | None) -> list[Line]:
    """Every situation that any order of events leads to. Counts without a limit are not told apart."""
    first = Line(RetryPolicy(max_attempts))
    known = {first.situation(): first}
    ahead = [first]
    while ahead:
        line = ahead.pop()
        for received in line.possible():
            after = deepcopy(line)
            after.feed(received)
            if known.setdefault(after.situation(), after) is after:
                ahead.append(after)
    return list(known.values())


@pytest.mark.parametrize("max_attempts", [None, 1, 2, 3])
def test_no_order_of_events_is_illegal_and_nothing_is_opened_after_close(max_attempts):
    """Whatever the driver may feed is listed; one try at a time; after CLOSE no token, connection or raised line."""
    situations = explored(max_attempts)
    assert {line.machine.state for line in situations} == set(State), "every state is reached"
    for line in situations:
        assert line.closed or max_attempts is None or line.machine.tries <= max_attempts
        line.feed(Input.CLOSE)
        if "leave" in line.under_way:
            line.feed(Input.GONE)
        assert line.machine.state is State.CLOSED
        assert line.under_way == {"over"}


def test_supervision_has_an_end_and_begins_anew_with_a_stable_line():
    machine = ConnectionMachine(NEVER_GIVE_UP, supervise=RetryPolicy(2, 1.0, 1.0))
    walk(machine, [Input.OPEN, Input.REFUSED], expect=State.WAITING)
    walk(machine, [Input.BACKOFF_OVER, *CONNECT, Input.STABLE, Input.REFUSED], expect=State.WAITING)
    walk(machine, [Input.BACKOFF_OVER, Input.REFUSED], expect=State.FAILED)

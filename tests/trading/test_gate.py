"""The gate: each limit by itself, the states, then a state machine in which no order passes a limit."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tapewire.errors import ConfigurationError
from tapewire.model import Fill, Instrument, InvalidField, Order, OrderRequest
from tapewire.trading import Approved, Gate, GateState, Limits, OrderDenied, Quoted, RiskState
from tapewire.trading.gate import RISK_TABLE, RiskInput

S = 1_000_000_000
DAY = 86_400 * S
INSTRUMENT = Instrument(
    venue="v", instrument_id="i", kind="outcome", currency="USD", payout=Decimal(100), market_id="m",
    price_tick=Decimal(1), size_step=Decimal(1),
)  # fmt: skip
OTHER = msgspec.structs.replace(INSTRUMENT, instrument_id="j")
EUROS = msgspec.structs.replace(INSTRUMENT, instrument_id="e", currency="EUR")
LIVE = Quoted(bid=Decimal(40), offer=Decimal(42), is_live=True, received_at_ns=0)


def gate(kept=None, **limits):
    made = Gate(Limits(**{k: Decimal(v) if isinstance(v, str) else v for k, v in limits.items()}), kept)
    for instrument in (INSTRUMENT, OTHER, EUROS):
        made.add(instrument)
    return made


def wanted(name="a", side="buy", size=10, price=40, instrument_id="i", **options):
    return OrderRequest(
        client_order_id=name, venue="v", instrument_id=instrument_id, side=side, size=Decimal(size),
        price=None if price is None else Decimal(price), kind="market" if price is None else "limit", **options,
    )  # fmt: skip


def fill(name="a", side="buy", size=10, price=40, fill_id="f", instrument_id="i"):
    return Fill(
        venue="v", instrument_id=instrument_id, fill_id=fill_id, client_order_id=name, venue_order_id=None, side=side,
        price=Decimal(price), size=Decimal(size), venue_time_ns=None, received_at_ns=0,
    )  # fmt: skip


def told(request, status, filled=0):
    return Order(
        venue="v", instrument_id=request.instrument_id, client_order_id=request.client_order_id, venue_order_id=None,
        side=request.side, size=request.size, status=status, filled_size=Decimal(filled), venue_time_ns=None,
        received_at_ns=0,
    )  # fmt: skip


def denied(made, request, quoted=LIVE, now_ns=0):
    with pytest.raises(OrderDenied) as denial:
        made.approve(request, quoted, now_ns)
    assert denial.value.rule in str(denial.value)
    assert denial.value.figures
    return denial.value.rule


# Each limit


@pytest.mark.parametrize(
    ("limits", "request_", "rule_"),
    [
        ({"order_size": "9"}, wanted(), "order_size"),
        ({"order_notional": "399"}, wanted(), "order_notional"),
        ({"position": "9"}, wanted(), "position"),
        ({"gross": "399"}, wanted(), "gross"),
        ({"net": "399"}, wanted(), "net"),
        ({"open_orders": 0}, wanted(), "open_orders"),
        ({"orders": 0}, wanted(), "orders"),
        ({"collar": "0.1"}, wanted(price=47), "collar"),
        ({"collar": "0.1"}, wanted(side="sell", price=35), "collar"),
        ({}, wanted(reduce_only=True), "reduce_only"),
    ],
)
def test_each_limit_denies_by_its_name_and_passes_what_it_allows(limits, request_, rule_):
    assert denied(gate(**limits), request_) == rule_
    assert gate(order_size="10").approve(wanted(), LIVE, 0).request == wanted()


def test_data_that_is_not_proven_or_too_old_approves_nothing():
    lost = msgspec.structs.replace(LIVE, is_live=False, reason="connection lost")
    with pytest.raises(OrderDenied, match="needs_live: connection lost"):
        gate().approve(wanted(), lost, 0)
    assert gate(needs_live=False).approve(wanted(), lost, 0)
    assert denied(gate(data_age=2.0), wanted(), now_ns=3 * S) == "data_age"
    assert gate(data_age=2.0).approve(wanted(), LIVE, 2 * S)


def test_a_market_order_needs_somebody_on_the_other_side():
    nobody = msgspec.structs.replace(LIVE, offer=None)
    assert denied(gate(), wanted(price=None), nobody) == "collar"


def test_an_order_that_would_meet_one_of_our_own_is_denied():
    made = gate()
    made.approve(wanted(side="sell", price=45), LIVE, 0)
    assert denied(made, wanted("b", price=45)) == "self_crossing"
    assert denied(made, wanted("b", price=None)) == "self_crossing"
    made.approve(wanted("b", price=44), LIVE, 0)


def test_an_id_that_is_open_already_is_denied():
    made = gate()
    made.approve(wanted(), LIVE, 0)
    assert denied(made, wanted()) == "client_order_id"


def test_the_pace_is_of_a_window_that_slides():
    made = gate(orders=2, seconds=1.0)
    made.approve(wanted("a"), LIVE, 0)
    made.approve(wanted("b"), LIVE, S // 2)
    assert denied(made, wanted("c"), now_ns=S - 1) == "orders"
    made.approve(wanted("c"), LIVE, S)


def test_exposure_is_of_one_currency_and_of_all_its_instruments():
    made = gate(gross="1000")
    made.approve(wanted("a"), LIVE, 0)
    made.approve(wanted("b", instrument_id="j", side="sell", price=45), LIVE, 0)
    assert denied(made, wanted("c", size=4, price=41)) == "gross"
    made.approve(wanted("d", instrument_id="e", size=20), LIVE, 0)


def test_what_makes_a_position_smaller_passes_a_limit_that_it_is_beyond_but_not_through_to_the_other_side():
    made = gate(position="10")
    made.filled(fill(size=50))
    made.approve(wanted("a", side="sell", size=30, price=45), LIVE, 0)
    assert denied(made, wanted("b", side="sell", size=50, price=45)) == "position"
    assert denied(made, wanted("b", size=1)) == "position"


# What may happen counts


def test_an_order_counts_until_it_is_known_to_have_ended_and_its_fills_are_heard():
    made = gate(position="10")
    made.approve(wanted(), LIVE, 0)
    assert denied(made, wanted("b", size=1)) == "position"
    made.heard(told(wanted(), "unknown"))
    assert denied(made, wanted("b", size=1)) == "position"
    made.heard(told(wanted(), "canceled", 4))
    assert denied(made, wanted("b", size=7)) == "position"
    assert [each.client_order_id for each in made.open_orders()] == ["a"]
    made.filled(fill(size=4))
    made.filled(fill(size=4))  # told twice
    assert made.open_orders() == []
    assert made.position("v", "i") == 4
    made.approve(wanted("b", size=6), LIVE, 0)


def test_only_a_gate_makes_an_approved_order():
    with pytest.raises(ConfigurationError, match="Gate"):
        Approved(object(), wanted(), 1)


def test_what_is_no_order_of_ours_is_refused_by_name():
    with pytest.raises(ConfigurationError, match="v:k"):
        gate().approve(wanted(instrument_id="k"), LIVE, 0)
    with pytest.raises(InvalidField, match="price"):
        gate().approve(wanted(price="40.5"), LIVE, 0)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("order_size", Decimal(-1)), ("position", Decimal("nan")), ("gross", 5.0), ("open_orders", -1),
        ("orders", True), ("seconds", 0.0), ("data_age", 0.0), ("data_age", float("nan")), ("day_begins", 86_400),
    ],
)  # fmt: skip
def test_limits_out_of_range_are_refused_by_name(field, value):
    with pytest.raises(ConfigurationError, match=field):
        Limits(**{field: value})


# States


def test_every_pair_of_a_state_and_what_leads_from_it_is_in_the_table():
    assert set(RISK_TABLE) == {(state, received) for state in RiskState for received in RiskInput}


def test_while_reducing_only_what_makes_the_position_smaller_passes():
    made = gate()
    made.filled(fill(size=10))
    made.reduce("the news", 0)
    assert denied(made, wanted("b")) == "reducing"
    made.approve(wanted("c", side="sell", size=6, price=45), LIVE, 0)
    assert denied(made, wanted("d", side="sell", size=5, price=45)) == "reducing"


def test_while_halted_nothing_passes_and_only_a_reason_leads_back():
    made = gate()
    made.halt("by hand", 5)
    assert denied(made, wanted(side="sell")) == "halted"
    made.reduce("no way out", 6)
    assert made.state.state is RiskState.HALTED
    assert (made.state.reason, made.state.since_ns) == ("by hand", 5)
    with pytest.raises(ConfigurationError, match="reason"):
        made.resume("", 7)
    made.resume("looked at it", 7)
    assert made.approve(wanted(), LIVE, 7)


def test_a_loss_of_the_day_is_latched_and_the_day_begins_where_it_is_said_to():
    made = gate(daily_loss="50", day_begins=6 * 3600)
    made.filled(fill())
    made.marked("v", "i", Decimal(36), 1)
    assert made.state.state is RiskState.ACTIVE
    made.marked("v", "i", Decimal(32), 7 * 3600 * S)  # another day: it begins with what was lost by then
    made.marked("v", "i", Decimal(28), 8 * 3600 * S)
    assert made.state.state is RiskState.ACTIVE
    made.marked("v", "i", Decimal(26), 9 * 3600 * S)
    assert made.state.state is RiskState.REDUCING
    assert "daily_loss: 60" in made.state.reason
    made.marked("v", "i", Decimal(90), 10 * 3600 * S)
    assert made.state.state is RiskState.REDUCING
    made.resume("it is back", 10 * 3600 * S)
    made.marked("v", "i", Decimal(86), 11 * 3600 * S)
    assert made.state.state is RiskState.ACTIVE


def test_a_drawdown_is_from_the_highest_profit_also_over_a_restart():
    made = gate(drawdown="50")
    made.filled(fill())
    made.marked("v", "i", Decimal(50), 1)
    kept = msgspec.json.decode(msgspec.json.encode(made.state), type=GateState)
    again = gate(kept, drawdown="50")
    again.filled(fill())
    again.marked("v", "i", Decimal(46), 3)
    assert again.state.state is RiskState.ACTIVE
    again.marked("v", "i", Decimal(44), 4)
    assert again.state.state is RiskState.REDUCING
    assert gate(again.state).state.state is RiskState.REDUCING


# Whatever happens


class AnyInterleaving(RuleBasedStateMachine):
    """Orders, fills that come late or twice, cancellations, lost answers, states: the truth stays within the limits."""

    limits = Limits(position=Decimal(20), open_orders=3, order_size=Decimal(15), orders=3, seconds=5.0)

    def __init__(self):
        super().__init__()
        self.gate = gate(position="20", open_orders=3, order_size="15", orders=3, seconds=5.0)
        self.now = 0
        self.truth = {}  # by id: request, filled, is it over
        self.under_way = []  # what the venue has said and we have not heard
        self.sent = []
        self.heard_of = Decimal(0)

    @rule(
        side=st.sampled_from(("buy", "sell")),
        size=st.sampled_from((1, 2, 5, 15, 20)),
        price=st.integers(35, 45),
    )
    def an_order_is_wanted(self, side, size, price):
        self.now += S
        request = wanted(f"o{len(self.truth)}", side, size, price)
        state, held = self.gate.state.state, self.heard_of
        try:
            self.gate.approve(request, LIVE, self.now)
        except OrderDenied:
            return
        self.truth[request.client_order_id] = [request, Decimal(0), False]
        self.sent.append(self.now)
        assert state is not RiskState.HALTED
        assert size <= self.limits.order_size
        assert state is RiskState.ACTIVE or (held * (1 if side == "sell" else -1) >= size)

    @precondition(lambda self: self.open)
    @rule(data=st.data(), part=st.integers(1, 20))
    def the_venue_fills(self, data, part):
        self.fill_of(data.draw(st.sampled_from(self.open)), part)

    @precondition(lambda self: self.open)
    @rule(data=st.data(), status=st.sampled_from(("canceled", "expired", "rejected")))
    def the_venue_ends_one(self, data, status):
        self.end_of(data.draw(st.sampled_from(self.open)), status)

    @precondition(lambda self: self.open)
    @rule(data=st.data(), part=st.integers(1, 20))
    def one_is_filled_and_ends_and_we_hear_of_its_end_first(self, data, part):
        name = data.draw(st.sampled_from(self.open))
        self.fill_of(name, part)
        if name in self.open:
            self.end_of(name, "canceled")
        self.gate.heard(self.under_way.pop())

    @property
    def open(self):
        return [name for name, (_, _, over) in self.truth.items() if not over]

    def fill_of(self, name, part):
        request, filled, _ = self.truth[name]
        part = min(Decimal(part), request.size - filled)
        self.truth[name][1] += part
        self.under_way.append(
            fill(name, request.side, part, request.price, f"f{len(self.under_way)}-{name}-{filled}")
        )
        if self.truth[name][1] == request.size:
            self.truth[name][2] = True
            self.under_way.append(told(request, "filled", request.size))

    def end_of(self, name, status):
        self.truth[name][2] = True
        self.under_way.append(told(self.truth[name][0], status, self.truth[name][1]))

    def reach(self, side):
        """Where the position really is once all that is open on a side has filled."""
        position = sum((f if r.side == "buy" else -f for r, f, _ in self.truth.values()), Decimal(0))
        left = sum(
            (r.size - f for r, f, over in self.truth.values() if not over and r.side == side), Decimal(0)
        )
        return position + left if side == "buy" else left - position

    @invariant()
    def whatever_would_lead_beyond_the_position_is_denied(self):
        for side, price in (("buy", 1), ("sell", 99)):  # where nobody stands
            too_much = self.limits.position - self.reach(side) + 1
            with pytest.raises(OrderDenied):
                self.gate.approve(wanted("probe", side, too_much, price), LIVE, self.now)

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), twice=st.booleans())
    def we_hear_of_it_in_any_order(self, data, twice):
        item = self.under_way.pop(data.draw(st.integers(0, len(self.under_way) - 1)))
        for _ in range(2 if twice else 1):
            if isinstance(item, Fill):
                self.gate.filled(item)
            else:
                self.gate.heard(item)
        if isinstance(item, Fill):
            self.heard_of += item.size if item.side == "buy" else -item.size

    @rule(state=st.sampled_from(("reduce", "halt", *["resume"] * 4)))
    def somebody_says_so(self, state):
        getattr(self.gate, state)("by hand", self.now)

    @invariant()
    def the_truth_is_within_the_limits(self):
        assert max(self.reach("buy"), self.reach("sell")) <= self.limits.position
        assert len(self.open) <= self.limits.open_orders
        assert self.gate.position("v", "i") == self.heard_of
        for when in self.sent:
            assert sum(when - 5 * S < each <= when for each in self.sent) <= self.limits.orders


AnyInterleaving.TestCase.settings = settings(max_examples=100, stateful_step_count=50, deadline=None)
TestAnyInterleaving = AnyInterleaving.TestCase

"""The gate with its memory: what is counted, once, over a restart."""

from decimal import Decimal

import msgspec
import pytest

from tapewire.model import Position
from tapewire.risk import Journal, restored
from tapewire.risk.account import DIFFERS_SECONDS, STATE_SECONDS, UNHEARD_SECONDS, Account
from tapewire.risk.journal import Added, Filled, Kept, Sent
from tapewire.trading import Limits
from tests.risk.test_journal import INSTRUMENT, ended, fill, request


class Now:
    """A clock in the test's hand."""

    def __init__(self):
        self.seconds = 100.0

    def monotonic(self):
        return self.seconds

    def time_ns(self):
        return int(self.seconds * 1e9)


@pytest.fixture
def clock():
    return Now()


def account(path, clock, *entries, **limits):
    with Journal(path / "journal") as journal:
        for entry in entries:
            journal.write(entry)
    journal = Journal(path / "journal")
    alarms = []
    made = Account("v", restored(Limits(**limits), journal.entries), journal, clock, alarms.append)
    return made, alarms


def look(made, clock, seconds):
    clock.seconds += seconds
    made.look()


def position(size, side="net"):
    return Position(
        venue="v", instrument_id="i", size=Decimal(size), side=side, venue_time_ns=None, received_at_ns=0
    )


def test_a_fill_that_comes_behind_the_orders_own_word_is_counted_once(tmp_path, clock):
    made, alarms = account(tmp_path, clock, Added(INSTRUMENT), Sent(request(), 1))
    made.heard(ended(filled=3))
    look(made, clock, UNHEARD_SECONDS)
    assert made.position("i") == 3
    assert [each.what for each in alarms] == ["fill"]

    made.filled(fill())
    assert made.position("i") == 3
    assert not made.gate.open_orders()


def test_what_was_filled_at_a_price_that_nobody_says_counts_as_open_until_its_fill_comes(tmp_path, clock):
    made, alarms = account(tmp_path, clock, Added(INSTRUMENT), Sent(request(), 1))
    made.heard(msgspec.structs.replace(ended(filled=3), average_price=None))
    look(made, clock, UNHEARD_SECONDS)
    assert [each.client_order_id for each in made.gate.open_orders()] == ["a"]
    assert "at a price that nobody says" in alarms[0].text

    made.filled(fill())
    assert made.position("i") == 3
    assert not made.gate.open_orders()


def test_a_fill_that_comes_before_the_orders_own_word_is_counted_once(tmp_path, clock):
    made, alarms = account(tmp_path, clock, Added(INSTRUMENT), Sent(request(), 1))
    made.heard(ended(filled=3))
    made.filled(fill())
    look(made, clock, UNHEARD_SECONDS)

    assert made.position("i") == 3
    assert not made.gate.open_orders()
    assert not alarms


def test_a_fill_without_our_name_belongs_to_the_order_that_has_its_number(tmp_path, clock):
    made, alarms = account(tmp_path, clock, Added(INSTRUMENT), Sent(request(), 1))
    made.filled(msgspec.structs.replace(fill(), client_order_id=None))
    made.heard(ended(filled=3))
    look(made, clock, UNHEARD_SECONDS)

    assert made.position("i") == 3
    assert not made.gate.open_orders()
    assert not alarms


def test_what_was_counted_by_an_orders_word_is_counted_over_the_next_restart(tmp_path, clock):
    made, _ = account(tmp_path, clock, Added(INSTRUMENT), Sent(request(), 1))
    made.heard(ended(filled=3))
    look(made, clock, UNHEARD_SECONDS)
    again, _ = account(tmp_path, clock)

    assert again.position("i") == 3
    assert not again.recalled


def test_fills_and_positions_may_come_one_behind_the_other_for_a_while(tmp_path, clock):
    made, alarms = account(tmp_path, clock, Added(INSTRUMENT), Filled(fill()))
    made.holds(position(5))
    look(made, clock, 0)
    look(made, clock, DIFFERS_SECONDS / 2)
    made.holds(position(3))
    look(made, clock, 0)
    made.holds(position(4))
    look(made, clock, 0)
    look(made, clock, DIFFERS_SECONDS / 2)
    assert not alarms
    look(made, clock, DIFFERS_SECONDS)
    look(made, clock, DIFFERS_SECONDS)

    assert [each.what for each in alarms] == ["position"]
    assert "3 by the fills" in alarms[0].text
    assert "4 by the venue" in alarms[0].text


def test_the_two_sides_of_a_hedged_position_are_compared_together(tmp_path, clock):
    made, alarms = account(tmp_path, clock, Added(INSTRUMENT), Filled(fill()))
    made.holds(position(5, "long"))
    made.holds(position(-2, "short"))
    look(made, clock, 0)
    look(made, clock, DIFFERS_SECONDS)

    assert not alarms


def test_new_highs_are_written_now_and_then_and_a_state_at_once(tmp_path, clock):
    made, _ = account(tmp_path, clock, Added(INSTRUMENT), Filled(fill()), daily_loss=Decimal(5))

    def states():
        with Journal(tmp_path / "journal") as journal:
            return [each.state for each in journal.entries if isinstance(each, Kept)]

    made.priced("i", Decimal(41))  # the day begins
    made.priced("i", Decimal(42))
    assert len(states()) == 1
    clock.seconds += STATE_SECONDS
    made.priced("i", Decimal(43))
    assert len(states()) == 2
    made.priced("i", Decimal(30))
    assert states()[-1].state == "reducing"


def test_a_fill_of_an_instrument_that_was_never_ours_is_left_to_the_comparison_of_positions(tmp_path, clock):
    made, alarms = account(tmp_path, clock)
    made.filled(fill())
    made.holds(position(3))
    look(made, clock, 0)
    look(made, clock, DIFFERS_SECONDS)

    assert [each.what for each in alarms] == ["position"]

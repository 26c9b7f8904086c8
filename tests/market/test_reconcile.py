from __future__ import annotations

from decimal import Decimal

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from tapewire.market import BalanceMemory, FillMemory, OrderMemory, PositionMemory
from tapewire.model import Balance, Fill, Order, Position


def order(number: int = 1, status: str = "accepted", filled: int = 0, **more) -> Order:
    fields = {
        "venue": "venue",
        "instrument_id": "thing",
        "client_order_id": f"ours-{number}",
        "venue_order_id": f"theirs-{number}",
        "side": "buy",
        "size": Decimal(10),
        "status": status,
        "filled_size": Decimal(filled),
        "venue_time_ns": None,
        "received_at_ns": 1,
    }
    return Order(**(fields | more))


def fill(number: int, time_ns: int | None = None) -> Fill:
    return Fill(
        venue="venue",
        instrument_id="thing",
        fill_id=f"fill-{number}",
        client_order_id=None,
        venue_order_id="theirs-1",
        side="buy",
        price=Decimal("0.5"),
        size=Decimal(1),
        venue_time_ns=time_ns,
        received_at_ns=1,
    )


def test_each_state_of_an_order_is_told_once_however_often_it_is_heard():
    memory = OrderMemory()
    first = order()
    assert memory.hear(first) is first
    assert memory.hear(order(received_at_ns=5)) is None
    assert memory.hear(order(status="partially_filled", filled=3)) is not None
    assert memory.hear(order(status="partially_filled", filled=3)) is None


def test_a_look_up_that_is_older_than_the_stream_is_no_news():
    memory = OrderMemory()
    memory.hear(order(status="partially_filled", filled=3))
    assert memory.reconcile([order()], 9) == ([], [])
    memory.hear(order(status="filled", filled=10))
    assert memory.reconcile([order(status="partially_filled", filled=5)], 9) == ([], [])


def test_an_order_may_come_back_from_a_status_that_is_not_final_at_its_venue():
    memory = OrderMemory(may_return=("canceled",))
    memory.hear(order())
    assert memory.hear(order(status="canceled")) is not None
    assert memory.hear(order(status="canceled")) is None
    assert memory.open == []
    back = memory.hear(order())
    assert back is not None
    assert memory.open == [back]
    memory.hear(order(status="filled", filled=10))
    assert memory.hear(order()) is None

    memory = OrderMemory()
    memory.hear(order(status="canceled"))
    assert memory.hear(order()) is None


def test_what_filled_during_a_gap_arrives_once_and_says_that_it_was_looked_up():
    memory = OrderMemory()
    memory.hear(order())
    news, lost = memory.reconcile([order(status="filled", filled=10)], 9)
    assert [(each.status, each.is_reconciled) for each in news] == [("filled", True)]
    assert lost == []
    assert memory.hear(order(status="filled", filled=10)) is None
    assert memory.open == []


def test_an_order_that_is_listed_no_more_is_unknown_until_it_was_looked_up():
    memory = OrderMemory()
    memory.hear(order())
    news, lost = memory.reconcile([], 9)
    assert news == []
    assert [(each.status, each.is_reconciled, each.received_at_ns) for each in lost] == [("unknown", True, 9)]
    assert memory.reconcile([], 10) == ([], [])  # it was told

    assert memory.hear(order(status="filled", filled=10)) is not None
    assert memory.open == []


def test_a_list_of_one_instrument_says_nothing_of_another():
    memory = OrderMemory()
    memory.hear(order())
    assert memory.reconcile([], 9, instrument_id="other") == ([], [])
    assert len(memory.reconcile([], 9, instrument_id="thing")[1]) == 1


def test_an_order_without_the_venues_id_is_known_by_ours():
    memory = OrderMemory()
    submitted = order(venue_order_id=None, status="submitted")
    assert memory.hear(submitted) is submitted
    assert memory.hear(msgspec.structs.replace(submitted, received_at_ns=4)) is None


def test_an_order_whose_answer_was_lost_is_the_one_that_the_venue_then_tells_of():
    memory = OrderMemory()
    lost = order(venue_order_id=None, status="unknown")
    assert memory.hear(lost) is lost
    assert memory.unknown == [lost]
    assert memory.hear(order()) is not None
    assert (memory.unknown, len(memory.open)) == ([], 1)
    assert memory.hear(order(status="filled", filled=10)) is not None
    assert memory.open == []
    assert memory.hear(lost) is None


def test_that_an_answer_was_lost_is_no_news_of_an_order_that_was_heard():
    memory = OrderMemory()
    memory.hear(order())
    assert memory.hear(order(venue_order_id=None, status="unknown")) is None
    assert [each.status for each in memory.open] == ["accepted"]


def test_one_id_of_ours_may_name_a_later_order():
    memory = OrderMemory(most=1)
    memory.hear(order(status="canceled"))
    again = order(venue_order_id="theirs-2", client_order_id="ours-1")
    assert memory.hear(again) is again
    memory.hear(order(3, status="canceled"))  # the first is forgotten, and the id is still the second's
    assert memory.hear(order(venue_order_id=None, status="unknown")) is None
    assert memory.open == [again]


def test_what_is_unknown_is_listed_until_it_was_looked_up():
    memory = OrderMemory()
    memory.hear(order())
    _, lost = memory.reconcile([], 9)
    assert memory.unknown == lost
    memory.reconcile([], 10)
    assert memory.unknown == lost
    memory.hear(order(status="canceled"))
    assert memory.unknown == []


def test_what_ended_is_remembered_within_bounds():
    memory = OrderMemory(most=3)
    for number in range(5):
        memory.hear(order(number, status="filled", filled=10))
    assert memory.hear(order(4, status="filled", filled=10)) is None
    assert memory.hear(order(0, status="filled", filled=10)) is not None  # too old to be remembered


def test_a_fill_is_told_once_and_a_list_of_them_oldest_first():
    memory = FillMemory()
    assert memory.hear(fill(2, 20)) is not None
    news = memory.reconcile([fill(3, 30), fill(2, 20), fill(1, 10)])
    assert [(each.fill_id, each.is_reconciled) for each in news] == [("fill-1", True), ("fill-3", True)]
    assert memory.hear(fill(3, 30)) is None


def test_fills_are_remembered_within_bounds():
    memory = FillMemory(most=2)
    for number in range(3):
        memory.hear(fill(number))
    assert memory.hear(fill(2)) is None
    assert memory.hear(fill(0)) is not None


def position(size: int, side: str = "net", thing: str = "thing", **more) -> Position:
    fields = {"venue": "venue", "instrument_id": thing, "side": side, "size": Decimal(size)}
    times = {"venue_time_ns": None, "received_at_ns": 1}
    return Position(**(fields | times | more))


def test_a_position_is_told_when_it_changed_and_not_when_its_price_did():
    memory = PositionMemory()
    first = position(2, unrealized_pnl=Decimal(5))
    assert memory.hear(first) is first
    assert memory.hear(position(2, unrealized_pnl=Decimal(7))) is None
    assert memory.hear(position(2, average_price=Decimal(3))) is not None
    assert [each.size for each in memory.held] == [2]
    assert memory.hear(position(0)) is not None
    assert memory.hear(position(0)) is None
    assert memory.held == []


def test_a_position_that_is_listed_no_more_is_flat_and_a_list_says_nothing_of_other_instruments():
    memory = PositionMemory()
    for each in (position(2, "long"), position(-1, "short"), position(3, thing="other")):
        memory.hear(each)
    news = memory.reconcile([position(-1, "short")], 9, instrument_id="thing")
    assert [(each.side, each.size, each.is_reconciled, each.received_at_ns) for each in news] == [
        ("long", 0, True, 9)
    ]
    assert [each.instrument_id for each in memory.reconcile([position(-1, "short")], 10)] == ["other"]
    assert memory.reconcile([position(-1, "short")], 11) == []
    assert [each.size for each in memory.reconcile([position(-4, "short")], 12)] == [-4]


def test_what_is_said_late_of_a_position_is_no_news():
    memory = PositionMemory()
    memory.hear(position(2, venue_time_ns=20))
    assert memory.hear(position(1, venue_time_ns=10)) is None
    assert [each.size for each in memory.reconcile([], 9, as_of_ns=30)] == [0]
    assert memory.hear(position(2, venue_time_ns=25)) is None
    assert memory.hear(position(5, venue_time_ns=40)) is not None


def balance(total: int, available: int = 0, currency: str = "USDT") -> Balance:
    return Balance(
        venue="venue",
        currency=currency,
        total=Decimal(total),
        available=Decimal(available),
        venue_time_ns=None,
        received_at_ns=1,
    )


def test_a_balance_is_told_when_one_of_its_amounts_changed():
    memory = BalanceMemory()
    assert memory.hear(balance(5)) is not None
    assert memory.hear(balance(5)) is None
    news = memory.reconcile([balance(5), balance(5, currency="BTC")])
    assert [(each.currency, each.is_reconciled) for each in news] == [("BTC", True)]
    assert memory.hear(balance(5, 1)) is not None


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 3), st.integers(0, 10)), max_size=40))
def test_whatever_is_heard_and_looked_up_the_filled_size_told_of_an_order_never_shrinks(steps):
    memory = OrderMemory()
    told: dict[str, Decimal] = {}
    for is_listed, number, filled in steps:
        status = "filled" if filled == 10 else "partially_filled" if filled else "accepted"
        heard = order(number, status=status, filled=filled)
        news = memory.reconcile([heard], 9)[0] if is_listed else [memory.hear(heard)]
        for each in filter(None, news):
            assert each.filled_size >= told.get(each.venue_order_id, Decimal(0))
            told[each.venue_order_id] = each.filled_size

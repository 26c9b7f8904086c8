"""The model against the exchange itself: orders really rested in a copy of each history (`branches.py`)."""

from decimal import Decimal
from functools import partial

import pytest

from tapewire.trading import FillSimulator, SimulatedFill
from tests.trading.branches import calibrated, outcomes

FLOWS = {
    "it is busy": {"take_share": 0.5, "queue_share": 0.4},
    "it lingers": {"take_share": 0.3, "queue_share": 0.65},
    "it stands": {"take_share": 0.2, "queue_share": 0.75, "drift": 0},
}


class FillWhenTouched:
    """What paper engines do that know no queue: whole, as soon as anybody trades at our price or beyond."""

    def __init__(self) -> None:
        self._order: tuple[str, Decimal, Decimal] | None = None

    def restore(self, bids, offers, now_ns):
        return []

    def place(self, order_id, side, size, price, now_ns):
        self._order = (side, size, price)

    def change(self, side, price, size, now_ns):
        return []

    def trade(self, price, size, taker_side, now_ns):
        if self._order is None:
            return []
        side, wanted, limit = self._order
        if taker_side == side or (price > limit if side == "buy" else price < limit):
            return []
        self._order = None
        return [SimulatedFill("mine", side, limit, wanted, is_maker=True, at_ns=now_ns)]


MODELS = {
    "touched": FillWhenTouched,
    **{
        cancels: partial(FillSimulator, cancels=cancels, size_step=Decimal(1))
        for cancels in ("front", "proportional", "back")
    },
}


@pytest.mark.parametrize("settings", FLOWS.values(), ids=FLOWS)
def test_the_model_fills_when_the_exchange_does_and_one_without_queues_does_not(settings):
    """`back`: no phantom fill and none too early. `proportional`: right in the median, nine in ten within two steps."""
    found = []
    for seed in range(5):  # more of them, and each venue's trading: `python -m scripts.calibration`
        found += outcomes(seed, orders=104, horizon=150, models=MODELS, **settings)
    of = {name: calibrated(found, name) for name in MODELS}
    assert of["back"].orders >= 500
    assert of["back"].filled >= 200
    assert (of["back"].phantom, min(of["back"].errors)) == (0, 0)
    assert of["proportional"].median == 0
    assert of["proportional"].within(2) >= 0.9
    assert of["proportional"].phantom + of["proportional"].missed <= 0.03 * of["proportional"].orders
    assert sum(error > 2 for error in of["front"].errors) <= 0.02 * of["front"].filled
    assert min(of["touched"].errors) < 0
    assert of["touched"].within(2) < 0.9 or of["touched"].phantom > 0

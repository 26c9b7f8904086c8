"""A venue on paper for blocking code."""

from decimal import Decimal

from tapewire import sync
from tapewire.trading import PaperConfig
from tests.venues.threaded import threaded


def test_an_order_on_paper_fills_and_its_profit_is_known():
    with threaded("weex") as sandbox:
        config = PaperConfig(balance={"USDT": Decimal(10_000)})
        with sync.paper("weex", config, seed=7, host=sandbox.url) as venue:
            assert venue.capabilities["place_order"].simulated
            order = venue.place_order("BTCUSDT", "buy", Decimal("0.01"))
            assert order.status == "filled"
            fee = order.average_price * Decimal("0.01") * Decimal("0.0008")
            assert venue.profit()["USDT"].proven == -fee

"""Ticks, lots and candles of the played WEEX in the venue's own words."""

import random

import pytest

from tapewire.errors import ConfigurationError
from tapewire.sandbox.faces.weex.contracts import contract_of, contracts_for, fixed
from tapewire.sandbox.faces.weex.tape import DAY, INTERVALS, closing_of, opening_of
from tapewire.sandbox.faces.weex.v2 import channel_of, topic_of


@pytest.mark.parametrize(
    ("value", "places", "text"),
    [(866460, 1, "86646.0"), (-5, 2, "-0.05"), (0, 3, "0.000"), (7, 0, "7"), (65120, 5, "0.65120")],
)
def test_whole_numbers_are_worded_with_a_point(value, places, text):
    assert fixed(value, places) == text


def test_a_tick_and_its_price_are_each_others_inverse():
    for contract in contracts_for(60):
        for tick in random.Random(1).sample(range(1, 20_000), 20):
            assert contract.tick(contract.price(tick)) == tick
            assert contract.lots(contract.size(tick)) == tick
        assert float(contract.price(1)) > 0


def test_a_known_contract_has_its_usual_price_in_the_middle():
    assert contract_of("BTCUSDT").price(10_000) == "86646.0"
    assert contract_of("ETHUSDT").money(10_000 * 20, 20) == "40.83000"


def test_sixty_contracts_have_different_names_that_are_always_the_same():
    names = [contract.symbol for contract in contracts_for(60)]
    assert len(set(names)) == 60
    assert contracts_for(60) == contracts_for(60)
    with pytest.raises(ConfigurationError, match="symbols"):
        contract_of("BTC-USDT")


@pytest.mark.parametrize("interval", INTERVALS)
def test_a_candle_ends_where_the_next_begins(interval):
    at = 1_790_134_567_942
    opened_at = opening_of(at, interval)
    closed_at = closing_of(opened_at, interval)
    assert opened_at <= at <= closed_at
    assert opening_of(closed_at + 1, interval) == closed_at + 1
    assert opening_of(opened_at - 1, interval) < opened_at


def test_weeks_begin_on_mondays():
    assert (opening_of(1_790_134_567_942, "1w") // DAY + 3) % 7 == 0


@pytest.mark.parametrize(
    ("topic", "channel"),
    [
        ("BTCUSDT@ticker", "ticker.cmt_btcusdt"),
        ("BTCUSDT@trade", "trades.cmt_btcusdt"),
        ("BTCUSDT@depth200", "depth.cmt_btcusdt.200"),
        ("BTCUSDT@kline_4h_MARK_PRICE", "kline.MARK_PRICE.cmt_btcusdt.HOUR_4"),
        ("orders", "orders"),
    ],
)
def test_v2_channels_and_v3_topics_name_the_same(topic, channel):
    assert channel_of(topic) == channel
    assert topic_of(channel) == topic

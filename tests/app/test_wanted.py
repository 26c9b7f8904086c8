"""What a command is asked for, as words."""

import math

import pytest

from tapewire.app.wanted import KINDS, Target, parse_duration, parse_kinds, parse_target
from tapewire.errors import ConfigurationError
from tapewire.venues import VENUES


def test_each_kind_has_a_verb_of_its_own():
    verbs = ("order_book", "trades", "ticker", "orders", "fills", "positions", "balance")
    assert list(KINDS.values()) == [f"watch_{verb}" for verb in verbs]


@pytest.mark.parametrize("venue", VENUES)
def test_a_target_is_a_venue_and_perhaps_a_market_whose_id_may_hold_colons(venue):
    assert parse_target(f"{venue}:0xab:1") == Target(venue, "0xab:1")
    assert parse_target(venue) == Target(venue)
    assert str(parse_target(f"{venue}:a:1")) == f"{venue}:a:1"
    assert str(Target(venue)) == venue


@pytest.mark.parametrize("text", ["", ":BTC", "weex:"])
def test_half_a_target_is_refused_with_the_form(text):
    with pytest.raises(ConfigurationError, match="VENUE:MARKET"):
        parse_target(text)


def test_an_unknown_venue_is_answered_with_a_near_one():
    with pytest.raises(ConfigurationError, match="perhaps weex"):
        parse_target("weexx:BTC")


def test_kinds_are_read_in_our_order_each_once():
    assert parse_kinds("trades, book,trades") == ("book", "trades")
    assert parse_kinds(None) is None


@pytest.mark.parametrize(("text", "told"), [("book,trade", "perhaps trades"), (" , ", "book, trades")])
def test_what_is_no_kind_is_answered_with_what_there_is(text, told):
    with pytest.raises(ConfigurationError, match=told):
        parse_kinds(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("1.5h", 5400), ("5m", 300), ("250ms", 0.25), ("1d", 86400)],
)
def test_a_duration_is_a_number_and_a_unit(text, seconds):
    assert math.isclose(parse_duration(text), seconds)


@pytest.mark.parametrize("text", ["", "h", "5 weeks", "-1", "0", "1e9", "nan"])
def test_what_is_no_duration_is_refused_and_says_what_is_one(text):
    with pytest.raises(ConfigurationError, match=r"^for=.*5m"):
        parse_duration(text)

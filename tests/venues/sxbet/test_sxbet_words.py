"""Addresses, profiles and names: who is spoken to, and what things are called."""

from __future__ import annotations

import pytest

from tapewire.venues.sxbet.errors import SXBetInvalidParameter
from tapewire.venues.sxbet.profile import CHANNEL_KINDS, PROFILES, V2, V3, Profile, profile_of
from tapewire.venues.sxbet.spec import SPEC
from tapewire.venues.sxbet.symbols import (
    Channel,
    channel_for,
    checked_id,
    outcome_id,
    parse_channel,
    parse_outcome_id,
)
from tapewire.venues.sxbet.url import NETWORKS, resolve

MARKET = "0x" + "a1" * 32


def test_mainnet_is_where_one_goes_without_being_told() -> None:
    found = resolve(environ={})
    assert (found.api_url, found.realtime_url) == (
        "https://api.sx.bet",
        "wss://realtime.sx.bet/connection/websocket",
    )
    assert (found.network.chain_id, found.network.usdc.decimals) == (4162, 6)


def test_the_testnet_has_its_own_addresses_and_chain() -> None:
    found = resolve("testnet", environ={})
    assert found.api_url == "https://api.toronto.sx.bet"
    assert found.realtime_url == "wss://realtime.toronto.sx.bet/connection/websocket"
    assert found.network.chain_id == 79479957


@pytest.mark.parametrize(
    ("host", "api", "realtime"),
    [
        (
            "http://127.0.0.1:8000",
            "http://127.0.0.1:8000",
            "ws://127.0.0.1:8000/connection/websocket",
        ),
        ("https://sx.example", "https://sx.example", "wss://sx.example/connection/websocket"),
        ("sx.example:444/", "https://sx.example:444", "wss://sx.example:444/connection/websocket"),
        ("wss://sx.example", "https://sx.example", "wss://sx.example/connection/websocket"),
    ],
)
def test_one_host_serves_both(host: str, api: str, realtime: str) -> None:
    for found in (resolve(host=host, environ={}), resolve(environ={"SXBET_HOST": host})):
        assert (found.api_url, found.realtime_url) == (api, realtime)


def test_both_addresses_may_come_from_the_environment() -> None:
    environ = {
        "SXBET_API_URL": "http://127.0.0.1:1/",
        "SXBET_REALTIME_URL": "ws://127.0.0.1:2/connection/websocket",
    }
    found = resolve(environ=environ)
    assert found.api_url == "http://127.0.0.1:1"
    assert found.realtime_url == "ws://127.0.0.1:2/connection/websocket"
    assert resolve(host="http://127.0.0.1:3", environ=environ).api_url == "http://127.0.0.1:3"


def test_a_network_asked_for_by_name_is_never_quietly_another_server() -> None:
    assert resolve("mainnet", environ={"SXBET_HOST": "http://127.0.0.1:1"}).api_url == "https://api.sx.bet"


@pytest.mark.parametrize(
    ("given", "argument"),
    [
        ({"network": "ropsten"}, "network"),
        ({"api_url": "https://one.example"}, "realtime_url"),
        ({"realtime_url": "wss://one.example/x"}, "api_url"),
        ({"host": "ftp://one.example"}, "host"),
        ({"host": "https://one.example/path"}, "host"),
        ({"host": "https://user:word@one.example"}, "host"),
        ({"host": "http://one.example"}, "host"),
        ({"host": "http://127.0.0.1:99999"}, "host"),
        ({"api_url": "https://a.example", "realtime_url": "ws://b.example/x"}, "realtime_url"),
        ({"api_url": "https://a.example", "realtime_url": "https://b.example/x"}, "realtime_url"),
    ],
)
def test_a_wrong_address_is_named_and_its_password_is_not(given: dict[str, str], argument: str) -> None:
    with pytest.raises(SXBetInvalidParameter) as caught:
        resolve(environ={}, **given)  # type: ignore[arg-type]
    assert caught.value.argument == argument
    assert "word" not in str(caught.value)


def test_plain_text_elsewhere_has_to_be_asked_for() -> None:
    assert (
        resolve(host="http://one.example", allow_plaintext=True, environ={}).api_url == "http://one.example"
    )


def test_the_documented_generation_is_the_default() -> None:
    assert profile_of() is V2
    assert profile_of("v3") is V3
    assert profile_of(V3) is V3
    with pytest.raises(SXBetInvalidParameter, match="v2, v3"):
        profile_of("v4")


@pytest.mark.parametrize(
    ("profile", "kind", "argument", "name"),
    [
        (V2, "order_book", MARKET, f"order_book:market_{MARKET}"),
        (V2, "event_order_book", "L18272453", "order_book:event_L18272453"),
        (V2, "best_odds", "", "best_odds:global"),
        (V2, "trades", "", "recent_trades:global"),
        (V2, "consolidated_trades", "", "recent_trades_consolidated:global"),
        (V2, "markets", "", "markets:global"),
        (V2, "main_lines", "", "main_line:global"),
        (V2, "fixtures", "", "fixtures:global"),
        (V2, "live_scores", "", "fixtures:live_scores"),
        (V2, "parlay_requests", "", "parlay_markets:global"),
        (V2, "own_orders", "0xAb", "active_orders:0xAb"),
        (V2, "refunds", "0xAb", "ce_refunds:0xAb"),
        (V3, "order_book", MARKET, f"orderbook_v3:{MARKET}"),
        (V3, "event_order_book", "L1", "orderbook_v3_event:L1"),
        (V3, "best_odds", "", "best_odds_v3:global"),
        (V3, "trades", "", "recent_trades_v3:global"),
        (V3, "own_orders", "0xAb", "account:orders_v3_#0xAb"),
        (V3, "own_fills", "0xAb", "account:fills_v3_#0xAb"),
        (V3, "markets", "", "markets:global"),
    ],
)
def test_a_channel_is_built_and_read_back(profile, kind, argument: str, name: str) -> None:
    assert channel_for(kind, argument, profile) == name
    assert parse_channel(name, profile) == Channel(kind, argument)


@pytest.mark.parametrize(
    "name", ["order_book:", "order_book:market_", "nothing:global", "order_book:market_a b"]
)
def test_what_is_no_channel_is_none(name: str) -> None:
    assert parse_channel(name) is None


def test_every_channel_of_a_profile_lies_in_a_known_namespace() -> None:
    for profile in PROFILES.values():
        for kind, template in profile.channels.items():
            assert kind in CHANNEL_KINDS
            assert profile.namespace_of(template).name in profile.namespaces


@pytest.mark.parametrize(
    ("channel", "has_history", "capacity", "recovers"),
    [
        (f"order_book:market_{MARKET}", True, 5000, True),
        ("recent_trades:global", True, 2000, True),
        ("fixtures:live_scores", True, 100, True),
        ("best_odds:global", False, 0, False),
        ("parlay_markets:global", False, 0, False),
        ("something:new", None, 0, True),
    ],
)
def test_what_a_namespace_can_replay_is_known(
    channel: str, has_history, capacity: int, recovers: bool
) -> None:
    namespace = V2.namespace_of(channel)
    assert (namespace.has_history, namespace.capacity) == (has_history, capacity)
    assert namespace.window == (300.0 if has_history else 0.0)
    assert V2.recovers(channel) is recovers


@pytest.mark.parametrize(
    ("kind", "argument"), [("own_fills", "0x1"), ("order_book", ""), ("order_book", "a,b"), ("markets", "x")]
)
def test_a_channel_that_cannot_be_is_refused(kind, argument: str) -> None:
    with pytest.raises(SXBetInvalidParameter):
        channel_for(kind, argument)


def test_an_id_holds_no_comma_and_no_end_of_line() -> None:
    for value in ("", "a,b", "a\n", "a" * 129, "ä"):
        with pytest.raises(SXBetInvalidParameter, match="market_hash"):
            checked_id("market_hash", value)


def test_outcomes_have_instrument_ids() -> None:
    assert parse_outcome_id(outcome_id(MARKET, 2)) == (MARKET, 2)
    for wrong in ("", MARKET, ":1", f"{MARKET}:3"):
        with pytest.raises(SXBetInvalidParameter):
            parse_outcome_id(wrong)


def test_the_networks_are_listed() -> None:
    assert set(NETWORKS) == {"mainnet", "testnet"}


OWN = ("own_orders", "own_fills", "refunds")


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_the_spec_knows_what_every_topic_of_both_generations_is(profile: Profile) -> None:
    for kind, template in profile.channels.items():
        topic = channel_for(kind, "7" if "{}" in template else "", profile)
        channel = SPEC.channel_of(topic)
        assert channel.topic == template.replace("{}", "{id}")
        assert (channel.private, channel.policy == "fail") == (kind in OWN, kind in OWN)
        assert (channel.policy == "resync") is (kind == "order_book")
        assert channel.numbered is profile.recovers(topic)


def test_a_topic_that_no_page_names_is_a_public_one() -> None:
    channel = SPEC.channel_of("something:new")
    assert (channel.private, channel.policy) == (False, "drop_oldest")
    with pytest.raises(SXBetInvalidParameter):
        SPEC.channel_of("")

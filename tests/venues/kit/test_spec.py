"""What a venue says of itself as data, and that its code goes by it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tapewire.errors import ConfigurationError, TapewireError
from tapewire.venues import VENUES
from tapewire.venues.kit import ChannelSpec, ErrorMap, SettingSpec, Sources, VenueSpec
from tests.venues.kit.one_of_each import VARIABLES

each = pytest.mark.parametrize("name", VENUES)


def spec_of(**channels: ChannelSpec) -> VenueSpec:
    errors = ErrorMap(root=TapewireError, refuse=ConfigurationError)
    return VenueSpec(
        name="acme",
        title="Acme",
        wire="words",
        protocol=object,
        settings=(),
        hosts={},
        channels=channels,
        errors=errors,
    )


@pytest.mark.parametrize(
    ("pattern", "topic", "is_named"),
    [
        ("bets", "bets", True),
        ("bets", "bets2", False),
        ("game:{slug}", "game:crash", True),
        ("game:{slug}", "game:", False),
        ("{symbol}@depth{levels}", "BTCUSDT@depth15", True),
        ("{symbol}@depth{levels}", "BTCUSDT@ticker", False),
        ("a.b:{x}", "aXb:1", False),
    ],
)
def test_what_stands_in_braces_is_filled_in(pattern: str, topic: str, is_named: bool) -> None:
    assert ChannelSpec.public(pattern).names(topic) is is_named


def test_the_first_channel_that_names_a_topic_counts_and_none_is_an_error() -> None:
    spec = spec_of(one=ChannelSpec.public("user:public"), own=ChannelSpec.account("user:{what}"))
    assert not spec.channel_of("user:public").private
    assert spec.channel_of("user:orders").private
    with pytest.raises(ConfigurationError, match=r"channel.*user:\{what\}"):
        spec.channel_of("bets")
    with pytest.raises(ConfigurationError, match=r"channel=None"):
        spec.channel_of(None)  # type: ignore[arg-type]


def test_what_is_public_drops_and_what_is_ones_own_fails() -> None:
    spec = spec_of(bets=ChannelSpec.public("bets", decode=str), own=ChannelSpec.account("own"))
    public, own = spec.delivery("bets", {}), spec.delivery("own", {})
    assert (public.policy, public.capacity, public.decode) == ("drop_oldest", 5_000, str)
    assert (own.policy, own.capacity, own.decode) == ("fail", 10_000, None)


def test_a_consumer_says_more_than_the_venue_and_the_venue_more_than_the_kind() -> None:
    spec = spec_of(bets=ChannelSpec.public("bets", decode=str))
    made = spec.delivery("bets", {"capacity": 3}, decode=repr, capacity=7)
    assert (made.capacity, made.decode, made.policy) == (3, repr, "drop_oldest")
    with pytest.raises(ConfigurationError, match=r"delivery.*no_such_field"):
        spec.delivery("bets", {"no_such_field": 1})


def test_a_setting_said_as_data_is_settled_like_any_other() -> None:
    spec = SettingSpec("host", ("ACME_HOST", "ACME_URL"), "there")
    assert Sources({"ACME_URL": "here"}).take(spec, None).name == "ACME_URL"
    assert Sources({"ACME_URL": "here"}).take(spec, "elsewhere").value == "elsewhere"
    assert Sources({}).take(spec, None).value == "there"


def test_the_registry_knows_names_without_importing_a_venue() -> None:
    program = (
        "import sys; from tapewire.venues import VENUES; list(VENUES), 'stx' in VENUES\n"
        "print([name for name in sys.modules if name.startswith('tapewire.venues.')])"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_the_registry_has_no_venue_that_is_none() -> None:
    assert "template" not in VENUES
    with pytest.raises(KeyError):
        VENUES["template"]


@each
def test_a_spec_is_of_its_own_name_and_secrets_are_said_to_be_some(name: str) -> None:
    spec = VENUES[name]
    assert spec.name == name
    assert spec.title
    assert spec.wire
    assert any(setting.secret for setting in spec.settings)
    assert any(setting.address for setting in spec.settings)
    assert all(url.startswith(("https://", "wss://")) for url in spec.hosts.values())


@each
def test_each_variable_of_a_spec_is_one_that_the_tests_know(name: str) -> None:
    variables = {variable for setting in VENUES[name].settings for variable in setting.variables}
    assert variables <= set(VARIABLES)


@each
def test_each_venue_has_public_channels_and_some_of_ones_own(name: str) -> None:
    channels = VENUES[name].channels.values()
    assert {channel.private for channel in channels} == {True, False}
    assert {channel.policy for channel in channels if channel.private} == {"fail"}

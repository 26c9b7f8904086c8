"""What a browser session sends: masked, checked where it is given, the user's own before ours."""

from __future__ import annotations

import pytest

from tapewire.sandbox import Sandbox
from tapewire.secrets import Secret
from tapewire.venues.kit.dialing import dialer_of
from tapewire.venues.stake import ArgumentError, StakeAPI, StakeWebSocket
from tapewire.venues.stake.headers import cookie_header, session_headers, token_of, with_own
from tapewire.venues.stake.wires import endpoint_of

URI = "wss://stake.com/_api/websocket"
NAMES = ("ACCESS_TOKEN", "SESSION_COOKIE", "CF_CLEARANCE", "USER_AGENT", "BASE_URL", "WS_URL")
UNSENDABLE = ["secret-of-mine\n", " secret-of-mine", "secret-of-mine\r\nx: y", "sécret-of-mine"]


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch):
    for name in NAMES:
        monkeypatch.delenv(f"STAKE_{name}", raising=False)


def revealed(headers):
    return {name: value.reveal() for name, value in headers.items()}


@pytest.mark.parametrize("make", [StakeAPI, StakeWebSocket])
@pytest.mark.parametrize("value", UNSENDABLE)
def test_a_token_that_no_header_can_carry_is_named_and_never_shown(make, value):
    for given in (value, Secret(value)):
        with pytest.raises(ArgumentError, match="access_token") as raised:
            make(given)
        assert "of-mine" not in f"{raised.value!r} {vars(raised.value)}"


@pytest.mark.parametrize("make", [StakeAPI, StakeWebSocket])
@pytest.mark.parametrize("value", UNSENDABLE)
def test_a_header_that_cannot_be_sent_is_named_and_never_shown(make, value):
    with pytest.raises(ArgumentError, match="headers='X-Lockdown-Token'") as raised:
        make("token", headers={"X-Lockdown-Token": value})
    assert "of-mine" not in f"{raised.value!r} {vars(raised.value)}"
    with pytest.raises(ArgumentError, match="headers"):
        make("token", headers={"X Y": "z"})


def test_a_token_that_is_no_text_is_named():
    with pytest.raises(ArgumentError, match="access_token"):
        StakeWebSocket(5)
    assert token_of(None) is None


def test_cookies_are_written_as_a_header():
    assert cookie_header({"a": "1", "b": Secret("two")}) == "a=1; b=two"
    with pytest.raises(ArgumentError) as raised:
        cookie_header({"name": "secret value\r\n"})
    assert "secret value" not in str(raised.value)


def test_the_users_own_headers_come_before_ours_whatever_their_case():
    own = session_headers({"accept": "x/y", "ORIGIN": Secret("https://stake.bet")}, None)
    assert with_own({"Accept": "a", "Origin": "b", "x-language": "en"}, own) == {
        "x-language": "en",
        "accept": "x/y",
        "ORIGIN": "https://stake.bet",
    }


def test_no_header_goes_out_twice():
    client = StakeAPI(
        "token", base_url="http://127.0.0.1:1", headers={"accept": "x/y", "X-Access-Token": "other"}
    )
    sent = client._headers_for(None)
    assert len({name.lower() for name in sent}) == len(sent)
    assert (sent["accept"], sent["X-Access-Token"]) == ("x/y", "other")


def test_a_browser_session_of_the_environment_goes_with_calls_and_sockets_alike(monkeypatch):
    monkeypatch.setenv("STAKE_SESSION_COOKIE", "of-the-session")
    monkeypatch.setenv("STAKE_CF_CLEARANCE", "of-the-clearance")
    monkeypatch.setenv("STAKE_USER_AGENT", "a browser")
    wanted = {"Cookie": "session=of-the-session; cf_clearance=of-the-clearance", "User-Agent": "a browser"}
    assert revealed(session_headers(None, None)) == wanted
    assert StakeAPI("token")._headers_for(None).items() >= wanted.items()
    endpoint = endpoint_of("page", URI, None, session_headers(None, None), dialer_of({}, ArgumentError))
    assert endpoint.headers.items() >= wanted.items()


def test_what_is_said_comes_before_the_environment(monkeypatch):
    monkeypatch.setenv("STAKE_CF_CLEARANCE", "of-the-environment")
    monkeypatch.setenv("STAKE_USER_AGENT", "of-the-environment")
    given = session_headers({"cookie": "a=1", "user-agent": "mine"}, None)
    assert revealed(given) == {"cookie": "a=1", "user-agent": "mine"}
    assert revealed(session_headers(None, {"cf_clearance": "mine"}))["Cookie"] == "cf_clearance=mine"
    with pytest.raises(ArgumentError, match="Cookie"):
        session_headers({"cookie": "a=1"}, {"b": "2"})


async def test_the_sites_own_origin_goes_to_the_site_and_none_to_this_machine():
    async with Sandbox(rate=0, venues=["stake"]) as sandbox, StakeAPI("tok", base_url=sandbox.url) as client:
        assert "Origin" not in client._headers_for(None)
        assert await client.get_user_balance()
    assert StakeAPI("tok")._headers_for(None)["Origin"] == "https://stake.com"

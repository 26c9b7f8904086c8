import asyncio
import contextlib
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapewire.app.doctor import examine, skew_between
from tapewire.errors import ConfigurationError
from tapewire.sandbox import Sandbox
from tapewire.testing.transport_servers import SocketServer
from tapewire.venues import VENUES
from tests.transport.proxy_servers import Authority

STEPS = ["settings", "DNS", "TLS", "HTTP", "clock", "credentials", "subscription"]


@pytest.fixture
def environment(monkeypatch):
    """Nothing of any venue, and a function that sets what is given."""
    variables = {name for venue in VENUES.values() for spec in venue.settings for name in spec.variables}
    for name in (*variables, *(name for name in os.environ if name.upper().endswith("_PROXY"))):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("STX_CREDENTIALS_FILE", "")
    monkeypatch.setenv("HOME", "/nonexistent")

    def put(values):
        for name, value in values.items():
            monkeypatch.setenv(name, value)

    return put


@contextlib.asynccontextmanager
async def played(environment, **further):
    """A sandbox that the environment leads to; whoever was there has left it in the end."""
    async with Sandbox(rate=0) as sandbox:
        environment(sandbox.environment() | further)
        yield sandbox
        async with asyncio.timeout(5):
            while sandbox.state()["connections"]:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.01)


def outcomes(diagnosis):
    return {step.name: step.outcome for step in diagnosis.steps}


def step_of(diagnosis, name):
    (found,) = (step for step in diagnosis.steps if step.name == name)
    return found


@pytest.mark.parametrize("venue", VENUES)
async def test_a_venue_that_is_well_passes_each_step_that_proves_something_here(environment, venue):
    async with played(environment) as sandbox:
        told = []
        diagnosis = await examine(venue, tell=told.append)
        assert outcomes(diagnosis) == dict.fromkeys(STEPS, "ok") | {"DNS": "skipped", "TLS": "skipped"}
        assert diagnosis.is_well
        assert tuple(told) == diagnosis.steps
        assert all(step.seconds is not None and not step.advice for step in diagnosis.steps)
        assert sandbox.url in step_of(diagnosis, "settings").found
        assert "no name to look up" in step_of(diagnosis, "DNS").found
        assert "no TLS to prove" in step_of(diagnosis, "TLS").found


async def test_an_unknown_venue_is_refused():
    with pytest.raises(ConfigurationError, match="stx"):
        await examine("nasdaq")


@pytest.mark.parametrize(("ahead", "told"), [(-60, "ahead of"), (60, "behind")])
async def test_a_clock_that_is_wrong_is_found_by_the_date_of_any_answer(environment, ahead, told):
    async with played(environment) as sandbox:
        sandbox.inject("skew", seconds=ahead)
        clock = step_of(await examine("stx"), "clock")
        assert clock.outcome == "failed"
        assert f"{told} the venue's" in clock.found
        assert any(f" {59 + tenth / 10:.1f} s " in clock.found for tenth in range(12))
        assert "timedatectl" in clock.advice


@given(
    truth=st.floats(-1e6, 1e6),
    before=st.floats(0, 30),
    after=st.floats(0, 30),
    moment=st.floats(1.7e9, 1.8e9),
)
def test_a_skew_is_never_more_than_the_clocks_differ_and_less_by_a_second_and_the_question_at_most(
    truth, before, after, moment
):
    """What is proven lies between nothing and the truth, short of it by the header's second and the time it took."""
    date = float(int(moment))
    proven = skew_between(date, moment + truth - before, moment + truth + after)
    assert min(0, truth) - 1e-3 <= proven <= max(0, truth) + 1e-3
    assert abs(truth) - abs(proven) <= 1 + before + after + 1e-3


@pytest.mark.parametrize(
    ("venue", "secret", "fault"),
    [
        ("stx", "STX_PASSWORD", ("refuse_http", {"path": "/api/graphql", "status": 401, "times": 9})),
        ("sxbet", "SXBET_API_KEY", ("refuse_tokens", {})),
        ("stake", "STAKE_ACCESS_TOKEN", ("refuse_tokens", {})),
    ],
)
async def test_refused_credentials_are_told_with_the_variables_to_look_at_and_never_shown(
    environment, venue, secret, fault
):
    name, params = fault
    async with played(environment, **{secret: "hush-do-not-show"}) as sandbox:
        sandbox.inject(name, **params)
        diagnosis = await examine(venue)
        found = step_of(diagnosis, "credentials")
        assert found.outcome == "failed"
        assert secret in found.advice
        assert not diagnosis.is_well
        assert "hush" not in repr(diagnosis)


@pytest.mark.parametrize(("venue", "stream"), [("stx", "skipped"), ("stake", "ok"), ("weex", "ok")])
async def test_without_credentials_what_is_public_is_asked_for_where_the_venue_lets_one(
    environment, monkeypatch, venue, stream
):
    async with played(environment):
        for spec in VENUES[venue].settings:
            if not spec.address:
                for name in spec.variables:
                    monkeypatch.delenv(name, raising=False)
        diagnosis = await examine(venue)
        assert outcomes(diagnosis)["credentials"] == "skipped"
        assert outcomes(diagnosis)["subscription"] == stream
        assert diagnosis.is_well


async def test_a_venue_that_is_down_is_told_by_its_status_and_not_asked_for_more(environment):
    async with played(environment) as sandbox:
        sandbox.inject("unavailable", status=503)
        diagnosis = await examine("weex")
        assert "HTTP 503" in step_of(diagnosis, "HTTP").found
        assert outcomes(diagnosis)["clock"] == "ok"
        assert outcomes(diagnosis)["credentials"] == "skipped"


async def test_a_refused_subscription_is_told_in_the_venues_words(environment):
    async with played(environment) as sandbox:
        sandbox.inject("refuse_join", reason="not today", times=9)
        found = step_of(await examine("stx"), "subscription")
        assert found.outcome == "failed"
        assert "not today" in found.found


@pytest.mark.parametrize("venue", VENUES)
async def test_what_a_venue_says_moves_no_cursor_and_names_no_secret(environment, venue):
    async with played(environment) as sandbox:
        sandbox.inject("refuse_join", reason="not\x1b[2J today\r\n\x07, token=abcdefghijklmnop", times=9)
        found = step_of(await examine(venue), "subscription").found
        assert "not\\x1b[2J today\\r\\n\\x07" in found
        assert found.isprintable()
        assert "abcdefghijklmnop" not in found


async def test_a_step_that_nobody_answers_ends_in_its_time(environment):
    async with played(environment) as sandbox:
        sandbox.inject("ignore_join", times=9)
        found = step_of(await examine("stx", timeout=0.2), "subscription")
        assert (found.outcome, found.found) == ("failed", "nothing within 0.2 s")


async def test_a_wrong_setting_is_the_only_step(environment):
    environment({"STX_HOST": "gopher://venue"})
    diagnosis = await examine("stx")
    assert outcomes(diagnosis) == {"settings": "failed"}
    assert "STX_HOST" in diagnosis.steps[0].found


async def test_a_name_that_has_no_address_fails_and_the_rest_is_not_tried(environment):
    environment({"STX_HOST": f"https://{'a' * 70}"})
    diagnosis = await examine("stx")
    assert outcomes(diagnosis) == dict.fromkeys(STEPS, "skipped") | {"settings": "ok", "DNS": "failed"}
    assert "HTTPS_PROXY" in step_of(diagnosis, "DNS").advice


async def test_a_certificate_of_nobody_known_asks_for_its_authority(environment, tmp_path):
    async with SocketServer(ssl_context=Authority(tmp_path).server("127.0.0.1")) as server:
        environment({"STX_HOST": server.endpoint.url.replace("ws:", "https:").partition("/socket")[0]})
        diagnosis = await examine("stx")
    found = step_of(diagnosis, "TLS")
    assert found.outcome == "failed"
    assert "certificate is not accepted" in found.found
    assert "SSL_CERT_FILE" in found.advice


async def test_a_certificate_that_is_trusted_says_how_long_it_is_good(environment, tmp_path):
    authority = Authority(tmp_path)
    environment({"SSL_CERT_FILE": str(authority.file)})
    async with SocketServer(ssl_context=authority.server("localhost")) as server:
        port = server.endpoint.url.rpartition(":")[2].partition("/")[0]
        environment({"STX_HOST": f"https://localhost:{port}"})
        diagnosis = await examine("stx", timeout=1)
    assert outcomes(diagnosis)["DNS"] == "ok"
    found = step_of(diagnosis, "TLS")
    assert found.outcome == "ok"
    assert found.found.startswith("TLSv1.")
    assert "certificate good for" in found.found

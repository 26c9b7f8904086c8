"""`STX` and `AsyncSTX` against a venue of our own: the calls, the sign-in, the failures. Both must do the same."""

from __future__ import annotations

import asyncio
import inspect
import pickle
import threading
from typing import Any

import pytest

from tapewire.venues.stx import (
    STX,
    AsyncSTX,
    STXAuthenticationFailedException,
    STXException,
    STXInvalidParameterException,
    User,
)
from tests.venues.stx.fake_venue import PASSWORD, FakeVenue


def test_one_client_leaves_its_account_to_the_next(make: Any, venue: FakeVenue) -> None:
    make()
    assert make(email=None, password=None)("account").escrow == 100


def test_two_accounts_live_side_by_side_with_users_of_their_own(make: Any, venue: FakeVenue) -> None:
    one, two = make(user=User.new()), make(user=User.new(), email="bob@example.com")
    one("account")
    two("account")
    assert one.client.user.token != two.client.user.token
    assert User().token is None


def test_a_token_is_not_shown_to_another_host(make: Any, venue: FakeVenue) -> None:
    make()("account")
    other = FakeVenue()
    try:
        with pytest.raises(STXAuthenticationFailedException, match=r"user=User.new\(\)"):
            make(host=other.host, email=None, password=None)("account")
        assert other.headers == []
    finally:
        other.stop()


def test_the_environment_gives_the_account_but_does_not_replace_one(
    make: Any, venue: FakeVenue, monkeypatch: pytest.MonkeyPatch
) -> None:
    make()
    monkeypatch.setenv("STX_EMAIL", "other@example.com")
    monkeypatch.setenv("STX_PASSWORD", "whatever")
    assert make(email=None, password=None).client.user.email == "ann@example.com"


async def test_twenty_callers_sign_in_once(venue: FakeVenue) -> None:
    async with AsyncSTX(host=venue.host, email="ann@example.com", password=PASSWORD) as client:
        await asyncio.gather(*(client.account() for _ in range(20)))
    assert venue.calls.count("login") == 1


async def test_threads_and_loops_share_one_sign_in(venue: FakeVenue) -> None:
    def in_a_thread() -> None:
        with STX(host=venue.host, email="ann@example.com", password=PASSWORD) as client:
            client.account()

    async with AsyncSTX(host=venue.host, email="ann@example.com", password=PASSWORD) as client:
        await asyncio.gather(
            *(asyncio.to_thread(in_a_thread) for _ in range(4)), client.account(), client.account()
        )
    assert venue.calls.count("login") == 1


async def test_a_blocking_call_inside_the_loop_that_signs_in_does_not_deadlock(venue: FakeVenue) -> None:
    venue.gate.clear()
    settings: Any = {"host": venue.host, "email": "ann@example.com", "password": PASSWORD}
    async with AsyncSTX(**settings) as client:
        under_way = asyncio.create_task(client.account())
        while client.user._flight is None:  # noqa: ASYNC110 - the user belongs to threads too: no event to await
            await asyncio.sleep(0)
        threading.Timer(0.05, venue.gate.set).start()
        with STX(**settings) as blocking:
            assert blocking.account().escrow == 100
        assert (await under_way).escrow == 100


async def test_a_cancelled_sign_in_leaves_the_next_one_free(venue: FakeVenue) -> None:
    venue.gate.clear()
    async with AsyncSTX(host=venue.host, email="ann@example.com", password=PASSWORD) as client:
        first, second = asyncio.create_task(client.account()), asyncio.create_task(client.account())
        while client.user._flight is None:  # noqa: ASYNC110 - the user belongs to threads too: no event to await
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        first.cancel()
        venue.gate.set()
        assert (await second).escrow == 100
        with pytest.raises(asyncio.CancelledError):
            await first


async def test_a_refused_sign_in_is_one_refusal_for_all_who_wait(venue: FakeVenue) -> None:
    async with AsyncSTX(host=venue.host, email="ann@example.com", password="wrong wrong") as client:
        outcomes = await asyncio.gather(*(client.account() for _ in range(10)), return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {STXAuthenticationFailedException}
    assert venue.calls.count("login") == 1


def test_the_user_is_one_per_process_and_shows_no_secret() -> None:
    user = User()
    assert user is User()
    user.set_params(
        {"token": "hunter2hunter2", "refresh_token": "hunter3hunter3", "email": "a@b.c", "uid": "u"}
    )
    assert (user.token, user.refresh_token, user.uid) == ("hunter2hunter2", "hunter3hunter3", "u")
    assert "hunter" not in f"{user!r} {user} {vars(user)}"
    with pytest.raises(TypeError):
        pickle.dumps(user)
    with pytest.raises(STXInvalidParameterException, match="allowed: id, uid"):
        user.set_params({"tokn": 1})
    user.clear()
    assert (user.token, user.email, user.uid) == (None, None, None)


def test_both_clients_have_the_same_methods_with_the_same_arguments() -> None:
    def methods(kind: type) -> dict[str, str]:
        own = {"close", "aclose"}
        return {
            name: str(inspect.signature(inspect.unwrap(value._course)))
            for name in dir(kind)
            if not name.startswith("_")
            and name not in own
            and hasattr(value := getattr(kind, name), "_course")
        }

    assert methods(STX) == methods(AsyncSTX)
    assert {"place_order", "markets", "orders", "confirm_2fa", "login", "cancel_all_orders"} <= methods(
        STX
    ).keys()
    assert STX.place_order.__doc__


def test_a_setting_that_does_not_exist_is_named() -> None:
    with pytest.raises(STXInvalidParameterException, match="emial"):
        STX(emial="x")  # type: ignore[call-arg]


@pytest.mark.parametrize("kind", [STX, AsyncSTX])
def test_an_unknown_environment_is_refused_at_construction(kind: Any) -> None:
    with pytest.raises(STXException, match="env='prod' is not valid; allowed: production, staging"):
        kind(region="ontario", env="prod")

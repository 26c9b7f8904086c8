"""Signing in: one sign-in for all who wait, accounts beside each other, and what a user shows of itself."""

from __future__ import annotations

import asyncio
import itertools
import pickle
from datetime import UTC, datetime
from typing import Any

import pytest

from tapewire.secrets import Secret
from tapewire.venues.stx import (
    STX,
    AsyncSTX,
    STXAuthenticationFailedException,
    STXInvalidParameterException,
    User,
)
from tapewire.venues.stx.signin import Door, Send, signed_in
from tests.venues.stx.calling import DEPOSIT, PASSWORD, Venue, called_venue


@pytest.mark.parametrize(
    "given", ["the-one-that-was-refused", "e30.eyJpYXQiOjEsImV4cCI6MS4wMDAwMDAwMDF9.ended"]
)
def test_a_venue_that_gives_no_better_token_is_asked_once(given: str) -> None:
    user = User.new()
    user.seed("ann@example.com", Secret(PASSWORD), "https://stx.test")
    now = itertools.count()
    door = Door(
        user=user,
        origin="https://stx.test",
        now=lambda: datetime.fromtimestamp(next(now), UTC),
        blocking=False,
    )
    course = signed_in(door, stale=Secret("the-one-that-was-refused"))
    assert isinstance(next(course), Send)
    with pytest.raises(StopIteration) as over:
        course.send({"token": given, "refreshToken": "r", "userId": "1", "userUid": "u"})
    assert over.value.value == Secret(given)


def test_one_client_leaves_its_account_to_the_next(make: Any, venue: Venue) -> None:
    make()
    assert make(email=None, password=None)("account").account_balance == DEPOSIT


def test_two_accounts_live_side_by_side_with_users_of_their_own(make: Any, venue: Venue) -> None:
    one, two = make(user=User.new()), make(user=User.new(), email="bob@example.com")
    one("account")
    two("account")
    assert one.client.user.token != two.client.user.token
    assert User().token is None


def test_a_token_is_not_shown_to_another_host(make: Any, venue: Venue) -> None:
    make()("account")
    with called_venue() as other:
        with pytest.raises(STXAuthenticationFailedException, match=r"user=User.new\(\)"):
            make(host=other.url, email=None, password=None)("account")
        assert other.bodies == []


def test_the_environment_gives_the_account_but_does_not_replace_one(
    make: Any, venue: Venue, monkeypatch: pytest.MonkeyPatch
) -> None:
    make()
    monkeypatch.setenv("STX_EMAIL", "other@example.com")
    monkeypatch.setenv("STX_PASSWORD", "whatever")
    assert make(email=None, password=None).client.user.email == "ann@example.com"


async def test_twenty_callers_sign_in_once(venue: Venue) -> None:
    async with AsyncSTX(host=venue.url, email="ann@example.com", password=PASSWORD) as client:
        await asyncio.gather(*(client.account() for _ in range(20)))
    assert venue.calls.count("login") == 1


async def test_threads_and_loops_share_one_sign_in(venue: Venue) -> None:
    def in_a_thread() -> None:
        with STX(host=venue.url, email="ann@example.com", password=PASSWORD) as client:
            client.account()

    async with AsyncSTX(host=venue.url, email="ann@example.com", password=PASSWORD) as client:
        await asyncio.gather(
            *(asyncio.to_thread(in_a_thread) for _ in range(4)), client.account(), client.account()
        )
    assert venue.calls.count("login") == 1


async def test_a_blocking_call_inside_the_loop_that_signs_in_does_not_deadlock(venue: Venue) -> None:
    venue.sandbox.order("hang_http", seconds=0.05)
    settings: Any = {"host": venue.url, "email": "ann@example.com", "password": PASSWORD}
    async with AsyncSTX(**settings) as client:
        under_way = asyncio.create_task(client.account())
        while client.user._flight is None:  # noqa: ASYNC110 - the user belongs to threads too: no event to await
            await asyncio.sleep(0)
        with STX(**settings) as blocking:
            assert blocking.account().account_balance == DEPOSIT
        assert (await under_way).account_balance == DEPOSIT


async def test_a_cancelled_sign_in_leaves_the_next_one_free(venue: Venue) -> None:
    venue.sandbox.order("hang_http", seconds=0.05)
    async with AsyncSTX(host=venue.url, email="ann@example.com", password=PASSWORD) as client:
        first, second = asyncio.create_task(client.account()), asyncio.create_task(client.account())
        while client.user._flight is None:  # noqa: ASYNC110 - the user belongs to threads too: no event to await
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        first.cancel()
        assert (await second).account_balance == DEPOSIT
        with pytest.raises(asyncio.CancelledError):
            await first


async def test_a_refused_sign_in_is_one_refusal_for_all_who_wait(venue: Venue) -> None:
    async with AsyncSTX(host=venue.url, email="ann@example.com", password="wrong wrong") as client:
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

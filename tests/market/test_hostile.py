"""What the venue says over HTTP is anything: no book is live and wrong, nobody is told a traceback, and it heals."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import random
from collections.abc import Callable
from typing import Any

import pytest

from tapewire.errors import TapewireError
from tapewire.market import Verb
from tests.market.played import PlayedMarket, played, shown
from tests.market.watched import BACK_SECONDS, MOMENT, Watched

SEEDS = int(os.environ.get("HOSTILE_SEEDS", "2"))

ODD: tuple[Any, ...] = (
    None, True, -1, 0, 1.5, 1e308, 10**400, "", "-5", "NaN", "Infinity", "1e999999999", "9" * 5_000, [], {}, [[[[]]]],
)  # fmt: skip
"""In the place of a value."""

WHOLE = (
    b"",
    b"null",
    b"[]",
    b"{}",
    b"7",
    b"\xff\xfe",
    b"[" * 100_000,
    b'{"data":null}',
    b'{"status":"success"}',
)
"""In the place of an answer."""

MANY = 300
"""How often a row is there that was there once."""


def altered(value: Any, chance: random.Random, part: float) -> Any:
    """Some values of an answer are others, and some lists hold nothing, or the same again and again."""
    if isinstance(value, dict):
        return {name: altered(each, chance, part) for name, each in value.items()}
    if isinstance(value, list):
        if value and chance.random() < part / 2:
            return value[:1] * chance.choice((0, 2, MANY))
        return [altered(each, chance, part) for each in value]
    return chance.choice(ODD) if chance.random() < part else value


def hostile(chance: random.Random) -> Callable[[Any, bytes], bytes | None]:
    """Answers all over or here and there; not to whoever signs in."""
    whole, part = chance.choice((None, None, *WHOLE)), chance.choice((0.02, 0.1, 0.5))

    def answer(request: Any, body: bytes) -> bytes | None:
        if "token" in request.url.path or b"Login" in request.content or b"login" in request.content:
            return None
        return json.dumps(altered(json.loads(body), chance, part)).encode() if whole is None else whole

    return answer


def is_wrong(watched: Watched, at: PlayedMarket) -> bool:
    view = watched.feed._port.view
    return view is not None and view.is_live and shown(view) != at.truth(watched.feed.instrument_id)


@pytest.mark.parametrize("seed", range(SEEDS))
@pytest.mark.parametrize("verb", ["watch_order_book", "watch_ticker", "watch_trades"])
@pytest.mark.parametrize("name", ["stx", "sxbet", "sxbet-v3", "weex"])
async def test_whatever_is_answered_over_http_no_book_is_live_and_wrong_and_it_heals(
    clock: Any, caplog: Any, name: str, verb: Verb, seed: int
) -> None:
    chance = random.Random(f"{name} {verb} {seed}")
    async with played(clock, name) as at:
        watched = Watched(at, verb)
        if chance.random() < 0.5:
            await watched.live()
        at.venue.http_altered = hostile(chance)
        at.venue.drop()
        at.happen(verb)
        for _ in range(40):
            await asyncio.sleep(1.0)
            at.step()
            await asyncio.sleep(MOMENT)
            assert not is_wrong(watched, at)
        at.heal()
        if watched.taking.done():  # what it asked for first had no answer: it says so
            assert isinstance(watched.taking.exception(), TapewireError)
        else:
            await watched.feed.wait_live(BACK_SECONDS)
            await asyncio.sleep(1.0)
            assert not is_wrong(watched, at)
        watched.taking.cancel()
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []

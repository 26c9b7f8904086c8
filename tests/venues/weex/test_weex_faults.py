"""The venue's faults, each ordered by its name in the sandbox, met by the client over real sockets."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tapewire.errors import HandshakeRefused, SubscriptionEnded, SubscriptionRefused
from tapewire.marks import is_mark
from tapewire.venues.weex import WEEXAuthenticationError, WEEXRateLimitError, WeexWebSocketClient
from tests.venues.weex.weex_peer import Heard
from tests.venues.weex.weex_played import book_of, listening, marks, played, sides
from tests.waiting import until

DEPTH = "BTCUSDT@depth15"


async def is_right(sandbox: Any, heard: Heard) -> None:
    """Wait until the book is the exchange's."""
    await until(lambda: not is_mark(heard[-1]) and sides(heard[-1]) == book_of(sandbox, heard[-1].symbol, 15))


def stepping(sandbox: Any, condition: Any) -> Any:
    """The condition, with a step of the market before each look that it fails."""

    def look() -> bool:
        done = bool(condition())
        if not done:
            sandbox.step()
        return done

    return look


# Books


async def test_a_gap_in_one_book_is_mended_there_and_nowhere_else() -> None:
    async with played() as (sandbox, client):
        hit = Heard.with_marks(client.stream_order_book, "BTCUSDT", level=15)
        other = Heard.with_marks(client.stream_order_book, "ETHUSDT", level=15)
        trades = Heard.with_marks(client.stream_trades, "BTCUSDT")
        for heard in (hit, other):
            await heard.until(1)
        fault = sandbox.inject("skip", topic=DEPTH)
        await until(stepping(sandbox, lambda: len(marks(hit)) == 2))
        for heard in (hit, other):
            await is_right(sandbox, heard)
        assert fault.hits == 1
        assert (marks(hit), marks(other), marks(trades)) == (["Gap", "Resynced"], [], [])
        for heard in (hit, other, trades):
            await heard.stop()


async def test_a_snapshot_older_than_the_deltas_is_not_taken_for_the_book() -> None:
    async with played() as (sandbox, client):
        heard = Heard.with_marks(client.stream_order_book, "BTCUSDT", level=15)
        await heard.until(1)
        sandbox.step(20)
        stale = sandbox.inject("stale_snapshot", topic=DEPTH)
        sandbox.inject("skip", topic=DEPTH)
        await until(stepping(sandbox, lambda: stale.hits == 1 and marks(heard)[-1:] == ["Resynced"]))
        sandbox.step(20)
        await is_right(sandbox, heard)
        kinds = marks(heard)
        assert kinds == ["Gap", "Resynced"] * (len(kinds) // 2)
        await heard.stop()


async def test_a_book_that_was_muted_is_rebuilt_by_its_numbers() -> None:
    async with played() as (sandbox, client):
        heard = Heard.with_marks(client.stream_order_book, "BTCUSDT", level=15)
        await heard.until(1)
        muted = sandbox.inject("mute")
        await until(stepping(sandbox, lambda: muted.hits > 5))
        assert marks(heard) == []  # silence may be a quiet market
        sandbox.lift("mute")
        await until(stepping(sandbox, lambda: len(marks(heard)) == 2))
        await is_right(sandbox, heard)
        assert client.statistics().reconnections == 0
        await heard.stop()


async def test_a_contract_that_is_delisted_ends_its_book() -> None:
    async with played() as (sandbox, client):
        heard = Heard(client.stream_order_book("BTCUSDT", level=15))
        await heard.until(1)
        sandbox.inject("close_channel", topic=DEPTH)
        with pytest.raises(SubscriptionEnded, match="not traded any more"):
            await heard.task


@pytest.mark.parametrize("fault", ["duplicate", "reorder", "malformed"])
async def test_a_book_whose_frames_are_mangled_is_right_in_the_end(fault: str) -> None:
    async with played() as (sandbox, client):
        heard = Heard.with_marks(client.stream_order_book, "BTCUSDT", level=15)
        await heard.until(1)
        order = sandbox.inject(fault)
        await until(stepping(sandbox, lambda: order.hits == 1))
        sandbox.step(20)
        await is_right(sandbox, heard)
        assert marks(heard) == ([] if fault == "duplicate" else ["Gap", "Resynced"])
        await heard.stop()


# Refusals


async def test_six_ordered_refusals_close_no_socket_and_are_final() -> None:
    async with played() as (sandbox, client):
        good = Heard.with_marks(client.stream_tickers, ["BTCUSDT"])
        await listening(sandbox, "BTCUSDT@ticker")
        fault = sandbox.inject("reject_subscriptions", times=6)
        for symbol in ("ETHUSDT", "SOLUSDT", "XRPUSDT", "ADAUSDT", "BTCUSDT", "ETHUSDT"):
            with pytest.raises(SubscriptionRefused, match="INVALID_ARGUMENT"):
                await Heard(client.stream_trades(symbol)).until(1)
        assert fault.hits == 6
        await until(stepping(sandbox, lambda: good))
        assert marks(good) == []
        assert client.statistics().reconnections == 0
        await good.stop()


async def test_a_socket_closed_for_too_many_refusals_is_made_anew_for_what_was_served() -> None:
    async with played() as (sandbox, client):
        heard = Heard.with_marks(client.stream_tickers, ["BTCUSDT"])
        await listening(sandbox, "BTCUSDT@ticker")
        sandbox.inject("close", code=1007, reason="Unrecognized message sent multiple times")
        await until(stepping(sandbox, lambda: len(heard) > 1))
        assert marks(heard) == ["Gap"]
        await heard.stop()


# The line


async def test_pings_whose_answers_the_venue_ignores_cost_a_gap_and_a_new_socket() -> None:
    async with played(ping_interval=0.02) as (sandbox, client):
        heard = Heard.with_marks(client.stream_tickers, ["BTCUSDT"])
        await listening(sandbox, "BTCUSDT@ticker")
        first = sandbox.inject("ignore_pongs")
        await until(lambda: marks(heard))
        assert first.hits >= 10
        sandbox.lift("ignore_pongs")
        await until(stepping(sandbox, lambda: not is_mark(heard[-1])))
        assert set(marks(heard)) == {"Gap"}
        await heard.stop()


@pytest.mark.parametrize("path", ["public", "private"])
@pytest.mark.parametrize("version", ["v3", "v2"])
async def test_pings_of_the_venue_are_answered_so_that_it_never_hangs_up(version: str, path: str) -> None:
    async with played(version, ping_interval=0.02) as (sandbox, client):
        stream = client.stream_tickers(["BTCUSDT"]) if path == "public" else client.stream_orders()
        heard = Heard(stream)
        await listening(sandbox, "BTCUSDT@ticker" if path == "public" else "orders:trader")
        face: Any = sandbox.faces["weex"]
        (served,) = [socket for socket in face.sockets if socket.topics]
        received = served._socket.received
        await until(lambda: served._socket.received >= received + 15)
        assert stream.marks == 0
        assert served in face.sockets
        await heard.stop()


async def test_heartbeats_that_fall_silent_harm_nothing_while_publications_flow() -> None:
    async with played(ping_interval=0.02) as (sandbox, client):
        heard = Heard.with_marks(client.stream_tickers, ["BTCUSDT"])
        await listening(sandbox, "BTCUSDT@ticker")
        sandbox.inject("mute_heartbeats", seconds=0.1)
        await until(stepping(sandbox, lambda: len(heard) > 5))
        assert marks(heard) == []
        await heard.stop()


@pytest.mark.parametrize("fault", ["half_open", "abort", "drain"])
async def test_a_line_that_is_gone_is_found_and_made_anew(fault: str) -> None:
    async with played() as (sandbox, client):
        heard = Heard.with_marks(client.stream_order_book, "BTCUSDT", level=15)
        await heard.until(1)
        sandbox.inject(fault)
        await asyncio.sleep(0)
        await until(lambda: len(marks(heard)) == 2)
        sandbox.step(20)
        await is_right(sandbox, heard)
        assert marks(heard) == ["Gap", "Resynced"]
        await heard.stop()


# Keys, clocks, limits


async def test_a_refused_signature_is_made_anew_once_by_a_fresh_clock() -> None:
    async with played() as (sandbox, client):
        fault = sandbox.inject("refuse_tokens")
        heard = Heard(client.stream_orders())
        await listening(sandbox, "orders:trader")
        assert fault.hits == 1
        await heard.stop()


async def test_a_signature_that_stays_wrong_is_raised_and_tried_no_further() -> None:
    async with played() as (sandbox, client):
        fault = sandbox.inject("refuse_tokens", times=100)
        with pytest.raises(HandshakeRefused, match="401"):
            await Heard(client.stream_orders()).until(1)
        assert fault.hits == 2
        with pytest.raises(WEEXAuthenticationError, match="authentication failed"):
            await client.http.get_account_balance()
        assert fault.hits == 3


@pytest.mark.parametrize("seconds", [90, -90])
async def test_a_venue_whose_clock_went_wrong_is_followed_by_http_and_socket(seconds: int) -> None:
    async with played() as (sandbox, client):
        await client.http.get_account_balance()
        sandbox.inject("skew", seconds=seconds)
        (balance,) = await client.http.get_account_balance()
        assert balance["available"] > 0
        assert abs(client.http.time.offset_ms - seconds * 1000) < 1000
        sandbox.lift("skew")
        heard = Heard(client.stream_orders())  # signed for the wrong clock, refused, signed anew
        await listening(sandbox, "orders:trader")
        assert abs(client.http.time.offset_ms) < 1000
        await heard.stop()


async def test_429_over_http_waits_and_an_order_is_told_of_it() -> None:
    async with played() as (sandbox, client):
        sandbox.inject("http_429", retry_after=0)
        assert await client.http.get_contracts()
        await client.http.server_time()
        fault = sandbox.inject("http_429", retry_after=0)
        with pytest.raises(WEEXRateLimitError):
            await client.http.place_order("BTCUSDT", "buy", "0.01")
        assert fault.hits == 1


async def test_429_at_the_socket_is_waited_for() -> None:
    async with played() as (sandbox, client):
        fault = sandbox.inject("socket_429", retry_after=0, times=2)
        heard = Heard(client.stream_orders())
        await listening(sandbox, "orders:trader")
        assert fault.hits == 2
        await heard.stop()


async def test_a_venue_that_takes_few_channels_a_socket_gets_more_sockets() -> None:
    async with played() as (sandbox, client):
        await client.disconnect()
        sandbox.inject("channel_limit", count=2)
        symbols = ["BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT", "ADAUSDT"]
        async with WeexWebSocketClient(client.config) as limited:
            heard = [Heard(limited.stream_tickers([symbol])) for symbol in symbols]
            await listening(sandbox, *(f"{symbol}@ticker" for symbol in symbols))
            face: Any = sandbox.faces["weex"]
            served = [topic for socket in face.sockets for topic in socket.topics]
            assert sorted(served) == sorted(f"{symbol}@ticker" for symbol in symbols)
            assert max(len(socket.topics) for socket in face.sockets) == 2
            for each in heard:
                await each.stop()

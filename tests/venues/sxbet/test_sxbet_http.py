"""The HTTP client against the played venue: tokens, refusals, limits, paging, batches; and no key in any text."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from tapewire.errors import ConfigurationError, CredentialsError, CredentialsRefused
from tapewire.retry import NO_RETRY, RetryPolicy
from tapewire.sandbox.faces.sxbet.credentials import wallet_of
from tapewire.sandbox.faces.sxbet.units import BASE_TOKEN
from tapewire.secrets import redact, sanitized
from tapewire.session.credentials import Credentials
from tapewire.testing import VirtualClock
from tapewire.venues.sxbet import (
    AsyncSXBet,
    SXBetAnswerError,
    SXBetError,
    SXBetInvalidParameter,
    SXBetRateLimitError,
    SXBetRequestError,
    SXBetServerError,
    SXBetTransportError,
    TokenUnavailable,
    UnauthorizedError,
)
from tapewire.venues.sxbet.limits import Budgets, Kind
from tests.venues.sxbet.rows import KEY, MARKET, bet, market_row, order_row, rest, success
from tests.venues.threaded import HANG_UP, SILENCE, Threaded, threaded

ONE_SIDED = {
    "marketHash": MARKET,
    "baseToken": BASE_TOKEN,
    "outcomeOne": {"percentageOdds": "47500000000000000000", "updatedAt": 1747500000000},
    "outcomeTwo": None,
}
QUICK = RetryPolicy(max_attempts=3, initial_backoff=0.001, max_backoff=0.001)


def client(venue: Threaded, **settings: Any) -> AsyncSXBet:
    return AsyncSXBet(
        **({"host": venue.url, "api_key": KEY, "retry": QUICK, "budgets": Budgets()} | settings)
    )


def markets_of(venue: Threaded) -> list[str]:
    """The hashes of the venue's markets, the oldest first."""
    return list(venue.face.exchange.markets)


def queries(venue: Threaded) -> list[Mapping[str, str]]:
    return [request.query for request in venue.requests]


async def taken(rows: AsyncIterator[Any]) -> list[Any]:
    return [row async for row in rows]


@pytest.mark.parametrize(("profile", "header"), [("v2", "x-api-key"), ("v3", "x-sx-api-key")])
async def test_a_token_is_had_by_the_profile(venue: Threaded, profile: str, header: str) -> None:
    async with client(venue, profile=profile) as api:
        for token in (await api.realtime_token(), await api.token_provider(True)):
            assert venue.face.judge(token.reveal()).wallet == wallet_of(KEY)
    assert venue.requests[0].headers[header] == KEY


async def test_the_key_may_come_from_the_environment(
    venue: Threaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SXBET_API_KEY", KEY)
    monkeypatch.setenv("SXBET_HOST", venue.url)
    async with AsyncSXBet() as api:
        assert await api.realtime_token()
        assert api.endpoints.realtime_url == venue.url.replace("http", "ws") + "/connection/websocket"


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_key_is_final(venue: Threaded, status: int) -> None:
    venue.answers = [(status, {}, b'{"error":"Unauthorized","message":"BAD_AUTH","statusCode":401}')] * 9
    async with client(venue) as api:
        with pytest.raises(UnauthorizedError) as caught:
            await api.realtime_token()
    assert isinstance(caught.value, CredentialsRefused)
    assert (caught.value.terminal, caught.value.code, caught.value.status) == (True, "BAD_AUTH", status)
    assert len(venue.requests) == 1


async def test_no_key_is_final_before_anything_is_sent(venue: Threaded) -> None:
    async with client(venue, api_key=None) as api:
        with pytest.raises(UnauthorizedError, match="SXBET_API_KEY"):
            await api.realtime_token()
    assert venue.requests == []


@pytest.mark.parametrize(
    "fault",
    [
        (429, {"retry-after": "7"}, b""),
        (429, {}, b"{}"),
        (500, {}, b""),
        (503, {"retry-after": "1"}, b"<html>"),
        (404, {}, b""),
        (301, {"location": "https://elsewhere.example"}, b""),
        (200, {}, b""),
        (200, {}, b"<html>"),
        (200, {}, b"[]"),
        (200, {}, b"{}"),
        (200, {}, b'{"token":""}'),
        (200, {}, b'{"token":null}'),
        (200, {}, b'{"token":7}'),
        (200, {}, b'{"token":"two words"}'),
        (200, {}, b'{"token":"a\\nb"}'),
        (200, {}, b'{"data":{}}'),
        (200, {}, b"\xff"),
        HANG_UP,
    ],
)
async def test_everything_else_is_this_times_failure_only(venue: Threaded, fault: Any) -> None:
    venue.answers = [fault]
    async with client(venue) as api:
        with pytest.raises(TokenUnavailable) as caught:
            await api.realtime_token()
        assert isinstance(caught.value, CredentialsError)
        assert caught.value.retryable
        assert not isinstance(caught.value, CredentialsRefused)
        if isinstance(fault, tuple) and fault[1].get("retry-after") == "7":
            assert caught.value.retry_after == 7.0
            return
        assert len(venue.requests) == 1, "repeating is the session's business"
        assert await api.realtime_token()


async def test_a_server_that_is_not_there_is_retryable() -> None:
    async with AsyncSXBet(host="http://127.0.0.1:9", api_key=KEY, retry=QUICK, budgets=Budgets()) as api:
        with pytest.raises(TokenUnavailable):
            await api.realtime_token()
        with pytest.raises(SXBetTransportError) as caught:
            await api.orders(event_id="L1")
    assert not caught.value.sent


async def test_a_token_that_does_not_come_is_given_up_in_time(venue: Threaded) -> None:
    venue.answers = [SILENCE]
    async with client(venue, timeout=0.1) as api:
        with pytest.raises(TokenUnavailable):
            await api.realtime_token()


async def test_a_session_stops_on_a_refused_key_and_retries_the_rest(venue: Threaded) -> None:
    async with client(venue) as api:
        credentials = Credentials(api.token_provider)
        venue.answers = [(503, {}, b"")]
        with pytest.raises(CredentialsError) as caught:
            await credentials.token()
        assert caught.value.retryable
        assert await credentials.token()
        venue.answers = [(401, {}, b"")]
        with pytest.raises(CredentialsRefused):
            await credentials.token()


async def test_no_key_and_no_token_is_ever_shown(venue: Threaded, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    shown: list[str] = []
    venue.answers = [(200, {}, b'{"token":"jwt that leaks"}'), (401, {}, KEY.encode()), (500, {}, b"")]
    async with client(venue) as api:
        shown.append(repr(api))
        for _ in range(3):
            with pytest.raises(CredentialsError) as caught:
                await api.realtime_token()
            error: BaseException | None = caught.value
            while error is not None:
                shown += [str(error), repr(error), repr(vars(error))]
                error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    with pytest.raises(SXBetInvalidParameter) as wrong:
        AsyncSXBet(api_key=f"{KEY} ")
    shown += [str(wrong.value), caplog.text]
    assert not any(KEY in text or "jwt that leaks" in text for text in shown)


async def test_the_key_is_not_followed_elsewhere(venue: Threaded) -> None:
    venue.answers = [(307, {"location": f"{venue.url}/elsewhere"}, b"")] * 9
    async with client(venue) as api:
        with pytest.raises(SXBetServerError):
            await api.orders(event_id="L1")
    assert "/elsewhere" not in venue.paths


async def test_a_passing_failure_is_repeated(venue: Threaded) -> None:
    venue.answers = [(503, {}, b""), HANG_UP]
    market = venue.face.exchange.markets[markets_of(venue)[0]]
    async with client(venue) as api:
        row, *_ = await api.orders(market_hashes=[market.market_id])
    assert (row.market_hash, row.event_id) == (market.market_id, market.facts["event_id"])
    assert len(venue.requests) == 3


@pytest.mark.parametrize(
    ("fault", "kind", "code"),
    [
        ((400, {}, b'{"status":"failure","message":"BAD_BASE_TOKEN"}'), SXBetRequestError, "BAD_BASE_TOKEN"),
        ((400, {}, b'{"message":["a must be b","c"],"statusCode":400}'), SXBetRequestError, "a must be b; c"),
        ((400, {}, b'{"errorCode":"X","message":"y"}'), SXBetRequestError, "X"),
        ((404, {}, b"<html>"), SXBetRequestError, ""),
        ((200, {}, b'{"status":"failure","message":"NO_SUCH"}'), SXBetRequestError, "NO_SUCH"),
        ((403, {}, b""), UnauthorizedError, ""),
        ((429, {"retry-after": "120"}, b""), SXBetRateLimitError, ""),
        ((500, {}, b""), SXBetServerError, ""),
        ((200, {}, b"nonsense"), SXBetServerError, ""),
        ((200, {}, b'{"status":"success"}'), SXBetServerError, ""),
        ((200, {}, b'{"status":"success","data":7}'), SXBetServerError, ""),
        (HANG_UP, SXBetTransportError, ""),
    ],
)
async def test_each_failure_has_its_class(venue: Threaded, fault: Any, kind: type, code: str) -> None:
    venue.answers = [fault] * 3
    async with client(venue) as api:
        with pytest.raises(kind) as caught:
            await api.orders(market_hashes=[MARKET])
    assert caught.value.code == code
    assert code in str(caught.value)
    assert len(venue.requests) == (3 if caught.value.retryable and fault in ((500, {}, b""), HANG_UP) else 1)


async def test_a_retry_after_beyond_patience_is_handed_on(venue: Threaded) -> None:
    venue.answers = [(429, {"retry-after": "120"}, b"")]
    async with client(venue) as api:
        with pytest.raises(SXBetRateLimitError) as caught:
            await taken(api.trades(bettor="0x1"))
    assert (caught.value.retry_after, caught.value.retryable, len(venue.requests)) == (120.0, True, 1)


async def test_a_429_holds_everybody_who_shares_the_budget(venue: Threaded) -> None:
    venue.answers = [(429, {"retry-after": "50"}, b"")]
    budgets, clock = Budgets(), VirtualClock()
    async with client(venue, budgets=budgets, clock=clock, retry=RetryPolicy(max_attempts=1)) as api:
        with pytest.raises(SXBetRateLimitError):
            await api.orders(event_id="L1")

    async def waited(kind: Kind) -> float:
        begun = clock.monotonic()
        await budgets.of(kind).wait(clock)
        return clock.monotonic() - begun

    assert await asyncio.to_thread(clock.run, waited("trades")) == 0.0
    assert await asyncio.to_thread(clock.run, waited("orders")) == 50.0


async def test_two_clients_of_one_key_share_their_budget(venue: Threaded) -> None:
    async with client(venue, budgets=None) as one, client(venue, budgets=None) as two:
        assert one._budgets is two._budgets
    async with client(venue, budgets=None) as one, client(venue, budgets=None, api_key="another") as two:
        assert one._budgets is not two._budgets


def resting(venue: Threaded, market_hash: str) -> int:
    """How many orders rest in a market."""
    return sum(order.order.market_id == market_hash for order in venue.face.orders.active())


async def test_orders_are_paged_until_a_page_is_short(venue: Threaded) -> None:
    market_hash = markets_of(venue)[0]
    rest(venue, market_hash, 2500)
    async with client(venue) as api:
        rows = await api.orders(market_hashes=[market_hash])
    assert len({row.order_hash for row in rows}) == resting(venue, market_hash) > 2500
    assert [query["page"] for query in queries(venue)] == ["0", "1", "2"]


async def test_a_venue_that_ignores_paging_gave_all_only_where_it_gave_more_than_a_page(
    venue: Threaded,
) -> None:
    orders = [order_row(number) for number in range(1200)]
    venue.at["/orders"] = success(orders)
    async with client(venue) as api:
        assert len((await api.orders_of_markets([MARKET]))[MARKET]) == 1200
        assert len(venue.requests) == 2
        # All there are, or all that it gives at once: nobody can tell.
        venue.at["/orders"] = success(orders[:1000])
        with pytest.raises(SXBetAnswerError, match="the same page again"):
            await api.orders(market_hashes=[MARKET])
    assert len(venue.requests) == 4


async def test_one_request_seeds_many_markets(venue: Threaded) -> None:
    hashes = [*markets_of(venue), *(f"0x{number:032x}" for number in range(860))]
    async with client(venue) as api:
        found = await api.orders_of_markets(hashes)
    assert len(venue.requests) == 1
    assert list(found) == hashes
    assert [len(rows) for rows in found.values()] == [resting(venue, name) for name in hashes]
    assert all(found[name] for name in hashes[:6])


async def test_more_markets_than_a_request_takes_are_asked_for_in_parts(venue: Threaded) -> None:
    hashes = [f"0x{number:032x}" for number in range(1001)]
    async with client(venue) as api:
        assert len(await api.orders_of_markets(hashes)) == 1001
    assert [len(query["marketHashes"].split(",")) for query in queries(venue)] == [1000, 1]


async def test_an_address_never_grows_beyond_what_http_software_takes(venue: Threaded) -> None:
    hashes = [f"0x{number:064x}" for number in range(1000)]
    hashes[0], hashes[-1] = markets_of(venue)[:2]
    async with client(venue) as api:
        rows = await api.orders(market_hashes=hashes)
    assert {row.market_hash for row in rows} == {hashes[0], hashes[-1]}
    assert [len(query["marketHashes"].split(",")) for query in queries(venue)] == [869, 131]


@pytest.mark.parametrize("status", [413, 414, 431])
async def test_an_address_that_is_too_long_is_halved_and_that_is_remembered(
    venue: Threaded, status: int
) -> None:
    hashes = [f"0x{number:032x}" for number in range(1000)]
    venue.answers = [(status, {}, b"")]
    async with client(venue) as api:
        for _ in range(2):
            assert len(await api.orders_of_markets(hashes)) == 1000
    assert [len(query["marketHashes"].split(",")) for query in queries(venue)] == [
        1000,
        500,
        500,
        500,
        500,
    ]


async def test_a_full_page_of_many_markets_is_asked_for_in_smaller_parts(venue: Threaded) -> None:
    hashes = markets_of(venue)[:4]
    for name in hashes:
        rest(venue, name, 600)
    async with client(venue) as api:
        found = await api.orders_of_markets(hashes)
    assert [len(found[name]) for name in hashes] == [resting(venue, name) for name in hashes]
    assert all(query["page"] == "0" for query in queries(venue))
    assert len(venue.requests) > 4


async def test_a_deep_market_among_others_is_paged(venue: Threaded) -> None:
    deep, other = markets_of(venue)[:2]
    rest(venue, deep, 1500)
    async with client(venue) as api:
        found = await api.orders_of_markets([deep, other])
    assert [len(found[name]) for name in (deep, other)] == [resting(venue, deep), resting(venue, other)]


@pytest.mark.parametrize("wrong", [{"totalBetSize": 1.5}, {"totalBetSize": "1_000"}, {"fillAmount": None}])
async def test_a_row_that_cannot_be_read_is_counted_and_said(
    venue: Threaded, wrong: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    venue.at["/orders"] = success([order_row(1), order_row(2, **wrong)])
    async with client(venue) as api:
        assert len(await api.orders(market_hashes=[MARKET])) == 1
        assert api.unreadable == 1
    assert "GET /orders: 1 of its rows cannot be read" in caplog.text


@pytest.mark.parametrize(
    "which",
    [
        {"league_id": "1_0"},
        {"sport_ids": [5, " 6"]},
        {"league_id": 1.5},
        {"type": "\u0663"},
        {"league_id": -1},
    ],
)
async def test_a_number_goes_out_in_plain_digits_or_not_at_all(venue: Threaded, which: Any) -> None:
    async with client(venue) as api:
        with pytest.raises(SXBetInvalidParameter):
            await taken(api.active_markets(**which))
        for dates in ({"start_date": 1_764_162_000_000}, {"start_date": 0}, {"start_date": "soon"}):
            with pytest.raises(SXBetInvalidParameter, match="start_date="):
                await taken(api.trades(**dates))
        with pytest.raises(SXBetInvalidParameter):
            await api.best_odds(league_ids=["1_000"])  # type: ignore[list-item]
    assert venue.requests == []


async def test_orders_of_a_maker_or_an_event(venue: Threaded) -> None:
    one = next(iter(venue.face.orders.active())).row()
    maker, event = one["maker"], one["sportXeventId"]
    async with client(venue) as api:
        assert {row.maker for row in await api.orders(maker=maker)} == {maker}
        assert {row.event_id for row in await api.orders(event_id=event, base_token=BASE_TOKEN)} == {event}
        for wrong in ({}, {"market_hashes": ["0x1"], "event_id": "L1"}, {"market_hashes": "0x1"}):
            with pytest.raises(SXBetInvalidParameter):
                await api.orders(**wrong)  # type: ignore[arg-type]
    assert [sorted(query) for query in queries(venue)] == [
        ["maker", "page", "perPage"],
        ["baseToken", "page", "perPage", "sportXeventId"],
    ]


async def test_active_markets_go_on_to_the_last_page() -> None:
    with threaded("sxbet", markets=120) as venue:
        async with client(venue) as api:
            rows = await taken(api.active_markets())
            assert [row.market_hash for row in rows] == markets_of(venue)
            keys = [query.get("paginationKey") for query in queries(venue)]
            assert (keys[0], len(keys), len(set(keys))) == (None, 3, 3)
            some = await taken(api.active_markets(only_main_line=True, sport_ids=[5, 6], league_id=29))
            assert {row.sport_id for row in some} == {5}
        asked = queries(venue)[3]
        assert (asked["onlyMainLine"], asked["sportIds"], asked["leagueId"], asked["pageSize"]) == (
            "true",
            "5,6",
            "29",
            "50",
        )


async def test_a_listing_may_be_left_early_and_markets_are_found_thirty_at_a_time() -> None:
    with threaded("sxbet", markets=70) as venue:
        hashes = markets_of(venue)
        async with client(venue) as api:
            rows = api.active_markets()
            assert (await anext(rows)).market_hash == hashes[0]
            await rows.aclose()
            assert len(venue.requests) == 1
            assert len(await api.markets([*hashes, hashes[0]])) == 70
        assert len(venue.requests) == 4


async def test_trades_are_paged_and_need_a_filter(venue: Threaded) -> None:
    market_hash = markets_of(venue)[0]
    bet(venue, market_hash, 125)
    async with client(venue) as api:
        rows = await taken(api.trades(page_size=100, market_hashes=[market_hash], settled=False))
        assert len({(row.fill_hash, row.maker) for row in rows}) == len(rows) == 250
        for wrong in (
            {},
            {"settled": True},
            {"page_size": 301, "bettor": "0x1"},
            {"colour": "red", "bettor": "0x1"},
        ):
            with pytest.raises(SXBetInvalidParameter):
                await taken(api.trades(**wrong))
    assert queries(venue)[0] == {"pageSize": "100", "marketHashes": market_hash, "settled": "false"}
    assert len(venue.requests) == 3


@pytest.mark.parametrize("keys", [["1", "1"], ["1", "2", "1"], [1, "1"]])
async def test_a_listing_that_goes_round_is_no_whole_listing(venue: Threaded, keys: list[Any]) -> None:
    pages = [{"status": "success", "data": {"markets": [market_row(1)], "nextKey": key}} for key in keys]
    venue.answers = [(200, {}, json.dumps(page).encode()) for page in pages]
    async with client(venue) as api:
        with pytest.raises(SXBetAnswerError, match="the same page again"):
            await taken(api.active_markets())
    assert len(venue.requests) == len(keys)


async def test_best_odds_name_markets_or_leagues(venue: Threaded) -> None:
    venue.at["/orders/odds/best"] = success({"bestOdds": [ONE_SIDED]})
    async with client(venue) as api:
        (row,) = await api.best_odds(market_hashes=[MARKET])
        assert row.outcome_one is not None
        assert row.outcome_two is None
        for wrong in ({}, {"market_hashes": [MARKET], "league_ids": [1]}, {"market_hashes": ["a,b"]}):
            with pytest.raises(SXBetInvalidParameter):
                await api.best_odds(**wrong)  # type: ignore[arg-type]


async def test_the_later_generation_has_its_own_paths(venue: Threaded) -> None:
    hashes = markets_of(venue)
    bet(venue, hashes[0], 150)
    async with client(venue, profile="v3") as api:
        assert (await api.book_snapshot(hashes[0])).outcome_one
        odds = await api.best_odds_v3([*hashes[:1], *(f"0x{n}" for n in range(148)), *hashes[1:2]])
        assert [row.market_hash for row in odds] == hashes[:2]
        assert len(await taken(api.public_trades_v3(market_hash=hashes[0]))) == 150
        with pytest.raises(SXBetRequestError, match="MARKET_NOT_FOUND"):
            await api.book_snapshot("0x9")
        pages = (
            {"orders": [{"orderId": f"o{n}"} for n in range(100)], "nextKey": "100"},
            {"orders": [{"orderId": "o100"}]},
        )
        venue.answers = [success(page) for page in pages]
        assert (await taken(api.own_v3("orders")))[100] == {"orderId": "o100"}
    assert venue.paths.count("/orders-v3/odds/best") == 2
    assert "x-api-key" not in venue.requests[0].headers


def test_what_is_not_an_argument_is_named() -> None:
    with pytest.raises(ConfigurationError, match="apikey"):
        AsyncSXBet(apikey="x")  # type: ignore[call-arg]
    with pytest.raises(ConfigurationError, match="profile"):
        AsyncSXBet(profile="v9")


# What stays readable when the log is redacted.


async def test_redaction_leaves_method_address_and_cause_of_a_failed_token(venue: Threaded) -> None:
    address = f"{venue.url}/user/realtime-token/api-key"
    cases: list[tuple[Any, type[SXBetError], str]] = [
        (HANG_UP, TokenUnavailable, f"GET {address} failed: ReadError"),
        ((503, {}, b""), TokenUnavailable, f"GET {address} answered HTTP 503: Service Unavailable"),
        ((200, {}, b"{}"), TokenUnavailable, "the answer holds none"),
        ((200, {}, b"<"), TokenUnavailable, "the answer to it cannot be read"),
        ((401, {}, b'{"message": "BAD_AUTH"}'), UnauthorizedError, f"GET {address} answered HTTP 401"),
    ]
    async with AsyncSXBet(host=venue.url, api_key=KEY, retry=NO_RETRY) as client:
        for fault, kind, readable in cases:
            venue.answers = [fault]
            with pytest.raises(kind) as caught:
                await client.realtime_token()
            for text in (
                str(caught.value),
                redact(str(caught.value)),
                sanitized(f"sxbet 1: {caught.value}; again"),
            ):
                assert readable in text
                assert "***" not in text

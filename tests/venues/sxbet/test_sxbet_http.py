"""The HTTP client against a venue of our own: tokens, refusals, limits, paging, batches; and no key in any text."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tapewire.errors import ConfigurationError, CredentialsError, CredentialsRefused
from tapewire.retry import NO_RETRY, RetryPolicy
from tapewire.secrets import redact, shown
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
from tapewire.venues.sxbet.limits import Budget, Budgets
from tests.venues.sxbet.fake_sxbet import KEY, MARKET, FakeSXBet, market_row, order_row

QUICK = RetryPolicy(max_attempts=3, initial_backoff=0.001, max_backoff=0.001)


def client(venue: FakeSXBet, **settings: Any) -> AsyncSXBet:
    return AsyncSXBet(
        **({"host": venue.host, "api_key": KEY, "retry": QUICK, "budgets": Budgets()} | settings)
    )


async def taken(rows: AsyncIterator[Any]) -> list[Any]:
    return [row async for row in rows]


@pytest.mark.parametrize(
    ("profile", "token", "header"), [("v2", "jwt-v2", "x-api-key"), ("v3", "jwt-v3", "x-sx-api-key")]
)
async def test_a_token_is_had_by_the_profile(venue: FakeSXBet, profile: str, token: str, header: str) -> None:
    async with client(venue, profile=profile) as api:
        assert (await api.realtime_token()).reveal() == token
        assert (await api.token_provider(True)).reveal() == token
    assert venue.headers[0][header] == KEY


async def test_the_key_may_come_from_the_environment(
    venue: FakeSXBet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SXBET_API_KEY", KEY)
    monkeypatch.setenv("SXBET_HOST", venue.host)
    async with AsyncSXBet() as api:
        assert (await api.realtime_token()).reveal() == "jwt-v2"
        assert api.endpoints.realtime_url == venue.host.replace("http", "ws") + "/connection/websocket"


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_key_is_final(venue: FakeSXBet, status: int) -> None:
    venue.faults = [(status, {}, b'{"error":"Unauthorized","message":"BAD_AUTH","statusCode":401}')] * 9
    async with client(venue) as api:
        with pytest.raises(UnauthorizedError) as caught:
            await api.realtime_token()
    assert isinstance(caught.value, CredentialsRefused)
    assert (caught.value.terminal, caught.value.code, caught.value.status) == (True, "BAD_AUTH", status)
    assert len(venue.requests) == 1


async def test_no_key_is_final_before_anything_is_sent(venue: FakeSXBet) -> None:
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
        "hang up",
    ],
)
async def test_everything_else_is_this_times_failure_only(venue: FakeSXBet, fault: Any) -> None:
    venue.faults = [fault]
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
        assert (await api.realtime_token()).reveal() == "jwt-v2"


async def test_a_server_that_is_not_there_is_retryable() -> None:
    async with AsyncSXBet(host="http://127.0.0.1:9", api_key=KEY, retry=QUICK, budgets=Budgets()) as api:
        with pytest.raises(TokenUnavailable):
            await api.realtime_token()
        with pytest.raises(SXBetTransportError) as caught:
            await api.orders(event_id="L1")
    assert not caught.value.sent


async def test_a_token_that_does_not_come_is_given_up_in_time(venue: FakeSXBet) -> None:
    async with client(venue, timeout=0.0001) as api:
        with pytest.raises(TokenUnavailable):
            await api.realtime_token()


async def test_a_session_stops_on_a_refused_key_and_retries_the_rest(venue: FakeSXBet) -> None:
    async with client(venue) as api:
        credentials = Credentials(api.token_provider)
        venue.faults = [(503, {}, b"")]
        with pytest.raises(CredentialsError) as caught:
            await credentials.token()
        assert caught.value.retryable
        assert (await credentials.token()).reveal() == "jwt-v2"
        venue.faults = [(401, {}, b"")]
        with pytest.raises(CredentialsRefused):
            await credentials.token()


async def test_no_key_and_no_token_is_ever_shown(venue: FakeSXBet, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    shown: list[str] = []
    venue.faults = [(200, {}, b'{"token":"jwt that leaks"}'), (401, {}, KEY.encode()), (500, {}, b"")]
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


async def test_the_key_is_not_followed_elsewhere(venue: FakeSXBet) -> None:
    venue.faults = [(307, {"location": f"{venue.host}/elsewhere"}, b"")] * 9
    async with client(venue) as api:
        with pytest.raises(SXBetServerError):
            await api.orders(event_id="L1")
    assert "/elsewhere" not in venue.paths()


async def test_a_passing_failure_is_repeated(venue: FakeSXBet) -> None:
    venue.orders = [order_row()]
    venue.faults = [(503, {}, b""), "hang up"]
    async with client(venue) as api:
        (row,) = await api.orders(market_hashes=[MARKET])
    assert (row.market_hash, row.event_id, len(venue.requests)) == (MARKET, "L18272453", 3)


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
        ("hang up", SXBetTransportError, ""),
    ],
)
async def test_each_failure_has_its_class(venue: FakeSXBet, fault: Any, kind: type, code: str) -> None:
    venue.faults = [fault] * 3
    async with client(venue) as api:
        with pytest.raises(kind) as caught:
            await api.orders(market_hashes=[MARKET])
    assert caught.value.code == code
    assert code in str(caught.value)
    assert len(venue.requests) == (
        3 if caught.value.retryable and fault in ((500, {}, b""), "hang up") else 1
    )


async def test_a_retry_after_beyond_patience_is_handed_on(venue: FakeSXBet) -> None:
    venue.faults = [(429, {"retry-after": "120"}, b"")]
    async with client(venue) as api:
        with pytest.raises(SXBetRateLimitError) as caught:
            await taken(api.trades(bettor="0x1"))
    assert (caught.value.retry_after, caught.value.retryable, len(venue.requests)) == (120.0, True, 1)


async def test_a_429_holds_everybody_who_shares_the_budget(venue: FakeSXBet) -> None:
    venue.faults = [(429, {"retry-after": "50"}, b"")]
    budgets, clock = Budgets(), VirtualClock()
    async with client(venue, budgets=budgets, clock=clock, retry=RetryPolicy(max_attempts=1)) as api:
        with pytest.raises(SXBetRateLimitError):
            await api.orders(event_id="L1")

    async def waited(budget: Budget) -> float:
        begun = clock.monotonic()
        await budgets.wait(budget, clock)
        return clock.monotonic() - begun

    assert await asyncio.to_thread(clock.run, waited("trades")) == 0.0
    assert await asyncio.to_thread(clock.run, waited("orders")) == 50.0


async def test_two_clients_of_one_key_share_their_budget(venue: FakeSXBet) -> None:
    async with client(venue, budgets=None) as one, client(venue, budgets=None) as two:
        assert one._budgets is two._budgets
    async with client(venue, budgets=None) as one, client(venue, budgets=None, api_key="another") as two:
        assert one._budgets is not two._budgets


async def test_orders_are_paged_until_a_page_is_short(venue: FakeSXBet) -> None:
    venue.orders = [order_row(number) for number in range(2500)]
    async with client(venue) as api:
        rows = await api.orders(market_hashes=[MARKET])
    assert len({row.order_hash for row in rows}) == 2500
    assert [query["page"] for _, query in venue.requests] == ["0", "1", "2"]


async def test_a_venue_that_ignores_paging_gave_all_only_where_it_gave_more_than_a_page(
    venue: FakeSXBet,
) -> None:
    venue.pages_orders = False
    venue.orders = [order_row(number) for number in range(1200)]
    async with client(venue) as api:
        assert len((await api.orders_of_markets([MARKET]))[MARKET]) == 1200
        assert len(venue.requests) == 2
        venue.orders = venue.orders[:1000]  # all there are, or all that it gives at once: nobody can tell
        with pytest.raises(SXBetAnswerError, match="the same page again"):
            await api.orders(market_hashes=[MARKET])
    assert len(venue.requests) == 4


async def test_one_request_seeds_many_markets(venue: FakeSXBet) -> None:
    hashes = [f"0x{number:032x}" for number in range(1000)]
    venue.orders = [order_row(number, hashes[number % 500]) for number in range(900)]
    async with client(venue) as api:
        found = await api.orders_of_markets(hashes)
    assert len(venue.requests) == 1
    assert list(found) == hashes
    assert [len(found[name]) for name in (hashes[0], hashes[450], hashes[999])] == [2, 1, 0]


async def test_more_markets_than_a_request_takes_are_asked_for_in_parts(venue: FakeSXBet) -> None:
    hashes = [f"0x{number:032x}" for number in range(1001)]
    async with client(venue) as api:
        assert len(await api.orders_of_markets(hashes)) == 1001
    assert [len(query["marketHashes"].split(",")) for _, query in venue.requests] == [1000, 1]


async def test_an_address_never_grows_beyond_what_http_software_takes(venue: FakeSXBet) -> None:
    hashes = [f"0x{number:064x}" for number in range(1000)]
    venue.orders = [order_row(number, name) for number, name in enumerate(hashes[:300])]
    async with client(venue) as api:
        assert len(await api.orders(market_hashes=hashes)) == 300
    assert [len(query["marketHashes"].split(",")) for _, query in venue.requests] == [869, 131]


@pytest.mark.parametrize("status", [413, 414, 431])
async def test_an_address_that_is_too_long_is_halved_and_that_is_remembered(
    venue: FakeSXBet, status: int
) -> None:
    hashes = [f"0x{number:032x}" for number in range(1000)]
    venue.faults = [(status, {}, b"")]
    async with client(venue) as api:
        for _ in range(2):
            assert len(await api.orders_of_markets(hashes)) == 1000
    assert [len(query["marketHashes"].split(",")) for _, query in venue.requests] == [
        1000,
        500,
        500,
        500,
        500,
    ]


async def test_a_full_page_of_many_markets_is_asked_for_in_smaller_parts(venue: FakeSXBet) -> None:
    hashes = [f"0x{number:032x}" for number in range(4)]
    venue.orders = [order_row(number, hashes[number % 4]) for number in range(2400)]
    async with client(venue) as api:
        found = await api.orders_of_markets(hashes)
    assert [len(found[name]) for name in hashes] == [600] * 4
    assert all(query["page"] == "0" for _, query in venue.requests)


async def test_a_deep_market_among_others_is_paged(venue: FakeSXBet) -> None:
    venue.orders = [order_row(number) for number in range(1500)] + [order_row(9999, "0x2")]
    async with client(venue) as api:
        found = await api.orders_of_markets([MARKET, "0x2"])
    assert (len(found[MARKET]), len(found["0x2"])) == (1500, 1)


@pytest.mark.parametrize("wrong", [{"totalBetSize": 1.5}, {"totalBetSize": "1_000"}, {"fillAmount": None}])
async def test_a_row_that_cannot_be_read_is_counted_and_said(
    venue: FakeSXBet, wrong: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    venue.orders = [order_row(1), order_row(2, **wrong)]
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
async def test_a_number_goes_out_in_plain_digits_or_not_at_all(venue: FakeSXBet, which: Any) -> None:
    async with client(venue) as api:
        with pytest.raises(SXBetInvalidParameter):
            await taken(api.active_markets(**which))
        for dates in ({"start_date": 1_764_162_000_000}, {"start_date": 0}, {"start_date": "soon"}):
            with pytest.raises(SXBetInvalidParameter, match="start_date="):
                await taken(api.trades(**dates))
        with pytest.raises(SXBetInvalidParameter):
            await api.best_odds(league_ids=["1_000"])  # type: ignore[list-item]
    assert venue.requests == []


async def test_orders_of_a_maker_or_an_event(venue: FakeSXBet) -> None:
    venue.orders = [order_row(1), order_row(2, maker="0xother", sportXeventId="L9")]
    async with client(venue) as api:
        assert len(await api.orders(maker="0xother")) == 1
        assert len(await api.orders(event_id="L9", base_token="0x66")) == 1
        for wrong in ({}, {"market_hashes": ["0x1"], "event_id": "L1"}, {"market_hashes": "0x1"}):
            with pytest.raises(SXBetInvalidParameter):
                await api.orders(**wrong)  # type: ignore[arg-type]
    assert [sorted(query) for _, query in venue.requests] == [
        ["maker", "page", "perPage"],
        ["baseToken", "page", "perPage", "sportXeventId"],
    ]


async def test_active_markets_go_on_to_the_last_page(venue: FakeSXBet) -> None:
    async with client(venue) as api:
        rows = await taken(api.active_markets(only_main_line=True, sport_ids=[5, 6], league_id=3))
    assert [row.event_id for row in rows] == [f"L{number}" for number in range(120)]
    first = venue.requests[0][1]
    assert (first["onlyMainLine"], first["sportIds"], first["leagueId"], first["pageSize"]) == (
        "true",
        "5,6",
        "3",
        "50",
    )
    assert [query.get("paginationKey") for _, query in venue.requests] == [None, "50", "100"]


async def test_a_listing_may_be_left_early(venue: FakeSXBet) -> None:
    async with client(venue) as api:
        rows = api.active_markets()
        assert (await anext(rows)).event_id == "L0"
        await rows.aclose()
    assert len(venue.requests) == 1


async def test_markets_are_found_thirty_at_a_time(venue: FakeSXBet) -> None:
    hashes = [market_row(number)["marketHash"] for number in range(70)]
    async with client(venue) as api:
        assert len(await api.markets([*hashes, hashes[0]])) == 70
    assert len(venue.requests) == 3


async def test_trades_are_paged_and_need_a_filter(venue: FakeSXBet) -> None:
    plain = {"marketHash": MARKET, "fillOrderHash": "0xo", "stake": "1", "odds": "5", "maker": False}
    venue.trades = [plain | {"fillHash": f"0x{n}", "bettingOutcomeOne": True} for n in range(250)]
    async with client(venue) as api:
        rows = await taken(api.trades(page_size=100, market_hashes=[MARKET], settled=False))
        assert len(rows) == 250
        for wrong in (
            {},
            {"settled": True},
            {"page_size": 301, "bettor": "0x1"},
            {"colour": "red", "bettor": "0x1"},
        ):
            with pytest.raises(SXBetInvalidParameter):
                await taken(api.trades(**wrong))
    assert venue.requests[0][1] == {"pageSize": "100", "marketHashes": MARKET, "settled": "false"}
    assert len(venue.requests) == 3


@pytest.mark.parametrize("keys", [["1", "1"], ["1", "2", "1"], [1, "1"]])
async def test_a_listing_that_goes_round_is_no_whole_listing(venue: FakeSXBet, keys: list[Any]) -> None:
    pages = [{"status": "success", "data": {"markets": [market_row(1)], "nextKey": key}} for key in keys]
    venue.faults = [(200, {}, json.dumps(page).encode()) for page in pages]
    async with client(venue) as api:
        with pytest.raises(SXBetAnswerError, match="the same page again"):
            await taken(api.active_markets())
    assert len(venue.requests) == len(keys)


async def test_best_odds_name_markets_or_leagues(venue: FakeSXBet) -> None:
    async with client(venue) as api:
        (row,) = await api.best_odds(market_hashes=[MARKET])
        assert row.outcome_one is not None
        assert row.outcome_two is None
        for wrong in ({}, {"market_hashes": [MARKET], "league_ids": [1]}, {"market_hashes": ["a,b"]}):
            with pytest.raises(SXBetInvalidParameter):
                await api.best_odds(**wrong)  # type: ignore[arg-type]


async def test_the_later_generation_has_its_own_paths(venue: FakeSXBet) -> None:
    venue.books[MARKET] = {"marketHash": MARKET, "version": "0012", "outcomeOne": [], "outcomeTwo": []}
    venue.trades = [
        {"tradeId": f"t{n}", "marketHash": MARKET, "isBettingOutcomeOne": True, "weightedAverageOdds": "5"}
        for n in range(150)
    ]
    venue.orders = [{"orderId": f"o{n}"} for n in range(101)]
    async with client(venue, profile="v3") as api:
        assert (await api.book_snapshot(MARKET)).version == 12
        assert len(await api.best_odds_v3([f"0x{n}" for n in range(150)])) == 150
        assert len(await taken(api.public_trades_v3(market_hash=MARKET))) == 150
        assert (await taken(api.own_v3("orders")))[100] == {"orderId": "o100"}
        with pytest.raises(SXBetRequestError, match="no book"):
            await api.book_snapshot("0x9")
    assert venue.paths().count("/orders-v3/odds/best") == 2
    assert "x-api-key" not in venue.headers[0]


def test_what_is_not_an_argument_is_named() -> None:
    with pytest.raises(ConfigurationError, match="apikey"):
        AsyncSXBet(apikey="x")  # type: ignore[call-arg]
    with pytest.raises(ConfigurationError, match="profile"):
        AsyncSXBet(profile="v9")


# What stays readable when the log is redacted.


async def test_redaction_leaves_method_address_and_cause_of_a_failed_token(venue: FakeSXBet) -> None:
    address = f"{venue.host}/user/realtime-token/api-key"
    cases: list[tuple[Any, type[SXBetError], str]] = [
        ("hang up", TokenUnavailable, f"GET {address} failed: RemoteProtocolError"),
        ((503, {}, b""), TokenUnavailable, f"GET {address} answered HTTP 503: Service Unavailable"),
        ((200, {}, b"{}"), TokenUnavailable, "the answer holds none"),
        ((200, {}, b"<"), TokenUnavailable, "the answer to it cannot be read"),
        ((401, {}, b'{"message": "BAD_AUTH"}'), UnauthorizedError, f"GET {address} answered HTTP 401"),
    ]
    async with AsyncSXBet(host=venue.host, api_key=KEY, retry=NO_RETRY) as client:
        for fault, kind, readable in cases:
            venue.faults = [fault]
            with pytest.raises(kind) as caught:
                await client.realtime_token()
            for text in (
                str(caught.value),
                redact(str(caught.value)),
                shown(f"sxbet 1: {caught.value}; again"),
            ):
                assert readable in text
                assert "***" not in text

"""The HTTP side of the played SX Bet: shapes, filters, paging, refusals."""

import pytest

from tapewire.sandbox.faces.sxbet.credentials import SxBetKeys, wallet_of
from tapewire.sandbox.faces.sxbet.limits import CallLimits
from tapewire.sandbox.net.http import Request
from tests.sandbox.sxbet_peers import data, first_market, get, sandbox_of

V2_TOKEN, V3_TOKEN = "/user/realtime-token/api-key", "/user/realtime-token-v3/api-key"


async def refusal(sandbox, path, **headers):
    answer = await get(sandbox, path, **headers)
    body = answer.json()
    assert set(body) == {"error", "message", "statusCode"}
    assert body["statusCode"] == answer.status_code
    return answer.status_code, body["message"]


async def test_any_key_has_a_token_and_each_generation_its_own_header():
    async with sandbox_of() as sandbox:
        answer = (await get(sandbox, V2_TOKEN, x_api_key="k")).json()
        assert set(answer) == {"token"}
        assert answer["token"].count(".") == 2
        assert (await data(sandbox, V3_TOKEN, x_sx_api_key="k"))["token"] != answer["token"]
        assert sandbox.environment() == {
            "SXBET_HOST": sandbox.url,
            "SXBET_API_KEY": "sandbox-key",
            "SXBET_MAKER": wallet_of("sandbox-key"),
        }


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        (V2_TOKEN, {}),
        (V2_TOKEN, {"x_api_key": "refused"}),
        (V2_TOKEN, {"x_api_key": "refused-2"}),
        (V2_TOKEN, {"x_sx_api_key": "k"}),
        (V3_TOKEN, {"x_api_key": "k"}),
        ("/orders-v3/odds/best?marketHashes=0x1", {}),
        ("/orderbook-v3/snapshot/event?eventId=L1", {"x_sx_api_key": "refused"}),
    ],
)
async def test_without_a_good_key_the_answer_is_401(path, headers):
    async with sandbox_of() as sandbox:
        assert await refusal(sandbox, path, **headers) == (401, "BAD_AUTH")


async def test_orders_by_market_event_and_maker_in_pages():
    async with sandbox_of() as sandbox:
        sandbox.step(20)
        market = first_market(sandbox)
        rows = await data(sandbox, f"/orders?marketHashes={market.market_id}")
        assert {row["marketHash"] for row in rows} == {market.market_id}
        assert set(rows[0]) == {
            "marketHash", "fillAmount", "pendingFillAmount", "orderHash", "maker", "totalBetSize",
            "percentageOdds", "baseToken", "executor", "salt", "isMakerBettingOutcomeOne", "signature", "expiry",
            "apiExpiry", "sportXeventId", "orderStatus",
        }  # fmt: skip
        assert all(row["orderStatus"] == "ACTIVE" for row in rows)
        everything = await data(sandbox, "/orders")
        assert len(everything) > len(rows)
        maker = rows[0]["maker"]
        own = [row for row in everything if row["maker"] == maker]
        assert await data(sandbox, f"/orders?maker={maker}") == own
        assert await data(sandbox, "/orders?maker=0x1") == []
        event = await data(sandbox, f"/orders?sportXeventId={rows[0]['sportXeventId']}")
        assert len(rows) < len(event) <= len(everything)
        assert await data(sandbox, f"/orders?orderHashes={rows[1]['orderHash']}") == [rows[1]]
        pages = [await data(sandbox, f"/orders?perPage=25&page={page}") for page in range(4)]
        assert [row for page in pages for row in page] == everything[:100]
        two = [market.market_id for market in list(sandbox.faces["sxbet"].exchange.markets.values())[:2]]
        assert {
            row["marketHash"] for row in await data(sandbox, f"/orders?marketHashes={','.join(two)}")
        } == {*two}


@pytest.mark.parametrize(
    ("path", "status", "word"),
    [
        (f"/orders?marketHashes={','.join(map(str, range(1001)))}", 400, "RATE_LIMIT_ORDER_REQUEST_MARKET_COUNT"),
        ("/orders?marketHashes=1&sportXeventId=2", 400, "BOTH_SPORTXEVENTID_MARKETHASHES_PRESENT"),
        ("/orders?perPage=1001", 400, "perPage must be between 1 and 1000"),
        ("/orders?page=x", 400, "page must be between 0 and 1000000"),
        ("/orders/odds/best", 400, "ONE_OF_MARKETHASHES_LEAGUEIDS_REQUIRED"),
        ("/orders/odds/best?marketHashes=1&leagueIds=2", 400, "ONE_OF_MARKETHASHES_LEAGUEIDS_REQUIRED"),
        ("/markets/find", 400, "BAD_MARKET_HASHES"),
        (f"/markets/find?marketHashes={','.join(map(str, range(31)))}", 400, "BAD_MARKET_HASHES"),
        ("/markets/active?pageSize=51", 400, "pageSize must be between 1 and 50"),
        ("/trades", 400, "FILTER_REQUIRED"),
        ("/trades?settled=true&maker=true", 400, "FILTER_REQUIRED"),
        ("/trades?startDate=0&pageSize=301", 400, "pageSize must be between 1 and 300"),
        ("/orderbook-v3/snapshot?marketHash=0x1", 404, "MARKET_NOT_FOUND"),
    ],
)  # fmt: skip
async def test_what_is_asked_wrongly_is_refused_with_the_venue_s_word(path, status, word):
    async with sandbox_of() as sandbox:
        assert await refusal(sandbox, path) == (status, word)


async def test_markets_in_pages_go_on_though_one_ended_meanwhile():
    async with sandbox_of(settings={"sxbet": {"markets": 5}}) as sandbox:
        first = await data(sandbox, "/markets/active?pageSize=2")
        face = sandbox.faces["sxbet"]
        face.publish(face.flow.replace_market(first["markets"][1]["marketHash"], 1), 1)
        second = await data(sandbox, f"/markets/active?pageSize=2&paginationKey={first['nextKey']}")
        third = await data(sandbox, f"/markets/active?pageSize=2&paginationKey={second['nextKey']}")
        assert "nextKey" not in third
        hashes = [row["marketHash"] for page in (first, second, third) for row in page["markets"]]
        assert len(hashes) == len(set(hashes)) == 6
        gone, there = first["markets"][1]["marketHash"], first["markets"][0]["marketHash"]
        found = await data(sandbox, f"/markets/find?marketHashes={gone},{there},0x1")
        assert [(row["marketHash"], row["status"]) for row in found] == [
            (gone, "INACTIVE"),
            (there, "ACTIVE"),
        ]
        assert found[0]["outcome"] in (0, 1, 2)


async def test_markets_can_be_filtered():
    async with sandbox_of(settings={"sxbet": {"markets": 6}}) as sandbox:
        everything = (await data(sandbox, "/markets/active"))["markets"]
        assert [row["type"] for row in everything] == [52, 3, 2, 52, 3, 2]
        event = everything[0]["sportXEventId"]
        assert len((await data(sandbox, f"/markets/active?eventId={event}"))["markets"]) == 3
        assert len((await data(sandbox, "/markets/active?type=2,3"))["markets"]) == 4
        assert len((await data(sandbox, "/markets/active?sportIds=77"))["markets"]) == 0


async def test_best_odds_are_the_makers():
    async with sandbox_of() as sandbox:
        market = first_market(sandbox)
        best = await data(sandbox, f"/orders/odds/best?marketHashes={market.market_id}")
        [row] = best["bestOdds"]
        book = sandbox.faces["sxbet"].book(market.market_id)
        assert int(row["outcomeOne"]["percentageOdds"]) == book.bids[0][0]
        assert int(row["outcomeTwo"]["percentageOdds"]) == 10**20 - book.offers[0][0]
        assert row["outcomeOne"]["updatedAt"] > 1_600_000_000_000
        league = market.facts["league_id"]
        assert row in (await data(sandbox, f"/orders/odds/best?leagueIds={league}"))["bestOdds"]


async def test_trades_in_pages_by_bettor_and_market():
    async with sandbox_of() as sandbox:
        sandbox.step(60)
        everything = (await data(sandbox, "/trades?startDate=0&pageSize=300"))["trades"]
        pages, key = [], ""
        while True:
            page = await data(sandbox, f"/trades?startDate=0&pageSize=7&paginationKey={key}")
            assert page["count"] == len(page["trades"]) <= page["pageSize"] == 7
            pages += page["trades"]
            if "nextKey" not in page:
                break
            key = page["nextKey"]
        assert pages == everything
        bettor = everything[0]["bettor"]
        own = (await data(sandbox, f"/trades?bettor={bettor}&pageSize=300"))["trades"]
        assert own == [row for row in everything if row["bettor"] == bettor]
        takers = (await data(sandbox, "/trades?startDate=0&maker=false&pageSize=300"))["trades"]
        assert len(takers) * 2 == len(everything)
        none = await data(sandbox, "/trades?startDate=99999999999")
        assert (none["trades"], none["count"]) == ([], 0)
        bets = await data(sandbox, "/trades/consolidated?settled=false")
        assert bets["count"] == len(bets["trades"]) > 0
        public = (await data(sandbox, "/trades-v3/public?perPage=100"))["trades"]
        assert {row["fillHash"] for row in everything} >= {row["tradeId"] for row in public}


async def test_whole_books_of_the_later_generation_have_a_growing_version():
    async with sandbox_of() as sandbox:
        market = first_market(sandbox)
        path = f"/orderbook-v3/snapshot?marketHash={market.market_id}"
        before = await data(sandbox, path)
        assert len(before["version"]) == 23
        sandbox.step(40)
        after = await data(sandbox, path)
        assert after["version"] > before["version"]
        book = sandbox.faces["sxbet"].book(market.market_id)
        assert [(int(row["percentageOdds"]), int(row["size"])) for row in after["outcomeOne"]] == list(
            book.bids
        )
        keyed = await data(sandbox, f"/orders-v3/odds/best?marketHashes={market.market_id}", x_sx_api_key="k")
        assert keyed["bestOdds"][0]["outcomeOne"] == after["outcomeOne"][0]
        event = await data(
            sandbox, f"/orderbook-v3/snapshot/event?eventId={after['eventId']}", x_sx_api_key="k"
        )
        assert after in event


@pytest.mark.parametrize(
    "path", ["/metadata", "/metadata/obv3", "/sports", "/leagues/active", "/fixture/active"]
)
async def test_what_changes_seldom_is_there(path):
    async with sandbox_of() as sandbox:
        assert await data(sandbox, path)


async def test_more_calls_than_allowed_are_429():
    request = Request(method="GET", target="/", path="/sports", query={}, headers={"host": "localhost"})
    async with sandbox_of() as sandbox:
        for _ in range(500):
            assert (await sandbox.respond(request)).status == 200
        assert await refusal(sandbox, "/sports") == (429, "TOO_MANY_REQUESTS")
        assert await data(sandbox, "/orders?maker=0x1") == []
    async with sandbox_of(settings={"sxbet": {"call_limits": False}}) as sandbox:
        for _ in range(501):
            assert (await sandbox.respond(request)).status == 200


def test_calls_are_counted_by_kind_and_minute():
    limits = CallLimits({"/orders": 2, "": 1})
    assert [limits.admits("/orders/odds/best", 0), limits.admits("/orders", 1)] == [True, True]
    assert not limits.admits("/orders", 2)
    assert limits.admits("/sports", 2)
    assert not limits.admits("/metadata", 2)
    assert limits.admits("/orders", 60)


def test_tokens_say_whose_they_are_and_until_when():
    keys = SxBetKeys(60)
    token = keys.token_for("k", 1000)
    verdict = keys.judge(token, 1059)
    assert (verdict.wallet, verdict.until) == (wallet_of("k"), 1060)
    assert keys.judge(token, 1060) == "expired"
    assert keys.judge(token[:-1] + ("A" if token[-1] != "A" else "B"), 1000) == "invalid"
    assert keys.judge("x" * 5000, 1000) == "invalid"
    assert keys.expire_all() == 1
    assert keys.judge(token, 1000) == "expired"

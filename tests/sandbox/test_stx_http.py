import asyncio

import pytest

from tapewire.sandbox import Sandbox
from tests.sandbox.sandbox_peers import LOGIN, graphql, http, login

ORDER = "mutation($o: UserOrder!) { confirmOrder(userOrder: $o) { errors order { id status clientOrderId price } } }"
ACCOUNT = "{ account { availableBalance escrow accountBalance } }"


def quiet(**settings):
    return Sandbox(rate=0, venues=["stx"], settings={"stx": settings})


def codes(reply):
    return [error["extensions"]["code"] for error in reply.json()["errors"]]


async def test_an_order_takes_its_time_to_the_venue_and_a_question_does_not():
    async with quiet(markets=1) as sandbox:
        loop = asyncio.get_running_loop()
        token = (await login(sandbox))["token"]
        [market_id] = sandbox.faces["stx"].exchange.markets
        order = {"marketId": market_id, "orderType": "LIMIT", "action": "BUY", "price": 1, "quantity": 1}
        sandbox.order_latency = 0.1
        began = loop.time()
        await graphql(sandbox, ORDER, token, o=order)
        assert loop.time() - began >= 0.05
        sandbox.order_latency = 600.0
        async with asyncio.timeout(30):
            await graphql(sandbox, ACCOUNT, token)


async def test_any_email_and_any_password_are_an_account_but_the_password_that_is_always_wrong():
    async with quiet() as sandbox:
        first, again = await login(sandbox), await login(sandbox)
        assert first["userUid"] == again["userUid"] != first["userId"]
        assert first["promptTwoFactorAuth"] is False
        assert (await login(sandbox, password="another one"))["userUid"] == first["userUid"]
        await refused(sandbox, "You@example.com", "wrong")


async def test_an_account_made_with_a_password_has_that_one():
    async with quiet() as sandbox:
        sandbox.faces["stx"].add_user("ann@example.com", "hers")
        assert (await login(sandbox, "ann@example.com", "hers"))["token"]
        await refused(sandbox, "ann@example.com", "another one")


async def refused(sandbox, email, password):
    reply = await graphql(sandbox, LOGIN, credentials={"email": email, "password": password})
    assert (reply.status_code, codes(reply)) == (401, ["AUTHENTICATION_FAILED"])


async def test_a_second_factor_is_asked_for_and_taken():
    async with quiet() as sandbox:
        sandbox.faces["stx"].add_user("two@example.com", "pw", two_factor="123456")
        asked = await login(sandbox, "two@example.com", "pw")
        assert (asked["promptTwoFactorAuth"], asked["token"]) == (True, None)
        query = (
            "mutation($c: String!, $s: String!, $e: EmailAddress!) "
            "{ confirm2Fa(code: $c, sessionId: $s, email: $e) { token } }"
        )
        given = {"s": asked["sessionId"], "e": "two@example.com"}
        assert codes(await graphql(sandbox, query, c="000000", **given)) == ["AUTHENTICATION_FAILED"]
        token = (await graphql(sandbox, query, c="123456", **given)).json()["data"]["confirm2Fa"]["token"]
        assert (await graphql(sandbox, ACCOUNT, token)).status_code == 200


async def test_a_market_says_when_the_state_was_published_that_it_is_in():
    """What the channel brought before is in it, what it brings later is not: the stamps of both tell which is which."""
    async with quiet() as sandbox:
        token = (await login(sandbox))["token"]
        sandbox.step(5)
        asked = "{ marketInfos { marketId timestamp timestampInt } }"
        rows = (await graphql(sandbox, asked, token)).json()["data"]["marketInfos"]
        published = {}
        before = sandbox.ledger.since("markets", 0)
        for entry in before:
            published |= {market_id: told["timestamp"] for market_id, told in entry.payload.items()}
        assert {row["marketId"] for row in rows} == set(published)
        sandbox.step(30)
        later = {}
        for entry in sandbox.ledger.since("markets", len(before)):
            for market_id, told in entry.payload.items():
                later.setdefault(market_id, told["timestamp"])
        for row in rows:
            assert published[row["marketId"]] <= row["timestamp"] < later.get(row["marketId"], "9999")
        assert later


async def test_a_token_is_needed_and_expires_and_is_renewed():
    async with quiet() as sandbox:
        user = await login(sandbox)
        missing = await graphql(sandbox, ACCOUNT)
        assert (missing.status_code, codes(missing)) == (401, ["UNAUTHENTICATED"])
        assert codes(await graphql(sandbox, ACCOUNT, user["token"][:-2])) == ["UNAUTHENTICATED"]
        assert codes(await graphql(sandbox, ACCOUNT, user["refreshToken"])) == ["UNAUTHENTICATED"]
        assert sandbox.inject("expire_tokens").hits == 1
        expired = await graphql(sandbox, ACCOUNT, user["token"])
        assert (expired.status_code, codes(expired)) == (401, ["TOKEN_EXPIRED"])
        renew = "mutation($r: String!) { newToken(refreshToken: $r) { token refreshToken currentLoginAt } }"
        fresh = (await graphql(sandbox, renew, r=user["refreshToken"])).json()["data"]["newToken"]
        assert (await graphql(sandbox, ACCOUNT, fresh["token"])).status_code == 200


async def test_tokens_live_as_long_as_they_are_said_to():
    async with quiet(token_lifetime=0.000001) as sandbox:
        user = await login(sandbox)
        assert codes(await graphql(sandbox, ACCOUNT, user["token"])) == ["TOKEN_EXPIRED"]


async def test_tokens_can_be_refused_by_order():
    async with quiet() as sandbox:
        user = await login(sandbox)
        sandbox.inject("refuse_tokens", times=1)
        assert (await graphql(sandbox, ACCOUNT, user["token"])).status_code == 401
        assert (await graphql(sandbox, ACCOUNT, user["token"])).status_code == 200


async def test_an_order_is_placed_found_and_cancelled():
    async with quiet() as sandbox:
        token = (await login(sandbox))["token"]
        page = "{ marketInfosWithCount(input: {status: OPEN, limit: 1}) { count marketInfos { marketId } } }"
        (market,) = (await graphql(sandbox, page, token)).json()["data"]["marketInfosWithCount"][
            "marketInfos"
        ]
        wanted = {
            "marketId": market["marketId"], "orderType": "LIMIT", "action": "BUY", "price": 1, "quantity": 10,
            "clientOrderId": "mine",
        }  # fmt: skip
        placed = (await graphql(sandbox, ORDER, token, o=wanted)).json()["data"]["confirmOrder"]
        assert placed["errors"] == []
        assert (placed["order"]["status"], placed["order"]["clientOrderId"]) == ("OPEN", "mine")
        account = (await graphql(sandbox, ACCOUNT, token)).json()["data"]["account"]
        assert account == {"availableBalance": 999_990, "escrow": 10, "accountBalance": 1_000_000}
        look = (
            '{ myOrderHistory(clientOrderIds: ["mine"], pagination: {page: 0, limit: 1}) '
            "{ totalCount orders { id } } }"
        )
        found = (await graphql(sandbox, look, token)).json()["data"]["myOrderHistory"]
        assert found == {"totalCount": 1, "orders": [{"id": placed["order"]["id"]}]}
        cancel = "mutation($i: rID!) { cancelOrder(orderId: $i) { status } }"
        reply = await graphql(sandbox, cancel, token, i=placed["order"]["id"])
        assert reply.json()["data"]["cancelOrder"] == {"status": "CANCELLED"}
        assert (await graphql(sandbox, cancel, token, i="nothing")).status_code == 404


async def test_what_the_venues_rules_refuse_is_listed_in_the_answer():
    async with quiet() as sandbox:
        token = (await login(sandbox))["token"]
        order = {"marketId": "nowhere", "orderType": "LIMIT", "action": "BUY", "price": 1, "quantity": 1}
        placed = (await graphql(sandbox, ORDER, token, o=order)).json()["data"]["confirmOrder"]
        assert (placed["errors"], placed["order"]["status"]) == (["market not found"], "REJECTED")
        placed = (await graphql(sandbox, ORDER, token, o={**order, "price": 1.5})).json()["data"][
            "confirmOrder"
        ]
        assert placed == {"errors": ["price must be a whole number of cents"], "order": None}


async def test_several_orders_are_placed_and_all_cancelled():
    async with quiet() as sandbox:
        token = (await login(sandbox))["token"]
        market_id = next(iter(sandbox.faces["stx"].exchange.markets))
        order = {"marketId": market_id, "orderType": "LIMIT", "action": "BUY", "price": 1, "quantity": 1}
        query = "mutation($o: [UserOrder!]!) { confirmOrders(userOrders: $o) { results { order { id } } } }"
        results = (await graphql(sandbox, query, token, o=[order, order])).json()["data"]["confirmOrders"][
            "results"
        ]
        ids = {result["order"]["id"] for result in results}
        reply = await graphql(sandbox, "mutation { cancelAllOrders { orderId status } }", token)
        assert {entry["orderId"] for entry in reply.json()["data"]["cancelAllOrders"]} == ids
        assert not sandbox.faces["stx"].exchange.open_account((await login(sandbox))["userUid"]).open_orders


async def test_fills_positions_and_settlements_are_found():
    async with quiet() as sandbox:
        user = await login(sandbox)
        face = sandbox.faces["stx"]
        market_id = next(iter(face.exchange.markets))
        face.exchange.place(user["userUid"], market_id, "buy", None, 3, 1)
        query = (
            "{ myTradesHistory { totalCount trades { filled premium liquidityAction insertedAt } } myTrades { id } "
            "accountMarketStats { marketId position averageOpenPremium } userProfile { username twoFactorAuth } }"
        )
        data = (await graphql(sandbox, query, user["token"])).json()["data"]
        assert sum(trade["filled"] for trade in data["myTradesHistory"]["trades"]) == 3
        assert [(stat["marketId"], stat["position"]) for stat in data["accountMarketStats"]] == [
            (market_id, 3)
        ]
        assert data["userProfile"] == {"username": "you", "twoFactorAuth": False}
        face.exchange.close_market(market_id, 2, outcome=0)
        query = "{ mySettlementsHistory { totalCount settlements { quantity closingPrice } } myPositions { marketId } }"
        data = (await graphql(sandbox, query, user["token"])).json()["data"]
        settled = {"totalCount": 1, "settlements": [{"quantity": 3, "closingPrice": 100}]}
        assert data == {"mySettlementsHistory": settled, "myPositions": []}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b"\xff",
        b'{"query": "{ nothing }"}',
        b'{"query": 7}',
        b'{"query": "{' + b" a" * 3000 + b'}"}',
        b'{"query": "' + b"{a" * 990 + b'"}',
        b"[" * 60_000,
    ],
)
async def test_what_is_no_graphql_is_a_400_with_errors(body):
    async with quiet() as sandbox, http(sandbox) as client:
        reply = await client.post("/api/graphql", content=body)
        assert reply.status_code == 400
        assert reply.json()["errors"]


async def test_the_version_needs_no_token():
    async with quiet() as sandbox, http(sandbox) as client:
        reply = await client.get("/api_version")
        assert (reply.status_code, list(reply.json())) == (200, ["api_version"])

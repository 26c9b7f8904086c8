"""SX Bet: every documented operation, with every wrong answer to it: an error that says where, no empty success."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from tapewire.retry import NO_RETRY
from tapewire.venues.kit.errors import UnreadableAnswer
from tapewire.venues.sxbet import AsyncSXBet, SXBetAnswerError, SXBetServerError, TokenUnavailable
from tapewire.venues.sxbet.answers import Listed
from tapewire.venues.sxbet.limits import Budgets
from tests.venues.kit.wrong_answers import Operation, answering, right_answer, tried, wrong_answers
from tests.venues.sxbet.rows import KEY, MARKET, market_row, order_row

TRADE = {
    "marketHash": "0xm",
    "fillHash": "0xf",
    "stake": "100",
    "odds": "5",
    "maker": True,
    "bettingOutcomeOne": True,
}
LEVEL = {"percentageOdds": "5", "size": "7"}
BOOK = {"marketHash": MARKET, "outcomeOne": [LEVEL], "outcomeTwo": [LEVEL]}
TRADE_V3 = {"tradeId": "t-1", "marketHash": "0xm", "isBettingOutcomeOne": True, "weightedAverageOdds": "5"}
BEST_V3 = {"marketHash": "0xm", "outcomeOne": LEVEL, "outcomeTwo": LEVEL}
BEST = {"marketHash": "0xm", "outcomeOne": {"percentageOdds": "5"}, "outcomeTwo": {"percentageOdds": "6"}}
ORDER_FIELDS = (
    "orderHash",
    "marketHash",
    "totalBetSize",
    "percentageOdds",
    "isMakerBettingOutcomeOne",
    "fillAmount",
)
ORDER = {name: order_row()[name] for name in ORDER_FIELDS}
LISTED = {name: market_row(1)[name] for name in ("status", "marketHash")}


def within(name: str) -> Callable[[Any], Any]:
    """The answer as the list that a page holds under `name`; none, as an answer without that list."""
    return lambda answer: {"status": "success", "data": {name: answer}}


def whole(answer: Any) -> Any:
    return {"status": "success", "data": answer}


def listing(name: str, call: Callable[[AsyncSXBet], Any]) -> Callable[[AsyncSXBet], Any]:
    async def taken(client: AsyncSXBet) -> Any:
        rows = call(client)
        listed = [row async for row in rows]
        return Listed.of(listed, rows.unreadable)

    return taken


OPERATIONS = [
    Operation("orders", lambda client: client.orders(market_hashes=[MARKET]), [ORDER], wrap=whole, is_list=True),
    Operation("orders of a maker", lambda client: client.orders(maker="0x1"), [ORDER], wrap=whole, is_list=True),
    Operation("best_odds", lambda client: client.best_odds(market_hashes=[MARKET]), [BEST], wrap=within("bestOdds"),
              is_list=True, nullable=frozenset({"outcomeOne", "outcomeTwo", "percentageOdds"})),
    Operation("active_markets", listing("markets", lambda client: client.active_markets()), [LISTED],
              wrap=within("markets"), is_list=True),
    Operation("markets", lambda client: client.markets([MARKET]), [LISTED], wrap=whole, is_list=True),
    Operation("trades", listing("trades", lambda client: client.trades(bettor="0x1")), [TRADE], wrap=within("trades"),
              is_list=True),
    Operation("book_snapshot", lambda client: client.book_snapshot(MARKET), BOOK, wrap=whole),
    Operation("event_book_snapshots", lambda client: client.event_book_snapshots("L1"), [BOOK], wrap=whole,
              is_list=True),
    Operation("best_odds_v3", lambda client: client.best_odds_v3([MARKET]), [BEST_V3], wrap=within("bestOdds"),
              is_list=True, nullable=frozenset({"outcomeOne", "outcomeTwo"})),
    Operation("public_trades_v3", listing("trades", lambda client: client.public_trades_v3()), [TRADE_V3],
              wrap=within("trades"), is_list=True),
    *(
        Operation(f"own_v3 {what}", listing(what, lambda client, what=what: client.own_v3(what)), [{"id": "x"}],
                  wrap=within(what), optional=frozenset({"id"}), is_list=True)
        for what in ("orders", "fills", "trades", "positions")
    ),
]  # fmt: skip


class Unlimited(Budgets):
    """Hundreds of wrong answers are asked for in a second."""

    def of(self, kind: Any) -> Any:
        return None


def client_of(url: str) -> AsyncSXBet:
    return AsyncSXBet(host=url, api_key=KEY, retry=NO_RETRY, budgets=Unlimited())


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
async def test_a_wrong_answer_is_an_error_and_never_an_empty_success(operation: Operation) -> None:
    async with answering() as venue, client_of(venue.url) as client:
        taken, errors = await tried(operation, venue.give, client, SXBetAnswerError)
    # The word for success may be missing: an empty list that is there is one.
    taken = [
        what for what in taken if not (operation.wrap is whole and what == "no answer: {'data': []}: ()")
    ]
    if operation.name.startswith(
        "own_v3"
    ):  # nobody knows the shape of these rows: what has any members is one
        taken = [what for what in taken if "'id')" not in what]
    assert taken == []
    assert all(
        isinstance(error, UnreadableAnswer) and isinstance(error, SXBetServerError) for error in errors
    )
    assert all(error.sent and not error.outcome_unknown for error in errors)


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
async def test_a_right_answer_with_more_in_it_is_taken(operation: Operation) -> None:
    async with answering() as venue, client_of(venue.url) as client:
        venue.give(right_answer(operation))
        assert await operation.call(client)


@pytest.mark.parametrize("operation", [one for one in OPERATIONS if one.is_list], ids=str)
async def test_a_list_says_how_many_of_its_rows_could_not_be_read(
    operation: Operation, caplog: pytest.LogCaptureFixture
) -> None:
    async with answering() as venue, client_of(venue.url) as client:
        venue.give(right_answer(operation))
        assert (await operation.call(client)).unreadable == 0
        venue.give(msgspec.json.encode(operation.wrap([7, *operation.right, 7])))
        found = await operation.call(client)
        assert (len(found), found.unreadable, client.unreadable) == (1, 2, 2)
    assert "2 of its rows cannot be read and are left out" in caplog.text


async def test_the_orders_of_markets_say_how_many_could_not_be_read() -> None:
    async with answering() as venue, client_of(venue.url) as client:
        venue.give(msgspec.json.encode(whole([ORDER, 7])))
        found = await client.orders_of_markets([MARKET])
        assert (list(found), found.unreadable) == ([MARKET], 1)


@pytest.mark.parametrize("name", ["markets", "trades", "bestOdds"])
async def test_a_page_without_its_list_is_not_an_empty_one(name: str) -> None:
    calls = [one for one in OPERATIONS if one.wrap("x")["data"] == {name: "x"}]
    assert calls
    async with answering() as venue, client_of(venue.url) as client:
        for operation in calls:
            for body in (
                b'{"status": "success", "data": {}}',
                b'{"status": "success", "data": {"rows": []}}',
            ):
                venue.give(body)
                with pytest.raises(SXBetAnswerError, match=f"data.{name} should be a list, and is missing"):
                    await operation.call(client)


async def test_a_token_that_cannot_be_read_is_none_this_time_and_is_not_shown() -> None:
    token = Operation("token", lambda client: client.realtime_token(), {"token": "a-token-that-leaks"})
    async with answering() as venue, client_of(venue.url) as client:
        for what, body in wrong_answers(token):
            if " is '" in what or "is missing" in what:
                continue  # other words are other tokens
            venue.give(body)
            with pytest.raises(TokenUnavailable) as raised:
                await client.realtime_token()
            assert "leaks" not in f"{raised.value} {vars(raised.value)}", what


@pytest.mark.parametrize("written", ["100", 100])
async def test_a_number_of_a_row_is_an_int_however_the_venue_writes_it(written: Any) -> None:
    async with answering() as venue, client_of(venue.url) as client:
        venue.give(right_answer(Operation("", None, [ORDER | {"fillAmount": written}], wrap=whole)))  # type: ignore[arg-type]
        (row,) = await client.orders(market_hashes=[MARKET])
    assert (row.fill_amount, type(row.fill_amount), row.percentage_odds + 1) == (
        100,
        int,
        52500000000000000001,
    )

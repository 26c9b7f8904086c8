"""Golden payloads, and payloads that are not as they should be. All values are made up; the shapes are the venue's."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from tapewire.errors import UndecodableFrame
from tapewire.venues.sxbet.wire import (
    BestOddsRow,
    LiveScoreRow,
    MarketRow,
    OrderRow,
    ParlayRow,
    TradeRow,
    read_rows,
)
from tapewire.venues.sxbet.wire_v3 import BestOddsV3Row, BookV3Row, TradeV3Row

ORDER = b"""[{"orderHash":"0x55eb","marketHash":"0x09a6","status":"ACTIVE","fillAmount":"2000000000",
"pendingFillAmount":"1000000000","maker":"0x740d","totalBetSize":"5000000000","percentageOdds":"75000000000000000000",
"expiry":2209006800,"apiExpiry":1747500000,"salt":"1234","isMakerBettingOutcomeOne":false,"signature":"0xd0",
"updateTime":"1747490000000","sportXeventId":"L13772588","aNewMember":{"of":["tomorrow"]}}]"""


def test_an_order_update() -> None:
    (row,) = read_rows(ORDER, OrderRow).rows
    assert (row.order_hash, row.market_hash, row.maker) == ("0x55eb", "0x09a6", "0x740d")
    assert (row.status, row.order_status) == ("ACTIVE", None)
    assert (row.total_bet_size, row.fill_amount, row.pending_fill_amount) == (
        5000000000,
        2000000000,
        1000000000,
    )
    assert row.percentage_odds == 75000000000000000000
    assert row.is_maker_betting_outcome_one is False
    assert (row.update_time, row.api_expiry, row.event_id) == (1747490000000, 1747500000, "L13772588")


@pytest.mark.parametrize("key", ["sportXeventId", "sportXEventId"])
def test_the_event_is_found_by_either_spelling(key: str) -> None:
    payload = json.dumps({"marketHash": "0x1", "status": "ACTIVE", key: "L7"})
    assert read_rows(payload, MarketRow).rows[0].event_id == "L7"


def test_an_object_counts_as_an_array_of_one() -> None:
    (row,) = json.loads(ORDER)
    assert read_rows(json.dumps(row), OrderRow) == read_rows(ORDER, OrderRow)


def test_best_odds() -> None:
    payload = (
        b'[{"baseToken":"0x1B","marketHash":"0xdd","isMakerBettingOutcomeOne":true,"percentageOdds":'
        b'"75000000000000000000","updatedAt":1747500000000,"sportId":1,"leagueId":1236}]'
    )
    (row,) = read_rows(payload, BestOddsRow).rows
    assert (row.market_hash, row.is_maker_betting_outcome_one, row.updated_at) == (
        "0xdd",
        True,
        1747500000000,
    )


def test_a_trade_comes_as_one_object() -> None:
    payload = (
        b'{"baseToken":"0x6629","bettor":"0xb1","stake":"1000000","odds":"50875000000000000000","orderHash":"0xo",'
        b'"marketHash":"0xm","maker":false,"betTime":1747490000,"settled":false,"bettingOutcomeOne":true,'
        b'"fillHash":"0xf","status":"OK","tradeStatus":"PENDING"}'
    )
    (row,) = read_rows(payload, TradeRow).rows
    assert (row.fill_hash, row.maker, row.trade_status, row.bet_time) == ("0xf", False, "PENDING", 1747490000)


def test_a_market_with_a_line_keeps_it_exact() -> None:
    payload = (
        b'[{"status":"ACTIVE","marketHash":"0xm","outcomeOneName":"Over 5.1","outcomeTwoName":"Under 5.1","type":2,'
        b'"gameTime":1747500000,"line":5.1,"sportXEventId":"L1","liveEnabled":true,"sportLabel":"Soccer","sportId":5,'
        b'"leagueId":1,"leagueLabel":"L","mainLine":true,"legs":[{"marketHash":"0x2","bettingOutcomeOne":true}]}]'
    )
    (row,) = read_rows(payload, MarketRow).rows
    assert row.line == Decimal("5.1")
    assert row.legs is not None
    assert row.legs[0].market_hash == "0x2"


def test_a_live_score_hands_its_nested_text_on() -> None:
    payload = json.dumps(
        {
            "teamOneScore": 2, "teamTwoScore": 1, "sportXEventId": "L1", "currentPeriod": "2", "periodTime": "-1",
            "periods": [{"label": "1", "isFinished": True, "teamOneScore": "2", "teamTwoScore": "1"}],
            "extra": '{"a":"{}"}',
        }
    )  # fmt: skip
    (row,) = read_rows(payload, LiveScoreRow).rows
    assert (row.team_one_score, row.periods[0].team_one_score, row.extra) == (2, "2", '{"a":"{}"}')


@pytest.mark.parametrize("size", [None, "100000000", 100000000])
def test_a_parlay_request_may_lack_its_size(size: Any) -> None:
    payload = {
        "marketHash": "0xp",
        "baseToken": "0x66",
        "legs": [{"marketHash": "0x1", "bettingOutcomeOne": True}],
    }
    (row,) = read_rows(json.dumps(payload | ({} if size is None else {"requestSize": size})), ParlayRow).rows
    assert row.request_size == (None if size is None else 100000000)


def test_a_versioned_book() -> None:
    payload = (
        b'{"marketHash":"0xm","eventId":"L1","version":"00100000000000010015000",'
        b'"outcomeOne":[{"percentageOdds":"52500000000000000000","size":"1000000"}],"outcomeTwo":[]}'
    )
    (row,) = read_rows(payload, BookV3Row).rows
    assert row.outcome_one[0].size == 1000000


def test_best_odds_of_the_later_generation_may_be_one_sided() -> None:
    payload = b'[{"marketHash":"0xm","outcomeOne":{"percentageOdds":"5","size":"1"},"outcomeTwo":null}]'
    assert read_rows(payload, BestOddsV3Row).rows[0].outcome_two is None


@pytest.mark.parametrize("wrapped", [True, False])
def test_a_row_may_be_wrapped(wrapped: bool) -> None:
    trade = {
        "tradeId": "t1", "marketHash": "0xm", "isBettingOutcomeOne": True, "totalStake": "5",
        "weightedAverageOdds": "50000000000000000000", "betTime": "2026-09-01T10:00:00.000Z",
    }  # fmt: skip
    payload = json.dumps({"trade": trade} if wrapped else trade)
    assert read_rows(payload, TradeV3Row, "trade").rows[0].trade_id == "t1"
    assert len(read_rows(f"[{payload},{payload}]", TradeV3Row, "trade").rows) == 2


def test_a_row_that_cannot_be_read_costs_no_neighbour() -> None:
    (row,) = json.loads(ORDER)
    found = read_rows(json.dumps([row, {**row, "totalBetSize": 1.5}, row, 7]), OrderRow)
    assert (len(found.rows), found.unreadable) == (2, 2)
    assert "totalBetSize" in found.fault


@pytest.mark.parametrize("odds", ["7.5e19", "75000000000000000000.0", "1.0", "true", "[]"])
def test_odds_are_never_a_float(odds: str) -> None:
    payload = ORDER.replace(b'"75000000000000000000"', odds.encode())
    assert read_rows(payload, OrderRow).unreadable == 1


def test_odds_beyond_64_bits_may_be_a_number() -> None:
    payload = ORDER.replace(b'"75000000000000000000"', b"75000000000000000001")
    assert read_rows(payload, OrderRow).rows[0].percentage_odds == 75000000000000000001


@pytest.mark.parametrize(
    "payload", [b"", b"3", b'"x"', b"[", b"{}", b"\xff", b"[" * 10_000, b'{"orderHash":"']
)
def test_what_holds_no_rows_is_undecodable(payload: bytes) -> None:
    with pytest.raises(UndecodableFrame):
        read_rows(payload, OrderRow)


def test_an_endless_array_is_refused() -> None:
    with pytest.raises(UndecodableFrame, match="50000 rows"):
        read_rows(b"[" + b"1," * 50_000 + b"1]", dict[str, Any])

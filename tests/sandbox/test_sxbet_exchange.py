"""What the played SX Bet tells of its exchange: orders, books, bets, markets."""

import json
from collections import defaultdict
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapewire.clock import SystemClock
from tapewire.errors import ConfigurationError
from tapewire.sandbox.core.carriage import Carriage
from tapewire.sandbox.core.faults import Faults
from tapewire.sandbox.core.ledger import Ledger
from tapewire.sandbox.face import FaceContext
from tapewire.sandbox.faces.sxbet.face import SxBetFace
from tapewire.sandbox.faces.sxbet.units import ODDS_SCALE, BookLevels

NOW = 1_800_000_000 * 10**9
MAKER, TAKER = "0x" + "a" * 40, "0x" + "b" * 40


def face_of(seed=1, **settings):
    """A face without a sandbox, opened; time stands still."""
    carriage = Carriage(lambda venue, topic: 0)
    context = FaceContext(ledger=Ledger(), carriage=carriage, faults=Faults(), clock=SystemClock(), seed=seed)
    face = SxBetFace(context, **settings)
    face.publish(face.flow.open(NOW), NOW)
    return face


def told(face, channel, since=0):
    return [entry.payload for entry in face.context.ledger.since(channel, since)]


def place(face, account, market_id, side, price, quantity):
    face.exchange.open_account(account)
    order, events = face.exchange.place(account, market_id, side, price, quantity, NOW)
    face.publish(events, NOW)
    return order


def next_moment(face):
    """Something happens elsewhere: what was pending is confirmed."""
    face.publish([], NOW)


def quiet_market(face):
    """A market without the house's quotes."""
    market, events = face.exchange.create_market(
        next(iter(face.exchange.markets.values())).facts | {"number": "999"}, NOW, payout=400
    )
    face.publish(events, NOW)
    return market


def book_of(messages):
    """A market's book from its order updates alone, as the venue's pages say to keep it."""
    latest = {}
    for message in messages:
        for row in sorted(message, key=lambda row: int(row["updateTime"])):
            known = latest.get(row["orderHash"])
            assert known is None or int(row["updateTime"]) > int(known["updateTime"])
            latest[row["orderHash"]] = row
    sides = {True: defaultdict(int), False: defaultdict(int)}
    for row in latest.values():
        pending = int(row["pendingFillAmount"])
        if row["status"] == "FILLED" or (row["status"] == "INACTIVE" and not pending):
            continue
        left = int(row["totalBetSize"]) - int(row["fillAmount"]) - pending
        odds, ones = int(row["percentageOdds"]), row["isMakerBettingOutcomeOne"]
        if left:
            sides[ones][odds if ones else ODDS_SCALE - odds] += left
    return BookLevels(tuple(sorted(sides[True].items(), reverse=True)), tuple(sorted(sides[False].items())))


@given(st.integers(0, 10_000), st.integers(0, 120))
def test_the_published_orders_make_the_exchange_s_book(seed, steps):
    """Whoever applies every order update of a market has, after each step, the levels that rest at the exchange."""
    face = face_of(seed, markets=2, churn_every=50)
    for _ in range(steps):
        face.publish(face.flow.step(NOW), NOW)
    for market in [*face.exchange.markets.values(), *face.exchange.closed_markets]:
        channel = f"order_book:market_{market.market_id}"
        assert book_of(told(face, channel)) == face.book(market.market_id)
        last = told(face, f"orderbook_v3:{market.market_id}")[-1]
        ones = tuple((int(row["percentageOdds"]), int(row["size"])) for row in last["outcomeOne"])
        twos = tuple(
            (ODDS_SCALE - int(row["percentageOdds"]), int(row["size"])) for row in last["outcomeTwo"]
        )
        assert BookLevels(ones, twos) == face.book(market.market_id)


def test_no_two_messages_of_a_channel_say_the_same():
    face = face_of(churn_every=40)
    for _ in range(300):
        face.publish(face.flow.step(NOW), NOW)  # at one and the same moment
    for _, topic, _ in face.context.ledger.topics():
        digests = [entry.digest for entry in face.context.ledger.since(topic)]
        assert len(set(digests)) == len(digests), topic


def test_the_same_seed_tells_the_same():
    def run(seed):
        face = face_of(seed)
        for _ in range(60):
            face.publish(face.flow.step(NOW), NOW)
        return [(entry.topic, entry.body) for entry in face.context.ledger]

    assert run(3) == run(3) != run(4)


def test_an_order_is_pending_before_it_is_filled():
    face = face_of()
    market_id = quiet_market(face).market_id
    channel, own = f"order_book:market_{market_id}", f"active_orders:{MAKER}"
    order = place(face, MAKER, market_id, "buy", 100, 10)
    place(face, TAKER, market_id, "sell", None, 4)
    place(face, TAKER, market_id, "sell", None, 6)
    next_moment(face)
    rows = [row for message in told(face, channel) for row in message]
    assert [(row["status"], row["fillAmount"], row["pendingFillAmount"]) for row in rows] == [
        ("ACTIVE", "0", "0"),
        ("ACTIVE", "0", "1000000"),
        ("ACTIVE", "1000000", "0"),
        ("INACTIVE", "1000000", "1500000"),
        ("FILLED", "2500000", "0"),
    ]
    # What was pending is confirmed in the message that tells the next fill.
    assert [len(message) for message in told(face, channel)] == [1, 1, 2, 1]
    assert told(face, own) == told(face, channel)
    assert {row["orderHash"] for row in rows} == {order.order_id}
    assert rows[0] | {"updateTime": "", "apiExpiry": 0, "salt": "", "signature": ""} == {
        "orderHash": order.order_id, "marketHash": market_id, "status": "ACTIVE", "fillAmount": "0",
        "pendingFillAmount": "0", "maker": MAKER, "totalBetSize": "2500000",
        "percentageOdds": "25000000000000000000", "expiry": 2209006800, "apiExpiry": 0, "salt": "",
        "isMakerBettingOutcomeOne": True, "signature": "", "updateTime": "",
        "sportXeventId": face.exchange.markets[market_id].facts["event_id"],
    }  # fmt: skip
    times = [int(row["updateTime"]) for row in rows]
    assert times == sorted(set(times))


def test_a_cancelled_order_has_nothing_pending():
    face = face_of()
    market_id = quiet_market(face).market_id
    order = place(face, MAKER, market_id, "sell", 300, 10)
    place(face, TAKER, market_id, "buy", None, 4)
    next_moment(face)
    face.publish(face.exchange.cancel(MAKER, order.order_id, NOW)[1], NOW)
    row = told(face, f"order_book:market_{market_id}")[-1][-1]
    assert (row["status"], row["fillAmount"], row["pendingFillAmount"]) == ("INACTIVE", "1000000", "0")
    assert (row["isMakerBettingOutcomeOne"], row["percentageOdds"]) == (False, "25000000000000000000")
    assert not list(face.orders.active()) or order.order_id not in {
        known.order.order_id for known in face.orders.active()
    }


def test_who_only_takes_is_no_maker():
    face = face_of()
    market_id = next(iter(face.exchange.markets))
    place(face, TAKER, market_id, "buy", None, 1)
    place(face, TAKER, market_id, "buy", 399, 1)
    assert told(face, f"active_orders:{TAKER}") == []


def test_a_bet_is_told_to_both_sides_when_placed_confirmed_and_settled():
    face = face_of()
    market_id = quiet_market(face).market_id
    first = place(face, MAKER, market_id, "sell", 300, 4)
    second = place(face, MAKER, market_id, "sell", 320, 4)
    before = face.context.ledger.last_sequence("recent_trades:global")
    place(face, TAKER, market_id, "buy", None, 6)
    next_moment(face)
    face.publish(face.exchange.close_market(market_id, NOW, outcome=0), NOW)
    rows = told(face, "recent_trades:global", before)
    assert [(row["tradeStatus"], row["settled"]) for row in rows[::4]] == [
        ("PENDING", False),
        ("SUCCESS", False),
        ("SUCCESS", True),
    ]
    assert [
        (row["orderHash"], row["maker"], row["stake"], row["odds"], row["bettingOutcomeOne"]) for row in rows[:4]
    ] == [
        (first.order_id, True, "1000000", "25000000000000000000", False),
        (first.order_id, False, "3000000", "75000000000000000000", True),
        (second.order_id, True, "400000", "20000000000000000000", False),
        (second.order_id, False, "1600000", "80000000000000000000", True),
    ]  # fmt: skip
    assert len({row["fillHash"] for row in rows}) == 1
    [placed, *_] = [row for row in told(face, "recent_trades_consolidated:global") if row["bettor"] == TAKER]
    assert (placed["totalStake"], placed["weightedAverageOdds"]) == ("4.600000", "76666666666666666666")
    public = told(face, "recent_trades_v3:global")[-1]["trade"]
    assert (public["totalStake"], public["totalReturn"]) == ("4600000", "6000000")


def test_both_channels_of_an_order_update_carry_one_message_id():
    class Listener:
        def __init__(self):
            self.heard = []
            self.gate = SimpleNamespace(number=1, is_over=False)
            self.dialect = "json"

        def publish(self, entry, publication):
            self.heard.append((entry.topic, publication.tags["messageId"], bytes(publication.data)))

        def end(self, topic, *, crashed):
            raise AssertionError

    face, listener = face_of(), Listener()
    market = next(iter(face.exchange.markets.values()))
    own, event = f"order_book:market_{market.market_id}", f"order_book:event_{market.facts['event_id']}"
    for channel in (own, event):
        face.topics.join(channel, listener)
    place(face, MAKER, market.market_id, "buy", 1, 1)
    [(_, *one), (_, *other)] = listener.heard
    assert one == other
    next_moment(face)
    assert len({message_id for _, message_id, _ in listener.heard}) * 2 == len(listener.heard)


def test_a_market_is_told_when_listed_and_when_ended():
    face = face_of(markets=3)
    listed = told(face, "markets:global")[0]
    assert [row["status"] for row in listed] == ["ACTIVE"] * 3
    assert [row["marketType"] for row in told(face, "main_line:global")] == [3, 2]
    market_id = listed[1]["marketHash"]
    face.publish(face.exchange.close_market(market_id, NOW, outcome=1), NOW)
    [ended] = told(face, "markets:global")[-1]
    assert (ended["marketHash"], ended["status"], ended["outcome"]) == (market_id, "INACTIVE", 2)
    assert face.book(market_id) == BookLevels((), ())
    assert [row["status"] for row in told(face, "fixtures:global")] == [2]
    for other in list(face.exchange.markets):
        face.publish(face.exchange.close_market(other, NOW), NOW)
    assert [row["status"] for row in told(face, "fixtures:global")] == [2, 3]


def test_a_void_market_refunds_who_had_bet():
    face = face_of()
    market_id = quiet_market(face).market_id
    place(face, MAKER, market_id, "sell", 300, 4)
    place(face, TAKER, market_id, "buy", None, 4)
    face.publish(face.exchange.close_market(market_id, NOW), NOW)
    [[refund]] = told(face, f"ce_refunds:{TAKER}")
    assert (refund["totalRefunded"], refund["events"][0]["amount"]) == (3.0, "3.000000")


def test_best_odds_are_told_when_they_change():
    face = face_of()
    market_id = quiet_market(face).market_id

    def rows():
        return [
            (row["isMakerBettingOutcomeOne"], row["percentageOdds"])
            for message in told(face, "best_odds:global")
            for row in message
            if row["marketHash"] == market_id
        ]

    place(face, MAKER, market_id, "buy", 100, 4)
    place(face, MAKER, market_id, "buy", 90, 4)
    place(face, MAKER, market_id, "sell", 300, 4)
    place(face, TAKER, market_id, "sell", None, 4)
    assert rows() == [
        (True, "25000000000000000000"),
        (False, "25000000000000000000"),
        (True, "22500000000000000000"),
    ]
    [newest] = told(face, "best_odds_v3:global")[-1]
    assert [{name: newest[name] for name in ("marketHash", "outcomeOne", "outcomeTwo")}] == [
        {
            "marketHash": market_id,
            "outcomeOne": {"percentageOdds": "22500000000000000000", "size": "900000"},
            "outcomeTwo": {"percentageOdds": "25000000000000000000", "size": "1000000"},
        }
    ]


def test_scores_and_parlays_come_by_the_way():
    face = face_of()
    for _ in range(50):
        next_moment(face)
    score = told(face, "fixtures:live_scores")[-1]
    assert json.loads(json.loads(score["extra"])["clock"]) == {"minute": int(score["periodTime"])}
    parlays = told(face, "parlay_markets:global")
    assert len(parlays) == 2
    assert all(len(parlay["legs"]) == 2 for parlay in parlays)


def test_wrong_settings_are_named():
    with pytest.raises(ConfigurationError, match="ping_interval"):
        face_of(ping=1)
    with pytest.raises(ConfigurationError, match="token_lifetime"):
        face_of(token_lifetime=0)
    with pytest.raises(ConfigurationError, match="market_hash"):
        face_of().book("0x1")

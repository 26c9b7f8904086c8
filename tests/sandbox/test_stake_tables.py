"""What goes on at the played tables is seeded, believable, and never says the same twice."""

from __future__ import annotations

from collections import defaultdict

import pytest

from tapewire.sandbox import Sandbox
from tapewire.sandbox.core.exchange import Exchange
from tapewire.sandbox.core.times import iso
from tapewire.sandbox.faces.stake.tables import FIXTURES, GAMES, StakeFlow


def played(seed, steps=2000):
    flow = StakeFlow(Exchange(seed), seed)
    flow.open(0)
    told = defaultdict(list)
    for number in range(steps):
        flow.step(number * 1_000_000)
        while flow.happened:
            message = flow.happened.popleft()
            told[message.topic].append(message.payload)
    return told


def test_the_same_seed_plays_the_same():
    assert played(1) == played(1)
    assert played(1) != played(2)


def test_a_round_counts_down_rises_and_ends_where_it_said():
    rounds = defaultdict(list)
    for state in played(3)["game:crash"]:
        rounds[state["id"]].append(state)
    whole = list(rounds.values())[:-1]
    assert len(whole) > 5
    for states in whole:
        names = [state["status"] for state in states]
        assert names == ["starting"] * 3 + ["in_progress"] * (len(names) - 4) + ["crash"]
        rising = [state["multiplier"] for state in states[3:]]
        assert rising == sorted(rising)
        assert states[-1]["crashpoint"] == rising[-1] >= 1


def test_every_game_has_bets_that_pay_what_they_say():
    told = played(4)
    assert all(told[f"game:{game}"] for game in GAMES)
    for item in told["bets"]:
        bet = item["bet"]
        assert bet["payout"] == pytest.approx(bet["amount"] * bet["payoutMultiplier"], abs=0.01)
    assert len(told["bets"]) == sum(len(told[f"game:{game}"]) for game in GAMES)


async def test_fixtures_go_on_when_one_ends_and_no_two_publications_are_the_same():
    async with Sandbox(rate=0, venues=["stake"]) as sandbox:
        face = sandbox.faces["stake"]
        for number in range(20):
            market_id = next(iter(face.exchange.markets))
            face.publish(face.flow.replace_market(market_id, number), number)
        sandbox.step(400)
        assert face.flow.replace_market("unknown", 0) == []
        assert {market.facts["event_id"] for market in face.exchange.markets.values()} == set(FIXTURES)
        for _, topic, last in sandbox.ledger.topics():
            entries = sandbox.ledger.since(topic)
            assert len({entry.digest for entry in entries}) == len(entries) == last
        ended = [
            entry.payload
            for entry in sandbox.ledger.since("sports:event:1")
            if entry.payload["status"] == "ended"
        ]
        assert ended
        assert all(payload["odds"] is None for payload in ended)


def test_a_time_is_written_with_microseconds():
    assert iso(1_700_000_000_000_001_000) == "2023-11-14T22:13:20.000001Z"

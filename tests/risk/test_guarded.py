"""A guarded venue: the verbs are the venue's, an order leaves through the gate alone, and nothing is forgotten."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

import tapewire
from tapewire.errors import ConfigurationError, NotSupported, SessionClosed
from tapewire.risk import JournalError, Wishes
from tapewire.risk.account import DIFFERS_SECONDS
from tapewire.testing import VirtualClock
from tapewire.trading import Limits, OrderDenied, RiskState
from tests.market.played import PLAYED
from tests.risk.guarded import desk

BOTH = pytest.mark.parametrize("name", ["stx", "weex"])


async def resting(guarded: Any, at: Any, size: Decimal, name: str | None = None) -> Any:
    """An order of ours that rests at the best bid."""
    instrument_id = at.instruments[0]
    price = at.truth(instrument_id)[0][0][0]
    return await guarded.place_order(instrument_id, "buy", size, price, client_order_id=name)


async def crossing(guarded: Any, at: Any, size: Decimal) -> Any:
    """One that fills."""
    instrument_id = at.instruments[0]
    return await guarded.place_order(instrument_id, "buy", size, at.truth(instrument_id)[1][0][0])


@BOTH
async def test_an_order_passes_rests_and_is_taken_back(clock: VirtualClock, name: str, tmp_path: Any) -> None:
    async with desk(clock, name, tmp_path) as at_desk, at_desk.guard() as guarded:
        order = await resting(guarded, at_desk.at(guarded), at_desk.size)
        assert at_desk.open == {order.client_order_id}
        assert [each.client_order_id for each in guarded._account.gate.open_orders()] == [
            order.client_order_id
        ]

        await guarded.cancel_order(order)
        await asyncio.sleep(1)

        assert not at_desk.open
        assert not guarded._account.gate.open_orders()
        assert not guarded.alarms


@BOTH
async def test_fills_make_the_position_that_the_venue_has_too(
    clock: VirtualClock, name: str, tmp_path: Any
) -> None:
    async with desk(clock, name, tmp_path) as at_desk, at_desk.guard() as guarded:
        at = at_desk.at(guarded)
        await crossing(guarded, at, at_desk.size)
        await asyncio.sleep(2 * DIFFERS_SECONDS)

        assert guarded._account.position(at.instruments[0]) == at_desk.size
        assert not guarded._account.gate.open_orders()
        assert not guarded.alarms


@BOTH
async def test_what_a_limit_denies_never_reaches_the_venue(
    clock: VirtualClock, name: str, tmp_path: Any
) -> None:
    async with desk(clock, name, tmp_path) as at_desk, at_desk.guard(position=Decimal(0)) as guarded:
        with pytest.raises(OrderDenied, match="position"):
            await resting(guarded, at_desk.at(guarded), at_desk.size)

        assert not at_desk.placed
        assert b"sent" not in (tmp_path / "journal.jsonl").read_bytes()


@BOTH
async def test_a_feed_of_the_strategys_that_is_not_live_denies_its_orders(
    clock: VirtualClock, name: str, tmp_path: Any
) -> None:
    async with desk(clock, name, tmp_path) as at_desk, at_desk.guard() as guarded:
        at = at_desk.at(guarded)
        await resting(guarded, at, at_desk.size)
        feed = guarded.watch_ticker(at.instruments[0])
        await feed.wait_live(5)
        await resting(guarded, at, at_desk.size)
        feed.resync()
        with pytest.raises(OrderDenied, match="needs_live"):
            await resting(guarded, at, at_desk.size)

        await feed.aclose()
        await resting(guarded, at, at_desk.size)


@BOTH
async def test_what_we_hear_of_ourselves_must_go_on(clock: VirtualClock, name: str, tmp_path: Any) -> None:
    async with desk(clock, name, tmp_path) as at_desk, at_desk.guard() as guarded:
        at = at_desk.at(guarded)
        await resting(guarded, at, at_desk.size)
        await guarded._own[1].aclose()
        with pytest.raises(OrderDenied, match="watch_fills has ended"):
            await resting(guarded, at, at_desk.size)


@BOTH
async def test_a_book_that_has_broken_denies_at_once(clock: VirtualClock, name: str, tmp_path: Any) -> None:
    async with desk(clock, name, tmp_path) as at_desk, at_desk.guard() as guarded:
        at = at_desk.at(guarded)
        await resting(guarded, at, at_desk.size)
        at.refuse_snapshots()
        at.kill()
        await asyncio.sleep(0.1)
        began = clock.monotonic()
        with pytest.raises(OrderDenied, match="needs_live"):
            await resting(guarded, at, at_desk.size)
        assert clock.monotonic() - began < 1


@BOTH
async def test_data_that_is_too_old_denies(clock: VirtualClock, name: str, tmp_path: Any) -> None:
    async with desk(clock, name, tmp_path) as at_desk, at_desk.guard(data_age=2.0) as guarded:
        at = at_desk.at(guarded)
        await resting(guarded, at, at_desk.size)
        await asyncio.sleep(3)
        with pytest.raises(OrderDenied, match="data_age"):
            await resting(guarded, at, at_desk.size)

        at.move(at.instruments[0])
        await asyncio.sleep(0.1)
        await resting(guarded, at, at_desk.size)


@BOTH
async def test_a_halt_cancels_everything_and_stays_over_a_restart_until_somebody_resumes(
    clock: VirtualClock, name: str, tmp_path: Any
) -> None:
    async with desk(clock, name, tmp_path) as at_desk:
        async with at_desk.guard() as guarded:
            at = at_desk.at(guarded)
            orders = [await resting(guarded, at, at_desk.size) for _ in range(3)]
            canceled = await guarded.halt("a drill")

            assert {each.client_order_id for each in canceled} == {each.client_order_id for each in orders}
            assert not at_desk.open
            with pytest.raises(OrderDenied, match="a drill"):
                await resting(guarded, at, at_desk.size)
        async with at_desk.guard() as guarded:
            assert guarded.state.state is RiskState.HALTED
            with pytest.raises(OrderDenied, match="a drill"):
                await resting(guarded, at, at_desk.size)
            guarded.resume("the drill is over")
            await resting(guarded, at, at_desk.size)
        async with at_desk.guard() as guarded:
            assert guarded.state.state is RiskState.ACTIVE
        assert Wishes(tmp_path).status.state == "active"


@BOTH
async def test_a_halt_closes_what_is_held_where_it_is_asked_to(
    clock: VirtualClock, name: str, tmp_path: Any
) -> None:
    async with desk(clock, name, tmp_path) as at_desk, at_desk.guard(flatten=True) as guarded:
        at = at_desk.at(guarded)
        await crossing(guarded, at, at_desk.size)
        await resting(guarded, at, at_desk.size)
        await asyncio.sleep(1)
        assert guarded._account.position(at.instruments[0]) == at_desk.size

        await guarded.halt("out")
        await asyncio.sleep(2 * DIFFERS_SECONDS)

        assert not at_desk.open
        assert guarded._account.position(at.instruments[0]) == 0
        assert guarded.state.state is RiskState.HALTED
        assert not guarded.alarms


@BOTH
async def test_while_reducing_only_what_makes_a_position_smaller_passes(
    clock: VirtualClock, name: str, tmp_path: Any
) -> None:
    async with desk(clock, name, tmp_path) as at_desk, at_desk.guard() as guarded:
        at = at_desk.at(guarded)
        await crossing(guarded, at, at_desk.size)
        await asyncio.sleep(1)
        guarded.reduce("carefully")
        with pytest.raises(OrderDenied, match="reducing"):
            await resting(guarded, at, at_desk.size)

        await guarded.place_order(at.instruments[0], "sell", at_desk.size)
        await asyncio.sleep(1)
        assert guarded._account.position(at.instruments[0]) == 0


@BOTH
async def test_a_loss_of_the_day_leads_to_reducing_and_says_so(
    clock: VirtualClock, name: str, tmp_path: Any
) -> None:
    async with desk(clock, name, tmp_path) as at_desk, at_desk.guard(daily_loss=Decimal(0)) as guarded:
        at = at_desk.at(guarded)
        await asyncio.sleep(1)
        await crossing(guarded, at, at_desk.size)  # at once worth less, by half of the spread
        await asyncio.sleep(1)
        at.move(at.instruments[0])
        await asyncio.sleep(1)

        assert guarded.state.state is RiskState.REDUCING
        assert "daily_loss" in Wishes(tmp_path).status.reason


@BOTH
async def test_an_order_whose_answer_is_lost_counts_until_it_is_looked_up(
    clock: VirtualClock, name: str, tmp_path: Any
) -> None:
    async with desk(clock, name, tmp_path) as at_desk, at_desk.guard(open_orders=1) as guarded:
        at = at_desk.at(guarded)
        await guarded._quotes.quoted(at.instruments[0])
        at_desk.lose_answers()
        order = await resting(guarded, at, at_desk.size, "mine")
        assert order.status == "unknown"
        with pytest.raises(OrderDenied, match="open_orders"):
            await resting(guarded, at, at_desk.size)
        at_desk.lose_answers(False)
        await asyncio.sleep(60)

        assert at_desk.open == {order.client_order_id}
        await guarded.cancel_all()
        await asyncio.sleep(1)
        await resting(guarded, at, at_desk.size)


@BOTH
async def test_whoever_gives_up_waiting_for_an_order_does_not_make_it_forgotten(
    clock: VirtualClock, name: str, tmp_path: Any
) -> None:
    async with desk(clock, name, tmp_path) as at_desk, at_desk.guard() as guarded:
        at = at_desk.at(guarded)
        await guarded._quotes.quoted(at.instruments[0])
        await guarded.instrument(at.instruments[0])
        at_desk.venue.http_delay = lambda: 1.0
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(resting(guarded, at, at_desk.size, "mine"), 0.1)
        await asyncio.sleep(5)

        assert at_desk.open == {"mine"}
        assert [each.client_order_id for each in guarded._account.gate.open_orders()] == ["mine"]


@BOTH
async def test_what_a_run_left_open_is_looked_up_by_the_next_one(
    clock: VirtualClock, name: str, tmp_path: Any
) -> None:
    async with desk(clock, name, tmp_path) as at_desk:
        async with at_desk.guard() as guarded:
            at = at_desk.at(guarded)
            await resting(guarded, at, at_desk.size, "stays")
            await resting(guarded, at, at_desk.size, "goes")
        for order_id in [at_desk.placed["goes"].order_id]:
            at_desk.venue.face.exchange.cancel(at_desk.placed["goes"].account, order_id, at.now_ns())

        async with at_desk.guard() as guarded:
            assert len(guarded._account.gate.open_orders()) == 2
            await asyncio.sleep(20)
            assert [each.client_order_id for each in guarded._account.gate.open_orders()] == ["stays"]
        assert not guarded.alarms


@BOTH
async def test_what_was_filled_while_nobody_listened_counts_and_is_an_alarm(
    clock: VirtualClock, name: str, tmp_path: Any
) -> None:
    async with desk(clock, name, tmp_path) as at_desk:
        async with at_desk.guard() as guarded:
            at = at_desk.at(guarded)
            await resting(guarded, at, at_desk.size, "mine")
        at.take()
        assert not at_desk.open

        async with at_desk.guard() as guarded:
            await asyncio.sleep(30)

            assert guarded._account.position(at.instruments[0]) == at_desk.size
            assert not guarded._account.gate.open_orders()
            assert {each.what for each in guarded.alarms} <= {
                "fill"
            }  # where the venue's list has it, it is no guess


@BOTH
async def test_what_was_held_before_the_journal_began_is_counted(
    clock: VirtualClock, name: str, tmp_path: Any
) -> None:
    async with desk(clock, name, tmp_path) as at_desk:
        async with at_desk.connect() as market:
            at = at_desk.kind(market, at_desk.venue)
            await crossing(market, at, at_desk.size)
        async with at_desk.guard() as guarded:
            await asyncio.sleep(2 * DIFFERS_SECONDS)

            assert guarded._account.position(at.instruments[0]) == at_desk.size
            assert not guarded.alarms


@BOTH
async def test_a_position_that_the_venue_has_and_we_have_not_is_one_alarm(
    clock: VirtualClock, name: str, tmp_path: Any
) -> None:
    heard: list[Any] = []
    async with (
        desk(clock, name, tmp_path) as at_desk,
        at_desk.guard(on_alarm=heard.append) as guarded,
        at_desk.connect() as market,
    ):
        at = at_desk.kind(market, at_desk.venue)
        await crossing(market, at, at_desk.size)  # by other hands
        await asyncio.sleep(4 * DIFFERS_SECONDS)

        assert [each.what for each in heard] == ["position"]
        assert heard[0].instrument_id == at.instruments[0]
        assert list(guarded.alarms) == heard


@BOTH
async def test_what_cannot_be_journaled_is_not_sent(clock: VirtualClock, name: str, tmp_path: Any) -> None:
    async with desk(clock, name, tmp_path) as at_desk, at_desk.guard() as guarded:
        at = at_desk.at(guarded)
        await guarded._quotes.quoted(at.instruments[0])
        guarded._journal.close()
        with pytest.raises(JournalError):
            await resting(guarded, at, at_desk.size)

        assert not at_desk.placed


@BOTH
async def test_an_order_on_its_way_when_a_halt_begins_is_not_left_open(
    clock: VirtualClock, name: str, tmp_path: Any
) -> None:
    async with desk(clock, name, tmp_path) as at_desk, at_desk.guard() as guarded:
        at = at_desk.at(guarded)
        await resting(guarded, at, at_desk.size)
        at_desk.venue.http_delay = lambda: 4.0
        placing = asyncio.ensure_future(resting(guarded, at, at_desk.size, "late"))
        await asyncio.sleep(1)
        at_desk.venue.http_delay = lambda: 0.0
        await guarded.halt("now")
        assert (await placing).client_order_id == "late"
        await asyncio.sleep(10)

        assert "late" in at_desk.placed
        assert not at_desk.open


@BOTH
@pytest.mark.parametrize("flatten", [False, True])
async def test_a_market_order_of_the_strategys_is_no_order_of_the_halt(
    clock: VirtualClock, name: str, flatten: bool, tmp_path: Any
) -> None:
    async with desk(clock, name, tmp_path) as at_desk, at_desk.guard(flatten=flatten) as guarded:
        at = at_desk.at(guarded)
        await resting(guarded, at, at_desk.size)
        outcome, _ = await asyncio.gather(
            guarded.place_order(at.instruments[0], "buy", at_desk.size, client_order_id="late"),
            guarded.halt("now"),
            return_exceptions=True,
        )

        assert b"late" in (tmp_path / "journal.jsonl").read_bytes()
        assert isinstance(outcome, OrderDenied)
        assert "late" not in at_desk.placed


@BOTH
async def test_a_guard_of_an_account_on_paper_begins_anew_where_its_orders_ended_with_the_program(
    clock: VirtualClock, name: str, tmp_path: Any
) -> None:
    async with desk(clock, name, tmp_path) as at_desk:
        async with at_desk.guard(is_on_paper=True) as guarded:
            at = at_desk.at(guarded)
            await resting(guarded, at, at_desk.size)
            assert not at_desk.placed
        async with at_desk.guard(is_on_paper=True) as guarded:
            assert len(guarded._account.gate.open_orders()) == 1
            await asyncio.sleep(5)
            assert not guarded._account.gate.open_orders()
            await resting(guarded, at, at_desk.size)
            await guarded.halt("a drill")
            assert not await guarded.open_orders()


@BOTH
async def test_a_halt_between_the_journal_and_the_wire_keeps_the_order_back(
    clock: VirtualClock, name: str, tmp_path: Any
) -> None:
    async with desk(clock, name, tmp_path) as at_desk, at_desk.guard() as guarded:
        at = at_desk.at(guarded)
        await resting(guarded, at, at_desk.size)
        outcome, _ = await asyncio.gather(
            resting(guarded, at, at_desk.size, "late"), guarded.halt("now"), return_exceptions=True
        )

        assert isinstance(outcome, OrderDenied)
        assert b"late" in (tmp_path / "journal.jsonl").read_bytes()
        assert "late" not in at_desk.placed
        assert not guarded._account.gate.is_open("late")


async def test_a_second_guard_of_a_directory_is_refused_and_the_first_goes_on(
    clock: VirtualClock, tmp_path: Any
) -> None:
    async with desk(clock, "stx", tmp_path) as at_desk, at_desk.guard() as guarded:
        with pytest.raises(ConfigurationError, match="directory"):
            async with at_desk.guard():
                pass

        await resting(guarded, at_desk.at(guarded), at_desk.size)


async def test_what_is_wrong_is_named(tmp_path: Any) -> None:
    def make() -> Any:
        return PLAYED["stx"].connect(host="http://127.0.0.1:4000", **PLAYED["stx"].credentials())

    for name, wrong in [
        ("make", 3), ("limits", {}), ("directory", ""), ("stall", 0), ("stall", float("nan")), ("patience", None),
        ("on_alarm", 3),
    ]:  # fmt: skip
        arguments: dict[str, Any] = {"make": make, "limits": Limits(), "directory": tmp_path, name: wrong}
        with pytest.raises(ConfigurationError, match=name):
            tapewire.guard(**arguments)
    with pytest.raises(NotSupported, match="place_order"):
        tapewire.guard(
            lambda: PLAYED["sxbet"].connect(host="http://127.0.0.1:4000", **PLAYED["sxbet"].credentials()),
            Limits(),
            tmp_path,
        )
    guarded = tapewire.guard(make, Limits(), tmp_path)
    with pytest.raises(SessionClosed):
        guarded.state  # noqa: B018

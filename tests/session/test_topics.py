import asyncio

import pytest

from tapewire.errors import (
    ConfigurationError,
    NotSubscribed,
    SubscriptionEnded,
    SubscriptionRefused,
)
from tapewire.marks import Errored, Gap, Subscribed, Subscribing
from tapewire.retry import RetryPolicy
from tests.session.line import line, take

QUICK = RetryPolicy(None, 0.2, 0.2, jitter=False)


async def test_after_a_reconnection_every_topic_is_joined_before_anything_is_dispatched(clock):
    async with line(clock) as (session, peer):
        order = []
        peer.on_join = lambda p, connection, join: (order.append(join.topic), p.accept(connection, join))
        for topic in "abc":
            await session.subscribe(topic, handler=lambda item: order.append(item.event)).confirmed()
        await asyncio.sleep(1)
        order.clear()
        peer.abort()
        await peer.joined("c", 2)
        await asyncio.sleep(1)
        assert order[:3] == ["a", "b", "c"]
        assert set(order[3:]) == {"phx_reply"}


async def test_a_rejoin_asks_with_the_current_parameters(clock):
    async with line(clock) as (session, peer):
        subscription = session.subscribe("markets", {"fields": ["bids"]})
        await subscription.confirmed()
        subscription.params = {"fields": ["offers"]}
        peer.abort()
        frame = await peer.received("markets", "phx_join", 2)
        assert frame.payload == {"fields": ["offers"]}


async def test_a_lost_connection_is_one_gap_between_the_old_and_the_new_publications(clock):
    async with line(clock) as (session, peer):
        subscription = session.subscribe("markets")
        await subscription.confirmed()
        peer.broadcast("markets", "tick", {"n": 1})
        await asyncio.sleep(2)
        peer.broadcast("markets", "tick", {"n": 2})
        await asyncio.sleep(0.5)
        heard_ns = clock.time_ns() - 500_000_000
        peer.abort()
        await peer.joined("markets", 2)
        peer.broadcast("markets", "tick", {"n": 3})
        items = await take(subscription, 4)
        assert [items[0], items[1], items[3]] == [("tick", {"n": n}) for n in (1, 2, 3)]
        gap = items[2]
        assert isinstance(gap, Gap)
        assert gap.reason == "connection lost"
        assert gap.since_ns == pytest.approx(heard_ns, abs=1000)
        assert heard_ns < gap.until_ns <= clock.time_ns()
        assert gap.missed is None


async def test_a_frame_pushed_before_the_join_reply_comes_after_the_gap_and_before_the_reply(clock):
    def early(peer, connection, join):
        if connection.number == 2:
            connection.link.send(f'["{join.join_ref}",null,"markets","snapshot",{{"n":1}}]'.encode())
        peer.accept(connection, join)

    async with line(clock) as (session, peer):
        peer.on_join = early
        subscription = session.subscribe("markets")
        await subscription.confirmed()
        peer.abort()
        items = await take(subscription, 4, control=True)
        assert items[0][0] == "phx_reply"
        assert isinstance(items[1], Gap)
        assert [items[2], items[3][0]] == [("snapshot", {"n": 1}), "phx_reply"]


async def test_a_stream_without_a_fault_has_no_mark(clock):
    async with line(clock) as (session, peer):
        subscription = session.subscribe("markets")
        await subscription.confirmed()
        for n in range(100):
            peer.broadcast("markets", "tick", {"n": n})
            await asyncio.sleep(10)
        assert await take(subscription, 100) == [("tick", {"n": n}) for n in range(100)]
        assert session.statistics().marks == 0


async def test_a_first_join_that_never_held_writes_no_gap(clock):
    async with line(clock) as (session, peer):
        peer.ignore_join("markets")
        subscription = session.subscribe("markets")
        await asyncio.sleep(1)
        peer.abort()
        await subscription.confirmed()
        peer.broadcast("markets", "tick", {})
        assert await take(subscription, 1) == [("tick", {})]


async def test_a_refused_join_is_raised_with_its_reason_and_the_reply(clock):
    async with line(clock) as (session, peer):
        peer.refuse_join("portfolio:other", {"reason": "unauthorized", "hint": 1})
        subscription = session.subscribe("portfolio:other")
        with pytest.raises(SubscriptionRefused, match="unauthorized") as caught:
            await subscription.confirmed()
        assert caught.value.reply == {"reason": "unauthorized", "hint": 1}
        assert not caught.value.retryable
        assert subscription.state == "unsubscribed"
        with pytest.raises(SubscriptionRefused):
            await take(subscription, 1)
        await asyncio.sleep(60)
        assert peer.events("portfolio:other") == ["phx_join"]


async def test_one_refused_topic_never_holds_up_another(clock):
    async with line(clock, resubscribe=QUICK) as (session, peer):
        good, bad = session.subscribe("good"), session.subscribe("bad")
        await asyncio.gather(good.confirmed(), bad.confirmed())
        peer.refuse_join("bad", {"reason": "join crashed"}, times=5)
        peer.abort()
        await peer.joined("good", 2)
        peer.broadcast("good", "tick", {"n": 1})
        assert (await take(good, 2))[1] == ("tick", {"n": 1})
        assert bad.state == "subscribing"
        await peer.joined("bad", 2)
        assert (await take(bad, 1))[0].reason == "connection lost"


async def test_a_rejoin_refused_for_good_ends_only_that_subscription_and_is_raised(clock):
    errors = []
    async with line(clock, resubscribe=QUICK) as (session, peer):
        good = session.subscribe("good")
        bad = session.subscribe(
            "bad", handler=lambda item: None, on_error=lambda error, item: errors.append(error)
        )
        await asyncio.gather(good.confirmed(), bad.confirmed())
        peer.refuse_join("bad", {"reason": "unauthorized"}, times=9)
        peer.abort()
        with pytest.raises(SubscriptionRefused, match="bad"):
            await session.run_forever()
        assert good.state != "unsubscribed"
        assert bad.state == "unsubscribed"
        assert isinstance(errors[0], SubscriptionRefused)


async def test_an_unanswered_join_is_left_and_asked_for_again(clock):
    async with line(clock, resubscribe=QUICK, subscribe_timeout=10) as (session, peer):
        peer.ignore_join("markets", times=2)
        subscription = session.subscribe("markets")
        await subscription.confirmed()
        assert peer.events("markets") == ["phx_join", "phx_leave", "phx_join", "phx_leave", "phx_join"]
        assert clock.monotonic() - 1000 == pytest.approx(20.4)


async def test_a_crashed_channel_is_rejoined_with_a_gap_and_the_line_stays(clock):
    async with line(clock, resubscribe=QUICK) as (session, peer):
        subscription = session.subscribe("markets")
        await subscription.confirmed()
        peer.broadcast("markets", "tick", {"n": 1})
        peer.crash("markets", {"reason": "channel_crash"})
        await peer.joined("markets", 2)
        peer.broadcast("markets", "tick", {"n": 2})
        items = await take(subscription, 6, control=True)
        assert items[2] == ("phx_error", {"reason": "channel_crash"})
        assert items[3].reason == "interrupted"
        assert items[3].detail == "channel_crash"
        assert [items[1], items[5]] == [("tick", {"n": 1}), ("tick", {"n": 2})]
        assert session.statistics().reconnections == 0


async def test_a_channel_closed_by_the_venue_raises_that_to_whoever_iterates_and_is_not_rejoined(clock):
    async with line(clock) as (session, peer):
        subscription = session.subscribe("market:1")
        await subscription.confirmed()
        peer.broadcast("market:1", "tick", {"n": 1})
        peer.close_topic("market:1")
        items = []
        with pytest.raises(SubscriptionEnded):  # noqa: PT012 - it raises behind all that it brought
            async for item in subscription:
                items.append(item.event)  # noqa: PERF401 - they are looked at although it raises
        assert items == ["phx_reply", "tick", "phx_close"]
        assert subscription.ended_reason is not None
        with pytest.raises(SubscriptionEnded):
            await subscription.confirmed()
        await asyncio.sleep(120)
        peer.abort()
        await asyncio.sleep(120)
        assert peer.events("market:1") == ["phx_join"]


@pytest.mark.parametrize(
    ("fields", "level"),
    [({}, "INFO"), ({"handler": print}, "WARNING"), ({"handler": print, "announce": True}, "INFO")],
)
async def test_a_handler_that_is_told_nothing_of_the_end_has_it_in_the_log(clock, caplog, fields, level):
    caplog.set_level("INFO", "tapewire.session")
    async with line(clock) as (session, peer):
        await session.subscribe("market:1", **fields).confirmed()
        peer.close_topic("market:1")
        await asyncio.sleep(1)
        assert [r.levelname for r in caplog.records if "ended by the venue" in r.getMessage()] == [level]


async def test_leave_wins_over_a_join_reply_under_way(clock):
    async with line(clock) as (session, peer):
        subscription = session.subscribe("markets")
        subscription.unsubscribe()
        await peer.left("markets")
        assert [item async for item in subscription] == []
        assert subscription.state == "unsubscribed"
        peer.abort()
        await asyncio.sleep(30)
        assert peer.events("markets") == ["phx_join", "phx_leave"]


async def test_a_leave_while_the_line_is_down_is_complete_at_once(clock):
    async with line(clock) as (session, peer):
        subscription = session.subscribe("markets")
        await subscription.confirmed()
        peer.network.unreachable(times=2)
        peer.abort()
        await asyncio.sleep(0)
        subscription.unsubscribe()
        await peer.connected(2)
        await asyncio.sleep(1)
        assert peer.events("markets") == ["phx_join"]


async def test_leave_and_join_again_delivers_only_the_new_subscription(clock):
    async with line(clock) as (session, peer):
        first = session.subscribe("markets")
        await first.confirmed()
        first.unsubscribe()
        second = session.subscribe("markets", {"n": 2})
        await second.confirmed()
        peer.broadcast("markets", "tick", {})
        assert await take(second, 1) == [("tick", {})]
        assert await take(first, 1) == []


async def test_a_second_subscription_shares_the_venues_and_leaves_alone(clock):
    async with line(clock) as (session, peer):
        first, second = session.subscribe("markets", {"a": 1}), session.subscribe("markets")
        await asyncio.gather(first.confirmed(), second.confirmed())
        third = session.subscribe("markets", {"a": 1})
        await third.confirmed()
        with pytest.raises(ConfigurationError, match="params"):
            session.subscribe("markets", {"a": 2})
        peer.broadcast("markets", "tick", {"n": 1})
        for subscription in (first, second, third):
            assert await take(subscription, 1) == [("tick", {"n": 1})]
        first.unsubscribe()
        third.unsubscribe()
        peer.broadcast("markets", "tick", {"n": 2})
        assert await take(second, 1) == [("tick", {"n": 2})]
        assert peer.events("markets") == ["phx_join"]
        second.unsubscribe()
        await peer.left("markets")


async def test_a_subscription_made_before_open_or_during_an_outage_is_asked_for_when_the_line_is_up(clock):
    async with line(clock) as (session, peer):
        peer.network.unreachable(times=1)
        peer.abort()
        await asyncio.sleep(0)
        subscription = session.subscribe("markets")
        assert subscription.state == "subscribing"
        await subscription.confirmed()
        assert subscription.state == "subscribed"


async def test_cancelling_an_await_of_the_confirmation_does_not_end_the_subscription_by_itself(clock):
    async with line(clock) as (session, peer):
        peer.ignore_join("markets")
        subscription = session.subscribe("markets")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await subscription.confirmed()
        await subscription.confirmed()
        subscription.unsubscribe()
        with pytest.raises(NotSubscribed):
            await subscription.confirmed()


async def test_an_undecodable_frame_is_a_gap_on_every_subscription_it_may_have_belonged_to(clock, caplog):
    async with line(clock) as (session, peer):
        first, second = session.subscribe("a"), session.subscribe("b")
        await asyncio.gather(first.confirmed(), second.confirmed())
        peer.raw(b'{"half": ')
        peer.broadcast("a", "tick", {"n": 1})
        peer.broadcast("b", "tick", {"n": 1})
        for subscription in (first, second):
            items = await take(subscription, 2)
            assert items[0].reason == "undecodable"
            assert items[1] == ("tick", {"n": 1})
        assert session.statistics().undecodable == 1
        assert session.statistics().reconnections == 0
    lines = [record for record in caplog.records if "undecodable" in record.message]
    assert len(lines) == 1
    assert len(lines[0].message) < 500


async def test_a_flood_of_garbage_costs_a_few_bounded_log_lines(clock, caplog):
    async with line(clock) as (session, peer):
        subscription = session.subscribe("a")
        await subscription.confirmed()
        for _ in range(2_000):
            peer.raw(b"\x00" * 500)
        peer.broadcast("a", "tick", {})
        items = await take(subscription, 2)
        assert items[0].reason == "undecodable"
        assert items[1] == ("tick", {})
        assert session.statistics().undecodable == 2_000
    assert len([record for record in caplog.records if "undecodable" in record.message]) < 30


async def test_a_refusal_for_now_is_announced_with_its_reason_and_keeps_nobody_from_waiting(clock):
    async with line(clock, resubscribe=QUICK) as (session, peer):
        peer.refuse_join("markets", {"reason": "join crashed"}, times=2)
        marks = []
        subscription = session.subscribe(
            "markets", handler=lambda item: None, on_mark=marks.append, announce=True
        )
        await subscription.confirmed()
        await asyncio.sleep(0.1)
        errored = Errored(reason="join crashed")
        assert [mark if isinstance(mark, Errored) else type(mark) for mark in marks] == [
            *(Subscribing, errored, Subscribing, errored, Subscribing, Subscribed)
        ]


async def test_who_asked_for_no_announcement_is_raised_the_first_refusal_and_told_of_none(clock):
    async with line(clock, resubscribe=QUICK) as (session, peer):
        peer.refuse_join("markets", {"reason": "join crashed"})
        subscription = session.subscribe("markets")
        with pytest.raises(SubscriptionRefused, match="join crashed") as caught:
            await subscription.confirmed()
        assert caught.value.retryable
        assert [item.event async for item in subscription] == ["phx_reply"]


async def test_an_answer_that_does_not_come_in_time_is_announced(clock):
    async with line(clock, resubscribe=QUICK, subscribe_timeout=10) as (session, peer):
        peer.ignore_join("markets")
        marks = []
        subscription = session.subscribe(
            "markets", handler=lambda item: None, on_mark=marks.append, announce=True
        )
        await subscription.confirmed()
        await asyncio.sleep(0.1)
        assert [type(mark) for mark in marks] == [Subscribing, Errored, Subscribing, Subscribed]
        assert "no answer" in marks[1].reason

import asyncio

import pytest

from tapewire.errors import (
    ConfigurationError,
    NotSubscribed,
    SubscriptionEnded,
    SubscriptionRefused,
)
from tapewire.marks import Gap, Resynced
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


async def test_a_channel_closed_by_the_venue_ends_without_an_error_and_is_not_rejoined(clock):
    async with line(clock) as (session, peer):
        subscription = session.subscribe("market:1")
        await subscription.confirmed()
        peer.broadcast("market:1", "tick", {"n": 1})
        peer.close_topic("market:1")
        items = [item.event async for item in subscription]
        assert items == ["phx_reply", "tick", "phx_close"]
        assert subscription.ended_reason is not None
        with pytest.raises(SubscriptionEnded):
            await subscription.confirmed()
        await asyncio.sleep(120)
        peer.abort()
        await asyncio.sleep(120)
        assert peer.events("market:1") == ["phx_join"]


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


# --- seeding ----------------------------------------------------------------------------------------------------------


class Snapshots:
    """A venue's snapshot function that tests can hold back and make fail."""

    def __init__(self):
        self.calls = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.fail = 0

    async def __call__(self):
        self.calls += 1
        number = self.calls
        await self.gate.wait()
        if self.fail:
            self.fail -= 1
            raise OSError("no snapshot today")
        return {"snapshot": number}


async def test_a_snapshot_comes_first_and_live_publications_are_held_behind_it(clock):
    snapshots = Snapshots()
    snapshots.gate.clear()
    async with line(clock) as (session, peer):
        subscription = session.subscribe("orders", snapshot=snapshots)
        await subscription.confirmed()
        for n in range(3):
            peer.broadcast("orders", "order", {"n": n})
        await asyncio.sleep(1)
        snapshots.gate.set()
        items = await take(subscription, 4)
        assert isinstance(items[0], Resynced)
        assert items[0].snapshot == {"snapshot": 1}
        assert items[1:] == [("order", {"n": n}) for n in range(3)]
        peer.broadcast("orders", "order", {"n": 3})
        assert await take(subscription, 1) == [("order", {"n": 3})]


async def test_after_a_reconnection_gap_then_resynced_then_live(clock):
    snapshots = Snapshots()
    async with line(clock) as (session, peer):
        subscription = session.subscribe("orders", snapshot=snapshots)
        assert isinstance((await take(subscription, 1))[0], Resynced)
        peer.abort()
        await peer.joined("orders", 2)
        peer.broadcast("orders", "order", {"n": 1})
        items = await take(subscription, 3)
        assert [type(item) for item in items[:2]] == [Gap, Resynced]
        assert items[1].snapshot == {"snapshot": 2}
        assert items[2] == ("order", {"n": 1})


async def test_a_snapshot_of_an_older_connection_is_discarded(clock):
    snapshots = Snapshots()
    snapshots.gate.clear()
    async with line(clock) as (session, peer):
        subscription = session.subscribe("orders", snapshot=snapshots)
        await subscription.confirmed()
        peer.broadcast("orders", "order", {"n": 0})
        await asyncio.sleep(0.1)
        peer.abort()
        await peer.joined("orders", 2)
        await asyncio.sleep(0.1)
        snapshots.gate.set()
        items = await take(subscription, 3)
        assert isinstance(items[0], Gap)
        assert items[1] == ("order", {"n": 0})
        rest = await take(subscription, 1)
        seen = [*items, *rest]
        resynced = [item for item in seen if isinstance(item, Resynced)]
        assert [mark.snapshot for mark in resynced] == [{"snapshot": 2}]


async def test_a_failed_snapshot_leaves_a_gap_and_never_resynced_until_one_succeeds(clock):
    snapshots = Snapshots()
    snapshots.fail = 2
    async with line(clock, resubscribe=QUICK) as (session, _):
        subscription = session.subscribe("orders", snapshot=snapshots)
        await subscription.confirmed()
        items = await take(subscription, 1)
        assert items[0].reason == "reseed failed"
        assert "no snapshot today" in items[0].detail
        while not isinstance(items[-1], Resynced):
            items += await take(subscription, 1)
        assert items[-1].snapshot == {"snapshot": 3}
        assert not any(isinstance(item, Resynced) for item in items[:-1])


async def test_a_snapshot_that_takes_longer_than_its_deadline_has_failed(clock):
    snapshots = Snapshots()
    snapshots.gate.clear()
    async with line(clock, resubscribe=QUICK) as (session, _):
        subscription = session.subscribe("orders", snapshot=snapshots, snapshot_timeout=5)
        items = await take(subscription, 1)
        assert items[0].reason == "reseed failed"
        assert clock.monotonic() - 1000 == pytest.approx(5, abs=0.1)


async def test_a_slow_snapshot_costs_no_heartbeat_and_no_other_topic(clock):
    snapshots = Snapshots()
    snapshots.gate.clear()
    async with line(clock) as (session, peer):
        session.subscribe("orders", snapshot=snapshots, snapshot_timeout=300)
        other = session.subscribe("markets")
        await other.confirmed()
        await asyncio.sleep(200)
        peer.broadcast("markets", "tick", {})
        assert await take(other, 1) == [("tick", {})]
        assert session.statistics().reconnections == 0


async def test_reconcile_picks_the_held_publications_that_the_snapshot_does_not_hold(clock):
    snapshots = Snapshots()
    snapshots.gate.clear()

    def newer(snapshot, held):
        return [item for item in held if b'"n":2' in bytes(item.payload)]

    async with line(clock) as (session, peer):
        subscription = session.subscribe("orders", snapshot=snapshots, reconcile=newer)
        await subscription.confirmed()
        for n in range(3):
            peer.broadcast("orders", "order", {"n": n})
        await asyncio.sleep(0.1)
        snapshots.gate.set()
        assert (await take(subscription, 2))[1] == ("order", {"n": 2})


async def test_policy_resync_rebuilds_from_the_snapshot_after_an_overflow(clock):
    snapshots = Snapshots()
    async with line(clock) as (session, peer):
        subscription = session.subscribe("book", snapshot=snapshots, policy="resync", capacity=30)
        assert isinstance((await take(subscription, 1))[0], Resynced)
        for n in range(50):
            peer.broadcast("book", "delta", {"n": n})
        await asyncio.sleep(1)
        peer.broadcast("book", "delta", {"n": 50})
        items = []
        while ("delta", {"n": 50}) not in items:
            items += await take(subscription, 1)
        kinds = [type(item).__name__ for item in items]
        assert kinds[0] == "Lagged"
        assert "Resynced" in kinds
        after = items[kinds.index("Resynced") + 1 :]
        assert [item[1]["n"] for item in after] == list(range(after[0][1]["n"], 51))


async def test_policy_resync_without_a_snapshot_subscribes_anew(clock):
    async with line(clock) as (session, peer):
        subscription = session.subscribe("book", policy="resync", capacity=10)
        await subscription.confirmed()
        for n in range(20):
            peer.broadcast("book", "delta", {"n": n})
        await peer.joined("book", 2)
        peer.broadcast("book", "delta", {"n": 99})
        items = await take(subscription, 3)
        assert {type(item).__name__ for item in items[:2]} == {"Lagged", "Gap"}
        while items[-1] != ("delta", {"n": 99}):
            items += await take(subscription, 1)


async def test_a_refused_rejoin_shows_its_reply_and_leaves_one_gap_until_it_is_granted(clock):
    async with line(clock, resubscribe=QUICK) as (session, peer):
        subscription = session.subscribe("markets")
        await subscription.confirmed()
        peer.refuse_join("markets", {"reason": "join crashed"}, times=2)
        peer.abort()
        await peer.joined("markets", 2)
        granted_ns = clock.time_ns()
        peer.broadcast("markets", "tick", {"n": 1})
        items = await take(subscription, 6, control=True)
        assert [item[0] for item in items[:3]] == ["phx_reply"] * 3
        assert isinstance(items[3], Gap)
        assert items[3].until_ns == granted_ns
        assert [items[4][0], items[5][0]] == ["phx_reply", "tick"]


async def test_a_consumer_that_asks_for_it_is_told_each_state_of_its_subscription_in_place(clock):
    async with line(clock) as (session, peer):
        subscription = session.subscribe("markets", announce=True)
        await subscription.confirmed()
        peer.broadcast("markets", "tick", {"n": 1})
        await asyncio.sleep(0.1)
        peer.abort()
        await peer.joined("markets", 2)
        await asyncio.sleep(0.1)
        subscription.unsubscribe()
        items = [item async for item in subscription]
        names = [type(item).__name__ if not hasattr(item, "event") else item.event for item in items]
        assert names == [
            *("Subscribing", "Subscribed", "phx_reply", "tick"),
            *("Subscribing", "Subscribed", "Gap", "phx_reply", "Unsubscribed"),
        ]


async def test_a_frame_lost_during_a_snapshot_spoils_it_and_stands_marked_in_its_place(clock):
    snapshots = Snapshots()
    snapshots.gate.clear()
    async with line(clock, resubscribe=QUICK) as (session, peer):
        subscription = session.subscribe("orders", snapshot=snapshots)
        await subscription.confirmed()
        peer.broadcast("orders", "order", {"n": 0})
        peer.raw(b'{"half')
        peer.broadcast("orders", "order", {"n": 1})
        await asyncio.sleep(0.1)
        snapshots.gate.set()
        items = await take(subscription, 5)
        assert [item.reason if isinstance(item, Gap) else item for item in items[:4]] == [
            "reseed failed",
            ("order", {"n": 0}),
            "undecodable",
            ("order", {"n": 1}),
        ]
        assert isinstance(items[4], Resynced)
        assert items[4].snapshot == {"snapshot": 2}

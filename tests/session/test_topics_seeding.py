import asyncio

import pytest

from tapewire.marks import Gap, Resynced
from tapewire.retry import RetryPolicy
from tests.session.line import line, take

QUICK = RetryPolicy(None, 0.2, 0.2, jitter=False)


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
        items = await take(subscription, 2)
        await asyncio.sleep(1)
        peer.broadcast("book", "delta", {"n": 50})
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
        items = await take(subscription, 1)
        assert [type(item).__name__ for item in items] == ["Lagged"]
        await peer.joined("book", 2)
        peer.broadcast("book", "delta", {"n": 99})
        items += await take(subscription, 2)
        assert isinstance(items[1], Gap)
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

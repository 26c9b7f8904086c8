import asyncio
import logging
import time

import msgspec
import pytest

from tapewire.errors import BufferOverflow, ConfigurationError
from tapewire.marks import Gap, Lagged
from tapewire.protocols.phoenix import Push
from tests.session.line import line, said, take


def ticks(peer, *numbers, topic="markets"):
    for n in numbers:
        peer.broadcast(topic, "tick", {"n": n})


async def test_a_handler_gets_every_publication_in_order(clock):
    got = []
    async with line(clock) as (session, peer):
        await session.subscribe("markets", handler=lambda item: got.append(said(item))).confirmed()
        ticks(peer, *range(50))
        await asyncio.sleep(0.1)
    assert got[1:] == [("tick", {"n": n}) for n in range(50)]


async def test_a_handler_that_awaits_a_minute_delays_nobody_and_costs_no_heartbeat(clock):
    got = []

    async def slow(item):
        await asyncio.sleep(60)

    async with line(clock) as (session, peer):
        await session.subscribe("slow", handler=slow).confirmed()
        await session.subscribe("markets", handler=lambda item: got.append(clock.monotonic())).confirmed()
        ticks(peer, 1, topic="slow")
        await asyncio.sleep(0.1)
        for _ in range(20):
            got.clear()
            before = clock.monotonic()
            ticks(peer, 1)
            await asyncio.sleep(60)
            assert got == [pytest.approx(before, abs=0.01)]
        assert session.statistics().reconnections == 0
        assert session.statistics().heartbeat_rtt is not None


async def test_a_handler_that_raises_is_logged_with_its_traceback_counted_and_the_next_goes_on(clock, caplog):
    got, errors = [], []

    async def fragile(item):
        if said(item) == ("tick", {"n": 1}):
            raise ValueError("cannot quote")
        got.append(said(item))

    def on_error(error, item):
        errors.append((str(error), said(item)))

    async with line(clock) as (session, peer):
        subscription = session.subscribe("markets", handler=fragile, on_error=on_error)
        await subscription.confirmed()
        ticks(peer, 0, 1, 2)
        await asyncio.sleep(0.1)
        assert subscription.statistics().handler_errors == 1
        assert session.statistics().handler_errors == 1
    assert got[1:] == [("tick", {"n": 0}), ("tick", {"n": 2})]
    assert errors == [("cannot quote", ("tick", {"n": 1}))]
    record = next(record for record in caplog.records if "raised" in record.message)
    assert record.levelno == logging.WARNING
    assert record.exc_info[0] is ValueError
    assert "fragile" in record.message


async def test_in_strict_mode_an_exception_of_a_handler_ends_its_subscription_and_is_raised(clock):
    def broken(item):
        raise ValueError("stop here")

    async with line(clock, strict=True) as (session, peer):
        session.subscribe("markets", handler=broken)
        with pytest.raises(ValueError, match="stop here"):
            await session.run_forever()
        await peer.left("markets")


async def test_everything_may_be_called_from_inside_a_handler(clock):
    done = []

    async with line(clock) as (session, peer):
        peer.reply_to("ask", {"answer": 42})

        async def busy(item):
            if item.event != "tick":
                return
            done.append(await session.request(Push("markets", "ask", {})))
            session.push(Push("markets", "tell", {}))
            other = session.subscribe("other")
            await other.confirmed()
            other.unsubscribe()
            await session.close()
            done.append("closed")

        await session.subscribe("markets", handler=busy).confirmed()
        ticks(peer, 1)
        await session.run_forever()
        await asyncio.sleep(0.1)
        assert done == [{"answer": 42}, "closed"]
        assert peer.events("markets") == ["phx_join", "ask", "tell", "phx_leave"]
    assert clock.monotonic() - 1000 < 5


async def test_a_handler_may_leave_its_own_topic(clock):
    got = []
    async with line(clock) as (session, peer):

        def once(item):
            got.append(item.event)
            subscription.unsubscribe()

        subscription = session.subscribe("markets", handler=once)
        await peer.joined("markets")
        ticks(peer, 1, 2, 3)
        await peer.left("markets")
    assert got[0] == "phx_reply"


async def test_a_handler_that_blocks_the_loop_is_reported_by_name(clock, caplog):
    def hogging_sync(item):
        if item.event == "tick":
            clock.suspend(0.5)

    async def hogging_async(item):
        if item.event == "tick":
            await asyncio.sleep(0)
            clock.suspend(0.7)

    async with line(clock) as (session, peer):
        await session.subscribe("a", handler=hogging_sync).confirmed()
        await session.subscribe("b", handler=hogging_async).confirmed()
        ticks(peer, 1, topic="a")
        ticks(peer, 1, topic="b")
        await asyncio.sleep(0.1)
    text = [record.message for record in caplog.records if "blocked" in record.message]
    assert any("hogging_sync" in line_ for line_ in text)
    assert any("hogging_async" in line_ for line_ in text)


async def test_marks_go_to_on_mark_in_their_place(clock):
    got = []
    async with line(clock) as (session, peer):
        await session.subscribe(
            "markets",
            handler=lambda item: got.append(item.event),
            on_mark=lambda mark: got.append(mark.reason),
        ).confirmed()
        ticks(peer, 1)
        await asyncio.sleep(0.1)
        peer.abort()
        await peer.joined("markets", 2)
        ticks(peer, 2)
        await asyncio.sleep(0.1)
    assert got == ["phx_reply", "tick", "connection lost", "phx_reply", "tick"]


async def test_a_handler_without_on_mark_gets_a_warning_and_a_counter_for_each(clock, caplog):
    async with line(clock) as (session, peer):
        subscription = session.subscribe("markets", handler=lambda item: None)
        await subscription.confirmed()
        for n in (2, 3):
            peer.abort()
            await peer.joined("markets", n)
            await asyncio.sleep(0.1)
        assert subscription.statistics().unseen_marks == 2
    lines = [record for record in caplog.records if "gap" in record.message]
    assert len(lines) == 2
    assert all(record.levelno == logging.WARNING for record in lines)


async def test_drop_oldest_says_how_many_it_dropped_and_where(clock):
    async with line(clock) as (session, peer):
        subscription = session.subscribe("markets", policy="drop_oldest", capacity=10)
        await subscription.confirmed()
        ticks(peer, *range(25))
        await asyncio.sleep(0.1)
        items = await take(subscription, 11)
        assert items[0] == Lagged(dropped=16)  # the join reply was in the buffer too
        assert items[1:] == [("tick", {"n": n}) for n in range(15, 25)]


async def test_policy_fail_ends_the_subscription_after_what_was_buffered(clock):
    errors = []
    async with line(clock) as (session, peer):
        subscription = session.subscribe(
            "orders", policy="fail", capacity=5, on_error=lambda error, item: errors.append(error)
        )
        await subscription.confirmed()
        ticks(peer, *range(10), topic="orders")
        await asyncio.sleep(0.1)
        got = [said(await anext(subscription)) for _ in range(5)]
        with pytest.raises(BufferOverflow, match="orders"):
            await anext(subscription)
        assert got[1:] == [("tick", {"n": n}) for n in range(4)]
        assert isinstance(errors[0], BufferOverflow)
        with pytest.raises(BufferOverflow):
            await session.run_forever()
        await peer.left("orders")


async def test_policy_conflate_delivers_the_latest_of_each_key(clock):
    async with line(clock) as (session, peer):
        subscription = session.subscribe(
            "odds", policy="conflate", key=lambda item: (item.event, bytes(item.payload)[:8]), capacity=100
        )
        await subscription.confirmed()
        for n in range(50):
            peer.broadcast("odds", "a", {"k": 1, "n": n})
            peer.broadcast("odds", "b", {"k": 1, "n": n})
        await asyncio.sleep(0.1)
        assert await take(subscription, 2) == [("a", {"k": 1, "n": 49}), ("b", {"k": 1, "n": 49})]
        assert session.statistics().marks == 0


async def test_policy_block_stops_the_reading_and_goes_on_when_half_is_consumed(clock):
    async with line(clock) as (session, peer):
        subscription = session.subscribe("orders", policy="block", capacity=10)
        await subscription.confirmed()
        for n in range(40):
            ticks(peer, n, topic="orders")
            await asyncio.sleep(0.01)
        assert subscription.statistics().buffered <= 12
        assert await take(subscription, 40) == [("tick", {"n": n}) for n in range(40)]
        assert session.statistics().reconnections == 0


async def test_policy_block_gives_up_after_the_limit_and_the_line_stays_up(clock):
    async with line(clock, pause_limit=4, heartbeat_interval=5) as (session, peer):
        subscription = session.subscribe("orders", policy="block", capacity=3)
        await subscription.confirmed()
        for n in range(10):
            ticks(peer, n, topic="orders")
            await asyncio.sleep(0.01)
        await asyncio.sleep(60)
        assert session.connected
        assert session.statistics().reconnections == 0
        with pytest.raises(BufferOverflow):
            await take(subscription, 100)


async def test_policy_block_cannot_be_mixed_with_others_on_one_connection(clock):
    async with line(clock) as (session, _):
        session.subscribe("orders", policy="block")
        with pytest.raises(ConfigurationError, match="policy"):
            session.subscribe("markets", policy="drop_oldest")


@pytest.mark.parametrize(
    ("fields", "argument"),
    [
        ({"policy": "drop_all"}, "policy"),
        ({"capacity": 0}, "capacity"),
        ({"capacity": True}, "capacity"),
        ({"policy": "conflate"}, "key"),
        ({"key": len}, "key"),
        ({"inline": True}, "inline"),
        ({"inline": True, "handler": asyncio.sleep}, "inline"),
    ],
)
async def test_a_wrong_argument_is_named_with_what_is_allowed(clock, fields, argument):
    async with line(clock) as (session, _):
        with pytest.raises(ConfigurationError, match=argument) as caught:
            session.subscribe("markets", **fields)
        assert caught.value.argument == argument
        assert session.statistics().subscriptions == 0


async def test_an_inline_handler_is_called_inside_the_read_and_may_call_back(clock):
    got = []
    async with line(clock) as (session, peer):

        def inline(item):
            if item.event == "tick":
                got.append(session._driver.loop.in_turn)
                session.push(Push("markets", "tell", {}))
                if len(got) == 3:
                    subscription.unsubscribe()
                    session.subscribe("markets", handler=lambda again: got.append(again.event))

        subscription = session.subscribe("markets", handler=inline, inline=True)
        await subscription.confirmed()
        peer.raw(*[b'[null,null,"markets","tick",{}]'] * 5)
        await peer.joined("markets", 2)
        await asyncio.sleep(0.1)
        assert got == [True, True, True, "phx_reply"]
        assert peer.events("markets").count("tell") == 3


async def test_an_inline_handler_that_raises_harms_nobody(clock):
    got = []

    def inline(item):
        raise ValueError("no")

    async with line(clock) as (session, peer):
        await session.subscribe("a", handler=inline, inline=True).confirmed()
        await session.subscribe("b", handler=got.append).confirmed()
        ticks(peer, 1, topic="a")
        ticks(peer, 1, topic="b")
        await asyncio.sleep(0.1)
        assert len(got) == 2
        assert session.statistics().handler_errors == 2
        assert session.statistics().reconnections == 0


async def test_inline_marks_stand_in_their_place(clock):
    got = []
    async with line(clock) as (session, peer):
        await session.subscribe(
            "markets",
            handler=lambda item: got.append(item.event),
            on_mark=lambda mark: got.append(type(mark).__name__),
            inline=True,
        ).confirmed()
        ticks(peer, 1)
        await asyncio.sleep(0.1)
        peer.abort()
        await peer.joined("markets", 2)
        ticks(peer, 2)
        await asyncio.sleep(0.1)
    assert got == ["phx_reply", "tick", "Gap", "phx_reply", "tick"]


class Tick(msgspec.Struct):
    n: int


async def test_a_publication_is_decoded_when_it_is_taken_and_not_before(clock):
    decoded = []

    def decode(frame):
        if frame.event != "tick":
            return frame.event
        decoded.append(frame)
        return msgspec.json.decode(frame.payload, type=Tick)

    async with line(clock) as (session, peer):
        subscription = session.subscribe("markets", decode=decode, capacity=5)
        await subscription.confirmed()
        ticks(peer, *range(100))
        await asyncio.sleep(0.1)
        assert decoded == []
        items = [await anext(subscription) for _ in range(6)]
        assert items[1:] == [Tick(n) for n in range(95, 100)]
        assert len(decoded) == 5


async def test_a_payload_that_is_not_of_the_type_is_a_gap_in_its_place(clock):
    def decode(frame):
        return frame.event if frame.event != "tick" else msgspec.json.decode(frame.payload, type=Tick)

    async with line(clock) as (session, peer):
        subscription = session.subscribe("markets", decode=decode)
        await subscription.confirmed()
        ticks(peer, 1, "two", 3)
        items = [await anext(subscription) for _ in range(4)]
        assert items[1] == Tick(1)
        assert isinstance(items[2], Gap)
        assert items[2].reason == "undecodable"
        assert items[2].missed == 1
        assert items[3] == Tick(3)
        assert session.statistics().undecodable == 1


async def test_batches_bring_what_is_there_with_one_wakeup(clock):
    async with line(clock) as (session, peer):
        subscription = session.subscribe("markets")
        await subscription.confirmed()
        peer.raw(*[b'[null,null,"markets","tick",{}]'] * 25)
        await asyncio.sleep(0.1)
        sizes = []
        async for batch in subscription.batches(10):
            sizes.append(len(batch))
            if sum(sizes) == 26:
                break
        assert sizes == [10, 10, 6]


async def test_a_consumer_cancelled_at_its_await_leaves_the_subscription_whole(clock):
    async with line(clock) as (session, peer):
        subscription = session.subscribe("markets")
        await subscription.confirmed()
        await take(subscription, 1, control=True)
        for n in range(20):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await take(subscription, 1)
            ticks(peer, n)
            assert await take(subscription, 1) == [("tick", {"n": n})]


async def test_an_iteration_of_a_subscription_with_a_handler_is_refused(clock):
    async with line(clock) as (session, _):
        subscription = session.subscribe("markets", handler=lambda item: None)
        with pytest.raises(ConfigurationError, match="handler"):
            async for _ in subscription:
                pass


async def test_memory_stays_bounded_through_a_million_messages_and_a_slow_handler(clock):
    async def slow(item):
        await asyncio.sleep(1)

    async with line(clock) as (session, _):
        subscription = session.subscribe("markets", handler=slow, capacity=1_000)
        await subscription.confirmed()
        connection = session._driver.connection
        read = [b'[null,null,"markets","tick",{"n":1}]'] * 1_000
        started = time.process_time()
        for _ in range(1_000):
            connection.received(list(read))
            assert len(subscription.buffer) <= 1_000
        assert time.process_time() - started < 60
        statistics = subscription.statistics()
        assert statistics.dropped + statistics.buffered + statistics.delivered >= 1_000_000
        subscription.unsubscribe()


async def test_close_lets_a_running_handler_finish_and_is_bounded(clock, caplog):
    done = []

    async def finishing(item):
        await asyncio.sleep(1)
        done.append(item.event)

    async def endless(item):
        await asyncio.sleep(3600)

    async with line(clock) as (session, _):
        await session.subscribe("a", handler=finishing).confirmed()
        await session.subscribe("b", handler=endless).confirmed()
        await asyncio.sleep(0.1)
        started = clock.monotonic()
    assert clock.monotonic() - started <= 5
    assert done == ["phx_reply"]
    assert any("did not return in time" in record.message for record in caplog.records)


@pytest.mark.parametrize("in_batches", [False, True])
async def test_a_wait_that_is_cancelled_ends_no_iteration(clock, in_batches):
    async with line(clock) as (session, peer):
        subscription = session.subscribe("markets")
        await subscription.confirmed()
        await take(subscription, 1, control=True)
        items = subscription.batches() if in_batches else subscription
        for n in range(3):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(items), 0.02)
            ticks(peer, n)
            item = await asyncio.wait_for(anext(items), 0.02)
            assert said(item[0] if in_batches else item) == ("tick", {"n": n})

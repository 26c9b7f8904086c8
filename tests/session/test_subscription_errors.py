"""`on_error`: told off the reader, behind what was delivered before, once, and not kept from it by a stuck consumer."""

import asyncio

import pytest

from tapewire.errors import BufferOverflow, SubscriptionRefused
from tapewire.retry import RetryPolicy
from tests.session.line import line, said

QUICK = RetryPolicy(None, 0.2, 0.2, jitter=False)


def ticks(peer, *numbers):
    for n in numbers:
        peer.broadcast("markets", "tick", {"n": n})


class Seen:
    """What a consumer was called with, in order, and in which task."""

    def __init__(self):
        self.items = []
        self.tasks = set()

    def handler(self, item):
        self.items.append(said(item))

    def on_error(self, error, item):
        self.items.append((type(error).__name__, item and said(item)))
        task = asyncio.current_task()
        self.tasks.add(None if task is None else task.get_name())


async def end_by_a_refused_rejoin(session, peer):
    peer.refuse_join("markets", {"reason": "unauthorized"}, times=9)
    peer.abort()
    with pytest.raises(SubscriptionRefused):
        await session.run_forever()
    await asyncio.sleep(0.1)


async def test_an_end_is_told_by_the_handlers_own_task_and_never_inside_a_read(clock):
    seen = Seen()
    async with line(clock, resubscribe=QUICK) as (session, peer):
        await session.subscribe("markets", handler=seen.handler, on_error=seen.on_error).confirmed()
        await end_by_a_refused_rejoin(session, peer)
        assert seen.items[-1] == ("SubscriptionRefused", None)
        assert seen.tasks == {"tapewire test handler markets"}


async def test_an_end_is_told_behind_everything_that_was_delivered_before(clock):
    seen = Seen()

    async def slow(item):
        await asyncio.sleep(0.1)
        seen.handler(item)

    async with line(clock) as (session, peer):
        subscription = session.subscribe(
            "markets", handler=slow, on_error=seen.on_error, policy="fail", capacity=5
        )
        await subscription.confirmed()
        await asyncio.sleep(1)
        ticks(peer, *range(20))
        await asyncio.sleep(0.05)
        assert subscription.state == "unsubscribed"
        assert len(seen.items) < 3, "the handler is still busy"
        await asyncio.sleep(3)
        numbers = [item[1]["n"] for item in seen.items[1:-1]]
        assert numbers == list(range(len(numbers)))
        assert len(numbers) in (5, 6)
        assert seen.items[-1] == ("BufferOverflow", None)
        assert seen.tasks == {"tapewire test handler markets"}


async def test_whoever_iterates_is_raised_the_end_behind_the_call_of_on_error(clock):
    seen = Seen()
    async with line(clock) as (session, peer):
        subscription = session.subscribe("markets", on_error=seen.on_error, policy="fail", capacity=5)
        await subscription.confirmed()
        ticks(peer, *range(9))
        await asyncio.sleep(0.1)
        assert seen.items == [], "what is buffered comes first"
        got = [said(await anext(subscription)) for _ in range(5)]
        assert got[1:] == [("tick", {"n": n}) for n in range(4)]
        for _ in range(2):
            with pytest.raises(BufferOverflow):
                await anext(subscription)
            assert seen.items == [("BufferOverflow", None)]
        await asyncio.sleep(60)
        assert seen.items == [("BufferOverflow", None)], "once"


@pytest.mark.parametrize("iterated", [True, False])
async def test_a_consumer_that_is_stuck_keeps_its_end_from_nobody(clock, iterated):
    seen = Seen()

    async def stuck(item):
        await asyncio.sleep(1e6)

    async with line(clock, close_timeout=0.5) as (session, peer):
        fields = {} if iterated else {"handler": stuck}
        subscription = session.subscribe(
            "markets", on_error=seen.on_error, policy="fail", capacity=5, **fields
        )
        await subscription.confirmed()
        ticks(peer, *range(9))
        await asyncio.sleep(4.5)
        assert seen.items == []
        await asyncio.sleep(1)
        assert seen.items == [("BufferOverflow", None)]
        assert seen.tasks == {"tapewire test end markets"}


async def test_an_async_on_error_is_awaited_before_the_next_item(clock):
    seen = Seen()

    def fragile(item):
        seen.handler(item)
        if said(item) == ("tick", {"n": 1}):
            raise ValueError("no")

    async def on_error(error, item):
        await asyncio.sleep(10)
        seen.on_error(error, item)

    async with line(clock) as (session, peer):
        await session.subscribe("markets", handler=fragile, on_error=on_error).confirmed()
        ticks(peer, 1, 2)
        await asyncio.sleep(11)
        assert seen.items[1:] == [
            ("tick", {"n": 1}),
            ("ValueError", ("tick", {"n": 1})),
            ("tick", {"n": 2}),
        ]


async def test_an_on_error_that_fails_itself_is_logged_and_harms_nobody(clock, caplog):
    seen = Seen()

    def fragile(item):
        if item.event == "tick":
            raise ValueError("no")
        seen.handler(item)

    async def on_error(error, item):
        n = said(item)[1]["n"]
        if n == 1:
            raise RuntimeError("nor can I")
        if n == 2:
            raise asyncio.CancelledError
        seen.on_error(error, item)

    async with line(clock) as (session, peer):
        await session.subscribe("markets", handler=fragile, on_error=on_error).confirmed()
        ticks(peer, 1, 2, 3)
        await asyncio.sleep(0.1)
        assert seen.items[1:] == [("ValueError", ("tick", {"n": 3}))]
    texts = [record.getMessage() for record in caplog.records]
    first, second = [text for text in texts if text.startswith("markets: on_error")]
    assert first.endswith("raised; the next one goes on")
    assert "raised 2 times; the last: CancelledError" in second


async def test_on_error_may_close_the_session(clock):
    async with line(clock, resubscribe=QUICK) as (session, peer):

        async def on_error(error, item):
            await session.close()

        await session.subscribe("markets", handler=lambda item: None, on_error=on_error).confirmed()
        peer.refuse_join("markets", {"reason": "unauthorized"}, times=9)
        peer.abort()
        await asyncio.sleep(5)
        assert session.state == "closed"


async def test_where_inline_was_opted_in_on_error_is_called_in_its_place_too(clock):
    seen = Seen()

    def fragile(item):
        seen.handler(item)
        if item.event == "tick":
            raise ValueError("no")

    async with line(clock, resubscribe=QUICK) as (session, peer):
        subscription = session.subscribe(
            "markets", handler=fragile, inline=True, on_error=seen.on_error, on_mark=lambda mark: None
        )
        await subscription.confirmed()
        ticks(peer, 1)
        await asyncio.sleep(0.1)
        assert seen.items[1:] == [("tick", {"n": 1}), ("ValueError", ("tick", {"n": 1}))]
        await end_by_a_refused_rejoin(session, peer)
        assert seen.items[-1] == ("SubscriptionRefused", None)

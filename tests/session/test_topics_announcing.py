"""`announce=True`: the state of a subscription is told when it changes, and not when it is back."""

import asyncio

from tapewire.marks import Errored, Subscribed, Subscribing, Unsubscribed, is_mark
from tapewire.retry import RetryPolicy
from tests.session.line import line, make_session, said, take
from tests.session.numbered_line import RECOVERABLE, numbered_line

QUICK = RetryPolicy(None, 0.2, 0.2, jitter=False)
SLOW = RetryPolicy(None, 20.0, 20.0, jitter=False)


def kinds(marks):
    return [type(mark) for mark in marks]


class Told:
    """The marks that a handler's subscription was told, with the moment of each."""

    def __init__(self, clock):
        self.marks, self.moments = [], []
        self._clock = clock

    def __call__(self, mark):
        self.marks.append(mark)
        self.moments.append(self._clock.monotonic())


async def test_a_lost_line_is_announced_at_once_and_once(clock):
    told = Told(clock)
    async with line(clock, retry=SLOW) as (session, peer):
        subscription = session.subscribe("markets", handler=lambda item: None, on_mark=told, announce=True)
        await subscription.confirmed()
        await asyncio.sleep(0.1)
        lost_at = clock.monotonic()
        peer.abort()
        await asyncio.sleep(1)
        assert kinds(told.marks) == [Subscribing, Subscribed, Subscribing]
        assert told.moments[-1] - lost_at < 0.01
        assert told.marks[-1].reason.startswith("connection lost")
        assert subscription.state == "subscribing"
        await peer.joined("markets", 2)
        assert clock.monotonic() - lost_at > 15
        await asyncio.sleep(0.1)
        assert [type(mark).__name__ for mark in told.marks[3:]] == ["Subscribed", "Gap"]


async def test_whoever_iterates_gets_the_loss_behind_what_the_old_connection_brought(clock):
    async with line(clock, retry=SLOW) as (session, peer):
        subscription = session.subscribe("markets", announce=True)
        await subscription.confirmed()
        peer.broadcast("markets", "tick", {"n": 1})
        await asyncio.sleep(0.1)
        peer.abort()
        await asyncio.sleep(0.1)
        items = await take(subscription, 5, control=True)
        assert [said(item)[0] if not is_mark(item) else type(item) for item in items] == [
            *(Subscribing, Subscribed, "phx_reply", "tick", Subscribing)
        ]


async def test_a_line_found_dead_is_announced_when_it_is_given_up(clock):
    told = Told(clock)
    async with line(clock, ping_interval=10, ping_timeout=5, retry=SLOW) as (session, peer):
        await session.subscribe("markets", handler=lambda item: None, on_mark=told, announce=True).confirmed()
        since = clock.monotonic()
        peer.half_open()
        await asyncio.sleep(16)
        assert kinds(told.marks) == [Subscribing, Subscribed, Subscribing]
        assert 10 <= told.moments[-1] - since <= 15.5


async def test_an_interruption_by_the_venue_is_announced_at_once_with_its_reason(clock):
    told = Told(clock)
    async with numbered_line(clock, resubscribe=SLOW) as (session, peer):
        subscription = session.subscribe(
            "book", RECOVERABLE, handler=lambda item: None, on_mark=told, announce=True
        )
        await subscription.confirmed()
        peer.unsubscribe("book", 2500)
        await asyncio.sleep(0.1)
        assert kinds(told.marks) == [Subscribing, Subscribed, Subscribing]
        assert told.marks[-1].code == 2500
        assert told.marks[-1].reason == "insufficient state", "the venue's own words"


async def test_the_frame_that_ended_a_channel_stands_before_the_mark_that_tells_of_it(clock):
    async with line(clock, resubscribe=SLOW) as (session, peer):
        subscription = session.subscribe("markets", announce=True)
        await subscription.confirmed()
        peer.crash("markets")
        await asyncio.sleep(0.1)
        items = await take(subscription, 5, control=True)
        assert [said(item)[0] if not is_mark(item) else type(item) for item in items] == [
            *(Subscribing, Subscribed, "phx_reply", "phx_error", Subscribing)
        ]


async def test_a_line_that_is_not_up_yet_is_announced_where_it_is_asked_for(clock):
    from tapewire.transport.memory import MemoryNetwork

    session = make_session(clock, MemoryNetwork())
    subscription = session.subscribe("markets", announce=True)
    assert await anext(subscription) == Subscribing()
    await session.close()


async def test_a_second_consumer_is_announced_what_it_finds(clock):
    async with line(clock, retry=SLOW) as (session, peer):
        first = session.subscribe("markets", announce=True)
        await first.confirmed()
        peer.abort()
        await asyncio.sleep(0.1)
        second = session.subscribe("markets", announce=True)
        await second.confirmed()
        await asyncio.sleep(0.1)
        second.unsubscribe()
        marks = [item async for item in second if is_mark(item)]
        assert kinds(marks)[:2] == [Subscribing, Subscribed]
        assert kinds(marks)[-1] is Unsubscribed
        assert kinds(marks).count(Subscribing) == 1


async def test_a_refusal_at_the_return_is_announced_before_it_is_asked_for_again(clock):
    told = Told(clock)
    async with line(clock, resubscribe=QUICK) as (session, peer):
        await session.subscribe("markets", handler=lambda item: None, on_mark=told, announce=True).confirmed()
        await asyncio.sleep(0.1)
        peer.refuse_join("markets", {"reason": "join crashed"})
        peer.abort()
        await asyncio.sleep(5)
        states = [mark for mark in told.marks if isinstance(mark, Subscribing | Subscribed | Errored)]
        assert kinds(states) == [
            *(Subscribing, Subscribed),
            *(Subscribing, Errored, Subscribing, Subscribed),
        ]


async def test_who_asked_for_no_announcement_is_told_of_an_outage_when_it_is_over(clock):
    told = Told(clock)
    async with line(clock, retry=SLOW) as (session, peer):
        await session.subscribe("markets", handler=lambda item: None, on_mark=told).confirmed()
        peer.abort()
        await asyncio.sleep(10)
        assert told.marks == []
        await peer.joined("markets", 2)
        await asyncio.sleep(0.1)
        assert [type(mark).__name__ for mark in told.marks] == ["Gap"]


async def test_a_subscription_that_ends_with_an_error_of_its_own_is_announced_as_ended(clock):
    told = Told(clock)
    async with numbered_line(clock) as (session, peer):

        async def handler(item):
            await asyncio.sleep(1)

        subscription = session.subscribe(
            "book", RECOVERABLE, policy="fail", capacity=2, handler=handler, on_mark=told, announce=True
        )
        await subscription.confirmed()
        peer.publish_many("book", 9)
        await asyncio.sleep(60)
        assert subscription.state == "unsubscribed"
        assert kinds(told.marks) == [Subscribing, Subscribed, Unsubscribed]
        assert "fell 2 publications behind" in told.marks[-1].reason

"""Which task calls handlers: one for all that need not wait, and one of its own for each call that waits."""

import asyncio
from contextvars import ContextVar

from tests.session.line import line, said
from tests.session.slow_consumers import Stalls

place = ContextVar("place", default="nowhere")

TOPICS = [f"topic {number}" for number in range(20)]


class Stop(BaseException):
    """What nobody may catch."""


async def handled(session, handler, topics=TOPICS, **fields):
    """A subscription to each of `topics`, confirmed, by a handler made for it; none of their marks is left."""
    subscriptions = [session.subscribe(topic, handler=handler(topic), **fields) for topic in topics]
    for subscription in subscriptions:
        await subscription.confirmed()
    await asyncio.sleep(1)
    return subscriptions


def tick_all(peer, topics=TOPICS):
    for topic in topics:
        peer.broadcast(topic, "tick", {})


def own_tasks():
    return [task.get_name() for task in asyncio.all_tasks() if " handler " in task.get_name()]


async def test_handlers_that_never_wait_are_called_in_one_task_however_many_topics_there_are(clock):
    tasks = set()

    async def handler(item):
        tasks.add(asyncio.current_task())

    async with line(clock) as (session, peer):
        await handled(session, lambda topic: handler)
        before = len(asyncio.all_tasks())
        await handled(session, lambda topic: handler, [f"another {topic}" for topic in TOPICS])
        tick_all(peer)
        await asyncio.sleep(1)
        assert len(asyncio.all_tasks()) == before
        assert len(tasks) == 1


async def test_a_call_that_waits_goes_on_in_the_task_in_which_it_took_its_first_step(clock):
    seen, late = [], []

    async def handler(item):
        task = asyncio.current_task()
        try:
            async with asyncio.timeout(5):
                await asyncio.sleep(60)
        except TimeoutError:
            late.append(item)
        seen.append((task, asyncio.current_task()))

    async with line(clock) as (session, _):
        await handled(session, lambda topic: handler)
        await asyncio.sleep(10)
        assert len(late) == len(seen) == len(TOPICS)
        assert all(first is last for first, last in seen)
        assert len({task for task, _ in seen}) == len(TOPICS), "one of its own for each that waits"


async def test_a_handler_that_waits_holds_up_no_other_and_keeps_its_order(clock):
    got = []

    def handler(topic):
        async def slow(item):
            await asyncio.sleep(10)
            got.append((topic, said(item)))

        return slow if topic == TOPICS[0] else lambda item: got.append((topic, said(item)))

    async with line(clock) as (session, peer):
        await handled(session, handler)
        got.clear()
        for number in range(3):
            for topic in TOPICS:
                peer.broadcast(topic, "tick", {"n": number})
        await asyncio.sleep(1)
        assert len(got) == 3 * (len(TOPICS) - 1)
        await asyncio.sleep(60)
        numbers = [content["n"] for topic, (event, content) in got if topic == TOPICS[0] and event == "tick"]
        assert numbers == [0, 1, 2]


async def test_a_task_of_its_own_is_given_back_when_what_comes_needs_no_wait_any_more(clock):
    waits = True

    async def handler(item):
        if waits:
            await asyncio.sleep(1)

    async with line(clock) as (session, peer):
        subscriptions = await handled(session, lambda topic: handler)
        await asyncio.sleep(5)
        assert len(own_tasks()) == len(TOPICS)
        waits = False
        for _ in range(3):
            tick_all(peer)
            await asyncio.sleep(1)
        assert own_tasks() == []
        assert [each.delivered for each in subscriptions] == [4] * len(TOPICS)
        waits = True
        tick_all(peer)
        await asyncio.sleep(0.5)
        assert len(own_tasks()) == len(TOPICS)


async def test_each_handler_is_called_in_the_context_in_which_it_was_subscribed_with(clock):
    seen = {}

    def handler(topic):
        async def remember(item):
            seen.setdefault(topic, []).append(place.get())
            place.set(f"{topic}, changed")
            if topic in TOPICS[:3]:
                await asyncio.sleep(1)
                seen[topic].append(place.get())

        place.set(topic)
        return remember

    async with line(clock) as (session, peer):
        await handled(session, handler)
        await asyncio.sleep(5)
        tick_all(peer)
        await asyncio.sleep(5)
    for topic in TOPICS[:3]:
        assert seen[topic] == [topic, *[f"{topic}, changed"] * 3]
    for topic in TOPICS[3:]:
        assert seen[topic] == [topic, f"{topic}, changed"]


async def test_all_handlers_together_keep_the_event_loop_for_one_slice_and_one_call(clock):
    async with line(clock) as (session, peer):
        subscriptions = await handled(session, lambda topic: lambda item: clock.suspend(0.03))
        async with Stalls(clock) as stalls:
            for _ in range(5):
                tick_all(peer)
            await asyncio.sleep(30)
        assert stalls.longest < 0.03 * 3
        assert [each.delivered for each in subscriptions] == [6] * len(TOPICS)


async def test_a_handler_that_cancels_the_task_that_calls_it_takes_no_other_with_it(clock, caplog):
    def handler(topic):
        return lambda item: asyncio.current_task().cancel() if topic == TOPICS[3] else None

    async with line(clock) as (session, peer):
        subscriptions = await handled(session, handler)
        for _ in range(3):
            tick_all(peer)
            await asyncio.sleep(1)
        assert [each.delivered for each in subscriptions] == [4] * len(TOPICS)
    assert "a handler cancelled the task" in caplog.text


async def test_the_tasks_of_a_program_that_cancels_them_all_end_and_no_close_waits_for_their_handlers(clock):
    async with line(clock) as (session, _):
        await handled(session, lambda topic: lambda item: None)
        calling = [task for task in asyncio.all_tasks() if "handlers" in task.get_name()]
        assert len(calling) == 1
        calling[0].cancel()
        await asyncio.sleep(1)
        assert calling[0].cancelled()
        began = clock.monotonic()
    assert clock.monotonic() - began < 1


async def test_what_one_handler_raises_that_nobody_may_catch_ends_that_one_alone(clock):
    def handler(topic):
        def stop(item):
            raise Stop

        return stop if topic == TOPICS[3] else lambda item: None

    async with line(clock) as (session, peer):
        subscriptions = await handled(session, handler)
        tick_all(peer)
        await asyncio.sleep(1)
        began = clock.monotonic()
    assert clock.monotonic() - began < 1, "nobody waits for the one that ended"
    assert [each.delivered for each in subscriptions if each.topic != TOPICS[3]] == [2] * (len(TOPICS) - 1)


async def test_what_is_wanted_again_inside_its_own_call_is_called_when_that_has_returned(clock):
    running, most, calls = 0, 0, 0

    async def handler(item):
        nonlocal running, most, calls
        running, calls = running + 1, calls + 1
        most = max(most, running)
        if calls < 5:
            subscriptions.pop().unsubscribe()
            subscriptions.append(session.subscribe("markets", handler=handler))
        await asyncio.sleep(3)
        running -= 1

    async with line(clock) as (session, peer):
        subscriptions = [session.subscribe("markets", handler=handler)]
        for _ in range(30):
            await asyncio.sleep(1)
            tick_all(peer, ["markets"])
        assert calls > 5
        assert most == 1


def move(subscription, session, other):
    topic = session._driver.topics.subscriptions.get(subscription.topic)
    other.adopt(session.release(topic), topic)


async def test_what_came_just_before_a_topic_moved_is_handled_where_it_went(clock):
    got = []
    async with line(clock) as (session, _), line(clock) as (other, _):
        subscription = session.subscribe("markets", handler=got.append)
        await subscription.confirmed()
        await asyncio.sleep(1)
        subscription.buffer.put("what came")
        move(subscription, session, other)
        await session.close()
        await subscription.confirmed()
        await asyncio.sleep(1)
        assert "what came" in got


async def test_a_call_that_waits_outlives_the_session_that_its_topic_came_from(clock):
    got = []

    async def handler(item):
        await asyncio.sleep(5)
        got.append(item)

    async with line(clock) as (session, _), line(clock, close_timeout=60) as (other, _):
        subscription = session.subscribe("markets", handler=handler)
        await subscription.confirmed()
        await asyncio.sleep(10)
        subscription.buffer.put("what came")
        await asyncio.sleep(1)
        move(subscription, session, other)
        await session.close()
        await asyncio.sleep(10)
        assert "what came" in got
        subscription.buffer.put("what came then")
    assert "what came then" in got

"""One channel: what confirms, refuses and ends it, and its marks; in virtual time against a scripted venue."""

from __future__ import annotations

import asyncio
import logging
from decimal import Decimal

import pytest

from tapewire.errors import (
    SubscriptionEnded,
    SubscriptionRefused,
)
from tapewire.marks import Gap
from tapewire.retry import RetryPolicy
from tapewire.transport.memory import MemoryNetwork
from tapewire.venues.stake import (
    ArgumentError,
    StakeAPIError,
    StakeMessage,
    StakeWebSocket,
)
from tests.venues.stake.stake_line import (
    TOKEN,
    Recorder,
    closed,
    connected,
    news,
    opened,
    say,
    sent,
    subscribe,
)


async def test_it_counts_as_confirmed_when_nothing_was_said_against_it(clock):
    network = MemoryNetwork()
    ws = Recorder(clock, network)
    opening = asyncio.create_task(ws.open())
    await network.accept()
    await opening
    loop = asyncio.get_running_loop()
    before = loop.time()
    await ws.watch("bets", lambda message: None).confirmed()
    assert round(loop.time() - before, 3) == 0.25
    await ws.close()


async def test_what_delivery_does_not_know_is_named(clock):
    network = MemoryNetwork()
    ws = Recorder(clock, network)
    with pytest.raises(ArgumentError, match="delivery"):
        ws.watch("bets", nonsense=1)
    await ws.close()


@pytest.mark.parametrize("channel", ["", "*", 7, "x" * 300])
async def test_what_is_no_channel_is_named(channel):
    with pytest.raises(ArgumentError, match="channel"):
        await StakeWebSocket(TOKEN).subscribe(channel)


async def test_a_channel_can_be_iterated_with_its_marks_and_exact_numbers(clock):
    network = MemoryNetwork()
    ws = Recorder(clock, network)
    opening = asyncio.create_task(ws.__aenter__())
    link = await network.accept()
    await opening
    subscription = ws.watch("game:crash")
    assert await sent(link) == subscribe("game:crash")
    link.send('{"channel":"game:crash","payload":{"multiplier":1.10}}')
    first = await anext(subscription)
    assert isinstance(first, StakeMessage)
    assert str(first.payload["multiplier"]) == "1.10"
    assert first.data == news("game:crash", {"multiplier": Decimal("1.10")})
    link.abort()
    link = await network.accept()
    assert await sent(link) == subscribe("game:crash")
    say(link, news("game:crash", {}))
    assert isinstance(await anext(subscription), Gap)
    assert (await anext(subscription)).payload == {}
    subscription.unsubscribe()
    assert await sent(link) == {"type": "unsubscribe", "channel": "game:crash"}
    await ws.__aexit__()


async def test_a_refused_channel_is_said_and_leaves_the_others_alone(clock, caplog):
    network = MemoryNetwork()
    errors = []
    ws = Recorder(clock, network, on_error=lambda error, item: errors.append(str(error)))
    await ws.subscribe("game:nope")
    await ws.subscribe("bets")
    task, link = await connected(ws, network)
    await sent(link)
    await sent(link)
    say(link, {"type": "error", "channel": "game:nope", "message": "no such game"}, news("bets", 1))
    await asyncio.sleep(1)
    assert errors == ["game:nope: refused: no such game"]
    assert ws.subscriptions == ["bets"]
    assert not task.done()
    assert ws.seen == [news("bets", 1)]
    await closed(ws, task)


@pytest.mark.parametrize("hook", [True, False])
async def test_a_channel_that_the_venue_ends_is_said_and_can_be_asked_for_again(clock, caplog, hook):
    network = MemoryNetwork()
    errors = []
    on_error = (lambda error, item: errors.append((type(error), str(error), item))) if hook else None
    ws = Recorder(clock, network, on_error=on_error)
    await ws.subscribe("bets")
    task, link = await connected(ws, network)
    await sent(link)
    say(link, news("bets", 1), {"type": "unsubscribed", "channel": "bets"})
    await asyncio.sleep(0.1)
    assert ws.subscriptions == []
    assert ws.seen == [news("bets", 1)]
    ended = (SubscriptionEnded, "bets: ended by the venue: unsubscribed", None)
    assert errors == ([ended] if hook else [])
    assert [r.levelname for r in caplog.records if "ended by the venue" in r.getMessage()][-1] == "WARNING"
    await ws.subscribe("bets")
    assert await sent(link) == subscribe("bets")
    say(link, news("bets", 2))
    await asyncio.sleep(0.1)
    assert [data["payload"] for data in ws.seen] == [1, 2]
    await closed(ws, task)


async def test_a_channel_left_and_asked_for_again_at_once_is_not_taken_for_ended(clock):
    network = MemoryNetwork()
    errors = []
    ws = Recorder(clock, network, on_error=lambda error, item: errors.append(error))
    await ws.subscribe("bets")
    task, link = await connected(ws, network)
    await sent(link)
    await ws.unsubscribe("bets")
    await ws.subscribe("bets")
    await asyncio.sleep(0.3)  # what came sooner might be of the subscription before
    say(link, news("bets", 1))
    await asyncio.sleep(0.1)
    assert (ws.subscriptions, ws.seen, errors) == (["bets"], [news("bets", 1)], [])
    await closed(ws, task)


async def test_what_was_buffered_of_a_channel_that_was_left_is_not_given_to_on_message(clock):
    class Slow(Recorder):
        async def on_message(self, data):
            await super().on_message(data["payload"])
            await asyncio.sleep(0.3)

    network = MemoryNetwork()
    ws = Slow(clock, network)
    await ws.subscribe("bets")
    task, link = await connected(ws, network)
    say(link, *(news("bets", n) for n in range(10)))
    await asyncio.sleep(0.5)
    await ws.unsubscribe("bets")
    await ws.subscribe("bets")
    await asyncio.sleep(0.3)
    say(link, news("bets", 10))
    await asyncio.sleep(20)
    assert ws.seen == [0, 1, 10]
    await closed(ws, task)


async def test_a_refusal_after_a_reconnection_is_told_once(clock, caplog):
    network = MemoryNetwork()
    errors = []
    ws = Recorder(clock, network, on_error=lambda error, item: errors.append(error))
    await ws.subscribe("bets")
    task, link = await connected(ws, network)
    await sent(link)
    link.abort()
    link = await network.accept()
    await sent(link)
    say(link, {"type": "error", "channel": "bets", "message": "no more"})
    await asyncio.sleep(1)
    assert [isinstance(error, SubscriptionRefused) for error in errors] == [True]
    assert isinstance(errors[0], StakeAPIError)
    assert ws.subscriptions == []
    await closed(ws, task)


async def test_what_cannot_be_decoded_is_a_gap_for_on_message_too(clock, caplog):
    network = MemoryNetwork()
    marks, errors = [], []
    ws = Recorder(
        clock,
        network,
        wire="graphql",
        on_error=lambda *e: errors.append(e),
    )
    await ws.subscribe("bets", on_mark=marks.append)
    task, link = await connected(ws, network)
    await sent(link)
    say(link, {"type": "connection_ack"})
    operation = await sent(link)
    say(
        link,
        {"id": operation["id"], "type": "next", "payload": {"data": None, "errors": [{"message": "later"}]}},
    )
    await asyncio.sleep(0.1)
    (mark,) = marks
    assert (type(mark), mark.reason, errors, ws.seen) == (Gap, "undecodable", [], [])
    assert "later" in mark.detail
    await closed(ws, task)


async def test_without_a_hook_a_mark_is_logged_with_its_channel(clock, caplog):
    network = MemoryNetwork()
    ws = Recorder(clock, network, retry=RetryPolicy(None, 0.1, 0.1))
    await ws.subscribe("bets")
    task, link = await connected(ws, network)
    await sent(link)
    await asyncio.sleep(1)
    link.abort()
    link = await network.accept()
    await asyncio.sleep(1)
    (said,) = [record for record in caplog.records if "Gap(" in record.getMessage()]
    assert said.levelno == logging.WARNING
    assert said.getMessage().startswith("bets: Gap(reason='connection lost'")
    await closed(ws, task)


async def test_an_error_of_no_channel_is_logged_however_the_socket_is_used(clock, caplog):
    network = MemoryNetwork()
    ws = Recorder(clock, network)
    link = await opened(ws, network)
    say(link, {"type": "error", "message": f"token {TOKEN} is\nnot enough"}, {"type": "hello"})
    await asyncio.sleep(0.1)
    (said,) = [record.getMessage() for record in caplog.records if "the venue says" in record.getMessage()]
    assert "not enough" in said
    assert TOKEN not in said
    assert "\n" not in said
    assert ws.seen == []
    await ws.close()


class Slow(Recorder):
    """Its `on_message` waits for the payloads that say so, and says when it was called and when it was done."""

    def __init__(self, *args, **fields):
        super().__init__(*args, **fields)
        self.free = asyncio.Event()

    async def on_message(self, data):
        self.seen.append(("begun", data["payload"]))
        if data["payload"] == "slow":
            await self.free.wait()
            await asyncio.sleep(0.01)
        elif data["payload"] == "corrupt":
            raise RuntimeError(data["payload"])
        self.seen.append(("done", data["payload"]))


@pytest.mark.parametrize("at_once", [True, False], ids=["in one read", "while it waits"])
async def test_on_message_is_called_once_at_a_time_whatever_channel_the_messages_are_of(clock, at_once):
    network, errors = MemoryNetwork(), []
    ws = Slow(clock, network, on_error=lambda error, message: errors.append(str(error)))
    for channel in ("a", "b", "c"):
        await ws.subscribe(channel)
    task, link = await connected(ws, network)
    say(link, news("a", "first"), news("a", "slow"))
    if not at_once:
        await asyncio.sleep(0.1)
        assert ws.seen == [("begun", "first"), ("done", "first"), ("begun", "slow")]
    say(link, news("b", 1), news("b", "corrupt"), news("c", "slow"), news("a", 2), news("b", 3))
    await asyncio.sleep(0.1)
    assert ws.seen[-1] == ("begun", "slow")
    ws.free.set()
    await asyncio.sleep(0.1)
    calls = iter(ws.seen)
    for word, payload in calls:
        assert word == "begun"
        assert payload == "corrupt" or next(calls) == ("done", payload)
    done = [payload for word, payload in ws.seen if word == "done"]
    assert sorted(map(str, done)) == ["1", "2", "3", "first", "slow", "slow"]
    assert [payload for payload in done if payload in (1, 3)] == [1, 3]
    assert done.index(2) > done.index("slow")
    assert errors == ["corrupt"]
    await closed(ws, task)


async def test_an_on_message_that_is_no_coroutine_function_is_called_all_the_same(clock):
    class Plain(Recorder):
        def on_message(self, data):
            self.seen.append(data["payload"])

    network = MemoryNetwork()
    ws = Plain(clock, network)
    await ws.subscribe("a")
    task, link = await connected(ws, network)
    say(link, news("a", 1), news("a", 2))
    await asyncio.sleep(0.1)
    assert ws.seen == [1, 2]
    await closed(ws, task)


async def test_what_waits_for_its_turn_is_not_called_once_the_socket_was_closed(clock):
    network = MemoryNetwork()
    ws = Slow(clock, network)
    for channel in ("a", "b"):
        await ws.subscribe(channel)
    task, link = await connected(ws, network)
    say(link, news("a", "slow"))
    await asyncio.sleep(0.1)
    say(link, news("b", 1))
    await asyncio.sleep(0.1)
    closing = asyncio.create_task(ws.close())
    await asyncio.sleep(0)
    ws.free.set()
    await closing
    await task
    assert ws.seen == [("begun", "slow"), ("done", "slow")]

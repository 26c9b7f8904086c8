import asyncio
from typing import Any

import pytest

from tapewire.errors import BufferOverflow, ConfigurationError
from tapewire.marks import (
    Errored,
    Gap,
    Lagged,
    Reconnected,
    Resynced,
    Subscribed,
    Subscribing,
    Unsubscribed,
    is_mark,
)
from tapewire.session.buffers import AWAITING_ROOM, EMPTY, MAX_ALLOWED, POLICIES, Buffer, make_buffer

GAP, GAP_2 = (Gap(reason="sequence", since_ns=n, until_ns=n) for n in (1, 2))
BACK = Resynced(at_ns=3)


def lagged(dropped: int, policy: str = "drop_oldest") -> Lagged:
    return Lagged(dropped=dropped, policy=policy)


def drain(buffer: Buffer) -> list[Any]:
    items = []
    while (item := buffer.take()) is not EMPTY:
        items.append(item)
    assert not buffer
    return items


def filled(policy: str, capacity: int, *items: Any, **hooks: Any) -> Buffer:
    """A buffer into which `items` were put; EMPTY among them stands for one that is taken."""
    hooks |= {"key": lambda item: item[0]} if policy == "conflate" else {}
    buffer = make_buffer(policy, capacity, **hooks)
    for item in items:
        if item is EMPTY:
            buffer.take()
        else:
            (buffer.put_mark if is_mark(item) else buffer.put)(item)
    return buffer


@pytest.mark.parametrize(
    ("policy", "capacity", "put", "taken"),
    [
        ("drop_oldest", 3, "abc", [*"abc"]),
        ("drop_oldest", 3, "abcde", [lagged(2), *"cde"]),
        ("drop_oldest", 1, "abc", [lagged(2), "c"]),
        ("drop_oldest", 2, ["a", GAP, "b"], ["a", GAP, "b"]),
        ("drop_oldest", 1, [GAP, "a"], [GAP, "a"]),
        ("drop_oldest", 2, ["a", GAP, "b", "c"], [lagged(1), GAP, "b", "c"]),
        ("drop_oldest", 2, ["a", GAP, "b", "c", "d"], [GAP, lagged(2), "c", "d"]),
        ("drop_oldest", 2, ["a", "b", EMPTY, "c", "d"], [lagged(1), "c", "d"]),
        ("drop_newest", 3, "abcde", ["a", "b", "c", lagged(2, "drop_newest")]),
        ("drop_newest", 2, ["a", "b", "c", EMPTY, "d"], ["b", lagged(1, "drop_newest"), "d"]),
        ("drop_newest", 1, ["a", "b", GAP, "c"], ["a", lagged(1, "drop_newest"), GAP, lagged(1, "drop_newest")]),
        ("drop_newest", 1, ["a", "b", EMPTY, "c"], [lagged(1, "drop_newest"), "c"]),
        ("resync", 3, "abcd", [lagged(4, "resync")]),
        ("resync", 3, ["a", GAP, "b", "c", "d", BACK, "e"], [GAP, lagged(5, "resync"), BACK]),
        ("resync", 1, [*"abc", EMPTY, "d"], ["d"]),
        ("resync", 1, [BACK, "a"], [BACK, "a"]),
        ("resync", 1, "abcd", [lagged(4, "resync")]),
        ("block", 2, "abcd", [*"abcd"]),
        ("conflate", 3, ["a1", "b1", "a2"], ["a2", "b1"]),
        ("conflate", 3, ["a1", "b1", "a2", EMPTY, "a3"], ["b1", "a3"]),
        ("conflate", 3, ["a1", GAP, "a2", "a3"], ["a1", GAP, "a3"]),
        ("conflate", 2, ["a1", "b1", "c1"], [lagged(1, "conflate"), "b1", "c1"]),
        ("conflate", 2, ["a1", "b1", "c1", "a2"], [lagged(2, "conflate"), "c1", "a2"]),
        ("fail", 2, ["a", GAP, "b"], ["a", GAP, "b"]),
    ],
)  # fmt: skip
def test_what_is_put_is_taken_in_order_and_what_is_dropped_is_said_in_its_place(policy, capacity, put, taken):
    assert drain(filled(policy, capacity, *put)) == taken


@pytest.mark.parametrize(
    ("put", "taken"),
    [
        ([GAP, GAP_2], [Gap(reason="sequence", since_ns=1, until_ns=2)]),
        ([GAP, BACK], [GAP, BACK]),
        ([GAP, BACK, GAP_2], [BACK, Gap(reason="sequence", since_ns=1, until_ns=2)]),
        ([BACK, GAP, BACK], [GAP, BACK]),
        ([GAP, "a", GAP_2], [GAP, "a", GAP_2]),
        ([lagged(1), GAP, lagged(2)], [GAP, lagged(3)]),
        ([lagged(1, "elsewhere"), lagged(2)], [lagged(3, "elsewhere")]),
    ],
)
@pytest.mark.parametrize("policy", [policy for policy in POLICIES if policy != "conflate"])
def test_marks_that_meet_are_merged_and_the_last_word_stays_last(policy, put, taken):
    assert drain(filled(policy, 3, *put)) == taken


@pytest.mark.parametrize("policy", POLICIES)
def test_a_line_that_flaps_for_days_before_a_consumer_that_sleeps_costs_no_memory(policy):
    flap = [
        Subscribing(),
        Subscribed(),
        GAP,
        BACK,
        Unsubscribed(),
        Errored(),
        lagged(1),
        Reconnected(since_ns=1, until_ns=2),
    ]
    buffer = filled(policy, 3, "a1", *flap * 100, "b1", *flap * 100)
    assert len(buffer) == 2 * (1 + len(flap))


def test_a_key_whose_place_was_dropped_is_queued_anew():
    buffer = filled("conflate", 2, "a1", "b1", "c1")
    buffer.put("a2")
    assert drain(buffer)[-1] == "a2"


def test_keys_that_never_come_again_cost_no_memory():
    buffer = make_buffer("conflate", 10, key=lambda n: n)
    for n in range(10_000):
        buffer.put(n)
        assert buffer.take() == n
    assert len(buffer._slots) < 200


@pytest.mark.parametrize("key", [lambda item: item["missing"], lambda item: []])
def test_a_key_function_that_fails_costs_nothing_but_the_conflation(key, caplog):
    buffer = make_buffer("conflate", 3, key=key)
    buffer.put({"n": 1})
    buffer.put({"n": 2})
    assert drain(buffer) == [{"n": 1}, {"n": 2}]
    assert "key function raised" in caplog.text


def test_resync_asks_its_owner_to_rebuild_when_the_consumer_is_through_with_what_is_left():
    full = []
    buffer = filled("resync", 2, *"abc", BACK, *"def", on_full=lambda: full.append(1))
    assert (buffer.take(), full) == (lagged(6, "resync"), [])
    assert (buffer.take(), full) == (BACK, [1])
    buffer.put("g")
    assert (buffer.take(), buffer.take(), full) == ("g", EMPTY, [1])


def test_block_tells_its_owner_of_each_that_finds_no_room_and_relieves_it_when_half_is_consumed():
    told = []
    hooks = {"on_full": lambda: told.append("full"), "on_relief": lambda: told.append("relief")}
    buffer = filled("block", 4, *"abcdefg", GAP, **hooks)
    assert told == ["full"] * 3, "the bound is soft: what one read brings is kept"
    taken = []
    while told == ["full"] * 3:
        taken.append(buffer.take())
    assert (taken, told) == ([*"abcde"], ["full"] * 3 + ["relief"])
    told.clear()
    for item in "hijkl":
        buffer.put(item)
    assert set(told) == {"full"}
    assert drain(buffer) == ["f", "g", GAP, *"hijkl"]
    assert told[-1] == "relief"


def test_a_full_buffer_is_brimful_when_what_an_awaited_reply_is_worth_has_come():
    buffer = filled("block", 4, *"abcdefg", GAP)
    assert not buffer.is_brimful
    for n in range(AWAITING_ROOM):
        buffer.put(n)
    assert buffer.is_brimful


def test_a_blocked_buffer_that_ends_relieves_its_owner():
    told = []
    buffer = filled("block", 1, *"abc", on_relief=lambda: told.append("relief"))
    buffer.end()
    assert told == ["relief"]
    assert drain(buffer) == [*"abc"]
    assert told == ["relief"]


def test_fail_tells_its_owner_once_and_keeps_what_it_held():
    error, told = BufferOverflow("t", 2), []

    def end() -> None:
        told.append("full")
        buffer.end(error)

    buffer = make_buffer("fail", 2, on_full=end)
    for item in "abcde":
        buffer.put(item)
    assert (told, buffer.dropped, buffer.error) == (["full"], 1, error)
    assert drain(buffer) == ["a", "b"]


@pytest.mark.parametrize("policy", POLICIES)
def test_after_the_end_nothing_comes_in_and_all_that_was_there_comes_out(policy):
    full = []
    buffer = filled(policy, 2, "a1", GAP, "b1", on_full=lambda: full.append(1))
    buffer.end()
    buffer.end(ValueError("a second end says nothing"))
    for item in ("b2", "c1", "c2", BACK):
        (buffer.put_mark if is_mark(item) else buffer.put)(item)
    assert (buffer.error, buffer.dropped, full) == (None, 0, [])
    assert drain(buffer) == ["a1", GAP, "b1"]


@pytest.mark.parametrize("policy", POLICIES)
def test_after_the_end_nothing_makes_room_for_what_comes_late(policy):
    buffer = filled(policy, 2, "a1", GAP)
    buffer.end()
    buffer.allow(3)
    buffer.put("b1")
    assert buffer.clear() == 1
    buffer.put("c1")
    assert drain(buffer) == [GAP]
    assert buffer.dropped == 1


def test_what_comes_after_the_end_is_not_counted_among_what_was_lost():
    buffer = filled("resync", 1, "a", "b")
    buffer.end()
    buffer.put("c")
    assert buffer.dropped == 2
    assert drain(buffer) == [lagged(2, "resync")]


def test_what_was_dropped_is_still_said_though_a_mark_comes_after_the_end():
    buffer = filled("drop_newest", 1, "a", "b")
    buffer.end()
    buffer.put_mark(GAP)
    assert drain(buffer) == ["a", lagged(1, "drop_newest")]


async def test_one_wakeup_serves_all_that_one_read_brought(clock):
    buffer, batches = make_buffer("drop_oldest", 1000), []

    async def consume() -> None:
        while await buffer.wait():
            batches.append(len(drain(buffer)))

    consumer = asyncio.ensure_future(consume())
    for count in (100, 1, 7):
        await asyncio.sleep(1)
        for n in range(count):
            buffer.put(n)
        buffer.put_mark(GAP)
    await asyncio.sleep(1)
    buffer.end()
    await consumer
    assert batches == [101, 2, 8]


@pytest.mark.parametrize("policy", POLICIES)
async def test_an_end_wakes_who_waits_and_what_is_left_can_still_be_taken(clock, policy):
    buffer = filled(policy, 5)
    waiting = asyncio.ensure_future(buffer.wait())
    await asyncio.sleep(1)
    buffer.put("a1")
    buffer.end(ValueError("over"))
    assert await waiting is True
    assert buffer.take() == "a1"
    assert await buffer.wait() is False
    assert isinstance(buffer.error, ValueError)


async def test_a_cancelled_wait_loses_nothing_and_another_may_follow(clock):
    buffer = make_buffer("drop_oldest", 5)
    waiting = asyncio.ensure_future(buffer.wait())
    await asyncio.sleep(1)
    buffer.put("a")
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert await buffer.wait() is True
    assert drain(buffer) == ["a"]


async def test_a_second_task_that_waits_is_told_instead_of_hanging(clock):
    buffer = make_buffer("drop_oldest", 5)
    first = asyncio.ensure_future(buffer.wait())
    await asyncio.sleep(1)
    with pytest.raises(ConfigurationError, match="one task at a time"):
        await buffer.wait()
    buffer.put("a")
    assert await first is True


@pytest.mark.parametrize(
    ("arguments", "fields", "argument"),
    [
        (("sieve", 5), {}, "policy"),
        (("fail", 0), {}, "capacity"),
        (("fail", 2.0), {}, "capacity"),
        (("fail", True), {}, "capacity"),
        (("fail", 10_000_001), {}, "capacity"),
        (("conflate", 5), {}, "key"),
        (("fail", 5), {"key": str}, "key"),
    ],
)
def test_a_wrong_argument_is_named(arguments, fields, argument):
    with pytest.raises(ConfigurationError) as caught:
        make_buffer(*arguments, **fields)
    assert caught.value.argument == argument


@pytest.mark.parametrize("policy", POLICIES)
def test_a_buffer_knows_its_policy(policy):
    assert filled(policy, 1).policy == policy


# What comes at one blow.


@pytest.mark.parametrize("policy", ["drop_oldest", "drop_newest", "resync", "block", "fail"])
def test_what_is_allowed_beside_the_capacity_never_counts_against_it(policy):
    full = []
    buffer = make_buffer(policy, 3, on_full=lambda: full.append(1))
    for item in range(3):
        buffer.put(item)
    buffer.put_mark(GAP)
    buffer.allow(5)
    for item in range(10, 15):
        buffer.put(item)
    assert not full
    assert [buffer.take() for _ in range(4)] == [0, 1, 2, GAP]
    for item in range(20, 23):
        buffer.put(item)
    assert not full, "three live ones have room, whatever lies before them"
    assert drain(buffer) == [10, 11, 12, 13, 14, 20, 21, 22]
    assert buffer.dropped == 0


@pytest.mark.parametrize("policy", ["drop_oldest", "drop_newest"])
def test_room_that_was_allowed_goes_with_what_it_was_allowed_for(policy):
    buffer = make_buffer(policy, 2)
    for _ in range(3):
        buffer.allow(4)
        for item in range(4):
            buffer.put(item)
    assert drain(buffer) == [0, 1, 2, 3] * 3
    for item in range(5):
        buffer.put(item)
    assert buffer.dropped == 3
    assert len(drain(buffer)) == 3, "two and what was dropped"
    buffer.allow(9)  # and then little of it comes
    buffer.put(1)
    assert drain(buffer) == [1]
    for item in range(5):
        buffer.put(item)
    assert buffer.dropped == 6


def test_what_is_allowed_is_bounded():
    buffer = make_buffer("drop_oldest", 1)
    for _ in range(3):
        buffer.allow(MAX_ALLOWED)
        for item in range(MAX_ALLOWED):
            buffer.put(item)
    assert len(buffer) == MAX_ALLOWED + 1

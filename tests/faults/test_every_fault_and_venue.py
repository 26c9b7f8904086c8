"""Every fault the sandbox can be ordered to play, on every venue it plays, met by that venue's SDK over a real socket.

`TABLE` has an entry for each pair: a `Case`, played here on one stream of the venue (`lines.py`); the node id of a test
that shows it elsewhere; or `Absent`, with the reason why the pair cannot be. In the end a stream goes on, and is
audited: each publication came once and in order, or lies where a mark stands that traces to the fault.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

import msgspec
import pytest

from tapewire.errors import TapewireError
from tapewire.marks import Gap, Mark
from tapewire.sandbox import FAULTS
from tapewire.sandbox.faces import FACES
from tapewire.venues import VENUES
from tests.faults.lines import LINES, Line, line_of
from tests.faults.nodes import missing_nodes
from tests.waiting import until

Then: TypeAlias = Callable[[Line, Any], Awaitable[None]]

STX = "tests/faults/test_sandbox_faults.py::"
STX_HEARTBEAT = STX + "test_unanswered_heartbeats_end_the_connection_though_publications_flow"
WEEX = "tests/venues/weex/test_weex_faults.py::"
WEEX_FRAMES = WEEX + "test_a_book_whose_frames_are_mangled_is_right_in_the_end"
WEEX_KEY = WEEX + "test_a_signature_that_stays_wrong_is_raised_and_tried_no_further"


class Absent(msgspec.Struct, frozen=True):
    """The pair cannot be, and why."""

    reason: str


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """What follows on the fault.

    `cut`: the line is reset, and things happen, "before" the fault is ordered or "after" it. In `params`, TOPIC and
    OTHER stand for the line's, SOCKET for the number of its connection.
    """

    then: Then
    params: Mapping[str, Any] = {}
    options: Mapping[str, Any] = {}
    cut: str = ""


TOPIC, OTHER, SOCKET = "the topic", "another topic", "the connection"


# What follows.


def says(line: Line, *kinds: type[Mark]) -> None:
    """The stream has said that, and nothing else, and is honest."""
    assert [type(mark) for mark in line.marks] == list(kinds)
    found = line.audited()
    assert found.honest, found.findings
    if Gap not in kinds:
        assert line.digests == line.published
    assert line.statistics().handler_errors == 0


async def comes_back(line: Line, _: Any) -> None:
    """A new line is made, and the stream says once that the old one was lost."""
    await line.goes_on(2)
    says(line, line.lost)


async def comes_back_though_it_is_heard(line: Line, _: Any) -> None:
    """Publications come all the while, and prove nothing of the way out: a new line is made all the same."""
    await until(lambda: line.happen() or line.connections > 1, "a new line")
    await comes_back(line, _)


async def comes_back_when_it_is_let(line: Line, order: Any) -> None:
    """A topic that was had and is refused when it is asked for again is asked for until it is granted."""
    await until(lambda: order.times_left == 0, "each refusal to be met")
    await comes_back(line, order)


async def asks_for_less(line: Line, order: Any) -> None:
    """A replay that the server's queue cannot hold ends the line each time: less is asked for, until all has come."""
    await until(lambda: line.marks, "a mark")
    await line.goes_on(line.connections)
    assert 2 <= order.hits <= 6
    says(line, line.lost)


async def ends_with_the_refusal(line: Line, _: Any) -> None:
    """A refusal is final there, also of a topic that was had: the stream ends with it, and other topics live."""
    await until(lambda: line.ends is not None, "the end of the stream")
    assert "refused by the sandbox" in str(line.ends)
    await line.join()


async def comes_back_with_a_gap(line: Line, _: Any) -> None:
    """A new line is made, and what was missed cannot be had any more."""
    await line.goes_on(2)
    says(line, Gap)


def stays(*kinds: type[Mark]) -> Then:
    """The line stays, and the stream says that."""

    async def then(line: Line, _: Any) -> None:
        line.happen(3)
        await line.goes_on(1)
        says(line, *kinds)

    return then


def is_interrupted(*kinds: type[Mark]) -> Then:
    """The topic breaks off and is asked for again on the same line; without `kinds` it says what a lost line says."""

    async def then(line: Line, _: Any) -> None:
        line.happen(3)
        await until(lambda: line.marks, "a mark")
        await line.goes_on(1)
        says(line, *(kinds or [line.lost]))

    return then


async def ends(line: Line, _: Any) -> None:
    """The stream is over, and says so; the line and other topics live."""
    await until(lambda: line.ends is not None, "the end of the stream")
    assert line.marks == []
    await line.join()
    assert line.connections == 1


async def falls_silent_unseen(line: Line, order: Any) -> None:
    """What is not numbered cannot be missed: silence may be a quiet market, and costs no line."""
    line.happen(3)
    assert order.hits >= 3
    line.sandbox.lift()
    await line.goes_on(1)
    assert line.marks == []


async def counts_what_was_muted(line: Line, order: Any) -> None:
    """What is numbered is missed as soon as the next one comes."""
    line.happen(3)
    line.sandbox.lift()
    await line.goes_on(1)
    says(line, Gap)
    assert [mark.missed for mark in line.marks if isinstance(mark, Gap)] == [order.hits]


async def comes_as_it_was_carried(line: Line, order: Any) -> None:
    """Without numbers, what one connection carried is delivered as it carried it."""
    line.happen(4)
    await until(lambda: len(line.digests) >= len(line.published) + (order.name == "duplicate"))
    assert set(line.digests) == set(line.published)
    assert line.digests != line.published
    assert line.marks == []
    assert line.connections == 1


async def is_refused(line: Line, _: Any) -> None:
    """Who waits for a topic is told why it was refused; asked for again, it is had."""
    with pytest.raises(TapewireError, match="refused by the sandbox"):
        await line.join()
    await line.join()
    await stays()(line, _)


async def is_asked_for_until_answered(line: Line, order: Any) -> None:
    await line.join()
    await until(lambda: order.times_left == 0, "each to be ignored")
    await stays()(line, order)


async def spreads(line: Line, _: Any) -> None:
    """What one connection may not carry goes to another, and the first does not notice."""
    await line.goes_on(2)
    await line.join()
    assert len(line.client.statistics().sessions) == 2  # type: ignore[attr-defined]
    await line.goes_on(2)
    says(line, line.lost)


async def waits_for_a_slow_topic(line: Line, order: Any) -> None:
    """What is published meanwhile comes all the same."""
    joining = asyncio.ensure_future(line.join())
    await until(lambda: order.hits)
    line.happen(3)
    await joining
    await stays()(line, order)


async def the_call_waits(line: Line, order: Any) -> None:
    """A call is answered at last, and the stream has not noticed."""
    started = asyncio.get_running_loop().time()
    assert await line.call()
    wanted = order.params.get("retry_after") or order.params["seconds"]
    assert asyncio.get_running_loop().time() - started >= wanted
    await stays()(line, order)


async def the_call_fails(line: Line, order: Any) -> None:
    """A call that is refused raises an error that names the status; the next one is answered."""
    with pytest.raises(TapewireError, match=r"(?i)403|refused|forbidden"):
        await line.call()
    assert await line.call()
    await stays()(line, order)


async def the_end_is_soon(line: Line, _: Any) -> None:
    """A polite close is bounded, whatever the venue takes."""
    started = asyncio.get_running_loop().time()
    await line.close()
    assert asyncio.get_running_loop().time() - started < 2


async def gives_up(line: Line, order: Any) -> None:
    """Refused credentials are final: they are raised, and asked for no further."""
    with pytest.raises(TapewireError, match=r"(?i)40[13]|unauthorized|key"):
        await line.fails()
    hits = order.hits
    await asyncio.sleep(0)
    assert order.hits == hits <= 2


# The table.

Entry: TypeAlias = Case | Absent | str

BACK = Case(then=comes_back)
CUT_BACK = Case(then=comes_back, cut="after")
NO_NUMBERS = Absent("its publications are not numbered and cannot be replayed")
NO_CLOCK = Absent("nothing it is asked is signed with a time")
OF_BOOKS = Absent("only a venue whose snapshots and deltas are numbered on the wire plays this")
TOKENS_LAST = Absent("its tokens do not expire: one is good until its owner logs out")


def everywhere(entry: Entry, **others: Entry) -> dict[str, Entry]:
    return {venue: others.get(venue, entry) for venue in VENUES}


TABLE: dict[str, dict[str, Entry]] = {
    "close": everywhere(
        Case(then=comes_back, params={"code": 1001, "reason": "for a test"}),
        stx=STX + "test_a_close_with_whatever_code_leads_to_a_new_connection",
    ),
    "abort": everywhere(BACK, stx=STX + "test_a_reset_connection_is_made_anew"),
    "half_open": everywhere(BACK, stx=STX + "test_a_half_open_line_is_found_by_the_ping_deadline"),
    "dead_uplink": everywhere(Case(then=comes_back_though_it_is_heard)),
    "dead_downlink": everywhere(BACK),
    "drain": everywhere(BACK, stx=STX + "test_a_restarting_server_is_come_back_to"),
    "idle_close": everywhere(BACK, stx=STX + "test_a_close_for_silence_leads_to_a_new_connection"),
    "drip": everywhere(
        Case(then=comes_back, params={"interval": 1}),
        stx=STX + "test_a_line_that_drips_is_left_and_not_waited_for",
    ),
    "oversized": everywhere(BACK, stx=STX + "test_a_message_that_is_too_large_costs_one_reconnection"),
    "binary": everywhere(
        Case(then=stays(Gap)),
        stx=STX + "test_a_binary_message_of_no_meaning_is_a_gap_and_the_line_stays",
    ),
    "mute": everywhere(
        Case(then=falls_silent_unseen),
        stx=STX + "test_a_quiet_market_is_no_fault",
        sxbet=Case(then=counts_what_was_muted),
    ),
    "mute_heartbeats": {
        "stx": STX_HEARTBEAT,
        "sxbet": BACK,
        "stake": Absent("its page has no heartbeats; the line is judged by WebSocket pings"),
        "weex": WEEX + "test_heartbeats_that_fall_silent_harm_nothing_while_publications_flow",
    },
    "expire_tokens": {
        "stx": STX + "test_expired_tokens_break_no_line_and_are_renewed_for_the_next",
        "sxbet": CUT_BACK,
        "stake": TOKENS_LAST,
        "weex": Absent("it has no tokens: a signature is good for one request"),
    },
    "refuse_tokens": {
        "stx": STX + "test_a_token_refused_again_after_its_renewal_is_final_and_no_storm",
        "sxbet": Case(then=gives_up, cut="after", params={"times": 100}),
        "stake": Case(then=gives_up, cut="after", params={"times": 100}),
        "weex": WEEX_KEY,
    },
    "crash_channel": everywhere(
        Case(then=is_interrupted(), params={"topic": TOPIC}),
        stx=STX + "test_a_crashed_channel_is_joined_again_on_the_same_line",
        weex=Absent("it has no word for a topic that breaks off and may be asked for again"),
    ),
    "close_channel": everywhere(
        Case(then=ends, params={"topic": TOPIC}),
        stx=STX + "test_a_channel_closed_by_the_venue_ends_its_stream_only",
        weex=WEEX + "test_a_contract_that_is_delisted_ends_its_book",
    ),
    "prune_history": everywhere(NO_NUMBERS, sxbet=Case(then=comes_back_with_a_gap, cut="before")),
    "new_epoch": everywhere(NO_NUMBERS, sxbet=Case(then=is_interrupted(Gap), params={"topic": TOPIC})),
    "insufficient_state": everywhere(NO_NUMBERS, sxbet=BACK),
    "duplicate_recovered": everywhere(NO_NUMBERS, sxbet=CUT_BACK),
    "burst": everywhere(
        Case(then=stays(), params={"count": 200}),
        stx=STX + "test_a_burst_is_read_to_its_end_and_what_a_slow_consumer_missed_is_said",
    ),
    "refuse_join": everywhere(
        Case(then=is_refused, params={"topic": OTHER}),
        stx=STX + "test_a_refused_join_is_raised_with_its_reason_and_a_refused_rejoin_is_repeated",
    ),
    "refuse_rejoin": everywhere(
        Case(then=ends_with_the_refusal, cut="after", params={"topic": TOPIC}),
        stx=Case(then=comes_back_when_it_is_let, cut="after", params={"topic": TOPIC, "times": 2}),
        sxbet=Case(
            then=comes_back_when_it_is_let, cut="after", params={"topic": TOPIC, "times": 2, "code": 100}
        ),
    ),
    "late_places": {
        "stx": STX + "test_a_place_that_becomes_free_late_is_waited_for",
        "sxbet": Absent("nothing is seen of its places: one that is left is free"),
        "stake": Absent("its page names no limit of channels, and none is played"),
        "weex": Absent("nothing is seen of its places: one that is left is free"),
    },
    "small_queue": everywhere(
        Absent("it has no replay that could be larger than a queue"),
        sxbet=Case(then=asks_for_less, cut="before", params={"size": 900, "times": 1000}),
    ),
    "ignore_join": everywhere(
        Case(
            then=is_asked_for_until_answered,
            params={"topic": OTHER, "times": 2},
            options={"subscribe_timeout": 0.2},
        ),
        stx=STX + "test_a_join_without_an_answer_is_asked_for_again",
        sxbet="tests/faults/test_centrifugo_sdk_failures.py::"
        "test_a_subscription_that_is_never_answered_costs_a_new_line_which_recovers_the_others",
        stake=Absent("nothing confirms a subscription there: one that is passed over is one that is quiet"),
    ),
    "slow_join": everywhere(
        Case(then=waits_for_a_slow_topic, params={"topic": OTHER, "seconds": 0.3}),
        stx=STX + "test_a_slow_join_that_blocks_the_socket_breaks_nothing",
    ),
    "channel_limit": {
        "stx": STX + "test_too_many_channels_is_a_typed_refusal_that_may_pass",
        "sxbet": Case(then=spreads, params={"count": 1}, cut="after"),
        "stake": Absent("its page names no limit of channels, and none is played"),
        "weex": WEEX + "test_a_venue_that_takes_few_channels_a_socket_gets_more_sockets",
    },
    "http_429": everywhere(
        Case(then=the_call_waits, params={"retry_after": 0.3}),
        stx=STX + "test_a_rate_limited_call_waits_as_long_as_it_is_told",
    ),
    "socket_429": everywhere(
        Case(then=comes_back, cut="after", params={"retry_after": 0.3, "times": 2}),
        stx=STX + "test_a_rate_limited_upgrade_waits_as_long_as_it_is_told",
    ),
    "unavailable": everywhere(
        Case(then=comes_back, cut="after", params={"status": 502, "times": 3}),
        stx=STX + "test_a_server_error_in_place_of_the_upgrade_is_retried",
    ),
    "refuse_http": everywhere(Case(then=the_call_fails, params={"status": 403})),
    "hang_http": everywhere(Case(then=the_call_waits, params={"seconds": 0.3})),
    "slow_close": everywhere(
        Case(then=the_end_is_soon, params={"seconds": 60}, options={"close_timeout": 0.2})
    ),
    "ignore_pongs": {
        "stx": Absent("the venue pings nobody: the client's heartbeat is the only one"),
        "sxbet": Case(then=comes_back, params={"connection": SOCKET}),
        "stake": Absent("the venue pings nobody"),
        "weex": WEEX + "test_pings_whose_answers_the_venue_ignores_cost_a_gap_and_a_new_socket",
    },
    "skip": everywhere(OF_BOOKS, weex=WEEX + "test_a_gap_in_one_book_is_mended_there_and_nowhere_else"),
    "stale_snapshot": everywhere(
        OF_BOOKS, weex=WEEX + "test_a_snapshot_older_than_the_deltas_is_not_taken_for_the_book"
    ),
    "reject_subscriptions": everywhere(
        Absent("its refusals are of topics, not of frames: see refuse_join"),
        weex=WEEX + "test_six_ordered_refusals_close_no_socket_and_are_final",
    ),
    "skew": everywhere(
        NO_CLOCK, weex=WEEX + "test_a_venue_whose_clock_went_wrong_is_followed_by_http_and_socket"
    ),
    "duplicate": everywhere(
        Case(then=comes_as_it_was_carried),
        stx=STX + "test_what_one_connection_carried_is_delivered_as_it_carried_it",
        sxbet=Case(then=stays()),
        weex=WEEX_FRAMES,
    ),
    "reorder": everywhere(
        Case(then=comes_as_it_was_carried),
        stx=STX + "test_what_one_connection_carried_is_delivered_as_it_carried_it",
        sxbet=Case(then=stays(Gap)),
        weex=WEEX_FRAMES,
    ),
    "malformed": everywhere(
        Case(then=stays(Gap)),
        stx=STX + "test_half_a_message_is_a_gap_in_its_place_and_the_line_stays",
        weex=WEEX_FRAMES,
    ),
}

CASES = [
    (fault, venue, entry)
    for fault, entries in TABLE.items()
    for venue, entry in entries.items()
    if isinstance(entry, Case)
]


def test_no_fault_and_no_venue_is_missing() -> None:
    assert set(TABLE) == set(FAULTS)
    assert set(LINES) == set(VENUES) == set(FACES)
    assert [fault for fault, entries in TABLE.items() if set(entries) != set(VENUES)] == []
    entries = [entry for row in TABLE.values() for entry in row.values()]
    assert missing_nodes(__file__, [entry for entry in entries if isinstance(entry, str)]) == []
    assert all(entry.reason for entry in entries if isinstance(entry, Absent))


@pytest.mark.parametrize(
    ("fault", "venue", "case"), CASES, ids=[f"{fault}-{venue}" for fault, venue, _ in CASES]
)
async def test_a_stream_goes_on_or_says_where_it_broke(fault: str, venue: str, case: Case) -> None:
    async with line_of(venue, options=dict(case.options)) as line:
        if case.cut == "before":
            cut(line)
        order = line.sandbox.inject(fault, **named(line, case.params))
        if case.cut == "after":
            cut(line)
        await case.then(line, order)
        assert order.hits, "the fault was never met"


def cut(line: Line) -> None:
    """Reset the line and let things happen that it will not carry."""
    line.sandbox.inject("abort")
    line.happen(3)


def named(line: Line, params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters, with the line's own names in them."""
    sockets = [each["connection"] for each in line.sandbox.state()["connections"] if each["venue"]]
    names = {TOPIC: line.topic, OTHER: line.other, SOCKET: sockets[0]}
    return {name: names.get(value, value) for name, value in params.items()}

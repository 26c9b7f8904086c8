"""What the official JavaScript client is tested for, and where it is tested here.

`OFFICIAL_BEHAVIOURS` goes through that client's own tests; a claim is a node id, or says why there is none: `not
offered` (we have no such feature) or `not so here` (we promise something else, and that is tested). What no other file
tests is below.
"""

from __future__ import annotations

import asyncio

import pytest

from tapewire.errors import SessionClosed
from tapewire.marks import Gap
from tapewire.retry import RetryPolicy
from tapewire.testing.peer import PhoenixPeer
from tapewire.transport.base import Endpoint
from tapewire.transport.link import LinkFaults
from tapewire.transport.memory import MemoryNetwork
from tests.faults.nodes import missing_nodes
from tests.session.line import line, make_session, said, take

CALLS = "tests/session/test_requests.py::"
CLIENT = "tests/protocols/phoenix/test_client.py::"
DELIVERY = "tests/session/test_subscription.py::"
DRIVER = "tests/session/test_driver.py::"
FAILURES = "tests/faults/test_phoenix_line_failures.py::"
FRAMES = "tests/protocols/phoenix/test_frames.py::"
HANDSHAKE = "tests/protocols/phoenix/test_handshake.py::"
HEARTBEAT = "tests/protocols/phoenix/test_heartbeat.py::"
PEER = "tests/testing/test_peer.py::"
PRESENCE = "tests/protocols/phoenix/test_presence.py::"
PUSHES = "tests/protocols/phoenix/test_client_pushes.py::"
SANDBOX = "tests/faults/test_sandbox_faults.py::"
SERVER = "tests/protocols/phoenix/test_server.py::"
SUBSCRIPTIONS = "tests/session/test_subscriptions.py::"
TOPICS = "tests/session/test_topics.py::"

NO_NODE = ("not offered: ", "not so here: ")

OFFICIAL_BEHAVIOURS = {
    "socket: path, params and vsn in the URL, wss for https": HANDSHAKE
    + "test_the_url_is_the_one_of_the_official_client",
    "socket: params a literal or a function": "test_the_endpoint_is_made_anew_for_every_connection",
    "socket: connect is idempotent": "test_opening_twice_makes_one_connection",
    "socket: disconnect is idempotent, and without a connection": (
        "test_closing_needs_no_connection_and_may_be_repeated"
    ),
    "socket: callbacks for open and close": DRIVER + "test_the_states_are_told_as_they_come",
    "socket: callbacks for errors": DRIVER + "test_giving_up_is_raised_in_everything_that_waits",
    "socket: a new auth token is used when reconnecting": DRIVER
    + "test_the_token_is_asked_for_on_every_attempt",
    "socket: the old connection is torn down when reconnecting at once": (
        "test_reconnecting_at_once_ends_the_old_connection_first"
    ),
    "socket: events of an old connection are ignored": DRIVER
    + "test_what_an_older_connection_still_reports_is_discarded",
    "socket: connection state": DRIVER + "test_the_states_are_told_as_they_come",
    "socket: push sends when open": PUSHES + "test_a_push_carries_the_join_ref",
    "socket: push buffers when not open": "not so here: "
    + CALLS
    + "test_a_request_while_the_line_is_down_fails_at_once_unsent",
    "socket: flush on open empties the buffer": PUSHES
    + "test_held_pushes_are_written_in_order_when_the_join_is_confirmed",
    "socket: refs are unique strings and never end": PUSHES + "test_refs_are_unique_strings_that_never_end",
    "socket: heartbeat on interval": HEARTBEAT + "test_the_first_heartbeat_goes_out_one_interval_after_hello",
    "socket: no heartbeat when disconnected": HEARTBEAT + "test_nothing_is_due_before_hello_or_after_failure",
    "socket: heartbeat unanswered closes and reconnects": DRIVER
    + "test_an_unanswered_heartbeat_ends_the_connection_though_pongs_come",
    "socket: neither heartbeat nor its deadline after an explicit disconnect": (
        "test_after_close_no_heartbeat_goes_out_and_no_deadline_of_one_fires"
    ),
    "socket: a late heartbeat reply restarts nothing": HEARTBEAT + "test_a_late_reply_restarts_nothing",
    "socket: channel error reasons": "test_the_gap_says_why_the_line_was_lost",
    "socket: reconnects after an abnormal close": DRIVER
    + "test_whatever_close_code_we_did_not_ask_for_leads_to_a_new_connection",
    "socket: does not reconnect after an explicit disconnect": "test_after_close_nothing_is_connected_again",
    "socket: reconnect timer reset on open": "not so here: "
    + DRIVER
    + "test_a_line_that_flaps_does_not_reset_the_delays",
    "socket: usable again after a clean disconnect": "not so here: test_a_closed_session_stays_closed",
    "socket: channel error if joining or joined": "test_one_outage_is_one_gap_however_many_tries_it_takes",
    "socket: no channel error after leave or close": CLIENT
    + "test_an_error_after_leaving_or_ending_says_nothing",
    "socket: no second channel error during backoff": "test_one_outage_is_one_gap_however_many_tries_it_takes",
    "socket: ping round trip": HEARTBEAT + "test_the_round_trip_of_a_heartbeat_is_measured",
    "socket: no ping when disconnected": "test_there_is_no_round_trip_without_a_connection",
    "socket: custom codec": "not offered: versions are chosen by name",
    "channel: initially closed": "test_a_subscription_is_subscribing_until_the_venue_has_confirmed_it",
    "channel: join makes it joining": "test_a_subscription_is_subscribing_until_the_venue_has_confirmed_it",
    "channel: second join() raises": "not so here: "
    + TOPICS
    + "test_a_second_subscription_shares_the_venues_and_leaves_alone",
    "channel: join params literal or function, updated between rejoins": TOPICS
    + "test_a_rejoin_asks_with_the_current_parameters",
    "channel: per-join time-out": TOPICS + "test_an_unanswered_join_is_left_and_asked_for_again",
    "channel: joining a duplicate topic leaves the older": CLIENT
    + "test_the_close_of_a_superseded_join_is_dropped_whatever_the_order",
    "channel: join ok sends no extra frames": CLIENT + "test_a_confirmed_join_sends_nothing_more",
    "channel: join time-out leaves and rejoins with backoff until ok": TOPICS
    + "test_an_unanswered_join_is_left_and_asked_for_again",
    "channel: a slow socket and join still succeed": "test_a_line_that_opens_and_answers_slowly_fails_no_join",
    "channel: ok and error hooks once, also when registered late": (
        "test_the_answer_to_a_join_can_be_asked_for_late_and_often"
    ),
    "channel: reply binding removed": PUSHES + "test_nothing_is_kept_for_pushes_that_were_written",
    "channel: reply binding removed, of requests": CALLS + "test_a_cancelled_request_leaves_nothing_behind",
    "channel: on ok the rejoin timer is reset": SUBSCRIPTIONS
    + "test_each_topic_counts_its_own_refusals_until_it_has_lasted",
    "channel: on ok buffered pushes sent once, in order": PUSHES
    + "test_held_pushes_are_written_in_order_when_the_join_is_confirmed",
    "channel: on error not joined, reply recorded": CLIENT + "test_a_refused_join_says_why",
    "channel: on error buffered pushes kept": "not so here: "
    + PUSHES
    + "test_a_lost_join_loses_its_held_pushes_unsent",
    "channel: onError: no redundant errors": CLIENT + "test_a_second_error_is_not_said_again",
    "channel: onError: rejoins": TOPICS + "test_a_crashed_channel_is_rejoined_with_a_gap_and_the_line_stays",
    "channel: onError: no rejoin if leaving or closed": FAILURES
    + "test_leaving_wins_over_a_rejoin_that_is_due",
    "channel: phx_close: closed, removed, no rejoin, hooks": TOPICS
    + "test_a_channel_closed_by_the_venue_raises_that_to_whoever_iterates_and_is_not_rejoined",
    "channel: stale join_ref dropped": CLIENT + "test_frames_of_a_former_join_are_stale",
    "channel: null join_ref delivered": CLIENT + "test_broadcasts_without_join_ref_are_delivered",
    "channel: push when joined is sent": PUSHES + "test_a_push_carries_the_join_ref",
    "channel: push before joined is queued": PUSHES
    + "test_held_pushes_are_written_in_order_when_the_join_is_confirmed",
    "channel: push after its time-out is not sent": CALLS
    + "test_a_held_request_that_timed_out_or_was_cancelled_is_never_written",
    "channel: push time-outs, default and explicit": CALLS
    + "test_a_request_without_a_reply_ends_at_its_deadline_as_unknown",
    "channel: no push time-out after ok": CALLS + "test_a_request_returns_the_decoded_response",
    "channel: push before join() raises": CALLS + "test_a_push_on_a_topic_that_is_not_subscribed_is_an_error",
    "channel: leave frame has the current join_ref": CLIENT + "test_leaving_carries_the_current_join_ref",
    "channel: leave ok closes and removes": CLIENT + "test_nothing_of_a_left_topic_comes_out",
    "channel: leave time-out closes too": "test_a_leave_needs_no_answer",
    "channel: several handlers": TOPICS + "test_a_second_subscription_shares_the_venues_and_leaves_alone",
    "channel: handlers by event name": "not offered: a handler gets the topic's frames, each with its event",
    "channel: handlers added or removed during dispatch do not skip others": (
        "test_a_handler_that_leaves_or_adds_another_during_dispatch_skips_nobody"
    ),
    "serializer: vectors of JSON": FRAMES + "test_a_v2_text_frame_is_the_same_on_both_sides",
    "serializer: vectors of binary, UTF-8 byte lengths": FRAMES + "test_binary_frames_of_the_server",
    "serializer: oversize raises": FRAMES + "test_a_binary_field_over_255_bytes_is_refused_by_name",
    "presence: empty state": PRESENCE + "test_an_empty_state_is_synced_and_empty",
    "presence: joins and leaves": PRESENCE + "test_a_state_tells_joins_and_leaves_against_the_one_before",
    "presence: only new metas": PRESENCE + "test_only_new_metas_are_told",
    "presence: diff removes metas or the key": PRESENCE
    + "test_a_diff_removes_metas_and_the_key_with_the_last",
    "presence: update is leave and join": PRESENCE
    + "test_an_update_is_a_join_before_a_leave_and_keeps_the_key",
    "presence: pending diffs before the state": PRESENCE + "test_diffs_before_the_state_wait_for_it",
    "presence: custom event names": PRESENCE + "test_event_names_can_be_others",
    "presence: list(by)": PRESENCE + "test_the_list_can_be_made_of_anything",
    "server: leave gives a reply and a close": SERVER + "test_leaving_is_answered_and_then_closed",
    "server: push after leave is unmatched": SERVER
    + "test_a_push_on_a_topic_that_is_not_joined_is_unmatched",
    "server: duplicate join": SERVER + "test_a_duplicate_join_is_answered_first_and_then_the_old_one_closed",
    "server: 101st join": SERVER + "test_the_hundred_and_first_channel_is_refused",
    "server: 403 on a bad vsn": HANDSHAKE + "test_the_version_is_negotiated_or_the_upgrade_refused",
    "server: 403 on reject": SANDBOX + "test_a_token_refused_again_after_its_renewal_is_final_and_no_storm",
    "server: 429": SANDBOX + "test_a_rate_limited_upgrade_waits_as_long_as_it_is_told",
    "server: disconnect broadcast closes": SANDBOX
    + "test_a_close_with_whatever_code_leads_to_a_new_connection",
    "server: a quiet client is closed": SANDBOX + "test_a_close_for_silence_leads_to_a_new_connection",
    "server: crash": SERVER + "test_a_crash_and_a_stop_name_their_join",
    "server: binary echo": SERVER + "test_binary_pushes_replies_and_pushes_out",
}


def test_every_official_behaviour_is_tested_where_the_table_says() -> None:
    claims = [claim.removeprefix("not so here: ") for claim in OFFICIAL_BEHAVIOURS.values()]
    nodes = [claim for claim in claims if not claim.startswith(NO_NODE)]
    assert missing_nodes(__file__, nodes) == []


# The socket.


async def test_the_endpoint_is_made_anew_for_every_connection(clock):
    made = []

    def endpoint(token):
        made.append(token)
        return Endpoint(url=f"ws://venue.test/socket?n={len(made)}")

    async with line(clock, endpoint=endpoint) as (_, peer):
        peer.abort()
        await peer.connected(2)
        assert [connection.query["n"] for connection in peer.connections] == ["1", "2"]


async def test_opening_twice_makes_one_connection(clock):
    async with line(clock) as (session, peer):
        await asyncio.gather(session.open(), session.open())
        await session.open()
        assert len(peer.connections) == 1


async def test_closing_needs_no_connection_and_may_be_repeated(clock):
    session = make_session(clock, MemoryNetwork())
    await session.close()
    await asyncio.gather(session.close(), session.close())
    assert session.state == "closed"
    await session.run_forever()


async def test_reconnecting_at_once_ends_the_old_connection_first(clock):
    async with line(clock) as (session, peer):
        await session.subscribe("markets").confirmed()
        session.reconnect()
        session.reconnect()
        await peer.joined("markets", 2)
        await asyncio.sleep(30)
        assert [connection.is_open for connection in peer.connections] == [False, True]


async def test_after_close_no_heartbeat_goes_out_and_no_deadline_of_one_fires(clock):
    async with line(clock, heartbeat_interval=5, heartbeat_timeout=2) as (session, peer):
        peer.mute_heartbeats()
        await peer.received("phoenix", "heartbeat")
        await session.close()
        before = len(peer.frames)
        await asyncio.sleep(60)
        assert (len(peer.frames), len(peer.connections), session.state) == (before, 1, "closed")


@pytest.mark.parametrize(
    ("fault", "detail"),
    [
        (lambda peer: peer.mute_heartbeats(), "heartbeat unanswered"),
        (lambda peer: peer.drop(1001, "going away"), "going away"),
        (lambda peer: peer.abort(), "reset by the peer"),
        (lambda peer: peer.half_open(), "a ping was not answered"),
    ],
)
async def test_the_gap_says_why_the_line_was_lost(clock, fault, detail):
    async with line(clock) as (session, peer):
        subscription = session.subscribe("markets")
        await subscription.confirmed()
        fault(peer)
        await peer.joined("markets", 2)
        (gap,) = await take(subscription, 1)
        assert (gap.reason, gap.detail) == ("connection lost", detail)


async def test_after_close_nothing_is_connected_again(clock):
    async with line(clock) as (session, peer):
        await session.subscribe("markets").confirmed()
        await session.close()
        session.reconnect()
        await asyncio.sleep(600)
        assert (peer.network.attempts, peer.events("markets")) == (1, ["phx_join", "phx_leave"])


async def test_a_closed_session_stays_closed(clock):
    async with line(clock) as (session, _):
        await session.close()
        with pytest.raises(SessionClosed):
            await session.open()


async def test_one_outage_is_one_gap_however_many_tries_it_takes(clock):
    async with line(clock, retry=RetryPolicy(None, 1.0, 1.0)) as (session, peer):
        peer.ignore_join("joining", times=1)
        joined, joining = session.subscribe("joined"), session.subscribe("joining")
        await joined.confirmed()
        peer.network.unreachable(times=5)
        peer.ignore_join("joined")
        peer.abort()
        await peer.received("joined", "phx_join", 2)
        peer.abort()
        await asyncio.gather(peer.joined("joined", 2), peer.joined("joining", 2))
        peer.broadcast("joined", "tick", {})
        peer.broadcast("joining", "tick", {})
        items = await take(joined, 2)
        assert [type(items[0]), items[1]] == [Gap, ("tick", {})]
        assert await take(joining, 1) == [("tick", {})]  # nothing had been delivered that could be broken


async def test_there_is_no_round_trip_without_a_connection(clock):
    async with line(clock, heartbeat_interval=5) as (session, peer):
        assert session.statistics().heartbeat_rtt is None
        await peer.received("phoenix", "heartbeat")
        await asyncio.sleep(0.1)
        assert session.statistics().heartbeat_rtt is not None
        peer.network.unreachable(times=3)
        peer.abort()
        await asyncio.sleep(0.001)
        assert (session.statistics().heartbeat_rtt, session.statistics().since_heard) == (None, None)


# Channels.


async def test_a_subscription_is_subscribing_until_the_venue_has_confirmed_it(clock):
    async with line(clock) as (session, peer):
        joins = []
        peer.on_join = lambda _, connection, join: joins.append((connection, join))
        subscription = session.subscribe("markets")
        await peer.received("markets", "phx_join")
        assert subscription.state == "subscribing"
        peer.accept(*joins[0])
        await subscription.confirmed()
        assert subscription.state == "subscribed"
        subscription.unsubscribe()
        assert subscription.state == "unsubscribed"


async def test_a_line_that_opens_and_answers_slowly_fails_no_join(clock):
    slow = LinkFaults(delay=3.0)
    network = MemoryNetwork(to_client=slow, to_server=slow)
    fields = {"subscribe_timeout": 7.0, "ping_interval": 10.0, "ping_timeout": 9.0}
    async with PhoenixPeer(network) as peer, make_session(clock, network, **fields) as session:
        await session.subscribe("markets").confirmed()
        assert clock.monotonic() - 1000 == pytest.approx(12.0, abs=0.5)
        assert peer.events("markets") == ["phx_join"]


async def test_the_answer_to_a_join_can_be_asked_for_late_and_often(clock):
    async with line(clock) as (session, peer):
        peer.accept_join("markets", {"kind": "orders"})
        subscription = session.subscribe("markets")
        early = await asyncio.gather(subscription.confirmed(), subscription.confirmed())
        await asyncio.sleep(60)
        answers = [*early, await subscription.confirmed()]
        assert [bytes(answer) for answer in answers] == [b'{"kind":"orders"}'] * 3


async def test_a_leave_needs_no_answer(clock):
    async with line(clock) as (session, peer):
        subscription = session.subscribe("markets")
        await subscription.confirmed()
        peer.half_open()
        subscription.unsubscribe()
        assert (subscription.state, session.statistics().subscriptions) == ("unsubscribed", 0)


async def test_a_handler_that_leaves_or_adds_another_during_dispatch_skips_nobody(clock):
    got = []

    async with line(clock) as (session, peer):

        def leaves(item):
            if item.event == "tick":
                got.append("first")
                first.unsubscribe()
                session.subscribe("markets", handler=lambda later: added.append(said(later)), inline=True)

        added = []
        first = session.subscribe("markets", handler=leaves, inline=True)
        for name in ("second", "third"):
            session.subscribe(
                "markets",
                handler=lambda item, name=name: item.event == "tick" and got.append(name),
                inline=True,
            )
        await first.confirmed()
        peer.broadcast("markets", "tick", {"n": 1})
        await asyncio.sleep(0.1)
        assert got == ["first", "second", "third"]
        peer.broadcast("markets", "tick", {"n": 2})
        await asyncio.sleep(0.1)
        assert got == ["first", "second", "third", "second", "third"]
        assert added == [("tick", {"n": 2})]

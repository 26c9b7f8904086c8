"""The matrix of faults that a serious client must live with, row by row: where each is tested, or what it waits for.

A row is a list of node ids, or `not yet: ` and the room that it waits for. Those that wait are counted, so that a room
that comes to be finds its rows here.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec

from tests.documents.running import Program
from tests.faults.nodes import missing_nodes
from tests.faults.test_every_fault_and_venue import CASES
from tests.real.official import RealServer

BOOK = "tests/book/test_book.py::"
BOOKS = "tests/faults/test_book_faults.py::"
CALLS = "tests/session/test_requests.py::"
CENTRIFUGO = "tests/faults/test_centrifugo_line_failures.py::"
CONTINUITY = "tests/session/test_continuity.py::"
CRASH = "tests/recording/test_sqlite_crash.py::"
CREDENTIALS = "tests/session/test_credentials.py::"
DELIVERY = "tests/session/test_subscription.py::"
DRIVER = "tests/session/test_driver.py::"
DUTIES = "tests/testing/test_check_transport.py::"
FAST = "tests/transport/test_fast.py::"
FETCHING = "tests/session/test_continuity_fetching.py::"
HELD = "tests/session/test_topics_seeding.py::"
HTTP = "tests/transport/test_http.py::"
INPUT = "tests/faults/test_input_faults.py::"
LINE = "tests/faults/test_phoenix_line_failures.py::"
OUTCOMES = "tests/transport/test_outcomes.py::"
OVERLAP = "tests/venues/sxbet/test_sxbet_history_overlap.py::"
POOL = "tests/session/test_pool.py::"
REPLIES = "tests/protocols/phoenix/test_replies.py::"
SANDBOX = "tests/faults/test_sandbox_faults.py::"
SDK = "tests/faults/test_phoenix_sdk_failures.py::"
SEEDING = "tests/venues/sxbet/test_sxbet_seeding.py::"
SEQUENCE = "tests/book/test_sequence.py::"
STORE = "tests/recording/test_sqlite.py::"
STX = "tests/venues/stx/test_stx_client.py::"
TOKENS = "tests/session/test_credentials_tokens.py::"
TOPICS = "tests/session/test_topics.py::"
WATCHED = "tests/venues/sxbet/test_sxbet_watching.py::"
WATCHING = "tests/streams/test_watching.py::"
WEEX = "tests/venues/weex/test_weex_faults.py::"
WEEX_BOOKS = "tests/venues/weex/test_weex_books.py::"
WEEX_ORDERS = "tests/venues/weex/test_weex_orders.py::"
WIRE = "tests/faults/test_wire_faults.py::"

NOT_YET = "not yet: "


def pair(fault: str, venue: str) -> str:
    """The node of a fault that is met at a venue by the table of all of them."""
    return f"tests/faults/test_every_fault_and_venue.py::test_a_stream_goes_on_or_says_where_it_broke[{fault}-{venue}]"


MATRIX: dict[int, list[str] | str] = {
    1: [
        SANDBOX + "test_a_restarting_server_is_come_back_to",
        DRIVER + "test_the_first_retry_is_jittered_too",
    ],
    2: [SANDBOX + "test_a_close_with_whatever_code_leads_to_a_new_connection"],
    3: [
        WIRE + "test_a_connection_cut_within_a_frame_loses_the_partial_message_only",
        SANDBOX + "test_a_reset_connection_is_made_anew",
    ],
    4: [
        WIRE + "test_a_connection_cut_within_a_frame_loses_the_partial_message_only",
        OUTCOMES + "test_without_a_close_frame_it_is_1006",
    ],
    5: [
        DRIVER + "test_a_half_open_line_is_found_within_ping_interval_and_timeout",
        SANDBOX + "test_a_half_open_line_is_found_by_the_ping_deadline",
    ],
    6: [LINE + "test_a_connect_that_hangs_is_given_up_at_its_deadline_and_tried_again"],
    7: [
        OUTCOMES + "test_causes_are_clear_and_hold_nothing_secret",
        DUTIES + "test_socket_transports_keep_every_duty",
        DRIVER + "test_the_delays_grow_while_the_venue_is_away_and_start_again_after_a_stable_line",
    ],
    8: [
        WIRE + "test_a_certificate_that_proves_nothing_is_final_and_says_why",
        DUTIES + "test_a_certificate_of_nobody_we_trust_is_refused",
        WIRE + "test_a_tls_handshake_that_stalls_is_given_up_at_the_deadline",
        WIRE + "test_plain_text_where_tls_is_due_is_a_failure_with_its_cause",
    ],
    9: [
        SANDBOX + "test_a_refused_token_is_renewed_once",
        SANDBOX + "test_a_token_refused_again_after_its_renewal_is_final_and_no_storm",
    ],
    10: [
        SANDBOX + "test_a_rate_limited_upgrade_waits_as_long_as_it_is_told",
        DRIVER + "test_retry_after_of_a_429_is_waited_for",
        POOL + "test_all_sessions_share_the_token_and_the_budget_of_connections",
    ],
    11: [
        SANDBOX + "test_a_server_error_in_place_of_the_upgrade_is_retried",
        FAST + "test_what_is_not_an_upgrade_is_told_apart",
        WIRE + "test_an_answer_without_end_is_given_up_at_the_deadline",
        HTTP + "test_a_redirect_is_not_followed",
    ],
    12: [
        DRIVER + "test_refused_credentials_stop_the_session_with_their_own_error",
        STX + "test_a_wrong_password_is_final_and_shown_nowhere",
        SANDBOX + "test_a_wrong_password_stops_the_socket_with_the_documented_exception",
        pair("refuse_tokens", "sxbet"),
        WEEX + "test_a_signature_that_stays_wrong_is_raised_and_tried_no_further",
    ],
    13: [
        DRIVER + "test_a_token_endpoint_that_fails_is_asked_again",
        CREDENTIALS + "test_whatever_a_provider_raises_becomes_an_error_that_may_be_retried",
        CREDENTIALS + "test_a_provider_that_does_not_answer_is_left_after_the_deadline",
        CREDENTIALS + "test_what_is_no_token_is_refused_for_good",
        SANDBOX + "test_a_token_endpoint_that_is_away_or_busy_is_asked_again",
    ],
    14: [
        SANDBOX + "test_expired_tokens_break_no_line_and_are_renewed_for_the_next",
        STX + "test_a_token_is_renewed_before_it_ends",
        CREDENTIALS + "test_all_who_ask_at_once_wait_for_one_request",
        TOKENS + "test_a_token_is_renewed_before_it_ends_and_the_line_stays",
        TOKENS + "test_an_expired_connection_comes_back_with_a_fresh_token",
        TOKENS + "test_an_expired_token_at_connecting_is_replaced_at_once",
    ],
    15: [
        TOKENS + "test_a_renewal_that_the_line_does_not_outlive_begins_no_second_chain",
        TOKENS + "test_a_token_that_comes_for_a_line_that_is_gone_is_dropped",
    ],
    16: [
        DRIVER + "test_a_peer_that_forbids_to_come_back_is_not_asked_again",
        FETCHING + "test_what_the_venue_forbids_is_raised_in_everything_that_waits",
        FETCHING + "test_a_terminal_refusal_of_connecting_is_final",
    ],
    17: [
        CONTINUITY + "test_an_invalidated_connection_starts_everything_anew",
        CONTINUITY + "test_a_new_epoch_is_a_gap_however_the_offsets_look",
        pair("new_epoch", "sxbet"),
        WATCHED + "test_a_book_is_right_again_after_a_fault_and_never_wrong_meanwhile",
    ],
    18: [
        CONTINUITY + "test_a_hole_too_wide_for_a_recovery_is_bridged_from_history",
        CONTINUITY + "test_a_pruned_history_is_a_gap_and_the_state_is_rebuilt",
        pair("prune_history", "sxbet"),
    ],
    19: [
        CONTINUITY + "test_what_comes_twice_is_delivered_once",
        pair("duplicate_recovered", "sxbet"),
        "tests/venues/sxbet/test_sxbet_book.py::test_a_message_that_comes_by_both_channels_counts_once",
    ],
    20: [
        SANDBOX + "test_what_one_connection_carried_is_delivered_as_it_carried_it",
        SEQUENCE + "test_numbers_that_run_backwards_end_the_sequence_and_are_not_held",
        pair("reorder", "sxbet"),
        WEEX + "test_a_book_whose_frames_are_mangled_is_right_in_the_end",
    ],
    21: [
        CONTINUITY + "test_a_jump_of_the_numbers_is_a_gap_that_counts_what_is_missing",
        pair("mute", "sxbet"),
        WEEX + "test_a_gap_in_one_book_is_mended_there_and_nowhere_else",
    ],
    22: [
        SEQUENCE + "test_deltas_wait_for_the_snapshot_and_then_follow_it",
        SEQUENCE + "test_a_snapshot_newer_than_everything_held_needs_none_of_it",
        OVERLAP + "test_what_a_lagging_snapshot_does_not_know_yet_comes_from_history",
        WEEX + "test_a_snapshot_older_than_the_deltas_is_not_taken_for_the_book",
        WEEX_BOOKS + "test_a_book_that_cannot_be_right_backs_off_and_burns_no_budget",
    ],
    23: [
        HELD + "test_a_failed_snapshot_leaves_a_gap_and_never_resynced_until_one_succeeds",
        SEEDING + "test_only_so_many_requests_run_at_once",
        WATCHED + "test_a_seed_that_fails_is_never_called_ready_and_is_tried_again",
        BOOKS + "test_books_whose_snapshots_must_wait_are_not_tradable_before_they_have_them",
    ],
    24: [
        BOOK + "test_an_insane_frame_quarantines_the_book_and_touches_no_level",
        BOOK + "test_a_crossed_or_locked_book_is_quarantined",
        BOOKS + "test_a_frame_that_no_book_can_have_is_never_shown_and_the_book_is_rebuilt",
    ],
    25: [
        SANDBOX + "test_unanswered_heartbeats_end_the_connection_though_publications_flow",
        DRIVER + "test_an_unanswered_heartbeat_ends_the_connection_though_pongs_come",
    ],
    26: [  # silence is told, and it is the program's to ask: nobody else knows which market is quiet
        SANDBOX + "test_a_quiet_market_is_no_fault",
        DRIVER + "test_a_quiet_market_does_not_flap",
        WATCHING + "test_silence_and_its_end_are_told_when_they_happen_and_once",
        WEEX + "test_a_book_that_was_muted_is_rebuilt_by_its_numbers",
    ],
    27: [
        SANDBOX + "test_a_join_without_an_answer_is_asked_for_again",
        TOPICS + "test_an_unanswered_join_is_left_and_asked_for_again",
    ],
    28: [
        SANDBOX + "test_a_refused_join_is_raised_with_its_reason_and_a_refused_rejoin_is_repeated",
        SANDBOX + "test_too_many_channels_is_a_typed_refusal_that_may_pass",
        TOPICS + "test_one_refused_topic_never_holds_up_another",
        POOL + "test_a_topic_refused_by_a_full_connection_moves_with_whoever_waits_for_it",
        pair("channel_limit", "sxbet"),
        WEEX + "test_a_venue_that_takes_few_channels_a_socket_gets_more_sockets",
    ],
    29: [
        SANDBOX + "test_a_line_that_drips_is_left_and_not_waited_for",
        HTTP + "test_an_answer_that_drips_is_cut_off",
    ],
    30: [
        SANDBOX + "test_a_burst_is_read_to_its_end_and_what_a_slow_consumer_missed_is_said",
        DELIVERY + "test_policy_conflate_delivers_the_latest_of_each_key",
    ],
    31: [
        DELIVERY + "test_a_handler_that_awaits_a_minute_delays_nobody_and_costs_no_heartbeat",
        DELIVERY + "test_a_handler_that_blocks_the_loop_is_reported_by_name",
        LINE + "test_heartbeats_and_replies_bypass_a_full_queue",
    ],
    32: [
        DELIVERY + "test_a_handler_that_raises_is_logged_with_its_traceback_counted_and_the_next_goes_on",
        DELIVERY + "test_in_strict_mode_an_exception_of_a_handler_ends_its_subscription_and_is_raised",
    ],
    33: [
        DELIVERY + "test_everything_may_be_called_from_inside_a_handler",
        INPUT + "test_a_handler_whose_await_was_cancelled_is_an_error_and_the_next_message_goes_on",
    ],
    34: [
        DELIVERY + "test_a_consumer_cancelled_at_its_await_leaves_the_subscription_whole",
        INPUT + "test_a_request_cancelled_at_any_step_leaves_nothing_pending",
        SDK + "test_a_cancelled_join_leaves_nothing_behind",
        DRIVER + "test_no_task_is_left_after_close",
    ],
    35: [INPUT + "test_an_iteration_that_was_given_up_stays_bounded_and_can_be_taken_up_again"],
    36: [
        DRIVER + "test_close_returns_soon_whatever_the_session_is_doing",
        DRIVER + "test_close_is_bounded_when_the_peer_is_gone_and_idempotent",
        INPUT + "test_closing_while_a_snapshot_is_under_way_is_soon_over",
        INPUT + "test_what_is_asked_after_close_is_an_error_and_no_silence",
    ],
    37: [
        "test_interrupted_programs_leave_their_channels_and_end",
        "tests/cli/test_cli.py::test_the_sandbox_prints_exports_takes_faults_and_ends_cleanly_on_ctrl_c",
    ],
    38: [
        SANDBOX + "test_half_a_message_is_a_gap_in_its_place_and_the_line_stays",
        REPLIES + "test_what_is_no_frame_is_undecodable_and_the_rest_goes_on",
        INPUT + "test_a_value_of_an_odd_type_is_delivered_as_it_is",
        DELIVERY + "test_a_payload_that_is_not_of_the_type_is_a_gap_in_its_place",
    ],
    39: [
        INPUT + "test_text_that_is_not_utf8_costs_one_reconnection",
        INPUT + "test_a_peer_that_sends_nothing_else_is_asked_less_and_less_often",
        SANDBOX + "test_a_binary_message_of_no_meaning_is_a_gap_and_the_line_stays",
    ],
    40: [
        SANDBOX + "test_a_message_that_is_too_large_costs_one_reconnection",
        CENTRIFUGO
        + "test_a_message_of_the_venue_that_is_too_big_for_us_is_a_lost_line_and_no_word_about_ours",
        FAST + "test_endless_fragments_are_1009",
        HTTP + "test_a_body_is_bounded_before_and_after_decompression",
        WIRE + "test_a_flood_of_pings_to_which_nobody_reads_the_answers_is_bounded",
    ],
    41: [INPUT + "test_a_bomb_in_a_payload_is_a_gap_in_its_place_and_takes_no_time"],
    42: [
        INPUT + "test_a_peers_words_cannot_forge_or_colour_a_log_line",
        REPLIES + "test_an_excerpt_shows_no_secret",
        HTTP + "test_a_path_that_leaves_the_origin_is_refused",
        "tests/venues/stx/test_stx_words.py::test_no_value_becomes_a_part_of_the_document",
    ],
    43: [DRIVER + "test_a_wall_clock_that_jumps_moves_no_timer"],
    44: [
        DRIVER + "test_after_a_suspend_the_socket_is_drained_before_a_timer_is_judged",
        INPUT + "test_a_line_that_died_in_a_suspend_is_replaced_soon_after_it",
    ],
    45: [INPUT + "test_a_loop_blocked_for_half_a_minute_loses_no_line_and_is_reported_once"],
    46: [
        SDK + "test_a_lost_request_says_whether_its_outcome_is_unknown",
        STX + "test_a_lost_order_is_never_resent_and_says_how_to_look_it_up",
        HTTP + "test_a_call_that_is_not_idempotent_is_never_sent_twice_after_it_left",
        WEEX_ORDERS + "test_an_order_whose_answer_was_lost_is_unknown_until_it_is_looked_up",
        WEEX_ORDERS + "test_an_order_that_never_reached_the_venue_is_not_found_when_it_is_looked_up",
    ],
    47: NOT_YET + "trading, which keeps orders and fills",
    48: [  # of the store; a recorder of frames is not there yet
        CRASH + "test_a_full_disk_is_raised_and_the_file_is_whole",
        STORE + "test_an_error_of_the_disk_is_raised_to_the_writer_and_the_rows_are_kept",
        STORE + "test_what_offer_drops_is_counted_and_stands_among_the_marks",
    ],
    49: [
        CRASH + "test_a_killed_process_loses_no_row_that_was_put_before_the_deadline_passed",
        CRASH + "test_a_process_killed_while_it_writes_leaves_a_beginning_without_holes",
    ],
    50: NOT_YET + "fanout",
    51: NOT_YET + "fanout",
    52: [
        WIRE + "test_no_file_descriptor_left_is_a_failure_that_is_retried",
        POOL + "test_five_thousand_topics_survive_a_reconnection_of_every_connection",
        POOL + "test_more_topics_than_the_pool_may_hold_are_an_error_that_names_the_argument",
    ],
}


def test_every_row_has_its_tests_or_says_what_it_waits_for() -> None:
    assert sorted(MATRIX) == list(range(1, 53))
    nodes = [node for row in MATRIX.values() if isinstance(row, list) for node in row]
    assert all(MATRIX.values())
    assert missing_nodes(__file__, nodes) == []
    played = {pair(fault, venue) for fault, venue, _ in CASES}
    assert [node for node in nodes if "[" in node and node not in played] == []
    waiting = {number: row for number, row in MATRIX.items() if isinstance(row, str)}
    assert all(row.startswith(NOT_YET) for row in waiting.values())
    assert sorted(waiting) == [47, 50, 51], "a room has come or gone: see what its rows wait for"


PROGRAM = """
import asyncio, sys
from tapewire.venues.stx import Channels, STXWebSocket, User

async def main():
    user = User.new()
    user.set_params({"token": "a-token", "uid": "ann"})
    async with STXWebSocket(host=sys.argv[1], user=user) as ws:
        await ws.join(Channels.MARKETS)
        print("joined")
        await ws.run_forever()

asyncio.run(main())
"""


async def test_interrupted_programs_leave_their_channels_and_end(tmp_path: Path) -> None:
    script = tmp_path / "program.py"
    script.write_text(PROGRAM, "utf-8")
    async with RealServer() as server:
        host = server.url.removesuffix("/socket").replace("ws", "http")
        with Program([script, host], {}, tmp_path) as program:
            await asyncio.to_thread(program.wait_for, "joined")
            await asyncio.to_thread(program.interrupt)
        events = [msgspec.json.decode(payload)[3] for payload in server.received]
        assert events == ["phx_join", "phx_leave"]
        assert "never" not in program.errors
        assert "Task was destroyed" not in program.errors

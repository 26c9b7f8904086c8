"""The ways in which Centrifugo clients fail, row by row, and where it is tested what this one does instead.

`ROWS` says for each row of the table which tests hold the wanted behaviour. What no other room tests is in
`test_centrifugo_line_failures.py` (one line, in virtual time).
"""

from __future__ import annotations

from tests.faults.nodes import missing_nodes

BOOK = "tests/venues/sxbet/test_sxbet_book.py::"
CLIENT = "tests/protocols/centrifugo/"
CONTINUITY = "tests/session/test_continuity.py::"
DELIVERY = "tests/session/test_subscription.py::"
DRIVER = "tests/session/test_driver.py::"
FETCHING = "tests/session/test_continuity_fetching.py::"
LINE = "tests/faults/test_centrifugo_line_failures.py::"
OVERLAP = "tests/venues/sxbet/test_sxbet_history_overlap.py::"
SEEDING = "tests/venues/sxbet/test_sxbet_seeding.py::"
TOKENS = "tests/session/test_credentials_tokens.py::"
TOPICS = "tests/session/test_topics.py::"
HELD = "tests/session/test_topics_seeding.py::"

ROWS = {
    1: [  # REST awaited where a subscription is confirmed
        LINE + "test_slow_snapshots_cost_no_subscription_and_no_connection",
        HELD + "test_a_slow_snapshot_costs_no_heartbeat_and_no_other_topic",
    ],
    2: [LINE + "test_a_slow_handler_delays_no_pong"],
    3: [LINE + "test_a_handler_of_marks_that_awaits_a_minute_holds_up_no_subscription"],
    4: [
        LINE + "test_any_frame_keeps_the_line_alive_and_silence_ends_it",
        LINE + "test_a_half_open_line_is_found_though_the_venue_pings_rarely",
        CLIENT + "test_client.py::test_any_message_counts_as_life",
    ],
    5: [LINE + "test_a_slow_channel_delays_no_other"],
    6: [
        LINE + "test_a_consumer_that_falls_behind_is_told_how_much_it_lost",
        DELIVERY + "test_memory_stays_bounded_through_a_million_messages_and_a_slow_handler",
        DELIVERY + "test_policy_conflate_delivers_the_latest_of_each_key",
        DELIVERY + "test_policy_block_stops_the_reading_and_goes_on_when_half_is_consumed",
        HELD + "test_policy_resync_rebuilds_from_the_snapshot_after_an_overflow",
    ],
    7: [LINE + "test_a_thousand_recovered_publications_for_a_slow_handler_come_once_and_harm_nobody"],
    8: [
        DELIVERY + "test_a_handler_that_raises_is_logged_with_its_traceback_counted_and_the_next_goes_on",
        DELIVERY + "test_in_strict_mode_an_exception_of_a_handler_ends_its_subscription_and_is_raised",
    ],
    9: [LINE + "test_every_call_is_legal_inside_a_handler"],
    10: [
        LINE + "test_what_is_absent_is_zero_and_nobody_stumbles_over_it",
        LINE + "test_an_error_without_words_is_a_refusal_with_its_code",
    ],
    11: [LINE + "test_a_line_that_cannot_be_read_costs_a_mark_and_never_the_connection"],
    12: [
        CONTINUITY + "test_a_stream_that_was_never_published_to_takes_its_first_epoch",
        CLIENT + "test_channel.py::test_an_empty_epoch_is_replaced_together_with_the_first_offset",
        CLIENT + "test_control.py::test_recovery_that_the_epoch_does_not_prove_is_not_believed",
    ],
    13: [LINE + "test_subscriptions_go_out_in_messages_that_every_venue_takes"],
    14: [
        LINE + "test_a_venue_with_a_smaller_limit_is_asked_for_less_until_it_takes_it",
        LINE + "test_one_command_too_big_for_the_venue_is_no_endless_loop",
    ],
    15: [
        LINE + "test_at_most_a_window_of_subscriptions_is_under_way",
        LINE + "test_five_thousand_channels_come_back_together",
        CLIENT + "test_outbox.py::test_a_deadline_runs_from_when_the_command_was_sent",
    ],
    16: [
        LINE + "test_few_channels_recover_at_once_and_fewer_after_the_venue_found_us_slow",
        FETCHING + "test_few_topics_page_their_history_at_once",
    ],
    17: [
        LINE + "test_a_channel_that_a_full_connection_refuses_moves_with_its_position",
        LINE + "test_a_channel_that_moves_after_a_reconnection_is_recovered_elsewhere",
        LINE + "test_where_there_is_no_other_connection_a_full_one_is_a_refusal_that_says_so",
    ],
    18: [
        CONTINUITY + "test_a_hole_too_wide_for_a_recovery_is_bridged_from_history",
        CONTINUITY + "test_a_pruned_history_is_a_gap_and_the_state_is_rebuilt",
        CONTINUITY + "test_what_comes_during_a_bridge_follows_it",
    ],
    19: [
        CONTINUITY + "test_what_comes_twice_is_delivered_once",
        CONTINUITY + "test_a_jump_of_the_numbers_is_a_gap_that_counts_what_is_missing",
        CLIENT + "test_dedup.py::test_it_never_holds_more_than_its_capacity",
    ],
    20: [
        FETCHING + "test_what_the_venue_forbids_is_raised_in_everything_that_waits",
        FETCHING + "test_a_supervised_session_comes_back_slowly_with_a_fresh_token_and_an_alarm",
        FETCHING + "test_a_supervised_session_waits_out_refused_credentials",
    ],
    21: [
        TOKENS + "test_a_token_endpoint_that_hangs_is_left_at_its_deadline_and_asked_again",
        TOKENS + "test_a_refresh_that_hangs_is_left_and_asked_again_before_the_token_ends",
        TOKENS + "test_the_shards_of_a_pool_share_one_flight",
        TOKENS + "test_many_lines_ask_for_their_tokens_at_different_times",
    ],
    22: [
        DRIVER + "test_the_token_is_asked_for_on_every_attempt",
        TOKENS + "test_an_expired_token_at_connecting_is_replaced_at_once",
        TOKENS + "test_an_expired_connection_comes_back_with_a_fresh_token",
        TOKENS + "test_a_token_is_renewed_before_it_ends_and_the_line_stays",
    ],
    23: [  # seeds: stale, lagging, failed, and too many
        HELD + "test_a_snapshot_of_an_older_connection_is_discarded",
        HELD + "test_a_failed_snapshot_leaves_a_gap_and_never_resynced_until_one_succeeds",
        HELD + "test_reconcile_picks_the_held_publications_that_the_snapshot_does_not_hold",
        BOOK + "test_a_snapshot_that_lags_brings_no_filled_order_back",
        OVERLAP + "test_what_a_lagging_snapshot_does_not_know_yet_comes_from_history",
        OVERLAP + "test_a_whole_book_that_lags_is_replaced_by_a_later_one_of_the_history",
        SEEDING + "test_a_thousand_books_are_one_request",
        SEEDING + "test_only_so_many_requests_run_at_once",
    ],
    24: [CONTINUITY + "test_a_channel_without_history_is_rebuilt_on_every_subscription"],
    25: [
        BOOK + "test_updates_follow_the_status_table",
        BOOK + "test_a_held_order_comes_back_when_its_fill_is_rejected",
        BOOK + "test_a_held_order_is_gone_when_its_fill_is_confirmed",
    ],
    26: [
        BOOK + "test_a_message_that_comes_by_both_channels_counts_once",
        CLIENT + "test_dedup.py::test_an_id_is_new_once",
    ],
    27: [
        LINE + "test_the_venue_never_has_a_reason_to_forbid_us_to_come_back",
        CLIENT + "test_commands.py::test_a_position_never_goes_without_recover",
        CLIENT + "test_client.py::test_no_pong_that_was_not_asked_for",
        CLIENT + "test_client.py::test_connect_goes_first_and_alone",
        CLIENT + "test_client.py::test_after_a_refused_connect_nothing_is_ever_sent",
    ],
    28: [
        LINE + "test_the_first_thing_after_a_suspend_is_to_read_what_has_come",
        DRIVER + "test_after_a_suspend_the_socket_is_drained_before_a_timer_is_judged",
    ],
    29: [  # JSON only, decoded once: nothing is copied out of an envelope
        CLIENT + "test_channel.py::test_a_publication_is_the_decoded_envelope",
    ],
    30: [
        CONTINUITY + "test_a_position_saved_by_one_process_resumes_the_next",
        CONTINUITY + "test_a_position_of_a_lost_stream_resumes_with_a_gap",
        CONTINUITY + "test_a_position_names_the_stream_of_what_was_taken_and_not_of_what_came_since",
        CONTINUITY + "test_the_publication_a_handler_was_cancelled_over_was_not_taken",
    ],
}


def test_every_row_has_its_tests() -> None:
    assert sorted(ROWS) == list(range(1, 31))
    assert all(ROWS.values())
    assert missing_nodes(__file__, [node for nodes in ROWS.values() for node in nodes]) == []

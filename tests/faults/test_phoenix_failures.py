"""The ways in which Phoenix clients fail, row by row, and where it is tested what this one does instead.

`ROWS` says for each row of the table which tests hold the wanted behaviour. What no other room tests is in
`test_phoenix_line_failures.py` (one line, in virtual time) and `test_phoenix_sdk_failures.py` (a whole client).
"""

from __future__ import annotations

from tests.faults.nodes import missing_nodes

CALLS = "tests/session/test_requests.py::"
CLIENT = "tests/protocols/phoenix/test_client.py::"
DELIVERY = "tests/session/test_subscription.py::"
DRIVER = "tests/session/test_driver.py::"
LINE = "tests/faults/test_phoenix_line_failures.py::"
PUSHES = "tests/protocols/phoenix/test_client_pushes.py::"
SANDBOX = "tests/faults/test_sandbox_faults.py::"
SDK = "tests/faults/test_phoenix_sdk_failures.py::"
STX = "tests/venues/stx/test_stx_client.py::"
SIGN_IN = "tests/venues/stx/test_stx_sign_in.py::"
TOPICS = "tests/session/test_topics.py::"
HELD = "tests/session/test_topics_seeding.py::"

ROWS = {
    1: [  # a reply lost on drop
        CALLS + "test_a_request_lost_to_a_dropped_connection_fails_at_once_and_is_never_sent_again",
        CALLS + "test_a_request_held_for_an_unanswered_join_is_lost_unsent",
        SDK + "test_a_lost_request_says_whether_its_outcome_is_unknown",
    ],
    2: [DELIVERY + "test_everything_may_be_called_from_inside_a_handler"],
    3: [  # a slow handler and the heartbeat
        LINE + "test_heartbeats_and_replies_bypass_a_full_queue",
        DELIVERY + "test_a_handler_that_awaits_a_minute_delays_nobody_and_costs_no_heartbeat",
        DELIVERY + "test_drop_oldest_says_how_many_it_dropped_and_where",
        DELIVERY + "test_policy_fail_ends_the_subscription_after_what_was_buffered",
        DELIVERY + "test_policy_conflate_delivers_the_latest_of_each_key",
        DELIVERY + "test_policy_block_stops_the_reading_and_goes_on_when_half_is_consumed",
    ],
    4: [
        CLIENT + "test_broadcasts_without_join_ref_are_delivered",
        LINE + "test_broadcasts_arrive_after_a_rejoin_too",
    ],
    5: [  # stale frames
        LINE + "test_a_stale_close_frame_or_reply_never_touches_the_new_join",
        CLIENT + "test_frames_of_a_former_join_are_stale",
        CLIENT + "test_the_close_of_a_superseded_join_is_dropped_whatever_the_order",
        "tests/protocols/phoenix/test_former.py::test_v1_counts_the_closes_of_former_joins",
    ],
    6: [  # a rejoin refused, or never answered
        LINE + "test_a_refused_rejoin_is_visible_and_repeated_with_growing_waits",
        LINE + "test_waiting_for_a_rejoin_that_is_refused_for_now_does_not_end_the_subscription",
        TOPICS + "test_an_unanswered_join_is_left_and_asked_for_again",
        TOPICS + "test_a_rejoin_refused_for_good_ends_only_that_subscription_and_is_raised",
        CLIENT + "test_a_refused_join_says_why",
    ],
    7: [  # leaving while joining, or offline
        TOPICS + "test_leave_wins_over_a_join_reply_under_way",
        TOPICS + "test_a_leave_while_the_line_is_down_is_complete_at_once",
        TOPICS + "test_leave_and_join_again_delivers_only_the_new_subscription",
        LINE + "test_leaving_wins_over_a_rejoin_that_is_due",
        CLIENT + "test_leaving_and_joining_again_at_once_keeps_the_new_join",
    ],
    8: [  # joins of one topic
        LINE + "test_concurrent_joins_of_one_topic_are_one_join_on_each_connection",
        TOPICS + "test_a_second_subscription_shares_the_venues_and_leaves_alone",
        SDK + "test_leaving_a_channel_joined_twice_leaves_it_altogether",
    ],
    9: [  # half-open TCP, a hung server process
        DRIVER + "test_a_half_open_line_is_found_within_ping_interval_and_timeout",
        DRIVER + "test_an_unanswered_heartbeat_ends_the_connection_though_pongs_come",
        LINE + "test_a_connect_that_hangs_is_given_up_at_its_deadline_and_tried_again",
        SDK + "test_a_heartbeats_reply_is_due_before_the_next_heartbeat",
    ],
    10: [  # the token at a reconnection
        DRIVER + "test_the_token_is_asked_for_on_every_attempt",
        DRIVER + "test_an_unauthorized_handshake_is_tried_once_with_a_fresh_token",
        DRIVER + "test_a_second_unauthorized_answer_is_final_and_no_storm",
        LINE + "test_sessions_that_share_credentials_share_one_refresh",
        LINE + "test_a_token_that_was_accepted_may_be_refused_and_renewed_again",
    ],
    11: [  # which statuses are final
        LINE + "test_a_transient_status_is_retried",
        DRIVER + "test_a_handshake_that_no_retry_heals_is_final",
        DRIVER + "test_retry_after_of_a_429_is_waited_for",
        DRIVER + "test_a_second_unauthorized_answer_is_final_and_no_storm",
    ],
    12: [  # the herd; that joins are written at once is our rule, so it is the connections that are spread
        DRIVER + "test_the_first_retry_is_jittered_too",
        LINE + "test_a_thousand_sessions_dropped_together_come_back_spread",
        TOPICS + "test_after_a_reconnection_every_topic_is_joined_before_anything_is_dispatched",
    ],
    13: [DRIVER + "test_whatever_close_code_we_did_not_ask_for_leads_to_a_new_connection"],
    14: [DRIVER + "test_giving_up_is_raised_in_everything_that_waits"],
    15: [DRIVER + "test_a_line_that_flaps_does_not_reset_the_delays"],
    16: [  # the hidden loss
        TOPICS + "test_a_lost_connection_is_one_gap_between_the_old_and_the_new_publications",
        HELD + "test_after_a_reconnection_gap_then_resynced_then_live",
        DELIVERY + "test_a_handler_without_on_mark_gets_a_warning_and_a_counter_for_each",
    ],
    17: [
        TOPICS + "test_a_rejoin_asks_with_the_current_parameters",
        SDK + "test_filters_changed_by_a_push_are_asked_for_at_the_rejoin",
    ],
    18: [
        CLIENT + "test_frames_before_the_join_reply_are_delivered",
        TOPICS + "test_a_frame_pushed_before_the_join_reply_comes_after_the_gap_and_before_the_reply",
    ],
    19: [LINE + "test_by_default_the_server_hears_us_twice_in_its_idle_time"],
    20: [SDK + "test_the_orders_ping_goes_out_at_sixty_percent_of_the_grant_whatever_handlers_do"],
    21: [
        SANDBOX + "test_a_message_that_is_too_large_costs_one_reconnection",
        SANDBOX + "test_the_largest_message_is_four_megabytes_and_can_be_set",
    ],
    22: [
        TOPICS + "test_an_undecodable_frame_is_a_gap_on_every_subscription_it_may_have_belonged_to",
        TOPICS + "test_a_flood_of_garbage_costs_a_few_bounded_log_lines",
        SANDBOX + "test_a_binary_message_of_no_meaning_is_a_gap_and_the_line_stays",
        LINE + "test_an_event_nobody_knows_is_delivered_as_it_is",
        LINE + "test_a_reply_that_cannot_be_decoded_fails_its_request_only",
        LINE + "test_a_reply_of_endless_depth_is_an_undecodable_frame_and_its_request_times_out",
    ],
    23: [
        CALLS + "test_a_held_request_that_timed_out_or_was_cancelled_is_never_written",
        CALLS + "test_a_request_while_the_line_is_down_fails_at_once_unsent",
        PUSHES + "test_held_pushes_are_bounded",
        PUSHES + "test_a_lost_join_loses_its_held_pushes_unsent",
    ],
    24: [  # cancellation
        SDK + "test_a_cancelled_join_leaves_nothing_behind",
        LINE + "test_cancelling_open_leaves_a_session_that_can_be_closed_at_once",
        LINE + "test_closing_fails_whoever_waits_with_session_closed",
        DRIVER + "test_close_returns_soon_whatever_the_session_is_doing",
        DRIVER + "test_close_is_bounded_when_the_peer_is_gone_and_idempotent",
        DRIVER + "test_no_task_is_left_after_close",
    ],
    25: [
        DELIVERY + "test_a_handler_that_raises_is_logged_with_its_traceback_counted_and_the_next_goes_on",
        DELIVERY + "test_in_strict_mode_an_exception_of_a_handler_ends_its_subscription_and_is_raised",
    ],
    26: [
        SIGN_IN + "test_two_accounts_live_side_by_side_with_users_of_their_own",
        SIGN_IN + "test_threads_and_loops_share_one_sign_in",
        SDK + "test_two_sockets_of_two_accounts_share_nothing",
    ],
    27: [SANDBOX + "test_too_many_channels_is_a_typed_refusal_that_may_pass"],
    28: [
        DRIVER + "test_a_refused_connection_names_host_and_cause_and_never_the_token",
        "tests/transport/test_base.py::test_the_repr_shows_neither_query_nor_headers_nor_user",
        "tests/protocols/phoenix/test_handshake.py::test_the_token_travels_as_the_official_client_sends_it",
        SDK + "test_no_log_line_error_or_repr_holds_the_token",
    ],
}


def test_every_row_has_its_tests() -> None:
    assert sorted(ROWS) == list(range(1, 29))
    assert all(ROWS.values())
    assert missing_nodes(__file__, [node for nodes in ROWS.values() for node in nodes]) == []

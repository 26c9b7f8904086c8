"""Each sentence of the two STX pages, by an excerpt, and the tests that hold it true.

`test_stx_pages.py` checks that every sentence of the pages is here and that every test named here exists.
"""

# ruff: noqa: RUF001 - the pages' own apostrophes
from __future__ import annotations

from dataclasses import dataclass

__all__ = ["SENTENCES", "Sentence"]

BOTH = ("000", "001")
NEW = ("000",)
OLD = ("001",)

SAMPLES = "tests/documents/test_stx_samples.py::"
PAGES = "tests/documents/test_stx_pages.py::"
LINE = "tests/venues/stx/test_stx_socket.py::"
CHANNELS = "tests/venues/stx/test_stx_channels.py::"
LIVE = "tests/venues/stx/test_stx_live.py::"

RUNS = SAMPLES + "test_the_sample_runs_as_written"
HEARTBEATS = LINE + "test_a_phoenix_heartbeat_goes_out_every_interval"
ORDER = LINE + "test_a_reconnect_drops_backs_off_opens_rejoins_and_resumes_in_that_order"
JOINS_FIRST = LINE + "test_all_joins_are_replayed_before_any_message_is_dispatched"
LEAVES = LINE + "test_each_subscription_is_left_and_then_the_socket_is_closed"
SCOPED = CHANNELS + "test_a_channel_of_the_enum_is_scoped_to_the_user_where_it_is_theirs"
CHOSEN = LIVE + "test_only_chosen_fields_of_chosen_markets_come_and_the_reply_says_so"
NO_FILTER = LIVE + "test_what_is_omitted_empty_or_unknown_is_no_filter"
SWAPPED = LIVE + "test_filters_are_swapped_on_a_joined_channel"
BRINGS = LIVE + "test_each_channel_brings_what_an_order_changes"
RECONCILED = LIVE + "test_after_each_join_the_state_comes_once_before_what_is_live"
OWN_HANDLER = LINE + "test_each_join_has_its_own_handler_and_all_share_one_socket"
BUGGY = LINE + "test_an_exception_in_a_handler_is_logged_and_the_next_frame_proceeds"
GAVE_UP = LINE + "test_after_max_attempts_everything_that_waits_is_told"
GROWING = LINE + "test_a_dropped_line_is_tried_again_after_growing_waits"
LOGINS = (
    LIVE + "test_the_socket_uses_the_login_of_a_client_made_before",
    LIVE + "test_a_blocking_call_made_before_is_enough",
    LIVE + "test_email_and_password_may_be_the_sockets_own",
)


@dataclass(frozen=True)
class Sentence:
    """`excerpt` (at most 80 characters) stands in `pages`; `tests` hold it, or `why_no_test` says why none can."""

    pages: tuple[str, ...]
    excerpt: str
    tests: tuple[str, ...] = ()
    why_no_test: str = ""


def held(pages: tuple[str, ...], excerpt: str, *tests: str) -> Sentence:
    return Sentence(pages, excerpt, tests)


def no_claim(pages: tuple[str, ...], excerpt: str, why: str) -> Sentence:
    return Sentence(pages, excerpt, (), why)


SENTENCES = [
    no_claim(NEW, "Fetch the complete documentation index at", "about the site"),
    no_claim(NEW, "Use this file to discover all available pages", "about the site"),
    held(
        BOTH,
        "STXWebSocket is the async-native WebSocket client.",
        RUNS,
        LINE + "test_a_push_inside_a_handler_does_not_hold_up_the_socket",
    ),
    held(BOTH, "One TCP connection, many Phoenix channels", OWN_HANDLER, ORDER, HEARTBEATS),
    no_claim(BOTH, "That’s the full picture.", "leads to the next sentence"),
    held(BOTH, "Connection lifecycle, heartbeats (every 30 s by default)", HEARTBEATS, ORDER, LEAVES),
    held(BOTH, "Connection drops trigger exponential-backoff reconnect.", GROWING),
    held(
        BOTH,
        "Your handlers keep firing on the new socket",
        LINE + "test_handlers_keep_firing_on_the_new_socket",
    ),
    held(BOTH, "Every join() is cached.", JOINS_FIRST),
    held(BOTH, "After a reconnect the SDK replays all phx_join frames before dispatching", JOINS_FIRST),
    held(BOTH, "Phoenix heartbeat frames every 30 s.", HEARTBEATS),
    held(
        BOTH,
        "Servers consider a socket stale without them and drop the connection.",
        LIVE + "test_a_server_drops_a_socket_that_says_nothing",
        LINE + "test_a_handler_that_takes_its_time_costs_no_heartbeat",
    ),
    held(BOTH, "sends phx_leave for each active subscription before closing the socket.", LEAVES),
    held(
        BOTH,
        "Import from stx.enums.Channels:",
        PAGES + "test_every_channel_of_the_table_is_there_with_its_scope",
        RUNS,
    ),
    held(NEW, "Per-user channels are auto-scoped to the logged-in user’s uid", SCOPED),
    held(
        BOTH, "anyone with a valid JWT can join:", RUNS, LIVE + "test_markets_brings_changes_and_new_markets"
    ),
    held(
        NEW,
        "Two events flow on this channel:",
        LIVE + "test_markets_brings_changes_and_new_markets",
    ),
    held(NEW, "market_updated — price, status", LIVE + "test_markets_brings_changes_and_new_markets"),
    held(NEW, "market_created — a new market", LIVE + "test_markets_brings_changes_and_new_markets"),
    held(
        NEW,
        "The server supports three filter axes via join_params.",
        CHOSEN,
        LIVE + "test_only_chosen_message_types_come",
        CHANNELS + "test_filters_go_with_the_join_and_are_optional",
    ),
    held(NEW, "All three are optional and combinable.", CHOSEN, NO_FILTER),
    held(NEW, "Narrow to bids/offers for spread markets only:", RUNS, CHOSEN),
    held(
        NEW,
        "The join reply (a phx_reply frame) echoes the effective config:",
        PAGES + "test_the_reply_to_a_join_has_the_shape_on_the_page",
        CHOSEN,
    ),
    held(
        NEW,
        "Invalid field/rule/message names are dropped silently",
        NO_FILTER,
        LIVE + "test_invalid_names_are_dropped_and_the_valid_ones_kept",
    ),
    held(NEW, "You don’t have to re-join to swap filters.", SWAPPED),
    held(
        NEW,
        "Use ws.push() to send a control message on an already-joined channel:",
        SWAPPED,
        CHANNELS + "test_a_push_to_what_is_not_joined_is_refused_here",
    ),
    held(
        NEW,
        "Each push triggers a phx_reply echoing the new config",
        SWAPPED,
        CHANNELS + "test_the_reply_to_a_push_reaches_the_handler_like_any_other_frame",
    ),
    held(
        BOTH,
        "receives your order-status transitions in real time.",
        LIVE + "test_an_orders_course_is_told_without_asking_for_it",
        BRINGS,
    ),
    held(
        NEW, "Replaces polling client.orders().", LIVE + "test_an_orders_course_is_told_without_asking_for_it"
    ),
    held(OLD, "Replaces polling userOrders.", LIVE + "test_an_orders_course_is_told_without_asking_for_it"),
    held(NEW, "The Channels.ORDERS enum auto-scopes to your uid:", SCOPED, RUNS),
    held(BOTH, "balance updates and PnL tick updates.", BRINGS, RUNS),
    held(
        NEW,
        "rely on the JWT to identify you.",
        LINE + "test_the_shared_token_identifies_the_user_and_is_told_to_nobody",
        LIVE + "test_another_users_channel_is_the_admins_alone",
    ),
    held(
        OLD,
        "Channels that include user-scoped data (ACTIVE_ORDERS, PORTFOLIO, etc.) rely on",
        LINE + "test_the_shared_token_identifies_the_user_and_is_told_to_nobody",
        SCOPED,
    ),
    held(BOTH, "The WS client reuses the same User singleton as STX / AsyncSTX", *LOGINS),
    held(
        NEW,
        "For admin tools that need to watch another user’s channel, pass a raw string",
        CHANNELS + "test_a_text_is_the_topic_as_it_is",
        LIVE + "test_another_users_channel_is_the_admins_alone",
    ),
    held(
        BOTH,
        "Every handler receives a ChannelMessage:",
        PAGES + "test_a_message_has_the_fields_and_properties_of_the_page",
        CHANNELS + "test_a_reply_says_its_status_and_has_the_frames_refs",
        CHANNELS + "test_a_publication_has_no_status",
    ),
    held(
        BOTH,
        "Control events come through too (phx_reply, phx_error)",
        CHANNELS + "test_a_reply_says_its_status_and_has_the_frames_refs",
        CHANNELS + "test_a_crashed_channel_says_so_without_payload_and_is_joined_again",
    ),
    held(BOTH, "One socket, many channels:", OWN_HANDLER),
    held(BOTH, "Each join() gets its own handler.", OWN_HANDLER),
    held(BOTH, "The SDK routes inbound frames to the right one by channel topic.", OWN_HANDLER),
    held(
        BOTH,
        "The reconnect loop follows the SDK’s standard RetryPolicy",
        GROWING,
        LINE + "test_every_wait_is_jittered_from_the_first",
        GAVE_UP,
    ),
    held(BOTH, "Override it:", RUNS, GAVE_UP),
    no_claim(BOTH, "During a reconnect the SDK:", "leads to the list"),
    held(BOTH, "Drops the old socket.", ORDER),
    held(BOTH, "Backs off (up to retry.max_attempts).", ORDER, GAVE_UP),
    held(
        BOTH,
        "Opens a new socket to the same host.",
        ORDER,
        LIVE + "test_after_a_drop_the_same_host_is_met_with_a_fresh_token",
    ),
    held(
        BOTH,
        "Replays every phx_join it sent before the drop.",
        ORDER,
        CHANNELS + "test_a_filter_changed_by_a_push_is_the_one_joined_with_again",
    ),
    held(BOTH, "Resumes dispatching user frames.", ORDER),
    held(
        BOTH,
        "Your handlers see no gap — though frames published during the disconnect are",
        LINE + "test_what_was_published_meanwhile_is_lost_and_marked",
    ),
    held(BOTH, "For strict delivery, reconcile via HTTP on reconnect.", RECONCILED),
    held(
        BOTH,
        "Default is 30 s, matching the server’s idle timeout.",
        HEARTBEATS,
        LINE + "test_a_server_that_answers_no_heartbeat_is_left_for_a_new_connection",
    ),
    held(BOTH, "For tests you might want faster:", HEARTBEATS, RUNS),
    held(BOTH, "Manually:", LEAVES, RUNS),
    held(BOTH, "An exception in a handler won’t kill the reader loop", BUGGY),
    held(BOTH, "This means a buggy handler can silently swallow messages.", BUGGY),
    held(BOTH, "Instrument your handlers if that matters to you.", BUGGY),
    held(BOTH, "Pair STXWebSocket with AsyncSTX for event-driven bots.", BRINGS, RECONCILED),
    held(
        BOTH,
        "Reconnect policy and how it interacts with the retry system.",
        GAVE_UP,
        LINE + "test_a_socket_without_a_policy_never_gives_up",
    ),
]

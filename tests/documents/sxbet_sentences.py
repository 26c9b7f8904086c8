"""Each sentence of the SX Bet page, by an excerpt, and the tests that hold it true.

`test_sxbet_pages.py` checks that every sentence of the page is here and that every test named here exists.
"""

# ruff: noqa: RUF001 - the page's own dashes
from __future__ import annotations

from tests.documents.stx_sentences import Sentence

__all__ = ["CODE_LINES", "SENTENCES"]

CODE_LINES = (13, 16, 28, 35, 54, 60, 77, 80)
"""The lines of the page that are samples (`sxbet_samples.py`)."""

PAGE = ("002",)
CLIENT = "tests/venues/sxbet/test_sxbet_client.py::"
DOCUMENT = "tests/venues/sxbet/test_sxbet_document.py::"
CHANNEL = "tests/venues/sxbet/test_sxbet_channel.py::"
WATCHING = "tests/venues/sxbet/test_sxbet_watching.py::"
HTTP = "tests/venues/sxbet/test_sxbet_http.py::"
BOOK = "tests/venues/sxbet/test_sxbet_book.py::"
WORDS = "tests/venues/sxbet/test_sxbet_words.py::"
SESSION = "tests/session/test_"
PLAYED = "tests/sandbox/test_sxbet_socket.py::"
CODES = "tests/protocols/centrifugo/test_codes.py::"
OFFICIAL = "tests/real/test_sxbet_document.py::test_the_sample_runs_under_the_official_client"

VERBS = WATCHING + "test_each_verb_yields_typed_rows"
RIGHT_BOOK = WATCHING + "test_a_book_is_right_again_after_a_fault_and_never_wrong_meanwhile"
RENEWED = CLIENT + "test_the_token_is_renewed_before_it_ends"
NO_TOKEN_COMES = DOCUMENT + "test_a_token_that_never_comes_is_an_error_at_its_deadline"
NOT_TAKEN = DOCUMENT + "test_a_fresh_token_that_the_venue_does_not_take_this_time_is_an_error_with_its_code"
CHANNEL_TOKEN = CHANNEL + "test_a_channel_with_a_token_of_its_own_asks_for_it_by_the_channels_name"
RENEWAL_FAILS = DOCUMENT + "test_a_renewal_of_the_token_that_fails_is_an_error_and_the_client_stays_connected"
ONE_LINE = DOCUMENT + "test_all_channels_share_one_connection"
MORE_LINES = DOCUMENT + "test_beyond_what_one_connection_carries_another_is_made"
FLAGS = DOCUMENT + "test_a_channel_is_subscribed_with_the_flags_it_was_given"
POSITION = DOCUMENT + "test_a_channel_that_is_subscribed_again_says_its_last_position"
FILLED = CLIENT + "test_a_recoverable_channel_tells_a_fresh_start_from_a_filled_gap"
BRIDGED = CHANNEL + "test_a_gap_filled_from_history_is_said_to_be_recovered"
PRUNED = CLIENT + "test_a_pruned_history_is_said_with_was_recovering_and_a_gap"
WITHOUT_FLAGS = CLIENT + "test_without_the_two_flags_nothing_is_recovered_and_the_gap_is_said"
WINDOW = DOCUMENT + "test_the_recovery_window_is_five_minutes"
SHORTER_WINDOW = DOCUMENT + "test_the_window_is_shorter_where_more_is_published_than_is_kept"
BY_ID = DOCUMENT + "test_a_message_with_an_id_that_came_before_is_dropped"
LAST_IDS = DOCUMENT + "test_ids_are_remembered_for_the_last_thousand_messages"
HISTORY = CLIENT + "test_history_gives_entries_with_data_offset_tags_and_info"
NO_HISTORY = CLIENT + "test_history_of_a_channel_without_any_is_error_108"
THREE_EVENTS = CLIENT + "test_the_client_fires_connecting_connected_and_disconnected"
MOVED_BACK = (
    CLIENT + "test_a_lost_transport_moves_the_client_back_to_connecting_and_the_channel_to_subscribing"
)
STAYS_DOWN = DOCUMENT + "test_a_terminal_state_is_never_left_by_itself"
UNREACHABLE = DOCUMENT + "test_a_venue_that_cannot_be_reached_is_an_error_while_connecting"
INTERRUPTED = DOCUMENT + "test_an_interruption_moves_the_channel_back_to_subscribing_and_an_end_does_not"
LEFT = DOCUMENT + "test_nothing_is_published_to_a_channel_that_was_left"
REFUSED_CHANNEL = DOCUMENT + "test_a_channel_that_is_refused_for_good_is_an_error_and_unsubscribed"
REFUSED_FOR_NOW = DOCUMENT + "test_a_channel_that_is_refused_for_now_is_asked_for_again"
REFUSED_KEY = DOCUMENT + "test_a_token_endpoint_that_refuses_ends_the_client"
FAILS_FOR_NOW = DOCUMENT + "test_a_token_endpoint_that_fails_for_now_is_asked_again"
GET_TOKEN = CLIENT + "test_get_token_is_asked_again_after_a_passing_failure_and_stops_on_unauthorized"
TERMINAL = DOCUMENT + "test_a_terminal_disconnect_is_not_tried_again"
OTHERS = DOCUMENT + "test_any_other_disconnect_is_tried_again"
LOST_STATE = DOCUMENT + "test_insufficient_state_is_not_terminal_and_the_next_subscribed_says_how_it_went"
TOO_SLOW = PLAYED + "test_a_client_that_does_not_read_is_slow_after_a_megabyte"
SLOW_HANDLER = DOCUMENT + "test_a_handler_that_takes_its_time_leaves_the_line_to_be_read"
TAKES_AWAY = (
    SESSION + "subscription.py::test_a_handler_that_awaits_a_minute_delays_nobody_and_costs_no_heartbeat"
)


def held(excerpt: str, *tests: str) -> Sentence:
    return Sentence(PAGE, excerpt, tests)


def no_claim(excerpt: str, why: str) -> Sentence:
    return Sentence(PAGE, excerpt, (), why)


SENTENCES = [
    held("delivers real-time updates on orderbook changes, trade executions", VERBS, RIGHT_BOOK),
    held("All channels are powered by Centrifugo and require an API key.", OFFICIAL, REFUSED_KEY),
    no_claim("Centrifugo provides official client SDKs for", "about others' software"),
    no_claim("subscribe to the channels relevant to your workflow.", "advice"),
    held("fetch current state via REST, then subscribe to stay updated", RIGHT_BOOK),
    no_claim("Authenticate", "a heading"),
    held("Pass your API key via the getToken callback.", GET_TOKEN, OFFICIAL),
    held("Token refresh is handled automatically.", RENEWED),
    held("Create a Centrifuge client pointed at the WebSocket URL.", THREE_EVENTS, OFFICIAL),
    held("Create a subscription for each channel you need and attach a", OFFICIAL, FILLED),
    held(
        "you need a realtime token from the relayer.",
        THREE_EVENTS,
        HTTP + "test_a_token_is_had_by_the_profile",
    ),
    held("Fetch it from /user/realtime-token/api-key", HTTP + "test_a_token_is_had_by_the_profile"),
    held("provide a getToken callback that returns this token.", GET_TOKEN, OFFICIAL),
    held("The SDK calls getToken again whenever the current token expires", RENEWED, RENEWAL_FAILS),
    no_claim("See Common failures → Auth for how to signal", "a reference"),
    held("Create one Centrifuge client per process and reuse it for all subscriptions.", ONE_LINE),
    held("All channel subscriptions are multiplexed over the same connection.", ONE_LINE),
    held("All channel subscriptions are multiplexed over the single connection.", ONE_LINE),
    held(
        "If you need more than 512 subscriptions, create additional client instances",
        MORE_LINES,
        SESSION + "pool.py::test_topics_are_spread_over_sessions_by_their_capacity",
        "tests/sandbox/test_sxbet_golden.py::test_the_513th_channel_is_refused",
    ),
    held("Use client.newSubscription(channel, options) to create a subscription", FLAGS, OFFICIAL),
    held("pass positioned: true and recoverable: true together for channels", FILLED),
    no_claim("See Recovery & reliability for details.", "a reference"),
    held("Pass options to newSubscription to control reliability behavior:", FLAGS),
    held("Enables stream position tracking for the subscription.", FLAGS),
    held(
        "This lets the client keep its current offset and allows the server to signal", POSITION, LOST_STATE
    ),
    held("Enables automatic recovery for the subscription.", FLAGS, FILLED),
    held("On resubscribe, the client sends its last known stream position", POSITION),
    held(
        "Both flags are required together to get at-least-once delivery across",
        FILLED,
        CLIENT + "test_positioned_alone_tracks_the_place_and_recovers_nothing",
    ),
    held("positioned bookmarks your place in the stream while you’re connected", POSITION),
    held("For channels without history where you always re-seed from REST on reconnect", WITHOUT_FLAGS),
    held("After a reconnect, the subscribed event fires with context that tells you", FILLED, PRUNED),
    held("The subscribed context includes:", FILLED),
    held("wasRecovering: the client attempted to recover from a previous stream position", FILLED),
    held("recovered: the server successfully replayed all missed publications", FILLED, PRUNED, BRIDGED),
    held("positioned: the subscription has stream position tracking enabled", FILLED),
    held("recoverable: the subscription supports automatic recovery", FILLED),
    held("History replay filled the gap — no action needed", FILLED),
    held("History was pruned — re-seed from REST", PRUNED, RIGHT_BOOK),
    held("First connection or clean reconnect — seed from REST", FILLED),
    held("For namespaces with history enabled, Centrifugo provides at-least-once", FILLED, OTHERS),
    held(
        "The recovery window is 5 minutes, but may be shorter if",
        WINDOW,
        SHORTER_WINDOW,
        PLAYED + "test_history_is_forgotten_after_five_minutes",
        PLAYED + "test_each_namespace_keeps_as_much_as_the_venue_says",
    ),
    held("After the window expires, wasRecovering: true, recovered: false fires", WINDOW),
    held(
        "best_odds and parlay_markets do not have history enabled",
        NO_HISTORY,
        WITHOUT_FLAGS,
        WORDS + "test_what_a_namespace_can_replay_is_known",
    ),
    no_claim("Note on epoch:", "a heading"),
    held(
        "Recovery can fail even after a short disconnect if the server no longer has",
        LOST_STATE,
        SESSION + "continuity.py::test_a_new_epoch_is_a_gap_however_the_offsets_look",
    ),
    held("This is rare, but when it happens recovered will be false", LOST_STATE, PRUNED),
    held(
        "At-least-once delivery means a message may occasionally be replayed more than",
        DOCUMENT + "test_what_a_recovery_brings_twice_is_handed_on_once",
    ),
    held(
        "Every publication includes a messageId in ctx.tags",
        DOCUMENT + "test_every_publication_has_a_message_id",
        BY_ID,
    ),
    held("For long-running processes, bound the size of your dedup set", LAST_IDS),
    held("Each namespace with history enabled maintains a server-side log", HISTORY),
    held("You can fetch this directly with sub.history()", HISTORY),
    held("The response contains a publications array and the current stream offset and", HISTORY),
    held("Each entry in publications has data, offset, tags, and info fields", HISTORY),
    held(
        "History fetches are bounded by the per-namespace caps",
        HISTORY,
        PLAYED + "test_each_namespace_keeps_as_much_as_the_venue_says",
    ),
    held("Calling sub.history() on a channel with no history enabled returns error", NO_HISTORY),
    held("Subscribe with positioned: true, recoverable: true and seed from REST", RIGHT_BOOK, OFFICIAL),
    held(
        "The handler fires on every connect and tells you whether recovery filled",
        FILLED,
        SESSION + "continuity.py::test_a_recovered_stream_needs_no_new_snapshot",
    ),
    no_claim("Use the client events to understand what happened:", "leads to the list"),
    held("connecting: fired on the initial connect() and on retryable reconnects.", THREE_EVENTS, MOVED_BACK),
    held("The event includes a code and reason.", UNREACHABLE),
    held("connected: fired when the transport is established and the client is ready.", THREE_EVENTS),
    held(
        "disconnected: fired only when the client reaches terminal disconnected state.", STAYS_DOWN, TERMINAL
    ),
    held("After this, the SDK will not reconnect automatically.", STAYS_DOWN, TERMINAL),
    held(
        "error: fired for internal errors that do not necessarily cause a state",
        UNREACHABLE,
        RENEWAL_FAILS,
        NO_TOKEN_COMES,
        NOT_TAKEN,
    ),
    no_claim("Use subscription events to understand what happened:", "leads to the list"),
    held(
        "subscribing: fired on the initial subscribe() and on retryable resubscribe", MOVED_BACK, INTERRUPTED
    ),
    held("subscribed: fired when the subscription becomes active.", FILLED),
    held("unsubscribed: fired only when the subscription reaches terminal", INTERRUPTED, LEFT),
    held("After this, the SDK will not resubscribe automatically.", INTERRUPTED),
    held("publication: fired whenever a new message arrives on the subscription while", LEFT),
    held("error: fired for internal subscription errors", REFUSED_CHANNEL, REFUSED_FOR_NOW, CHANNEL_TOKEN),
    held("temporary transport loss moves the client back to connecting", MOVED_BACK),
    held("reconnectable subscription interruptions move the subscription back to", INTERRUPTED),
    held("calling client.disconnect() or hitting a terminal disconnect condition", STAYS_DOWN, TERMINAL),
    held("calling sub.unsubscribe() or hitting a terminal subscription condition", LEFT, INTERRUPTED),
    held("Recovery outcome is reported on the next subscribed event via wasRecovering", FILLED, PRUNED),
    no_claim("See Recovery & reliability for how to interpret those", "a reference"),
    no_claim("you do not need to write custom retry logic around these errors.", "advice"),
    held("The SDK already handles reconnect and resubscribe automatically", OTHERS, REFUSED_FOR_NOW),
    no_claim("The codes below are most useful for telemetry", "advice"),
    held("The getToken callback is called on initial connect and whenever", GET_TOKEN, RENEWED),
    held("How you throw from it controls what the SDK does next", GET_TOKEN, REFUSED_KEY, FAILS_FOR_NOW),
    held(
        "If your realtime-token endpoint returns 401 or 403, throw UnauthorizedError", REFUSED_KEY, GET_TOKEN
    ),
    held("For transient failures like 429 or 5xx, throw a normal error", FAILS_FOR_NOW, GET_TOKEN),
    held("terminal auth disconnect such as code 3500", TERMINAL),
    held("In that case, the client stops reconnecting automatically.", TERMINAL),
    held("recovery cannot continue from the current stream position", LOST_STATE),
    held("This can surface as unsubscribe code 2500 or disconnect code 3010", LOST_STATE),
    held("This is not terminal by itself.", LOST_STATE),
    held("The next subscribed event tells you whether the replay succeeded:", LOST_STATE),
    held("wasRecovering: true, recovered: true: replay filled the gap", LOST_STATE),
    held("wasRecovering: true, recovered: false: replay could not fill the gap", LOST_STATE, RIGHT_BOOK),
    no_claim("If you see insufficient state frequently, it usually indicates", "advice"),
    held("The client reconnects automatically after most disconnects.", OTHERS),
    held(
        "It does not reconnect for built-in terminal disconnect codes in the 3500-3999",
        TERMINAL,
        CODES + "test_the_terminal_codes_are_3500_to_3999_and_4500_to_4999",
    ),
    no_claim("Common terminal examples include:", "the list is not on the page"),
    held(
        "The server buffers up to 1 MB per connection.",
        PLAYED + "test_a_client_that_does_not_read_is_slow_after_a_megabyte",
    ),
    held(
        "If your publication handler is slow, that buffer fills faster than it drains",
        SLOW_HANDLER,
        TAKES_AWAY,
    ),
    held("In Centrifugo this can surface as disconnect code 3008 (", OTHERS),
    held("Keep handlers fast: receive the message and hand it off to a queue", SLOW_HANDLER, TAKES_AWAY),
    no_claim("Unexpected disconnects that are not auth-related are often caused by", "advice"),
    no_claim("For the full list of built-in unsubscribe and disconnect codes", "a reference"),
]

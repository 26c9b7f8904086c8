"""Each sentence of the Stake page, by an excerpt, and the tests that hold it true (see `test_stake_samples.py`)."""

from __future__ import annotations

from tests.documents.stx_sentences import Sentence

__all__ = ["SENTENCES"]

RUNS = "tests/documents/test_stake_samples.py::test_the_sample_runs_as_written"
LIVE = "tests/venues/stake/test_stake_live.py::"
SOCKET = "tests/venues/stake/test_stake_socket.py::"
OUTAGE = "tests/venues/stake/test_stake_outage.py::"
API = "tests/venues/stake/test_stake_api.py::"
USAGE = "tests/documents/test_stake_samples.py::test_the_usage_of_the_pages_own_class_runs_on_ours"
SITE = "about the site, not about what this project makes"


def held(excerpt: str, *tests: str) -> Sentence:
    return Sentence(("003",), excerpt, tests)


def no_claim(excerpt: str, why: str) -> Sentence:
    return Sentence(("003",), excerpt, (), why)


EVERY_CHANNEL = LIVE + "test_each_channel_of_the_page_brings_what_it_says"
FAST = LIVE + "test_a_publication_arrives_within_a_tenth_of_a_second"

SENTENCES = [
    held("real-time data streams for live updates and instant notifications.", EVERY_CHANNEL, FAST),
    no_claim("Don't have a Stake.com account yet?", SITE),
    no_claim("Sign up here to get started and unlock all API features.", SITE),
    held(
        "WebSockets provide real-time, bidirectional communication with Stake.com.",
        EVERY_CHANNEL,
        LIVE + "test_a_text_of_your_own_goes_out_on_the_line",
    ),
    held("Use them for live game updates, bet results, balance changes", EVERY_CHANNEL, FAST),
    no_claim("Why WebSockets?", "a heading"),
    no_claim("| Approach | Latency | Efficiency | Use Case |", "the head of a table"),
    no_claim("|---|---|---|---|", "a rule"),
    no_claim("| REST Polling | High (1-60s) | Low | Infrequent checks |", "about other ways"),
    no_claim("| GraphQL Polling | Medium (1-30s) | Medium | Periodic updates |", "about other ways"),
    held("| WebSocket | Instant (<100ms) | High | Live data, real-time apps |", FAST),
    held(
        "Get notified whenever your balance changes:", RUNS, LIVE + "test_every_change_of_the_balance_is_told"
    ),
    held("Watch game results in real-time:", RUNS, EVERY_CHANNEL),
    held("Track live sports events:", RUNS, EVERY_CHANNEL),
    held(
        "A production-ready WebSocket client with reconnection:",
        RUNS,
        OUTAGE + "test_it_comes_back_after_a_loss_and_subscribes_anew",
        OUTAGE + "test_the_delay_doubles_up_to_its_bound_and_is_reset_by_success",
        SOCKET + "test_a_handler_that_raises_costs_one_message_and_no_more",
    ),
    no_claim("Join the StakeAPI Community on Discord", SITE),
    no_claim("Get help, share your projects, discuss strategies", SITE),
    no_claim("Join Our Discord Server", SITE),
    no_claim("Real-time data makes all the difference.", "praise"),
    no_claim("Sign up on Stake.com and build live dashboards with WebSocket support.", SITE),
    # What the code of its class and of its last sample says, of ours.
    held(
        '"Origin": "https://stake.com",',
        SOCKET + "test_the_handshake_carries_the_headers_of_the_page_and_the_users_own",
    ),
    held("self.access_token = access_token", SOCKET + "test_the_attributes_are_those_of_the_page"),
    held('self.uri = "wss://stake.com/_api/websocket"', SOCKET + "test_the_attributes_are_those_of_the_page"),
    held("self.ws = None", SOCKET + "test_the_attributes_are_those_of_the_page"),
    held("self.subscriptions = []", SOCKET + "test_the_attributes_are_those_of_the_page"),
    held("self.max_reconnect_delay = 60", SOCKET + "test_the_attributes_are_those_of_the_page"),
    held("ping_interval=30,", OUTAGE + "test_a_dead_line_is_found_by_pings_after_30_and_10_seconds"),
    held("ping_timeout=10", OUTAGE + "test_a_dead_line_is_found_by_pings_after_30_and_10_seconds"),
    held(
        "self.reconnect_delay = 1 # Reset on successful connect",
        OUTAGE + "test_the_delay_doubles_up_to_its_bound_and_is_reset_by_success",
        OUTAGE + "test_the_delay_that_is_shown_is_the_bound_that_is_obeyed",
        OUTAGE + "test_the_delays_are_those_given_before_connecting_and_begin_anew_each_time",
    ),
    held("# Re-subscribe to channels", OUTAGE + "test_it_comes_back_after_a_loss_and_subscribes_anew"),
    held(
        "# Listen for messages", SOCKET + "test_on_message_gets_each_message_whole_also_those_of_no_channel"
    ),
    held(
        "except websockets.exceptions.ConnectionClosed:",
        "tests/venues/stake/test_stake_faults.py::test_a_close_with_whatever_code_leads_to_a_new_connection",
    ),
    held("# Exponential backoff", OUTAGE + "test_the_delay_doubles_up_to_its_bound_and_is_reset_by_success"),
    held(
        "if channel not in self.subscriptions:",
        SOCKET + "test_what_was_subscribed_before_connecting_is_asked_for_once_the_line_is_up",
    ),
    held(
        "Override this method to handle messages.",
        USAGE,
        SOCKET + "test_a_plain_function_may_stand_in_for_on_message",
    ),
    held('print(f"Message: {data}")', SOCKET + "test_by_default_a_message_is_printed"),
    held("Combine REST for initial state and WebSocket for live updates.", RUNS),
    held("# Get initial balance via REST", API + "test_the_balance_is_exact_by_wallet_and_currency"),
]

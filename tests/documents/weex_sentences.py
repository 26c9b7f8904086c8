"""Each sentence of the WEEX page, by an excerpt, and the tests that hold it true; its headings, which say nothing.

The page has two sentences in prose; what else it says stands in the docstrings and comments of its samples.
`test_weex_samples.py` checks that every one is here and that every test named here exists.
"""

from __future__ import annotations

from tests.documents.stx_sentences import Sentence
from tests.documents.weex_samples import PAGE

__all__ = ["HEADINGS", "SENTENCES"]

SAMPLES = "tests/documents/test_weex_samples.py::"
CLAIMS = "tests/documents/test_weex_claims.py::"

RUNS = SAMPLES + "test_the_sample_runs_as_written"
CONTEXT = CLAIMS + "test_the_client_connects_on_entry_and_disconnects_on_exit"
MARKET = CLAIMS + "test_what_the_market_does_arrives_as_it_happens"
BOOK = CLAIMS + "test_a_book_is_cut_to_its_levels_with_the_best_first"
ACCOUNT = CLAIMS + "test_what_an_order_changes_arrives_as_it_happens"
AT_ONCE = CLAIMS + "test_many_symbols_are_followed_at_once_on_one_client"
CONSTANT = CLAIMS + "test_memory_stays_constant_over_a_long_stream"
PERCENT = CLAIMS + "test_a_change_is_a_percentage"
GOES_ON = CLAIMS + "test_a_stream_goes_on_behind_a_lost_connection_without_the_users_help"
FOR_GOOD = "tests/venues/weex/test_weex_streams.py::test_a_line_that_is_refused_for_good_is_raised_by_connect"
WORDS = "tests/venues/weex/test_weex_orders.py::test_an_order_goes_through_the_words_of_the_document"
SILENCE = CLAIMS + "test_a_mute_venue_is_noticed_by_whoever_watches_the_time"


def held(excerpt: str, *tests: str) -> Sentence:
    return Sentence((PAGE,), excerpt, (RUNS, *tests))


def own_code(*excerpts: str) -> list[Sentence]:
    why = "says what the sample's own next lines do; they run"
    return [Sentence((PAGE,), excerpt, (RUNS,), why) for excerpt in excerpts]


SENTENCES = [
    held("provides real-time streaming capabilities for market data", MARKET, ACCOUNT),
    held("The WebSocket client implements async context manager", CONTEXT),
    held("Client automatically connects and manages resources", CONTEXT),
    held("Client automatically disconnects when exiting context", CONTEXT),
    held("Monitor real-time market data", MARKET),
    held("Monitor real-time order book", MARKET, BOOK),
    held("Top 3 bids", BOOK),
    held("Top 3 asks", BOOK),
    held("Monitor real-time trades", MARKET),
    held("Monitor real-time account updates", ACCOUNT),
    held("Monitor real-time position updates", ACCOUNT),
    held("Monitor real-time order updates", ACCOUNT, WORDS),
    held("Monitor multiple symbols simultaneously", AT_ONCE),
    held("All symbol monitoring runs concurrently", AT_ONCE),
    held("Monitor a single symbol", MARKET),
    held("Monitor positions for risk breaches", ACCOUNT),
    held("Run paper trading simulation with real market data", MARKET),
    held("WebSocket client with robust error handling", GOES_ON, FOR_GOOD),
    held("Filter by price changes > 0.1%", PERCENT),
    held("Stream without accumulating data in memory", CONSTANT),
    held("No accumulation - memory stays constant", CONSTANT),
    held("WebSocket client with heartbeat monitoring", SILENCE),
    *own_code(
        "Create tasks for each symbol", "Perform real-time analysis on stream data", "Keep only recent history",
        "Calculate moving average", "Simple trading signal", "2% above MA", "2% below MA",
        "Real-time risk monitoring with WebSocket", "USD", "10%", "Check position size limits",
        "Check daily loss limits", "Simple trading logic", "Buy 1% of balance", "Sell all BTC",
        "Print portfolio status", "Simple trading signal generator", "Implement your trading logic here",
        "This is just a placeholder", "Execute buy order in paper trading", "Execute sell order in paper trading",
        "Calculate total portfolio value", "seconds", "Increase delay for next attempt",
        "Process only relevant messages", "Process data immediately, don't store it", "Only keep what you need",
        "Example filter", "Process messages in batches for efficiency", "Process batch", "Clear batch",
        "Process remaining messages", "Process a batch of ticker messages", "Store WebSocket data to database",
    ),
]  # fmt: skip

HEADINGS = [
    "WebSocket API", "Public Channel Streaming", "Private Channel Streaming", "Connection Management",
    "Context Manager", "Basic Usage Examples", "Real-time Market Monitoring", "Order Book Monitoring",
    "Trade Stream Monitoring", "Private Data Streaming", "Account Updates", "Position Monitoring", "Order Updates",
    "Advanced Streaming Patterns", "Multi-Symbol Monitoring", "Real-time Analysis", "Risk Management Integration",
    "Paper Trading with WebSocket", "Paper Trading Engine", "Error Handling and Reconnection",
    "Message Filtering and Processing", "Performance Optimization", "Memory Management", "Batch Processing",
    "Common WebSocket Patterns", "Heartbeat and Health Checks", "Data Storage",
]  # fmt: skip

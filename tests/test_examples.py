"""Every example runs in a process of its own against a sandbox, says what it promises, and ends by itself.

The figures that it prints are those of the sandbox: `example_figures` has what they are compared with.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.documents.running import Program, played_venue
from tests.example_figures import FIGURES, NO_FIGURES, Truth

EXAMPLES = Path(__file__).parent.parent / "examples"

OF_ALL_VENUES = ("market/quote.py", "market/two_venues.py", "market/maker.py")
"""They take a venue's name: `test_market_page.py` and `test_maker.py` run them on each."""

EXPECTED: Mapping[str, tuple[str, ...]] = {
    "stx/quick_start.py": ("^phx_reply: ", "^market_updated: "),
    "stx/iterate.py": (r"^changed: \S+ \[.*'market_id'",),
    "stx/read_messages.py": ("^reply ok to 1: ", r"^news on markets: market_\w+ of 1 market"),
    "stx/filter_markets.py": (r"^in effect: \['bids', 'offers'\] \['spread'\]", "^[0-9a-f-]{36} best bid "),
    "stx/change_filters.py": (
        r"^select_fields -> .*'selected_fields': \['title', 'price', 'recent_trades'\]",
        "^select_rule_filters -> .*'selected_rule_filters': None",
        r"^select_message_types -> .*'selected_message_types': \['market_updated'\]",
    ),
    "stx/follow_orders.py": ("^the order is OPEN", "^the order is CANCELLED"),
    "stx/follow_portfolio.py": (r"(^available: \$[\d.]+ of \$[\d.]+\n){3}",),
    "stx/many_channels.py": (
        r"^MARKETS brought market_\w+",
        "^ORDERS brought all_orders",
        "^TRADES brought all_trades",
        "^POSITIONS brought all_positions",
        "^PORTFOLIO brought summary",
    ),
    "stx/earlier_names.py": ("^market: [0-9a-f-]{36}", "^order: [0-9a-f-]{36} [A-Z]+"),
    "stx/request_reply.py": (r"^the venue now sends: \['price', 'market_id', ",),
    "stx/react_to_gaps.py": (
        (
            r"^prices are known\nconnection lost.*: \d+ prices.*\n"
            r"gap \(connection lost\) of [\d.]+ s\nprices are known again"
        ),
    ),
    "stx/reconcile_orders.py": (r"^orders at first: \d+", r"^orders after the line was lost: [1-9]\d*"),
    "stx/reconnect_policy.py": ("^now connecting", "^now waiting", "^gave up: .*3"),
    "stx/heartbeat_interval.py": (r"^a heartbeat was answered in [\d.]+ ms",),
    "stx/close_and_leave.py": ("^joined: 2\nleft one, still joined: 1\nthe socket is closed",),
    "stx/protect_orders.py": ("^while the socket lives: OPEN\nafter it: CANCELLED",),
    "stx/two_accounts.py": (r"^ann@example.com has \d+ cents", r"^ben@example.com has \d+ cents"),
    "stx/read_statistics.py": (
        r"^up: connection 2, 1 reconnection",
        r"^markets: subscribed, \d+ delivered, 1 mark",
    ),
    "stx/market_maker.py": (r"^quote 1: buy 20 at \d+; filled so far: \d+", r"^filled in all: \d+"),
    "sxbet/quick_start.py": (r"^the client is connected\ntrade 1: \d+ at \d+", "^trade 10: "),
    "sxbet/subscribe.py": (r"^a trade at \d+", "^best odds of [1-9]", r"^it is \d+ to \d+"),
    "sxbet/both_flags.py": (
        r"^connection lost.*: from here on you know of no trade\nthe line broke; nothing is missing",
        r"^25 trades from offset \d+ on, 0 holes",
    ),
    "sxbet/after_reconnect.py": (
        r"^fresh: .*\nlost \(connection lost.*\): wait, and act on nothing\nrecovered: ",
        "^and .* itself: unrecovered",
        "^not recovered: ",
    ),
    "sxbet/deduplicate.py": (r"^applied \d+ messages, passed over \d+ that came twice",),
    "sxbet/order_book.py": (
        r"^the market: ",
        r"(^bid .* offer .*\n){5}(no quotes: .*\n)*no quotes: connection lost",
        r"(^bid .* offer .*\n){5}\Z",
    ),
    "sxbet/read_history.py": (
        r"(^offset \d+: .*'messageId'.*\n){5}^the stream stands at \d+ of epoch \w+",
        "^refused with code 108",
    ),
    "sxbet/follow_states.py": (
        "^client connecting: 0 connect called",
        "^client connected",
        "^channel subscribing: subscribe called",
        "^channel subscribed: recent_trades:global",
        "^client connecting: 1 reconnect called",
        "^channel subscribing: connection lost",
        "^channel subscribed again: recent_trades:global",
        "^channel unsubscribed: 0 unsubscribe called",
        "^client disconnected: 0 disconnect called",
    ),
    "sxbet/watch_markets.py": (r"^0x[0-9a-f]{64}: status=[A-Z]+",),
    "sxbet/get_token.py": (
        "^no token this time\nconnected after all: connected\nstopped for good: the key is refused",
    ),
    "sxbet/resume_later.py": (
        r"^took offsets \d+ to \d+\nsave this: StreamPosition\(offset=\d+, epoch='\w+'\)\ntook offsets",
    ),
    "stake/quick_start.py": (r"(^[+-][\d.]+ -> [\d.]+ usdt\n){5}",),
    "stake/iterate.py": (r"^round 1 crashed at [\d.]+\ngap: connection lost; .*\nround 2 crashed at [\d.]+",),
    "stake/many_channels.py": (
        r"^game:crash: \['crashpoint'",
        r"^game:dice: \['bet'",
        r"^sports:event:1: \['id', 'name', 'odds', 'score'",
        r"^bets: \['bet'",
        r"^chat:english: \['createdAt'",
    ),
    "stake/balance_and_stream.py": (r"^it is [\d.]+ usdt\n(it changed to [\d.]+ usdt\n){3}",),
    "stake/graphql_wire.py": (
        "^no counterpart: channel='sports:event:1' is not valid",
        r"(^(starting|in_progress|crash) \S+\n){3}",
    ),
    "stake/account.py": (
        r"^player-\w+ has what is worth \$\d+\.\d\d\n",
        r"^bet: 1\.0 usdt",
        "^not let in: HTTP 403",
    ),
    "weex/quick_start.py": (r"(^\d+\.\d{3} \d+\.\d \([+-][\d.]+ % in a day\)\n){5}",),
    "weex/order_book.py": (r"(^state \d+: [\d.]+ at [\d.]+ \| [\d.]+ at [\d.]+\n){4}",),
    "weex/trades.py": (r"^bought [\d.]+, sold [\d.]+",),
    "weex/account.py": (
        r"^USDT: [\d.]+, of which [\d.]+ are free",
        r"^(long|short) [\d.]+ [A-Z]+USDT: [+-][\d.]+",
    ),
    "weex/follow_orders.py": ("^looked up: new", "^the order is canceled"),
    "weex/many_symbols.py": (
        r"^BTCUSDT: [\d.]+",
        r"^ETHUSDT: [\d.]+",
        r"^ADAUSDT: [\d.]+",
        "^1 connection for 3 symbols",
    ),
    "weex/moving_average.py": (r"(^(buy|sell|hold): [\d.]+ against [\d.]+\n){5}",),
    "weex/paper_trading.py": (r"^after 6 trades: [\d.]+ in cash, 0 coins",),
    "weex/position_limits.py": (r"^[\d.]+ USDT is more than 1000: no more orders",),
    "weex/reconnect_policy.py": ("^gave up: .*3",),
    "weex/react_to_gaps.py": (
        (
            r"^connection lost.*: the price is not known\n"
            r"gap \(connection lost\) of [\d.]+ s\nthe price is [\d.]+"
        ),
    ),
    "weex/filter_moves.py": (r"(^[A-Z]+USDT moved by [+-][\d.]+% to [\d.]+\n){3}passed over: \d+",),
    "weex/batches.py": (r"(^\d prices between [\d.]+ and [\d.]+\n){3}read and not handled: \d",),
    "weex/watch_silence.py": (r"^nothing for [\d.]+ s: the market is quiet\nheard again after [\d.]+ s",),
    "weex/store_tickers.py": (r"^40 rows stored in \d+ commits",),
    "weex/candles.py": (r"^10 candles of the past\nthe latest closes at [\d.]+",),
    "weex/read_statistics.py": (
        "^up: 1 connection, 1 subscription",
        r"^taken 1, dropped \d+, marks 0",
    ),
}


HOSTS = {"stx": "STX_HOST", "sxbet": "SXBET_HOST", "stake": "STAKE_BASE_URL", "weex": "WEEX_HOST"}
"""The variable that leads an example of each venue."""

ACTIVITY: Mapping[str, tuple[str, ...]] = {"stake": ("--activity",)}
"""Where an example can only follow what others do in its account's name."""


@pytest.fixture(scope="module")
def venues(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, dict[str, str]]]:
    """Each venue, played in a process of its own: what it exports, by the venue's name."""
    with ExitStack() as stack:
        yield {
            venue: stack.enter_context(
                played_venue(tmp_path_factory.mktemp(venue), venue, *ACTIVITY.get(venue, ()))
            )
            for venue in HOSTS
        }


@pytest.mark.parametrize("name", EXPECTED)
def test_the_example_runs_and_its_figures_are_right(
    name: str, venues: Mapping[str, Mapping[str, str]], tmp_path: Path
) -> None:
    venue = name.partition("/")[0]
    exports = venues[venue]
    environment = {HOSTS[venue]: exports[HOSTS[venue]]}
    with Program([EXAMPLES / name], environment, tmp_path) as program:
        status = program.wait()
        assert (status, program.errors if status else "") == (0, "")
        program.wait_for(*EXPECTED[name])
        assert "Traceback" not in program.errors
        assert "never" not in program.errors
        if name in FIGURES:
            truth = Truth(venue, exports["TAPEWIRE_SANDBOX_URL"], exports["TAPEWIRE_SANDBOX_TOKEN"])
            FIGURES[name](program.output, truth)


def test_of_every_example_it_is_known_what_its_figures_must_be() -> None:
    assert sorted([*FIGURES, *NO_FIGURES]) == sorted(EXPECTED)


def test_no_example_is_passed_over() -> None:
    there = {path.relative_to(EXAMPLES).as_posix() for path in EXAMPLES.rglob("*.py")}
    assert there == {*EXPECTED, *OF_ALL_VENUES}


@pytest.mark.parametrize("name", [*EXPECTED, *OF_ALL_VENUES])
def test_each_example_begins_with_its_question_and_the_list_has_it(name: str) -> None:
    text = (EXAMPLES / name).read_text("utf-8")
    docstring = ast.get_docstring(ast.parse(text))
    assert docstring is not None
    question, _, rest = docstring.partition("\n\n")
    assert question.endswith("?")
    assert "\n" not in question
    assert f"python examples/{name}" in rest
    listed = (EXAMPLES / "README.md").read_text("utf-8")
    assert f"({name})" in listed
    assert question in listed

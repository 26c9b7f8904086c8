"""What the figures that an example prints must be: each is compared with the sandbox's ledger and accounts.

`FIGURES` has a check for every example that prints some; `NO_FIGURES` says of the others why there is nothing to
compare. A check is given what the example printed and the `Truth` of its venue.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from itertools import pairwise
from typing import Any, TypeAlias

import httpx2

from tapewire.sandbox.net.admin import PREFIX, TOKEN_HEADER

__all__ = ["FIGURES", "NO_FIGURES", "Truth"]


class Truth:
    """The ledger and the accounts of one played venue, as they are now."""

    def __init__(self, venue: str, url: str, token: str) -> None:
        self.venue = venue
        self._url = url
        self._headers = {TOKEN_HEADER: token}

    def _ask(self, what: str, **query: str) -> Any:
        reply = httpx2.get(f"{self._url}{PREFIX}{what}", params=query, headers=self._headers, trust_env=False)
        assert reply.is_success, reply.text
        return reply.json(parse_float=Decimal)

    def entries(self, topic: str) -> list[dict[str, Any]]:
        """The publications of a topic that are kept, in order."""
        found: list[dict[str, Any]] = []
        while True:
            since = {"since": str(found[-1]["sequence"])} if found else {}
            page = self._ask("ledger", topic=topic, venue=self.venue, **since)
            found += page["entries"]
            if not page["more"]:
                return found

    def payloads(self, topic: str) -> list[Any]:
        """What they say."""
        return [entry["payload"] for entry in self.entries(topic)]

    def rows(self, topic: str) -> list[Any]:
        """The rows of a topic whose publications have several each, in order."""
        return [row for payload in self.payloads(topic) for row in payload["d"]]

    def account(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self._ask("accounts")[self.venue][name]
        return found

    def uid(self, email: str) -> str:
        """Whose e-mail address it is."""
        for each in self._ask("ledger")["topics"]:
            if each["topic"].startswith("user_info:"):
                said = [one for one in self.payloads(each["topic"]) if one.get("email") == email]
                if said:
                    uid: str = said[0]["uid"]
                    return uid
        raise AssertionError(f"nobody has signed in as {email}")


Check: TypeAlias = Callable[[str, Truth], None]


def found(pattern: str, output: str) -> list[Any]:
    """All that the pattern finds at the beginnings of lines; there must be something."""
    matches = re.findall(pattern, output, re.MULTILINE)
    assert matches, f"{pattern} is not in {output}"
    return matches


def is_run_of(printed: Sequence[Any], published: Sequence[Any]) -> None:
    """Each was published, one directly behind the other."""
    size = len(printed)
    starts = range(len(published) - size + 1)
    assert any(list(published[start : start + size]) == list(printed) for start in starts), printed


def is_in_order(printed: Iterable[Any], published: Iterable[Any]) -> None:
    """Each was published, in that order, with others between them or not."""
    left = iter(published)
    assert all(item in left for item in printed), printed


# STX


def changed_markets(output: str, truth: Truth) -> None:
    printed = [(one, ast.literal_eval(fields)) for one, fields in found(r"^changed: (\S+) (\[.*\])$", output)]
    payloads = truth.payloads("markets")
    is_in_order(printed, [(one, sorted(fields)) for each in payloads for one, fields in each.items()])


def whole_markets(output: str, truth: Truth) -> None:
    printed = [ast.literal_eval(text) for text in found(r"^market_\w+: (\{.*\})$", output)]
    is_in_order([exact(each) for each in printed], truth.payloads("markets"))


def exact(value: Any) -> Any:
    """The same value with its numbers as the ledger's are read."""
    if isinstance(value, float):
        return Decimal(str(value))
    if isinstance(value, dict):
        return {key: exact(each) for key, each in value.items()}
    return [exact(each) for each in value] if isinstance(value, list) else value


def counted_markets(output: str, truth: Truth) -> None:
    printed = found(r"^news on markets: (\w+) of (\d+) market", output)
    is_in_order(
        [(event, int(count)) for event, count in printed],
        [(entry["event"], len(entry["payload"])) for entry in truth.entries("markets")],
    )


def best_bids(output: str, truth: Truth) -> None:
    printed = [(one, ast.literal_eval(level)) for one, level in found(r"^(\S+) best bid (\[.*\])$", output)]
    published = [
        (one, fields["bids"][:1] if "bids" in fields else ["unchanged"])
        for each in truth.payloads("markets")
        for one, fields in each.items()
    ]
    is_in_order(printed, published)


def lost_prices(output: str, truth: Truth) -> None:
    [count] = found(r"^connection lost.*: (\d+) prices", output)
    assert 1 <= int(count) <= len({one for each in truth.payloads("markets") for one in each})


def own_order(output: str, truth: Truth) -> None:
    [(order_id, status)] = found(r"^order: (\S+) (\w+)$", output)
    orders = truth.payloads(f"active_orders:{truth.uid('you@example.com')}")
    assert (order_id, status) in [(each["orderId"], each["status"]) for each in orders]


def portfolio(output: str, truth: Truth) -> None:
    printed = [tuple(map(cents, each)) for each in found(r"^available: \$([\d.]+) of \$([\d.]+)$", output)]
    told = truth.payloads(f"portfolio:{truth.uid('you@example.com')}")
    is_run_of(printed[1:], [(each["available_balance"], each["account_balance"]) for each in told])
    before, set_aside, after = printed
    assert before == after
    assert before[0] - set_aside[0] == 500  # five hundred contracts at a cent each
    assert before[1] == set_aside[1]


def cents(dollars: str) -> int:
    return int(Decimal(dollars) * 100)


def reconciled_orders(output: str, truth: Truth) -> None:
    [first], [then] = found(r"at first: (\d+)", output), found(r"line was lost: (\d+)", output)
    account = truth.account(truth.uid("you@example.com"))
    assert int(then) == int(first) + 1
    assert int(then) >= len(account["open_orders"]) > 0


def balances_of_two(output: str, truth: Truth) -> None:
    for email, balance in found(r"^(\S+) has (\d+) cents$", output):
        account = truth.account(truth.uid(email))
        costs = sum(position["cost"] for position in account["positions"])
        assert int(balance) == account["cash"] + account["escrow"] + costs


def market_making(output: str, truth: Truth) -> None:
    quotes = [
        tuple(map(int, each))
        for each in found(r"^quote \d: buy (\d+) at (\d+); filled so far: (\d+)$", output)
    ]
    [total] = found(r"^filled in all: (\d+)$", output)
    uid = truth.uid("maker@example.com")
    last: dict[str, Any] = {each["orderId"]: each for each in truth.payloads(f"active_orders:{uid}")}
    ours = list(last)[-len(quotes) :]  # of this run; all that were placed before are of runs before
    assert [(last[one]["quantity"], last[one]["price"]) for one in ours] == [quote[:2] for quote in quotes]
    filled = [last[one]["filled"] for one in ours]
    assert int(total) == sum(filled)
    for number, (_, _, so_far) in enumerate(quotes):  # it may have been filled as soon as it was placed
        assert sum(filled[:number]) <= so_far <= sum(filled[: number + 1])
    fills = truth.payloads(f"active_trades:{uid}")
    assert int(total) == sum(each["filled"] for each in fills if each["orderId"] in ours)
    assert last[ours[-1]]["status"] != "OPEN"


# SX Bet

TRADES = "recent_trades:global"


def trades(pattern: str, output: str, truth: Truth, *, run: bool) -> None:
    published = [(each["stake"], each["odds"]) for each in truth.payloads(TRADES)]
    (is_run_of if run else is_in_order)(found(pattern, output), published)


def one_of_each(output: str, truth: Truth) -> None:
    [odds] = found(r"^a trade at (\d+)$", output)
    assert odds in [each["odds"] for each in truth.payloads(TRADES)]
    [count] = found(r"^best odds of (\d+) ", output)
    assert int(count) in [len(each) for each in truth.payloads("best_odds:global")]
    [score] = found(r"^it is (\d+) to (\d+)$", output)
    scores = truth.payloads("fixtures:live_scores")
    assert tuple(map(int, score)) in [(each["teamOneScore"], each["teamTwoScore"]) for each in scores]


def unbroken_offsets(output: str, truth: Truth) -> None:
    [(count, first, holes)] = found(r"^(\d+) trades from offset (\d+) on, (\d+) holes$", output)
    assert (int(count), holes) == (25, "0")
    assert int(first) + int(count) - 1 <= truth.entries(TRADES)[-1]["sequence"]


def deduplicated(output: str, truth: Truth) -> None:
    """Every message of an event's markets comes on two channels, and is applied once."""
    [(applied, repeated)] = found(r"^applied (\d+) messages, passed over (\d+) that came twice$", output)
    assert int(applied) >= int(repeated) == 5  # what was passed over had been applied before


def best_levels(output: str, truth: Truth) -> None:
    """Each level that is shown rested in that market at some time: what its orders had left, as they were told."""
    [names] = found(r"^the market: (.*)$", output)
    listed = [row for payload in truth.payloads("markets:global") for row in payload]
    markets = {
        row["marketHash"] for row in listed if names == f"{row['outcomeOneName']} or {row['outcomeTwoName']}"
    }
    levels = {level for market in markets for level in levels_of(truth, f"order_book:market_{market}")}
    for side, size, probability in found(r"(bid|offer) (\d+) at (0\.\d+)", output):
        assert (side, Decimal(size), Decimal(probability)) in levels


def levels_of(truth: Truth, channel: str) -> set[tuple[str, Decimal, Decimal]]:
    """Every level there ever was: side, contracts and the probability of the first outcome, as the example words it."""
    orders: dict[str, tuple[bool, Decimal, int]] = {}
    levels: set[tuple[str, Decimal, Decimal]] = set()
    for payload in truth.payloads(channel):
        for row in payload:
            is_bid, odds = row["isMakerBettingOutcomeOne"], Decimal(row["percentageOdds"]) / Decimal(10**20)
            pending = int(row["pendingFillAmount"])
            is_over = row["status"] == "FILLED" or (row["status"] == "INACTIVE" and not pending)
            left = 0 if is_over else int(row["totalBetSize"]) - int(row["fillAmount"]) - pending
            orders[row["orderHash"]] = (is_bid, odds, left)
            rest = sum(left for bids, at, left in orders.values() if (bids, at) == (is_bid, odds))
            contracts = (rest / odds / Decimal(10**6)).quantize(Decimal(1))
            probability = (odds if is_bid else 1 - odds).quantize(Decimal("0.0001"))
            levels.add(("bid" if is_bid else "offer", contracts, probability))
    return levels


def history(output: str, truth: Truth) -> None:
    published = {entry["sequence"]: entry["payload"] for entry in truth.entries(TRADES)}
    printed = found(r"^offset (\d+): (\S+) at (\S+) \{", output)
    for offset, stake, odds in printed:
        assert (stake, odds) == (published[int(offset)]["stake"], published[int(offset)]["odds"])
    offsets = [int(offset) for offset, _, _ in printed]
    assert offsets == list(range(offsets[0], offsets[0] - 5, -1))
    [top] = found(r"^the stream stands at (\d+) ", output)
    assert int(top) == offsets[0]


def resumed(output: str, truth: Truth) -> None:
    (first, last), (then, end) = (
        tuple(map(int, each)) for each in found(r"^took offsets (\d+) to (\d+)$", output)
    )
    assert (last - first, end - then) == (4, 4)
    assert then == last + 1
    [saved] = found(r"^save this: StreamPosition\(offset=(\d+)", output)
    assert int(saved) == last
    assert end <= truth.entries(TRADES)[-1]["sequence"]


# Stake


def stake_balances(truth: Truth) -> list[dict[str, Any]]:
    account = hashlib.blake2b(b"any", digest_size=6).hexdigest()
    return truth.payloads(f"user:balances:{account}")


def balance_changes(output: str, truth: Truth) -> None:
    printed = [tuple(map(Decimal, each)) for each in found(r"^([+-][\d.]+) -> ([\d.]+) usdt$", output)]
    is_run_of(printed, [(each["amount"], each["balance"]["amount"]) for each in stake_balances(truth)])


def balance_and_changes(output: str, truth: Truth) -> None:
    [first] = found(r"^it is ([\d.]+) usdt$", output)
    printed = [Decimal(each) for each in found(r"^it changed to ([\d.]+) usdt$", output)]
    told = stake_balances(truth)
    states = [told[0]["balance"]["amount"] - told[0]["amount"], *(each["balance"]["amount"] for each in told)]
    is_run_of(printed, states)
    # What was published while the snapshot was fetched is in it, and comes behind it all the same: nothing is missing.
    runs = [start for start in range(1, len(states)) if states[start : start + 3] == printed]
    assert any(Decimal(first) in states[start - 1 : start + 3] for start in runs), (first, printed)


def crashes(output: str, truth: Truth) -> None:
    printed = [Decimal(each) for each in found(r"^round \d crashed at ([\d.]+)$", output)]
    points = (each["crashpoint"] for each in truth.payloads("game:crash"))
    is_in_order(printed, [point for point in points if point is not None])


def rounds(output: str, truth: Truth) -> None:
    printed = found(r"^(starting|in_progress|crash) (\S+)$", output)
    published = [(each["status"], str(each["multiplier"])) for each in truth.payloads("game:crash")]
    is_run_of([(status, same_number(text)) for status, text in printed],
              [(status, same_number(text)) for status, text in published])  # fmt: skip


def same_number(text: str) -> Decimal | None:
    return None if text == "None" else Decimal(text)


def worth(output: str, truth: Truth) -> None:
    [dollars] = found(r"has what is worth \$([\d.]+)$", output)
    told = [each["balance"]["amount"] for each in stake_balances(truth) if each["wallet"] == "available"]
    coins = Decimal("0.00125") * Decimal("64250.5")
    assert Decimal(dollars) in [(each + coins).quantize(Decimal("0.01")) for each in [Decimal(10000), *told]]


# WEEX


def tickers(truth: Truth, symbol: str) -> list[Decimal]:
    return [Decimal(row["c"]) for row in truth.rows(f"{symbol}@ticker")]


def ticker_lines(output: str, truth: Truth) -> None:
    printed = [
        (Decimal(last), Decimal(change))
        for last, change in found(r"^\S+ ([\d.]+) \(([+-][\d.]+) % in", output)
    ]
    rows = truth.rows("BTCUSDT@ticker")
    is_run_of(printed, [(Decimal(row["c"]), round(Decimal(row["P"]) * 100, 2)) for row in rows])


def books(truth: Truth, symbol: str = "BTCUSDT") -> dict[int, dict[str, dict[Decimal, Decimal]]]:
    """By its number, each state of the book as far as the deltas of the ledger make it."""
    states: dict[int, dict[str, dict[Decimal, Decimal]]] = {}
    sides: dict[str, dict[Decimal, Decimal]] = {"b": {}, "a": {}}
    for payload in truth.payloads(f"{symbol}@depth15"):
        for name, side in sides.items():
            side |= {Decimal(price): Decimal(size) for price, size in payload[name]}
        states[payload["u"]] = {name: dict(side) for name, side in sides.items()}
    return states


def top_levels(output: str, truth: Truth) -> None:
    states = books(truth)
    for number, *levels in found(r"^state (\d+): ([\d.]+) at ([\d.]+) \| ([\d.]+) at ([\d.]+)$", output):
        if int(number) in states:  # else it is the first, a snapshot of before all deltas
            bid_size, bid, ask_size, ask = map(Decimal, levels)
            state = states[int(number)]
            assert state["b"].get(bid, bid_size) == bid_size
            assert state["a"].get(ask, ask_size) == ask_size
            assert all(not size or price <= bid for price, size in state["b"].items())
            assert all(not size or price >= ask for price, size in state["a"].items())


def pushed(output: str, truth: Truth) -> None:
    [(bought, sold)] = found(r"^bought ([\d.]+), sold ([\d.]+)$", output)
    rows = [(row["m"], Decimal(row["q"])) for row in truth.rows("ETHUSDT@trade")]
    windows = (rows[start : start + 10] for start in range(len(rows) - 9))
    sums = [
        tuple(sum(size for is_sale, size in window if is_sale is wanted) for wanted in (False, True))
        for window in windows
    ]
    assert (Decimal(bought), Decimal(sold)) in sums


def weex_account(output: str, truth: Truth) -> None:
    account = truth.account("trader")
    fine = Decimal(10) ** -11
    wallet = (account["cash"] + account["escrow"]) * fine
    told = [Decimal(row["amount"]) for row in truth.rows("account:trader")]
    for balance, free in found(r"^USDT: ([\d.]+), of which ([\d.]+) are free$", output):
        assert Decimal(balance) in [Decimal(10_000), *told, wallet]
        assert Decimal(free) <= Decimal(balance)
    [(side, size, symbol, profit)] = found(r"^(long|short) ([\d.]+) (\w+): ([+-][\d.]+)$", output)
    rows = [row for row in truth.rows("positions:trader") if row["symbol"] == symbol]
    assert (side.upper(), Decimal(size)) in [(row["side"], Decimal(row["size"])) for row in rows]
    marks = [Decimal(row["m"]) for row in truth.rows(f"{symbol}@ticker")]
    profits = {
        round(
            (mark * Decimal(row["size"]) - Decimal(row["openValue"])) * (1 if row["side"] == "LONG" else -1),
            5,
        )
        for row in rows
        for mark in marks
    }
    near = min(abs(each - Decimal(profit)) for each in profits)
    assert near <= Decimal(size) / 2, (
        profit,
        near,
    )  # the mark of that moment is in no ticker: half a dollar is allowed


def last_prices(output: str, truth: Truth) -> None:
    for symbol, last in found(r"^(\w+USDT): ([\d.]+)$", output):
        assert Decimal(last) in tickers(truth, symbol)


def averages(output: str, truth: Truth) -> None:
    printed = [
        (Decimal(price), Decimal(mean)) for price, mean in found(r"^\w+: ([\d.]+) against ([\d.]+)$", output)
    ]
    prices, period = tickers(truth, "BTCUSDT"), 8
    means = [
        (prices[end - 1], round(sum(prices[end - period : end]) / period, 2))
        for end in range(period, len(prices) + 1)
    ]
    is_run_of(printed, means)


def paper(output: str, truth: Truth) -> None:
    """Six trades of a thousandth, each at the better side of a state of the book that followed on the one before."""
    [cash] = found(r"^after 6 trades: ([\d.]+) in cash, 0 coins$", output)
    states = list(books(truth).values())
    tops = [
        (
            max(price for price, size in each["b"].items() if size),
            min(price for price, size in each["a"].items() if size),
        )
        for each in states
        if any(each["b"].values()) and any(each["a"].values())
    ]
    outcomes = set()
    for start in range(len(tops) - 5):
        paid = [tops[start + number][number % 2 == 0] for number in range(6)]
        change = sum(price * (-1 if number % 2 == 0 else 1) for number, price in enumerate(paid))
        outcomes.add(round(10_000 + change * Decimal("0.001"), 2))
    assert Decimal(cash) in outcomes


def exposure(output: str, truth: Truth) -> None:
    [total] = found(r"^([\d.]+) USDT is more than 1000", output)
    assert Decimal(total) > 1000
    values = [
        Decimal(row["openValue"]) for row in truth.rows("positions:trader") if row["symbol"] == "BTCUSDT"
    ]
    assert Decimal(total) in [round(value, 2) for value in values]


def moves(output: str, truth: Truth) -> None:
    for symbol, change, price in found(r"^(\w+) moved by ([+-][\d.]+)% to ([\d.]+)$", output):
        prices = tickers(truth, symbol)
        steps = [(round((new / old - 1) * 100, 5), new) for old, new in pairwise(prices)]
        assert (Decimal(change), Decimal(price)) in steps


def price_ranges(output: str, truth: Truth) -> None:
    prices = tickers(truth, "BTCUSDT")
    for count, low, high in found(r"^(\d+) prices between ([\d.]+) and ([\d.]+)$", output):
        size = int(count)
        windows = [prices[start : start + size] for start in range(len(prices) - size + 1)]
        assert (Decimal(low), Decimal(high)) in [(min(each), max(each)) for each in windows]


def closes(output: str, truth: Truth) -> None:
    [close] = found(r"^the latest closes at ([\d.]+)$", output)
    made = [Decimal(row["p"]) for row in truth.rows("BTCUSDT@trade")]
    assert Decimal(close) in made


def known_prices(output: str, truth: Truth) -> None:
    is_in_order(
        [Decimal(each) for each in found(r"^the price is ([\d.]+)$", output)], tickers(truth, "BTCUSDT")
    )


FIGURES: Mapping[str, Check] = {
    "stx/quick_start.py": whole_markets,
    "stx/iterate.py": changed_markets,
    "stx/read_messages.py": counted_markets,
    "stx/filter_markets.py": best_bids,
    "stx/follow_portfolio.py": portfolio,
    "stx/earlier_names.py": own_order,
    "stx/react_to_gaps.py": lost_prices,
    "stx/reconcile_orders.py": reconciled_orders,
    "stx/two_accounts.py": balances_of_two,
    "stx/market_maker.py": market_making,
    "sxbet/quick_start.py": partial(trades, r"^trade \d+: (\S+) at (\S+)$", run=True),
    "sxbet/subscribe.py": one_of_each,
    "sxbet/both_flags.py": unbroken_offsets,
    "sxbet/deduplicate.py": deduplicated,
    "sxbet/order_book.py": best_levels,
    "sxbet/read_history.py": history,
    "sxbet/resume_later.py": resumed,
    "stake/quick_start.py": balance_changes,
    "stake/iterate.py": crashes,
    "stake/balance_and_stream.py": balance_and_changes,
    "stake/graphql_wire.py": rounds,
    "stake/account.py": worth,
    "weex/quick_start.py": ticker_lines,
    "weex/order_book.py": top_levels,
    "weex/trades.py": pushed,
    "weex/account.py": weex_account,
    "weex/many_symbols.py": last_prices,
    "weex/moving_average.py": averages,
    "weex/paper_trading.py": paper,
    "weex/position_limits.py": exposure,
    "weex/react_to_gaps.py": known_prices,
    "weex/filter_moves.py": moves,
    "weex/batches.py": price_ranges,
    "weex/candles.py": closes,
}

WORDS = "it prints words and names, no figures"
OWN = "its figures are of its own line, and what is expected of it says them"
TIMES = "its figures are measured times"

NO_FIGURES: Mapping[str, str] = {
    "stx/change_filters.py": WORDS,
    "stx/follow_orders.py": WORDS,
    "stx/many_channels.py": WORDS,
    "stx/request_reply.py": WORDS,
    "stx/protect_orders.py": WORDS,
    "stx/reconnect_policy.py": OWN,
    "stx/close_and_leave.py": OWN,
    "stx/read_statistics.py": OWN,
    "stx/heartbeat_interval.py": TIMES,
    "sxbet/after_reconnect.py": WORDS,
    "sxbet/follow_states.py": WORDS,
    "sxbet/watch_markets.py": WORDS,
    "sxbet/get_token.py": WORDS,
    "stake/many_channels.py": WORDS,
    "weex/follow_orders.py": WORDS,
    "weex/reconnect_policy.py": OWN,
    "weex/read_statistics.py": OWN,
    "weex/store_tickers.py": OWN,
    "weex/watch_silence.py": TIMES,
}
"""Why there is nothing to compare."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapewire.errors import ConfigurationError
from tapewire.sandbox.core.events import BookChanged, OrderChanged, Settled
from tapewire.sandbox.core.exchange import Exchange

ACCOUNTS = ("ann", "bob", "cid")


def exchange_with_accounts(seed=1, deposit=100_000):
    exchange = Exchange(seed)
    for name in ACCOUNTS:
        exchange.open_account(name, deposit)
    market, _ = exchange.create_market({"title": "t"}, 0)
    return exchange, market


actions = st.lists(
    st.tuples(
        st.sampled_from(ACCOUNTS),
        st.sampled_from(("buy", "sell")),
        st.one_of(st.none(), st.integers(1, 99)),
        st.integers(1, 50),
        st.booleans(),
        st.one_of(st.none(), st.integers(1, 20)),
    ),
    max_size=60,
)


def play(exchange, market, moves):
    """Place each, showing so much of it; where it says so, cut the account's oldest open order down first."""
    for number, (account, side, price, quantity, cut, display) in enumerate(moves):
        open_orders = exchange.accounts[account].open_orders
        if cut and open_orders:
            yield exchange.reduce(account, next(iter(open_orders)), quantity, number)[1]
        yield exchange.place(account, market.market_id, side, price, quantity, number, display=display)[1]


@given(actions)
def test_the_book_is_never_crossed_after_matching(moves):
    """best bid < best offer, after every call."""
    exchange, market = exchange_with_accounts()
    for _ in play(exchange, market, moves):
        bid, offer = market.book.best_bid, market.book.best_offer
        assert bid is None or offer is None or bid < offer


@given(actions, st.sampled_from((0, 1, None)))
def test_no_money_is_made_or_lost(moves, outcome):
    """Cash, escrow and the worth of contracts always sum to the deposits, and nothing is owed."""
    exchange, market = exchange_with_accounts(deposit=3_000)
    for _ in play(exchange, market, moves):
        assert exchange.worth() == exchange.deposits
        for account in exchange.accounts.values():
            assert account.cash >= 0
            assert account.escrow == sum(order.escrow for order in account.open_orders.values())
        nets = [
            account.positions[market.market_id].net
            for account in exchange.accounts.values()
            if account.positions
        ]
        assert sum(nets) == 0
        assert sum(net for net in nets if net > 0) == market.contracts
    exchange.close_market(market.market_id, 99, outcome=outcome)
    assert sum(account.cash for account in exchange.accounts.values()) == exchange.deposits
    assert all(account.escrow == 0 for account in exchange.accounts.values())


@given(actions)
def test_an_order_is_never_filled_beyond_its_quantity(moves):
    """0 <= filled <= quantity, and the status agrees with it."""
    exchange, market = exchange_with_accounts()
    for events in play(exchange, market, moves):
        for event in events:
            if isinstance(event, OrderChanged):
                order = event.order
                assert 0 <= order.filled <= order.quantity
                assert (order.status == "filled") == (order.remaining == 0)
                assert order.status != "partly_cancelled" or order.filled > 0


@given(actions)
def test_what_is_said_of_the_book_is_the_book(moves):
    """The levels that BookChanged events build are those of the exchange."""
    exchange, market = exchange_with_accounts()
    built = {"buy": {}, "sell": {}}
    for events in play(exchange, market, moves):
        for event in events:
            if isinstance(event, BookChanged):
                built[event.side][event.price] = event.quantity
        for side, levels in built.items():
            assert sorted((price, left) for price, left in levels.items() if left) == sorted(
                market.book.levels(side)
            )


@given(actions)
def test_the_same_seed_and_calls_give_the_same_events(moves):
    """Two exchanges of one seed cannot be told apart."""
    first, second = (list(play(*exchange_with_accounts(7), moves)) for _ in range(2))
    assert first == second


@given(
    st.lists(st.tuples(st.integers(50, 60), st.integers(1, 9)), min_size=2, max_size=12), st.integers(1, 60)
)
def test_price_comes_before_time_and_time_before_all_else(offers, wanted):
    """No order is filled while a better, or an equal and older one, is left."""
    exchange = Exchange(1)
    for name in ("taker", *(f"maker{number}" for number in range(len(offers)))):
        exchange.open_account(name)
    market, _ = exchange.create_market({}, 0)
    placed = []
    for number, (price, quantity) in enumerate(offers):
        exchange.place(f"maker{number}", market.market_id, "sell", price, quantity, number)
        placed.append((price, number))
    exchange.place("taker", market.market_id, "buy", None, wanted, 99)
    queue = [number for _, number in sorted(placed)]
    left = wanted
    for number in queue:
        filled = min(left, offers[number][1])
        position = exchange.accounts[f"maker{number}"].positions.get(market.market_id)
        assert (0 if position is None else -position.net) == filled
        left -= filled


def test_an_order_that_is_cut_down_keeps_its_place_and_gives_the_money_back():
    exchange, market = exchange_with_accounts()
    first, _ = exchange.place("ann", market.market_id, "buy", 40, 10, 1)
    exchange.place("bob", market.market_id, "buy", 40, 10, 2)
    cut, events = exchange.reduce("ann", first.order_id, 4, 3)
    assert (cut.quantity, cut.escrow, exchange.accounts["ann"].escrow) == (6, 240, 240)
    assert BookChanged(market.market_id, "buy", 40, 16) in events
    exchange.place("cid", market.market_id, "sell", 40, 6, 4)
    assert exchange.accounts["ann"].positions[market.market_id].net == 6


def test_an_order_that_is_cut_down_by_all_of_it_is_cancelled():
    exchange, market = exchange_with_accounts()
    order, _ = exchange.place("ann", market.market_id, "buy", 40, 10, 1)
    assert exchange.reduce("ann", order.order_id, 10, 2)[0].status == "cancelled"
    assert exchange.reduce("ann", "unknown", 1, 2) == (None, [])
    with pytest.raises(ConfigurationError, match="1 or more"):
        exchange.reduce("ann", order.order_id, 0, 2)


def test_what_is_cut_off_is_what_was_hidden_first():
    exchange, market = exchange_with_accounts()
    order, _ = exchange.place("ann", market.market_id, "buy", 40, 30, 1, display=10)
    exchange.reduce("ann", order.order_id, 15, 2)
    assert market.book.levels("buy") == [(40, 10)]
    exchange.reduce("ann", order.order_id, 10, 3)
    assert market.book.levels("buy") == [(40, 5)]


def test_a_better_price_gives_the_difference_back():
    exchange, market = exchange_with_accounts()
    exchange.place("ann", market.market_id, "sell", 40, 10, 1)
    order, _ = exchange.place("bob", market.market_id, "buy", 60, 15, 2)
    assert (order.status, order.filled, order.spent, order.escrow) == ("open", 10, 400, 300)
    assert exchange.accounts["bob"].cash == 100_000 - 400 - 300


def test_buying_back_what_was_sold_pays_out_at_once():
    exchange, market = exchange_with_accounts()
    exchange.place("ann", market.market_id, "buy", 60, 10, 1)
    exchange.place("bob", market.market_id, "sell", 60, 10, 2)
    exchange.place("ann", market.market_id, "sell", 70, 10, 3)
    exchange.place("bob", market.market_id, "buy", 70, 10, 4)
    assert market.contracts == 0
    assert exchange.accounts["ann"].cash == 100_000 + 100
    assert exchange.accounts["bob"].cash == 100_000 - 100


def test_an_order_never_meets_another_of_its_account():
    exchange, market = exchange_with_accounts()
    first, _ = exchange.place("ann", market.market_id, "sell", 50, 5, 1)
    second, _ = exchange.place("ann", market.market_id, "buy", 55, 5, 2)
    assert exchange.cancel("ann", first.order_id, 3)[0].status == "cancelled"
    assert second.status == "open"


@pytest.mark.parametrize(
    ("side", "price", "quantity", "reason"),
    [
        ("buy", 100, 1, "price must be between 1 and 99"),
        ("buy", 0, 1, "price must be between 1 and 99"),
        ("sell", 50, 0, "quantity must be between 1 and 1000000"),
        ("sell", None, 5, "no liquidity"),
        ("buy", 99, 100_000, "insufficient funds"),
        ("hold", 50, 1, "side must be buy or sell"),
    ],
)
def test_what_the_rules_forbid_is_rejected_with_a_reason(side, price, quantity, reason):
    exchange, market = exchange_with_accounts()
    order, events = exchange.place("ann", market.market_id, side, price, quantity, 1)
    assert (order.status, order.reason) == ("rejected", reason)
    assert [event.order.status for event in events] == ["rejected"]
    assert exchange.accounts["ann"].cash == 100_000


def test_a_market_order_does_not_rest():
    exchange, market = exchange_with_accounts()
    exchange.place("ann", market.market_id, "sell", 50, 5, 1)
    order, _ = exchange.place("bob", market.market_id, "buy", None, 9, 2)
    assert (order.status, order.filled) == ("partly_cancelled", 5)
    assert market.book.best_bid is None


def test_a_resulted_market_pays_the_winner_and_takes_no_more_orders():
    exchange, market = exchange_with_accounts()
    exchange.place("ann", market.market_id, "buy", 60, 10, 1)
    exchange.place("bob", market.market_id, "sell", 60, 10, 2)
    events = exchange.close_market(market.market_id, 3, outcome=0)
    paid = {event.account: event.settlement.paid for event in events if isinstance(event, Settled)}
    assert paid == {"ann": 1000, "bob": 0}
    assert exchange.place("ann", market.market_id, "buy", 1, 1, 4)[0].reason == "market is not open"
    assert exchange.place("ann", "nowhere", "buy", 1, 1, 4)[0].reason == "market not found"


def test_a_voided_market_gives_back_what_was_paid():
    exchange, market = exchange_with_accounts()
    exchange.place("ann", market.market_id, "buy", 60, 10, 1)
    exchange.place("bob", market.market_id, "sell", 60, 10, 2)
    exchange.close_market(market.market_id, 3, outcome=None)
    assert {name: exchange.accounts[name].cash for name in ("ann", "bob")} == {"ann": 100_000, "bob": 100_000}


def test_only_an_open_market_can_be_closed():
    exchange, market = exchange_with_accounts()
    with pytest.raises(ConfigurationError, match="market_id"):
        exchange.close_market("nowhere", 1)
    with pytest.raises(ConfigurationError, match="outcome"):
        exchange.close_market(market.market_id, 1, outcome=2)

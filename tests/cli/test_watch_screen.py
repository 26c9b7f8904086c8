"""How a picture looks on a terminal of any size. Nothing is said by colour alone."""

import io
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.text import Text

from tapewire.app.view import FeedPicture, Happening, Health, MarketPicture, Picture, VenuePicture
from tapewire.cli.watch_screen import ASCII, LOW, UNICODE, draw, market_lines, shapes_of, wrapped
from tapewire.marks import ContinuityState
from tapewire.model import Balance, BookSnapshot, Fill, Order, Position, Ticker, Trade

S = ContinuityState
NOW = 1_795_783_010 * 10**9
ID = "0x1a46e3f2b1c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e:1"
COMMON = {"venue": "one", "instrument_id": "BTC", "venue_time_ns": None}


def book(levels=12, price="60412.5", step="0.1"):
    bid, step = Decimal(price), Decimal(step)
    return BookSnapshot(
        **COMMON,
        bids=tuple((bid - step * n, Decimal("1.25") * (n + 1)) for n in range(levels)),
        offers=tuple((bid + step * (n + 1), Decimal("0.3") * (n + 1)) for n in range(levels)),
        received_at_ns=NOW,
    )


def trades(count=30, every=7.0):
    return tuple(
        Trade(
            **COMMON, trade_id=str(n), price=Decimal("60412.5"), size=Decimal("0.013") * (n + 1),
            taker_side="buy" if n % 3 else "sell", received_at_ns=NOW - int(n * every * 1e9),
        )
        for n in range(count)
    )  # fmt: skip


def feed(kind="book", state=S.LIVE, reason="", **fields):
    given = {
        "kind": kind, "health": Health(state=state, proof="chained", for_s=134.0, reason=reason), "age_s": 0.2,
        "fresh_s": 10.0, "is_old": False, "rate": 3.94, "latency_ms": 12.3, "news": 100, "gaps": 0, "lagged": 0,
    }  # fmt: skip
    return FeedPicture(**(given | fields))


def market(*feeds, instrument_id="BTC", name="Bitcoin", payout=None):
    return MarketPicture(
        venue="one",
        instrument_id=instrument_id,
        name=name,
        currency="USD",
        payout=payout,
        feeds=feeds or (feed(book=book()), feed("trades", items=trades())),
    )


UP = (VenuePicture(name="one", state="up"),)


def shown(*markets, venues=UP, happenings=()):
    return Picture(at_ns=NOW, venues=venues, markets=markets or (market(),), happenings=happenings)


def text_of(picture, width=80, height=24, **options):
    return "\n".join(line.plain for line in draw(picture, width, height, **options))


STALE = feed(state=S.STALE, reason="connection lost: reset by the peer", age_s=45.0, book=book(), gaps=2)
OLD = feed(is_old=True, age_s=61.0, book=book())


@pytest.mark.parametrize("width", [40, 60, 80, 200])
@pytest.mark.parametrize("height", [8, 12, 24, 50])
@pytest.mark.parametrize("count", [1, 2, 5])
def test_the_lines_fit_the_terminal_and_show_as_much_as_they_can(width, height, count):
    picture = shown(*(market(instrument_id=f"{n}{ID}") for n in range(count)))
    lines = draw(picture, width, height)
    assert len(lines) <= height
    assert all(line.cell_len <= width for line in lines)
    text = "\n".join(line.plain for line in lines)
    assert "LIVE" in text
    assert "60412.5" in text
    missing = count - sum(f"one:{n}" in text for n in range(count))
    assert (f"{missing} more" in text) is bool(missing)


@given(st.integers(1, 250), st.integers(1, 80), st.integers(0, 6), st.integers(0, 40))
def test_no_size_makes_it_fail_or_overflow(width, height, count, levels):
    """Whatever the size and what is shown: no more lines, and none longer, than the terminal has."""
    markets = tuple(
        market(
            feed(book=book(levels) if levels else None), feed("trades", items=trades(levels)),
            instrument_id=f"{n}{ID}",
        )
        for n in range(count)
    )  # fmt: skip
    picture = Picture(at_ns=NOW, venues=(VenuePicture(name="one", state="up"),), markets=markets)
    lines = draw(picture, width, height, footer=["a line below all that is longer than most of them are"])
    assert len(lines) <= height
    assert all(line.cell_len <= width for line in lines)


def test_on_a_wide_terminal_markets_stand_side_by_side():
    lines = draw(shown(market(), market(instrument_id="ETH")), 200, 24)
    assert any("one:BTC" in line.plain and "one:ETH" in line.plain for line in lines)
    assert not any(
        "one:BTC" in line.plain and "one:ETH" in line.plain
        for line in draw(shown(market(), market(instrument_id="ETH")), 100, 40)
    )


def test_on_a_narrow_terminal_the_tape_stands_below_the_ladder():
    lines = [line.plain for line in draw(shown(), 40, 24)]
    ladder = next(n for n, line in enumerate(lines) if "│" in line)
    tape = next(n for n, line in enumerate(lines) if "B 60412.5" in line or "S 60412.5" in line)
    assert tape > ladder
    assert "│" not in lines[tape]


@pytest.mark.parametrize("state", list(S))
@pytest.mark.parametrize("shapes", [UNICODE, ASCII])
def test_each_state_has_a_word_and_a_shape_of_its_own(state, shapes):
    assert f"{shapes[state]} {state.upper()}" in text_of(shown(market(feed(state=state))), shapes=shapes)
    assert len({shapes[each] for each in S}) == len(S)


def test_a_terminal_that_is_not_unicode_is_sent_ascii():
    assert shapes_of("utf-8") is UNICODE
    assert shapes_of("ANSI_X3.4-1968") is shapes_of(None) is ASCII
    picture = shown(
        market(feed(book=book()), STALE),
        happenings=(Happening(at_ns=NOW, target="one", kinds=("book",), text="x"),),
    )
    assert text_of(picture, shapes=ASCII).isascii()


def test_a_side_has_its_letter_or_its_place_beside_its_colour():
    text = text_of(shown())
    assert "bid │ offer" in text
    assert "B 60412.5" in text
    assert "S 60412.5" in text
    assert "B bought, S sold" in text


def test_what_is_not_live_is_dim_and_says_why_since_when_and_as_of_when():
    picture = shown(market(STALE))
    text = text_of(picture)
    assert "STALE 2m14s: connection lost: reset by the peer" in text
    assert "not live: as of 45s ago" in text
    assert "mid" not in text
    assert all_dim(picture, "60412.5")


def test_what_is_older_than_its_class_is_dim_and_says_so():
    picture = shown(market(OLD))
    text = text_of(picture)
    assert "1m01s ago, old" in text
    assert "old: as of 1m01s ago" in text
    assert all_dim(picture, "60412.5")


def test_what_is_live_and_young_is_not_dim():
    assert not all_dim(shown(market(feed(book=book()))), "60412.5")


def test_a_print_that_is_older_than_its_class_is_dim_among_younger_ones():
    picture = shown(market(feed("trades", items=trades(3, every=9.0))))
    dim = [is_dim(line) for line in draw(picture, 80, 24) if "60412.5" in line.plain]
    assert dim == [False, False, True]


def test_a_book_that_is_live_says_its_middle_exactly():
    assert "mid 60412.55 USD, spread 0.1" in text_of(shown())


def test_an_empty_book_and_one_that_is_one_sided_are_said():
    empty = BookSnapshot(**COMMON, bids=(), offers=(), received_at_ns=NOW)
    one = BookSnapshot(**COMMON, bids=((Decimal(1), Decimal(2)),), offers=(), received_at_ns=NOW)
    assert "nothing rests here" in text_of(shown(market(feed(book=empty))))
    assert "only the bid side" in text_of(shown(market(feed(book=one))))
    assert "no book yet" in text_of(shown(market(feed(age_s=None))))


def test_the_odds_of_an_outcome_stand_beside_its_prices_where_there_is_room():
    outcome = market(feed(book=book(3, "0.4", "0.1")), payout=Decimal(1))
    assert "odds" in text_of(shown(outcome), 80)
    assert "2.50" in text_of(shown(outcome), 80)
    assert "odds" not in text_of(shown(outcome), 40)


def ladder_of(size, price="0.12345678901234567891", width=40):
    fine = BookSnapshot(**COMMON, bids=((Decimal(price), Decimal(size)),), offers=(), received_at_ns=NOW)
    return next(
        line
        for line in text_of(shown(market(feed(book=fine))), width).splitlines()
        if "│" in line and "bid" not in line
    )


def test_no_number_is_rounded_to_fit_but_its_decimals_are_cut_off_with_a_sign():
    assert ladder_of("123456789.123456").split() == ["123456789…", "0.1234…", "│"]
    assert ladder_of("123456789.123456", width=120).split() == [
        "123456789.123456",
        "0.12345678901234567891",
        "│",
    ]


def test_of_a_number_whose_whole_part_has_no_room_nothing_is_shown():
    assert ladder_of("12345678901234567890", width=30).split() == ["#######", "0.12…", "│"]


def test_a_number_has_no_exponent_and_no_zeros_that_the_others_do_not_need():
    tiny = BookSnapshot(
        **COMMON, bids=((Decimal("1E-7"), Decimal("1E+3")),), offers=((Decimal("2.50E-7"), Decimal(1)),),
        received_at_ns=NOW,
    )  # fmt: skip
    text = text_of(shown(market(feed(book=tiny))))
    assert "0.00000010 │ 0.00000025" in text
    assert "1000" in text
    assert "E" not in text.partition("bid")[2]


def test_a_long_id_loses_its_middle_and_never_its_ends():
    text = text_of(shown(market(instrument_id=ID)))
    assert "one:0x1a46e3f2…4c5d6e:1  Bitcoin" in text


HOSTILE = "[bold red]Team[/] A \\x1b[2J"


def test_markup_in_a_name_is_shown_as_it_is():
    picture = shown(
        market(feed(state=S.GAP, reason=HOSTILE), name=HOSTILE),
        venues=(VenuePicture(name="one", state="waiting", note=HOSTILE),),
        happenings=(Happening(at_ns=NOW, target="one:BTC", kinds=("book",), text=HOSTILE, is_bad=True),),
    )
    lines = draw(picture, 200, 24)
    assert sum(HOSTILE in line.plain for line in lines) == 4
    console = Console(file=io.StringIO(), width=200, color_system=None, markup=False, highlight=False)
    for line in lines:
        console.print(line, no_wrap=True)
    assert "\x1b" not in console.file.getvalue()


def test_what_happened_stands_below_with_a_letter_for_what_is_bad():
    happenings = (
        Happening(
            at_ns=NOW,
            target="one:BTC",
            kinds=("book", "trades"),
            path=(S.LIVE, S.STALE),
            text="reset",
            is_bad=True,
        ),
        Happening(at_ns=NOW, target="one:ETH", kinds=("book",), path=(S.STALE, S.LIVE), text=""),
    )
    both = text_of(shown(market(), market(instrument_id="ETH"), happenings=happenings), 100, 40)
    assert " ! one:BTC book, trades: live -> stale: reset" in both
    assert "   one:ETH book: stale -> live" in both
    assert " ! book, trades: live -> stale: reset" in text_of(shown(happenings=happenings), 100, 40)
    assert "reset" not in text_of(shown(happenings=happenings), 100, 10)


def test_a_line_that_is_down_says_why_and_how_often_it_came_back():
    venues = (
        VenuePicture(name="one", state="waiting", reconnections=3, note="reset"),
        VenuePicture(name="two", state="connecting"),
    )
    text = text_of(shown(venues=venues), 100)
    assert "one ✕ waiting, 3 reconnections (reset)" in text
    assert "two ○ connecting" in text


def test_our_own_is_listed_with_what_it_is_about():
    account = MarketPicture(
        venue="one", instrument_id=None, name="", currency="", payout=None,
        feeds=(
            feed("orders", items=(
                Order(**COMMON, client_order_id=None, venue_order_id="o1", side="buy", size=Decimal(5),
                      price=Decimal("0.5"), status="partially_filled", filled_size=Decimal(2), received_at_ns=NOW,
                      reason="why not"),
                Order(**COMMON, client_order_id="c2", venue_order_id=None, side="sell", size=Decimal(1), kind="market",
                      status="unknown", received_at_ns=NOW, is_reconciled=True),
            )),
            feed("fills", items=(
                Fill(**COMMON, fill_id="f", client_order_id=None, venue_order_id="o1", side="sell",
                     price=Decimal("0.25"), size=Decimal(3), received_at_ns=NOW, liquidity="maker"),
            )),
            feed("positions", items=(
                Position(**COMMON, size=Decimal(7), average_price=Decimal("0.3"), received_at_ns=NOW),
                Position(venue="one", instrument_id="FLAT", size=Decimal(0), venue_time_ns=None, received_at_ns=NOW),
            )),
            feed("balance", items=(
                Balance(venue="one", currency="USD", total=Decimal(10), available=Decimal("9.50"), held=Decimal("0.5"),
                        venue_time_ns=None, received_at_ns=NOW),
            )),
        ),
    )  # fmt: skip
    text = text_of(shown(account), 100, 40)
    assert "B 5 at 0.5 partially_filled, filled 2: why not  o1  BTC" in text
    assert "S 1 at market unknown, looked up  c2  BTC" in text
    assert "S 0.25 3 maker  BTC" in text
    assert "net 7 at 0.3  BTC" in text
    assert "FLAT" not in text
    assert "USD 9.5 available of 10, 0.5 held" in text


def test_a_ticker_says_as_much_as_there_is_room_for():
    ticker = Ticker(
        **COMMON,
        last=Decimal("1.50"),
        bid=Decimal(1),
        change=Decimal("0.0123"),
        volume=Decimal(7),
        received_at_ns=NOW,
    )
    picture = shown(market(feed("ticker", items=(ticker,))))
    assert "last 1.5  change +1.23 %  bid 1  volume 7" in text_of(picture)
    narrow = text_of(picture, 22)
    assert "last 1.5" in narrow
    assert "volume" not in narrow


REASON = "connection lost: reset by the peer"
BROKE = Happening(
    at_ns=NOW, target="one:BTC", kinds=("book", "trades"), path=(S.LIVE, S.STALE), text=REASON, is_bad=True
)


def unwrapped(lines):
    return " ".join(line.strip() for line in lines)


@pytest.mark.parametrize("width", [30, 40, 60, 80])
def test_why_it_broke_stands_there_whole_on_a_narrow_terminal_too(width):
    lines = text_of(shown(happenings=(BROKE,)), width, 30).split("\n")
    first = next(n for n, line in enumerate(lines) if " ! " in line)
    assert unwrapped(lines[first:])[8:] == f" ! book, trades: live -> stale: {REASON}"
    assert all(line.startswith(" " * 11) and line.strip() for line in lines[first + 1 :])


def test_of_what_happened_the_newest_is_shown_whole_and_the_older_ones_only_where_they_have_room():
    before = Happening(at_ns=NOW, target="one:BTC", kinds=("book",), text="an older thing " * 4)
    text = text_of(shown(happenings=(before, BROKE)), 40, 24)  # room for four lines
    assert "older" not in text
    assert REASON in unwrapped(text.split("\n"))
    assert "older" in text_of(shown(happenings=(before, BROKE)), 40, 60)


@pytest.mark.parametrize("width", [40, 60])
def test_a_name_and_why_a_venue_is_down_go_on_in_a_second_line_where_one_is_too_narrow(width):
    name = "Dunmere Anchors vs Fenwick Bay Harriers"
    down = VenuePicture(
        name="one", state="waiting", note="127.0.0.1:42097 refused the connection with HTTP 503"
    )
    lines = text_of(shown(market(name=name, instrument_id="B" * 36), venues=(down,)), width).split("\n")
    assert "(127.0.0.1:42097 refused the connection with HTTP 503)" in unwrapped(lines[:3])
    named = lines.index(f"one:{'B' * 36}")
    assert lines[named + 1] == name
    assert lines[named + 2].startswith("book")
    assert name in text_of(shown(market(name=name)), 80).split("\n")[2]


@given(st.text("ab c界", max_size=60), st.integers(1, 30), st.integers(0, 6), st.integers(1, 5))
def test_a_line_that_is_wrapped_loses_nothing_but_what_a_sign_says(text, width, indent, most):
    lines = wrapped(Text(text), width, indent, most, UNICODE)
    assert len(lines) <= most
    assert all(line.cell_len <= width for line in lines)
    kept = "".join(line.plain for line in lines).replace(" ", "")
    whole = text.replace(" ", "")
    assert kept == whole or (kept.endswith("…") and whole.startswith(kept[:-1]))


def test_while_nothing_is_there_yet_it_says_so():
    assert "asking for it" in text_of(Picture(at_ns=NOW, venues=(), markets=()))
    assert "Ctrl-C leaves" in text_of(Picture(at_ns=NOW, venues=(), markets=()))


def test_a_command_below_all_is_folded_between_its_words_and_a_word_only_where_it_has_no_line_of_its_own():
    command = f"tapewire fault abort --url http://127.0.0.1:40001 --token {'x' * 43}"
    lines = [line.plain for line in draw(shown(), 40, 24, footer=["break it:", command])]
    assert lines[-5:] == [
        "break it:",
        "tapewire fault abort --url \\",
        "http://127.0.0.1:40001 --token \\",
        "x" * 39 + "\\",
        "x" * 4,
    ]


@given(st.text("ab ", min_size=1).map(str.strip), st.integers(2, 30))
def test_a_shell_reads_a_command_that_is_folded_as_it_was(command, width):
    height = LOW + len(command)  # a line of it holds one character at least
    lines = [line.plain for line in draw(shown(), width, height, footer=["", command])]
    folded = lines[len(lines) - lines[::-1].index("") :]
    assert "\n".join(folded).replace("\\\n", "") == command
    assert all(len(line) <= width for line in folded)


def test_one_market_alone_can_be_had_as_lines():
    lines = market_lines(market(), NOW, 80, 12)
    assert lines[0].plain == "one:BTC  Bitcoin"
    assert len(lines) <= 12


def is_dim(line):
    """True if what is written there is dim as a whole, or in each of its parts."""
    console = Console(file=io.StringIO(), width=300, force_terminal=True)
    segments = [segment for segment in line.render(console) if segment.text.strip()]
    return all(segment.style is not None and segment.style.dim for segment in segments)


def all_dim(picture, number):
    lines = [line for line in draw(picture, 80, 24) if number in line.plain]
    assert lines
    return all(is_dim(line) for line in lines)

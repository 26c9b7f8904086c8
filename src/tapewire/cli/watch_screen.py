"""How a `Picture` looks on a terminal of any size: ladders, tapes, and what each of them is worth. Pure.

Rules:

* Nothing is said by colour alone: a state has its word and its shape, a side its letter or its place.
* What is not live, or older than its class, is dim, and a line above it says as of when it is.
* No number is rounded to fit: one that does not is cut off with a sign.
* Nothing that a venue says can move the cursor or change a colour: lines are `Text`, without markup.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

import msgspec
from rich.text import Text

from ..app.view import FeedPicture, Happening, MarketPicture, Picture, VenuePicture, age_s
from ..marks import ContinuityState
from ..model import Balance, Fill, Level, Order, Position, Ticker, Trade

__all__ = [
    "ASCII",
    "LOW",
    "MARKET_COLUMNS",
    "UNICODE",
    "Shapes",
    "draw",
    "market_lines",
    "shapes_of",
    "wrapped",
]

MARKET_COLUMNS: Final = 78
"""A market is given so many columns at least, where there is more than one beside another."""

SIDE_BY_SIDE: Final = 64
"""Columns of a market from which its tape stands beside its ladder."""

LEAST_BODY: Final = 4
"""Lines of ladder or tape that a market is given at least, or it is not shown."""

MOST_TOLD: Final = 6
"""Lines of what happened."""

MOST_FLAT: Final = 6
"""Lines of what is a list of few: tickers, orders, positions, balances."""

MOST_WRAPPED: Final = 2
"""Lines of a name, or of why a venue is not up, where one is too narrow."""

INDENT: Final = 2

BEHIND_CLOCK: Final = 11
"""Where it stands what happened, behind when."""

LOW: Final = 14
"""Lines of a terminal below which only what is watched is shown."""

ODDS_COLUMNS: Final = 50
"""Columns of a ladder from which the odds of an outcome stand beside its prices."""

LONG: Final = 26
"""Characters of an id beyond which its middle is left out where there is no room."""

_WIDE: Final = ("book", "trades", "fills")
"""What has use for any number of lines."""

Shapes = Mapping[str, str]

UNICODE: Final[Shapes] = {
    "live": "●", "syncing": "○", "stale": "◐", "gap": "✕", "resyncing": "↻", "ended": "■", "bar": "│", "cut": "…",
    "dot": "·",
}  # fmt: skip
ASCII: Final[Shapes] = {
    "live": "*", "syncing": "o", "stale": "~", "gap": "X", "resyncing": "@", "ended": "#", "bar": "|", "cut": ">",
    "dot": "-",
}  # fmt: skip

_STYLES: Final[Mapping[ContinuityState, str]] = {
    ContinuityState.LIVE: "bold cyan",
    ContinuityState.SYNCING: "bold",
    ContinuityState.STALE: "bold yellow",
    ContinuityState.GAP: "bold reverse",
    ContinuityState.RESYNCING: "bold yellow",
    ContinuityState.ENDED: "bold reverse",
}
_BID, _OFFER = "cyan", "yellow"
_SIDE: Final = {"buy": "B", "sell": "S", None: "-"}


def shapes_of(encoding: str | None) -> Shapes:
    """Those that a terminal of that encoding can show."""
    return UNICODE if "utf" in (encoding or "").lower() else ASCII


def draw(
    picture: Picture, width: int, height: int, *, shapes: Shapes = UNICODE, footer: Sequence[str] = ()
) -> list[Text]:
    """The lines of a terminal of that size, at most `height` of them, none wider than `width`.

    `footer` stands below all; what is too long of it is folded as a shell's command, so that it can be copied.
    """
    top = _top(picture, width, shapes)
    bottom = [Text(line, style="dim") for text in footer for line in _folded(text, width)]
    if height >= LOW:
        bottom = [*_happened(picture, width, min(MOST_TOLD, (height - len(top)) // 5), shapes), *bottom]
    else:
        top, bottom = top[:-1], []
    room = height - len(top) - len(bottom) - bool(bottom)
    body = _markets(picture, width, room, shapes)
    body += [Text("")] * (room - len(body))  # so that what is below it does not jump
    lines = [*top, *body, *([Text("")] if bottom else []), *bottom][:height]
    return [_fitted(line, width, shapes) for line in lines]


# --- the frame ------------------------------------------------------------------------------------------------------


def _top(picture: Picture, width: int, shapes: Shapes) -> list[Text]:
    title = Text(f"{_clock(picture.at_ns)}  ", style="dim")
    words = [_venue(venue, shapes) for venue in picture.venues]
    hint = Text("Ctrl-C leaves", style="dim")
    line = Text("  ").join([*words, hint])
    if len(title) + line.cell_len <= width:
        return [title + line, Text("")]
    told = (part for venue in words for part in wrapped(venue, width, INDENT, MOST_WRAPPED, shapes))
    return [title + hint, *told, Text("")]


def _venue(venue: VenuePicture, shapes: Shapes) -> Text:
    looks = {"up": ("live", "bold cyan"), "connecting": ("syncing", "bold")}
    shape, style = looks.get(venue.state, ("gap", "bold reverse"))
    line = Text(venue.name, style="bold").append(f" {shapes[shape]} {venue.state}", style=style)
    if venue.reconnections:
        line.append(f", {_count(venue.reconnections, 'reconnection')}", style="not bold")
    if venue.note:
        line.append(f" ({venue.note})", style="not bold")
    return line


def _happened(picture: Picture, width: int, most: int, shapes: Shapes) -> list[Text]:
    """What happened, in at most so many lines: the newest whole, and before it what has room."""
    is_one = len(picture.markets) == 1
    lines: list[Text] = []
    for happening in reversed(picture.happenings):
        told = _told(happening, shapes, is_one=is_one)
        parts = wrapped(told, width, BEHIND_CLOCK, most, shapes)
        if len(parts) + len(lines) > most:
            break
        lines = parts + lines
    return lines


def _told(happening: Happening, shapes: Shapes, *, is_one: bool) -> Text:
    line = Text(f"{_clock(happening.at_ns)} {'!' if happening.is_bad else ' '} ")
    target = "" if is_one else f"{_short(happening.target, shapes)} "
    line.append(f"{target}{', '.join(happening.kinds)}: ", style="bold")
    return line.append(str(happening), style="yellow" if happening.is_bad else "")


def _markets(picture: Picture, width: int, room: int, shapes: Shapes) -> list[Text]:
    """As many as fit, in rows and columns."""
    markets = picture.markets
    if not markets:
        return [Text("asking for it", style="dim")]
    columns = max(1, min(len(markets), (width + 2) // (MARKET_COLUMNS + 2)))
    each = (width + 2) // columns - 2
    rows = [markets[first : first + columns] for first in range(0, len(markets), columns)]
    heights = _heights([[_needs(market, each) for market in row] for row in rows], room)
    lines: list[Text] = []
    for row, high in zip(rows, heights, strict=False):
        blocks = [market_lines(market, picture.at_ns, each, high, shapes) for market in row]
        lines += _beside(blocks, [each] * len(blocks))
    left = len(markets) - sum(map(len, rows[: len(heights)]))
    if left:
        lines.append(Text(f"{left} more: make the window higher, or watch fewer", style="bold"))
    return lines


def _needs(market: MarketPicture, width: int) -> tuple[int, int]:
    """Lines that a market needs to be worth showing, and those that it has use for."""
    flat = sum(feed.kind not in _WIDE for feed in market.feeds)
    wide = len(market.feeds) - flat
    stacked = wide if width < SIDE_BY_SIDE else min(1, wide)
    head = len(_name(market, width, UNICODE)) + len(market.feeds) + 1
    return head + flat + LEAST_BODY * stacked, head + MOST_FLAT * flat + 10_000 * wide


def _heights(needs: Sequence[Sequence[tuple[int, int]]], room: int) -> list[int]:
    """How high each row is: as many rows as fit with what they need at least, and the rest shared by use."""
    least = [max(low for low, _ in row) for row in needs]
    useful = [max(most for _, most in row) for row in needs]
    shown = len(least)
    while shown > 1 and sum(least[:shown]) + (shown < len(least)) > room:
        shown -= 1
    room -= shown < len(least)
    heights = least[:shown]
    left = room - sum(heights)
    while left > 0 and (lower := [n for n in range(shown) if heights[n] < useful[n]]):
        lowest = min(lower, key=lambda n: heights[n])
        heights[lowest] += 1
        left -= 1
    return [max(1, min(high, room)) for high in heights]


def _beside(blocks: Sequence[Sequence[Text]], widths: Sequence[int]) -> list[Text]:
    """Blocks of lines, two columns apart."""
    lines = []
    for number in range(max(map(len, blocks))):
        line = Text("")
        for place, (block, width) in enumerate(zip(blocks, widths, strict=True)):
            cell = block[number].copy() if number < len(block) else Text("")
            is_last = place == len(blocks) - 1
            cell.truncate(width, pad=not is_last)
            line.append_text(cell).append("" if is_last else "  ")
        lines.append(line)
    return lines


# --- a market -------------------------------------------------------------------------------------------------------


def market_lines(
    market: MarketPicture, at_ns: int, width: int, high: int, shapes: Shapes = UNICODE
) -> list[Text]:
    """One market: its name, what each feed is worth, and what they show."""
    lines = _name(market, width, shapes)
    lines += [_status(feed, width, shapes) for feed in market.feeds]
    room = high - len(lines) - 1
    wide = [feed for feed in market.feeds if feed.kind in _WIDE]
    for feed in market.feeds:
        if feed.kind not in _WIDE:
            block = _list(
                feed, market, at_ns, width, max(1, min(MOST_FLAT, room // len(market.feeds))), shapes
            )
            lines += block
            room -= len(block)
    if room < 2 or not wide:
        return [*lines, Text("")][:high]
    if len(wide) > 1 and width >= SIDE_BY_SIDE:
        ladder = width * 11 // 20
        blocks = [_block(wide[0], market, at_ns, ladder, room, shapes)]
        rest = width - ladder - 2
        share = room // (len(wide) - 1)
        blocks.append(
            [line for feed in wide[1:] for line in _block(feed, market, at_ns, rest, share, shapes)]
        )
        lines += _beside(blocks, (ladder, rest))
    else:
        for number, feed in enumerate(wide):
            share = room // (len(wide) - number)
            block = _block(feed, market, at_ns, width, share, shapes)
            lines += block
            room -= len(block)
    return [*lines, Text("")][:high]


def _name(market: MarketPicture, width: int, shapes: Shapes) -> list[Text]:
    """What is asked for and what people call it: beside each other where there is room for both."""
    name = market.name if market.name != market.instrument_id else ""
    short = _short(market.target, shapes)
    for target in (market.target, short):
        line = Text(target, style="bold").append(f"  {name}" if name else "", style="not bold")
        if line.cell_len <= width:
            return [line]
    target = market.target if Text(market.target).cell_len <= width else short
    named = wrapped(Text(name), width, INDENT, MOST_WRAPPED, shapes) if name else []
    return [_fitted(Text(target, style="bold"), width, shapes), *named]


def _status(feed: FeedPicture, width: int, shapes: Shapes) -> Text:
    """What the feed is worth, and as many figures as there is room for."""
    health = feed.health
    line = Text(f"{feed.kind:<9} ")
    line.append(f"{shapes[health.state]} {health.state.upper()}", style=_STYLES[health.state])
    line.append(f" {_span(health.for_s)}")
    if health.reason:
        line.append(f": {health.reason}")
    figures = [
        ("never heard" if feed.age_s is None else f"{_span(feed.age_s)} ago{', old' if feed.is_old else ''}"),
        f"{feed.rate:.1f}/s",
        "" if feed.latency_ms is None else f"latency {feed.latency_ms:.0f} ms",
        f"{feed.gaps} gap{'s' * (feed.gaps != 1)}" if feed.gaps else "",
        f"{feed.lagged} dropped here" if feed.lagged else "",
        f"proof: {health.proof}",
    ]
    for figure in filter(None, figures):
        said = f" {shapes['dot']} {figure}"
        if line.cell_len + len(said) <= width:
            line.append(said, style="yellow" if figure.endswith("old") else "dim")
    return _fitted(line, width, shapes)


def _as_of(feed: FeedPicture) -> str:
    """What speaks against believing the numbers; empty where nothing does."""
    age = "" if feed.age_s is None else f"as of {_span(feed.age_s)} ago"
    if not feed.health.is_live:
        return f"not live: {age or 'nothing yet'}"
    return f"old: {age}" if feed.is_old else ""


def _block(
    feed: FeedPicture, market: MarketPicture, at_ns: int, width: int, room: int, shapes: Shapes
) -> list[Text]:
    if room < 1:
        return []
    if feed.kind == "book":
        return _ladder(feed, market, width, room, shapes)
    return _list(feed, market, at_ns, width, room, shapes)


# --- a ladder -------------------------------------------------------------------------------------------------------


def _ladder(feed: FeedPicture, market: MarketPicture, width: int, room: int, shapes: Shapes) -> list[Text]:
    book, against = feed.book, _as_of(feed)
    if book is None:
        return [Text(against or "no book yet", style="yellow")]
    lines = [Text(against, style="yellow")] if against else [_middle(book.bids, book.offers, market)]
    dim = "dim" if against else ""
    payout = market.payout if width >= ODDS_COLUMNS else None
    if not book.bids and not book.offers:
        return [*lines, Text("nothing rests here", style="dim")][:room]
    has_heading = room - len(lines) > 2
    depth = room - len(lines) - has_heading
    bids, offers = book.bids[:depth], book.offers[:depth]
    if depth < 1:
        return lines[:room]
    rungs = _rungs((*bids, *offers), payout, (width - 3) // 2, shapes)
    sides = rungs[: len(bids)], rungs[len(bids) :]
    if has_heading:
        lines.append(_rung(rungs[0].heading("bid"), rungs[0].heading("offer"), shapes, "dim", ("", "")))
    for number in range(max(len(bids), len(offers))):
        left, right = (side[number] if number < len(side) else rungs[0].empty for side in sides)
        lines.append(_rung(left, right, shapes, dim, (_BID, _OFFER)))
    return lines[:room]


class _Half(msgspec.Struct, frozen=True):
    """One level as text: cells of a width each, from the outside to the middle; the last is the price."""

    cells: tuple[str, ...]
    widths: tuple[int, ...]

    @property
    def empty(self) -> _Half:
        return _Half(("",) * len(self.widths), self.widths)

    def heading(self, name: str) -> _Half:
        return _Half(("size", name) if len(self.widths) == 2 else ("size", "odds", name), self.widths)


def _rungs(levels: Sequence[Level], payout: Decimal | None, width: int, shapes: Shapes) -> list[_Half]:
    """All levels, in cells that are as wide as what stands in them needs, and share `width` where that is too much."""
    columns = [_column([level[1] for level in levels]), _column([level[0] for level in levels])]
    if payout is not None:
        columns.insert(1, [f"{payout / price:.2f}" for price, _ in levels])
    wanted = [max(5, *map(len, column)) for column in columns]
    whole = [max(5, *(len(text.partition(".")[0]) + 1 for text in column)) for column in columns]
    room = max(len(columns), width - len(columns) + 1)
    while sum(wanted) > room:  # decimals are left out first
        fine = [n for n in range(len(wanted)) if wanted[n] > whole[n]] or range(len(wanted))
        wanted[max(fine, key=lambda n: wanted[n])] -= 1
    widths = (wanted[0] + room - sum(wanted), *wanted[1:])
    return [
        _Half(tuple(_cut(cell, most, shapes) for cell, most in zip(cells, widths, strict=True)), widths)
        for cells in zip(*columns, strict=True)
    ]


def _rung(left: _Half, right: _Half, shapes: Shapes, style: str, colours: tuple[str, str]) -> Text:
    line = Text("", style=style)
    for number, (cell, width) in enumerate(zip(left.cells, left.widths, strict=True)):
        is_price = number == len(left.cells) - 1
        line.append(cell.rjust(width), style=colours[0] if is_price else "").append("" if is_price else " ")
    line.append(f" {shapes['bar']} ", style="dim")
    cells = zip(reversed(right.cells), reversed(right.widths), strict=True)
    for number, (cell, width) in enumerate(cells):
        line.append(cell.ljust(width), style="" if number else colours[1]).append(" ")
    line.rstrip()
    return line


def _middle(bids: Sequence[Level], offers: Sequence[Level], market: MarketPicture) -> Text:
    if not bids or not offers:
        side = "bid" if bids else "offer" if offers else ""
        return Text(f"only the {side} side" if side else "", style="dim")
    mid, spread = (bids[0][0] + offers[0][0]) / 2, offers[0][0] - bids[0][0]
    return Text(f"mid {_plain(mid)} {market.currency}, spread {_plain(spread)}".replace(" ,", ","))


# --- lists ----------------------------------------------------------------------------------------------------------


def _list(
    feed: FeedPicture, market: MarketPicture, at_ns: int, width: int, room: int, shapes: Shapes
) -> list[Text]:
    """Items, a line each, the newest first."""
    against = _as_of(feed)
    lines = [Text(f"{feed.kind}: {against}", style="yellow")] if against else []
    found = [item for item in feed.items if not (isinstance(item, Position) and item.is_flat)]
    if not found:
        return (lines or [Text(f"no {feed.kind} {'now' if feed.items else 'yet'}", style="dim")])[:room]
    if feed.kind in ("trades", "fills") and room - len(lines) > LEAST_BODY:
        lines.append(Text(f"{'we' if feed.kind == 'fills' else 'takers'} B bought, S sold", style="dim"))
    items = found[: max(1, room - len(lines))]
    fresh = feed.fresh_s
    for item, row in zip(items, _LINES[type(items[0])](items, width, shapes), strict=True):
        if market.instrument_id is None and isinstance(item, Order | Fill | Position):
            row = row.append(f"  {_short(item.instrument_id, shapes)}", style="dim")
        if against or (fresh is not None and age_s(item, at_ns) > fresh):
            row.stylize("dim")
        lines.append(_fitted(row, width, shapes))
    return lines[:room]


def _prints(items: Sequence[Trade | Fill], width: int, shapes: Shapes) -> Iterable[Text]:
    prices = _padded(_column([item.price for item in items]))
    sizes = _padded(_column([item.size for item in items]))
    for item, price, size in zip(items, prices, sizes, strict=True):
        side = item.taker_side if isinstance(item, Trade) else item.side
        line = Text(f"{_clock(item.received_at_ns)} ")
        line.append(f"{_SIDE[side]} {price}", style=_BID if side == "buy" else _OFFER if side else "")
        line.append(f" {size}")
        if isinstance(item, Fill):
            line.append(f" {item.liquidity or ''}{' looked up' if item.is_reconciled else ''}", style="dim")
        yield line


def _tickers(items: Sequence[Ticker], width: int, shapes: Shapes) -> Iterable[Text]:
    for item in items:
        change = None if item.change is None else f"{item.change * 100:+.2f} %"
        numbers = [
            ("last", item.last), ("bid", item.bid), ("offer", item.offer), ("mark", item.mark),
            ("volume", item.volume), ("low", item.low), ("high", item.high), ("index", item.index),
        ]  # fmt: skip
        said = [(name, _plain(number)) for name, number in numbers if number is not None]
        if change is not None:
            said.insert(1, ("change", change))
        line = Text("")
        for name, text in said:
            if line.cell_len + len(name) + len(text) + 1 <= width:
                line.append(f"{name} ", style="dim").append(f"{text}  ")
        line.rstrip()
        yield line


def _orders(items: Sequence[Order], width: int, shapes: Shapes) -> Iterable[Text]:
    for item in items:
        line = Text(f"{_clock(item.received_at_ns)} ")
        line.append(f"{_SIDE[item.side]} ", style=_BID if item.side == "buy" else _OFFER)
        at = "at market" if item.price is None else f"at {_plain(item.price)}"
        line.append(f"{_plain(item.size)} {at} ")
        line.append(item.status, style="bold" if item.status == "unknown" else "")
        if item.filled_size and item.status != "filled":
            line.append(f", filled {_plain(item.filled_size)}")
        if item.is_reconciled:
            line.append(", looked up", style="dim")
        if item.reason:
            line.append(f": {item.reason}")
        line.append(f"  {_short(str(item.venue_order_id or item.client_order_id), shapes)}", style="dim")
        yield line


def _positions(items: Sequence[Position], width: int, shapes: Shapes) -> Iterable[Text]:
    for item in items:
        line = Text(f"{item.side} ").append(_plain(item.size), style="bold")
        if item.average_price is not None:
            line.append(f" at {_plain(item.average_price)}")
        if item.unrealized_pnl is not None:
            line.append(f", unrealized {_plain(item.unrealized_pnl)}")
        yield line


def _balances(items: Sequence[Balance], width: int, shapes: Shapes) -> Iterable[Text]:
    for item in items:
        line = Text(f"{item.currency} ").append(_plain(item.available), style="bold").append(" available of ")
        line.append(_plain(item.total))
        if item.held:
            line.append(f", {_plain(item.held)} held")
        yield line


_LINES: Final[Mapping[type, Callable[..., Iterable[Text]]]] = {
    Trade: _prints,
    Fill: _prints,
    Ticker: _tickers,
    Order: _orders,
    Position: _positions,
    Balance: _balances,
}


# --- words and numbers ----------------------------------------------------------------------------------------------


def _plain(value: Decimal) -> str:
    """The number as it is, without an exponent and without zeros at its end."""
    text = format(value, "f")
    return (text.rstrip("0").rstrip(".") or "0") if "." in text else text


def _column(values: Sequence[Decimal]) -> list[str]:
    """Each as it is, with as many decimals as the one that has most."""
    texts = [_plain(value) for value in values]
    places = max((len(text.partition(".")[2]) for text in texts), default=0)
    return [
        f"{text}{'' if '.' in text or not places else '.'}{'0' * (places - len(text.partition('.')[2]))}"
        for text in texts
    ]


def _padded(texts: Sequence[str]) -> list[str]:
    width = max(map(len, texts), default=0)
    return [text.rjust(width) for text in texts]


def _cut(number: str, width: int, shapes: Shapes) -> str:
    """The number, with a sign in place of decimals that have no room; nothing of it where its whole part has none."""
    if len(number) <= width:
        return number
    whole = number.partition(".")[0]
    return "#" * width if len(whole) >= width else number[: width - 1].rstrip(".") + shapes["cut"]


def _fitted(line: Text, width: int, shapes: Shapes) -> Text:
    """The line, cut off with a sign where it is too long."""
    if line.cell_len <= width:
        return line
    line = line.copy()
    line.truncate(max(0, width - 1))
    return line.append(shapes["cut"])


def wrapped(line: Text, width: int, indent: int, most: int, shapes: Shapes) -> list[Text]:
    """The line in at most so many, broken between words where that is possible; the last is cut off with a sign.

    `indent`: spaces before all but the first.
    """
    lines: list[Text] = []
    while line.cell_len > width > indent and len(lines) < most - 1:
        fitting = line.copy()
        fitting.truncate(width)
        end = max(len(fitting.plain.rstrip()), indent + 1)
        space = line.plain.rfind(" ", 0, end + 1)
        at = space if space > 0 and line.plain[:space].strip() else end
        lines.append(line[:at])
        rest = line[at:]
        line = Text(" " * indent) + (rest[1:] if rest.plain.startswith(" ") else rest)
    return [*lines, _fitted(line, width, shapes)]


def _short(target: str, shapes: Shapes) -> str:
    """A target or an id, without the middle of what is long."""
    venue, colon, named = target.partition(":")
    if not colon:
        venue, named = "", target
    if len(named) <= LONG:
        return target
    return f"{venue}{colon}{named[:10]}{shapes['cut']}{named[-8:]}"


def _folded(text: str, width: int) -> list[str]:
    """A shell's command in lines that it joins again as they stand: between words where there is room, else in one."""
    *words, last = text.split(" ")
    lines, line = [], ""
    for word in (*(f"{word} " for word in words), last):
        if line and len(line + word) + (word is not last) > width:
            lines.append(f"{line}\\")
            line = ""
        line += word
        while len(line) + (word is not last) > width > 1:
            lines.append(f"{line[: width - 1]}\\")
            line = line[width - 1 :]
    return [*lines, line]


def _span(seconds: float) -> str:
    """How long, in at most two units."""
    if seconds < 10:
        return f"{seconds:.1f}s"
    whole = int(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02}m"


def _clock(at_ns: int) -> str:
    return f"{datetime.fromtimestamp(at_ns / 1e9).astimezone():%H:%M:%S}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"

"""Books of levels, pure: what both kinds of book have (`MarketLevels`), and `LevelBook` of whole versioned books.

A book of the stream replaces the one before if its version is greater, so a lost one heals with the next. A snapshot
without a version counts as older than any book of the stream. What cannot be makes the book stale, never wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

from ...book import VERSIONED, Applied, Ignored, OrderBook, Resync, Verdict
from ...book.side import BookSide
from ...model import (
    MAX_LEVELS,
    ODDS_SCALE,
    BookSnapshot,
    InvalidField,
    parse_scaled_odds,
    probability_from_scaled,
)
from ...model.market import Level
from .symbols import OutcomeNumber, outcome_id
from .tradability import Tradability
from .translate import USDC_DECIMALS, VENUE, axis_price, contract_units, level_of, nominal
from .wire_v3 import BookV3Row, LevelRow, PlainBook, PlainLevel

__all__ = ["LevelBook", "MarketLevels", "contract_side"]

_VERSION_DIGITS: Final = 30

MOST_ODDS: Final = 4_096
"""Texts of odds whose number is remembered: the ladder of odds has less."""

_PLAIN_ODDS: Final = 10**13
"""Odds from which no size of a `PlainLevel` pays more than a level may, in units of USDC."""


class MarketLevels(Tradability):
    """One market's levels, as stakes at odds, and as probabilities and contracts.

    `decimals`: of the token that stakes are in. Levels that round down to no contract are left out.
    """

    def __init__(self, market_hash: str, levels: OrderBook[int], decimals: int) -> None:
        self.market_hash = market_hash
        self.decimals = decimals
        self.unreadable: int = 0
        """Rows, or whole books, so far that were left out because their values cannot be."""
        self.updated_at: int | None = None
        """The venue's clock at the last change, in milliseconds; None where it has said none."""
        self._levels = levels

    @property
    def levels(self) -> OrderBook[int]:
        """The touch and the depth: prices on the axis times 10^20, sizes the makers' stake in token units.

        They know nothing of the line and the market: ask the book itself whether it is tradable.
        """
        return self._levels

    def _leave_out(self, count: int = 1) -> None:
        """So many cannot be, and were left out."""
        self.unreadable += count

    def _changed_at(self, venue_time_ms: int) -> None:
        """The venue's clock at a change."""
        self.updated_at = max(venue_time_ms, self.updated_at or 0)

    def invalidate(self, reason: str) -> None:
        """Something is missing (a gap): what came before proves nothing. Seed it anew."""
        self._levels.invalidate(reason)

    def snapshot(
        self, received_at_ns: int, *, depth: int = MAX_LEVELS, outcome: OutcomeNumber = 1
    ) -> BookSnapshot:
        """The book as a value: probabilities and contracts, of either outcome. Look at `state` first.

        The book of outcome two is the mirror: its bids are the offers of outcome one, at one minus the price.
        """
        most, levels = min(depth, MAX_LEVELS), self._levels
        bids, offers = (
            tuple(contract_side(side, outcome=outcome, depth=most, decimals=self.decimals))
            for side in (levels.bids, levels.offers)
        )
        if outcome == 2:
            bids, offers = offers, bids
        return BookSnapshot(
            venue=VENUE,
            instrument_id=outcome_id(self.market_hash, outcome),
            bids=bids,
            offers=offers,
            venue_time_ns=None,
            received_at_ns=received_at_ns,
            last=levels.last,
        )

    def __repr__(self) -> str:
        levels = self._levels
        shown = f"{self.market_hash[:14]} {self.state} {levels.best_bid} | {levels.best_offer}"
        return f"<{type(self).__name__} {shown}>"


class _LateSide(BookSide[int]):
    """A side whose levels were checked when they came, and are made when somebody looks at more than the best price."""

    __slots__ = ("_best_price", "_late", "_made", "_prices")

    def __init__(self, *, descending: bool) -> None:
        self._late: tuple[PlainLevel, ...] | None = None
        self._best_price = 0
        super().__init__(descending=descending)

    def become(self, levels: tuple[PlainLevel, ...], best_price: int) -> None:
        """These are the levels now, the best of them at that price, which says nothing where there are none."""
        self._late, self._best_price = levels, best_price

    @property
    def prices(self) -> list[int]:
        if self._late is not None:
            self._make()
        return self._prices

    @prices.setter
    def prices(self, prices: list[int]) -> None:
        self._prices = prices

    @property
    def _levels(self) -> list[tuple[int, int]]:
        if self._late is not None:
            self._make()
        return self._made

    @_levels.setter
    def _levels(self, levels: list[tuple[int, int]]) -> None:
        self._made = levels

    @property
    def best_price(self) -> int | None:
        if self._late is None:
            return super().best_price
        return self._best_price if self._late else None

    def replace(self, levels: Sequence[tuple[int, int]], told: Sequence[Any] | None = None) -> None:
        self._late = None
        super().replace(levels, told)

    def _make(self) -> None:
        late, sums = self._late or (), dict[int, int]()
        for level in late:
            price = axis_price(_plain_odds(level.percentage_odds), self.descending)
            sums[price] = sums.get(price, 0) + int(level.size)
        self.replace(list(sums.items()))


@lru_cache(MOST_ODDS)
def _plain_odds(text: str) -> int:
    """The number that is written there; 0 where it has to be looked at with its size."""
    try:
        odds = parse_scaled_odds(text)
    except InvalidField:
        return 0
    return odds if odds >= _PLAIN_ODDS else 0


def _best_plain(levels: tuple[PlainLevel, ...]) -> int | None:
    """The best odds of a side, 0 where it is empty; None unless each of its levels is sane at a glance."""
    best, sizes = 0, ""
    for level in levels:
        odds, size = _plain_odds(level.percentage_odds), level.size
        if not odds or size < "1":
            return None
        if odds > best:
            best = odds
        sizes += size
    return best if not levels or (sizes.isdigit() and sizes.isascii()) else None


class LevelBook(MarketLevels):
    """One market's book as the later generation publishes it: always whole, and newer if its version is greater."""

    def __init__(self, market_hash: str, *, decimals: int = USDC_DECIMALS) -> None:
        levels = OrderBook(int, numbering=VERSIONED, price_below=ODDS_SCALE, may_cross=True)
        self._bids, self._offers = _LateSide(descending=True), _LateSide(descending=False)
        levels.bids, levels.offers = self._bids, self._offers
        super().__init__(market_hash, levels, decimals)

    def seed(self, row: BookV3Row) -> Verdict:
        """The snapshot is here. Where the book is live, it counts only if its version is greater."""
        if self.levels.state != "live":
            self.levels.seed()
        return self._replace(row)

    def apply(self, row: BookV3Row) -> Verdict:
        """A book of the stream."""
        if row.market_hash != self.market_hash:
            return Ignored("nothing of this book")
        return self._replace(row)

    def renew(self, told: PlainBook) -> bool:
        """A book of the stream as it nearly always comes. False where it is to be read row by row: nothing changed."""
        ones, twos, version = told.outcome_one, told.outcome_two, told.version
        one, two = _best_plain(ones), _best_plain(twos)
        if (
            one is None
            or two is None
            or told.market_hash != self.market_hash
            or self.decimals != USDC_DECIMALS
            or len(ones) > MAX_LEVELS
            or len(twos) > MAX_LEVELS
            or not (version.isdigit() and version.isascii())
        ):
            return False
        if type(self._levels.accept(int(version))) is Applied:
            self._bids.become(ones, one)
            self._offers.become(twos, ODDS_SCALE - two)
        return True

    def _replace(self, row: BookV3Row) -> Verdict:
        try:
            bids, offers = (
                self._side(side, is_one)
                for side, is_one in ((row.outcome_one, True), (row.outcome_two, False))
            )
            # The HTTP snapshot may have no version: then any book of the stream is newer.
            version = _version(row.version)
        except InvalidField as error:
            self._leave_out()
            self.invalidate(str(error)[:200])
            return Resync(self.levels.reason)
        return self.levels.replace(bids, offers, version)

    def _side(self, rows: Sequence[LevelRow], backs_outcome_one: bool) -> list[tuple[int, int]]:
        sums: dict[int, int] = {}
        for row in rows[: MAX_LEVELS + 1]:
            odds, size = level_of(row, self.decimals)
            price = axis_price(odds, backs_outcome_one)
            sums[price] = sums.get(price, 0) + size
        return list(sums.items())


def contract_side(
    side: BookSide[int], *, outcome: OutcomeNumber, depth: int | None, decimals: int
) -> list[Level]:
    """The best `depth` levels of a side of outcome one (None: all), as they are in the book of `outcome`.

    What rounds down to no contract is left out, and the next level is the next.
    """
    backs_one, shown = side.descending, []
    wanted = len(side) if depth is None else min(depth, len(side))
    looked_at = wanted
    while wanted:
        for price, stake in side.top(looked_at):
            odds = axis_price(price, backs_one)
            size = contract_units(stake, odds)
            if size:
                seen = odds if backs_one == (outcome == 1) else ODDS_SCALE - odds
                shown.append((probability_from_scaled(seen), nominal(size, decimals)))
        if len(shown) >= wanted or looked_at == len(side):
            break
        shown, looked_at = [], min(len(side), 2 * looked_at + 8)  # hardly ever
    return shown[:wanted]


def _version(version: str | int | None) -> int:
    if version is None or version == "":
        return 0
    if (
        isinstance(version, str)
        and len(version) <= _VERSION_DIGITS
        and version.isascii()
        and version.isdigit()
    ):
        return int(version)
    if isinstance(version, int) and 0 <= version < 10**_VERSION_DIGITS:
        return version
    raise InvalidField("version", version, "digits")

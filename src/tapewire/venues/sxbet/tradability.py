"""Whether a book may be traded on, beyond what its levels say. Pure; mixed into both kinds of book.

Levels may be right and yet not proven: the line that feeds them is down, what was missed is still being replayed, or
the market itself is not open. Each is a doubt; the book is live only without any, and `reason` says which one it is.
Nothing that is said here changes a level: what the levels themselves lack is theirs to say.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ...book import OrderBook
    from ...book.book import BookState

__all__ = ["Tradability"]


def _nothing() -> str:
    return ""


class Tradability(ABC):
    """The doubts about one book, and its state with them."""

    _outage = ""  # why the stream that feeds it is not there, as far as the consumer has heard
    _closure = ""  # why the market is not open
    _behind = 0  # publications of a replay that have not come yet
    _doubt_of_stream: Callable[[], str] = staticmethod(_nothing)

    @property
    @abstractmethod
    def levels(self) -> OrderBook[int]:
        """The book's levels. They know nothing of the line and the market: ask the book whether it is tradable."""

    @property
    def state(self) -> BookState:
        """Only "live" may be traded on; `reason` says why it is anything else."""
        state = self.levels.state
        return "stale" if state == "live" and self._doubt else state

    @property
    def is_tradable(self) -> bool:
        """True while the book is live: its levels proven, its line up and its market open."""
        return self.state == "live"

    @property
    def reason(self) -> str:
        """Why it is not tradable; empty while it is."""
        return self._doubt or self.levels.reason

    @property
    def closure(self) -> str:
        """Why the market is not open; empty while it is."""
        return self._closure

    @property
    def _doubt(self) -> str:
        if self._closure or self._outage:
            return self._closure or self._outage
        if doubt := self._doubt_of_stream():
            return doubt
        return f"{self._behind} missed updates are still to come" if self._behind else ""

    def fed_by(self, doubt: Callable[[], str]) -> None:
        """`doubt()` says what speaks against the stream now, if anything: the book is not live then, whoever looks."""
        self._doubt_of_stream = doubt

    def suspend(self, reason: str) -> bool:
        """The stream is lost, for `reason`. False where that was known."""
        known, self._outage, self._behind = self._outage, reason, 0
        return known != reason

    def resume(self, missed: int = 0) -> None:
        """The stream is back; `missed` publications that came meanwhile are told first."""
        self._outage, self._behind = "", missed

    def advance(self) -> None:
        """One publication has come."""
        if self._behind:
            self._behind -= 1

    def close_market(self, reason: str) -> bool:
        """The market is not open, for `reason`; it is where that is empty. False where that was known."""
        known, self._closure = self._closure, reason
        return known != reason

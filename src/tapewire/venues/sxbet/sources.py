"""What the watch verbs are made of: one subscription each, and what is made of its items, for `kit.pulling.Stream`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from ...marks import Errored, Gap, Mark, Subscribed, Subscribing, is_mark
from ...protocols.centrifugo import Publication, SeenIds
from ...session.subscription import Subscription
from .listings import Listings
from .watched import SEEN, Watched, message_id
from .wire import Rows, read_rows

__all__ = ["BookSource", "RowSource"]

T = TypeVar("T")


class _Source(ABC, Generic[T]):
    """`subscribe` asks for the channel; it raises where nothing would ever come."""

    def __init__(self, name: str, subscribe: Callable[[], Subscription]) -> None:
        self.name = name
        self._subscribe = subscribe
        self._subscription: Subscription | None = None

    def start(self) -> None:
        self._subscription = self._subscribe()

    async def take(self) -> Any:
        assert self._subscription is not None
        return await anext(self._subscription)

    @property
    def is_over(self) -> bool:
        """Never: a channel ends by itself, and says so."""
        return False

    @abstractmethod
    def read(self, taken: Any) -> list[T]:
        """What there is to tell of an item."""

    def leave(self) -> None:
        if self._subscription is not None:
            self._subscription.unsubscribe()


class RowSource(_Source[T | Mark]):
    """Rows of a channel, typed, and marks where the stream broke; the first subscription is no news."""

    def __init__(
        self,
        name: str,
        subscribe: Callable[[], Subscription],
        row: type[T],
        inside: str,
        now_ns: Callable[[], int],
    ) -> None:
        super().__init__(name, subscribe)
        self._row = row
        self._inside = inside
        self._now_ns = now_ns
        self._seen = SeenIds(SEEN)
        self._is_up = False

    def read(self, taken: Any) -> list[T | Mark]:
        """What there is to tell of a mark or a publication; nothing of one that came before."""
        if isinstance(taken, Subscribed):
            self._is_up = True
            return []
        if isinstance(taken, Subscribing):
            was_up, self._is_up = self._is_up, False
            return [taken] if was_up else []
        if is_mark(taken):
            return [] if isinstance(taken, Errored) else [taken]
        return self._rows_of(taken) if self._seen.add(message_id(taken)) else []

    def _rows_of(self, publication: Publication) -> list[T | Mark]:
        """The rows of one publication; what cannot be read is a gap in its place."""
        try:
            rows: Rows[T] = read_rows(publication.data, self._row, self._inside)
        except Exception as error:
            return [self._unreadable(1, str(error))]
        found: list[T | Mark] = list(rows.rows)
        if rows.unreadable:
            found.append(self._unreadable(rows.unreadable, rows.fault))
        return found

    def _unreadable(self, count: int, detail: str) -> Gap:
        now_ns = self._now_ns()
        return Gap(reason="undecodable", since_ns=now_ns, until_ns=now_ns, missed=count, detail=detail[:200])


class BookSource(_Source[Any]):
    """A book after every change, until its market has ended."""

    def __init__(
        self,
        name: str,
        subscribe: Callable[[], Subscription],
        watched: Watched,
        listings: Callable[[], Listings],
    ) -> None:
        super().__init__(name, subscribe)
        self._watched = watched
        self._listings_now = listings  # of the line that there is when it is started
        self._listings: Listings | None = None

    @property
    def is_over(self) -> bool:
        """True once its market has ended."""
        return self._watched.is_over

    def start(self) -> None:
        super().start()
        assert self._subscription is not None
        self._watched.attach(self._subscription)
        self._listings = self._listings_now()
        self._listings.follow(self._watched.book.market_hash, self._watched.told)

    def read(self, taken: Any) -> list[Any]:
        """The book, where what was taken changed it. Raises what says that there is no such book."""
        watched = self._watched
        if is_mark(taken):
            changed = watched.take_mark(taken)
        else:
            changed = True
            if not watched.take(taken):
                assert self._subscription is not None
                self._subscription.resync()
        if watched.error is not None:
            raise watched.error
        return [watched.book] if changed or watched.is_over else []

    def leave(self) -> None:
        self._watched.book.suspend("it is not watched any more")
        if self._listings is not None:
            self._listings.leave(self._watched.book.market_hash, self._watched.told)
        super().leave()

"""What the watch verbs make of what their consumers take: rows of a channel, or a book after each change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from ...marks import Errored, Gap, Mark, Subscribed, Subscribing
from ...protocols.centrifugo import Publication, SeenIds
from ...session.consumer import Items
from .watched import SEEN, Watched, message_id
from .wire import Rows, read_rows

__all__ = ["BookReader", "RowReader"]

T = TypeVar("T")


class RowReader(Generic[T]):
    """Rows of a channel, typed, and marks where the stream broke; the first subscription is no news."""

    def __init__(self, row: type[T], inside: str, now_ns: Callable[[], int]) -> None:
        self._row = row
        self._inside = inside
        self._now_ns = now_ns
        self._seen = SeenIds(SEEN)
        self._is_up = False

    def decode_mark(self, mark: Mark) -> Mark | Items:
        """What there is to tell of a mark."""
        if isinstance(mark, Subscribed):
            self._is_up = True
            return Items()
        if isinstance(mark, Subscribing):
            was_up, self._is_up = self._is_up, False
            return mark if was_up else Items()
        return Items() if isinstance(mark, Errored) else mark

    def decode(self, publication: Publication) -> Items:
        """The rows of one publication, none of one that came before; what cannot be read is a gap in its place."""
        if not self._seen.add(message_id(publication)):
            return Items()
        try:
            rows: Rows[T] = read_rows(publication.data, self._row, self._inside)
        except Exception as error:
            return Items([self._unreadable(1, str(error))])
        found = Items(rows.rows)
        if rows.unreadable:
            found.append(self._unreadable(rows.unreadable, rows.fault))
        return found

    def _unreadable(self, count: int, detail: str) -> Gap:
        now_ns = self._now_ns()
        return Gap(reason="undecodable", since_ns=now_ns, until_ns=now_ns, missed=count, detail=detail[:200])


class BookReader:
    """A book after every change, until its market has ended. What says that there is no such book is raised."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._is_done = False

    def decode(self, publication: Publication) -> Items:
        """The book, changed by a publication."""
        return self._told(changed=True, is_whole=self._watched.take(publication))

    def decode_mark(self, mark: Mark) -> Items:
        """The book, where a mark says something of it."""
        return self._told(changed=self._watched.take_mark(mark))

    def _told(self, *, changed: bool, is_whole: bool = True) -> Items:
        watched, subscription = self._watched, self._watched.subscription
        assert subscription is not None
        if not is_whole:
            subscription.resync()
        if self._is_done:
            return Items()
        if watched.is_over or watched.error is not None:
            self._is_done = True
            subscription.consumer.end(watched.error)
        return Items([watched.book] if watched.error is None and (changed or watched.is_over) else ())

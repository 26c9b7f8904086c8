"""The venue's answers over HTTP: an envelope, and in it rows, or one object, or a page that names its rows.

What must be there is there, or it is SXBetAnswerError: a list that is missing is not an empty one. A row that cannot be
read costs that row, never its neighbours; the log says so, and so does the list, to whoever asked for it: `unreadable`
is how many it lacks. Where none of the rows can be read, it is the answer that cannot.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator
from typing import Any, Final, Self, TypeVar, get_origin

import msgspec

from ...errors import UndecodableFrame
from ..kit.answers import Unreadable, read_typed
from .errors import ERRORS, SXBetRequestError
from .wire import no_number_in, read_rows

__all__ = ["Answer", "Envelope", "Listed", "ListedByMarket", "Listing"]

logger = logging.getLogger("tapewire.venues.sxbet")

T = TypeVar("T")


class Listed(tuple[T, ...]):  # noqa: SLOT001 - a tuple can have no slots beside its items
    """A tuple of the rows that could be read. `unreadable`: how many more the venue gave; 0 where it is whole."""

    unreadable: int = 0

    @property
    def given(self) -> int:
        """How many rows the venue gave."""
        return len(self) + self.unreadable

    @classmethod
    def of(cls, rows: Iterable[T], unreadable: int) -> Self:
        """Those rows, short of so many."""
        made = cls(rows)
        made.unreadable = unreadable
        return made

    @classmethod
    def joined(cls, parts: Iterable[Listed[T]]) -> Self:
        """The rows of all parts in their order, short of what any of them lacks."""
        kept = list(parts)
        return cls.of((row for part in kept for row in part), sum(part.unreadable for part in kept))


class ListedByMarket(dict[str, tuple[T, ...]]):
    """The rows of each market. `unreadable`: how many more the venue gave, of markets that cannot be told."""

    unreadable: int = 0


class Listing(AsyncIterator[T]):
    """Iterate it with `async for`: row after row, the next page asked for when it is needed.

    `unreadable`: how many rows the pages so far had that could not be read, and that are left out.
    """

    def __init__(self, pages: AsyncGenerator[Listed[T], None]) -> None:
        self.unreadable: int = 0
        self._pages = pages
        self._rows: Iterator[T] = iter(())

    async def __anext__(self) -> T:
        with ERRORS.raising():
            while True:
                for row in self._rows:
                    return row
                page = await anext(self._pages)
                self.unreadable += page.unreadable
                self._rows = iter(page)

    async def aclose(self) -> None:
        """Ask for nothing more."""
        await self._pages.aclose()


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """Every answer's outer shape; `data` is still undecoded."""

    status: str = "success"
    data: msgspec.Raw = msgspec.Raw()
    message: str | list[str] | None = None


_read_envelope: Final = msgspec.json.Decoder(Envelope)
_read_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_read_key: Final = msgspec.json.Decoder(str | int | None)


class Answer:
    """One answer of `path`, to be read inside a `Call.read`. `count` is told how many of its rows were left out.

    Raises Unreadable for what it is not, and SXBetRequestError where the venue refuses in it.
    """

    def __init__(self, path: str, body: bytes, count: Callable[[int], None]) -> None:
        self._path = path
        self._count = count
        envelope = read_typed(body, _read_envelope)
        if envelope.status != "success":
            said = (
                "; ".join(envelope.message) if isinstance(envelope.message, list) else str(envelope.message)
            )
            text = f"GET {path}: {envelope.status[:40]}: {said[:200]}"
            raise ERRORS.made(SXBetRequestError, text, status=400, code=said[:200])
        self._envelope = envelope

    def object(self, kind: type[T]) -> T:
        """Its data, where that is one object."""
        found = read_typed(self._data(), msgspec.json.Decoder(kind), "data")
        if name := no_number_in(found):
            raise Unreadable(f"data, {name}", "a whole number", "something else")
        return found

    def rows(self, name: str, kind: type[T]) -> Listed[T]:
        """The rows that the data is, or those that the page in it has under `name`."""
        data, path = self._data(), "data"
        if name:
            members, path = read_typed(data, _read_members, "data"), f"data.{name}"
            if name not in members:
                raise Unreadable(path, "a list", "missing")
            data = members[name]
        if bytes(data)[:1] != b"[":
            raise Unreadable(path, "a list", "something else")
        return self._read_rows(data, path, kind)

    def next_key(self) -> str:
        """Where the listing goes on; empty on the last page."""
        raw = read_typed(self._data(), _read_members, "data").get("nextKey")
        key = None if raw is None else read_typed(raw, _read_key, "data.nextKey")
        return "" if key is None else str(key)

    def _data(self) -> msgspec.Raw:
        data = self._envelope.data
        if not bytes(data):
            raise Unreadable("data", "there", "missing")
        return data

    def _read_rows(self, data: msgspec.Raw, path: str, kind: type[T]) -> Listed[T]:
        try:
            found = read_rows(data, kind)
        except UndecodableFrame as error:
            raise Unreadable(path, "a list of rows", error.detail) from None
        read = tuple(row for row in found.rows if not _is_broken(row, kind))
        left_out = found.unreadable + len(found.rows) - len(read)
        if left_out:
            fault = found.fault or "a whole number that is none"
            if not read:
                raise Unreadable(path, "rows as documented", f"{left_out} that cannot be read ({fault})")
            logger.warning(
                "GET %s: %d of its rows cannot be read and are left out: %s", self._path, left_out, fault
            )
            self._count(left_out)
        return Listed.of(read, left_out)


def _is_broken(row: Any, kind: Any) -> bool:
    """True for a row that was read and is none: with text for a number, or, of a shape that we do not know, empty."""
    return not row if get_origin(kind) is dict else bool(no_number_in(row))

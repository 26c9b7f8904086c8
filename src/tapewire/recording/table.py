"""What a row of a store looks like: names and kinds of its columns, checked row by row before a row is accepted.

So whoever puts a row that cannot be stored is told at once, and no row can spoil the commit of others. Exact decimals
are stored as text, for a database's own numbers are floats.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from types import NoneType
from typing import Any, Final, TypeAlias

import msgspec

from ..errors import ConfigurationError
from ..marks import Mark

__all__ = ["Row", "Table", "mark_row"]

Row: TypeAlias = tuple[Any, ...]

_KINDS: Final[Mapping[type, str]] = {
    float: "REAL",
    int: "INTEGER",
    bool: "INTEGER",
    str: "TEXT",
    Decimal: "TEXT",
    bytes: "BLOB",
}
_ALSO: Final[Mapping[type, tuple[type, ...]]] = {float: (int,), int: (bool,)}
_NAME: Final = re.compile(r"(?!sqlite_)[A-Za-z_][A-Za-z0-9_]{0,62}")
_SIGNATURES: Final = 1_024
_HIGHEST: Final = 2**63


class Table:
    """`Table("tickers", {"time": float, "symbol": str, "price": Decimal})`.

    A column is one of `float`, `int`, `bool`, `str`, `Decimal` (stored as text, exactly) and `bytes`; None may stand
    in any. Raises ConfigurationError.
    """

    def __init__(self, name: str, columns: Mapping[str, type]) -> None:
        self.name: str = _checked_name("name", name)
        if not columns:
            raise ConfigurationError("columns", columns, "at least one")
        for column, kind in columns.items():
            _checked_name("columns", column)
            if kind not in _KINDS:
                raise ConfigurationError(f"columns[{column!r}]", kind, [each.__name__ for each in _KINDS])
        self.columns: Mapping[str, type] = dict(columns)
        self._kinds = tuple(columns.values())
        self._decimals = tuple(index for index, kind in enumerate(self._kinds) if kind is Decimal)
        self._checks = tuple(
            (index, _CHECKS[kind]) for index, kind in enumerate(self._kinds) if kind in _CHECKS
        )
        self._accepted: set[tuple[type, ...]] = set()  # the kinds of rows that were put, for speed

    def check(self, row: Sequence[Any]) -> None:
        """Raises ConfigurationError, naming the column, where `row` cannot be stored as it is."""
        signature = tuple(map(type, row))
        if signature not in self._accepted:
            self._accept(signature)
        for index, check in self._checks:
            value = row[index]
            if value is not None and not check(value):
                raise ConfigurationError(tuple(self.columns)[index], value, _ALLOWED[self._kinds[index]])

    def encoded(self, rows: list[Row]) -> list[Row]:
        """The rows as the database takes them."""
        if not self._decimals:
            return rows
        encoded = []
        for row in rows:
            values = list(row)
            for index in self._decimals:
                if values[index] is not None:
                    values[index] = str(values[index])
            encoded.append(tuple(values))
        return encoded

    @property
    def creation(self) -> tuple[str, str]:
        """The statements that make the table and the table of its marks."""
        columns = ", ".join(f'"{name}" {_KINDS[kind]}' for name, kind in self.columns.items())
        return (
            f'CREATE TABLE IF NOT EXISTS "{self.name}" ({columns})',
            f'CREATE TABLE IF NOT EXISTS "{self.name}_marks" (after_row INTEGER, kind TEXT, mark TEXT)',
        )

    @property
    def insertion(self) -> tuple[str, str]:
        """The statements that insert a row and a mark."""
        places = ", ".join("?" * len(self.columns))
        return (
            f'INSERT INTO "{self.name}" VALUES ({places})',  # noqa: S608  # the name is one, by _checked_name
            f'INSERT INTO "{self.name}_marks" VALUES (?, ?, ?)',  # noqa: S608
        )

    def __repr__(self) -> str:
        columns = ", ".join(f"{name} {kind.__name__}" for name, kind in self.columns.items())
        return f"<Table {self.name}: {columns}>"

    def _accept(self, signature: tuple[type, ...]) -> None:
        if len(signature) != len(self._kinds):
            raise ConfigurationError(
                "row", f"{len(signature)} values", f"one for each of {tuple(self.columns)}"
            )
        for name, kind, given in zip(self.columns, self._kinds, signature, strict=True):
            if given is not kind and given is not NoneType and given not in _ALSO.get(kind, ()):
                raise ConfigurationError(name, given.__name__, f"{kind.__name__} or None")
        if len(self._accepted) >= _SIGNATURES:
            self._accepted.clear()
        self._accepted.add(signature)


def mark_row(mark: Mark, after_row: int) -> Row:
    """A mark as a row of its table: JSON, without the venue's own answer, which may be anything and large."""
    for attribute in ("snapshot", "reply"):
        if getattr(mark, attribute, None) is not None:
            mark = msgspec.structs.replace(mark, **{attribute: None})
    return (after_row, type(mark).__name__, msgspec.json.encode(mark).decode())


def _checked_name(argument: str, name: str) -> str:
    if not _NAME.fullmatch(str(name)):
        allowed = "letters, digits and _, not beginning with a digit or sqlite_"
        raise ConfigurationError(argument, name, allowed)
    return name


def _is_a_number(number: float) -> bool:
    return number == number if type(number) is float else _fits(number)


def _fits(number: float) -> bool:
    return -_HIGHEST <= number < _HIGHEST


def _is_encodable(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


_CHECKS: Final[Mapping[type, Callable[[Any], bool]]] = {float: _is_a_number, int: _fits, str: _is_encodable}

_ALLOWED: Final[Mapping[type, str]] = {
    float: "a number: NaN would be stored as NULL; a whole one of at most 64 bits",
    int: "a whole number of at most 64 bits",
    str: "text without lone surrogates",
}

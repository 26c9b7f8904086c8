"""The wire's spelling: names in camelCase, a document with variables, answers as records. Pure.

Values never enter the document's text: they travel as variables, so no value can become a part of the query.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar, overload

import msgspec

__all__ = ["Page", "Record", "Variable", "camel", "camel_keys", "document", "records", "snake"]

T = TypeVar("T")


def camel(name: str) -> str:
    """`client_order_id` as the wire writes it: `clientOrderId`. A name already so stays."""
    return re.sub(r"(?<=[A-Za-z0-9])_([a-z0-9])", lambda found: found[1].upper(), name)


def snake(name: str) -> str:
    """`clientOrderId` as Python writes it: `client_order_id`. The other way of `camel`."""
    return re.sub(r"(?<=[a-z0-9])([A-Z])|(?<=[A-Z])([A-Z])", lambda found: f"_{found[0].lower()}", name)


def camel_keys(value: Any) -> Any:
    """The same value with the keys of all its mappings in camelCase."""
    if isinstance(value, Mapping):
        return {camel(str(key)): camel_keys(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [camel_keys(inner) for inner in value]
    return value


class Record(dict[str, Any]):
    """One object of an answer: a dict in `snake_case` whose fields are attributes too.

    `record["marketId"]` finds `market_id` as well, as code of the earlier generation expects.
    """

    __slots__ = ()

    def __missing__(self, key: str) -> Any:
        name = snake(key)
        if name != key and name in self:
            return self[name]
        raise KeyError(key)

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            pass
        raise AttributeError(f"no field {name!r} in this answer; it has: {', '.join(self)}")


def records(value: Any) -> Any:
    """A decoded answer with every object in it as a Record."""
    if isinstance(value, dict):
        return Record({snake(key): records(inner) for key, inner in value.items()})
    if isinstance(value, list):
        return [records(inner) for inner in value]
    return value


class Page(Generic[T]):
    """One page of a longer list, to be counted, indexed and iterated.

    `count` is how many there are in all, `len()` how many are here.
    """

    __slots__ = ("_items", "count")

    def __init__(self, items: Sequence[T], count: int) -> None:
        self._items = tuple(items)
        self.count: int = count

    def __len__(self) -> int:
        return len(self._items)

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[T]: ...
    def __getitem__(self, index: int | slice) -> T | Sequence[T]:
        return self._items[index]

    def __iter__(self) -> Iterator[T]:
        return iter(self._items)

    def __repr__(self) -> str:
        return f"<Page: {len(self)} of {self.count}>"


class Variable(msgspec.Struct, frozen=True):
    """One argument of an operation: its name and GraphQL type, and the value that travels beside the document."""

    name: str
    type: str
    value: Any

    def __repr__(self) -> str:
        return f"Variable(${self.name}: {self.type})"  # the value may be a password


def document(kind: str, field: str, variables: Sequence[Variable], selection: str) -> str:
    """The text of one operation with one field."""
    declared = ", ".join(f"${variable.name}: {variable.type}" for variable in variables)
    passed = ", ".join(f"{variable.name}: ${variable.name}" for variable in variables)
    head = f"{kind} {field}({declared})" if variables else f"{kind} {field}"
    call = f"{field}({passed})" if variables else field
    return f"{head} {{ {call} {selection} }}" if selection else f"{head} {{ {call} }}"

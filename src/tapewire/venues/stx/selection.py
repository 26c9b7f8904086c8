"""Which fields an answer shall have, as the documents write it, compiled to a GraphQL selection set."""

from __future__ import annotations

import re

from .errors import STXInvalidParameterException
from .records import camel

__all__ = ["Selection"]

_NAME = re.compile(r"[_A-Za-z][_0-9A-Za-z]{0,99}")


class Selection:
    """`Selection("errors", order=Selection("id", "status"))`: plain fields, and fields with a selection of their own.

    Names are `snake_case` or the wire's `camelCase`, both mean the same. Raises STXInvalidParameterException for
    anything that is not a field name, and for no field at all.
    """

    __slots__ = ("nested_values", "values")

    def __init__(self, *fields: str, **nested: Selection) -> None:
        for field in (*fields, *nested):
            name: object = field
            if not isinstance(name, str) or not _NAME.fullmatch(name):
                raise STXInvalidParameterException("Selection", field, "field names: letters, digits and _")
        for field, inner in nested.items():
            wanted: object = inner
            if not isinstance(wanted, Selection):
                raise STXInvalidParameterException(f"Selection({field}=...)", wanted, "another Selection")
        if not fields and not nested:
            raise STXInvalidParameterException("Selection", "no fields", "at least one field")
        self.values: tuple[str, ...] = fields
        self.nested_values: dict[str, Selection] = nested

    def compile(self) -> str:
        """The selection set with its braces."""
        nested = (f"{camel(field)} {inner.compile()}" for field, inner in self.nested_values.items())
        return f"{{ {' '.join((*map(camel, self.values), *nested))} }}"

    @property
    def names(self) -> frozenset[str]:
        """The wire names of its own level."""
        return frozenset(map(camel, (*self.values, *self.nested_values)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Selection) and self.compile() == other.compile()

    def __hash__(self) -> int:
        return hash(self.compile())

    def __repr__(self) -> str:
        nested = (f"{field}={inner!r}" for field, inner in self.nested_values.items())
        return f"Selection({', '.join((*map(repr, self.values), *nested))})"

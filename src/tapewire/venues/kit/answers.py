"""Answers of HTTP operations: read with the fields that they must have, or refused. Never read as "nothing". Pure.

A *shape* says what a part of an answer has to be:

===================  ================================================================================================
a kind               one field, read by that function of `fields.py`
`{name: shape}`      an object with those members; what else it has is handed on as it is
`[shape]`            a list of such parts; an empty list is a list
`Maybe(shape)`       that, or null: the venue's word for "none". A member that is missing is something else
`anything`           any value
===================  ================================================================================================

Whatever is not of its shape raises `Unreadable`, which says where, what was expected and what came. `reading` is the
border: inside it, everything that reading raises becomes the venue's own error, one class in each venue's tree, which
is an `UnreadableAnswer` too. Of an operation that changed something, that error says `outcome_unknown`: it was carried
out or it was not, and only looking it up can tell.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, TypeAlias, TypeVar

import msgspec

from ...errors import TapewireError
from ...model.fields import InvalidField
from ...secrets import sanitized
from .errors import AnswerFault, is_page
from .fields import Kind, exact_json

__all__ = [
    "Maybe",
    "PageTurner",
    "Shape",
    "Unreadable",
    "anything",
    "graphql_result",
    "read_json",
    "read_shape",
    "read_typed",
    "reading",
]

T = TypeVar("T")

MAX_EXCERPT: Final = 160
"""Characters of an answer that an error shows."""

MAX_NAMED: Final = 8
"""Members of an object that an error names."""


class Maybe(msgspec.Struct, frozen=True):
    """A part that may be null."""

    shape: Any


Shape: TypeAlias = Kind | Mapping[str, Any] | list[Any] | Maybe


def anything(value: Any, field: str) -> Any:
    """Any value at all, as it is."""
    return value


class Unreadable(TapewireError, ValueError):
    """The part of an answer at `path` is `found`, not what was `expected`. `reading` makes the venue's error of it."""

    def __init__(self, path: str, expected: str, found: str) -> None:
        self.path = path
        self.expected = expected
        self.found = found
        super().__init__(f"{path or 'the answer'} should be {expected}, and is {found}")


@contextmanager
def reading(
    operation: str, body: bytes, refuse: Callable[[AnswerFault], Exception], *, confidential: bool = False
) -> Iterator[None]:
    """Where an answer is read. Raises what `refuse` makes of an answer that cannot be.

    `confidential`: nothing of the answer is shown, for it may hold a token.
    """
    try:
        yield
        return
    except Unreadable as error:
        path, expected, found = error.path, error.expected, error.found
    except InvalidField as error:
        path, expected, found = error.argument, error.allowed, _described(error.value)
    if confidential:
        found, excerpt = "not that", ""
    else:
        excerpt = (
            repr(sanitized(body[: 4 * MAX_EXCERPT].decode(errors="replace"), MAX_EXCERPT)) if body else ""
        )
    raise refuse(AnswerFault(operation, path, expected, sanitized(found), excerpt)) from None


# --- reading --------------------------------------------------------------------------------------------------------


def read_json(body: bytes) -> Any:
    """The answer, its numbers exact. Raises Unreadable."""
    try:
        return exact_json(body)
    except (ValueError, RecursionError):
        raise Unreadable("", "JSON", _no_json(body)) from None


_PLACE: Final = re.compile(r"(.*) - at `\$\.?([^`]*)`", re.DOTALL)


def read_typed(body: bytes | msgspec.Raw, decoder: msgspec.json.Decoder[T], path: str = "") -> T:
    """The answer as the decoder's type, at `path` of the whole. Raises Unreadable."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        said = _PLACE.fullmatch(str(error))
        what, place = (said[1], said[2]) if said is not None else (str(error), "")
        joint = "." if path and place and not place.startswith("[") else ""
        raise Unreadable(f"{path}{joint}{place}", "as documented", f"not ({what})") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Unreadable(path, "JSON", _no_json(bytes(body))) from None


def read_shape(value: Any, shape: Shape, path: str = "") -> Any:
    """`value` with its fields read as `shape` says. Raises Unreadable."""
    if isinstance(shape, Maybe):
        return None if value is None else read_shape(value, shape.shape, path)
    if isinstance(shape, list):
        if not isinstance(value, list):
            raise Unreadable(path, "a list", _described(value))
        (inner,) = shape
        return [read_shape(part, inner, f"{path}[{number}]") for number, part in enumerate(value)]
    if isinstance(shape, Mapping):
        return _read_object(value, shape, path)
    try:
        return shape(value, path)
    except InvalidField as error:
        raise Unreadable(path, error.allowed, _described(value)) from None


def _read_object(value: Any, shape: Mapping[str, Any], path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Unreadable(path, "an object", _described(value))
    read = dict(value)
    for name, inner in shape.items():
        place = f"{path}.{name}" if path else name
        if name not in value:
            beside = ", ".join(str(key)[:40] for key in list(value)[:MAX_NAMED])
            raise Unreadable(place, "there", f"missing; beside it: {beside}" if beside else "missing")
        read[name] = read_shape(value[name], inner, place)
    return read


def graphql_result(answer: Any) -> tuple[Any, Any]:
    """Errors (None where there are none) and data of a GraphQL answer. Raises Unreadable for what is none."""
    if not isinstance(answer, dict):
        raise Unreadable("", "a GraphQL result", _described(answer))
    return answer.get("errors") or None, answer.get("data")


def _no_json(body: bytes) -> str:
    if not body.strip():
        return "empty"
    return "a web page" if is_page(body) else "something else, or cut off"


def _described(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, dict):
        return f"an object of {', '.join(str(key)[:40] for key in list(value)[:MAX_NAMED]) or 'nothing'}"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return f"the text {value[:60]!r}" if isinstance(value, str) else f"the number {str(value)[:60]}"


# --- listings -------------------------------------------------------------------------------------------------------


class PageTurner:
    """Which pages of one listing were had: it ends, or says that it does not.

    A list that stopped at a bound, or that began to go round, would be taken for the whole one.
    """

    def __init__(self, most: int, name: str = "the list") -> None:
        self._most = most
        self._name = name
        self._had: set[Hashable] = set()

    def turn(self, page: Hashable) -> None:
        """Another page is about to be asked for, by its key, or was had, by what tells it from others.

        Raises Unreadable for one that was had before, and for more than the most that there may be.
        """
        if page in self._had:
            raise Unreadable(self._name, "another page each time", "the same page again")
        self._had.add(page)
        if len(self._had) > self._most:
            raise Unreadable(self._name, f"at an end after {self._most} pages", "longer")

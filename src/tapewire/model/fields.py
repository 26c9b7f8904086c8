"""What every noun checks at its birth, and the one error that says which field was corrupt.

Numbers are exact: text and whole numbers become `Decimal`, a float is refused because it was rounded before it got
here. Every number is finite and bounded, every identifier is short and printable: a hostile value costs one typed
error. Arithmetic that must not round uses `EXACT`.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from decimal import Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow
from fractions import Fraction
from typing import Any, Final, TypeAlias

from ..errors import ConfigurationError

__all__ = [
    "EXACT",
    "MAX_DECIMALS",
    "MAX_DIGITS",
    "MAX_IDENTIFIER",
    "Exact",
    "InvalidField",
    "as_fraction",
    "check_choice",
    "check_identifiers",
    "check_not_negative",
    "check_numbers",
    "check_positive",
    "check_text",
    "check_times",
    "parse_decimal",
]

Exact: TypeAlias = Decimal | Fraction | int
"""A number that is what it says."""

MAX_DIGITS: Final = 20
"""Digits before the point of any number: all are below 10^20."""

MAX_DECIMALS: Final = 20
"""Digits behind the point of any number: as many as the finest odds on any wire have."""

MAX_IDENTIFIER: Final = 256
"""Characters of an identifier, a currency or a symbol."""

MAX_TEXT: Final = 4096
"""Characters of a text for people: a title, the reason of a refusal."""

EXACT: Final = Context(prec=100, traps=[InvalidOperation, DivisionByZero, Overflow, Inexact])
"""The product of any two numbers fits, and what would be rounded raises `decimal.Inexact`."""

_PLAIN: Final = re.compile(r"-?\d{1,20}(?:\.\d{1,20})?", re.ASCII)
"""In range by its form: nearly every number of every wire."""

_NUMBER: Final = re.compile(r"-?\d{1,20}(?:\.\d{1,24})?(?:[eE][+-]?\d{1,2})?", re.ASCII)
_MAX_NUMBER_TEXT: Final = 50
_MAX_TIME_NS: Final = 2**63
_CLOCKS: Final = ("venue_time_ns", "received_at_ns")
_BOUND: Final = 10**MAX_DIGITS
_RANGE: Final = f"less than {MAX_DIGITS + 1} digits before and {MAX_DECIMALS + 1} behind the point"


class InvalidField(ConfigurationError):
    """`argument` is corrupt. If it came from a peer, drop and count what it came in; if it is yours, correct it."""

    def __init__(self, argument: str, value: object, allowed: str) -> None:
        super().__init__(argument, _excerpt(value), allowed)
        self.value = value


class _Excerpt(str):
    """A text that is shown as it is, without a second pair of quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _excerpt(value: object) -> str:
    """The first characters of any value; a number of a million digits is named, not written out."""
    if isinstance(value, int) and value.bit_length() > 256:
        return _Excerpt(f"an integer of {value.bit_length()} bits")
    if isinstance(value, str | bytes):
        return _Excerpt(repr(value[:80]))
    if isinstance(value, int | float | Decimal | None):
        return _Excerpt(f"{value!r:.80}")
    return _Excerpt(f"{type(value).__name__}(...)")


def parse_decimal(value: object, field: str = "value") -> Decimal:
    """The exact number that `value` (text, int or Decimal) says. Raises `InvalidField` for everything else.

    Text is plain or scientific ASCII: no spaces, underscores, NaN or infinities. A float is refused: decode the
    wire's number as text or `Decimal` instead.
    """
    if isinstance(value, str):
        if _PLAIN.fullmatch(value) is not None:
            return Decimal(value)
        if len(value) > _MAX_NUMBER_TEXT or _NUMBER.fullmatch(value) is None:
            raise InvalidField(field, value, "a plain decimal number")
        number = Decimal(value)
    elif isinstance(value, Decimal):
        number = value
    elif isinstance(value, float):
        raise InvalidField(field, value, "text, int or Decimal; a float was rounded before it got here")
    elif isinstance(value, bool) or not isinstance(value, int):
        raise InvalidField(field, value, "text, int or Decimal")
    elif -_BOUND < value < _BOUND:
        return Decimal(value)
    else:
        raise InvalidField(field, value, _RANGE)
    if not _in_range(number):
        raise InvalidField(field, value, f"finite, {_RANGE}")
    return number


def as_fraction(value: Exact, field: str) -> Fraction:
    """`value` for arithmetic that never rounds. Raises `InvalidField` for a float, or what is out of bounds."""
    return value if isinstance(value, Fraction) else Fraction(parse_decimal(value, field))


def _in_range(number: Decimal) -> bool:
    text = str(number)
    if len(text) <= MAX_DIGITS and "E" not in text and number.is_finite():
        return True  # so short that it has digits enough neither before nor behind the point: nearly always
    exponent = number.as_tuple().exponent
    return isinstance(exponent, int) and exponent >= -MAX_DECIMALS and number.adjusted() < MAX_DIGITS


_ZERO: Final = Decimal(0)


def _checked(field: str, value: Any) -> Decimal:
    if not isinstance(value, Decimal):
        raise InvalidField(field, value, "a Decimal (parse_decimal makes one)")
    if not _in_range(value):
        raise InvalidField(field, value, f"finite, {_RANGE}")
    return value


def check_numbers(owner: object, *fields: str, optional: bool = False) -> None:
    """Each of `fields` is a finite, bounded Decimal, or None where that is `optional`."""
    for field in fields:
        value = getattr(owner, field)
        if value is not None or not optional:
            _checked(field, value)


def check_positive(owner: object, *fields: str, optional: bool = False) -> None:
    """Each of `fields` is a Decimal above zero, or None where that is `optional`."""
    for field in fields:
        value = getattr(owner, field)
        if value is None and optional:
            continue
        if value.__class__ is Decimal and value:
            text = str(value)  # it begins with a digit, and has too few to be out of range: nearly always
            if "/" < text < ":" and len(text) <= MAX_DIGITS and "E" not in text:
                continue
        if _checked(field, value) <= _ZERO:
            raise InvalidField(field, value, "above zero")


def check_not_negative(owner: object, *fields: str, optional: bool = False) -> None:
    """Each of `fields` is a Decimal of zero or more, or None where that is `optional`."""
    for field in fields:
        value = getattr(owner, field)
        if value is None and optional:
            continue
        if value.__class__ is Decimal:
            text = str(value)  # as above
            if "/" < text < ":" and len(text) <= MAX_DIGITS and "E" not in text:
                continue
        if _checked(field, value) < _ZERO:
            raise InvalidField(field, value, "zero or more")


def check_identifiers(owner: object, *fields: str, optional: bool = False) -> None:
    """Each of `fields` is short printable text that is not empty, or None where that is `optional`."""
    for field in fields:
        value = getattr(owner, field)
        if value.__class__ is str and 0 < len(value) <= MAX_IDENTIFIER and value.isprintable():
            continue
        if value is None and optional:
            continue
        if not isinstance(value, str) or not 0 < len(value) <= MAX_IDENTIFIER or not value.isprintable():
            raise InvalidField(field, value, f"1 to {MAX_IDENTIFIER} printable characters")


def check_text(owner: object, *fields: str) -> None:
    """Each of `fields` is text for people, of bounded length. Whoever shows it escapes it: it came from a venue."""
    for field in fields:
        value = getattr(owner, field)
        if not isinstance(value, str) or len(value) > MAX_TEXT:
            raise InvalidField(field, value, f"text of at most {MAX_TEXT} characters")


def check_choice(owner: object, field: str, allowed: Collection[object]) -> None:
    """`field` is one of `allowed`."""
    value = getattr(owner, field)
    if not (value is None or isinstance(value, str)) or value not in allowed:
        raise InvalidField(field, value, ", ".join(str(item) for item in allowed))


def check_times(owner: object, *more: str) -> None:
    """The two clocks that every event has, and `more` that may be None: nanoseconds since the epoch."""
    for field in (*_CLOCKS, *more) if more else _CLOCKS:
        value = getattr(owner, field)
        if value.__class__ is int and 0 <= value < _MAX_TIME_NS:
            continue
        if value is None and field != "received_at_ns":
            continue
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < _MAX_TIME_NS:
            raise InvalidField(field, value, "nanoseconds since the epoch, an int from 0 below 2^63")

"""The kinds of fields that wires have, each read by one function, whichever venue, socket or HTTP it came by. Pure.

===============  ==========================================================  =================================
kind             accepted                                                    what it is here
===============  ==========================================================  =================================
`integer`        a JSON number without a point; ASCII digits, "-" before     int
`sequence`       the same, zero or more                                      int
`number`         a JSON number; a plain or scientific decimal in ASCII       Decimal
`quantity`       the same                                                    int where it was written whole,
                                                                             else Decimal
`time_ms`        as `integer`; from 2001-09-09 to 2286-11-20                 int, milliseconds since the epoch
`time_s`         the same                                                    int, seconds since the epoch
`time_us`        the same                                                    int, microseconds since the epoch
`time_iso`       text in ISO 8601 with its zone; the same years              int, nanoseconds since the epoch
`text`           text, or a JSON number without a point; may be empty        str, up to 4,096 characters
`identifier`     the same, 1 to 256 printable characters                     str
`flag`           true and false, as such or in words                         bool
===============  ==========================================================  =================================

Nothing else: no space, underscore, plus, NaN or digit of another script, and no float, which was rounded before it got
here (decode with `exact_json`). A time in other units than its kind's is refused: the bounds of seconds,
milliseconds, microseconds and nanoseconds do not meet. Each reader takes the value and the name that the error is to
say, and raises `InvalidField`. `plain` writes a number the one way that every wire takes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Clamped, Context, Decimal, Inexact, InvalidOperation, Overflow, Subnormal, Underflow
from typing import Annotated, Any, Final, TypeAlias

import msgspec

from ...model.fields import MAX_IDENTIFIER, MAX_TEXT, InvalidField
from ...model.fields import parse_decimal as number

__all__ = [
    "PLAIN_LEVELS",
    "Kind",
    "TimeMs",
    "bounded",
    "exact_json",
    "flag",
    "has_plain_numbers",
    "identifier",
    "integer",
    "levels",
    "number",
    "plain",
    "quantity",
    "sequence",
    "text",
    "time_iso",
    "time_ms",
    "time_s",
    "time_us",
]

Kind: TypeAlias = Callable[[Any, str], Any]
"""What reads one kind of field: a decoded value and its name in, what it is here out; raises InvalidField."""

MAX_INTEGER_DIGITS: Final = 40

_INTEGER: Final = re.compile(rf"-?[0-9]{{1,{MAX_INTEGER_DIGITS}}}")
_INTEGER_BOUND: Final = 10**MAX_INTEGER_DIGITS
_FIRST_S, _LAST_S = 10**9, 10**10
_ISO: Final = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)", re.ASCII)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

TimeMs: TypeAlias = Annotated[int, msgspec.Meta(ge=_FIRST_S * 1000, lt=_LAST_S * 1000)]
"""`time_ms` where it is a JSON number, for a struct that is decoded at once."""

_WORDS: Final = {"true": True, "false": False}


def integer(value: Any, field: str) -> int:
    """A whole number, as an int or its digits."""
    if value.__class__ is int:
        if -_INTEGER_BOUND < value < _INTEGER_BOUND:
            return value
    elif value.__class__ is str and _INTEGER.fullmatch(value):
        return int(value)
    raise InvalidField(field, value, f"a whole number of at most {MAX_INTEGER_DIGITS} digits, or its digits")


def sequence(value: Any, field: str) -> int:
    """A whole number that counts something: zero or more."""
    counted = integer(value, field)
    if counted < 0:
        raise InvalidField(field, value, "a whole number from 0, or its digits")
    return counted


def quantity(value: Any, field: str) -> int | Decimal:
    """An exact number: an int where it was written without a point, so that whole cents stay whole cents."""
    exact = number(value, field)
    written = str(value)
    return int(exact) if written.removeprefix("-").isdigit() else exact


def time_ms(value: Any, field: str) -> int:
    """A moment in milliseconds since the epoch."""
    return _moment(value, field, 1000, "milliseconds since the epoch (13 digits)")


def time_s(value: Any, field: str) -> int:
    """A moment in seconds since the epoch."""
    return _moment(value, field, 1, "seconds since the epoch (10 digits)")


def time_us(value: Any, field: str) -> int:
    """A moment in microseconds since the epoch."""
    return _moment(value, field, 1_000_000, "microseconds since the epoch (16 digits)")


def _moment(value: Any, field: str, in_a_second: int, allowed: str) -> int:
    moment = integer(value, field)
    if not _FIRST_S * in_a_second <= moment < _LAST_S * in_a_second:
        raise InvalidField(field, value, allowed)
    return moment


def time_iso(value: Any, field: str) -> int:
    """A moment in ISO 8601, in nanoseconds since the epoch: every digit of the fraction counts."""
    written = _ISO.fullmatch(value) if isinstance(value, str) and len(value) <= MAX_IDENTIFIER else None
    if written is not None:
        day, clock, fraction, zone = written.groups()
        try:
            since = datetime.fromisoformat(f"{day}T{clock}{zone}") - _EPOCH
        except ValueError:  # no such day or hour
            raise InvalidField(field, value, "a time in ISO 8601") from None
        seconds = since.days * 86_400 + since.seconds
        if _FIRST_S <= seconds < _LAST_S:
            return seconds * 10**9 + int((fraction or "0").ljust(9, "0"))
    raise InvalidField(field, value, "a time in ISO 8601 with its zone: 2026-01-31T09:30:00.250Z")


def text(value: Any, field: str) -> str:
    """A text, for people or of the venue's words."""
    if value.__class__ is int and -_INTEGER_BOUND < value < _INTEGER_BOUND:
        return str(value)
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise InvalidField(field, value, f"text of at most {MAX_TEXT} characters")
    return value


def identifier(value: Any, field: str) -> str:
    """The name of one thing at the venue."""
    found = text(value, field)
    if not 0 < len(found) <= MAX_IDENTIFIER or not found.isprintable():
        raise InvalidField(field, value, f"1 to {MAX_IDENTIFIER} printable characters")
    return found


def flag(value: Any, field: str) -> bool:
    """True or false, as such or in words."""
    if value is True or value is False:
        return value
    word = _WORDS.get(value.lower()) if isinstance(value, str) and value.isascii() else None
    if word is None:
        raise InvalidField(field, value, "true or false")
    return word


def plain(value: Decimal) -> str:
    """A finite number as every wire takes it: ASCII digits and a point, no exponent, no plus."""
    return f"{value:f}"


# --- JSON ---------------------------------------------------------------------------------------------------------


MAX_EXPONENT: Final = 308
"""Of a fraction's first digit, to either side, as of a float: what is beyond costs whoever writes it out its memory."""

_WITHIN: Final = Context(
    prec=1_000,
    Emin=-MAX_EXPONENT,
    Emax=MAX_EXPONENT,
    traps=[Overflow, Underflow, Subnormal, Clamped, Inexact, InvalidOperation],
)

bounded: Final[Callable[[str], Decimal]] = _WITHIN.create_decimal
"""A number with a fraction or an exponent, as JSON has it. Raises ArithmeticError for one beyond all bounds."""


def _fraction(written: str) -> Decimal:
    try:
        return bounded(written)
    except ArithmeticError:
        raise ValueError("a number beyond all bounds") from None


exact_json: Final[Callable[[bytes | str | msgspec.Raw], Any]] = msgspec.json.Decoder(
    float_hook=_fraction
).decode
"""JSON, each number exact: an int, or a Decimal where it has a point or an exponent.

Raises ValueError or RecursionError for what is none. It is the decoder's own method, for each message goes through it.
"""


PLAIN_LEVELS: Final = b'[]",.0123456789'
"""What the levels of a book are written with."""

_read_levels = msgspec.json.Decoder(list[tuple[Decimal, Decimal]]).decode
_read_pairs = msgspec.json.Decoder(list[tuple[Any, Any]], float_hook=_fraction).decode


def has_plain_numbers(written: bytes, allowed: bytes = PLAIN_LEVELS) -> bool:
    """True if JSON holds nothing but plain numbers and what else is `allowed`, so that `Decimal` alone may read them.

    Decimal would also take underscores, spaces, NaN and digits of other scripts. One look at the bytes of a whole book
    costs a fortieth of reading it, and less than a look at each of its numbers. It passes over one thing that `number`
    refuses: a point with digits on one side only, which is as exact.
    """
    return not written.translate(None, allowed)


def levels(side: bytes | msgspec.Raw) -> list[tuple[Decimal, Decimal]]:
    """One side of a book, `[[price, size], ...]`, each a `number`. Raises ValueError (InvalidField is one)."""
    written = bytes(side)
    if not written.translate(None, PLAIN_LEVELS):  # as `has_plain_numbers`, without the call
        return _read_levels(written)
    return [(number(price, "price"), number(size, "size")) for price, size in _read_pairs(written)]

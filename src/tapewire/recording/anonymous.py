"""What is somebody's own, out of a tape: replaced by placeholders of the same length, alike wherever it stands. Pure.

Give all records to `learn`, then each of them, from the first, to `rewrite`; of several recordings one after the other,
each time saying of which they are (`turn_to`).

Rules:

* One's own messages are those of a channel that tells of an account, of whatever answers what was sent for it, and of
  calls about the account. What is public stays as it is, but where something of one's own stands in it.
* An id, an address, an email has the same placeholder wherever it stands on the tape, of the same kind of characters.
* Amounts keep their order and stay nothing where they are: what is more stays more, so that what is news of an order
  stays news. Sums and ratios do not last.
* What stands for what is drawn from a key that lives as long as this object: nobody can work it out again.
"""

from __future__ import annotations

import hmac
import random
import re
import secrets
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from typing import Any, Final
from urllib.parse import quote

import msgspec

from .format import Kind, Record

__all__ = ["Anonymiser", "ranked"]

LONG: Final = 8
"""Characters of an id that is replaced wherever it stands; a shorter one might be anything elsewhere."""

SHORT: Final = 4
"""Characters of an id that is none: a shorter one is a counter."""

BIG: Final = 19
"""Digits of a number that may be too large for 64 bits if it becomes larger."""

_TOKEN: Final = re.compile(r"[\w.+%-]+(?:@[\w-]+(?:\.[\w-]+)+)?")
_DASHED: Final = re.compile(r"[A-Za-z0-9-]+")
_PART: Final = re.compile(r"[A-Za-z0-9]+")
_EMAIL: Final = re.compile(r"[\w.+%-]+@[\w-]+(?:\.[\w-]+)+")
_REPLY: Final = re.compile(r'^\{"id":\s*("[^"]+"|\d+)')
_NUMBER: Final = re.compile(r"(?<![eE\d.])(?<![eE][+-])\d+(?:\.\d+)?")
"""Not what stands for a power of ten."""
_HEX: Final = re.compile(r"(?:0x)?(?=[\d-]*[A-Fa-f])[0-9A-Fa-f-]{8,}")
_EXACT: Final = Context(prec=100)
_TRIES: Final = 10_000


class Anonymiser:
    """What of a tape is replaced, and by what.

    `owner_of`: given a topic, None where it is public, else the part of it that names the account, or nothing.
    `ids`, `amounts`: names of fields in one's own messages. `calls`: found in method, URL and body of calls about the
    account. `unsaid`: feeds of which the tape no longer says what was heard. `key`: drawn anew by default.
    """

    def __init__(
        self,
        owner_of: Callable[[str], str | None],
        *,
        ids: Collection[str] = (),
        amounts: Collection[str] = (),
        calls: str = r"(?!)",
        unsaid: Collection[str] = (),
        key: bytes | None = None,
    ) -> None:
        self._key = key or secrets.token_bytes(32)
        self._ids = _fields(ids)
        self._amounts = _fields(amounts)
        self._queries = re.compile(rf"(?<=[?&])(?:{_any(ids)})=(?P<value>[^&\s]+)")
        self._owner_of = owner_of
        self._calls = re.compile(calls)
        self._sights: dict[str, tuple[_Sight, _Sight]] = {}
        self.turn_to("")
        self._unsaid = frozenset(unsaid)
        self._own: dict[str, str] = {}  # ids by their placeholders
        self._used: set[str] = set()
        self._numbers: dict[str, int] = {}  # texts of amounts, by their digits behind the point
        self._ranked: Mapping[Decimal, Decimal] | None = None
        self.opaque = 0
        """Messages that are no text: they stay as they are."""

    def turn_to(self, recording: str) -> None:
        """What is given from now on is of that recording: numbers of connections and calls are its own."""
        made = self._sights.get(recording) or tuple(_Sight(self._owner_of, self._calls) for _ in range(2))
        self._learning, self._rewriting = self._sights[recording] = made[0], made[1]

    def learn(self, record: Record) -> None:
        """See what is one's own in it."""
        is_own = self._learning.looks(record)
        for owner in self._learning.owners:
            self._learn_id(owner)
        for text in _said(record):
            for email in _EMAIL.findall(text):
                self._learn_id(email)
            if is_own(text):
                for found in (*_values(self._ids, text), *self._queries.findall(text)):
                    self._learn_id(found)
                for found in _values(self._amounts, text):
                    for number in _NUMBER.findall(found):
                        places = len(number.partition(".")[2].rstrip("0"))
                        self._numbers[number] = places

    def rewrite(self, record: Record) -> Record:
        """The record without it."""
        is_own = self._rewriting.looks(record)
        if record.kind in (Kind.READ, Kind.SENT):
            self.opaque += sum(isinstance(each, list) for each in record.data)
            data: Any = [
                each if isinstance(each, list) else self._walked(each, is_own) for each in record.data
            ]
        else:
            data = self._walked(record.data, is_own)
        if record.kind == Kind.NOTE and isinstance(data, dict) and isinstance(data.get("feeds"), dict):
            data["feeds"] = {name: said for name, said in data["feeds"].items() if name not in self._unsaid}
        return Record(record.kind, record.at_ns, record.connection, data)

    def settings(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """The settings of a tape's head without it. Emails in them are learnt as well."""
        for text in _texts(dict(settings)):
            for email in _EMAIL.findall(text):
                self._learn_id(email)
        made = self._walked(dict(settings), _nothing)
        assert isinstance(made, dict)
        return made

    # --- what is replaced -------------------------------------------------------------------------------------------

    def _walked(self, value: Any, is_own: Callable[[str], bool]) -> Any:
        if isinstance(value, bytes):
            try:
                return self._replaced(value.decode(), is_own).encode()
            except UnicodeDecodeError:
                text = self._replaced(value.decode("utf-8", "surrogateescape"), is_own)
                return text.encode("utf-8", "surrogateescape")
        if isinstance(value, str):
            return self._replaced(value, is_own)
        if isinstance(value, Mapping):
            return {self._walked(name, _nothing): self._walked(held, is_own) for name, held in value.items()}
        if isinstance(value, list | tuple):
            return [self._walked(held, is_own) for held in value]
        return value

    def _replaced(self, text: str, is_own: Callable[[str], bool]) -> str:
        if is_own(text):
            text = _in_values(self._ids, text, lambda found: self._own.get(_plain(found), found))
            text = self._queries.sub(self._of_query, text)
            text = _in_values(self._amounts, text, lambda found: _NUMBER.sub(self._of_amount, found))
        return _TOKEN.sub(self._of_token, text)

    def _of_query(self, found: re.Match[str]) -> str:
        value = found["value"]
        return found[0][: -len(value)] + self._own.get(_plain(value), value)

    def _of_token(self, found: re.Match[str]) -> str:
        token = found[0]
        if len(token) < LONG:
            return token
        known = self._own.get(_plain(token))
        if known is not None:
            return known
        email = _EMAIL.search(token)
        if email is not None:
            return token.replace(email[0], self._own.get(_plain(email[0]), email[0]))
        for parts in (_DASHED, _PART):
            token = parts.sub(lambda part: self._long(part[0]), token)
        return token

    def _long(self, part: str) -> str:
        return self._own.get(_plain(part), part) if len(part) >= LONG else part

    def _of_amount(self, found: re.Match[str]) -> str:
        number = found[0]
        if self._ranked is None:
            self._ranked = ranked(self._numbers, random.Random(self._key))
        value = Decimal(number)
        made = self._ranked.get(value)
        if made is None or not value:
            return number
        return f"{made:.{len(number.partition('.')[2])}f}".zfill(len(number))

    # --- what stands for it -----------------------------------------------------------------------------------------

    def _learn_id(self, value: str) -> None:
        plain = _plain(value)
        if len(plain) < SHORT or not plain.strip("0-x") or plain in self._own:
            return
        for number in range(_TRIES):
            made = self._placeholder(plain, number)
            if made not in self._used and made != plain:
                break
        self._used.add(made)
        self._own[plain] = made
        if "@" in plain:  # and as it stands in a URL
            self._own[quote(plain)] = quote(made)

    def _placeholder(self, plain: str, number: int) -> str:
        drawn = random.Random(hmac.digest(self._key, f"{number} {plain}".encode(), "sha256"))
        if plain.isdecimal() and plain.isascii():
            most = 9 if len(plain) < BIG else max(1, int(plain[0]) - 1)
            first = "0" if plain[0] == "0" else str(drawn.randint(1, most))
            return first + "".join(str(drawn.randint(0, 9)) for _ in plain[1:])
        if _HEX.fullmatch(plain):
            start = 2 if plain.startswith("0x") else 0
            return plain[:start] + "".join(
                "-" if c == "-" else drawn.choice("0123456789abcdef") for c in plain[start:]
            )
        return "".join(_like(character, drawn) for character in plain)


class _Sight:
    """Which messages are one's own, as a tape goes by."""

    def __init__(self, owner_of: Callable[[str], str | None], calls: re.Pattern[str]) -> None:
        self._owner_of = owner_of
        self._calls = calls
        self._topics: defaultdict[int, set[str]] = defaultdict(set)  # quoted, by the connection
        self._asked: defaultdict[int, set[str]] = defaultdict(set)  # numbers of what was sent for them
        self._own_calls: set[int] = set()
        self.owners: set[str] = set()

    def looks(self, record: Record) -> Callable[[str], bool]:
        """See one record; returns what says of its texts whether they are one's own."""
        if record.kind == Kind.SENT:
            for text in _said(record):
                self._sent(record.connection, text)
        elif record.kind == Kind.ASKED:
            number, method, url, _, body = record.data
            if self._calls.search(f"{method} {url} {bytes(body).decode('utf-8', 'replace')}"):
                self._own_calls.add(number)
        if record.kind in (Kind.ASKED, Kind.ANSWERED, Kind.UNANSWERED):
            is_own = record.data[0] in self._own_calls
            return lambda text: is_own
        if record.kind in (Kind.SENT, Kind.READ):
            topics, asked = self._topics[record.connection], self._asked[record.connection]
            return lambda text: any(topic in text for topic in topics) or _answers(text, asked)
        return _nothing

    def _sent(self, connection: int, text: str) -> None:
        for line in text.splitlines():
            try:
                said = msgspec.json.decode(line)
            except msgspec.DecodeError:
                continue
            owners = [(each, owner) for each in _strings(said) if (owner := self._owner_of(each)) is not None]
            if owners or self._calls.search(line):
                self.owners |= {owner for _, owner in owners if owner}
                self._topics[connection] |= {f'"{topic}"' for topic, _ in owners}
                if isinstance(said, dict) and "id" in said:
                    self._asked[connection].add(msgspec.json.encode(said["id"]).decode())


def ranked(numbers: Mapping[str, int], drawn: random.Random) -> dict[Decimal, Decimal]:
    """For each number one of as many digits, in the same order. `numbers`: texts, and how many decimals each needs.

    A number that has no room, as there are as many of its length as there can be, is its own placeholder.
    """
    wanted: dict[Decimal, tuple[int, int]] = {}
    for text, places in numbers.items():
        value = Decimal(text)
        if value:
            digits = len(str(int(value)))
            known = wanted.get(value, (digits, places))
            wanted[value] = (digits, max(places, known[1]))
    values = sorted(wanted)
    made: dict[Decimal, Decimal] = {}
    spans = [(0, len(values), Decimal(0), Decimal(10) ** 60)]
    lows = [_span(*wanted[value])[0] for value in values]
    highs = [_span(*wanted[value])[1] for value in values]
    units = [Decimal(1).scaleb(-wanted[value][1]) for value in values]
    while spans:
        begin, end, above, below = spans.pop()
        if begin == end:
            continue
        middle = (begin + end) // 2
        low, high = above, below
        for at in range(begin, middle + 1):  # the least that leaves room for those before
            low = max(lows[at], _next(low, units[at]))
        for at in range(end - 1, middle - 1, -1):  # and the most
            high = min(highs[at], _before(high, units[at]))
        steps = int(_EXACT.divide(high - low, units[middle]))
        made[values[middle]] = chosen = low + units[middle] * drawn.randint(0, max(steps, 0))
        spans += [(begin, middle, above, chosen), (middle + 1, end, chosen, below)]
    return made


def _span(digits: int, places: int) -> tuple[Decimal, Decimal]:
    """The least and the most of that many digits before and behind the point."""
    unit = Decimal(1).scaleb(-places)
    least = Decimal(10) ** (digits - 1) if digits > 1 else unit
    return least, Decimal(10) ** digits - unit


def _next(number: Decimal, unit: Decimal) -> Decimal:
    """The first multiple of the unit above."""
    return _EXACT.divide(number, unit).to_integral_value(ROUND_FLOOR, _EXACT) * unit + unit


def _before(number: Decimal, unit: Decimal) -> Decimal:
    """The first multiple of the unit below."""
    return _EXACT.divide(number, unit).to_integral_value(ROUND_CEILING, _EXACT) * unit - unit


def _nothing(text: str) -> bool:
    return False


def _answers(text: str, asked: Collection[str]) -> bool:
    return any((found := _REPLY.match(line)) and found[1] in asked for line in text.splitlines())


def _plain(value: str) -> str:
    """Addresses are written in both cases."""
    return value.lower() if value.startswith("0x") else value


def _like(character: str, drawn: random.Random) -> str:
    """Another of its kind and of its length."""
    if character.isascii():
        if character.isdigit():
            return str(drawn.randint(0, 9))
        if character.isalpha():
            made = drawn.choice("abcdefghijklmnopqrstuvwxyz")
            return made if character.islower() else made.upper()
        return character
    first, count = {2: (0xC0, 64), 3: (0x4E00, 4096)}.get(len(character.encode()), (0x1F600, 64))
    return chr(first + drawn.randrange(count))


def _any(names: Collection[str]) -> str:
    return "|".join(map(re.escape, sorted(names, key=len, reverse=True))) or r"(?!)"


def _fields(names: Collection[str]) -> re.Pattern[str]:
    """Fields of JSON of these names: a text, a number, or an array of them; also in JSON that is a text in JSON."""
    text = r'"(?:[^"\\]|\\.)*(?:"|$)|(?P=quote).*?(?:(?P=quote)|$)'  # a message may be cut off
    number = r"-?\d[\d.eE+-]*"
    return re.compile(
        rf'(?P<quote>\\*")(?:{_any(names)})(?P=quote)\s*:\s*(?P<value>{text}|{number}|\[[^\[\]{{}}]*\])'
    )


_ONE: Final = re.compile(r'[^\s",:\[\]\\]+')
"""One of the values that a field has."""


def _values(fields: re.Pattern[str], text: str) -> Iterator[str]:
    for found in fields.finditer(text):
        yield from _ONE.findall(found["value"])


def _in_values(fields: re.Pattern[str], text: str, made: Callable[[str], str]) -> str:
    def one(found: re.Match[str]) -> str:
        value = found["value"]
        return found[0][: -len(value)] + _ONE.sub(lambda each: made(each[0]), value)

    return fields.sub(one, text)


def _said(record: Record) -> Iterator[str]:
    """All texts in what a record has, but for binary messages (`tap.encoded`)."""
    is_wire = record.kind in (Kind.READ, Kind.SENT)
    return _texts([each for each in record.data if not isinstance(each, list)] if is_wire else record.data)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, bytes):
        yield value.decode("utf-8", "surrogateescape")
    elif isinstance(value, Mapping):
        for name, held in value.items():
            yield from _texts(name)
            yield from _texts(held)
    elif isinstance(value, list | tuple):
        for held in value:
            yield from _texts(held)


def _strings(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for held in value.values():
            yield from _strings(held)
    elif isinstance(value, list):
        for held in value:
            yield from _strings(held)

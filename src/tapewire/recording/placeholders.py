"""Credentials out of what is written: each is replaced by a placeholder of the same length, so that sizes stay true.

What is replaced: every living `tapewire.Secret`, wherever it stands. In what we send, also whatever looks like a token,
key, password or signature (`tapewire.secrets`). In what a venue says, what goes by the very name of a credential, for
`"token"` is one and `"baseToken"` is market data; and a JSON web token, whatever its name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, TypeAlias
from urllib.parse import quote

from ..payload import Binary
from ..secrets import living_secrets, secret_spans

__all__ = ["FILL", "joined", "may_name_one", "said_by_a_venue", "said_by_us"]

FILL: Final = "x"
"""What a placeholder is made of."""

Spans: TypeAlias = Callable[[str], Iterable[tuple[int, int]]]

_QUOTE: Final = r'\\*"'
_NAMES: Final = (
    r"(?:(?:access|refresh|auth|id|session|bearer|connection|reset)[_-]?)?token|jwt|api[_-]?key|password|passwd"
    r"|passphrase|(?:(?:api|client)[_-]?)?secret(?:[_-]?key)?|signature|authorization|cookie|access-key|access-sign"
)
_NAMED: Final = re.compile(
    rf"(?i){_QUOTE}(?:{_NAMES}){_QUOTE}\s*:\s*"
    r'(?:"(?P<named>(?:[^"\\]|\\.)+)|(?P<quote>\\+")(?P<deep>.+?)(?=(?P=quote)))'
    r"|(?P<jwt>eyJ[\w-]{4,}\.[\w-]{4,}\.[\w-]*)"
)
_NAMED_BYTES: Final = re.compile(rf"(?i){_QUOTE}(?:{_NAMES}){_QUOTE}\s*:|eyJ".encode())
_NEAR: Final = {
    letter: re.compile(pattern).search
    for letter, pattern in {
        b"j": rb"j(?:wt|(?<=eyj))",
        b"w": rb"w(?<=passw)",
        b"h": rb"h(?<=passph)rase",
        b"z": rb"z(?<=authoriz)ation",
        b"g": rb"g(?:(?<=sig)nature|(?<=accesssig)n)",
        b"k": rb"k(?:(?<=tok)en|ey|(?<=cook)ie)",
        b"c": rb"secret",
    }.items()
}
"""What is part of every name above, in the letters of names alone, by the rarest letter of it: that one is looked for
first, at the speed of memory."""

_SMALL: Final = bytes(range(256)).lower()
_IN_NO_NAME: Final = bytes(sorted(set(range(256)) - set(b"acdeghijknoprstuwyzACDEGHIJKNOPRSTUWYZ")))
"""Bytes that are in none of what is near a name: without them little is left to be looked through."""

_HEADERS: Final = re.compile(r"(?i)auth|cookie|token|key|sign|secret|passphrase")


def said_by_us(value: Any) -> Any:
    """A value that we sent, with placeholders: text, bytes, lists and mappings of such; others stay."""
    return _masked(value, secret_spans)


def said_by_a_venue(value: Any) -> Any:
    """The same for what a venue said: nothing that is data is touched."""
    return _masked(value, _named_spans)


def may_name_one(all_of_it: bytes) -> bool:
    """False where what venues said, joined, surely holds no credential: then it need not be looked at closely."""
    small = all_of_it.translate(_SMALL, _IN_NO_NAME)
    is_near = any(letter in small and search(small) for letter, search in _NEAR.items())
    return (is_near and _NAMED_BYTES.search(all_of_it) is not None) or any(
        written.encode() in all_of_it for written in _written_secrets()
    )


def joined(payloads: Iterable[Any]) -> bytes:
    """Messages behind each other, to be searched at one go."""
    plain = [each[0] if type(each) is list else each for each in payloads]
    try:
        return b"\n".join(plain)
    except TypeError:  # there is text among them
        return b"\n".join([each.encode() if isinstance(each, str) else each for each in plain])


def _masked(value: Any, spans: Spans) -> Any:
    if isinstance(value, str):
        return _filled_in(value, spans)
    if isinstance(value, bytes):
        made = _filled_in(value.decode("utf-8", "surrogateescape"), spans).encode("utf-8", "surrogateescape")
        return Binary(made) if isinstance(value, Binary) else made
    if isinstance(value, Mapping):
        return {
            name: FILL * len(held)
            if isinstance(held, str) and _HEADERS.search(str(name))
            else _masked(held, spans)
            for name, held in value.items()
        }
    if isinstance(value, list | tuple):
        if len(value) == 2 and all(isinstance(each, str) for each in value) and _HEADERS.search(value[0]):
            return [value[0], FILL * len(value[1])]  # a header
        return [_masked(each, spans) for each in value]
    return value


def _filled_in(text: str, spans: Spans) -> str:
    kept: list[str] = []
    end = 0
    for start, stop in sorted(spans(text)):
        if stop > (start := max(start, end)):
            kept += [text[end:start], _placeholder(text[start:stop])]
            end = stop
    return "".join([*kept, text[end:]]) if kept else text


def _placeholder(secret: str) -> str:
    """A quoted one keeps its quotes: what is JSON stays JSON."""
    inner = secret.strip("\"'\\")
    at = secret.find(inner)
    return secret[:at] + FILL * len(inner) + secret[at + len(inner) :]


def _named_spans(text: str) -> Iterator[tuple[int, int]]:
    for found in _NAMED.finditer(text):
        yield from (found.span(name) for name in ("named", "deep", "jwt") if found[name])
    for written in _written_secrets():
        start = text.find(written)
        while start >= 0:
            yield start, start + len(written)
            start = text.find(written, start + 1)


def _written_secrets() -> set[str]:
    return {written for value in living_secrets() for written in (value, quote(value, safe=""))}

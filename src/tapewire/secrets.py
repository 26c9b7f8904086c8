"""Secrets, masked wherever they might be seen, and the redaction of logs.

`Secret` holds one and shows nothing of it. `redact` takes known secrets and everything that looks like one out of a
text. `RedactingFilter` does so for a logging handler: attach it to handlers, not to loggers, for the leak comes from
libraries and exception texts.
"""

from __future__ import annotations

import logging
import re
import weakref
from collections.abc import Iterator
from typing import NoReturn
from urllib.parse import quote, urlsplit, urlunsplit

__all__ = [
    "RedactingFilter",
    "Secret",
    "host_of",
    "living_secrets",
    "redact",
    "redact_url",
    "sanitized",
    "secret_spans",
]

MASK = "***"
UNREADABLE_URL = "<unreadable URL>"

# By identity: of two equal secrets one may go and the other live on.
_known: weakref.WeakValueDictionary[int, Secret] = weakref.WeakValueDictionary()

_WORDS = (
    r"(?<![\w-])[\w-]*(?:token|api[-_]?key|secret(?:[-_]?key)?|password|passwd|passphrase|access-key|access-sign"
    r"|signature|jwt)"
)
_QUOTE = r"""\\*["']"""
# `a=`, `"a": `, and `(b"a", b` of a list of headers
_IS = rf"(?:(?:{_QUOTE})?\s*[=:]\s*|{_QUOTE}\s*,\s*)(?:b(?={_QUOTE}))?"
# A text that was cut off has no closing quote; one inside another text has backslashes before its quotes.
_QUOTED = r"""\\+"[^"]*"?|\\+'[^']*'?|"(?:[^"\\]|\\.)*\\?"?|'(?:[^'\\]|\\.)*\\?'?"""
# Each has the group `secret`, which is what is masked.
_PATTERNS = (
    re.compile(r"(?P<secret>eyJ[\w-]{4,}\.[\w-]{4,}\.[\w-]*)"),
    re.compile(r"://(?P<secret>[^/\s@\"']+)@"),
    re.compile(r"(?i)\bbearer\s+(?P<secret>[^\s\"',;]+)"),
    re.compile(rf"(?i)\b(?:authorization|cookie){_IS}(?P<secret>{_QUOTED}|[^\r\n\"')}}\]]+)"),
    re.compile(rf"(?i){_WORDS}{_IS}(?P<secret>{_QUOTED}|(?!bearer\s)[^\s&\"',;)}}\]]+)"),
)


class Secret:
    """A token, key or password. `reveal()` gives it; nothing else does: not str, repr, format, pickle or ==."""

    __slots__ = ("__weakref__", "_value")

    def __init__(self, value: str) -> None:
        self._value = value
        if len(value) >= 4:
            _known[id(self)] = self

    def reveal(self) -> str:
        """The secret itself. Call it at the last moment, where the bytes are sent."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret({MASK!r})"

    def __str__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return MASK

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        from hmac import compare_digest

        return compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is not pickled")


def living_secrets() -> set[str]:
    """All that is secret in this process now, in plain text. Safe to call in any thread."""
    living = (reference() for reference in _known.valuerefs())
    return {secret.reveal() for secret in living if secret is not None}


def redact(text: str) -> str:
    """`text` without any living `Secret` and without whatever looks like a token, key or password."""
    kept: list[str] = []
    end = 0
    # All of the text as it is: no mask hides what marks a secret.
    for start, stop in sorted(secret_spans(text)):
        if start > end or not kept:
            kept.append(text[end:start])
        end = max(end, stop)
    return MASK.join([*kept, text[end:]])


def secret_spans(text: str) -> Iterator[tuple[int, int]]:
    """Where in `text` something secret stands, in no order; spans may overlap."""
    for value in living_secrets():
        for written in {value, quote(value, safe="")}:
            start = text.find(written)
            while start >= 0:
                yield start, start + len(written)
                start = text.find(written, start + 1)
    for pattern in _PATTERNS:
        for found in pattern.finditer(text):
            yield found.span("secret")


def redact_url(url: str) -> str:
    """`url` without its query and user information: what may stand in a log line or an error."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return UNREADABLE_URL
    netloc = parts.netloc.rpartition("@")[2]
    return redact(urlunsplit((parts.scheme, netloc, parts.path, "", "")))


def host_of(url: str) -> str:
    """Host and port of `url`, for error texts."""
    try:
        return urlsplit(url).netloc.rpartition("@")[2]
    except ValueError:
        return UNREADABLE_URL


class RedactingFilter(logging.Filter):
    """Takes secrets out of each record, its arguments and its traceback. Add it to every *handler*."""

    def filter(self, record: logging.LogRecord) -> bool:
        try:
            text = record.getMessage()
        except Exception:  # a wrong format is no reason to raise into whoever logged
            text = f"{record.msg} (its arguments do not fit)"
        record.msg, record.args = redact(text), ()
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text, record.exc_info = redact(record.exc_text), None
        if record.stack_info:
            record.stack_info = redact(record.stack_info)
        return True


_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


def sanitized(text: object, most: int = 300) -> str:
    """What of a peer's words may stand in one log line: no secret, no control character, at most `most` characters.

    Of an exception without a text its kind is said: a line that ends in a colon says nothing.
    """
    said = str(text) or (type(text).__name__ if isinstance(text, BaseException) else "")
    clean = redact(said[: 4 * most])
    return _UNPRINTABLE.sub(lambda found: repr(found[0])[1:-1], clean)[:most]

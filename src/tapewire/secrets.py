"""Secrets, masked wherever they might be seen, and the redaction of logs.

`Secret` holds one and shows nothing of it. `redact` takes known secrets and everything that looks like one out of a
text. `RedactingFilter` does so for a logging handler: attach it to handlers, not to loggers, for the leak comes from
libraries and exception texts.
"""

from __future__ import annotations

import hmac
import logging
import re
import weakref
from typing import NoReturn
from urllib.parse import urlsplit, urlunsplit

__all__ = ["RedactingFilter", "Secret", "host_of", "redact", "redact_url"]

MASK = "***"

_known: weakref.WeakSet[Secret] = weakref.WeakSet()

_WORDS = (
    r"access[-_]?token|refresh[-_]?token|lockdown[-_]?token|token|api[-_]?key|secret[-_]?key|secret|password|passwd"
    r"|passphrase|authorization|x-access-token|x-api-key|x-sx-api-key|access-key|access-sign|signature|cookie"
)
_PATTERNS = (
    (re.compile(r"eyJ[\w-]{4,}\.[\w-]{4,}\.[\w-]*"), MASK),
    (re.compile(r"(?i)\b(bearer\s+)[^\s\"',;]+"), rf"\1{MASK}"),
    (
        re.compile(
            rf"(?i)([\"']?\b(?:{_WORDS})\b[\"']?\s*[=:]\s*)(\"[^\"]*\"|'[^']*'|(?!bearer\s)[^\s&\"',;)}}]+)"
        ),
        rf"\1{MASK}",
    ),
)


class Secret:
    """A token, key or password. `reveal()` gives it; nothing else does: not str, repr, format, pickle or ==."""

    __slots__ = ("__weakref__", "_value")

    def __init__(self, value: str) -> None:
        self._value = value
        if len(value) >= 4:
            _known.add(self)

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
        return hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is not pickled")


def redact(text: str) -> str:
    """`text` without any living `Secret` and without whatever looks like a token, key or password."""
    for secret in tuple(_known):
        value = secret.reveal()
        if value in text:
            text = text.replace(value, MASK)
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def redact_url(url: str) -> str:
    """`url` without its query and user information: what may stand in a log line or an error."""
    parts = urlsplit(url)
    netloc = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, netloc, parts.path, "", ""))


def host_of(url: str) -> str:
    """Host and port of `url`, for error texts."""
    return urlsplit(url).netloc.rpartition("@")[2]


class RedactingFilter(logging.Filter):
    """Takes secrets out of each record, its arguments and its traceback. Add it to every *handler*."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = redact(record.getMessage())
        record.args = ()
        if record.exc_info and not record.exc_text:
            record.exc_text = redact(logging.Formatter().formatException(record.exc_info))
            record.exc_info = None
        elif record.exc_text:
            record.exc_text = redact(record.exc_text)
        return True

"""What requests over HTTP are told apart by, and which of them is part of another. Pure.

Whoever collects for some milliseconds what is asked for together collects otherwise in a replay, where no work takes
time: what was asked for at once then may be asked for one by one now. The answer to all of it holds that to each.
"""

from __future__ import annotations

import re
from typing import Final, TypeAlias
from urllib.parse import parse_qsl, urlsplit

from .placeholders import said_by_us

__all__ = ["Listed", "RequestKey", "key_of", "listed_in", "part_of"]

RequestKey: TypeAlias = tuple[str, str, bytes]
"""Method, URL and body."""

Listed: TypeAlias = frozenset[tuple[str, str]]
"""What is asked for, each with the name of the list it stands in."""

_MOMENT_NOW: Final = re.compile(rb"(?<!\d)1[5-9]\d{8}(?:\d{3})?(?!\d)")
"""Seconds or milliseconds of this epoch: those of a replay are some milliseconds other than live."""


def key_of(method: str, url: str, body: bytes) -> RequestKey:
    """What requests are told apart by: not by credentials, nor by what time it is."""
    url, body = said_by_us(url), said_by_us(bytes(body))
    return method, _MOMENT_NOW.sub(b"0", url.encode()).decode(), _MOMENT_NOW.sub(b"0", body)


def listed_in(key: RequestKey) -> Listed:
    """What its query lists, with commas between."""
    return frozenset(
        (name, each) for name, values in _query(key) if "," in values for each in values.split(",")
    )


def part_of(key: RequestKey, whole: RequestKey) -> Listed:
    """What is asked for, if that is some of what the other lists, and both are the same otherwise. Else empty."""
    listed = listed_in(whole)
    if not listed or key == whole or (key[0], _path(key), key[2]) != (whole[0], _path(whole), whole[2]):
        return frozenset()
    asked, wanted = _query(key), dict(_query(whole))
    names = {name for name, _ in listed}
    if [name for name, _ in asked] != list(wanted):
        return frozenset()
    if any(wanted[name] != values for name, values in asked if name not in names):
        return frozenset()
    some = frozenset((name, each) for name, values in asked if name in names for each in values.split(","))
    return some if some < listed else frozenset()


def _query(key: RequestKey) -> list[tuple[str, str]]:
    return parse_qsl(urlsplit(key[1]).query, keep_blank_values=True)


def _path(key: RequestKey) -> str:
    return key[1].partition("?")[0]

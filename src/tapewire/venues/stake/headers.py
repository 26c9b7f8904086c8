"""What a browser session sends: its token, headers and cookies, kept masked; the user's own come before ours. Pure.

A value that cannot stand in a header is refused here, by the name of its argument, so that no library shows it later.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ...secrets import Secret
from ..kit.settings import Rank, Setting, SettingSpec, Sources, secret
from .errors import ArgumentError

__all__ = ["COOKIES", "TOKEN", "USER_AGENT", "cookie_header", "session_headers", "token_of", "with_own"]

TOKEN = SettingSpec("access_token", ("STAKE_ACCESS_TOKEN",), secret=True)
USER_AGENT = SettingSpec("user_agent", ("STAKE_USER_AGENT",))
COOKIES = (
    SettingSpec("session", ("STAKE_SESSION_COOKIE",), secret=True),
    SettingSpec("cf_clearance", ("STAKE_CF_CLEARANCE",), secret=True),
)

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_COOKIE = re.compile(r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*")


def token_of(given: str | Secret | None) -> Secret | None:
    """The token, or that of STAKE_ACCESS_TOKEN; None where there is neither. Raises ArgumentError, which shows none."""
    setting = Sources().take(TOKEN, given or None)
    return secret(setting, ArgumentError, spaces=True)


def session_headers(
    headers: Mapping[str, str | Secret] | None,
    cookies: Mapping[str, str | Secret] | None,
    session_cookie: str | Secret | None = None,
) -> dict[str, Secret]:
    """The user's own headers, cookies among them, and what the environment has of a browser session.

    STAKE_USER_AGENT, STAKE_SESSION_COOKIE and STAKE_CF_CLEARANCE stand in where no argument says otherwise. Raises
    ArgumentError, which shows no value.
    """
    found: dict[str, Secret] = {}
    for name, value in (headers or {}).items():
        if not _NAME.fullmatch(name):
            raise ArgumentError("headers", name, "names of letters, digits and dashes")
        found[name] = _checked(name, value)
    given = {name.lower() for name in found}
    sources = Sources()
    agent = secret(sources.take(USER_AGENT, None), ArgumentError, spaces=True)
    if agent and "user-agent" not in given:
        found["User-Agent"] = agent
    every = dict(cookies or {})
    if session_cookie:
        every.setdefault("session", session_cookie)
    if "cookie" in given:
        if every:
            raise ArgumentError("headers", "Cookie", "no Cookie header beside cookies= or session_cookie=")
        return found
    for cookie in COOKIES:
        if setting := sources.take(cookie, None):
            every.setdefault(cookie.argument, setting.value)
    if every:
        found["Cookie"] = Secret(cookie_header(every))
    return found


def with_own(ours: Mapping[str, str], own: Mapping[str, Secret]) -> dict[str, str]:
    """The headers to send, revealed: the user's own, and those of ours that they do not replace."""
    taken = {name.lower() for name in own}
    kept = {name: value for name, value in ours.items() if name.lower() not in taken}
    return kept | {name: value.reveal() for name, value in own.items()}


def cookie_header(cookies: Mapping[str, str | Secret]) -> str:
    """The Cookie header of what the user gives. Raises ArgumentError, which shows no value."""
    written = []
    for name, given in cookies.items():
        value = given.reveal() if isinstance(given, Secret) else given
        if not name or not _COOKIE.fullmatch(name) or "=" in name or not _COOKIE.fullmatch(value):
            raise ArgumentError("cookies", name, "names and values as RFC 6265 allows them")
        written.append(f"{name}={value}")
    return "; ".join(written)


def _checked(name: str, value: Any) -> Secret:
    if value == "":
        return Secret("")
    setting = Setting(value, "headers", Rank.ARGUMENT, "from argument headers=")
    try:
        return secret(setting, ArgumentError, spaces=True) or Secret("")
    except ArgumentError as error:
        allowed = error.allowed
    raise ArgumentError("headers", name, allowed)

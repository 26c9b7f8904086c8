"""Where a setting comes from: one rule for every venue, and one answer to a wrong one.

**Argument, then environment variable, then profile, then the documented default.** What says *where the venue is* (a
host, an address, a network, a region) is one choice: an argument that names one of them is never overruled by a
variable that names another, and an address is never completed by the address of another place, for a token of one
would go to the other. An empty variable counts as not set; an empty address in an argument is refused, for it is most
often a variable that somebody believed to be set.

`Sources.settle` answers with a `Setting`: its value, its name (the argument's or the variable's: what an error has to
name) and its rank. The checks below take one and raise the venue's own configuration error, by way of `Refuse`. No
value of a secret is ever part of one.
"""

from __future__ import annotations

import logging
import math
import os
import re
from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import msgspec

from ...clock import Clock, SystemClock, check_clock
from ...retry import RetryPolicy, check_retry
from ...secrets import Secret, redact_url
from ...transport.proxies import is_loopback

__all__ = [
    "EITHER",
    "HTTP",
    "SOCKET",
    "Announcement",
    "Rank",
    "Refuse",
    "Setting",
    "SettingSpec",
    "Sources",
    "Whereabouts",
    "address",
    "clock_of",
    "number",
    "retry_of",
    "secret",
    "whereabouts",
]

HTTP: Final[Mapping[str, str]] = {"https": "https", "http": "http"}
SOCKET: Final[Mapping[str, str]] = {"wss": "wss", "ws": "ws"}
EITHER: Final[Mapping[str, str]] = {"https": "https", "http": "http", "wss": "https", "ws": "http"}
"""The schemes that an address may have, and what each becomes: of HTTP, of a socket, of a host that serves both."""

_TLS: Final = ("https", "wss")
_NETLOC: Final = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_SHOWN: Final = 100

_SECRET: Final = re.compile(r"[!-~]{0,16384}")
_LINE: Final = re.compile(r"(?:[!-~](?:[\t -~]*[!-~])?)?")


class Refuse(Protocol):
    """Makes the venue's error for a wrong setting: a `ConfigurationError` that is of the venue's tree too."""

    def __call__(self, argument: str, value: object, allowed: Iterable[object] | str) -> Exception: ...


class Rank(IntEnum):
    """How near to the caller a setting was said: the lowest wins."""

    ARGUMENT = 0
    ENVIRONMENT = 1
    PROFILE = 2
    DEFAULT = 3


class Setting(msgspec.Struct, frozen=True):
    """One setting that is settled. `name` is what an error names; its repr does not show the value."""

    value: Any
    name: str
    rank: Rank
    source: str

    @property
    def given(self) -> bool:
        """True unless it is the default."""
        return self.rank is not Rank.DEFAULT

    def __bool__(self) -> bool:
        return self.value is not None

    def __repr__(self) -> str:
        return f"<Setting {self.name} {self.source}>"


class SettingSpec(msgspec.Struct, frozen=True):
    """A setting that a venue's classes take: the argument, the variables that stand in for it, the default.

    `secret`: nothing may show its value. `address`: it says where the venue is.
    """

    argument: str
    variables: tuple[str, ...] = ()
    default: Any = None
    secret: bool = False
    address: bool = False


class Sources:
    """Where the settings of one client come from: the environment (or `environ`), and a section of a profile file."""

    def __init__(
        self,
        environ: Mapping[str, str] | None = None,
        *,
        section: Mapping[str, str] | None = None,
        profile: str = "",
    ) -> None:
        self._environ = os.environ if environ is None else environ
        self._section = section or {}
        self._profile = profile

    def settle(self, argument: str, given: Any, *variables: str, default: Any = None) -> Setting:
        """`given` unless it is None; else the first of `variables` that is not empty; else the profile; else `default`.

        An argument that may be empty and mean nothing by it is to be given as `given or None`.
        """
        if given is not None:
            return Setting(given, argument, Rank.ARGUMENT, f"from argument {argument}=")
        for variable in variables:
            if value := self._environ.get(variable):
                return Setting(value, variable, Rank.ENVIRONMENT, f"from {variable}")
        if value := self._section.get(argument):
            return Setting(value, argument, Rank.PROFILE, f"from {argument} in profile {self._profile!r}")
        return Setting(default, argument, Rank.DEFAULT, "by default")

    def take(self, spec: SettingSpec, given: Any) -> Setting:
        """`settle` of a setting that is said as data."""
        return self.settle(spec.argument, given, *spec.variables, default=spec.default)


class Whereabouts(msgspec.Struct, frozen=True):
    """Which addresses to go by: `host` for all that `addresses` does not name. Neither, where the venue's own count."""

    host: Setting | None
    addresses: Mapping[str, Setting]

    @property
    def source(self) -> str:
        """Where they came from, for the log; empty where the venue's own count."""
        said = ([] if self.host is None else [self.host]) + list(self.addresses.values())
        return said[0].source if said else ""


def whereabouts(
    host: Setting,
    addresses: Mapping[str, Setting],
    refuse: Refuse,
    *,
    world: Rank = Rank.DEFAULT,
    documented: Mapping[str, str] | None = None,
) -> Whereabouts:
    """What was said of the venue's place nearest to the caller, as one choice.

    `world` is the rank of a place that was asked for by name (a network, a region): said nearer than any address, it
    counts alone. Addresses that were said without a `host` have to be complete, but for those of the venue itself: what
    is `documented` stands for a missing one where all that were said are the documented ones too.
    """
    rank = min(setting.rank for setting in (host, *addresses.values()))
    if rank is Rank.DEFAULT or world < rank:
        return Whereabouts(None, {})
    said = {name: setting for name, setting in addresses.items() if setting.rank is rank}
    if host.rank is rank:
        return Whereabouts(host, said)
    own = documented or {}
    missing = [name for name in addresses if name not in said]
    if missing and any(str(setting.value).rstrip("/") != own.get(name) for name, setting in said.items()):
        beside = ", ".join(setting.name for setting in said.values())
        raise refuse(
            missing[0], None, f"an address beside {beside}, for both worlds would meet; or host= for all"
        )
    return Whereabouts(None, said)


def address(
    setting: Setting,
    schemes: Mapping[str, str],
    refuse: Refuse,
    *,
    path: bool = False,
    plaintext: bool | None = None,
) -> str:
    """`scheme://name[:port]` of a setting that holds an address, its scheme by the table, without a slash at the end.

    `path`: the address may have one. Else it is an origin, and with the schemes of `EITHER` its scheme may be missing:
    a bare name is reached by https. A scheme without TLS leads to this machine only, unless `plaintext` is True (None:
    the venue has no such argument to tell of). Raises what `refuse` makes.
    """
    given = setting.value
    spelled = " or ".join(f"{scheme}://name[:port]{'[/path]' * path}" for scheme in schemes if scheme in _TLS)
    allowed = (
        f"{spelled}; {' and '.join(scheme for scheme in schemes if scheme not in _TLS)} to this machine only"
    )
    if plaintext is not None:
        allowed += " (allow_plaintext=True takes them elsewhere)"
    if not isinstance(given, str):
        raise refuse(setting.name, given, f"a text: {allowed}")
    bare = schemes is EITHER and "://" not in given
    text = f"https://{given}" if bare else given
    try:
        parts = urlsplit(text) if text.isascii() and text.isprintable() and " " not in text else urlsplit("")
        fine = parts.scheme in schemes and parts.port != 0 and _NETLOC.fullmatch(parts.netloc) is not None
    except ValueError:
        parts, fine = urlsplit(""), False
    if not fine or parts.query or parts.fragment or (not path and parts.path not in ("", "/")):
        raise refuse(setting.name, _shown(given), allowed)
    scheme = schemes[parts.scheme]
    if parts.scheme not in _TLS and not plaintext and not is_loopback(parts.hostname or ""):
        raise refuse(setting.name, _shown(given), allowed)
    return f"{scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def number(
    setting: Setting, allowed: str, refuse: Refuse, *, above: float = 0.0, most: float = math.inf
) -> float:
    """The number that a setting holds, as digits too where it came from a text. Raises what `refuse` makes."""
    given = setting.value
    try:
        found = float(given) if type(given) in (int, float, str) else math.nan
    except ValueError:
        found = math.nan
    if not (above < found <= most and math.isfinite(found)):
        raise refuse(setting.name, _shown(given) if isinstance(given, str) else given, allowed)
    return found


def secret(setting: Setting, refuse: Refuse, *, spaces: bool = False) -> Secret | None:
    """A key, token or password as a `Secret`; None where there is none or an empty one. An error does not show it.

    It has to fit into a header: printable ASCII, inside it also `spaces` where the venue's may hold some.
    """
    given = setting.value
    if given is None or given == "":
        return None
    if not isinstance(given, str | Secret):
        raise refuse(setting.name, f"a {type(given).__name__}", "a text or a Secret")
    found = given if isinstance(given, Secret) else Secret(given)
    if (_LINE if spaces else _SECRET).fullmatch(found.reveal()) is None:
        where = "around it" if spaces else "in it"
        raise refuse(setting.name, "(not shown)", f"one line of printable ASCII, without spaces {where}")
    return found or None


def retry_of(given: Any, default: RetryPolicy, name: str = "retry") -> RetryPolicy:
    """The policy that was given, else `default`. Raises ConfigurationError that names it."""
    found = default if given is None else given
    check_retry(name, found)
    policy: RetryPolicy = found
    return policy


def clock_of(given: Any) -> Clock:
    """The clock that was given, else the machine's. Raises ConfigurationError that names it."""
    found = SystemClock() if given is None else given
    check_clock("clock", found)
    clock: Clock = found
    return clock


class Announcement:
    """The first line that a client logs, before any call: where it goes, and where that came from."""

    def __init__(self, logger: logging.Logger, venue: str, urls: Iterable[str], source: str) -> None:
        self._logger = logger
        self._line = f"{venue}: {' and '.join(dict.fromkeys(map(redact_url, urls)))} ({source})"
        self._said = False

    def say(self) -> None:
        """Log it, unless that was done."""
        if not self._said:
            self._said = True
            self._logger.info("%s", self._line)

    def __str__(self) -> str:
        return self._line


def _shown(given: str) -> str:
    """What of a wrong address an error may show: no user information, no query, no end to it."""
    text = redact_url(given) if "://" in given else given.rpartition("@")[2].partition("?")[0]
    return text[:_SHOWN]

"""Which host and which account: argument, then environment variable, then profile, then default (`kit.settings`).

An empty string counts as not given, but for `host=`. A region or an environment that an argument names goes past
STX_HOST; only the venue's own place for trying things, which is the default, holds no money and is named in every
sample of the pages, may be played on this machine though it is named: STX_HOST says where. Profiles are the sections of
`~/.stx/credentials` (INI: region, env, host, email, password; STX_CREDENTIALS_FILE names another file). The file holds
passwords: one that others can read is refused.
"""

from __future__ import annotations

import configparser
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from ...secrets import Secret
from ...transport.proxies import is_loopback
from ..kit.settings import EITHER, Rank, Setting, SettingSpec, Sources, address, whereabouts
from .errors import STXInvalidParameterException
from .url import DEFAULT_ENV, DEFAULT_REGION, ENVIRONMENTS, REGIONS, origin_of

__all__ = ["EMAIL", "ENV", "HOST", "PASSWORD", "PROFILE", "REGION", "Config", "resolve"]

HOST = SettingSpec("host", ("STX_HOST",), address=True)
REGION = SettingSpec("region", ("STX_REGION",), DEFAULT_REGION)
ENV = SettingSpec("env", ("STX_ENV",), DEFAULT_ENV)
EMAIL = SettingSpec("email", ("STX_EMAIL",))
PASSWORD = SettingSpec("password", ("STX_PASSWORD",), secret=True)
PROFILE = SettingSpec("profile", ("STX_PROFILE",))

DEFAULT_PROFILE = "default"


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """What the arguments came to; `source` says where the origin came from.

    `given` says that email and password were arguments of the call itself.
    """

    region: str
    env: str
    origin: str
    source: str
    email: str | None = None
    password: Secret | None = None
    given: bool = False


def resolve(
    *,
    region: str | None = None,
    env: str | None = None,
    host: str | None = None,
    email: str | None = None,
    password: str | Secret | None = None,
    profile: str | None = None,
    allow_plaintext: bool = False,
    environ: Mapping[str, str] | None = None,
) -> Config:
    """Settle every setting. Raises STXInvalidParameterException naming the one that is wrong."""
    texts = {"region": region, "env": env, "email": email, "profile": profile}
    for name, text in texts.items():
        if text is not None and not isinstance(text, str):
            raise STXInvalidParameterException(name, text, "a text, or None")
    if not isinstance(password, str | Secret | None):  # it is not shown
        raise STXInvalidParameterException("password", f"a {type(password).__name__}", "a text or a Secret")
    variables = os.environ if environ is None else environ
    chosen = Sources(variables).take(PROFILE, profile or None)
    section = _profile(chosen, variables)
    sources = Sources(variables, section=section, profile=chosen.value or DEFAULT_PROFILE)
    world = (
        _one_of(REGIONS, sources.take(REGION, region or None)),
        _one_of(ENVIRONMENTS, sources.take(ENV, env or None)),
    )
    origin, source = _place(sources.take(HOST, host), *world, allow_plaintext)
    # Email and password belong together: never one account's name with another's password.
    plain = password.reveal() if isinstance(password, Secret) else password
    chosen_email, chosen_password = _account(email, plain, variables, section)
    return Config(
        region=world[0].value,
        env=world[1].value,
        origin=origin,
        source=source,
        email=chosen_email,
        password=Secret(chosen_password) if chosen_password else None,
        given=bool(email),
    )


def _place(host: Setting, region: Setting, env: Setting, allow_plaintext: bool) -> tuple[str, str]:
    """The origin, and where it came from."""
    nearest = min(env, region, key=lambda setting: setting.rank)
    # A sandbox plays the place of the samples here; no variable leads from it to another server.
    is_played = (region.value, env.value) == (DEFAULT_REGION, DEFAULT_ENV) and _is_of_this_machine(host)
    found = whereabouts(
        host, {}, STXInvalidParameterException, world=Rank.DEFAULT if is_played else nearest.rank
    )
    if found.host is None:
        return origin_of(region.value, env.value), nearest.source
    origin = address(found.host, EITHER, STXInvalidParameterException, plaintext=allow_plaintext)
    return origin, found.source


def _is_of_this_machine(host: Setting) -> bool:
    text = host.value if isinstance(host.value, str) else ""
    try:
        return is_loopback(urlsplit(text if "://" in text else f"https://{text}").hostname or "")
    except ValueError:
        return False


def _one_of(names: Sequence[str], setting: Setting) -> Setting:
    if setting.value not in names:
        raise STXInvalidParameterException(setting.name, setting.value, names)
    return setting


def _account(
    email: str | None, password: str | None, variables: Mapping[str, str], section: Mapping[str, str]
) -> tuple[str | None, str | None]:
    sources = (
        (email, password),
        (variables.get(*EMAIL.variables), variables.get(*PASSWORD.variables)),
        (section.get("email"), section.get("password")),
    )
    for number, (name, secret) in enumerate(sources):
        if name:
            known = secret or next((s for n, s in sources[number + 1 :] if s and n in (name, None, "")), None)
            if not known:
                raise STXInvalidParameterException(
                    "password", "", f"the password of {name}, given beside the email"
                )
            return name, known
        if secret and number == 0:
            raise STXInvalidParameterException(
                "email", email or "", "the account's email beside its password"
            )
    return None, None


def _profile(setting: Setting, variables: Mapping[str, str]) -> Mapping[str, str]:
    name = setting.value
    chosen = variables.get("STX_CREDENTIALS_FILE")
    path = Path(chosen).expanduser() if chosen else Path.home() / ".stx" / "credentials"
    if not path.exists():
        if name or chosen:
            what, value = (setting.name, name) if name else ("STX_CREDENTIALS_FILE", chosen)
            raise STXInvalidParameterException(what, value, f"a profile in {path}, which does not exist")
        return {}
    if os.name == "posix" and path.stat().st_mode & 0o077:
        allowed = "a file that only its owner can read; run chmod 600 on it"
        raise STXInvalidParameterException("credentials file", str(path), allowed)
    parser = configparser.ConfigParser(interpolation=None, default_section="")  # a password may hold a %
    try:
        parser.read_string(path.read_text("utf-8"))
    except (configparser.Error, UnicodeDecodeError):
        readable = False  # the parser's own error quotes the line, which may be the password
    else:
        readable = True
    if not readable:
        raise STXInvalidParameterException(
            "credentials file", str(path), "INI: [profile], then email = ... lines"
        )
    if name and not parser.has_section(name):
        raise STXInvalidParameterException(
            setting.name, name, f"a section of {path}: {', '.join(parser.sections())}"
        )
    chosen_section = name or DEFAULT_PROFILE
    return dict(parser[chosen_section]) if parser.has_section(chosen_section) else {}

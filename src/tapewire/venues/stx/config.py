"""Which host and which account: argument, then environment variable, then profile, then default.

An empty string counts as not given. Profiles are the sections of `~/.stx/credentials` (INI: region, env, email,
password; STX_CREDENTIALS_FILE names another file). The file holds passwords: one that others can read is refused.
"""

from __future__ import annotations

import configparser
import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from ...secrets import Secret
from .errors import STXInvalidParameterException
from .url import DEFAULT_ENV, DEFAULT_REGION, origin_of

__all__ = ["Config", "resolve"]

DEFAULT_PROFILE = "default"


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """What the arguments came to. `given` says that email and password were arguments of the call itself."""

    region: str
    env: str
    origin: str
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
    environ: Mapping[str, str] | None = None,
) -> Config:
    """Settle every setting. Raises STXInvalidParameterException naming the one that is wrong."""
    texts = {"region": region, "env": env, "host": host, "email": email, "profile": profile}
    for name, text in texts.items():
        if text is not None and not isinstance(text, str):
            raise STXInvalidParameterException(name, text, "a text, or None")
    variables = os.environ if environ is None else environ
    section = _profile(profile or variables.get("STX_PROFILE") or None, variables)
    plain = password.reveal() if isinstance(password, Secret) else password

    def settle(name: str, argument: str | None) -> str | None:
        return argument or variables.get(f"STX_{name.upper()}") or section.get(name) or None

    chosen_region = settle("region", region) or DEFAULT_REGION
    chosen_env = settle("env", env) or DEFAULT_ENV
    # Email and password belong together: never one account's name with another's password.
    chosen_email, chosen_password = _account(email, plain, variables, section)
    return Config(
        region=chosen_region,
        env=chosen_env,
        origin=origin_of(chosen_region, chosen_env, host or variables.get("STX_HOST") or None),
        email=chosen_email,
        password=Secret(chosen_password) if chosen_password else None,
        given=bool(email),
    )


def _account(
    email: str | None, password: str | None, variables: Mapping[str, str], section: Mapping[str, str]
) -> tuple[str | None, str | None]:
    sources = (
        (email, password),
        (variables.get("STX_EMAIL"), variables.get("STX_PASSWORD")),
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


def _profile(name: str | None, variables: Mapping[str, str]) -> Mapping[str, str]:
    chosen = variables.get("STX_CREDENTIALS_FILE")
    path = Path(chosen).expanduser() if chosen else Path.home() / ".stx" / "credentials"
    if not path.exists():
        if name or chosen:
            what, value = ("profile", name) if name else ("STX_CREDENTIALS_FILE", chosen)
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
            "profile", name, f"a section of {path}: {', '.join(parser.sections())}"
        )
    chosen_section = name or DEFAULT_PROFILE
    return dict(parser[chosen_section]) if parser.has_section(chosen_section) else {}

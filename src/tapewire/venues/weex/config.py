"""`WeexConfig`: which account, which addresses, which wire: argument, then environment, then default (`kit.settings`).

Both sets of variable names are read, those of the documents and those of the venue's own SDK:

=====================  ==========================  ==============================================
WEEX_API_KEY                                       the key
WEEX_SECRET_KEY        WEEX_API_SECRET             its secret
WEEX_PASSPHRASE        WEEX_API_PASSPHRASE         its passphrase
WEEX_ENVIRONMENT                                   a label for people; it never changes a host
WEEX_TIMEOUT           API_TIMEOUT                 seconds of one HTTP attempt
WEEX_VERSION                                       the wire, v3 or v2
WEEX_MAX_RETRIES                                   repetitions of a failed HTTP call that may be repeated
WEEX_HOST, ...         WEEX_BASE_URL, ...          addresses: see url.py
=====================  ==========================  ==============================================

Public data needs no key. Secrets are shown nowhere: not in repr, logs or errors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, InitVar, dataclass, field
from typing import Any, Final, Self

from ...secrets import Secret
from ..kit.settings import Setting, SettingSpec, Sources, number, secret
from .errors import WEEXAuthenticationError, WEEXInvalidArgument
from .profile import PROFILES, Profile
from .url import Addresses, resolve

__all__ = ["ENVIRONMENTS", "KEYS", "MAX_RETRIES", "TIMEOUT", "VERSION", "WeexConfig"]

ENVIRONMENTS = ("production", "development", "staging", "testing", "sandbox")

_NOT_GIVEN: Final[Any] = None

KEYS: Final = (
    SettingSpec("api_key", ("WEEX_API_KEY",), secret=True),
    SettingSpec("secret_key", ("WEEX_SECRET_KEY", "WEEX_API_SECRET"), secret=True),
    SettingSpec("passphrase", ("WEEX_PASSPHRASE", "WEEX_API_PASSPHRASE"), secret=True),
)
VERSION: Final = SettingSpec("version", ("WEEX_VERSION",), "v3")
TIMEOUT: Final = SettingSpec("timeout", ("WEEX_TIMEOUT", "API_TIMEOUT"), 10.0)
MAX_RETRIES: Final = SettingSpec("max_retries", ("WEEX_MAX_RETRIES",), 3)


@dataclass(frozen=True, repr=False)
class WeexConfig:
    """Everything a client needs to know. Raises WEEXInvalidArgument naming a wrong argument or variable.

    What is not given here is looked for in the environment (the table above), then the default counts. `api_key`,
    `secret_key`, `passphrase`: for private streams and signed calls; all three or none, and from one place.
    `environment`: a label. `host`, `rest_url`, `ws_public_url`, `ws_private_url`: addresses (url.py). `version`: the
    wire, "v3" or "v2". `timeout`: seconds of one HTTP attempt; `max_retries`: of calls that may be repeated;
    `max_connections`: open sockets at one time (the venue's documents allow 20 from one address). `environ`: instead of
    the process's environment.
    """

    api_key: Secret | str = _NOT_GIVEN
    secret_key: Secret | str = _NOT_GIVEN
    passphrase: Secret | str = _NOT_GIVEN
    environment: str = _NOT_GIVEN
    _: KW_ONLY  # the four above may be given by position, as in the package whose name the drop-in installs
    version: str = _NOT_GIVEN
    host: str | None = None
    rest_url: str | None = None
    ws_public_url: str | None = None
    ws_private_url: str | None = None
    timeout: float = _NOT_GIVEN
    max_retries: int = _NOT_GIVEN
    max_connections: int = 20
    addresses: Addresses = field(init=False)
    environ: InitVar[Mapping[str, str] | None] = None

    def __post_init__(self, environ: Mapping[str, str] | None) -> None:
        sources = Sources(environ)
        self._settle_keys(sources)
        choices = {
            "environment": sources.settle(
                "environment", self.environment, "WEEX_ENVIRONMENT", default="production"
            ),
            "version": sources.take(VERSION, self.version),
        }
        for (name, setting), allowed in zip(choices.items(), (ENVIRONMENTS, PROFILES), strict=True):
            if setting.value not in allowed:
                raise WEEXInvalidArgument(setting.name, setting.value, allowed)
            self._set(name, setting.value)
        timeout = sources.take(TIMEOUT, self.timeout)
        self._set("timeout", number(timeout, "seconds, above 0 to 600", WEEXInvalidArgument, most=600))
        retries = sources.take(MAX_RETRIES, self.max_retries)
        self._set("max_retries", _whole(retries, 0, 20))
        self._set("max_connections", _whole(sources.settle("max_connections", self.max_connections), 2, 100))
        addresses = resolve(
            self.version,
            host=self.host,
            rest_url=self.rest_url,
            ws_public_url=self.ws_public_url,
            ws_private_url=self.ws_private_url,
            environ=environ,
        )
        self._set("addresses", addresses)
        if (
            environ is not None
        ):  # a copy with a change (dataclasses.replace) is not told of it, and stays there
            self._set("rest_url", addresses.rest)
            self._set("ws_public_url", addresses.public)
            self._set("ws_private_url", addresses.private)

    def _settle_keys(self, sources: Sources) -> None:
        names = [key.argument for key in KEYS]
        given = any(getattr(self, name) for name in names)  # then the environment's belong to another account
        for key in KEYS:
            name = key.argument
            setting = sources.settle(name, getattr(self, name) or None, *(() if given else key.variables))
            self._set(name, secret(setting, WEEXInvalidArgument) or Secret(""))
        missing = [name for name in names if not getattr(self, name)]
        if missing and len(missing) < len(names):
            allowed = "api_key, secret_key and passphrase together, or none of them"
            raise WEEXInvalidArgument(missing[0], "", allowed)

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Read the environment (or `environ`). An empty variable counts as not set; no key at all is fine."""
        return cls(environ=environ)

    @property
    def profile(self) -> Profile:
        """The wire that is spoken."""
        return PROFILES[self.version]

    @property
    def has_credentials(self) -> bool:
        """True if private streams and signed calls are possible."""
        return bool(self.api_key)

    def require_credentials(self, what: str) -> None:
        """Raise WEEXAuthenticationError where there is no key; `what` needs one."""
        if not self.has_credentials:
            raise WEEXAuthenticationError(
                f"{what} needs a key: set WEEX_API_KEY, WEEX_SECRET_KEY and WEEX_PASSPHRASE, or pass them to WeexConfig"
            )

    def __repr__(self) -> str:
        account = "with a key" if self.has_credentials else "without a key"
        return f"WeexConfig({self.environment}, {self.version}, {self.addresses.rest}, {account})"


def _whole(setting: Setting, least: int, most: int) -> int:
    allowed = f"a whole number, {least} to {most}"
    found = number(setting, allowed, WEEXInvalidArgument, above=least - 1, most=most)
    if not found.is_integer() or type(setting.value) is float:
        raise WEEXInvalidArgument(setting.name, setting.value, allowed)
    return int(found)

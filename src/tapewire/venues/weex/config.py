"""`WeexConfig`: which account, which addresses, which wire; from arguments or from the environment.

Both sets of variable names are read, those of the documents and those of the venue's own SDK:

=====================  ==========================  ==============================================
WEEX_API_KEY                                       the key
WEEX_SECRET_KEY        WEEX_API_SECRET             its secret
WEEX_PASSPHRASE        WEEX_API_PASSPHRASE         its passphrase
WEEX_ENVIRONMENT                                   a label for people; it never changes a host
WEEX_TIMEOUT           API_TIMEOUT                 seconds of one HTTP attempt
WEEX_MAX_RETRIES                                   repetitions of a failed HTTP call that may be repeated
WEEX_HOST, ...         WEEX_BASE_URL, ...          addresses: see url.py
=====================  ==========================  ==============================================

Public data needs no key. Secrets are shown nowhere: not in repr, logs or errors.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Self

from ...secrets import Secret
from .errors import WEEXAuthenticationError, WEEXInvalidArgument
from .profile import PROFILES, Profile
from .url import Addresses, resolve

__all__ = ["ENVIRONMENTS", "WeexConfig"]

ENVIRONMENTS = ("production", "development", "staging", "testing", "sandbox")

_PRINTABLE = re.compile(r"[!-~]{0,512}")  # what a header may hold


@dataclass(frozen=True, repr=False)
class WeexConfig:
    """Everything a client needs to know. Raises WEEXInvalidArgument naming a wrong argument.

    `api_key`, `secret_key`, `passphrase`: for private streams and signed calls; all three or none. `environment`: a
    label. `host`, `rest_url`, `ws_public_url`, `ws_private_url`: addresses (url.py). `version`: the wire, "v3" or
    "v2". `timeout`: seconds of one HTTP attempt; `max_retries`: of calls that may be repeated; `max_connections`: open
    sockets at one time (the venue's documents allow 20 from one address).
    """

    api_key: Secret | str = ""
    secret_key: Secret | str = ""
    passphrase: Secret | str = ""
    environment: str = "production"
    _: KW_ONLY  # the four above may be given by position, as in the package whose name the drop-in installs
    version: str = "v3"
    host: str | None = None
    rest_url: str | None = None
    ws_public_url: str | None = None
    ws_private_url: str | None = None
    timeout: float = 10.0
    max_retries: int = 3
    max_connections: int = 20
    addresses: Addresses = field(init=False)

    def __post_init__(self) -> None:
        for name in ("api_key", "secret_key", "passphrase"):
            given = getattr(self, name)
            secret = given if isinstance(given, Secret) else Secret(given or "")
            if _PRINTABLE.fullmatch(secret.reveal()) is None:
                raise WEEXInvalidArgument(name, "(not shown)", "printable ASCII without spaces")
            object.__setattr__(self, name, secret)
        if len({bool(self.api_key), bool(self.secret_key), bool(self.passphrase)}) > 1:
            missing = next(
                name for name in ("api_key", "secret_key", "passphrase") if not getattr(self, name)
            )
            raise WEEXInvalidArgument(
                missing, "", "api_key, secret_key and passphrase together, or none of them"
            )
        if self.environment not in ENVIRONMENTS:
            raise WEEXInvalidArgument("environment", self.environment, ENVIRONMENTS)
        if self.version not in PROFILES:
            raise WEEXInvalidArgument("version", self.version, PROFILES)
        if type(self.timeout) not in (int, float) or not 0 < self.timeout <= 600:
            raise WEEXInvalidArgument("timeout", self.timeout, "seconds, above 0 to 600")
        if type(self.max_retries) is not int or not 0 <= self.max_retries <= 20:
            raise WEEXInvalidArgument("max_retries", self.max_retries, "0 to 20")
        if type(self.max_connections) is not int or not 2 <= self.max_connections <= 100:
            raise WEEXInvalidArgument("max_connections", self.max_connections, "2 to 100")
        addresses = resolve(
            self.version,
            host=self.host,
            rest_url=self.rest_url,
            ws_public_url=self.ws_public_url,
            ws_private_url=self.ws_private_url,
        )
        object.__setattr__(self, "addresses", addresses)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Read the environment (or `environ`). An empty variable counts as not set; no key at all is fine."""
        variables = os.environ if environ is None else environ

        def first(*names: str) -> str:
            return next((value for name in names if (value := variables.get(name))), "")

        version = first("WEEX_VERSION") or "v3"
        known = version if version in PROFILES else "v3"
        addresses = resolve(known, environ=variables)
        return cls(
            api_key=first("WEEX_API_KEY"),
            secret_key=first("WEEX_SECRET_KEY", "WEEX_API_SECRET"),
            passphrase=first("WEEX_PASSPHRASE", "WEEX_API_PASSPHRASE"),
            environment=first("WEEX_ENVIRONMENT") or "production",
            version=version,
            rest_url=addresses.rest,
            ws_public_url=addresses.public,
            ws_private_url=addresses.private,
            timeout=_number("WEEX_TIMEOUT", first("WEEX_TIMEOUT", "API_TIMEOUT"), 10.0),
            max_retries=int(_number("WEEX_MAX_RETRIES", first("WEEX_MAX_RETRIES"), 3)),
        )

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


def _number(name: str, text: str, default: float) -> float:
    try:
        return float(text) if text else default
    except ValueError:
        raise WEEXInvalidArgument(name, text[:40], "a number") from None

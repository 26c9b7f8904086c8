"""Where the venue lives: its REST origin and its two sockets.

Order: argument, then environment, then the documented hosts. `host` (WEEX_HOST) is one origin that serves all three,
such as a local server: http://127.0.0.1:8000 has its sockets at ws://127.0.0.1:8000/v3/ws/public and .../private.
No name of an environment ever changes a host. Plain text is taken for this machine only. Sources are in NOTES.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

import msgspec

from ...secrets import redact_url
from ...transport.http import is_loopback
from .errors import WEEXInvalidArgument

__all__ = ["REST_URL", "SOCKET_ORIGIN", "Addresses", "resolve"]

REST_URL: Final = "https://api-contract.weex.com"
SOCKET_ORIGIN: Final = "wss://ws-contract.weex.com"

_HTTP: Final = {"http": "http", "https": "https"}
_SOCKET: Final = {"ws": "ws", "wss": "wss"}
_ANY: Final = {"http": "http", "https": "https", "ws": "http", "wss": "https"}


class Addresses(msgspec.Struct, frozen=True, kw_only=True):
    """The three addresses, without a slash at the end."""

    rest: str
    public: str
    private: str


def resolve(
    version: str,
    *,
    host: str | None = None,
    rest_url: str | None = None,
    ws_public_url: str | None = None,
    ws_private_url: str | None = None,
    environ: Mapping[str, str] | None = None,
) -> Addresses:
    """Settle all three for the wire `version` ("v3", "v2"). Raises WEEXInvalidArgument naming the wrong one.

    Variables: WEEX_HOST, WEEX_REST_URL (or WEEX_BASE_URL), WEEX_WS_PUBLIC_URL, WEEX_WS_PRIVATE_URL. An empty string
    counts as not given. An address given as an argument goes past the host of the environment.
    """
    variables: Mapping[str, str] = {} if environ is None else environ
    if not host and not (rest_url or ws_public_url or ws_private_url):
        host = variables.get("WEEX_HOST") or None
    if not host:
        rest_url = rest_url or variables.get("WEEX_REST_URL") or variables.get("WEEX_BASE_URL") or None
        ws_public_url = ws_public_url or variables.get("WEEX_WS_PUBLIC_URL") or None
        ws_private_url = ws_private_url or variables.get("WEEX_WS_PRIVATE_URL") or None
    origin = _checked("host", host, _ANY, path=False) if host else None
    rest = rest_url or origin or REST_URL
    sockets = re.sub("^http", "ws", origin) if origin else SOCKET_ORIGIN
    addresses = Addresses(
        rest=_checked("rest_url", rest, _HTTP, path=False),
        public=_checked("ws_public_url", ws_public_url or f"{sockets}/{version}/ws/public", _SOCKET),
        private=_checked("ws_private_url", ws_private_url or f"{sockets}/{version}/ws/private", _SOCKET),
    )
    for argument, url in (("ws_public_url", addresses.public), ("ws_private_url", addresses.private)):
        spoken = re.search(r"/(v[23])/ws/", url)
        if spoken is not None and spoken[1] != version:
            allowed = (
                f'an address of the wire {version}, or version="{spoken[1]}" (WEEX_VERSION) for this one'
            )
            raise WEEXInvalidArgument(argument, redact_url(url), allowed)
    return addresses


def _checked(argument: str, url: str, schemes: Mapping[str, str], *, path: bool = True) -> str:
    try:
        parts = urlsplit(url if "://" in url or path else f"https://{url}")
        fine = parts.scheme in schemes and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        parts, fine = urlsplit(""), False
    fine = fine and not (parts.query or parts.fragment or parts.username)
    if (
        not fine
        or (not path and parts.path not in ("", "/"))
        or not re.fullmatch(r"[\w.:\[\]-]+", parts.netloc)
    ):
        shown = redact_url(url) if "://" in url else url[:100]
        raise WEEXInvalidArgument(
            argument, shown, " or ".join(f"{scheme}://name[:port]" for scheme in schemes)
        )
    scheme = schemes[parts.scheme]
    if scheme in ("http", "ws") and not is_loopback(parts.hostname or ""):
        allowed = "https and wss, or this machine: keys and orders do not travel in plain text"
        raise WEEXInvalidArgument(argument, redact_url(url), allowed)
    return f"{scheme}://{parts.netloc}{parts.path.rstrip('/')}"

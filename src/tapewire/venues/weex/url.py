"""Where the venue lives: its REST origin and its two sockets.

Order: argument, then environment, then the documented hosts (`kit.settings`). `host` (WEEX_HOST) is one origin that
serves all three, such as a local server: http://127.0.0.1:8000 has its sockets at ws://127.0.0.1:8000/v3/ws/public and
.../private.
No name of an environment ever changes a host. Plain text is taken for this machine only. Sources are in NOTES.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from ...secrets import redact_url
from ..kit.settings import EITHER, HTTP, SOCKET, SettingSpec, Sources, address, whereabouts
from .errors import WEEXInvalidArgument

__all__ = ["HOST", "REST", "REST_URL", "SOCKETS", "SOCKET_ORIGIN", "Addresses", "resolve"]

REST_URL: Final = "https://api-contract.weex.com"
SOCKET_ORIGIN: Final = "wss://ws-contract.weex.com"
HOST: Final = SettingSpec("host", ("WEEX_HOST",), address=True)
REST: Final = SettingSpec("rest_url", ("WEEX_REST_URL", "WEEX_BASE_URL"), address=True)
SOCKETS: Final = (
    SettingSpec("ws_public_url", ("WEEX_WS_PUBLIC_URL",), address=True),
    SettingSpec("ws_private_url", ("WEEX_WS_PRIVATE_URL",), address=True),
)


class Addresses(msgspec.Struct, frozen=True, kw_only=True):
    """The three addresses, without a slash at the end, and where they came from."""

    rest: str
    public: str
    private: str
    source: str


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

    Variables: WEEX_HOST, WEEX_REST_URL (or WEEX_BASE_URL), WEEX_WS_PUBLIC_URL, WEEX_WS_PRIVATE_URL. Addresses belong
    together: all three, or `host`, for an order must not go to one place while its news are listened for at another.
    """
    refuse = WEEXInvalidArgument
    sources = Sources(environ)
    addresses = zip((REST, *SOCKETS), (rest_url, ws_public_url, ws_private_url), strict=True)
    given = {spec.argument: sources.take(spec, url) for spec, url in addresses}
    own = _addresses(version, REST_URL, SOCKET_ORIGIN)
    found = whereabouts(sources.take(HOST, host), given, refuse, documented=own)
    if found.host is not None:
        origin = address(found.host, EITHER, refuse)
        own = _addresses(version, origin, re.sub("^http", "ws", origin))
    for name, setting in found.addresses.items():
        is_rest = name == "rest_url"
        own[name] = address(setting, HTTP if is_rest else SOCKET, refuse, path=not is_rest)
        spoken = re.search(r"/(v[23])/ws/", own[name])
        if spoken is not None and spoken[1] != version:
            allowed = (
                f'an address of the wire {version}, or version="{spoken[1]}" (WEEX_VERSION) for this one'
            )
            raise refuse(setting.name, redact_url(own[name]), allowed)
    return Addresses(
        rest=own["rest_url"],
        public=own["ws_public_url"],
        private=own["ws_private_url"],
        source=found.source or "by default",
    )


def _addresses(version: str, rest: str, sockets: str) -> dict[str, str]:
    return {
        "rest_url": rest,
        "ws_public_url": f"{sockets}/{version}/ws/public",
        "ws_private_url": f"{sockets}/{version}/ws/private",
    }

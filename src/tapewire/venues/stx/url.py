"""Where the venue lives: regions and environments, and the addresses made of them.

Sources are in NOTES.md. `host=` (or STX_HOST) goes past the table (config.py): a local server, or one that it does not
know.
"""

from __future__ import annotations

from urllib.parse import urlencode, urlsplit

from ...secrets import Secret
from .errors import STXInvalidParameterException

__all__ = [
    "DEFAULT_ENV",
    "DEFAULT_REGION",
    "ENVIRONMENTS",
    "GRAPHQL_PATH",
    "HOSTS",
    "REGIONS",
    "currency_of",
    "origin_of",
    "socket_url",
]

ENVIRONMENTS = ("production", "staging", "dev", "qa", "demo")
REGIONS = ("ontario", "us")
DEFAULT_REGION = "ontario"
DEFAULT_ENV = "staging"
GRAPHQL_PATH = "/api/graphql"
VERSION_PATH = "/api_version"

HOSTS = {
    ("ontario", "production"): "api.on.sportsxapp.com",
    ("ontario", "staging"): "api-staging.on.sportsxapp.com",
    ("ontario", "dev"): "api-dev.on.sportsxapp.com",
    ("ontario", "qa"): "api-qa.on.sportsxapp.com",
    ("ontario", "demo"): "demo.stxapp.ca",
    ("us", "demo"): "demo.stxapp.io",
}


def origin_of(region: str = DEFAULT_REGION, env: str = DEFAULT_ENV) -> str:
    """The origin of every HTTP call: `https://api-staging.on.sportsxapp.com`.

    Raises STXInvalidParameterException for an unknown region or environment, or one that has no host yet.
    """
    if region not in REGIONS:
        raise STXInvalidParameterException("region", region, REGIONS)
    if env not in ENVIRONMENTS:
        raise STXInvalidParameterException("env", env, ENVIRONMENTS)
    name = HOSTS.get((region, env))
    if name is None:
        live = ", ".join(known for home, known in HOSTS if home == region)
        raise STXInvalidParameterException("env", env, f"{live} in region {region!r}, or host=")
    return f"https://{name}"


def currency_of(origin: str) -> str:
    """What is paid with there: Canadian dollars in Ontario, else US dollars (ours: no page says it)."""
    host = urlsplit(origin).hostname
    return (
        "CAD" if any(name == host and region == "ontario" for (region, _), name in HOSTS.items()) else "USD"
    )


def socket_url(origin: str, token: Secret | None) -> str:
    """The WebSocket address, token included: it is a secret from here on. http becomes ws, https wss."""
    parts = urlsplit(origin)
    query = {"token": token.reveal()} if token else {}
    scheme = "ws" if parts.scheme == "http" else "wss"
    return f"{scheme}://{parts.netloc}/socket/websocket?{urlencode({**query, 'vsn': '2.0.0'})}"

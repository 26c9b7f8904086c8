"""The sandbox's own endpoints, under `/_sandbox/`: order faults, read the ledger, look at accounts and at the state.

Every request must carry the sandbox's token in the header `x-sandbox-token`: any page in a browser on this machine can
reach a loopback port, and loopback is no authentication.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Any

import msgspec

from ...errors import ConfigurationError
from ..core.faults import FAULTS
from ..core.flow import HOUSE
from .http import Request, Response

if TYPE_CHECKING:
    from .server import Sandbox

__all__ = ["PREFIX", "TOKEN_HEADER", "answer"]

PREFIX = "/_sandbox/"
TOKEN_HEADER = "x-sandbox-token"

LEDGER_PAGE = 1000
"""Entries in one answer; ask again with `since` the last one's sequence. `forgotten` counts what is not kept any more,
and a `since` before that is refused."""


class _Order(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    params: dict[str, Any] = {}


def answer(sandbox: Sandbox, request: Request) -> Response:
    """What the endpoint says. 403 without the token, 400 with a text for what is not allowed."""
    given = request.headers.get(TOKEN_HEADER, "").encode()
    if not hmac.compare_digest(given, sandbox.admin_token.reveal().encode()):
        return Response.error(403, f"the header {TOKEN_HEADER} does not carry this sandbox's token")
    try:
        return _route(sandbox, request)
    except (ConfigurationError, msgspec.MsgspecError, ValueError) as error:
        return Response.error(400, str(error))


def _route(sandbox: Sandbox, request: Request) -> Response:
    place = (request.method, request.path.removeprefix(PREFIX))
    if place == ("POST", "faults"):
        order = msgspec.json.decode(request.body, type=_Order)
        return Response.of(sandbox.inject(order.name, **order.params), 201)
    if place == ("GET", "faults"):
        return Response.of(
            {
                "available": list(FAULTS.values()),
                "injected": list(sandbox.faults.injected),
                "standing": sandbox.faults.in_force(sandbox.clock.time_ns()),
                "suffering": sandbox.suffering(),
            }
        )
    if place == ("DELETE", "faults"):
        return Response.of({"lifted": sandbox.lift(request.query.get("name"))})
    if place == ("GET", "ledger"):
        return _ledger(sandbox, request)
    if place == ("GET", "state"):
        return Response.of(sandbox.state())
    if place == ("GET", "accounts"):
        return Response.of(_accounts(sandbox))
    allowed = "POST, GET or DELETE faults, GET ledger, GET state, GET accounts"
    return Response.error(404, f"no such endpoint; allowed under {PREFIX}: {allowed}")


def _accounts(sandbox: Sandbox) -> dict[str, dict[str, Any]]:
    """The accounts of each venue but the house's, in whole numbers of what the venue's exchange counts in."""
    return {
        venue: {
            name: {
                "cash": account.cash,
                "escrow": account.escrow,
                "deposited": account.deposited,
                "fees": account.fees,
                "settled_profit": account.settled_profit,
                "open_orders": list(account.open_orders.values()),
                "positions": list(account.positions.values()),
            }
            for name, account in face.exchange.accounts.items()
            if name not in HOUSE
        }
        for venue, face in sandbox.faces.items()
    }


def _ledger(sandbox: Sandbox, request: Request) -> Response:
    ledger, query = sandbox.ledger, request.query
    topic = query.get("topic")
    if topic is None:
        topics = [{"venue": venue, "topic": name, "sequence": last} for venue, name, last in ledger.topics()]
        return Response.of({"topics": topics, "evicted": ledger.evicted})
    since, venue = query.get("since"), query.get("venue")
    entries = ledger.since(topic, None if since is None else int(since), venue=venue)
    page = [entry.to_json() for entry in entries[:LEDGER_PAGE]]
    forgotten = ledger.forgotten(topic, venue=venue)
    return Response.of({"entries": page, "more": len(entries) > LEDGER_PAGE, "forgotten": forgotten})

"""The sandbox's own endpoints, under `/_sandbox/`: order faults, read the ledger, look at accounts and at the state.

Every request must carry the sandbox's token in the header `x-sandbox-token`: any page in a browser on this machine can
reach a loopback port, and loopback is no authentication.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from ...errors import ConfigurationError
from ...secrets import Secret
from ..core.faults import FAULTS
from ..core.flow import HOUSE
from ..face import FaceContext
from ..play import TopicFace
from .http import Request, Response
from .injection import Injection

__all__ = ["PREFIX", "TOKEN_HEADER", "Admin"]

PREFIX = "/_sandbox/"
TOKEN_HEADER = "x-sandbox-token"

LEDGER_PAGE = 1000
"""Entries in one answer; ask again with `since` the last one's sequence. `forgotten` counts what is not kept any more,
and a `since` before that is refused."""


class _Order(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    params: dict[str, Any] = {}


class Admin:
    """The endpoints of one sandbox, for whoever has `token`. `state()` is what `GET state` gives."""

    def __init__(
        self,
        token: Secret,
        context: FaceContext,
        faces: Mapping[str, TopicFace[Any]],
        injection: Injection,
        state: Callable[[], Mapping[str, Any]],
    ) -> None:
        self._token = token
        self._ledger, self._faults, self._clock = context.ledger, context.faults, context.clock
        self._faces = faces
        self._injection = injection
        self._routes: Mapping[tuple[str, str], Callable[[Request], Response]] = {
            ("POST", "faults"): self._order,
            ("GET", "faults"): self._list_faults,
            ("DELETE", "faults"): lambda request: Response.of(
                {"lifted": injection.lift(request.query.get("name"))}
            ),
            ("GET", "ledger"): self._read_ledger,
            ("GET", "state"): lambda _: Response.of(state()),
            ("GET", "accounts"): self._accounts,
        }

    def answer(self, request: Request) -> Response:
        """What the endpoint says. 403 without the token, 400 with a text for what is not allowed."""
        given = request.headers.get(TOKEN_HEADER, "").encode()
        if not hmac.compare_digest(given, self._token.reveal().encode()):
            return Response.error(403, f"the header {TOKEN_HEADER} does not carry this sandbox's token")
        route = self._routes.get((request.method, request.path.removeprefix(PREFIX)))
        if route is None:
            allowed = "POST, GET or DELETE faults, GET ledger, GET state, GET accounts"
            return Response.error(404, f"no such endpoint; allowed under {PREFIX}: {allowed}")
        try:
            return route(request)
        except (ConfigurationError, msgspec.MsgspecError, ValueError) as error:
            return Response.error(400, str(error))

    def _order(self, request: Request) -> Response:
        order = msgspec.json.decode(request.body, type=_Order)
        return Response.of(self._injection.order(order.name, order.params), 201)

    def _list_faults(self, _: Request) -> Response:
        return Response.of(
            {
                "available": list(FAULTS.values()),
                "injected": list(self._faults.injected),
                "standing": self._faults.in_force(self._clock.time_ns()),
                "suffering": self._injection.suffering(),
            }
        )

    def _accounts(self, _: Request) -> Response:
        """The accounts of each venue but the house's, in whole numbers of what the venue's exchange counts in."""
        return Response.of(
            {
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
                for venue, face in self._faces.items()
            }
        )

    def _read_ledger(self, request: Request) -> Response:
        ledger, query = self._ledger, request.query
        topic = query.get("topic")
        if topic is None:
            topics = [
                {"venue": venue, "topic": name, "sequence": last} for venue, name, last in ledger.topics()
            ]
            return Response.of({"topics": topics, "evicted": ledger.evicted})
        since, venue = query.get("since"), query.get("venue")
        entries = ledger.since(topic, None if since is None else int(since), venue=venue)
        page = [entry.to_json() for entry in entries[:LEDGER_PAGE]]
        forgotten = ledger.forgotten(topic, venue=venue)
        return Response.of({"entries": page, "more": len(entries) > LEDGER_PAGE, "forgotten": forgotten})

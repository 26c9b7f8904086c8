"""A guarded venue against the venue as the sandbox plays it, on virtual time."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2

import tapewire
from tapewire.retry import RetryPolicy
from tapewire.sandbox.core.flow import HOUSE
from tapewire.trading import Limits, PaperConfig
from tapewire.transport.memory import MemoryNetwork
from tests.market.played import PLAYED, PlayedMarket, PlayedVenue

_ports = itertools.count(14_000)

SIZES = {"stx": Decimal(1), "weex": Decimal("0.01")}
"""An order of ours."""


class Desk:
    """One venue that is played, and guards of it, one after the other."""

    def __init__(
        self,
        clock: Any,
        kind: type[PlayedMarket],
        venue: PlayedVenue,
        network: MemoryNetwork,
        directory: Path,
    ):
        self.clock, self.kind, self.venue, self.directory = clock, kind, venue, directory
        self.size = SIZES[kind.name]
        self._loses_answers = False
        self._settings = {
            "host": f"http://127.0.0.1:{next(_ports)}",
            "connector": network,
            "clock": clock,
            "http_transport": httpx2.MockTransport(self._answer),
            "retry": RetryPolicy(None, 0.5, jitter=False),
            **kind.credentials(),
        }

    def connect(self) -> Any:
        return self.kind.connect(**self._settings)

    def connect_on_paper(self) -> Any:
        balance = dict.fromkeys(("USD", "USDC", "USDT"), Decimal(1_000_000))
        return tapewire.paper(self.connect(), PaperConfig(balance=balance))

    def guard(self, **options: Any) -> Any:
        """`options`: of `tapewire.guard`, and of `Limits`."""
        of_limits = {name: options.pop(name) for name in Limits.__struct_fields__ if name in options}
        make = self.connect_on_paper if options.pop("is_on_paper", False) else self.connect
        options = {"stall": None, "clock": self.clock, **options}
        return tapewire.guard(make, Limits(**of_limits), self.directory, **options)

    def at(self, guarded: Any) -> PlayedMarket:
        """What happens at the venue, to the account of that guard."""
        return self.kind(getattr(guarded._venue, "inner", guarded._venue), self.venue)

    async def _answer(self, request: httpx2.Request) -> httpx2.Response:
        answer = await self.venue.http.handle_async_request(request)
        if self._loses_answers and b"mine" in request.content + request.url.query:
            raise httpx2.ReadError("reset by the peer", request=request)
        return answer

    def lose_answers(self, is_lost: bool = True) -> None:
        """What says `mine` over HTTP is carried out, and its answer is lost."""
        self._loses_answers = is_lost

    @property
    def placed(self) -> dict[str, Any]:
        """Every order of ours that the exchange has ever had, by our id: its own word."""
        return {
            each.client_order_id: each
            for name, account in self.venue.face.exchange.accounts.items()
            if name not in HOUSE
            for each in (*account.open_orders.values(), *account.closed_orders)
            if each.client_order_id
        }

    @property
    def open(self) -> set[str]:
        """Those that are open there."""
        return {name for name, each in self.placed.items() if each.status == "open"}


@asynccontextmanager
async def desk(clock: Any, name: str, directory: Path, **settings: Any) -> AsyncIterator[Desk]:
    kind = PLAYED[name]
    network = MemoryNetwork()
    async with PlayedVenue(network, clock, kind.venue_name, **(kind.settings | settings)) as venue:
        yield Desk(clock, kind, venue, network, directory)

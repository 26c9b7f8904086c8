"""What a halt does in the event loop: every open order is canceled, and where asked what is held is closed."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable
from typing import Final

from ..errors import TapewireError
from ..market.venue import Venue
from ..model import Instrument, Order, OrderRequest
from ..retry import RetryPolicy
from .account import Account

__all__ = ["cancel_all", "flatten"]

logger = logging.getLogger("tapewire.risk")

FLATTEN_SECONDS: Final = 30.0
"""How long what was sent to close a position may take until its fills are heard."""

_PAUSES: Final = RetryPolicy(max_attempts=20, initial_backoff=0.25, max_backoff=5.0)


async def cancel_all(
    venue: Venue, account: Account, sent: Callable[[], Awaitable[None]]
) -> tuple[list[Order], str]:
    """Cancel until none is open: what was canceled, and what stands in the way of the rest (empty: nothing).

    `sent`: waits until nothing is on its way, for an order may arrive behind the call that cancels all.
    """
    canceled: dict[str, Order] = {}
    trouble = ""
    for attempt in range(1, (_PAUSES.max_attempts or 1) + 1):
        try:
            await sent()
            for order in await venue.cancel_all():
                account.heard(order)
                canceled[order.client_order_id or str(order.venue_order_id)] = order
            left = [order for order in await venue.open_orders() if order.status != "pending_cancel"]
        except TapewireError as error:
            trouble = str(error)
            logger.error("open orders could not be canceled: %s", trouble)
        else:
            if not left:
                return list(canceled.values()), ""
            trouble = f"{len(left)} orders are open still"
        await asyncio.sleep(_PAUSES.delay(attempt))
    return list(canceled.values()), trouble


async def flatten(account: Account, place: Callable[[OrderRequest, Instrument], Awaitable[Order]]) -> str:
    """Close what is held at the market. Returns what could not be closed, for people; empty: nothing is held."""
    trouble = []
    for instrument in account.held:
        try:
            await place(_closing(account, instrument), instrument)
        except TapewireError as error:
            trouble.append(f"{instrument.instrument_id}: {error}")
    for _ in range(int(FLATTEN_SECONDS / 0.1)):
        if not account.held or trouble:
            break
        await asyncio.sleep(0.1)
    trouble += [
        f"{each.instrument_id}: {account.position(each.instrument_id)} is held" for each in account.held
    ]
    return "; ".join(trouble)


def _closing(account: Account, instrument: Instrument) -> OrderRequest:
    held = account.position(instrument.instrument_id)
    return OrderRequest(
        client_order_id=f"tw-{secrets.token_hex(8)}",
        venue=instrument.venue,
        instrument_id=instrument.instrument_id,
        side="sell" if held > 0 else "buy",
        size=abs(held),
        kind="market",
    )

"""`reconcile=True`: the state of a channel over HTTP, so that what was lost on the line is not lost."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from .client import AsyncSTX
from .errors import STXInvalidParameterException

__all__ = ["snapshot_of"]

PAGE = 200
MOST_PAGES = 50


def snapshot_of(name: str, http: AsyncSTX) -> Callable[[], Awaitable[dict[str, Any]]]:
    """The function that fetches the state of the channel `name`. Raises STXInvalidParameterException if there is none.

    Orders: `{"orders": [...]}`, all pages. Portfolio: `{"portfolio": {...}}`, the account.
    """
    if name == "active_orders":

        async def orders() -> dict[str, Any]:
            found: list[Any] = []
            for page in range(MOST_PAGES):
                part = await http.orders(pagination={"page": page, "limit": PAGE})
                found.extend(part)
                if len(part) < PAGE:
                    break
            return {"orders": found}

        return orders
    if name == "portfolio":

        async def portfolio() -> dict[str, Any]:
            return {"portfolio": await http.account()}

        return portfolio
    raise STXInvalidParameterException(
        "reconcile", name, "True only on Channels.ORDERS and Channels.PORTFOLIO"
    )

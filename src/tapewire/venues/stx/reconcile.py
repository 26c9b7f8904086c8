"""`reconcile=True`: the state of a channel over HTTP, so that what was lost on the line is not lost."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any

from ..kit.answers import PageTurner, reading
from .client import AsyncSTX
from .errors import STXAnswerException, STXInvalidParameterException

__all__ = ["snapshot_of"]

PAGE = 200
MOST_PAGES = 50


def snapshot_of(name: str, http: AsyncSTX) -> Callable[[], Awaitable[dict[str, Any]]]:
    """The function that fetches the state of the channel `name`. Raises STXInvalidParameterException if there is none.

    Orders: `{"orders": [...]}`, all pages; STXAnswerException where they do not end. Portfolio: `{"portfolio": {...}}`,
    the account.
    """
    if name == "active_orders":

        async def orders() -> dict[str, Any]:
            found: dict[str, Any] = {}  # orders move to the next page while others are placed
            pages = PageTurner(MOST_PAGES, "the list of orders")
            for page in count():
                part = await http.orders(pagination={"page": page, "limit": PAGE})
                found |= {order.id: order for order in part}
                if len(part) < PAGE:
                    return {"orders": list(found.values())}
                with reading("myOrderHistory", b"", STXAnswerException):
                    pages.turn(tuple(order.id for order in part))
            raise AssertionError("pages end")

        return orders
    if name == "portfolio":

        async def portfolio() -> dict[str, Any]:
            return {"portfolio": await http.account()}

        return portfolio
    raise STXInvalidParameterException(
        "reconcile", name, "True only on Channels.ORDERS and Channels.PORTFOLIO"
    )

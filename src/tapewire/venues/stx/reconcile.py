"""`reconcile=True`: the state of a channel over HTTP, so that what was lost on the line is not lost."""

from __future__ import annotations

from itertools import count
from typing import Any

from ..kit.answers import PageTurner, reading
from .api import AsyncSTX
from .errors import STXAnswerException

__all__ = ["orders_of", "portfolio_of"]

PAGE = 200
MOST_PAGES = 50


async def orders_of(http: AsyncSTX) -> dict[str, Any]:
    """`{"orders": [...]}`, all pages. Raises STXAnswerException where they do not end."""
    found: dict[str, Any] = {}  # orders move to the next page while others are placed
    pages = PageTurner(MOST_PAGES, "the list of orders")
    for page in count():
        part = await http.orders(pagination={"page": page, "limit": PAGE})
        found |= {order.id: order for order in part}
        if len(part) < PAGE:
            break
        with reading("myOrderHistory", b"", STXAnswerException):
            pages.turn(tuple(order.id for order in part))
    return {"orders": list(found.values())}


async def portfolio_of(http: AsyncSTX) -> dict[str, Any]:
    """`{"portfolio": {...}}`: the account."""
    return {"portfolio": await http.account()}

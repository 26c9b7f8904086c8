"""What the operations of the played STX's GraphQL do, and the HTTP status of what comes of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from graphql import GraphQLError

from ...core.accounts import Account
from ...core.events import Event
from ...core.exchange import Exchange, Market
from ...core.matching import Order
from ...core.times import iso
from .credentials import ApiProblem, StxAccounts, StxUser
from .messages import StxMessages
from .words import (
    ORDER_STATUSES,
    market_fields,
    order_record,
    portfolio_record,
    position_record,
    settlement_record,
    trade_record,
)

__all__ = ["StxOperations", "status_of"]

T = TypeVar("T")

MAX_PAGE = 500
"""Records in one answer."""


def status_of(errors: Sequence[GraphQLError], has_data: bool) -> int:
    """The highest status that an error names; 500 for an error that is ours, 400 where nothing could be answered."""
    statuses = [
        int(error.extensions["status"])
        for error in errors
        if error.extensions and "status" in error.extensions
    ]
    if statuses:
        return max(statuses)
    if any(error.original_error is not None for error in errors):
        return 500
    return 400 if errors and not has_data else 200


class Venue(Protocol):
    """What operations need of the face. `user_of` raises ApiProblem; `sign_in` opens a user's account."""

    exchange: Exchange
    accounts: StxAccounts
    messages: StxMessages

    def user_of(self, token: str | None) -> StxUser: ...
    def sign_in(self, user: StxUser, now_ns: int) -> None: ...
    def publish(self, events: Sequence[Event], now_ns: int) -> None: ...


class StxOperations:
    """The root of one request, made with `token`: one method per operation, looked up by its name on the wire."""

    def __init__(self, venue: Venue, token: str | None, now_ns: int) -> None:
        self._venue = venue
        self._exchange = venue.exchange
        self._token = token
        self._user: StxUser | None = None
        self._now_ns = now_ns
        self._methods: Mapping[str, Callable[[StxUser, dict[str, Any]], Any]] = {
            "marketInfos": lambda user, given: self._markets_with_count(user, given)["market_infos"],
            "marketInfosWithCount": self._markets_with_count,
            "myOrderHistory": self._orders,
            "userOrders": self._orders,
            "myTradesHistory": self._trades,
            "myTrades": lambda user, given: self._trades(user, given)["trades"],
            "mySettlementsHistory": self._settlements,
            "mySettlements": lambda user, given: self._settlements(user, given)["settlements"],
            "accountMarketStats": self._positions,
            "myPositions": self._positions,
            "account": lambda user, _: portfolio_record(self._account(user)),
            "userProfile": self._profile,
            "confirmOrder": lambda user, given: self._place(user, given["userOrder"]),
            "confirmOrders": self._place_all,
            "cancelOrder": self._cancel_one,
            "cancelOrders": lambda user, given: self._cancel(user, given.get("orderIds") or []),
            "cancelAllOrders": lambda user, _: self._cancel(user, list(self._account(user).open_orders)),
        }

    def run(self, name: str, given: dict[str, Any]) -> Any:
        """Do it. What the API refuses is an error with its code and status."""
        try:
            if name in ("login", "confirm2Fa", "newToken"):
                return self._sign_in(name, given)
            if self._user is None:
                self._user = self._venue.user_of(self._token)
            return self._methods[name](self._user, given)
        except ApiProblem as problem:
            raise GraphQLError(
                problem.text, extensions={"code": problem.code, "status": problem.status}
            ) from None

    def _sign_in(self, name: str, given: Mapping[str, Any]) -> dict[str, Any]:
        accounts, now = self._venue.accounts, self._now_ns / 1e9
        if name == "login":
            credentials = given["credentials"]
            user, answer = accounts.login(str(credentials["email"]), credentials["password"], now)
        elif name == "newToken":
            user, answer = accounts.renew(given["refreshToken"], now)
        else:
            user, answer = accounts.confirm(given["code"], given["sessionId"], str(given["email"]), now)
        if answer["token"]:
            answer["current_login_at"] = iso(self._now_ns)
            self._venue.sign_in(user, self._now_ns)
        return answer

    def _account(self, user: StxUser) -> Account:
        return self._exchange.accounts[user.uid]

    def _markets_with_count(self, _: StxUser, given: Mapping[str, Any]) -> dict[str, Any]:
        exchange, wanted = self._exchange, given.get("input") or {}
        if wanted.get("marketIds") is not None:
            found = [exchange.find_market(str(market_id)) for market_id in wanted["marketIds"]]
        else:
            found = [*exchange.markets.values(), *exchange.closed_markets]
        trading = wanted.get("trading")
        chosen = [
            market
            for market in found
            if market is not None
            and wanted.get("status") in (None, market.status.upper())
            and (trading is None or (trading == "TRUE") == (market.status == "open"))
            and _is_in(market, "sport", wanted.get("sports"))
            and _is_in(market, "competition", wanted.get("competitions"))
        ]
        limit = MAX_PAGE if wanted.get("marketIds") is not None else wanted.get("limit") or MAX_PAGE
        page = chosen[: min(int(limit), MAX_PAGE)]
        return {
            "count": len(chosen),
            "market_infos": [{**market_fields(market), **self._stamps_of(market)} for market in page],
        }

    def _stamps_of(self, market: Market) -> dict[str, Any]:
        """When the state of the market was published that it is in: what the channel brings later is not in it."""
        published_us = self._venue.messages.published_us(market.market_id) or self._now_ns // 1000
        return {"timestamp": iso(published_us * 1000), "timestamp_int": published_us, "archived": False}

    def _orders(self, user: StxUser, given: Mapping[str, Any]) -> dict[str, Any]:
        def is_wanted(order: Order) -> bool:
            return (
                _among(order.order_id, given.get("orderIds"))
                and _among(order.client_order_id, given.get("clientOrderIds"))
                and _among(order.market_id, given.get("marketIds"))
                and given.get("status") in (None, ORDER_STATUSES[order.status])
            )

        found = [order for order in self._account(user).orders() if is_wanted(order)]
        page = _page(found, given.get("pagination"))
        return {"total_count": len(found), "orders": [order_record(order) for order in page]}

    def _trades(self, user: StxUser, given: Mapping[str, Any]) -> dict[str, Any]:
        wanted = (given.get("filter") or {}).get("marketIds")
        found = [fill for fill in reversed(self._account(user).fills) if _among(fill.market_id, wanted)]
        page = _page(found, given.get("pagination"))
        return {"total_count": len(found), "trades": [trade_record(fill) for fill in page]}

    def _settlements(self, user: StxUser, given: Mapping[str, Any]) -> dict[str, Any]:
        wanted = (given.get("filter") or {}).get("marketIds")
        found = [item for item in reversed(self._account(user).settlements) if _among(item.market_id, wanted)]
        page = _page(found, given.get("pagination"))
        return {"total_count": len(found), "settlements": [settlement_record(item) for item in page]}

    def _positions(self, user: StxUser, given: Mapping[str, Any]) -> list[dict[str, Any]]:
        wanted = (given.get("filter") or {}).get("marketIds")
        account = self._account(user)
        orders = list(account.open_orders.values())
        found = [item for item in account.positions.values() if _among(item.market_id, wanted)]
        return [
            position_record(item, self._exchange.find_market(item.market_id), orders)
            for item in _page(found, given.get("pagination"))
        ]

    def _profile(self, user: StxUser, _: Mapping[str, Any]) -> dict[str, Any]:
        name = user.email.partition("@")[0]
        return {
            "id": user.user_id, "accountId": user.uid, "username": name, "firstName": name.title(), "lastName": "",
            "country": "CA", "state": "ON", "twoFactorAuth": user.two_factor is not None,
        }  # fmt: skip

    def _place(self, user: StxUser, wanted: Mapping[str, Any]) -> dict[str, Any]:
        price, quantity = wanted.get("price"), wanted["quantity"]
        if wanted["orderType"] == "MARKET":
            price = None
        elif not _is_whole(price):
            return {"order": None, "errors": ["price must be a whole number of cents"]}
        if not _is_whole(quantity):
            return {"order": None, "errors": ["quantity must be a whole number"]}
        order, events = self._exchange.place(
            user.uid, str(wanted["marketId"]), "buy" if wanted["action"] == "BUY" else "sell",
            None if price is None else int(price), int(quantity), self._now_ns,
            client_order_id=wanted.get("clientOrderId"),
        )  # fmt: skip
        self._venue.publish(events, self._now_ns)
        errors = [order.reason] if order.reason else []
        return {"order": order_record(order), "errors": errors}

    def _place_all(self, user: StxUser, given: Mapping[str, Any]) -> dict[str, Any]:
        return {"results": [self._place(user, order) for order in given["userOrders"]]}

    def _cancelled(self, user: StxUser, order_id: str) -> Order | None:
        """Cancel an order; None where the user has no such order."""
        order, events = self._exchange.cancel(user.uid, order_id, self._now_ns)
        self._venue.publish(events, self._now_ns)
        return order

    def _cancel_one(self, user: StxUser, given: Mapping[str, Any]) -> dict[str, Any]:
        order = self._cancelled(user, str(given["orderId"]))
        if order is None:
            raise ApiProblem("order not found", "NOT_FOUND", 404)
        return {"status": ORDER_STATUSES[order.status]}

    def _cancel(self, user: StxUser, order_ids: Iterable[Any]) -> list[dict[str, Any]]:
        results = []
        for order_id in order_ids:
            order = self._cancelled(user, str(order_id))
            results.append(
                {"orderId": order_id, "status": ORDER_STATUSES[order.status] if order else "NOT_FOUND"}
            )
        return results


def _among(value: str | None, wanted: Sequence[Any] | None) -> bool:
    return wanted is None or value in wanted


def _is_in(market: Market, fact: str, wanted: Sequence[str] | None) -> bool:
    return not wanted or market.facts.get(fact) in wanted


def _is_whole(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value // 1


def _page(found: Sequence[T], pagination: Mapping[str, Any] | None) -> Sequence[T]:
    if pagination is None:
        return found[:MAX_PAGE]
    page, limit = pagination["page"], pagination["limit"]
    if not (_is_whole(page) and _is_whole(limit)) or page < 0 or limit < 1:
        raise ApiProblem("pagination: page from 0 on, limit from 1 on", "BAD_USER_INPUT", 400)
    limit = min(int(limit), MAX_PAGE)
    return found[int(page) * limit :][:limit]

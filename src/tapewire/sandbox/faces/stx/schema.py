"""The GraphQL that the played STX answers: the operations of stx.md 1.2 and 1.3, and what they mean here.

Where that page names an operation, an argument or a field, the name is used. Otherwise it is that of the venue's
published schema (`myTradesHistory`, `mySettlementsHistory`, `accountMarketStats`), or chosen: `myTrades`,
`mySettlements`, `myPositions` are the same lists without a page, `userOrders` is `myOrderHistory` by the earlier
generation's name. `Timestamp` is microseconds since 1970, which GraphQL's own Int cannot hold.

Not played: fees, geolocation (`nextGeolocationAt` is always null), devices; arguments for them are taken and ignored.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from graphql import GraphQLError, GraphQLResolveInfo, build_schema, graphql_sync

from ...core.exchange import Market
from ...core.matching import Order
from .credentials import ApiProblem, StxUser
from .words import (
    ORDER_STATUSES,
    iso,
    market_fields,
    order_record,
    portfolio_record,
    position_record,
    settlement_record,
    trade_record,
)

__all__ = ["SCHEMA_TEXT", "execute"]

T = TypeVar("T")

MAX_TOKENS = 2000
"""Tokens of one GraphQL document."""

MAX_PAGE = 500
"""Records in one answer."""

SCHEMA_TEXT = """
scalar rID
scalar EmailAddress
scalar GeoLocationCode
scalar Price
scalar Quantity
scalar Timestamp
scalar NonNegInt
scalar PosInt

enum OrderType { LIMIT MARKET }
enum OrderAction { BUY SELL }
enum OrderStatus { CREATED REQUESTED ACCEPTED OPEN FILLED CANCELLED REJECTED PARTIALLY_CANCELLED DELAYED }
enum StatusEnum { OPEN PRE_OPEN CANCELLED CLOSED RESULTED VOIDED }
enum TradingEnum { TRUE FALSE }

input DeviceInfo { deviceId: String }
input LoginCredentials { email: EmailAddress! password: String! deviceInfo: DeviceInfo }
input Pagination { page: NonNegInt! limit: PosInt! }
input MarketIdsFilter { marketIds: [rID] }
input SettlementsFilter { marketIds: [rID] }
input StatsFilter { marketIds: [rID] }
input MarketInfosInput {
  marketIds: [rID!] status: StatusEnum trading: TradingEnum limit: NonNegInt
  sports: [String!] competitions: [String!]
}
input UserOrder {
  marketId: rID! orderType: OrderType! action: OrderAction! price: Price quantity: Quantity!
  clientOrderId: String cancelOnDisconnect: Boolean
}

type LoginResult {
  userId: rID userUid: String sessionId: String token: String refreshToken: String
  promptTwoFactorAuth: Boolean currentLoginAt: String
}
type Level { price: Int quantity: Quantity }
type RecentTrade { price: Int quantity: Quantity liquidityTaker: String timestamp: String timestampInt: Timestamp }
type MarketInfo {
  marketId: rID eventId: rID symbol: String title: String shortTitle: String question: String status: String
  trading: Boolean eventType: String eventBrief: String eventStart: String eventStatus: String sport: String
  competition: String homeCategory: String rules: String specifier: String position: String price: Float
  probability: Float maxPrice: Int lastTradedPrice: Int priceChange24h: Int volume24h: Int result: String
  archived: Boolean timestamp: String timestampInt: Timestamp bids: [Level] offers: [Level]
  recentTrades: [RecentTrade]
}
type MarketInfosWithCount { count: Int marketInfos: [MarketInfo] }
type Order {
  id: rID clientOrderId: String marketId: rID orderType: String action: String price: Price quantity: Quantity
  filled: Quantity filledPercentage: Int avgPrice: Float totalValue: Int status: String time: String
  insertedAt: Timestamp
}
type OrderResult { order: Order errors: [String] nextGeolocationAt: String }
type OrderResults { results: [OrderResult!]! nextGeolocationAt: String }
type OrdersWithCount { totalCount: Int orders: [Order] }
type CancelOrderResult { status: String nextGeolocationAt: String }
type BatchCancelOrdersResult { orderId: rID status: String nextGeolocationAt: String }
type Trade {
  id: rID orderId: rID clientOrderId: String marketId: rID action: String price: Price filled: Quantity premium: Price
  remaining: Quantity grossPnl: Price totalFee: Int liquidityAction: String time: String insertedAt: Timestamp
}
type TradesWithCount { totalCount: Int! trades: [Trade]! }
type Settlement {
  id: rID type: String marketId: rID quantity: Quantity openingPrice: Price closingPrice: Price grossPnl: Price
  realizedPnl: Price fee: Price openingTradeId: rID closingTradeId: rID time: String insertedAt: Timestamp
}
type NetSettlementHistory { totalCount: Int settlements: [Settlement] }
type AccountMarketStat {
  marketId: rID title: String status: String position: Quantity availablePosition: Quantity averageOpenPremium: Float
  openPremium: Int openRisk: Int openPotentialProfit: Int orderLiability: Int positionPremiumLiability: Int
  totalNetPnl: Int totalFees: Int updatedAt: Timestamp
}
type Account {
  accountBalance: Int! availableBalance: Int! escrow: Int! buyOrderLiability: Int! sellOrderLiability: Int!
  positionPremiumLiability: Int! totalDeposits: Int! totalWithdrawals: Int! totalSettlementPnl: Int! totalFees: Int!
}
type UserProfile {
  id: rID accountId: rID username: String firstName: String lastName: String country: String state: String
  twoFactorAuth: Boolean
}

type Query {
  marketInfos(input: MarketInfosInput): [MarketInfo]
  marketInfosWithCount(input: MarketInfosInput): MarketInfosWithCount
  myOrderHistory(
    orderIds: [rID] clientOrderIds: [String] marketIds: [rID] status: OrderStatus pagination: Pagination
  ): OrdersWithCount
  userOrders(
    orderIds: [rID] clientOrderIds: [String] marketIds: [rID] status: OrderStatus pagination: Pagination
  ): OrdersWithCount
  myTradesHistory(filter: MarketIdsFilter pagination: Pagination): TradesWithCount
  myTrades(pagination: Pagination): [Trade]
  mySettlementsHistory(filter: SettlementsFilter pagination: Pagination): NetSettlementHistory
  mySettlements(pagination: Pagination): [Settlement]
  accountMarketStats(filter: StatsFilter pagination: Pagination): [AccountMarketStat]
  myPositions(pagination: Pagination): [AccountMarketStat]
  account: Account
  userProfile: UserProfile
}

type Mutation {
  login(credentials: LoginCredentials!): LoginResult
  confirm2Fa(code: String! sessionId: String! email: EmailAddress!): LoginResult
  newToken(refreshToken: String!): LoginResult
  confirmOrder(userOrder: UserOrder! geoLocation: GeoLocationCode deviceInfo: DeviceInfo): OrderResult
  confirmOrders(userOrders: [UserOrder!]! geoLocation: GeoLocationCode deviceInfo: DeviceInfo): OrderResults
  cancelOrder(orderId: rID! geoLocation: GeoLocationCode deviceInfo: DeviceInfo): CancelOrderResult
  cancelOrders(
    orderIds: [rID] geoLocation: GeoLocationCode deviceInfo: DeviceInfo
  ): [BatchCancelOrdersResult]
  cancelAllOrders(geoLocation: GeoLocationCode deviceInfo: DeviceInfo): [BatchCancelOrdersResult]
}
"""

_schema = build_schema(SCHEMA_TEXT)


def execute(call: Any, body: Mapping[str, Any]) -> tuple[dict[str, Any], int]:
    """Answer one request: the GraphQL result and its HTTP status.

    `call` is the face's `StxCall`: who asks, and what can be done for them.
    """
    variables, operation = body.get("variables"), body.get("operationName")
    try:
        result = graphql_sync(
            _schema,
            str(body.get("query") or ""),
            root_value=_Operations(call),
            variable_values=variables if isinstance(variables, dict) else None,
            operation_name=operation if isinstance(operation, str) else None,
            field_resolver=_resolve,
            max_tokens=MAX_TOKENS,
        )
    except RecursionError:
        return {"errors": [{"message": "the document is nested too deeply"}]}, 400
    answer: dict[str, Any] = {}
    if result.errors:
        answer["errors"] = [error.formatted for error in result.errors]
    if result.data is not None or not result.errors:
        answer["data"] = result.data
    return answer, _status_of(result.errors or [], has_data=result.data is not None)


def _status_of(errors: Sequence[GraphQLError], *, has_data: bool) -> int:
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


def _resolve(source: Any, info: GraphQLResolveInfo[Any], **arguments: Any) -> Any:
    if isinstance(source, _Operations):
        return source.run(info.field_name, arguments)
    name = info.field_name
    if name in source:
        return source[name]
    return source.get(re.sub(r"(?<=[a-z])(?=[A-Z0-9])", "_", name).lower())


class _Operations:
    """The root: one method per operation, looked up by its name on the wire."""

    def __init__(self, call: Any) -> None:
        self._call = call
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
            if name == "login":
                credentials = given["credentials"]
                return self._call.login(str(credentials["email"]), credentials["password"])
            if name == "confirm2Fa":
                return self._call.confirm(given["code"], given["sessionId"], str(given["email"]))
            if name == "newToken":
                return self._call.renew(given["refreshToken"])
            return self._methods[name](self._call.user(), given)
        except ApiProblem as problem:
            raise GraphQLError(
                problem.text, extensions={"code": problem.code, "status": problem.status}
            ) from None

    def _account(self, user: StxUser) -> Any:
        return self._call.exchange.accounts[user.uid]

    def _markets_with_count(self, _: StxUser, given: Mapping[str, Any]) -> dict[str, Any]:
        exchange, wanted = self._call.exchange, given.get("input") or {}
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
        now_ns = self._call.now_ns
        stamps = {"timestamp": iso(now_ns), "timestamp_int": now_ns // 1000, "archived": False}
        page = chosen[: min(int(limit), MAX_PAGE)]
        return {
            "count": len(chosen),
            "market_infos": [{**market_fields(market), **stamps} for market in page],
        }

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
            position_record(item, self._call.exchange.find_market(item.market_id), orders)
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
        order = self._call.place(user, wanted, None if price is None else int(price), int(quantity))
        errors = [order.reason] if order.reason else []
        return {"order": order_record(order), "errors": errors}

    def _place_all(self, user: StxUser, given: Mapping[str, Any]) -> dict[str, Any]:
        return {"results": [self._place(user, order) for order in given["userOrders"]]}

    def _cancel_one(self, user: StxUser, given: Mapping[str, Any]) -> dict[str, Any]:
        order = self._call.cancel(user, str(given["orderId"]))
        if order is None:
            raise ApiProblem("order not found", "NOT_FOUND", 404)
        return {"status": ORDER_STATUSES[order.status]}

    def _cancel(self, user: StxUser, order_ids: Iterable[Any]) -> list[dict[str, Any]]:
        results = []
        for order_id in order_ids:
            order = self._call.cancel(user, str(order_id))
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

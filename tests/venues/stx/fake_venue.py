"""A small STX of our own: a GraphQL schema that checks every document sent, and accounts that can be made to refuse.

`FakeVenue()` listens on 127.0.0.1 until `stop()`. `faults` holds what the next requests get instead of an answer: a
status with headers, or "hang up after executing". `calls` lists the operations executed, `tokens` those that are good.
"""

from __future__ import annotations

import base64
import json
import socket
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from graphql import GraphQLError, build_schema, graphql_sync

PASSWORD = "correct horse"
CODE = "123456"

SDL = """
scalar rID scalar EmailAddress scalar Price scalar Quantity scalar GeoLocationCode scalar PosInt scalar NonNegInt
enum OrderType { LIMIT MARKET }
enum OrderAction { BUY SELL }
enum StatusEnum { OPEN PRE_OPEN CANCELLED CLOSED RESULTED VOIDED }
enum TradingEnum { TRUE FALSE }
enum OrderStatus { CREATED REQUESTED ACCEPTED OPEN FILLED CANCELLED REJECTED PARTIALLY_CANCELLED DELAYED }
input DeviceInfo { deviceId: String }
input LoginCredentials { email: EmailAddress! password: String! deviceInfo: DeviceInfo }
input Pagination { page: NonNegInt! limit: PosInt! }
input MarketIdsFilter { marketIds: [rID] }
input StatsFilter { marketIds: [rID] }
input SettlementsFilter { marketIds: [rID!] }
input MarketInfosInput { marketIds: [rID!] limit: NonNegInt status: StatusEnum trading: TradingEnum }
input UserOrder {
  marketId: rID! orderType: OrderType! action: OrderAction! price: Price quantity: Quantity!
  clientOrderId: String cancelOnDisconnect: Boolean
}
type LoginResult {
  userId: rID userUid: String sessionId: String token: String refreshToken: String promptTwoFactorAuth: Boolean
  currentLoginAt: String
}
type Order {
  id: rID clientOrderId: String marketId: rID orderType: String action: String price: Price quantity: Quantity
  filled: Quantity filledPercentage: Int avgPrice: Price totalValue: Int status: String time: String insertedAt: Int
}
type OrderResult { order: Order errors: [String] nextGeolocationAt: String }
type OrderResults { results: [OrderResult!]! nextGeolocationAt: String }
type CancelOrderResult { status: String }
type BatchCancelOrdersResult { orderId: rID status: String }
type OrdersWithCount { totalCount: Int orders: [Order] }
type Level { price: Int quantity: Quantity }
type RecentTrade { price: Int quantity: Quantity liquidityTaker: String timestamp: String timestampInt: Int }
type MarketInfo {
  marketId: rID eventId: rID symbol: String title: String shortTitle: String question: String status: String
  trading: Boolean eventType: String eventBrief: String eventStart: String eventStatus: String sport: String
  competition: String homeCategory: String rules: String specifier: String position: String price: Float
  probability: Float maxPrice: Int lastTradedPrice: Int priceChange24h: Int volume24h: Int result: String
  archived: Boolean timestamp: String timestampInt: Int bids: [Level] offers: [Level] recentTrades: [RecentTrade]
}
type MarketInfosWithCount { count: Int marketInfos: [MarketInfo] }
type Trade {
  id: rID! orderId: rID clientOrderId: String marketId: rID action: String price: Price filled: Quantity premium: Price
  remaining: Quantity grossPnl: Price totalFee: NonNegInt liquidityAction: String time: String insertedAt: Int
}
type TradesWithCount { totalCount: Int! trades: [Trade]! }
type Settlement {
  id: rID! type: String marketId: rID! quantity: Quantity! openingPrice: Price! closingPrice: Price! grossPnl: Price!
  realizedPnl: Price! fee: Price! openingTradeId: rID! closingTradeId: rID insertedAt: Int!
}
type NetSettlementHistory { totalCount: Int settlements: [Settlement] }
type AccountMarketStat {
  marketId: rID title: String status: String position: Quantity availablePosition: Quantity averageOpenPremium: Float
  openPremium: Int openRisk: Int openPotentialProfit: Int orderLiability: Int positionPremiumLiability: Int
  totalNetPnl: Int totalFees: Int updatedAt: Int
}
type Account {
  accountBalance: Int! availableBalance: Int! escrow: Int! buyOrderLiability: Int! sellOrderLiability: Int!
  positionPremiumLiability: Int! totalDeposits: Int! totalWithdrawals: Int! totalSettlementPnl: Int! totalFees: Int!
}
type UserProfile {
  id: rID! accountId: rID username: String! firstName: String! lastName: String! country: String state: String
  twoFactorAuth: Boolean
}
type Query {
  account: Account
  userProfile: UserProfile
  marketInfosWithCount(input: MarketInfosInput): MarketInfosWithCount
  myOrderHistory(
    orderIds: [rID] clientOrderIds: [String] marketIds: [rID] status: OrderStatus pagination: Pagination
  ): OrdersWithCount
  myTradesHistory(filter: MarketIdsFilter, pagination: Pagination): TradesWithCount
  mySettlementsHistory(filter: SettlementsFilter, pagination: Pagination): NetSettlementHistory
  accountMarketStats(filter: StatsFilter, pagination: Pagination): [AccountMarketStat]
}
type Mutation {
  login(credentials: LoginCredentials!): LoginResult
  newToken(refreshToken: String!): LoginResult
  confirm2Fa(code: String!, sessionId: String!, email: EmailAddress!): LoginResult
  confirmOrder(userOrder: UserOrder!, geoLocation: GeoLocationCode, deviceInfo: DeviceInfo): OrderResult
  confirmOrders(userOrders: [UserOrder!]!, geoLocation: GeoLocationCode, deviceInfo: DeviceInfo): OrderResults
  cancelOrder(orderId: rID!, geoLocation: GeoLocationCode, deviceInfo: DeviceInfo): CancelOrderResult
  cancelOrders(orderIds: [rID], geoLocation: GeoLocationCode, deviceInfo: DeviceInfo): [BatchCancelOrdersResult]
  cancelAllOrders(geoLocation: GeoLocationCode, deviceInfo: DeviceInfo): [BatchCancelOrdersResult]
}
"""
SCHEMA = build_schema(SDL.replace("scalar EmailAddress", "\nscalar EmailAddress"))
OPEN_TO_ALL = ("login", "newToken", "confirm2Fa")


def jwt(number: int, lifetime: float) -> str:
    """A token that says how long it lives, by a clock that is an hour behind."""
    claims = json.dumps({"n": number, "iat": 1_000_000, "exp": 1_000_000 + lifetime}).encode()
    return f"eyJhbGciOiJub25lIn0.{base64.urlsafe_b64encode(claims).decode().rstrip('=')}.signature{number}"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64  # the usual 5 costs a second where twenty connect at once


class FakeVenue:
    def __init__(self) -> None:
        self.calls: list[str] = []
        self.arguments: list[dict[str, Any]] = []
        self.headers: list[Mapping[str, str]] = []
        self.tokens: set[str] = set()
        self.refresh_tokens: set[str] = set()
        self.orders: list[dict[str, Any]] = []
        self.faults: list[tuple[int, dict[str, str], bytes] | str] = []
        self.two_factor = False
        self.refuses_refresh = False
        self.lifetime = 3600.0
        self.gate = threading.Event()  # closed: logins wait
        self.gate.set()
        self._lock = threading.Lock()
        self._count = 0
        self._server = _Server(("127.0.0.1", 0), _peer_of(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        self.host = f"http://127.0.0.1:{self._server.server_address[1]}"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def expire_all_tokens(self) -> None:
        self.tokens.clear()

    def execute(self, request: dict[str, Any], authorization: str) -> dict[str, Any]:
        token = authorization.removeprefix("Bearer ")
        result = graphql_sync(
            SCHEMA,
            request["query"],
            root_value=_Root(self, token),
            variable_values=request["variables"],
            operation_name=request["operationName"],
        )
        return dict(result.formatted)

    def grant(self) -> dict[str, Any]:
        with self._lock:
            self._count += 1
            token, refresh = jwt(self._count, self.lifetime), f"refresh-{self._count}"
            self.tokens.add(token)
            self.refresh_tokens.add(refresh)
        return {"userId": "id-1", "userUid": "uid-1", "token": token, "refreshToken": refresh}


class _Root:
    """Resolves every field: checks the token, notes the call, and answers."""

    def __init__(self, venue: FakeVenue, token: str) -> None:
        self.venue = venue
        self.token = token

    def __getattr__(self, field: str) -> Any:
        def resolve(_info: Any, **arguments: Any) -> Any:
            if field not in OPEN_TO_ALL and self.token not in self.venue.tokens:
                raise GraphQLError("unauthenticated")
            self.venue.calls.append(field)
            self.venue.arguments.append(arguments)
            return getattr(_Answers, field)(self.venue, **arguments)

        return resolve


class _Answers:
    @staticmethod
    def login(venue: FakeVenue, credentials: dict[str, Any]) -> Any:
        venue.gate.wait(5)
        if credentials["password"] != PASSWORD:
            raise GraphQLError("Invalid email or password")
        return (
            {"userId": "id-1", "sessionId": "s-1", "promptTwoFactorAuth": True}
            if venue.two_factor
            else venue.grant()
        )

    @staticmethod
    def newToken(venue: FakeVenue, refreshToken: str) -> Any:  # noqa: N802, N803
        if venue.refuses_refresh or refreshToken not in venue.refresh_tokens:
            raise GraphQLError("invalid refresh token")
        return venue.grant()

    @staticmethod
    def confirm2Fa(venue: FakeVenue, code: str, sessionId: str, email: str) -> Any:  # noqa: N802, N803
        if (code, sessionId) != (CODE, "s-1"):
            raise GraphQLError("wrong code")
        return venue.grant()

    @staticmethod
    def confirmOrder(venue: FakeVenue, userOrder: dict[str, Any], **_: Any) -> Any:  # noqa: N802, N803
        if userOrder["quantity"] > 1000:
            return {"order": None, "errors": ["Insufficient funds"]}
        order = {"id": f"o-{len(venue.orders)}", "status": "OPEN", **userOrder}
        venue.orders.append(order)
        return {"order": order, "errors": []}

    @staticmethod
    def confirmOrders(venue: FakeVenue, userOrders: list[dict[str, Any]], **_: Any) -> Any:  # noqa: N802, N803
        return {"results": [_Answers.confirmOrder(venue, order) for order in userOrders]}

    @staticmethod
    def cancelOrder(venue: FakeVenue, orderId: str, **_: Any) -> Any:  # noqa: N802, N803
        if not any(order["id"] == orderId for order in venue.orders):
            raise GraphQLError("order not found")
        return {"status": "CANCELLED"}

    @staticmethod
    def cancelOrders(venue: FakeVenue, orderIds: list[str], **_: Any) -> Any:  # noqa: N802, N803
        return [{"orderId": order, "status": "CANCELLED"} for order in orderIds]

    @staticmethod
    def cancelAllOrders(venue: FakeVenue, **_: Any) -> Any:  # noqa: N802
        return [{"orderId": order["id"], "status": "CANCELLED"} for order in venue.orders]

    @staticmethod
    def marketInfosWithCount(venue: FakeVenue, input: Any = None) -> Any:  # noqa: A002, N802
        listed = [
            {"marketId": f"m-{n}", "title": f"Market {n}", "bids": [{"price": 40, "quantity": 7}]}
            for n in range(3)
        ]
        return {"count": 17, "marketInfos": listed}

    @staticmethod
    def myOrderHistory(venue: FakeVenue, **_: Any) -> Any:  # noqa: N802
        return {"totalCount": len(venue.orders), "orders": venue.orders}

    @staticmethod
    def myTradesHistory(venue: FakeVenue, **_: Any) -> Any:  # noqa: N802
        return {"totalCount": 1, "trades": [{"id": "t-1", "price": 40, "filled": 2}]}

    @staticmethod
    def mySettlementsHistory(venue: FakeVenue, **_: Any) -> Any:  # noqa: N802
        return {"totalCount": 0, "settlements": []}

    @staticmethod
    def accountMarketStats(venue: FakeVenue, **_: Any) -> Any:  # noqa: N802
        return [{"marketId": "m-1", "position": -3}]

    @staticmethod
    def account(venue: FakeVenue) -> Any:
        names = SCHEMA.type_map["Account"].fields  # type: ignore[attr-defined]
        return dict.fromkeys(names, 100)

    @staticmethod
    def userProfile(venue: FakeVenue) -> Any:  # noqa: N802
        return {"id": "id-1", "username": "ann", "firstName": "Ann", "lastName": "Lee"}


def _peer_of(venue: FakeVenue) -> type[BaseHTTPRequestHandler]:
    class Peer(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            self._reply(200, {}, b'{"api_version": "1.2.3"}')

        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["content-length"])))
            venue.headers.append({name.lower(): value for name, value in self.headers.items()})
            signing_in = request["operationName"] in OPEN_TO_ALL
            fault = venue.faults.pop(0) if venue.faults and not signing_in else None
            if isinstance(fault, tuple):
                self._reply(*fault)
                return
            answer = venue.execute(request, self.headers.get("authorization", ""))
            if fault == "hang up after executing":
                self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True
                return
            self._reply(200, {"x-request-id": "F-1"}, json.dumps(answer).encode())

        def _reply(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in {**headers, "content-length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    return Peer

"""The GraphQL that the played STX answers: the operations of stx.md 1.2 and 1.3, and what they mean here.

Where that page names an operation, an argument or a field, the name is used. Otherwise it is that of the venue's
published schema (`myTradesHistory`, `mySettlementsHistory`, `accountMarketStats`), or chosen: `myTrades`,
`mySettlements`, `myPositions` are the same lists without a page, `userOrders` is `myOrderHistory` by the earlier
generation's name. `Timestamp` is microseconds since 1970, which GraphQL's own Int cannot hold.

Not played: fees, geolocation (`nextGeolocationAt` is always null), devices; arguments for them are taken and ignored.
"""

from __future__ import annotations

__all__ = ["SCHEMA_TEXT"]

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

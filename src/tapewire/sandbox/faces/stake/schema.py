"""The GraphQL that the played Stake answers, over HTTP and as subscriptions.

Names are those of the venue's public clients where they are known (user.balances, the subscriptions); the fields of
the other operations are chosen, see NOTES.md of the venue's SDK. `claimFaucet` and `createVaultDeposit` are the two
ways to move an account's money here.
"""

from __future__ import annotations

__all__ = ["SCHEMA_TEXT"]

SCHEMA_TEXT = """
scalar Number
scalar JSON

type Amount { amount: Number! currency: String! }
type UserBalance { available: Amount! vault: Amount! }
type Statistic { game: String! bets: Int! wins: Int! losses: Int! betAmount: Number! currency: String! }
type Preferences { language: String! currency: String! emailNotifications: Boolean! }
type FlagProgress { flag: String! progress: Number! }
type Rakeback { enabled: Boolean! rate: Number! }
type Session { id: ID! active: Boolean! country: String! createdAt: String! }
type ApiKey { id: ID! name: String! createdAt: String! }
type Seed { seedHash: String! nextSeedHash: String! nonce: Int! }
type ClientSeed { seed: String! }
type Faucet { amount: Number! currency: String! active: Boolean! }
type Transaction { id: ID! type: String! amount: Number! currency: String! createdAt: String! }
type Kyc { status: String! }
type User {
  id: ID! name: String! email: String! createdAt: String! hasEmailVerified: Boolean! isBanned: Boolean!
  isMuted: Boolean! country: String!
  balances: [UserBalance!]! statistic: [Statistic!]! preferences: Preferences! flagProgress: FlagProgress!
  rakeback: Rakeback! sessionList: [Session!]! apiKeys: [ApiKey!]! activeServerSeed: Seed! activeClientSeed: ClientSeed!
  faucet: Faucet! kyc: Kyc!
  transactionList(offset: Int! limit: Int!): [Transaction!]!
  depositList(offset: Int! limit: Int!): [Transaction!]!
  withdrawalList(offset: Int! limit: Int!): [Transaction!]!
}
type Currency { name: String! precision: Int! }
type CurrencyConfiguration { currencies: [Currency!]! }
type ConversionRate { currency: String! rate: Number! }
type BonusCode { code: String! valid: Boolean! description: String! }

type Query {
  user: User
  currencyConfiguration(isAcp: Boolean!): CurrencyConfiguration!
  currencyConversionRate: [ConversionRate!]!
  bonusCodeInformation(code: String!): BonusCode!
}
type Mutation {
  claimFaucet(currency: String!): Amount!
  createVaultDeposit(currency: String! amount: Number!): Amount!
}

type BalanceChange { amount: Number! identifier: String! balance: Amount! }
type Named { name: String! }
type HouseBetDetail {
  id: ID! amount: Number! payout: Number! payoutMultiplier: Number! createdAt: String! currency: String! nonce: Int!
  user: Named
}
type HouseBet { id: ID! iid: String! type: String! scope: String! game: Named! bet: HouseBetDetail! }
type MultiplayerCrash {
  id: ID! status: String! multiplier: Number startTime: String nextRoundIn: Int crashpoint: Number elapsed: Int
  timestamp: String
}
type MultiplayerCrashBet { id: ID! }
union CrashEvent = MultiplayerCrash | MultiplayerCrashBet
type Crash { event: CrashEvent! }
type MultiplayerSlide {
  id: ID! status: String! multiplier: Number startTime: String nextRoundIn: Int crashpoint: Number elapsed: Int
  timestamp: String
}
type MultiplayerSlideBet { id: ID! }
union SlideEvent = MultiplayerSlide | MultiplayerSlideBet
type Slide { event: SlideEvent! }
type ChatText { message: String! }
type ChatMessage { id: ID! createdAt: String! user: Named! data: ChatText! }
type Subscription {
  availableBalances: BalanceChange!
  vaultBalances: BalanceChange!
  houseBets: HouseBet!
  crash: Crash!
  slide: Slide!
  chatMessages(chatId: String!): ChatMessage!
}
"""

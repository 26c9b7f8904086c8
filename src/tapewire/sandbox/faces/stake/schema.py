"""The GraphQL that the played Stake answers, over HTTP and as subscriptions.

Names are those of the venue's public clients where they are known (user.balances, the subscriptions); the fields of
the other operations are chosen, see NOTES.md of the venue's SDK. `claimFaucet` and `createVaultDeposit` are the two
ways to move an account's money here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLError,
    GraphQLResolveInfo,
    OperationDefinitionNode,
    OperationType,
    build_schema,
    execute_sync,
    get_operation_ast,
    parse,
    validate,
)

__all__ = ["SCHEMA_TEXT", "Prepared", "StakeQueries", "execute", "prepare"]

MAX_TOKENS = 2000
"""Tokens of one GraphQL document."""

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

_schema = build_schema(SCHEMA_TEXT)


class StakeQueries(Protocol):
    """What the face does for one request. Raises GraphQLError."""

    def run(self, name: str, given: Mapping[str, Any]) -> Any:
        """The value of one field of the root."""
        ...


class Prepared:
    """One checked operation: what it is, and its projection of whatever it is given."""

    def __init__(self, document: DocumentNode, operation: OperationDefinitionNode, variables: Any) -> None:
        self.is_subscription = operation.operation is OperationType.SUBSCRIPTION
        first = operation.selection_set.selections[0]
        self.field: str = getattr(getattr(first, "name", None), "value", "")
        self._document = document
        self._name = None if operation.name is None else operation.name.value
        self._variables = variables if isinstance(variables, dict) else None
        self.arguments = {
            argument.name.value: self._value(argument.value)
            for argument in getattr(first, "arguments", None) or ()
        }

    def _value(self, node: Any) -> Any:
        name = getattr(getattr(node, "name", None), "value", None)
        return (self._variables or {}).get(name) if name is not None else getattr(node, "value", None)

    def answer(self, root: Any) -> dict[str, Any]:
        """The execution result over `root`: a map of fields, or StakeQueries."""
        result = execute_sync(
            _schema,
            self._document,
            root_value=root,
            variable_values=self._variables,
            operation_name=self._name,
            field_resolver=_resolve,
        )
        assert isinstance(result, ExecutionResult)
        answer: dict[str, Any] = {"data": result.data}
        if result.errors:
            answer["errors"] = [error.formatted for error in result.errors]
        return answer


def prepare(query: str, variables: Any, operation_name: str | None) -> Prepared | list[GraphQLError]:
    """The operation to run, or what is wrong with the document."""
    try:
        document = parse(query, max_tokens=MAX_TOKENS)
        errors = validate(_schema, document)
    except GraphQLError as error:
        return [error]
    except RecursionError:
        return [GraphQLError("the document is nested too deeply")]
    operation = get_operation_ast(document, operation_name)
    if errors or operation is None:
        return errors or [GraphQLError("the document names no single operation to run")]
    return Prepared(document, operation, variables)


def execute(queries: StakeQueries, body: Mapping[str, Any]) -> tuple[dict[str, Any], int]:
    """Answer one HTTP request: the GraphQL result and its status."""
    operation_name = body.get("operationName")
    prepared = prepare(
        str(body.get("query") or ""),
        body.get("variables"),
        operation_name if isinstance(operation_name, str) else None,
    )
    if isinstance(prepared, list):
        return {"errors": [error.formatted for error in prepared]}, 400
    if prepared.is_subscription:
        return {"errors": [{"message": "subscriptions are for the socket"}]}, 400
    return prepared.answer(queries), 200


def _resolve(source: Any, info: GraphQLResolveInfo[Any], **arguments: Any) -> Any:
    if hasattr(source, "run"):
        return source.run(info.field_name, arguments)
    value = source.get(info.field_name)
    return value(**arguments) if callable(value) else value

"""The venue's operations, as values: arguments checked, variables named, fields chosen, answers read. Pure.

Each function makes one `Operation`; `api.py` sends it, for `STX` and `AsyncSTX` alike. Prices are whole cents, 1 to
99. Field and type names are those of the venue's GraphQL schema (NOTES.md). `params={...}` is the documented call
shape; its members may be keywords instead. `selections=` chooses the fields; without it an answer has all usual ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, Literal, TypedDict, TypeVar

import msgspec

from ...model.fields import InvalidField
from ...secrets import Secret
from ..kit.answers import Shape, Unreadable, read_json, read_shape
from ..kit.fields import identifier, sequence
from ..kit.graphql import graphql_call, selection_of
from ..kit.http import Call
from .errors import ERRORS, STXInvalidParameterException
from .orders import checked_id, checked_ids, checked_order, given, one_of
from .records import Page, Record, Variable, camel_keys, document, records, snake
from .schema import (
    ACCOUNT,
    CANCELLATION,
    CANCELLED,
    LOGIN,
    MARKET,
    NEW_TOKEN,
    ORDER,
    ORDER_RESULT,
    ORDERS,
    POSITION,
    SETTLEMENT,
    TRADE,
    USER_PROFILE,
    Type,
    page_of,
    shape_of,
)
from .selection import Selection
from .url import GRAPHQL_PATH, VERSION_PATH

T = TypeVar("T")

ORDER_STATUSES = (
    "CREATED", "REQUESTED", "ACCEPTED", "OPEN", "FILLED", "CANCELLED", "REJECTED", "PARTIALLY_CANCELLED", "DELAYED",
)  # fmt: skip
MARKET_STATUSES = ("OPEN", "PRE_OPEN", "CANCELLED", "CLOSED", "RESULTED", "VOIDED")


class Operation(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """One call: `field` of the schema with its variables, and how to read what it answers.

    `shape`: what the answer has to be; `read` is given one that is. `idempotent`: may be repeated by us. `lookup`: how
    a caller finds out what became of it where no answer says so; empty where nothing is changed.
    """

    kind: Literal["query", "mutation", "probe"]
    field: str
    shape: Shape
    read: Callable[[Any], T]
    selection: str = ""
    variables: Sequence[Variable] = ()
    idempotent: bool = True
    signing_in: bool = False
    lookup: str = ""

    def __repr__(self) -> str:
        return f"Operation({self.kind} {self.field})"


def to_call(operation: Operation[T], token: Secret | None) -> Call[T]:
    """The operation as an HTTP call, with the token where there is one."""
    field, shape = operation.field, {operation.field: operation.shape}

    def read(found: Any, path: str = "") -> T:
        return operation.read(read_shape(found, shape, path)[field])

    if operation.kind == "probe":
        return Call(
            operation=field, method="GET", path=VERSION_PATH, read=lambda reply: read(read_json(reply.body))
        )
    return graphql_call(
        ERRORS,
        GRAPHQL_PATH,
        document(operation.kind, field, operation.variables, operation.selection),
        {variable.name: variable.value for variable in operation.variables},
        lambda data: read(data, "data"),
        name=field,
        headers={"authorization": f"Bearer {token.reveal()}"} if token else {},
        idempotent=operation.idempotent,
        lookup=operation.lookup,
        signing_in=operation.signing_in,
    )


# Signing in.


def login(email: str, password: Secret, device_id: str | None = None) -> Operation[dict[str, Any]]:
    """The first of every session; its answer has wire names, for `User.take_answer` alone."""
    credentials: dict[str, Any] = {"email": email, "password": password.reveal()}
    if device_id:
        credentials["deviceInfo"] = {"deviceId": device_id}
    return _sign_in("login", [Variable("credentials", "LoginCredentials!", credentials)], LOGIN)


def confirm_2fa(code: str, session_id: str, email: str) -> Operation[dict[str, Any]]:
    """The second step of a sign-in that asked for a code."""
    variables = [
        Variable("code", "String!", code),
        Variable("sessionId", "String!", session_id),
        Variable("email", "EmailAddress!", email),
    ]
    return _sign_in("confirm2Fa", variables, LOGIN)


def new_token(refresh_token: Secret) -> Operation[dict[str, Any]]:
    """A fresh token for a refresh token."""
    variable = Variable("refreshToken", "String!", refresh_token.reveal())
    return _sign_in("newToken", [variable], NEW_TOKEN)


def _sign_in(field: str, variables: list[Variable], kind: Type) -> Operation[dict[str, Any]]:
    def read(answer: Any) -> dict[str, Any]:
        if not answer["token"] and not (answer.get("promptTwoFactorAuth") and answer["sessionId"]):
            raise Unreadable(f"data.{field}", "a token, or a session that waits for a code", "neither")
        return dict(answer)

    return Operation(
        kind="mutation",
        field=field,
        variables=variables,
        selection=selection_of(kind),
        shape=kind,
        read=read,
        idempotent=False,
        signing_in=True,
    )


# Orders.


def place_order(
    params: Mapping[str, Any] | None = None,
    *,
    market_id: str | None = None,
    order_type: str | None = None,
    action: str | None = None,
    price: int | None = None,
    quantity: float | None = None,
    client_order_id: str | None = None,
    cancel_on_disconnect: bool | None = None,
    geo_location: str | None = None,
    device_info: Mapping[str, Any] | None = None,
    selections: Selection | None = None,
) -> Operation[Record]:
    """Place one order: `params={"user_order": {...}}`, or its members as keywords.

    `order_type` LIMIT (with `price` in cents, 1 to 99) or MARKET (any price is ignored), `action` BUY or SELL,
    `quantity` from 1. An order without `client_order_id` is given one. Returns `order` and `errors`: what the venue's
    rules refuse is listed there and not raised. It is never sent twice: where the answer is lost, STXTransportException
    (or STXServerException) says so with `outcome_unknown`, and how to look the order up.
    """
    keywords = given(
        market_id=market_id,
        order_type=order_type,
        action=action,
        price=price,
        quantity=quantity,
        client_order_id=client_order_id,
        cancel_on_disconnect=cancel_on_disconnect,
    )
    arguments = _arguments(
        params, geo_location=geo_location, device_info=device_info, user_order=keywords or None
    )
    order = checked_order(arguments.pop("user_order", {}))
    return Operation(
        kind="mutation",
        field="confirmOrder",
        variables=[Variable("userOrder", "UserOrder!", order), *_place(arguments)],
        **_asking(selections, ORDER_RESULT),
        read=lambda answer: records(_placed(answer, "data.confirmOrder")),
        idempotent=False,
        lookup=f"orders(client_order_ids=[{order['clientOrderId']!r}])",
    )


def place_orders(
    params: Mapping[str, Any] | None = None,
    *,
    user_orders: Sequence[Mapping[str, Any]] | None = None,
    geo_location: str | None = None,
    device_info: Mapping[str, Any] | None = None,
    selections: Selection | None = None,
) -> Operation[Record]:
    """Place several orders in one call: `user_orders=[{...}, ...]`, each as for `place_order`. Returns `results`."""
    arguments = _arguments(
        params, user_orders=user_orders, geo_location=geo_location, device_info=device_info
    )
    listed = arguments.pop("user_orders", None)
    if not isinstance(listed, Sequence) or isinstance(listed, str) or not listed:
        raise STXInvalidParameterException("user_orders", listed, "a list of orders, at least one")
    orders = [checked_order(order) for order in listed]

    def read(answer: Any) -> Record:
        place = "data.confirmOrders.results"
        results = answer.get("results")
        if results is not None and len(results) != len(orders):
            raise Unreadable(place, f"a list of {len(orders)}", f"a list of {len(results)}")
        for number, result in enumerate(results or ()):
            _placed(result, f"{place}[{number}]")
        return records(answer)  # type: ignore[no-any-return]

    names = [order["clientOrderId"] for order in orders]
    if len(set(names)) != len(names):
        raise STXInvalidParameterException(
            "user_orders", "the same client_order_id twice", "one id for each order"
        )
    return Operation(
        kind="mutation",
        field="confirmOrders",
        variables=[Variable("userOrders", "[UserOrder!]!", orders), *_place(arguments)],
        **_asking(selections, ORDERS),
        read=read,
        idempotent=False,
        lookup=f"orders(client_order_ids={names!r})",
    )


def cancel_order(
    order_id: str | None = None,
    *,
    params: Mapping[str, Any] | None = None,
    geo_location: str | None = None,
    device_info: Mapping[str, Any] | None = None,
    selections: Selection | None = None,
) -> Operation[Record]:
    """Cancel one order by the venue's id. Returns its `status`. Cancelling twice does no harm, so it is repeated."""
    arguments = _arguments(params, order_id=order_id, geo_location=geo_location, device_info=device_info)
    wanted = checked_id("order_id", arguments.pop("order_id", None))
    return Operation(
        kind="mutation",
        field="cancelOrder",
        variables=[Variable("orderId", "rID!", wanted), *_place(arguments)],
        **_asking(selections, CANCELLATION),
        read=records,
        lookup=f"orders(order_ids=[{wanted!r}])",
    )


def cancel_orders(
    order_ids: Sequence[str] | None = None,
    *,
    params: Mapping[str, Any] | None = None,
    geo_location: str | None = None,
    device_info: Mapping[str, Any] | None = None,
    selections: Selection | None = None,
) -> Operation[list[Record]]:
    """Cancel several orders. Returns `order_id` and `status` of each."""
    arguments = _arguments(params, order_ids=order_ids, geo_location=geo_location, device_info=device_info)
    wanted = checked_ids("order_ids", arguments.pop("order_ids", None))

    def read(answer: Any) -> list[Record]:
        if len(answer) < len(set(wanted)):
            raise Unreadable("data.cancelOrders", f"a list of {len(wanted)}", f"a list of {len(answer)}")
        return records(answer)  # type: ignore[no-any-return]

    return Operation(
        kind="mutation",
        field="cancelOrders",
        variables=[Variable("orderIds", "[rID]", wanted), *_place(arguments)],
        **_asking(selections, CANCELLED, many=True),
        read=read,
        lookup=f"orders(order_ids={wanted!r})",
    )


def cancel_all_orders(
    params: Mapping[str, Any] | None = None,
    *,
    geo_location: str | None = None,
    device_info: Mapping[str, Any] | None = None,
    selections: Selection | None = None,
) -> Operation[list[Record]]:
    """Cancel every open order of the account. Returns `order_id` and `status` of each."""
    arguments = _arguments(params, geo_location=geo_location, device_info=device_info)
    return Operation(
        kind="mutation",
        field="cancelAllOrders",
        variables=_place(arguments),
        **_asking(selections, CANCELLED, many=True),
        read=records,
        lookup="orders(status='OPEN')",
    )


# Looking.


def markets(
    params: Mapping[str, Any] | None = None,
    *,
    status: str | None = None,
    trading: bool | str | None = None,
    limit: int | None = None,
    market_ids: Sequence[str] | None = None,
    selections: Selection | None = None,
) -> Operation[Page[Record]]:
    """Markets, as a page: by `status` (OPEN, ...), `trading`, `limit`, `market_ids`; or `params={"input": {...}}`."""
    if isinstance(trading, bool):
        trading = "TRUE" if trading else "FALSE"
    keywords = given(status=status, trading=trading, limit=limit, market_ids=market_ids)
    arguments = _arguments(params, input=keywords or None)
    wanted = dict(arguments.get("input", {}))
    if "status" in wanted:
        one_of("status", wanted["status"], MARKET_STATUSES)
    if "limit" in wanted:
        wanted["limit"] = _whole("limit", wanted["limit"], 0)
    if "trading" in wanted:
        one_of("trading", wanted["trading"], ("TRUE", "FALSE"))
    variables = [Variable("input", "MarketInfosInput", camel_keys(wanted))] if wanted else []
    return _page("marketInfosWithCount", variables, "marketInfos", "count", selections, MARKET)


def orders(
    params: Mapping[str, Any] | None = None,
    *,
    order_ids: Sequence[str] | None = None,
    client_order_ids: Sequence[str] | None = None,
    market_ids: Sequence[str] | None = None,
    status: str | None = None,
    pagination: Mapping[str, int] | None = None,
    selections: Selection | None = None,
) -> Operation[Page[Record]]:
    """Your orders, as a page, filtered by any of the arguments; `pagination={"page": 0, "limit": 50}`."""
    arguments = _arguments(
        params,
        order_ids=order_ids,
        client_order_ids=client_order_ids,
        market_ids=market_ids,
        status=status,
        pagination=pagination,
    )
    if "status" in arguments:
        one_of("status", arguments["status"], ORDER_STATUSES)
    types = {
        "order_ids": "[rID]",
        "client_order_ids": "[String]",
        "market_ids": "[rID]",
        "status": "OrderStatus",
        "pagination": "Pagination",
    }
    return _page("myOrderHistory", _variables(arguments, types), "orders", "totalCount", selections, ORDER)


def trades(
    params: Mapping[str, Any] | None = None,
    *,
    market_ids: Sequence[str] | None = None,
    pagination: Mapping[str, int] | None = None,
    selections: Selection | None = None,
) -> Operation[Page[Record]]:
    """Your own executions, as a page."""
    variables = _filtered(params, "MarketIdsFilter", market_ids, pagination)
    return _page("myTradesHistory", variables, "trades", "totalCount", selections, TRADE)


def settlements(
    params: Mapping[str, Any] | None = None,
    *,
    market_ids: Sequence[str] | None = None,
    pagination: Mapping[str, int] | None = None,
    selections: Selection | None = None,
) -> Operation[Page[Record]]:
    """What was settled on your account, as a page."""
    variables = _filtered(params, "SettlementsFilter", market_ids, pagination)
    return _page("mySettlementsHistory", variables, "settlements", "totalCount", selections, SETTLEMENT)


def positions(
    params: Mapping[str, Any] | None = None,
    *,
    market_ids: Sequence[str] | None = None,
    pagination: Mapping[str, int] | None = None,
    selections: Selection | None = None,
) -> Operation[list[Record]]:
    """Your position in each market you have traded (the venue's `accountMarketStats`)."""
    return Operation(
        kind="query",
        field="accountMarketStats",
        variables=_filtered(params, "StatsFilter", market_ids, pagination),
        **_asking(selections, POSITION, many=True),
        read=records,
    )


def account(*, selections: Selection | None = None) -> Operation[Record]:
    """Your balances, in cents."""
    return Operation(kind="query", field="account", **_asking(selections, ACCOUNT), read=records)


def user_profile(*, selections: Selection | None = None) -> Operation[Record]:
    """Your name and settings."""
    return Operation(kind="query", field="userProfile", **_asking(selections, USER_PROFILE), read=records)


def api_version() -> Operation[str]:
    """The version of the venue's API. Needs no sign-in."""
    return Operation(kind="probe", field="api_version", shape=identifier, read=str)


def _arguments(params: Mapping[str, Any] | None, **keywords: Any) -> dict[str, Any]:
    """One set of arguments out of both call shapes. Names may be snake_case or camelCase in `params`."""
    if params is not None and not isinstance(params, Mapping):
        raise STXInvalidParameterException("params", type(params).__name__, "a dict of the call's arguments")
    merged = {snake(name): value for name, value in (params or {}).items() if value is not None}
    unknown = merged.keys() - keywords.keys()
    if unknown:
        raise STXInvalidParameterException("params", ", ".join(sorted(unknown)), keywords)
    for name, value in given(**keywords).items():
        if name in merged:
            raise STXInvalidParameterException(name, "both in params and as a keyword", "one of the two")
        merged[name] = value
    if "pagination" in merged:
        merged["pagination"] = _pagination(merged["pagination"])
    return merged


def _whole(name: str, value: object, least: int) -> int:
    try:
        found = sequence(value, name)
    except InvalidField:
        found = -1
    if found < least:
        raise STXInvalidParameterException(name, value, f"a whole number from {least}")
    return found


def _pagination(given: object) -> dict[str, int]:
    page = given if isinstance(given, Mapping) else {}
    if page.keys() != {"page", "limit"}:
        raise STXInvalidParameterException("pagination", given, "a dict of page and limit")
    return {"page": _whole("page", page["page"], 0), "limit": _whole("limit", page["limit"], 1)}


def _variables(arguments: Mapping[str, Any], types: Mapping[str, str]) -> list[Variable]:
    wire = camel_keys(arguments)
    return [Variable(name, kind, wire[name]) for name, kind in camel_keys(types).items() if name in wire]


def _place(arguments: Mapping[str, Any]) -> list[Variable]:
    return _variables(arguments, {"geo_location": "GeoLocationCode", "device_info": "DeviceInfo"})


def _filtered(
    params: Mapping[str, Any] | None,
    kind: str,
    market_ids: Sequence[str] | None,
    pagination: Mapping[str, int] | None,
) -> list[Variable]:
    arguments = _arguments(params, filter=given(market_ids=market_ids) or None, pagination=pagination)
    return _variables(arguments, {"filter": kind, "pagination": "Pagination"})


def _page(
    field: str, variables: list[Variable], items: str, count: str, chosen: Selection | None, kind: Type
) -> Operation[Page[Record]]:
    # A selection may speak of the page (`Selection("count", market_infos=...)`) or of what is on it.
    if chosen is not None and not chosen.names & {items, count}:
        chosen = Selection(count, **{items: chosen})

    def read(page: Any) -> Page[Record]:
        listed = records(page.get(items, []))
        return Page(listed, page.get(count, len(listed)))

    return Operation(
        kind="query",
        field=field,
        variables=variables,
        **_asking(chosen, page_of(items, count, kind)),
        read=read,
    )


class _Asking(TypedDict):
    selection: str
    shape: Shape


def _asking(chosen: Selection | None, kind: Type, *, many: bool = False) -> _Asking:
    """What is asked for of `kind`, all of it where nothing is chosen, and what the answer then has to be."""
    shape = kind if chosen is None else shape_of(chosen, kind)
    return {
        "selection": selection_of(kind) if chosen is None else chosen.compile(),
        "shape": [shape] if many else shape,
    }


def _placed(result: Any, path: str) -> Any:
    """A result that says one of the two: an order, or why there is none."""
    if "order" in result and not result["order"] and not result.get("errors"):
        raise Unreadable(f"{path}.order", "an order, or an error beside it", "null")
    return result

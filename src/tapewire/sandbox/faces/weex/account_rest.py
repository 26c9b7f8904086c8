"""REST V3 of the played WEEX: an account's orders, positions and balance. Codes and shapes: weex.md 3.6.

What a request has wrong is refused with a code and status 400; what the exchange then forbids (no money, no liquidity)
is an answer with `success: false`: an order that would close more than its position holds, too. A client order id that
the account has used before is refused. Trigger orders are not played.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

import msgspec

from ...core.events import Event, Fill
from ...core.exchange import MAX_QUANTITY, Exchange
from ...core.matching import Order, Side
from ...face import FaceContext
from .contracts import Contract
from .credentials import WeexProblem
from .margin import MAKER_FEE, TAKER_FEE, TIMES_IN_FORCE, MarginPosition, rate
from .markets import WeexMarkets
from .messages import AccountMessages
from .tape import Tape
from .words import (
    balance_rest,
    client_id_of,
    fill_rest,
    number_of,
    order_rest,
    position_rest,
    unrealized,
)

__all__ = ["ORDER_PATHS", "AccountRest", "Act"]

ORDER_PATHS = frozenset({"order", "allOpenOrders", "closePositions"})
"""Where orders are placed and cancelled, by any method but GET."""

MINUTE_NS = 60_000_000_000
MAX_ROWS = 1000

Act: TypeAlias = Callable[[str, Mapping[str, Any]], Any]


class _OrderRequest(msgspec.Struct, frozen=True, kw_only=True):
    """An order as it was asked for, checked."""

    contract: Contract
    side: Side
    tick: int | None
    lots: int
    time_in_force: str
    client_order_id: str | None
    tag: str


class Venue(Protocol):
    """What the routes need of the face."""

    context: FaceContext
    exchange: Exchange
    markets: WeexMarkets
    messages: AccountMessages

    def now_ns(self) -> int: ...
    def publish(self, events: Sequence[Event], now_ns: int) -> None: ...


class AccountRest:
    """The signed routes."""

    def __init__(self, venue: Venue, max_orders: int) -> None:
        self._venue = venue
        self._markets = venue.markets
        self._max_orders = max_orders
        self._placed: dict[str, deque[int]] = {}

    def table(self) -> dict[tuple[str, str], tuple[int, Act]]:
        """Weight and function of each route."""
        return {
            ("GET", "account/balance"): (10, self._balance),
            ("GET", "account/commissionRate"): (10, self._commission),
            ("GET", "account/position/allPosition"): (15, self._positions),
            ("GET", "account/position/singlePosition"): (3, self._positions),
            ("POST", "account/leverage"): (20, lambda _, __: self._done()),
            ("POST", "account/marginType"): (50, lambda _, __: self._done()),
            ("POST", "order"): (5, self._place),
            ("GET", "order"): (3, self._order),
            ("DELETE", "order"): (3, self._cancel),
            ("GET", "openOrders"): (5, self._open_orders),
            ("DELETE", "allOpenOrders"): (10, self._cancel_all),
            ("GET", "order/history"): (10, self._history),
            ("GET", "userTrades"): (5, self._fills),
            ("POST", "closePositions"): (50, self._close_positions),
        }

    def _done(self) -> dict[str, Any]:
        return {"code": "200", "msg": "success", "requestTime": self._venue.now_ns() // 1_000_000}

    # Looking

    def _balance(self, account: str, _: Mapping[str, Any]) -> Any:
        profit = sum(
            unrealized(position, contract, self._doubled_middle(contract))
            for position, contract in self._held(account)
        )
        return [balance_rest(self._venue.exchange.accounts[account], profit)]

    def _held(self, account: str) -> Iterator[tuple[MarginPosition, Contract]]:
        """The account's positions in what is traded, and their contracts."""
        for position in list(self._venue.exchange.accounts[account].positions.values()):
            contract = self._markets.contract_of(position.market_id)
            if contract is not None and position.net:
                assert isinstance(position, MarginPosition)
                yield position, contract

    def _doubled_middle(self, contract: Contract) -> int:
        return Tape.middle(self._markets.open[contract.symbol])

    def _commission(self, _: str, query: Mapping[str, Any]) -> Any:
        symbol = self._contract(query).symbol
        rates = {"makerCommissionRate": rate(MAKER_FEE), "takerCommissionRate": rate(TAKER_FEE)}
        return {"symbol": symbol, **rates}

    def _positions(self, account: str, query: Mapping[str, Any]) -> Any:
        return [
            position_rest(
                position, contract, self._markets.versions[contract.symbol], self._doubled_middle(contract)
            )
            for position, contract in self._held(account)
            if query.get("symbol") in (None, contract.symbol)
        ]

    def _order(self, account: str, query: Mapping[str, Any]) -> Any:
        order = self._found(account, query)
        return self._rows(account, [order])[0]

    def _open_orders(self, account: str, query: Mapping[str, Any]) -> Any:
        orders = [
            order for order in self._venue.exchange.accounts[account].orders() if order.status == "open"
        ]
        return self._chosen(account, orders, query)

    def _history(self, account: str, query: Mapping[str, Any]) -> Any:
        orders = self._venue.exchange.accounts[account].orders()
        return self._chosen(
            account, [order for order in orders if order.status not in ("open", "rejected")], query
        )

    def _chosen(self, account: str, orders: Sequence[Order], query: Mapping[str, Any]) -> Any:
        rows = self._rows(account, orders)
        since, until = int(query.get("startTime") or 0), int(query.get("endTime") or 2**62)
        fitting = [row for row in rows if query.get("symbol") in (None, "", row["symbol"])]
        return [row for row in fitting if since <= row["time"] <= until][
            : int(query.get("limit") or MAX_ROWS)
        ]

    def _rows(self, account: str, orders: Sequence[Order]) -> list[dict[str, Any]]:
        fills: dict[str, list[Fill]] = {}
        for fill in self._venue.exchange.accounts[account].fills:
            fills.setdefault(fill.order_id, []).append(fill)
        rows = []
        for order in orders:
            contract = self._markets.contract_of(order.market_id)
            if contract is not None:
                rows.append(order_rest(order, contract, fills.get(order.order_id, ())))
        return rows

    def _fills(self, account: str, query: Mapping[str, Any]) -> Any:
        rows = []
        since, until = int(query.get("startTime") or 0), int(query.get("endTime") or 2**62)
        for fill in reversed(self._venue.exchange.accounts[account].fills):
            contract = self._markets.contract_of(fill.market_id)
            if contract is None or query.get("symbol") not in (None, "", contract.symbol):
                continue
            if not since <= fill.at_ns // 1_000_000 <= until:
                continue
            if query.get("orderId") in (None, "", str(number_of(fill.order_id))):
                rows.append(
                    fill_rest(fill, contract, self._venue.messages.position_side(account, fill.order_id))
                )
        return rows[: int(query.get("limit") or MAX_ROWS)]

    # Doing

    def _place(self, account: str, body: Mapping[str, Any]) -> Any:
        now_ns = self._venue.context.clock.time_ns()
        placed = self._placed.setdefault(account, deque())
        while placed and now_ns - placed[0] >= MINUTE_NS:
            placed.popleft()
        if len(placed) >= self._max_orders:
            raise WeexProblem(429, "Too many orders.", 429)
        placed.append(now_ns)
        wanted = self._checked(body)
        identifier = wanted.client_order_id
        if identifier and self._venue.messages.order(account, client_order_id=identifier) is not None:
            return _outcome(None, identifier, "newClientOrderId has been used before")
        return self._execute(account, wanted, now_ns)

    def _execute(self, account: str, wanted: _OrderRequest, now_ns: int) -> Any:
        exchange, market = self._venue.exchange, self._markets.open[wanted.contract.symbol]
        reason = self._forbidden(wanted)
        if reason:
            return _outcome(None, wanted.client_order_id, reason)
        order, events = exchange.place(
            account, market.market_id, wanted.side, wanted.tick, wanted.lots, now_ns,
            client_order_id=wanted.client_order_id, tag=wanted.tag,
        )  # fmt: skip
        if order.status == "open" and wanted.time_in_force in ("IOC", "FOK"):
            events = [*events, *exchange.cancel(account, order.order_id, now_ns)[1]]
        self._venue.publish(events, now_ns)
        return _outcome(order, wanted.client_order_id, order.reason)

    def _forbidden(self, wanted: _OrderRequest) -> str:
        """Why the order's time in force forbids it now, if it does."""
        book = self._markets.open[wanted.contract.symbol].book
        other: Side = "sell" if wanted.side == "buy" else "buy"
        within = [
            lots
            for tick, lots in book.levels(other)
            if wanted.tick is None or (tick <= wanted.tick if wanted.side == "buy" else tick >= wanted.tick)
        ]
        if wanted.time_in_force == "POST_ONLY" and within:
            return "a POST_ONLY order would be filled at once"
        if wanted.time_in_force == "FOK" and sum(within) < wanted.lots:
            return "a FOK order cannot be filled at once"
        return ""

    def _checked(self, body: Mapping[str, Any]) -> _OrderRequest:
        for name in ("symbol", "side", "positionSide", "type", "quantity"):
            if body.get(name) in (None, ""):
                raise WeexProblem(-1141, f"Parameter '{name}' cannot be empty.")
        contract = self._contract(body, code=-1121)
        if body["side"] not in ("BUY", "SELL"):
            raise WeexProblem(-1117, "Invalid side.")
        if body["positionSide"] not in ("LONG", "SHORT"):
            raise WeexProblem(-1142, "Parameter 'positionSide' is invalid.")
        if body["type"] not in ("LIMIT", "MARKET"):
            raise WeexProblem(-1116, "Invalid order type.")
        is_limit = body["type"] == "LIMIT"
        time_in_force = body.get("timeInForce") or ("GTC" if is_limit else "IOC")
        if time_in_force not in TIMES_IN_FORCE:
            raise WeexProblem(-1115, "Invalid timeInForce.")
        identifier = body.get("newClientOrderId") or None
        if identifier is not None and not (isinstance(identifier, str) and len(identifier) <= 36):
            raise WeexProblem(-1180, "newClientOrderId must be 1 to 36 characters.")
        reduces = body.get("reduceOnly") in (True, "true")
        return _OrderRequest(
            contract=contract,
            side="buy" if body["side"] == "BUY" else "sell",
            tick=_number(contract.tick, body, "price") if is_limit else None,
            lots=_quantity(contract, body),
            time_in_force=time_in_force,
            client_order_id=identifier,
            tag=f"{body['positionSide']} {time_in_force} {'reduce' if reduces else 'open'}",
        )

    def _contract(self, fields: Mapping[str, Any], code: int = -1142) -> Contract:
        contract = self._markets.contracts.get(str(fields.get("symbol")))
        if contract is None:
            text = "Invalid symbol." if code == -1121 else "Parameter 'symbol' is invalid."
            raise WeexProblem(code, text)
        return contract

    def _found(self, account: str, query: Mapping[str, Any]) -> Order:
        number, identifier = str(query.get("orderId") or ""), str(query.get("origClientOrderId") or "")
        if not number and not identifier:
            raise WeexProblem(-1140, "Either orderId or origClientOrderId must be sent.")
        order = self._venue.messages.order(account, number=number, client_order_id=identifier)
        if order is None:
            raise WeexProblem(-3200, "Order does not exist.")
        return order

    def _cancel(self, account: str, query: Mapping[str, Any]) -> Any:
        order = self._found(account, query)
        if order.status != "open":
            raise WeexProblem(-3200, "Order does not exist.")
        self._withdraw(account, order)
        return _outcome(order, client_id_of(order), "")

    def _withdraw(self, account: str, order: Order) -> None:
        now_ns = self._venue.context.clock.time_ns()
        self._venue.publish(self._venue.exchange.cancel(account, order.order_id, now_ns)[1], now_ns)

    def _cancel_all(self, account: str, query: Mapping[str, Any]) -> Any:
        answers = []
        for order in list(self._venue.exchange.accounts[account].open_orders.values()):
            if query.get("symbol") in (None, "", self._markets.symbol_of(order.market_id)):
                self._withdraw(account, order)
                answers.append(_outcome(order, client_id_of(order), ""))
        return answers

    def _close_positions(self, account: str, body: Mapping[str, Any]) -> Any:
        now_ns, answers = self._venue.context.clock.time_ns(), []
        for position, contract in self._held(account):
            if body.get("symbol") not in (None, "", contract.symbol):
                continue
            wanted = _OrderRequest(
                contract=contract,
                side="buy" if position.is_short else "sell",
                tick=None,
                lots=abs(position.net),
                time_in_force="IOC",
                client_order_id=None,
                tag=f"{'SHORT' if position.is_short else 'LONG'} IOC reduce",
            )
            answers.append({"positionId": 0, **self._execute(account, wanted, now_ns)})
        return answers


def _outcome(order: Order | None, client_order_id: str | None, reason: str) -> dict[str, Any]:
    """What the venue says of an order: a third shape of answers, to be believed only by its `success`."""
    placed = order is not None and not reason
    return {
        "orderId": str(number_of(order.order_id)) if order is not None and placed else "",
        "clientOrderId": client_order_id or (client_id_of(order) if order is not None else ""),
        "success": placed,
        "errorCode": "" if placed else "-1142",
        "errorMessage": reason,
    }


def _number(read: Callable[[str], int | None], body: Mapping[str, Any], name: str) -> int:
    if body.get(name) in (None, ""):
        raise WeexProblem(-1141, f"Parameter '{name}' cannot be empty.")
    try:
        found = read(str(body[name]))
    except ValueError:
        raise WeexProblem(-1142, f"Parameter '{name}' is invalid.") from None
    if found is None:
        raise WeexProblem(-1160, "Decimal precision error.")
    return found


def _quantity(contract: Contract, body: Mapping[str, Any]) -> int:
    lots = _number(contract.lots, body, "quantity")
    if lots > MAX_QUANTITY:
        raise WeexProblem(-3007, "Maximum contract order quantity exceeded.")
    if lots <= 0:
        raise WeexProblem(-1142, "Parameter 'quantity' is invalid.")
    return lots

"""A small SX Bet of our own, HTTP only: it pages, limits and refuses as the venue's pages say.

`FakeSXBet()` listens on 127.0.0.1 until `stop()`. `faults` holds what the next requests get instead of an answer:
(status, headers, body), or "hang up". `requests` lists path and query of each, `headers` what came with them.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

KEY = "3f0c2d1e-key-of-the-tests"
MARKET = "0x" + "a1" * 32
OTHER = "0x" + "b2" * 32


def order_row(number: int = 1, market_hash: str = MARKET, **changes: Any) -> dict[str, Any]:
    """A row of GET /orders, made up."""
    return {
        "marketHash": market_hash,
        "fillAmount": "0",
        "pendingFillAmount": "0",
        "orderHash": f"0x{number:064x}",
        "maker": "0x6F75bA6c90E3da79b7ACAfc0fb9cf3968aa4ee39",
        "totalBetSize": "50000000",
        "percentageOdds": "52500000000000000000",
        "baseToken": "0x6629Ce1Cf35Cc1329ebB4F63202F3f197b3F050B",
        "executor": "0x52adf738AAD93c31f798a30b2C74D658e1E9a562",
        "salt": "6941540281676",
        "isMakerBettingOutcomeOne": True,
        "signature": "0xd0de",
        "expiry": 2209006800,
        "apiExpiry": 1773511660,
        "sportXeventId": "L18272453",
        "orderStatus": "ACTIVE",
        **changes,
    }


def market_row(number: int) -> dict[str, Any]:
    return {
        "status": "ACTIVE",
        "marketHash": f"0x{number:064x}",
        "outcomeOneName": "Home",
        "outcomeTwoName": "Away",
        "type": 52,
        "gameTime": 1773511660,
        "sportXEventId": f"L{number}",
    }


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64


class FakeSXBet:
    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.headers: list[Mapping[str, str]] = []
        self.faults: list[tuple[int, dict[str, str], bytes] | str] = []
        self.orders: list[dict[str, Any]] = []
        self.markets = [market_row(number) for number in range(120)]
        self.listed = {name: market_row(200) | {"marketHash": name} for name in (MARKET, OTHER)}
        """Markets that can be looked up beside those that are active."""
        self.trades: list[dict[str, Any]] = []
        self.books: dict[str, dict[str, Any]] = {}
        self.pages_orders = True
        self.unknown_markets: set[str] = set()
        self._server = _Server(("127.0.0.1", 0), _peer_of(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        self.host = f"http://127.0.0.1:{self._server.server_address[1]}"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def paths(self) -> list[str]:
        return [path for path, _ in self.requests]

    def answer(self, path: str, query: dict[str, str], headers: Mapping[str, str]) -> tuple[int, Any]:
        route = {
            "/user/realtime-token/api-key": lambda: self._token(headers.get("x-api-key"), nested=False),
            "/user/realtime-token-v3/api-key": lambda: self._token(headers.get("x-sx-api-key"), nested=True),
            "/orders": lambda: self._orders(query),
            "/orders/odds/best": lambda: (200, {"bestOdds": [self._best(h) for h in _hashes(query)]}),
            "/markets/active": lambda: self._page(
                "markets", self.markets, query, "pageSize", "paginationKey"
            ),
            "/markets/find": lambda: self._find(query),
            "/trades": lambda: self._page("trades", self.trades, query, "pageSize", "paginationKey"),
            "/trades-v3/public": lambda: self._page("trades", self.trades, query, "perPage", "nextKey"),
            "/orders-v3": lambda: self._page("orders", self.orders, query, "perPage", "nextKey"),
            "/orderbook-v3/snapshot": lambda: self._book(query),
            "/orders-v3/odds/best": lambda: (
                200,
                {
                    "bestOdds": [
                        {"marketHash": h, "outcomeOne": None, "outcomeTwo": None} for h in _hashes(query)
                    ]
                },
            ),
        }.get(path)
        return route() if route else (404, {"error": "Not Found", "message": "NOT_FOUND", "statusCode": 404})

    def _token(self, key: str | None, nested: bool) -> tuple[int, Any]:
        if key != KEY:
            return 401, {"error": "Unauthorized", "message": "BAD_AUTH", "statusCode": 401}
        return 200, {"data": {"token": "jwt-v3"}} if nested else {"token": "jwt-v2"}

    def _orders(self, query: dict[str, str]) -> tuple[int, Any]:
        hashes = _hashes(query)
        if len(hashes) > 1000:
            return 400, {"status": "failure", "message": "RATE_LIMIT_ORDER_REQUEST_MARKET_COUNT"}
        if self.unknown_markets & set(hashes):
            return 400, {"status": "failure", "message": "BAD_MARKET_HASHES"}
        rows = [
            row
            for row in self.orders
            if (not hashes or row["marketHash"] in hashes)
            and query.get("maker", row["maker"]) == row["maker"]
            and query.get("sportXeventId", row["sportXeventId"]) == row["sportXeventId"]
        ]
        if self.pages_orders:
            size = int(query.get("perPage", 1000))
            start = int(query.get("page", 0)) * size
            rows = rows[start : start + size]
        return 200, rows

    def _find(self, query: dict[str, str]) -> tuple[int, Any]:
        hashes = _hashes(query)
        if len(hashes) > 30:
            return 400, {"status": "failure", "message": "BAD_MARKET_HASHES"}
        return 200, [row for row in [*self.markets, *self.listed.values()] if row["marketHash"] in hashes]

    def _book(self, query: dict[str, str]) -> tuple[int, Any]:
        book = self.books.get(query["marketHash"])
        return (
            (200, book) if book else (404, {"error": "Not Found", "message": ["no book"], "statusCode": 404})
        )

    @staticmethod
    def _best(market_hash: str) -> dict[str, Any]:
        odds = {"percentageOdds": "47500000000000000000", "updatedAt": 1747500000000}
        return {"marketHash": market_hash, "baseToken": "0x66", "outcomeOne": odds, "outcomeTwo": None}

    @staticmethod
    def _best_v3(query: dict[str, str]) -> tuple[int, Any]:
        nobody = {"outcomeOne": None, "outcomeTwo": None}
        return 200, {"bestOdds": [{"marketHash": market_hash, **nobody} for market_hash in _hashes(query)]}

    @staticmethod
    def _page(
        name: str, rows: list[dict[str, Any]], query: dict[str, str], size_name: str, key_name: str
    ) -> tuple[int, Any]:
        size, start = int(query[size_name]), int(query.get(key_name, 0))
        page: dict[str, Any] = {name: rows[start : start + size]}
        if start + size < len(rows):
            page["nextKey"] = str(start + size)
        return 200, page


def _hashes(query: dict[str, str]) -> list[str]:
    return [name for name in query.get("marketHashes", "").split(",") if name]


def _peer_of(venue: FakeSXBet) -> type[BaseHTTPRequestHandler]:
    class Peer(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = dict(parse_qsl(parts.query))
            venue.requests.append((parts.path, query))
            venue.headers.append({name.lower(): value for name, value in self.headers.items()})
            fault = venue.faults.pop(0) if venue.faults else None
            if fault == "hang up":
                self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True
                return
            if isinstance(fault, tuple):
                self._reply(*fault)
                return
            status, data = venue.answer(parts.path, query, venue.headers[-1])
            plain = status != 200 or parts.path.startswith("/user/")
            body = data if plain else {"status": "success", "data": data}
            self._reply(status, {}, json.dumps(body).encode())

        def _reply(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in {**headers, "content-length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    return Peer

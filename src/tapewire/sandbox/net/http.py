"""HTTP as the sandbox speaks it: requests and responses as values, read and written with h11, within limits.

No sockets here: `HttpLane` is fed bytes and gives requests; `encode` gives the bytes of a response.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import h11
import msgspec

__all__ = [
    "MAX_BODY",
    "MAX_HEAD",
    "HttpLane",
    "Request",
    "Response",
    "is_loopback_host",
    "is_loopback_origin",
]

MAX_HEAD = 80 * 1024
"""Bytes of a request line and its headers: some venues take a thousand markets, 66 characters each, in one request."""

MAX_BODY = 64 * 1024
"""Bytes of a request's body."""

MAX_QUERY_FIELDS = 50

_LOOPBACK = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?", re.IGNORECASE)
_LOOPBACK_ORIGIN = re.compile(r"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?", re.IGNORECASE)


def is_loopback_host(host: str) -> bool:
    """True for a Host header that names this machine: what DNS rebinding cannot fake."""
    return _LOOPBACK.fullmatch(host) is not None


def is_loopback_origin(origin: str) -> bool:
    """True for an Origin header of a page of this machine."""
    return _LOOPBACK_ORIGIN.fullmatch(origin) is not None


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One request. Header names are in lower case; of repeated headers and query keys the last counts."""

    method: str
    target: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def is_upgrade(self) -> bool:
        """True if it asks for a WebSocket."""
        return self.headers.get("upgrade", "").lower() == "websocket"

    def __repr__(self) -> str:
        return f"Request({self.method} {self.path})"  # query and headers may hold a token


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """One response. `Response.of(value)` makes a JSON one."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = {}

    @classmethod
    def of(cls, value: Any, status: int = 200, **headers: str) -> Response:
        """A response whose body is `value` as JSON."""
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        return cls(
            status=status,
            body=msgspec.json.encode(value),
            headers={"content-type": "application/json; charset=utf-8", **named},
        )

    @classmethod
    def error(cls, status: int, text: str) -> Response:
        """A JSON response that says what was wrong."""
        return cls.of({"error": text}, status)


class HttpLane:
    """One connection's HTTP: feed bytes, take requests. A WebSocket upgrade ends it: `rest` is what came behind."""

    def __init__(self) -> None:
        self._connection = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD)
        self._head: h11.Request | None = None
        self._asks_for_no_body = False
        self._body = bytearray()
        self.raw_head: bytes = b""

    @property
    def rest(self) -> bytes:
        """The bytes behind the upgrade request."""
        return bytes(self._connection.trailing_data[0])

    def feed(self, data: bytes) -> None:
        """What was read; b"" at the end of the stream."""
        self._connection.receive_data(data)

    def next_request(self) -> Request | Response | None:
        """The next whole request; a Response where it must be refused (send it and close); None: feed more."""
        try:
            while True:
                event = self._connection.next_event()
                if event is h11.NEED_DATA or event is h11.PAUSED or isinstance(event, h11.ConnectionClosed):
                    return None
                if isinstance(event, h11.Request):
                    self._head = event
                    self._asks_for_no_body = event.method == b"HEAD"
                elif isinstance(event, h11.Data):
                    self._body += event.data
                    if len(self._body) > MAX_BODY:
                        return Response.error(413, f"a body of more than {MAX_BODY} bytes")
                elif isinstance(event, h11.EndOfMessage):
                    return self._whole_request()
        except h11.RemoteProtocolError as error:
            return Response.error(error.error_status_hint, str(error))

    def encode(self, response: Response, now_ns: int) -> tuple[bytes, bool]:
        """The bytes of a response to the last request, and whether the connection can be used again.

        `now_ns`: the venue's clock, which every response tells (RFC 9110 section 6.6.1).
        """
        connection = self._connection
        if connection.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            return b"", False
        headers = {
            "date": formatdate(now_ns / 1e9, usegmt=True),
            "content-length": str(len(response.body)),
            "cache-control": "no-store",
            **response.headers,
        }
        events = (
            h11.Response(status_code=response.status, headers=list(headers.items())),
            h11.Data(data=b"" if self._asks_for_no_body else response.body),
            h11.EndOfMessage(),
        )
        data = b"".join(connection.send(event) or b"" for event in events)
        reusable = connection.states == {h11.CLIENT: h11.DONE, h11.SERVER: h11.DONE}
        if reusable:
            connection.start_next_cycle()
        return data, reusable

    def _whole_request(self) -> Request | Response:
        head, body = self._head, bytes(self._body)
        assert head is not None
        self._head, self._body = None, bytearray()
        method, target = head.method.decode("ascii"), head.target.decode("ascii")
        headers = {name.decode("ascii"): value.decode("latin-1") for name, value in head.headers}
        lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        self.raw_head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        try:
            parts = urlsplit(target)
            query = dict(parse_qsl(parts.query, keep_blank_values=True, max_num_fields=MAX_QUERY_FIELDS))
        except ValueError as error:
            return Response.error(400, f"the request's target: {error}")
        return Request(method=method, target=target, path=parts.path, query=query, headers=headers, body=body)

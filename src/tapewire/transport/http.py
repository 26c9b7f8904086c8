"""HTTP calls that are repeated only where that is safe. One pure core, two shells: `HttpClient` and `SyncHttpClient`.

Rules: an idempotent call is repeated after a transient failure; any other only if it provably never left, or was
answered 429. Retry-After is a floor and is never shortened. Redirects are not followed at all, and a path that leaves
the origin is refused, so credentials stay where they belong. Bodies are bounded before and after decompression, each
attempt as a whole has a deadline, proxies and `.netrc` of the environment are not read. No error names a query, a
header or a sent body.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
import zlib
from collections.abc import Callable, Mapping
from http import HTTPStatus
from random import random
from ssl import SSLContext
from typing import Any, Literal, Self, TypeAlias, TypedDict, TypeVar, Unpack, overload
from urllib.parse import urlencode, urlsplit

import httpx2
import msgspec

from ..clock import Clock, SystemClock
from ..errors import ConfigurationError, HttpError
from ..retry import RandomFraction, RetryPolicy, retry_after_seconds
from ..secrets import redact, redact_url
from .base import PLAIN_HINT
from .limiter import RateLimiter

__all__ = [
    "CallOptions",
    "HttpClient",
    "HttpOptions",
    "Reply",
    "Request",
    "SyncHttpClient",
    "retry_delay",
]

T = TypeVar("T")
Method: TypeAlias = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]

DEFAULT_MAX_SIZE = 16 * 1024 * 1024
CONNECT_SHARE = 0.75  # of an attempt's time: a connect failure shows as one, not as an answer that never came

_HEADER = re.compile(r"(?:[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?)?")

# Their INFO lines hold whole URLs, and with them tokens; an application that wants them says so to these loggers.
for _name in ("httpx2", "httpcore2"):
    if logging.getLogger(_name).level == logging.NOTSET:
        logging.getLogger(_name).setLevel(logging.WARNING)


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One call, before it is sent: what a headers provider signs. `path` starts with `/` and holds no query."""

    method: Method
    path: str
    query: Mapping[str, str] = {}
    headers: Mapping[str, str] = {}
    body: bytes = b""
    idempotent: bool = True

    @property
    def target(self) -> str:
        """Path and encoded query, exactly as they are sent."""
        return f"{self.path}?{urlencode(self.query)}" if self.query else self.path

    def __repr__(self) -> str:
        return f"Request({self.method} {self.path})"


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to one call: a status below 300. Header names are in lower case."""

    method: str
    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes

    @overload
    def json(self) -> Any: ...
    @overload
    def json(self, kind: type[T]) -> T: ...
    def json(self, kind: Any = Any) -> Any:
        """The body decoded, checked against `kind` if given. Raises HttpError where it is not that."""
        try:
            return msgspec.json.decode(self.body, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            detail = f"the answer is not the JSON expected: {redact(str(error))[:200]}"
        raise HttpError(self.method, self.url, status=self.status, detail=detail, body=self.body)

    def __repr__(self) -> str:
        return f"Reply({self.method} {self.url}: {self.status}, {len(self.body)} bytes)"


HeadersProvider: TypeAlias = Callable[[Request], Mapping[str, str]]


def retry_delay(
    policy: RetryPolicy,
    attempts: int,
    error: HttpError,
    *,
    idempotent: bool,
    max_wait: float = 60.0,
    fraction: RandomFraction = random,
) -> float | None:
    """Seconds to wait before the next try after `attempts` failed ones, or None: give up and raise `error`.

    The one place that decides whether an HTTP call may be repeated. A Retry-After beyond `max_wait` gives up at once:
    the error carries it, and the caller knows better than a sleeping call what to do for an hour.
    """
    refused_unread = error.status == HTTPStatus.TOO_MANY_REQUESTS or not error.sent
    if policy.exhausted(attempts) or not (refused_unread or (idempotent and error.retryable)):
        return None
    if error.retry_after is not None and error.retry_after > max_wait:
        return None
    return policy.delay(attempts, retry_after=error.retry_after, fraction=fraction)


class HttpOptions(TypedDict, total=False):
    """What both clients take beside `base_url`."""

    policy: RetryPolicy
    headers: HeadersProvider | None
    timeout: float
    limiter: RateLimiter | None
    clock: Clock
    fraction: RandomFraction
    max_size: int
    max_wait: float
    allow_plaintext: bool
    ssl: SSLContext | None


class CallOptions(TypedDict, total=False):
    """What one call takes beside method and path. `json` is encoded into the body; `timeout` is for this call."""

    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    json: Any
    idempotent: bool | None
    timeout: float


class _Settings(msgspec.Struct, frozen=True, kw_only=True):
    base_url: str
    policy: RetryPolicy = RetryPolicy()
    headers: HeadersProvider | None = None
    timeout: float = 10.0
    limiter: RateLimiter | None = None
    clock: Clock = msgspec.field(default_factory=SystemClock)
    fraction: RandomFraction = random
    max_size: int = DEFAULT_MAX_SIZE
    max_wait: float = 60.0
    allow_plaintext: bool = False
    ssl: SSLContext | None = None

    def __post_init__(self) -> None:
        parts = urlsplit(self.base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.username:
            raise ConfigurationError("base_url", redact_url(self.base_url), "https://host[:port][/path]")
        if parts.scheme == "http" and not self.allow_plaintext and not is_loopback(parts.hostname):
            allowed = "https, or http to this machine only (allow_plaintext=True takes http elsewhere)"
            raise ConfigurationError("base_url", self.base_url, allowed)
        if not 0 < self.timeout <= 3600:
            raise ConfigurationError("timeout", self.timeout, "seconds, more than 0, up to 3600")

    @property
    def for_httpx(self) -> dict[str, Any]:
        # No environment: a proxy variable set for a browser must not carry a trading key.
        return {"trust_env": False, "follow_redirects": False, "verify": self.ssl or True}


def is_loopback(host: str) -> bool:
    """True if `host` is this machine by its very name."""
    return host in ("localhost", "::1") or re.fullmatch(r"127(\.\d{1,3}){3}", host) is not None


class _Call:
    """The course of one call without any I/O: what to send, what the outcome means, how long to wait."""

    def __init__(self, settings: _Settings, request: Request, timeout: float | None) -> None:
        if not request.path.startswith("/") or request.path.startswith("//"):
            raise ConfigurationError(
                "path", redact_url(request.path), "a path of this origin, starting with one /"
            )
        self.settings = settings
        self.request = request
        self.timeout = settings.timeout if timeout is None else timeout
        self.url = redact_url(settings.base_url.rstrip("/") + request.path)
        self.attempts = 0

    def reserve(self) -> float:
        """Seconds that the limiter wants before this attempt."""
        limiter = self.settings.limiter
        return limiter.reserve(self.settings.clock.monotonic()) if limiter else 0.0

    def to_send(self) -> dict[str, Any]:
        """The next attempt, with fresh headers: a signature holds a time."""
        self.attempts += 1
        provider = self.settings.headers
        headers = {
            "accept-encoding": "gzip",
            **self.request.headers,
            **(provider(self.request) if provider else {}),
        }
        for name, value in headers.items():
            if not _HEADER.fullmatch(value):  # here, for the error of whoever sends it would show it
                raise ConfigurationError(
                    "headers", name, "one line of printable ASCII, without spaces around it"
                )
        return {
            "method": self.request.method,
            "url": self.settings.base_url.rstrip("/") + self.request.target,
            "headers": headers,
            "content": self.request.body or None,
            "timeout": httpx2.Timeout(
                self.timeout, connect=self.timeout * CONNECT_SHARE, pool=self.timeout * CONNECT_SHARE
            ),
        }

    def add(self, body: bytearray, chunk: bytes) -> None:
        """Collect the raw body. Raises HttpError where it grows beyond `max_size`."""
        body += chunk
        if len(body) > self.settings.max_size:
            raise self.failed(
                f"the answer is larger than {self.settings.max_size} bytes", status=HTTPStatus.OK
            )

    def reply(self, response: httpx2.Response, raw: bytes) -> Reply:
        """What the answer means: a Reply, or the HttpError raised."""
        status, headers = response.status_code, {k.lower(): v for k, v in response.headers.items()}
        body = self._decompressed(raw, headers.get("content-encoding", "identity").strip().lower(), status)
        if status < 300:
            return Reply(method=self.request.method, url=self.url, status=status, headers=headers, body=body)
        if status < 400:
            elsewhere = redact_url(headers.get("location", "nowhere"))[:200]
            raise self.failed(f"redirects are not followed (to {elsewhere!r})", status=status)
        wall = self.settings.clock.time_ns() / 1e9
        retry_after = retry_after_seconds(headers.get("retry-after"), wall)
        if status == HTTPStatus.TOO_MANY_REQUESTS and self.settings.limiter and retry_after:
            self.settings.limiter.hold(
                self.settings.clock.monotonic(), min(retry_after, self.settings.max_wait)
            )
        raise HttpError(
            self.request.method,
            self.url,
            status=status,
            detail=_phrase(status),
            retry_after=retry_after,
            body=body,
            request_id=headers.get("x-request-id", "")[:128] or None,
        )

    def transport_failed(self, cause: Exception) -> HttpError:
        """The error for an attempt without an answer. Not chained: the cause holds the request and its headers."""
        sent = not isinstance(cause, (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout))
        if isinstance(cause, (TimeoutError, httpx2.TimeoutException)):
            detail = f"no whole answer within {self.timeout:g} s" if sent else "no connection in time"
        else:
            detail = f"{type(cause).__name__}: {redact(str(cause))[:200] or 'no reason given'}"
            if "WRONG_VERSION_NUMBER" in detail:
                detail += f"; {PLAIN_HINT}"
        return HttpError(self.request.method, self.url, status=None, detail=detail, sent=sent)

    def delay_after(self, error: HttpError) -> float:
        """Seconds to wait before the next attempt. Raises `error` where there is none."""
        settings = self.settings
        delay = retry_delay(
            settings.policy,
            self.attempts,
            error,
            idempotent=self.request.idempotent,
            max_wait=settings.max_wait,
            fraction=settings.fraction,
        )
        if delay is None:
            raise error
        return delay

    def failed(self, detail: str, *, status: int) -> HttpError:
        """The error for an answer that is not what was asked for."""
        return HttpError(self.request.method, self.url, status=status, detail=detail)

    def _decompressed(self, raw: bytes, encoding: str, status: int) -> bytes:
        if encoding == "identity" or not raw:
            return raw
        if encoding not in ("gzip", "x-gzip"):
            raise self.failed(f"content encoding {encoding[:40]!r} was not asked for", status=status)
        stream = zlib.decompressobj(wbits=31)
        try:
            body = stream.decompress(raw, self.settings.max_size + 1)
        except zlib.error:
            body = b""
        if len(body) > self.settings.max_size:
            raise self.failed(f"the answer is larger than {self.settings.max_size} bytes", status=status)
        if not stream.eof:
            raise self.failed("the answer is not valid gzip", status=status)
        return body


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "refused"


class _Client:
    """What both shells share: settings, and making a `_Call` of a method's arguments."""

    def __init__(self, base_url: str, **options: Unpack[HttpOptions]) -> None:
        self._settings = _Settings(base_url=base_url, **options)

    def _call(self, method: Method, path: str, options: CallOptions) -> _Call:
        headers = dict(options.get("headers", {}))
        body = options.get("body", b"")
        if "json" in options:
            body = msgspec.json.encode(options["json"])
            headers.setdefault("content-type", "application/json")
        idempotent = options.get("idempotent")
        request = Request(
            method=method,
            path=path,
            query=options.get("query", {}),
            headers=headers,
            body=body,
            idempotent=method in ("GET", "HEAD", "PUT", "DELETE") if idempotent is None else idempotent,
        )
        return _Call(self._settings, request, options.get("timeout"))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({redact_url(self._settings.base_url)!r})"


class HttpClient(_Client):
    """Calls to one origin, for asyncio. Close it with `aclose()` or `async with`.

    `base_url` is https, or http to this machine. `headers` is asked before each attempt. `timeout` bounds one attempt
    as a whole, `max_size` the body in bytes, `max_wait` the longest Retry-After that a call sleeps through. `ssl`
    replaces the system's trust. `http_transport` replaces httpx2's own, in tests.
    """

    def __init__(
        self,
        base_url: str,
        *,
        http_transport: httpx2.AsyncBaseTransport | None = None,
        **options: Unpack[HttpOptions],
    ) -> None:
        super().__init__(base_url, **options)
        self._client = httpx2.AsyncClient(transport=http_transport, **self._settings.for_httpx)

    async def request(self, method: Method, path: str, **options: Unpack[CallOptions]) -> Reply:
        """Send one call and return its answer (a status below 300), repeated by the rules of this file.

        `idempotent` defaults to what HTTP says of the method. Raises HttpError: its `sent` and `status` say what is
        known of the outcome.
        """
        call = self._call(method, path, options)
        while True:
            if delay := call.reserve():
                await asyncio.sleep(delay)
            outcome = await self._attempt(call)
            if isinstance(outcome, Reply):
                return outcome
            if delay := call.delay_after(outcome):
                await asyncio.sleep(delay)

    async def _attempt(self, call: _Call) -> Reply | HttpError:
        body = bytearray()
        try:
            async with (
                asyncio.timeout(call.timeout),
                self._client.stream(**call.to_send()) as response,
            ):
                async for chunk in response.aiter_raw():
                    call.add(body, chunk)
            return call.reply(response, bytes(body))
        except HttpError as error:
            return error
        except (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError) as cause:
            return call.transport_failed(cause)

    async def aclose(self) -> None:
        """Close all connections. Idempotent."""
        await self._client.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()


class SyncHttpClient(_Client):
    """`HttpClient` for code without asyncio: same arguments, same rules. Close it with `close()` or `with`.

    `timeout` bounds connecting, each silence and the body as a whole. `sleep` replaces `time.sleep`, in tests.
    """

    def __init__(
        self,
        base_url: str,
        *,
        http_transport: httpx2.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
        **options: Unpack[HttpOptions],
    ) -> None:
        super().__init__(base_url, **options)
        self._sleep = sleep
        self._client = httpx2.Client(transport=http_transport, **self._settings.for_httpx)

    def request(self, method: Method, path: str, **options: Unpack[CallOptions]) -> Reply:
        """As `HttpClient.request`, blocking."""
        call = self._call(method, path, options)
        while True:
            if delay := call.reserve():
                self._sleep(delay)
            outcome = self._attempt(call)
            if isinstance(outcome, Reply):
                return outcome
            if delay := call.delay_after(outcome):
                self._sleep(delay)

    def _attempt(self, call: _Call) -> Reply | HttpError:
        body = bytearray()
        clock = self._settings.clock
        until = clock.monotonic() + call.timeout
        try:
            with self._client.stream(**call.to_send()) as response:
                for chunk in response.iter_raw():
                    call.add(body, chunk)
                    if clock.monotonic() > until:
                        return call.transport_failed(TimeoutError())
            return call.reply(response, bytes(body))
        except HttpError as error:
            return error
        except (httpx2.HTTPError, httpx2.InvalidURL) as cause:
            return call.transport_failed(cause)

    def close(self) -> None:
        """Close all connections. Idempotent."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

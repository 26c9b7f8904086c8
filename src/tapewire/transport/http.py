"""HTTP calls that are repeated only where that is safe. One pure core, two shells: `HttpClient` and `SyncHttpClient`.

Rules: an idempotent call is repeated after a transient failure; any other only if it provably never left, or was
answered 429. Retry-After is a floor; one that is too long is the caller's to wait for. What time does not heal (a
certificate that is not trusted, a proxy that refuses us) is final. Redirects are not followed at all, and a path that
leaves the origin is refused, so credentials stay where they belong. Bodies are bounded before and after decompression,
each attempt as a whole has a deadline. The environment's proxies and certificates count as they do for sockets
(`proxies`, `trust`), its `.netrc` does not. No connection outlives a fork or goes from one event loop to another. No
error names a query, a header or a sent body.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
import re
import ssl as ssl_module
import time
import weakref
import zlib
from collections.abc import Callable, Mapping
from http import HTTPStatus
from random import random
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias, TypedDict, TypeVar, Unpack, cast, overload
from urllib.parse import urlencode, urlsplit

import msgspec

from ..clock import Clock, SystemClock, check_clock
from ..errors import ConfigurationError, HttpError, SessionClosed, WrongLoop, is_transient
from ..retry import RandomFraction, RetryPolicy, check_retry, retry_after_seconds
from ..secrets import redact, redact_url
from .limiter import Budget, RateLimiter
from .loop_end import LoopEnd
from .network import network_cause
from .proxies import ProxySetting, is_loopback, proxy_for, socks_missing
from .trust import checked_trust

if TYPE_CHECKING:
    import httpx2
else:

    class _Httpx:
        """httpx2, imported by the first client that is made: a third of what importing a venue would cost."""

        def __getattr__(self, name):
            return getattr(importlib.import_module("httpx2"), name)

    httpx2 = _Httpx()

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
MAX_MEMBERS = 1024
"""gzip members of one body: each costs time, and an empty one only twenty bytes."""

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
    """The answer to one call: a status below 300, but for a `probe`. Header names are in lower case."""

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

Refusal: TypeAlias = Callable[[Reply], HttpError | None]
"""What an answer says that HTTP does not: a refusal under status 200. None for a good one."""


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
    if error.final or policy.exhausted(attempts) or not (refused_unread or (idempotent and error.retryable)):
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
    ssl: ssl_module.SSLContext | None
    proxy: ProxySetting
    refusal: Refusal | None


class CallOptions(TypedDict, total=False):
    """What one call takes beside method and path. `json` is encoded into the body.

    `timeout`, `policy` and `budget` replace what the client has (its `limiter`), for this call.
    """

    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    json: Any
    idempotent: bool | None
    timeout: float
    policy: RetryPolicy
    budget: Budget | None


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
    ssl: ssl_module.SSLContext | None = None
    proxy: ProxySetting = True
    refusal: Refusal | None = None

    def __post_init__(self) -> None:
        parts = urlsplit(self.base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.username:
            raise ConfigurationError("base_url", redact_url(self.base_url), "https://host[:port][/path]")
        if parts.scheme == "http" and not self.allow_plaintext and not is_loopback(parts.hostname):
            allowed = "https, or http to this machine only (allow_plaintext=True takes http elsewhere)"
            raise ConfigurationError("base_url", self.base_url, allowed)
        if type(self.timeout) not in (int, float) or not 0 < self.timeout <= 3600:
            raise ConfigurationError("timeout", self.timeout, "seconds, more than 0, up to 3600")
        check_retry("policy", self.policy)
        check_clock("clock", self.clock)

    def for_httpx(self, http_transport: Any) -> dict[str, Any]:
        """The arguments of httpx2's own client. It reads nothing of the environment: that is done here."""
        options: dict[str, Any] = {"trust_env": False, "follow_redirects": False}
        if http_transport is not None:
            return options | {"transport": http_transport}
        trust = checked_trust(self.ssl)
        proxy = proxy_for(self.base_url, self.proxy)
        if proxy is not None:
            options["proxy"] = httpx2.Proxy(proxy.url, ssl_context=trust if proxy.is_secret else None)
        return options | {"verify": trust}

    def __repr__(self) -> str:
        return f"_Settings({redact_url(self.base_url)!r})"


class _Call:
    """The course of one call without any I/O: what to send, what the outcome means, how long to wait."""

    def __init__(self, settings: _Settings, request: Request, options: CallOptions) -> None:
        if not request.path.startswith("/") or request.path.startswith("//"):
            raise ConfigurationError(
                "path", redact_url(request.path), "a path of this origin, starting with one /"
            )
        self.settings = settings
        self.request = request
        self.timeout = options.get("timeout", settings.timeout)
        self.policy = options.get("policy", settings.policy)
        limiter = settings.limiter
        self.budget = options.get("budget") or (Budget((limiter,)) if limiter is not None else None)
        self.url = redact_url(settings.base_url.rstrip("/") + request.path)
        self.attempts = 0

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
            reply = Reply(method=self.request.method, url=self.url, status=status, headers=headers, body=body)
            refused = self.settings.refusal(reply) if self.settings.refusal else None
            if refused is not None:
                raise refused
            return reply
        if status < 400:
            elsewhere = redact_url(headers.get("location", "nowhere"))[:200]
            raise self.failed(f"redirects are not followed (to {elsewhere!r})", status=status)
        wall = self.settings.clock.time_ns() / 1e9
        retry_after = retry_after_seconds(headers.get("retry-after"), wall)
        if status == HTTPStatus.TOO_MANY_REQUESTS and self.budget is not None:
            retry_after = self.budget.ban if retry_after is None else retry_after
            if retry_after:
                self.budget.hold(self.settings.clock.monotonic(), min(retry_after, self.settings.max_wait))
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
        never_left = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.ProxyError)
        sent = not isinstance(cause, never_left)
        final = False
        if distrusted := _distrusted(cause):
            final, detail = True, f"its TLS certificate is not accepted: {distrusted.verify_message}"
        elif isinstance(cause, httpx2.ProxyError):
            final, detail = _proxy_refused(cause)
        elif isinstance(cause, (TimeoutError, httpx2.TimeoutException)):
            detail = f"no whole answer within {self.timeout:g} s" if sent else "no connection in time"
        elif isinstance(cause, httpx2.ConnectError) and (origin := _origin(cause)) is not None:
            detail = network_cause(origin, self.timeout)
        else:
            detail = f"{type(cause).__name__}: {redact(str(cause))[:200] or 'no reason given'}"
        return HttpError(self.request.method, self.url, status=None, detail=detail, sent=sent, final=final)

    def delay_after(self, error: HttpError) -> float:
        """Seconds to wait before the next attempt. Raises `error` where there is none."""
        settings = self.settings
        delay = retry_delay(
            self.policy,
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
        body = _gunzipped(raw, self.settings.max_size)
        if body is None:
            raise self.failed("the answer is not valid gzip", status=status)
        if len(body) > self.settings.max_size:
            raise self.failed(f"the answer is larger than {self.settings.max_size} bytes", status=status)
        return body


def _distrusted(cause: BaseException | None) -> ssl_module.SSLCertVerificationError | None:
    """The refusal of a certificate that httpx2's error came from, if it did."""
    while cause is not None:
        if isinstance(cause, ssl_module.SSLCertVerificationError):
            return cause
        cause = cause.__cause__ or cause.__context__
    return None


def _origin(cause: BaseException | None) -> OSError | None:
    """What the network said, of which httpx2's error tells only that it came ("All connection attempts failed")."""
    found = None
    while cause is not None:
        found = cause if isinstance(cause, OSError) else found
        cause = (
            cause.exceptions[0]
            if isinstance(cause, BaseExceptionGroup)
            else cause.__cause__ or cause.__context__
        )
    return found


def _proxy_refused(cause: httpx2.ProxyError) -> tuple[bool, str]:
    """Whether a proxy's refusal is final, and what to say of it. Of its words only the status is taken."""
    status = re.match(r"(\d{3})\b", str(cause))
    if status is None:
        return False, f"the proxy did not let us through: {redact(str(cause))[:200]}"
    return not is_transient(int(status[1])), f"the proxy answered HTTP {status[1]}"


def _gunzipped(raw: bytes, max_size: int) -> bytes | None:
    """`raw` decompressed, a little more than `max_size` bytes of it at most; None where it is not whole gzip.

    A body may be of several members, one behind the other (RFC 1952 section 2.2), and end in zeros.
    """
    body = bytearray()
    for _ in range(MAX_MEMBERS):
        member = zlib.decompressobj(wbits=31)
        try:
            body += member.decompress(raw, max_size + 1 - len(body))
        except zlib.error:
            return None
        if len(body) > max_size:
            return bytes(body)
        if not member.eof:
            return None
        raw = member.unused_data.lstrip(b"\0")
        if not raw:
            return bytes(body)
    return None


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "refused"


_parents: list[object] = []
"""Connections of the process that this one was forked from. They are kept and never touched: closing them here could
wait for a lock whose holder was not forked, and forgetting them would close them."""


class _Client:
    """What both shells share: settings, and making a `_Call` of a method's arguments."""

    def __init__(self, base_url: str, **options: Unpack[HttpOptions]) -> None:
        self._settings = _Settings(base_url=base_url, **options)
        self._process = os.getpid()

    def _is_forked(self) -> bool:
        """True once in a process that was forked from the one whose connections we have."""
        if self._process == os.getpid():
            return False
        self._process = os.getpid()
        return True

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
        return _Call(self._settings, request, options)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({redact_url(self._settings.base_url)!r})"


class HttpClient(_Client):
    """Calls to one origin, for asyncio. Close it with `aclose()` or `async with`.

    `base_url` is https, or http to this machine. `headers` is asked before each attempt. `timeout` bounds one attempt
    as a whole, `max_size` the body in bytes, `max_wait` the longest Retry-After that a call sleeps through. `ssl`
    replaces the system's trust, `proxy` (True: the environment's) is as for `Endpoint`. `refusal` is asked of each good
    answer whether it refuses all the same: what it returns counts as what HTTP said. `http_transport` replaces
    httpx2's own, with its trust and proxy. It belongs to the event loop of its first call: another one is WrongLoop. A
    forked child connects anew.
    """

    def __init__(
        self,
        base_url: str,
        *,
        http_transport: httpx2.AsyncBaseTransport | None = None,
        **options: Unpack[HttpOptions],
    ) -> None:
        super().__init__(base_url, **options)
        self._http_transport = http_transport
        self._loop: asyncio.AbstractEventLoop | None = None
        self._loop_end: LoopEnd | None = None
        self._client = self._opened()

    def _opened(self) -> httpx2.AsyncClient:
        try:
            return httpx2.AsyncClient(**self._settings.for_httpx(self._http_transport))
        except ImportError:
            raise socks_missing("socksio") from None

    def _pool(self) -> httpx2.AsyncClient:
        """The connections of this process and this loop."""
        loop = asyncio.get_running_loop()
        if self._is_forked():
            _parents.append(self._client)
            self._client, self._loop = self._opened(), None
        if self._loop is None:
            self._loop = loop
            self._loop_end = LoopEnd(self._client.aclose)
        elif self._loop is not loop:
            raise WrongLoop(repr(self))
        if self._client.is_closed:
            raise SessionClosed(f"{self!r} is closed; make a new one")
        return self._client

    async def request(self, method: Method, path: str, **options: Unpack[CallOptions]) -> Reply:
        """Send one call and return its answer (a status below 300), repeated by the rules of this file.

        `idempotent` defaults to what HTTP says of the method. Raises HttpError: its `sent` and `status` say what is
        known of the outcome.
        """
        call, pool = self._call(method, path, options), self._pool()
        while True:
            if call.budget is not None:
                await call.budget.wait(self._settings.clock)
            outcome = await self._attempt(call, pool)
            if isinstance(outcome, Reply):
                return outcome
            if delay := call.delay_after(outcome):
                await asyncio.sleep(delay)

    async def _attempt(self, call: _Call, pool: httpx2.AsyncClient) -> Reply | HttpError:
        body, asked = bytearray(), call.to_send()
        try:
            async with asyncio.timeout(call.timeout), pool.stream(**asked) as response:
                # A transport of the user's own may bring a response that is read already.
                whole = response.is_stream_consumed
                async for chunk in (
                    cast(httpx2.AsyncByteStream, response.stream) if whole else response.aiter_raw()
                ):
                    call.add(body, chunk)
            return call.reply(response, bytes(body))
        except HttpError as error:
            return error
        except (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError) as cause:
            return call.transport_failed(cause)

    async def probe(self, path: str = "/") -> Reply:
        """Ask once, with HEAD, whether anything answers: what it says, whatever its status, and without a body.

        Raises HttpError where nothing does.
        """
        call, pool = self._call("HEAD", path, {}), self._pool()
        try:
            async with asyncio.timeout(call.timeout), pool.stream(**call.to_send()) as response:
                headers = {name.lower(): value for name, value in response.headers.items()}
                return Reply(
                    method="HEAD", url=call.url, status=response.status_code, headers=headers, body=b""
                )
        except (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError) as cause:
            failure = call.transport_failed(cause)
        raise failure

    async def aclose(self) -> None:
        """Close all connections. Idempotent."""
        if not self._is_forked():  # else they are the parent's
            if self._loop_end is not None:
                self._loop_end.forget()
            await self._client.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()


class SyncHttpClient(_Client):
    """`HttpClient` for code without asyncio: same arguments, same rules. Close it with `close()` or `with`.

    `timeout` bounds connecting, each silence and the body as a whole.
    """

    def __init__(
        self,
        base_url: str,
        *,
        http_transport: httpx2.BaseTransport | None = None,
        **options: Unpack[HttpOptions],
    ) -> None:
        super().__init__(base_url, **options)
        self._http_transport = http_transport
        self._client = self._opened()

    def _opened(self) -> httpx2.Client:
        try:
            client = httpx2.Client(**self._settings.for_httpx(self._http_transport))
        except ImportError:
            raise socks_missing("socksio") from None
        weakref.finalize(self, client.close)  # where nobody does
        return client

    def _pool(self) -> httpx2.Client:
        """The connections of this process."""
        if self._is_forked():
            _parents.append(self._client)
            self._client = self._opened()
        if self._client.is_closed:
            raise SessionClosed(f"{self!r} is closed; make a new one")
        return self._client

    def request(self, method: Method, path: str, **options: Unpack[CallOptions]) -> Reply:
        """As `HttpClient.request`, blocking."""
        call, pool = self._call(method, path, options), self._pool()
        while True:
            if call.budget is not None and (delay := call.budget.reserve(self._settings.clock.monotonic())):
                time.sleep(delay)
            outcome = self._attempt(call, pool)
            if isinstance(outcome, Reply):
                return outcome
            if delay := call.delay_after(outcome):
                time.sleep(delay)

    def _attempt(self, call: _Call, pool: httpx2.Client) -> Reply | HttpError:
        body, asked = bytearray(), call.to_send()
        clock = self._settings.clock
        until = clock.monotonic() + call.timeout
        try:
            with pool.stream(**asked) as response:
                whole = response.is_stream_consumed
                for chunk in cast(httpx2.SyncByteStream, response.stream) if whole else response.iter_raw():
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
        if not self._is_forked():  # else they are the parent's
            self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

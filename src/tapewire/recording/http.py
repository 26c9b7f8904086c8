"""HTTP on a tape: `RecordingHttp` notes requests and their answers, `ReplayHttp` gives the answers again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final, TypeAlias

import httpx2

from ..transport.proxies import proxy_for
from ..transport.trust import checked_trust
from .format import Kind
from .recorder import Recorder
from .replay import Answers

__all__ = ["RecordingHttp", "ReplayHttp", "unnoted"]

MAX_BODY: Final = 16 * 1024 * 1024
"""Bytes of one body that are kept: what a client takes at most."""


Answered: TypeAlias = list[Any]
"""What was asked and answered: method, URL, body; status, headers and body of the answer."""

_own: ContextVar[list[Answered] | None] = ContextVar("tapewire recording http", default=None)


@contextmanager
def unnoted() -> Iterator[list[Answered]]:
    """What is asked within is the recorder's own affair: no replay asks for it again. Yields what was answered."""
    answered: list[Answered] = []
    token = _own.set(answered)
    try:
        yield answered
    finally:
        _own.reset(token)


class RecordingHttp(httpx2.AsyncBaseTransport):
    """Does as `inner`, and notes what passes. None: as the venues' classes do, by the environment's proxy and trust."""

    def __init__(self, inner: httpx2.AsyncBaseTransport | None, recorder: Recorder) -> None:
        self._inner: httpx2.AsyncBaseTransport = inner or _Plain()
        self._recorder = recorder

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """One request. Raises what `inner` raises."""
        method, url, body = request.method, str(request.url), await request.aread()
        own = _own.get()
        if own is not None:
            return _heard(
                await self._inner.handle_async_request(request),
                lambda answer: own.append([method, url, body, *answer]),
            )
        recorder = self._recorder
        number = recorder.new_call()
        recorder.note(Kind.ASKED, 0, [number, method, url, _pairs(request.headers), body])
        try:
            response = await self._inner.handle_async_request(request)
        except Exception as error:
            recorder.note(Kind.UNANSWERED, 0, [number, type(error).__name__, str(error)])
            raise
        return _heard(response, lambda answer: recorder.note(Kind.ANSWERED, 0, [number, *answer]))

    async def aclose(self) -> None:
        """Close `inner`."""
        await self._inner.aclose()


class _Plain(httpx2.AsyncBaseTransport):
    """A transport for each server that is called: a client is given one for all, and each may have its proxy."""

    def __init__(self) -> None:
        self._made: dict[str, httpx2.AsyncHTTPTransport] = {}

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        server = f"{request.url.scheme}://{request.url.netloc.decode()}"
        made = self._made.get(server)
        if made is None:
            trust = checked_trust(None)
            way = proxy_for(server, True)
            proxy = (
                None if way is None else httpx2.Proxy(way.url, ssl_context=trust if way.is_secret else None)
            )
            made = self._made[server] = httpx2.AsyncHTTPTransport(verify=trust, proxy=proxy)
        return await made.handle_async_request(request)

    async def aclose(self) -> None:
        for made in self._made.values():
            await made.aclose()


_Tell: TypeAlias = Callable[[list[Any]], None]
"""Told of an answer's status, headers and body."""


def _heard(response: httpx2.Response, tell: _Tell) -> httpx2.Response:
    """The response, of which `tell` is told when all of it was read."""
    answer = [response.status_code, _pairs(response.headers)]
    if response.is_closed:  # it was made with all of its body: nobody reads its stream
        tell([*answer, response.content])
    else:
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        response.stream = _Body(response.stream, answer, tell)
    return response


class _Body(httpx2.AsyncByteStream):
    """An answer's body as it passes, told of when it is over."""

    def __init__(self, stream: httpx2.AsyncByteStream, answer: list[Any], tell: _Tell) -> None:
        self._stream = stream
        self._answer = answer
        self._tell = tell
        self._kept: list[bytes] = []
        self._size = 0
        self._is_told = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            if self._size < MAX_BODY:
                self._kept.append(chunk)
            self._size += len(chunk)
            yield chunk
        self._over()

    async def aclose(self) -> None:
        self._over()
        await self._stream.aclose()

    def _over(self) -> None:
        if not self._is_told:
            self._is_told = True
            self._tell([*self._answer, b"".join(self._kept)])


def _pairs(headers: httpx2.Headers) -> list[Any]:
    return [list(pair) for pair in headers.multi_items()]


class ReplayHttp(httpx2.AsyncBaseTransport):
    """Answers as the tape does. Raises what was raised then, httpx2.ConnectError for what is on no tape."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """One request."""
        body = await request.aread()
        try:
            record = await self._answers.take(request.method, str(request.url), body)
        except LookupError as error:
            raise httpx2.ConnectError(str(error), request=request) from None
        if record.kind == Kind.UNANSWERED:
            _, name, text = record.data
            kind = getattr(httpx2, name, httpx2.ConnectError)
            raise kind(text, request=request)
        _, status, headers, answer = record.data
        return httpx2.Response(
            status, headers=[tuple(pair) for pair in headers], stream=_Replayed(answer), request=request
        )


class _Replayed(httpx2.AsyncByteStream):
    def __init__(self, body: bytes) -> None:
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._body

"""How a venue's documented class makes its calls: `Api` awaits them, `BlockingApi` blocks.

Both send what a `Call` says, read its answer or refuse it, and raise what a failure amounts to in the venue's tree.
Whether a call may be repeated is decided by `transport.http` alone: that knows what was sent. What an attempt takes of
the venue's budgets (`options["budget"]`) and how it is signed (the client's `headers`) are settled anew for each.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

import msgspec

from ...errors import HttpError
from ...transport.http import CallOptions, HttpClient, Method, Reply, SyncHttpClient
from .answers import reading
from .errors import AnswerFault, ErrorMap
from .settings import Announcement

__all__ = ["Api", "BlockingApi", "Call", "request_id_of"]

H = TypeVar("H")
T = TypeVar("T")


class Call(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """One call of a venue's API: what to send, and how to read what it answers.

    `operation`: its name in errors. `read` raises Unreadable or InvalidField for what is no answer, or what the answer
    amounts to. `lookup`: how a caller finds out what became of it where no answer says so; empty where nothing is
    changed. `changes`: it may have changed something, though nobody can look it up. `signing_in`: it holds credentials,
    and its answer a token.
    """

    operation: str
    method: Method
    path: str
    read: Callable[[Reply], T]
    options: CallOptions = {}
    lookup: str = ""
    changes: bool = False
    signing_in: bool = False

    def __repr__(self) -> str:
        return f"Call({self.operation})"  # the options may hold a token


def request_id_of(reply: Reply) -> str | None:
    """The venue's own number of the call, for its support."""
    return reply.headers.get("x-request-id", "")[:128] or None


class _Calls(Generic[H]):
    """What both share: the client that sends, the venue's errors, and what is said before the first call."""

    def __init__(self, http: H, errors: ErrorMap, announcement: Announcement) -> None:
        self._http = http
        self._errors = errors
        self._announcement = announcement

    def _read(self, call: Call[T], reply: Reply) -> T:
        def refuse(fault: AnswerFault) -> Exception:
            return self._errors.of_answer(
                fault,
                lookup=call.lookup,
                changes=call.changes,
                status=reply.status,
                request_id=request_id_of(reply),
            )

        with reading(call.operation, reply.body, refuse, confidential=call.signing_in):
            return call.read(reply)

    def _meaning(self, call: Call[T], error: HttpError) -> Exception:
        doubt = "" if call.options.get("idempotent") else call.lookup  # to repeat it does no harm
        return self._errors.of_http(error, lookup=doubt, signing_in=call.signing_in)


class Api(_Calls[HttpClient]):
    """A venue's HTTP API, for asyncio."""

    async def call(self, call: Call[T]) -> T:
        """Make the call. Raises what its failure, or its answer, amounts to."""
        self._announcement.say()
        try:
            reply = await self._http.request(call.method, call.path, **call.options)
        except HttpError as error:
            failure = self._meaning(call, error)
        else:
            return self._read(call, reply)
        raise failure  # outside, so that it carries no request with it

    async def aclose(self) -> None:
        """Close all connections. Idempotent."""
        await self._http.aclose()


class BlockingApi(_Calls[SyncHttpClient]):
    """`Api` for code without asyncio."""

    def call(self, call: Call[T]) -> T:
        """As `Api.call`, blocking."""
        self._announcement.say()
        try:
            reply = self._http.request(call.method, call.path, **call.options)
        except HttpError as error:
            failure = self._meaning(call, error)
        else:
            return self._read(call, reply)
        raise failure

    def close(self) -> None:
        """Close all connections. Idempotent."""
        self._http.close()

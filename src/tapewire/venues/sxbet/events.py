"""The document's events and what comes with them: the words of its client and subscription, as Python values.

Client events: `connecting`, `connected`, `disconnected`, `error`. Subscription events: `subscribing`, `subscribed`,
`unsubscribed`, `publication`, `error`; and ours, `mark`, for what the stream says about itself. Handlers are plain or
async functions, given with `on(name, handler)` or as a decorator, `@thing.on(name)`. Source: document 002.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

import msgspec

from ...secrets import sanitized
from ...session.handlers import step_coroutine, untimed_steps
from .arguments import checked_handler
from .errors import SXBetInvalidParameter

__all__ = [
    "ConnectedContext",
    "ConnectingContext",
    "Decorator",
    "DisconnectedContext",
    "ErrorContext",
    "Handlers",
    "HistoryEntry",
    "HistoryPage",
    "PublicationContext",
    "SubscribedContext",
    "SubscribingContext",
    "UnsubscribedContext",
]

logger = logging.getLogger("tapewire.venues.sxbet")

H = TypeVar("H", bound=Callable[..., Any])
Given = TypeVar("Given")
Returned = TypeVar("Returned")


class Decorator(Protocol[Given]):
    """What `on(event)` returns: it registers the handler below it, and leaves the name to it."""

    def __call__(self, handler: Callable[[Given], Returned], /) -> Callable[[Given], Returned]: ...


class ConnectingContext(msgspec.Struct, frozen=True):
    """Fired on `connect()` and whenever the line is being made again. `connection` is the number of the line."""

    code: int
    reason: str
    connection: int = 1


class ConnectedContext(msgspec.Struct, frozen=True):
    """The transport is established and subscriptions are being sent."""

    connection: int = 1


class DisconnectedContext(msgspec.Struct, frozen=True):
    """Terminal: nothing is tried again by itself."""

    code: int
    reason: str
    connection: int = 1


class ErrorContext(msgspec.Struct, frozen=True):
    """Something failed and, mostly, the state did not change: a try to connect or to subscribe, a token.

    `error` is the exception; on a channel also the one that ended it. `code` is the venue's number for it, None where
    it gave none; `reason` its words, or ours.
    """

    error: BaseException
    connection: int = 1
    channel: str = ""

    @property
    def code(self) -> int | None:
        code = getattr(self.error, "code", None)
        return code if type(code) is int else None

    @property
    def reason(self) -> str:
        return str(getattr(self.error, "reason", "") or self.error)


class SubscribingContext(msgspec.Struct, frozen=True):
    """Fired on `subscribe()` and whenever the channel is asked for again."""

    channel: str
    code: int
    reason: str


class SubscribedContext(msgspec.Struct, frozen=True):
    """The channel is active. What to do follows from two fields (document 002, "Recovery").

    `was_recovering` and `recovered`: the gap was filled, nothing to do. `was_recovering` alone: history was pruned,
    seed anew from HTTP. Neither: a fresh start, seed from HTTP.
    """

    channel: str
    was_recovering: bool
    recovered: bool
    positioned: bool
    recoverable: bool
    data: Any = None


class UnsubscribedContext(msgspec.Struct, frozen=True):
    """Terminal for this channel: it is not subscribed to again by itself."""

    channel: str
    code: int
    reason: str


class HistoryEntry(msgspec.Struct, frozen=True):
    """One entry of `history()`: the payload, decoded, and what came with it."""

    data: Any
    offset: int
    tags: dict[str, str] | None = None
    info: Any = None


class PublicationContext(msgspec.Struct, frozen=True):
    """One publication. `data` is the payload, decoded, its numbers exact (a fraction is a Decimal).

    `tags["messageId"]` identifies it across replays.
    """

    channel: str
    data: Any
    offset: int
    tags: dict[str, str] | None = None
    info: Any = None
    replayed: bool = False


class HistoryPage(msgspec.Struct, frozen=True):
    """`publications` in the order asked for; `offset` and `epoch` are where the stream stands now.

    `clamped` says that more was asked for than the venue gives at once, and so `limit` was lowered to that.
    """

    publications: list[HistoryEntry]
    offset: int
    epoch: str
    clamped: bool = False


class Handlers:
    """Handlers by the name of their event."""

    __slots__ = ("_failures", "_handlers", "_names")

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names
        self._handlers: dict[str, list[Callable[..., Any]]] = {}  # of names that somebody listens to
        self._failures: dict[tuple[str, int], int] | None = None  # until one raises

    def add(self, name: str, handler: H) -> H:
        """One more handler of `name`. Raises SXBetInvalidParameter listing the events, or for what is no handler."""
        self._check(name)
        checked = checked_handler("handler", handler)
        self._handlers.setdefault(name, []).append(checked)
        return handler

    def decorator(self, name: str) -> Callable[[H], H]:
        """What makes a function a handler of `name`. Raises SXBetInvalidParameter listing the events."""
        self._check(name)
        return lambda handler: self.add(name, handler)

    def __bool__(self) -> bool:
        """True if somebody listens to anything."""
        return bool(self._handlers)

    def has(self, name: str) -> bool:
        """True if somebody listens."""
        return name in self._handlers

    def step(self, given: Any, name: str = "publication") -> Coroutine[Any, Any, None] | None:
        """As `call`, and at once where one handler is all there is and does not wait; else await what is returned."""
        handlers = self._handlers.get(name, ())
        if len(handlers) != 1:
            return self.call(name, given) if handlers else None
        handler = handlers[0]
        try:
            result = handler(given)
            rest = None if result is None else step_coroutine(result)
        except Exception as error:
            self._failed(name, handler, error)
            return None
        return None if rest is None else self._go_on(name, handler, *rest)

    async def _go_on(self, name: str, handler: Callable[..., Any], steps: Any, waits_for: Any) -> None:
        try:
            await untimed_steps(steps, waits_for)
        except Exception as error:
            self._failed(name, handler, error)

    async def call(self, name: str, given: Any) -> None:
        """Call all handlers of `name`, in order; one that raises is logged and harms nobody else."""
        for handler in tuple(self._handlers.get(name, ())):
            try:
                result = handler(given)
                if inspect.isawaitable(result):
                    await result
            except Exception as error:
                self._failed(name, handler, error)

    def _check(self, name: object) -> None:
        if name not in self._names:
            raise SXBetInvalidParameter("event", name, self._names)

    def _failed(self, name: str, handler: Callable[..., Any], error: Exception) -> None:
        """The first failure with its traceback; then a line whenever their number has doubled."""
        if self._failures is None:
            self._failures = {}
        key = (name, id(handler))  # a handler that is registered lives as long as this
        count = self._failures[key] = self._failures.get(key, 0) + 1
        title = getattr(handler, "__qualname__", None) or repr(handler)
        if count == 1:
            logger.warning("handler %s of %r raised; the next one goes on", title, name, exc_info=error)
        elif not count & (count - 1):
            text = f"{type(error).__name__}: {error}"
            logger.warning(
                "handler %s of %r has raised %d times; the last: %s", title, name, count, sanitized(text)
            )

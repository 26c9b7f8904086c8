"""What a venue's classes raise is of the venue's tree, and still of the engine's: one mechanism for all venues.

`except WEEXError` has to catch what any method of WEEX's classes raises on purpose, and `except GaveUp` has to go on
catching what it did. So an error of the engine that comes out of a venue's class is made anew as both: an object with
the same text and fields, whose class has the venue's class and the engine's as parents (made once for each pair, by
`joined`). Which class of the venue it is, is data: `ErrorMap` says it by HTTP status, by close code, by the engine's
class; else it is the root.

Where: `ErrorMap.covers` decorates each documented class, so that a new method is covered by itself; `mapped` is given
to sessions (`SessionOptions.errors`), whose subscriptions raise and tell errors outside of any method.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncIterator, Callable, Mapping
from types import TracebackType
from typing import Any, TypeVar, cast

import msgspec

from ...errors import ConfigurationError, ConnectionLost, GaveUp, TapewireError, rebuilt
from .settings import Refuse

__all__ = ["ErrorMap", "joined"]

C = TypeVar("C", bound=type[Any])
F = TypeVar("F", bound=Callable[..., Any])

_ENTERING = ("__init__", "__aenter__", "__aexit__", "__aiter__", "__enter__", "__exit__")


class ErrorMap(msgspec.Struct, frozen=True, kw_only=True):
    """One venue's words for what goes wrong.

    `root`: its root error. `refuse`: its error for a wrong argument. `by_status`, `by_close_code`, `by_class`: which of
    its classes an HTTP status (5xx as 500), a close code or a class of the engine's means; the first of them that knows
    it counts. `hints`: what to say beside a status or a reason of the venue. `facts(error, status)`: the fields that
    its classes have beside `message`; they count over the engine's.
    """

    root: type[TapewireError]
    refuse: Refuse
    by_status: Mapping[int, type[TapewireError]] = {}
    by_close_code: Mapping[int, type[TapewireError]] = {}
    by_class: Mapping[type[TapewireError], type[TapewireError]] = {}
    hints: Mapping[object, str] = {}
    facts: Callable[[TapewireError, int | None], Mapping[str, Any]] = lambda error, status: {}

    def kind_of_status(self, status: int | None) -> type[TapewireError] | None:
        """The venue's class for an HTTP status, if it has one."""
        if status is None:
            return None
        return self.by_status.get(status) or (self.by_status.get(500) if status >= 500 else None)

    def mapped(self, error: BaseException) -> BaseException:
        """The error as the venue's user gets it. What is of the venue's tree already, or not ours, stays as it is."""
        if not isinstance(error, TapewireError) or isinstance(error, self.root):
            return error
        if type(error) is ConfigurationError:
            return self.refuse(error.argument, error.value, error.allowed)
        last = error.last if isinstance(error, GaveUp) and isinstance(error.last, TapewireError) else error
        if isinstance(last, self.root):  # it gave up for what is of the venue's tree
            status, kind = getattr(last, "status_code", getattr(last, "status", None)), type(last)
        else:
            status = getattr(last, "status", None)
            code = last.code if isinstance(last, ConnectionLost) else None
            kind = (
                self.kind_of_status(status)
                or (self.by_close_code.get(code) if code is not None else None)
                or next(
                    (kind for known, kind in self.by_class.items() if isinstance(error, known)), self.root
                )
            )
        hint = next(
            (self.hints[key] for key in (status, getattr(error, "reason", None)) if key in self.hints), ""
        )
        text = f"{error}; {hint}" if hint and hint not in str(error) else str(error)
        fields = {**vars(error), "message": text, **self.facts(error, status)}
        made = rebuilt(joined(kind, type(error)), (text, *error.args[1:]), fields)
        made.__cause__, made.__suppress_context__ = error.__cause__, True
        return made

    def raising(self) -> Raising:
        """Whatever of ours is raised inside comes out as the venue's user gets it."""
        return Raising(self.mapped)

    def covers(self, kind: C) -> C:
        """A decorator of a documented class: every public method raises what `mapped` makes of it."""
        return self.covers_but()(kind)

    def covers_but(self, *inner: str) -> Callable[[C], C]:
        """As `covers`, without the methods that only rooms beside it call, some of them for every message."""

        def cover(kind: C) -> C:
            for name, member in list(vars(kind).items()):
                is_public = not name.startswith("_") or name in _ENTERING
                if is_public and name not in inner and inspect.isfunction(member):
                    setattr(kind, name, self.covered(member))
            return kind

        return cover

    def covered(self, method: F) -> F:
        """A decorator of one function, plain or async: it raises what `mapped` makes of it."""
        wrapped: Any = self._wrapped(method)
        return cast(F, wrapped)

    def _wrapped(self, method: Callable[..., Any]) -> Callable[..., Any]:
        raising = self.raising()
        if inspect.iscoroutinefunction(method):

            @functools.wraps(method)
            async def awaited(*args: Any, **kwargs: Any) -> Any:
                with raising:
                    return await method(*args, **kwargs)

            return awaited
        if inspect.isasyncgenfunction(method):

            @functools.wraps(method)
            async def iterated(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
                items = method(*args, **kwargs)
                try:
                    while True:
                        with raising:
                            try:
                                item = await anext(items)
                            except StopAsyncIteration:
                                return
                        yield item
                finally:
                    await items.aclose()

            return iterated

        @functools.wraps(method)
        def called(*args: Any, **kwargs: Any) -> Any:
            with raising:
                return method(*args, **kwargs)

        return called


class Raising:
    """`with` it, as often as one likes: what is raised inside comes out as `mapped` makes it."""

    __slots__ = ("_mapped",)

    def __init__(self, mapped: Callable[[BaseException], BaseException]) -> None:
        self._mapped = mapped

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if isinstance(error, TapewireError) and (mapped := self._mapped(error)) is not error:
            raise mapped.with_traceback(traceback) from error.__cause__


_joined: dict[tuple[type[TapewireError], type[TapewireError]], type[TapewireError]] = {}


def joined(kind: type[TapewireError], engine: type[TapewireError]) -> type[TapewireError]:
    """The class that is both: the engine's name in the venue's module, and the engine's word on what may be retried."""
    if issubclass(kind, engine):
        return kind
    if issubclass(engine, kind):
        return engine

    def reduce(self: TapewireError) -> tuple[Any, ...]:
        _, (_, args, fields) = TapewireError.__reduce__(self)
        return _rejoined, (kind, engine, args, fields)

    namespace = {
        "__module__": kind.__module__,
        "__doc__": engine.__doc__,
        "__reduce__": reduce,
        "retryable": engine.retryable,
    }
    found = _joined.get((kind, engine))
    if found is None:
        found = _joined[kind, engine] = type(engine.__name__, (kind, engine), namespace)
    return found


def _rejoined(
    kind: type[TapewireError], engine: type[TapewireError], args: tuple[Any, ...], fields: Mapping[str, Any]
) -> TapewireError:
    return rebuilt(joined(kind, engine), args, fields)

"""What a venue's classes raise is of the venue's tree, and still of the engine's: one mechanism for all venues.

Its tree is made of the classes here: `VenueError` is the root of each, and beside it `Invalid`, `RateLimited`,
`Unfinished` and `UnreadableAnswer` say what a class of the venue is about. Which of the venue's classes something
means is data: `ErrorMap` says it by HTTP status, by the venue's own code or words, by close code, by the engine's
class; else it is the root.

`except WEEXError` has to catch what any method of WEEX's classes raises on purpose, and `except GaveUp` has to go on
catching what it did. So an error of the engine that comes out of a venue's class is made anew as both: an object with
the same text and fields, whose class has the venue's class and the engine's as parents (made once for each pair, by
`joined`). `ErrorMap.covers` decorates each documented class, so that a new method is covered by itself; `mapped` is
given to sessions (`SessionOptions.errors`), whose subscriptions raise and tell errors outside of any method.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncIterator, Callable, Container, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, TypeVar, cast

import msgspec

from ...errors import (
    ConfigurationError,
    ConnectionLost,
    GaveUp,
    HttpError,
    RequestError,
    TapewireError,
    rebuilt,
)
from ...secrets import redact
from .settings import Refuse

__all__ = [
    "AnswerFault",
    "ErrorMap",
    "Invalid",
    "RateLimited",
    "Said",
    "Unfinished",
    "UnreadableAnswer",
    "VenueError",
    "is_page",
    "joined",
    "said_in",
]

C = TypeVar("C", bound=type[Any])
F = TypeVar("F", bound=Callable[..., Any])

_ENTERING = ("__init__", "__aenter__", "__aexit__", "__aiter__", "__enter__", "__exit__")

MAX_ERRORS: Final = 50
"""GraphQL errors kept of one answer."""

MAX_SAID: Final = 300
"""Characters of one thing that a venue says, as errors repeat it."""


# --- the classes that trees are made of -------------------------------------------------------------------------------


class VenueError(TapewireError):
    """The root of one venue's tree. `message` is its text.

    A venue's class declares what else its errors know as annotated class attributes with defaults; its `__init__` takes
    them as keywords. None stands for the default.
    """

    message: str

    def __init__(self, message: str, **facts: Any) -> None:
        # Not super(): the engine's classes beside us want arguments of their own.
        Exception.__init__(self, message)
        self._keep(message, facts)

    def _keep(self, message: str, facts: Mapping[str, Any]) -> None:
        defaults = self.defaults()
        if unknown := facts.keys() - defaults.keys():
            raise TypeError(f"{type(self).__name__} knows no {', '.join(sorted(unknown))}")
        self.message = message
        for name, default in defaults.items():
            given = facts.get(name)
            value = default if given is None else given
            setattr(self, name, list(value) if isinstance(default, list) else value)

    @classmethod
    @functools.cache
    def defaults(cls) -> Mapping[str, Any]:
        """What its errors know beside their text, and what that is where nobody says."""
        kinds = (kind for kind in reversed(cls.__mro__) if issubclass(kind, VenueError))
        names = dict.fromkeys(name for kind in kinds for name in inspect.get_annotations(kind))
        return {name: getattr(cls, name) for name in names if hasattr(cls, name)}


class Invalid(VenueError, ConfigurationError):
    """An argument is wrong; nothing was sent. The text names it and what is allowed."""

    def __init__(self, argument: str, value: object, allowed: Iterable[object] | str) -> None:
        ConfigurationError.__init__(self, argument, value, allowed)
        self._keep(str(self), {})


class RateLimited(VenueError):
    """Too many calls. Wait `retry_after` seconds (the class's own where the venue named no time)."""

    retry_after: float = 0.0

    @property
    def retryable(self) -> bool:
        return True


class Unfinished(VenueError):
    """The venue failed, or no answer came.

    `sent` is False only where the request provably never left. `outcome_unknown`: it was to change something, and was
    carried out or was not: look it up before you repeat it. `final`: for a reason that time does not heal, such as a
    certificate that is not trusted.
    """

    sent: bool = True
    outcome_unknown: bool = False
    final: bool = False

    @property
    def retryable(self) -> bool:
        return not (self.outcome_unknown or self.final)


class AnswerFault(msgspec.Struct, frozen=True):
    """What was wrong with an answer.

    `excerpt` is how the answer begins: bounded, without secrets, and empty where it may hold one.
    """

    operation: str
    path: str
    expected: str
    found: str
    excerpt: str = ""

    def __str__(self) -> str:
        told = f"{self.path or 'it'} should be {self.expected}, and is {self.found}"
        began = f"; it begins {self.excerpt}" if self.excerpt else ""
        return f"the answer to {self.operation} cannot be read: {told}{began}"


class UnreadableAnswer(VenueError):
    """The venue answered, and not with what the operation answers: `fault` says where. Each venue has its own class.

    `sent` is true: the request reached the venue. `outcome_unknown` is true where it was to change something: look up
    what became of it before you repeat it; `lookup` says how.
    """

    fault: AnswerFault
    outcome_unknown: bool = False
    sent: bool = True

    def __init__(self, fault: AnswerFault, *, lookup: str = "", **facts: Any) -> None:
        super().__init__(redact(str(fault)) + _doubt(lookup), **{"outcome_unknown": bool(lookup), **facts})
        self.fault = fault


def _doubt(lookup: str) -> str:
    return (
        f"; it may have been carried out: look it up with {lookup} before you send it again" if lookup else ""
    )


# --- what a venue says ------------------------------------------------------------------------------------------------


class Said(msgspec.Struct, frozen=True):
    """What the body of a failure says: in words, by the venue's own code, as a list of GraphQL errors."""

    text: str = ""
    code: str = ""
    errors: Sequence[dict[str, Any]] = ()


_TEXTS: Final = ("message", "msg", "errorMessage", "error")


def said_in(body: bytes) -> Said:
    """What JSON of any of the usual shapes says: a text under "message", "msg", "errorMessage" or "error",
    a code under "errorCode" or "code", GraphQL's "errors".
    """
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Said()
    if not isinstance(found, dict):
        return Said()
    errors = error_list(found["errors"]) if found.get("errors") else []
    words = next((found[name] for name in _TEXTS if found.get(name)), "") or texts_of(errors)
    listed = words if isinstance(words, list) else [words]
    code = found.get("errorCode") or found.get("code") or ""
    return Said(
        redact("; ".join(str(word)[:MAX_SAID] for word in listed[:5])), redact(str(code))[:200], errors
    )


def error_list(errors: Any) -> list[dict[str, Any]]:
    """Whatever an `errors` member holds, as the documented list of dicts: bounded, without a token that it repeats."""
    entries = errors[:MAX_ERRORS] if isinstance(errors, list) else [errors]
    listed = (entry if isinstance(entry, dict) else {"message": str(entry)[:MAX_SAID]} for entry in entries)
    return [
        {name: redact(value) if isinstance(value, str) else value for name, value in entry.items()}
        for entry in listed
    ]


def texts_of(errors: Sequence[Mapping[str, Any]]) -> list[str]:
    """Their messages."""
    return [str(error.get("message", "no reason given")) for error in errors]


def is_page(body: bytes) -> bool:
    """True for HTML: what stands before a site says so in a page, whatever was asked."""
    return body[:256].lstrip().lower().startswith((b"<!doctype html", b"<html"))


_SIGN_IN_REFUSED: Final = (400, 401, 403, 422)


class ErrorMap(msgspec.Struct, frozen=True, kw_only=True):
    """One venue's words for what goes wrong.

    `root`: its root error. `refuse`: its error for a wrong argument. `unanswered`: for a call without an answer,
    `rejected`: for one that the venue did not take for a reason that nothing else here knows, `unreadable`: for an
    answer that cannot be read, `sign_in`: for a sign-in that was refused. `by_status`, `by_close_code`, `by_class`:
    which of its classes an HTTP status (5xx as 500), a close code or a class of the engine's means. `by_code`,
    `by_words`: which one the venue's own number or, in GraphQL errors, its words mean (compared in lower case); the
    first of them that knows it counts, and a code before a status other than 429. `said`: reads the body of a failure.
    `hints`: what to say beside a status or a reason of the venue. `facts(error, status)`: fields that its classes have
    and the engine's error tells otherwise.
    """

    root: type[TapewireError]
    refuse: Refuse
    unanswered: type[TapewireError] = Unfinished
    rejected: type[TapewireError] = VenueError
    unreadable: type[UnreadableAnswer] = UnreadableAnswer
    sign_in: type[TapewireError] | None = None
    by_status: Mapping[int, type[TapewireError]] = {}
    by_close_code: Mapping[int, type[TapewireError]] = {}
    by_class: Mapping[type[TapewireError], type[TapewireError]] = {}
    by_code: Sequence[tuple[Container[int], type[TapewireError]]] = ()
    by_words: Sequence[tuple[Sequence[str], type[TapewireError]]] = ()
    said: Callable[[bytes], Said] = said_in
    hints: Mapping[object, str] = {}
    facts: Callable[[TapewireError, int | None], Mapping[str, Any]] = lambda error, status: {}

    def kind_of_status(self, status: int | None) -> type[TapewireError] | None:
        """The venue's class for an HTTP status, if it has one."""
        if status is None:
            return None
        return self.by_status.get(status) or (self.by_status.get(500) if status >= 500 else None)

    def kind_of_answer(self, status: int, code: str = "", *, refused: bool = False) -> type[TapewireError]:
        """The venue's class for an answer of that status with that code of its own.

        `refused`: the venue refused under a status of success.
        """
        number = int(code) if code.lstrip("-").isdigit() and len(code) < 10 else 0
        if status == 429 and 429 in self.by_status:
            return self.by_status[429]
        for codes, kind in self.by_code:
            if number in codes:
                return kind
        if refused:
            return self.rejected
        if status < 400:  # a redirect, which nobody follows, or an answer that is none of the venue's
            status = 500
        return self.kind_of_status(status) or self.rejected

    def kind_of_words(self, errors: Sequence[Mapping[str, Any]]) -> type[TapewireError]:
        """The venue's class for GraphQL errors."""
        codes = [
            told.get("code")
            for error in errors
            for told in (error, error.get("extensions"))
            if isinstance(told, dict)
        ]
        words = " ".join(str(word) for word in (*codes, *texts_of(errors)[:5]) if word).lower()
        return next(
            (kind for marks, kind in self.by_words if any(mark in words for mark in marks)), self.rejected
        )

    def of_http(self, error: HttpError, *, lookup: str = "", signing_in: bool = False) -> TapewireError:
        """The venue's error for a call that failed.

        `lookup`: how to find out what became of what was to change something. The text has no colon behind the address:
        a path that ends in `api-key` would take the next word for a key, and the redaction of logs that word with it.
        """
        said, status = self.said(error.body), error.status
        kind = (
            self.unanswered
            if status is None
            else self.kind_of_answer(status, said.code, refused=error.passing is not None)
        )
        if self.sign_in is not None and signing_in and status in _SIGN_IN_REFUSED:
            kind = self.sign_in
        told = f"answered HTTP {status}" if status else "failed"
        text = f"{error.method} {error.url} {told}: {error.detail}"
        text += (
            f": {said.text}"
            if said.text
            else "; it answered with a web page, not with JSON" * is_page(error.body)
        )
        is_unknown = error.sent and (status is None or not 400 <= status < 500)
        return self.made(
            kind,
            text,
            code=said.code,
            status=status,
            lookup=lookup if is_unknown else "",
            errors=said.errors,
            retry_after=error.retry_after,
            request_id=error.request_id,
            sent=error.sent,
            final=error.final,
        )

    def of_graphql(
        self,
        errors: Any,
        *,
        status: int,
        lookup: str = "",
        signing_in: bool = False,
        executed: bool = False,
        request_id: str | None = None,
    ) -> TapewireError:
        """The venue's error for an answer whose `errors` is not empty.

        `executed` says that there was an answer beside the errors: what has a `lookup` may then have been carried out.
        """
        listed = error_list(errors)
        kind = self.kind_of_words(listed)
        failed, limited = self.by_status.get(500), self.by_status.get(429)
        if self.sign_in is not None and signing_in and kind not in (failed, limited):
            kind = self.sign_in
        doubt = lookup if executed or kind is failed else ""
        told = "; ".join(text[:MAX_SAID] for text in texts_of(listed)[:5])
        return self.made(
            failed if doubt and failed else kind,
            f"GraphQL errors: {told}",
            status=status,
            lookup=doubt,
            errors=listed,
            request_id=request_id,
        )

    def of_answer(
        self, fault: AnswerFault, *, lookup: str = "", changes: bool = False, **facts: Any
    ) -> TapewireError:
        """The venue's error for an answer that cannot be read."""
        doubt = bool(lookup) or changes
        return self.unreadable(
            fault, lookup=lookup, **_known(self.unreadable, {**facts, "outcome_unknown": doubt})
        )

    def made(
        self,
        kind: type[TapewireError],
        text: str,
        *,
        status: int | None = None,
        code: str = "",
        lookup: str = "",
        **facts: Any,
    ) -> TapewireError:
        """An error of that kind, with those of the facts that it knows of."""
        hint = self.hints.get(status, "")
        coded = f" (code {code})" if code and code not in text else ""
        told = redact(f"{text}{coded}{f'; {hint}' if hint else ''}")
        facts |= {"code": code, "status": status, "outcome_unknown": bool(lookup)}
        return kind(told + _doubt(lookup), **_known(kind, facts))

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
        fields = {
            **vars(error),
            "message": text,
            **_facts_of(error, kind, status),
            **self.facts(error, status),
        }
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
            try:
                return method(*args, **kwargs)
            except TapewireError as error:
                raising.__exit__(type(error), error, error.__traceback__)
                raise

        return called


def _known(kind: type[TapewireError], facts: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the facts that errors of `kind` know; a venue calls the status by either name."""
    known = kind.defaults() if issubclass(kind, VenueError) else {}
    told = {**facts, "status_code": facts.get("status")}
    return {name: value for name, value in told.items() if name in known}


def _facts_of(error: TapewireError, kind: type[TapewireError], status: int | None) -> dict[str, Any]:
    """What an error of `kind` knows, as the engine's error says it."""
    sent = bool(getattr(error, "sent", False))
    told: dict[str, Any] = {
        "status": status,
        "status_code": status,
        "sent": sent,
        "final": not error.retryable,
        "outcome_unknown": sent and isinstance(error, RequestError),
    }
    facts = {}
    for name, default in (kind.defaults() if issubclass(kind, VenueError) else {}).items():
        value = told[name] if name in told else getattr(error, name, None)
        value = default if value is None else value
        facts[name] = list(value) if isinstance(default, list) else value
    return facts


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

"""Every error, mark, message and view survives pickle, copy and deepcopy with the same type, fields and text.

Which there are is found by walking the packages: a new class is covered by itself, or has to be listed as one that does
not travel, with the reason.
"""

from __future__ import annotations

import collections.abc
import copy
import dataclasses
import importlib
import inspect
import pickle
import pkgutil
import threading
import types
import typing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tapewire
from tapewire import errors
from tapewire.errors import ConnectionLost, GaveUp
from tapewire.model import Fees, Outcome
from tapewire.payload import Binary
from tapewire.retry import RetryPolicy
from tapewire.secrets import Secret
from tapewire.trading import Limits, PaperConfig
from tapewire.venues.stx import Channels
from tapewire.venues.stx.records import Page, Record
from tests.model.test_account import balance, fill, position
from tests.model.test_instrument import instrument, market
from tests.model.test_market import snapshot, ticker, trade
from tests.model.test_order import order, request

NOT_FOR_TRAVEL = {
    "Budget": "holds limiters, which others wait for",
    "Call": "holds functions, and may hold a token",
    "Change": "is unset where a message says nothing, and is taken in where it was decoded",
    "ChannelSpec": "holds functions",
    "VenueSpec": "holds functions",
    "Config": "holds a password",
    "Delays": "asks a function for its bound",
    "Delivery": "holds the user's functions",
    "Dialer": "holds an SSLContext and a proxy with its password",
    "Door": "holds the signed-in user",
    "Endpoint": "holds an SSLContext, and headers with a token",
    "SessionOptions": "holds the user's functions",
    "Profile": "holds functions that spell a wire",
    "ErrorMap": "holds functions",
    "Query": "holds functions",
    "Operation": "holds functions",
    "Refresh": "holds a token",
    "SubRefresh": "holds a token",
    "CommandFrame": "holds a token",
    "Sought": "holds functions",
    "Source": "holds functions",
    "SubscribeParams": "holds a token",
    "Wait": "holds a flight, which others wait for",
    "WeexConfig": "holds keys",
    "PendingRequest": "holds a future",
    "Send": "holds an operation with its functions, and a token",
}
"""Options and inner parts that are made where they are used; each would take a secret or a function with it."""

NOT_OF_THE_SDK = (
    "tapewire.sandbox",
    "tapewire.testing",
    "tapewire.cli",
    "tapewire.app",
    "tapewire.protocols.centrifugo.requests",  # of the server's role, as the sandbox plays it
    "tapewire.protocols.centrifugo.history",
    "tapewire.protocols.graphql_ws.server",
    "tapewire.protocols.phoenix.server",
)


def is_value(kind: type[Any]) -> bool:
    return (
        issubclass(kind, BaseException | msgspec.Struct)
        or dataclasses.is_dataclass(kind)
        or kind in (Record, Page)
    )


def values() -> Iterator[type[Any]]:
    names = (module.name for module in pkgutil.walk_packages(tapewire.__path__, "tapewire."))
    seen = set()
    for name in ("tapewire", *names):
        if name.startswith(NOT_OF_THE_SDK[:4]) or name.endswith("__main__"):
            continue
        module = importlib.import_module(name)
        for public in getattr(module, "__all__", ()):
            found = getattr(module, public)
            if inspect.isclass(found) and found.__module__.startswith("tapewire") and found not in seen:
                seen.add(found)
                if is_value(found) and not found.__module__.startswith(NOT_OF_THE_SDK):
                    yield found


EVERY = sorted(values(), key=lambda kind: f"{kind.__module__}.{kind.__qualname__}")
TRAVELLING = [kind for kind in EVERY if kind.__name__ not in NOT_FOR_TRAVEL]

SAMPLES: dict[type[Any], list[Any]] = {
    type(sample): [sample]
    for sample in (
        trade(), ticker(), snapshot(), fill(), position(), balance(), instrument(), market(), request(),
        order(), Outcome(outcome_id="home", name="Home"), RetryPolicy(3, 0.5, 8.0), Fees(taker=Decimal("0.01")),
        PaperConfig(balance={"USD": Decimal(5)}, latency_in=(0.1, 0.2)), Limits(position=Decimal(5), data_age=2.0),
    )
}  # fmt: skip
"""Of the nouns that refuse what makes no sense: hardly a value at random would be one."""

ANYTHING = st.one_of(
    st.none(),
    st.integers(),
    st.text(max_size=9),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)
AND_MORE = ANYTHING | st.builds(threading.Lock)  # what can neither be pickled nor copied
PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    str: st.text(max_size=12),
    int: st.integers(-(2**40), 2**40),
    float: st.floats(allow_nan=False, allow_infinity=False),
    bool: st.booleans(),
    bytes: st.binary(max_size=90),
    type(None): st.none(),
    Any: ANYTHING,
    object: ANYTHING,
    Decimal: st.decimals(
        allow_nan=False, allow_infinity=False, places=4, min_value=-(10**9), max_value=10**9
    ),
    datetime: st.datetimes(timezones=st.just(UTC)),
    Path: st.builds(Path, st.sampled_from(["a", "b/c"])),
    Binary: st.builds(Binary, st.binary(max_size=9)),
    msgspec.Raw: st.sampled_from([msgspec.Raw(b"1"), msgspec.Raw(b'{"a": 1}'), msgspec.Raw(b"")]),
    BaseException: st.sampled_from([ConnectionLost("bye", 1000), ValueError("why"), OSError(5, "no")]),
    Enum: st.sampled_from(Channels),
    Exception: st.sampled_from([ConnectionLost("bye", 1000), ValueError("why"), OSError(5, "no")]),
}
LISTS = (list, collections.abc.Sequence, collections.abc.Iterable, collections.abc.Collection, tuple)
MAPPINGS = (dict, collections.abc.Mapping)


def of(hint: Any) -> st.SearchStrategy[Any]:
    """Values of an annotation; NotImplementedError for what is no plain value."""
    if isinstance(hint, st.SearchStrategy):
        return hint
    if hint in PLAIN:
        return PLAIN[hint]
    origin, args = get_origin(hint), get_args(hint)
    if isinstance(hint, TypeVar):
        return ANYTHING
    if origin is Literal:
        return st.sampled_from(args)
    if origin in (Union, types.UnionType):
        return st.one_of(*(of(arg) for arg in args))
    if origin is typing.Annotated or origin is typing.ClassVar:
        return of(args[0])
    if origin is tuple and args and args[-1] is not Ellipsis:
        return st.tuples(*(of(arg) for arg in args))
    if origin in LISTS or hint in LISTS:
        made = st.lists(of(args[0] if args else Any), max_size=2)
        return made.map(tuple) if (origin or hint) is tuple else made
    if origin in MAPPINGS or hint in MAPPINGS:
        key, value = args or (str, Any)
        return st.dictionaries(of(key), of(value), max_size=2)
    if inspect.isclass(origin or hint) and is_value(origin or hint):
        return st.deferred(lambda: built(origin or hint))
    if inspect.isclass(hint) and issubclass(hint, str | int):
        return st.sampled_from(list(hint)) if hasattr(hint, "__members__") else of(hint.__mro__[1])
    raise NotImplementedError(f"{hint!r} is no plain value")


def built(kind: type[Any]) -> st.SearchStrategy[Any]:
    """Objects of a class, by its own signature."""
    if kind in SAMPLES:
        return st.sampled_from(SAMPLES[kind])
    if kind is Record:
        return st.dictionaries(st.sampled_from(["id", "market_id"]), st.integers()).map(Record)
    if kind is Page:
        return st.builds(Page, st.lists(st.integers()), st.integers(0))
    if getattr(kind.__init__, "__objclass__", None) is not None and issubclass(kind, BaseException):
        return st.text(max_size=9).map(kind)  # the built-in __init__: a text
    hints = get_type_hints(kind.__init__ if issubclass(kind, BaseException) else kind)
    parameters = list(inspect.signature(kind).parameters.values())
    by_place = [of(hints[one.name]) for one in parameters if one.kind is one.POSITIONAL_ONLY]
    if issubclass(kind, BaseException):
        hints = {
            name: hint if hint is not object and hint is not Any else AND_MORE for name, hint in hints.items()
        }
    named = {
        one.name: of(hints[one.name])
        for one in parameters
        if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)
    }
    required = {one.name for one in parameters if one.default is one.empty} & named.keys()
    given = st.fixed_dictionaries(
        {name: named.pop(name) for name in required},
        optional=named,  # or its default
    )
    return st.tuples(st.tuples(*by_place), given).map(lambda drawn: kind(*drawn[0], **drawn[1]))


def said(value: Any) -> Any:
    """What has to be the same on the other side."""
    if isinstance(value, BaseException):
        return type(value), str(value), repr(value), {name: said(one) for name, one in vars(value).items()}
    if isinstance(value, msgspec.Raw):
        return bytes(value)
    if isinstance(value, msgspec.Struct):
        return type(value), {name: said(getattr(value, name)) for name in value.__struct_fields__}
    if dataclasses.is_dataclass(value):
        return type(value), {one.name: said(getattr(value, one.name)) for one in dataclasses.fields(value)}
    if isinstance(value, Page):
        return said(list(value)), value.count
    if isinstance(value, dict):
        return type(value), {name: said(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return type(value), [said(one) for one in value]
    if isinstance(value, threading.Lock().__class__):
        return "something that cannot be pickled"
    if isinstance(value, str) and value.startswith("<unlocked _thread.lock"):
        return "something that cannot be pickled"
    return value


@pytest.mark.parametrize("kind", TRAVELLING, ids=lambda kind: f"{kind.__module__[9:]}.{kind.__qualname__}")
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_it_is_the_same_after_pickle_copy_and_deepcopy(kind: type[Any], data: st.DataObject) -> None:
    """said(travelled) == said(value), for every value and every way to travel."""
    value = data.draw(built(kind))
    is_error = isinstance(value, BaseException)
    copies = [copy.copy(value), copy.deepcopy(value)]
    copies += [
        pickle.loads(pickle.dumps(value, version)) for version in range(2, pickle.HIGHEST_PROTOCOL + 1)
    ]
    for other in copies:
        assert said(other) == said(value)
        assert not is_error or other is not value
        if isinstance(value, errors.TapewireError):
            assert (other.retryable, other.terminal) == (value.retryable, value.terminal)


def test_only_what_is_listed_does_not_travel() -> None:
    names = {kind.__name__ for kind in EVERY}
    assert NOT_FOR_TRAVEL.keys() <= names, "gone: take it off the list"
    inner = []
    for kind in TRAVELLING:
        try:
            built(kind)
        except NotImplementedError as error:
            inner.append(f"{kind.__module__}.{kind.__qualname__}: {error}")
    assert inner == [], "list it with a reason, or make it plain"


class OfTheUser(Exception):
    """Comes back from no pickle: its `__init__` wants more than its text."""

    def __init__(self, one: int, *, two: int) -> None:
        super().__init__(f"{one} and {two}")


def raise_it(error: BaseException) -> None:
    raise error


def give_up_for_a_user_error() -> None:
    raise GaveUp(3, OfTheUser(1, two=2))


def test_a_worker_that_raises_one_does_not_break_its_pool() -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        with pytest.raises(ConnectionLost, match=r"^connection lost: bye \(code 1000\)$") as lost:
            pool.submit(raise_it, ConnectionLost("bye", 1000)).result(60)
        assert lost.value.code == 1000
        with pytest.raises(GaveUp, match="1 and 2") as gave_up:
            pool.submit(give_up_for_a_user_error).result(60)
        assert "OfTheUser: 1 and 2" in str(gave_up.value.last)
        assert pool.submit(abs, -1).result(60) == 1


def test_what_cannot_travel_is_said_and_no_secret_is() -> None:
    refused = errors.ConfigurationError("api_key", Secret("hunter2hunter2"), "none")
    travelled = pickle.loads(pickle.dumps(refused))
    assert travelled.value == "Secret('***')"
    assert b"hunter2" not in pickle.dumps(refused)
    assert copy.deepcopy(refused).value is refused.value


def test_the_cause_is_kept_by_a_copy_and_the_traceback_is_not() -> None:
    error = ConnectionLost("bye", 1000)
    try:
        raise error from ValueError("why")
    except ConnectionLost:
        assert copy.copy(error).__cause__ is error.__cause__
        assert copy.copy(error).__traceback__ is None

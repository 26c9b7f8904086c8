"""What may be passed where a function is wanted: refused where it is given, not by a failure with every message.

Rules: a function must be callable with as many arguments as it will be given, where its signature can be had (some of
C's have none); it is no generator, whose call does nothing; where its result is used at once it is not async either.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from .errors import ConfigurationError

__all__ = ["check_function", "check_seconds", "near_names", "takes_plainly"]

MOST_NEAR = 3
"""Names that a wrong one may have meant, in one error."""

_WORDS = ("no argument", "one argument", "two arguments")


def check_function(name: str, value: Any, takes: int, *, plain: bool = False, why_plain: str = "") -> None:
    """Raise ConfigurationError that names `name`, unless `value` is None or can be called with `takes` arguments.

    `plain`: an async function is refused too, `why_plain` says where it would not be.
    """
    if value is None:
        return
    if takes_plainly(value, takes, plain=plain):
        return
    kind = "a plain (not async) function" if plain else "a function"
    allowed = f"{kind} that can be called with {_WORDS[takes]}{why_plain}"
    if not callable(value):
        raise ConfigurationError(name, value, allowed)
    if inspect.isgeneratorfunction(value) or inspect.isasyncgenfunction(value):
        raise ConfigurationError(name, value, f"{allowed}, and no generator: it has a `yield`")
    if plain and inspect.iscoroutinefunction(value):
        raise ConfigurationError(name, value, allowed)
    try:
        signature = inspect.signature(value)
    except (ValueError, TypeError):
        return  # written in C: it says nothing of itself
    try:
        signature.bind(*(None,) * takes)
    except TypeError as error:
        raise ConfigurationError(name, value, f"{allowed} ({error})") from None


def takes_plainly(function: Any, count: int, *, plain: bool = False) -> bool:
    """True for a function or method of Python that surely can be called so: what most are, at a glance.

    Whoever subscribes to thousands of topics passes thousands of functions, and a signature costs a hundred times this.
    """
    bound = function.__class__ is types.MethodType
    if bound:
        function = function.__func__
    # Wrapped, or with a signature of its own.
    if function.__class__ is not types.FunctionType or function.__dict__:
        return False
    return _takes(function.__code__, len(function.__defaults__ or ()), count + bound, plain)


@lru_cache(maxsize=256)
def _takes(code: types.CodeType, defaults: int, given: int, plain: bool) -> bool:
    """Of what was defined in one place: methods of thousands of objects are one."""
    refused = inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR | inspect.CO_ITERABLE_COROUTINE
    if code.co_flags & (refused | (inspect.CO_COROUTINE if plain else 0)) or code.co_kwonlyargcount:
        return False
    most = code.co_argcount
    enough = given >= most - defaults
    return enough and (given <= most or bool(code.co_flags & inspect.CO_VARARGS))


def check_seconds(name: str, value: Any) -> None:
    """Raise ConfigurationError that names `name`, unless `value` is a number of seconds that can be waited."""
    if type(value) not in (int, float) or not 0 < value <= 86_400:
        raise ConfigurationError(name, value, "seconds, above 0 and at most 86400")


def near_names(name: str, known: Iterable[str]) -> list[str]:
    """Of what is `known` that which `name` may have meant: likenesses, and what holds it whatever its case."""
    from difflib import get_close_matches  # of mistakes alone

    lowered = {each.lower(): each for each in known}
    near = [lowered[each] for each in get_close_matches(name.lower(), list(lowered), MOST_NEAR)]
    holding = [each for key, each in lowered.items() if name.lower() in key and each not in near]
    return [*near, *holding][:MOST_NEAR]

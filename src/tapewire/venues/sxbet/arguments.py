"""What a caller gives, looked at before anything is made of it: the text names the argument and what is allowed."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from ...arguments import takes_plainly
from ...secrets import Secret
from ...session.buffers import make_buffer
from ...session.subscription import Delivery
from .errors import SXBetInvalidParameter

__all__ = [
    "awaited_token",
    "checked_channel",
    "checked_delivery",
    "checked_flag",
    "checked_handler",
    "checked_seconds",
    "checked_token_getter",
]

_OURS: Final = ("announce", "decode", "handler", "inline", "on_error", "on_mark")
"""Fields of a delivery that the documented client sets itself."""


def checked_flag(argument: str, value: bool) -> bool:
    """`value` if it is True or False."""
    if type(value) is bool:
        return value
    raise SXBetInvalidParameter(argument, value, "True or False")


def checked_seconds(argument: str, value: float) -> float:
    """`value` if it is a time from nothing to a day."""
    if type(value) in (int, float) and 0 <= value <= 86_400:
        return value
    raise SXBetInvalidParameter(argument, value, "seconds from 0 to 86400")


def checked_handler(argument: str, handler: Any) -> Any:
    """`handler` if it can be called with the one thing that a handler is given."""
    if not callable(handler) or not _takes(handler, None):
        raise SXBetInvalidParameter(
            argument, handler, "a function, plain or async, that takes one argument: the event's context"
        )
    return handler


def checked_token_getter(getter: Any, *given: Any) -> Any:
    """`getter` if it can be called with what is `given`. Whether it is async, is seen when it is called."""
    takes = "the channel" if given else "no argument"
    if not callable(getter) or not _takes(getter, *given):
        raise SXBetInvalidParameter("get_token", getter, f"an async function that takes {takes}")
    return getter


async def awaited_token(getter: Callable[..., Awaitable[str | Secret]], *given: Any) -> str | Secret:
    """What the getter gives. Raises SXBetInvalidParameter, which is final, where there is nothing to await."""
    found: object = getter(*given)
    if not inspect.isawaitable(found):
        name = getattr(getter, "__qualname__", None) or type(getter).__name__
        raise SXBetInvalidParameter("get_token", name, "an async function: this one gives nothing to await")
    token: str | Secret = await found
    return token


def checked_channel(value: object) -> str:
    """`value` if the venue can be asked for it (Centrifugo takes names of up to 255 bytes)."""
    if type(value) is str and 0 < len(value.encode(errors="replace")) <= 255:
        return value
    shown = value[:60] if isinstance(value, str) else value
    raise SXBetInvalidParameter("channel", shown, "a name of 1 to 255 bytes")


def checked_delivery(fields: Mapping[str, Any]) -> dict[str, Any]:
    """`fields` of a `Delivery` that are free to choose here. Raises ConfigurationError."""
    allowed = [name for name in Delivery.__struct_fields__ if name not in _OURS]
    for name in fields:
        if name not in allowed:
            raise SXBetInvalidParameter("delivery", name, allowed)
    chosen = Delivery(handler=_nobody, **fields)
    make_buffer(chosen.policy, chosen.capacity, key=chosen.key)
    return dict(fields)


def _nobody(item: Any) -> None:
    """Stands for the handler that the client brings."""


def _takes(function: Callable[..., Any], *given: Any) -> bool:
    if takes_plainly(function, len(given)):
        return True
    try:
        inspect.signature(function).bind(*given)
    except TypeError:
        return False
    except ValueError:  # some built-in ones tell nothing of themselves
        return True
    return True

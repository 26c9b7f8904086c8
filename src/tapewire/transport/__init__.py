"""Transports: they move frames and know no meaning (see `base`). Each is imported when it is first asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from .base import Connector, Endpoint, Receiver, Transport

if TYPE_CHECKING:
    from .fast import FastConnector
    from .memory import MemoryNetwork
    from .websockets import WebsocketsConnector

__all__ = [
    "Connector",
    "Endpoint",
    "FastConnector",
    "MemoryNetwork",
    "Receiver",
    "Transport",
    "WebsocketsConnector",
    "default_connector",
]

_MODULES = {"FastConnector": "fast", "MemoryNetwork": "memory", "WebsocketsConnector": "websockets"}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_MODULES[name]}", __name__), name)


def default_connector() -> Connector:
    """What connects where nobody said how: `FastConnector`."""
    from .fast import FastConnector

    return FastConnector()

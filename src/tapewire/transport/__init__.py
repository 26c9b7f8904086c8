"""Transports: they move frames and know no meaning (see `base`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .base import Connector

__all__ = ["default_connector"]


def default_connector() -> Connector:
    """What connects where nobody said how: `FastConnector`."""
    from .fast import FastConnector

    return FastConnector()

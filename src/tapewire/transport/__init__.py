"""Transports: they move frames and know no meaning (see `base`)."""

from .base import Connector

__all__ = ["default_connector"]


def default_connector() -> Connector:
    """The connector that a session uses unless it is given another."""
    from .fast import FastConnector

    return FastConnector()

"""What is kept of a stream: rows and marks in SQLite. It knows no venue; rows are whatever you make of messages."""

from __future__ import annotations

from .sqlite import SqliteStore, StoreFailed, StoreStatistics
from .table import Table

__all__ = ["SqliteStore", "StoreFailed", "StoreStatistics", "Table"]

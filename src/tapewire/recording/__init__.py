"""What is kept of a stream. It knows no venue.

`Recorder` and the taps write a tape, `Replay` plays it to the unmodified classes; `recorded` and `replayed` are the
settings that put a venue's classes on one; `tapewire.recording.http` has the two ends of HTTP. `SqliteStore` keeps rows
and marks: rows are whatever you make of messages.
"""

from __future__ import annotations

from .recorder import Recorder, RecorderStatistics
from .replay import Difference, Replay
from .sqlite import SqliteStore, StoreFailed, StoreStatistics
from .table import Table
from .tap import RecordingConnector
from .tape import Tape
from .ways import recorded, replayed

__all__ = [
    "Difference",
    "Recorder",
    "RecorderStatistics",
    "RecordingConnector",
    "Replay",
    "SqliteStore",
    "StoreFailed",
    "StoreStatistics",
    "Table",
    "Tape",
    "recorded",
    "replayed",
]

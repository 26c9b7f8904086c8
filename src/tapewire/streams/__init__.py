"""What can be done with any stream: batches, filters, merges, a watch for silence. No venue, no socket.

It lies on the lowest floor on which anything may wait, so that sessions, trading, recording and venues may all use it.
Marks always pass and keep their place.
"""

from __future__ import annotations

from .batching import Batches, batched
from .filtering import Filtered, filtered
from .merging import Merged, merge
from .staleness import Live, Stale, Staleness
from .watching import Heard, StalenessWatch

__all__ = [
    "Batches",
    "Filtered",
    "Heard",
    "Live",
    "Merged",
    "Stale",
    "Staleness",
    "StalenessWatch",
    "batched",
    "filtered",
    "merge",
]

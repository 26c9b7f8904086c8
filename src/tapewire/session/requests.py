"""Replies awaited by ref, with deadlines. Pure: who waits is an opaque object; the driver resolves it.

Rules: a pending request ends exactly once: by its reply, its deadline, the loss of its connection, or the end of its
topic. `sent` is a fact of the moment it is asked, not of the moment it was made. Nothing is ever sent again.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ..errors import ConfigurationError
from ..protocols.base import Command

__all__ = ["MAX_PENDING", "PendingRequest", "Requests"]

MAX_PENDING = 10_000
"""Requests that may await replies on one connection at a time."""


class PendingRequest(msgspec.Struct, frozen=True):
    """One request awaiting its reply. `waiter` is the driver's; `seconds` is the deadline's length, for the error."""

    ref: str
    command: Command
    waiter: Any
    seconds: float


class Requests:
    """The pending requests of one connection, by ref."""

    def __init__(self, capacity: int = MAX_PENDING) -> None:
        self._pending: dict[str, PendingRequest] = {}
        self._capacity = capacity

    def check_room(self) -> None:
        """Raises ConfigurationError where too many are pending. Ask before you send: await some replies first."""
        if len(self._pending) >= self._capacity:
            raise ConfigurationError(
                "pending requests", len(self._pending) + 1, f"at most {self._capacity} at a time"
            )

    def add(self, request: PendingRequest) -> None:
        """Remember one. Raises ConfigurationError as `check_room` does."""
        self.check_room()
        self._pending[request.ref] = request

    def take(self, ref: str) -> PendingRequest | None:
        """Forget and return the request of `ref`; None if nobody waits for it (any more)."""
        return self._pending.pop(ref, None)

    def discard(self, request: PendingRequest) -> bool:
        """Forget this one; False where nobody waits for it any more, whoever may have its ref by now."""
        if self._pending.get(request.ref) is not request:
            return False
        del self._pending[request.ref]
        return True

    def take_topic(self, topic: str) -> list[PendingRequest]:
        """Forget and return all requests on `topic`."""
        refs = [ref for ref, request in self._pending.items() if request.command.topic == topic]
        return [self._pending.pop(ref) for ref in refs]

    def take_all(self) -> list[PendingRequest]:
        """Forget and return everything: the connection is gone."""
        pending, self._pending = list(self._pending.values()), {}
        return pending

    def __len__(self) -> int:
        return len(self._pending)

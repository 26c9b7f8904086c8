"""A bounded memory of what was seen, for streams whose publications carry an id of their own. Pure."""

from __future__ import annotations

from collections import OrderedDict

from ...errors import ConfigurationError

__all__ = ["SeenIds"]


class SeenIds:
    """The ids last seen, at most `capacity` of them; the oldest is forgotten first.

    Use it where delivery is at least once, and across channels that carry the same message. Raises ConfigurationError.
    """

    __slots__ = ("_ids", "capacity", "repeated")

    def __init__(self, capacity: int = 10_000) -> None:
        if type(capacity) is not int or capacity < 1:
            raise ConfigurationError("capacity", capacity, "a whole number from 1")
        self.capacity: int = capacity
        self.repeated: int = 0
        """How many ids came again."""
        # Ordered: the first of a dict is looked for behind all that were forgotten before it.
        self._ids: OrderedDict[str, None] = OrderedDict()

    def add(self, identity: str | None) -> bool:
        """True if it is new, and remembered now. None, no id at all, is always new and never remembered."""
        if identity is None:
            return True
        ids = self._ids
        if identity in ids:
            self.repeated += 1
            return False
        if len(ids) >= self.capacity:
            ids.popitem(last=False)
        ids[identity] = None
        return True

    def __contains__(self, identity: str) -> bool:
        return identity in self._ids

    def __len__(self) -> int:
        return len(self._ids)

    def __repr__(self) -> str:
        return f"<SeenIds {len(self._ids)}/{self.capacity} repeated={self.repeated}>"

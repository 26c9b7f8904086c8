"""Who listens to a user's topic, as Phoenix's Presence words it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .credentials import StxUser

__all__ = ["Presence"]


class Presence:
    """The listeners of users' topics, by the uid of the user and the number of their connection.

    `publish(topic, event, payload)` sends who came and went.
    """

    def __init__(self, publish: Callable[[str, str, Any], None]) -> None:
        self._publish = publish
        self._present: dict[str, dict[int, tuple[str, dict[str, Any]]]] = {}
        self._last = 0

    def state(self, uid: str, newcomer: int) -> dict[str, Any]:
        """Who listens besides a newcomer."""
        metas: dict[str, list[dict[str, Any]]] = {}
        for number, (who, meta) in self._present.get(uid, {}).items():
            if number != newcomer:
                metas.setdefault(who, []).append(meta)
        return {who: {"metas": found} for who, found in metas.items()}

    def come(self, uid: str, user: StxUser, number: int) -> None:
        """A connection of `user` listens. Whoever comes again goes first."""
        self.go(uid, number)
        self._last += 1
        meta = {"phx_ref": f"F{self._last:011}"}
        self._present.setdefault(uid, {})[number] = user.uid, meta
        self._tell(uid, joins={user.uid: {"metas": [meta]}})

    def go(self, uid: str, number: int) -> None:
        """A connection listens no more, if it did."""
        present = self._present.get(uid, {})
        if number in present:
            who, meta = present.pop(number)
            if not present:
                del self._present[uid]
            self._tell(uid, leaves={who: {"metas": [meta]}})

    def _tell(self, uid: str, *, joins: Any = {}, leaves: Any = {}) -> None:  # noqa: B006 - never changed
        self._publish(f"user_info:{uid}", "presence_diff", {"joins": joins, "leaves": leaves})

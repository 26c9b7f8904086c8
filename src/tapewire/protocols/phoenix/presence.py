"""Presence: who is on a topic, kept from `presence_state` and `presence_diff`. Pure: no timers, no session.

Give every `Frame` of the topic to `receive`, in order. Entries look as on the wire:
`{"metas": [{"phx_ref": ...}, ...]}`, and whatever else the server adds. A diff that comes before the state of the
current join waits for it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar, overload

import msgspec

from ...errors import UndecodableFrame
from ..base import Binary
from .frames import DECODE_ERRORS, Frame

__all__ = ["MAX_PENDING_DIFFS", "Entry", "Presence"]

MAX_PENDING_DIFFS = 1000
"""Diffs that wait for the state of the current join; beyond, the oldest is dropped and counted."""

Entry: TypeAlias = dict[str, Any]
Entries: TypeAlias = dict[str, Entry]
Changed: TypeAlias = Callable[[str, "Entry | None", Entry], None]

T = TypeVar("T")

_decode_entries = msgspec.json.Decoder(Entries).decode


class _Diff(msgspec.Struct):
    joins: Entries = {}
    leaves: Entries = {}


_decode_diff = msgspec.json.Decoder(_Diff).decode


class Presence:
    """The presences of one topic.

    `on_join(key, before, joined)`: `before` is the entry as it was, None for a new key; `joined` has the new metas
    only. `on_leave(key, now, left)`: `now` is what stays, with no metas where the key is gone; `left` has the metas
    that went. In one message all joins are told before all leaves, so that an update is never seen as an absence.
    `dropped` counts diffs given up because the state did not come.
    """

    def __init__(
        self,
        on_join: Changed | None = None,
        on_leave: Changed | None = None,
        *,
        state_event: str = "presence_state",
        diff_event: str = "presence_diff",
    ) -> None:
        self._on_join = on_join
        self._on_leave = on_leave
        self._state_event = state_event
        self._diff_event = diff_event
        self._entries: Entries = {}
        self._synced = False
        self._pending: deque[_Diff] = deque(maxlen=MAX_PENDING_DIFFS)
        self.dropped: int = 0

    @property
    def synced(self) -> bool:
        """True once the state of the current join has come."""
        return self._synced

    def receive(self, frame: Frame) -> bool:
        """Take one frame of the topic; True where it belonged to presence. Raises UndecodableFrame."""
        if frame.event == "phx_reply" and frame.join_ref is not None and frame.ref == frame.join_ref:
            self.rejoined()
            return False
        if frame.event == self._state_event:
            self._sync(_decode(_decode_entries, frame))
            return True
        if frame.event == self._diff_event:
            diff = _decode(_decode_diff, frame)
            if self._synced:
                self._apply(diff)
            else:
                self.dropped += len(self._pending) == MAX_PENDING_DIFFS
                self._pending.append(diff)
            return True
        return False

    def rejoined(self) -> None:
        """The topic was joined anew: diffs wait for its state. Join replies are seen by `receive`, except V1's."""
        self._synced = False
        self._pending.clear()

    @overload
    def list(self) -> list[Entry]: ...
    @overload
    def list(self, by: Callable[[str, Entry], T]) -> list[T]: ...
    def list(self, by: Callable[[str, Entry], Any] | None = None) -> list[Any]:
        """The entries, or what `by(key, entry)` makes of each. The entries are ours: do not change them."""
        if by is None:
            return [*self._entries.values()]
        return [by(key, entry) for key, entry in self._entries.items()]

    def __contains__(self, key: object) -> bool:
        return key in self._entries

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return f"<Presence keys={len(self._entries)} {'synced' if self._synced else 'waiting for the state'}>"

    def _sync(self, state: Entries) -> None:
        """The state replaces ours; what differs is told as joins and leaves."""
        joins, leaves = {}, {}
        for key, entry in self._entries.items():
            gone = _without(entry, state.get(key))
            if gone["metas"] or key not in state:
                leaves[key] = gone
        for key, entry in state.items():
            new = _without(entry, self._entries.get(key))
            if new["metas"] or key not in self._entries:
                joins[key] = new
        self._apply(_Diff(joins, leaves))
        self._synced = True
        pending = [*self._pending]
        self._pending.clear()
        for diff in pending:
            self._apply(diff)

    def _apply(self, diff: _Diff) -> None:
        for key, joined in diff.joins.items():
            before = self._entries.get(key)
            metas = _without(before, joined)["metas"] if before is not None else []
            self._entries[key] = {**joined, "metas": [*metas, *_metas(joined)]}
            if self._on_join is not None:
                self._on_join(key, before, joined)
        for key, left in diff.leaves.items():
            present = self._entries.get(key)
            if present is None:
                continue
            stays = _without(present, left)
            if stays["metas"]:
                self._entries[key] = stays
            else:
                del self._entries[key]
            if self._on_leave is not None:
                self._on_leave(key, stays, left)


def _metas(entry: Entry) -> list[dict[str, Any]]:
    metas = entry.get("metas")
    return [meta for meta in metas if isinstance(meta, dict)] if isinstance(metas, list) else []


def _without(entry: Entry, other: Entry | None) -> Entry:
    """`entry` without the metas that `other` has too, by `phx_ref`."""
    refs = [meta.get("phx_ref") for meta in _metas(other or {})]
    return {**entry, "metas": [meta for meta in _metas(entry) if meta.get("phx_ref") not in refs]}


def _decode(decode: Callable[[Any], T], frame: Frame) -> T:
    if isinstance(frame.payload, Binary):
        raise UndecodableFrame(f"{frame.event} is binary", frame.payload, frame.topic)
    try:
        return decode(frame.payload)
    except DECODE_ERRORS as error:
        raise UndecodableFrame(f"{frame.event}: {error}"[:200], bytes(frame.payload), frame.topic) from None

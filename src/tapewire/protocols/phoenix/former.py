"""V1 only: joins of ours that were left or superseded, and whose end the server has yet to say. Pure.

V1 frames name no join. But the server ends each join exactly once: a refused one by its reply, any other by one
`phx_close` or `phx_error` without a ref. So that many of these belong to the past, and are not the current join's.
"""

from __future__ import annotations

from .frames import Frame
from .replies import answer_in

__all__ = ["FormerJoins"]


class FormerJoins:
    """The former joins of every topic. It holds as many refs as ends are owed to us."""

    def __init__(self) -> None:
        self._refs: dict[str, list[str]] = {}

    def add(self, topic: str, join_ref: str) -> None:
        """This join is not the current one any more."""
        self._refs.setdefault(topic, []).append(join_ref)

    def owns(self, frame: Frame) -> bool:
        """True if `frame` is the end of a former join, which is then done with."""
        refs = self._refs.get(frame.topic)
        if not refs:
            return False
        ref = None if frame.ref is None else str(frame.ref)
        if frame.event == "phx_reply":
            answer = answer_in(frame) if ref in refs else None
            if answer is None or answer.status == "ok":
                return ref in refs
        elif frame.event not in ("phx_error", "phx_close"):
            return False
        if ref is None:
            refs.pop(0)
        elif ref in refs:
            refs.remove(ref)
        else:
            return False
        if not refs:
            del self._refs[frame.topic]
        return True

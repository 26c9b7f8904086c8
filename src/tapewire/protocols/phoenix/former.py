"""Joins of ours that were left or superseded, and whose end the server has yet to say. Pure.

A server's socket answers a join at once, and only then comes to what waited in its mailbox: broadcasts to the
membership before it, and the end of that. So a publication that names no join (any in V1, a broadcast in V2) is the
former membership's until its end is said, be it before the reply to the new join or behind it.

The server ends each join exactly once: a refused one by its reply, any other by one `phx_close` or `phx_error`, in V1
perhaps without a ref: there as many of these as there are former joins belong to the past. It answers the joins of one
topic in order: one that was passed over, or whose leave was answered before it was, has no end to say.
(`Phoenix.Socket`, 1.7; the order of the frames was seen on a real one.)
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from .frames import Frame, Ref
from .replies import answer_in

__all__ = ["FormerJoins"]


class _Former(msgspec.Struct):
    join_ref: str
    answered: bool
    leave_ref: str = ""


class FormerJoins:
    """The former joins of every topic. It holds as many as ends are owed to us."""

    def __init__(self) -> None:
        self._joins: dict[str, list[_Former]] = {}
        self.owes: Callable[[str], bool] = self._joins.__contains__
        """True while the end of a former join of this topic is still to be said. Asked for with each join."""

    def add(self, topic: str, join_ref: str, *, answered: bool, leave_ref: str = "") -> None:
        """This join is not the current one any more. `answered`: the server had granted it."""
        self._joins.setdefault(topic, []).append(_Former(join_ref, answered, leave_ref))

    def passed_over(self, topic: str) -> None:
        """The current join was answered: a former one that was not never will be."""
        self._keep(topic, [former for former in self._joins.get(topic, ()) if former.answered])

    def forget(self, topic: str) -> None:
        """Nothing more is expected of the former joins of `topic`."""
        self._joins.pop(topic, None)

    def owns(self, frame: Frame) -> bool:
        """True if this control frame is about a former join, which is done with where this is its end."""
        known = self._joins.get(frame.topic)
        if not known:
            return False
        ref = _text(frame.ref)
        if frame.event == "phx_reply":
            former = next((each for each in known if ref in (each.join_ref, each.leave_ref)), None)
            ended = former is not None and _ends(frame, former, ref)
        elif frame.event in ("phx_error", "phx_close"):
            ref = _text(frame.join_ref) or ref
            former = next((each for each in known if ref in ("", each.join_ref)), None)
            ended = True
        else:
            return False
        if former is None:
            return False
        if ended:
            self._keep(frame.topic, [each for each in known if each is not former])
        return True

    def _keep(self, topic: str, joins: list[_Former]) -> None:
        if joins:
            self._joins[topic] = joins
        else:
            self._joins.pop(topic, None)


def _ends(reply: Frame, former: _Former, ref: str) -> bool:
    """True if the reply says that the join was refused, or was given up before it was answered."""
    if ref != former.join_ref:
        return not former.answered
    answer = answer_in(reply)
    if answer is None:
        return False
    former.answered = answer.status == "ok"
    return not former.answered


def _text(ref: Ref) -> str:
    return "" if ref is None else str(ref)

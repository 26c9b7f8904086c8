"""What a feed is worth, as one literal table: `(state, input) -> state`. Pure.

Rules:

* Every pair stands in the table or is an error that names both.
* It is worse at once, as soon as the reader knows; it is better only for a reason: the venue serves it (a stream of
  events), or the state that it stands for is proven anew (a book, what is our own).
* A gap in a stream of events is over as soon as it is said, for what follows is whole again: `gap`, then `live`. Where
  the feed stands for a state, a gap stays until that state is rebuilt.
* A line that is lost makes `stale`, not `gap`: whether something is missing is known when the venue has, or has not,
  replayed it.

docs/states.md is drawn from this table by `scripts/state_diagrams.py`; a test compares them.
"""

from __future__ import annotations

from enum import Enum
from types import MappingProxyType
from typing import Literal, TypeAlias

import msgspec

from ..errors import IllegalTransition
from ..marks import ContinuityChanged, ContinuityState

__all__ = ["TABLE", "Continuity", "ContinuityInput", "ContinuityMachine", "Proof"]

Proof: TypeAlias = Literal["numbered", "recoverable", "chained", "snapshot", "none"]
"""How a hole is seen. `numbered`: each publication has the next number. `recoverable`: numbered, and the venue replays
what was missed. `chained`: each change names the state it follows. `snapshot`: by the connection alone, and the state
is then fetched anew. `none`: by the connection alone, and what was missed is gone."""


class ContinuityInput(Enum):
    """What can happen to a feed."""

    SERVED = "served"  # the venue serves it, and nothing has to be built first
    PROVEN = "proven"  # what is known is the venue's own present state
    LOST = "lost"  # the line, or this one subscription, is lost and asked for again
    RECOVERED = "recovered"  # it is back, and what was missed is replayed
    BROKEN = "broken"  # something is missing, or cannot be
    REBUILDING = "rebuilding"  # a snapshot was asked for
    MUTE = "mute"  # silent for longer than its class, and nothing spoke for it
    HEARD = "heard"  # it spoke again
    END = "end"


S, On = ContinuityState, ContinuityInput

TABLE: MappingProxyType[tuple[ContinuityState, ContinuityInput], ContinuityState] = MappingProxyType(
    {
        (S.SYNCING, On.SERVED): S.LIVE,
        (S.SYNCING, On.PROVEN): S.LIVE,
        (S.SYNCING, On.LOST): S.SYNCING,
        (S.SYNCING, On.RECOVERED): S.SYNCING,
        (S.SYNCING, On.BROKEN): S.GAP,
        (S.SYNCING, On.REBUILDING): S.SYNCING,
        (S.SYNCING, On.MUTE): S.SYNCING,
        (S.SYNCING, On.HEARD): S.SYNCING,
        (S.SYNCING, On.END): S.ENDED,
        #
        (S.LIVE, On.SERVED): S.LIVE,
        (S.LIVE, On.PROVEN): S.LIVE,
        (S.LIVE, On.LOST): S.STALE,
        (S.LIVE, On.RECOVERED): S.LIVE,
        (S.LIVE, On.BROKEN): S.GAP,
        (S.LIVE, On.REBUILDING): S.RESYNCING,
        (S.LIVE, On.MUTE): S.STALE,
        (S.LIVE, On.HEARD): S.LIVE,
        (S.LIVE, On.END): S.ENDED,
        #
        (S.STALE, On.SERVED): S.LIVE,
        (S.STALE, On.PROVEN): S.LIVE,
        (S.STALE, On.LOST): S.STALE,
        (S.STALE, On.RECOVERED): S.LIVE,
        (S.STALE, On.BROKEN): S.GAP,
        (S.STALE, On.REBUILDING): S.RESYNCING,
        (S.STALE, On.MUTE): S.STALE,
        (S.STALE, On.HEARD): S.LIVE,
        (S.STALE, On.END): S.ENDED,
        #
        (S.GAP, On.SERVED): S.GAP,
        (S.GAP, On.PROVEN): S.LIVE,
        (S.GAP, On.LOST): S.GAP,
        (S.GAP, On.RECOVERED): S.GAP,
        (S.GAP, On.BROKEN): S.GAP,
        (S.GAP, On.REBUILDING): S.RESYNCING,
        (S.GAP, On.MUTE): S.GAP,
        (S.GAP, On.HEARD): S.GAP,
        (S.GAP, On.END): S.ENDED,
        #
        (S.RESYNCING, On.SERVED): S.RESYNCING,
        (S.RESYNCING, On.PROVEN): S.LIVE,
        (S.RESYNCING, On.LOST): S.GAP,
        (S.RESYNCING, On.RECOVERED): S.RESYNCING,
        (S.RESYNCING, On.BROKEN): S.GAP,
        (S.RESYNCING, On.REBUILDING): S.RESYNCING,
        (S.RESYNCING, On.MUTE): S.RESYNCING,
        (S.RESYNCING, On.HEARD): S.RESYNCING,
        (S.RESYNCING, On.END): S.ENDED,
        #
        (S.ENDED, On.SERVED): S.ENDED,
        (S.ENDED, On.PROVEN): S.ENDED,
        (S.ENDED, On.LOST): S.ENDED,
        (S.ENDED, On.RECOVERED): S.ENDED,
        (S.ENDED, On.BROKEN): S.ENDED,
        (S.ENDED, On.REBUILDING): S.ENDED,
        (S.ENDED, On.MUTE): S.ENDED,
        (S.ENDED, On.HEARD): S.ENDED,
        (S.ENDED, On.END): S.ENDED,
    }
)


_SAY_WHY = frozenset({On.LOST, On.BROKEN})
"""Whose reason counts also where the state stays: it is what speaks against the feed now."""


class Continuity(msgspec.Struct, frozen=True, kw_only=True):
    """What a feed is worth. Act only on a feed that `is_live`.

    `reason`: why it is not live, empty while it is. `since_ns`: when it came to be so (wall clock). `missed`: how many
    publications the last gap swallowed, None where nobody can say, 0 where there was none. `proof`: how a hole would be
    seen.
    """

    state: ContinuityState
    proof: Proof
    since_ns: int
    reason: str = ""
    missed: int | None = 0

    @property
    def is_live(self) -> bool:
        """True while it is whole and current."""
        return self.state is ContinuityState.LIVE


class ContinuityMachine:
    """Walks the table; `now_ns` of each input is the wall clock's."""

    __slots__ = ("continuity",)

    def __init__(self, proof: Proof, now_ns: int) -> None:
        self.continuity: Continuity = Continuity(
            state=ContinuityState.SYNCING, proof=proof, since_ns=now_ns, reason="not served yet"
        )

    def handle(
        self, received: ContinuityInput, now_ns: int, reason: str = "", missed: int | None = 0
    ) -> ContinuityChanged | None:
        """Take one input: the change to tell, None where it is as before. Raises IllegalTransition."""
        former = self.continuity
        if (former.state, received) not in TABLE:
            raise IllegalTransition(former.state, received)
        state = TABLE[former.state, received]
        is_worse = received is ContinuityInput.BROKEN
        told = missed if is_worse else former.missed
        is_live = state is ContinuityState.LIVE
        if state is former.state and (is_live or received not in _SAY_WHY):
            return None
        since_ns = former.since_ns if state is former.state else now_ns
        self.continuity = Continuity(
            state=state, proof=former.proof, since_ns=since_ns, reason="" if is_live else reason, missed=told
        )
        if state is former.state:
            return None
        return ContinuityChanged(
            state=state, before=former.state, at_ns=now_ns, reason=reason, missed=told if is_worse else None
        )

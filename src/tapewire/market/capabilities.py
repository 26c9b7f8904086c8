"""What a venue can, verb by verb, as data: so that a program can ask before it asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias, get_args

import msgspec

from ..errors import NotSupported
from .continuity import Proof

__all__ = ["VERBS", "Capability", "Verb", "check_verb"]

Verb: TypeAlias = Literal[
    "markets",
    "instruments",
    "watch_order_book",
    "watch_trades",
    "watch_ticker",
    "watch_orders",
    "watch_fills",
    "watch_positions",
    "watch_balance",
    "place_order",
    "cancel_order",
    "cancel_all",
    "open_orders",
]

VERBS: Final[tuple[Verb, ...]] = get_args(Verb)


class Capability(msgspec.Struct, frozen=True, kw_only=True):
    """What a venue has for one verb.

    `supported`: False where it has nothing; then `instead` is the verb that comes nearest, if any does, and `note` says
    why. `proof`: how a hole is seen. `depth`: levels of a side at most, None for all. `conflated_ms`: the venue joins
    what happens within so many milliseconds into one message; None where it tells each. `private`: needs credentials.
    `is_lossy`: what the venue sends may leave out some even on a line that holds. `simulated`: on paper, by
    `tapewire.paper`. `note`: what else there is to know.
    """

    supported: bool = True
    proof: Proof = "none"
    depth: int | None = None
    conflated_ms: int | None = None
    private: bool = False
    is_lossy: bool = False
    simulated: bool = False
    instead: Verb | None = None
    note: str = ""


_NOTHING: Final = Capability(supported=False)


def check_verb(verb: Verb, venue: str, capabilities: Mapping[Verb, Capability]) -> Capability:
    """What `venue` has for `verb`. Raises NotSupported where that is nothing; what is not listed is nothing."""
    capability = capabilities.get(verb, _NOTHING)
    if not capability.supported:
        raise NotSupported(verb, venue, capability.instead, capability.note)
    return capability

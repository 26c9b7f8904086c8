"""What differs between the venue's two generations of wire, as data: the rest of this package has no branch for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

import msgspec

from . import wire_v2, wire_v3
from .fields import V2_FIELDS, V3_FIELDS, V3_PLAIN, V3_QUICK, FieldMap, PlainRow, Quick
from .wire import Depth, Frame, Heard, Ping

__all__ = ["PROFILES", "V2", "V3", "Profile"]


class _SymbolTopic(Protocol):
    def __call__(self, channel: str, symbol: str, depth: int = 0) -> str: ...


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """One wire.

    `greets`: the venue speaks first. `batch`: topics in one request. `unanswered`: requests that may be under way at
    one time; while so many are, further topics wait and go together. `fields`: the names of what rows hold. `plain`:
    the channels whose rows may wait to be read. `quick`: what reads rows of the usual form, or gives None.
    """

    name: str
    greets: bool
    batch: int
    unanswered: int
    fields: Mapping[str, FieldMap]
    plain: Mapping[str, PlainRow]
    quick: Mapping[str, Quick]
    read: Callable[[bytes], Heard]
    subscribe: Callable[[Sequence[str], int], bytes]
    unsubscribe: Callable[[Sequence[str], int], bytes]
    pong: Callable[[Ping, int], bytes]
    culprits: Callable[[str, Sequence[str]], list[str]]
    topic_in: Callable[[bytes], str | None]
    symbol_topic: _SymbolTopic
    kline_topic: Callable[[str, str, str], str]
    levels: Callable[[Frame], Depth]

    def __repr__(self) -> str:
        return f"Profile({self.name!r})"


V3: Final = Profile(
    name="v3",
    greets=True,
    batch=100,
    unanswered=2,
    fields=V3_FIELDS,
    plain=V3_PLAIN,
    quick=V3_QUICK,
    read=wire_v3.read,
    subscribe=wire_v3.subscribe,
    unsubscribe=wire_v3.unsubscribe,
    pong=wire_v3.pong,
    culprits=wire_v3.culprits,
    topic_in=wire_v3.topic_in,
    symbol_topic=wire_v3.symbol_topic,
    kline_topic=wire_v3.kline_topic,
    levels=wire_v3.levels,
)

V2: Final = Profile(
    name="v2",
    greets=False,  # no recording shows a greeting; where one comes it is taken
    batch=1,
    unanswered=20,
    fields=V2_FIELDS,
    plain={},
    quick={},
    read=wire_v2.read,
    subscribe=wire_v2.subscribe,
    unsubscribe=wire_v2.unsubscribe,
    pong=wire_v2.pong,
    culprits=wire_v2.culprits,
    topic_in=wire_v2.topic_in,
    symbol_topic=wire_v2.symbol_topic,
    kline_topic=wire_v2.kline_topic,
    levels=wire_v2.levels,
)

PROFILES: Final[Mapping[str, Profile]] = {"v3": V3, "v2": V2}
"""The wires there are, by the version in their addresses."""

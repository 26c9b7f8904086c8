"""The published order books of the played WEEX: windows of 15 and 200 levels, and the chain of their versions. Pure.

Every change of a market raises its version. A window is published when `publish` finds that it differs from what was
published last: the frame's `U` is the `u` of the frame before it, on that stream; so a client that missed one knows.
Snapshots, of sockets and of REST, show what was published last, never what is newer (weex.md 3.3: both agree).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from ...core.exchange import Market
from ...core.matching import Side
from .contracts import Contract

__all__ = ["DEPTHS", "FIRST_VERSION", "BookStream"]

DEPTHS = (15, 200)
"""The windows that can be subscribed to, in levels of each side."""

FIRST_VERSION = 16_938_207_383

_Window = dict[Side, dict[int, int]]


class _State(msgspec.Struct, frozen=True):
    """What was published at some time."""

    first: int
    last: int
    window: _Window


class BookStream:
    """One window of one market's book. Give it the market after each change, or once for many changes."""

    def __init__(self, contract: Contract, market: Market, depth: int, version: int) -> None:
        self._contract = contract
        self._depth = depth
        self._state = _State(version, version, _window(market, depth))
        self._former = self._state

    @property
    def last(self) -> int:
        """The `u` of what was published last."""
        return self._state.last

    def publish(self, market: Market, version: int) -> dict[str, Any] | None:
        """The fields of a delta from what was published last to what is so now; None where nothing differs."""
        before, now = self._state.window, _window(market, self._depth)
        changes: dict[Side, list[list[str]]] = {side: self._changes(side, before, now) for side in now}
        if not changes["buy"] and not changes["sell"]:
            return None
        self._former, self._state = self._state, _State(self._state.last, version, now)
        return self._fields("CHANGED", self._state, changes["buy"], changes["sell"])

    def snapshot(self, *, former: bool = False) -> dict[str, Any]:
        """The fields of a snapshot; with `former` the one before the last: older than the deltas that follow."""
        state = self._former if former else self._state
        return self._fields("SNAPSHOT", state, self._levels("buy", state), self._levels("sell", state))

    @staticmethod
    def empty(depth: int) -> dict[str, Any]:
        """The one snapshot of a contract that is not traded any more."""
        return {"U": 0, "u": 0, "l": depth, "d": "SNAPSHOT", "b": [], "a": []}

    def _fields(
        self, kind: str, state: _State, bids: list[list[str]], asks: list[list[str]]
    ) -> dict[str, Any]:
        return {"U": state.first, "u": state.last, "l": self._depth, "d": kind, "b": bids, "a": asks}

    def _changes(self, side: Side, before: _Window, now: _Window) -> list[list[str]]:
        changed = [tick for tick, lots in now[side].items() if before[side].get(tick) != lots]
        gone = [tick for tick in before[side] if tick not in now[side]]
        return self._encode_levels(_sorted(side, [*changed, *gone]), now[side])

    def _levels(self, side: Side, state: _State) -> list[list[str]]:
        return self._encode_levels(state.window[side], state.window[side])

    def _encode_levels(self, ticks: Iterable[int], lots: dict[int, int]) -> list[list[str]]:
        contract = self._contract
        return [[contract.price(tick), contract.size(lots.get(tick, 0))] for tick in ticks]


def _window(market: Market, depth: int) -> _Window:
    return {"buy": dict(market.book.levels("buy", depth)), "sell": dict(market.book.levels("sell", depth))}


def _sorted(side: Side, ticks: list[int]) -> list[int]:
    return sorted(ticks, reverse=side == "buy")

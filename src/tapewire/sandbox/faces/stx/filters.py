"""The three filters of the `markets` topic, as document 000 describes them. Pure, so that a receiver's expectation can
be computed from the ledger with the same function that filtered what was sent.

Names that do not exist are dropped silently. An empty choice, or none, is no filter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

__all__ = ["FIELDS", "MANDATORY_FIELDS", "MESSAGE_TYPES", "RULES", "MarketSelection", "select"]

MANDATORY_FIELDS = ("market_id", "timestamp", "unix_timestamp")
MESSAGE_TYPES = ("market_updated", "market_created")
RULES = ("draw_no_bet", "home_winner", "spread", "total_points")
FIELDS = (
    "bids", "competition", "event_brief", "event_id", "event_start", "event_status", "event_type", "last_traded_price",
    "max_price", "offers", "position", "price", "probability", "question", "recent_trades", "result", "rules",
    "short_title", "specifier", "sport", "status", "symbol", "title", "trading", "volume_24h",
)  # fmt: skip


class MarketSelection(msgspec.Struct, frozen=True):
    """What one subscriber wants. None in a field: everything."""

    fields: tuple[str, ...] | None = None
    rules: tuple[str, ...] | None = None
    message_types: tuple[str, ...] | None = None

    @property
    def is_everything(self) -> bool:
        """True without any filter: the server then sends what it broadcasts to all."""
        return self.fields is None and self.rules is None and self.message_types is None

    @classmethod
    def of(cls, params: Any) -> MarketSelection:
        """The selection in a join's params."""
        given = params if isinstance(params, Mapping) else {}
        return cls(
            _known(given.get("fields"), FIELDS),
            _known(given.get("rule_filters"), RULES),
            _known(given.get("message_types"), MESSAGE_TYPES),
        )

    def changed(self, event: str, params: Any) -> MarketSelection | None:
        """The selection after a `select_*` push; None where `event` is none."""
        new = MarketSelection.of(params)
        if event == "select_fields":
            return msgspec.structs.replace(self, fields=new.fields)
        if event == "select_rule_filters":
            return msgspec.structs.replace(self, rules=new.rules)
        if event == "select_message_types":
            return msgspec.structs.replace(self, message_types=new.message_types)
        return None

    def echo(self) -> dict[str, Any]:
        """The reply: what is in effect."""
        return {
            "selected_fields": list(self.fields or FIELDS),
            "mandatory_fields": list(MANDATORY_FIELDS),
            "available_rules": list(RULES),
            "selected_rule_filters": None if self.rules is None else list(self.rules),
            "selected_message_types": list(self.message_types or MESSAGE_TYPES),
        }


def select(
    event: str, payload: Mapping[str, Any], selection: MarketSelection, rules: Mapping[str, str]
) -> dict[str, Any] | None:
    """The part of a publication that a subscriber with `selection` is sent; None for nothing at all.

    `payload` is keyed by market id. `rules` names each market's rule: an update that did not change it does not say.
    """
    if selection.message_types is not None and event not in selection.message_types:
        return None
    chosen: dict[str, Any] = {}
    for market_id, content in payload.items():
        if selection.rules is not None and rules.get(market_id) not in selection.rules:
            continue
        if selection.fields is not None:
            kept = (*selection.fields, *MANDATORY_FIELDS)
            content = {name: value for name, value in content.items() if name in kept}
        chosen[market_id] = content
    return chosen or None


def _known(names: Any, known: Sequence[str]) -> tuple[str, ...] | None:
    if not isinstance(names, list):
        return None
    return tuple(dict.fromkeys(name for name in names if isinstance(name, str) and name in known)) or None

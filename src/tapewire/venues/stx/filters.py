"""The three filter axes of the markets channel: at the join, and changed by a push (document 000). Pure.

`fields`: a list; omitted or empty means all. `rule_filters`: a list; omitted, empty or null means all markets.
`message_types`: a list; omitted means both. Unknown names are the venue's to drop; wrong types are refused here.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from .errors import STXInvalidParameterException

__all__ = ["FILTERS", "changed_by_push", "checked_join_params"]

logger = logging.getLogger("tapewire.venues.stx")

FILTERS = ("fields", "rule_filters", "message_types")
_BY_EVENT = {f"select_{name}": name for name in FILTERS}


def checked_join_params(join_params: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The join's payload. Other members than the filters go through as they are. Raises for a filter of no use."""
    if join_params is None:
        return None
    if not isinstance(join_params, Mapping):
        raise STXInvalidParameterException("join_params", join_params, "a mapping, or None")
    for name in FILTERS:
        _check(name, join_params.get(name))
    if unknown := sorted(join_params.keys() - set(FILTERS) - {"cancel_on_disconnect"}):
        logger.warning(
            "join_params: %s: no filters (%s); sent as they are", ", ".join(unknown), ", ".join(FILTERS)
        )
    return dict(join_params)


def changed_by_push(event: str, payload: Any) -> dict[str, Any] | None:
    """The join parameters that a push replaces; None for any other push. Raises for a filter of no use."""
    name = _BY_EVENT.get(event)
    if name is None:
        return None
    if not isinstance(payload, Mapping) or name not in payload:
        raise STXInvalidParameterException("payload", payload, f'{{"{name}": [...]}}')
    _check(name, payload[name])
    return {name: payload[name]}


def _check(name: str, value: Any) -> None:
    nullable = " or null" if name == "rule_filters" else ""
    if value is None and (nullable or name in FILTERS):
        return
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        raise STXInvalidParameterException(name, value, f"a list of names{nullable}")

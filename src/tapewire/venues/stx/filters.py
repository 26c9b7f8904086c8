"""The three filter axes of the markets channel: at the join, and changed by a push (document 000). Pure.

Only what the venue accepted is joined with again, whoever said it. A change that was sent and not answered, or could
not be sent, is asked for at the next join, and forgotten where that is refused.

`fields`: a list; omitted or empty means all. `rule_filters`: a list; omitted, empty or null means all markets.
`message_types`: a list; omitted means both. Unknown names are the venue's to drop; wrong types are refused here.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from .errors import STXInvalidParameterException

__all__ = ["FILTERS", "JoinParams", "changed_by_push", "checked_join_params"]

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


class JoinParams:
    """The parameters of one channel's joins: as the venue accepted them, and changes that it has yet to answer."""

    def __init__(self, joined_with: Mapping[str, Any] | None) -> None:
        self._accepted = dict(joined_with or {})
        self._open: list[Mapping[str, Any]] = []

    @property
    def next(self) -> dict[str, Any]:
        """What is asked for at the next join."""
        params = dict(self._accepted)
        for change in self._open:
            params.update(change)
        return params

    def change(self, change: Mapping[str, Any]) -> None:
        """A change is asked for."""
        self._open.append(change)

    def answer(self, change: Mapping[str, Any], *, accepted: bool) -> None:
        """The venue's word on it: its answer, or that of a join that had it. Nothing where it was forgotten before."""
        if any(each is change for each in self._open):
            self._open = [each for each in self._open if each is not change]
            if accepted:
                self._accepted.update(change)

    def forget_open(self) -> list[str]:
        """A join was refused: the changes that nobody accepted are not asked for again. Returns their names."""
        names = [name for change in self._open for name in change]
        self._open.clear()
        return names


def _check(name: str, value: Any) -> None:
    nullable = " or null" if name == "rule_filters" else ""
    if value is None and (nullable or name in FILTERS):
        return
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        raise STXInvalidParameterException(name, value, f"a list of names{nullable}")

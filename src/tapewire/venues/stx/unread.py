"""The fields of a message of one market, which was checked as far as anything is made of it, and is read on demand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from ..kit.fields import exact_json

__all__ = ["UnreadFields"]

_by_market = msgspec.json.Decoder(dict[str, dict[str, msgspec.Raw]]).decode


class UnreadFields(Mapping[str, Any]):
    """All that a message says of a market, decoded when somebody first looks: numbers exact, as in a dict of it.

    Nothing is made of what cannot be read, so that it raises nothing: a value of which that is true stays as it was
    written, a `msgspec.Raw`. Copied, or pickled, it is that dict.
    """

    __slots__ = ("_fields", "_market_id", "_payload")

    def __init__(self, payload: Any, market_id: str) -> None:
        self._payload = payload
        self._market_id = market_id
        self._fields: dict[str, Any] | None = None

    def __getitem__(self, name: str) -> Any:
        return self._read()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (self._read(),)

    def __repr__(self) -> str:
        return repr(self._read())

    def _read(self) -> dict[str, Any]:
        if self._fields is None:
            try:
                self._fields = exact_json(self._payload)[self._market_id]
            except (ValueError, RecursionError):
                self._fields = self._one_by_one()
            self._payload = None
        assert self._fields is not None
        return self._fields

    def _one_by_one(self) -> dict[str, Any]:
        try:
            return {name: _read(raw) for name, raw in _by_market(self._payload)[self._market_id].items()}
        except (ValueError, RecursionError):  # not even the names
            return {"": self._payload}


def _read(raw: msgspec.Raw) -> Any:
    try:
        return exact_json(raw)
    except (ValueError, RecursionError):
        return raw

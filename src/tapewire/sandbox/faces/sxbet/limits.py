"""How often the played SX Bet may be called (sxbet.md 1.4, "Rate limits"): counts within fixed windows. Pure."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["CALLS_PER_MINUTE", "CallLimits"]

CALLS_PER_MINUTE: Mapping[str, int] = {"/orders": 5_500, "/trades": 200, "": 500}
"""By the beginning of the path; the last one is everything else."""

OVERALL = (35_000, 600.0)


class CallLimits:
    """Counts calls. `now` is in seconds."""

    def __init__(self, per_minute: Mapping[str, int] = CALLS_PER_MINUTE) -> None:
        self._per_minute = per_minute
        self._windows: dict[str, tuple[float, int]] = {}

    def admits(self, path: str, now: float) -> bool:
        """Count one call; False where it is one too many."""
        kind = next((start for start in self._per_minute if path.startswith(start)), "")
        most, seconds = OVERALL
        return self._counts(kind, self._per_minute.get(kind, most), 60.0, now) and self._counts(
            "all", most, seconds, now
        )

    def _counts(self, kind: str, most: int, seconds: float, now: float) -> bool:
        began, count = self._windows.get(kind, (now, 0))
        if now - began >= seconds:
            began, count = now, 0
        self._windows[kind] = (began, count + 1)
        return count < most

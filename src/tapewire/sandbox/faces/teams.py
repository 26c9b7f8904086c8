"""The made-up teams that play at the betting venues."""

from __future__ import annotations

import random

__all__ = ["two_teams"]

_TOWNS = (
    "Alderby",
    "Brackwater",
    "Corran",
    "Dunmere",
    "Eastfold",
    "Fenwick Bay",
    "Galloway Point",
    "Harrowgate",
)
_TEAMS = ("Anchors", "Beacons", "Cormorants", "Drovers", "Foxes", "Harriers", "Kestrels", "Millers")


def two_teams(chance: random.Random) -> tuple[str, str]:
    """The home and the away side of a game, of two towns."""
    home, away = (f"{town} {chance.choice(_TEAMS)}" for town in chance.sample(_TOWNS, 2))
    return home, away

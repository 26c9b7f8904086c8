"""The faces: one venue each. A face is imported when it is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from ...errors import ConfigurationError
from ..face import Face, Stage

__all__ = ["FACES", "make_face"]

FACES = {
    "stx": "stx:StxFace",
    "sxbet": "sxbet:SxBetFace",
    "stake": "stake:StakeFace",
    "weex": "weex:WeexFace",
}
"""Module and class of each venue's face."""


def make_face(venue: str, stage: Stage, **settings: Any) -> Face:
    """The face of that venue. Raises ConfigurationError for one that has none."""
    if venue not in FACES:
        raise ConfigurationError("venues", venue, sorted(FACES))
    module, _, name = FACES[venue].partition(":")
    face: Face = getattr(import_module(f".{module}", __name__), name)(stage, **settings)
    return face

"""The faces: one venue each. A face is imported when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from ...errors import ConfigurationError, MissingExtra
from ..face import FaceContext
from ..play import TopicFace

__all__ = ["FACES", "make_face"]

FACES = {
    "stx": "stx.face:StxFace",
    "sxbet": "sxbet.face:SxBetFace",
    "stake": "stake.face:StakeFace",
    "weex": "weex.face:WeexFace",
}
"""Module and class of each venue's face. `template.py` is of none: it is there to be copied."""


def make_face(
    venue: str,
    context: FaceContext,
    further: Mapping[str, Callable[..., TopicFace[Any]]] | None = None,
    **settings: Any,
) -> TopicFace[Any]:
    """The face of that venue, one of ours or of `further` ones.

    Raises ConfigurationError for one that has none, MissingExtra for what it needs.
    """
    if further is not None and venue in further:
        return further[venue](context, **settings)
    if venue not in FACES:
        raise ConfigurationError("venues", venue, sorted([*FACES, *(further or ())]))
    module, _, name = FACES[venue].partition(":")
    try:
        loaded = import_module(f".{module}", __name__)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "tapewire":
            raise
        raise MissingExtra("the sandbox", "sandbox", error.name) from error
    face: TopicFace[Any] = getattr(loaded, name)(context, **settings)
    return face

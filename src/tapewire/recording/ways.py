"""The settings that put a venue's classes on a tape: every venue's own classes, and `tapewire.connect`, take them.

    async with tapewire.connect(name, **recorded(recorder)) as venue: ...
    async with tapewire.connect(replay.venue, **replayed(replay)) as venue: ...      # inside `replay.run`

There is no `tape=` of `connect`: a replay brings the event loop in whose time all of a program runs, and several venues
may be on it.
"""

from __future__ import annotations

from typing import Any

from ..transport import default_connector
from ..transport.base import Connector
from .recorder import Recorder
from .replay import Replay
from .tap import RecordingConnector

__all__ = ["recorded", "replayed"]


def recorded(
    recorder: Recorder, *, connector: Connector | None = None, http_transport: Any = None
) -> dict[str, Any]:
    """`connector` and `http_transport` that note on the tape what passes through those given, else through our own.

    `proxy=` and `ssl=` of a class do not reach HTTP where it is given a transport: there the environment's count.
    """
    from .http import RecordingHttp  # a program without HTTP does not pay for it

    return {
        "connector": RecordingConnector(connector or default_connector(), recorder),
        "http_transport": RecordingHttp(http_transport, recorder),
    }


def replayed(replay: Replay) -> dict[str, Any]:
    """`connector`, `http_transport` and `clock` of the tape."""
    from .http import ReplayHttp

    return {
        "connector": replay.connector,
        "http_transport": ReplayHttp(replay.answers),
        "clock": replay.clock,
    }

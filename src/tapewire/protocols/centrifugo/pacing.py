"""How much may be under way at once. Pure; one object is shared by all connections of a session.

A server closes with 3008 when its queue to us is full, which the replies to many recovering subscriptions can do by
themselves, and with 1009 when one of our messages is too large. Both would happen again on the next connection if it
did the same: `shrink` makes it do less. What concerns single channels is in `replays`.
"""

from __future__ import annotations

from ...errors import ConfigurationError
from .codes import MESSAGE_TOO_BIG, SLOW
from .replays import Replays

__all__ = ["Pacing"]


class Pacing:
    """Windows and sizes, now and at most.

    `subscribe_window`: subscriptions asked for and not yet answered; `recovering_window`: how many of them may ask for
    what they missed; `paging_window`: pages of history asked for and not yet answered. `max_frame`: bytes of commands
    put into one WebSocket message; Centrifugo takes 65,536 unless its operator says otherwise. Raises
    ConfigurationError.
    """

    __slots__ = (
        "_most_paging",
        "_most_recovering",
        "_most_subscribing",
        "max_frame",
        "paging_window",
        "recovering_window",
        "replays",
        "subscribe_window",
    )

    def __init__(
        self,
        *,
        subscribe_window: int = 64,
        recovering_window: int = 16,
        paging_window: int = 16,
        max_frame: int = 48_000,
    ) -> None:
        for name, value in (
            ("subscribe_window", subscribe_window),
            ("recovering_window", recovering_window),
            ("paging_window", paging_window),
            ("max_frame", max_frame),
        ):
            if type(value) is not int or value < 1:
                raise ConfigurationError(name, value, "a whole number from 1")
        self._most_subscribing = subscribe_window
        self._most_recovering = recovering_window
        self._most_paging = paging_window
        self.subscribe_window: int = subscribe_window
        self.recovering_window: int = recovering_window
        self.paging_window: int = paging_window
        self.max_frame: int = max_frame
        self.replays: Replays = Replays()

    def shrink(self, code: int) -> bool:
        """The connection ended with `code`. True if the next one will do less for it.

        Pages go one at a time from then on, so that a page which ends the next connection too is known by that.
        """
        before = (self.subscribe_window, self.recovering_window, self.paging_window, self.max_frame)
        if code == SLOW:
            self.subscribe_window = max(1, self.subscribe_window // 2)
            self.recovering_window = max(1, self.recovering_window // 2)
            self.paging_window = 1
        elif code == MESSAGE_TOO_BIG:
            self.max_frame = max(1, self.max_frame // 2)
        return before != (self.subscribe_window, self.recovering_window, self.paging_window, self.max_frame)

    def relax(self) -> None:
        """The connection has lasted: widen the windows again, step by step.

        `max_frame` stays: the server's limit does not change because time has passed.
        """
        self.subscribe_window = min(self._most_subscribing, self.subscribe_window * 2)
        self.recovering_window = min(self._most_recovering, self.recovering_window * 2)
        self.paging_window = min(self._most_paging, self.paging_window * 2)

    def __repr__(self) -> str:
        return (
            f"<Pacing subscribe_window={self.subscribe_window} recovering_window={self.recovering_window}"
            f" max_frame={self.max_frame}>"
        )

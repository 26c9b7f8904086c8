"""Risk in front of a venue: orders pass a gate, are in a journal before they are on the wire, and one switch stops all.

::

    async with tapewire.guard(
        lambda: tapewire.connect("..."), Limits(position=Decimal(100), data_age=2.0), "desk"
    ) as venue:
        ...                                  # the same verbs; what is denied raises OrderDenied

It is made of any venue that takes orders, a real one or one on paper. See docs/risk.md.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..arguments import check_function, check_seconds
from ..clock import Clock, SystemClock
from ..errors import ConfigurationError
from ..market.venue import Venue
from ..trading import Limits
from .account import Alarm
from .guarded import GuardedVenue
from .journal import Directory, Journal, JournalError, restored
from .wishes import Status, Wishes

__all__ = [
    "Alarm",
    "Directory",
    "GuardedVenue",
    "Journal",
    "JournalError",
    "Status",
    "Wishes",
    "guard",
    "restored",
]


def guard(
    make: Callable[[], Venue],
    limits: Limits,
    directory: str | Path,
    *,
    stall: float | None = 5.0,
    flatten: bool = False,
    patience: float = 10.0,
    on_alarm: Callable[[Alarm], Any] | None = None,
    clock: Clock | None = None,
) -> GuardedVenue:
    """A venue whose orders pass a gate with these limits. Use it inside `async with`.

    `make`: called for the venue, and again by the kill switch for a connection of its own. `directory`: where the
    journal is, and what says that it is halted; one account's, one process at a time. `stall`: seconds for which the
    event loop may not run before all orders are canceled apart from it; None: never. `flatten`: a halt closes what is
    held, too. `patience`: seconds for feeds to be live. `on_alarm`: called with what a person should look at.

    Raises ConfigurationError naming a wrong argument; NotSupported where the venue takes no orders.
    """
    check_function("make", make, 0)
    check_function("on_alarm", on_alarm, 1)
    given: Any = limits
    if not isinstance(given, Limits):
        raise ConfigurationError("limits", limits, "a tapewire.trading.Limits")
    given = directory
    if not isinstance(given, str | Path) or not str(given):
        raise ConfigurationError("directory", directory, "a path")
    if stall is not None:
        check_seconds("stall", stall)
    check_seconds("patience", patience)
    return GuardedVenue(
        make,
        limits,
        Path(directory).expanduser(),
        clock=clock or SystemClock(),
        stall=stall,
        flatten=flatten,
        patience=patience,
        on_alarm=on_alarm,
    )

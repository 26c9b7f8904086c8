"""Where the venues' classes go, for as long as a block lasts: by the environment, as for everybody."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ..venues import VENUES

__all__ = ["exports_of", "led_by"]


def exports_of(venue: str, settings: Mapping[str, Any], url: str) -> dict[str, str]:
    """The variables that lead a venue's classes to `url`, where a tape with those settings is served.

    Besides, what the environment said then, secrets as the placeholders that they are on the tape.
    """
    then: Mapping[str, str] = settings.get("plan", {}).get("environment", {})
    addresses = [name for name, each in VENUES[venue].variables.items() if each.address]
    wanted = [name for name in addresses if name in then] or addresses[:1]
    here = {name: f"{'ws' if then.get(name, '').startswith('ws') else 'http'}{url[4:]}" for name in wanted}
    return {**then, **here}


@contextmanager
def led_by(values: Mapping[str, str], venues: Iterable[str]) -> Iterator[None]:
    """These variables, and nothing else that the environment says of the venues, are in force until the block ends."""
    without = {variable for name in venues for variable in VENUES[name].variables}
    before = dict(os.environ)
    for name in without:
        os.environ.pop(name, None)
    os.environ.update(values)
    try:
        yield
    finally:
        for name in {*values, *without}:
            os.environ.pop(name, None)
            if name in before:
                os.environ[name] = before[name]

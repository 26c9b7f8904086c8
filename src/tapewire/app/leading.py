"""Where the venues' classes go, for as long as a block lasts: by the environment, as for everybody."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from ..venues import VENUES

__all__ = ["led_by"]


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

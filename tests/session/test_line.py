"""The driver lends everything that the rooms without tasks ask for."""

import pytest

from tapewire.session.line import Line
from tests.session.line import line


def asked_for():
    return sorted({*Line.__annotations__, *(name for name in vars(Line) if not name.startswith("_"))})


def test_the_shape_asks_for_something():
    assert {"timers", "protocol", "after_read"} <= set(asked_for())


@pytest.mark.parametrize("name", asked_for())
async def test_the_driver_has_what_the_line_promises(clock, name):
    async with line(clock) as (session, _):
        assert hasattr(session._driver, name)

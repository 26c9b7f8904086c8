"""What every test has: coroutine tests without a plugin, a virtual clock, a watch for leaked tasks, one profile.

An `async def test_…` that takes the fixture `clock` runs in virtual time: an hour of sleep passes in a millisecond.
One that does not runs on a real event loop, and fails if it leaves a task behind; under the marker `each_loop` it runs
on the stock loop, on uvloop and, where Python has them, with eager tasks; with `--loop uvloop` every such test runs on
that. Set PYTHONASYNCIODEBUG=1 for asyncio's debug mode. A property test (`@given`) is a plain function: call
`VirtualClock().run(…)` inside it.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import signal
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

# A shell has what runs in its background ignore Ctrl-C, and so would every program that a test starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

if TYPE_CHECKING:
    from tapewire.testing import VirtualClock

SECONDS_TO_END = 0.25  # what a cancelled task or a closing socket may take after the test has returned

settings.register_profile(
    "ci",
    deadline=None,
    derandomize=True,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("ci")


LOOPS = ("asyncio", "uvloop", *(["eager"] if hasattr(asyncio, "eager_task_factory") else []))


def pytest_xdist_auto_num_workers() -> int:
    """Two for each processor: a test waits for programs and sockets for half of its time."""
    return 2 * (os.cpu_count() or 1)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--loop", choices=LOOPS, default="asyncio", help="the loop of tests with real sockets")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`each_loop`: the coroutine test once on each event loop."""
    each = metafunc.definition.get_closest_marker("each_loop")
    if each and inspect.iscoroutinefunction(metafunc.function) and "clock" not in metafunc.fixturenames:
        metafunc.fixturenames.append("loop_name")
        metafunc.parametrize("loop_name", LOOPS, indirect=True)


@pytest.fixture
def loop_name(request: pytest.FixtureRequest) -> str:
    """Which loop the test runs on."""
    return getattr(request, "param", request.config.getoption("--loop"))


def _loop_factory(name: str) -> Callable[[], asyncio.AbstractEventLoop] | None:
    if name == "asyncio":
        return None
    if name == "eager":
        return _eager_loop
    uvloop = pytest.importorskip("uvloop", reason="there is no uvloop on Windows")
    return uvloop.new_event_loop


def _eager_loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    loop.set_task_factory(asyncio.eager_task_factory)
    return loop


@pytest.fixture
def clock() -> VirtualClock:
    """Time that passes only when nothing else is left to do."""
    from tapewire.testing import VirtualClock

    return VirtualClock()


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """tapewire's wheel, built once for all that is asked of it."""
    from tests.installing import build

    return build(Path(__file__).parent.parent, tmp_path_factory.mktemp("wheel"))


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run coroutine tests; leave all others to pytest."""
    __tracebackhide__ = True
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    test = pyfuncitem.obj(**arguments)
    if "clock" in arguments:
        arguments["clock"].run(test)
        return True
    parameters = pyfuncitem.callspec.params if hasattr(pyfuncitem, "callspec") else {}
    name = parameters.get("loop_name", pyfuncitem.config.getoption("--loop"))
    with asyncio.Runner(loop_factory=_loop_factory(name)) as runner:
        runner.run(_leaving_no_task(test))
    return True


async def _leaving_no_task(test: Coroutine[Any, Any, None]) -> None:
    __tracebackhide__ = True
    await test
    left = asyncio.all_tasks() - {asyncio.current_task()}
    if left:
        _, left = await asyncio.wait(left, timeout=SECONDS_TO_END)
    if left:
        pytest.fail("tasks left pending:\n" + "\n".join(sorted(map(repr, left))), pytrace=False)

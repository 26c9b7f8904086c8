"""One socket to a host of several addresses, on any event loop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tapewire.transport.dialing import HEAD_START, dial

pytestmark = pytest.mark.each_loop


@contextmanager
def listening(count: int = 1) -> Iterator[list[int]]:
    """Free ports of 127.0.0.1 at which somebody listens."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    yield [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()


class Dials(asyncio.SelectorEventLoop):
    """A loop whose resolver and connections the test plays: address -> seconds until it answers, or its error."""

    def __init__(self, plan: dict[str, float | OSError]) -> None:
        super().__init__()
        self.plan = plan
        self.dialled: list[str] = []

    async def getaddrinfo(self, *_: Any, **__: Any) -> list[Any]:  # type: ignore[override]
        return [
            (socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, 443))
            for host in self.plan
        ]

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:  # type: ignore[override]
        host = address[0]
        self.dialled.append(host)
        outcome = self.plan[host]
        if isinstance(outcome, OSError):
            raise outcome
        await asyncio.sleep(outcome)


def dialled(plan: dict[str, float | OSError]) -> tuple[list[str], BaseException | socket.socket]:
    loops: list[Dials] = []

    def make() -> Dials:
        loops.append(Dials(plan))
        return loops[0]

    async def run() -> BaseException | socket.socket:
        try:
            made = await dial("venue.test", 443)
        except OSError as error:
            return error
        made.close()
        return made

    with asyncio.Runner(loop_factory=make) as runner:
        outcome = runner.run(run())
    return loops[0].dialled, outcome


async def test_an_address_is_dialled_without_a_resolver() -> None:
    with listening() as (port,):
        made = await dial("127.0.0.1", port)
        assert made.getpeername() == ("127.0.0.1", port)
        assert made.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        made.close()


async def test_a_name_is_dialled_at_whichever_address_answers() -> None:
    with listening() as (port,):  # on IPv4 only, while `localhost` is often ::1 first
        made = await dial("localhost", port)
        assert made.getpeername()[1] == port
        made.close()


async def test_nobody_there_is_an_error_of_the_network() -> None:
    with listening() as (port,):
        pass
    with pytest.raises(ConnectionRefusedError):
        await dial("localhost", port)


@pytest.mark.parametrize("host", ["a..b", "x" * 70 + ".test"])
async def test_a_name_that_cannot_be_one_is_a_name_that_is_not_found(host: str) -> None:
    with pytest.raises(socket.gaierror):
        await dial(host, 443)


def test_families_take_turns_in_the_resolvers_order() -> None:
    hosts, outcome = dialled({a: OSError(a) for a in ("2001:db8::1", "2001:db8::2", "10.0.0.1", "10.0.0.2")})
    assert hosts == ["2001:db8::1", "10.0.0.1", "2001:db8::2", "10.0.0.2"]
    assert str(outcome) == "2001:db8::1", "what is told is the failure of the preferred address"


def test_an_address_that_does_not_answer_holds_the_next_up_for_a_moment_only() -> None:
    hosts, outcome = dialled({"2001:db8::1": 60.0, "10.0.0.1": 0.0})
    assert hosts == ["2001:db8::1", "10.0.0.1"]
    assert isinstance(outcome, socket.socket)


def test_an_address_that_answers_in_time_is_the_only_one_dialled() -> None:
    hosts, _ = dialled({"2001:db8::1": HEAD_START / 10, "10.0.0.1": 0.0})
    assert hosts == ["2001:db8::1"]


async def test_cancelling_leaves_no_socket_and_no_task() -> None:
    dialling = asyncio.ensure_future(dial("localhost", 9))
    await asyncio.sleep(0)
    dialling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await dialling

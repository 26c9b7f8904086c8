import asyncio
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tapewire.testing import VirtualClock
from tapewire.transport.link import REORDER_HOLD, Link, LinkFaults


def recorded(faults: LinkFaults) -> tuple[Link, list[Any]]:
    arrived: list[Any] = []
    return Link(faults, arrived.append, arrived.append), arrived


@given(st.lists(st.floats(min_value=0, max_value=5), max_size=10))
def test_a_changing_delay_never_reorders(delays: list[float]) -> None:
    """What is carried arrives in order, however the delay changes in between."""

    async def run() -> None:
        faults = LinkFaults()
        link, arrived = recorded(faults)
        for number, delay in enumerate(delays):
            faults.delay = delay
            link.carry([str(number)])
        await asyncio.sleep(6)
        assert arrived == [[str(number)] for number in range(len(delays))]
        assert link.waiting == 0

    VirtualClock().run(run())


@given(st.integers(0, 8), st.integers(0, 100), st.lists(st.integers(1, 4), max_size=12))
def test_reordering_loses_and_doubles_nothing(window: int, seed: int, reads: list[int]) -> None:
    """Every message arrives once, and control never overtakes what was carried before it."""

    async def run() -> None:
        link, arrived = recorded(LinkFaults(reorder=window, seed=seed))
        sent = []
        for read, size in enumerate(reads):
            payloads = [f"{read}.{number}" for number in range(size)]
            sent += payloads
            link.carry(list(payloads))
        link.control("end")
        await asyncio.sleep(2 * REORDER_HOLD)
        assert arrived[-1] == "end"
        assert sorted(payload for payloads in arrived[:-1] for payload in payloads) == sorted(sent)

    VirtualClock().run(run())


async def test_a_paused_link_keeps_and_a_cut_one_forgets(clock: VirtualClock) -> None:
    link, arrived = recorded(LinkFaults())
    link.pause()
    link.carry(["kept"])
    await asyncio.sleep(1)
    assert (arrived, link.waiting) == ([], 4)
    link.resume()
    await asyncio.sleep(1)
    assert (arrived, link.waiting) == ([["kept"]], 0)
    link.carry(["lost"])
    link.cut()
    link.carry(["void"])
    link.control("void")
    await asyncio.sleep(1)
    assert arrived == [["kept"]]
    assert link.waiting == 4, "what a dead line swallows still counts, as it does in a socket's buffer"


async def test_the_same_seed_gives_the_same_order(clock: VirtualClock) -> None:
    orders = []
    for _ in range(2):
        link, arrived = recorded(LinkFaults(reorder=5, seed=7))
        link.carry([str(number) for number in range(20)])
        await asyncio.sleep(1)
        orders.append(arrived)
    assert orders[0] == orders[1]

import asyncio

import pytest

from tapewire.errors import ConfigurationError, ConnectFailed, ConnectionLost, HandshakeRefused
from tapewire.testing import VirtualClock
from tapewire.transport.base import Endpoint
from tapewire.transport.memory import MAX_UNREAD, LinkFaults, MemoryNetwork, MemoryPeer, MemoryTransport

ENDPOINT = Endpoint(url="wss://venue.test/socket?token=hush")


class Log:
    """A receiver that keeps what it was told."""

    def __init__(self) -> None:
        self.reads: list[list[str | bytes]] = []
        self.pongs = 0
        self.ends: list[ConnectionLost] = []
        self.changed = asyncio.Event()

    def received(self, payloads: list[str | bytes]) -> None:
        self.reads.append(payloads)
        self.changed.set()

    def ponged(self) -> None:
        self.pongs += 1

    def lost(self, error: ConnectionLost) -> None:
        self.ends.append(error)
        self.changed.set()

    @property
    def flat(self) -> list[str | bytes]:
        return [payload for read in self.reads for payload in read]


async def open_line(network: MemoryNetwork, **options: object) -> tuple[MemoryTransport, Log, MemoryPeer]:
    log = Log()
    transport = await network.connect(Endpoint(url=ENDPOINT.url, **options), log)  # type: ignore[arg-type]
    return transport, log, await network.accept()


async def test_what_is_sent_together_arrives_as_one_read(clock: VirtualClock) -> None:
    transport, log, peer = await open_line(MemoryNetwork())
    peer.send("a", "b")
    peer.send("c")
    transport.send(["x", "y"])
    assert log.reads == [], "nothing is delivered from within send"
    assert [await peer.receive(), await peer.receive()] == ["x", "y"]
    assert log.reads == [["a", "b"], ["c"]]


async def test_a_delay_is_the_loops_time_and_keeps_the_order(clock: VirtualClock) -> None:
    network = MemoryNetwork(to_client=LinkFaults(delay=30.0))
    transport, log, peer = await open_line(network, open_timeout=60.0)
    started = clock.monotonic()
    peer.send("first")
    peer.to_client = LinkFaults()
    peer.send("second")
    await log.changed.wait()
    assert clock.monotonic() - started == pytest.approx(30.0)
    assert log.flat == ["first", "second"]
    transport.abort()


async def test_messages_can_be_dropped_doubled_and_reordered(clock: VirtualClock) -> None:
    _transport, log, peer = await open_line(MemoryNetwork())
    peer.to_client = LinkFaults(drop=lambda payload: payload == "b", duplicate=lambda payload: payload == "c")
    peer.send("a", "b", "c")
    await asyncio.sleep(1)
    assert log.flat == ["a", "c", "c"]
    peer.to_client = LinkFaults(reorder=3, seed=4)
    numbers = [str(number) for number in range(50)]
    for number in numbers:
        peer.send(number)
    await asyncio.sleep(1)
    assert sorted(log.flat[3:], key=lambda text: int(text)) == numbers
    assert log.flat[3:] != numbers
    # A message is overtaken only by those that it was held together with.
    assert all(int(payload) <= position + 3 for position, payload in enumerate(log.flat[3:]))


async def test_a_half_open_line_tells_nobody(clock: VirtualClock) -> None:
    transport, log, peer = await open_line(MemoryNetwork())
    peer.half_open()
    peer.send("lost")
    transport.send(["lost"])
    transport.ping()
    await asyncio.sleep(3600)
    assert (log.reads, log.pongs, log.ends, peer.ended) == ([], 0, [], None)
    await transport.close(timeout=5.0)
    assert [end.code for end in log.ends] == [1006]


async def test_muted_pongs_stop_the_pongs_only(clock: VirtualClock) -> None:
    transport, log, peer = await open_line(MemoryNetwork())
    transport.ping()
    await asyncio.sleep(1)
    peer.mute_pongs()
    transport.ping()
    peer.send("still here")
    await asyncio.sleep(1)
    assert (log.pongs, peer.pings, log.flat) == (1, 2, ["still here"])


async def test_a_reset_loses_what_was_on_its_way(clock: VirtualClock) -> None:
    _transport, log, peer = await open_line(MemoryNetwork(to_client=LinkFaults(delay=1.0)))
    peer.send("on its way")
    peer.abort()
    await asyncio.sleep(10)
    assert log.reads == []
    assert [end.code for end in log.ends] == [1006]


async def test_a_peer_reads_on_to_the_end_and_is_then_told(clock: VirtualClock) -> None:
    transport, log, peer = await open_line(MemoryNetwork())
    transport.send(["last words"])
    await transport.close(4000, "done")
    assert await peer.receive() == "last words"
    with pytest.raises(ConnectionLost, match="done") as caught:
        await peer.receive()
    assert caught.value.code == 4000
    assert [(end.code, end.reason) for end in log.ends] == [(4000, "done")]


async def test_attempts_fail_as_ordered_and_then_succeed(clock: VirtualClock) -> None:
    network = MemoryNetwork()
    network.refuse(429, retry_after=7.0, times=2)
    network.unreachable("no route")
    network.hang()
    for _ in range(2):
        with pytest.raises(HandshakeRefused) as refused:
            await network.connect(ENDPOINT, Log())
        assert (refused.value.status, refused.value.retry_after) == (429, 7.0)
    with pytest.raises(ConnectFailed, match=r"venue\.test: no route"):
        await network.connect(ENDPOINT, Log())
    started = clock.monotonic()
    with pytest.raises(ConnectFailed, match="timed out after 10 s"):
        await network.connect(ENDPOINT, Log())
    assert clock.monotonic() - started == pytest.approx(10.0)
    assert await network.connect(ENDPOINT, Log())
    assert network.attempts == 5
    network.refuse(500)
    network.restore()
    assert await network.connect(ENDPOINT, Log())


async def test_a_paused_client_is_held_for_within_bounds(clock: VirtualClock) -> None:
    transport, log, peer = await open_line(MemoryNetwork(), max_size=MAX_UNREAD)
    transport.pause_reading()
    peer.send("held")
    await asyncio.sleep(60)
    assert log.reads == []
    transport.resume_reading()
    await asyncio.sleep(0.1)
    assert log.flat == ["held"]
    transport.pause_reading()
    for _ in range(20):
        peer.send(b"x" * (MAX_UNREAD // 16))
    assert peer.ended is not None
    transport.resume_reading()
    await asyncio.sleep(0.1)
    assert [end.code for end in log.ends] == [1006]


def test_faults_out_of_range_are_refused_by_name() -> None:
    with pytest.raises(ConfigurationError, match="delay"):
        LinkFaults(delay=-1)
    with pytest.raises(ConfigurationError, match="reorder"):
        LinkFaults(reorder=-1)
    with pytest.raises(ConfigurationError, match="times"):
        MemoryNetwork().refuse(500, times=0)


async def test_reprs_show_no_token(clock: VirtualClock) -> None:
    network = MemoryNetwork()
    transport, _log, peer = await open_line(network)
    assert "hush" not in f"{transport!r}{peer!r}{network!r}{peer.to_client!r}"

import asyncio

from tapewire.protocols.phoenix import Push
from tests.session.line import counted, line, take


async def test_what_the_protocol_answers_goes_out_before_a_publication_is_dispatched(clock):
    """A read brings the reply that lets held pushes go, and a publication whose inline handler pushes too."""
    async with line(clock) as (session, peer):
        peer.on_join = lambda peer_, connection, join: joins.append((connection, join))
        joins = []
        session.subscribe(
            "a",
            handler=lambda item: item.event == "tick" and session.push(Push("a", "second", {})),
            inline=True,
        )
        session.push(Push("a", "first", {}))
        await peer.received("a", "phx_join")
        _, join = joins[0]
        reply = f'["{join.join_ref}","{join.ref}","a","phx_reply",{{"status":"ok","response":{{}}}}]'
        peer.raw(reply.encode(), b'[null,null,"a","tick",{}]')
        await peer.received("a", "second")
        assert peer.events("a") == ["phx_join", "first", "second"]


async def test_all_that_one_read_brings_costs_one_wakeup(clock):
    async with line(clock) as (session, peer):
        subscription = session.subscribe("a", capacity=1_000)
        await subscription.confirmed()
        await take(subscription, 1, control=True)
        waits = []
        reading = asyncio.ensure_future(counted(take(subscription, 300), waits))
        await asyncio.sleep(0)
        peer.raw(*[b'[null,null,"a","tick",{}]'] * 300)
        await reading
        assert len(waits) == 1


async def test_what_an_inline_handler_does_to_the_line_happens_when_its_read_is_over(clock):
    async with line(clock, heartbeat_interval=1000) as (session, _):
        got = []

        def reconnecting(item):
            got.append(item.event)
            if item.event == "tick":
                session.reconnect()

        await session.subscribe("a", handler=reconnecting, inline=True).confirmed()
        connection = session._driver.connection
        connection.received([b'[null,null,"a","tick",{}]'] * 3)
        assert got.count("tick") == 3, "nothing of the read is lost, and nothing of it is half done"
        assert not session.connected
        await asyncio.sleep(1)
        assert session.statistics().connections == 2


async def test_reads_are_counted_and_silence_is_measured(clock):
    async with line(clock) as (session, peer):
        await session.subscribe("a").confirmed()
        before = session.statistics().reads
        peer.raw(b'[null,null,"a","tick",{}]')
        await asyncio.sleep(3)
        figures = session.statistics()
        assert figures.reads == before + 1
        assert figures.since_heard == 3

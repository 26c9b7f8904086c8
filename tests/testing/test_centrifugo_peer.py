"""The scripted Centrifugo venue does what its manual says, seen by a session: tokens of channels, and their ends."""

from __future__ import annotations

import asyncio

import pytest

from tapewire.protocols.centrifugo import CentrifugoClient, SubscribeParams
from tapewire.secrets import Secret
from tapewire.session.credentials import Credentials
from tapewire.testing import CentrifugoPeer, VirtualClock
from tapewire.testing.centrifugo import GRACE
from tapewire.transport.memory import MemoryNetwork
from tests.session.numbered_line import Tokens
from tests.session.token_peer import given, token_line
from tests.testing.test_peer import Line

ONCE = SubscribeParams(token=Secret("given-once"))


async def test_a_channel_whose_token_is_not_renewed_is_ended_after_its_grace(clock: VirtualClock) -> None:
    async with token_line(clock, ttl=60) as (session, peer):
        private = session.subscribe("private", ONCE)
        await private.confirmed()
        await asyncio.sleep(60 + GRACE - 1)
        assert len(peer.of("subscribe")) == 1
        await peer.subscribed("private", 2)
        assert clock.monotonic() - 1000 == pytest.approx(60 + GRACE, abs=5)


async def test_a_renewal_gives_a_channel_another_life_and_a_channel_without_a_token_has_no_end(
    clock: VirtualClock,
) -> None:
    async with token_line(clock, ttl=60) as (session, peer):
        await session.subscribe("private", credentials=Credentials(Tokens())).confirmed()
        await session.subscribe("public").confirmed()
        await asyncio.sleep(600)
        assert [command.channel for command in peer.of("subscribe")] == ["private", "public"]
        assert {kind for kind, _ in given(peer)[1:]} == {"sub_refresh"}


async def test_a_refused_token_is_refused_wherever_it_comes(clock: VirtualClock) -> None:
    async with token_line(clock, ttl=60) as (session, peer):
        peer.refuse_token("given-once", 103)
        with pytest.raises(Exception, match="permission denied"):
            await session.subscribe("private", ONCE).confirmed()


async def test_what_a_script_of_the_test_raises_is_raised_by_who_waits_and_at_the_end(
    clock: VirtualClock,
) -> None:
    class Wrong(CentrifugoPeer):
        def _take(self, connection, payload):  # type: ignore[no-untyped-def]
            raise LookupError("a script is wrong")

    peer = Wrong(MemoryNetwork())
    async with peer:
        line = await Line(CentrifugoClient()).open(peer.network)  # type: ignore[arg-type]
        line.flush()
        with pytest.raises(LookupError, match="a script is wrong"):
            await peer.received("connect")
        with pytest.raises(LookupError, match="a script is wrong"):
            await peer.stop()

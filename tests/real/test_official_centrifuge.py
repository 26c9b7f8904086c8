"""The official Centrifugo clients, of npm and of PyPI, against our server's side: what both take, ours says rightly.

A server's side that only our own client has spoken to proves nothing: two halves can agree on a mistake.
"""

from __future__ import annotations

import asyncio

import pytest

from tapewire.sandbox import Sandbox
from tests.real.official_centrifuge import OfficialCentrifuge, RealVenue
from tests.sandbox import sxbet_peers

pytestmark = [pytest.mark.real, pytest.mark.timeout(240)]

BOTH = pytest.mark.parametrize("language", ["javascript", "python"])


async def connected(official, peer, **facts):
    official.order("connect", url=peer.url, **facts)
    await official.saw("connected")


async def subscribed(official, channel, n=1, **facts):
    if n == 1:
        official.order("subscribe", channel=channel)
    return await official.saw("subscribed", n=n, channel=channel, **facts)


@BOTH
async def test_it_connects_subscribes_and_hears_what_is_published(language):
    async with RealVenue() as peer, OfficialCentrifuge(language) as official:
        await connected(official, peer, token="JWT")
        seen = await subscribed(official, "book")
        assert (seen["offset"], seen["epoch"]) == (0, "book-1")
        assert not seen["was_recovering"]
        for number in range(1, 6):
            peer.publish("book", {"n": number, "text": "é🚀\n"}, tags={"messageId": f"m{number}"})
        await official.saw("publication", n=5, channel="book")
        assert official.publications("book") == [(n, {"n": n, "text": "é🚀\n"}) for n in range(1, 6)]
        first = await official.saw("publication", channel="book")
        assert first["tags"] == {"messageId": "m1"}
        assert peer.tokens == ["JWT"]


@BOTH
async def test_it_recovers_after_each_kind_of_end(language):
    async with RealVenue() as peer, OfficialCentrifuge(language) as official:
        await connected(official, peer)
        await subscribed(official, "book")
        peer.publish("book", 1)
        await official.saw("publication", channel="book")
        total = 1
        for n, end in enumerate((peer.abort, lambda: peer.drop(3001), lambda: peer.drop(3008)), 2):
            end()
            for _ in range(3):
                total += 1
                peer.publish("book", total)
            seen = await subscribed(official, "book", n)
            assert (seen["was_recovering"], seen["recovered"]) == (True, True)
            await official.saw("publication", n=total, channel="book")
        assert official.publications("book") == [(n, n) for n in range(1, total + 1)]


@BOTH
async def test_it_is_told_when_nothing_can_be_recovered(language):
    async with RealVenue(recovery_limit=5) as peer, OfficialCentrifuge(language) as official:
        await connected(official, peer)
        await subscribed(official, "book")
        peer.publish("book", 1)
        await official.saw("publication", channel="book")
        peer.abort()
        for number in range(2, 20):
            peer.publish("book", number)
        seen = await subscribed(official, "book", 2)
        assert (seen["was_recovering"], seen["recovered"], seen["offset"]) == (True, False, 19)
        peer.abort()
        peer.history("book").restart("another")
        seen = await subscribed(official, "book", 3)
        assert (seen["recovered"], seen["offset"], seen["epoch"]) == (False, 0, "another")


@BOTH
async def test_it_comes_back_from_insufficient_state_and_stays_away_where_it_was_sent_away(language):
    async with RealVenue() as peer, OfficialCentrifuge(language) as official:
        await connected(official, peer)
        await subscribed(official, "book")
        peer.publish("book", 1)
        await official.saw("publication", channel="book")
        peer.unsubscribe("book", 2500)
        peer.publish("book", 2)
        await official.saw("subscribed", channel="book", recovered=True)
        await official.saw("publication", n=2, channel="book")
        peer.unsubscribe("book", 2000)
        await official.saw("unsubscribed", channel="book", code=2000)
        peer.drop(3503)
        await official.saw("disconnected", code=3503)
        assert len(peer.connections) == 1


@BOTH
async def test_it_pages_history_as_it_does_a_real_servers(language):
    async with RealVenue(page_limit=4) as peer, OfficialCentrifuge(language) as official:
        for number in range(1, 11):
            peer.publish("book", number)
        await connected(official, peer)

        async def page(n, **facts):
            official.order("history", channel="book", **facts)
            return await official.saw("answer", n=n, what="history")

        top = await page(1, limit=0)
        assert (top["offsets"], top["offset"], top["epoch"]) == ([], 10, "book-1")
        first = await page(2, limit=100, since={"offset": 3, "epoch": "book-1"})
        assert first["offsets"] == [4, 5, 6, 7], "cut down in silence"
        assert (await page(3, limit=2, reverse=True))["offsets"] == [10, 9]
        refused = await page(4, limit=4, since={"offset": 3, "epoch": "other"})
        assert (refused["ok"], refused["code"]) == (False, 112)
        peer.without_history("odds")
        official.order("history", channel="odds", limit=1)
        assert (await official.saw("answer", what="history", ok=False, code=108))["code"] == 108


@BOTH
async def test_it_answers_pings_and_takes_their_absence_for_an_end(language):
    async with RealVenue(ping_interval=1, pong_timeout=1.0) as peer, OfficialCentrifuge(language) as official:
        await connected(official, peer)
        await peer.received("pong", n=3)
        assert len(peer.connections) == 1


@BOTH
async def test_it_renews_its_token_and_replaces_an_expired_one(language):
    async with RealVenue(token_ttl=1) as peer, OfficialCentrifuge(language) as official:
        peer.refuse_token("first", 109)
        tokens = ["second", "third", "fourth", *["more"] * 50]
        await connected(official, peer, token="first", tokens=tokens)
        await peer.received("refresh", n=2)
        assert peer.tokens[:4] == ["first", "second", "third", "fourth"]
        assert len(peer.connections) == 2


@BOTH
async def test_it_understands_every_refusal(language):
    async with RealVenue(channel_limit=1) as peer, OfficialCentrifuge(language) as official:
        await connected(official, peer)
        peer.refuse_subscribe("secret", 103)
        official.order("subscribe", channel="secret")
        await official.saw("unsubscribed", channel="secret", code=103)
        peer.refuse_subscribe("book", 100)
        await subscribed(official, "book")  # after a temporary error it asks again
        official.order("subscribe", channel="one too many")
        await official.saw("unsubscribed", channel="one too many", code=106)
        official.order("rpc", method="none", data={})
        await official.saw("answer", what="rpc", ok=False, code=108)


@BOTH
async def test_it_subscribes_and_leaves_in_a_loop(language):
    async with RealVenue() as peer, OfficialCentrifuge(language) as official:
        await connected(official, peer)
        for n in range(1, 11):
            official.order("subscribe", channel="book")
            await official.saw("subscribed", n=n, channel="book")
            peer.publish("book", n)
            await official.saw("publication", n=n, channel="book")
            official.order("unsubscribe", channel="book")
            await official.saw("unsubscribed", n=n, channel="book")
        assert official.publications("book") == [(n, n) for n in range(1, 11)]
        assert len(peer.connections) == 1


@BOTH
async def test_a_hundred_channels_come_back_together(language):
    async with RealVenue() as peer, OfficialCentrifuge(language) as official:
        await connected(official, peer)
        names = [f"book:{n}" for n in range(100)]
        for name in names:
            official.order("subscribe", channel=name)
        for name in names:
            await official.saw("subscribed", channel=name)
        peer.drop(3011)
        for name in names:
            peer.publish(name, name)
        for name in names:
            await official.saw("publication", channel=name)
            assert official.publications(name) == [(1, name)]


@BOTH
async def test_the_played_venue_takes_it_too(language):
    async with Sandbox(rate=0, venues=["sxbet"]) as sandbox, OfficialCentrifuge(language) as official:
        url = sandbox.url.replace("http", "ws") + "/connection/websocket"
        channel = "best_odds:global"
        official.order("connect", url=url, token=await sxbet_peers.token(sandbox))
        await official.saw("connected")
        markets = sorted({entry.topic for entry in sandbox.ledger.since(channel, 0, venue="sxbet")})
        official.order("subscribe", channel=channel, recoverable=False)
        await official.saw("subscribed", channel=channel)
        assert isinstance(markets, list)
        for _ in range(50):
            sandbox.step(20)
            await asyncio.sleep(0.02)
            if official.publications(channel):
                break
        await official.saw("publication", channel=channel)

"""The official JavaScript client against our server's side, and beside our client: what one sees, the other sees.

A server's side that only our own client has spoken to proves nothing: two halves can agree on a mistake.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from tapewire.payload import Binary
from tapewire.protocols.phoenix import (
    BinaryResponse,
    Codec,
    Frame,
    JoinRequested,
    PhoenixClient,
    Push,
    auth_subprotocols,
    token_from_subprotocols,
)
from tapewire.sandbox import Sandbox
from tapewire.venues.stx import AsyncSTX, User
from tests.real.official import OfficialClient, RealServer

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]


# The official client against the sandbox.


async def token_of(sandbox: Sandbox) -> str:
    client = AsyncSTX(host=sandbox.url, user=User.new(), email="ann@example.com", password="correct horse")
    token = await client.token()
    await client.aclose()
    return token.reveal()


async def test_it_joins_listens_pushes_and_leaves_at_the_sandbox() -> None:
    async with Sandbox(rate=0, venues=["stx"]) as sandbox, OfficialClient() as official:
        url = sandbox.url.replace("http", "ws") + "/socket"
        official.order("connect", url=url, params={"token": await token_of(sandbox)})
        await official.saw("open")
        official.order("join", topic="markets", params={"fields": ["bids", "offers"]})
        official.order("join", topic="market_info", params={})
        official.order("join", topic="nosuch:topic", params={})
        joined = await official.saw("joined", topic="markets")
        assert joined["response"]["selected_fields"] == ["bids", "offers"]
        await official.saw("joined", topic="market_info")
        refused = await official.saw("refused", topic="nosuch:topic")
        assert refused["response"] == {"reason": "unmatched topic"}
        before = sandbox.ledger.last_sequence("market_info", venue="stx")
        sandbox.step(20)
        published = [
            (entry.event, entry.payload) for entry in sandbox.ledger.since("market_info", before, venue="stx")
        ]
        await official.saw("message", n=len(published), topic="market_info", event="market_update")
        assert [message for message in official.messages("market_info") if message[0] != "phx_reply"] == [
            (event, json.loads(json.dumps(payload))) for event, payload in published
        ]
        official.order("push", topic="markets", event="select_fields", payload={"fields": ["price"]})
        reply = await official.saw("reply", topic="markets", status="ok")
        assert reply["response"]["selected_fields"] == ["price"]
        official.order("heartbeat")
        await official.saw("pong")
        official.order("leave", topic="market_info")
        await official.saw("left", topic="market_info")
        await official.saw("channel closed", topic="market_info")


async def test_it_survives_a_crash_and_a_drop_of_the_sandbox() -> None:
    async with Sandbox(rate=0, venues=["stx"]) as sandbox, OfficialClient() as official:
        url = sandbox.url.replace("http", "ws") + "/socket"
        official.order("connect", url=url, token=await token_of(sandbox))  # in the sub-protocol
        official.order("join", topic="markets", params={})
        await official.saw("joined", topic="markets")
        sandbox.inject("crash_channel", topic="markets")
        await official.saw("channel error", topic="markets")
        await official.saw("joined", n=2, topic="markets")
        for n, fault in enumerate(("drain", "abort", "close"), 3):
            sandbox.inject(fault)
            await official.saw("open", n=n - 1)
            await official.saw("joined", n=n, topic="markets")
        sandbox.step()
        await official.saw("message", topic="markets", event="market_updated")
        assert [seen["code"] for seen in official.seen if seen["saw"] == "close"] == [1012, 1006, 1000]


async def test_it_is_refused_a_second_join_behind_the_channel_limit_and_told_of_a_closed_channel() -> None:
    async with Sandbox(rate=0, venues=["stx"]) as sandbox, OfficialClient() as official:
        sandbox.inject("channel_limit", count=1)
        url = sandbox.url.replace("http", "ws") + "/socket"
        official.order("connect", url=url, params={"token": await token_of(sandbox)})
        official.order("join", topic="markets", params={})
        await official.saw("joined", topic="markets")
        official.order("join", topic="market_info", params={})
        refused = await official.saw("refused", topic="market_info")
        assert refused["response"] == {"reason": "too many channels joined"}
        sandbox.inject("close_channel", topic="markets")
        await official.saw("channel closed", topic="markets")


# The official client against a server of one page, for what the sandbox does not play: presence, binary, duplicates.


async def test_presence_is_synced_by_the_official_client() -> None:
    async with RealServer() as server, OfficialClient() as official:

        def present(join: JoinRequested) -> None:
            server.protocol.accept(join)
            server.protocol.broadcast(
                "room:1", "presence_diff", {"joins": {"bob": {"metas": [{"phx_ref": "b1"}]}}, "leaves": {}}
            )
            server.protocol.push("room:1", "presence_state", {"ann": {"metas": [{"phx_ref": "a1"}]}})

        server.on_join = present
        official.order("connect", url=server.url, params={})
        official.order("join", topic="room:1", params={}, presence=True)
        await official.saw("presence", topic="room:1", keys=["ann", "bob"])
        server.protocol.broadcast(
            "room:1", "presence_diff", {"joins": {}, "leaves": {"ann": {"metas": [{"phx_ref": "a1"}]}}}
        )
        await server.flush()
        await official.saw("presence", topic="room:1", keys=["bob"])


async def test_binary_payloads_go_both_ways() -> None:
    async with RealServer() as server, OfficialClient() as official:
        official.order("connect", url=server.url, params={})
        official.order("join", topic="café", params={})
        await official.saw("joined", topic="café")
        official.order("push", topic="café", event="echo", payload={"bytes": [0, 1, 255]})
        reply = await official.saw("reply", topic="café", status="ok")
        assert reply["response"] == {"bytes": [0, 1, 255]}
        server.protocol.push("café", "pi", b"\x03\x0e")
        server.protocol.broadcast("café", "pie", b"\xff\xfe")
        await server.flush()
        await official.saw("message", topic="café", event="pie")
        assert official.messages("café")[-2:] == [
            ("pi", {"bytes": [3, 14]}),
            ("pie", {"bytes": [255, 254]}),
        ]


async def test_the_close_of_a_superseded_join_leaves_the_official_client_joined() -> None:
    async with RealServer() as server, OfficialClient() as official:
        official.order("connect", url=server.url, params={})
        official.order("join", topic="room:1", params={"n": 1})
        await official.saw("joined", topic="room:1")
        official.order(
            "join", topic="room:1", params={"n": 2}
        )  # leaves the older channel of the topic itself
        again = await official.saw("joined", n=2, topic="room:1")
        assert again["response"] == {"hello": {"n": 2}}
        official.order("push", topic="room:1", event="still here", payload={})
        await official.saw("reply", topic="room:1", event="still here", status="ok")


# Side by side.


def frames_for(topics: dict[str, str], count: int, seed: int) -> Iterator[bytes | Binary]:
    """Frames of all kinds for `topics` (with their join_refs) and for others; many of them are stale."""
    dice = random.Random(seed)
    codec = Codec(side="server")
    for n in range(count):
        topic = dice.choice([*topics, *topics, "nobody:1"])
        join_ref = dice.choice([None, topics.get(topic, "1"), topics.get(topic, "1"), "9000"])
        payload: Any = dice.choice([{}, {"n": n}, {"text": 'é🚀\u2028\\"', "list": [1, 2.5, None, True]}])
        kind = dice.choice(["push", "broadcast", "binary push", "binary broadcast", "reply", "stale end"])
        raw = msgspec.Raw(msgspec.json.encode(payload))
        bytes_ = Binary(bytes(dice.randrange(256) for _ in range(dice.randrange(8))))
        if kind == "push":
            yield codec.encode(Frame(join_ref, None, topic, f"event {n}", raw))
        elif kind == "broadcast":
            yield codec.encode(Frame(None, None, topic, f"event {n}", raw))
        elif kind == "binary push":
            yield codec.encode(Frame(topics.get(topic, "1"), None, topic, f"event {n}", bytes_))
        elif kind == "binary broadcast":
            yield codec.encode(Frame(None, None, topic, f"event {n}", bytes_))
        elif kind == "reply":
            reply = msgspec.Raw(msgspec.json.encode({"response": payload, "status": "ok"}))
            yield codec.encode(Frame(topics.get(topic, "1"), str(8000 + n), topic, "phx_reply", reply))
        else:
            yield codec.encode(Frame("9000", "9000", topic, dice.choice(["phx_close", "phx_error"]), raw))


def delivered(client: PhoenixClient, frames: list[bytes | Binary]) -> dict[str, list[tuple[str, Any]]]:
    """What our client gives out of the same frames, by topic."""
    found: dict[str, list[tuple[str, Any]]] = {}
    for item in client.receive(frames, 0.0):
        if isinstance(item, Frame):
            found.setdefault(item.topic, []).append((item.event, _plain(item)))
    return found


def _plain(frame: Frame) -> Any:
    payload = frame.payload
    if isinstance(payload, BinaryResponse):
        return {"status": payload.status, "response": {"bytes": list(payload)}}
    return {"bytes": list(payload)} if isinstance(payload, Binary) else msgspec.json.decode(payload)


@pytest.mark.parametrize("seed", range(4))
async def test_the_same_frames_give_the_same_events_in_both_clients(seed: int) -> None:
    async with RealServer() as server, OfficialClient() as official:
        official.order("connect", url=server.url, params={})
        for topic in ("room:1", "room:é"):
            official.order("join", topic=topic, params={})
            await official.saw("joined", topic=topic)
        theirs = {join.topic: str(join.join_ref) for join in server.joins}
        frames = list(frames_for(theirs, 400, seed))
        done = [f'[null,null,"{topic}","done",{{}}]'.encode() for topic in theirs]
        await server.say(*frames, *done)
        for topic in theirs:
            await official.saw("message", topic=topic, event="done")

        ours = PhoenixClient()
        ours.hello(0.0)
        for topic in theirs:
            ours.subscribe(topic)
        our_refs = {
            frame[2]: frame[0] for frame in (msgspec.json.decode(sent) for sent in ours.data_to_send())
        }
        codec = Codec(side="server")
        accepted = msgspec.Raw(b'{"response":{"hello":{}},"status":"ok"}')
        replies = [
            codec.encode(Frame(ref, ref, topic, "phx_reply", accepted)) for topic, ref in our_refs.items()
        ]
        got = delivered(ours, [*replies, *frames_for(our_refs, 400, seed), *done])
        assert set(got) == set(theirs)
        for topic in theirs:
            assert len(got[topic]) > 60
            assert official.messages(topic) == got[topic]


async def test_both_clients_write_the_same_frames() -> None:
    async with RealServer() as server, OfficialClient() as official:
        official.order("connect", url=server.url, params={})
        official.order("join", topic="room:1", params={"n": 1})
        await official.saw("joined", topic="room:1")
        official.order("push", topic="room:1", event="ask", payload={"a": [1, "é"]})
        official.order("push", topic="room:1", event="bin", payload={"bytes": [1, 2]})
        await official.saw("reply", topic="room:1", event="bin")
        official.order("leave", topic="room:1")
        await official.saw("channel closed", topic="room:1")

        ours = PhoenixClient()
        ours.hello(0.0)
        ours.subscribe("room:1", {"n": 1})
        ref = "1"
        ours.receive([f'["{ref}","{ref}","room:1","phx_reply",{{"response":{{}},"status":"ok"}}]'], 0.0)
        ours.send(Push("room:1", "ask", {"a": [1, "é"]}))
        ours.send(Push("room:1", "bin", b"\x01\x02"))
        ours.unsubscribe("room:1")
        assert _normal(ours.data_to_send()) == _normal(server.received)


def _normal(payloads: list[Any]) -> list[Any]:
    """Frames with their refs numbered in the order of their first use."""
    numbers: dict[str, int] = {}
    codec = Codec(side="server")
    frames = [codec.decode(payload) for payload in payloads]
    return [
        (
            [
                None if ref is None else numbers.setdefault(str(ref), len(numbers))
                for ref in (frame.join_ref, frame.ref)
            ],
            frame.topic,
            frame.event,
            bytes(frame.payload) if isinstance(frame.payload, Binary) else msgspec.json.decode(frame.payload),
        )
        for frame in frames
    ]


async def test_the_token_travels_as_the_official_client_sends_it() -> None:
    token = "abc?>d~token"
    async with RealServer() as server, OfficialClient() as official:
        official.order("connect", url=server.url, params={}, token=token)
        official.order("join", topic="room:1", params={})
        await official.saw("joined", topic="room:1")
        offered = server.upgrade.headers["Sec-WebSocket-Protocol"]
        assert offered.replace(" ", "") == ",".join(auth_subprotocols(token))
        assert token_from_subprotocols(offered) == token
        assert server.upgrade.path == "/socket/websocket?vsn=2.0.0"

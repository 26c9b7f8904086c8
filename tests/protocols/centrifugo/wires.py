"""Bytes of a Centrifugo server, written by hand from the protocol's reference, and a client brought to some point."""

from __future__ import annotations

import json
from typing import Any

from tapewire.protocols.base import Ready, StreamPosition
from tapewire.protocols.centrifugo import CentrifugoClient, SubscribeParams

RECOVERABLE = SubscribeParams(positioned=True, recoverable=True)
CONNECTED = b'{"id":1,"connect":{"client":"c1","version":"6.8.0","ping":25,"pong":true}}'
PING = b"{}"


def line(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def pub(channel: str, offset: int = 0, data: Any = None, **fields: Any) -> bytes:
    body = {"data": data, **({"offset": offset} if offset else {}), **fields}
    return line({"push": {"channel": channel, "pub": body}})


def push(channel: str, kind: str, **body: Any) -> bytes:
    return line({"push": {"channel": channel, kind: body}})


def reply(number: int, kind: str, **body: Any) -> bytes:
    return line({"id": number, kind: body})


def error(number: int, code: int, message: str = "", temporary: bool = False) -> bytes:
    body: dict[str, Any] = {"code": code}
    if message:
        body["message"] = message
    if temporary:
        body["temporary"] = True
    return line({"id": number, "error": body})


def sent(client: CentrifugoClient, now: float | None = None) -> list[dict[str, Any]]:
    """What the client hands out, message by message."""
    return [json.loads(text) for frame in client.data_to_send(now) for text in bytes(frame).split(b"\n")]


def connected(connect: bytes = CONNECTED, **options: Any) -> CentrifugoClient:
    client = CentrifugoClient(**options)
    assert client.hello(0.0) == []
    client.data_to_send()
    assert Ready() in client.receive([connect], 0.0)
    return client


def live(
    channel: str = "c",
    offset: int = 10,
    epoch: str = "e",
    params: SubscribeParams | None = RECOVERABLE,
    client: CentrifugoClient | None = None,
    **result: Any,
) -> CentrifugoClient:
    """A client with `channel` confirmed at `offset`."""
    client = client or connected()
    client.subscribe(channel, params)
    number = sent(client)[-1]["id"]
    body = {"positioned": True, "recoverable": True, "epoch": epoch, "offset": offset, **result}
    client.receive([reply(number, "subscribe", **{k: v for k, v in body.items() if v})], 0.0)
    assert channel in client.subscribed
    return client


def recovering(position: StreamPosition, channel: str = "c", **options: Any) -> tuple[CentrifugoClient, int]:
    """A client that has asked for what it missed, and the number of its command."""
    client = connected(**options)
    client.subscribe(channel, RECOVERABLE, position)
    return client, sent(client)[-1]["id"]


def numbers(items: list[Any]) -> list[int]:
    return [item.offset for item in items if type(item) is CentrifugoClient.publication]

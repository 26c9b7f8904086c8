"""The wire, byte for byte, as the protocol's reference has it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec import Raw

from tapewire.errors import ConfigurationError
from tapewire.protocols.centrifugo import (
    ClientInfo,
    ConnectResult,
    ErrorReply,
    HistoryResult,
    PresenceResult,
    PresenceStatsResult,
    Publication,
    RefreshResult,
    SubscribeResult,
    encode_publication,
)
from tapewire.protocols.centrifugo.frames import (
    Empty,
    Frame,
    Message,
    Push,
    Reason,
    RpcResult,
    Who,
    as_raw,
    decode_frames,
    split_messages,
)

INFO = ClientInfo("u", "x")
PUB = Publication(Raw(b"1"), offset=7, tags={"messageId": "m"})
MESSAGES: list[tuple[Frame, str]] = [
    (Frame(), "{}"),
    (
        Frame(id=1, connect=ConnectResult("uuid", "6.x", expires=True, ttl=600, ping=25, pong=True)),
        '{"id":1,"connect":{"client":"uuid","version":"6.x","expires":true,"ttl":600,"ping":25,"pong":true}}',
    ),
    (
        Frame(
            id=2,
            subscribe=SubscribeResult(
                expires=True,
                ttl=60,
                recoverable=True,
                positioned=True,
                epoch="e",
                offset=7,
                was_recovering=True,
                recovered=True,
                publications=[PUB],
                data=Raw(b"{}"),
                delta=True,
            ),
        ),
        (
            '{"id":2,"subscribe":{"expires":true,"ttl":60,"recoverable":true,"positioned":true,"epoch":"e","offset":7,'
            '"was_recovering":true,"recovered":true,"publications":[{"data":1,"offset":7,"tags":{"messageId":"m"}}],'
            '"data":{},"delta":true}}'
        ),
    ),
    (Frame(id=2, subscribe=SubscribeResult()), '{"id":2,"subscribe":{}}'),
    (Frame(id=3, unsubscribe=Empty()), '{"id":3,"unsubscribe":{}}'),
    (Frame(id=4, publish=Empty()), '{"id":4,"publish":{}}'),
    (
        Frame(id=5, presence=PresenceResult({"clientid": ClientInfo("", "")})),
        '{"id":5,"presence":{"presence":{"clientid":{"user":"","client":""}}}}',
    ),
    (
        Frame(id=6, presence_stats=PresenceStatsResult(1, 0)),
        '{"id":6,"presence_stats":{"num_clients":1,"num_users":0}}',
    ),
    (
        Frame(id=7, history=HistoryResult([], "", 0)),
        '{"id":7,"history":{"publications":[],"epoch":"","offset":0}}',
    ),
    (Frame(id=8, rpc=RpcResult(Raw(b'"r"'))), '{"id":8,"rpc":{"data":"r"}}'),
    (
        Frame(id=9, refresh=RefreshResult(expires=True, ttl=600)),
        '{"id":9,"refresh":{"expires":true,"ttl":600}}',
    ),
    (
        Frame(id=10, sub_refresh=RefreshResult(expires=True, ttl=60)),
        '{"id":10,"sub_refresh":{"expires":true,"ttl":60}}',
    ),
    (
        Frame(id=2, error=ErrorReply(103, "permission denied", temporary=True)),
        '{"id":2,"error":{"code":103,"message":"permission denied","temporary":true}}',
    ),
    (Frame(push=Push("c", pub=Publication(Raw(b"null")))), '{"push":{"channel":"c","pub":{"data":null}}}'),
    (
        Frame(push=Push("c", join=Who(INFO))),
        '{"push":{"channel":"c","join":{"info":{"user":"u","client":"x"}}}}',
    ),
    (
        Frame(push=Push("c", unsubscribe=Reason(2500, "insufficient state"))),
        '{"push":{"channel":"c","unsubscribe":{"code":2500,"reason":"insufficient state"}}}',
    ),
    (Frame(push=Push(message=Message(Raw(b"1")))), '{"push":{"message":{"data":1}}}'),
    (Frame(push=Push(disconnect=Reason(3001))), '{"push":{"disconnect":{"code":3001}}}'),
]


@pytest.mark.parametrize(("frame", "text"), MESSAGES)
def test_a_message_of_the_server_on_the_wire(frame: Frame, text: str) -> None:
    assert msgspec.json.encode(frame) == text.encode()
    assert decode_frames(text) == [frame]


def test_a_publication_is_encoded_once_for_all() -> None:
    assert encode_publication("c", PUB) == (
        b'{"push":{"channel":"c","pub":{"data":1,"offset":7,"tags":{"messageId":"m"}}}}'
    )


def test_absent_fields_are_zero_and_unknown_ones_are_ignored() -> None:
    (frame,) = decode_frames('{"id":2,"new":[1],"subscribe":{"more":{"deep":null}},"error":null}')
    assert frame == Frame(id=2, subscribe=SubscribeResult())
    (frame,) = decode_frames('{"push":{"id":42,"channel":"c","pub":{"key":"k","score":1,"removed":true}}}')
    assert frame.push is not None
    assert frame.push.pub == Publication()


def test_messages_are_split_at_newlines_and_one_may_end_the_frame() -> None:
    assert split_messages("{}\n{}") == [b"{}", b"{}"]
    assert split_messages(b"{}\n") == [b"{}"]
    assert split_messages(b"{}\n\n") == [b"{}", b""]
    with pytest.raises(ValueError, match="surrogates"):
        split_messages("\ud800")


def test_offsets_are_64_bit_numbers() -> None:
    (frame,) = decode_frames('{"push":{"channel":"c","pub":{"offset":18446744073709551615}}}')
    assert frame.push is not None
    assert frame.push.pub is not None
    assert frame.push.pub.offset == 2**64 - 1


@pytest.mark.parametrize("value", [object(), {1, object()}, Raw(b'{\n"a'), float("nan").__class__])
def test_what_json_cannot_say_names_its_argument_and_not_its_value(value: Any) -> None:
    with pytest.raises(ConfigurationError, match="data="):
        as_raw("data", value)

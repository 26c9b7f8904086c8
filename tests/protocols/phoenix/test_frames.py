"""Bytes of the official client's serializer tests, and of a real server, both ways."""

from __future__ import annotations

import msgspec
import pytest
from msgspec import Raw

from tapewire.errors import ConfigurationError, UndecodableFrame
from tapewire.protocols.base import Binary
from tapewire.protocols.phoenix import BinaryResponse, Codec, Frame
from tapewire.protocols.phoenix.frames import as_payload

CLIENT = Codec("2.0.0", "client")
SERVER = Codec("2.0.0", "server")

TEXT = [
    (b'["1","1","room:lobby","phx_join",{}]', Frame("1", "1", "room:lobby", "phx_join", Raw(b"{}"))),
    (
        b'["3","3","room:1","phx_join",{"n":1}]',
        Frame("3", "3", "room:1", "phx_join", Raw(b'{"n":1}')),
    ),
    (
        b'["1","1","room:lobby","phx_reply",{"status":"ok","response":{}}]',
        Frame("1", "1", "room:lobby", "phx_reply", Raw(b'{"status":"ok","response":{}}')),
    ),
    (
        b'[null,"1","t","phx_reply",{"status":"error","response":{"reason":"unmatched topic"}}]',
        Frame(None, "1", "t", "phx_reply", Raw(b'{"status":"error","response":{"reason":"unmatched topic"}}')),
    ),
    (b'["1",null,"t","ev",{"a":[1]}]', Frame("1", None, "t", "ev", Raw(b'{"a":[1]}'))),
    (b'[null,null,"t","e",{"m":1}]', Frame(None, None, "t", "e", Raw(b'{"m":1}'))),
    (b'["1","1","t","phx_error",{"reason":"channel_crash"}]',
     Frame("1", "1", "t", "phx_error", Raw(b'{"reason":"channel_crash"}'))),
    (b'["1","1","t","phx_close",{}]', Frame("1", "1", "t", "phx_close", Raw(b"{}"))),
    (b'["1","6","t","phx_leave",{}]', Frame("1", "6", "t", "phx_leave", Raw(b"{}"))),
    (b'[null,"2","phoenix","heartbeat",{}]', Frame(None, "2", "phoenix", "heartbeat", Raw(b"{}"))),
    (
        b'[null,"1","phoenix","phx_reply",{"response":{},"status":"ok"}]',
        Frame(None, "1", "phoenix", "phx_reply", Raw(b'{"response":{},"status":"ok"}')),
    ),
    (b'["3",18,"plain:a","phx_reply",{"response":{},"status":"ok"}]',
     Frame("3", 18, "plain:a", "phx_reply", Raw(b'{"response":{},"status":"ok"}'))),
    (
        '["3","9","plain:a","phx_reply",{"response":{"a":"é"},"status":"ok"}]'.encode(),
        Frame("3", "9", "plain:a", "phx_reply", Raw('{"response":{"a":"é"},"status":"ok"}')),
    ),
    (b'["1","4","market_updates","watch",["m1","m2"]]',
     Frame("1", "4", "market_updates", "watch", Raw(b'["m1","m2"]'))),
]  # fmt: skip


@pytest.mark.parametrize(("wire", "frame"), TEXT)
@pytest.mark.parametrize("codec", [CLIENT, SERVER])
def test_a_v2_text_frame_is_the_same_on_both_sides(codec: Codec, wire: bytes, frame: Frame) -> None:
    assert codec.encode(frame) == wire
    assert codec.decode(wire) == frame
    assert codec.decode(wire.decode()) == frame


def test_elements_behind_the_payload_are_ignored() -> None:
    assert CLIENT.decode('["1",null,"t","e",{},7,[8]]') == Frame("1", None, "t", "e", Raw(b"{}"))


# (what is sent, the frame sent, the frame seen by the other side)
PUSHES = [
    (b"\0\x01\x01\x01\x0101te\x01", Frame("0", "1", "t", "e", Binary(b"\x01"))),
    (b"\0\x02\x01\x03\x02101topev\x01", Frame("10", "1", "top", "ev", Binary(b"\x01"))),
    (b"\0\x01\x01\x09\x0412plain:binecho\x01\x02\xff", Frame("1", "2", "plain:bin", "echo", Binary(b"\x01\x02\xff"))),
    (b"\0\x01\x01\x06\x0338room:1bin\x01\x02", Frame("3", "8", "room:1", "bin", Binary(b"\x01\x02"))),
    (b"\0\x00\x01\x01\x011te", Frame(None, "1", "t", "e", Binary(b""))),
    (
        b"\0\x04\x01\x0a\x02" + "🚀1room:caféπ".encode() + b"\x01",
        Frame("🚀", "1", "room:café", "π", Binary(b"\x01")),
    ),
]  # fmt: skip
SERVED = [
    (b"\0\x03\x03\n123topsome-event\x01\x01", Frame("123", None, "top", "some-event", Binary(b"\x01\x01"))),
    (b"\x01\x03\x02\x03\x0210012topok\x01\x01",
     Frame("100", "12", "top", "phx_reply", BinaryResponse("ok", b"\x01\x01"))),
    (b"\x02\x03\ntopsome-event\x01\x01", Frame(None, None, "top", "some-event", Binary(b"\x01\x01"))),
    (b"\x01\x01\x01\x09\x0212plain:binok\x01\x02\xff",
     Frame("1", "2", "plain:bin", "phx_reply", BinaryResponse("ok", b"\x01\x02\xff"))),
    (b"\0\x01\x09\x031plain:binbin\0\x01\x02\xff\xfe",
     Frame("1", None, "plain:bin", "bin", Binary(b"\0\x01\x02\xff\xfe"))),
    (b"\x02\x09\x04plain:binbbin\x09\x08\x07\xff", Frame(None, None, "plain:bin", "bbin", Binary(b"\x09\x08\x07\xff"))),
    (b"\0\x04\x0a\x02" + "🚀room:caféπ".encode() + b"\x01", Frame("🚀", None, "room:café", "π", Binary(b"\x01"))),
    (b"\x01\x04\x01\x0a\x02" + "🚀1room:caféok".encode() + b"\x01",
     Frame("🚀", "1", "room:café", "phx_reply", BinaryResponse("ok", b"\x01"))),
    (b"\x02\x0a\x02" + "room:caféπ".encode() + b"\x01", Frame(None, None, "room:café", "π", Binary(b"\x01"))),
]  # fmt: skip


@pytest.mark.parametrize(("wire", "frame"), PUSHES)
def test_a_binary_push_of_the_client(wire: bytes, frame: Frame) -> None:
    encoded = CLIENT.encode(frame)
    assert encoded == wire
    assert isinstance(encoded, Binary)
    assert SERVER.decode(Binary(wire)) == frame


@pytest.mark.parametrize(("wire", "frame"), SERVED)
def test_binary_frames_of_the_server(wire: bytes, frame: Frame) -> None:
    encoded = SERVER.encode(frame)
    assert encoded == wire
    assert isinstance(encoded, Binary)
    decoded = CLIENT.decode(Binary(wire))
    assert decoded == frame
    assert isinstance(decoded.payload, Binary)
    if isinstance(frame.payload, BinaryResponse):
        assert isinstance(decoded.payload, BinaryResponse)
        assert decoded.payload.status == frame.payload.status


@pytest.mark.parametrize("field", ["join_ref", "ref", "topic", "event"])
def test_a_binary_field_over_255_bytes_is_refused_by_name(field: str) -> None:
    fits = Frame("1", "1", "t", "e", Binary(b"x"))
    setattr(fits, field, "é" * 127)
    assert CLIENT.encode(fits)
    setattr(fits, field, "é" * 128)
    with pytest.raises(ConfigurationError, match=f"^{field}="):
        CLIENT.encode(fits)


def test_a_binary_status_over_255_bytes_is_refused_by_name() -> None:
    with pytest.raises(ConfigurationError, match=r"^status="):
        SERVER.encode(Frame("1", "1", "t", "phx_reply", BinaryResponse("s" * 256)))


def test_v1_frames_of_the_client_are_objects_with_a_join_ref() -> None:
    wire = b'{"topic":"t","event":"phx_join","payload":{"a":1},"ref":"1","join_ref":"1"}'
    frame = Frame("1", "1", "t", "phx_join", Raw(b'{"a":1}'))
    assert Codec("1.0.0", "client").encode(frame) == wire
    assert Codec("1.0.0", "server").decode(wire) == frame
    assert Codec("1.0.0", "client").encode(Frame(None, "2", "phoenix", "heartbeat", Raw(b"{}"))) == (
        b'{"topic":"phoenix","event":"heartbeat","payload":{},"ref":"2"}'
    )


def test_v1_frames_of_the_server_have_no_join_ref() -> None:
    wire = b'{"event":"phx_reply","payload":{"response":{},"status":"ok"},"ref":"1","topic":"plain:a"}'
    frame = Frame("1", "1", "plain:a", "phx_reply", Raw(b'{"response":{},"status":"ok"}'))
    assert Codec("1.0.0", "server").encode(frame) == wire
    frame.join_ref = None
    assert Codec("1.0.0", "client").decode(wire) == frame
    push = Codec("1.0.0", "server").encode(Frame("1", None, "t", "e", Raw(b"{}")))
    assert push == b'{"event":"e","payload":{},"ref":null,"topic":"t"}'


@pytest.mark.parametrize("missing", ["topic", "event", "payload", "ref"])
def test_a_v1_server_wants_all_four_fields(missing: str) -> None:
    fields = {"topic": "t", "event": "e", "payload": {}, "ref": "1"}
    del fields[missing]
    with pytest.raises(UndecodableFrame):
        Codec("1.0.0", "server").decode(msgspec.json.encode(fields))


def test_v1_has_no_binary_frames() -> None:
    with pytest.raises(ConfigurationError, match="payload"):
        Codec("1.0.0", "client").encode(Frame("1", "1", "t", "e", Binary(b"x")))
    with pytest.raises(UndecodableFrame, match="V1 has no binary"):
        Codec("1.0.0", "client").decode(Binary(b"\x02\x01\x01te"))


@pytest.mark.parametrize(
    "payload",
    [
        "", "null", "{}", "[]", '["1",null,"t","e"]', '["1",null,7,"e",{}]', '["1",1.5,"t","e",{}]',
        '["1",null,"t","e",{"a":NaN}]', '["1",null,"t","e",{}', '["1",null,"t","e",{}]]', b"\xff\xfe",
        '["1",null,"t","e",' + "[" * 100_000 + "]" * 100_000 + "]", '["1",' + "9" * 5000 + ',"t","e",{}]',
        '["1",null,"\ud800","e",{}]', b'["1",null,"\xff","e",{}]',
        Binary(b""), Binary(b"\x00"), Binary(b"\x02\x05\x05abc"), Binary(b"\x03\x01\x01te"),
        Binary(b"\x02\x01\x01\xffe"), Binary(b'[null,null,"t","e",{}]'),
    ],
)  # fmt: skip
@pytest.mark.parametrize("codec", [CLIENT, SERVER, Codec("1.0.0", "client"), Codec("1.0.0", "server")])
def test_what_is_no_frame_is_undecodable(codec: Codec, payload: bytes | str) -> None:
    with pytest.raises(UndecodableFrame):
        codec.decode(payload)


def test_a_payload_that_json_cannot_say_is_refused_without_showing_it() -> None:
    class Wallet:
        def __repr__(self) -> str:
            return "a secret"

    loop: list[object] = []
    loop.append(loop)
    for value in (Wallet(), loop, {"a": "\ud800"}):
        with pytest.raises(ConfigurationError, match="payload") as raised:
            as_payload(value)
        assert "a secret" not in str(raised.value)


def test_bytes_become_binary_and_raw_stays_raw() -> None:
    raw = Raw(b"[1]")
    assert as_payload(raw) is raw
    for value in (b"x", bytearray(b"x"), memoryview(b"x")):
        assert isinstance(as_payload(value), Binary)


def test_versions_and_sides_are_named_in_the_error() -> None:
    with pytest.raises(ConfigurationError, match=r"version='3.0.0' .* 2\.0\.0, 1\.0\.0"):
        Codec("3.0.0")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match=r"side='both'"):
        Codec("2.0.0", "both")  # type: ignore[arg-type]

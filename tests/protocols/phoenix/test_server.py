"""The server side answers as a real Phoenix 1.7 server was seen to answer."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import Raw

from tapewire.errors import ConfigurationError, NotSubscribed
from tapewire.protocols.base import Binary, Failed
from tapewire.protocols.phoenix import (
    JoinRequested,
    LeaveRequested,
    PhoenixServer,
    PushReceived,
    encode_broadcast,
)


def ask(server: PhoenixServer, text: str) -> Any:
    """The one request that a message leads to, or None."""
    requests = server.receive(text)
    assert len(requests) <= 1
    return requests[0] if requests else None


def joined(server: PhoenixServer, topic: str, ref: str) -> JoinRequested:
    join = ask(server, f'["{ref}","{ref}","{topic}","phx_join",{{}}]')
    assert isinstance(join, JoinRequested)
    assert server.accept(join)
    server.data_to_send()
    return join


def test_a_heartbeat_is_answered_by_itself() -> None:
    server = PhoenixServer()
    assert server.receive('[null,"1","phoenix","heartbeat",{}]') == []
    assert server.data_to_send() == [b'[null,"1","phoenix","phx_reply",{"response":{},"status":"ok"}]']
    assert server.data_to_send() == []


def test_a_join_is_accepted_with_a_response() -> None:
    server = PhoenixServer()
    join = ask(server, '["2","2","orders:u1","phx_join",{"a":1}]')
    assert join == JoinRequested("orders:u1", {"a": 1}, "2", "2")
    server.accept(join, {"kind": "orders", "uid": "u1"})
    server.push("orders:u1", "snapshot", {"items": [], "kind": "orders"})
    assert server.data_to_send() == [
        b'["2","2","orders:u1","phx_reply",{"response":{"kind":"orders","uid":"u1"},"status":"ok"}]',
        b'["2",null,"orders:u1","snapshot",{"items":[],"kind":"orders"}]',
    ]
    assert server.joined == {"orders:u1"}


def test_a_join_is_refused_with_a_reason() -> None:
    server = PhoenixServer()
    server.refuse(ask(server, '["4","4","portfolio:u2","phx_join",{}]'), {"reason": "unauthorized"})
    assert server.data_to_send() == [
        b'["4","4","portfolio:u2","phx_reply",{"response":{"reason":"unauthorized"},"status":"error"}]'
    ]
    assert server.joined == frozenset()


def test_an_unknown_topic_is_refused_without_join_ref() -> None:
    server = PhoenixServer()
    server.refuse(ask(server, '["6","6","nosuch:topic","phx_join",{}]'), {"reason": "unmatched topic"})
    assert server.data_to_send() == [
        b'[null,"6","nosuch:topic","phx_reply",{"response":{"reason":"unmatched topic"},"status":"error"}]'
    ]


@pytest.mark.parametrize("event", ["phx_join", "phx_leave", "echo"])
def test_nothing_but_a_heartbeat_matches_the_topic_phoenix(event: str) -> None:
    server = PhoenixServer()
    assert server.receive(f'["6","6","phoenix","{event}",{{}}]') == []
    assert server.data_to_send() == [
        b'[null,"6","phoenix","phx_reply",{"response":{"reason":"unmatched topic"},"status":"error"}]'
    ]


def test_a_push_on_a_topic_that_is_not_joined_is_unmatched() -> None:
    server = PhoenixServer()
    assert server.receive('["7","7","plain:never","echo",{"a":1}]') == []
    assert server.data_to_send() == [
        b'[null,"7","plain:never","phx_reply",{"response":{"reason":"unmatched topic"},"status":"error"}]'
    ]


def test_leaving_what_is_not_joined_is_answered_without_a_close() -> None:
    server = PhoenixServer()
    assert server.receive('["8","8","plain:never","phx_leave",{}]') == []
    assert server.data_to_send() == [b'["8","8","plain:never","phx_reply",{"response":{},"status":"ok"}]']


def test_a_push_is_handed_over_and_answered() -> None:
    server = PhoenixServer()
    joined(server, "plain:a", "3")
    push = ask(server, '["3","9","plain:a","echo",{"a":"é"}]')
    assert push == PushReceived("plain:a", "echo", {"a": "é"}, "9", "3")
    server.reply(push, "ok", push.payload)
    assert server.data_to_send() == [
        '["3","9","plain:a","phx_reply",{"response":{"a":"é"},"status":"ok"}]'.encode()
    ]


def test_integer_refs_are_echoed_as_sent() -> None:
    server = PhoenixServer()
    joined(server, "plain:a", "3")
    server.reply(ask(server, '[null,18,"plain:a","echo",[]]'))
    assert server.data_to_send() == [b'["3",18,"plain:a","phx_reply",{"response":{},"status":"ok"}]']


def test_a_push_with_a_stale_join_ref_is_ignored_and_one_without_is_taken() -> None:
    server = PhoenixServer()
    joined(server, "plain:a", "3")
    assert server.receive('["2","9","plain:a","echo",{}]') == []
    assert server.data_to_send() == []
    assert isinstance(ask(server, '[null,null,"plain:a","echo",{}]'), PushReceived)


def test_a_reply_after_the_end_of_the_topic_is_lost() -> None:
    server = PhoenixServer()
    joined(server, "plain:a", "3")
    push = ask(server, '["3","9","plain:a","echo",{}]')
    server.crash("plain:a")
    server.data_to_send()
    server.reply(push)
    assert server.data_to_send() == []


def test_broadcasts_carry_neither_ref() -> None:
    server = PhoenixServer()
    joined(server, "plain:a", "3")
    server.broadcast("plain:a", "hi", {"x": 1})
    server.broadcast("not joined", "hi", {"x": 1})
    assert server.data_to_send() == [b'[null,null,"plain:a","hi",{"x":1}]']
    assert encode_broadcast("t", "e", {"m": 1}) == b'[null,null,"t","e",{"m":1}]'
    assert encode_broadcast("t", "e", {}, "1.0.0") == b'{"event":"e","payload":{},"ref":null,"topic":"t"}'
    assert encode_broadcast("plain:bin", "bbin", b"\x09") == Binary(b"\x02\x09\x04plain:binbbin\x09")


def test_a_crash_and_a_stop_name_their_join() -> None:
    server = PhoenixServer()
    joined(server, "plain:a", "3")
    joined(server, "plain:b", "23")
    joined(server, "plain:c", "24")
    server.crash("plain:a")
    server.close("plain:b")
    server.crash("plain:c", {"reason": "channel_crash"})
    server.crash("never")
    assert server.data_to_send() == [
        b'["3","3","plain:a","phx_error",{}]',
        b'["23","23","plain:b","phx_close",{}]',
        b'["24","24","plain:c","phx_error",{"reason":"channel_crash"}]',
    ]
    assert server.joined == frozenset()


def test_leaving_is_answered_and_then_closed() -> None:
    server = PhoenixServer()
    joined(server, "plain:a", "31")
    assert ask(server, '["31","32","plain:a","phx_leave",{}]') == LeaveRequested("plain:a", "31", "32")
    assert server.data_to_send() == [
        b'["31","32","plain:a","phx_reply",{"response":{},"status":"ok"}]',
        b'["31","31","plain:a","phx_close",{}]',
    ]
    assert server.receive('["31","33","plain:a","echo",{}]') == []
    assert b"unmatched topic" in server.data_to_send()[0]  # type: ignore[operator]


@pytest.mark.parametrize("join_ref", ['"30"', "null"])
def test_leaving_with_a_stale_or_null_join_ref_is_ignored(join_ref: str) -> None:
    server = PhoenixServer()
    joined(server, "plain:a", "31")
    assert server.receive(f'[{join_ref},"32","plain:a","phx_leave",{{}}]') == []
    assert server.data_to_send() == []
    assert server.joined == {"plain:a"}


@pytest.mark.parametrize("accepted", [True, False])
def test_a_duplicate_join_is_answered_first_and_then_the_old_one_closed(accepted: bool) -> None:
    server = PhoenixServer()
    joined(server, "plain:dup", "40")
    join = ask(server, '["41","41","plain:dup","phx_join",{}]')
    if accepted:
        server.accept(join)
    else:
        server.refuse(join, {"reason": "no"})
    answer = (
        b'{"response":{},"status":"ok"}' if accepted else b'{"response":{"reason":"no"},"status":"error"}'
    )
    assert server.data_to_send() == [
        b'["41","41","plain:dup","phx_reply",' + answer + b"]",
        b'["40","40","plain:dup","phx_close",{}]',
    ]
    assert server.joined == ({"plain:dup"} if accepted else frozenset())


def test_a_join_without_join_ref_uses_its_ref_from_then_on() -> None:
    server = PhoenixServer()
    server.accept(ask(server, '[null,"45","plain:a","phx_join",{}]'))
    server.push("plain:a", "e", {})
    assert server.data_to_send() == [
        b'[null,"45","plain:a","phx_reply",{"response":{},"status":"ok"}]',
        b'["45",null,"plain:a","e",{}]',
    ]


def test_the_hundred_and_first_channel_is_refused() -> None:
    server = PhoenixServer()
    for number in range(100):
        joined(server, f"t{number}", str(number))
    assert server.receive('["100","100","t100","phx_join",{}]') == []
    assert server.data_to_send() == [
        b'["100","100","t100","phx_reply",{"response":{"reason":"too many channels joined"},"status":"error"}]'
    ]
    assert isinstance(ask(server, '["101","101","t7","phx_join",{}]'), JoinRequested)


def test_pending_joins_count_and_are_bounded() -> None:
    server = PhoenixServer(max_channels=2)
    ask(server, '["1","1","a","phx_join",{}]')
    ask(server, '["2","2","b","phx_join",{}]')
    assert ask(server, '["3","3","c","phx_join",{}]') is None
    ask(server, '["4","4","a","phx_join",{}]')
    assert isinstance(ask(server, '["5","5","a","phx_join",{}]'), Failed)


def test_a_join_that_was_left_or_superseded_while_pending_cannot_be_answered() -> None:
    server = PhoenixServer()
    first = ask(server, '["1","1","a","phx_join",{}]')
    second = ask(server, '["2","2","a","phx_join",{}]')
    assert server.accept(second)
    assert not server.accept(first)
    third = ask(server, '["3","3","b","phx_join",{}]')
    server.data_to_send()
    assert ask(server, '["3","4","b","phx_leave",{}]') == LeaveRequested("b", "3", "4")
    assert not server.refuse(third, {})
    assert server.data_to_send() == [b'["3","4","b","phx_reply",{"response":{},"status":"ok"}]']


@pytest.mark.parametrize(
    "payload",
    ["", "nonsense", '["1","2","t","e"]', '{"topic":"t"}', Binary(b"\x07"), '["1","1","t","e",1e999]'],
)
def test_a_malformed_frame_fails_the_socket_with_1011(payload: Any) -> None:
    server = PhoenixServer()
    (failed,) = server.receive(payload)
    assert isinstance(failed, Failed)
    assert failed.code == 1011
    assert server.receive('[null,"1","phoenix","heartbeat",{}]') == []


def test_binary_pushes_replies_and_pushes_out() -> None:
    server = PhoenixServer()
    joined(server, "plain:bin", "1")
    (push,) = server.receive(Binary(b"\0\x01\x01\x09\x0412plain:binecho\x01\x02\xff"))
    assert isinstance(push, PushReceived)
    server.reply(push, "ok", push.payload)
    server.push("plain:bin", "bin", b"\0\x01\x02\xff\xfe")
    assert server.data_to_send() == [
        b"\x01\x01\x01\x09\x0212plain:binok\x01\x02\xff",
        b"\0\x01\x09\x031plain:binbin\0\x01\x02\xff\xfe",
    ]


def test_v1_says_no_join_ref_and_takes_a_leave_without_one() -> None:
    server = PhoenixServer("1.0.0")
    server.accept(ask(server, '{"topic":"plain:a","event":"phx_join","payload":{},"ref":"1"}'))
    server.push("plain:a", "e", {"n": 1})
    assert isinstance(
        ask(server, '{"topic":"plain:a","event":"phx_leave","payload":{},"ref":"2"}'), LeaveRequested
    )
    assert server.data_to_send() == [
        b'{"event":"phx_reply","payload":{"response":{},"status":"ok"},"ref":"1","topic":"plain:a"}',
        b'{"event":"e","payload":{"n":1},"ref":null,"topic":"plain:a"}',
        b'{"event":"phx_reply","payload":{"response":{},"status":"ok"},"ref":"2","topic":"plain:a"}',
        b'{"event":"phx_close","payload":{},"ref":null,"topic":"plain:a"}',
    ]


def test_pushing_wants_a_joined_topic_and_a_map() -> None:
    server = PhoenixServer()
    with pytest.raises(NotSubscribed):
        server.push("a", "e", {})
    joined(server, "a", "1")
    for payload in (None, [1], "text", 7):
        with pytest.raises(ConfigurationError, match="payload"):
            server.push("a", "e", payload)
    server.push("a", "e", Raw(b"[1]"))
    assert server.data_to_send() == [b'["1",null,"a","e",[1]]']
    assert repr(server) == "<PhoenixServer 2.0.0 joined=1 pending=0>"

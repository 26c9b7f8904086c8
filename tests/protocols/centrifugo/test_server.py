"""The server side, rule by rule."""

from __future__ import annotations

from typing import Any

import pytest

from tapewire.errors import ConfigurationError
from tapewire.protocols.base import StreamPosition
from tapewire.protocols.centrifugo import (
    CentrifugoServer,
    ChannelHistory,
    ClientInfo,
    ConnectRequested,
    Disconnected,
    HistoryRequested,
    PublishRequested,
    RefreshRequested,
    RefreshResult,
    RpcRequested,
    SendReceived,
    SubscribeRequested,
    SubscribeResult,
    UnsubscribeReceived,
)

TERMINAL = Disconnected(3501, "bad request")


def greeted(**options: Any) -> CentrifugoServer:
    server = CentrifugoServer(**options)
    server.open(0.0)
    (request,) = server.receive(b'{"id":1,"connect":{"token":"JWT","name":"js"}}', 0.0)
    assert isinstance(request, ConnectRequested)
    assert (request.token.reveal(), request.name) == ("JWT", "js")
    server.accept(request, 0.0, client="c1", version="6.8.0")
    assert server.data_to_send() == [
        b'{"id":1,"connect":{"client":"c1","version":"6.8.0","ping":25,"pong":true}}'
    ]
    return server


def subscribe(server: CentrifugoServer, text: str, history: ChannelHistory | None = None) -> bytes:
    (request,) = server.receive(text, 0.0)
    assert isinstance(request, SubscribeRequested)
    server.grant(request, 0.0, history)
    (frame,) = server.data_to_send()
    return bytes(frame)


@pytest.mark.parametrize(
    "payload",
    [
        '{"id":1,"subscribe":{"channel":"c"}}',
        '{"send":{"data":1}}',
        "{}",
        "",
        "nonsense",
        '{"id":1,"ping":{}}',
        '{"id":-',
    ],
)
def test_whatever_comes_before_connect_is_the_end(payload: str) -> None:
    server = CentrifugoServer()
    assert server.receive(payload, 0.0) == [TERMINAL]
    assert server.receive('{"id":1,"connect":{}}', 0.0) == []
    assert server.data_to_send() == []


@pytest.mark.parametrize("payload", ['{"id":2,"connect":{}}', "{}", '{"id":2,"subscribe":{}}', "{", b"\xff"])
def test_what_a_client_must_not_do_later(payload: Any) -> None:
    assert greeted().receive(payload, 1.0) == [TERMINAL]


def test_after_a_refused_connect_nothing_more_is_taken() -> None:
    server = CentrifugoServer()
    (request,) = server.receive('{"id":1,"connect":{}}', 0.0)
    server.refuse(request, 109)
    assert server.data_to_send() == [b'{"id":1,"error":{"code":109,"message":"token expired"}}']
    assert server.receive('{"id":2,"connect":{}}', 0.0) == [TERMINAL]


def test_a_client_that_never_connects_is_stale() -> None:
    server = CentrifugoServer()
    server.open(0.0)
    assert server.next_deadline() == 10.0
    assert server.handle_timer(9.0) == []
    assert server.handle_timer(10.0) == [Disconnected(3502, "stale")]
    assert server.next_deadline() is None


def test_pings_want_pongs() -> None:
    server = greeted(ping_interval=25, pong_timeout=8.0, first_ping=0.5)
    assert server.next_deadline() == 12.5
    server.handle_timer(12.5)
    assert server.data_to_send() == [b"{}"]
    assert server.receive("{}", 13.0) == []
    assert server.receive("{}", 13.0) == [TERMINAL]
    late = greeted()
    late.handle_timer(18.75)
    assert late.next_deadline() == 26.75
    assert late.handle_timer(26.75) == [Disconnected(3012, "no pong")]
    assert late.data_to_send() == []


def test_commands_may_share_a_frame() -> None:
    server = greeted()
    requests = server.receive('{"id":2,"subscribe":{"channel":"a"}}\n{"id":3,"rpc":{"method":"m"}}\n', 0.0)
    assert [type(request) for request in requests] == [SubscribeRequested, RpcRequested]


def test_a_channel_held_already_and_one_too_many() -> None:
    server = greeted(channel_limit=2)
    assert subscribe(server, '{"id":2,"subscribe":{"channel":"a"}}') == b'{"id":2,"subscribe":{}}'
    server.receive('{"id":3,"subscribe":{"channel":"b"}}', 0.0)
    for number, channel in ((4, "a"), (5, "b"), (6, "c"), (7, "x" * 256)):
        assert server.receive(f'{{"id":{number},"subscribe":{{"channel":"{channel}"}}}}', 0.0) == []
    assert server.data_to_send() == [
        (
            b'{"id":4,"error":{"code":105,"message":"already subscribed"}}\n'
            b'{"id":5,"error":{"code":105,"message":"already subscribed"}}\n'
            b'{"id":6,"error":{"code":106,"message":"limit exceeded"}}\n'
            b'{"id":7,"error":{"code":107,"message":"bad request"}}'
        )
    ]


def test_a_subscription_with_history() -> None:
    server, log = greeted(), ChannelHistory(epoch="e")
    for n in (1, 2, 3):
        log.publish(n, 0.0)
    plain = '{"id":2,"subscribe":{"channel":"a","positioned":true,"recoverable":true}}'
    assert subscribe(server, plain, log) == (
        b'{"id":2,"subscribe":{"recoverable":true,"positioned":true,"epoch":"e","offset":3}}'
    )
    back = (
        '{"id":3,"subscribe":{"channel":"b","positioned":true,"recoverable":true,'
        '"recover":true,"epoch":"%s","offset":2}}'
    )
    assert subscribe(server, back % "e", log) == (
        b'{"id":3,"subscribe":{"recoverable":true,"positioned":true,"epoch":"e","offset":2,"was_recovering":true,'
        b'"recovered":true,"publications":[{"data":3,"offset":3}]}}'
    )
    server.receive('{"id":9,"unsubscribe":{"channel":"b"}}', 0.0)
    server.data_to_send()
    assert subscribe(server, back % "f", log) == (
        b'{"id":3,"subscribe":{"recoverable":true,"positioned":true,"epoch":"e","offset":3,"was_recovering":true}}'
    )


def test_a_position_without_recover_recovers_nothing() -> None:
    server, log = greeted(), ChannelHistory()
    text = '{"id":2,"subscribe":{"channel":"a","recoverable":true,"epoch":"e1","offset":0}}'
    (request,) = server.receive(text, 0.0)
    assert isinstance(request, SubscribeRequested)
    assert request.position is None
    server.grant(request, 0.0, log)
    assert b"was_recovering" not in bytes(server.data_to_send()[0])


def test_unrecovered_can_be_refused() -> None:
    server, log = greeted(), ChannelHistory()
    text = '{"id":2,"subscribe":{"channel":"a","recoverable":true,"recover":true,"epoch":"x","offset":1,"flag":2}}'
    assert subscribe(server, text, log) == b'{"id":2,"error":{"code":112,"message":"unrecoverable position"}}'
    assert server.subscribed == frozenset()


def test_a_granted_subscription_that_was_left_says_nothing() -> None:
    server = greeted()
    (request,) = server.receive('{"id":2,"subscribe":{"channel":"a"}}', 0.0)
    assert isinstance(request, SubscribeRequested)
    assert server.receive('{"id":3,"unsubscribe":{"channel":"a"}}', 0.0) == [UnsubscribeReceived(3, "a")]
    assert not server.grant(request, 0.0)
    assert server.data_to_send() == [b'{"id":3,"unsubscribe":{}}']


def test_a_positioned_client_never_misses_one_silently() -> None:
    server, log = greeted(), ChannelHistory()
    first = log.publish(1, 0.0)
    subscribe(server, '{"id":2,"subscribe":{"channel":"a","positioned":true}}', log)
    server.publish("a", first)
    assert server.data_to_send() == []
    server.publish("a", log.publish(2, 0.0))
    assert server.data_to_send() == [b'{"push":{"channel":"a","pub":{"data":2,"offset":2}}}']
    log.publish(3, 0.0)
    server.publish("a", log.publish(4, 0.0))
    assert server.data_to_send() == [
        b'{"push":{"channel":"a","unsubscribe":{"code":2500,"reason":"insufficient state"}}}'
    ]
    server.publish("a", log.publish(5, 0.0))
    server.unsubscribe("a", 2000)
    assert server.data_to_send() == []


def test_answers_of_each_kind() -> None:
    server, log = greeted(), ChannelHistory()
    log.publish({"x": 1}, 0.0, tags={"messageId": "m"}, info=ClientInfo("u", "c"))
    requests = server.receive(
        '{"id":2,"history":{"channel":"a","limit":1}}\n{"id":3,"rpc":{"method":"m","data":[]}}\n'
        '{"id":4,"refresh":{"token":"t"}}\n{"id":5,"publish":{"channel":"a","data":1}}\n{"send":{"data":7}}\n'
        '{"id":6,"sub_refresh":{"channel":"a","token":"t"}}\n{"id":7,"ping":{}}\n{"id":8,"news":{}}\n'
        '{"id":9,"presence":{"channel":"a"}}\n{"id":10,"presence_stats":{"channel":"a"}}',
        0.0,
    )
    history, rpc, refresh, publish, message, *_ = requests
    assert isinstance(history, HistoryRequested)
    assert isinstance(message, SendReceived)
    assert isinstance(publish, PublishRequested)
    assert isinstance(refresh, RefreshRequested)
    server.reply(history, log.page(history.limit, history.since, history.reverse, 0.0))
    server.reply(rpc, {"r": None})
    server.reply(refresh, RefreshResult(expires=True, ttl=5))
    server.reply(publish)
    server.reply(history, log.page(1, StreamPosition(1, "?"), False, 0.0))
    with pytest.raises(ConfigurationError, match="request"):
        server.reply(message)
    assert bytes(server.data_to_send()[0]).split(b"\n") == [
        b'{"id":7,"error":{"code":108,"message":"not available"}}',
        b'{"id":8,"error":{"code":104,"message":"method not found"}}',
        (
            b'{"id":2,"history":{"publications":[{"data":{"x":1},"info":{"user":"u","client":"c"},"offset":1,'
            b'"tags":{"messageId":"m"}}],"epoch":"e1","offset":1}}'
        ),
        b'{"id":3,"rpc":{"data":{"r":null}}}',
        b'{"id":4,"refresh":{"expires":true,"ttl":5}}',
        b'{"id":5,"publish":{}}',
        b'{"id":2,"error":{"code":112,"message":"unrecoverable position"}}',
    ]


def test_pushes_of_each_kind() -> None:
    server = greeted()
    server.subscribe("mine", SubscribeResult(positioned=True, offset=2, epoch="e"))
    server.join("mine", ClientInfo("u", "x"))
    server.leave("mine", ClientInfo("u", "x"))
    server.send({"hello": 1})
    assert bytes(server.data_to_send()[0]).split(b"\n") == [
        b'{"push":{"channel":"mine","subscribe":{"positioned":true,"epoch":"e","offset":2}}}',
        b'{"push":{"channel":"mine","join":{"info":{"user":"u","client":"x"}}}}',
        b'{"push":{"channel":"mine","leave":{"info":{"user":"u","client":"x"}}}}',
        b'{"push":{"message":{"data":{"hello":1}}}}',
    ]
    assert server.subscribed == {"mine"}


def test_so_many_messages_go_into_one_frame() -> None:
    server = greeted(messages_in_frame=2)
    for _ in range(5):
        server.send(1)
    assert [bytes(frame).count(b"\n") for frame in server.data_to_send()] == [1, 1, 0]


def test_a_disconnect_flushes_nothing() -> None:
    server = greeted()
    server.send(1)
    assert server.disconnect(3008) == Disconnected(3008, "slow")
    server.send(2)
    assert server.data_to_send() == []


def test_tokens_are_in_no_repr() -> None:
    server = CentrifugoServer()
    requests = server.receive('{"id":1,"connect":{"token":"very-secret"}}', 0.0)
    assert "very-secret" not in repr(requests)


def test_what_comes_behind_connect_waits_for_its_answer() -> None:
    server = CentrifugoServer()
    text = '{"connect":{"name":"js"},"id":1}\n{"subscribe":{"channel":"c"},"id":2}\n{"id":3,"rpc":{"method":"m"}}'
    (request,) = server.receive(text, 0.0)
    assert isinstance(request, ConnectRequested)
    assert server.receive('{"id":4,"rpc":{"method":"n"}}', 0.0) == []
    ahead = server.accept(request, 0.0, client="c1")
    assert [type(one) for one in ahead] == [SubscribeRequested, RpcRequested, RpcRequested]
    refused = CentrifugoServer()
    (request,) = refused.receive(text, 0.0)
    refused.refuse(request, 109)
    assert refused.data_to_send() == [b'{"id":1,"error":{"code":109,"message":"token expired"}}']
    assert refused.receive('{"id":5,"rpc":{}}', 0.0) == [TERMINAL]

"""What a client says, byte for byte, and what it refuses to say."""

from __future__ import annotations

import pytest

from tapewire.errors import ConfigurationError
from tapewire.protocols.base import (
    Command,
    StreamPosition,
)
from tapewire.protocols.centrifugo import (
    CentrifugoClient,
    History,
    Presence,
    PresenceStats,
    Publish,
    Refresh,
    Rpc,
    Send,
    SubRefresh,
    SubscribeParams,
)
from tapewire.protocols.centrifugo.commands import (
    CommandFrame,
    decode_command,
    encode_command,
    frame_of,
    subscribe_request,
)
from tapewire.secrets import Secret
from tests.protocols.centrifugo.wires import (
    RECOVERABLE,
    connected,
    recovering,
    sent,
)

COMMANDS: list[tuple[Command, str]] = [
    (Publish("c", data={"a": 1}), '{"id":4,"publish":{"channel":"c","data":{"a":1}}}'),
    (Presence("c"), '{"id":4,"presence":{"channel":"c"}}'),
    (PresenceStats("c"), '{"id":4,"presence_stats":{"channel":"c"}}'),
    (
        History("c", limit=100, since=StreamPosition(7, "e")),
        '{"id":4,"history":{"channel":"c","limit":100,"since":{"offset":7,"epoch":"e"}}}',
    ),
    (History("c", limit=-1, reverse=True), '{"id":4,"history":{"channel":"c","limit":-1,"reverse":true}}'),
    (Rpc(method="m", data=[1]), '{"id":4,"rpc":{"method":"m","data":[1]}}'),
    (Send(data="x"), '{"send":{"data":"x"}}'),
    (Refresh(token=Secret("JWT")), '{"id":4,"refresh":{"token":"JWT"}}'),
    (SubRefresh(topic="c", token=Secret("JWT")), '{"id":4,"sub_refresh":{"channel":"c","token":"JWT"}}'),
]

E = StreamPosition(10, "e")


def test_a_position_never_goes_without_recover() -> None:
    for params in (None, SubscribeParams(positioned=True)):
        client = connected()
        client.subscribe("c", params, E)
        assert not {"recover", "offset", "epoch"} & sent(client)[0]["subscribe"].keys()
    client, _ = recovering(E)
    client = connected()
    client.subscribe("c", RECOVERABLE, StreamPosition(0, ""))
    assert sent(client)[0]["subscribe"]["recover"] is True


@pytest.mark.parametrize("topic", ["", "x" * 256, "é" * 128])
def test_a_channel_that_no_server_takes_is_refused_here(topic: str) -> None:
    client = connected()
    with pytest.raises(ConfigurationError, match="255"):
        client.subscribe(topic)


def test_parameters_are_checked_when_they_are_given() -> None:
    client = connected()
    with pytest.raises(ConfigurationError, match="SubscribeParams"):
        client.subscribe("c", {"positioned": True})
    with pytest.raises(ConfigurationError, match="data"):
        client.subscribe("c", SubscribeParams(data=object()))
    with pytest.raises(ConfigurationError, match="delta"):
        SubscribeParams(delta="fossil", tag_filter={})
    with pytest.raises(ConfigurationError, match="name"):
        CentrifugoClient(name="x" * 17)
    with pytest.raises(ConfigurationError, match="max_ping_delay"):
        CentrifugoClient(max_ping_delay=0)
    assert sent(client) == []


@pytest.mark.parametrize(("command", "text"), COMMANDS)
def test_a_command_on_the_wire(command: Command, text: str) -> None:
    frame = frame_of(command)
    if not isinstance(command, Send):
        frame.id = 4
    assert encode_command(frame) == text.encode()
    assert decode_command(text) == frame


def test_a_subscription_on_the_wire() -> None:
    params = SubscribeParams(
        token=Secret("T"),
        data={},
        positioned=True,
        recoverable=True,
        join_leave=True,
        delta="fossil",
        reject_unrecovered=True,
    )
    frame = CommandFrame(2, subscribe=subscribe_request("c", params, StreamPosition(7, "e")))
    assert encode_command(frame) == (
        b'{"id":2,"subscribe":{"channel":"c","token":"T","recover":true,"epoch":"e","offset":7,"data":{},'
        b'"positioned":true,"recoverable":true,"join_leave":true,"delta":"fossil","flag":2}}'
    )
    filtered = subscribe_request("c", SubscribeParams(tag_filter={"op": "and"}), None)
    assert encode_command(CommandFrame(2, subscribe=filtered)) == (
        b'{"id":2,"subscribe":{"channel":"c","tf":{"op":"and"}}}'
    )


def test_a_command_of_another_protocol_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="command"):
        frame_of(Command("c", "push"))

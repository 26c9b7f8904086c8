"""The requests a server's application is told of."""

from __future__ import annotations

from tapewire.protocols.base import StreamPosition
from tapewire.protocols.centrifugo import SubscribeRequested, UnsubscribeReceived
from tapewire.protocols.centrifugo.commands import decode_command
from tapewire.protocols.centrifugo.requests import request_of


def test_a_position_is_one_only_with_recover() -> None:
    text = '{"id":2,"subscribe":{"channel":"c","token":"very-secret","epoch":"e","offset":7%s}}'
    without, with_it = (request_of(decode_command(text % more)) for more in ("", ',"recover":true,"flag":2'))
    assert isinstance(without, SubscribeRequested)
    assert isinstance(with_it, SubscribeRequested)
    assert (without.position, without.reject_unrecovered) == (None, False)
    assert (with_it.position, with_it.reject_unrecovered) == (StreamPosition(7, "e"), True)
    assert "very-secret" not in repr(without)
    assert without.token.reveal() == "very-secret"


def test_a_kind_that_does_not_exist_is_no_request() -> None:
    assert request_of(decode_command('{"id":2,"news":{}}')) is None
    assert request_of(decode_command('{"id":2,"ping":{}}')) is None
    assert request_of(decode_command('{"id":2,"unsubscribe":{"channel":"c"}}')) == UnsubscribeReceived(2, "c")

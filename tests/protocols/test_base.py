import inspect

import msgspec
import pytest

from tapewire.errors import ConfigurationError
from tapewire.protocols import base
from tapewire.protocols.base import ClientProtocol, Confirmed, Failed, StreamPosition, Unnumbered
from tapewire.protocols.centrifugo import CentrifugoClient
from tapewire.protocols.graphql_ws import GraphQLClient
from tapewire.protocols.phoenix import PhoenixClient
from tapewire.secrets import Secret

CLIENTS = [PhoenixClient, CentrifugoClient, GraphQLClient]


def methods_of(kind):
    return {
        name for name, value in vars(kind).items() if inspect.isfunction(value) and not name.startswith("_")
    }


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.__name__)
def test_every_client_protocol_has_the_whole_shape(client):
    for name in methods_of(ClientProtocol):
        expected = list(inspect.signature(getattr(ClientProtocol, name)).parameters)
        found = list(inspect.signature(getattr(client, name)).parameters)
        assert found[: len(expected)] == expected, name
    assert isinstance(client.publication, type)
    assert "topic" in client.publication.__struct_fields__


def test_events_are_values():
    assert Confirmed("a", position=StreamPosition(1, "e")) == Confirmed("a", position=StreamPosition(1, "e"))
    with pytest.raises(AttributeError):
        Confirmed("a").topic = "b"


def test_a_position_is_saved_as_json_and_comes_back():
    position = StreamPosition(7, "epoch")
    assert msgspec.json.decode(msgspec.json.encode(position), type=StreamPosition) == position


def test_a_protocol_that_numbers_nothing_answers_so():
    protocol = Unnumbered()
    protocol.rewind([object()])
    protocol.refresh(Secret("token"))
    assert not protocol.queued("a")
    assert protocol.position("a") is None
    assert protocol.history("a", StreamPosition(1, "e")) is None
    assert protocol.closed(4500, "any code") == Failed("any code", 4500)
    assert not protocol.closed(4500, "any code").terminal
    with pytest.raises(ConfigurationError, match="credentials"):
        protocol.with_token(None, Secret("token"))


def test_all_that_is_public_is_listed():
    defined = {
        name
        for name, value in vars(base).items()
        if inspect.isclass(value) and value.__module__ == base.__name__
    }
    assert {name for name in defined if not name.startswith("_")} <= set(base.__all__)

import pytest

from tapewire.protocols.graphql_ws import Operation
from tapewire.protocols.graphql_ws.frames import (
    Complete,
    Next,
    Ping,
    Pong,
    Subscribe,
    encoded,
    from_client,
    from_server,
)


@pytest.mark.parametrize(
    ("message", "wire"),
    [
        (Subscribe("1", Operation("q")), b'{"type":"subscribe","id":"1","payload":{"query":"q"}}'),
        (Complete("1"), b'{"type":"complete","id":"1"}'),
        (Ping(), b'{"type":"ping"}'),
        (Pong({"a": 1}), b'{"type":"pong","payload":{"a":1}}'),
    ],
)
def test_messages_are_written_as_the_specification_shows_them(message, wire):
    assert encoded(message, "message") == wire
    assert from_client.decode(wire) == message


def test_the_order_of_members_does_not_matter():
    wire = b'{"payload":{"data":{"a":1}},"id":"7","type":"next"}'
    message = from_server.decode(wire)
    assert isinstance(message, Next)
    assert (message.id, bytes(message.data)) == ("7", b'{"a":1}')

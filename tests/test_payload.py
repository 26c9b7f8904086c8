import msgspec
import pytest

from tapewire.payload import Binary
from tapewire.protocols import base


def test_a_binary_payload_is_bytes_and_says_that_it_is_binary():
    payload = Binary(b'{"a":1}')
    assert payload == b'{"a":1}'
    assert isinstance(payload, Binary)
    assert not isinstance(b"text", Binary)
    assert msgspec.json.decode(payload) == {"a": 1}


def test_a_binary_payload_costs_no_dictionary():
    with pytest.raises(AttributeError):
        Binary(b"").note = 1


def test_protocols_and_transports_speak_of_the_same_payload():
    assert base.Binary is Binary

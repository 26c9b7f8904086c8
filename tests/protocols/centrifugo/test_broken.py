"""Messages that cannot be decoded."""

from __future__ import annotations

from typing import Any

import pytest

from tapewire.protocols.base import (
    Binary,
    Undecodable,
)
from tests.protocols.centrifugo.wires import (
    PING,
    live,
    numbers,
    pub,
    sent,
)


def test_one_bad_message_does_not_cost_the_others_of_its_frame() -> None:
    client = live()
    bad = b'{"push":{"channel":"c","pub":{"data":1,"offset":"x"}}}'
    items = client.receive([b"\n".join([pub("c", 11), bad, PING, pub("c", 12)])], 1.0)
    assert numbers(items) == [11, 12]
    assert [item.topic for item in items if isinstance(item, Undecodable)] == ["c"]
    assert client.data_to_send() == [b"{}"]
    assert client.counts.undecodable == 1


@pytest.mark.parametrize(
    "payload", [Binary(b"{}"), b"", b"\n", "", "{", b"\xff", "\ud800", b'{"id":"x"}', b"[1]"]
)
def test_what_is_no_message_is_said(payload: Any) -> None:
    client = live()
    (item,) = client.receive([payload], 1.0)
    assert isinstance(item, Undecodable)
    assert sent(client) == []
    assert numbers(client.receive([pub("c", 11)], 1.0)) == [11]

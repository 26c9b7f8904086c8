"""What a message says of a market, read when somebody looks: nothing is missing, and nothing raises."""

from __future__ import annotations

import copy
import pickle
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from tapewire.venues.stx.unread import UnreadFields
from tests.venues.stx.test_stx_translate import MARKET


def unread(written: bytes) -> UnreadFields:
    return UnreadFields(msgspec.Raw(b'{"%b":%b}' % (MARKET.encode(), written)), MARKET)


def test_it_is_a_mapping_of_all_that_was_written_with_exact_numbers() -> None:
    fields: dict[str, Any] = {"price": 52, "handle": Decimal("0.10"), "bids": []}
    told = unread(b'{"price":52,"handle":0.10,"bids":[]}')
    assert told == fields
    assert (told["handle"], len(told), list(told), "price" in told) == (
        Decimal("0.10"),
        3,
        list(fields),
        True,
    )
    assert str(told["handle"]) == "0.10"
    assert repr(told) == repr(fields)
    with pytest.raises(KeyError):
        told["none"]


def test_a_copy_of_it_is_the_dict() -> None:
    for travelled in (copy.copy(unread(b'{"a":1}')), pickle.loads(pickle.dumps(unread(b'{"a":1}')))):
        assert (type(travelled), travelled) == (dict, {"a": 1})


@pytest.mark.parametrize("wrong", [b"1e999999", b'"\xff"'])
def test_what_cannot_be_read_stays_as_it_was_written(wrong: bytes) -> None:
    told = unread(b'{"price":52,"strange":%b}' % wrong)
    assert told["price"] == 52
    assert bytes(told["strange"]) == wrong


def test_where_not_even_a_name_can_be_read_it_is_all_there_as_it_was_written() -> None:
    told = unread(b'{"\xff":1e999999}')
    assert b"1e999999" in bytes(told[""])

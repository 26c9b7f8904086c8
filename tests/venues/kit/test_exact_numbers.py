"""A fraction is a Decimal on the sockets, as it is over HTTP: the two can be added (SX Bet: test_sxbet_channel.py)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from tapewire.protocols.phoenix import Frame as PhoenixFrame
from tapewire.venues.stake.message import data_of
from tapewire.venues.stake.protocol import PageFrame
from tapewire.venues.stx.message import decoder_for
from tapewire.venues.weex import V3
from tapewire.venues.weex.message import messages_of
from tapewire.venues.weex.wire import Frame

RAW = b'{"amount":0.10,"c":0.10,"count":3}'


def stx() -> Any:
    frame = PhoenixFrame(None, None, "portfolio:u", "update", msgspec.Raw(RAW))
    return decoder_for("portfolio")(frame).payload


def stake() -> Any:
    whole = b'{"channel":"user:balances","payload":' + RAW + b"}"
    return data_of(PageFrame("user:balances", msgspec.Raw(whole), msgspec.Raw(RAW)))["payload"]


def weex() -> Any:
    frame = Frame("", "ticker", "", False, 1790134568308, b"", msgspec.Raw(b'[{"c":0.10,"n":3}]'))
    (message,) = messages_of(frame, V3, lambda error: None)
    return {"amount": message.data["last"], "count": message.data["trades"]}


@pytest.mark.parametrize("read", [stx, stake, weex])
def test_a_fraction_on_a_socket_is_exact(read: Any) -> None:
    found = read()
    assert (str(found["amount"]), type(found["amount"])) == ("0.10", Decimal)
    assert found["amount"] + Decimal("0.20") == Decimal("0.30")
    assert found["count"] == 3
    assert type(found["count"]) in (int, Decimal)

"""The V2 words of the played WEEX: its channels, and V3 content in V2 frames. Pure. Frames: weex.md 3.4.

What is published is one thing, worded twice: the ledger has the V3 content, and a V2 socket gets it from here. How V2
words a refusal is not known; the sandbox's own wording is an `error` event with the channel and the text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

__all__ = ["channel_of", "encode_frame", "topic_of"]

_INTERVALS: Mapping[str, str] = {
    "MINUTE_1": "1m", "MINUTE_5": "5m", "MINUTE_15": "15m", "MINUTE_30": "30m", "HOUR_1": "1h", "HOUR_2": "2h",
    "HOUR_4": "4h", "HOUR_6": "6h", "HOUR_8": "8h", "HOUR_12": "12h", "DAY_1": "1d", "WEEK_1": "1w", "MONTH_1": "1M",
}  # fmt: skip
_NAMES = {short: name for name, short in _INTERVALS.items()}
_MARKET = re.compile(r"(ticker|trades)\.cmt_(\w+)")
_DEPTH = re.compile(r"depth\.cmt_(\w+)\.(\w+)")
_KLINE = re.compile(r"kline\.(\w+)\.cmt_(\w+)\.(\w+)")
_TIMES_IN_FORCE = {
    "GTC": "GOOD_TIL_CANCEL", "IOC": "IMMEDIATE_OR_CANCEL", "FOK": "FILL_OR_KILL", "POST_ONLY": "POST_ONLY",
}  # fmt: skip
_LISTS = {"account": "collateral", "orders": "order", "fill": "orderFillTransaction", "positions": "position"}


def topic_of(channel: str) -> str:
    """The V3 name of a V2 channel; one that is no channel comes back as it is, for V3 to refuse."""
    if found := _MARKET.fullmatch(channel):
        return f"{found[2].upper()}@{'trade' if found[1] == 'trades' else 'ticker'}"
    if found := _DEPTH.fullmatch(channel):
        return f"{found[1].upper()}@depth{found[2]}"
    if found := _KLINE.fullmatch(channel):
        return f"{found[2].upper()}@kline_{_INTERVALS.get(found[3], found[3])}_{found[1]}"
    return channel


def channel_of(topic: str) -> str:
    """The V2 name of a V3 topic."""
    symbol, _, event = topic.partition("@")
    if not event:
        return topic
    name = f"cmt_{symbol.lower()}"
    if event.startswith("depth"):
        return f"depth.{name}.{event.removeprefix('depth')}"
    if event.startswith("kline_"):
        _, interval, price_type = event.split("_", 2)
        return f"kline.{price_type}.{name}.{_NAMES[interval]}"
    return f"{'trades' if event == 'trade' else event}.{name}"


def encode_frame(topic: str, content: Mapping[str, Any]) -> dict[str, Any]:
    """The V2 frame of a V3 publication or snapshot."""
    channel = channel_of(topic)
    if "@" not in topic:
        return _private(channel, content)
    event = content["e"]
    frame: dict[str, Any] = {"event": "payload", "channel": channel}
    if event.startswith("kline"):
        frame["type"] = "snapshot" if event == "klineSnapshot" else "change"
    symbol = f"cmt_{content['s'].lower()}"
    if event.startswith("depth"):
        frame["data"] = [_depth(content, symbol)]
    else:
        word = {"ticker": _ticker, "trade": _trade, "kline": _kline}[event.removesuffix("Snapshot")]
        frame["data"] = [word(row, symbol) for row in content["d"]]
    return frame


def _depth(content: Mapping[str, Any], symbol: str) -> dict[str, Any]:
    return {
        "startVersion": str(content["U"]),
        "endVersion": str(content["u"]),
        "level": content["l"],
        "depthType": content["d"],
        "symbol": symbol,
        "asks": [{"price": price, "size": size} for price, size in content["a"]],
        "bids": [{"price": price, "size": size} for price, size in content["b"]],
    }


def _ticker(row: Mapping[str, Any], symbol: str) -> dict[str, Any]:
    return {
        "symbol": symbol,
        "priceChange": row["p"],
        "priceChangePercent": row["P"],
        "trades": str(row["n"]),
        "size": row["v"],
        "value": row["q"],
        "high": row["h"],
        "low": row["l"],
        "lastPrice": row["c"],
        "markPrice": row["m"],
    }


def _trade(row: Mapping[str, Any], _: str) -> dict[str, Any]:
    named = {"price": row["p"], "size": row["q"], "value": row["v"], "buyerMaker": row["m"]}
    return {"time": str(row["T"]), **named}


def _kline(row: Mapping[str, Any], symbol: str) -> dict[str, Any]:
    return {
        "symbol": symbol,
        "klineTime": str(row["t"]),
        "size": row["v"],
        "value": row["q"],
        "high": row["h"],
        "low": row["l"],
        "open": row["o"],
        "close": row["c"],
    }


def _private(channel: str, content: Mapping[str, Any]) -> dict[str, Any]:
    body = {
        "msgEvent": content["msgEvent"],
        "version": content["v"],
        "data": {_LISTS[channel]: [_private_row(row) for row in content["d"]]},
        "time": content["E"],
    }
    return {"type": "trade-event", "channel": channel, "event": "payload", "msg": body}


def _private_row(row: Mapping[str, Any]) -> dict[str, Any]:
    renamed = dict(row)
    if "symbol" in row:
        renamed["contractId"] = f"cmt_{renamed.pop('symbol').lower()}"
    if "coin" in row:
        renamed["coinId"] = renamed.pop("coin")
    if row.get("marginMode") == "CROSSED":
        renamed["marginMode"] = "SHARED"
    if "timeInForce" in row:
        renamed["timeInForce"] = _TIMES_IN_FORCE[row["timeInForce"]]
    return renamed

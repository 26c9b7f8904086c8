"""How a tape of this venue can begin in its midst: channels go on from where they stood, books are asked for anew.

Whoever begins there asks for each channel as for the first time, and is told the position at which it stood then, so
that what follows is the next. What came before over HTTP (orders, odds, whether a market is open) is asked for at that
moment, and answers in its place. What a channel said shortly before is not said again: the orders are of then.

A line that was made anew asked for what had been missed, and is none to begin with. Of the later generation (V3) there
are no seed points.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

import msgspec

from ...protocols.base import StreamPosition
from ...protocols.centrifugo import commands, frames
from .history_overlap import OVERLAP
from .market import SXBetMarket
from .symbols import parse_outcome_id

__all__ = ["Seeding"]

_Said: TypeAlias = tuple[bool, bytes]

_PUBLISHED: Final = re.compile(
    rb'\s*\{\s*"push"\s*:\s*\{\s*"channel"\s*:\s*"([^"\\]*)"\s*,\s*"pub"\s*:'
).match

_STATES: Final = ("/orders", "/orders/odds/best", "/markets/find")
"""What is asked for behind each subscription."""


class Seeding:
    """It is `tapewire.venues.VenueSeeding`."""

    def split(self, message: bytes) -> tuple[bytes | None, Sequence[tuple[str, bytes]]]:
        """A message has many lines, each a publication or something else."""
        again: list[bytes] = []
        told: list[tuple[str, bytes]] = []
        for line in message.split(b"\n"):
            found = _PUBLISHED(line)
            if found is None:
                again.append(line)
            else:
                told.append((found[1].decode(), line))
        return b"\n".join(again) if any(again) else None, told

    def is_beat(self, message: bytes) -> bool:
        """The answer to a ping."""
        return message.strip() == b"{}"

    def begun(self, said: Sequence[_Said], last: Mapping[str, bytes]) -> list[_Said] | None:
        """The same subscriptions, from where their channels stand. None where a line asked for what it had missed."""
        if any(is_ours and b'"recover":true' in message for is_ours, message in said):
            return None
        stands: dict[str, StreamPosition] = {}
        for channel, line in last.items():
            offset, epoch = _position_of(line)
            if offset > 0:
                stands[channel] = StreamPosition(offset, epoch)
        asked: dict[int, str] = {}
        begun: list[_Said] = []
        for is_ours, message in said:
            renewed = _command if is_ours else _reply
            begun.append((is_ours, b"\n".join(renewed(line, stands, asked) for line in message.split(b"\n"))))
        return begun

    def is_state(self, url: str) -> bool:
        """What changes with the stream."""
        return urlsplit(url).path.endswith(_STATES)

    async def snapshots(
        self, market: SXBetMarket, wanted: Mapping[str, Sequence[str]]
    ) -> list[tuple[str, bytes]] | None:
        """Ask for what books and odds begin with; no message is one.

        None in a generation of another wire, and where trades are wanted: which were told before is kept by nobody.
        Raises SXBetError.
        """
        if market.client.profile.book == "levels" or "watch_trades" in wanted:
            return None
        hashes = {
            verb: list(dict.fromkeys(parse_outcome_id(each)[0] for each in ids))
            for verb, ids in wanted.items()
        }
        http = market.client.http
        if books := hashes.get("watch_order_book"):
            await http.orders_of_markets(books)
        for market_hash in hashes.get("watch_ticker", ()):
            await http.best_odds(market_hashes=[market_hash])
        if every := list(dict.fromkeys(each for group in hashes.values() for each in group)):
            await http.markets(every)
        return []


def _position_of(line: bytes) -> tuple[int, str]:
    try:
        (frame,) = frames.decode_frames(line)
    except (ValueError, *frames.DECODE_ERRORS):
        return 0, ""
    publication = None if frame.push is None else frame.push.pub
    return (0, "") if publication is None else (publication.offset, publication.epoch)


def _command(line: bytes, stands: Mapping[str, StreamPosition], asked: dict[int, str]) -> bytes:
    """As it is said to begin there. `asked`: gets the channel of each, by its number."""
    try:
        command = commands.decode_command(line)
    except frames.DECODE_ERRORS:
        return line
    if command.subscribe is not None:
        asked[command.id] = command.subscribe.channel
    if command.history is None:
        return line
    channel = asked[command.id] = command.history.channel
    stand, since = stands.get(channel), command.history.since
    if stand is None or since is None:
        return line
    since.offset = max(0, stand.offset - OVERLAP)
    since.epoch = stand.epoch or since.epoch
    return commands.encode_command(command)


def _reply(line: bytes, stands: Mapping[str, StreamPosition], asked: Mapping[int, str]) -> bytes:
    """The answer to whoever begins there."""
    try:
        reply: Any = msgspec.json.decode(line)
    except frames.DECODE_ERRORS:
        return line
    stand = stands.get(asked.get(reply.get("id", 0), "")) if isinstance(reply, dict) else None
    result = reply.get("subscribe", reply.get("history")) if stand is not None else None
    if stand is None or not isinstance(result, dict):
        return line
    result |= {"offset": stand.offset}
    if stand.epoch:
        result["epoch"] = stand.epoch
    result.pop("publications", None)
    return msgspec.json.encode(reply)

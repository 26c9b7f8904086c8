"""What a client of a Centrifugo server wants, as the application on top of `CentrifugoServer` is told it."""

from __future__ import annotations

from typing import TypeAlias

import msgspec
from msgspec import Raw

from ...secrets import Secret
from ..base import StreamPosition
from .commands import CommandFrame
from .frames import ABSENT

__all__ = [
    "ConnectRequested",
    "Disconnected",
    "HistoryRequested",
    "PresenceRequested",
    "PresenceStatsRequested",
    "PublishRequested",
    "RefreshRequested",
    "RpcRequested",
    "SendReceived",
    "ServerRequest",
    "SubRefreshRequested",
    "SubscribeRequested",
    "UnsubscribeReceived",
    "request_of",
]


class _Request(msgspec.Struct, frozen=True):
    id: int


class ConnectRequested(_Request, frozen=True):
    """Answer it with `accept` or `refuse`."""

    token: Secret
    name: str
    data: Raw = ABSENT


class SubscribeRequested(_Request, frozen=True):
    """Answer it with `grant` or `refuse`. `position` is None where the client asks for nothing it has missed."""

    channel: str
    token: Secret
    position: StreamPosition | None = None
    positioned: bool = False
    recoverable: bool = False
    join_leave: bool = False
    reject_unrecovered: bool = False
    delta: str = ""
    data: Raw = ABSENT


class UnsubscribeReceived(_Request, frozen=True):
    """The client left; it has been answered. Stop what feeds the channel."""

    channel: str


class PublishRequested(_Request, frozen=True):
    """The client publishes."""

    channel: str
    data: Raw


class HistoryRequested(_Request, frozen=True):
    """The client asks for a page; `ChannelHistory.page` makes it."""

    channel: str
    limit: int
    since: StreamPosition | None
    reverse: bool


class PresenceRequested(_Request, frozen=True):
    """The client asks who is in the channel."""

    channel: str


class PresenceStatsRequested(_Request, frozen=True):
    """The client asks how many are in the channel."""

    channel: str


class RpcRequested(_Request, frozen=True):
    """The client calls a procedure."""

    method: str
    data: Raw


class SendReceived(_Request, frozen=True):
    """The client sent something that takes no answer."""

    data: Raw


class RefreshRequested(_Request, frozen=True):
    """The client gives a fresh token for its connection."""

    token: Secret


class SubRefreshRequested(_Request, frozen=True):
    """The client gives a fresh token for a channel."""

    channel: str
    token: Secret


class Disconnected(msgspec.Struct, frozen=True):
    """Close the socket with this code and reason: nothing more is taken or said."""

    code: int
    reason: str


ServerRequest: TypeAlias = (
    ConnectRequested
    | SubscribeRequested
    | UnsubscribeReceived
    | PublishRequested
    | HistoryRequested
    | PresenceRequested
    | PresenceStatsRequested
    | RpcRequested
    | SendReceived
    | RefreshRequested
    | SubRefreshRequested
    | Disconnected
)


def request_of(frame: CommandFrame) -> ServerRequest | None:
    """The request in one message; None where it is of a kind that does not exist."""
    number = frame.id
    if (connect := frame.connect) is not None:
        return ConnectRequested(number, Secret(connect.token), connect.name, connect.data)
    if (wish := frame.subscribe) is not None:
        position = StreamPosition(wish.offset, wish.epoch) if wish.recover else None
        return SubscribeRequested(
            number,
            wish.channel,
            Secret(wish.token),
            position,
            positioned=wish.positioned,
            recoverable=wish.recoverable,
            join_leave=wish.join_leave,
            reject_unrecovered=bool(wish.flag & 2),
            delta=wish.delta,
            data=wish.data,
        )
    if (page := frame.history) is not None:
        since = None if page.since is None else StreamPosition(page.since.offset, page.since.epoch)
        return HistoryRequested(number, page.channel, page.limit, since, page.reverse)
    return _short_request_of(frame)


def _short_request_of(frame: CommandFrame) -> ServerRequest | None:
    number = frame.id
    if (about := frame.unsubscribe) is not None:
        return UnsubscribeReceived(number, about.channel)
    if (about := frame.publish) is not None:
        return PublishRequested(number, about.channel, about.data or Raw(b"null"))
    if (about := frame.presence) is not None:
        return PresenceRequested(number, about.channel)
    if (about := frame.presence_stats) is not None:
        return PresenceStatsRequested(number, about.channel)
    if (about := frame.sub_refresh) is not None:
        return SubRefreshRequested(number, about.channel, Secret(about.token))
    if (call := frame.rpc) is not None:
        return RpcRequested(number, call.method, call.data)
    if (call := frame.send) is not None:
        return SendReceived(number, call.data)
    if (token := frame.refresh) is not None:
        return RefreshRequested(number, Secret(token.token))
    return None

"""What a client says: the wire's requests, the parameters of a subscription, and the commands of `send`.

`decode_commands` is the server's side of the same. Source: centrifugal/protocol `definitions/client.proto`.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import Raw

from ...errors import ConfigurationError
from ...secrets import Secret
from ..base import Command, StreamPosition
from .frames import ABSENT, as_raw

__all__ = [
    "INVALIDATED",
    "CommandFrame",
    "History",
    "Presence",
    "PresenceStats",
    "Publish",
    "Refresh",
    "Rpc",
    "Send",
    "SubRefresh",
    "SubscribeParams",
    "frame_of",
    "subscribe_request",
]

MAX_CHANNEL_BYTES = 255
INVALIDATED = StreamPosition(0, "_")
"""The position of a state that the server declared invalid: recovery is asked for, and surely fails, and so says so."""

REJECT_UNRECOVERED = 2
"""Bit of a subscription's `flag`: answer error 112 rather than `recovered: false`."""


class SubscribeParams(msgspec.Struct, frozen=True, kw_only=True):
    """How a channel is subscribed to.

    `positioned` and `recoverable` together give at-least-once delivery across connections, where the channel keeps a
    history: a saved position is sent only with `recoverable`. `reject_unrecovered`: be refused with error 112 where
    the position cannot be recovered. `delta="fossil"`: let the server send differences. `tag_filter`: only
    publications whose tags match, in Centrifugo's own form; offsets then leave holes, which are not reported, and
    `delta` cannot be had. `join_leave`: who comes and goes is delivered too. `data`: anything JSON can say.
    """

    token: Secret | None = None
    data: Any = None
    positioned: bool = False
    recoverable: bool = False
    join_leave: bool = False
    delta: Literal["", "fossil"] = ""
    tag_filter: Any = None
    reject_unrecovered: bool = False

    def __post_init__(self) -> None:
        if self.delta not in ("", "fossil"):
            raise ConfigurationError("delta", self.delta, ("", "fossil"))
        if self.delta and self.tag_filter is not None:
            raise ConfigurationError("delta", self.delta, "none together with a tag_filter")
        if self.token is not None and not isinstance(self.token, Secret):
            raise ConfigurationError("token", type(self.token).__name__, "a Secret, or None")


class Publish(Command, frozen=True):
    """Publish `data` to the channel, where the server lets clients do so. Replied with None."""

    event: str = "publish"
    data: Any = None


class History(Command, frozen=True):
    """Ask for publications of the channel. Replied with `HistoryResult`.

    `limit` 0: only where the top is; -1: as many as the server gives at once; a limit above that is cut down in
    silence. `since`: those after it, exclusive; `reverse`: newest first. Errors: 108 the channel keeps no history,
    112 `since` is of another epoch, 103 not allowed.
    """

    event: str = "history"
    limit: int = 0
    since: StreamPosition | None = None
    reverse: bool = False


class Presence(Command, frozen=True):
    """Ask who is in the channel. Replied with `PresenceResult`."""

    event: str = "presence"


class PresenceStats(Command, frozen=True):
    """Ask how many are in the channel. Replied with `PresenceStatsResult`."""

    event: str = "presence_stats"


class Rpc(Command, frozen=True):
    """Call `method` with `data`. Replied with the raw JSON it returned."""

    topic: str = ""
    event: str = "rpc"
    method: str = ""
    data: Any = None


class Send(Command, frozen=True):
    """Send `data` to the server, outside of any channel. Nothing is ever replied."""

    topic: str = ""
    event: str = "send"
    data: Any = None


class Refresh(Command, frozen=True, kw_only=True):
    """Give the connection a fresh token, as `CredentialsExpiring` asks for. Replied with `RefreshResult`."""

    topic: str = ""
    event: str = "refresh"
    token: Secret


class SubRefresh(Command, frozen=True, kw_only=True):
    """Give the subscription of `topic` a fresh token. Replied with `RefreshResult`."""

    topic: str
    event: str = "sub_refresh"
    token: Secret


# --- the wire -------------------------------------------------------------------------------------------------------


class SubscribeRequest(msgspec.Struct, gc=False, omit_defaults=True):
    """`subscribe`; within `connect` the same without a channel."""

    channel: str = ""
    token: str = ""
    recover: bool = False
    epoch: str = ""
    offset: int = 0
    data: Raw = ABSENT
    positioned: bool = False
    recoverable: bool = False
    join_leave: bool = False
    delta: str = ""
    tf: Raw = ABSENT
    flag: int = 0


class ConnectRequest(msgspec.Struct, gc=False, omit_defaults=True):
    """`connect`."""

    token: str = ""
    data: Raw = ABSENT
    name: str = ""
    version: str = ""
    subs: dict[str, SubscribeRequest] | None = None
    headers: dict[str, str] | None = None
    flag: int = 0


class Since(msgspec.Struct, gc=False, omit_defaults=True):
    """Where a page of history begins."""

    offset: int = 0
    epoch: str = ""


class HistoryRequest(msgspec.Struct, gc=False, omit_defaults=True):
    """`history`."""

    channel: str = ""
    limit: int = 0
    since: Since | None = None
    reverse: bool = False


class ChannelRequest(msgspec.Struct, gc=False, omit_defaults=True):
    """`unsubscribe`, `publish`, `presence`, `presence_stats` and `sub_refresh`: what they have of these."""

    channel: str = ""
    data: Raw = ABSENT
    token: str = ""


class RpcRequest(msgspec.Struct, gc=False, omit_defaults=True):
    """`rpc` and `send`: what they have of these."""

    method: str = ""
    data: Raw = ABSENT


class TokenRequest(msgspec.Struct, gc=False, omit_defaults=True):
    """`refresh`."""

    token: str = ""


class NoRequest(msgspec.Struct, gc=False):
    """`ping`, which version 2 no longer has."""


class CommandFrame(msgspec.Struct, gc=False, omit_defaults=True):
    """One message of the client: a command with its `id`, a `send` without one, or neither (a pong)."""

    id: int = 0
    connect: ConnectRequest | None = None
    subscribe: SubscribeRequest | None = None
    unsubscribe: ChannelRequest | None = None
    publish: ChannelRequest | None = None
    presence: ChannelRequest | None = None
    presence_stats: ChannelRequest | None = None
    history: HistoryRequest | None = None
    rpc: RpcRequest | None = None
    send: RpcRequest | None = None
    refresh: TokenRequest | None = None
    sub_refresh: ChannelRequest | None = None
    ping: NoRequest | None = None


decode_command = msgspec.json.Decoder(CommandFrame).decode
encode_command = msgspec.json.Encoder().encode


def checked_channel(topic: str) -> str:
    """`topic` where a server can take it as a channel. Raises ConfigurationError."""
    if not 0 < len(topic.encode(errors="replace")) <= MAX_CHANNEL_BYTES:
        raise ConfigurationError("topic", topic, f"1 to {MAX_CHANNEL_BYTES} bytes of UTF-8")
    return topic


def checked_params(params: Any) -> SubscribeParams:
    """`params`, or the defaults for None. Raises ConfigurationError for any other thing."""
    if params is None:
        return SubscribeParams()
    if not isinstance(params, SubscribeParams):
        raise ConfigurationError("params", type(params).__name__, "SubscribeParams, or None")
    return params


def subscribe_request(topic: str, params: Any, position: StreamPosition | None) -> SubscribeRequest:
    """The request to subscribe to `topic`. A position goes only where it can be recovered from, with `recover`.

    Raises ConfigurationError for parameters that are none, or that JSON cannot say.
    """
    params = checked_params(params)
    request = SubscribeRequest(
        checked_channel(topic),
        token="" if params.token is None else params.token.reveal(),
        data=as_raw("data", params.data),
        positioned=params.positioned,
        recoverable=params.recoverable,
        join_leave=params.join_leave,
        delta=params.delta,
        tf=as_raw("tag_filter", params.tag_filter),
        flag=REJECT_UNRECOVERED if params.reject_unrecovered else 0,
    )
    refusable = position == INVALIDATED and params.reject_unrecovered  # would be refused for ever
    if position is not None and params.recoverable and not refusable:
        request.recover, request.epoch, request.offset = True, position.epoch, position.offset
    return request


def frame_of(command: Command) -> CommandFrame:
    """The message for `command`, not yet numbered. Raises ConfigurationError for one that there is not."""
    match command:
        case Rpc(method=method, data=data):
            return CommandFrame(rpc=RpcRequest(method, as_raw("data", data)))
        case Send(data=data):
            return CommandFrame(send=RpcRequest(data=as_raw("data", data)))
        case Refresh(token=token):
            return CommandFrame(refresh=TokenRequest(token.reveal()))
    channel = checked_channel(command.topic)
    match command:
        case Publish(data=data):
            return CommandFrame(publish=ChannelRequest(channel, as_raw("data", data, null=True)))
        case History(limit=limit, since=since, reverse=reverse):
            start = None if since is None else Since(since.offset, since.epoch)
            return CommandFrame(history=HistoryRequest(channel, limit, start, reverse))
        case Presence():
            return CommandFrame(presence=ChannelRequest(channel))
        case PresenceStats():
            return CommandFrame(presence_stats=ChannelRequest(channel))
        case SubRefresh(token=token):
            return CommandFrame(sub_refresh=ChannelRequest(channel, token=token.reveal()))
    raise ConfigurationError("command", type(command).__name__, "one of tapewire.protocols.centrifugo")

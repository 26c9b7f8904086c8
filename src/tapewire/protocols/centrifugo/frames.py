"""The messages of the Centrifugo client protocol v2 in JSON, as both sides write and read them.

Rules: one text frame carries one or more messages with exactly one newline between them (and optionally one at the
end). An absent field is zero, false, empty or null; an unknown field is ignored. `{}` from the server is a ping, from
the client a pong. A `Publication` is decoded in one pass with its envelope and delivered as it is; its data stay raw.
Source: centrifugal/protocol `definitions/client.proto` and its JSON tags.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from ...errors import ConfigurationError

__all__ = [
    "ABSENT",
    "DECODE_ERRORS",
    "ClientInfo",
    "ConnectResult",
    "ErrorReply",
    "Frame",
    "HistoryResult",
    "PresenceResult",
    "PresenceStatsResult",
    "Publication",
    "Push",
    "Reason",
    "RefreshResult",
    "RpcResult",
    "SubscribeResult",
    "as_raw",
    "decode_frames",
    "encode_publication",
    "split_messages",
]

DECODE_ERRORS = (msgspec.MsgspecError, ValueError, RecursionError)
"""What the bytes of a peer can raise while they are decoded."""

ABSENT = Raw(b"")
"""The value of a raw field that is not there; it is false."""

_NULL = Raw(b"null")


class ClientInfo(msgspec.Struct, gc=False, omit_defaults=True):
    """Who is at the other end: user and client ids, and what the server attached to connection and channel."""

    user: str
    client: str
    conn_info: Raw = ABSENT
    chan_info: Raw = ABSENT


class Publication(msgspec.Struct, gc=False, omit_defaults=True):
    """One delivered message. `data` is raw JSON: decode it when you need it, with `msgspec.json.decode`.

    `offset` numbers it within its channel, 0 where the channel keeps no history. On the wire `epoch` comes only with
    the first one of a stream; delivered, each that is numbered has it: both together are where you resume. `tags`
    carries what the publisher attached (SX: `messageId`). The last three fields are not of the wire: `topic` is the
    subscription's channel, `replayed` says that recovery brought it, and `event` is `publication`, or `join` and
    `leave` (whose `info` says who) where the subscription asked for those.
    """

    data: Raw = _NULL
    info: ClientInfo | None = None
    offset: int = 0
    tags: dict[str, str] | None = None
    delta: bool = False
    time: int = 0
    channel: str = ""
    epoch: str = ""
    topic: str = msgspec.field(default="", name="(topic)")
    replayed: bool = msgspec.field(default=False, name="(replayed)")
    event: str = msgspec.field(default="publication", name="(event)")


class ErrorReply(msgspec.Struct, gc=False, omit_defaults=True):
    """An error in place of a result. What a code means stands in `codes.ERRORS`."""

    code: int = 0
    message: str = ""
    temporary: bool = False


class Reason(msgspec.Struct, gc=False, omit_defaults=True):
    """The body of a push that unsubscribes or disconnects."""

    code: int = 0
    reason: str = ""


class SubscribeResult(msgspec.Struct, gc=False, omit_defaults=True):
    """The server's answer to a subscription; also what it says of one that it made by itself.

    `was_recovering` and `recovered`: whether a position was given, and whether all since then follows.
    """

    expires: bool = False
    ttl: int = 0
    recoverable: bool = False
    positioned: bool = False
    epoch: str = ""
    offset: int = 0
    was_recovering: bool = False
    recovered: bool = False
    publications: list[Publication] | None = None
    data: Raw = ABSENT
    delta: bool = False


class ConnectResult(msgspec.Struct, gc=False, omit_defaults=True):
    """The server's answer to `connect`. `ping` in seconds, 0 for none; `ttl` in seconds where the token expires."""

    client: str = ""
    version: str = ""
    expires: bool = False
    ttl: int = 0
    data: Raw = ABSENT
    subs: dict[str, SubscribeResult] | None = None
    ping: int = 0
    pong: bool = False
    session: str = ""
    node: str = ""
    time: int = 0


class PresenceResult(msgspec.Struct, gc=False):
    """Who is in the channel, by client id."""

    presence: dict[str, ClientInfo] | None = None


class PresenceStatsResult(msgspec.Struct, gc=False):
    """How many are in the channel."""

    num_clients: int = 0
    num_users: int = 0


class HistoryResult(msgspec.Struct, gc=False):
    """A page of a channel's history, and where the stream's top is.

    A page is complete when it is shorter than its limit, or when its last offset is `offset`. A first offset above
    `since + 1` means that the server has dropped what lay between: it is no error to the server, so look.
    """

    publications: list[Publication] | None = None
    epoch: str = ""
    offset: int = 0


class RpcResult(msgspec.Struct, gc=False, omit_defaults=True):
    """What a remote procedure returned."""

    data: Raw = ABSENT


class RefreshResult(msgspec.Struct, gc=False, omit_defaults=True):
    """The token was accepted; where it expires, `ttl` seconds from now."""

    client: str = ""
    version: str = ""
    expires: bool = False
    ttl: int = 0


class Empty(msgspec.Struct, gc=False):
    """A result that says no more than that it was done."""


class Who(msgspec.Struct, gc=False):
    """Who came, or went."""

    info: ClientInfo | None = None


class Message(msgspec.Struct, gc=False):
    """What the server sends to this client outside of any channel."""

    data: Raw = ABSENT


class Push(msgspec.Struct, gc=False, omit_defaults=True):
    """What the server sends unasked. Exactly one of the fields after `channel` is set, none for a kind unknown."""

    channel: str = ""
    pub: Publication | None = None
    join: Who | None = None
    leave: Who | None = None
    unsubscribe: Reason | None = None
    subscribe: SubscribeResult | None = None
    message: Message | None = None
    disconnect: Reason | None = None


class Frame(msgspec.Struct, gc=False, omit_defaults=True):
    """One message of the server: a reply by `id`, a `push`, or neither (a ping)."""

    push: Push | None = None
    id: int = 0
    error: ErrorReply | None = None
    connect: ConnectResult | None = None
    subscribe: SubscribeResult | None = None
    unsubscribe: Empty | None = None
    publish: Empty | None = None
    presence: PresenceResult | None = None
    presence_stats: PresenceStatsResult | None = None
    history: HistoryResult | None = None
    rpc: RpcResult | None = None
    refresh: RefreshResult | None = None
    sub_refresh: RefreshResult | None = None


decode_frames = msgspec.json.Decoder(Frame).decode_lines
"""All messages of one text frame: msgspec's own decoder and nothing around it, the hot path."""


def split_messages(payload: str | bytes) -> list[bytes]:
    """The messages of one text frame, each without its newline. Raises ValueError where it is no UTF-8."""
    lines = (payload.encode() if isinstance(payload, str) else payload).split(b"\n")
    if not lines[-1]:
        lines.pop()
    return lines


def as_raw(name: str, value: Any, *, null: bool = False) -> Raw:
    """`value` as raw JSON on one line; ABSENT for None, unless `null` wants it written.

    Raises ConfigurationError, naming it, for what JSON cannot say.
    """
    if value is None:
        return Raw(b"null") if null else ABSENT
    try:
        if not isinstance(value, Raw):
            return Raw(msgspec.json.encode(value))
        # A raw newline would end the message in the middle.
        return Raw(msgspec.json.format(bytes(value), indent=-1)) if b"\n" in bytes(value) else value or ABSENT
    except (TypeError, *DECODE_ERRORS) as error:
        # The value itself may hold a secret: only its type is named.
        raise ConfigurationError(name, type(value).__name__, f"what JSON can say ({error})"[:300]) from None


def encode_publication(channel: str, publication: Publication) -> bytes:
    """A publication's push, encoded once for every subscriber of `channel`."""
    return msgspec.json.encode(Frame(push=Push(channel=channel, pub=publication)))

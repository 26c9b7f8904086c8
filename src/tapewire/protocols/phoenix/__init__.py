"""Phoenix Channels, sans-IO: V1, V2 and binary frames, the client's side, the server's side, presence."""

from .client import FINAL_REASONS, MAX_HELD_PUSHES, PhoenixClient, Push
from .frames import BinaryResponse, Codec, Frame, Version
from .handshake import auth_subprotocols, negotiate, socket_url, token_from_subprotocols
from .presence import Presence
from .server import (
    JoinRequested,
    LeaveRequested,
    PhoenixServer,
    PushReceived,
    ServerRequest,
    encode_broadcast,
)

__all__ = [
    "FINAL_REASONS",
    "MAX_HELD_PUSHES",
    "BinaryResponse",
    "Codec",
    "Frame",
    "JoinRequested",
    "LeaveRequested",
    "PhoenixClient",
    "PhoenixServer",
    "Presence",
    "Push",
    "PushReceived",
    "ServerRequest",
    "Version",
    "auth_subprotocols",
    "encode_broadcast",
    "negotiate",
    "socket_url",
    "token_from_subprotocols",
]

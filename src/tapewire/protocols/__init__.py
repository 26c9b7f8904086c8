"""Wire protocols, sans-IO: bytes in, commands and events out. No sockets, clocks or tasks (see `base`).

Here is the shape that all of them have, for those who write one; `centrifugo`, `graphql_ws` and `phoenix` are ready.
"""

from .base import (
    Binary,
    ClientProtocol,
    Command,
    Confirmed,
    CredentialsExpiring,
    Ended,
    Event,
    Failed,
    Interrupted,
    Payload,
    Publication,
    Ready,
    Refused,
    Replied,
    Skipped,
    StreamPosition,
    Undecodable,
    Unnumbered,
)

__all__ = [
    "Binary",
    "ClientProtocol",
    "Command",
    "Confirmed",
    "CredentialsExpiring",
    "Ended",
    "Event",
    "Failed",
    "Interrupted",
    "Payload",
    "Publication",
    "Ready",
    "Refused",
    "Replied",
    "Skipped",
    "StreamPosition",
    "Undecodable",
    "Unnumbered",
]

"""What the sandbox and a venue's face are to each other: what a face is lent, its sockets, its HTTP routes.

A face owns an exchange and its flow. It enters each publication in the ledger before it encodes it, tells the carriage
which topics each socket is served, and the socket of what kind each message is, so that faults can be played on it that
know no venue. What faces have in common is `play.TopicFace`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Literal, Protocol, TypeAlias, runtime_checkable

import msgspec

from ..clock import Clock
from ..protocols.base import Payload
from .core.carriage import Carriage
from .core.faults import Faults, Injected
from .core.ledger import Entry, Ledger
from .net.http import Request, Response

__all__ = ["FaceContext", "MessageKind", "ReplayingFace", "Route", "Socket", "SocketHandler"]

MessageKind: TypeAlias = Literal["publication", "heartbeat", "control"]
Route: TypeAlias = Callable[[Request], Awaitable[Response]]


class FaceContext(msgspec.Struct, frozen=True, kw_only=True):
    """What the sandbox lends a face. `market_life`: seconds that a market lives, where the venue's markets end."""

    ledger: Ledger
    carriage: Carriage
    faults: Faults
    clock: Clock
    seed: int | str = 1
    market_life: float | None = None

    def meet(self, fault: str, **facts: object) -> Injected | None:
        """The oldest standing order of that fault that agrees with `facts`, met by this; None without one."""
        return self.faults.meet(fault, self.clock.time_ns(), **facts)

    def venue_time_ns(self) -> int:
        """The venue's clock: the sandbox's, and what the fault `skew` adds to it."""
        now_ns = self.clock.time_ns()
        skewed = self.meet("skew") if self.faults.any_standing else None
        return now_ns if skewed is None else now_ns + int(skewed.params["seconds"] * 1e9)

    def channel_limit(self, limit: int) -> int:
        """How many channels a socket opened now may have, where the venue's own limit is `limit`."""
        order = self.meet("channel_limit")
        return limit if order is None else int(order.params["count"])


class Socket(Protocol):
    """One client's open socket, as a face sees it."""

    @property
    def number(self) -> int:
        """The connection's number, as faults name it."""

    def send(
        self, payloads: Sequence[Payload], kind: MessageKind = "control", entry: Entry | None = None
    ) -> None:
        """Send messages, in order; `entry` is the publication that they say. Never waits.

        A client that does not read is disconnected.
        """

    def close(self, code: int, reason: str = "") -> None:
        """Close with a code."""

    def abort(self) -> None:
        """Drop the connection without a close frame."""

    def limit_outgoing(self, size: int) -> None:
        """Disconnect the client once more than so many bytes wait for it, where the sandbox does not allow fewer."""

    def later(self, seconds: float, call: Callable[..., object], *arguments: object) -> None:
        """Call it after so long, unless the connection is over before."""

    def stall(self, seconds: float) -> None:
        """Give the handler no messages for so long: what arrives meanwhile waits."""


class SocketHandler(Protocol):
    """A face's end of one socket."""

    def received(self, payload: Payload) -> None:
        """One message of the client."""

    def lost(self) -> None:
        """The socket is over."""


@runtime_checkable
class ReplayingFace(Protocol):
    """A face that numbers its publications and can replay them: it plays the faults of histories, too.

    A topic of None stands for every one.
    """

    def prune_history(self, topic: str | None, keep: int) -> int:
        """Forget all but the last `keep` publications that could be replayed; returns of how many topics."""

    def restart_history(self, topic: str | None) -> int:
        """Number the publications anew and tell who listens; returns how many were told."""

    def lose_place(self, topic: str | None) -> int:
        """Tell who listens to the topic, or every connection, that streams must be resumed; returns how many."""

"""What a venue's face is to the sandbox: its routes, its sockets, and how it words what happens at the exchange.

A face owns an exchange and its flow. It enters each publication in the ledger before it encodes it, tells the carriage
which topics each socket is served, and the socket of what kind each message is, so that faults can be played on it that
know no venue.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Literal, Protocol, TypeAlias, runtime_checkable

import msgspec

from ..clock import Clock
from ..protocols.base import Payload
from .core.carriage import Carriage
from .core.events import Event
from .core.exchange import Exchange
from .core.faults import Faults, Injected
from .core.flow import Flow
from .core.ledger import Entry, Ledger
from .net.http import Request, Response

__all__ = ["Face", "FaceContext", "MessageKind", "ReplayingFace", "Route", "Socket", "SocketHandler"]

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

    def channel_limit(self, limit: int) -> int:
        """How many channels a socket opened now may have, where the venue's own limit is `limit`."""
        order = self.meet("channel_limit")
        return limit if order is None else int(order.params["count"])


class Socket(Protocol):
    """One client's open socket, as a face sees it."""

    @property
    def number(self) -> int:
        """The connection's number, as faults name it."""
        ...

    def send(
        self, payloads: Sequence[Payload], kind: MessageKind = "control", entry: Entry | None = None
    ) -> None:
        """Send messages, in order; `entry` is the publication that they say. Never waits.

        A client that does not read is disconnected.
        """
        ...

    def close(self, code: int, reason: str = "") -> None:
        """Close with a code."""
        ...

    def abort(self) -> None:
        """Drop the connection without a close frame."""
        ...

    def limit_outgoing(self, size: int) -> None:
        """Disconnect the client once more than so many bytes wait for it, where the sandbox does not allow fewer."""
        ...

    def later(self, seconds: float, call: Callable[..., object], *arguments: object) -> None:
        """Call it after so long, unless the connection is over before."""
        ...

    def stall(self, seconds: float) -> None:
        """Give the handler no messages for so long: what arrives meanwhile waits."""
        ...


class SocketHandler(Protocol):
    """A face's end of one socket."""

    def received(self, payload: Payload) -> None:
        """One message of the client."""
        ...

    def lost(self) -> None:
        """The socket is over."""
        ...


class Face(Protocol):
    """One venue, played. Made with `(context)` and its own keyword arguments."""

    name: str
    exchange: Exchange
    flow: Flow
    idle_timeout: float
    idle_code: int
    slow_consumer_code: int
    subprotocols: Sequence[str]
    routes: Mapping[tuple[str, str], Route]
    socket_paths: frozenset[str]
    origins: frozenset[str]

    def accept(self, request: Request, socket: Socket) -> SocketHandler | Response:
        """A socket wants to open: its handler, or the HTTP response that refuses it."""
        ...

    def publish(self, events: Sequence[Event], now_ns: int) -> None:
        """Word what happened, enter it in the ledger, send it to whoever subscribes."""
        ...

    def listening_accounts(self) -> list[str]:
        """The accounts whose own streams somebody listens to now, sorted."""
        ...

    def joined_topics(self) -> list[str]:
        """The topics that somebody has joined now."""
        ...

    def tick(self, now: float, now_ns: int) -> None:
        """Called a few times a second: for the face's own deadlines."""
        ...

    def expire_tokens(self) -> int:
        """Every access token given so far is expired from now on; returns how many accounts had one."""
        ...

    def end_topic(self, topic: str, *, crashed: bool) -> int:
        """Crash or close the topic on every socket that has joined it; returns on how many."""
        ...

    def environment(self, url: str) -> dict[str, str]:
        """The environment variables that lead the venue's SDK here."""
        ...


@runtime_checkable
class ReplayingFace(Protocol):
    """A face that numbers its publications and can replay them: it plays the faults of histories, too.

    A topic of None stands for every one.
    """

    def prune_history(self, topic: str | None, keep: int) -> int:
        """Forget all but the last `keep` publications that could be replayed; returns of how many topics."""
        ...

    def restart_history(self, topic: str | None) -> int:
        """Number the publications anew and tell who listens; returns how many were told."""
        ...

    def lose_place(self, topic: str | None) -> int:
        """Tell who listens to the topic, or every connection, that streams must be resumed; returns how many."""
        ...

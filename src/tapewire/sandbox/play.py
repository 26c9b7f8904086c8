"""What every face does alike: who has joined which topic, what is published, and what faults make of joins."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from ..protocols.base import Payload
from .core.events import Event
from .core.exchange import Exchange
from .core.faults import Injected
from .core.flow import Flow
from .core.ledger import Entry
from .face import FaceContext, MessageKind, Route, Socket, SocketHandler
from .net.http import Request, Response

__all__ = ["MAX_HELD_BACK", "JoinGate", "Message", "TopicFace", "TopicListener", "Topics", "Venue"]

MAX_HELD_BACK = 10_000
"""Messages of one socket that may wait behind a slow join."""


class Message(NamedTuple):
    """One publication, before it is entered in the ledger."""

    topic: str
    event: str
    payload: Any


class JoinGate:
    """The way out of one socket's handler, and what faults make of the joins that it asks about.

    While a join takes long nothing but heartbeats goes out: what else is sent waits, and follows the join's answer.
    `flush` sends what a decision that came late has left to be said. What the client sends meanwhile waits in the
    socket; a handler that must go on reading gives `resume`, which is called when the join is over. `overflow` is
    called when too much waits; by default the socket is closed (1011). `is_over` says that nothing more may go out.
    """

    def __init__(
        self,
        context: FaceContext,
        venue: str,
        socket: Socket,
        *,
        flush: Callable[[], None] = lambda: None,
        resume: Callable[[], None] | None = None,
        overflow: Callable[[], None] | None = None,
    ) -> None:
        self.number: int = socket.number
        self.is_over: bool = False
        self._context = context
        self._venue = venue
        self._socket = socket
        self._flush = flush
        self._resume = resume
        self._overflow = overflow or partial(socket.close, 1011, "too much waits behind a slow join")
        self._held: list[tuple[Sequence[Payload], MessageKind, Entry | None]] | None = None

    @property
    def is_slow(self) -> bool:
        """True while a join takes long."""
        return self._held is not None

    def send(
        self, payloads: Sequence[Payload], kind: MessageKind = "control", entry: Entry | None = None
    ) -> None:
        """Send messages, or keep them behind the slow join."""
        if not payloads or self.is_over:
            return
        if self._held is None or kind == "heartbeat":
            self._socket.send(payloads, kind, entry)
            return
        self._held.append((payloads, kind, entry))
        if len(self._held) > MAX_HELD_BACK:
            self._overflow()

    def consider(self, topics: Mapping[str, str], decide: Callable[[Injected | None], None]) -> None:
        """A join of topics, each with its name in the ledger: `decide(refusal)` now, later, or never.

        `decide` is given the order that refuses the join, or None where the venue's own rules decide.
        """
        slow = next(filter(None, (self._context.meet("slow_join", topic=topic) for topic in topics)), None)
        if slow is None:
            self._decide(topics, decide)
            return
        seconds = slow.params["seconds"]
        self._held = []
        self._socket.later(seconds, self._decide_at_last, topics, decide)
        if self._resume is None:
            self._socket.stall(seconds)

    def ignores_pong(self) -> bool:
        """True if a fault has it that a pong of the client does not count."""
        order = self._context.meet("ignore_pongs", connection=self.number)
        if order is not None:
            self._context.carriage.trouble(order, self.number)
        return order is not None

    def _decide_at_last(self, topics: Mapping[str, str], decide: Callable[[Injected | None], None]) -> None:
        held, self._held = self._held or [], None
        if self.is_over:
            return
        self._decide(topics, decide)
        self._flush()
        for payloads, kind, entry in held:
            self.send(payloads, kind, entry)
        if self._resume is not None:
            self._resume()

    def _decide(self, topics: Mapping[str, str], decide: Callable[[Injected | None], None]) -> None:
        for topic, key in topics.items():
            if self._context.meet("ignore_join", topic=topic):
                return
            refusal = self._context.meet("refuse_join", topic=topic)
            if refusal is None and self._context.carriage.has_served(self._venue, key):
                refusal = self._context.meet("refuse_rejoin", topic=topic)
            if refusal is not None:
                decide(refusal)
                return
        decide(None)


class TopicListener(SocketHandler, Protocol):
    """A socket's handler, as the topics that it has joined see it. `dialect`: what publications are encoded for."""

    gate: JoinGate

    @property
    def dialect(self) -> str: ...
    def publish(self, entry: Entry, encoded: Any) -> None:
        """A publication of a topic that it has joined."""

    def end(self, topic: str, *, crashed: bool) -> None:
        """The topic crashes, or is closed."""

    def tick(self, now: float) -> None:
        """Called a few times a second: for the socket's own deadlines."""


L = TypeVar("L", bound=TopicListener)


class Topics(Generic[L]):
    """Who has joined which topic of one venue, by the topics' names in the ledger. The carriage is told."""

    def __init__(self, context: FaceContext, venue: str) -> None:
        self._carriage = context.carriage
        self._venue = venue
        self._listeners: dict[str, dict[L, None]] = {}
        self._joined: dict[L, dict[str, None]] = {}

    def join(self, topic: str, listener: L) -> None:
        """It is given the topic from here on."""
        self._listeners.setdefault(topic, {})[listener] = None
        self._joined.setdefault(listener, {})[topic] = None
        self._carriage.begin(self._venue, topic, listener.gate.number)

    def leave(self, topic: str, listener: L) -> bool:
        """It has left, was made to, or is over. False where it had not joined."""
        self._carriage.end(self._venue, topic, listener.gate.number, line_over=listener.gate.is_over)
        joined, listeners = self._joined.get(listener, {}), self._listeners.get(topic, {})
        if topic not in joined:
            return False
        del joined[topic], listeners[listener]
        if not joined:
            del self._joined[listener]
        if not listeners:
            del self._listeners[topic]
        return True

    def leave_all(self, listener: L) -> None:
        """It is over."""
        for topic in list(self._joined.get(listener, ())):
            self.leave(topic, listener)

    def of(self, topic: str) -> list[L]:
        """Who has joined the topic."""
        return list(self._listeners.get(topic, ()))

    def __iter__(self) -> Iterator[str]:
        return iter(self._listeners)


class Venue(Protocol[L]):
    """What a socket's handler needs of any face. When it is over `forget` has it leave whatever it has joined."""

    name: str
    context: FaceContext
    topics: Topics[L]

    def forget(self, socket: L) -> None: ...


class TopicFace(ABC, Generic[L]):
    """One venue, played. Made with `(context)` and its own keyword arguments.

    `idle_timeout`: seconds that a client may be silent before it is closed with `idle_code`; `slow_consumer_code` is
    for one that reads too slowly; `origins`: those that the venue's own clients send, whatever the address.
    """

    name: str
    exchange: Exchange
    flow: Flow
    idle_timeout: float
    idle_code: int
    slow_consumer_code: int
    subprotocols: Sequence[str]
    routes: Mapping[tuple[str, str], Route]
    socket_paths: frozenset[str]
    origins: frozenset[str] = frozenset()

    def __init__(self, context: FaceContext) -> None:
        self.context = context
        self.topics: Topics[L] = Topics(context, self.name)
        self.sockets: dict[L, None] = {}

    @abstractmethod
    def accept(self, request: Request, socket: Socket) -> SocketHandler | Response:
        """A socket wants to open: its handler, or the HTTP response that refuses it."""

    @abstractmethod
    def publish(self, events: Sequence[Event], now_ns: int) -> None:
        """Send what follows from what happened at the exchange."""

    @abstractmethod
    def listening_accounts(self) -> list[str]:
        """The accounts whose own streams somebody listens to now, sorted."""

    @abstractmethod
    def environment(self, url: str) -> dict[str, str]:
        """The environment variables that lead the venue's SDK here."""

    def is_order(self, request: Request) -> bool:
        """True if the request places or cancels orders: it takes its time to the venue."""
        return False

    def encode(self, entry: Entry, payload: Any, dialect: Any) -> Any:
        """A publication as listeners of that dialect are given it; as it is, where they encode it themselves."""
        return payload

    def send(self, topic: str, event: str, payload: Any, now_ns: int) -> None:
        """Enter a publication in the ledger, and give it to whoever has joined the topic."""
        entry = self.context.ledger.append(self.name, topic, event, payload, now_ns)
        self.fan_out(entry, lambda dialect: self.encode(entry, payload, dialect))

    def fan_out(self, entry: Entry, encode: Callable[[Any], Any]) -> None:
        """Give it to whoever has joined its topic, encoded once for each dialect."""
        encoded: dict[str, Any] = {}
        for listener in self.topics.of(entry.topic):
            dialect = listener.dialect
            if dialect not in encoded:
                encoded[dialect] = encode(dialect)
            listener.publish(entry, encoded[dialect])

    def opened(self, socket: L) -> L:
        """A socket's handler, known from here on."""
        self.sockets[socket] = None
        return socket

    def forget(self, socket: L) -> None:
        """A socket is over, and has left whatever it had joined."""
        socket.gate.is_over = True
        self.topics.leave_all(socket)
        self.sockets.pop(socket, None)

    def joined_topics(self) -> list[str]:
        """The topics that somebody has joined."""
        return list(self.topics)

    def tick(self, now: float, now_ns: int) -> None:
        """Called a few times a second: for the sockets' deadlines, and the face's own."""
        for socket in list(self.sockets):
            socket.tick(now)

    def expire_tokens(self) -> int:
        """Every access token given so far is expired from now on; returns how many accounts had one."""
        return 0

    def end_topic(self, topic: str, *, crashed: bool) -> int:
        """Crash or close the topic on every socket that has joined it; returns on how many."""
        listeners = self.topics.of(topic)
        for listener in listeners:
            listener.end(topic, crashed=crashed)
        return len(listeners)

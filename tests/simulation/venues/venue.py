"""What every simulated venue is: it writes each publication into the ledger first, and says several things in one read.

Rules: `publish`, `garble`, `interrupt`, `end` and the answers to subscriptions only queue what is to be said; `flush`
sends what is queued on each connection as one read (or as two). After `heal` it answers all and disturbs nothing.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Self

import msgspec

from tapewire.protocols.base import ClientProtocol, Command
from tapewire.secrets import Secret
from tapewire.testing.scripted import ScriptedConnection, ScriptedVenue
from tapewire.transport.base import Endpoint
from tapewire.transport.memory import LinkFaults, MemoryNetwork
from tests.simulation.ledger import Ledger
from tests.simulation.world import World

__all__ = ["FULL", "LATER", "LIMIT", "NEVER", "Temper", "Venue"]

LATER, NEVER, FULL = "later", "never", "full"
"""How a subscription is refused: it may be granted later, it never will be, or not on this connection."""

MAX_ASKED = 200
"""How often one topic may be asked for in ten seconds: more is no retry but a storm."""

LIMIT = 2
"""Topics that one connection holds, where the venue limits them."""


class Temper(msgspec.Struct, kw_only=True):
    """How the venue treats subscriptions: the probability of each answer that is not a plain yes at once."""

    slow: float = 0.0
    refuse: float = 0.0
    final: float = 0.0
    ignore: float = 0.0
    full: float = 0.0


class Venue(ABC):
    """One wire. `limited`: a connection holds `LIMIT` topics (a pool moves what is too much)."""

    topics: ClassVar[tuple[str, ...]] = ("a", "b", "c")
    numbered: ClassVar[bool] = False
    """True where a stream can be recovered."""
    answers: ClassVar[bool] = True
    """True where commands are answered."""
    pooled: ClassVar[bool] = False
    """True where only a pool can bear what the venue refuses on one connection."""
    topic_tokens: ClassVar[bool] = False
    """True where a topic may have a token of its own."""
    tokens_may_fail: ClassVar[bool] = False
    """True where two refused tokens in a row are final."""
    has_heartbeat: ClassVar[bool] = True
    """True where the protocol itself notices a dead line."""
    slowest: ClassVar[float] = 1.0
    """The longest way of a message, in seconds, that a client of this wire can bear."""
    close_codes: ClassVar[tuple[int, ...]] = (1000, 1001, 1006, 1012)
    """Of which the session comes back."""
    final_codes: ClassVar[tuple[int, ...]] = ()
    """After which it must not."""

    def __init__(self, world: World, ledger: Ledger, *, limited: bool = False) -> None:
        self.world = world
        self.ledger = ledger
        self.limited = limited
        self.network = MemoryNetwork()
        self.temper = Temper()
        self.ended: set[str] = set()
        """Topics that were ended or finally refused at some time: a subscription of them may end."""
        self.is_final = False
        """True once the venue has forbidden to come back."""
        self._held: list[tuple[str, Callable[[], None], Callable[[str], None]]] = []
        self._asked_at: dict[str, deque[float]] = {}

    # --- for the session --------------------------------------------------------------------------------------------

    @abstractmethod
    def protocol(self, token: Secret | None) -> ClientProtocol:
        """A new connection's."""

    def endpoint(self, token: Secret | None) -> Endpoint:
        """Where to connect."""
        return Endpoint(url="ws://venue.test/socket")

    def params(self, topic: str) -> Any:
        """What is sent along with a subscription."""
        return None

    def command(self, topic: str) -> Command | None:
        """A command that is answered, sooner or later; None where the wire has none."""
        return None

    @abstractmethod
    def number_of(self, publication: Any) -> int | None:
        """The ledger's number in it; None for what is no publication of the ledger's."""

    # --- what it says: queued ---------------------------------------------------------------------------------------

    @property
    @abstractmethod
    def peer(self) -> ScriptedVenue[Any]:
        """The scripted peer."""

    def publish(self, topic: str) -> int:
        """The next publication of `topic`, to whoever is subscribed."""
        number = self.ledger.next(topic)
        self.world.note(f"venue: publishes {topic} {number}")
        self._publish(topic, number)
        return number

    @abstractmethod
    def _publish(self, topic: str, number: int) -> None: ...

    @abstractmethod
    def garble(self, topic: str) -> None:
        """A publication whose frame is broken."""

    @abstractmethod
    def interrupt(self, topic: str) -> None:
        """The subscription stops; asking again is expected."""

    @abstractmethod
    def end(self, topic: str) -> None:
        """The subscription ends for good."""

    def refuse_tokens(self, tokens: Iterable[str]) -> None:
        """These are not accepted; where a wire takes its token with the handshake, some handshakes are not."""
        self.network.refuse(401)

    def oddity(self, topic: str) -> None:
        """Something that only this wire knows; here there is no more than garbage."""
        self.garbage()

    def answer_held(self) -> None:
        """Answer one subscription that was held back: mostly with yes."""
        if self._held:
            topic, accept, refuse = self._held.pop(self.world.chance.randrange(len(self._held)))
            if self.world.likely(0.8):
                self.world.note(f"venue: accepts {topic} (late)")
                accept()
            else:
                self._refuse(topic, refuse, NEVER if self.world.likely(0.2) else LATER)

    def flush(self) -> None:
        """Send what is queued, as one read for each connection; sometimes as two."""
        for connection in self.connections():
            payloads = connection.server.data_to_send()
            cut = self.world.chance.randrange(len(payloads)) if payloads and self.world.likely(0.2) else 0
            connection.link.send(*payloads[:cut])
            connection.link.send(*payloads[cut:])

    # --- the line ---------------------------------------------------------------------------------------------------

    def connections(self) -> list[ScriptedConnection]:
        """Those that are open."""
        return [connection for connection in self.peer.connections if connection.is_open]

    def drop(self, code: int) -> None:
        """Close a connection with `code`; what is queued is sent before."""
        self.flush()
        if connection := self._any():
            self.world.note(f"venue: closes connection {connection.number} with {code}")
            if code in self.final_codes:
                self.is_final = True
            if code == 1006:
                connection.link.abort()
            else:
                connection.link.close(code)

    def half_open(self) -> None:
        """From now on nothing passes on a connection."""
        if connection := self._any():
            self.world.note(f"venue: nothing passes on connection {connection.number} any more")
            connection.link.half_open()

    def garbage(self) -> None:
        """A message that is none."""
        if connection := self._any():
            self.world.note(f"venue: sends garbage on connection {connection.number}")
            connection.link.send(self.world.chance.choice([b'{"half":', b"[[[", b"\x01", b""]))

    def delay(self, seconds: float) -> None:
        """Everything takes so long from now on, in each direction."""
        seconds = min(seconds, self.slowest)
        self.network.to_client.delay = self.network.to_server.delay = seconds
        for connection in self.connections():
            connection.link.to_client = connection.link.to_server = LinkFaults(delay=seconds)

    def heal(self) -> None:
        """From now on all goes well."""
        self.temper = Temper()
        self.network.restore()
        self.delay(0.0)
        held, self._held = self._held, []
        for _, accept, _ in held:
            accept()
        self.flush()

    async def __aenter__(self) -> Self:
        before = asyncio.all_tasks()
        await self.peer.__aenter__()
        self._adopt_tasks(before)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.peer.stop()

    # --- inside -----------------------------------------------------------------------------------------------------

    def _any(self) -> ScriptedConnection | None:
        connections = self.connections()
        return self.world.chance.choice(connections) if connections else None

    def _adopt_tasks(self, before: set[asyncio.Task[Any]]) -> None:
        for task in asyncio.all_tasks() - before:
            self.world.tasks[task] = "venue"

    def _judge(self, topic: str, accept: Callable[[], None], refuse: Callable[[str], None]) -> None:
        """A subscription is asked for: answer it as the temper has it, and what is queued goes with the answer."""
        self.count(topic)
        temper, roll = self.temper, self.world.chance.random()
        if roll < temper.ignore:
            self.world.note(f"venue: ignores the subscription to {topic}")
            return
        for why, share in ((NEVER, temper.final), (LATER, temper.refuse), (FULL, temper.full)):
            roll -= share
            if roll < temper.ignore:
                self._refuse(topic, refuse, why)
                return
        if roll - temper.ignore < temper.slow:
            self.world.note(f"venue: holds the subscription to {topic}")
            self._held.append((topic, accept, refuse))
        else:
            self.world.note(f"venue: accepts {topic}")
            accept()

    def _refuse(self, topic: str, refuse: Callable[[str], None], why: str) -> None:
        self.world.note(f"venue: refuses {topic} ({why})")
        if why != LATER:  # a pool that is full everywhere gives up what is refused everywhere
            self.ended.add(topic)
        refuse(why)

    def count(self, topic: str) -> None:
        """It is asked for: once more is once too often where that is no retry any more."""
        now, asked = self.world.now, self._asked_at.setdefault(topic, deque(maxlen=MAX_ASKED))
        if len(asked) == MAX_ASKED and now - asked[0] < 10:
            self.world.complain("storm", f"{topic} was asked for {MAX_ASKED} times in {now - asked[0]:.3g} s")
            asked.clear()
        asked.append(now)

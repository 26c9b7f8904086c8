"""Who calls the engine: consumers of every kind, whose functions are slow, raise and call back, and single calls.

A `Manner` says once for a run what this user does at all, so that most runs mix a few things only. After `calm` every
function is quick and good: what is still wrong then is the engine's doing.
"""

from __future__ import annotations

import asyncio
import decimal
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec

from tapewire.errors import BufferOverflow, ConfigurationError, SubscriptionRefused, TapewireError
from tapewire.marks import Mark, Unsubscribed, is_mark
from tapewire.session.credentials import Credentials
from tapewire.session.pool import Pool
from tapewire.session.session import Session
from tests.simulation.ledger import KEYS, Ledger, Reading, Snapshot
from tests.simulation.venues.venue import Venue
from tests.simulation.world import SIMULATED, Boom, World, boom, is_simulated

__all__ = ["Consumer", "Manner", "User"]

MAX_CONSUMERS = 12
"""Subscriptions that one run makes."""


class Manner(msgspec.Struct, kw_only=True):
    """What a user does in one run, as probabilities; drawn once for each run."""

    kinds: tuple[str, ...] = ("iterate", "handle", "await", "inline")
    policies: tuple[str, ...] = ("drop_oldest",)
    small: float = 0.0
    """Buffers of a few publications only."""
    slow: float = 0.0
    raising: float = 0.0
    undecodable: float = 0.0
    mischief: float = 0.0
    """Handlers that call back into the session."""
    snapshots: float = 0.0
    bad_snapshots: float = 0.0
    announce: float = 0.0
    stubborn: float = 0.0
    """Functions that swallow their cancellation."""

    @classmethod
    def drawn(cls, world: World) -> Manner:
        chance = world.chance

        def maybe(probability: float, most: float) -> float:
            return chance.uniform(0.05, most) if world.likely(probability) else 0.0

        if world.likely(0.12):
            policies: tuple[str, ...] = ("block",)
        elif world.likely(0.5):
            policies = ("drop_oldest",)
        else:
            policies = tuple(
                chance.sample(
                    ["drop_oldest", "drop_newest", "conflate", "resync", "fail"], k=chance.randint(1, 3)
                )
            )
        kinds = ("iterate", "handle", "await", "inline")
        return cls(
            kinds=kinds if world.likely(0.5) else (chance.choice(kinds),),
            policies=policies,
            small=maybe(0.4, 0.8),
            slow=maybe(0.4, 0.5),
            raising=maybe(0.3, 0.3),
            undecodable=maybe(0.2, 0.2),
            mischief=maybe(0.35, 0.3),
            snapshots=maybe(0.45, 1.0),
            bad_snapshots=maybe(0.4, 0.6),
            announce=maybe(0.3, 1.0),
            stubborn=maybe(0.08, 0.3),
        )


class Consumer:
    """One subscription, and what came of it."""

    def __init__(self, user: User, number: int, topic: str, *, after: Consumer | None = None) -> None:
        world, manner = user.world, user.manner
        self.user = user
        self.name = f"{topic[0].lower()}#{number}"
        self.topic = topic
        self.kind = world.chance.choice(manner.kinds)
        self.policy = world.chance.choice(manner.policies)
        self.capacity = world.chance.randint(1, 4) if world.likely(manner.small) else 1_000
        self.has_snapshot = world.likely(manner.snapshots)
        self.announces = world.likely(manner.announce)
        self.decodes = world.likely(0.5)
        self.takes_marks = self.kind == "iterate" or world.likely(0.9)
        self.left = self.over = self.stopped = False
        self.error: BaseException | None = None
        self.told: list[BaseException | None] = []
        self.running = 0
        self.task: asyncio.Task[Any] | None = None
        resumed = None if after is None else after.resume_point()
        self.position = None if resumed is None else resumed[0]
        self.reading = Reading(
            conflates=self.policy == "conflate",
            sees_marks=self.takes_marks,
            poisoned=user.ledger.poisoned[topic] if self.decodes else frozenset(),
            after=None if resumed is None else resumed[1],
        )
        self.subscription: Any = None

    def __repr__(self) -> str:
        return self.name

    def resume_point(self) -> tuple[Any, int] | None:
        """The position of its stream and the number of the publication that it stands behind."""
        position = self.subscription.position
        number = self.reading.last
        known = self.user.ledger.positions[self.topic].get(number)
        if position is None or self.policy == "conflate" or known != (position.offset, position.epoch):
            return None
        return position, number

    def fields(self) -> dict[str, Any]:
        """The keyword arguments of `subscribe`."""
        fields: dict[str, Any] = {
            "policy": self.policy,
            "capacity": self.capacity,
            "announce": self.announces,
        }
        if self.policy == "conflate":
            fields["key"] = self._key
        if self.kind != "iterate":
            plain = self.kind in ("handle", "inline")
            fields["handler"] = self.handle if plain else self.handle_slowly
            fields["inline"] = self.kind == "inline"
            fields["on_error"] = self.failed
            if self.takes_marks:
                fields["on_mark"] = self.handle if plain else self.handle_slowly
        if self.has_snapshot:
            fields |= {"snapshot": self.snapshot, "reconcile": self.reconcile}
            fields["snapshot_timeout"] = self.user.world.chance.choice([1.0, 10.0])
        if self.decodes:
            fields["decode"] = self.decode
        if (credentials := self.user.credentials.get(self.topic)) is not None:
            fields["credentials"] = credentials
        if self.position is not None:
            fields["position"] = self.position
        return fields

    def _number(self, item: Any) -> int | None:
        return self.user.venue.number_of(item)

    def _key(self, item: Any) -> int | None:
        number = self._number(item)
        return None if number is None else number % KEYS

    # --- the functions that the engine calls ------------------------------------------------------------------------

    def decode(self, publication: Any) -> Any:
        """From the wire's publication to a number; raises for some."""
        number = self._number(publication)
        if number in self.user.ledger.poisoned[self.topic]:
            kinds = (AttributeError, IndexError, decimal.InvalidOperation, ValueError, Boom)
            raise boom(self.user.world.chance, *kinds)
        return number

    def saw(self, item: Any) -> None:
        """The consumer was given `item`."""
        world = self.user.world
        if self.over and self.kind == "iterate":
            world.complain("after the end", f"{self} was given {item!r}")
        if is_mark(item):
            world.note(f"{self}: {mark_line(item)}")
            wrong = self.reading.mark(item)
        else:
            number = item if item is None or type(item) is int else self._number(item)
            if number is None:
                return
            world.note(f"{self}: {number}")
            wrong = self.reading.publication(number)
        if wrong is not None and not (
            wrong[0] == "loss" and self.left and self.subscription.statistics().dropped
        ):
            # (What is buffered when one leaves may be dropped: that is said in the log, where nobody reads any more.)
            world.complain(wrong[0], f"{self} ({self.kind}, {self.policy}): {wrong[1]}")

    def handle(self, item: Any) -> None:
        """A plain handler; `on_mark` too."""
        self.saw(item)
        self._misbehave(item)

    async def handle_slowly(self, item: Any) -> None:
        """An async handler; `on_mark` too."""
        world, manner = self.user.world, self.user.manner
        if self.running:
            world.complain("twice at once", f"{self}: its handler runs twice at once")
        self.running += 1
        try:
            self.saw(item)
            if world.likely(manner.slow):
                await self.user.pause(stubborn=world.likely(manner.stubborn))
            if world.likely(manner.mischief) and not self.user.calm:
                await self.user.call_and_wait(self)
            if self.user.stuck:
                await self.user.hold_up()
            self._misbehave(item)
        finally:
            self.running -= 1

    def _misbehave(self, item: Any) -> None:
        world, manner = self.user.world, self.user.manner
        if self.user.calm:
            return
        again = isinstance(item, Unsubscribed) and not self.left
        if world.likely(manner.mischief) or (again and manner.mischief and world.likely(0.3)):
            self.user.call_back(self, again=again)
        if world.likely(manner.raising):
            error = boom(world.chance)
            world.note(f"{self}: raises {error!r}")
            raise error

    def failed(self, error: BaseException, item: Any) -> None:
        """`on_error`."""
        self.user.world.note(f"{self}: on_error({error!r})")
        if item is None:
            self.told.append(error)
        if self.user.world.likely(self.user.manner.raising) and not self.user.calm:
            failure = boom(self.user.world.chance)
            self.user.world.note(f"{self}: on_error raises {failure!r}")
            raise failure

    async def snapshot(self) -> Snapshot:
        """The state of the topic, sooner or later."""
        user, world = self.user, self.user.world
        seconds = world.chance.choice([0.0, 0.01, 0.3, 0.8, 2.0]) if not user.calm else 0.01
        bad = world.likely(user.manner.bad_snapshots) and not user.calm
        way = world.chance.choice(["raise", "cancelled", "hang", "late"]) if bad else "good"
        world.note(f"{self}: asks for a snapshot ({way}, {seconds:g} s)")
        if seconds and world.likely(0.25) and not user.calm:
            asyncio.get_running_loop().call_later(seconds * world.chance.random(), user.disturb, self.topic)
        share = world.chance.random()
        await asyncio.sleep(seconds * share)
        number = user.ledger.published[self.topic]
        await asyncio.sleep(seconds * (1 - share))
        if way == "raise":
            raise Boom(SIMULATED)
        if way == "cancelled":
            raise asyncio.CancelledError(SIMULATED)
        if way == "hang":
            await user.pause(forever=True, stubborn=world.likely(user.manner.stubborn))
        if way == "late":
            await asyncio.sleep(world.chance.choice([3.0, 8.0]))
        world.note(f"{self}: has the snapshot as of {number}")
        return Snapshot(number)

    def reconcile(self, snapshot: Snapshot, held: Sequence[Any]) -> list[Any]:
        """What of `held` follows the snapshot."""
        return [item for item in held if (number := self._number(item)) is None or number > snapshot.number]

    # --- the consumer's own task ------------------------------------------------------------------------------------

    async def iterate(self) -> None:
        """Take one after the other, at one's own pace; sometimes give up waiting, and wait again."""
        world, manner = self.user.world, self.user.manner
        try:
            while True:
                try:
                    if world.likely(0.1) and not self.user.calm:
                        item = await asyncio.wait_for(
                            anext(self.subscription), world.chance.choice([0.0, 0.02, 1.0])
                        )
                    else:
                        item = await anext(self.subscription)
                except TimeoutError:
                    continue
                self.saw(item)
                if world.likely(manner.slow) and not self.user.calm:
                    await self.user.pause()
                if world.likely(manner.mischief) and not self.user.calm:
                    self.user.call_back(self)
        except StopAsyncIteration:
            world.note(f"{self}: its iteration ends")
        except TapewireError as error:
            world.note(f"{self}: its iteration raises {error!r}")
            self.error = error
        except (Exception, asyncio.CancelledError) as error:
            if not self.user.expects(error):
                world.complain("raised", f"{self}: anext() raised {error!r}")
        self.over = True

    # --- afterwards -------------------------------------------------------------------------------------------------

    @property
    def ended(self) -> bool:
        """True once the engine says that nothing more comes."""
        return self.subscription.buffer.ended

    def may_end(self) -> bool:
        """True where the engine may have ended it."""
        user = self.user
        return (
            self.left
            or self.topic in user.venue.ended
            or self.topic in user.refused
            or self.policy in ("fail", "block")
            or user.may_fail
            or user.closing
            or (user.strict and user.manner.raising > 0)
        )


def mark_line(mark: Mark) -> str:
    """A mark, shortly."""
    told = {
        name: getattr(mark, name)
        for name in ("reason", "missed", "detail", "recovered", "snapshot", "dropped")
        if getattr(mark, name, None)
    }
    return f"{type(mark).__name__}({', '.join(f'{name}={value}' for name, value in told.items())})"


class User:
    """All that one user does with one session, or with one pool."""

    def __init__(self, world: World, ledger: Ledger, venue: Venue, manner: Manner) -> None:
        self.world = world
        self.ledger = ledger
        self.venue = venue
        self.manner = manner
        self.engine: Session | Pool
        self.consumers: list[Consumer] = []
        self.waits: dict[asyncio.Task[Any], tuple[str, float | None]] = {}
        """Calls that wait, and until when they must be over."""
        self.credentials: dict[str, Credentials] = {}
        """By topic, where topics have tokens of their own."""
        self.calm = False
        self.stuck = False
        """True once async handlers come to no end any more."""
        self.closing = False
        self.strict = False
        self.may_fail = False
        """True once the session may give up: it was told to stop, or may try no more."""
        self.refused: set[str] = set()
        """Topics whose first refusal was raised to somebody who waited: that consumer is left, and has to ask again."""
        self._released = asyncio.Event()

    # --- what its functions do --------------------------------------------------------------------------------------

    async def pause(self, *, forever: bool = False, stubborn: bool = False) -> None:
        """Wait for a while, or until the user is calm. `stubborn`: a cancellation is swallowed, once."""
        seconds = 1e6 if forever else self.world.chance.choice([0.0, 0.001, 0.1, 0.1, 1.0, 5.0])
        if self.calm:
            return
        try:
            async with asyncio.timeout(seconds):
                await self._released.wait()
        except TimeoutError:
            pass
        except asyncio.CancelledError:
            if not stubborn:
                raise
            self.world.note("a function swallows its cancellation")
            await asyncio.sleep(self.world.chance.choice([0.1, 30.0]))

    async def hold_up(self) -> None:
        """Wait for ever, as a handler does that is stuck when the session closes; some swallow the first cancel."""
        try:
            await asyncio.sleep(1e9)
        except asyncio.CancelledError:
            if not self.world.likely(0.3):
                raise
            self.world.note("a function swallows its cancellation")
            await asyncio.sleep(0.1)

    def release(self) -> None:
        """From now on every function is quick and good."""
        self.calm = True
        self._released.set()

    def disturb(self, topic: str) -> None:
        """The venue does its worst at a tender moment: the topic stops, and goes on meanwhile."""
        if not self.calm:
            self.venue.interrupt(topic)
            for _ in range(self.world.chance.randint(1, 3)):
                self.venue.publish(topic)
            self.venue.flush()

    def call_back(self, consumer: Consumer, *, again: bool = False) -> None:
        """What a handler does with the session that it is called by."""
        if consumer.subscription is None:
            return  # called inside of `subscribe`, which has not returned it yet
        chance = self.world.chance
        what = (
            "again"
            if again
            else chance.choice(
                [
                    "leave",
                    "leave",
                    "anew",
                    "anew",
                    "other",
                    "push",
                    "resync",
                    "reconnect",
                    "request",
                    "leave other",
                ]
                + ["close"] * (self.world.likely(0.2))
            )
        )
        self.world.note(f"{consumer} calls back: {what}")
        match what:
            case "leave":
                self.leave(consumer)
            case "anew":
                self.leave(consumer)
                self.subscribe(consumer.topic)
            case "again":
                self.subscribe(consumer.topic)
            case "other":
                self.subscribe(chance.choice(self.venue.topics))
            case "push":
                self.push(consumer.topic)
            case "resync":
                self.resync(consumer)
            case "reconnect":
                self.reconnect()
            case "request":
                self.request(consumer.topic)
            case "leave other":
                self.leave(
                    chance.choice([other for other in self.consumers if other.subscription is not None])
                )
            case "close":
                self.close()

    async def call_and_wait(self, consumer: Consumer) -> None:
        """What an async handler awaits of the session that it is called by."""
        if consumer.subscription is None:
            return  # its task ran before `subscribe` has returned it, as eager ones do
        what = self.world.chance.choice(["request", "confirmed", "confirmed"])
        self.world.note(f"{consumer} awaits {what}")
        try:
            async with asyncio.timeout(20):
                if what == "request":
                    await self._request(consumer.topic)
                else:
                    await consumer.subscription.confirmed()
        except (TapewireError, TimeoutError) as error:
            self.world.note(f"{consumer}: {what} raised {error!r}")
            if isinstance(error, SubscriptionRefused):
                self.refused.add(error.topic)

    # --- single calls -----------------------------------------------------------------------------------------------

    def subscribe(self, topic: str, *, after: Consumer | None = None) -> Consumer | None:
        """Subscribe, and consume."""
        if len(self.consumers) >= MAX_CONSUMERS:
            return None
        consumer = Consumer(self, len(self.consumers) + 1, topic, after=after)
        self.consumers.append(consumer)
        self.world.note(
            f"{consumer}: subscribes ({consumer.kind}, {consumer.policy} {consumer.capacity}"
            f"{', snapshot' if consumer.has_snapshot else ''}{', announce' if consumer.announces else ''}"
            f"{'' if consumer.position is None else f', from {consumer.position}'})"
        )
        try:
            consumer.subscription = self.engine.subscribe(
                topic, self.venue.params(topic), **consumer.fields()
            )
        except TapewireError as error:
            self.world.note(f"{consumer}: refused with {error!r}")
            self.consumers.remove(consumer)
            shares = isinstance(error, ConfigurationError) and error.argument == "position"
            if not (shares or self.closing or self.may_fail or self.is_over()):
                self.world.complain("raised", f"subscribe raised {error!r}")
            return None
        except (Exception, asyncio.CancelledError) as error:
            self.consumers.remove(consumer)
            if not self.expects(error):
                self.world.complain("raised", f"subscribe raised {error!r}")
            return None
        if consumer.kind == "iterate":
            consumer.task = self.world.spawn(consumer.iterate(), f"reader {consumer}")
        return consumer

    def leave(self, consumer: Consumer) -> None:
        """Unsubscribe."""
        self.world.note(f"{consumer}: leaves")
        consumer.left = True
        self._guarded("unsubscribe", consumer.subscription.unsubscribe)

    def resync(self, consumer: Consumer) -> None:
        self.world.note(f"{consumer}: wants a resync")
        self._guarded("resync", consumer.subscription.resync)

    def push(self, topic: str) -> None:
        """Send a command and await nothing."""
        command = self.venue.command(topic)
        if command is not None and (session := self.session_of(topic)) is not None:
            self.world.note(f"push on {topic}")
            self._guarded("push", lambda: session.push(command))

    def request(self, topic: str) -> None:
        """Send a command and await its answer, in a task that may be cancelled."""
        self.wait(lambda: self._request(topic), f"request on {topic}", within=12.0)

    async def _request(self, topic: str) -> None:
        command = self.venue.command(topic) if self.venue.answers else None
        if command is not None and (session := self.session_of(topic)) is not None:
            await session.request(command)

    def confirmed(self, consumer: Consumer) -> None:
        self.wait(consumer.subscription.confirmed, f"confirmed() of {consumer}")

    def reconnect(self) -> None:
        self.world.note("reconnect")
        for session in self.sessions():
            self._guarded("reconnect", session.reconnect)

    def close(self) -> None:
        """Close, and go on meanwhile."""
        self.closing = True
        self.wait(self.engine.close, "close()", within=60.0)

    def wait(self, work: Callable[[], Awaitable[Any]], name: str, within: float | None = None) -> None:
        """Await `work()` in a task of its own; it must be over `within` seconds."""
        self.world.note(f"waits: {name}")
        task = self.world.spawn(self._waited(work, name), name)
        self.waits[task] = name, None if within is None else self.world.now + within

    async def _waited(self, work: Callable[[], Awaitable[Any]], name: str) -> None:
        try:
            await work()
        except TapewireError as error:
            self.world.note(f"{name} raised {error!r}")
            if isinstance(error, SubscriptionRefused):
                self.refused.add(error.topic)
        except asyncio.CancelledError:
            self.world.note(f"{name} was cancelled")
            task = asyncio.current_task()
            if task is None or not task.cancelling():
                self.world.complain("raised", f"{name} raised CancelledError, and nobody cancelled it")
        except Exception as error:
            if not self.expects(error):
                self.world.complain("raised", f"{name} raised {error!r}")
            self.world.note(f"{name} raised {error!r}")
        else:
            self.world.note(f"{name} is done")

    def expects(self, error: BaseException) -> bool:
        """True for what a strict handler raised, or what a function of the user's ended the session with."""
        return (self.strict or self.may_fail) and isinstance(error, Exception) and is_simulated(error)

    def cancel_one(self) -> None:
        """Cancel a call that waits."""
        waiting = [
            task for task in self.waits if not task.done() and not self.waits[task][0].startswith("close")
        ]
        if waiting:
            task = self.world.chance.choice(waiting)
            self.world.note(f"cancels {self.waits[task][0]}")
            task.cancel()

    def _guarded(self, name: str, call: Any) -> None:
        try:
            call()
        except BufferOverflow as error:
            if name in ("push", "request"):
                self.world.complain("raised", f"{name} raised {error!r}, which is another subscription's")
        except TapewireError as error:
            self.world.note(f"{name} raised {error!r}")
            if type(error).__name__ == "IllegalTransition":
                self.world.complain("raised", f"{name} raised {error!r}")
        except (Exception, asyncio.CancelledError) as error:
            if not self.expects(error):
                self.world.complain("raised", f"{name} raised {error!r}")

    # --- what there is ----------------------------------------------------------------------------------------------

    def sessions(self) -> tuple[Session, ...]:
        return self.engine.sessions if isinstance(self.engine, Pool) else (self.engine,)

    def session_of(self, topic: str) -> Session | None:
        """Where commands of a topic go."""
        if isinstance(self.engine, Session):
            return self.engine
        try:
            return self.engine.session_of(topic)
        except TapewireError:
            return None

    def is_over(self) -> bool:
        """True once a session is closed, or has given up."""
        return any(session.state in ("closing", "closed", "failed") for session in self.sessions())

    def sleep(self, seconds: float) -> None:
        """The machine slept: what must be over by then has so much more time."""
        for task, (name, until) in self.waits.items():
            self.waits[task] = name, None if until is None else until + seconds

    def late(self) -> list[str]:
        """Calls that should be over."""
        return [
            name
            for task, (name, until) in self.waits.items()
            if until is not None and not task.done() and self.world.now > until
        ]

"""One seed: a venue, a user, and a random schedule of what both do; then calm, and the questions at the end."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from tapewire.errors import CredentialsRefused
from tapewire.protocols.base import ClientProtocol
from tapewire.retry import RetryPolicy
from tapewire.secrets import Secret
from tapewire.session.credentials import Credentials
from tapewire.session.options import SessionOptions
from tapewire.session.pool import Pool
from tapewire.session.session import Session
from tapewire.transport.base import Endpoint
from tests.simulation.inside import dead_ends
from tests.simulation.ledger import Ledger
from tests.simulation.markets import MARKETS, play_market
from tests.simulation.user import Consumer, Manner, User
from tests.simulation.venues import WIRES
from tests.simulation.venues.venue import Temper
from tests.simulation.world import SIMULATED, Boom, World, boom

__all__ = ["play"]

TOKENS = 1_000

HEALING_SECONDS = 120.0
"""After the last fault: within it everything must be back."""

PROBE_SECONDS = 20.0
"""Within which a publication must reach its consumers when all is well."""

CLOSE_SECONDS = 20.0
"""Within which `close()` must be done when no function of the user's holds it up."""

STUBBORN_CLOSE_SECONDS = 45.0
"""The same where a function swallows its cancellation."""


def play(wire: str, seed: int) -> World:
    """Run one seed of one wire, or of one market. What is wrong stands in `complaints` of what is returned."""
    if wire in MARKETS:
        return play_market(wire, seed)
    world = World(f"{wire} {seed}")
    world.run(lambda: _Run(world, wire).main())
    return world


class _Run:
    def __init__(self, world: World, wire: str) -> None:
        chance = world.chance
        self.world = world
        self.pooled = world.likely(0.2) or WIRES[wire].pooled
        self.ledger = Ledger()
        self.venue = WIRES[wire](world, self.ledger, limited=self.pooled and world.likely(0.7))
        self.manner = Manner.drawn(world)
        self.steps = chance.choice([4, 8, 15, 30, 50])
        self.noisy = chance.choice([0.1, 0.3, 0.6])
        """The share of steps in which the venue does something bad."""
        self.eager = sys.version_info >= (3, 12) and world.likely(0.3)
        self.bad_factory = world.likely(0.05)
        self.token_trouble = world.chance.uniform(0.05, 0.5) if world.likely(0.3) else 0.0

    async def main(self) -> None:
        world = self.world
        world.tasks[asyncio.current_task()] = "main"  # type: ignore[index]
        if self.eager:
            asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        self.user = user = User(world, self.ledger, self.venue, self.manner)
        async with self.venue:
            user.engine = self._engine()
            world.watches.append(self._watch)
            user.wait(user.engine.open, "open()")
            for _ in range(world.chance.randint(0, 2)):
                user.subscribe(world.chance.choice(self.venue.topics))
            if world.likely(0.6):
                await asyncio.sleep(1.0)
            self._set_temper()
            steps = self.steps
            while steps > 0:
                await self._step()
                steps = min(steps - 1, 3) if user.closing or user.is_over() else steps - 1
            world.note("--- calm")
            user.release()
            self.venue.heal()
            if not (user.closing or user.is_over()):
                user.wait(user.engine.open, "open()")  # the first may have been cancelled before it began
            await self._probe()
            await self._close()
        world.watches.clear()
        await self._leftovers()

    # --- the engine -------------------------------------------------------------------------------------------------

    def _engine(self) -> Session | Pool:
        world, chance = self.world, self.world.chance
        user = self.user
        credentials = Credentials(self._token) if self.token_trouble or world.likely(0.2) else None
        if self.venue.topic_tokens and world.likely(0.25):
            user.credentials = {
                topic: Credentials(partial(self._topic_token, topic)) for topic in self.venue.topics
            }
        if self.token_trouble:
            user.may_fail = user.may_fail or self.venue.tokens_may_fail
            self.venue.refuse_tokens(f"token-{number}" for number in range(0, TOKENS, 5))
        attempts = 4 if world.likely(0.05) else None
        user.may_fail = attempts is not None
        user.strict = world.likely(0.05)
        options: dict[str, Any] = {
            "endpoint": self._endpoint,
            "protocol": self._protocol,
            "connector": self.venue.network,
            "clock": world.clock,
            "fraction": chance.random,
            "retry": RetryPolicy(attempts, 0.2, chance.choice([0.5, 5.0])),
            "resubscribe": RetryPolicy(None, 0.2, chance.choice([0.5, 5.0])),
            "supervise": RetryPolicy(None, 1.0, 5.0) if world.likely(0.1) else None,
            "connect_timeout": None,  # how long the venue stays away is the schedule's business
            "stable_after": chance.choice([0.5, 10.0]),
            "ping_interval": chance.choice([10.0, 10.0, None]) if self.venue.has_heartbeat else 10.0,
            "credentials": credentials,
            "strict": user.strict,
            "on_state": self._on_state if world.likely(0.2) else None,
            "admit": self._admit if world.likely(0.15) else None,
        }
        if self.pooled:
            made = chance.choice([2, 2, 3])
            return Pool(lambda number: SessionOptions(name=f"session {number}", **options), capacity=made)
        return Session(name="session", **options)

    def _on_state(self, state: str) -> None:
        self.world.note(f"state: {state}")
        if self.world.likely(self.manner.raising) and not self.user.calm:
            raise boom(self.world.chance)

    def _endpoint(self, token: Secret | None) -> Endpoint:
        self.venue.count("a connection")
        self._maybe_raise("the endpoint")
        return self.venue.endpoint(token)

    def _protocol(self, token: Secret | None) -> ClientProtocol:
        self._maybe_raise("the protocol factory")
        return self.venue.protocol(token)

    def _maybe_raise(self, who: str) -> None:
        if self.bad_factory and self.world.likely(0.1) and not self.user.calm:
            self.world.note(f"{who} raises")
            self.user.may_fail = True
            raise boom(self.world.chance, Boom, TypeError, asyncio.CancelledError)

    async def _admit(self) -> None:
        if not self.user.calm:
            await asyncio.sleep(self.world.chance.choice([0.0, 0.0, 0.1, 3.0]))
            if self.world.likely(0.1):
                error = boom(self.world.chance, ConnectionError, asyncio.CancelledError)
                self.world.note(f"admit raises {error!r}")
                raise error

    async def _token(self, fresh: bool) -> str:
        chance = self.world.chance
        if not self.user.calm:
            await asyncio.sleep(chance.choice([0.0, 0.0, 0.1, 2.0]))
            if self.world.likely(self.token_trouble):
                if self.world.likely(0.05):
                    self.user.may_fail = True
                    raise CredentialsRefused(SIMULATED)
                error = boom(chance, ConnectionError, TimeoutError, asyncio.CancelledError)
                self.world.note(f"the token provider raises {error!r}")
                raise error
            return f"token-{chance.randrange(TOKENS)}"
        return "token-good"

    async def _topic_token(self, topic: str, fresh: bool) -> str:
        try:
            return await self._token(fresh)
        except CredentialsRefused:
            self.world.note(f"the token of {topic} is refused by its provider")
            self.venue.ended.add(topic)
            raise

    # --- the schedule -----------------------------------------------------------------------------------------------

    def _set_temper(self) -> None:
        chance = self.world.chance

        def maybe(probability: float, most: float) -> float:
            return chance.uniform(0.05, most) if self.world.likely(probability) else 0.0

        self.venue.temper = Temper(
            slow=maybe(0.4, 0.6),
            refuse=maybe(0.3, 0.4),
            final=maybe(0.15, 0.2),
            ignore=maybe(0.15, 0.2),
            full=maybe(0.4, 1.0) if self.pooled else 0.0,
        )
        if self.world.likely(0.4):
            self.venue.delay(chance.choice([0.001, 0.05, 0.4]))

    async def _step(self) -> None:
        """Some events at once, and then some time."""
        world, chance = self.world, self.world.chance
        for _ in range(chance.choice([1, 1, 2, 3, 5])):
            if world.likely(self.noisy):
                self._venue_acts()
            else:
                self._user_acts()
            if world.likely(0.6):
                for _ in range(chance.choice([1, 1, 2, 4])):
                    self._publish(chance.choice(self.venue.topics))
        if world.likely(0.9):
            self.venue.flush()
        await self._pass()

    async def _pass(self) -> None:
        chance = self.world.chance
        if self.world.likely(0.3):
            for _ in range(chance.randint(0, 4)):
                await asyncio.sleep(0)
        else:
            await asyncio.sleep(chance.choice([0.001, 0.01, 0.05, 0.2, 0.2, 1.0, 1.0, 3.0, 12.0, 40.0]))

    def _publish(self, topic: str) -> None:
        number = self.venue.publish(topic)
        if self.world.likely(self.manner.undecodable) and not self.user.calm:
            self.ledger.poisoned[topic].add(number)

    def _user_acts(self) -> None:
        user, chance = self.user, self.world.chance
        living = [consumer for consumer in user.consumers if not consumer.left]
        what = chance.choices(
            [
                "subscribe",
                "leave",
                "anew",
                "resume",
                "push",
                "request",
                "cancel",
                "confirmed",
                "resync",
                "reconnect",
                "close",
            ],
            [10, 4, 5, 2, 3, 3, 2, 3, 3, 1, 0.3],
        )[0]
        if what == "subscribe":
            user.subscribe(chance.choice(self.venue.topics))
        elif what == "reconnect":
            user.reconnect()
        elif what == "cancel":
            user.cancel_one()
        elif what == "close":
            user.close()
        elif what in ("push", "request"):
            (user.push if what == "push" else user.request)(chance.choice(self.venue.topics))
        elif living:
            consumer = chance.choice(living)
            match what:
                case "leave":
                    user.leave(consumer)
                case "anew":
                    user.leave(consumer)
                    user.subscribe(consumer.topic)
                case "resume":
                    user.leave(consumer)
                    user.subscribe(consumer.topic, after=consumer if consumer.kind == "iterate" else None)
                case "confirmed":
                    user.confirmed(consumer)
                case "resync":
                    user.resync(consumer)

    def _venue_acts(self) -> None:
        venue, network, chance = self.venue, self.venue.network, self.world.chance
        topic = chance.choice(self.venue.topics)
        acts: list[tuple[Callable[[], Any], float]] = [
            (lambda: venue.interrupt(topic), 4),
            (lambda: venue.end(topic), 1),
            (lambda: venue.oddity(topic), 3),
            (lambda: venue.garble(topic), 1),
            (venue.answer_held, 4),
            (lambda: venue.drop(chance.choice(venue.close_codes)), 4),
            (lambda: venue.drop(1006), 2),
            (venue.half_open, 0.7),
            (venue.garbage, 0.5),
            (lambda: network.unreachable(times=chance.randint(1, 3)), 1),
            (lambda: network.unreachable(times=1_000), 0.4),  # until all is well
            (lambda: network.refuse(chance.choice([429, 500, 502, 503]), chance.choice([None, 1.0])), 0.7),
            (network.hang, 0.3),
            (lambda: venue.delay(chance.choice([0.0, 0.0, 0.01, 0.3])), 1),
            (self._forbid, 0.15),
            (self._burst, 2),
            (self._suspend, 0.3),
            (venue.flush, 1),
        ]
        chance.choices([act for act, _ in acts], [weight for _, weight in acts])[0]()

    def _forbid(self) -> None:
        if self.venue.final_codes and self.world.likely(0.5):
            self.user.may_fail = True
            self.venue.drop(self.world.chance.choice(self.venue.final_codes))
        else:
            self.user.may_fail = True
            self.world.note("venue: refuses the next handshake for good")
            self.venue.network.refuse(self.world.chance.choice([401, 403, 404]))

    def _suspend(self) -> None:
        seconds = self.world.chance.choice([2.0, 15.0, 600.0])
        self.world.note(f"the machine sleeps for {seconds:g} s")
        self.world.clock.suspend(seconds)
        self.user.sleep(seconds)
        if self.venue.final_codes:
            self.user.may_fail = True  # who greets too late may be told to stay away (Centrifugo's 3502)

    def _burst(self) -> None:
        topic = self.world.chance.choice(self.venue.topics)
        for _ in range(self.world.chance.choice([5, 12])):
            self._publish(topic)

    # --- the questions ----------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        for session in self.user.sessions():
            for text in dead_ends(session):
                self.world.complain("dead end", text)
            if session.state == "failed" and not (self.user.may_fail or self.venue.is_final):
                self.world.complain(
                    "gave up", f"the session gave up without a reason: {session.last_error!r}"
                )
        for name in self.user.late():
            self.world.complain("stuck", f"{name} should be over long ago")

    async def _probe(self) -> None:
        """Faults have ceased: every living subscription delivers, or has ended and says why."""
        world, user, venue = self.world, self.user, self.venue
        await asyncio.sleep(HEALING_SECONDS)
        world.note("--- probes")
        last = {}
        for _ in range(3):
            for topic in venue.topics:
                last[topic] = venue.publish(topic)
            venue.flush()
            await asyncio.sleep(PROBE_SECONDS / 3)
        for consumer in user.consumers:
            self._question(consumer, last[consumer.topic])
        if not user.is_over():
            for session in user.sessions():
                if session.state != "up" and session.statistics().subscriptions:
                    world.complain("stuck", f"the session is {session.state} though nothing disturbs it")
        for task, (name, _) in user.waits.items():
            if not task.done() and not name.startswith("close"):
                world.complain("stuck", f"{name} still waits")

    def _question(self, consumer: Consumer, last: int) -> None:
        world, reading = self.world, consumer.reading
        state, error = consumer.subscription.state, consumer.subscription.error
        if consumer.left or self.user.is_over():
            return
        if state == "unsubscribed":
            if not consumer.may_end():
                world.complain("ended", f"{consumer} has ended without a reason: {error!r}")
            elif not consumer.ended:
                world.complain("stuck", f"{consumer} is unsubscribed, and its stream has no end")
            elif consumer.kind == "iterate" and not consumer.over:
                world.complain("stuck", f"{consumer} has ended, and its iteration waits")
            elif error is not None and consumer.kind != "iterate" and not consumer.told:
                world.complain("not told", f"{consumer} has ended with {error!r}, and on_error was not told")
        elif state != "subscribed":
            world.complain("stuck", f"{consumer} is {state} though nothing disturbs it")
        elif reading.last < last and not (consumer.kind == "iterate" and consumer.over):
            world.complain(
                "stuck", f"{consumer} is subscribed, and {last} did not come (last {reading.last})"
            )

    async def _close(self) -> None:
        world, user = self.world, self.user
        if world.likely(0.3):
            world.note("--- async handlers are stuck")
            user.stuck = True
            for topic in self.venue.topics:
                self.venue.publish(topic)
            self.venue.flush()
            await asyncio.sleep(0.5)
        began = world.now
        bound = STUBBORN_CLOSE_SECONDS if self.manner.stubborn else CLOSE_SECONDS
        world.note("--- close")
        try:
            async with asyncio.timeout(bound):
                await user.engine.close()
        except TimeoutError:
            world.complain("close", f"close() was not done after {world.now - began:g} s")
        except Exception as error:
            world.complain("close", f"close() raised {error!r}")
        await asyncio.sleep(1.0)
        for consumer in user.consumers:
            if consumer.kind == "iterate" and not consumer.over:
                world.complain("stuck", f"{consumer}: the session is closed, and its iteration waits")
            unread = (
                consumer.left or consumer.subscription.statistics().dropped
            )  # said in the log, where nobody reads
            if not unread and (wrong := consumer.reading.end()) is not None:
                world.complain(wrong[0], f"{consumer}: {wrong[1]}")
        for session in user.sessions():
            if session.state != "closed":
                world.complain("close", f"the session is {session.state} after close()")

    async def _leftovers(self) -> None:
        world, user = self.world, self.user
        await asyncio.sleep(1.0)
        ours = set(world.tasks)
        for task in asyncio.all_tasks():
            if task in ours:
                if not task.done() and task is not asyncio.current_task() and world.tasks[task] != "venue":
                    world.complain("stuck", f"{world.tasks[task]} waits, and the session is closed")
            else:
                world.complain("task left", f"{task.get_name()} {task.get_coro()!r}"[:160])
        del user, ours
        turns = world.clock.turns
        await asyncio.sleep(1_000.0)
        if world.clock.turns - turns > 200:
            world.complain("timer left", f"{world.clock.turns - turns} turns of the loop after the close")
        for wait in self.user.waits:
            if wait.done() and not wait.cancelled():
                wait.exception()

"""The duties of a venue's realtime class, as a suite that any venue can be held to.

::

    class Acme:
        spec = SPEC
        topic, private_topic = "trades", "balance"
        secrets = ("token-1",)

        def make(self, **arguments):
            deadlines = {"ping_interval": 0.3, "ping_timeout": 0.2, "stable_after": 0.5}
            return AcmeSocket("token-1", **{"session_options": deadlines} | arguments)

        async def subscribe(self, client, topic, **delivery):
            subscription = client.watch(topic, **delivery)
            await subscription.confirmed()
            return subscription

        async def handle(self, client, handler, on_mark):
            await client.watch("trades", handler, on_mark=on_mark).confirmed()

        def payload(self, item):
            return item.payload

    met = await check_venue(Acme(), partial(Sandbox, rate=0, venues=["acme"], faces={"acme": AcmeFace}))

The caller brings what only it can know (`VenueUnderTest`), and a sandbox that plays the venue alone and stands still
until it is told to step. The duties are those of every venue: the same words and arguments, settings from one order of
places, one answer to a wrong argument, secrets that nothing shows, streams that are continuous or say where they broke
(against the sandbox's ledger, fault by fault), and an end that leaves nothing. Each is a coroutine function in
`VENUE_DUTIES` whose docstring is the duty; a broken one raises AssertionError with it. Sockets and time are real.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import math
import os
import traceback
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Protocol, TypeAlias

from ..app.audit import Observed, Published, audit
from ..clock import SystemClock
from ..errors import ConfigurationError, ConnectFailed, GaveUp, WrongLoop
from ..marks import Errored, Mark, Subscribed, Subscribing, Unsubscribed, is_mark
from ..retry import RetryPolicy
from ..sandbox import Injected, Sandbox, digest_of
from ..session.options import Statistics
from ..transport import default_connector
from ..transport.base import Connector, Endpoint, Receiver, Transport
from ..venues.kit.spec import VenueSpec
from .venue_faults import PLAYS, Play

__all__ = ["VENUE_DUTIES", "Face", "VenueCheck", "VenueDuty", "VenueUnderTest", "check_venue"]

PATIENCE = 10.0
"""Seconds after which something that must happen counts as broken."""

CLOSE_SECONDS = 5.0
"""Seconds within which `close()` returns, whatever the line is like."""

LOOKS = 30
"""Publications, on a line that it would meet, behind which a fault counts as one that the face does not play."""

AT_ONE_TIME = 6
"""Faults that are played side by side."""

MOST_STEPS = 500

_QUICK = RetryPolicy(None, 0.05, 0.2)
_STATES = (Subscribing, Subscribed, Errored, Unsubscribed)


class VenueUnderTest(Protocol):
    """What the caller of `check_venue` brings.

    `topic`: a public channel of the venue, as wire and ledger name it, on which something is published all the time.
    `private_topic`: a channel of the account of those that `make` makes, on which its orders tell; None where the spec
    has no private channel. `secrets`: what clients are made with and nothing may show, in full.
    """

    @property
    def spec(self) -> VenueSpec:
        """What the venue is."""
        ...

    @property
    def topic(self) -> str: ...

    @property
    def private_topic(self) -> str | None: ...

    @property
    def secrets(self) -> Sequence[str]: ...

    def make(self, **arguments: Any) -> Any:
        """A client whose credentials the face takes. It need not be connected.

        `arguments` are given to it beside or instead of what it would be made with: the address under the spec's name
        for it, `retry`, `clock`, `connector`, `max_size`, and wrong ones. Without an address none is given. Deadlines
        have to be so short that a dead line is found within two seconds.
        """
        ...

    async def subscribe(self, client: Any, topic: Any, **delivery: Any) -> AsyncIterable[Any]:
        """Join a topic; returns what to iterate when the venue serves it. Marks have to come among the items.

        `topic` is one of those above, or a wrong one; `delivery`, where there is any, holds wrong fields of `Delivery`.
        """
        ...

    async def handle(
        self, client: Any, handler: Callable[[Any], Any], on_mark: Callable[[Mark], Any]
    ) -> None:
        """Join `topic` with a handler and an `on_mark`, both async; returns when the venue serves it."""
        ...

    def payload(self, item: Any) -> Any:
        """The payload of an item as the wire had it, decoded; a mark where it is one; None where it is neither.

        Of several items that are made of one publication only the first is it.
        """
        ...


Face: TypeAlias = Callable[[], Sandbox]
"""Makes the sandbox that plays the venue, and nothing else, at `rate=0`."""


class _Line(list["str | Mark"]):
    """One client at a sandbox of its own, and what its stream brought: digests of publications, and marks."""

    def __init__(self, check: VenueCheck, sandbox: Sandbox, client: Any) -> None:
        super().__init__()
        self.client = client
        self.sandbox = sandbox
        self.key = check.topic
        """The topic as the ledger names it: one of an account may stand there under that account's name."""
        self._topic, self._is_private = check.topic, check.is_private
        self._venue = check.venue
        self._name = check.spec.name
        self._accounts: Sequence[str] = ()
        self._since = 0
        self._reading: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Join the topic, and read it from now on."""
        self._reading = asyncio.create_task(self._read(await self._venue.subscribe(self.client, self._topic)))
        if self._is_private:
            await _until(self._joined, "the venue serves the channel")
            (self.key,) = self._joined()
            self._accounts = self.sandbox.faces[self._name].listening_accounts()
        self._since = self._last()
        await self.goes_on()

    async def stop(self) -> None:
        """Read no more."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    async def _read(self, stream: AsyncIterable[Any]) -> None:
        async for item in stream:
            payload = item if is_mark(item) else self._venue.payload(item)
            if is_mark(payload):
                if not isinstance(payload, _STATES):
                    self.append(payload)
            elif payload is not None:
                self.append(digest_of(payload))

    @property
    def is_over(self) -> bool:
        """True once the stream has ended."""
        return self._reading is not None and self._reading.done()

    @property
    def end(self) -> BaseException | None:
        """What the stream raised at its end."""
        return self._reading.exception() if self._reading is not None and self._reading.done() else None

    @property
    def marks(self) -> list[Mark]:
        return [item for item in self if is_mark(item)]

    @property
    def digests(self) -> list[str]:
        return [item for item in self if isinstance(item, str)]

    @property
    def published(self) -> list[str]:
        return [entry.digest for entry in self._entries()]

    @property
    def reconnections(self) -> int:
        """Of the connection that has the topic; there may be others beside it."""
        figures, names = self.client.statistics(), (self._topic, self.key)
        has_it = (part for part in figures.sessions if any(each.topic in names for each in part.details))
        return int(next(has_it, figures).reconnections)

    @property
    def servings(self) -> Sequence[Any]:
        """One for each time that the topic was granted."""
        return self.sandbox.carriage.servings(self.key, venue=self._name)

    def happen(self, count: int = 1) -> None:
        """Let things happen until `count` more publications of the topic were made."""
        wanted = self._last() + count
        for _ in range(MOST_STEPS):
            if self._last() >= wanted or self.is_over:
                return
            self.sandbox.step()
            for account in self._accounts:
                self.sandbox.act(self._name, account)

    async def goes_on(self, seconds: float = PATIENCE) -> None:
        """Wait until the stream is live: three publications in a row come, as they are made. Or it is over."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        in_a_row = 0
        while in_a_row < 3 and not self.is_over:
            assert loop.time() < deadline, "what is published now does not arrive"
            before = self._last()
            self.happen()
            if self._last() == before:  # the channel was ended: its stream has yet to hear of it
                await asyncio.sleep(0.05)
                continue
            in_a_row = in_a_row + 1 if await self._comes() else 0

    async def _comes(self) -> bool:
        """True if the last publication is there soon: a busy machine takes its time, a line that is down tells so."""
        for _ in range(100):
            if self.digests[-1:] == self.published[-1:]:
                return True
            if self.is_over:
                return False
            await asyncio.sleep(0.005)
            if not self.client.is_connected:
                return False
        return False

    def judge(self) -> None:
        """The stream was continuous or said where it broke, by the ledger; one that ended, up to its end."""
        entries = self._entries()
        if self.is_over:
            known = {entry.digest: number for number, entry in enumerate(entries, 1)}
            entries = entries[: max((known.get(digest, 0) for digest in self.digests), default=0)]
        published = [Published(entry.sequence, entry.digest, entry.published_at_ns) for entry in entries]
        last = {entry.digest: entry.sequence for entry in entries}
        said = next((entry for entry in entries if last[entry.digest] != entry.sequence), None)
        assert said is None, (
            f"the face says the same twice, in no. {said.sequence} and no. {last[said.digest]} of {self.key}: "
            "whether both have come nobody can tell"
        )
        items = [item if is_mark(item) else Observed(item, 0) for item in self]
        found = audit(published, items, self.servings)
        assert found.honest, "; ".join(found.findings)

    def _last(self) -> int:
        return self.sandbox.ledger.last_sequence(self.key, venue=self._name)

    def _entries(self) -> Sequence[Any]:
        return self.sandbox.ledger.since(self.key, self._since, venue=self._name)

    def _joined(self) -> list[str]:
        """What the venue serves, by the ledger's names."""
        joined: list[str] = self.sandbox.state()["venues"][self._name]["joined"]
        return joined


class VenueCheck:
    """One venue, held to its duties: what each of `VENUE_DUTIES` is called with.

    `met`: the faults that its face has played so far. `topic`: the channel that is listened to, by default the public
    one. `patience`: seconds after which something that must happen counts as broken.
    """

    def __init__(
        self, venue: VenueUnderTest, face: Face, *, topic: str | None = None, patience: float = PATIENCE
    ) -> None:
        self.venue = venue
        self.patience = patience
        self.spec = venue.spec
        self.face = face
        self.topic = venue.topic if topic is None else topic
        self.is_private = topic is not None and topic == venue.private_topic
        self.met: set[str] = set()
        self.address = next(setting for setting in venue.spec.settings if setting.address)

    def make(self, sandbox: Sandbox, **arguments: Any) -> Any:
        """A client that goes there."""
        return self.venue.make(**({self.address.argument: sandbox.url, "retry": _QUICK} | arguments))

    @asynccontextmanager
    async def line(self, **arguments: Any) -> AsyncIterator[_Line]:
        """A stream that is live, at a sandbox of its own."""
        async with self.face() as sandbox, self.make(sandbox, **arguments) as client:
            line = _Line(self, sandbox, client)
            try:
                await line.open()
                yield line
            finally:
                await line.stop()

    @contextmanager
    def environment(self, variables: Mapping[str, str]) -> Iterator[None]:
        """Of the venue's variables these are set, and no others."""
        every = {name for setting in self.spec.settings for name in setting.variables}
        before = {name: os.environ.pop(name) for name in every & os.environ.keys()}
        os.environ.update(variables)
        try:
            yield
        finally:
            for name in {*every, *variables}:
                os.environ.pop(name, None)
            os.environ.update(before)

    def is_of_the_venue(self, error: BaseException | None, *kinds: type[BaseException]) -> None:
        """The error is of the venue's tree, and of those of the engine's too."""
        for kind in (self.spec.errors.root, *kinds):
            assert isinstance(error, kind), f"{error!r} is no {kind.__name__}"


async def check_venue(venue: VenueUnderTest, face: Face) -> frozenset[str]:
    """Hold a venue to every duty; returns the names of the faults that its face has played.

    A fault that the face does not play is no failure: compare what is returned with what yours should. Raises
    AssertionError that names the broken duty. Changes the environment and the levels of loggers while it runs.
    """
    check = VenueCheck(venue, face)
    for duty in VENUE_DUTIES:
        try:
            await duty(check)
        except Exception as error:
            raise AssertionError(f"broken duty: {duty.__doc__} ({type(error).__name__}: {error})") from error
    return frozenset(check.met)


async def _until(condition: Callable[[], object], what: str, seconds: float = PATIENCE) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while not condition():
        assert loop.time() < deadline, f"not within {seconds:g} s: {what}"
        await asyncio.sleep(0.005)


async def _failure(awaitable: Awaitable[object]) -> BaseException | None:
    """What it raises."""
    try:
        await awaitable
    except Exception as error:
        return error
    return None


async def _opened(client: Any, seconds: float) -> None:
    async with asyncio.timeout(seconds):
        async with client:
            pass


# --- words ----------------------------------------------------------------------------------------------------------


async def _the_words_are_those_of_every_venue(check: VenueCheck) -> None:
    """`state`, `is_connected`, `statistics()`, `reconnect()`, `run_forever()`, `close()`: as anywhere."""
    with check.environment({}):
        client = check.venue.make()
        assert not client.is_connected, "is_connected is true before anything was connected"
        assert client.statistics().connections == 0, "connections are counted before there are any"
        for name in ("connect", "close", "run_forever", "__aenter__", "__aexit__"):
            assert inspect.iscoroutinefunction(getattr(client, name)), f"{name} is to be awaited"
        for name in ("reconnect", "statistics"):
            assert not inspect.iscoroutinefunction(getattr(client, name)), f"{name} is not to be awaited"
        await client.close()
    async with check.line() as line:
        client = line.client
        assert isinstance(client.state, str), f"state is {client.state!r}"
        assert client.is_connected, "is_connected is false while the line is up"
        figures = client.statistics()
        assert type(figures) is Statistics, f"statistics() is {figures!r}"
        assert (figures.connections, figures.reconnections) == (1, 0), figures
        running = asyncio.ensure_future(client.run_forever())
        client.reconnect()
        await _until(lambda: line.reconnections == 1 and client.is_connected, "a line after reconnect()")
        assert not running.done(), "run_forever() ends with a connection"
        await client.close()
        await client.close()
        async with asyncio.timeout(check.patience):
            assert await running is None, "run_forever() returns something"
            await client.run_forever()
        assert not client.is_connected, "is_connected is true after close()"
        assert client.statistics().reconnections == 1, "the figures are forgotten with close()"


async def _the_arguments_are_those_of_every_venue(check: VenueCheck) -> None:
    """`retry`, `clock` and `connector` are taken, and used."""
    connector, clock = _Connector(), _Clock()
    async with check.line(connector=connector, clock=clock):
        assert connector.asked, "the connector that was given makes no connections"
        assert clock.asked, "nobody asks the clock that was given"
    refusing = _Connector(refuses=True)
    async with check.face() as sandbox:
        client = check.make(sandbox, connector=refusing, retry=RetryPolicy(2, 0.01, 0.01))
        error = await _failure(_opened(client, check.patience))
        check.is_of_the_venue(error, GaveUp)
        assert refusing.asked == 2, f"retry allows two tries, and {refusing.asked} were made"


async def _whoever_waits_is_told_what_it_gave_up_for(check: VenueCheck) -> None:
    """`run_forever()` raises what the line gave up for, in the venue's tree, and ends the iteration so too."""
    connector = _Connector()
    async with check.line(connector=connector, retry=RetryPolicy(2, 0.01, 0.01)) as line:
        running = asyncio.ensure_future(_failure(line.client.run_forever()))
        await asyncio.sleep(0)
        connector.refuses = True
        line.sandbox.inject("abort")
        async with asyncio.timeout(check.patience):
            check.is_of_the_venue(await running, GaveUp)
        await _until(lambda: line.is_over, "the end of the iteration")
        check.is_of_the_venue(line.end, GaveUp)
        assert not line.client.is_connected, "is_connected is true although it gave up"


async def _settings_come_in_one_order(check: VenueCheck) -> None:
    """An argument counts before the environment, which leads there alone; a wrong variable is named."""
    async with check.face() as sandbox:
        with check.environment(sandbox.environment()):
            await _opened(check.venue.make(retry=_QUICK), check.patience)
        elsewhere = dict.fromkeys(sandbox.environment(), "http://127.0.0.1:9")
        with check.environment(elsewhere):
            await _opened(check.make(sandbox), check.patience)
    for setting in check.spec.settings:
        for variable in setting.variables if setting.address else ():
            with check.environment({variable: "ftp://venue.example"}):
                _judge_refusal(check, _refusal(check, {}), named=variable)


ADDRESSES: tuple[Any, ...] = (
    "ftp://venue.example",
    "http://venue.example",
    "https://venue.example:99999",
    "https://venue.example:0",
    "a b",
    "",
    5,
)
"""None of them is where a venue may be: plain text leads to this machine only."""

WRONG: Mapping[str, tuple[Any, ...]] = {
    "retry": (5, "often", RetryPolicy),
    "clock": (5, "noon", SystemClock),
    "connector": (5, "", object),
    "connect_timeout": (-1, 0, math.nan, "soon", True),
    "session_options": (["strict"], {"no_such": 1}),
    "max_size": (0, "large"),
    "proxy": (5, "ftp://venue.example"),
    "ssl": ("trust me",),
    "http_transport": (5,),
    "no_such_argument": (1,),
}
"""By argument of every realtime class, values that are none."""

WRONG_DELIVERIES: tuple[tuple[str, Any], ...] = (
    ("capacity", 0),
    ("capacity", "many"),
    ("policy", "newest"),
    ("policy", 5),
    ("no_such_field", 1),
)

WRONG_TOPICS: tuple[Any, ...] = ("", None, 5, b"bytes")


async def _a_wrong_argument_has_one_answer(check: VenueCheck) -> None:
    """A wrong argument is refused at once, by the venue's one error for that, which names it and what is allowed."""
    venue = check.venue
    with check.environment({}):
        for name, values in {check.address.argument: ADDRESSES, **WRONG}.items():
            for value in values:
                refusal = _refusal(check, {name: value})
                _judge_refusal(check, refusal, "argument" if name == "no_such_argument" else name, name)
        client = venue.make()
        for name, value in WRONG_DELIVERIES:
            refusal = await _failure(venue.subscribe(client, venue.topic, **{name: value}))
            _judge_refusal(check, refusal, "delivery" if name == "no_such_field" else name, name)
        for topic in WRONG_TOPICS:
            refusal = await _failure(venue.subscribe(client, topic))
            _judge_refusal(check, refusal)
        await client.close()


def _refusal(check: VenueCheck, arguments: Mapping[str, Any]) -> BaseException | None:
    """What the class says to them."""
    try:
        check.venue.make(**arguments)
    except Exception as error:
        return error
    return None


def _judge_refusal(
    check: VenueCheck, refusal: BaseException | None, argument: str = "", named: str = ""
) -> None:
    assert refusal is not None, f"a wrong {named or 'topic'} is taken as it is"
    check.is_of_the_venue(refusal, ConfigurationError)
    refuse = check.spec.errors.refuse
    assert not isinstance(refuse, type) or type(refusal) is refuse, f"{refusal!r} is no {refuse}"
    assert isinstance(refusal, ConfigurationError)
    assert argument in ("", refusal.argument), f"{refusal} is about {refusal.argument}, not about {argument}"
    assert named in str(refusal), f"{refusal} does not name {named}"
    assert refusal.allowed, f"{refusal} does not say what is allowed"
    assert refusal.allowed in str(refusal), f"{refusal} does not say what is allowed"


# --- secrets --------------------------------------------------------------------------------------------------------


async def _secrets_are_shown_nowhere(check: VenueCheck) -> None:
    """No `repr`, no log line and no error shows a secret, also where it is refused."""
    said: list[str] = []
    with _listening(said):
        async with check.line() as line:
            line.sandbox.inject("abort")
            await _until(lambda: line.reconnections, "a new line")
            await line.goes_on()
            said += [repr(line.client), repr(line.client.statistics())]
            line.sandbox.inject("refuse_tokens", times=1_000)
            line.sandbox.inject("expire_tokens")
            line.sandbox.inject("abort")
            await _until(
                lambda: line.is_over or line.reconnections > 1 or len(said) > 100,
                "an end",
                3.0,
            )
            said += _texts(line.end)
        async with check.face() as sandbox:
            client = check.make(sandbox, connector=_Connector(refuses=True), retry=RetryPolicy(1))
            said += [repr(client), *_texts(await _failure(_opened(client, check.patience)))]
    for secret in check.venue.secrets:
        shown = next((text for text in said if secret in text), None)
        assert shown is None, (
            f"a secret is shown in {shown[:60].replace(secret, '(here)')!r}..." if shown else ""
        )


def _texts(error: BaseException | None) -> list[str]:
    return [] if error is None else [str(error), repr(error), "".join(traceback.format_exception(error))]


@contextmanager
def _listening(said: list[str]) -> Iterator[None]:
    """Whatever is logged meanwhile, by anybody, is said."""
    root = logging.getLogger()
    handler = logging.Handler()
    handler.emit = lambda record: said.append(logging.Formatter().format(record))  # type: ignore[method-assign]
    ours = logging.getLogger("tapewire")
    levels = root.level, ours.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    ours.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(levels[0])
        ours.setLevel(levels[1])


# --- streams --------------------------------------------------------------------------------------------------------


async def _a_lost_line_is_made_anew(check: VenueCheck) -> None:
    """After a lost line the channel is asked for again, once; a mark stands where it broke, and all else is there."""
    async with check.line() as line:
        assert not line.marks, f"marks before anything happened: {line.marks}"
        line.sandbox.inject("abort")
        line.happen(3)
        await _until(lambda: line.reconnections == 1, "a new line")
        await _soon(lambda: len(line.servings) > 1)
        await line.goes_on()
        assert not line.is_over, f"the stream ended: {line.end!r}"
        connections = line.reconnections + 1
        granted = len(line.servings)
        assert granted == connections, f"granted {granted} times on {connections} connections"
        assert await _soon(lambda: line.marks), "nothing says that the line was lost"
        line.judge()


class _Handled:
    """The venue, its stream heard by a handler and an `on_mark` that take their time."""

    def __init__(self, venue: VenueUnderTest) -> None:
        self._venue = venue
        self.spec, self.secrets = venue.spec, venue.secrets
        self.topic, self.private_topic = venue.topic, venue.private_topic
        self.make, self.payload, self.handle = venue.make, venue.payload, venue.handle
        self._at_work = 0
        self.were_two_at_work = False

    async def subscribe(self, client: Any, topic: Any, **delivery: Any) -> AsyncIterator[Any]:
        told: asyncio.Queue[Any] = asyncio.Queue()

        async def tell(item: Any) -> None:
            self.were_two_at_work |= self._at_work > 0
            self._at_work += 1
            await asyncio.sleep(0.25 if is_mark(item) else 0.02)  # a mark so long that the next item is there
            told.put_nowait(item)
            self._at_work -= 1

        async def heard() -> AsyncIterator[Any]:
            while True:
                yield await told.get()

        await self._venue.handle(client, tell, tell)
        return heard()


async def _a_handler_is_told_of_marks_in_their_places(check: VenueCheck) -> None:
    """Whoever gives a handler is told the marks by `on_mark`, in order with the messages, one call at a time."""
    handled = _Handled(check.venue)
    await _a_lost_line_is_made_anew(VenueCheck(handled, check.face, patience=check.patience))
    assert not handled.were_two_at_work, "the handler and on_mark were called at one time"


async def _each_fault_is_survived_or_said(check: VenueCheck) -> None:
    """Whatever fault the face plays: the stream goes on, or ends with the venue's error; what is missing is marked."""
    numbered = check.spec.channel_of(check.topic).numbered
    plays = {name: play for name, play in PLAYS.items() if numbered or not play.needs_numbers}
    gate = asyncio.Semaphore(AT_ONE_TIME)

    async def played(name: str, play: Play) -> None:
        async with gate:
            try:
                async with asyncio.timeout(4 * check.patience):
                    await _played(check, name, play)
            except Exception as error:
                raise AssertionError(f"{name}: {type(error).__name__}: {error}") from error

    results = await asyncio.gather(
        *(played(name, play) for name, play in plays.items()), return_exceptions=True
    )
    broken = [str(result) for result in results if isinstance(result, BaseException)]
    assert not broken, "; ".join(broken)


async def _played(check: VenueCheck, name: str, play: Play) -> None:
    async with check.line(**play.arguments) as line:
        if play.cut == "before":
            line.sandbox.inject("abort")
            line.happen(3)
        order = line.sandbox.inject(name, **_params(line, play))
        if play.cut == "after":
            line.sandbox.inject("abort")
            line.happen(3)
        if not await _is_met(line, order, play):
            return  # the face does not play it
        check.met.add(name)
        if play.silences and not check.spec.answers_joins:
            line.sandbox.inject(
                "abort"
            )  # nobody can know that the channel was passed over: the next line brings it
            line.happen(3)
        if play.breaks:
            await _until(lambda: line.is_over or line.reconnections, "a new line")
        elif play.lasts:
            line.happen(3)
        if play.lasts:
            line.sandbox.lift()
        await line.goes_on()
        if line.is_over:
            check.is_of_the_venue(line.end)
        line.judge()


def _params(line: _Line, play: Play) -> dict[str, Any]:
    params = dict(play.params)
    if play.of_topic:
        params["topic"] = line.key
    if play.of_connection:
        params["connection"] = line.servings[-1].connection
    return params


async def _is_met(line: _Line, order: Injected, play: Play) -> bool:
    loop = asyncio.get_running_loop()
    at_least = loop.time() + play.seconds
    looks = 0
    while not order.hits and not line.is_over and (looks < LOOKS or loop.time() < at_least):
        line.happen()
        await asyncio.sleep(0.01)
        looks += bool(line.reconnections or not play.cut)
    return bool(order.hits)


async def _the_accounts_channel_is_held_to_the_same(check: VenueCheck) -> None:
    """What is true of a public channel after a lost line and of each fault, is true of one of the account."""
    topic, kinds = check.venue.private_topic, check.spec.channels.items()
    private = [kind for kind, channel in kinds if channel.private]
    assert bool(private) == (topic is not None), (
        f"private channels are {private}, and private_topic is {topic}"
    )
    if topic is not None:
        own = VenueCheck(check.venue, check.face, topic=topic, patience=check.patience)
        await _a_lost_line_is_made_anew(own)
        await _each_fault_is_survived_or_said(own)
        check.met |= own.met


# --- the end --------------------------------------------------------------------------------------------------------


async def _the_end_leaves_nothing(check: VenueCheck) -> None:
    """After `close()` no task and no connection is left."""
    async with check.face() as sandbox:
        before = asyncio.all_tasks()
        client = check.make(sandbox)
        async with client:
            line = _Line(check, sandbox, client)
            await line.open()
            sandbox.inject("abort")
            await _until(lambda: line.reconnections == 1, "a new line")
            await line.goes_on()
        await line.stop()
        assert await _soon(lambda: not asyncio.all_tasks() - before), f"left: {asyncio.all_tasks() - before}"
        assert await _soon(lambda: not sandbox.state()["connections"]), "a connection is left"


async def _soon(condition: Callable[[], object]) -> bool:
    for _ in range(200):
        if condition():
            return True
        await asyncio.sleep(0.005)
    return False


async def _close_is_bounded(check: VenueCheck) -> None:
    """`close()` returns soon, over a line that is dead, one whose peer does not let go, and one that never comes."""
    for fault in ("half_open", "slow_close"):
        async with check.line() as line:
            line.sandbox.inject(fault, seconds=60)
            async with asyncio.timeout(min(CLOSE_SECONDS, check.patience)):
                await line.client.close()
    async with check.face() as sandbox:
        client = check.make(sandbox, connector=_Connector(hangs=True))
        opening = asyncio.ensure_future(_failure(_opened(client, check.patience)))
        await asyncio.sleep(0.1)
        async with asyncio.timeout(min(CLOSE_SECONDS, check.patience)):
            await client.close()
            await opening


async def _another_loop_is_told(check: VenueCheck) -> None:
    """A call from another event loop is WrongLoop, and harms nothing."""
    async with check.line() as line:
        error = await asyncio.to_thread(asyncio.run, _failure(line.client.close()))
        check.is_of_the_venue(error, WrongLoop)
        await line.goes_on()


class _Connector:
    """Makes connections as ever, and counts them; or refuses each; or never comes back."""

    def __init__(self, *, refuses: bool = False, hangs: bool = False) -> None:
        self.asked = 0
        self.refuses = refuses
        self._hangs = hangs
        self._inner: Connector = default_connector()

    async def connect(self, endpoint: Endpoint, receiver: Receiver) -> Transport:
        self.asked += 1
        if self._hangs:
            await asyncio.Event().wait()
        if self.refuses:
            raise ConnectFailed(endpoint.host, "refused by the check")
        return await self._inner.connect(endpoint, receiver)


class _Clock:
    """The machine's, and counts who asks."""

    def __init__(self) -> None:
        self.asked = 0
        self._inner = SystemClock()

    def monotonic(self) -> float:
        self.asked += 1
        return self._inner.monotonic()

    def time_ns(self) -> int:
        self.asked += 1
        return self._inner.time_ns()


VenueDuty: TypeAlias = Callable[[VenueCheck], Awaitable[None]]

VENUE_DUTIES: tuple[VenueDuty, ...] = (
    _the_words_are_those_of_every_venue,
    _the_arguments_are_those_of_every_venue,
    _whoever_waits_is_told_what_it_gave_up_for,
    _settings_come_in_one_order,
    _a_wrong_argument_has_one_answer,
    _secrets_are_shown_nowhere,
    _a_lost_line_is_made_anew,
    _a_handler_is_told_of_marks_in_their_places,
    _the_end_leaves_nothing,
    _close_is_bounded,
    _another_loop_is_told,
    _each_fault_is_survived_or_said,
    _the_accounts_channel_is_held_to_the_same,
)
"""Every duty of a venue's realtime class."""

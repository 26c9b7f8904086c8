"""A tape plays the venue: the same two interfaces that were tapped, reading. The classes above them are unmodified.

    async def main(replay):
        way = {"connector": replay.connector, "http_transport": ReplayHttp(replay.answers), "clock": replay.clock}
        async with SXBetClient(**way) as client:
            ...
    with Replay(path) as replay:
        replay.run(main)

Rules:

* Time is the tape's: `run` begins at the moment of its first record, so that what waited for nothing then waits for
  nothing now, on a clock that passes as fast as `speed` says. So deadlines, heartbeats and back-offs are due when they
  were. A deadline that a busy machine kept late is kept in time: what came shortly before we left a line is therefore
  played a little earlier.
* A dial is answered by the next dial on the tape to the same place, an HTTP request by the next one of the same method,
  URL and body, moments and credentials in them apart. What the client asks for earlier than it did waits for the tape;
  for what it asks later the tape waits.
* What the client sends is compared with what it sent then, credentials apart: `differences` says where it differs.
* A request for part of what one asked for is given the answer to all of it; it is a difference.
* A request that is made more often than it was (time on a machine differs: what was one then may be two now) is given
  the answer that it had last; it is a difference. What stands on no tape is refused at once, with an error that says
  so; it is a difference as well.
* Behind its end the tape says nothing more. `ended` is set then.
"""

from __future__ import annotations

import asyncio
import inspect
import math
import os
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from types import TracebackType
from typing import Any, Final, Self, TypeAlias, TypeVar
from urllib.parse import urlsplit

import msgspec

from .. import errors
from ..errors import ConfigurationError, ConnectFailed, ConnectionFailure, ConnectionLost, TapeCorrupt
from ..payload import Payload
from ..transport.base import Endpoint, Receiver, Transport
from ..virtual_time import VirtualClock
from .format import Kind, Record, decoded, encoded
from .placeholders import said_by_us
from .reel import Call, Reel
from .requests import Listed, RequestKey, key_of, listed_in, part_of
from .seeds import SeedUnfit
from .tape import Tape

__all__ = ["Answers", "Difference", "Replay"]

T = TypeVar("T")

Wait: TypeAlias = Callable[[], Awaitable[None]]
"""What is waited for before the tape goes on."""

PATIENCE_SECONDS: Final = 120.0
"""Of the tape's time: how long the tape waits for a dial or a request that the client does not make, and how long
whoever is played to may take behind its end."""

SENT_SECONDS: Final = 5.0
"""How long it waits for a message of a client whose time is not its own."""

MOST_PONG_SECONDS: Final = 0.1

MOST_DIFFERENCES: Final = 1_000

_SAID: Final = "sent on connection"
_NOTHING: Final = "nothing"

_MOMENT: Final = 1e-6
"""Seconds of the tape's time that a turn of everybody takes."""

MOST_KEPT: Final = 100
"""Kinds of requests whose last answer is kept, for whoever asks once more."""


class Difference(msgspec.Struct, frozen=True):
    """The replay went another way than the recording. `at_ns`: wall clock; `what`: of which connection or call."""

    at_ns: int
    what: str
    recorded: str
    replayed: str

    @property
    def is_another_message(self) -> bool:
        """On a line something else was said than then, in its place: answers may have met the other question."""
        return self.what.startswith(_SAID) and _NOTHING not in (self.recorded, self.replayed)


class Replay:
    """One tape, or several segments and venues in time order. Raises what `Tape` raises.

    `speed`: 1 as it was, 10 ten times as fast, `math.inf` (default) as fast as it can be read. `from_ns`, `to_ns`: wall
    clock; what stood before is replayed too, as fast as it can be, for there is no state without it. `seeks`: begin at
    the last seed point before `from_ns`, where there is one; `run` raises SeedUnfit where that leads elsewhere.
    `on_corrupt`: told of what cannot be read, which is then passed over; without it, it is raised. `on_note`: told of
    each note when the tape comes to it. `waits_for_sent`: before the tape goes on, as much has to be sent as was sent
    then: for a client whose time is not the tape's.
    """

    def __init__(
        self,
        *paths: str | os.PathLike[str],
        speed: float = math.inf,
        from_ns: int | None = None,
        to_ns: int | None = None,
        on_corrupt: Callable[[TapeCorrupt], None] | None = None,
        on_note: Callable[[Any], None] | None = None,
        waits_for_sent: bool = False,
        seeks: bool = False,
    ) -> None:
        if not paths:
            raise ConfigurationError("paths", paths, "one tape at least")
        if type(speed) not in (int, float) or not speed > 0:
            raise ConfigurationError("speed", speed, "a number above 0; math.inf for as fast as it goes")
        self.reel: Reel = Reel(
            [Tape(path) for path in paths], from_ns=from_ns, seeks=seeks, on_corrupt=on_corrupt
        )
        """What is played, from where on."""
        self._sought_ns = self.reel.sought_ns
        self._until = math.inf if to_ns is None else self.reel.at_ns(to_ns)
        self.clock: VirtualClock = VirtualClock(
            self.reel.begin_ns / 1e9,
            wall_ns=self.reel.begin_wall_ns,
            speed=speed,
            fast_until=None if from_ns is None else self.reel.at_ns(from_ns) / 1e9,
        )
        self._on_note = on_note
        self.waits_for_sent: bool = waits_for_sent
        self.differences: list[Difference] = []
        self.ended: asyncio.Event = asyncio.Event()
        self.is_unfit: bool = False
        """True once it is known that the seed point leads elsewhere: nothing that comes then is to be believed."""
        self.connector: _ReplayConnector = _ReplayConnector(self)
        self.answers: Answers = Answers(self)
        self._player: asyncio.Task[None] | None = None
        self._failure: BaseException | None = None
        self._noted: list[tuple[Any, asyncio.Future[None]]] = []

    @property
    def tapes(self) -> list[Tape]:
        """In the order of their times."""
        return self.reel.tapes

    @property
    def venue(self) -> str:
        """Of the first tape."""
        return self.tapes[0].head.venue

    @property
    def settings(self) -> dict[str, Any]:
        """What the recorder was told that a replay needs."""
        return dict(self.tapes[0].head.settings)

    def run(self, main: Callable[[Replay], Awaitable[T]]) -> T:
        """Call `main(self)` in the tape's time, and return its result. Raises what it raises, and TapeCorrupt.

        Also what a receiver raises that is played to: nothing comes behind that.

        What never ends by itself should wait for `ended` as well: `PATIENCE_SECONDS` of its time behind the end of the
        tape it is cancelled, and TimeoutError raised.
        """

        async def whole() -> T:
            running = asyncio.ensure_future(main(self))
            over = asyncio.ensure_future(self._long_over())
            try:
                await asyncio.wait((running, over), return_when=asyncio.FIRST_COMPLETED)
                if self._failure is not None:
                    raise self._failure
                if not running.done():
                    raise TimeoutError(
                        f"the tape is over for {PATIENCE_SECONDS:g} s, and nothing more comes of it"
                    )
                result = running.result()
            finally:
                running.cancel()
                over.cancel()
                await asyncio.gather(running, over, return_exceptions=True)
            return result

        return self.clock.run(whole())

    async def _long_over(self) -> None:
        await self.ended.wait()
        self.clock.speed = math.inf
        await asyncio.sleep(PATIENCE_SECONDS)

    async def noted(self, value: Any) -> None:
        """Wait until the tape comes to what its owner noted there (`Recorder.write_note`), or to its end."""
        self.begin()
        waiter = asyncio.get_running_loop().create_future()
        self._noted.append((value, waiter))
        over = asyncio.ensure_future(self.ended.wait())
        await asyncio.wait((waiter, over), return_when=asyncio.FIRST_COMPLETED)
        over.cancel()

    def begin(self) -> None:
        """Play from now on; the first dial and the first request do so. Call it inside `run`."""
        if self._player is None:
            self._player = asyncio.get_running_loop().create_task(self._play(), name="tapewire replay")

    @property
    def begins_at_a_seed(self) -> bool:
        """Whether what stood before the last seed point is not played."""
        return self.reel.begins_at_a_seed

    @property
    def is_beginning(self) -> bool:
        """True before the moment of the seed point at which it begins: no time counts yet, only what follows what."""
        return self.clock.monotonic() * 1e9 < self.reel.begun_ns

    def close(self) -> None:
        """Close the files. Idempotent."""
        self.reel.close()

    def differs(self, what: str, recorded: Any, replayed: Any, at_ns: int | None = None) -> None:
        """Note it, up to `MOST_DIFFERENCES`. `at_ns`: wall clock; by default it is now."""
        if len(self.differences) < MOST_DIFFERENCES:
            at_ns = self.clock.time_ns() if at_ns is None else at_ns
            self.differences.append(Difference(at_ns, what, str(recorded)[:500], str(replayed)[:500]))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Replay of {self.venue}: {len(self.tapes)} tapes, {len(self.differences)} differences>"

    # --- inside -----------------------------------------------------------------------------------------------------

    async def _play(self) -> None:
        course = self._course()
        try:
            while (wait := await self.clock.follow(course)) is not None:
                await wait()
        except Exception as error:  # also what whoever is played to raises: `run` raises it
            self._failure = error
        finally:
            self.connector.settle()
            self.ended.set()

    def _course(self) -> Iterator[float | Wait]:
        """When the next record comes, and what has to be waited for before the one behind it may."""
        monotonic, connector, answers = self.clock.monotonic, self.connector, self.answers
        for recording, record in self.reel.records():
            if record.at_ns > self._until:
                break
            if self._sought_ns is not None and record.at_ns >= self._sought_ns:
                self._sought_ns = None
                self._check_seed()
            # Never less than a moment: timers come last, behind whoever was woken by what stood before.
            yield max(monotonic() + _MOMENT, record.at_ns / 1e9)
            if record.kind == Kind.NOTE:
                wait = self._tell(record.data)
            elif record.kind < Kind.ASKED:
                wait = connector.play(recording, record)
            else:
                wait = answers.play(recording, record)
            if wait is not None:
                yield wait

    def _check_seed(self) -> None:
        """Whoever began at a seed point has to have said by now what was said, or is no longer where it was then."""
        if self.reel.begins_at_a_seed and (self.differences or self.connector.is_out_of_step):
            self.is_unfit = True
            raise SeedUnfit(self.differences[:1])

    def _tell(self, value: Any) -> Wait | None:
        if self._on_note is not None:
            self._on_note(value)
        found = [(waited, waiter) for waited, waiter in self._noted if waited == value and not waiter.done()]
        for each in found:
            self._noted.remove(each)
            each[1].set_result(None)
        return _a_turn if found else None


async def _a_turn() -> None:
    """Whoever was woken goes on before the tape does."""
    await asyncio.sleep(0)


class _ReplayConnector:
    """Makes transports whose peer is the tape."""

    def __init__(self, replay: Replay) -> None:
        self._replay = replay
        self._dials: dict[str, deque[_Line]] = {}  # on the tape, and not asked for yet
        self._asked: dict[
            str, deque[tuple[Receiver, asyncio.Future[_Line]]]
        ] = {}  # asked for before the tape
        self._lines: dict[tuple[str, int], _Line] = {}

    async def connect(self, endpoint: Endpoint, receiver: Receiver) -> Transport:
        """The next connection on the tape to the same place.

        Raises what that raised; ConnectFailed where there is none.
        """
        self._replay.begin()
        place = _place_of(endpoint.url)
        if self._dials.get(place):
            line = self._dials[place].popleft()
            line.bind(receiver)
        else:
            if self._replay.ended.is_set():
                raise ConnectFailed(place, "the tape is over")
            asked: asyncio.Future[_Line] = asyncio.get_running_loop().create_future()
            waiting = (receiver, asked)
            self._asked.setdefault(place, deque()).append(waiting)
            over = asyncio.ensure_future(self._replay.ended.wait())
            try:
                await asyncio.wait((asked, over), return_when=asyncio.FIRST_COMPLETED)
            finally:
                over.cancel()
                if waiting in self._asked[place]:
                    self._asked[place].remove(waiting)
            if not asked.done():
                raise ConnectFailed(place, "the tape is over")
            line = asked.result()
        return await line.opened()

    def play(self, recording: str, record: Record) -> Wait | None:
        """The next record of a connection. Returns what is to be waited for before the one behind it."""
        key = (recording, record.connection)
        if record.kind == Kind.DIAL:
            self._dial(key, _place_of(record.data["url"]))
            return None
        known = self._lines.get(key)
        if known is None:
            return None
        if record.kind == Kind.LOST:
            del self._lines[key]
        return known.play(record)

    def _dial(self, key: Call, place: str) -> None:
        line = self._lines[key] = _Line(self._replay, key)
        if self._asked.get(place):
            receiver, asked = self._asked[place].popleft()
            line.bind(receiver)
            asked.set_result(line)
        else:
            self._dials.setdefault(place, deque()).append(line)

    @property
    def is_out_of_step(self) -> bool:
        """True while something was sent now or then, and not both times."""
        return any(line.is_out_of_step for line in self._lines.values())

    def settle(self) -> None:
        """The tape is over: nothing that was sent has a counterpart any more."""
        for line in self._lines.values():
            line.settle()


class _Line:
    """One connection on the tape, and whoever it is now."""

    def __init__(self, replay: Replay, key: Call) -> None:
        self._replay = replay
        self._number = key[1]
        self._receiver: Receiver | None = None
        self._is_bound = asyncio.Event()
        self._outcome: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sent: deque[tuple[int, Any]] = deque()  # on the tape, and not sent now; each with its time
        self._ahead: deque[tuple[int, Any]] = deque()  # sent now, and not on the tape yet
        self._is_lost = False
        self._is_patient = replay.waits_for_sent
        self._said = asyncio.Event()
        self._closed: asyncio.Event = asyncio.Event()
        # Of each of our pings, in order: when its pong came.
        self._answered = replay.reel.pings_of(key, replay.clock.monotonic)

    def bind(self, receiver: Receiver) -> None:
        """Somebody dials."""
        self._receiver = receiver
        self._is_bound.set()

    async def opened(self) -> Transport:
        """Wait for what the tape says of the dial. Raises what it raised."""
        await asyncio.shield(self._outcome)
        return self

    def play(self, record: Record) -> Wait | None:
        """What happened on it. Returns what is to be waited for before more of the tape is played."""
        if not self._is_bound.is_set():
            return partial(self._play_when_dialled, record)
        kind, data = record.kind, record.data
        if kind == Kind.OPENED:
            self._outcome.set_result(None)
            return _a_turn  # whoever dialled goes on before anything is received
        if kind == Kind.REFUSED:
            self._outcome.set_exception(_error_of(data))
        elif kind == Kind.SENT:
            self._compare(data)
            return self._hear_out if self._is_patient or self._replay.is_beginning else None
        elif self._receiver is not None and not self._is_lost:
            self._hear(kind, data)
        if kind == Kind.LOST:
            self.settle()
        return None

    async def _hear_out(self) -> None:
        """Until as much was sent now as then. Who does not send so much is not waited for again."""
        try:
            async with asyncio.timeout(SENT_SECONDS * max(1.0, min(self._replay.clock.speed, 1_000.0))):
                while self._sent and not self._is_lost:
                    self._said.clear()
                    await self._said.wait()
        except TimeoutError:
            self._is_patient = False

    def _hear(self, kind: int, data: Any) -> None:
        assert self._receiver is not None
        if kind == Kind.READ:
            self._receiver.received(decoded(data))
        elif kind == Kind.LOST:
            error = _error_of(data)
            assert isinstance(error, ConnectionLost)
            self._lose(error)

    async def _play_when_dialled(self, record: Record) -> None:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._is_bound.wait()
        except TimeoutError:
            self._replay.differs(f"connection {self._number}", "dialled", "not dialled")
            self._is_bound.set()
            self._outcome.cancel()
            self._is_lost = True
        if self._receiver is None:
            return
        wait = self.play(record)
        if wait is not None:
            await wait()

    def _lose(self, error: ConnectionLost) -> None:
        if not self._is_lost and self._receiver is not None:
            self._is_lost = True
            self._said.set()
            self._receiver.lost(error)
        self._closed.set()

    def _compare(self, recorded: Sequence[Any]) -> None:
        for each in recorded:
            if self._ahead:
                self._judge(each, self._ahead.popleft()[1])
            else:
                self._sent.append((self._replay.clock.time_ns(), each))

    def _judge(self, recorded: Any, replayed: Any) -> None:
        if _bytes_of(recorded) != _bytes_of(replayed):
            self._replay.differs(f"{_SAID} {self._number}", recorded, replayed)

    @property
    def is_out_of_step(self) -> bool:
        """True while something was sent now or then, and not both times."""
        return bool(self._sent or self._ahead)

    def settle(self) -> None:
        """The line is over: what has no counterpart is a difference, at the time at which it was sent."""
        for at_ns, each in self._sent:
            self._replay.differs(f"{_SAID} {self._number}", each, _NOTHING, at_ns)
        for at_ns, each in self._ahead:
            self._replay.differs(f"{_SAID} {self._number}", _NOTHING, each, at_ns)

    # --- it is the transport ----------------------------------------------------------------------------------------

    def send(self, payloads: Sequence[Payload]) -> None:
        for each in said_by_us(encoded(payloads)):
            if self._sent:
                self._judge(self._sent.popleft()[1], each)
            else:
                self._ahead.append((self._replay.clock.time_ns(), each))
        self._said.set()

    def ping(self) -> None:
        """Answered as late as it was then, if it was: the next deadline counts from there. One too many at once.

        But never later than `MOST_PONG_SECONDS`: a busy machine hears an answer late, and bears that; here, where it is
        never busy, the same answer would be too late.
        """
        seconds = next(self._answered, 0.0)
        if seconds is not None and self._receiver is not None and not self._is_lost:
            asyncio.get_running_loop().call_later(min(seconds, MOST_PONG_SECONDS), self._pong)

    def _pong(self) -> None:
        if self._receiver is not None and not self._is_lost:
            self._receiver.ponged()

    def pause_reading(self) -> None:
        """The tape did so then."""

    def resume_reading(self) -> None:
        """The tape did so then."""

    async def close(self, code: int = 1000, reason: str = "", *, timeout: float = 2.0) -> None:
        if not self._is_lost:
            try:
                async with asyncio.timeout(timeout):
                    await self._closed.wait()
            except TimeoutError:
                self.abort()
                await asyncio.sleep(0)

    def abort(self) -> None:
        """The end comes at once, whether it stands on the tape or not."""
        if not self._is_lost:
            asyncio.get_running_loop().call_soon(self._lose, ConnectionLost("aborted"))


class Answers:
    """The answers of HTTP on the tape. `take` is what an HTTP transport asks (`http.ReplayHttp`)."""

    def __init__(self, replay: Replay) -> None:
        self._replay = replay
        self._asked: dict[Any, deque[Call]] = {}  # on the tape, and not asked now
        self._waiting: dict[Any, deque[asyncio.Future[Call]]] = {}  # asked now, and not on the tape yet
        self._answers: dict[Call, asyncio.Future[Record]] = {}
        self._taken: dict[Any, tuple[int, Call]] = {}  # how often, and which last; the newest `MOST_KEPT`
        # Calls that are asked for in parts now, and what nobody has asked for yet; the newest `MOST_KEPT`.
        self._parts: dict[Call, tuple[RequestKey, Listed]] = {}

    async def take(self, method: str, url: str, body: bytes) -> Record:
        """What was answered then: a record of ANSWERED or UNANSWERED, at its own time. Raises LookupError for none."""
        self._replay.begin()
        key = key_of(method, url, body)
        count, last = self._taken.get(key, (0, None))
        if self._asked.get(key):
            call = self._asked[key].popleft()
        elif last is not None and self._replay.is_beginning:
            call = (
                last  # a seed point has one answer of each kind, and whoever begins there may ask more often
            )
        elif (whole := self._whole_of(key)) is not None:
            call = whole
        elif last is not None and self._is_all(key, count):
            self._replay.differs("a request", f"{count} times", f"once more: {key[0]} {key[1]}")
            call = last
        else:
            call = await self._await_call(key)
        return await asyncio.shield(self._kept(key, call))

    def _is_all(self, key: RequestKey, count: int) -> bool:
        """Whether the tape has none of that kind any more."""
        return count + len(self._waiting.get(key, ())) >= self._replay.reel.requests_of(key)

    def _whole_of(self, key: RequestKey) -> Call | None:
        """A call on the tape that asked for this and more, of which nobody has asked for this yet."""
        for call, (whole, left) in self._parts.items():
            if (wanted := part_of(key, whole)) and wanted <= left:
                self._take_part(call, whole, key, left - wanted)
                return call
        for whole, calls in self._asked.items():
            if calls and (wanted := part_of(key, whole)):
                call = calls.popleft()
                self._take_part(call, whole, key, listed_in(whole) - wanted)
                return call
        return None

    def _take_part(self, call: Call, whole: RequestKey, key: RequestKey, left: Listed) -> None:
        self._replay.differs("a request", f"{whole[0]} {whole[1]}", f"a part of it: {key[1]}")
        self._parts.pop(call, None)
        if left:
            self._parts[call] = (whole, left)
        if len(self._parts) > MOST_KEPT:
            self._answers.pop(next(iter(self._parts)), None)
            del self._parts[next(iter(self._parts))]

    def _give_parts(self, call: Call, whole: RequestKey) -> None:
        """Whoever waits for some of what it asked for is given it."""
        left = listed_in(whole)
        for key, waiting in self._waiting.items():
            if waiting and (wanted := part_of(key, whole)) and wanted <= left:
                left -= wanted
                self._take_part(call, whole, key, left)
                waiting.popleft().set_result(call)
        if left == listed_in(whole):
            self._asked.setdefault(whole, deque()).append(call)

    def _kept(self, key: RequestKey, call: Call) -> asyncio.Future[Record]:
        """The answer of a call, which is kept until the next one of its kind, or until many others were asked."""
        count, former = self._taken.pop(key, (0, call))
        self._taken[key] = (count + 1, call)
        if former != call and former not in self._parts:
            self._answers.pop(former, None)
        if len(self._taken) > MOST_KEPT:
            oldest = next(iter(self._taken))
            self._answers.pop(self._taken.pop(oldest)[1], None)
        return self._answers[call]

    async def _await_call(self, key: RequestKey) -> Call:
        asked: asyncio.Future[Call] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, deque()).append(asked)
        over = asyncio.ensure_future(self._replay.ended.wait())
        try:
            await asyncio.wait((asked, over), return_when=asyncio.FIRST_COMPLETED)
        finally:
            over.cancel()
            if asked in self._waiting[key]:
                self._waiting[key].remove(asked)
        if not asked.done():
            self._replay.differs("a request", "none", f"{key[0]} {key[1]}")
            raise LookupError(f"{key[0]} {key[1]} stands on no tape")
        return asked.result()

    def play(self, recording: str, record: Record) -> Wait | None:
        """The next record of a call. Returns what is to be waited for before the one behind it."""
        if record.kind == Kind.ASKED:
            number, method, url, _, body = record.data
            call = (recording, number)
            self._answers[call] = asyncio.get_running_loop().create_future()
            key = key_of(method, url, body)
            if self._waiting.get(key):
                self._waiting[key].popleft().set_result(call)
            else:
                self._give_parts(call, key)
        elif record.kind in (Kind.ANSWERED, Kind.UNANSWERED):
            answer = self._answers.get((recording, record.data[0]))
            if answer is not None and not answer.done():
                answer.set_result(record)
                return _a_turn
        return None


def _place_of(url: str) -> str:
    """Scheme, host and path: queries hold tokens and nonces."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}{parts.path}"


def _bytes_of(payload: Any) -> bytes:
    if isinstance(payload, list):
        return b"\0" + bytes(payload[0])
    return payload.encode() if isinstance(payload, str) else bytes(payload)


def _error_of(data: Any) -> ConnectionFailure:
    """The error of those facts; a text of it where this version has no such class."""
    kind = getattr(errors, str(data.get("error")), None)
    if not (isinstance(kind, type) and issubclass(kind, ConnectionFailure)):
        return ConnectionLost(str(data.get("error")))
    facts = {name.lstrip("_"): value for name, value in data.get("facts", {}).items()}
    accepted = inspect.signature(kind).parameters
    made: ConnectionFailure = kind(**{name: value for name, value in facts.items() if name in accepted})
    return made

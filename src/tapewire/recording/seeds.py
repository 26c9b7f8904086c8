"""Seed points: what stands at a moment of a recording, so that a replay can begin there and not at the first record.

`Standing` follows a recording, in the thread that writes it, and knows of each line that stands its dial and what was
said but for publications, and of each kind of call its last answer. When a seed point is begun, that is kept as it is
then; when the snapshots of the books are there, both are its record: what a replay plays first.

Rules:

* Of publications nothing is kept but the last of each place that the venue names: a trade by which later ones are told
  from those that were heard. Books begin with their snapshots.
* It stands at the moment at which the snapshots were asked for: whatever came since follows in the recording.
* Where a line said or was told something that whoever begins anew would not say again (a topic that was asked for
  later, or once more), there is no seed point until it is over: numbers of commands would be others.
* It is bounded: a line of which too much has to be kept has no seed points either.
* Each line begins when the last ping was sent that was answered, or when it was opened: then whoever begins there pings
  when it did, and waits in vain when it did.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

import msgspec

from .format import Kind, Record
from .tape import Tape

__all__ = [
    "CATCH_UP_NS",
    "Answer",
    "Beginning",
    "Said",
    "SeedUnfit",
    "Seeding",
    "Snapshot",
    "Standing",
    "beginnings",
]

Snapshot: TypeAlias = tuple[str, bytes]
"""A topic as it is asked for, and the message that would begin it: a whole book."""

Said: TypeAlias = tuple[bool, bytes]
"""A message of a line, and whether we said it."""

Answer: TypeAlias = Sequence[Any]
"""Of a request that was asked anew: method, URL, body; status, headers and body of its answer."""

JOIN_NS: Final = 10_000_000_000
"""How long after its dial a line may ask for what it is there for."""

SETTLE_NS: Final = 5_000_000_000
"""How long before the seed point a line begins that was pinged, or opened, longer ago than the following."""

MOST_BEAT_NS: Final = 30_000_000_000

CATCH_UP_NS: Final = 2_000_000_000
"""How long after its snapshots a seed point is good for: what they were ahead of has come."""

MOST_KEPT: Final = 20_000
MOST_PLACES: Final = 1_000
MOST_CALLS: Final = 200
MOST_BYTES: Final = 4 * 1024 * 1024
"""Of a line, records, places and bytes; and kinds of calls."""

_STEP_NS: Final = 1_000


class SeedUnfit(Exception):
    """A replay that began at a seed point has said something else than was said: begin at the first record instead."""


class Seeding(Protocol):
    """What has to be known of a venue's messages."""

    def split(self, message: bytes) -> tuple[bytes | None, Sequence[tuple[str, bytes]]]:
        """What of a message has to be said again to whoever begins anew, None for nothing; and what it publishes, each
        with its place: of that the last of each place is kept.
        """
        ...

    def is_beat(self, message: bytes) -> bool:
        """True for what we say only because we were asked whether we are there."""
        ...

    def begun(self, said: Sequence[Said], last: Mapping[str, bytes]) -> list[Said] | None:
        """What a line begins with on which this was said, and this last of each place. None where none can begin so."""
        ...

    def is_state(self, url: str) -> bool:
        """True for a request whose answer has to be of the moment at which one begins."""
        ...


class _Line:
    """One connection that stands."""

    def __init__(self, dial: Record) -> None:
        self.dial = dial
        self.opened: Record | None = None
        self.beat_ns: int | None = None
        """When it was opened, or pinged last of what was answered."""
        self.pinged_ns: int | None = None
        self.can_begin = True
        self._said: list[Said] = []
        self._last: dict[str, bytes] = {}
        self._bytes = 0

    def hear(self, record: Record, seeding: Seeding) -> None:
        """The venue has said something."""
        for each in record.data:
            if isinstance(each, list):  # a binary message: nobody knows what it is
                self._give_up()
                return
            again, told = seeding.split(_bytes_of(each))
            for place, publication in told:
                if place in self._last or len(self._last) < MOST_PLACES:
                    self._last[place] = publication
            if again is not None:
                self._keep(False, again)

    def say(self, record: Record, seeding: Seeding) -> None:
        """We have said something."""
        messages = [_bytes_of(each) for each in record.data]
        if record.at_ns - self.dial.at_ns > JOIN_NS and not all(map(seeding.is_beat, messages)):
            self._give_up()
        for message in messages:
            self._keep(True, message)

    def _keep(self, is_ours: bool, message: bytes) -> None:
        self._said.append((is_ours, message))
        self._bytes += len(message)
        if len(self._said) > MOST_KEPT or self._bytes > MOST_BYTES:
            self._give_up()

    def _give_up(self) -> None:
        self.can_begin = False
        self._said.clear()

    def played_at(self, since_ns: int, seeding: Seeding) -> list[Record] | None:
        """What begins it, at times before that moment. None where it cannot be begun."""
        begin_ns = since_ns - SETTLE_NS
        if self.beat_ns is not None and since_ns - self.beat_ns < MOST_BEAT_NS:
            begin_ns = self.beat_ns
        said = seeding.begun(self._said, self._last) if self.can_begin else None
        if said is None:
            return None
        records = [self.dial] if self.opened is None else [self.dial, self.opened]
        records += [Record(Kind.SENT if is_ours else Kind.READ, 0, 0, [message]) for is_ours, message in said]
        number = self.dial.connection
        return [
            Record(each.kind, begin_ns + place * _STEP_NS, number, each.data)
            for place, each in enumerate(records)
        ]


class _Begun(NamedTuple):
    """A seed point, until what was asked for is there. `lines`, `calls`: what stood then."""

    since_ns: int
    lines: list[Record]
    calls: dict[Any, tuple[Record, Record]]


class Standing:
    """What stands in a recording. Give it all records in order (`passed`)."""

    def __init__(self, seeding: Seeding) -> None:
        self._seeding = seeding
        self._lines: dict[int, _Line] = {}
        self._calls: dict[Any, tuple[Record, Record]] = {}
        self._asked: dict[int, Any] = {}
        self._all_calls = True
        self._begun: _Begun | None = None

    def passed(self, block: Sequence[Record]) -> list[Record]:
        """The block, in which a record of `Kind.SEED` says all of the seed point, or is not any more."""
        written: list[Record] = []
        for record in block:
            if record.kind == Kind.READ:
                line = self._lines.get(record.connection)
                if line is not None and line.can_begin:
                    line.hear(record, self._seeding)
            elif record.kind == Kind.SEED:
                if record.data is None:
                    self._begin(record.at_ns)
                elif (made := self._made(record)) is not None:
                    written.append(made)
                continue
            else:
                self._look(record)
            written.append(record)
        return written

    def _look(self, record: Record) -> None:
        kind, number = record.kind, record.connection
        line = self._lines.get(number)
        if kind == Kind.DIAL:
            self._lines[number] = _Line(record)
        elif kind in (Kind.ASKED, Kind.ANSWERED, Kind.UNANSWERED):
            self._call(record)
        elif line is None:
            return
        elif kind in (Kind.LOST, Kind.REFUSED):
            del self._lines[number]
        elif kind == Kind.SENT:
            line.say(record, self._seeding)
        elif kind == Kind.PING:
            line.pinged_ns = record.at_ns
        elif kind == Kind.PONG:
            line.beat_ns = line.pinged_ns
        elif kind in (Kind.CLOSING, Kind.ABORTED):
            line.can_begin = False
        elif kind == Kind.OPENED:
            line.beat_ns = record.at_ns
            line.opened = record

    def _call(self, record: Record) -> None:
        """Of each kind of call the last one that was answered."""
        if record.kind == Kind.ASKED:
            _, method, url, _, body = record.data
            self._asked[record.data[0]] = (method, url, bytes(body)), record
            return
        asked = self._asked.pop(record.data[0], None)
        if asked is None:
            return
        key, request = asked
        size = sum(len(held) for held in record.data if isinstance(held, bytes))
        if (key not in self._calls and len(self._calls) >= MOST_CALLS) or size > MOST_BYTES:
            self._all_calls = False
            return
        self._calls[key] = (request, record)

    def _begin(self, since_ns: int) -> None:
        lines = self._lines.values()
        self._begun = None
        if not lines or not self._all_calls or self._asked:
            return
        played: list[Record] = []
        for line in lines:
            begun = line.played_at(since_ns, self._seeding)
            if begun is None:
                return
            played += begun
        self._begun = _Begun(since_ns, played, dict(self._calls))

    def _made(self, record: Record) -> Record | None:
        begun, self._begun = self._begun, None
        if begun is None:
            return None
        snapshots, answers = record.data
        calls = self._calls_with(begun.calls, answers)
        if calls is None or any(each.connection not in self._lines for each in begun.lines):
            return None  # what was asked for is not what has to be, or a line is over
        made = list(begun.lines)
        for topic, message in snapshots:
            number = _line_of(topic, made)
            last_ns = max(each.at_ns for each in made if each.connection == number) if number else 0
            if not number:
                return None  # nobody has asked for it
            made.append(Record(Kind.READ, last_ns + _STEP_NS, number, [message]))
        first_ns = min(each.at_ns for each in made)
        for number, each in enumerate(calls):
            at_ns = first_ns - (len(calls) - number) * _STEP_NS
            made.append(Record(each.kind, at_ns, each.connection, each.data))
        made.sort(key=lambda each: each.at_ns)
        facts = {
            "since_ns": begun.since_ns,
            "records": [msgspec.to_builtins(each, builtin_types=(bytes,)) for each in made],
        }
        return Record(Kind.SEED, record.at_ns, 0, facts)

    def _calls_with(
        self, calls: Mapping[Any, tuple[Record, Record]], answers: Sequence[Answer]
    ) -> list[Record] | None:
        """Requests and their answers, in order, with those that were had now. None where one should be, and is not."""
        fresh = {(method, url, bytes(body)): rest for method, url, body, *rest in answers}
        played: list[Record] = []
        for key, (request, answer) in calls.items():
            data = answer.data
            if key in fresh:
                data = [data[0], *fresh[key]]
            elif self._seeding.is_state(key[1]):
                return None
            played += [request, Record(Kind.ANSWERED if key in fresh else answer.kind, answer.at_ns, 0, data)]
        return sorted(played, key=lambda each: each.at_ns)


class Beginning(msgspec.Struct, frozen=True):
    """Where a replay of one recording begins. `records`: played first; those of the tape follow from `since_ns` on."""

    since_ns: int
    records: list[Record]


def beginnings(tapes: Sequence[Tape], shifts: Sequence[int], until_ns: int) -> dict[str, Beginning]:
    """Of each recording the last seed point that is good for that time; nothing where one of them has none."""
    found: dict[str, Beginning] = {}
    for recording in {tape.head.recording for tape in tapes}:
        first_ns = min(
            (
                tape.footer.index[0].first_ns + shift
                for tape, shift in zip(tapes, shifts, strict=True)
                if tape.head.recording == recording and tape.footer.index
            ),
            default=0,
        )
        entries = [
            (entry.at_ns + shift, entry.since_ns + shift, tape, shift)
            for tape, shift in zip(tapes, shifts, strict=True)
            if tape.head.recording == recording
            for entry in tape.footer.seeds
            if first_ns <= entry.since_ns + shift and entry.at_ns + shift + CATCH_UP_NS <= until_ns
        ]
        if not entries:
            return {}
        at_ns, since_ns, tape, shift = max(entries, key=lambda each: each[0])
        (record,) = (
            each for each in tape.read(from_ns=at_ns - shift, to_ns=at_ns - shift) if each.kind == Kind.SEED
        )
        records = [Record(kind, when + shift, *rest) for kind, when, *rest in record.data["records"]]
        found[recording] = Beginning(since_ns, records)
    return found


def _line_of(topic: str, records: Sequence[Record]) -> int:
    """The connection on which a topic was asked for; 0 for none."""
    words = f'"{topic}"'.encode()
    for record in records:
        if record.kind == Kind.SENT and any(words in _bytes_of(each) for each in record.data):
            return record.connection
    return 0


def _bytes_of(message: Any) -> bytes:
    held = message[0] if isinstance(message, list) else message
    return held.encode() if isinstance(held, str) else held

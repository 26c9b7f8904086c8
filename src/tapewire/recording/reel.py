"""What a replay plays: the records of all its tapes in the order of their times, and from where on.

Rules:

* Times are of the first tape's monotonic clock. Between tapes of one start of one machine that clock is exact;
  elsewhere the wall clocks have to do.
* It begins with the first record or, where it `seeks`, at the last seed point that is good for a moment (`seeds.py`):
  then what stood before that is not read.
* What came shortly before we left a line comes a little earlier: a deadline that a busy machine kept late is kept in
  time by whoever it is played to.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator, Sequence
from heapq import merge as merge_sorted
from typing import Final, TypeAlias

import msgspec

from ..errors import TapeCorrupt
from .format import Kind, Record
from .requests import RequestKey, key_of, part_of
from .seeds import beginnings
from .tape import Tape

__all__ = ["Call", "Reel"]

Call: TypeAlias = tuple[str, int]
"""A call or a connection, by its recording and number."""

Played: TypeAlias = tuple[str, Record]
"""A record, and the name of its recording."""

LATE_NS: Final = 100_000_000
"""How late a busy machine keeps a deadline of its own: what came so shortly before a line was left, it heard."""

SAME_CLOCK_NS: Final = 1_000_000_000
"""Two tapes whose clocks differ by less were written within one start of one machine."""


class Reel:
    """The records of these tapes. `from_ns`: the moment that is sought, by the first tape's wall clock.

    `seeks`: begin at the last seed point before that, where there is one. `on_corrupt`: told of what cannot be read,
    which is then passed over; without it, it is raised.
    """

    def __init__(
        self,
        tapes: Sequence[Tape],
        *,
        from_ns: int | None = None,
        seeks: bool = False,
        on_corrupt: Callable[[TapeCorrupt], None] | None = None,
    ) -> None:
        self.tapes: list[Tape] = sorted(tapes, key=lambda tape: (tape.head.wall_ns, tape.head.segment))
        self._on_corrupt = on_corrupt
        self._shifts = _shifts(self.tapes)
        self.sought_ns: int | None = self.at_ns(from_ns) if seeks and from_ns is not None else None
        """The moment, where it may begin at a seed point for it."""
        self._beginnings = (
            {} if self.sought_ns is None else beginnings(self.tapes, self._shifts, self.sought_ns)
        )
        self._survey: _Survey | None = None

    def at_ns(self, wall_ns: int) -> int:
        """The monotonic time of a moment."""
        first = self.tapes[0].head
        return first.monotonic_ns + wall_ns - first.wall_ns

    @property
    def begin_ns(self) -> int:
        """The time of its first record."""
        seeded = [each.records[0].at_ns for each in self._beginnings.values()]
        first = (
            tape.footer.index[0].first_ns + shift
            for tape, shift in zip(self.tapes, self._shifts, strict=True)
            if tape.footer.index
        )
        return min(seeded or first, default=self.tapes[0].head.monotonic_ns)

    @property
    def begin_wall_ns(self) -> int:
        """The same by the wall clock."""
        return self.tapes[0].wall_ns(self.begin_ns)

    @property
    def begins_at_a_seed(self) -> bool:
        """Whether what stood before the last seed point is not played."""
        return bool(self._beginnings)

    @property
    def begun_ns(self) -> int:
        """The moment of the seed point at which it begins: what stands before was played to get there. 0 for none."""
        return max((each.since_ns for each in self._beginnings.values()), default=0)

    def records(self) -> Iterator[Played]:
        """All records. What a line brought within `LATE_NS` before we left it comes at the beginning of that."""
        left = deque(self._left())
        return self._hastened(left) if left else self._in_order(self._on_corrupt)

    def pings_of(self, connection: Call, monotonic: Callable[[], float]) -> Iterator[float | None]:
        """Of each ping on a connection, in order, after how many seconds its pong came; None where none is to come.

        That is so only where we gave the connection up: another one was never waited for in vain, though its end came
        before the pong. `monotonic`: what time it is. The first call reads all, unless it begins at a seed point.
        """
        if self._beginnings:
            return self._pings_behind_a_seed(connection, monotonic)
        survey = self._surveyed()
        given_up = connection in survey.given_up
        pings = survey.pings.get(connection, ())
        return iter([each if each is not None or given_up else 0.0 for each in pings])

    def requests_of(self, key: RequestKey) -> int:
        """How many requests of that kind there are, or of which it is a part. The first call reads all."""
        found = self._surveyed().requests
        return sum(count for each, count in found.items() if each == key or part_of(key, each))

    def close(self) -> None:
        """Close the files. Idempotent."""
        for tape in self.tapes:
            tape.close()

    # --- inside -----------------------------------------------------------------------------------------------------

    def _in_order(self, on_corrupt: Callable[[TapeCorrupt], None] | None) -> Iterator[Played]:
        def of(number: int, tape: Tape, shift_ns: int) -> Iterator[tuple[int, int, str, Record]]:
            beginning = self._beginnings.get(tape.head.recording)
            since_ns = None if beginning is None else beginning.since_ns - shift_ns
            for record in tape.read(from_ns=since_ns, on_corrupt=on_corrupt):
                if shift_ns:
                    record = msgspec.structs.replace(record, at_ns=record.at_ns + shift_ns)
                yield record.at_ns, number, tape.head.recording, record

        tapes = [of(number, tape, self._shifts[number]) for number, tape in enumerate(self.tapes)]
        seeds = (
            [(record.at_ns, -1, recording, record) for record in beginning.records]
            for recording, beginning in self._beginnings.items()
        )
        for _, _, recording, record in merge_sorted(*seeds, *tapes, key=lambda each: each[:2]):
            yield recording, record

    def _left(self) -> list[tuple[int, Call]]:
        """Lines that we left before they were lost, and when, in order: as the footers say, else as the tapes do."""
        if not all(tape.footer.is_complete for tape in self.tapes):
            return sorted((at_ns, line) for line, at_ns in self._surveyed().given_up.items())
        return sorted(
            (at_ns + shift, (tape.head.recording, number))
            for tape, shift in zip(self.tapes, self._shifts, strict=True)
            for number, _, at_ns in tape.footer.given_up
        )

    def _hastened(self, left: deque[tuple[int, Call]]) -> Iterator[Played]:
        held: list[Played] = []
        for recording, record in self._in_order(self._on_corrupt):
            while left and left[0][0] <= record.at_ns:
                until_ns = left[0][0] + LATE_NS
                lines = {line for at_ns, line in left if at_ns <= until_ns}
                yield from _line_first(held, left[0][0] - LATE_NS, lines)
                held = []
                left.popleft()
            if left and left[0][0] - LATE_NS <= record.at_ns:
                held.append((recording, record))
            else:
                yield recording, record
        yield from held

    def _pings_behind_a_seed(
        self, connection: Call, monotonic: Callable[[], float]
    ) -> Iterator[float | None]:
        """By the footers alone: what stands before is not read, and what stands behind not yet."""
        last_ns = math.inf
        for tape, shift in zip(self.tapes, self._shifts, strict=True):
            if tape.head.recording == connection[0]:
                ponged = (at + shift for n, at, _ in tape.footer.given_up if n == connection[1])
                last_ns = min([last_ns, *ponged])
        while True:
            yield 0.0 if monotonic() * 1e9 <= last_ns else None

    def _surveyed(self) -> _Survey:
        if self._survey is None:
            self._survey = _Survey()
            for recording, record in self._in_order(_passed_over):
                self._survey.look_at(recording, record)
        return self._survey


class _Survey:
    """What has to be known of a tape before it is played: answers to pings, and how often what was asked over HTTP."""

    def __init__(self) -> None:
        self.pings: dict[Call, list[float | None]] = {}
        self._pinged_ns: dict[Call, int] = {}
        self.given_up: dict[Call, int] = {}
        """Connections that we aborted before they were lost, and when."""
        self._lost: set[Call] = set()
        self.requests: Counter[RequestKey] = Counter()

    def look_at(self, recording: str, record: Record) -> None:
        """One record, in order."""
        if record.kind == Kind.PING:
            self.pings.setdefault((recording, record.connection), []).append(None)
            self._pinged_ns[recording, record.connection] = record.at_ns
        elif record.kind == Kind.PONG:
            pings = self.pings.get((recording, record.connection))
            if pings:
                pings[-1] = (record.at_ns - self._pinged_ns[recording, record.connection]) / 1e9
        elif record.kind == Kind.LOST:
            self._lost.add((recording, record.connection))
        elif record.kind == Kind.ABORTED and (recording, record.connection) not in self._lost:
            self.given_up[recording, record.connection] = record.at_ns
        elif record.kind == Kind.ASKED:
            _, method, url, _, body = record.data
            self.requests[key_of(method, url, body)] += 1


def _shifts(tapes: Sequence[Tape]) -> list[int]:
    """What is added to the times of each tape, so that they are of the first one's clock."""
    offsets: dict[str, int] = {}
    for tape in tapes:
        offsets.setdefault(tape.head.recording, tape.head.wall_ns - tape.head.monotonic_ns)
    zero = tapes[0].head.wall_ns - tapes[0].head.monotonic_ns
    shifts = (offsets[tape.head.recording] - zero for tape in tapes)
    return [shift if abs(shift) >= SAME_CLOCK_NS else 0 for shift in shifts]


def _line_first(held: Sequence[Played], at_ns: int, lines: Collection[Call]) -> Iterator[Played]:
    """What was held: what those lines brought, at once, and the rest when it was."""
    of_line = [(name, record) for name, record in held if (name, record.connection) in lines]
    for name, record in of_line:
        yield name, msgspec.structs.replace(record, at_ns=at_ns)
    yield from (each for each in held if (each[0], each[1].connection) not in lines)


def _passed_over(error: TapeCorrupt) -> None:
    """It is told when it is played."""

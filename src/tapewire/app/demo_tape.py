"""The demo's own tapes: what its venues' classes received is played to the same classes, and audited alike.

Each step that the demo takes stands on the tape, so that a replay takes it when it was taken. What was published stands
there, too, so that nothing has to be kept for the audit. Faults are the sandbox's: the tapes have what came of them.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from ..marks import Mark
from ..recording import Recorder, Replay, recorded, replayed
from ..recording.placeholders import may_name_one, said_by_a_venue
from ..sandbox.core.carriage import Serving
from ..sandbox.core.ledger import Entry, digest_of
from ..venues import VenueDemo, make_demo
from .audit import Audit, AuditWalk, Item, Observed, Published, explained
from .taping import together

__all__ = ["DemoReplay", "DemoStream", "DemoTapes", "key_of"]


class DemoStream:
    """What one handler received, in order: an `Observer`. Tell it what was published before you `compare`."""

    def __init__(self, venue: str, label: str, topic: str, start: int, now_ns: Callable[[], int]) -> None:
        self.venue = venue
        self.label = label
        self.topic = topic
        self.published = self.delivered = self.marks = 0
        self._now_ns = now_ns
        self._items: list[Item] = []
        self._walk = AuditWalk(start)

    def publication(self, event: str, payload: Any) -> None:
        self._items.append(Observed(key_of(event, digest_of(payload)), self._now_ns()))
        self.delivered += 1

    def mark(self, mark: Mark) -> None:
        self._items.append(mark)
        self.marks += 1

    def compare(self, entries: Sequence[Published]) -> None:
        """What was published and received since the last call; then it need not be kept."""
        if entries:
            self.published += len(entries)
            self._walk.publish(entries)
        items, self._items = self._items, []
        self._walk.receive(items)

    def is_behind(self, servings: Sequence[Serving]) -> bool:
        """True while what was told last has neither arrived nor been lost by a fault, with a gap that says so."""
        tail = self._walk.tail
        return bool(tail.missing) and not explained(tail, servings)

    def finish(self, servings: Sequence[Serving]) -> Audit:
        """The result; call it once, when all was compared."""
        return self._walk.finish(servings)


def key_of(event: str, digest: str) -> str:
    """What a publication is known by, in the ledger and when it is received."""
    return f"{event} {digest}"


def taped_key(event: str, payload: Any) -> str:
    """The same, of what a tape has of it: no signature is on one, though it be public."""
    text = msgspec.json.encode(payload)
    if may_name_one(text):
        payload = msgspec.json.decode(said_by_a_venue(text))
    return key_of(event, digest_of(payload))


class DemoReplay(msgspec.Struct, frozen=True, kw_only=True):
    """What came of the replay. `findings`: what differs.

    `differences`: how often a line said something else than live in its place, as docs/tape.md says that two tasks may:
    then answers met the other question, and what is heard proves nothing.
    """

    records: int
    differences: int
    findings: tuple[str, ...]

    @property
    def is_alike(self) -> bool:
        """The same audit, and the same table."""
        return not self.findings

    @property
    def holds(self) -> bool:
        """It is alike, or it is known why it need not be."""
        return self.is_alike or self.differences > 0


class DemoTapes:
    """A tape for each venue of a demo, in `folder`. Raises MissingExtra, OSError."""

    def __init__(self, venues: Sequence[str], folder: Path, url: str, seed: int) -> None:
        self._url = url
        self._seed = seed
        self._recorders = {name: Recorder(folder, name) for name in venues}
        self._steps: dict[str, list[str]] = {name: [] for name in venues}
        self._starts: dict[tuple[str, str], int] = {}

    def make(self, name: str) -> VenueDemo:
        """The demo of a venue, on its tape."""
        return make_demo(name, self._url, recorded(self._recorders[name]), self._fraction(name))

    def begin(self, stream: DemoStream, start: int) -> None:
        """A stream begins, when its topic stands at that number."""
        self._starts[stream.venue, stream.label] = start

    def step(self, name: str, what: str) -> None:
        """The venue is asked to do this, now."""
        step = f"{what} {len(self._steps[name])}"
        self._steps[name].append(step)
        self._recorders[name].write_note([name, step])

    def published(self, stream: DemoStream, entries: Sequence[Entry]) -> None:
        """What the ledger has of a stream's topic since the last call."""
        rows = [
            [entry.sequence, taped_key(entry.event, entry.payload), entry.published_at_ns]
            for entry in entries
        ]
        self._recorders[stream.venue].write_note({"of": [stream.venue, stream.label], "rows": rows})

    def close(self) -> None:
        """Write what waits. Idempotent. Raises OSError."""
        for recorder in self._recorders.values():
            recorder.close()

    def replay(
        self, live: Sequence[tuple[DemoStream, Audit]], servings: Callable[[DemoStream], Sequence[Serving]]
    ) -> DemoReplay:
        """Play them, in a loop of its own, and compare what is heard with what was heard live."""
        records = sum(recorder.statistics().records for recorder in self._recorders.values())
        played = _Played(self._starts)
        paths = [path for recorder in self._recorders.values() for path in recorder.paths]
        with Replay(*paths, on_note=played.hear) as replay:
            played.now_ns = replay.clock.time_ns
            try:
                replay.run(lambda replay: self._all(replay, played))
                findings = [
                    f"{stream.venue} {stream.label}: {finding}"
                    for stream, audit in live
                    for finding in played.differences(stream, audit, servings(stream))
                ]
            except Exception as error:  # whatever it is, the demo is over and says so
                findings = [f"it ended early: {type(error).__name__}: {error}"]
            others = sum(each.is_another_message for each in replay.differences)
            return DemoReplay(records=records, differences=others, findings=tuple(findings))

    async def _all(self, replay: Replay, played: _Played) -> None:
        await together([self._one(name, replay, played) for name in self._recorders])

    async def _one(self, name: str, replay: Replay, played: _Played) -> None:
        venue = make_demo(name, self._url, replayed(replay), self._fraction(name))
        try:
            await venue.sign_in()
            await venue.subscribe(lambda label, topic: played.begin(name, label, topic))
            for step in self._steps[name]:
                await replay.noted([name, step])
                if step.startswith("trade"):
                    await venue.trade()
                elif step.startswith("compare"):
                    await venue.compare(lambda market: None)
            played.leave(name)
        finally:
            await venue.close()

    def _fraction(self, name: str) -> Callable[[], float]:
        return random.Random(f"{self._seed} {name}").random

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Played:
    """The streams of a replay."""

    def __init__(self, starts: Mapping[tuple[str, str], int]) -> None:
        self._starts = starts
        self._streams: dict[tuple[str, str], DemoStream] = {}
        self.now_ns: Callable[[], int] = int

    def begin(self, venue: str, label: str, topic: str) -> DemoStream:
        key = venue, label
        stream = self._streams[key] = DemoStream(venue, label, topic, self._starts[key], self.now_ns)
        return stream

    def hear(self, note: Any) -> None:
        """What was published, as the tape says it."""
        if isinstance(note, dict) and (stream := self._streams.get(tuple(note["of"]))) is not None:
            stream.compare([Published(*row) for row in note["rows"]])

    def leave(self, venue: str) -> None:
        """What comes while it is left is of no interest any more."""
        for key, stream in self._streams.items():
            if key[0] == venue:
                stream.compare(())

    def differences(self, live: DemoStream, audit: Audit, servings: Sequence[Serving]) -> list[str]:
        """What is otherwise than live, for people."""
        stream = self._streams.get((live.venue, live.label))
        if stream is None:
            return ["it was not heard"]
        again = stream.finish(servings)
        return [
            f"{name.replace('_', ' ')}: {now}, live {then}"
            for name in audit.__struct_fields__
            if name != "latencies_ns" and (then := getattr(audit, name)) != (now := getattr(again, name))
        ]

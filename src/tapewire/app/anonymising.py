"""A tape for somebody else: `tapewire tape anonymise`. What is one's own of it is replaced (`recording/anonymous.py`).

What is one's own at a venue its `spec.py` says. Afterwards the new tape is replayed: public feeds have to say the same
as live, those of the account as many things.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import msgspec

from ..errors import ConfigurationError, TapeCorrupt
from ..recording import Tape
from ..recording.anonymous import Anonymiser
from ..recording.format import Kind, Record
from ..recording.tape import SegmentWriter, blocks_of
from ..venues import VENUES
from .taping import PlannedReplay, expected_of, has_plan
from .wanted import ACCOUNT_KINDS, KINDS

__all__ = ["Anonymised", "Verdict", "anonymise", "compare"]

_ACCOUNT_VERBS: Final = tuple(KINDS[kind] for kind in ACCOUNT_KINDS)


class Anonymised(msgspec.Struct, frozen=True):
    """What was written. `opaque`: messages that are no text, and stand there as they were."""

    records: int
    opaque: int


class Verdict(msgspec.Struct, frozen=True):
    """What became of a feed: whether it says the same as before, as far as it should."""

    feed: str
    is_own: bool
    is_alike: bool


def anonymise(
    sources: Sequence[Path],
    outs: Sequence[Path],
    *,
    advance: Callable[[int], None] = lambda at_ns: None,
    on_corrupt: Callable[[TapeCorrupt], None] | None = None,
    also_unsaid: Collection[str] = (),
    key: bytes | None = None,
) -> Anonymised:
    """Write tapes of one venue anew without what is one's own, alike in all of them.

    `also_unsaid`: public feeds in which something of it stood. The digests of what the account's feeds said are left
    out: what is short could be guessed from them. So are seed points, which say again what stands before. Raises what
    `Tape` raises, TapeCorrupt without `on_corrupt`, OSError, ConfigurationError for a venue that is not known here and
    for tapes of several. Where it raises, none of the new tapes is there.
    """
    with ExitStack() as stack:
        tapes = [stack.enter_context(Tape(path)) for path in sources]
        tapes.sort(key=lambda tape: (tape.head.recording, tape.head.segment))
        outs_of = dict(zip(sources, outs, strict=True))
        anonymiser = _anonymiser_of(tapes, also_unsaid, key)
        for tape in tapes:
            anonymiser.turn_to(tape.head.recording)
            for record in tape.read(on_corrupt=on_corrupt):
                anonymiser.learn(record)
        heads = [
            msgspec.structs.replace(tape.head, settings=anonymiser.settings(tape.head.settings))
            for tape in tapes
        ]
        count, made = 0, list[Path]()
        try:
            for tape, head in zip(tapes, heads, strict=True):
                count += _rewrite(tape, SegmentWriter(outs_of[tape.path], head), anonymiser, advance)
                made.append(outs_of[tape.path])
        except BaseException:
            for path in made:
                path.unlink()
            raise
    return Anonymised(count, anonymiser.opaque)


def _rewrite(
    tape: Tape, writer: SegmentWriter, anonymiser: Anonymiser, advance: Callable[[int], None]
) -> int:
    """One of them; returns how many records it has."""
    count = 0

    def rewritten() -> Iterator[Record]:
        nonlocal count
        for record in tape.read(on_corrupt=lambda error: None):
            if record.kind != Kind.SEED:
                count += 1
                advance(record.at_ns)
                yield anonymiser.rewrite(record)

    anonymiser.turn_to(tape.head.recording)
    try:
        for block in blocks_of(rewritten()):
            writer.write(block)
        writer.close()
    except BaseException:
        writer.abandon()
        writer.part.unlink(missing_ok=True)
        raise
    return count


def _anonymiser_of(tapes: Sequence[Tape], also_unsaid: Collection[str], key: bytes | None) -> Anonymiser:
    venues = list(dict.fromkeys(tape.head.venue for tape in tapes))
    if len(venues) != 1:
        raise ConfigurationError("tapes", ", ".join(venues), "tapes of one venue")
    spec = VENUES.get(venues[0])
    if spec is None:
        raise ConfigurationError("venue", venues[0], list(VENUES))
    own = spec.own
    named: dict[str, Any] = {}
    if own is not None:
        named = {"ids": own.ids, "amounts": own.amounts, "calls": own.calls}
    said = {name for tape in tapes for name in expected_of([tape]) or {}}
    unsaid = {*also_unsaid, *filter(_is_own, said)}
    return Anonymiser(spec.owner_of, unsaid=unsaid, key=key, **named)


def compare(sources: Sequence[Path], outs: Sequence[Path]) -> list[Verdict]:
    """Replay `outs`, and say feed by feed whether it is as `sources` say that it was live.

    Of a public feed everything has to be; of the account's own how much came. Nothing is said of a recording that is
    not of `tapewire record`, or whose end is not there. Raises what a replay raises.
    """
    recordings: dict[str, list[Path]] = {}
    said: dict[str, dict[str, tuple[int, str]]] = {}
    with ExitStack() as stack:
        tapes = [stack.enter_context(Tape(path)) for path in sources]
        for tape, out in zip(tapes, outs, strict=True):
            recordings.setdefault(tape.head.recording, []).append(out)
        for name in recordings:
            parts = [tape for tape in tapes if tape.head.recording == name]
            said[name] = (expected_of(parts) if all(map(has_plan, parts)) else None) or {}
    return [
        verdict
        for name, paths in recordings.items()
        if said[name]
        for verdict in _compared(said[name], paths)
    ]


def _compared(said: Mapping[str, tuple[int, str]], paths: Sequence[Path]) -> Iterator[Verdict]:
    planned = PlannedReplay(paths, on_corrupt=lambda error: None)
    with planned.replay:
        planned.run(lambda feed, item, row: None)
    heard = {each.name: each for each in planned.all_heard}
    for name, (count, _) in said.items():
        found = heard.get(name)
        is_own = _is_own(name)
        is_alike = found is not None and (found.count >= count if is_own else found.is_as_live is True)
        yield Verdict(name, is_own, is_alike)


def _is_own(name: str) -> bool:
    return name.endswith(_ACCOUNT_VERBS)

"""A tape for somebody else: `tapewire tape anonymise`. What is one's own of it is replaced (`recording/anonymous.py`).

What is one's own at a venue its `spec.py` says. Afterwards the new tape is replayed: public feeds have to say the same
as live, those of the account as many things.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
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
    source: Path,
    out: Path,
    *,
    advance: Callable[[int], None] = lambda at_ns: None,
    on_corrupt: Callable[[TapeCorrupt], None] | None = None,
    also_unsaid: Collection[str] = (),
    key: bytes | None = None,
) -> Anonymised:
    """Write `source` anew without what is one's own. `also_unsaid`: public feeds in which something of it stood.

    The digests of what the account's feeds said are left out: what is short could be guessed from them. So are seed
    points, which say again what stands before. Raises what `Tape` raises, TapeCorrupt without `on_corrupt`, OSError,
    ConfigurationError for a venue that is not known here.
    """
    with Tape(source) as tape:
        anonymiser = _anonymiser_of(tape, also_unsaid, key)
        for record in tape.read(on_corrupt=on_corrupt):
            if record.kind != Kind.SEED:
                anonymiser.learn(record)
        head = msgspec.structs.replace(tape.head, settings=anonymiser.settings(tape.head.settings))
        writer = SegmentWriter(out, head)
        count = 0

        def rewritten(record: Record) -> Record:
            nonlocal count
            count += 1
            advance(record.at_ns)
            return anonymiser.rewrite(record)

        try:
            kept = (each for each in tape.read(on_corrupt=lambda error: None) if each.kind != Kind.SEED)
            for block in blocks_of(map(rewritten, kept)):
                writer.write(block)
            writer.close()
        except BaseException:
            writer.abandon()
            writer.part.unlink(missing_ok=True)
            raise
    return Anonymised(count, anonymiser.opaque)


def _anonymiser_of(tape: Tape, also_unsaid: Collection[str], key: bytes | None) -> Anonymiser:
    spec = VENUES.get(tape.head.venue)
    if spec is None:
        raise ConfigurationError("venue", tape.head.venue, list(VENUES))
    own = spec.own
    named: dict[str, Any] = {}
    if own is not None:
        named = {"ids": own.ids, "amounts": own.amounts, "calls": own.calls}
    said = expected_of([tape]) or {}
    unsaid = {*also_unsaid, *(name for name in said if _is_own(name))}
    return Anonymiser(spec.owner_of, unsaid=unsaid, key=key, **named)


def compare(source: Path, out: Path) -> list[Verdict]:
    """Replay `out`, and say feed by feed whether it is as `source` says that it was live.

    Of a public feed everything has to be; of the account's own how much came. Nothing is said of a tape that is not of
    `tapewire record`, or whose end is not on it. Raises what a replay raises.
    """
    with Tape(source) as tape:
        said = (expected_of([tape]) if has_plan(tape) else None) or {}
    if not said:
        return []
    planned = PlannedReplay([out], on_corrupt=lambda error: None)
    with planned.replay:
        planned.run(lambda feed, item, row: None)
    heard = {each.name: each for each in planned.all_heard}
    verdicts = []
    for name, (count, _) in said.items():
        found = heard.get(name)
        is_own = _is_own(name)
        is_alike = found is not None and (found.count >= count if is_own else found.is_as_live is True)
        verdicts.append(Verdict(name, is_own, is_alike))
    return verdicts


def _is_own(name: str) -> bool:
    return name.endswith(_ACCOUNT_VERBS)

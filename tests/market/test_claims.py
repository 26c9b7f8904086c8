"""Each proof that a venue claims for a verb is killed: one frame is lost, and that is marked before the next item.

The cases are derived from the capabilities themselves: what is claimed anew has a case, or a test fails that names it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest

from tapewire.market import Capability
from tapewire.marks import ContinuityChanged, Gap, Reconnected, Resynced, is_mark
from tapewire.venues import VENUES
from tests.market.played import OWN, PLAYED, played, shown
from tests.market.watched import Watched


async def _lost_alone(watched: Watched) -> list[Any]:
    """One frame is lost on a line that goes on; what comes of the feed from there on."""
    lost: list[str] = []
    watched.at.publications.on_lost = lost.append
    watched.at.publications.lose()
    watched.at.happen(watched.verb)
    watched.at.happen(watched.verb)
    await watched.live()
    assert len(lost) == 1
    return watched.items


async def _lost_with_its_line(watched: Watched) -> list[Any]:
    """One frame is lost on the wire, and the line with it."""
    lost: list[str] = []
    watched.at.publications.on_lost = lost.append
    watched.at.publications.lose()
    watched.at.happen(watched.verb)
    watched.at.kill()
    await asyncio.sleep(0)
    await watched.live()
    assert len(lost) == 1
    return watched.items


def told_before_the_next_item(items: list[Any]) -> list[Any]:
    """The marks ahead of the first item, without the changes of continuity beside them."""
    first = next(place for place, item in enumerate(items) if not is_mark(item))
    return [mark for mark in items[:first] if not isinstance(mark, ContinuityChanged)]


async def _kill_numbered(watched: Watched) -> None:
    """The hole is said with its size. What was lost is had over HTTP, where the venue has it there."""
    items = await _lost_alone(watched)
    gap = told_before_the_next_item(items)[0]
    assert isinstance(gap, Gap)
    assert (gap.reason, gap.missed) == ("sequence", 1)
    assert watched.feed.continuity.missed == 1
    check_state(watched, items)


async def _kill_recoverable(watched: Watched) -> None:
    """The same; and what was lost with its line is replayed, and nothing else is said of it."""
    await _kill_numbered(watched)
    watched.items.clear()
    items = await _lost_with_its_line(watched)
    assert [type(mark) for mark in told_before_the_next_item(items)] == [Reconnected]
    assert not any(isinstance(item, Gap | Resynced) for item in items)
    assert not any(item.is_reconciled for item in items if watched.verb in OWN and not is_mark(item))
    check_book(watched, items)


async def _kill_chained(watched: Watched) -> None:
    """The change behind the hole does not fit, and the state is rebuilt."""
    items = await _lost_alone(watched)
    told = told_before_the_next_item(items)
    assert (told[0].reason, [type(mark) for mark in told]) == ("sequence", [Gap, Resynced])
    check_book(watched, items)


async def _kill_snapshot(watched: Watched) -> None:
    """Nothing numbers this wire: what is lost with its line is had anew before anything else is told."""
    items = await _lost_with_its_line(watched)
    told = [type(mark) for mark in told_before_the_next_item(items)]
    assert Gap in told
    assert told[-1] is Resynced
    check_state(watched, items)


KILLING: Mapping[str, Callable[[Watched], Awaitable[None]]] = {
    "numbered": _kill_numbered,
    "recoverable": _kill_recoverable,
    "chained": _kill_chained,
    "snapshot": _kill_snapshot,
}


def check_book(watched: Watched, items: list[Any]) -> None:
    """A book, if it is one, is the exchange's own."""
    if watched.verb == "watch_order_book":
        assert shown(items[-1]) == watched.at.truth(watched.feed.instrument_id)


def check_state(watched: Watched, items: list[Any]) -> None:
    """What is known now is the venue's own, the frame that was lost among it."""
    check_book(watched, items)
    news = [item for item in items if not is_mark(item)]
    if watched.verb == "watch_ticker":
        (best, _), *_ = watched.at.truth(watched.feed.instrument_id)[0]
        assert news[-1].bid == best
    elif watched.verb in OWN and watched.source.is_state:
        assert news[0].is_reconciled


# --- the claims -------------------------------------------------------------------------------------------------------


def claimed(capabilities: Mapping[Any, Capability]) -> list[tuple[str, str]]:
    """Verbs that claim a proof, with it."""
    return [(verb, each.proof) for verb, each in capabilities.items() if each.proof != "none"]


CASES = [
    pytest.param(name, verb, proof, id=f"{name} {verb} {proof}")
    for name, kind in PLAYED.items()
    for verb, proof in claimed(kind.watched())
]


@pytest.mark.parametrize(("name", "verb", "proof"), CASES)
async def test_one_frame_that_is_lost_is_marked_before_the_next_item(clock, name, verb, proof):
    async with played(clock, name) as at:
        watched = Watched(at, verb)
        await watched.live()
        await watched.check_it_goes_on()
        watched.items.clear()
        await KILLING[proof](watched)
        assert watched.feed.continuity.is_live
        await watched.check_it_goes_on()


@pytest.mark.parametrize("name", PLAYED)
def test_every_claim_of_a_proof_has_a_case_that_kills_it(name):
    cases = {tuple(case.values[1:]) for case in CASES if case.values[0] == name}
    for verb, proof in claimed(PLAYED[name].capabilities()):
        assert (verb, proof) in cases, f"{name} claims {proof} for {verb}: nothing here loses a frame of that"
        assert proof in KILLING, f"nothing here kills a claim of {proof}"


def test_every_venue_there_is_is_played_here():
    assert {*VENUES, "template"} == {kind.venue_name for kind in PLAYED.values()}

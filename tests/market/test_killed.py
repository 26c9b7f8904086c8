"""The socket is killed in each state of each kind of feed at each venue: the states that follow are the table's.

A feed is brought into a state in every way that there is (`WAYS`), its socket is killed, and what is told of that is
compared with what the literal table makes of the inputs that a kill and coming back are (`when_killed`, `when_back`).
What a feed cannot be brought to stands in `UNREACHABLE` with the reason, and is tried all the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from itertools import pairwise
from typing import Any

import pytest

from tapewire.market.continuity import TABLE, ContinuityInput
from tapewire.marks import ContinuityChanged, ContinuityState
from tests.market.played import PLAYED, PlayedMarket, played
from tests.market.watched import MOMENT, Watched

S, On = ContinuityState, ContinuityInput

SILENT_SECONDS = 60.0
"""What a look at the silence and a proof of it may take beside the silence."""


# --- the ways into each state -----------------------------------------------------------------------------------------


async def _asked(watched: Watched) -> None:
    await asyncio.sleep(2.0)


async def _served(watched: Watched) -> None:
    await watched.live()


async def _asked_again(watched: Watched) -> None:
    await watched.live()
    watched.at.ignore_joins()
    watched.at.kill()
    await asyncio.sleep(2.0)


async def _silent(watched: Watched) -> None:
    await watched.live()
    await asyncio.sleep((watched.source.quiet or 0.0) * 0.9)
    watched.at.publications.mute(True)
    watched.at.happen(watched.verb)
    watched.at.refuse_http()
    await watched.stands(S.STALE, SILENT_SECONDS + (watched.source.quiet or 0.0))


async def _without_a_snapshot(watched: Watched) -> None:
    await watched.live()
    watched.at.kill()
    watched.at.happen(watched.verb)
    watched.at.refuse_snapshots()
    await asyncio.sleep(4.0)


async def _lost_while_rebuilt(watched: Watched) -> None:
    await _awaiting_a_snapshot(watched)
    watched.at.venue.http_delay = lambda: 0.0
    watched.at.ignore_joins()
    watched.at.kill()
    await asyncio.sleep(2.0)


async def _asked_anew(watched: Watched) -> None:
    await watched.live()
    watched.at.ignore_joins()
    watched.feed.resync()
    await asyncio.sleep(MOMENT)


async def _awaiting_a_snapshot(watched: Watched) -> None:
    await watched.live()
    watched.at.withhold_snapshots()
    watched.feed.resync()
    await asyncio.sleep(MOMENT)


ANSWERED_BY_ITS_SNAPSHOT = "asked for anew, its snapshot being the answer"

WAYS: Mapping[str, tuple[ContinuityState, Callable[[Watched], Awaitable[None]]]] = {
    "asked for and not answered": (S.SYNCING, _asked),
    "served": (S.LIVE, _served),
    "lost, asked for again and not answered": (S.STALE, _asked_again),
    "silent for too long": (S.STALE, _silent),
    "back without its snapshot": (S.GAP, _without_a_snapshot),
    "lost while it was rebuilt": (S.GAP, _lost_while_rebuilt),
    "asked for anew and not answered": (S.GAP, _asked_anew),
    "waiting for a snapshot": (S.RESYNCING, _awaiting_a_snapshot),
    ANSWERED_BY_ITS_SNAPSHOT: (S.RESYNCING, _asked_anew),
}

WEEX = ("weex", "weex-v2")

EVENTS = {
    *(("sxbet", "watch_trades"), ("sxbet-v3", "watch_trades"), ("sxbet-v3", "watch_orders")),
    *((name, verb) for name in WEEX for verb in ("watch_trades", "watch_ticker")),
    *(("template", "watch_trades"), ("template", "watch_balance")),
}
"""Feeds without any snapshot."""

WEEX_BOOKS = {(name, "watch_order_book") for name in WEEX}

UNSEEDED = {*EVENTS, *WEEX_BOOKS}
"""Those for which none is asked for when they are joined: of a book of WEEX it comes by itself."""

EACH = [(name, verb) for name, kind in PLAYED.items() for verb in kind.watched()]


def _unreachable() -> dict[tuple[str, str, str], str]:
    found: dict[tuple[str, str, str], str] = {}
    for name, verb in EACH:
        key, is_stake = (name, verb), name.startswith("stake")
        if is_stake:
            for way in ("lost, asked for again and not answered", "lost while it was rebuilt"):
                found[*key, way] = "what is asked for counts as served"
        if name == "template" or key in {("sxbet-v3", "watch_trades"), ("sxbet-v3", "watch_orders")}:
            found[*key, "silent for too long"] = "nobody can be asked, and its line says nothing of others"
        if key in EVENTS:
            for way in ("back without its snapshot", "lost while it was rebuilt", "waiting for a snapshot"):
                found[*key, way] = "what it tells stands on no snapshot"
        else:
            found[*key, "asked for anew and not answered"] = "only its snapshot is asked for anew"
        if key in WEEX_BOOKS:
            found[*key, "back without its snapshot"] = "it is awaited, and never said not to come"
        else:
            found[*key, ANSWERED_BY_ITS_SNAPSHOT] = "its snapshot comes over HTTP, if at all"
    found["weex", "watch_order_book", "back without its snapshot"] = (
        "it is awaited, and never said not to come"
    )
    return found


UNREACHABLE = _unreachable()


# --- what the table says ----------------------------------------------------------------------------------------------


def when_killed(watched: Watched, way: str) -> list[ContinuityInput]:
    """The inputs that the kill is: the line is lost, and with it a snapshot that was awaited, if anything was told."""
    awaits = way not in (
        *("asked for and not answered", "served", "silent for too long", "back without its snapshot"),
    )
    is_seeded = (watched.at.name, watched.verb) not in UNSEEDED
    return [On.LOST, On.BROKEN] if awaits and is_seeded else [On.LOST]


def when_back(watched: Watched, way: str) -> list[ContinuityInput]:
    """The inputs that follow when the venue serves it again: what that is decides how a hole is made good."""
    if way == "asked for and not answered" and watched.at.answers_joins:
        return [On.SERVED, On.PROVEN]  # nothing was told before, in which something could be missing
    if watched.feed.continuity.proof == "recoverable":
        return [On.RECOVERED, On.PROVEN]
    return [On.BROKEN, On.REBUILDING, On.PROVEN] if watched.source.is_state else [On.BROKEN, On.PROVEN]


def walked(state: ContinuityState, inputs: Iterable[ContinuityInput]) -> list[ContinuityState]:
    """The states that the table goes through, each change once."""
    states = [state]
    for received in inputs:
        states.append(TABLE[states[-1], received])
    return [after for before, after in pairwise(states) if before is not after]


# --- the tests --------------------------------------------------------------------------------------------------------


def of_all(*, reachable: bool) -> list[Any]:
    return [
        pytest.param(*key, id=" ".join(key))
        for key in ((name, verb, way) for name, verb in EACH for way in WAYS)
        if (key not in UNREACHABLE) is reachable
    ]


async def brought(at: PlayedMarket, verb: Any, way: str) -> Watched:
    """A feed that was brought somewhere that way."""
    if way == "asked for and not answered":
        if at.answers_joins:
            at.ignore_joins()
        else:
            at.withhold_snapshots()
    watched = Watched(at, verb)
    await WAYS[way][1](watched)
    return watched


@pytest.mark.parametrize(("name", "verb", "way"), of_all(reachable=True))
async def test_the_states_that_follow_a_killed_socket_are_the_tables(clock, name, verb, way):
    async with played(clock, name) as at:
        watched = await brought(at, verb, way)
        state, _ = WAYS[way]
        assert watched.state is state
        watched.told.clear()
        watched.items.clear()

        at.kill()
        await asyncio.sleep(MOMENT)
        killed = when_killed(watched, way)
        assert [change.state for change in watched.told] == walked(state, killed)
        assert watched.state is (walked(state, killed) or [state])[-1], "before the line is back"

        at.heal()
        await watched.live()
        expected = walked(state, [*killed, *when_back(watched, way)])
        assert [change.state for change in watched.told] == expected
        check_in_band(watched, state, expected)
        await watched.check_it_goes_on()


def check_in_band(watched: Watched, state: ContinuityState, expected: list[ContinuityState]) -> None:
    """The same in its place: changes join without a hole, and adjacent ones may have become one."""
    changes = [item for item in watched.items if isinstance(item, ContinuityChanged)]
    assert [change.before for change in changes] == [state, *(change.state for change in changes[:-1])]
    left = iter(expected)
    assert all(change.state in left for change in changes)
    assert changes[-1].state is expected[-1]


@pytest.mark.parametrize(("name", "verb", "way"), of_all(reachable=False))
async def test_what_is_listed_as_unreachable_is_not_reached(clock, name, verb, way):
    async with played(clock, name) as at:
        watched = await brought(at, verb, way)
        assert watched.state is not WAYS[way][0], (
            f"{UNREACHABLE[name, verb, way]}? It is reached: kill it there"
        )


@pytest.mark.parametrize(("name", "verb"), EACH)
def test_every_state_that_can_be_left_is_reached_or_listed_with_its_reason(name, verb):
    reached = {state for way, (state, _) in WAYS.items() if (name, verb, way) not in UNREACHABLE}
    missing = {*ContinuityState} - reached - {S.ENDED}
    assert missing == ({S.RESYNCING} if (name, verb) in EVENTS else set())
    assert all(UNREACHABLE.values())

"""Topics with tokens of their own, whatever fails in whatever order: in the end they are there, and nothing is lost.

Invariants: the venue never sees a token twice; no publication is missing
without a mark, none comes twice; when all is well again the topic is subscribed on the newest connection.
"""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tapewire.marks import Gap, is_mark
from tapewire.session.credentials import Credentials
from tapewire.testing import VirtualClock
from tests.session.numbered_line import RECOVERABLE
from tests.session.token_peer import given as given_to
from tests.session.token_peer import token_line

STEPS = st.one_of(
    st.tuples(st.just("wait"), st.floats(0.0, 80.0)),
    st.tuples(st.just("publish"), st.integers(1, 3)),
    st.tuples(st.just("unsubscribe"), st.sampled_from([2500, 2501, 2502, 2503])),
    st.tuples(st.just("drop"), st.sampled_from([3001, 3005, 3014])),
    st.tuples(st.just("abort"), st.none()),
    st.tuples(st.just("token"), st.sampled_from(["error", "hang", "refused"])),
)


class Source:
    """Tokens, each another; the next ones spoiled as ordered."""

    def __init__(self) -> None:
        self.given = 0
        self.spoiled: list[str] = []
        self.refused: set[str] = set()

    async def __call__(self, fresh: bool) -> str:
        await asyncio.sleep(0.2)
        how = self.spoiled.pop(0) if self.spoiled else ""
        if how == "error":
            raise OSError("no route")
        if how == "hang":
            await asyncio.sleep(10_000)
        self.given += 1
        return f"token-{self.given}" + ("-refused" if how == "refused" else "")


@settings(max_examples=40)
@given(st.lists(STEPS, max_size=12))
def test_topics_with_tokens_come_back_from_everything(steps: list[tuple[str, Any]]) -> None:
    clock = VirtualClock()
    clock.run(_walk(clock, steps))


async def _walk(clock: VirtualClock, steps: list[tuple[str, Any]]) -> None:
    source = Source()
    async with token_line(clock, ttl=60) as (session, peer):
        for number in range(1, 200):
            peer.refuse_token(f"token-{number}-refused", 109)
        topic = session.subscribe(
            "private", RECOVERABLE, credentials=Credentials(source, timeout=5.0), announce=True
        )
        for what, argument in steps:
            if what == "wait":
                await asyncio.sleep(argument)
            elif what == "publish":
                for _ in range(argument):
                    peer.publish("private")
            elif what == "token":
                source.spoiled.append(argument)
            elif what == "abort":
                peer.abort()
            else:
                getattr(peer, what)(*(["private", argument] if what == "unsubscribe" else [argument]))
        source.spoiled.clear()
        await asyncio.sleep(120)
        peer.publish("private")
        await asyncio.sleep(1)
        assert topic.state == "subscribed"
        assert peer.newest.server.subscribed == {"private"}
        tokens = [token for _, token in given_to(peer)]
        assert len(set(tokens)) == len(tokens)
        _check_continuity([topic.buffer.take() for _ in range(len(topic.buffer))], len(peer.log("private")))


def _check_continuity(items: list[Any], top: int) -> None:
    last, broken = None, True
    for item in items:
        if isinstance(item, Gap):
            broken = True
        elif not is_mark(item):
            assert broken or last is None or item.offset == last + 1
            assert last is None or item.offset > last
            last, broken = item.offset, False
    assert last == top

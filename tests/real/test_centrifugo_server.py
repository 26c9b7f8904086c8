"""Our session on real sockets against a real Centrifugo, and against our own venue, which must not be told apart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tapewire.marks import Gap, Reconnected, Resynced, is_mark
from tapewire.protocols.base import StreamPosition
from tapewire.protocols.centrifugo import CentrifugoClient, History, Pacing, SubscribeParams
from tapewire.retry import RetryPolicy
from tapewire.session.credentials import Credentials
from tapewire.session.options import SessionOptions
from tapewire.session.pool import Pool
from tapewire.session.session import Session
from tapewire.transport.base import Endpoint
from tapewire.transport.fast import FastConnector
from tests.real.real_centrifugo import HISTORY, OwnVenue, RealCentrifugo

pytestmark = [pytest.mark.real, pytest.mark.timeout(1000)]  # a first run builds the server

RECOVERABLE = SubscribeParams(positioned=True, recoverable=True)
BOOK, ODDS, ODDS_V3 = "order_book:market_1", "best_odds:global", "odds_v3:global"
VENUES = {"centrifugo": RealCentrifugo, "ours": OwnVenue}
BOTH = pytest.mark.parametrize("venue", VENUES)


class Line:
    """A venue, the options of sessions to it, and a gate: while it is shut, nobody comes back."""

    def __init__(self, server: Any) -> None:
        self.server = server
        self.tokens: list[str] = []
        self.token_seconds = 3600.0
        self.gate = asyncio.Event()
        self.gate.set()
        self.credentials = Credentials(self._token)
        self.pacing = Pacing()

    async def _token(self, fresh: bool) -> str:
        self.tokens.append(self.server.token(self.token_seconds))
        return self.tokens[-1]

    async def _admit(self) -> None:
        await self.gate.wait()

    def options(self, number: int = 1) -> SessionOptions:
        return SessionOptions(
            endpoint=lambda token: Endpoint(url=self.server.url),
            protocol=lambda token: CentrifugoClient(token=token, pacing=self.pacing),
            credentials=self.credentials,
            connector=FastConnector(),
            retry=RetryPolicy(None, 0.05, 0.3),
            resubscribe=RetryPolicy(None, 0.05, 0.3),
            admit=self._admit,
            name=f"session {number}",
        )

    @asynccontextmanager
    async def outage(self, *sessions: Session) -> AsyncIterator[None]:
        """What happens inside happens while the line is down."""
        self.gate.clear()
        for session in sessions:
            connection = session._driver.connection
            assert connection is not None
            assert connection.transport is not None
            connection.transport.abort()
        yield
        self.gate.set()


@asynccontextmanager
async def line(venue: str, folder: Path) -> AsyncIterator[Line]:
    async with VENUES[venue](folder) as server:
        yield Line(server)


def short(item: Any) -> Any:
    if isinstance(item, Reconnected):
        return f"reconnected {item.recovered}"
    if isinstance(item, Gap):
        return f"gap {item.reason}"
    if isinstance(item, Resynced):
        return "resynced"
    return msgspec.json.decode(item.data)["n"]


async def take(subscription: Any, count: int) -> list[Any]:
    items: list[Any] = []
    async with asyncio.timeout(20):
        while len(items) < count:
            items.append(short(await anext(subscription)))
    return items


@BOTH
async def test_it_recovers_what_was_missed_while_the_line_was_down(venue: str, tmp_path: Path) -> None:
    async with line(venue, tmp_path) as place, Session(place.options()) as session:
        book = session.subscribe(BOOK, RECOVERABLE)
        await book.confirmed()
        await place.server.publish(BOOK, [1, 2])
        assert await take(book, 2) == [1, 2]
        async with place.outage(session):
            await place.server.publish(BOOK, range(3, 203))
        assert await take(book, 201) == ["reconnected 200", *range(3, 203)]
        await place.server.publish(BOOK, [203])
        assert await take(book, 1) == [203]


@BOTH
async def test_a_publication_has_its_tags_and_its_place(venue: str, tmp_path: Path) -> None:
    async with line(venue, tmp_path) as place, Session(place.options()) as session:
        book = session.subscribe(BOOK, RECOVERABLE)
        await book.confirmed()
        await place.server.publish(BOOK, [7])
        item = await anext(book)
        assert (item.offset, item.topic, item.tags) == (1, BOOK, {"messageId": f"{BOOK}-7"})
        assert item.epoch
        assert book.position == StreamPosition(1, item.epoch)
        page = await session.request(History(BOOK, limit=10))
        assert [(entry.offset, entry.epoch) for entry in page.publications] == [(1, item.epoch)]


@BOTH
@pytest.mark.parametrize("missed", [1000, 1001, 2500])
async def test_more_than_a_recovery_holds_is_paged_from_history(
    venue: str, tmp_path: Path, missed: int
) -> None:
    async with line(venue, tmp_path) as place, Session(place.options()) as session:
        book = session.subscribe(BOOK, RECOVERABLE, capacity=10_000)
        await book.confirmed()
        await place.server.publish(BOOK, [0])
        assert await take(book, 1) == [0]
        async with place.outage(session):
            await place.server.publish(BOOK, range(1, missed + 1))
        assert await take(book, missed + 1) == [f"reconnected {missed}", *range(1, missed + 1)]


@BOTH
async def test_more_than_the_history_keeps_is_a_gap(venue: str, tmp_path: Path) -> None:
    async def snapshot() -> str:
        return "state"

    async with line(venue, tmp_path) as place, Session(place.options()) as session:
        book = session.subscribe(BOOK, RECOVERABLE, capacity=10_000, snapshot=snapshot)
        await book.confirmed()
        assert await take(book, 1) == ["resynced"]
        await place.server.publish(BOOK, [0])
        assert await take(book, 1) == [0]
        async with place.outage(session):
            await place.server.publish(BOOK, range(1, HISTORY + 500))
        assert await take(book, 2) == ["gap unrecovered", "resynced"]
        await place.server.publish(BOOK, [-1])
        assert await take(book, 1) == [-1]


@BOTH
async def test_a_channel_without_history_says_that_something_may_be_missing(
    venue: str, tmp_path: Path
) -> None:
    async with line(venue, tmp_path) as place, Session(place.options()) as session:
        odds = session.subscribe(ODDS)
        await odds.confirmed()
        await place.server.publish(ODDS, [1])
        assert await take(odds, 1) == [1]
        async with place.outage(session):
            await place.server.publish(ODDS, [2])
        assert await take(odds, 1) == ["gap connection lost"]
        await place.server.publish(ODDS, [3])
        assert await take(odds, 1) == [3]


@BOTH
async def test_a_server_that_was_killed_has_another_epoch_and_that_is_a_gap(
    venue: str, tmp_path: Path
) -> None:
    async with line(venue, tmp_path) as place, Session(place.options()) as session:
        book = session.subscribe(BOOK, RECOVERABLE)
        await book.confirmed()
        await place.server.publish(BOOK, [1, 2, 3])
        assert await take(book, 3) == [1, 2, 3]
        before = book.position
        await place.server.die_and_come_back()
        assert await take(book, 1) == ["gap unrecovered"]
        await place.server.publish(BOOK, [4])
        assert await take(book, 1) == [4]
        assert before is not None
        assert book.position is not None
        assert book.position.offset == 1
        assert book.position.epoch != before.epoch


@BOTH
async def test_a_saved_position_resumes_in_another_session(venue: str, tmp_path: Path) -> None:
    async with line(venue, tmp_path) as place:
        async with Session(place.options()) as session:
            book = session.subscribe(BOOK, RECOVERABLE)
            await book.confirmed()
            await place.server.publish(BOOK, [1, 2, 3, 4])
            assert await take(book, 2) == [1, 2]
            saved = book.position
        async with Session(place.options()) as session:
            book = session.subscribe(BOOK, RECOVERABLE, position=saved)
            assert await take(book, 3) == ["reconnected 2", 3, 4]


@BOTH
async def test_tokens_are_renewed_and_the_line_stays(venue: str, tmp_path: Path) -> None:
    async with line(venue, tmp_path) as place:
        place.token_seconds = 3
        async with Session(place.options()) as session:
            await session.subscribe(BOOK, RECOVERABLE).confirmed()
            await asyncio.sleep(9)
            assert session.statistics().connections == 1
            assert len(place.tokens) >= 3


@BOTH
async def test_more_channels_than_one_connection_holds_move_to_another(venue: str, tmp_path: Path) -> None:
    async with line(venue, tmp_path) as place, Pool(place.options, capacity=600) as pool:
        names = [f"order_book:market_{n}" for n in range(600)]
        topics = [pool.subscribe(name, RECOVERABLE) for name in names]
        async with asyncio.timeout(60):
            await asyncio.gather(*(topic.confirmed() for topic in topics))
        assert [session.statistics().confirmed for session in pool.sessions] == [512, 88]
        for n in (0, 511, 512, 599):
            await place.server.publish(names[n], [n])
            assert await take(topics[n], 1) == [n]
        async with place.outage(*pool.sessions):
            for n in (0, 300, 599):
                await place.server.publish(names[n], [n])
        for n in (0, 300, 599):
            assert await take(topics[n], 2) == ["reconnected 1", n]
        assert not any(is_mark(item) and isinstance(item, Gap) for item in topics[1].buffer._items)


@BOTH
async def test_a_quiet_line_lives_on_pings(venue: str, tmp_path: Path) -> None:
    async with line(venue, tmp_path) as place, Session(place.options()) as session:
        await session.subscribe(BOOK, RECOVERABLE).confirmed()
        await asyncio.sleep(8)
        assert session.statistics().connections == 1
        heard = session.statistics().since_heard
        assert heard is not None
        assert heard < 4


@BOTH
@pytest.mark.parametrize("missed", [1000, 2500])
async def test_what_is_larger_than_the_servers_queue_comes_by_smaller_parts(
    venue: str, tmp_path: Path, missed: int
) -> None:
    async with line(venue, tmp_path) as place, Session(place.options()) as session:
        book = session.subscribe(BOOK, RECOVERABLE, capacity=10_000)
        others = [session.subscribe(f"trades:{n}", RECOVERABLE) for n in range(19)]
        await asyncio.gather(*(topic.confirmed() for topic in (book, *others)))
        await place.server.publish(BOOK, [0])
        assert await take(book, 1) == [0]
        async with place.outage(session):
            await place.server.publish(BOOK, range(1, missed + 1), padding=1100)
        assert await take(book, missed + 1) == [f"reconnected {missed}", *range(1, missed + 1)]
        assert session.statistics().connections <= 4
        for n, other in enumerate(others):
            await place.server.publish(f"trades:{n}", [n])
            items = [short(await anext(other)) for _ in range(2)]
            assert [str(items[0]).startswith("reconnected"), items[1]] == [True, n]


@BOTH
async def test_a_channel_without_history_proves_nothing_by_saying_recovered(
    venue: str, tmp_path: Path
) -> None:
    async with line(venue, tmp_path) as place, Session(place.options()) as session:
        odds, quiet = session.subscribe(ODDS_V3, RECOVERABLE), session.subscribe(BOOK, RECOVERABLE)
        answer = await odds.confirmed()
        assert answer.positioned
        assert answer.recoverable
        await quiet.confirmed()
        async with place.outage(session):
            await place.server.publish(ODDS_V3, [1])
        assert await take(odds, 1) == ["gap unrecovered"]
        assert await take(quiet, 1) == ["reconnected 0"], "it keeps a history, in which there is nothing yet"
        await place.server.publish(ODDS_V3, [2])
        assert await take(odds, 1) == [2]


@BOTH
@pytest.mark.parametrize("missed", [1000, 2500])
async def test_what_was_missed_does_not_overflow_the_default_buffer(
    venue: str, tmp_path: Path, missed: int
) -> None:
    async with line(venue, tmp_path) as place, Session(place.options()) as session:
        book = session.subscribe(BOOK, RECOVERABLE)
        await book.confirmed()
        await place.server.publish(BOOK, [0])
        assert await take(book, 1) == [0]
        async with place.outage(session):
            await place.server.publish(BOOK, range(1, missed + 1))
        async with asyncio.timeout(20):
            while len(book.buffer) <= missed:  # noqa: ASYNC110 - nobody takes from it, so nobody is woken
                await asyncio.sleep(0.05)
        await place.server.publish(BOOK, range(missed + 1, missed + 501))
        await asyncio.sleep(0.5)
        assert await take(book, missed + 501) == [f"reconnected {missed}", *range(1, missed + 501)]

"""The invariant: a seed point holds what whoever begins there needs, and where it cannot, there is none."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tapewire.errors import ConnectFailed
from tapewire.payload import Payload
from tapewire.recording import Recorder, Replay, Tape
from tapewire.recording.format import (
    Footer,
    Head,
    IndexEntry,
    Kind,
    Record,
    SeedEntry,
    pack_block,
    pack_footer,
    pack_head,
    read_block_head,
)
from tapewire.recording.http import ReplayHttp
from tapewire.recording.seeds import CATCH_UP_NS, Said, SeedUnfit, Standing
from tapewire.recording.tape import SegmentWriter
from tapewire.transport.base import Endpoint

SECOND = 1_000_000_000
URL = "ws://venue.test/stream"
HEAD = Head(venue="venue", wall_ns=1_700_000_000 * SECOND, monotonic_ns=0, software="tapewire 0")


class Words:
    """A venue whose publications begin with their topic: `book ...`, `trade ...`. `/book` answers what is now."""

    def split(self, message: bytes) -> tuple[bytes | None, Sequence[tuple[str, bytes]]]:
        topic = message.partition(b" ")[0].decode()
        if topic not in ("book", "trade"):
            return message, ()
        return None, ((topic, message),) if topic == "trade" else ()

    def is_beat(self, message: bytes) -> bool:
        return message == b"pong"

    def begun(self, said: Sequence[Said], last: Mapping[str, bytes]) -> list[Said]:
        return [*said, *((False, message) for message in last.values())]

    def is_state(self, url: str) -> bool:
        return url.endswith("/book")


def at(seconds: float, kind: int, data: Any = None, connection: int = 1) -> Record:
    return Record(kind, int(seconds * SECOND), connection, data)


def opened(connection: int = 1, seconds: float = 0.0) -> list[Record]:
    return [
        at(seconds, Kind.DIAL, {"url": URL, "headers": {}, "subprotocols": []}, connection),
        at(seconds, Kind.OPENED, None, connection),
        at(seconds, Kind.SENT, ['join "book"'], connection),
        at(seconds, Kind.READ, ["joined", "book 1"], connection),
    ]


ASKED = [
    at(0.5, Kind.ASKED, [1, "GET", "http://venue.test/list", [], b""], 0),
    at(0.6, Kind.ANSWERED, [1, 200, [], b"old"], 0),
    at(0.7, Kind.ASKED, [2, "GET", "http://venue.test/list", [], b""], 0),
    at(0.8, Kind.ANSWERED, [2, 200, [], b"new"], 0),
]
SEED = [at(20, Kind.SEED, None, 0), at(20.1, Kind.SEED, ([("book", b"book whole")], []), 0)]


def seeds_of(*records: Record) -> list[dict[str, Any]]:
    written = Standing(Words()).passed(records)
    return [record.data for record in written if record.kind == Kind.SEED]


def said(seed: dict[str, Any]) -> list[Any]:
    """What it holds, kinds and data, in the order in which it is played."""
    return [(kind, data) for kind, _, _, data in seed["records"]]


def test_a_seed_point_holds_the_line_its_replies_the_last_trade_the_last_answers_and_the_book():
    trades = [at(n, Kind.READ, [f"book {n}", f"trade {n}"]) for n in range(2, 19)]
    (seed,) = seeds_of(*opened(), *ASKED, *trades, *SEED)
    assert seed["since_ns"] == 20 * SECOND
    assert said(seed) == [
        (Kind.ASKED, [2, "GET", "http://venue.test/list", [], b""]),
        (Kind.ANSWERED, [2, 200, [], b"new"]),
        (Kind.DIAL, {"url": URL, "headers": {}, "subprotocols": []}),
        (Kind.OPENED, None),
        (Kind.SENT, [b'join "book"']),
        (Kind.READ, [b"joined"]),
        (Kind.READ, [b"trade 18"]),
        (Kind.READ, [b"book whole"]),
    ]
    times = [when for _, when, _, _ in seed["records"]]
    assert times == sorted(times)
    assert times[-1] < seed["since_ns"]


def test_a_line_begins_when_it_was_pinged_last_of_what_was_answered():
    pings = [at(10, Kind.PING), at(10.1, Kind.PONG), at(19, Kind.PING)]
    (seed,) = seeds_of(*opened(), *pings, *SEED)
    assert seed["records"][0][1] == 10 * SECOND


def test_what_came_between_the_moment_and_its_snapshots_is_no_part_of_it():
    between = at(20.05, Kind.READ, ["welcome"])
    (seed,) = seeds_of(*opened(), SEED[0], between, SEED[1])
    assert (Kind.READ, [b"welcome"]) not in said(seed)


@pytest.mark.parametrize(
    ("why", "records"),
    [
        ("a topic was asked for later", [at(15, Kind.SENT, ['join "other"'])]),
        ("the line is being left", [at(15, Kind.CLOSING, [1000, ""])]),
        ("a call is under way", [at(15, Kind.ASKED, [9, "GET", "http://venue.test/slow", [], b""], 0)]),
        ("the line is over", [at(15, Kind.LOST, {"error": "ConnectionLost", "facts": {}})]),
    ],
)
def test_there_is_no_seed_point_where(why, records):
    assert seeds_of(*opened(), *SEED)
    assert seeds_of(*opened(), *records, *SEED) == [], why


def test_there_is_no_seed_point_where_the_line_was_lost_before_its_snapshots_came():
    lost = at(20.05, Kind.LOST, {"error": "ConnectionLost", "facts": {}})
    assert seeds_of(*opened(), SEED[0], lost, SEED[1]) == []


def test_the_next_line_is_one_to_begin_with_and_the_answer_to_a_ping_is_no_reason_against_it():
    lost = at(15, Kind.LOST, {"error": "ConnectionLost", "facts": {}})
    (seed,) = seeds_of(*opened(), lost, *opened(2, 16), at(19.9, Kind.SENT, ["pong"], 2), *SEED)
    assert {number for kind, _, number, _ in seed["records"]} == {2}


def test_what_is_now_was_asked_for_at_the_moment_itself_or_there_is_no_seed_point():
    url = "http://venue.test/book"
    asked = [at(1, Kind.ASKED, [3, "GET", url, [], b""], 0), at(1.1, Kind.ANSWERED, [3, 200, [], b"then"], 0)]
    fresh = at(20.1, Kind.SEED, ([], [["GET", url, b"", 200, [], b"now"]]), 0)
    (seed,) = seeds_of(*opened(), *ASKED, *asked, SEED[0], fresh)
    assert [data for kind, data in said(seed) if kind == Kind.ANSWERED] == [
        [2, 200, [], b"new"],
        [3, 200, [], b"now"],
    ]
    assert seeds_of(*opened(), *ASKED, *asked, *SEED) == []


def test_what_is_asked_for_a_seed_point_is_written_without_credentials(tmp_path):
    with Recorder(tmp_path, "venue", seeding=Words()) as recorder:
        for record in [*opened(), *ASKED]:
            recorder.note(record.kind, record.connection, record.data)
        recorder.seed_begun()
        url = "http://venue.test/list"
        answer = [["set-cookie", "sesame-cookie"]], b'{"token":"sesame-token","price":1}'
        recorder.seed_made([], [["GET", url, b"", 200, *answer]])
    with Tape(recorder.paths[0]) as tape:
        (seed,) = (record.data for record in tape.read() if record.kind == Kind.SEED)
    assert b'"price":1' in repr(seed).encode()
    assert b"sesame" not in repr(seed).encode()


# --- a replay that begins there -------------------------------------------------------------------------------------


class Receiver:
    """Whoever dials, asks for the book and keeps what comes."""

    def __init__(self, replay: Replay, joins: str = 'join "book"') -> None:
        self._replay = replay
        self._joins = joins
        self.heard: list[tuple[float, Payload]] = []

    def received(self, payloads: list[Payload]) -> None:
        self.heard += [(round(self._replay.clock.monotonic(), 3), each) for each in payloads]

    def ponged(self) -> None: ...

    def lost(self, error: Any) -> None: ...

    async def listen(self, replay: Replay) -> None:
        transport = await replay.connector.connect(Endpoint(url=URL), self)
        transport.send([self._joins])
        await replay.ended.wait()


def played(path: Path, **options: Any) -> list[tuple[float, Payload]]:
    joins = options.pop("joins", 'join "book"')
    with Replay(path, **options) as replay:
        receiver = Receiver(replay, joins)
        replay.run(receiver.listen)
    return receiver.heard


def wall(seconds: float) -> int:
    return HEAD.wall_ns + int(seconds * SECOND)


def taped(folder: Path) -> Path:
    writer = SegmentWriter(folder / "a.tape", HEAD)
    reads = [at(n + 0.5, Kind.READ, [f"book {n}"]) for n in range(1, 40)]
    records = sorted([*opened(), *reads, *SEED], key=lambda record: record.at_ns)
    writer.write(Standing(Words()).passed(records))
    writer.close()
    return writer.path


def test_a_replay_from_a_moment_behind_it_begins_there_and_hears_from_then_on_the_same(tmp_path):
    path = taped(tmp_path)
    whole = [each for each in played(path, from_ns=wall(25)) if each[0] >= 25]
    begun = played(path, from_ns=wall(25), seeks=True)
    assert [each for each in begun if each[0] >= 25] == whole
    assert [said for when, said in begun if when < 20] == [b"joined", b"book whole"]


def test_a_seed_point_is_good_for_what_comes_a_while_after_its_snapshots(tmp_path):
    path = taped(tmp_path)
    early = wall(20.1 + CATCH_UP_NS / 1e9 - 0.01)
    assert (1.5, "book 1") in played(path, from_ns=early, seeks=True)
    assert (1.5, "book 1") not in played(path, from_ns=early + SECOND, seeks=True)


def test_a_part_of_a_tape_begins_at_a_seed_point_only_if_all_that_followed_it_is_there(tmp_path):
    with Tape(taped(tmp_path)) as tape:
        records = list(tape.read())
    for begin in (19, 20.05):
        writer = SegmentWriter(tmp_path / f"{begin}.tape", HEAD)
        writer.write([record for record in records if record.at_ns >= begin * SECOND])
        writer.close()
    whole = [said for _, said in played(tmp_path / "19.tape", from_ns=wall(25), seeks=True)]
    assert whole[:3] == [b"joined", b"book whole", "book 20"]
    with pytest.raises(ConnectFailed):  # it has no dial
        played(tmp_path / "20.05.tape", from_ns=wall(25), seeks=True)


def test_whoever_says_something_else_than_was_said_is_told_that_the_seed_point_is_none_for_him(tmp_path):
    path = taped(tmp_path)
    with pytest.raises(SeedUnfit):
        played(path, from_ns=wall(25), seeks=True, joins='join "other"')
    assert played(path, from_ns=wall(25), joins='join "other"')


def test_of_ten_gigabytes_nothing_is_read_but_the_seed_point_and_what_follows_it(tmp_path):
    """The blocks between are a hole of zeros: whoever reads one of them finds it corrupt."""
    size, count = 256 * 1024, 40_000
    first = pack_block([*opened(), at(1.5, Kind.READ, ["book 1"])])
    hole = [IndexEntry(0, size - 44, 600, (2 + n) * SECOND, (2 + n) * SECOND) for n in range(count)]
    late = [at(each.at_ns / SECOND + count, each.kind, each.data, 0) for each in SEED]
    (seed,) = (
        each for each in Standing(Words()).passed([*opened(1, count - 5), *late]) if each.kind == Kind.SEED
    )
    behind = pack_block([at(count + 30, Kind.READ, ["book 30"])])
    path = tmp_path / "long.tape"
    head = pack_head(HEAD)
    with path.open("wb") as file:
        file.write(head + first)
        begin = file.tell()
        index = [entry_of(first, len(head))]
        index += [msgspec.structs.replace(each, offset=begin + n * size) for n, each in enumerate(hole)]
        file.seek(begin + count * size)
        for block in (pack_block([seed]), behind):
            index.append(entry_of(block, file.tell()))
            file.write(block)
        entry = SeedEntry(seed.at_ns, seed.data["since_ns"])
        footer = Footer(index=index, counts={}, connections=1, seeds=[entry])
        file.write(pack_footer(footer, file.tell()))
    assert path.stat().st_size > 10_000_000_000
    heard = played(path, from_ns=wall(count + 25), seeks=True)
    assert [said for _, said in heard] == [b"joined", b"book whole", "book 30"]


def entry_of(block: bytes, offset: int) -> IndexEntry:
    head = read_block_head(block)
    assert head is not None
    return IndexEntry(offset, head.packed, head.records, head.first_ns, head.last_ns)


def test_the_footer_names_seed_points_and_the_lines_that_were_given_up(tmp_path):
    writer = SegmentWriter(tmp_path / "a.tape", HEAD)
    given_up = [at(30, Kind.PING), at(30.2, Kind.PONG), at(40, Kind.PING), at(41, Kind.ABORTED)]
    left = [at(42, Kind.LOST, {"error": "ConnectionLost", "facts": {}}, 2), at(43, Kind.ABORTED, None, 2)]
    writer.write([*Standing(Words()).passed([*opened(), *SEED]), *given_up, *left])
    writer.close()
    with Tape(writer.path) as tape:
        assert tape.footer.seeds == [SeedEntry(int(20.1 * SECOND), 20 * SECOND)]
        assert tape.footer.given_up == [(1, int(30.2 * SECOND), 41 * SECOND)]


def test_behind_a_seed_point_pings_of_a_line_that_was_given_up_are_answered_as_long_as_they_were(tmp_path):
    writer = SegmentWriter(tmp_path / "a.tape", HEAD)
    pings = [at(30, Kind.PING), at(30.01, Kind.PONG), at(40, Kind.PING), at(41, Kind.ABORTED)]
    writer.write([*Standing(Words()).passed([*opened(), *SEED]), *pings])
    writer.close()

    class Pinging(Receiver):
        pongs = 0

        def ponged(self) -> None:
            self.pongs += 1

        async def listen(self, replay: Replay) -> None:
            transport = await replay.connector.connect(Endpoint(url=URL), self)
            transport.send(['join "book"'])
            for until in (30, 40):
                await asyncio.sleep(until - replay.clock.monotonic())
                transport.ping()
            await replay.ended.wait()
            await asyncio.sleep(1)

    with Replay(writer.path, from_ns=wall(25), seeks=True) as replay:
        receiver = Pinging(replay)
        replay.run(receiver.listen)
    assert receiver.pongs == 1


def test_before_its_moment_no_time_counts_and_an_answer_is_given_as_often_as_it_is_asked_for(tmp_path):
    """Whoever begins says in some milliseconds what was said in some, however close it stands in the seed point."""
    import httpx2

    writer = SegmentWriter(tmp_path / "a.tape", HEAD)
    reads = [at(n + 0.5, Kind.READ, [f"book {n}"]) for n in range(1, 40)]
    records = sorted([*opened(), *ASKED, *reads, *SEED], key=lambda record: record.at_ns)
    writer.write(Standing(Words()).passed(records))
    writer.close()

    class Slow(Receiver):
        async def listen(self, replay: Replay) -> None:
            async with httpx2.AsyncClient(transport=ReplayHttp(replay.answers)) as client:
                transport = await replay.connector.connect(Endpoint(url=URL), self)
                for _ in range(3):
                    assert (await client.get("http://venue.test/list")).content == b"new"
                    await asyncio.sleep(0.005)
            assert self.heard == []
            transport.send(['join "book"'])
            await replay.ended.wait()

    with Replay(writer.path, from_ns=wall(25), seeks=True) as replay:
        receiver = Slow(replay)
        replay.run(receiver.listen)
        assert replay.begins_at_a_seed
        assert replay.differences == []
    assert [said for _, said in receiver.heard][:3] == [b"joined", b"book whole", "book 20"]

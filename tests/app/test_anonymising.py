"""The invariant: with a secret in every field that is one's own, the tape has none, and still replays."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tapewire.app.anonymising import anonymise
from tapewire.app.leading import led_by
from tapewire.app.taping import Recording
from tapewire.app.wanted import Target
from tapewire.cli.venue import MARKET_LIFE
from tapewire.errors import ConfigurationError
from tapewire.recording import Tape
from tapewire.recording.format import Head, Kind, Record
from tapewire.recording.tape import SegmentWriter
from tapewire.sandbox import Sandbox
from tapewire.venues import VENUES
from tests.cli.played_command import plain_environment, run

CALLS = {
    "stx": ("POST", "https://v/api/graphql", b'{"operationName":"myOrderHistory"}'),
    "sxbet": ("GET", "https://v/orders?maker=0x00", b""),
    "stake": ("POST", "https://v/_api/graphql", b'{"query":"query UserBalances { user { id } }"}'),
    "weex": ("GET", "https://v/capi/v3/openOrders", b""),
}
"""A call about the account, at each venue."""


def planted(name: str, number: int) -> dict[str, Any]:
    """A secret in a field: texts and numbers, alone and in lists."""
    return {name: [f"secret-{number:04d}-{name}", 7_000_000_000 + number][number % 2]}


def secrets_of(fields: list[dict[str, Any]]) -> list[str]:
    return [str(value) for each in fields for value in each.values()]


@pytest.mark.parametrize("venue", VENUES)
def test_a_secret_in_every_field_that_is_ones_own_is_in_none_of_the_new_tape(venue, tmp_path):
    spec = VENUES[venue]
    assert spec.own is not None
    channel = next(each for each in spec.channels.values() if each.private)
    topic = (
        channel.topic.replace("{uid}", "e02fa263-c3da")
        .replace("{id}", "0xeb1d39a7e03a")
        .replace("{channel}", "x")
    )
    ids = [planted(name, number) for number, name in enumerate(spec.own.ids)]
    amounts = [{name: f"{81_000_000 + number}.25"} for number, name in enumerate(spec.own.amounts)]
    rows = [*ids, *amounts]
    method, url, body = CALLS[venue]
    answer = json.dumps({"rows": rows, "text": json.dumps(rows)}).encode()
    secret = secrets_of(ids)[0]
    records = [
        Record(
            Kind.DIAL,
            1,
            1,
            {"url": f"wss://v/{secret}", "headers": {"x-of": secret}, "subprotocols": [secret]},
        ),
        Record(Kind.SENT, 2, 1, [json.dumps({"topic": topic, "mail": "ann.b@example.org"})]),
        Record(Kind.READ, 3, 1, [json.dumps({"topic": topic, "data": row}).encode() for row in rows]),
        Record(Kind.READ, 4, 1, [json.dumps({"topic": topic, "text": json.dumps(rows)})]),
        Record(Kind.ASKED, 5, 0, [1, method, url, [["x-of", secret]], body]),
        Record(Kind.ANSWERED, 6, 0, [1, 200, [["x-of", secret]], answer]),
        Record(Kind.ASKED, 6, 0, [2, "GET", f"https://v/public/{secret}", [], b""]),
        Record(Kind.UNANSWERED, 7, 0, [2, "ConnectError", f"no {secret}"]),
        Record(Kind.REFUSED, 8, 2, {"error": "ConnectFailed", "facts": {"reason": secret}}),
        Record(Kind.LOST, 9, 1, {"error": "ConnectionLost", "facts": {"reason": secret}}),
        Record(Kind.CLOSING, 9, 1, [1000, secret]),
        Record(Kind.NOTE, 10, 0, {"said": secret, secret: 1}),
    ]
    settings = {"plan": {"environment": {"X_MAIL": "ann.b@example.org", "X_OF": secret}}}
    writer = SegmentWriter(
        tmp_path / "own.tape", Head(venue=venue, wall_ns=1, monotonic_ns=0, software="t", settings=settings)
    )
    writer.write(records)
    writer.close()
    done = anonymise([writer.path], [tmp_path / "new.tape"])
    assert (done.records, done.opaque) == (len(records), 0)
    with Tape(tmp_path / "new.tape") as tape:
        made = list(tape.read())
        whole = f"{tape.head} {made}"
    wanted = [*secrets_of(ids), *secrets_of(amounts), "ann.b@example.org", "e02fa263-c3da", "0xeb1d39a7e03a"]
    assert [each for each in wanted if each in whole] == []
    assert [len(str(each.data)) for each in made] == [len(str(each.data)) for each in records]


KINDS = {
    "stx": ["book", "trades", "ticker", "orders", "fills", "positions", "balance"],
    "sxbet": ["book", "trades", "orders", "fills"],
    "stake": ["balance"],
    "weex": ["book", "trades", "ticker", "orders", "fills", "positions", "balance"],
}


async def recorded_with_an_account(venue: str, folder: Path) -> Path:
    """What a venue publishes to everybody, and to an account in whose name the house trades; its line breaks once."""
    async with Sandbox(port=0, rate=20, venues=[venue], activity=True, market_life=MARKET_LIFE) as sandbox:
        with led_by(sandbox.environment(), [venue]):
            recording = Recording([Target(venue)], KINDS[venue], folder)
            stop, loop = asyncio.Event(), asyncio.get_running_loop()
            loop.call_later(4, stop.set)
            loop.call_later(2, lambda: sandbox.inject("abort", venue=venue))
            await recording.run(stop)
    (path,) = recording.recorders[venue].paths
    return path


def heard(path: Path) -> dict[str, list[Any]]:
    """By kind of feed: what came, as a replay in a process of its own says it."""
    done = run("replay", str(path), "--json", env=plain_environment())
    lines: dict[str, list[Any]] = {}
    for line in map(json.loads, done.stdout.splitlines()):
        lines.setdefault(line["kind"], []).append(line)
    return lines


ACCOUNT = {"orders", "fills", "positions", "balance"}


@pytest.mark.parametrize(
    "venue", ["weex", *(pytest.param(each, marks=pytest.mark.taped) for each in ["stx", "sxbet", "stake"])]
)
async def test_the_new_tape_says_the_same_of_the_market_and_as_much_of_the_account(venue, tmp_path):
    path = await recorded_with_an_account(venue, tmp_path)
    out = tmp_path / "new.tape"
    done = await asyncio.to_thread(
        run, "tape", "anonymise", str(path), "-o", str(out), env=plain_environment()
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("as live") == len(set(KINDS[venue]) - ACCOUNT)
    assert done.stdout.count("as many things") == len(set(KINDS[venue]) & ACCOUNT)
    before, after = await asyncio.gather(*(asyncio.to_thread(heard, each) for each in (path, out)))
    assert before.keys() == after.keys() == set(KINDS[venue])
    for kind, lines in before.items():
        if kind in ACCOUNT:
            assert [(each["event"], each["state"]) for each in lines] == [
                (each["event"], each["state"]) for each in after[kind]
            ]
        else:
            assert lines == after[kind]
    if "balance" in before:
        assert [each["data"] for each in before["balance"]] != [each["data"] for each in after["balance"]]


def files_of_an_account(folder: Path) -> list[Path]:
    """Two files of a recording, the second without a word of whose it is; and one of another, with the same numbers."""
    own, told = '{"params":["orders"]}', '{"e":"orders","d":[{"id":"88123456789","size":"81000001.25"}]}'
    public = '{"e":"trade","near":"orders","id":"88123456789","size":"71.25"}'
    files = [
        ("one", 0, [Record(Kind.SENT, 1, 1, [own]), Record(Kind.READ, 2, 1, [told])]),
        ("one", 1, [Record(Kind.READ, 11, 1, [told])]),
        ("two", 0, [Record(Kind.READ, 21, 1, [public])]),
    ]
    paths = []
    for recording, segment, records in files:
        head = Head(
            venue="weex", wall_ns=1, monotonic_ns=0, software="t", recording=recording, segment=segment
        )
        writer = SegmentWriter(folder / f"{recording}-{segment}.tape", head)
        writer.write(records)
        writer.close()
        paths.append(writer.path)
    return paths


def text_of(path: Path) -> str:
    with Tape(path) as tape:
        return "".join(
            str(each) for record in tape.read() if record.kind == Kind.READ for each in record.data
        )


def test_several_tapes_have_one_placeholder_for_one_thing_whichever_says_it(tmp_path):
    paths = files_of_an_account(tmp_path)
    (tmp_path / "new").mkdir()
    outs = [tmp_path / "new" / path.name for path in paths]
    done = anonymise(paths, outs)
    first, second, other = map(text_of, outs)
    assert done.records == 4
    assert first == second  # what the second file says is of the account by what the first has asked for
    assert "88123456789" not in first + second + other
    assert "81000001.25" not in first + second
    placeholder = json.loads(first)["d"][0]["id"]
    assert json.loads(other)["id"] == placeholder
    # The number of its connection is that of the account's, in the other recording; it is public all the same.
    assert json.loads(other)["size"] == "71.25"


def test_a_seed_point_which_says_again_what_is_ones_own_is_left_out(tmp_path):
    own, told = '{"params":["orders"]}', '{"e":"orders","d":[{"id":"88123456789","size":"81000001.25"}]}'
    writer = SegmentWriter(tmp_path / "a.tape", Head(venue="weex", wall_ns=1, monotonic_ns=0, software="t"))
    seed = {"since_ns": 2, "records": [[Kind.READ, 2, 1, [told]]]}
    writer.write(
        [Record(Kind.SENT, 1, 1, [own]), Record(Kind.READ, 2, 1, [told]), Record(Kind.SEED, 3, 0, seed)]
    )
    writer.close()
    anonymise([writer.path], [tmp_path / "new.tape"])
    with Tape(tmp_path / "new.tape") as tape:
        assert [record.kind for record in tape.read()] == [Kind.SENT, Kind.READ]
        assert tape.footer.seeds == []


def test_of_several_tapes_none_is_there_where_one_cannot_be_written(tmp_path):
    paths = files_of_an_account(tmp_path)
    (tmp_path / "new").mkdir()
    outs = [tmp_path / "new" / path.name for path in paths]
    outs[-1].with_name(outs[-1].name + ".part").write_bytes(b"")
    with pytest.raises(FileExistsError):
        anonymise(paths, outs)
    assert [path for path in outs if path.exists()] == []


def test_tapes_of_two_venues_are_refused(tmp_path):
    paths = files_of_an_account(tmp_path)
    writer = SegmentWriter(tmp_path / "stx.tape", Head(venue="stx", wall_ns=1, monotonic_ns=0, software="t"))
    writer.close()
    with pytest.raises(ConfigurationError, match="one venue"):
        anonymise([*paths, writer.path], [tmp_path / f"{n}.tape" for n in range(4)])


def test_a_folder_of_tapes_becomes_a_folder(tmp_path):
    files_of_an_account(tmp_path)
    done = run("tape", "anonymise", str(tmp_path), "-o", str(tmp_path / "new"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(list((tmp_path / "new").glob("*.tape"))) == 3


def test_what_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "there.tape").write_bytes(b"")
    done = run("tape", "anonymise", "any.tape", "-o", str(tmp_path / "there.tape"))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith("there.tape is there already\n")

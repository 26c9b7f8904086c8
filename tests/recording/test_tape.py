"""The invariant: whatever happens to a tape's bytes, reading raises TapeCorrupt at most, and loses that block alone."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tapewire.errors import ForeignTape, NewerTape, TapeCorrupt
from tapewire.recording.format import (
    BLOCK_HEAD,
    MAX_BLOCK,
    VERSION,
    Footer,
    Head,
    IndexEntry,
    Kind,
    Record,
    pack_block,
    pack_footer,
    pack_head,
    read_block_head,
)
from tapewire.recording.tape import SegmentWriter, Tape

HEAD = Head(venue="weex", wall_ns=1_700_000_000_000_000_000, monotonic_ns=1_000, software="tapewire 0.1.0")
BLOCKS = [
    [Record(Kind.READ, block * 1_000 + number, 1, [f'{{"n":{block * 10 + number}}}']) for number in range(5)]
    for block in range(1, 7)
]
ALL = [record for block in BLOCKS for record in block]


def written(folder: Path, *, is_closed: bool = True, name: str = "a.tape") -> Path:
    writer = SegmentWriter(folder / name, HEAD)
    for block in BLOCKS:
        writer.write(block)
    if is_closed:
        writer.close()
        return writer.path
    writer.abandon()
    return writer.part


def read(path: Path, **options: Any) -> tuple[list[Record], list[TapeCorrupt]]:
    lost: list[TapeCorrupt] = []
    with Tape(path) as tape:
        return list(tape.read(on_corrupt=lost.append, **options)), lost


def test_what_was_written_is_read(tmp_path):
    path = written(tmp_path)
    assert read(path) == (ALL, [])
    with Tape(path) as tape:
        assert tape.head == HEAD
        assert tape.footer.counts == {Kind.READ: 30}
        assert tape.footer.is_complete
        assert tape.verify() == []
        assert tape.wall_ns(3_000) == HEAD.wall_ns + 2_000
    assert list(tmp_path.iterdir()) == [path]


def test_a_tape_that_nobody_closed_is_read_by_a_scan(tmp_path):
    path = written(tmp_path, is_closed=False)
    assert path.name == "a.tape.part"
    assert read(path) == (ALL, [])
    with Tape(path) as tape:
        assert not tape.footer.is_complete
        assert len(tape.footer.index) == 6


@pytest.mark.parametrize("is_closed", [True, False])
def test_a_span_of_time_reads_the_blocks_that_it_needs_alone(tmp_path, is_closed):
    path = written(tmp_path, is_closed=is_closed)
    bounds = (2_003, 4_001)
    expected = [record for record in ALL if bounds[0] <= record.at_ns <= bounds[1]]
    damage(path, offset_of(path, 6) + BLOCK_HEAD + 3)
    assert read(path, from_ns=bounds[0], to_ns=bounds[1])[0] == expected


def offset_of(path: Path, number: int) -> int:
    with Tape(path) as tape:
        return tape.footer.index[number - 1].offset


def damage(path: Path, offset: int, bit: int = 0) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 1 << bit
    path.write_bytes(data)


@pytest.mark.parametrize("is_closed", [True, False])
@pytest.mark.parametrize("within", [0, 5, BLOCK_HEAD - 1, BLOCK_HEAD + 2])
def test_a_block_that_is_corrupt_loses_itself_and_says_of_when(tmp_path, is_closed, within):
    path = written(tmp_path, is_closed=is_closed)
    damage(path, offset_of(path, 3) + within)
    records, lost = read(path)
    assert records == [record for record in ALL if record.at_ns // 1_000 != 3]
    assert [(each.since_ns, each.until_ns) for each in lost] == [
        (HEAD.wall_ns + 2_004 - 1_000, HEAD.wall_ns + 4_000 - 1_000)
    ]
    with Tape(path) as tape, pytest.raises(TapeCorrupt, match=r"a\.tape"):
        list(tape.read())


@pytest.mark.parametrize("is_closed", [True, False])
@given(data=st.data())
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_byte_is_flipped_at_most_its_block_is_lost(tmp_path, is_closed, data):
    path = tmp_path / "flipped.tape"
    path.unlink(missing_ok=True)
    path.with_name("flipped.tape.part").unlink(missing_ok=True)
    path = written(tmp_path, is_closed=is_closed, name="flipped.tape")
    damage(path, data.draw(st.integers(0, path.stat().st_size - 1)), data.draw(st.integers(0, 7)))
    try:
        records, lost = read(path)
    except TapeCorrupt:
        return  # its head: nothing else says what it is of
    missing = [record for record in ALL if record not in records]
    assert len({record.at_ns // 1_000 for record in missing}) <= 1
    assert [record for record in ALL if record in records] == records
    if missing:
        assert lost


@given(cut=st.integers(0, 10_000))
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_wherever_it_is_cut_what_stood_before_the_last_block_is_read(tmp_path, cut):
    path = tmp_path / "cut.tape"
    path.unlink(missing_ok=True)
    path = written(tmp_path, name="cut.tape")
    starts = [offset_of(path, number) for number in range(1, 7)]
    data = path.read_bytes()
    cut %= len(data)
    path.write_bytes(data[:cut])
    try:
        records, lost = read(path)
    except (TapeCorrupt, ForeignTape):
        assert cut < starts[0]
        return
    ends = [*starts[1:], len(data)]
    whole = sum(end <= cut for end in ends[:-1])
    assert len(records) >= whole * 5
    assert records == ALL[: len(records)]
    assert all(each.until_ns is None for each in lost)


@pytest.mark.parametrize("data", [b"", b"SQLite format 3\0" + b"x" * 100, b"\x89PNG\r\n\x1a\n" + b"y" * 100])
def test_another_kind_of_file_is_said_to_be_none(tmp_path, data):
    path = tmp_path / "other.tape"
    path.write_bytes(data)
    with pytest.raises((ForeignTape, TapeCorrupt), match=r"other\.tape"):
        Tape(path)


def test_a_tape_of_a_later_format_is_said_to_be_so(tmp_path):
    data = bytearray(pack_head(HEAD))
    data[9:11] = struct.pack(">H", 2)
    data[15:19] = struct.pack(">I", crc32(bytes(data[19:]), crc32(bytes(data[:15]))))
    path = tmp_path / "later.tape"
    path.write_bytes(data)
    with pytest.raises(NewerTape, match="format 2") as caught:
        Tape(path)
    assert (caught.value.version, caught.value.known) == (2, 1)


@pytest.mark.parametrize("field", ["packed", "unpacked"])
def test_a_block_that_claims_to_be_huge_is_refused_before_anything_is_allocated(tmp_path, field):
    block = bytearray(pack_block(BLOCKS[0]))
    at = 4 if field == "packed" else 8
    block[at : at + 4] = struct.pack(">I", MAX_BLOCK + 1)
    fields = bytes(block[: BLOCK_HEAD - 4])
    block[BLOCK_HEAD - 4 : BLOCK_HEAD] = struct.pack(">I", crc32(fields))
    assert read_block_head(bytes(block)) is not None
    path = tmp_path / "huge.tape"
    path.write_bytes(pack_head(HEAD) + bytes(block))
    records, lost = read(path)
    assert records == []
    assert len(lost) == 1


def test_a_frame_of_zstd_that_unpacks_to_more_than_the_head_says_is_refused(tmp_path):
    block = bytearray(pack_block([Record(Kind.READ, 1, 1, ["x" * 1_000_000])]))
    block[8:12] = struct.pack(">I", 100)
    block[BLOCK_HEAD - 4 : BLOCK_HEAD] = struct.pack(">I", crc32(bytes(block[: BLOCK_HEAD - 4])))
    path = tmp_path / "bomb.tape"
    path.write_bytes(pack_head(HEAD) + bytes(block))
    records, lost = read(path)
    assert records == []
    assert "another size" in str(lost[0])


GOLDEN_HEAD = bytes.fromhex(
    "89544150450d0a1a0a00010000004b98dee10787a576656e7565a3737478a777616c6c5f6e7301ac6d6f6e6f746f6e69"
    "635f6e7302a8736f667477617265a174a97265636f7264696e67a0a77365676d656e7400a873657474696e677380"
)
GOLDEN_BLOCK = bytes.fromhex(
    "54424c4b00000015000000080000000100000000000000050000000000000005819446e040727d4028b52ffd24084100"
    "00919404050191a1611279db99"
)
GOLDEN_FOOTERS = [
    bytes.fromhex(words)
    for words in (
        # as it was before it named seed points
        (
            "54454e440000003282f61c0e84a5696e64657891955e15010505a6636f756e7473810401ab636f6e6e656374696f6e73"
            "00ab69735f636f6d706c657465c3000000000000009b54415045"
        ),
        (
            "54454e440000004309af151686a5696e64657891955e15010505a6636f756e7473810401ab636f6e6e656374696f6e73"
            "00ab69735f636f6d706c657465c3a5736565647390a8676976656e5f757090000000000000009b54415045"
        ),
    )
]


@pytest.mark.parametrize("footer", GOLDEN_FOOTERS)
def test_a_footer_that_names_no_seed_points_is_read_as_well(tmp_path, footer):
    path = tmp_path / "golden.tape"
    path.write_bytes(GOLDEN_HEAD + GOLDEN_BLOCK + footer)
    with Tape(path) as tape:
        assert tape.footer.is_complete
        assert tape.footer.counts == {Kind.READ: 1}
        assert tape.footer.seeds == []


def test_the_page_shows_the_bytes_of_a_seed_point(tmp_path):
    (drawn,) = re.findall(
        r"A block of one seed point.*?```\nblock   (.*?)```", PAGE.read_text("utf-8"), re.DOTALL
    )
    facts = {"since_ns": 8, "records": [[Kind.READ, 7, 1, ["a"]]]}
    seed = Record(Kind.SEED, 9, 0, facts)
    assert bytes.fromhex("".join(drawn.split())) == pack_block([seed])
    path = tmp_path / "seed.tape"
    path.write_bytes(GOLDEN_HEAD + pack_block([seed]))
    assert read(path) == ([seed], [])


def test_these_bytes_are_format_1(tmp_path):
    """Golden: whoever changes them changes the format, which is public (docs/tape.md)."""
    assert pack_head(Head(venue="stx", wall_ns=1, monotonic_ns=2, software="t")) == GOLDEN_HEAD
    path = tmp_path / "golden.tape"
    path.write_bytes(GOLDEN_HEAD + GOLDEN_BLOCK)
    assert read(path) == ([Record(Kind.READ, 5, 1, ["a"])], [])
    with Tape(path) as tape:
        assert tape.head == Head(venue="stx", wall_ns=1, monotonic_ns=2, software="t")


PAGE = Path(__file__).parents[2] / "docs" / "tape.md"


def test_the_page_shows_the_golden_bytes_and_they_are_a_whole_tape(tmp_path):
    (drawn,) = re.findall(
        r"```\nhead    (.*?)block   (.*?)footer  (.*?)```", PAGE.read_text("utf-8"), re.DOTALL
    )
    head, block, footer = (bytes.fromhex("".join(part.split())) for part in drawn)
    assert (head, block) == (GOLDEN_HEAD, GOLDEN_BLOCK)
    index = [IndexEntry(len(head), 21, 1, 5, 5)]
    made = Footer(index=index, counts={Kind.READ: 1}, connections=0)
    assert footer == pack_footer(made, len(head) + len(block))
    path = tmp_path / "page.tape"
    path.write_bytes(head + block + footer)
    assert read(path) == ([Record(Kind.READ, 5, 1, ["a"])], [])
    with Tape(path) as tape:
        assert tape.footer == made


def test_the_page_names_each_kind_of_record_and_the_limits():
    page = PAGE.read_text("utf-8")
    named = {
        name: int(number) for number, name in re.findall(r"^\| (\d+) \| ([A-Z]+) \|", page, re.MULTILINE)
    }
    assert named == {name: value for name, value in vars(Kind).items() if name.isupper()}
    assert str(MAX_BLOCK) in page
    assert VERSION == 1, "the page is of format 1"

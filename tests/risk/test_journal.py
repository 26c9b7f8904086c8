"""The journal: exact, torn only at its end, held by one, and never half believed."""

import asyncio
import subprocess
import sys
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapewire.errors import ConfigurationError
from tapewire.model import Fill, Instrument, Order, OrderRequest
from tapewire.risk import Directory, Journal, JournalError, restored
from tapewire.risk.journal import Added, Filled, Heard, Kept, Sent
from tapewire.trading import GateState, Limits, RiskState

INSTRUMENT = Instrument(
    venue="v", instrument_id="i", kind="outcome", currency="USD", payout=Decimal(100), market_id="m",
    price_tick=Decimal("0.01"), size_step=Decimal(1),
)  # fmt: skip


def request(name="a", size=10):
    return OrderRequest(
        client_order_id=name,
        venue="v",
        instrument_id="i",
        side="buy",
        size=Decimal(size),
        price=Decimal("40.50"),
    )


def ended(name="a", filled=0):
    return Order(
        venue="v", instrument_id="i", client_order_id=name, venue_order_id="7", side="buy", size=Decimal(10),
        status="canceled", filled_size=Decimal(filled), average_price=Decimal("40.50"),
        venue_time_ns=None, received_at_ns=0, raw=object(),
    )  # fmt: skip


def fill(name="a", size=3, fill_id="f"):
    return Fill(
        venue="v", instrument_id="i", fill_id=fill_id, client_order_id=name, venue_order_id="7", side="buy",
        price=Decimal("40.50"), size=Decimal(size), fee=Decimal("0.0001"), venue_time_ns=5, received_at_ns=6,
        raw={"anything": {1, 2}},
    )  # fmt: skip


ENTRIES = [
    Added(INSTRUMENT),
    Sent(request(), 1),
    Filled(fill()),
    Sent(request("b"), 2),
    Heard(ended("b")),
    Kept(GateState(state=RiskState.REDUCING, reason="a loss", highest={"USD": Decimal("1.10")}, day=3)),
]


def written(path, entries=ENTRIES):
    with Journal(path) as journal:
        for entry in entries:
            journal.write(entry)
    return path.read_bytes()


def bare(entry):
    noun = "order" if isinstance(entry, Heard) else "fill" if isinstance(entry, Filled) else None
    if noun is None:
        return entry
    return msgspec.structs.replace(entry, **{noun: msgspec.structs.replace(getattr(entry, noun), raw=None)})


def test_what_was_written_is_read_exactly(tmp_path):
    written(tmp_path / "journal")

    with Journal(tmp_path / "journal") as journal:
        assert journal.entries == [bare(entry) for entry in ENTRIES]


def test_a_gate_is_restored_with_what_may_still_fill(tmp_path):
    written(tmp_path / "journal")

    with Journal(tmp_path / "journal") as journal:
        gate = restored(Limits(), journal.entries)

    assert [each.client_order_id for each in gate.open_orders()] == ["a"]
    assert gate.filled_of("a") == 3
    assert gate.position("v", "i") == 3
    assert gate.state.state is RiskState.REDUCING
    assert gate.state.highest == {"USD": Decimal("1.10")}


def test_a_last_line_that_is_torn_anywhere_is_left_out_and_the_next_entry_stands_alone(tmp_path):
    whole = written(tmp_path / "whole")
    begins = whole.rstrip(b"\n").rindex(b"\n") + 1
    for cut in range(begins + 1, len(whole)):
        path = tmp_path / "torn"
        path.write_bytes(whole[:cut])

        with Journal(path) as journal:
            assert journal.entries == [bare(entry) for entry in ENTRIES[:-1]]
            journal.write(Sent(request("c"), 9))
        with Journal(path) as journal:
            assert journal.entries == [*map(bare, ENTRIES[:-1]), Sent(request("c"), 9)]


@given(st.data())
def test_a_byte_that_is_wrong_anywhere_else_is_an_error_that_names_the_line(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("journal") / "journal"
    whole = bytearray(written(path))
    last = bytes(whole).rstrip(b"\n").rindex(b"\n") + 1
    where = data.draw(st.integers(0, last - 1))
    whole[where] ^= data.draw(st.integers(1, 255))
    path.write_bytes(whole)

    with pytest.raises(JournalError, match="line "):
        Journal(path)


def test_a_disk_that_is_full_refuses_the_entry_whole_and_takes_the_next(tmp_path):
    path = tmp_path / "journal"
    program = f"""
import os, resource, signal
from pathlib import Path
from tests.risk.test_journal import *
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
journal = Journal(Path({str(path)!r}))
journal.write(ENTRIES[0])
resource.setrlimit(resource.RLIMIT_FSIZE, (os.path.getsize({str(path)!r}) + 50, resource.RLIM_INFINITY))
try:
    journal.write(ENTRIES[1])
except JournalError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
journal.write(ENTRIES[3])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )

    assert str(path) in done.stdout
    with Journal(path) as journal:
        assert journal.entries == [ENTRIES[0], ENTRIES[3]]


@pytest.mark.parametrize("in_thread", [True, False])
def test_what_is_kept_was_given_to_the_disk_whole_when_that_returns(tmp_path, in_thread):
    path, given = tmp_path / "journal", []
    with Journal(path, in_thread=in_thread, sync=lambda _: given.append(path.read_bytes())) as journal:
        asyncio.run(journal.keep(ENTRIES[1]))
        assert given == [path.read_bytes()]
        journal.write(ENTRIES[0])
        assert len(given) == 1
    with Journal(path) as journal:
        assert journal.entries == [ENTRIES[1], ENTRIES[0]]


def test_what_the_disk_does_not_take_is_an_error(tmp_path):
    def fail(_):
        raise OSError("no space")

    with Journal(tmp_path / "journal", sync=fail) as journal, pytest.raises(JournalError, match="no space"):
        asyncio.run(journal.keep(ENTRIES[1]))


def test_one_process_at_a_time_holds_a_directory(tmp_path):
    mine, other = Directory(tmp_path / "desk"), Directory(tmp_path / "desk")
    assert not other.is_held
    mine.hold()

    assert other.is_held
    with pytest.raises(ConfigurationError, match="no other process"):
        other.hold()
    mine.release()
    other.hold()
    other.release()


def test_a_directory_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(ConfigurationError, match="directory"):
        Directory(tmp_path / "file" / "desk").hold()


def test_a_journal_in_a_place_that_is_no_file_is_named(tmp_path):
    with pytest.raises(JournalError, match=str(tmp_path)):
        Journal(tmp_path)

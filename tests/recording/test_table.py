"""What cannot be stored as it is, is said before it is accepted, by the name of its column."""

from __future__ import annotations

import sqlite3
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapewire.errors import ConfigurationError
from tapewire.marks import Gap, Mark, Resynced
from tapewire.recording import Table
from tapewire.recording.table import mark_row

COLUMNS = {"at": float, "count": int, "open": bool, "name": str, "price": Decimal, "raw": bytes}
GOOD = (1.5, 3, True, "btc", Decimal("0.10"), b"\x00")


@pytest.mark.parametrize("row", [GOOD, (1, True, None, "Zürich", None, None), (None,) * 6])
def test_what_fits_is_accepted(row: tuple[Any, ...]) -> None:
    Table("ticks", COLUMNS).check(row)


@pytest.mark.parametrize(
    ("index", "value"),
    [
        (0, "1.5"), (0, float("nan")), (0, 2**63), (0, Decimal("1.5")), (1, 2**63), (1, -(2**63) - 1), (1, 1.0), (2, 1),
        (3, b"btc"), (3, "\ud800"), (4, 0.1), (4, "0.1"), (5, "raw"), (5, ["raw"]),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_by_its_column(index: int, value: object) -> None:
    row = [*GOOD]
    row[index] = value
    with pytest.raises(ConfigurationError) as caught:
        Table("ticks", COLUMNS).check(row)
    assert caught.value.argument == tuple(COLUMNS)[index]


@pytest.mark.parametrize("row", [GOOD[:5], (*GOOD, 1), ()])
def test_a_row_of_another_length_is_refused(row: tuple[Any, ...]) -> None:
    with pytest.raises(ConfigurationError, match="one for each of"):
        Table("ticks", COLUMNS).check(row)


def test_what_was_refused_once_is_refused_again() -> None:
    table = Table("ticks", {"at": float})
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="at='str'"):
            table.check(("now",))


@pytest.mark.parametrize("name", ["", "1st", "a b", 'x"; DROP TABLE y; --', "sqlite_x", "a" * 64])
def test_names_are_plain_words(name: str) -> None:
    with pytest.raises(ConfigurationError, match="name="):
        Table(name, {"at": float})
    with pytest.raises(ConfigurationError, match="columns="):
        Table("ticks", {name: float})


@pytest.mark.parametrize("columns", [{}, {"at": list}, {"at": "REAL"}])
def test_columns_are_of_kinds_that_can_be_stored(columns: Any) -> None:
    with pytest.raises(ConfigurationError, match="columns"):
        Table("ticks", columns)


@given(
    st.tuples(
        st.none() | st.floats(allow_nan=False),
        st.none() | st.integers(-(2**63), 2**63 - 1),
        st.none() | st.booleans(),
        st.none() | st.text(),
        st.none() | st.decimals(allow_nan=False),
        st.none() | st.binary(),
    )
)
def test_what_is_accepted_is_stored_and_comes_back_as_it_was(row: tuple[Any, ...]) -> None:
    """Invariant: a row that passes `check` can be stored, and nothing of it is changed."""
    table = Table("ticks", COLUMNS)
    table.check(row)
    connection = sqlite3.connect(":memory:")
    for statement in table.creation:
        connection.execute(statement)
    connection.executemany(table.insertion[0], table.encoded([row]))
    (back,) = connection.execute("SELECT * FROM ticks").fetchall()
    connection.close()
    at, count, is_open, name, price, raw = back
    price = None if price is None else Decimal(price)
    assert (at, count, None if is_open is None else bool(is_open), name, raw) == (*row[:4], row[5])
    assert price == row[4]
    assert str(price) == str(row[4])


def test_a_mark_is_json_without_the_venues_own_state() -> None:
    after_row, kind, text = mark_row(Resynced(at_ns=5, snapshot=object()), 7)
    assert (after_row, kind) == (7, "Resynced")
    assert msgspec.json.decode(text, type=Mark) == Resynced(at_ns=5)
    gap = Gap(reason="sequence", since_ns=1, missed=2)
    assert msgspec.json.decode(mark_row(gap, 0)[2], type=Mark) == gap

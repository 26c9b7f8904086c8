"""The invariant: what is read back is what was added, digit by digit, or it was refused."""

from decimal import Decimal

import pyarrow.parquet
import pytest

from tapewire.errors import ConfigurationError
from tapewire.recording import Table, parquet
from tapewire.recording.parquet import ParquetFile

PRICES = Table("prices", {"at_ns": int, "name": str, "price": Decimal, "raw": bytes})


def read(path):
    return pyarrow.parquet.read_table(path).to_pylist()


@pytest.mark.parametrize(
    "number",
    ["0", "-1.5", "0.000000000001", "12345678901234567890.123456789012", "0.50000000000000000000", "1E+3"],
)
def test_a_number_that_fits_is_read_back_as_it_is(tmp_path, number):
    made = ParquetFile(tmp_path, PRICES)
    made.add((1, "a", Decimal(number), b"\0\xff"))
    made.add((2, None, None, None))
    made.close()
    first, second = read(made.path)
    assert first == {"at_ns": 1, "name": "a", "price": Decimal(number), "raw": b"\0\xff"}
    assert second == {"at_ns": 2, "name": None, "price": None, "raw": None}
    (field,) = (field for field in pyarrow.parquet.read_schema(made.path) if field.name == "price")
    assert str(field.type) == "decimal128(38, 12)"


@pytest.mark.parametrize(
    "number", ["0.0000000000001", "1.1234567890123", "1E+26", "1E+400", "NaN", "Infinity"]
)
def test_one_that_does_not_fit_is_refused_by_the_name_of_its_column(tmp_path, number):
    made = ParquetFile(tmp_path, PRICES)
    with pytest.raises(ConfigurationError, match=r"^price=.*26 digits before and 12 behind the point"):
        made.add((1, "a", Decimal(number), b""))
    made.add((2, "b", Decimal(1), b""))
    made.close()
    assert [row["at_ns"] for row in read(made.path)] == [2]


def test_a_row_of_another_kind_is_refused_before_anything_is_kept(tmp_path):
    made = ParquetFile(tmp_path, PRICES)
    for row in [(1, "a", 0.5, b""), (1, "\ud800", Decimal(1), b""), (2**63, "a", Decimal(1), b"")]:
        with pytest.raises(ConfigurationError):
            made.add(row)
    made.close()
    assert read(made.path) == []


def test_rows_are_written_in_groups_and_none_is_lost_between_two(tmp_path):
    made = ParquetFile(tmp_path, PRICES)
    count = parquet.GROUP_ROWS + 5
    for number in range(count):
        made.add((number, "a", Decimal(number), b""))
    made.add((count, "a", Decimal(count), bytes(parquet.GROUP_BYTES)))
    made.add((count + 1, "a", Decimal(1), b""))
    made.close()
    groups = pyarrow.parquet.ParquetFile(made.path).metadata
    assert [groups.row_group(at).num_rows for at in range(groups.num_row_groups)] == [count - 5, 6, 1]
    assert [row["at_ns"] for row in read(made.path)] == list(range(count + 2))


def test_a_file_has_its_name_when_it_is_whole_and_no_file_is_written_over(tmp_path):
    made = ParquetFile(tmp_path, PRICES)
    assert [path.name for path in tmp_path.iterdir()] == ["prices.parquet.part"]
    with pytest.raises(FileExistsError):
        ParquetFile(tmp_path, PRICES)
    made.close()
    assert [path.name for path in tmp_path.iterdir()] == ["prices.parquet"]
    with pytest.raises(FileExistsError):
        ParquetFile(tmp_path, PRICES)
    other = ParquetFile(tmp_path, Table("others", {"n": int}))
    other.abandon()
    assert [path.name for path in tmp_path.iterdir()] == ["prices.parquet"]

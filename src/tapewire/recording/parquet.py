"""Tables as Parquet files: numbers as they are, or not at all. It knows no venue and no feed.

Rules:

* A `Decimal` is written as `DECIMAL(38,12)`. One that does not fit is refused with its column's name, never rounded.
* Memory is bounded by one group of rows of each table, however many there are.
* A file is named `....part` until it is closed.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from decimal import Context, Decimal, Inexact, InvalidOperation
from pathlib import Path
from typing import Any, Final

from ..errors import ConfigurationError, MissingExtra
from .table import Row, Table

__all__ = ["DECIMALS", "DIGITS", "ParquetFile", "parquet_module"]

DIGITS: Final = 38
DECIMALS: Final = 12
"""Of each exact number: how many digits it may have, and how many of them behind the point."""

GROUP_ROWS: Final = 10_000
GROUP_BYTES: Final = 16 * 1024 * 1024
"""What waits in memory at most before it is written: rows of one table, and bytes in them."""

_UNIT: Final = Decimal(1).scaleb(-DECIMALS)
_EXACT: Final = Context(prec=DIGITS, traps=[Inexact, InvalidOperation])
_FITS: Final = f"a number of at most {DIGITS - DECIMALS} digits before and {DECIMALS} behind the point"


class ParquetFile:
    """Rows of one table, on their way to `<folder>/<name>.parquet`. Give them to `add`, and `close` it.

    Raises MissingExtra; FileExistsError where the file is there already; OSError where the disk refuses.
    """

    def __init__(self, folder: Path, table: Table) -> None:
        pyarrow = parquet_module()
        self.table: Table = table
        self.path: Path = folder / f"{table.name}.parquet"
        self.part: Path = self.path.with_name(self.path.name + ".part")
        for taken in (self.path, self.part):
            if taken.exists():
                raise FileExistsError(17, "is there already", str(taken))
        self.rows = 0
        self._waiting: list[Row] = []  # bounded by `GROUP_ROWS` and `GROUP_BYTES`
        self._bytes = 0
        self._decimals = [at for at, kind in enumerate(table.columns.values()) if kind is Decimal]
        self._blobs = [at for at, kind in enumerate(table.columns.values()) if kind is bytes]
        kinds = _kinds(pyarrow)
        self._schema = pyarrow.schema([(name, kinds[kind]) for name, kind in table.columns.items()])
        self._writer = pyarrow.parquet.ParquetWriter(self.part, self._schema, compression="zstd")

    def add(self, row: Sequence[Any]) -> None:
        """One row, a value for each column. Raises ConfigurationError, naming the column, where one does not fit."""
        self.table.check(row)
        made = list(row)
        for at in self._decimals:
            if made[at] is not None:
                made[at] = _fitting(tuple(self.table.columns)[at], made[at])
        self._waiting.append(tuple(made))
        self._bytes += sum(len(row[at]) for at in self._blobs if row[at] is not None)
        self.rows += 1
        if len(self._waiting) >= GROUP_ROWS or self._bytes >= GROUP_BYTES:
            self._flush()

    def close(self) -> None:
        """Write what waits, and give the file its name."""
        if self._waiting:
            self._flush()
        self._writer.close()
        self.part.rename(self.path)

    def abandon(self) -> None:
        """Leave no file."""
        self._writer.close()
        self.part.unlink(missing_ok=True)

    def _flush(self) -> None:
        pyarrow = parquet_module()
        columns = [
            pyarrow.array(values, field.type)
            for field, values in zip(self._schema, zip(*self._waiting, strict=True), strict=True)
        ]
        self._writer.write_table(pyarrow.Table.from_arrays(columns, schema=self._schema))
        self._waiting, self._bytes = [], 0


def parquet_module() -> Any:
    """The library that writes the files. Raises MissingExtra where it is not there."""
    try:
        importlib.import_module("pyarrow.parquet")
        return importlib.import_module("pyarrow")
    except ModuleNotFoundError:
        raise MissingExtra("an export", "export", "pyarrow") from None


def _fitting(column: str, number: Decimal) -> Decimal:
    try:
        if number.is_finite():
            return number.quantize(_UNIT, context=_EXACT)
    except (Inexact, InvalidOperation):
        pass
    raise ConfigurationError(column, str(number), _FITS)


def _kinds(pyarrow: Any) -> Mapping[type, Any]:
    return {
        float: pyarrow.float64(),
        int: pyarrow.int64(),
        bool: pyarrow.bool_(),
        str: pyarrow.string(),
        bytes: pyarrow.binary(),
        Decimal: pyarrow.decimal128(DIGITS, DECIMALS),
    }

"""What a statement gives back, before it is put on the wire."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa


class StatementType(enum.IntEnum):
    """statementTypeId of the wire; clients tell queries from DML by it."""

    UNKNOWN = 0x0000
    SELECT = 0x1000
    DML = 0x3000
    INSERT = 0x3100
    UPDATE = 0x3200
    DELETE = 0x3300
    MERGE = 0x3400
    MULTI_INSERT = 0x3500
    COPY = 0x3600
    USE = 0x4300
    SHOW = 0x4400
    DESCRIBE = 0x4500
    TRANSACTION = 0x5000
    DDL = 0x6000
    SEVERAL = 0xA000


BATCH_ROWS = 50_000
"""Rows of one Arrow batch; a result is never in memory as a whole."""


@dataclass(frozen=True)
class Column:
    """A result column with its DuckDB type; `declared` overrides the Snowflake type it is shown as."""

    name: str
    kind: str
    declared: str | None = None


@dataclass
class Result:
    """Columns and rows; `counts` instead of rows for DML, `upload` for PUT and GET."""

    columns: list[Column]
    batches: Iterator[pa.RecordBatch] = field(default_factory=lambda: iter(()))
    type: StatementType = StatementType.SELECT
    counts: dict[str, int] | None = None
    upload: dict[str, Any] | None = None

    def rows(self) -> list[tuple[Any, ...]]:
        """Every row; for the server's own use of small results."""
        if self.counts is not None:
            return [tuple(self.counts.values())]
        return [row for batch in self.batches for row in zip(*(c.to_pylist() for c in batch.columns), strict=True)]

    def drain(self) -> None:
        """Read to the end, which frees the connection."""
        for _ in self.batches:
            pass


_ARROW = {
    "VARCHAR": pa.string(),
    "BIGINT": pa.int64(),
    "BOOLEAN": pa.bool_(),
    "DOUBLE": pa.float64(),
    "JSON": pa.string(),
    "TIMESTAMP WITH TIME ZONE": pa.timestamp("us", tz="UTC"),
    "TIMESTAMP": pa.timestamp("us"),
}


def _kind_of(value: object) -> str:
    if isinstance(value, bool):
        return "BOOLEAN"
    if isinstance(value, int):
        return "BIGINT"
    if isinstance(value, dt.datetime):
        return "TIMESTAMP WITH TIME ZONE" if value.tzinfo else "TIMESTAMP"
    return "VARCHAR"


def table(columns: Sequence[str | tuple[str, str]], rows: Iterable[Sequence[Any]]) -> Result:
    """A result of Python values. A column is a name (text, unless the first value says otherwise) or (name, type)."""
    held = [list(row) for row in rows]
    typed: list[Column] = []
    for index, column in enumerate(columns):
        if isinstance(column, tuple):
            typed.append(Column(*column))
        else:
            first = next((row[index] for row in held if row[index] is not None), None)
            typed.append(Column(column, _kind_of(first)))
    arrays = [pa.array([row[i] for row in held], type=_ARROW[column.kind]) for i, column in enumerate(typed)]
    batch = pa.RecordBatch.from_arrays(arrays, names=[str(i) for i in range(len(typed))])
    return Result(typed, iter([batch] if held else []), StatementType.SHOW)


def status(message: str, kind: StatementType = StatementType.DDL) -> Result:
    """The one cell of a statement without rows."""
    result = table(["status"], [(message,)])
    result.type = kind
    return result


def counted(kind: StatementType, counts: dict[str, int]) -> Result:
    """The row counts of DML, by Snowflake's column names."""
    return Result([Column(name, "BIGINT") for name in counts], type=kind, counts=counts)


DONE = "Statement executed successfully."

INSERTED, UPDATED, DELETED = "number of rows inserted", "number of rows updated", "number of rows deleted"
MULTI_JOINED = "number of multi-joined rows updated"
"""Snowflake's columns with the counts of DML."""

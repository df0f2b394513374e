"""Writing CSV by the contract: RFC 4180, UTF-8, LF, quoted where needed, with counts and SHA-256 as it is written."""

from __future__ import annotations

import csv
import hashlib
import io
import os
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv

from dropship_dagster.shop.contract import TIMESTAMP, Table
from dropship_dagster.shop.fault_injection import FaultInjector
from dropship_dagster.shop.text import times

_ROWS_A_BLOCK = 32_768


@dataclass(frozen=True)
class FileFacts:
    """A file as it was written."""

    rows: int
    bytes: int
    sha256: str


class _HashingFile:
    """The binary file that Arrow's writer fills: counts and hashes what passes."""

    closed = False

    def __init__(self, path: Path) -> None:
        self._file = path.open("xb")
        self._digest = hashlib.sha256()
        self.bytes = 0

    def write(self, data: bytes) -> int:
        self._digest.update(data)
        self.bytes += len(data)
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        if not self.closed:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self.closed = True

    def hexdigest(self) -> str:
        return self._digest.hexdigest()


class CsvWriter:
    """Writes one file of the contract, block by block. The file must not exist; `close` makes it durable.

    With a fault injector, its faults go into the lines as they are written.
    """

    def __init__(self, path: Path, table: Table, faults: FaultInjector | None = None) -> None:
        self._table = table
        self._sink = _HashingFile(path)
        self._rows = 0
        self._faults = faults
        self._sink.write((",".join(table.names) + "\n").encode())
        fields = [
            pa.field(name, _written_type(column.kind.value))
            for name, column in zip(table.names, table.columns, strict=True)
        ]
        self._schema = pa.schema(fields)
        # Arrow's "needed" quotes every text; "none" refuses a block with a cell that needs quotes.
        options = pacsv.WriteOptions(include_header=False, quoting_style="none", batch_size=_ROWS_A_BLOCK)
        self._options = options
        self._writer = pacsv.CSVWriter(self._sink, self._schema, write_options=options)

    def write(self, rows: pa.Table) -> None:
        """Append rows; labels may be dictionary-encoded, times are epoch milliseconds with a zone."""
        columns = [_written(column) for column in rows.columns]
        text = pa.table(columns, names=self._table.names).cast(self._schema)
        for start in range(0, text.num_rows, _ROWS_A_BLOCK):
            block = text.slice(start, _ROWS_A_BLOCK).combine_chunks()
            if self._faults is None:
                self._write_clean(block)
            else:
                self._write_lines(self._faults.corrupt(self._text(block)))

    def close(self) -> FileFacts:
        """Flush, fsync and close; the facts go into the manifest."""
        if self._faults is not None:
            self._write_lines(self._faults.rest())
        self._writer.close()
        self._sink.close()
        return FileFacts(self._rows, self._sink.bytes, self._sink.hexdigest())

    def _write_clean(self, block: pa.Table) -> None:
        try:
            self._writer.write_table(block)
        except pa.ArrowInvalid:
            self._sink.write(_quoted(block))
        self._rows += block.num_rows

    def _write_lines(self, lines: tuple[bytes, int]) -> None:
        self._sink.write(lines[0])
        self._rows += lines[1]

    def _text(self, block: pa.Table) -> bytes:
        memory = io.BytesIO()
        try:
            pacsv.write_csv(block, memory, write_options=self._options)
        except pa.ArrowInvalid:
            return _quoted(block)
        return memory.getvalue()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _written_type(kind: pa.DataType) -> pa.DataType:
    return pa.string() if kind == TIMESTAMP else kind


def _written(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Times as text, ours: Arrow's own has no `T` and takes ten times as long."""
    if column.type != TIMESTAMP:
        return column
    if column.null_count:
        raise ValueError("times of the contract are never NULL")
    chunks = [times(np.asarray(chunk.cast(pa.timestamp("ms")).cast(pa.int64()))) for chunk in column.chunks]
    return pa.chunked_array(chunks, pa.string())


def _quoted(block: pa.Table) -> bytes:
    """A block with cells that need quotes, the slow way."""
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_MINIMAL, lineterminator="\n")
    writer.writerows(zip(*[column.cast(pa.string()).to_pylist() for column in block.columns], strict=True))
    return text.getvalue().encode()

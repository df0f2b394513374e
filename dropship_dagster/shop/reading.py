"""Reading the CSV files by their contract: good rows as Arrow tables, bad ones to the rejects with line and reason.

Two steps. The structure (rows, cells, UTF-8, quotes) is parsed by Arrow, a block at a time; a block that is not plain
is parsed line by line, slowly, to name what is wrong with it. Then whole columns are checked and converted.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
from numpy.typing import NDArray

from dropship_dagster.shop.contract import Column, Kind, Table
from dropship_dagster.shop.draws import Ints
from dropship_dagster.shop.errors import ShopError
from dropship_dagster.shop.rejects import Reject, Rejects, refuse_link

BLOCK_BYTES = 4 << 20
_BOM = b"\xef\xbb\xbf"
_LONGEST_QUOTED_ROW = 1 << 16
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True)
class Batch:
    """Good rows, by the contract's schema, and the line of the file each one begins on."""

    rows: pa.Table
    lines: Ints


@dataclass(frozen=True)
class _Cells:
    """Rows as text, before they are checked."""

    cells: pa.Table
    lines: Ints


def read_batches(
    folder: Path,
    table: Table,
    rejects: Rejects | None = None,
    *,
    block_bytes: int = BLOCK_BYTES,
    known_good: bool = False,
) -> Iterator[Batch]:
    """Read a file of the contract from a folder, in blocks of bounded memory.

    `known_good` is for a file whose bytes are known to be the generator's own: nothing is checked, and the rows hold
    the cells as text, empty ones as NULL.

    Raises:
        ShopError: the file is missing, unreadable, a link, or has other columns.
        TooManyRejectsError: more rows are bad than `rejects` allows.
    """
    rejects = rejects if rejects is not None else Rejects(share_limit=0.0)
    with _opened(folder, table) as file:
        line = 2
        for block in _blocks(file.read, block_bytes, _last_line_end if known_good else _last_row_end):
            rejected_before = rejects.of(table.file)
            if known_good:
                parsed = _parse_plain(table, block, line)
                batch = Batch(parsed.cells, parsed.lines)
                line += len(parsed.lines)
            else:
                batch = _typed(table, _parse(table, block, line, rejects), rejects)
                line += block.count(b"\n")
            rejects.seen(table.file, batch.rows.num_rows + rejects.of(table.file) - rejected_before)
            if batch.rows.num_rows:
                yield batch
    rejects.seen(table.file, 0, ended=True)


def read(folder: Path, table: Table, rejects: Rejects | None = None) -> pa.Table:
    """Read a whole file of the contract into memory. Without `rejects`, a single bad row stops; see `read_batches`."""
    batches = [batch.rows for batch in read_batches(folder, table, rejects)]
    return pa.concat_tables([table.schema.empty_table(), *batches])


def check_columns(folder: Path, table: Table) -> None:
    """See that a file is there and has the contract's columns, without reading its rows.

    Raises:
        ShopError: the file is missing, unreadable, a link, or has other columns.
    """
    with _opened(folder, table):
        pass


@contextmanager
def _opened(folder: Path, table: Table) -> Iterator[IO[bytes]]:
    """The file after its header; an error while it is used is the file's."""
    path = refuse_link(folder, table.file)
    try:
        with path.open("rb") as file:
            _check_header(path, table, file.readline())
            yield file
    except OSError as error:
        raise ShopError(
            f"{path} cannot be read ({error.strerror}): generate the folder, or name one that holds {table.file}."
        ) from error


def _check_header(path: Path, table: Table, header: bytes) -> None:
    try:
        names = next(csv.reader([header.removeprefix(_BOM).decode().rstrip("\r\n")]), [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise ShopError(
            f"{path}: the first line is no header ({error}); it must be {','.join(table.names)}."
        ) from error
    if names == table.names:
        return
    missing = [name for name in table.names if name not in names]
    unknown = [name for name in names if name not in table.names]
    parts = []
    if missing:
        parts.append(f"lacks {', '.join(missing)}")
    if unknown:
        parts.append(f"has the unknown {', '.join(repr(name) for name in unknown)}")
    what = " and ".join(parts) or "has the columns in another order"
    raise ShopError(f"{path}: the header {what}; it must be {','.join(table.names)}.")


def _blocks(read: Callable[[int], bytes], size: int, row_end: Callable[[bytes], int]) -> Iterator[bytes]:
    """Whole rows, about `size` bytes at a time, each block ending with a line feed."""
    rest = b""
    while True:
        data = read(size)
        if not data:
            break
        rest += data
        cut = row_end(rest)
        if cut:
            yield rest[:cut]
            rest = rest[cut:]
    if rest:
        yield rest if rest.endswith(b"\n") else rest + b"\n"


def _last_line_end(data: bytes) -> int:
    """Where the last whole row ends, 0 for none, when every line is a row."""
    return data.rfind(b"\n") + 1


def _last_row_end(data: bytes) -> int:
    """Where the last whole row ends, 0 for none. A quote that is never closed must not hold up the rest of the file."""
    cut = _last_line_end(data)
    if not data.count(b'"', 0, cut) % 2:
        return cut
    even, open_quote, start = 0, False, 0
    while start < cut:
        end = data.index(b"\n", start) + 1
        open_quote ^= bool(data.count(b'"', start, end) % 2)
        if not open_quote:
            even = end
        start = end
    return even if cut - even <= _LONGEST_QUOTED_ROW else cut


def _parse(table: Table, block: bytes, first_line: int, rejects: Rejects) -> _Cells:
    """The block's rows as text. Fast for plain blocks, line by line for the others."""
    lines = block.count(b"\n")
    controls = int(np.count_nonzero(np.frombuffer(block, dtype=np.uint8) < 32))
    returns = block.count(b"\r\n") if b"\r" in block else 0
    if controls == lines + returns and b"\x7f" not in block:
        try:
            parsed = _parse_plain(table, block, first_line)
        except pa.ArrowInvalid:
            pass  # something is wrong in here: the slow parser says what, and where
        else:
            if parsed.cells.num_rows == lines:
                return parsed
    return _parse_slowly(table, block, first_line, rejects)


def _parse_plain(table: Table, block: bytes, first_line: int) -> _Cells:
    """A block of which every line is a row. Raises pa.ArrowInvalid where cells are missing or too many."""
    cells = pacsv.read_csv(
        pa.BufferReader(block),
        read_options=pacsv.ReadOptions(column_names=table.names, use_threads=False, block_size=len(block) + 1),
        convert_options=pacsv.ConvertOptions(
            column_types={name: pa.string() for name in table.names}, null_values=[""], strings_can_be_null=True
        ),
    )
    return _Cells(cells, np.arange(first_line, first_line + cells.num_rows, dtype=np.int64))


def _parse_slowly(table: Table, block: bytes, first_line: int, rejects: Rejects) -> _Cells:
    rows: list[list[str | None]] = []
    numbers: list[int] = []
    lines = block.split(b"\n")[:-1]
    position = 0
    while position < len(lines):
        taken = _lines_of_row(lines, position)
        raw = b"\n".join(lines[position : position + taken]).removesuffix(b"\r")
        row = _cells_of(table, raw)
        if taken > 1 and isinstance(row, tuple) and not row[0]:
            # The quote was stray: only its own line is bad, the ones up to the next quote are rows of their own.
            taken, raw = 1, lines[position].removesuffix(b"\r")
            row = ("", "has a quote that is not closed")
        if raw:
            if isinstance(row, list):
                rows.append(row)
                numbers.append(first_line + position)
            else:
                column, reason = row
                text = raw.decode("utf-8", "backslashreplace")
                rejects.add(Reject(table.file, first_line + position, column, reason, text))
        position += taken
    columns = [pa.array([row[i] for row in rows], pa.string()) for i in range(len(table.names))]
    return _Cells(pa.table(columns, names=table.names), np.array(numbers, dtype=np.int64))


def _lines_of_row(lines: list[bytes], start: int) -> int:
    """How many lines the row takes: more than one only when a quote opened on it is closed on a later one."""
    quotes, length = 0, 0
    for position in range(start, len(lines)):
        quotes += lines[position].count(b'"')
        length += len(lines[position])
        if quotes % 2 == 0:
            return position - start + 1
        if length > _LONGEST_QUOTED_ROW:
            break
    return 1


def _cells_of(table: Table, raw: bytes) -> list[str | None] | tuple[str, str]:
    """The cells of a row, or the column and the reason why it has none."""
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        return "", f"is not UTF-8: byte {error.start + 1} of the row"
    if text.count('"') % 2:
        return "", "has a quote that is not closed"
    try:
        cells = next(csv.reader([text], strict=True))
    except csv.Error as error:
        return "", f"is not CSV: {error}"
    if len(cells) != len(table.names):
        return "", f"has {len(cells)} cells, {len(table.names)} are needed"
    for name, cell in zip(table.names, cells, strict=True):
        found = _CONTROL.search(cell)
        if found:
            return name, f"holds the control character U+{ord(found[0]):04X}"
    return [cell or None for cell in cells]


def _typed(table: Table, parsed: _Cells, rejects: Rejects) -> Batch:
    """Check every column, drop and note the bad rows, convert the others."""
    cells, lines = parsed.cells.combine_chunks(), parsed.lines
    bad = np.zeros(len(lines), dtype=bool)
    typed: list[pa.Array] = []
    for column in table.columns:
        values = _flat(cells[column.name])
        converted, wrong = _convert(column, values)
        typed.append(converted)
        if wrong is None:
            continue
        for position in np.flatnonzero(wrong & ~bad).tolist():
            row = ",".join(cell or "" for cell in (cells[name][position].as_py() for name in table.names))
            reason = _reason(column, values[position].as_py())
            rejects.add(Reject(table.file, int(lines[position]), column.name, reason, row))
        bad |= wrong
    rows = pa.table(typed, schema=pa.schema([pa.field(c.name, c.kind.value) for c in table.columns]))
    if bad.any():
        rows, lines = rows.filter(pa.array(~bad)), lines[~bad]
    return Batch(rows.cast(table.schema), lines)


def _flat(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks or [pa.array([], pa.string())])


def _convert(column: Column, values: pa.Array) -> tuple[pa.Array, NDArray[np.bool_] | None]:
    """The column in its type, NULL where a cell is wrong, and which cells are wrong (None: none is)."""
    valid = _well_formed(column, values)
    if valid is not None:
        values = pc.if_else(valid, values, pa.scalar(None, pa.string()))
    converted = _cast(column.kind, values)
    lost = values.null_count != converted.null_count
    too_small = _any(pc.less(converted, _bound(column, column.minimum))) if column.minimum is not None else None
    too_large = _any(pc.greater(converted, _bound(column, column.maximum))) if column.maximum is not None else None
    missing = not column.nullable and converted.null_count > 0
    if valid is None and not lost and too_small is None and too_large is None and not missing:
        return converted, None
    wrong = np.zeros(len(values), dtype=bool)
    if valid is not None:
        wrong |= ~np.asarray(valid)
    wrong |= np.asarray(pc.and_(pc.is_valid(values), pc.is_null(converted)))
    if not column.nullable:
        wrong |= np.asarray(pc.is_null(converted))
    for outside in (too_small, too_large):
        if outside is not None:
            wrong |= outside
    return converted, wrong


def _well_formed(column: Column, values: pa.Array) -> pa.Array | None:
    """Which cells look as the column asks (an empty one does); None when all do."""
    if column.choices:
        valid = pc.is_in(values, value_set=pa.array([*column.choices, None], pa.string()))
    else:
        pattern = column.pattern or column.kind.pattern
        if pattern is None:
            return None
        valid = pc.fill_null(pc.match_substring_regex(values, f"^(?:{pattern})$"), fill_value=True)
    return None if pc.all(valid, min_count=0).as_py() else valid


def _cast(kind: Kind, values: pa.Array) -> pa.Array:
    """Well-formed text in the kind's type; NULL for what has the form but not the sense, such as 30 February."""
    if kind is Kind.TEXT:
        return values
    try:
        return values.cast(kind.value)
    except pa.ArrowInvalid:
        return pa.array([_one(kind, text) for text in values.to_pylist()], kind.value)


def _one(kind: Kind, text: str | None) -> datetime | int | Decimal | None:
    if text is None:
        return None
    try:
        if kind is Kind.TIME:
            return datetime.fromisoformat(text)
        return int(text) if kind is Kind.INTEGER else Decimal(text)
    except (ValueError, ArithmeticError):
        return None


def _bound(column: Column, value: int) -> pa.Scalar:
    return pa.scalar(value if column.kind is Kind.INTEGER else Decimal(value), column.kind.value)


def _any(mask: pa.Array) -> NDArray[np.bool_] | None:
    """The mask with NULL as False, or None when it holds no True."""
    if not pc.any(mask, min_count=0).as_py():
        return None
    return np.asarray(pc.fill_null(mask, fill_value=False))


def _reason(column: Column, cell: str | None) -> str:
    """Why the cell is wrong, in words."""
    if cell is None:
        return "is empty"
    shown = repr(cell if len(cell) <= 60 else cell[:57] + "...")
    if column.choices:
        return f"{shown} is none of {', '.join(column.choices)}"
    if column.kind.pattern and (not re.fullmatch(column.kind.pattern, cell) or _one(column.kind, cell) is None):
        return f"{shown} is not {column.kind.wording}"
    if column.pattern and not re.fullmatch(column.pattern, cell):
        return f"{shown} does not have the form {column.pattern}"
    low = "" if column.minimum is None else f"at least {column.minimum}"
    high = "" if column.maximum is None else f"at most {column.maximum}"
    return f"{shown} must be {' and '.join(part for part in (low, high) if part)}"

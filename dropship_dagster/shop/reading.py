"""Reading the CSV files by their contract: good rows as Arrow tables, bad ones to the rejects with line and reason.

Two steps. The structure (rows, cells, UTF-8, quotes) is parsed by Arrow, a block at a time; a block that is not plain
is parsed line by line, slowly, to name what is wrong with it. Then whole columns are checked and converted.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
from numpy.typing import NDArray

from dropship_dagster.shop.contract import LONGEST_IDENTIFIER, ORDER_EVENTS, Column, Kind, Table
from dropship_dagster.shop.errors import ShopError
from dropship_dagster.shop.event_rows import Broken, broken_events
from dropship_dagster.shop.rejects import Reject, Rejects, refuse_link
from dropship_dagster.shop.rng import Ints
from dropship_dagster.shop.rules import Breach, words_for

BLOCK_BYTES = 4 << 20
_BOM = b"\xef\xbb\xbf"
_LONGEST_QUOTED_ROW = 1 << 16
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_QUOTED = re.compile(r'"([^"]*+(?:""[^"]*+)*+)"')
_UNQUOTED = re.compile(r'[^",]*')


@dataclass(frozen=True)
class Batch:
    """Good rows, by the contract's schema, and the line of the file each one begins on."""

    rows: pa.Table
    lines: Ints


@dataclass(frozen=True)
class _Cells:
    """Rows as text, before they are checked.

    `controls`: by (position of the row, column), what control character its cell holds.
    """

    cells: pa.Table
    lines: Ints
    controls: dict[tuple[int, str], str] = field(default_factory=dict)


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
    if controls == lines + returns and b"\x7f" not in block and _quotes_are_strict(block):
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


def _quotes_are_strict(block: bytes) -> bool:
    """Whether quotes stand only around whole cells, or doubled inside such cells (RFC 4180, section 2, 5 to 7).

    Arrow takes others too, and loses them. Quotes that are not closed on their line are left to the caller, who counts
    the rows.
    """
    if b'"' not in block:
        return True
    data = np.frombuffer(block, dtype=np.uint8)
    quotes = np.flatnonzero(data == ord('"'))
    if len(quotes) % 2:
        return False
    opening, closing = quotes[::2], quotes[1::2]
    # In front of an opening quote: the start, a comma, the end of a line, or the quote that it doubles; the like behind
    # a closing one. A block ends with a line feed, which is also what the index -1 finds.
    return _all_among(data.take(opening - 1), b',"\n') and _all_among(data.take(closing + 1), b',"\n\r')


def _all_among(data: NDArray[np.uint8], some: bytes) -> bool:
    found = data == some[0]
    for byte in some[1:]:
        found |= data == byte
    return bool(found.all())


def _parse_slowly(table: Table, block: bytes, first_line: int, rejects: Rejects) -> _Cells:
    rows: list[list[str | None]] = []
    numbers: list[int] = []
    controls: dict[tuple[int, str], str] = {}
    lines = block.split(b"\n")[:-1]
    position = 0
    while position < len(lines):
        taken = _lines_of_row(lines, position)
        raw = b"\n".join(lines[position : position + taken]).removesuffix(b"\r")
        row = _cells_of(table, raw)
        if taken > 1 and isinstance(row, str):
            # The quote was stray: only its own line is bad, the ones up to the next quote are rows of their own.
            taken, raw = 1, lines[position].removesuffix(b"\r")
            row = _cells_of(table, raw)
        if raw:
            if isinstance(row, str):
                text = raw.decode("utf-8", "backslashreplace")
                rejects.add(Reject(table.file, first_line + position, "", row, text))
            else:
                for name, cell in zip(table.names, row, strict=True):
                    if cell and (found := _CONTROL.search(cell)):
                        controls[len(rows), name] = f"holds the control character U+{ord(found[0]):04X}"
                rows.append(row)
                numbers.append(first_line + position)
        position += taken
    columns = [pa.array([row[i] for row in rows], pa.string()) for i in range(len(table.names))]
    return _Cells(pa.table(columns, names=table.names), np.array(numbers, dtype=np.int64), controls)


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


def _cells_of(table: Table, raw: bytes) -> list[str | None] | str:
    """The cells of a row, or the reason why it has none."""
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        return f"is not UTF-8: byte {error.start + 1} of the row"
    cells: list[str | None] = []
    position = 0
    while True:
        quoted = text.startswith('"', position)
        found = (_QUOTED if quoted else _UNQUOTED).match(text, position)
        if found is None:
            return "has a quote that is not closed"
        end = found.end()
        if end < len(text) and text[end] != ",":
            return "has text behind a closing quote" if quoted else "has a quote inside a cell that is not quoted"
        cells.append((found[1].replace('""', '"') if quoted else found[0]) or None)
        if end == len(text):
            break
        position = end + 1
    if len(cells) != len(table.names):
        return f"has {len(cells)} cells, {len(table.names)} are needed"
    return cells


def _typed(table: Table, parsed: _Cells, rejects: Rejects) -> Batch:
    """Check every column, drop and note the bad rows with all that is wrong with them, convert the others."""
    cells, lines = parsed.cells.combine_chunks(), parsed.lines
    typed: list[pa.Array] = []
    wrongs: dict[str, NDArray[np.bool_]] = {}
    for column in table.columns:
        converted, wrong = _convert(column, _flat(cells[column.name]))
        typed.append(converted)
        if wrong is not None:
            wrongs[column.name] = wrong
    rows = pa.table(typed, schema=pa.schema([pa.field(c.name, c.kind.value) for c in table.columns]))
    broken = broken_events(rows) if table is ORDER_EVENTS else []
    if wrongs or broken or parsed.controls:
        bad = _note(table, parsed, wrongs, broken, rejects)
        rows, lines = rows.filter(pa.array(~bad)), lines[~bad]
    return Batch(rows.cast(table.schema), lines)


def _note(
    table: Table, parsed: _Cells, wrongs: dict[str, NDArray[np.bool_]], broken: list[Broken], rejects: Rejects
) -> NDArray[np.bool_]:
    """Reject each row of which something is wrong, once, and say which ones they are."""
    bad = np.zeros(len(parsed.lines), dtype=bool)
    for mask in (*wrongs.values(), *(each.rows for each in broken)):
        bad |= mask
    bad[[position for position, _ in parsed.controls]] = True
    for position in np.flatnonzero(bad).tolist():
        row = {name: parsed.cells[name][position].as_py() for name in table.names}
        faults: dict[str, str] = {}
        for name, cell in row.items():
            control = parsed.controls.get((position, name))
            if control:
                faults[name] = control
            elif name in wrongs and wrongs[name][position]:
                faults[name] = _reason(table, table.column(name), cell)
        for each in broken:
            if each.rows[position]:
                faults.setdefault(each.column, each.words)
        line = int(parsed.lines[position])
        rejects.add(Reject.of_cells(table.file, line, faults, ",".join(cell or "" for cell in row.values())))
    return bad


def _flat(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks or [pa.array([], pa.string())])


def _convert(column: Column, values: pa.Array) -> tuple[pa.Array, NDArray[np.bool_] | None]:
    """The column in its type, NULL where a cell is wrong, and which cells are wrong (None: none is)."""
    valid = _well_formed(column, values)
    if valid is not None:
        values = pc.if_else(valid, values, pa.scalar(None, pa.string()))
    converted = _cast(column.kind, values)
    lost = values.null_count != converted.null_count
    too_small = _too_small(column, converted)
    too_large = _too_large(column, converted)
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


def _too_small(column: Column, converted: pa.Array) -> NDArray[np.bool_] | None:
    if column.minimum is None:
        return None
    below = pc.less_equal if column.positive else pc.less
    return _any(below(converted, _bound(column, column.minimum)))


def _too_large(column: Column, converted: pa.Array) -> NDArray[np.bool_] | None:
    if column.maximum is None:
        return None
    if column.kind is Kind.TIME:
        return _any(pc.greater_equal(converted, _bound(column, column.maximum + 1)))
    return _any(pc.greater(converted, _bound(column, column.maximum)))


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
    """The number in the column's type; of a time the begin of the year."""
    if column.kind is Kind.TIME:
        return pa.scalar(datetime(value, 1, 1, tzinfo=UTC), column.kind.value)
    return pa.scalar(value if column.kind is Kind.INTEGER else Decimal(value), column.kind.value)


def _any(mask: pa.Array) -> NDArray[np.bool_] | None:
    """The mask with NULL as False, or None when it holds no True."""
    if not pc.any(mask, min_count=0).as_py():
        return None
    return np.asarray(pc.fill_null(mask, fill_value=False))


def _reason(table: Table, column: Column, cell: str | None) -> str:
    """Why the cell is wrong: in the warehouse's words where it has such a rule, and what the contract wants."""
    breach, wanted = _breach(column, cell)
    words = words_for(table.name, column.name, breach)
    return f"{words} ({wanted})" if words else wanted


def _breach(column: Column, cell: str | None) -> tuple[Breach, str]:
    if cell is None:
        return Breach.MISSING, "is empty"
    shown = repr(cell if len(cell) <= 60 else cell[:57] + "...")
    if column.choices:
        return Breach.FORM, f"{shown} is none of {', '.join(column.choices)}"
    if column.kind.pattern and (not re.fullmatch(column.kind.pattern, cell) or _one(column.kind, cell) is None):
        return Breach.TYPE, f"{shown} is not {column.kind.wording}"
    if column.name.endswith("_id") and len(cell) > LONGEST_IDENTIFIER:
        return Breach.LENGTH, f"{shown} is longer than {LONGEST_IDENTIFIER} characters"
    if column.pattern and not re.fullmatch(column.pattern, cell):
        return Breach.FORM, f"{shown} does not have the form {column.pattern}"
    value = _one(column.kind, cell)
    if isinstance(value, datetime):
        value, shown = value.year, f"the year of {shown}"
    if column.maximum is not None and isinstance(value, int | Decimal) and value > column.maximum:
        return Breach.HIGH, f"{shown} must be at most {column.maximum}"
    return Breach.LOW, f"{shown} must be {'more than' if column.positive else 'at least'} {column.minimum}"

"""Fault injection: corrupted rows in generated files, and the truth about each of them.

Faults are injected into the text of finished lines. `truth.csv` lists them, so that what the checks found can be
compared with what there was to find.
"""

from __future__ import annotations

import csv
import heapq
import io
from collections.abc import Callable, Iterable
from dataclasses import astuple, dataclass
from enum import Enum
from pathlib import Path

import numpy as np

from dropship_dagster.shop.contract import (
    CUSTOMERS,
    ORDER_EVENTS,
    ORDER_LINES,
    ORDERS,
    PRODUCTS,
    Column,
    Kind,
    Table,
)
from dropship_dagster.shop.errors import ShopError
from dropship_dagster.shop.rejects import Reject
from dropship_dagster.shop.rng import Ints, Rng

TRUTH_FILE = "truth.csv"
LONGEST_DELAY = 5_000
"""Rows by which an event arrives late, at most."""


class Layer(Enum):
    """Who must notice a fault: reading the CSV, the checks in the warehouse, or nobody, since it must do no harm."""

    CSV = "csv"
    WAREHOUSE = "warehouse"
    HARMLESS = "harmless"


@dataclass(frozen=True)
class Fault:
    """One fault. `line` is the line of the file, `entity` the first cell of the row, `version` that of an event."""

    kind: str
    file: str
    line: int
    column: str
    entity: str
    version: str
    layer: str


Cells = list[str]
Corruption = Callable[[Table, Cells, int], tuple[bytes, str]]
"""Takes the table, a row's cells and a random number; returns the corrupted line and the column that was hit."""


def _line(cells: Cells) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue().encode()


def _pick(columns: list[Column], draw: int) -> Column:
    return columns[draw % len(columns)]


def _changed(table: Table, cells: Cells, column: Column, value: str) -> tuple[bytes, str]:
    index = table.names.index(column.name)
    return _line([*cells[:index], value, *cells[index + 1 :]]), column.name


def _missing_value(table: Table, cells: Cells, draw: int) -> tuple[bytes, str]:
    return _changed(table, cells, _pick([c for c in table.columns if not c.nullable], draw), "")


def _wrong_value(table: Table, cells: Cells, draw: int) -> tuple[bytes, str]:
    column = _pick([c for c in table.columns if c.kind is not Kind.TEXT and not c.nullable], draw)
    wrong = {Kind.TIME: "2025-02-30T12:00:00.000Z", Kind.INTEGER: "many", Kind.RATE: "1,08", Kind.SHARE: "often"}
    return _changed(table, cells, column, wrong.get(column.kind, "-12.90"))


def _malformed_row(table: Table, cells: Cells, draw: int) -> tuple[bytes, str]:
    good = _line(cells).rstrip(b"\n")
    forms = (good + b",surplus\n", b",".join(good.split(b",")[:-2]) + b"\n", good[:-1] + b'"\n', good + b"\xff\xfe\n")
    return forms[draw % len(forms)], ""


def _unknown_reference(table: Table, cells: Cells, draw: int) -> tuple[bytes, str]:
    name, prefix = {ORDERS.name: ("customer_id", "C"), ORDER_LINES.name: ("product_id", "P")}[table.name]
    return _changed(table, cells, table.column(name), f"{prefix}{999_000_000 + draw % 1_000_000}")


def _wrong_total(table: Table, cells: Cells, draw: int) -> tuple[bytes, str]:
    column = table.column("total")
    cents = round(float(cells[table.names.index("total")]) * 100) + 100 + draw % 5_000
    return _changed(table, cells, column, f"{cents // 100}.{cents % 100:02d}")


@dataclass(frozen=True)
class _Kind:
    name: str
    layer: Layer
    corrupt: Corruption | None = None


_MISSING = _Kind("missing_value", Layer.CSV, _missing_value)
_WRONG = _Kind("wrong_value", Layer.CSV, _wrong_value)
_MALFORMED = _Kind("malformed_row", Layer.CSV, _malformed_row)
_REFERENCE = _Kind("unknown_reference", Layer.WAREHOUSE, _unknown_reference)
_TOTAL = _Kind("wrong_total", Layer.WAREHOUSE, _wrong_total)
_DUPLICATE = _Kind("duplicate", Layer.HARMLESS)
_LATE = _Kind("late_event", Layer.HARMLESS)

_KINDS = {
    CUSTOMERS.name: (_MISSING, _WRONG, _MALFORMED, _DUPLICATE),
    PRODUCTS.name: (_MISSING, _WRONG, _MALFORMED, _DUPLICATE),
    ORDERS.name: (_MISSING, _WRONG, _MALFORMED, _REFERENCE, _TOTAL),
    ORDER_LINES.name: (_MISSING, _WRONG, _MALFORMED, _REFERENCE),
    ORDER_EVENTS.name: (_MISSING, _WRONG, _MALFORMED, _DUPLICATE, _LATE),
}


class FaultInjector:
    """Corrupts lines of one file, block after block, and records each fault."""

    def __init__(self, table: Table, rng: Rng, share: float) -> None:
        self.faults: list[Fault] = []
        self._table = table
        self._rng = rng
        self._share = share
        self._kinds = _KINDS.get(table.name, ())
        self._seen = 0
        self._written = 0
        # Lines that come later than their place: the row after which they come, a count to keep equals apart, ...
        self._delayed: list[tuple[int, int, bytes, _Kind]] = []

    def corrupt(self, block: bytes) -> tuple[bytes, int]:
        """The block with its faults, and how many lines it now has."""
        lines = block.splitlines(keepends=True)
        rows: Ints = np.arange(self._seen, self._seen + len(lines), dtype=np.int64)
        # the names of these random streams decide which bytes a seed gives
        hit = self._rng.chance(f"dirt.{self._table.name}", rows, self._share if self._kinds else 0.0)
        numbers = self._rng.below(f"dirt.{self._table.name}.how", rows, 1 << 30)
        before = self._written
        out: list[bytes] = []
        for position, line in enumerate(lines):
            if hit[position]:
                self._inject(out, line, int(numbers[position]))
            else:
                self._put(out, line)
            self._seen += 1
            while self._delayed and self._delayed[0][0] <= self._seen:
                self._release(out)
        return b"".join(out), self._written - before

    def rest(self) -> tuple[bytes, int]:
        """The lines that were still to come."""
        out: list[bytes] = []
        while self._delayed:
            self._release(out)
        return b"".join(out), len(out)

    def _inject(self, out: list[bytes], line: bytes, number: int) -> None:
        kind = self._kinds[number % len(self._kinds)]
        draw = number // len(self._kinds)
        if kind.corrupt is None:
            delay = 1 + draw % LONGEST_DELAY
            heapq.heappush(self._delayed, (self._seen + delay, self._seen, line, kind))
            if kind is _DUPLICATE:
                self._put(out, line)
            return
        cells = _cells(line)
        corrupted, column = kind.corrupt(self._table, cells, draw)
        self._put(out, corrupted)
        self._note(kind, cells, column)

    def _release(self, out: list[bytes]) -> None:
        _, _, line, kind = heapq.heappop(self._delayed)
        self._put(out, line)
        self._note(kind, _cells(line), "")

    def _put(self, out: list[bytes], line: bytes) -> None:
        out.append(line)
        self._written += 1

    def _note(self, kind: _Kind, cells: Cells, column: str) -> None:
        version = cells[self._table.names.index("version")] if "version" in self._table.names else ""
        line = self._written + 1  # the header is line 1
        self.faults.append(Fault(kind.name, self._table.file, line, column, cells[0], version, kind.layer.value))


def _cells(line: bytes) -> Cells:
    return next(csv.reader([line.decode()]))


def truth_text(faults: Iterable[Fault]) -> str:
    """The content of truth.csv."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(Fault.__dataclass_fields__)
    writer.writerows(astuple(fault) for fault in faults)
    return text.getvalue()


def read_truth(folder: Path) -> list[Fault]:
    """The faults of a folder; none for a clean one.

    Raises:
        ShopError: the file is there and is no truth.
    """
    path = folder / TRUTH_FILE
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    if not rows or rows[0] != list(Fault.__dataclass_fields__):
        raise ShopError(f"{path} is no list of faults: generate the folder anew.")
    return [Fault(row[0], row[1], int(row[2]), *row[3:]) for row in rows[1:]]


@dataclass(frozen=True)
class Score:
    """How well rejects tell the faults. `recall` by kind; `consequences` are good rows that refer to bad ones."""

    faults: int
    found: int
    false_alarms: int
    consequences: int
    recall: dict[str, float]

    @property
    def precision(self) -> float:
        """The share of true faults among what was found; 1 when nothing was."""
        return self.found / (self.found + self.false_alarms) if self.found + self.false_alarms else 1.0


def score(truth: Iterable[Fault], found: Iterable[Reject], layer: Layer = Layer.CSV) -> Score:
    """Compare what was found with the faults that this layer must find, by file and line."""
    wanted = [fault for fault in truth if fault.layer == layer.value]
    places = {(reject.file, reject.line) for reject in found}
    hit = {(fault.file, fault.line) for fault in wanted}
    corrupted = {fault.entity for fault in wanted}
    others = [reject for reject in found if (reject.file, reject.line) not in hit]
    consequences = sum(reject.row.split(",")[0].strip('"') in corrupted for reject in others)
    kinds = sorted({fault.kind for fault in wanted})
    recall = {}
    for kind in kinds:
        lines = [(fault.file, fault.line) for fault in wanted if fault.kind == kind]
        recall[kind] = sum(place in places for place in lines) / len(lines)
    return Score(len(wanted), len(hit & places), len(others) - consequences, consequences, recall)

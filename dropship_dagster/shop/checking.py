"""Checking a folder of CSV files, generated or somebody's own: every row, and how the files fit together."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dropship_dagster.shop.contract import (
    CUSTOMERS,
    ORDER_EVENTS,
    ORDER_LINES,
    ORDERS,
    PRODUCTS,
    SUPPLIERS,
    TABLES,
    Table,
)
from dropship_dagster.shop.errors import ShopError
from dropship_dagster.shop.reading import Batch, read_batches
from dropship_dagster.shop.rejects import Reject, Rejects

Progress = Callable[[str, int, int], None]

_REFERENCES = (
    (PRODUCTS, "supplier_id", SUPPLIERS),
    (ORDERS, "customer_id", CUSTOMERS),
    (ORDER_LINES, "product_id", PRODUCTS),
    (ORDER_LINES, "order_id", ORDERS),
    (ORDER_EVENTS, "order_id", ORDERS),
)


@dataclass(frozen=True)
class CheckReport:
    """What a check found. `files`: good rows. `problems`: how many, by file. `findings`: the first of them."""

    folder: str
    files: dict[str, int]
    problems: dict[str, int]
    findings: list[Reject] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not any(self.problems.values())

    def to_json(self) -> str:
        """One JSON object."""
        return json.dumps({"ok": self.ok, **asdict(self)}, ensure_ascii=False)


def check(
    folder: Path, *, rejects: Path | None = None, findings: int = 100, progress: Progress | None = None
) -> CheckReport:
    """Say what is wrong with the CSV files of a folder; nothing is changed.

    Checked are the contract of every row, the keys, the references between files, the totals of the orders, and that
    the events of an order are numbered from its placement on. The columns that are compared are held in memory.

    Args:
        folder: the folder.
        rejects: a CSV file for all findings.
        findings: how many to return.
        progress: called with the file, its number, and how many files there are.

    A file that is missing or has another header is a finding too; what depends on it is not checked.
    """
    with Rejects(rejects, keep=findings) as found:
        tables: dict[str, Batch] = {}
        broken: Counter[str] = Counter()
        for number, table in enumerate(TABLES):
            if progress:
                progress(table.file, number, len(TABLES))
            try:
                tables[table.name] = _load(folder, table, found)
            except ShopError as error:
                found.add(Reject(table.file, 1, "", str(error), ""))
                broken[table.file] += 1
        for table in TABLES:
            if table.name in tables:
                _check_keys(table, tables[table.name], found)
        for table, column, other in _REFERENCES:
            if table.name in tables and other.name in tables:
                _check_reference(table, column, tables[table.name], other, tables[other.name], found)
        if ORDERS.name in tables and ORDER_LINES.name in tables:
            _check_totals(tables[ORDERS.name], tables[ORDER_LINES.name], found)
        if ORDER_EVENTS.name in tables:
            _check_versions(tables[ORDER_EVENTS.name], found)
        rows = {table.file: len(tables[table.name].lines) for table in TABLES if table.name in tables}
        problems = {table.file: found.of(table.file) for table in TABLES}
        return CheckReport(str(folder), rows, problems, found.kept)


_COMPARED = {
    CUSTOMERS.name: ["customer_id"],
    SUPPLIERS.name: ["supplier_id"],
    PRODUCTS.name: ["product_id", "supplier_id"],
    ORDERS.name: ["order_id", "customer_id", "discount", "shipping_fee", "total"],
    ORDER_LINES.name: ["order_id", "line_no", "product_id", "quantity", "unit_price"],
    ORDER_EVENTS.name: ["order_id", "version", "event_type"],
}


def _load(folder: Path, table: Table, found: Rejects) -> Batch:
    names = _COMPARED[table.name]
    parts = [table.schema.empty_table().select(names)]
    lines = [np.empty(0, dtype=np.int64)]
    for batch in read_batches(folder, table, found):
        parts.append(batch.rows.select(names))
        lines.append(batch.lines)
    return Batch(pa.concat_tables(parts).combine_chunks(), np.concatenate(lines))


def _check_keys(table: Table, batch: Batch, found: Rejects) -> None:
    """No key twice: the later line is the finding."""
    rows = batch.rows.append_column("line", pa.array(batch.lines))
    first = rows.group_by(list(table.key)).aggregate([("line", "min")])["line_min"]
    again = ~np.isin(batch.lines, np.asarray(first), assume_unique=True)
    _report(table, batch, again, table.key[0], "is a key that an earlier line has", found)


def _check_reference(table: Table, column: str, batch: Batch, other: Table, known: Batch, found: Rejects) -> None:
    valid = pc.is_in(batch.rows[column], value_set=known.rows[other.key[0]].combine_chunks())
    _report(table, batch, ~_mask(valid), column, f"is not in {other.file}", found)


def _check_totals(orders: Batch, lines: Batch, found: Rejects) -> None:
    """total = sum(quantity x unit_price) - discount + shipping_fee, in cents."""
    owner = pc.index_in(lines.rows["order_id"], value_set=orders.rows["order_id"].combine_chunks())
    known = _mask(pc.is_valid(owner))
    position = np.asarray(pc.fill_null(owner, 0))[known]
    amounts = (_cents(lines.rows["unit_price"]) * np.asarray(lines.rows["quantity"]))[known]
    subtotal = np.zeros(len(orders.lines), dtype=np.int64)
    np.add.at(subtotal, position, amounts)
    expected = subtotal - _cents(orders.rows["discount"]) + _cents(orders.rows["shipping_fee"])
    wrong = expected != _cents(orders.rows["total"])
    _report(ORDERS, orders, wrong, "total", "is not sum(quantity x unit_price) - discount + shipping_fee", found)


def _check_versions(events: Batch, found: Rejects) -> None:
    """The placement is version 1, and nothing else is."""
    placed = _mask(pc.equal(events.rows["event_type"], "order_placed"))
    first = np.asarray(events.rows["version"]) == 1
    _report(ORDER_EVENTS, events, placed != first, "version", "must be 1 for order_placed and only for it", found)


def _report(table: Table, batch: Batch, wrong: NDArray[np.bool_], column: str, reason: str, found: Rejects) -> None:
    for position in np.flatnonzero(wrong).tolist():
        cells = [str(batch.rows[name][position].as_py()) for name in batch.rows.column_names]
        cell = batch.rows[column][position].as_py()
        found.add(Reject(table.file, int(batch.lines[position]), column, f"{cell} {reason}", ",".join(cells)))


def _mask(values: pa.ChunkedArray) -> NDArray[np.bool_]:
    return np.asarray(values, dtype=bool)


def _cents(amounts: pa.ChunkedArray) -> NDArray[np.int64]:
    scaled = pc.multiply(amounts, pa.scalar(Decimal(100), pa.decimal128(3, 0)))
    return np.asarray(scaled.cast(pa.int64()))

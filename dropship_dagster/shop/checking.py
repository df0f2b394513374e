"""Checking a folder of CSV files, generated or somebody's own: every row, and how the files fit together."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

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
    Table,
)
from dropship_dagster.shop.errors import ShopError
from dropship_dagster.shop.parts import tables_of
from dropship_dagster.shop.reading import Batch, read_batches
from dropship_dagster.shop.rejects import Reject, Rejects
from dropship_dagster.shop.rules import LINE_TWICE, MOST_EUR, MOST_UNITS, NO_LINES, TOO_MUCH, WRONG_TOTAL

Progress = Callable[[str, int, int], None]

Known = Callable[[str, Sequence[str]], Set[str]]
"""Which of these identifiers of a table (customers, products) are known outside of the folder."""

_REFERENCES = (
    (PRODUCTS, "supplier_id", SUPPLIERS),
    (ORDERS, "customer_id", CUSTOMERS),
    (ORDER_LINES, "product_id", PRODUCTS),
    (ORDER_LINES, "order_id", ORDERS),
    (ORDER_EVENTS, "order_id", ORDERS),
)


@dataclass(frozen=True)
class CheckReport:
    """What a check found.

    `files`: rows of those that could be read, bad ones included. `problems`: how many, by file. `findings`: the first
    of them. `warnings`: what could not be checked. `reject_share`: the share of a file's rows that may be wrong.
    """

    folder: str
    files: dict[str, int]
    problems: dict[str, int]
    findings: list[Reject] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    reject_share: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether every file was read and no more of its rows are wrong than allowed."""
        return all(file in self.files and self._allows(file) for file in self.problems)

    def _allows(self, file: str) -> bool:
        problems = self.problems[file]
        return problems <= self.reject_share * max(self.files[file], problems)

    def to_json(self) -> str:
        """One JSON object."""
        return json.dumps({"ok": self.ok, **asdict(self)}, ensure_ascii=False)


def check(
    folder: Path,
    *,
    rejects: Path | None = None,
    findings: int = 100,
    progress: Progress | None = None,
    known: Known | None = None,
    reject_share: float = 0.0,
) -> CheckReport:
    """Say what is wrong with the CSV files of a folder; nothing is changed.

    Checked are the contract of every row, the keys, the references between files, the lines and totals of the orders.
    The columns that are compared are held in memory.

    Args:
        folder: the folder.
        rejects: a CSV file for all findings.
        findings: how many to return.
        progress: called with the file, its number, and how many files there are.
        known: asked for customers and products that the folder does not hold. Without it, those of a file that is not
            there (see `shop.parts`) are taken as known, which is a warning.
        reject_share: the share of a file's rows that may be wrong.

    A file that is missing or has another header is a finding too; what depends on it is not checked.
    """
    wanted = tables_of(folder)
    with Rejects(rejects, keep=findings) as found:
        tables: dict[str, Batch] = {}
        for number, table in enumerate(wanted):
            if progress:
                progress(table.file, number, len(wanted))
            try:
                tables[table.name] = _load(folder, table, found)
            except ShopError as error:
                found.add(Reject(table.file, 1, "", str(error), ""))
        rows = {table.file: found.rows_of(table.file) for table in wanted if table.name in tables}
        for table in wanted:
            if table.name in tables:
                _check_keys(table, tables[table.name], found)
        warnings: list[str] = []
        for table, column, other in _REFERENCES:
            if table.name in tables and (other.name in tables or other not in wanted):
                warnings += _check_reference(table, column, tables, other, known, found)
        if ORDERS.name in tables and ORDER_LINES.name in tables:
            _check_lines(tables[ORDERS.name], tables[ORDER_LINES.name], found)
        problems = {table.file: found.of(table.file) for table in wanted}
        return CheckReport(str(folder), rows, problems, found.kept, warnings, reject_share)


_TWICE = "is a key that an earlier line has"

_COMPARED = {
    CUSTOMERS.name: ["customer_id"],
    SUPPLIERS.name: ["supplier_id"],
    PRODUCTS.name: ["product_id", "supplier_id"],
    ORDERS.name: ["order_id", "customer_id", "discount", "shipping_fee", "total"],
    ORDER_LINES.name: ["order_id", "line_no", "product_id", "quantity", "unit_price", "unit_cost"],
    ORDER_EVENTS.name: ["order_id", "version"],
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
    in_order = f"{LINE_TWICE} ({_TWICE})" if table is ORDER_LINES else None
    _report(table, batch, again, table.key[-1] if in_order else table.key[0], _TWICE, found, words=in_order)


def _check_reference(
    table: Table, column: str, tables: Mapping[str, Batch], other: Table, known: Known | None, found: Rejects
) -> Iterator[str]:
    """Yield a sentence for what cannot be checked."""
    batch, here = tables[table.name], tables.get(other.name)
    cells = batch.rows[column].combine_chunks()
    if here is not None:
        valid = _mask(pc.is_in(cells, value_set=here.rows[other.key[0]].combine_chunks()))
    else:
        valid = np.zeros(len(cells), dtype=bool)
    elsewhere = other in (CUSTOMERS, PRODUCTS)
    if elsewhere and not valid.all():
        missing = pc.unique(cells.filter(pa.array(~valid)))
        if known is not None:
            ids = known(other.name, missing.to_pylist())
            valid |= _mask(pc.is_in(cells, value_set=pa.array(sorted(ids), pa.string())))
        elif here is None:
            yield (
                f"{other.file} is not in the folder: {len(missing):,} {column} of {table.file} are taken as known from "
                "before."
            )
            return
    where = f"is not in {other.file}" if here is not None else f"is not known, and {other.file} is not in the folder"
    if known is not None and elsewhere and here is not None:
        where += ", nor known from before"
    _report(table, batch, ~valid, column, where, found)


def _check_lines(orders: Batch, lines: Batch, found: Rejects) -> None:
    """Each order has lines of sane sums, and its total follows from them, to the cent."""
    owner = pc.index_in(lines.rows["order_id"], value_set=orders.rows["order_id"].combine_chunks())
    known = _mask(pc.is_valid(owner))
    position = np.asarray(pc.fill_null(owner, 0))[known]
    count = len(orders.lines)
    quantity = np.asarray(lines.rows["quantity"])[known]
    prices, costs = (_cents(lines.rows[name])[known] for name in ("unit_price", "unit_cost"))

    def of_order(values: NDArray[Any]) -> NDArray[np.float64]:
        return np.bincount(position, weights=values, minlength=count).astype(np.float64)

    without = of_order(np.ones(len(position))) == 0
    most_cents = MOST_EUR * 100
    goods, cost = of_order(quantity * prices.astype(np.float64)), of_order(quantity * costs.astype(np.float64))
    too_much = (of_order(quantity) > MOST_UNITS) | (goods > most_cents) | (cost > most_cents)
    subtotal = np.zeros(count, dtype=np.int64)
    small = ~too_much[position]  # others overflow
    np.add.at(subtotal, position[small], (quantity * prices)[small])
    expected = subtotal - _cents(orders.rows["discount"]) + _cents(orders.rows["shipping_fee"])
    wrong = (expected != _cents(orders.rows["total"])) & ~too_much & ~without
    _report(
        ORDERS, orders, without, "order_id", "", found, words=f"{NO_LINES} (no line of it is in {ORDER_LINES.file})"
    )
    _report(ORDERS, orders, too_much, "order_id", "", found, words=f"{TOO_MUCH} (see its lines in {ORDER_LINES.file})")
    total = f"{WRONG_TOTAL} (goods: sum(quantity x unit_price) of its lines)"
    _report(ORDERS, orders, wrong, "total", "", found, words=total)


def _report(
    table: Table,
    batch: Batch,
    wrong: NDArray[np.bool_],
    column: str,
    reason: str,
    found: Rejects,
    *,
    words: str | None = None,
) -> None:
    """Reject rows: with the cell and the reason, or with the warehouse's words."""
    for position in np.flatnonzero(wrong).tolist():
        cells = [str(batch.rows[name][position].as_py()) for name in batch.rows.column_names]
        cell = batch.rows[column][position].as_py()
        said = f"{cell} {reason}" if words is None else words
        found.add(Reject(table.file, int(batch.lines[position]), column, said, ",".join(cells)))


def _mask(values: pa.ChunkedArray) -> NDArray[np.bool_]:
    return np.asarray(values, dtype=bool)


def _cents(amounts: pa.ChunkedArray) -> NDArray[np.int64]:
    scaled = pc.multiply(amounts, pa.scalar(Decimal(100), pa.decimal128(3, 0)))
    return np.asarray(scaled.cast(pa.int64()))
